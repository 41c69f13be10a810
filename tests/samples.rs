//! What the observation keeps of many connections: names by number, idle times, closes that belong together.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests

use afterfin::frame::FrameId;
use afterfin::observe::closes::{CloseFacts, Closes};
use afterfin::observe::distribution::Distribution;
use afterfin::observe::samples::{ImmediateCloses, Samples};
use afterfin::tcp::half::Mark;
use afterfin::time::{Span, Timestamp};

fn close(stream: u64, at_millis: i64, idle: Span) -> CloseFacts {
    let mark = Mark { frame: FrameId::new(0, stream + 1), time: Timestamp(at_millis * 1_000_000) };
    CloseFacts { stream, idle, age: None, requests: 1, mark, by_rst: false }
}

fn closes(list: &[(i64, i64)]) -> Closes {
    let mut closes = Closes::default();
    for (stream, (at, idle_millis)) in (0..).zip(list) {
        closes.add(close(stream, *at, Span::from_millis(*idle_millis)));
    }
    closes.flush();
    closes
}

#[test]
fn host_has_a_number_of_its_own_and_none_has_that_of_no_host() {
    let mut samples = Samples::default();
    let [a, b] = ["a.example", "b.example"].map(|name| samples.host(&name.try_into().unwrap()));
    assert!(a != 0 && b != 0 && a != b, "0 is no host");
    assert_eq!(samples.host(&"a.example".try_into().unwrap()), a, "the same name again");
    assert_eq!([a, b, 0].map(|host| samples.name(host)), [Some("a.example"), Some("b.example"), None]);
}

#[test]
fn time_of_no_length_is_a_time_and_a_negative_one_is_none() {
    let mut seen = Distribution::default();
    for value in [Span::ZERO, Span(-1), Span(5)] {
        seen.add(0, value);
    }
    assert_eq!((seen.count(), seen.longest()), (2, Some(Span(5))));
}

#[test]
fn closes_at_one_moment_are_an_event_only_if_no_timer_explains_them() {
    // six timers of ten seconds and more apart; and one timer of 100 s, whose closes differ by its two or three percent
    let reload = closes(&[(0, 10_000), (1, 20_000), (2, 30_000), (3, 40_000), (4, 50_000), (5, 60_000)]);
    assert_eq!((reload.events.len(), reload.idle.count()), (1, 0));
    let timer = closes(&[(0, 100_000), (1, 100_600), (2, 101_200), (3, 101_800), (4, 102_400), (5, 102_900)]);
    assert_eq!((timer.events.len(), timer.idle.count()), (0, 6));
}

#[test]
fn closes_right_after_a_response_are_all_counted() {
    let mut immediate = ImmediateCloses::default();
    for stream in 0..1_000 {
        immediate.add(close(stream, 0, Span::ZERO));
    }
    assert_eq!(immediate.count, 1_000);
    assert!(immediate.facts.len() < 1_000, "a part of them is kept");
}

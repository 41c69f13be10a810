//! Closes of idle connections by one side, in bounded memory: their idle times, and apart from these the closes that an event explains
//! (a reload, a process that ends: catalogue S-16).

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use crate::tcp::half::Mark;
use crate::time::{Span, Timestamp};

/// Closes within this of each other may be one event.
const MOMENT: Span = Span::from_millis(500);
/// So many closes at one moment are judged together.
const WINDOW: usize = 64;
/// So many closes at one moment, with idle times that have nothing in common, are an event.
const EVENT_FROM: usize = 5;
/// Closes this close together are of one cause, or of several timers that ran out by chance: four of these are too many.
const ONE_STROKE: Span = Span::from_millis(50);
/// So many groups of idle times within one stroke are an event.
const GROUPS_OF_ONE_STROKE: usize = 4;
/// Idle times this close to each other, or within 3 %, may be one timer (semantics, «Timeouts»).
const TIMER_WIDTH: Span = Span::from_millis(500);
/// So many events are kept; more are only counted.
const KEPT_EVENTS: usize = 64;
/// So many single closes are kept, evenly spread over all of them.
const KEPT_FACTS: usize = 256;

/// One close while nothing was outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseFacts {
    /// Connection.
    pub stream: u64,
    /// Application idle before it.
    pub idle: Span,
    /// Time since the SYN, if it was captured.
    pub age: Option<Span>,
    /// Requests that the connection had carried.
    pub requests: u32,
    /// Where.
    pub mark: Mark,
    /// It was an RST.
    pub by_rst: bool,
}

/// Many closes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassClose {
    /// The first of them.
    pub first: CloseFacts,
    /// The last of them.
    pub last: CloseFacts,
    /// How many.
    pub count: u64,
    /// The shortest idle time among them.
    pub shortest: Span,
    /// The longest idle time among them.
    pub longest: Span,
}

/// Closes by one side of the connections to one server.
#[derive(Clone, Debug, Default)]
pub struct Closes {
    /// Idle times before the closes that no event explains.
    pub idle: Distribution,
    /// Single closes, evenly spread over all that no event explains.
    pub facts: Vec<CloseFacts>,
    /// Events.
    pub events: Vec<MassClose>,
    /// How many of the closes were RSTs.
    pub resets: u64,
    stride: u64,
    seen: u64,
    window: Vec<CloseFacts>,
    before: Option<(Timestamp, usize)>,
}

impl Closes {
    /// Takes in a close; closes of one moment are judged together, the last of them by [`Self::flush`].
    pub fn add(&mut self, close: CloseFacts) {
        let begun = self.window.first().map(|first| first.mark.time);
        if begun.is_some_and(|begun| close.mark.time.since(begun).abs() > MOMENT) || self.window.len() >= WINDOW {
            self.flush();
        }
        self.window.push(close);
    }

    /// Judges the closes of the last moment.
    pub fn flush(&mut self) {
        let window = std::mem::take(&mut self.window);
        let Some(first) = window.first().copied() else { return };
        let size = window.len();
        let usual = self.before.is_some_and(|(time, count)| {
            first.mark.time.since(time) <= Span(MOMENT.nanos().saturating_mul(2)) && count.saturating_mul(3) >= size
        });
        let continues = self.events.last().is_some_and(|event| first.mark.time.since(event.last.mark.time) <= MOMENT);
        if is_scattered(&window) && (!usual || continues) {
            self.event(&window);
        } else {
            for close in window {
                self.keep(close);
            }
        }
        self.before = Some((first.mark.time, size));
    }

    fn event(&mut self, window: &[CloseFacts]) {
        let (Some(first), Some(last)) = (window.first(), window.last()) else { return };
        let idle = || window.iter().map(|close| close.idle);
        let (shortest, longest) = (idle().min().unwrap_or_default(), idle().max().unwrap_or_default());
        if let Some(event) = self.events.last_mut().filter(|event| first.mark.time.since(event.last.mark.time) <= MOMENT) {
            event.last = *last;
            event.count += window.len() as u64;
            event.shortest = event.shortest.min(shortest);
            event.longest = event.longest.max(longest);
        } else if self.events.len() < KEPT_EVENTS {
            self.events.push(MassClose { first: *first, last: *last, count: window.len() as u64, shortest, longest });
        }
    }

    /// A systematic sample: every close at first, every second when the list is full, and so on. No random numbers, so the same input
    /// gives the same sample.
    fn keep(&mut self, close: CloseFacts) {
        self.idle.add(close.stream, close.idle);
        self.resets += u64::from(close.by_rst);
        let stride = self.stride.max(1);
        if self.seen.is_multiple_of(stride) {
            if self.facts.len() >= KEPT_FACTS {
                let mut at = 0_usize;
                self.facts.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride = stride.saturating_mul(2);
            }
            if self.seen.is_multiple_of(self.stride.max(1)) {
                self.facts.push(close);
            }
        }
        self.seen += 1;
    }
}

/// Whether the idle times have nothing in common: it takes five timers or more to explain them (four where all closes come at one
/// stroke), and none explains more than half of them.
fn is_scattered(window: &[CloseFacts]) -> bool {
    if window.len() < EVENT_FROM {
        return false;
    }
    let mut idle: Vec<Span> = window.iter().map(|close| close.idle).collect();
    idle.sort_unstable();
    let (mut groups, mut largest, mut size, mut start) = (0, 0, 0, None::<Span>);
    for value in idle {
        let width = |start: Span| TIMER_WIDTH.max(Span(start.nanos() / 100 * 3));
        if start.is_none_or(|start| value - start > width(start)) {
            groups += 1;
            start = Some(value);
            size = 0;
        }
        size += 1;
        largest = largest.max(size);
    }
    let times = || window.iter().map(|close| close.mark.time);
    let stroke = times().max().zip(times().min()).is_some_and(|(last, first)| last.since(first) <= ONE_STROKE);
    let many = if stroke { GROUPS_OF_ONE_STROKE } else { EVENT_FROM };
    groups >= many && largest * 2 <= window.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;

    fn close(at_millis: i64, idle_millis: i64) -> CloseFacts {
        let mark = Mark { frame: FrameId::new(0, 1), time: Timestamp(at_millis * 1_000_000) };
        CloseFacts { stream: 1, idle: Span::from_millis(idle_millis), age: None, requests: 1, mark, by_rst: false }
    }

    fn closes(list: &[(i64, i64)]) -> Closes {
        let mut closes = Closes::default();
        for (at, idle) in list {
            closes.add(close(*at, *idle));
        }
        closes.flush();
        closes
    }

    #[test]
    fn reload_is_an_event_and_no_timer() {
        let seen = closes(&[(0, 300), (1, 1500), (2, 2900), (3, 4100), (4, 7000), (5, 9000)]);
        assert_eq!(seen.events.len(), 1);
        assert_eq!((seen.events[0].count, seen.events[0].longest), (6, Span::from_secs(9)));
        assert_eq!(seen.idle.count(), 0);
    }

    #[test]
    fn burst_of_equal_idle_times_is_a_timer_and_no_event() {
        let seen = closes(&[(0, 5001), (1, 5002), (2, 5000), (3, 5003), (4, 5010), (5, 5004)]);
        assert_eq!((seen.events.len(), seen.idle.count()), (0, 6));
    }

    #[test]
    fn three_timers_at_one_moment_are_no_event() {
        let list: Vec<(i64, i64)> = (0..30).map(|i| (i, [5000, 10_000, 15_000][usize::try_from(i % 3).unwrap()])).collect();
        assert_eq!(closes(&list).events.len(), 0);
    }

    #[test]
    fn near_idle_times_at_one_stroke_are_an_event_and_over_half_a_second_are_not() {
        let at_once = [(0, 1970), (0, 2430), (0, 2900), (1, 3350), (1, 3810), (1, 4350)];
        assert_eq!(closes(&at_once).events.len(), 1);
        let spread: Vec<(i64, i64)> = at_once.iter().zip(0..).map(|((_, idle), at)| (at * 80, *idle)).collect();
        assert_eq!(closes(&spread).events.len(), 0);
        let one_timer: Vec<(i64, i64)> = (0..6).map(|i| (0, 5000 + i * 90)).collect();
        assert_eq!(closes(&one_timer).events.len(), 0);
    }

    #[test]
    fn scattered_closes_over_time_are_no_event() {
        let list: Vec<(i64, i64)> = (0..30).map(|i| (i * 700, 300 + i * 900)).collect();
        let seen = closes(&list);
        assert_eq!((seen.events.len(), seen.idle.count()), (0, 30));
    }

    #[test]
    fn single_closes_are_an_even_sample_of_bounded_size() {
        let list: Vec<(i64, i64)> = (0..10_000).map(|i| (i * 1000, 5000)).collect();
        let seen = closes(&list);
        assert!(seen.facts.len() <= KEPT_FACTS && seen.facts.len() >= KEPT_FACTS / 2);
        let gaps: Vec<i64> = seen.facts.windows(2).map(|pair| pair[1].mark.time.since(pair[0].mark.time).nanos()).collect();
        assert!(gaps.windows(2).all(|pair| pair[0] == pair[1]), "{gaps:?}");
    }
}

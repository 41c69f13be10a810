//! What the tracker promises of numbers and times, against a model that knows what was sent: random conversations of two hosts whose every
//! segment is captured, with initial sequence numbers anywhere, segments as long as an offloading card makes them (so that numbers wrap
//! many times), retransmissions, acknowledgements of a part, keepalive probes and silences.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests

use afterfin::endpoint::{Endpoint, FlowKey, Side};
use afterfin::frame::FrameId;
use afterfin::options::Thresholds;
use afterfin::segment::{Flags, Segment, TcpOptions, Vantage};
use afterfin::seq::SeqNumber;
use afterfin::tcp::Tracker;
use afterfin::time::{Span, Timestamp};
use proptest::prelude::*;

const HOSTS: [Endpoint; 2] = [Endpoint::v4([10, 0, 0, 1], 40_000), Endpoint::v4([10, 0, 0, 2], 80)];
const BEGIN: Timestamp = Timestamp::new(1_790_000_000, 0);

/// What one host does next; fractions are of 256.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// New payload of so many octets.
    Send(u32),
    /// Payload again: from so far back, and so much of what was sent since.
    Resend { back: u32, length: u32 },
    /// An acknowledgement of this part of what is not yet acknowledged.
    Acknowledge(u8),
    /// A keepalive probe of nothing or one octet, if all is acknowledged.
    Probe(bool),
}

#[derive(Clone, Copy, Debug)]
struct Event {
    host: usize,
    wait: Span,
    act: Act,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let act = prop_oneof![
        (1..3_000_u32).prop_map(Act::Send),
        (1..1_000_000_u32).prop_map(Act::Send),
        Just(Act::Send(400_000_000)),
        (1..5_000_u32, 1..3_000_u32).prop_map(|(back, length)| Act::Resend { back, length }),
        any::<u8>().prop_map(Act::Acknowledge),
        Just(Act::Acknowledge(255)),
        any::<bool>().prop_map(Act::Probe),
    ];
    let wait = prop_oneof![0..100_000_i64, Just(999_999_999), Just(1_000_000_000), Just(1_000_000_001), 0..7_200_000_000_000_i64,];
    prop::collection::vec((0..2_usize, wait, act).prop_map(|(host, wait, act)| Event { host, wait: Span(wait), act }), 1..120)
}

/// What one host has sent and what it has acknowledged of the other, in octets of the number space from its own initial number.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    initial: u32,
    sent: u64,
    acknowledged: u64,
    payload: u64,
    segments: u64,
}

struct Play {
    hosts: [Host; 2],
    tracker: Tracker,
    time: Timestamp,
    number: u64,
    /// When each SYN and each new payload came.
    real: Vec<Timestamp>,
}

/// A number modulo 2³².
fn wrapped(initial: u32, offset: u64) -> u32 {
    u32::try_from((u64::from(initial) + offset) % (1 << 32)).unwrap()
}

impl Play {
    fn push(&mut self, from: usize, offset: u64, flags: u16, length: u32) {
        self.number += 1;
        let (host, other) = (self.hosts[from], self.hosts[1 - from]);
        let segment = Segment {
            frame: FrameId::new(0, self.number),
            time: self.time,
            time_unknown: false,
            src: HOSTS[from],
            dst: HOSTS[1 - from],
            tenant: 0,
            seq: SeqNumber(wrapped(host.initial, offset)),
            ack: SeqNumber(if flags & Flags::ACK.0 == 0 { 0 } else { wrapped(other.initial, host.acknowledged) }),
            flags: Flags(flags),
            window: 500,
            options: TcpOptions::default(),
            payload_length: length,
            ttl: 64,
            ip_id: Some(u16::try_from(self.number).unwrap()), // no two frames are sights of the same segment
            discarded: false,
            vantage: Vantage::default(),
            head: &[],
            tail: &[],
        };
        self.hosts[from].segments += 1;
        self.hosts[from].payload += u64::from(length);
        self.tracker.push(&segment);
    }

    fn handshake(&mut self) {
        self.push(0, 0, Flags::SYN.0, 0);
        self.real.push(self.time);
        self.hosts[0].sent = 1;
        self.hosts[1].acknowledged = 1;
        self.push(1, 0, Flags::SYN.0 | Flags::ACK.0, 0);
        self.real.push(self.time);
        self.hosts[1].sent = 1;
        self.hosts[0].acknowledged = 1;
        self.push(0, 1, Flags::ACK.0, 0);
    }

    fn act(&mut self, event: Event) {
        self.time = self.time + event.wait;
        let from = event.host;
        let (mine, peer) = (self.hosts[from], self.hosts[1 - from]);
        match event.act {
            // no window is larger (RFC 7323 section 2.3), and beyond half the space a number says nothing
            Act::Send(length) if mine.sent - peer.acknowledged + u64::from(length) <= 1 << 30 => {
                self.push(from, mine.sent, Flags::ACK.0 | Flags::PSH.0, length);
                self.hosts[from].sent += u64::from(length);
                self.real.push(self.time);
            }
            Act::Resend { back, length } => {
                let start = mine.sent.saturating_sub(u64::from(back)).max(1);
                let length = u64::from(length).min(mine.sent - start);
                self.push(from, start, Flags::ACK.0, u32::try_from(length).unwrap());
            }
            Act::Acknowledge(part) => {
                let open = peer.sent - mine.acknowledged;
                self.hosts[from].acknowledged += if part == 255 { open } else { open * u64::from(part) / 256 };
                self.push(from, mine.sent, Flags::ACK.0, 0);
            }
            Act::Probe(octet) if peer.acknowledged == mine.sent && mine.sent > 1 => {
                self.push(from, mine.sent - 1, Flags::ACK.0, u32::from(octet));
            }
            Act::Send(_) | Act::Probe(_) => {}
        }
    }

    /// The silences between real events of at least the threshold, the last up to now.
    fn silences(&self, threshold: Span) -> Vec<(Timestamp, Span)> {
        let ends = self.real.iter().skip(1).chain([&self.time]);
        let silences = self.real.iter().zip(ends).map(|(start, end)| (*start, *end - *start));
        silences.filter(|(_, length)| *length >= threshold).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_of_the_tracker_are_those_that_were_sent_modulo_the_number_space(
        initial in prop::array::uniform2(prop_oneof![any::<u32>(), 0xffff_fc00..=u32::MAX, 0x7fff_fc00..0x8000_0400_u32]),
        events in events(),
    ) {
        let host = |initial| Host { initial, ..Host::default() };
        let mut play = Play { hosts: initial.map(host), tracker: Tracker::new(Thresholds::default()), time: BEGIN, number: 0, real: vec![] };
        play.handshake();
        for event in events {
            play.act(event);
            prop_assert_eq!(play.tracker.connections().len(), 1, "nothing here begins another connection");
            let connection = play.tracker.connection(0).unwrap();
            for (index, host) in play.hosts.iter().enumerate() {
                let (_, side) = FlowKey::of(HOSTS[index], HOSTS[1 - index], 0);
                let (half, peer) = (connection.half(side), connection.half(side.other()));
                let (snd_nxt, snd_una) = (half.snd_nxt.unwrap(), peer.acked.unwrap());
                prop_assert!(snd_una <= snd_nxt, "{snd_una} {snd_nxt} after {event:?}");
                let low = |position: i64| u32::try_from(position.rem_euclid(1 << 32)).unwrap();
                prop_assert_eq!(low(snd_nxt), wrapped(host.initial, host.sent), "SND.NXT after {:?}", event);
                prop_assert_eq!(low(snd_una), wrapped(host.initial, play.hosts[1 - index].acknowledged), "SND.UNA after {:?}", event);
                let outstanding = host.sent - play.hosts[1 - index].acknowledged;
                prop_assert_eq!(u64::try_from(snd_nxt - snd_una).unwrap(), outstanding, "what is in flight");
                prop_assert_eq!(half.coverage.octets(), host.sent - 1, "every octet once");
                prop_assert_eq!((half.counts.segments, half.counts.payload_octets), (host.segments, host.payload));
                prop_assert_eq!(half.counts.duplicates, 0);
            }
            let segments: u64 = [Side::Low, Side::High].iter().map(|side| connection.half(*side).counts.segments).sum();
            prop_assert_eq!(segments, play.number);
        }
    }

    #[test]
    fn idle_gaps_and_activity_make_up_the_life_of_a_connection(events in events(), rest in 0..10_000_000_000_i64) {
        let thresholds = Thresholds::default();
        let hosts = [1_000, 5_000].map(|initial| Host { initial, ..Host::default() });
        let mut play = Play { hosts, tracker: Tracker::new(thresholds), time: BEGIN, number: 0, real: vec![] };
        play.handshake();
        for event in events {
            play.act(event);
        }
        play.time = play.time + Span(rest);
        let connection = play.tracker.connection(0).unwrap();
        let last = connection.final_gap(play.time, thresholds.idle_gap);
        let list = connection.gaps.as_deref().cloned().unwrap_or_default();
        let mut gaps: Vec<_> = list.longest.iter().chain(&last).map(|gap| (gap.start.time, gap.length)).collect();
        for gap in &list.longest {
            prop_assert_eq!(gap.end.unwrap().time, gap.start.time + gap.length);
        }
        gaps.sort_unstable();
        let silences = play.silences(thresholds.idle_gap);
        prop_assert_eq!(list.count + u64::from(last.is_some()), silences.len() as u64);
        if list.count <= 8 {
            prop_assert_eq!(&gaps, &silences);
            let idle: i64 = gaps.iter().map(|(_, length)| length.nanos()).sum();
            let short: i64 = play.real.iter().zip(play.real.iter().skip(1).chain([&play.time])).map(|(start, end)| (*end - *start).nanos())
                .filter(|length| *length < thresholds.idle_gap.nanos()).sum();
            prop_assert_eq!(idle + short, (play.time - BEGIN).nanos(), "the parts make up the whole");
        } else {
            let shortest_kept = list.longest.iter().map(|gap| gap.length).min().unwrap();
            let left_out = silences.iter().filter(|silence| !gaps.contains(silence)).map(|(_, length)| *length).max();
            prop_assert!(gaps.iter().all(|gap| silences.contains(gap)) && list.longest.len() == 8);
            prop_assert!(left_out.is_none_or(|length| length <= shortest_kept), "the longest are kept");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn octets_seen_are_a_set_whatever_the_order_of_the_segments(pieces in prop::collection::vec((0..400_usize, 0..40_usize), 1..60)) {
        let mut coverage = afterfin::tcp::coverage::Coverage::default();
        let mut seen = [false; 440];
        let position = |at: usize| i64::try_from(at).unwrap() + (1 << 32);
        for (start, length) in pieces {
            let new = seen[start..start + length].iter().any(|octet| !octet);
            if length > 0 {
                prop_assert_eq!(coverage.contains(position(start), position(start + length)), !new);
            }
            coverage.add(position(start), position(start + length));
            seen[start..start + length].fill(true);
            prop_assert_eq!(coverage.octets(), seen.iter().filter(|octet| **octet).count() as u64);
            let runs = seen.chunk_by(|one, two| one == two).filter(|run| run[0]).count();
            prop_assert_eq!(coverage.has_holes(), runs > 1);
        }
    }
}

#[test]
fn tracker_that_has_seen_nothing_has_no_connection() {
    let tracker = Tracker::new(Thresholds::default());
    assert!(tracker.connections().is_empty());
    let mut play = Play { hosts: [Host::default(); 2], tracker, time: BEGIN, number: 0, real: vec![] };
    play.handshake();
    assert!(!play.tracker.connections().is_empty());
}

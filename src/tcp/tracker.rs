//! Finds the connection of each segment and lets it change.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::connection::{Connection, MAXIMUM_SEGMENT_LIFETIME};
use super::facts::{Facts, Late};
use super::half::Mark;
use super::incarnation;
use super::role::{KnownServers, ServerPlaces};
use super::slab::Connections;
use super::step::Step;
use super::table::FlowTable;
use super::transition::Transition;
use crate::endpoint::{Endpoint, FlowKey, Side};
use crate::frame::Order;
use crate::options::Thresholds;
use crate::report::RoleBasis;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::time::Timestamp;

/// So many 4-tuples that no segment has shown get a number of their own.
const RESERVED_NUMBERS: usize = 65_536;

/// A datagram waits for its fragments for a minute at most: more incarnations of its 4-tuple than this do not fit in.
const INCARNATIONS_LOOKED_BACK: usize = 8;

/// What was found of a segment before its turn.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// Index of its connection; `usize::MAX`: none holds its 4-tuple yet.
    pub connection: usize,
    /// So many connections there were.
    among: usize,
}

impl Default for Expected {
    fn default() -> Self {
        Self { connection: usize::MAX, among: usize::MAX }
    }
}

/// Follows every connection.
#[derive(Debug)]
pub struct Tracker {
    table: FlowTable,
    servers: KnownServers,
    thresholds: Thresholds,
    next_stream: u64,
    /// Several inputs show the same time.
    overlapping: bool,
    /// Numbers of 4-tuples that only ICMP errors and headers that are none have shown so far: Wireshark numbers them too.
    reserved: HashMap<FlowKey, u64, ahash::RandomState>,
    /// Further sights of segments already seen.
    pub duplicates: u64,
    /// Connections that both sides have closed, and since when they are silent as far as was looked.
    ending: VecDeque<(Timestamp, usize)>,
    /// Where there is a limit: connections that began with a SYN, in that order, for when the limit is reached.
    opening: VecDeque<usize>,
    /// Connections that are over, in the order in which they ended, for when that is not enough.
    ended: VecDeque<usize>,
    /// Upper bound of what is kept of connections, in octets.
    limit: Option<u64>,
    /// Segments of connections that began when nothing more could be given up.
    pub not_followed: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            table: FlowTable::default(),
            servers: KnownServers::default(),
            thresholds,
            next_stream: 0,
            overlapping: false,
            reserved: HashMap::default(),
            duplicates: 0,
            ending: VecDeque::new(),
            opening: VecDeque::new(),
            ended: VecDeque::new(),
            limit: None,
            not_followed: 0,
        }
    }

    /// The same, with an upper bound in octets of what is kept of connections; ask [`Tracker::next_to_give_up`] after each segment.
    pub fn with_limit(thresholds: Thresholds, limit: u64) -> Self {
        Self { limit: Some(limit), ..Self::new(thresholds) }
    }

    /// A tracker of some connections of a capture whose servers are known: ask [`Tracker::stand_at`] before each segment.
    pub fn of_some(thresholds: Thresholds, servers: Arc<ServerPlaces>, at: Order) -> Self {
        Self { servers: KnownServers::Given(servers, at), ..Self::new(thresholds) }
    }

    /// What comes next stands there in the order of the whole capture.
    pub fn stand_at(&mut self, order: Order) {
        if let KnownServers::Given(_, now) = &mut self.servers {
            *now = order;
        }
    }

    /// From here on several inputs show the same time.
    pub const fn overlap(&mut self) {
        self.overlapping = true;
    }

    /// How many numbers were given, to connections and to 4-tuples of which no segment was seen.
    pub const fn numbers(&self) -> u64 {
        self.next_stream
    }

    /// A connection that is followed, by its index.
    pub fn connection(&self, at: usize) -> Option<&Connection> {
        self.table.get(at)
    }

    /// Every connection in the order of its first segment; the index is the one of [`Step::connection`].
    pub const fn connections(&self) -> &Connections {
        self.table.connections()
    }

    /// Every connection, to keep.
    pub fn into_connections(self) -> Connections {
        self.table.into_connections()
    }

    /// Whether a connection is over: both sides have closed and know it.
    pub fn is_over(&self, at: usize) -> bool {
        self.connection(at).is_some_and(Connection::is_over)
    }

    /// An ICMP error quotes a segment of a connection: its index, if it is known.
    pub fn icmp(&mut self, quote: &IcmpQuote) -> Option<usize> {
        let (key, _) = FlowKey::of(quote.src, quote.dst, quote.tenant);
        let Some(at) = self.table.find(&key) else {
            self.reserve(quote.src, quote.dst, quote.tenant);
            return None;
        };
        let connection = self.table.get_mut(at)?;
        connection.icmp_errors = connection.icmp_errors.saturating_add(1);
        Some(at)
    }

    /// A 4-tuple was seen, but no segment of it (an ICMP error quotes one, or the header is none): Wireshark gives it a number, so the first
    /// segment that comes gets that one.
    pub fn reserve(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
        let (key, _) = FlowKey::of(src, dst, tenant);
        if self.table.find(&key).is_none() && self.reserved.len() < RESERVED_NUMBERS && !self.reserved.contains_key(&key) {
            self.reserved.insert(key, self.next_stream);
            self.next_stream += 1;
        }
    }

    /// A datagram of a connection never became whole: the index of the connection, if it is known, and whose datagram it was. It is told
    /// late, so the 4-tuple may have been used again meanwhile.
    pub fn incomplete(&mut self, datagram: &IncompleteDatagram) -> Option<(usize, Side)> {
        let (key, side) = FlowKey::of(datagram.src, datagram.dst, datagram.tenant);
        let mut at = self.table.find(&key)?;
        for _ in 0..INCARNATIONS_LOOKED_BACK {
            let connection = self.table.get(at)?;
            if connection.first.time <= datagram.time {
                break;
            }
            at = connection.previous?;
        }
        let counts = &mut self.table.get_mut(at)?.half_mut(side).counts;
        counts.incomplete_datagrams = counts.incomplete_datagrams.saturating_add(1);
        Some((at, side))
    }

    /// Looks up the connection of a segment that will come soon.
    #[inline]
    pub fn expect(&self, segment: &Segment<'_>) -> Expected {
        let (key, _) = FlowKey::of(segment.src, segment.dst, segment.tenant);
        Expected { connection: self.table.find(&key).unwrap_or(usize::MAX), among: self.connections().len() }
    }

    /// Takes in one segment.
    pub fn push(&mut self, segment: &Segment<'_>) -> Step {
        let mut step = Step::default();
        self.push_into(segment, &mut step);
        step
    }

    /// Takes in one segment and writes what it did into `step`, whose octets are used again: a step has some 600 of them, most of which an
    /// ordinary segment leaves alone.
    pub fn push_into(&mut self, segment: &Segment<'_>, step: &mut Step) {
        self.push_expected(segment, Expected::default(), step);
    }

    /// The same for a segment that was looked up before: nothing is looked up again while no connection was added.
    pub fn push_expected(&mut self, segment: &Segment<'_>, expected: Expected, step: &mut Step) {
        let (key, side) = FlowKey::of(segment.src, segment.dst, segment.tenant);
        let mark = Mark::of(segment);
        if segment.flags.syn() && !segment.discarded {
            self.servers.learn(if segment.flags.ack() { segment.src } else { segment.dst });
        }
        let mut revived = false;
        let (at, opened, replaced) = match self.find(&key, expected) {
            None if self.is_full() => {
                step.begin(usize::MAX, side, mark);
                self.not_followed = self.not_followed.saturating_add(1);
                return;
            }
            None => (self.open(key, side, segment), true, None),
            Some(current) => match self.incarnation(current, side, segment) {
                Incarnation::Current => (current, false, None),
                Incarnation::Straggler => {
                    step.begin(current, side, mark);
                    step.straggler = true;
                    if let Some(ended) = self.table.connections_mut().ended_mut(current) {
                        ended.count(side, segment);
                    } else if let Some(connection) = self.table.get_mut(current) {
                        connection.count_straggler(side, segment);
                    }
                    return;
                }
                Incarnation::Revived => {
                    self.table.connections_mut().revive(current);
                    revived = true;
                    (current, false, None)
                }
                Incarnation::Older(previous) => {
                    step.begin(previous, side, mark);
                    step.of_older_incarnation = true;
                    if let Some(connection) = self.table.get_mut(previous) {
                        connection.tick(mark);
                        connection.half_mut(side).count(segment);
                    }
                    return;
                }
                // Wireshark numbers it; no receiver accepts it, so that what it would have replaced goes on
                Incarnation::New if segment.discarded => {
                    let client = self.table.get(current).map_or(side, |connection| connection.client);
                    let apart = self.connection_of(key, client, RoleBasis::Guess, segment);
                    (self.table.insert_apart(apart), true, None)
                }
                Incarnation::New => {
                    if let Some(old) = self.table.get_mut(current) {
                        old.superseded = Some(segment.time);
                    }
                    let at = self.open(key, side, segment);
                    if let Some(connection) = self.table.get_mut(at) {
                        connection.previous = Some(current);
                    }
                    (at, true, Some(current))
                }
            },
        };
        step.begin(at, side, mark);
        step.payload_length = segment.payload_length;
        step.has_fin = segment.flags.fin() && !segment.discarded;
        step.timestamp_value = segment.options.timestamp.map(|(value, _)| value);
        step.vantage = segment.vantage;
        step.has_rst = segment.flags.rst();
        step.opened = opened;
        step.replaced = replaced;
        if let Some(connection) = self.table.get_mut(at) {
            let overlapping = self.overlapping;
            Transition { connection, segment, side, mark, thresholds: &self.thresholds, overlapping }.run(step);
            step.restarted |= revived;
            if connection.first_fin.is_some() && !connection.is_ending && connection.is_over() {
                connection.is_ending = true;
                self.ending.push_back((mark.time, at));
            }
            self.duplicates += u64::from(step.duplicate);
        }
    }

    /// A connection that both sides have closed and that has been silent at `now` for longer than a segment lives: its index. Ask until there is
    /// none more, after each segment; each is named once.
    #[inline]
    pub fn next_over(&mut self, now: Timestamp) -> Option<usize> {
        let (since, _) = self.ending.front()?;
        if now.since(*since) < MAXIMUM_SEGMENT_LIFETIME { None } else { self.first_over(now) }
    }

    #[cold]
    fn first_over(&mut self, now: Timestamp) -> Option<usize> {
        while let Some((since, at)) = self.ending.front().copied().filter(|(since, _)| now.since(*since) >= MAXIMUM_SEGMENT_LIFETIME) {
            self.ending.pop_front();
            let Some(connection) = self.table.get_mut(at) else { continue };
            if !connection.is_over() {
                connection.is_ending = false; // a new incarnation
            } else if connection.latest > since && now.since(connection.latest) < MAXIMUM_SEGMENT_LIFETIME {
                self.ending.push_back((connection.latest, at));
            } else {
                return Some(at);
            }
        }
        None
    }

    /// Nothing more is to be found out about this connection: it is reduced to its facts.
    pub fn end(&mut self, at: usize, half_closed: Option<(Timestamp, Timestamp)>) {
        self.table.connections_mut().end(at, half_closed);
        if self.limit.is_some() {
            self.ended.push_back(at);
        }
    }

    /// Whether the limit is reached.
    #[inline]
    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.connections().octets() > limit)
    }

    /// Where the limit is reached, the connection that is to be reduced to its facts next: one that both sides have closed, the earliest
    /// first; then one whose handshake never came about, the earliest first. A connection that stands is never given up, however long it
    /// is silent. `None`: the limit is not reached, or nothing more can be reduced.
    pub fn next_to_give_up(&mut self) -> Option<usize> {
        let limit = self.limit.filter(|limit| self.connections().octets() > *limit)?;
        // What is left of those that are over takes half of the room at most.
        self.forget_while(|connections| connections.octets() > limit && connections.ended_octets() > limit / 2);
        if !self.is_full() {
            return None;
        }
        while let Some((_, at)) = self.ending.pop_front() {
            let Some(connection) = self.table.get_mut(at) else { continue };
            if connection.is_over() {
                return Some(at);
            }
            connection.is_ending = false;
        }
        while let Some(at) = self.opening.pop_front() {
            if self.table.get(at).is_some_and(Connection::is_attempt) {
                return Some(at);
            }
        }
        self.forget_while(|connections| connections.octets() > limit);
        None
    }

    /// What is left of connections that are over goes, the earliest first.
    fn forget_while(&mut self, is_wanted: impl Fn(&Connections) -> bool) {
        while is_wanted(self.connections())
            && let Some(at) = self.ended.pop_front()
        {
            self.table.forget(at);
        }
    }

    #[inline]
    fn find(&self, key: &FlowKey, expected: Expected) -> Option<usize> {
        let Expected { connection, among } = expected;
        // A 4-tuple changes hands only when a connection is added; what is forgotten has no key.
        if self.connections().len() == among && self.connections().key(connection) == Some(key) {
            return Some(connection);
        }
        self.table.find(key)
    }

    fn open(&mut self, key: FlowKey, side: Side, segment: &Segment<'_>) -> usize {
        let (client, basis) = match (segment.flags.syn() && !segment.discarded, segment.flags.ack()) {
            (true, false) => (side, RoleBasis::Syn),
            (true, true) => (side.other(), RoleBasis::SynAck),
            _ => (self.servers.guess_client(key.endpoint(Side::Low), key.endpoint(Side::High)), RoleBasis::Guess),
        };
        let connection = self.connection_of(key, client, basis, segment);
        let at = self.table.insert(connection);
        if self.limit.is_some() && segment.flags.syn() {
            self.opening.push_back(at);
        }
        at
    }

    fn connection_of(&mut self, key: FlowKey, client: Side, basis: RoleBasis, segment: &Segment<'_>) -> Connection {
        let stream = self.reserved.remove(&key).unwrap_or_else(|| {
            self.next_stream += 1;
            self.next_stream - 1
        });
        Connection::new(stream, key, client, basis, Mark::of(segment))
    }

    /// Which incarnation of the 4-tuple a segment belongs to: the rule of Wireshark 4.4's `tcp.stream`, except that a reordered
    /// or duplicated SYN of the incarnation before stays with that one.
    fn incarnation(&mut self, current: usize, side: Side, segment: &Segment<'_>) -> Incarnation {
        if let Some(ended) = self.table.connections_mut().ended_mut(current) {
            return match ended.facts.judge(side, segment) {
                Late::Straggler => Incarnation::Straggler,
                Late::Incarnation => Incarnation::Revived,
                Late::Connection => Incarnation::New,
            };
        }
        if let Some(connection) = self.table.get_mut(current)
            && connection.is_ending
            && connection.is_past_at(segment.time)
        {
            return match Facts::of(connection).judge(side, segment) {
                Late::Straggler => Incarnation::Straggler,
                Late::Incarnation => Incarnation::Current,
                Late::Connection => Incarnation::New,
            };
        }
        if !segment.flags.syn() || segment.flags.rst() {
            return Incarnation::Current;
        }
        let Some(connection) = self.table.get(current) else { return Incarnation::Current };
        let half = connection.half(side);
        let Some(base) = half.base else { return Incarnation::Current };
        if base == segment.seq {
            return Incarnation::Current;
        }
        if segment.flags.ack() && !incarnation::begins_by_syn_ack(connection, side, segment) {
            return Incarnation::Current;
        }
        if !segment.flags.ack() && incarnation::joins_opening(connection, side) {
            return Incarnation::Current;
        }
        let older = connection.previous.and_then(|at| self.table.get(at).map(|previous| (at, previous.half(side))));
        match older {
            Some((at, previous)) if previous.base_is_syn && previous.base == Some(segment.seq) && lately(previous.last, segment) => {
                Incarnation::Older(at)
            }
            _ => Incarnation::New,
        }
    }
}

fn lately(last: Option<Mark>, segment: &Segment<'_>) -> bool {
    last.is_some_and(|last| segment.time.since(last.time) <= MAXIMUM_SEGMENT_LIFETIME)
}

enum Incarnation {
    Current,
    /// A segment of a connection that is over.
    Straggler,
    /// A new incarnation inside a connection that was over.
    Revived,
    Older(usize),
    New,
}

#[cfg(test)]
mod tests {
    use super::Tracker;
    use crate::endpoint::Endpoint;
    use crate::frame::FrameId;
    use crate::options::Thresholds;
    use crate::segment::{Flags, Segment, TcpOptions, Vantage};
    use crate::seq::SeqNumber;
    use crate::time::Timestamp;

    fn segment(number: u64, flags: Flags, seq: u32, discarded: bool) -> Segment<'static> {
        Segment {
            frame: FrameId::new(0, number),
            time: Timestamp::new(i64::try_from(number).unwrap(), 0),
            time_unknown: false,
            src: Endpoint::v4([10, 0, 0, 1], 40_000),
            dst: Endpoint::v4([10, 0, 0, 2], 80),
            tenant: 0,
            seq: SeqNumber(seq),
            ack: SeqNumber(1),
            flags,
            window: 100,
            options: TcpOptions::default(),
            payload_length: 0,
            ttl: 64,
            ip_id: None,
            discarded,
            vantage: Vantage::default(),
            head: &[],
            tail: &[],
        }
    }

    #[test]
    fn discarded_segment_counts_and_changes_nothing() {
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.push(&segment(1, Flags::ACK, 100, false));
        let step = tracker.push(&segment(2, Flags(Flags::FIN.0 | Flags::RST.0 | Flags::ACK.0), 101, true));
        assert!(!step.has_fin && step.reset.is_none() && step.position.is_none() && !step.opened);
        let connection = tracker.connections().get(0).unwrap();
        let counts = connection.half(step.side).counts;
        assert_eq!((counts.segments, counts.fin, counts.rst), (2, 0, 0));
        assert!(connection.close.is_none() && connection.first_fin.is_none());
    }

    #[test]
    fn syn_ack_begins_nothing_where_only_an_acknowledgement_told_the_numbers_of_its_side() {
        let syn_ack = Segment {
            src: Endpoint::v4([10, 0, 0, 2], 80),
            dst: Endpoint::v4([10, 0, 0, 1], 40_000),
            ..segment(2, Flags(Flags::SYN.0 | Flags::ACK.0), 2_937_592_457, false)
        };
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.push(&segment(1, Flags::ACK, 100, false));
        assert!(!tracker.push(&syn_ack).opened, "the server's first segment: an ACK of an older incarnation stands before it");
        let later = Segment { frame: FrameId::new(0, 3), seq: SeqNumber(7), ..syn_ack };
        assert!(tracker.push(&later).opened, "near miss: the server had begun with another number");
    }

    #[test]
    fn syn_ack_that_answers_another_syn_than_one_sent_again_with_the_known_number_begins_a_connection() {
        let from_server = |number: u64, flags: Flags, seq: u32, ack: u32| Segment {
            src: Endpoint::v4([10, 0, 0, 2], 80),
            dst: Endpoint::v4([10, 0, 0, 1], 40_000),
            ack: SeqNumber(ack),
            ..segment(number, flags, seq, false)
        };
        let syn_ack = Flags(Flags::SYN.0 | Flags::ACK.0);
        let fin = Flags(Flags::FIN.0 | Flags::ACK.0);
        for (acknowledged, begins) in [(101, false), (70_000_001, true)] {
            let mut tracker = Tracker::new(Thresholds::default());
            tracker.push(&segment(1, Flags::SYN, 100, false));
            tracker.push(&from_server(2, syn_ack, 5000, 101));
            tracker.push(&Segment { ack: SeqNumber(5001), ..segment(3, fin, 101, false) });
            tracker.push(&from_server(4, fin, 5001, 102));
            let again = tracker.push(&segment(5, Flags::SYN, 100, false));
            assert!(again.restarted && !again.opened, "an incarnation inside the connection");
            let opened = tracker.push(&from_server(6, syn_ack, 900_000_000, acknowledged)).opened;
            assert_eq!(opened, begins, "a SYN-ACK that acknowledges {acknowledged}");
        }
    }

    #[test]
    fn syn_after_a_refusal_of_a_syn_that_was_not_captured_begins_a_connection_unless_it_has_the_refused_number() {
        let server = (Endpoint::v4([10, 0, 0, 2], 80), Endpoint::v4([10, 0, 0, 1], 40_000));
        for (acknowledged, syn, begins) in [(0, 1, true), (0, u32::MAX, false), (70_001, 70_002, true), (70_001, 70_000, false)] {
            let mut tracker = Tracker::new(Thresholds::default());
            let refusal = Segment {
                src: server.0,
                dst: server.1,
                ack: SeqNumber(acknowledged),
                ..segment(1, Flags(Flags::RST.0 | Flags::ACK.0), 0, false)
            };
            tracker.push(&refusal);
            let opened = tracker.push(&segment(2, Flags::SYN, syn, false)).opened;
            assert_eq!(opened, begins, "RST acknowledging {acknowledged}, then a SYN with {syn}");
        }
    }

    #[test]
    fn discarded_syn_takes_a_number_and_leaves_the_connection_alone() {
        let mut tracker = Tracker::new(Thresholds::default());
        tracker.push(&segment(1, Flags::ACK, 100, false));
        let step = tracker.push(&segment(2, Flags::SYN, 70_000, true));
        assert!(step.opened && step.replaced.is_none());
        assert_eq!(tracker.push(&segment(3, Flags::ACK, 100, false)).connection, 0);
        assert_eq!(tracker.connections().all().map(|(_, c)| c.stream()).collect::<Vec<_>>(), [0, 1]);
        let step = tracker.push(&segment(4, Flags::SYN, 70_000, false));
        assert_eq!((step.connection, step.replaced), (2, Some(0)));
    }
}

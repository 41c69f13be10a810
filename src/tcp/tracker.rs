//! Finds the connection of each segment and lets it change.

use hashbrown::HashMap;

use super::connection::Connection;
use super::half::Mark;
use super::incarnation;
use super::role::KnownServers;
use super::slab::Connections;
use super::step::Step;
use super::table::FlowTable;
use super::transition::Transition;
use crate::endpoint::{FlowKey, Side};
use crate::options::Thresholds;
use crate::report::RoleBasis;
use crate::segment::{IcmpQuote, Segment};
use crate::time::Span;

/// So many 4-tuples that only ICMP errors have shown get a number of their own.
const RESERVED_NUMBERS: usize = 65_536;

/// Follows every connection.
#[derive(Debug)]
pub struct Tracker {
    table: FlowTable,
    servers: KnownServers,
    thresholds: Thresholds,
    next_stream: u64,
    /// Numbers of 4-tuples that only ICMP errors have shown so far: Wireshark numbers them too.
    reserved: HashMap<FlowKey, u64, ahash::RandomState>,
    /// Further sights of segments already seen.
    pub duplicates: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            table: FlowTable::default(),
            servers: KnownServers::default(),
            thresholds,
            next_stream: 0,
            reserved: HashMap::default(),
            duplicates: 0,
        }
    }

    /// A connection by its index.
    pub fn connection(&self, at: usize) -> Option<&Connection> {
        self.table.get(at)
    }

    /// Every connection in the order of its first segment; the index is the one of [`Step::connection`].
    pub const fn connections(&self) -> &Connections {
        self.table.connections()
    }

    /// An ICMP error quotes a segment of a connection: its index, if it is known.
    pub fn icmp(&mut self, quote: &IcmpQuote) -> Option<usize> {
        let (key, _) = FlowKey::of(quote.src, quote.dst, quote.tenant);
        let Some(at) = self.table.find(&key) else {
            if self.reserved.len() < RESERVED_NUMBERS && !self.reserved.contains_key(&key) {
                self.reserved.insert(key, self.next_stream);
                self.next_stream += 1;
            }
            return None;
        };
        let connection = self.table.get_mut(at)?;
        connection.icmp_errors = connection.icmp_errors.saturating_add(1);
        Some(at)
    }

    /// Takes in one segment.
    pub fn push(&mut self, segment: &Segment<'_>) -> Step {
        let (key, side) = FlowKey::of(segment.src, segment.dst, segment.tenant);
        let mark = Mark::of(segment);
        let (at, opened, replaced) = match self.table.find(&key) {
            None => (self.open(key, side, segment), true, None),
            Some(current) => match self.incarnation(current, side, segment) {
                Incarnation::Current => (current, false, None),
                Incarnation::Older(previous) => {
                    let mut step = Step::new(previous, side, mark);
                    step.of_older_incarnation = true;
                    if let Some(connection) = self.table.get_mut(previous) {
                        connection.tick(mark);
                        connection.half_mut(side).count(segment);
                    }
                    return step;
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
        let mut step = Step::new(at, side, mark);
        step.payload_length = segment.payload_length;
        step.has_fin = segment.flags.fin();
        step.timestamp_value = segment.options.timestamp.map(|(value, _)| value);
        step.vantage = segment.vantage;
        step.opened = opened;
        step.replaced = replaced;
        if let Some(connection) = self.table.get_mut(at) {
            Transition { connection, segment, side, mark, thresholds: &self.thresholds }.run(&mut step);
            self.duplicates += u64::from(step.duplicate);
            if segment.flags.syn() && !step.duplicate {
                self.servers.learn(if segment.flags.ack() { segment.src } else { segment.dst });
            }
        }
        step
    }

    fn open(&mut self, key: FlowKey, side: Side, segment: &Segment<'_>) -> usize {
        let (client, basis) = match (segment.flags.syn(), segment.flags.ack()) {
            (true, false) => (side, RoleBasis::Syn),
            (true, true) => (side.other(), RoleBasis::SynAck),
            _ => (self.servers.guess_client(key.endpoint(Side::Low), key.endpoint(Side::High)), RoleBasis::Guess),
        };
        let stream = self.reserved.remove(&key).unwrap_or_else(|| {
            self.next_stream += 1;
            self.next_stream - 1
        });
        self.table.insert(Connection::new(stream, key, client, basis, Mark::of(segment)))
    }

    /// Which incarnation of the 4-tuple a segment belongs to: the rule of Wireshark 4.4's `tcp.stream`, except that a reordered
    /// or duplicated SYN of the incarnation before stays with that one.
    fn incarnation(&self, current: usize, side: Side, segment: &Segment<'_>) -> Incarnation {
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

/// A segment lives no longer than this in the network (RFC 9293 section 3.4.1: the maximum segment lifetime, 2 minutes).
const MAXIMUM_SEGMENT_LIFETIME: Span = Span::from_secs(120);

fn lately(last: Option<Mark>, segment: &Segment<'_>) -> bool {
    last.is_some_and(|last| segment.time.since(last.time) <= MAXIMUM_SEGMENT_LIFETIME)
}

enum Incarnation {
    Current,
    Older(usize),
    New,
}

//! What is kept of a connection that is over, and what the end of the analysis asks of every connection, over or not.
//!
//! A connection that is followed takes 1.6 kB: numbers, windows, recent segments, the state of its protocol. Once both sides have closed, know
//! it, and have been silent for longer than a segment lives, none of that is needed any more: what is left are counts and times. So a
//! capture of many short connections takes a quarter of the memory.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::connection::{Close, Connection, GapList, PayloadAfterFin, WIRE_GAP};
use super::half::{Counts, HalfConnection, Mark, Position};
use crate::app::Protocol;
use crate::endpoint::{Endpoint, FlowKey, Role, Side};
use crate::report::{HandshakeView, RoleBasis, StateView};
use crate::segment::{Segment, Vantage};
use crate::seq::SeqNumber;
use crate::time::{Span, Timestamp};

/// The sequence number at a position: positions count on from the 32-bit number.
pub fn number(position: Position) -> SeqNumber {
    SeqNumber(u32::try_from(position.rem_euclid(1 << 32)).unwrap_or_default())
}

/// What is known of one side.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HalfFacts {
    /// Counts.
    pub counts: Counts,
    /// Payload octets seen, each once.
    pub unique_octets: u64,
    /// Payload was seen.
    pub has_payload: bool,
    /// There are holes between the octets seen.
    pub has_holes: bool,
    /// When the FIN that closes this direction was sent.
    pub closed: Option<Timestamp>,
    /// When it was heard last.
    pub last: Option<Timestamp>,
    /// SND.NXT.
    pub next: Option<SeqNumber>,
    /// As in [`HalfConnection::base`].
    pub(super) base: Option<SeqNumber>,
    pub(super) base_is_syn: bool,
    pub(super) has_spoken: bool,
    /// The other side acknowledged more than was seen.
    acknowledged_unseen: bool,
}

impl HalfFacts {
    fn of(half: &HalfConnection, other: &HalfConnection) -> Self {
        Self {
            counts: half.counts,
            unique_octets: half.coverage.octets(),
            has_payload: half.data_end.is_some(),
            has_holes: half.coverage.has_holes(),
            closed: half.effective_fin().map(|fin| fin.mark.time),
            last: half.last.map(|last| last.time),
            next: half.snd_nxt.map(number),
            base: half.base,
            base_is_syn: half.base_is_syn,
            has_spoken: half.has_spoken,
            acknowledged_unseen: matches!((other.acked, half.snd_nxt), (Some(acked), Some(next)) if acked > next && half.data_end.is_some()),
        }
    }
}

/// What the end of the analysis asks of every connection.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// As in [`Connection`].
    pub stream: u64,
    /// See there.
    pub key: FlowKey,
    /// See there.
    pub client: Side,
    /// See there.
    pub role_basis: RoleBasis,
    /// See there.
    pub first: Mark,
    /// See there.
    pub last: Mark,
    /// See there.
    pub latest: Timestamp,
    /// How far the handshake went.
    pub handshake: HandshakeView,
    /// The number of the first SYN-ACK.
    pub syn_ack: Option<SeqNumber>,
    /// The SYN-ACK was acknowledged.
    pub completed: bool,
    /// See [`Connection::exists`].
    pub exists: bool,
    /// Round trip.
    pub rtt: Option<Span>,
    /// Where it stands.
    pub state: StateView,
    /// Low and high side.
    pub halves: [HalfFacts; 2],
    /// See [`Connection`].
    pub requests: u32,
    /// What it speaks.
    pub protocol: Protocol,
    /// See [`Connection`].
    pub incarnations: u32,
    /// See there.
    pub first_fin: Option<(Side, Mark)>,
    /// See there.
    pub close: Option<Close>,
    /// See there.
    pub wire_gap_count: u32,
    /// See there.
    pub wire_gap_longest: Span,
    /// See there.
    pub clock_back: Span,
}

impl Facts {
    /// The facts of a connection that is followed.
    pub fn of(connection: &Connection) -> Self {
        let [low, high] = &connection.halves;
        let seen = &connection.handshake;
        Self {
            stream: connection.stream,
            key: connection.key,
            client: connection.client,
            role_basis: connection.role_basis,
            first: connection.first,
            last: connection.last,
            latest: connection.latest,
            handshake: connection.handshake_view(),
            syn_ack: seen.syn_ack.map(|(_, _, isn)| isn),
            completed: seen.completed.is_some(),
            exists: connection.exists(),
            rtt: connection.rtt(),
            state: connection.state_view(),
            halves: [HalfFacts::of(low, high), HalfFacts::of(high, low)],
            requests: connection.requests,
            protocol: connection.dialogue.protocol(),
            incarnations: connection.incarnations,
            first_fin: connection.first_fin,
            close: connection.close,
            wire_gap_count: connection.wire_gap_count,
            wire_gap_longest: connection.wire_gap_longest,
            clock_back: connection.clock_back,
        }
    }

    /// One side.
    pub const fn half(&self, side: Side) -> &HalfFacts {
        let [low, high] = &self.halves;
        match side {
            Side::Low => low,
            Side::High => high,
        }
    }

    /// The client's half.
    pub const fn client_half(&self) -> &HalfFacts {
        self.half(self.client)
    }

    /// The server's half.
    pub const fn server_half(&self) -> &HalfFacts {
        self.half(self.client.other())
    }

    /// The client's endpoint.
    pub const fn client_endpoint(&self) -> Endpoint {
        self.key.endpoint(self.client)
    }

    /// The server's endpoint.
    pub const fn server_endpoint(&self) -> Endpoint {
        self.key.endpoint(self.client.other())
    }

    /// The role of a side.
    pub fn role(&self, side: Side) -> Role {
        if side == self.client { Role::Client } else { Role::Server }
    }

    /// Only one direction was captured.
    pub const fn one_sided(&self) -> bool {
        let [low, high] = &self.halves;
        low.counts.segments == 0 || high.counts.segments == 0
    }

    /// Octets are missing: there are holes, or more was acknowledged than was seen.
    pub fn has_missing_octets(&self) -> bool {
        self.halves.iter().any(|half| half.has_holes || half.acknowledged_unseen)
    }
}

/// A connection that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// Its facts.
    pub facts: Facts,
    /// Its idle gaps.
    pub gaps: Option<Box<GapList>>,
    /// Where it was captured, the first few.
    pub vantages: Box<[Vantage]>,
    /// New payload after a FIN, by its sender.
    pub after_fin: Option<Box<[Option<PayloadAfterFin>; 2]>>,
    /// The first FIN that was acknowledged while the other side had not closed, and when that ended.
    pub half_closed: Option<(Timestamp, Timestamp)>,
    pub(super) smallest_rtt: Option<Span>,
    pub(super) clock_back_at: Option<Timestamp>,
    pub(super) icmp_errors: u32,
}

/// What a segment is to a connection that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// A straggler: it is counted.
    Straggler,
    /// The first of a new incarnation inside the numbered connection.
    Incarnation,
    /// The first of a new connection.
    Connection,
}

impl Ended {
    /// What is left of `connection`.
    pub(super) fn of(connection: &mut Connection, half_closed: Option<(Timestamp, Timestamp)>) -> Self {
        Self {
            facts: Facts::of(connection),
            gaps: connection.gaps.take(),
            vantages: std::mem::take(&mut connection.vantages).into_boxed_slice(),
            after_fin: connection.after_fin.take(),
            half_closed,
            smallest_rtt: connection.smallest_rtt,
            clock_back_at: connection.clock_back_at,
            icmp_errors: connection.icmp_errors,
        }
    }

    /// Counts a straggler of `side`, and the silence before it.
    pub(super) fn count(&mut self, side: Side, segment: &Segment<'_>) {
        let mark = Mark::of(segment);
        let since = mark.time.since(self.facts.last.time);
        if since >= WIRE_GAP {
            self.facts.wire_gap_count = self.facts.wire_gap_count.saturating_add(1);
            self.facts.wire_gap_longest = self.facts.wire_gap_longest.max(since);
        }
        self.facts.last = mark;
        self.facts.latest = self.facts.latest.max(mark.time);
        let [low, high] = &mut self.facts.halves;
        let half = if side == Side::Low { low } else { high };
        half.last = Some(mark.time);
        half.counts.add(segment);
    }
}

impl Facts {
    /// What a segment of `side` is to a connection that is over, by the rules of `incarnation` as far as the numbers kept allow.
    pub(super) fn judge(&self, side: Side, segment: &Segment<'_>) -> Late {
        let (own, other) = (self.half(side), self.half(side.other()));
        let flags = segment.flags;
        if flags.syn() && !flags.rst() {
            return match own.base {
                Some(base) if base != segment.seq => Late::Connection,
                Some(_) if !flags.ack() && !flags.fin() => Late::Incarnation,
                _ => Late::Straggler,
            };
        }
        let far = |next: Option<SeqNumber>, seq: SeqNumber| next.is_some_and(|next| super::incarnation::is_far(seq, next));
        let of_another = !flags.rst() && flags.ack() && !segment.discarded && far(own.next, segment.seq) && far(other.next, segment.ack);
        if of_another { Late::Incarnation } else { Late::Straggler }
    }
}

/// A connection as the end of the analysis sees it.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Followed to the end.
    Followed(&'a Connection),
    /// Over before.
    Ended(&'a Ended),
}

impl<'a> Seen<'a> {
    /// Its facts: of one that is followed they are gathered here.
    pub fn facts(self) -> Cow<'a, Facts> {
        match self {
            Self::Followed(connection) => Cow::Owned(Facts::of(connection)),
            Self::Ended(ended) => Cow::Borrowed(&ended.facts),
        }
    }

    /// Its number.
    pub const fn stream(self) -> u64 {
        match self {
            Self::Followed(connection) => connection.stream,
            Self::Ended(ended) => ended.facts.stream,
        }
    }

    /// The server's endpoint.
    pub const fn server_endpoint(self) -> Endpoint {
        match self {
            Self::Followed(connection) => connection.server_endpoint(),
            Self::Ended(ended) => ended.facts.server_endpoint(),
        }
    }

    /// The client's endpoint.
    pub const fn client_endpoint(self) -> Endpoint {
        match self {
            Self::Followed(connection) => connection.client_endpoint(),
            Self::Ended(ended) => ended.facts.client_endpoint(),
        }
    }

    /// The number of the first SYN-ACK.
    pub fn syn_ack(self) -> Option<SeqNumber> {
        match self {
            Self::Followed(connection) => connection.handshake.syn_ack.map(|(_, _, isn)| isn),
            Self::Ended(ended) => ended.facts.syn_ack,
        }
    }

    /// All of it, unless it was over before.
    pub const fn followed(self) -> Option<&'a Connection> {
        match self {
            Self::Followed(connection) => Some(connection),
            Self::Ended(_) => None,
        }
    }

    /// Its idle gaps.
    pub fn gaps(self) -> Option<&'a GapList> {
        match self {
            Self::Followed(connection) => connection.gaps.as_deref(),
            Self::Ended(ended) => ended.gaps.as_deref(),
        }
    }

    /// Where it was captured, the first few.
    pub fn vantages(self) -> &'a [Vantage] {
        match self {
            Self::Followed(connection) => &connection.vantages,
            Self::Ended(ended) => &ended.vantages,
        }
    }

    /// New payload after a FIN, by its sender.
    pub fn after_fin(self) -> Option<&'a [Option<PayloadAfterFin>; 2]> {
        match self {
            Self::Followed(connection) => connection.after_fin.as_deref(),
            Self::Ended(ended) => ended.after_fin.as_deref(),
        }
    }

    /// See [`Ended::half_closed`]; what is followed has it where it is observed.
    pub const fn half_closed(self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Followed(_) => None,
            Self::Ended(ended) => ended.half_closed,
        }
    }
}

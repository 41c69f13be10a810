//! One incarnation of a 4-tuple: roles, handshake, both halves, turns, gaps, close.

use serde::{Deserialize, Serialize};

use super::duplicate::RecentSights;
use super::facts::Ended;
use super::half::{HalfConnection, Mark, Position};
use super::reset::Reset;
use super::step::IdleGap;
use crate::app::Dialogue;
use crate::endpoint::{Direction, Endpoint, FlowKey, Role, Side};
use crate::report::{GapEnd, HandshakeView, How, RoleBasis, StateView};
use crate::segment::{Segment, Vantage};
use crate::seq::SeqNumber;
use crate::time::{NANOS_PER_SECOND, Span, Timestamp};

/// A silence of the wire of at least this is counted in `wire_gaps` (report contract).
pub(super) const WIRE_GAP: Span = Span(NANOS_PER_SECOND);
/// A segment lives no longer than this in the network (RFC 9293 section 3.4.1: the maximum segment lifetime, 2 minutes).
pub(super) const MAXIMUM_SEGMENT_LIFETIME: Span = Span::from_secs(120);
/// So many of the longest idle gaps of a connection are kept (report contract: at least 4).
const KEPT_GAPS: usize = 8;
/// So many vantages of a connection are kept.
const KEPT_VANTAGES: usize = 4;

/// SYN, SYN-ACK and the ACK of it, as far as they were captured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct HandshakeSeen {
    /// The first SYN: its sender and number.
    pub syn: Option<(Side, Mark, SeqNumber)>,
    /// SYNs of that side (retransmitted ones too).
    pub syn_count: u32,
    /// The first SYN-ACK.
    pub syn_ack: Option<(Side, Mark, SeqNumber)>,
    /// The first ACK of it.
    pub completed: Option<Mark>,
}

/// The first FIN, or RST that counts, of a connection that existed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Close {
    /// Who.
    pub side: Side,
    /// How.
    pub how: How,
    /// Where.
    pub mark: Mark,
    /// Application idle before it (a farewell just before it does not end the idle time).
    pub idle: Option<Span>,
    /// A response was outstanding.
    pub outstanding: bool,
}

/// New payload of one side after the other side's FIN: a fact, not yet a finding.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PayloadAfterFin {
    /// How many segments.
    pub segments: u64,
    /// The first.
    pub first: Mark,
    /// It, or an earlier segment of its sender, acknowledged the FIN.
    pub acknowledged: bool,
}

/// The longest idle gaps, in time order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GapList {
    /// How many there were in all.
    pub count: u64,
    /// The longest few.
    pub longest: Vec<IdleGap>,
}

/// Where the current idle period began.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct QuietSince {
    mark: Mark,
    side: Side,
    waiting: bool,
    probes: u32,
}

/// One connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Number, as Wireshark's `tcp.stream`.
    pub stream: u64,
    /// The 4-tuple.
    pub key: FlowKey,
    /// Which side is the client.
    pub client: Side,
    /// Why.
    pub role_basis: RoleBasis,
    /// First frame.
    pub first: Mark,
    /// Last frame in file order.
    pub last: Mark,
    /// Latest time of a frame.
    pub latest: Timestamp,
    /// Handshake.
    pub handshake: HandshakeSeen,
    /// Low and high side.
    pub halves: [HalfConnection; 2],
    /// What the payloads said.
    pub dialogue: Dialogue,
    /// Who sent the last new payload.
    pub turn: Option<Side>,
    /// Turns of the client.
    pub requests: u32,
    /// The last new payload (no farewell), SYN or SYN-ACK.
    pub last_real: Option<Mark>,
    /// Where that stood before a payload that nothing asked for (a farewell, should a FIN follow at once).
    pub before_unsolicited: Option<(Mark, Mark)>,
    quiet: Option<QuietSince>,
    /// Idle gaps, allocated at the first.
    pub gaps: Option<Box<GapList>>,
    /// Silences of 1 s or more between consecutive frames.
    pub wire_gap_count: u32,
    /// The longest.
    pub wire_gap_longest: Span,
    /// The first FIN of any kind, whatever became of it.
    pub first_fin: Option<(Side, Mark)>,
    /// First effective close.
    pub close: Option<Close>,
    /// The first RST that counts.
    pub reset: Option<(Side, Reset)>,
    /// New payload after a FIN, by its sender.
    pub after_fin: Option<Box<[Option<PayloadAfterFin>; 2]>>,
    /// The largest step back of the clock between consecutive frames.
    pub clock_back: Span,
    /// The last such step.
    pub clock_back_at: Option<Timestamp>,
    /// When another connection took over its 4-tuple.
    pub superseded: Option<Timestamp>,
    /// Incarnations inside this number.
    pub incarnations: u32,
    /// The handshake of the first incarnation, once there is a second.
    pub first_handshake: Option<HandshakeView>,
    /// The incarnation before, as it stood when the SYN-less one began.
    #[serde(skip)]
    pub past: Option<Box<Connection>>,
    /// Where it was captured, the first few.
    pub vantages: Vec<Vantage>,
    /// Recent segments, for duplicates.
    #[serde(skip)]
    pub(super) recent: RecentSights,
    /// The incarnation before, for segments that belong to it.
    #[serde(skip)]
    pub(super) previous: Option<usize>,
    /// Smallest time from SYN or payload to its acknowledgement at one interface.
    pub smallest_rtt: Option<Span>,
    /// ICMP errors about this connection.
    pub icmp_errors: u32,
    /// It is among those that may be over.
    pub(super) is_ending: bool,
    /// Both sides had closed, and a segment came later than any segment of it lives: what comes now is a straggler, or another connection.
    pub(super) is_past: bool,
}

impl Connection {
    /// A connection that begins with `first`.
    pub(super) fn new(stream: u64, key: FlowKey, client: Side, role_basis: RoleBasis, first: Mark) -> Self {
        Self {
            stream,
            key,
            client,
            role_basis,
            first,
            last: first,
            latest: first.time,
            handshake: HandshakeSeen::default(),
            halves: [HalfConnection::default(), HalfConnection::default()],
            dialogue: Dialogue::default(),
            turn: None,
            requests: 0,
            last_real: None,
            before_unsolicited: None,
            quiet: None,
            first_fin: None,
            gaps: None,
            wire_gap_count: 0,
            wire_gap_longest: Span::ZERO,
            close: None,
            reset: None,
            after_fin: None,
            clock_back: Span::ZERO,
            clock_back_at: None,
            superseded: None,
            incarnations: 1,
            first_handshake: None,
            past: None,
            vantages: Vec::new(),
            recent: RecentSights::default(),
            previous: None,
            smallest_rtt: None,
            icmp_errors: 0,
            is_ending: false,
            is_past: false,
        }
    }

    /// A new incarnation inside a numbered connection that was over: as [`Connection::restart`] leaves one.
    pub(super) fn revived(ended: &mut Ended) -> Self {
        let facts = &ended.facts;
        let [low, high] = &facts.halves;
        Self {
            last: facts.last,
            latest: facts.latest,
            halves: [HalfConnection::revived(low), HalfConnection::revived(high)],
            requests: facts.requests,
            gaps: ended.gaps.take(),
            wire_gap_count: facts.wire_gap_count,
            wire_gap_longest: facts.wire_gap_longest,
            first_fin: facts.first_fin,
            after_fin: ended.after_fin.take(),
            clock_back: facts.clock_back,
            clock_back_at: ended.clock_back_at,
            incarnations: facts.incarnations.saturating_add(1),
            first_handshake: Some(facts.handshake),
            vantages: ended.vantages.to_vec(),
            smallest_rtt: ended.smallest_rtt,
            icmp_errors: ended.icmp_errors,
            ..Self::new(facts.stream, facts.key, facts.client, facts.role_basis, facts.first)
        }
    }

    /// Reads from every part that most segments need: the processor fetches several connections at the same time, where it would wait for one after
    /// the other. Gives a number that depends on what was read.
    #[inline]
    pub fn touch(&self) -> u64 {
        let [low, high] = &self.halves;
        let halves = low.touch() ^ high.touch();
        let times = self.latest.0 ^ self.wire_gap_longest.0 ^ self.clock_back.0;
        halves
            ^ times.cast_unsigned()
            ^ self.stream
            ^ self.recent.touch()
            ^ u64::from(self.handshake.syn_count)
            ^ u64::from(self.incarnations)
    }

    /// Its handshake never came about, and neither side sent any payload.
    pub(super) fn is_attempt(&self) -> bool {
        self.handshake.completed.is_none() && self.halves.iter().all(|half| half.data_end.is_none())
    }

    /// Both sides have closed and know it.
    pub(super) fn is_over(&self) -> bool {
        self.halves.iter().all(|half| half.effective_fin().is_some_and(|fin| fin.acknowledged.is_some())) && self.reset.is_none()
    }

    /// Whether a segment at `now` comes when everything of the connection has left the network: what it is does not depend on whether the
    /// connection was reduced to its facts meanwhile.
    pub(super) fn is_past_at(&mut self, now: Timestamp) -> bool {
        if self.is_ending && !self.is_past && now.since(self.latest) >= MAXIMUM_SEGMENT_LIFETIME {
            self.is_past = self.is_over();
        }
        self.is_past
    }

    /// Counts a straggler of `side`, and the silence before it: as [`Ended::count`].
    pub(super) fn count_straggler(&mut self, side: Side, segment: &Segment<'_>) {
        let mark = Mark::of(segment);
        let since = mark.time.since(self.last.time);
        if since >= WIRE_GAP {
            self.wire_gap_count = self.wire_gap_count.saturating_add(1);
            self.wire_gap_longest = self.wire_gap_longest.max(since);
        }
        self.last = mark;
        self.latest = self.latest.max(mark.time);
        self.half_mut(side).count(segment);
    }

    /// A new incarnation begins inside the numbered connection: numbering and state start over, counts go on.
    pub(super) fn restart(&mut self) {
        self.is_past = false;
        self.past = None;
        // RSTs alone (the answer to a SYN that was not captured) are no incarnation before this one.
        if self.halves.iter().any(|half| half.snd_nxt.is_some()) {
            let past = self.clone();
            self.first_handshake.get_or_insert(past.handshake_view());
            self.past = Some(Box::new(past));
            self.incarnations = self.incarnations.saturating_add(1);
        }
        for half in &mut self.halves {
            half.restart();
        }
        self.handshake = HandshakeSeen::default();
        self.close = None;
        self.reset = None;
        self.turn = None;
        self.last_real = None;
        self.before_unsolicited = None;
        self.dialogue = Dialogue::default();
    }

    /// One side.
    pub const fn half(&self, side: Side) -> &HalfConnection {
        let [low, high] = &self.halves;
        match side {
            Side::Low => low,
            Side::High => high,
        }
    }

    /// One side, to change.
    pub(super) const fn half_mut(&mut self, side: Side) -> &mut HalfConnection {
        let [low, high] = &mut self.halves;
        match side {
            Side::Low => low,
            Side::High => high,
        }
    }

    /// The client's half.
    pub const fn client_half(&self) -> &HalfConnection {
        self.half(self.client)
    }

    /// The server's half.
    pub const fn server_half(&self) -> &HalfConnection {
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

    /// The direction of what `side` sends.
    pub fn direction(&self, side: Side) -> Direction {
        if side == self.client { Direction::ClientToServer } else { Direction::ServerToClient }
    }

    /// Whether a FIN or RST can close it: it stands (after the SYN-ACK), or it stood before the capture began.
    pub const fn exists(&self) -> bool {
        self.handshake.syn.is_none() || self.handshake.syn_ack.is_some() || self.handshake.completed.is_some()
    }

    /// Only one direction was captured.
    pub const fn one_sided(&self) -> bool {
        let [low, high] = &self.halves;
        low.counts.segments == 0 || high.counts.segments == 0
    }

    /// Whether the server still owes an answer, by the protocol's framing or else by turns.
    pub fn response_outstanding(&self) -> bool {
        self.dialogue.response_outstanding().unwrap_or(self.turn == Some(self.client))
    }

    /// Round trip at the vantage, both ways: from the handshake, else the smallest seen.
    pub fn rtt(&self) -> Option<Span> {
        match (self.handshake.syn, self.handshake.completed) {
            (Some((_, syn, _)), Some(ack)) if self.handshake.syn_count == 1 && ack.time >= syn.time => Some(ack.time - syn.time),
            _ => self.smallest_rtt,
        }
    }

    /// How far the handshake went.
    pub fn handshake_view(&self) -> HandshakeView {
        if let Some(first) = self.first_handshake {
            return first;
        }
        let seen = &self.handshake;
        match (seen.syn, seen.syn_ack, seen.completed) {
            (Some(_), Some(_), Some(_)) => HandshakeView::Complete,
            (None, None, None) => HandshakeView::None,
            (Some((side, ..)), None, None) if self.half(side.other()).counts.segments == 0 && self.half(side).counts.rst == 0 => {
                HandshakeView::Unanswered
            }
            (Some((side, ..)), None, None) if self.half(side.other()).counts.rst > 0 => HandshakeView::Refused,
            _ => HandshakeView::Partial,
        }
    }

    /// Where it stands.
    pub fn state_view(&self) -> StateView {
        if self.reset.is_some() {
            return StateView::Reset;
        }
        let [low, high] = &self.halves;
        match (low.effective_fin(), high.effective_fin()) {
            (Some(_), Some(_)) => StateView::Closed,
            (None, None) => StateView::Open,
            _ => StateView::HalfClosed,
        }
    }

    /// Notes the times of a frame of any kind; returns the wire idle time before it.
    pub(super) fn tick(&mut self, mark: Mark) -> Option<Span> {
        if mark.frame == self.first.frame {
            return None;
        }
        let since = mark.time.since(self.last.time);
        if since >= WIRE_GAP {
            self.wire_gap_count = self.wire_gap_count.saturating_add(1);
            self.wire_gap_longest = self.wire_gap_longest.max(since);
        }
        if since.nanos() < 0 {
            if since.abs() >= self.clock_back {
                self.clock_back = since.abs();
            }
            self.clock_back_at = Some(mark.time);
        }
        self.last = mark;
        self.latest = self.latest.max(mark.time);
        Some(since)
    }

    /// Keeps the first few vantages.
    pub(super) fn note_vantage(&mut self, vantage: &Vantage) {
        if self.vantages.len() < KEPT_VANTAGES && !self.vantages.contains(vantage) {
            if self.vantages.is_empty() {
                self.vantages.reserve_exact(2); // one of each direction
            }
            self.vantages.push(*vantage);
        }
    }

    /// A keepalive probe came.
    pub(super) fn probe_in_gap(&mut self) {
        if let Some(quiet) = &mut self.quiet {
            quiet.probes = quiet.probes.saturating_add(1);
        }
    }

    /// Something happened that ends an idle period and begins the next one; returns the gap if it was one.
    pub(super) fn end_quiet(&mut self, mark: Mark, side: Side, ended_by: GapEnd, threshold: Span, waiting_after: bool) -> Option<IdleGap> {
        let gap = self.quiet.take().and_then(|quiet| {
            let length = mark.time.since(quiet.mark.time);
            (length >= threshold).then_some(IdleGap {
                start: quiet.mark,
                end: Some(mark),
                length,
                after: quiet.side,
                waiting: quiet.waiting,
                probes: quiet.probes,
                ended_by,
            })
        });
        if let Some(gap) = gap {
            self.keep_gap(gap);
        }
        self.quiet = Some(QuietSince { mark, side, waiting: waiting_after, probes: 0 });
        gap
    }

    /// The capture ends (or the 4-tuple is used anew) at `end`: the idle period that is still open, if it is a gap.
    pub fn final_gap(&self, end: Timestamp, threshold: Span) -> Option<IdleGap> {
        let quiet = self.quiet?;
        if !matches!(self.state_view(), StateView::Open | StateView::HalfClosed) {
            return None;
        }
        let length = self.superseded.map_or(end, |superseded| superseded.min(end)).since(quiet.mark.time);
        (length >= threshold).then_some(IdleGap {
            start: quiet.mark,
            end: None,
            length,
            after: quiet.side,
            waiting: quiet.waiting,
            probes: quiet.probes,
            ended_by: GapEnd::End,
        })
    }

    /// Adds a gap to the list of the longest.
    pub fn keep_gap(&mut self, gap: IdleGap) {
        let list = self.gaps.get_or_insert_with(Box::default);
        list.count += 1;
        list.longest.push(gap);
        if list.longest.len() > KEPT_GAPS {
            let shortest = list.longest.iter().enumerate().min_by_key(|(at, gap)| (gap.length, usize::MAX - at)).map(|(at, _)| at);
            if let Some(at) = shortest {
                list.longest.remove(at);
            }
        }
    }

    /// The position of a number of `side`, without learning it.
    pub fn position_of(&self, side: Side, seq: SeqNumber) -> Option<Position> {
        self.half(side).known_position(seq)
    }
}

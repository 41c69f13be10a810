//! The transition: what one segment does to its connection.

use super::connection::{Close, Connection, PayloadAfterFin};
use super::half::{Fin, Mark, Position};
use super::incarnation;
use super::reset::{self, Reset};
use super::step::{Handshake, NewPayload, Step};
use crate::app::{Excerpt, What};
use crate::endpoint::Side;
use crate::options::Thresholds;
use crate::report::{GapEnd, How, RoleBasis, RstShape};
use crate::segment::{Flags, Segment};
use crate::time::Span;

/// Unasked payload so shortly before its sender's FIN was a farewell (semantics: PostgreSQL 57P05, HTTP 408, SMTP 421 …).
const FAREWELL_BEFORE_FIN: Span = Span::from_millis(50);
const SYN_FIN_RST: Flags = Flags(Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0);

/// Names a payload whose protocol is not known by its first octets and its length (FNV-1a, 64 bit); never 0 unless nothing was captured.
fn content_hash(head: &[u8], length: u32) -> u64 {
    const COMPARED_OCTETS: usize = 64;
    if head.is_empty() {
        return 0;
    }
    let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = length.to_be_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    head.iter().take(COMPARED_OCTETS).fold(hash, step) | 1
}

/// One segment and the connection that it changes.
pub(super) struct Transition<'c, 's> {
    pub(super) connection: &'c mut Connection,
    pub(super) segment: &'s Segment<'s>,
    pub(super) side: Side,
    pub(super) mark: Mark,
    pub(super) thresholds: &'c Thresholds,
    /// Several files show the same time.
    pub(super) overlapping: bool,
}

impl Transition<'_, '_> {
    /// Takes the segment in.
    pub(super) fn run(mut self, step: &mut Step) {
        let (segment, side) = (self.segment, self.side);
        step.wire_idle = self.connection.tick(self.mark);
        self.connection.half_mut(side).count(segment);
        self.connection.note_vantage(&segment.vantage);
        if segment.discarded {
            return;
        }
        if let Some(duplicate) = self.connection.recent.duplicate(segment, side, self.overlapping) {
            self.connection.half_mut(side).counts.duplicates += 1;
            step.duplicate = true;
            step.seen_before = duplicate.elsewhere;
            return;
        }
        self.learn_roles();
        if incarnation::is_of_older(self.connection, side, segment) {
            step.of_older_incarnation = true;
            return;
        }
        step.restarted = self.restart_if_new_incarnation();
        self.learn_base();
        step.idle = self.connection.last_real.map(|real| self.mark.time.since(real.time));
        if segment.flags.rst() {
            self.reset(step);
        } else {
            self.ordinary(step);
        }
    }

    fn learn_roles(&mut self) {
        let (flags, side) = (self.segment.flags, self.side);
        if !flags.syn() || flags.rst() {
            return;
        }
        match (flags.ack(), self.connection.role_basis) {
            (false, RoleBasis::SynAck | RoleBasis::Guess) => {
                self.connection.client = side;
                self.connection.role_basis = RoleBasis::Syn;
            }
            (true, RoleBasis::Guess) => {
                self.connection.client = side.other();
                self.connection.role_basis = RoleBasis::SynAck;
            }
            _ => {}
        }
    }

    fn restart_if_new_incarnation(&mut self) -> bool {
        let begins = incarnation::begins_inside(self.connection, self.side, self.segment);
        if begins {
            self.connection.restart();
        }
        begins
    }

    fn learn_base(&mut self) {
        let segment = self.segment;
        let half = self.connection.half_mut(self.side);
        half.has_spoken = true;
        if segment.flags.syn() && !segment.flags.rst() {
            if !half.base_is_syn {
                half.base = Some(segment.seq);
                half.base_is_syn = true;
            }
        } else if half.base.is_none() {
            half.base = Some(segment.seq.sub(1));
        }
        // The acknowledgement of an RST tells the number of the SYN that it refuses (RFC 9293 section 3.10.7.1); 0 is a number like any other.
        if segment.flags.ack() {
            let other = self.connection.half_mut(self.side.other());
            if other.base.is_none() {
                other.base = Some(segment.ack.sub(1));
            }
        }
    }

    fn reset(&mut self, step: &mut Step) {
        let (segment, side) = (self.segment, self.side);
        let seen = &self.connection.handshake;
        let answers_syn = seen
            .syn
            .is_some_and(|(syn_side, _, isn)| syn_side != side && seen.syn_ack.is_none() && segment.flags.ack() && segment.ack.after(isn))
            && self.connection.half(side).snd_nxt.is_none();
        let shape = reset::shape(segment, answers_syn);
        let position = self.connection.position_of(side, segment.seq);
        let ack = if segment.flags.ack() { self.connection.position_of(side.other(), segment.ack) } else { None };
        let exists = self.connection.exists();
        let in_window = reset::is_valid(position, self.connection.half(side), self.connection.half(side.other()));
        let valid = shape == RstShape::Refused || (exists && in_window);
        let (mark, seq, ttl, ip_id, vantage) = (self.mark, segment.seq, segment.ttl, segment.ip_id, segment.vantage);
        let reset = Reset { mark, shape, seq, position, ack, valid, ttl, ip_id, vantage };
        step.reset = Some(reset);
        step.ack = ack;
        self.connection.half_mut(side.other()).heard_from_peer();
        if !valid {
            self.connection.half_mut(side).counts.invalid_rst += 1;
            return;
        }
        if self.connection.reset.is_none() {
            let outstanding = self.connection.response_outstanding();
            step.gap = self.connection.end_quiet(self.mark, side, GapEnd::Rst, self.thresholds.idle_gap, false);
            self.connection.reset = Some((side, reset));
            if self.connection.close.is_none() && exists {
                self.connection.close = Some(Close { side, how: How::Rst, mark: self.mark, idle: step.idle, outstanding });
            }
        }
    }

    fn ordinary(&mut self, step: &mut Step) {
        let (segment, side) = (self.segment, self.side);
        let position = self.connection.half_mut(side).position(segment.seq);
        step.position = Some(position);
        let ack = segment.flags.ack().then(|| self.connection.half_mut(side.other()).position(segment.ack));
        step.ack = ack;
        let next = self.connection.half(side).snd_nxt;
        let end = position.saturating_add(i64::from(segment.sequence_length()));
        self.handshake(step);
        self.keepalive(step, position, next);
        self.sent_before(step, position, next, end);
        let fresh = self.fresh_payload(step, position, next);
        self.raw_payload_after_fin(position, next, ack);
        self.connection.half_mut(side).advance(segment, position);
        if let Some(ack) = ack {
            self.acknowledge(step, ack);
        }
        if let Some(payload) = fresh {
            self.speak(step, payload);
        }
        if segment.flags.syn() && step.retransmission.is_none() {
            step.gap = self.connection.end_quiet(self.mark, side, GapEnd::Response, self.thresholds.idle_gap, false);
            self.connection.last_real = Some(self.mark);
        }
        if segment.flags.fin() {
            self.fin(step, position, ack);
        }
    }

    fn handshake(&mut self, step: &mut Step) {
        let (segment, side, mark) = (self.segment, self.side, self.mark);
        let seen = &mut self.connection.handshake;
        match (segment.flags.syn(), segment.flags.ack()) {
            (true, false) => {
                step.handshake = Handshake::Syn;
                seen.syn_count += u32::from(seen.syn.is_none_or(|(first, ..)| first == side));
                if seen.syn.is_none() {
                    seen.syn = Some((side, mark, segment.seq));
                }
            }
            (true, true) => {
                step.handshake = Handshake::SynAck;
                if seen.syn_ack.is_none() {
                    seen.syn_ack = Some((side, mark, segment.seq));
                }
            }
            (false, true) => {
                if let (Some((responder, _, isn)), None) = (seen.syn_ack, seen.completed)
                    && responder != side
                    && segment.ack.at_or_after(isn.add(1))
                {
                    seen.completed = Some(mark);
                    step.handshake = Handshake::Completed;
                }
            }
            (false, false) => {}
        }
    }

    /// RFC 1122 section 4.2.3.6 and RFC 9293 section 3.8.4: sequence = SND.NXT − 1, nothing or one octet of garbage.
    fn keepalive(&mut self, step: &mut Step, position: Position, next: Option<Position>) {
        let (segment, side, mark) = (self.segment, self.side, self.mark);
        let shape = segment.payload_length <= 1 && segment.flags.ack() && !segment.flags.any(SYN_FIN_RST);
        let peer = self.connection.half(side.other());
        let half = self.connection.half(side);
        let all_acknowledged = matches!((peer.acked, next), (Some(acked), Some(next)) if acked >= next);
        step.probe = shape && next == Some(position + 1) && half.fin.is_none() && all_acknowledged && peer.window != Some(0);
        // The capture began in mid-idle: the peer acknowledges exactly one octet that was never seen.
        let in_retrospect = shape
            && segment.payload_length == 0
            && half.data_end.is_none()
            && !half.base_is_syn
            && next.is_none_or(|next| next == position)
            && half.fin.is_none();
        let acked_one_more = peer.acked == Some(position + 1);
        let answers = self.connection.half(side.other()).probes_pending > 0;
        let half = self.connection.half_mut(side);
        if step.probe || (in_retrospect && acked_one_more) {
            if step.probe {
                half.counts.keepalive_probes += 1;
            } else {
                half.counts.keepalive_probes_inferred += 1;
                step.probe = true;
            }
            half.probes_pending = half.probes_pending.saturating_add(1);
            half.first_pending_probe.get_or_insert(mark);
            half.last_pending_probe = Some(mark);
            half.maybe_probe = false;
            self.connection.probe_in_gap();
        } else {
            half.maybe_probe = in_retrospect;
        }
        if answers && !step.probe && segment.payload_length == 0 && !segment.flags.any(SYN_FIN_RST) {
            step.probe_answer = true;
        }
        self.connection.half_mut(side.other()).heard_from_peer();
    }

    /// Retransmissions and holes that are filled.
    fn sent_before(&mut self, step: &mut Step, position: Position, next: Option<Position>, end: Position) {
        let (segment, side) = (self.segment, self.side);
        let Some(next) = next else { return };
        if step.probe || end == position || end > next {
            return;
        }
        let start = position.saturating_add(i64::from(segment.flags.syn()));
        let half = self.connection.half(side);
        let payload_seen =
            segment.payload_length == 0 || half.coverage.contains(start, start.saturating_add(i64::from(segment.payload_length)));
        if payload_seen {
            step.retransmission = Some(position);
            let half = self.connection.half_mut(side);
            half.counts.retransmissions += 1;
            half.awaited = None;
        } else {
            step.fills_hole = true;
        }
    }

    fn fresh_payload(&mut self, step: &Step, position: Position, next: Option<Position>) -> Option<NewPayload> {
        let (segment, side) = (self.segment, self.side);
        if segment.payload_length == 0 || segment.flags.syn() || step.probe {
            return None;
        }
        let end = position.saturating_add(i64::from(segment.payload_length));
        let data_end = self.connection.half(side).data_end;
        // A pure ACK or a FIN may stand before the octets in the file (reordering): what was never sent as payload is new all the same.
        if data_end.is_some_and(|known| end <= known) || (segment.payload_length == 1 && next == Some(position + 1)) {
            return None;
        }
        let start = match next {
            Some(next) if position > next => next,
            _ => data_end.map_or(position, |known| known.max(position)),
        };
        let acked = self.connection.half(side.other()).acked;
        self.guess_again_by_content();
        if let Some(fin) = self.connection.half(side).fin
            && end > fin.position
            && !self.connection.half(side).fin_disowned
        {
            self.disown_fin();
        }
        let starts_turn = self.connection.turn != Some(side) || self.was_answered_unseen(side);
        let outstanding_before = self.connection.response_outstanding();
        let skip = usize::try_from((start - position).max(0)).unwrap_or(0);
        let excerpt = Excerpt {
            head: self.segment.head.get(skip..).unwrap_or_default(),
            tail: self.segment.tail,
            length: segment.payload_length.saturating_sub(u32::try_from(skip).unwrap_or(u32::MAX)),
        };
        let direction = self.connection.direction(side);
        let hole = position > start;
        let message = self.connection.dialogue.read(direction, excerpt, starts_turn, !hole);
        let fingerprint = match message.what {
            What::Unknown | What::Request if message.fingerprint == 0 && starts_turn => content_hash(excerpt.head, excerpt.length),
            _ => message.fingerprint,
        };
        Some(NewPayload {
            start,
            end,
            hole,
            starts_turn,
            first_ever: self.mark.frame == self.connection.first.frame,
            outstanding_before,
            all_acknowledged_before: next.is_none()
                || acked.is_some_and(|acked| acked >= start)
                || self.connection.half(side).data_end.is_none(),
            message,
            fingerprint,
        })
    }

    /// Only this direction was captured, and it acknowledges more than at its last payload: the other side spoke in between.
    fn was_answered_unseen(&self, side: Side) -> bool {
        let (half, other) = (self.connection.half(side), self.connection.half(side.other()));
        let ack = self.segment.flags.ack().then(|| other.known_position(self.segment.ack)).flatten();
        other.counts.segments == 0 && half.acked_with_payload.zip(ack).is_some_and(|(before, now)| now > before)
    }

    /// Roles that were only guessed follow what the first octets say: a request line comes from the client.
    fn guess_again_by_content(&mut self) {
        if self.connection.role_basis != RoleBasis::Guess || self.connection.turn.is_some() {
            return;
        }
        let head = self.segment.head;
        let is_client = self.side == self.connection.client;
        let response = head.starts_with(b"HTTP/1.");
        let request = [&b"GET /"[..], b"POST /", b"HEAD /", b"PUT /", b"DELETE /", b"OPTIONS ", b"PATCH /", b"PRI * HTTP/2"]
            .iter()
            .any(|prefix| head.starts_with(prefix));
        if (is_client && response) || (!is_client && request) {
            self.connection.client = self.connection.client.other();
        }
    }

    fn disown_fin(&mut self) {
        let side = self.side;
        self.connection.half_mut(side).fin_disowned = true;
        if self.connection.close.is_some_and(|close| close.side == side && close.how == How::Fin) {
            self.connection.close = None;
        }
    }

    /// The fact of the report's `after_close`: new octets after the other side's first FIN, whatever they turn out to be.
    fn raw_payload_after_fin(&mut self, position: Position, next: Option<Position>, ack: Option<Position>) {
        let (segment, side) = (self.segment, self.side);
        let repeated_octet = next == Some(position + 1) && segment.payload_length == 1;
        if segment.payload_length == 0 || repeated_octet || self.connection.incarnations > 1 {
            return;
        }
        let start = position.saturating_add(i64::from(segment.flags.syn()));
        let end = start.saturating_add(i64::from(segment.payload_length));
        let half = self.connection.half(side);
        let is_new = half.data_end.is_none_or(|known| end > known);
        let beyond_own_fin = half.fin.is_some_and(|fin| end > fin.position);
        let fills = next.is_some_and(|next| position < next);
        let Some(fin) = self.connection.half(side.other()).fin else { return };
        if !is_new || beyond_own_fin || fills {
            return;
        }
        let acknowledged = ack.is_some_and(|ack| ack > fin.position) || half.acked.is_some_and(|acked| acked > fin.position);
        let mark = self.mark;
        let both = self.connection.after_fin.get_or_insert_with(Box::default);
        if let Some(slot) = both.get_mut(side.index()) {
            match slot {
                Some(seen) => seen.segments += 1,
                None => *slot = Some(PayloadAfterFin { segments: 1, first: mark, acknowledged }),
            }
        }
    }

    fn acknowledge(&mut self, step: &mut Step, ack: Position) {
        let (segment, side, mark) = (self.segment, self.side, self.mark);
        let pure = segment.sequence_length() == 0;
        let interface = segment.vantage.interface;
        self.connection.half_mut(side).acknowledge(ack, segment.payload_length > 0);
        let other = self.connection.half_mut(side.other());
        if let Some(fin) = &mut other.fin
            && ack > fin.position
            && fin.acknowledged.is_none()
        {
            fin.acknowledged = Some(mark);
        }
        if pure && other.maybe_probe && other.snd_nxt == Some(ack - 1) {
            other.counts.keepalive_probes_inferred += 1;
            other.maybe_probe = false;
            step.probe_answer = true;
        }
        let sample = match other.awaited {
            Some((end, sent, at)) if ack >= end => {
                other.awaited = None;
                (at == interface && mark.time >= sent).then(|| mark.time - sent)
            }
            _ => None,
        };
        if let Some(sample) = sample {
            let half = self.connection.half_mut(side);
            half.fastest_answer = Some(half.fastest_answer.map_or(sample, |known| known.min(sample)));
            let smallest = self.connection.smallest_rtt.map_or(sample, |known| known.min(sample));
            self.connection.smallest_rtt = Some(smallest);
        }
    }

    fn speak(&mut self, step: &mut Step, payload: NewPayload) {
        let (side, mark) = (self.side, self.mark);
        step.payload = Some(payload);
        let interface = self.segment.vantage.interface;
        let half = self.connection.half_mut(side);
        if half.awaited.is_none() {
            half.awaited = Some((payload.end, mark.time, interface));
        }
        let farewell = payload.message.what == What::Farewell;
        let ended_by = if side == self.connection.client { GapEnd::Request } else { GapEnd::Response };
        let idle = step.idle.unwrap_or(Span::ZERO);
        if !payload.starts_turn && idle >= self.thresholds.idle_gap && !payload.outstanding_before {
            self.connection.before_unsolicited = self.connection.last_real.map(|real| (real, mark));
        } else if payload.starts_turn {
            self.connection.before_unsolicited = None;
        }
        if !farewell {
            self.connection.last_real = Some(mark);
            if payload.starts_turn {
                self.connection.turn = Some(side);
                self.connection.requests += u32::from(side == self.connection.client);
            }
        }
        let waiting = !farewell && self.connection.response_outstanding();
        step.gap = self.connection.end_quiet(mark, side, ended_by, self.thresholds.idle_gap, waiting);
    }

    fn fin(&mut self, step: &mut Step, position: Position, ack: Option<Position>) {
        let (segment, side, mark) = (self.segment, self.side, self.mark);
        self.connection.first_fin.get_or_insert((side, mark));
        if self.connection.half(side).fin.is_some() {
            return;
        }
        let own = position.saturating_add(i64::from(segment.payload_length));
        self.connection.half_mut(side).fin = Some(Fin { mark, position: own, ack, acknowledged: None });
        if !self.connection.exists() {
            return;
        }
        step.fin = true;
        if let Some((real, spoke)) = self.connection.before_unsolicited.take()
            && self.connection.turn == Some(side)
            && mark.time.since(spoke.time) <= FAREWELL_BEFORE_FIN
        {
            self.connection.last_real = Some(real);
            step.farewell_before_fin = true;
        }
        step.idle = self.connection.last_real.map(|real| mark.time.since(real.time));
        let outstanding = self.connection.response_outstanding();
        if step.payload.is_none() {
            step.gap = self.connection.end_quiet(mark, side, GapEnd::Fin, self.thresholds.idle_gap, false);
        }
        if self.connection.close.is_none() {
            self.connection.close = Some(Close { side, how: How::Fin, mark, idle: step.idle, outstanding });
        }
    }
}

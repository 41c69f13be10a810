//! Which incarnation of a 4-tuple a segment belongs to: the rule of Wireshark 4.4's `tcp.stream`, with the differences that
//! `docs/limits.md` lists. Silence never begins a new one.

use super::connection::Connection;
use crate::endpoint::Side;
use crate::segment::Segment;
use crate::seq::SeqNumber;

/// After a close, numbers this far from the known ones on both sides are a new incarnation whose SYN was not captured: farther than
/// any window without scaling and than the few segments that may still be under way.
const NEW_INCARNATION_DISTANCE: i64 = 1 << 20;

/// Whether a number is of another numbering than the one that goes on with `next`.
pub(super) fn is_far(seq: SeqNumber, next: SeqNumber) -> bool {
    i64::from(seq.distance_from(next)).abs() > NEW_INCARNATION_DISTANCE
}

/// Whether a segment begins a new incarnation inside the numbered connection.
pub(super) fn begins_inside(connection: &Connection, side: Side, segment: &Segment<'_>) -> bool {
    reopens(connection, side, segment) || numbers_are_of_another(connection, side, segment)
}

/// A SYN with the number already known begins a new incarnation inside the numbered connection, once a connection that existed was
/// closed. A SYN sent again after a refusal (Windows tries three times) is the same attempt, and no stack takes SYN and FIN together for
/// an opening.
fn reopens(connection: &Connection, side: Side, segment: &Segment<'_>) -> bool {
    let closed = connection.close.is_some();
    let again = segment.flags.syn() && !segment.flags.ack() && !segment.flags.fin() && !segment.flags.rst();
    closed && again && connection.half(side).base == Some(segment.seq)
}

/// A SYN-ACK with another number begins a new connection, unless it answers the SYN that is known (SYN cookies, two servers behind one
/// address), or the number known was only derived: from later segments that lie near (reordering), or from an acknowledgement, where no segment of
/// its sender was captured before.
pub(super) fn begins_by_syn_ack(connection: &Connection, side: Side, segment: &Segment<'_>) -> bool {
    let answers_known_syn =
        connection.handshake.syn.is_some_and(|(syn_side, _, isn)| syn_side != side && acknowledges_syn(segment.ack, isn));
    let half = connection.half(side);
    // Strays of the incarnation before say nothing here: what is known of this side was derived from an acknowledgement.
    if !half.has_spoken {
        return false;
    }
    let near = half
        .known_position(segment.seq)
        .zip(half.snd_nxt)
        .is_some_and(|(position, next)| (position - next).abs() <= NEW_INCARNATION_DISTANCE);
    !answers_known_syn && (half.base_is_syn || !near)
}

/// The number after a SYN, or after the data that it may carry (RFC 7413): at most one segment.
fn acknowledges_syn(ack: SeqNumber, isn: SeqNumber) -> bool {
    (1..=1 + i64::from(u16::MAX)).contains(&i64::from(ack.distance_from(isn)))
}

/// Between SYN and SYN-ACK, a pure ACK that acknowledges nothing of the SYN (a challenge ACK, RFC 5961 section 4) and what follows
/// from it belong to the incarnation before.
pub(super) fn is_of_older(connection: &Connection, side: Side, segment: &Segment<'_>) -> bool {
    let seen = &connection.handshake;
    let Some((syn_side, _, isn)) = seen.syn else { return false };
    if seen.syn_ack.is_some() || segment.flags.syn() || seen.completed.is_some() {
        return false;
    }
    // The other side has acknowledged the SYN: the opening is over, though its SYN-ACK was not captured.
    if connection.half(syn_side.other()).acked.is_some() {
        return false;
    }
    if side == syn_side {
        let next = connection.half(syn_side).snd_nxt;
        let position = connection.position_of(syn_side, segment.seq);
        // Where only one direction was captured there is no SYN-ACK: a client that sent payload has got it.
        let still_opening = connection.half(syn_side).data_end.is_none();
        return segment.flags.rst() && still_opening && position.is_some() && position < next;
    }
    if segment.flags.rst() && !segment.flags.ack() {
        return true; // RFC 9293 section 3.10.7.3: in SYN-SENT an RST counts only if it acknowledges the SYN
    }
    let known = connection.half(syn_side).snd_nxt.zip(connection.position_of(syn_side, segment.ack));
    let far = known.is_some_and(|(next, ack)| ack - next > NEW_INCARNATION_DISTANCE);
    segment.flags.ack() && (segment.ack.at_or_before(isn) || far)
}

/// After a close, numbers far from the known ones on both sides: a new incarnation whose SYN was not captured.
fn numbers_are_of_another(connection: &Connection, side: Side, segment: &Segment<'_>) -> bool {
    if segment.flags.syn() || segment.flags.rst() || !segment.flags.ack() {
        return false;
    }
    let closed = connection.reset.is_some() || connection.halves.iter().all(|half| half.effective_fin().is_some());
    let far = |half_side: Side, seq: SeqNumber| {
        let half = connection.half(half_side);
        match (half.known_position(seq), half.snd_nxt) {
            (Some(position), Some(next)) => (position - next).abs() > NEW_INCARNATION_DISTANCE,
            _ => false,
        }
    };
    closed && far(side, segment.seq) && far(side.other(), segment.ack)
}

/// A SYN that answers the other side's pending SYN belongs to the same opening: simultaneous open, or a split handshake (a first ACK with
/// a number of its own, then the SYN).
pub(super) fn joins_opening(connection: &Connection, side: Side) -> bool {
    let seen = &connection.handshake;
    seen.syn_ack.is_none() && seen.syn.is_some_and(|(syn_side, ..)| syn_side != side) && !connection.half(side).base_is_syn
}

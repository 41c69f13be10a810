//! What one segment did to its connection: the events that `observe` reads.

use serde::{Deserialize, Serialize};

use super::half::{Mark, Position};
use super::reset::Reset;
use crate::app::Message;
use crate::endpoint::Side;
use crate::frame::FrameId;
use crate::report::GapEnd;
use crate::segment::Vantage;
use crate::time::{Span, Timestamp};

/// New payload: octets beyond the highest sequence number seen from that side.
#[derive(Clone, Copy, Debug)]
pub struct NewPayload {
    /// The lowest number not sent before (at a hole: where the hole begins).
    pub start: Position,
    /// Just after the last octet.
    pub end: Position,
    /// Octets before it were never captured: this is not the whole first transmission.
    pub hole: bool,
    /// The other side spoke last, or nobody has yet.
    pub starts_turn: bool,
    /// Nothing of this connection was captured before.
    pub first_ever: bool,
    /// A response was outstanding (for the other side: it waited) before this segment.
    pub outstanding_before: bool,
    /// Nothing that this side sent before is unacknowledged.
    pub all_acknowledged_before: bool,
    /// What the octets say.
    pub message: Message,
    /// Names the content of a client's turn, so that the same request can be found again; 0: nothing to compare.
    pub fingerprint: u64,
}

/// An idle gap that a segment ended (or the end of the capture did).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleGap {
    /// The last event before it.
    pub start: Mark,
    /// The segment that ended it; `None`: the capture ended.
    pub end: Option<Mark>,
    /// How long.
    pub length: Span,
    /// Who spoke last.
    pub after: Side,
    /// A response was outstanding.
    pub waiting: bool,
    /// Keepalive probes inside it.
    pub probes: u32,
    /// What ended it.
    pub ended_by: GapEnd,
}

/// Where a segment was captured: a place, and the file of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Interface and encapsulation.
    pub place: Place,
    /// Index of the file.
    pub file: u32,
}

/// The place where a vantage stands: the same for both directions, whatever the link addresses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// As in [`Vantage::interface`].
    pub interface: u32,
    /// As in [`Vantage::stack`].
    pub stack: u16,
}

/// The same segment at two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenBefore {
    /// Where it was seen first, in file order.
    pub first: Sight,
    /// Where it was seen now.
    pub second: Sight,
    /// The time now less the time then.
    pub delay: Span,
    /// The hop count now less the hop count then.
    pub hop_change: i16,
}

/// What one segment did.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Index of the connection in the tracker.
    pub connection: usize,
    /// The sender.
    pub side: Side,
    /// Where and when.
    pub mark: Mark,
    /// Where it was captured.
    pub vantage: Vantage,
    /// It carries the RST flag (also another sight of such a segment does).
    pub has_rst: bool,
    /// This segment began the connection.
    pub opened: bool,
    /// The connection that held this 4-tuple before; it is over.
    pub replaced: Option<usize>,
    /// It came long after the connection was over: it is counted, and nothing else is set.
    pub straggler: bool,
    /// Another sight of a segment already seen: nothing else is set.
    pub duplicate: bool,
    /// The first sight, if it was at another place.
    pub seen_before: Option<SeenBefore>,
    /// It belongs to an older incarnation of the 4-tuple and changes nothing.
    pub of_older_incarnation: bool,
    /// A new incarnation whose SYN was not captured began here.
    pub restarted: bool,
    /// Payload octets on the wire.
    pub payload_length: u32,
    /// It carries a FIN, the first or a repeated one.
    pub has_fin: bool,
    /// Its sequence number (not of an RST).
    pub position: Option<Position>,
    /// Its acknowledgement number, as a position of the other side.
    pub ack: Option<Position>,
    /// New payload.
    pub payload: Option<NewPayload>,
    /// Payload, SYN or FIN that was sent before, from this position.
    pub retransmission: Option<Position>,
    /// Payload that fills a hole: it was sent before, but not captured in order.
    pub fills_hole: bool,
    /// A TCP keepalive probe.
    pub probe: bool,
    /// An answer to a keepalive probe.
    pub probe_answer: bool,
    /// The first FIN of this side.
    pub fin: bool,
    /// An RST.
    pub reset: Option<Reset>,
    /// Its part in the handshake.
    pub handshake: Handshake,
    /// Value of its TCP timestamp option.
    pub timestamp_value: Option<u32>,
    /// Time since the last real payload, SYN or SYN-ACK in either direction.
    pub idle: Option<Span>,
    /// Time since the last frame of the connection.
    pub wire_idle: Option<Span>,
    /// The idle gap that this segment ended.
    pub gap: Option<IdleGap>,
    /// The payload of this side just before its FIN turned out to be a farewell: the idle time ran on.
    pub farewell_before_fin: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self {
            connection: 0,
            side: Side::Low,
            mark: Mark { frame: FrameId::new(0, 0), time: Timestamp::default() },
            vantage: Vantage::default(),
            has_rst: false,
            opened: false,
            replaced: None,
            straggler: false,
            duplicate: false,
            seen_before: None,
            of_older_incarnation: false,
            restarted: false,
            payload_length: 0,
            has_fin: false,
            position: None,
            ack: None,
            payload: None,
            retransmission: None,
            fills_hole: false,
            probe: false,
            probe_answer: false,
            fin: false,
            reset: None,
            handshake: Handshake::No,
            timestamp_value: None,
            idle: None,
            wire_idle: None,
            gap: None,
            farewell_before_fin: false,
        }
    }
}

impl Step {
    /// Whether it is an acknowledgement and nothing else, of a connection that goes on.
    pub const fn is_plain_acknowledgement(&self) -> bool {
        !self.opened
            && !self.restarted
            && !self.has_rst
            && !self.has_fin
            && !self.fills_hole
            && !self.probe
            && !self.probe_answer
            && self.payload_length == 0
            && self.payload.is_none()
            && self.retransmission.is_none()
            && self.reset.is_none()
            && self.gap.is_none()
            && matches!(self.handshake, Handshake::No)
    }

    /// Begins a step of `side` that did nothing yet. Field by field: an optional part that is absent is one word, not its whole size; and
    /// taken apart as a whole, so that no field can be forgotten.
    pub(super) fn begin(&mut self, connection: usize, side: Side, mark: Mark) {
        let Self {
            connection: of_connection,
            side: of_side,
            mark: at_mark,
            vantage,
            has_rst,
            opened,
            replaced,
            straggler,
            duplicate,
            seen_before,
            of_older_incarnation,
            restarted,
            payload_length,
            has_fin,
            position,
            ack,
            payload,
            retransmission,
            fills_hole,
            probe,
            probe_answer,
            fin,
            reset,
            handshake,
            timestamp_value,
            idle,
            wire_idle,
            gap,
            farewell_before_fin,
        } = self;
        (*of_connection, *of_side, *at_mark) = (connection, side, mark);
        *vantage = Vantage::default();
        *has_rst = false;
        *opened = false;
        *replaced = None;
        *straggler = false;
        *duplicate = false;
        *seen_before = None;
        *of_older_incarnation = false;
        *restarted = false;
        *payload_length = 0;
        *has_fin = false;
        *position = None;
        *ack = None;
        *payload = None;
        *retransmission = None;
        *fills_hole = false;
        *probe = false;
        *probe_answer = false;
        *fin = false;
        *reset = None;
        *handshake = Handshake::No;
        *timestamp_value = None;
        *idle = None;
        *wire_idle = None;
        *gap = None;
        *farewell_before_fin = false;
    }
}

/// The part of a segment in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// None.
    No,
    /// A SYN.
    Syn,
    /// A SYN-ACK.
    SynAck,
    /// The first ACK of a SYN-ACK: the connection stands.
    Completed,
}

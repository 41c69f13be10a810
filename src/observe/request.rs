//! A client turn and what becomes of it.

use serde::{Deserialize, Serialize};

use crate::app::{Label, Message, Protocol, What};
use crate::frame::FrameId;
use crate::report::{How, RstShape};
use crate::tcp::Step;
use crate::tcp::half::{Mark, Position};
use crate::tcp::reset::Reset;
use crate::time::{Span, Timestamp};

/// A farewell by position has at most so many octets (semantics, «Farewell»).
const FAREWELL_OCTETS: u32 = 64;
/// … and is followed by its sender's own close within this.
const FAREWELL_CLOSE: Span = Span::from_millis(50);

/// One client turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its first segment.
    pub mark: Mark,
    /// Lowest sequence number.
    pub start: Position,
    /// After its first segment's last octet.
    pub end: Position,
    /// Acknowledgement number of its first segment, as a position of the server.
    pub ack: Option<Position>,
    /// The highest that the client had acknowledged before.
    pub acked_before: Option<Position>,
    /// The first transmission was not captured whole.
    pub hole: bool,
    /// Opens a turn after an idle gap.
    pub after_idle_gap: bool,
    /// Begins with a recognised request.
    pub recognised: bool,
    /// Nothing of the connection was captured before.
    pub first_ever: bool,
    /// Nothing of the client was outstanding before it.
    pub all_acknowledged_before: bool,
    /// An earlier request of this connection was answered.
    pub answered_before: bool,
    /// The client's first octets since a handshake that the capture shows.
    pub first_words: bool,
    /// Application idle before it, back to the last real payload.
    pub idle: Option<Span>,
    /// Wire idle before it.
    pub wire_idle: Option<Span>,
    /// What it says.
    pub message: Message,
    /// For finding the same request again.
    pub fingerprint: u64,
    /// Payload octets of the whole turn so far.
    pub octets: u32,
    /// The server's first acknowledgement of its first octet (no RST).
    pub acked: Option<Mark>,
    /// A FIN of the server was on its way or had been sent when that acknowledgement came.
    pub acked_after_fin: bool,
    /// First octet sent again, how often, and when first and last.
    pub retransmissions: u32,
    /// See `retransmissions`.
    pub last_retransmission: Option<Mark>,
    /// The server's first new payload after it that does not acknowledge it.
    pub other_payload: Option<Mark>,
    /// The first octets of the answer.
    pub response: Option<Mark>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Up to two RSTs of the server after it (or shortly before: see `rst_before`).
    pub resets: [Option<Reset>; 2],
    /// The server's RST that came before it.
    pub rst_before: Option<Reset>,
    /// The client's own close after it.
    pub own_close: Option<(How, Mark)>,
    /// The client's farewell (close_notify, QUIT …) within the same turn, and the octets of the turn before it.
    pub own_farewell: Option<(Mark, u32)>,
    /// The client had closed before it.
    pub own_close_before: bool,
    /// Its first segment (or a later one of the turn) carries the client's FIN.
    pub leaving: bool,
    /// The server's first segment well after its RST: whoever sent that, the server still had the connection.
    pub goes_on: Option<Mark>,
    /// An RST of the client with the number of the request's first octet: what it answers acknowledged nothing of the request.
    pub unaccepted: Option<Mark>,
    /// A pure ACK of the server that asks for the request's first octet: what followed that octet arrived.
    pub asked_again: Option<Mark>,
    /// IPv4 identification of its first segment.
    pub ip_id: Option<u16>,
    /// It was sent inside a transaction, as far as the protocol tells.
    pub in_transaction: Option<bool>,
    /// HTTP/2: the last stream that the server would still answer, from its GOAWAY.
    pub last_stream: Option<u32>,
    /// Number of this incarnation.
    pub incarnation: u32,
    /// It was told to look lost.
    pub suspected: bool,
}

impl Request {
    /// Takes in a segment of the server without RST; `server_fin`: the frame of its FIN.
    pub(super) fn hear(&mut self, step: &Step, server_fin: Option<FrameId>) {
        let covers = step.ack.is_some_and(|ack| ack > self.start);
        let pure = step.payload_length == 0 && !step.has_fin && !step.probe && !step.probe_answer;
        if covers && self.acked.is_none() {
            self.acked = Some(step.mark);
            self.acked_after_fin = server_fin.is_some_and(|frame| frame != step.mark.frame);
        } else if pure && step.ack == Some(self.start) {
            self.asked_again.get_or_insert(step.mark);
        }
    }

    /// Whether it opens a new request in the sense of the definitions.
    pub const fn opens(&self) -> bool {
        self.after_idle_gap || self.recognised || self.first_ever
    }

    /// Whether by its position it is a last word that asks for nothing.
    pub fn is_positional_farewell(&self) -> bool {
        let limit = if self.message.protocol == Protocol::Tls { FAREWELL_OCTETS - 1 } else { FAREWELL_OCTETS };
        let said_goodbye = self.own_farewell.filter(|(mark, _)| self.own_close.is_none_or(|(_, close)| mark.frame <= close.frame));
        let (close, octets) = match (said_goodbye, self.own_close) {
            (Some((mark, before)), _) => (mark, before),
            (None, Some((_, close))) => (close, self.octets),
            (None, None) => return false,
        };
        !self.recognised
            && octets <= limit
            && close.time.since(self.mark.time) <= FAREWELL_CLOSE
            && self.response.is_none()
            && self.other_payload.is_none()
            && !self.answered_within(close.time)
    }

    /// Something of the server (an RST counts) came between the request and `until`.
    fn answered_within(&self, until: Timestamp) -> bool {
        self.acked.is_some_and(|mark| mark.time < until && self.message.what != What::Encrypted)
            && self.resets.iter().flatten().any(|reset| reset.mark.time < until)
    }

    /// The reply-shaped RST that answers it: its number is the acknowledgement number of the request.
    pub fn reply_reset(&self) -> Option<&Reset> {
        self.resets.iter().flatten().find(|reset| {
            matches!(reset.shape, RstShape::Reply | RstShape::Other) && self.ack.is_some_and(|ack| reset.position == Some(ack))
        })
    }

    /// The first RST of the server after it.
    pub fn first_reset(&self) -> Option<&Reset> {
        self.resets.first().and_then(Option::as_ref)
    }

    /// Two reply RSTs one sequence number apart, the first at the request's acknowledgement number: the fingerprint of a request that
    /// crossed a FIN (catalogue D3).
    pub fn has_race_fingerprint(&self) -> bool {
        match self.resets {
            [Some(first), Some(second)] => {
                first.shape == RstShape::Reply
                    && second.shape == RstShape::Reply
                    && self.ack.is_some()
                    && first.position == self.ack
                    && second.position == self.ack.map(|ack| ack + 1)
            }
            _ => false,
        }
    }

    /// For people: `POST /api/pay`, or what there is to say.
    pub fn label(&self) -> Label {
        self.message.label
    }
}

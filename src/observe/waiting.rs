//! Closes while an answer was outstanding and nothing moved: read timeouts, not keep-alive timeouts.

use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::app::{Label, Protocol, What};
use crate::endpoint::Side;
use crate::report::How;
use crate::tcp::half::Mark;
use crate::tcp::{Connection, Step};
use crate::time::Span;

/// A TLS record below this carries no request (see the TLS reader: an HTTP/2 GOAWAY or PING with its header).
const LEAST_ENCRYPTED_REQUEST: u32 = 64;

/// One side closed while an answer was outstanding and no payload had moved for at least the length of an idle gap.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WaitingClose {
    /// Who closed.
    pub side: Side,
    /// How.
    pub how: How,
    /// Where.
    pub mark: Mark,
    /// Time since the last payload of either side.
    pub waited: Span,
    /// The request: its first segment.
    pub request: Mark,
    /// What it says.
    pub label: Label,
    /// The protocol's own framing says that an answer is owed; else the request is encrypted and earlier ones were answered.
    pub framed: bool,
    /// A part of the answer had come.
    pub begun: bool,
    /// What the server sent may end with its close.
    pub ends_at_close: bool,
    /// The server's TCP had taken the request.
    pub acknowledged: bool,
    /// New payload of the other side after the close.
    pub answered_after: bool,
    /// An RST of the closing side after the close: it did not want the answer.
    pub refused_after: bool,
}

/// HTTP/2: requests are open and not an octet of an answer has come, whatever else the server says (GOAWAY, WINDOW_UPDATE, SETTINGS).
pub(super) fn owes_all(connection: &Connection) -> bool {
    let dialogue = &connection.dialogue;
    dialogue.protocol() == Protocol::Http2 && dialogue.response_outstanding() == Some(true) && dialogue.answered() == Some(false)
}

/// Takes in one step: the close itself, and what comes after it.
pub(super) fn step(
    kept: &mut Option<Box<WaitingClose>>,
    pending: Option<&Request>,
    responses: u32,
    step: &Step,
    connection: &Connection,
    idle_gap: Span,
) {
    if let Some(close) = kept.as_deref_mut() {
        close.answered_after |= step.side != close.side && step.payload.is_some();
        close.refused_after |= step.side == close.side && step.reset.is_some();
        return;
    }
    let Some(close) = connection.close.filter(|close| close.mark == step.mark && close.side == step.side) else { return };
    let (Some(waited), true, Some(request)) = (close.idle, close.outstanding, pending) else { return };
    if waited < idle_gap {
        return;
    }
    let (outstanding, answered) = (connection.dialogue.response_outstanding(), connection.dialogue.answered());
    // An answer to the latest request, and still one owed: only where the framing says that this one goes on.
    let framed = outstanding == Some(true) && (request.response.is_none() || answered == Some(true));
    // Who goes on sending after a pause does not wait for an answer (messages one way, inside TLS).
    let at_once = close.mark.time.since(request.mark.time) - waited < idle_gap;
    let due = at_once
        && request.message.what == What::Encrypted
        && responses > 0
        && request.octets >= LEAST_ENCRYPTED_REQUEST
        && request.response.is_none();
    if framed || due {
        *kept = Some(Box::new(WaitingClose {
            side: close.side,
            how: close.how,
            mark: close.mark,
            waited,
            request: request.mark,
            label: request.label(),
            framed,
            begun: answered == Some(true) || request.response.is_some(),
            ends_at_close: connection.dialogue.ends_at_close(),
            acknowledged: request.acked.is_some() || request.response.is_some(),
            answered_after: false,
            refused_after: false,
        }));
    }
}

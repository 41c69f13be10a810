//! How a request stands to the server's FIN: the question that comes first (catalogue D1). Acknowledgement numbers decide, time only says
//! how far apart.

use crate::observe::Case;
use crate::time::Span;

/// How a request stands to the server's FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// No FIN of the server that could explain the request's fate.
    NoFin,
    /// The client's kernel had acknowledged the FIN before or with the request.
    Knew,
    /// Neither acknowledges the other, and both were sent within the bound.
    Crossed,
    /// The FIN came first, by more than the bound, and the request still does not acknowledge it: it did not reach the client.
    FinNotReceived,
    /// The FIN acknowledges the request, or came long after it.
    FinAfter,
}

/// How the request of `case` stands to the server's FIN.
pub fn relation(case: &Case) -> Relation {
    let Some(fin) = case.fin else { return Relation::NoFin };
    if case.request.reply_reset().is_some_and(|reset| reset.mark.frame < fin.mark.frame) && !case.client_knew() {
        return Relation::NoFin;
    }
    if case.client_knew() {
        return Relation::Knew;
    }
    if fin.ack.is_some_and(|ack| ack > case.request.start) {
        return Relation::FinAfter;
    }
    let since = case.request.mark.time.since(fin.mark.time);
    if since.abs() <= case.crossing_bound() {
        Relation::Crossed
    } else if since > Span::ZERO {
        Relation::FinNotReceived
    } else {
        Relation::FinAfter
    }
}

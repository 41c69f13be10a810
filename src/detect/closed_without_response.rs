//! `closed-without-response`: the server took the request and closed without an answer.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::endpoint::Direction;
use crate::observe::Case;
use crate::report::{Confidence, Finding, Kind, Outcome, RstShape};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::ClosedWithoutResponse,
    title: "the server acknowledged a request and closed the connection without an answer",
    seen: "A recognised request was acknowledged by the server's TCP before or by its FIN or abort. No octet of a response exists, and the client was not leaving.",
    why: "The request reached the server's host; whether the application read it cannot be seen. A worker that crashed, a read timeout, or a proxy that lost its upstream and closes without a word look like this: HAProxy does exactly that on a reused connection.",
    not_a_problem: "When the capture missed octets of the server nothing is said, nor about a request that asks for no answer. On the front leg of a proxy whose cause is in the same capture, the finding is linked to it as its consequence and counted once.",
    fix: "Look at the server's log at this moment. If the server is a proxy, look for the finding on its upstream connection: that is what has to be mended.",
    basis: "RFC 9112 section 9.6 and RFC 9110 section 15.6: a server that fails should say so. HAProxy closes the client's connection when a reused server connection fails. Recorded with HAProxy 2.6 in front of nginx.",
};

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    if !request.recognised
        || case.answer_owed == Some(false)
        || request.leaving
        || case.server_octets_missed
        || request.other_payload.is_some()
    {
        return None;
    }
    let acked_before_fin = request.acked.is_some() && !request.acked_after_fin;
    let fin = case.fin.filter(|fin| fin.mark.frame > request.mark.frame);
    let by_fin = fin.is_some_and(|fin| acked_before_fin || fin.ack.is_some_and(|ack| ack > request.start));
    let abort = request
        .first_reset()
        .filter(|reset| matches!(reset.shape, RstShape::Abort | RstShape::Other))
        .filter(|reset| acked_before_fin || reset.ack.is_some_and(|ack| ack > request.start));
    let close = match (fin.filter(|_| by_fin), abort) {
        (Some(fin), Some(abort)) if abort.mark.frame < fin.mark.frame => abort.mark,
        (Some(fin), _) => fin.mark,
        (None, Some(abort)) => abort.mark,
        (None, None) => return None,
    };
    if request.own_close.is_some_and(|(_, mark)| mark.frame <= close.frame) {
        return None;
    }
    let mut finding = draft::for_case(Kind::ClosedWithoutResponse, case, context);
    finding.outcome = Some(if abort.is_some() { Outcome::Reset } else { Outcome::Acknowledged });
    if let Some(fin) = fin.filter(|_| by_fin) {
        draft::with_fin(&mut finding, case);
        finding.since_close = Some(request.mark.time.since(fin.mark.time));
    } else if let Some(reset) = abort {
        draft::with_rst_close(&mut finding, case, reset);
    }
    draft::with_request_evidence(&mut finding, case);
    if abort.is_none() {
        draft::evidence(&mut finding, close, Direction::ServerToClient, "closes without an answer".to_string());
        finding.evidence.dedup_by_key(|evidence| evidence.frame);
    }
    finding.cause = Some(if abort.is_some() { "server-aborted-unread-data" } else { "closed-without-response" }.to_string());
    let subject = wording::subject(&request.label());
    let after = wording::span(close.time.since(request.mark.time));
    finding.headline = wording::headline(&format!("{subject} acknowledged, then closed after {after} without an answer"));
    if case.roles_guessed {
        draft::lower(&mut finding, Confidence::Likely, "which side is the server is a guess: no handshake was captured");
    }
    Some(finding)
}

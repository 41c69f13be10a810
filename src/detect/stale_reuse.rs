//! `stale-reuse`: a request on a connection that the client's kernel knew to be closed.

use super::context::Context;
use super::draft;
use super::relation::{Relation, relation};
use super::{KindPage, wording};
use crate::observe::Case;
use crate::report::{Confidence, Finding, Kind, Outcome, Severity};
use crate::time::Span;

/// Within this of the FIN's arrival no application could have known of it (design/traps: 21 µs were seen).
const TOO_CLOSE_TO_KNOW: Span = Span::from_millis(5);
/// A turn refused at the close is nothing when its sender closes by itself within this (semantics, «Findings»).
const OWN_CLOSE_WITHIN: Span = Span::from_millis(50);

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::StaleReuse,
    title: "a request was sent on a connection that the client's own kernel knew to be closed",
    seen: "The server sent a FIN. The client's kernel acknowledged it. Later the client sent a request on the same connection: its acknowledgement number covers the FIN, so the FIN had arrived before the request left. The server, which has no such connection any more, answers with an RST (one, as a reply, at the sequence number after the FIN).",
    why: "The request is lost: it was never delivered to the server's application, no access log shows it, and the caller sees a 502, a 503 or a reset. It happens whenever a client or proxy keeps idle connections longer than the server does and does not look for the FIN before it reuses one.",
    not_a_problem: "When the client's last words ask for nothing (TLS close_notify, QUIT), or when the server had only closed its sending half and goes on reading: then the octets are acknowledged and no RST follows. If request and FIN are only microseconds apart the numbers still say stale, but no application could have known.",
    fix: "Let the client give up idle connections before the server does (whoever reuses lets go first), or raise the server's keep-alive timeout above the client's. Let the client check a connection for readability before it reuses it. A retry on a new connection is safe on the evidence of the packets.",
    basis: "RFC 9293 section 3.10.7.1 (reset generation: a segment to a closed connection is answered by an RST with its acknowledgement number). RFC 9112 section 9.3.1 on retrying. Recorded with nginx, HAProxy, gunicorn, uvicorn, Redis and Python's ssl as servers, and with clients that never look for the end of the stream.",
};

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Option<Finding> {
    if relation(case) != Relation::Knew {
        return None;
    }
    let mut finding = draft::for_case(Kind::StaleReuse, case, context);
    draft::with_fin(&mut finding, case);
    draft::with_request_evidence(&mut finding, case);
    let subject = wording::subject(&case.request.label());
    let since = case.since_fin().unwrap_or(Span::ZERO);
    if !case.request.opens() {
        let closes_itself = case.request.own_close.is_some_and(|(_, mark)| mark.time.since(case.request.mark.time) <= OWN_CLOSE_WITHIN);
        if closes_itself || finding.outcome != Some(Outcome::Reset) || case.request.acked.is_some() {
            return None;
        }
        finding.severity = Severity::Warning;
        finding.headline = "Bytes refused at the close, no idle gap".to_string();
        draft::lower(&mut finding, Confidence::Possible, "the octets open no recognised request and follow no idle gap");
        return Some(finding);
    }
    finding.cause = Some("stale-reuse".to_string());
    finding.headline = wording::headline(&format!("{subject} sent {} after the server had closed", wording::span(since)));
    if since < TOO_CLOSE_TO_KNOW {
        finding.reasons.push(format!(
            "the request left {} after the FIN: the numbers say stale, but no application could have known",
            wording::span(since)
        ));
    }
    if finding.outcome == Some(Outcome::Unknown) {
        draft::lower(&mut finding, Confidence::Likely, "the answer to the request is not in the capture");
    }
    Some(finding)
}

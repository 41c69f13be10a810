//! `swallowed-request`: acknowledged after the close, never answered.

use super::context::Context;
use super::draft;
use super::relation::{Relation, relation};
use super::{KindPage, wording};
use crate::app::What;
use crate::observe::Case;
use crate::report::{Confidence, Finding, Kind};
use crate::time::Span;

/// An RST of the server within this says that the request was refused, not swallowed (semantics, «Findings»).
const NO_RST_WITHIN: Span = Span::from_secs(1);

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::SwallowedRequest,
    title: "the server acknowledged a request after its own FIN and never answered it",
    seen: "The server sent its FIN and went on reading (a lingering close). A request arrived, the server's TCP acknowledged it, and for at least a second sent neither an RST nor an answer. An answer was due: the request was recognised, or it was TLS application data after an idle gap on a connection whose earlier ones were answered.",
    why: "The client believes that the request was delivered and waits for an answer until its own timeout: slower and more confusing than a reset.",
    not_a_problem: "In a protocol that is not recognised this is a legitimate half close (the server has said all it has to say and still listens); it is then shown in the timeline only.",
    fix: "The same as for stale reuse: the client's idle timeout below the server's, and a client that looks for the FIN before it reuses a connection.",
    basis: "nginx's lingering_close and Apache's lingering close acknowledge and discard for some seconds. RFC 9293 section 3.6 (half-closed connections). Recorded with a server that shuts down writing and drains.",
};

/// What is said of an acknowledged request after the server's FIN.
pub enum Judgement {
    /// A finding.
    Found(Box<Finding>),
    /// A legitimate half close: no other detector may speak of it.
    HalfClose,
    /// Not of this kind.
    No,
}

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Judgement {
    let request = &case.request;
    if !matches!(relation(case), Relation::Knew | Relation::Crossed | Relation::FinNotReceived) {
        return Judgement::No;
    }
    let Some(acked) = request.acked.filter(|_| request.acked_after_fin) else { return Judgement::No };
    if request.resets.iter().flatten().any(|reset| reset.mark.time.since(acked.time) <= NO_RST_WITHIN) {
        return Judgement::No;
    }
    let owed = (request.recognised && case.answer_owed != Some(false))
        || (request.message.what == What::Encrypted && request.after_idle_gap && request.answered_before);
    if !owed || request.leaving {
        return Judgement::HalfClose;
    }
    let mut finding = draft::for_case(Kind::SwallowedRequest, case, context);
    finding.outcome = Some(crate::report::Outcome::Acknowledged);
    draft::with_fin(&mut finding, case);
    draft::with_request_evidence(&mut finding, case);
    finding.cause = Some("request-swallowed-by-lingering-close".to_string());
    let subject = wording::subject(&request.label());
    let since = wording::span(case.since_fin().unwrap_or(Span::ZERO));
    finding.headline = wording::headline(&format!("{subject} acknowledged {since} after the server's FIN, no answer"));
    if context.end.since(acked.time) < NO_RST_WITHIN {
        draft::lower(&mut finding, Confidence::Possible, "the capture ends less than a second later; an RST may have followed");
    }
    Judgement::Found(Box::new(finding))
}

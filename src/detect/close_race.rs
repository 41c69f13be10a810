//! `close-race`: a request and the server's close crossed on the way.

use super::context::Context;
use super::draft;
use super::relation::{Relation, relation};
use super::{KindPage, wording};
use crate::endpoint::Direction;
use crate::observe::Case;
use crate::report::{Confidence, Finding, Kind, Outcome, RstShape, Severity};
use crate::tcp::reset::Reset;
use crate::time::Span;

/// A turn refused at the close is nothing when its sender closes by itself within this (semantics, «Findings»).
const OWN_CLOSE_WITHIN: Span = Span::from_millis(50);

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::CloseRace,
    title: "a request and the server's close crossed on the way",
    seen: "The server's FIN and the client's request were sent within a round trip of each other and neither acknowledges the other. The server answers the request with an RST at the request's acknowledgement number, and often, a round trip later, with a second RST one number higher, in answer to the acknowledgement of the FIN. Where a capture shows no FIN, these two numbers, or an abort right behind the request, tell the same.",
    why: "The request is lost although both sides behave as designed: the server's idle timer ran out while the request was on its way. It hits a small share of the requests that come right at the server's timeout, and so looks random.",
    not_a_problem: "When the client was leaving anyway, or the octets are a farewell. A FIN that acknowledges the request is no race: then the server read it and closed without an answer. A FIN long after the request is no race either.",
    fix: "No check by the client removes a race. Make the client's idle timeout shorter than the server's by more than a round trip and the granularity of both timers (a second or more), let the server announce `Keep-Alive: timeout=`, or retry once on a new connection: on the packets that is safe for any method, unless the request was acknowledged.",
    basis: "RFC 9112 section 9.6 (closing in the presence of a request under way). RFC 9293 section 3.10.7.1. Recorded with nginx 1.22 behind HAProxy, nginx, requests, httpx and http.client over links of 10 and 40 ms.",
};

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Option<Finding> {
    match relation(case) {
        Relation::Crossed => crossed(case, context),
        Relation::FinNotReceived if case.request.opens() => Some(fin_not_received(case, context)),
        Relation::NoFin | Relation::FinAfter => without_fin(case, context),
        _ => None,
    }
}

fn crossed(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let mut finding = begin(case, context);
    draft::with_fin(&mut finding, case);
    draft::with_request_evidence(&mut finding, case);
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
    let order = if since >= Span::ZERO {
        format!("sent {} after it", wording::span(since))
    } else {
        format!("sent {} before it", wording::span(since.abs()))
    };
    let subject = wording::subject(&case.request.label());
    finding.headline = wording::headline(&format!("{subject} crossed the server's FIN, {order}"));
    finding.cause = Some("close-race".to_string());
    if finding.outcome == Some(Outcome::Unknown) {
        draft::lower(&mut finding, Confidence::Likely, "the answer to the request is not in the capture");
    }
    Some(finding)
}

fn fin_not_received(case: &Case, context: &Context<'_>) -> Finding {
    let mut finding = begin(case, context);
    draft::with_fin(&mut finding, case);
    draft::with_request_evidence(&mut finding, case);
    let since = case.since_fin().unwrap_or(Span::ZERO);
    let subject = wording::subject(&case.request.label());
    finding.headline = wording::headline(&format!("{subject} sent {} after a FIN that never arrived", wording::span(since)));
    finding.cause = Some("fin-lost".to_string());
    if case.order_untrusted {
        finding.severity = Severity::Warning;
    }
    draft::lower(
        &mut finding,
        Confidence::Likely,
        "the request does not acknowledge a FIN that was sent long before: it was lost, or held up in the client's stack; a capture at the client would tell",
    );
    finding
}

/// No FIN in the capture explains the request's fate: the close shows in RSTs alone.
fn without_fin(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    if !request.opens() {
        return None;
    }
    if let Some(before) = request.rst_before {
        return crossed_reset(case, context, &before);
    }
    if request.has_race_fingerprint() && request.acked.is_none() {
        let mut finding = begin(case, context);
        draft::with_request_evidence(&mut finding, case);
        finding.headline =
            wording::headline(&format!("{} crossed a FIN that the capture does not show", wording::subject(&request.label())));
        finding.cause = Some("close-race".to_string());
        draft::lower(&mut finding, Confidence::Likely, "the FIN is not in the capture; two RSTs one sequence number apart imply it");
        return Some(finding);
    }
    aborted(case, context)
}

/// The server's RST was under way when the request was sent.
fn crossed_reset(case: &Case, context: &Context<'_>, before: &Reset) -> Option<Finding> {
    let since = case.request.mark.time.since(before.mark.time);
    if since > case.crossing_bound() || since < Span::ZERO {
        return None;
    }
    let mut finding = begin(case, context);
    draft::with_rst_close(&mut finding, case, before);
    draft::evidence(
        &mut finding,
        before.mark,
        Direction::ServerToClient,
        format!("RST, {}: the server closes", wording::shape(before.shape)),
    );
    draft::with_request_evidence(&mut finding, case);
    let subject = wording::subject(&case.request.label());
    finding.headline = wording::headline(&format!("{subject} crossed the server's RST, sent {} after it", wording::span(since)));
    finding.cause = Some("close-race".to_string());
    Some(finding)
}

/// The server closed its socket while the request lay unread in it (Linux then aborts instead of closing in order).
fn aborted(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    let reset = request.first_reset().filter(|reset| reset.shape == RstShape::Abort)?;
    let after = reset.mark.time.since(request.mark.time);
    if after > case.crossing_bound() {
        return None;
    }
    let covers = reset.ack.is_some_and(|ack| ack > request.start) || request.acked.is_some();
    let at_timeout = || request.idle.is_some_and(|idle| context.timers.is_at_timeout(case.server, idle, case.stream, case.rtt));
    if covers && !at_timeout() {
        return None;
    }
    if !covers && !request.after_idle_gap {
        return None;
    }
    let mut finding = begin(case, context);
    draft::with_rst_close(&mut finding, case, reset);
    draft::with_request_evidence(&mut finding, case);
    let subject = wording::subject(&request.label());
    finding.headline = wording::headline(&format!("{subject} met the server's abort {} later", wording::span(after)));
    finding.cause = Some("close-race".to_string());
    if covers {
        draft::lower(
            &mut finding,
            Confidence::Likely,
            "the idle time before the request is the server's measured timeout: its close found the request unread",
        );
    }
    Some(finding)
}

fn begin(case: &Case, context: &Context<'_>) -> Finding {
    draft::for_case(Kind::CloseRace, case, context)
}

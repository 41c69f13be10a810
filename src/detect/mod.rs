//! Candidates and timers → findings: one file per kind of finding, one registry.
//!
//! A detector judges one case, or one connection, and knows no other detector; the order in which they are asked is here, because a
//! lost request is one finding. What all findings have in common is filled in by `draft`.

pub mod abandoned_response;
mod advice;
pub mod age_limit_close;
pub mod close_race;
pub mod close_wait_leak;
pub mod closed_without_response;
pub mod connect_failed;
pub mod connection_churn;
mod consequence;
pub mod context;
pub mod cost;
mod draft;
mod foreign;
pub mod groups;
pub mod hops;
pub mod idle_during_response;
pub mod keepalive_too_slow;
pub mod keepalive_unanswered;
pub mod mass_close;
pub mod messages;
mod origin;
pub mod path_change;
mod relation;
pub mod request_limit_close;
pub mod silent_drop;
pub mod stale_reuse;
pub mod state_lost;
pub mod swallowed_request;
pub mod timeline;
pub mod timeout_mismatch;
pub mod verdict;
pub mod wording;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use crate::infer::known_timeouts::KnownTimeout;
pub use crate::infer::products::Product;

use crate::endpoint::Role;
use crate::infer::ChainHop;
use crate::observe::Case;
use crate::report::{EndpointView, Finding, Kind};
use context::Context;
use swallowed_request::Judgement;

/// The page of one kind of finding: `afterfin explain KIND` and `docs/findings.md` show it. Plain text, paragraphs separated by
/// an empty line.
#[derive(Clone, Copy, Debug)]
pub struct KindPage {
    /// The kind.
    pub kind: Kind,
    /// One line.
    pub title: &'static str,
    /// What is seen in the capture.
    pub seen: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// When it is not a problem.
    pub not_a_problem: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Standards, sources, measurements.
    pub basis: &'static str,
}

/// Known default timeouts that contain every word, in any field; without words, all of them.
pub fn known_timeouts(words: &[String]) -> Vec<&'static KnownTimeout> {
    crate::infer::known_timeouts::search(words)
}

/// Products with their directives that contain every word; without words, all of them.
pub fn products(words: &[String]) -> Vec<&'static Product> {
    crate::infer::products::search(words)
}

/// The registry: every kind of finding that is detected, in the order of severity.
pub fn pages() -> &'static [KindPage] {
    const PAGES: [KindPage; 18] = [
        stale_reuse::PAGE,
        close_race::PAGE,
        swallowed_request::PAGE,
        state_lost::PAGE,
        silent_drop::PAGE,
        closed_without_response::PAGE,
        path_change::PAGE,
        timeout_mismatch::PAGE,
        close_wait_leak::PAGE,
        keepalive_unanswered::PAGE,
        keepalive_too_slow::PAGE,
        abandoned_response::PAGE,
        idle_during_response::PAGE,
        connect_failed::PAGE,
        connection_churn::PAGE,
        request_limit_close::PAGE,
        age_limit_close::PAGE,
        mass_close::PAGE,
    ];
    &PAGES
}

/// All findings, numbered: by severity, then by kind, time and frame.
pub fn detect(context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, connection) in context.connections.followed() {
        let Some(watch) = context.observer.watch(at) else { continue };
        findings.extend(watch.cases.iter().filter_map(|case| lost_request(case, context)));
        if let Some(span) = watch.half_closed.as_deref() {
            findings.extend(close_wait_leak::judge(connection, span, context));
        }
        if let Some(close) = watch.waiting_close.as_deref() {
            findings.extend(abandoned_response::judge(close, connection));
            findings.extend(idle_during_response::judge(close, connection, context));
        }
        findings.extend(path_change::judge(at, connection, context));
        for side in [connection.client, connection.client.other()] {
            findings.extend(keepalive_unanswered::judge(connection, side, context));
        }
    }
    findings.extend(connect_failed::judge(context));
    let together = of_many(&findings, context);
    findings.extend(together);
    findings.sort_by_key(|finding| {
        (std::cmp::Reverse(finding.severity), finding.kind, finding.time, finding.frame, finding.stream, finding.client)
    });
    for (at, finding) in findings.iter_mut().enumerate() {
        finding.number = at + 1;
    }
    consequence::link(&mut findings);
    consequence::link_legs(&mut findings, context);
    findings
}

/// Findings about many connections: per hop, and per server endpoint.
fn of_many(lost: &[Finding], context: &Context<'_>) -> Vec<Finding> {
    let mut by_pair: BTreeMap<(IpAddr, EndpointView), Vec<&Finding>> = BTreeMap::new();
    for finding in lost.iter().filter(|finding| finding.kind.is_request_loss()) {
        by_pair.entry((finding.client.ip, finding.server)).or_default().push(finding);
    }
    let none = Vec::new();
    let mismatch = |hop: &ChainHop| {
        let losses = by_pair.get(&(hop.client, hop.server.into())).unwrap_or(&none);
        timeout_mismatch::judge(hop, losses, context)
    };
    let mut findings: Vec<Finding> = context.hops.iter().filter(|hop| !hop.translated).filter_map(mismatch).collect();
    let late = keepalive_too_slow::LateProbes::gather(context);
    for (server, seen) in &context.observer.across.samples.servers {
        let Some(known) = context.timers.of(*server) else { continue };
        findings.extend(request_limit_close::judge(*server, known, context));
        findings.extend(age_limit_close::judge(*server, known, context));
        findings.extend(seen.by_server.events.iter().filter_map(|event| mass_close::judge(*server, event, context)));
        findings.extend(keepalive_too_slow::judge(*server, (Role::Server, None), known, &known.probes, &seen.probes, (&late, context)));
        for (client, pair) in &seen.clients {
            findings.extend(connection_churn::judge(*client, *server, pair));
            let timers = known.clients.get(client).and_then(|timers| timers.probes.as_deref());
            if let (Some(timers), Some(probes)) = (timers, pair.probes.as_deref()) {
                let of_client = (Role::Client, Some(*client));
                findings.extend(keepalive_too_slow::judge(*server, of_client, known, timers, probes, (&late, context)));
            }
        }
    }
    for finding in &mut findings {
        finding.client.port = 0;
    }
    findings
}

/// At most one finding per request, in the order of the definitions.
fn lost_request(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    let refused = case.is_refused_at_greeting(context.thresholds.idle_gap);
    if request.response.is_some() || request.own_close_before || request.is_positional_farewell() || refused {
        return None;
    }
    match swallowed_request::judge(case, context) {
        Judgement::Found(finding) => return Some(*finding),
        Judgement::HalfClose => return None,
        Judgement::No => {}
    }
    stale_reuse::judge(case, context)
        .or_else(|| close_race::judge(case, context))
        .or_else(|| state_lost::judge(case, context))
        .or_else(|| silent_drop::judge(case, context))
        .or_else(|| closed_without_response::judge(case, context))
}

//! Findings by client host and server endpoint, each with its sentence and its most telling connection.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::Context;
use super::{timeline, wording};
use crate::report::{EndpointView, Finding, Group, Kind, Severity, TimerState};

/// So many pieces of advice stand above a group: both remedies with their directives, the margin, and what a client can do.
const KEPT_ADVICE: usize = 6;

/// Groups the findings, the worst group first.
pub fn groups(findings: &[Finding], context: &Context<'_>) -> Vec<Group> {
    let mut by_pair: BTreeMap<(IpAddr, EndpointView), Vec<usize>> = BTreeMap::new();
    for (at, finding) in findings.iter().enumerate() {
        by_pair.entry((finding.client.ip, finding.server)).or_default().push(at);
    }
    let mut groups: Vec<Group> =
        by_pair.into_iter().map(|((client, server), list)| group(client, server, list, findings, context)).collect();
    groups.sort_by_key(|group| {
        let worst = group.findings.iter().filter_map(|at| findings.get(*at)).map(|finding| finding.severity).max();
        (std::cmp::Reverse(worst), std::cmp::Reverse(group.findings.len()), group.client, group.server)
    });
    groups
}

fn group(client: IpAddr, server: EndpointView, list: Vec<usize>, findings: &[Finding], context: &Context<'_>) -> Group {
    let members = || list.iter().filter_map(|at| findings.get(*at));
    let mut kinds: BTreeMap<Kind, u64> = BTreeMap::new();
    for finding in members() {
        *kinds.entry(finding.kind).or_default() += finding.count;
    }
    let telling = members()
        .filter(|finding| finding.stream.is_some())
        .max_by_key(|finding| {
            let recognised = !finding.request.is_empty();
            let certain = finding.confidence;
            let idle = finding.since_close.unwrap_or_default().nanos();
            (finding.severity, certain, recognised, idle, std::cmp::Reverse(finding.number))
        })
        .and_then(|finding| timeline::of_stream(finding.stream?, context, findings));
    let mut advice: Vec<String> = Vec::new();
    let worst = members().map(|finding| finding.severity).max().unwrap_or(Severity::Info);
    let mut by_weight: Vec<&Finding> = members().filter(|finding| finding.severity == worst).collect();
    by_weight.sort_by_key(|finding| (finding.kind, std::cmp::Reverse(finding.idle)));
    for finding in by_weight {
        for line in &finding.advice {
            if advice.len() < KEPT_ADVICE && !advice.iter().any(|known| similar(known, line)) {
                advice.push(line.clone());
            }
        }
    }
    let summary = summary(client, server, &kinds, members(), context);
    Group { client, server, findings: list, kinds: kinds.into_iter().collect(), summary, advice, timeline: telling }
}

/// The same sentence with other figures says nothing new in one group.
fn similar(a: &str, b: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    let (a, b) = (letters(a), letters(b));
    a.chars().take(24).eq(b.chars().take(24))
}

fn summary<'f>(
    client: IpAddr,
    server: EndpointView,
    kinds: &BTreeMap<Kind, u64>,
    members: impl Iterator<Item = &'f Finding> + Clone,
    context: &Context<'_>,
) -> String {
    let lost: u64 = members.clone().filter(|f| f.kind.is_request_loss() && f.severity == Severity::Error).map(|f| f.count).sum();
    let mut parts = Vec::new();
    if lost > 0 {
        parts.push(format!("{} from {client} to {server} lost", wording::count(lost, "request")));
    }
    let others: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} × {}", kind.as_str())).collect();
    parts.push(others.join(", "));
    let endpoint = crate::endpoint::Endpoint::new(server.ip, server.port);
    if let Some(timer) = context.timers.server_timer(endpoint) {
        let how = if timer.state == TimerState::Measured { "closes" } else { "closed" };
        parts.push(format!("the server {how} idle connections after {} (n = {})", wording::span(timer.value), timer.samples));
    }
    let longest = members.filter(|f| f.kind.is_request_loss()).filter_map(|f| f.idle).max();
    if let Some(longest) = longest {
        parts.push(format!("the client used one after {} idle", wording::span(longest)));
    }
    let mut text = parts.join("; ");
    text.push('.');
    text
}

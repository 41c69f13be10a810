//! Narrows a report to what the user selected. Identifiers stay: F7 is F7 whatever is shown beside it.
//!
//! The verdict, the trust, the timers and the cost are of the whole capture and stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use crate::options::Selection;
use crate::report::{ConnectionRow, EndpointView, Finding, Group, Kind, Report};

/// Takes out of the report what the selection leaves out, and notes how much that is.
pub fn narrow(report: &mut Report, selection: &Selection) {
    let shown_streams: BTreeSet<u64> =
        report.connections.iter().filter(|row| shows_connection(row, selection)).map(|row| row.stream).collect();
    let before = (report.findings.len(), report.connections_total);
    let mut places = BTreeMap::new();
    let mut kept = Vec::new();
    for (place, finding) in std::mem::take(&mut report.findings).into_iter().enumerate() {
        if shows_finding(&finding, selection) {
            places.insert(place, kept.len());
            kept.push(finding);
        }
    }
    report.findings = kept;
    report.connections.retain(|row| shown_streams.contains(&row.stream));
    let wanted = |client, server| matches_endpoints(client, server, selection);
    report.timelines.retain(|timeline| wanted(timeline.client, timeline.server));
    let about: BTreeSet<u64> = report.findings.iter().filter_map(|finding| finding.stream).collect();
    report.finding_timelines.retain(|timeline| about.contains(&timeline.stream));
    for group in &mut report.groups {
        narrow_group(group, &places, &report.findings);
    }
    report.groups.retain(|group| !group.findings.is_empty());
    let by_kind_only = selection.hosts.is_empty() && selection.ports.is_empty() && selection.streams.is_empty();
    let total = if by_kind_only && selection.from.is_none() && selection.to.is_none() { before.1 } else { report.connections.len() as u64 };
    report.left_out = crate::report::LeftOut {
        findings: before.0.saturating_sub(report.findings.len()) as u64,
        connections: before.1.saturating_sub(total),
    };
    report.connections_total = total;
}

/// Points the group at the findings that are left, and counts them anew.
fn narrow_group(group: &mut Group, places: &BTreeMap<usize, usize>, findings: &[Finding]) {
    group.findings = group.findings.iter().filter_map(|place| places.get(place).copied()).collect();
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for finding in group.findings.iter().filter_map(|place| findings.get(*place)) {
        let count = counts.entry(finding.kind).or_default();
        *count = count.saturating_add(1);
    }
    group.kinds.retain_mut(|(kind, count)| {
        *count = counts.get(kind).copied().unwrap_or_default();
        *count > 0
    });
    let is_shown = |stream| group.findings.iter().filter_map(|place| findings.get(*place)).any(|finding| finding.stream == Some(stream));
    if group.timeline.as_ref().is_some_and(|timeline| !is_shown(timeline.stream)) {
        group.timeline = None;
    }
}

fn matches_endpoints(client: EndpointView, server: EndpointView, selection: &Selection) -> bool {
    let host = selection.hosts.is_empty() || selection.hosts.iter().any(|ip| *ip == client.ip || *ip == server.ip);
    host && (selection.ports.is_empty() || selection.ports.iter().any(|port| *port == client.port || *port == server.port))
}

fn shows_connection(row: &ConnectionRow, selection: &Selection) -> bool {
    matches_endpoints(row.client, row.server, selection)
        && (selection.streams.is_empty() || selection.streams.contains(&row.stream))
        && selection.from.is_none_or(|from| row.last >= from)
        && selection.to.is_none_or(|to| row.first <= to)
}

fn shows_finding(finding: &Finding, selection: &Selection) -> bool {
    let client = if finding.client_port_known { finding.client } else { EndpointView { port: 0, ..finding.client } };
    matches_endpoints(client, finding.server, selection)
        && (selection.streams.is_empty() || finding.stream.is_some_and(|stream| selection.streams.contains(&stream)))
        && (selection.kinds.is_empty() || selection.kinds.contains(finding.kind.as_str()))
        && finding.severity as u8 >= selection.min_severity
        && selection.from.is_none_or(|from| finding.time.is_none_or(|time| time >= from))
        && selection.to.is_none_or(|to| finding.time.is_none_or(|time| time <= to))
}

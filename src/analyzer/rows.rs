//! Connections → rows of the report.

use std::collections::BTreeMap;

use crate::detect::context::Context;
use crate::observe::legs::Relation;
use crate::options::AnalysisOptions;
use crate::report::{AfterClose, ClosePoint, ConnectionRow, DirectionCounts, Finding, Gap, How, Leg};
use crate::taken::Taken;
use crate::tcp::facts::{Facts, HalfFacts, Seen};
use crate::tcp::step::IdleGap;
use crate::time::Span;

/// Rows beside those with findings, where not every connection is wanted: the ones with the longest idle gaps.
const LONGEST: usize = 256;
/// Rows with findings, where not every connection is wanted.
const WITH_FINDINGS: usize = 16_384;

/// One row per connection, in the order of their numbers: of all, or of those that a short table can show.
pub fn rows(context: &Context<'_>, findings: &[Finding], taken: &Taken, options: &AnalysisOptions) -> Vec<ConnectionRow> {
    let mut by_stream: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for finding in findings {
        if let Some(stream) = finding.stream {
            by_stream.entry(stream).or_default().push(finding.number);
        }
    }
    let longest = if options.all_connections { Span::ZERO } else { threshold(context) };
    let mut with_findings = 0;
    let mut wanted = |seen: Seen<'_>| {
        let stream = seen.stream();
        if options.all_connections || options.timelines.contains(&stream) {
            return true;
        }
        if by_stream.contains_key(&stream) && with_findings < WITH_FINDINGS {
            with_findings += 1;
            return true;
        }
        longest_gap(seen, context) >= longest
    };
    let chosen: Vec<usize> = context.connections.all().filter(|(_, seen)| wanted(*seen)).map(|(at, _)| at).collect();
    let mut row_at = |at: usize| {
        let seen = context.connections.seen(at)?;
        let findings = by_stream.remove(&seen.stream()).unwrap_or_default();
        Some(row(at, seen, context, findings, taken))
    };
    let mut rows: Vec<ConnectionRow> = chosen.into_iter().filter_map(&mut row_at).collect();
    rows.sort_by_key(|row| row.stream);
    rows
}

/// The idle gap from which on a connection is among the longest.
fn threshold(context: &Context<'_>) -> Span {
    let mut gaps: Vec<Span> = context.connections.all().map(|(_, seen)| longest_gap(seen, context)).collect();
    if gaps.len() <= LONGEST {
        return Span::ZERO;
    }
    let (_, value, _) = gaps.select_nth_unstable_by(LONGEST, |a, b| b.cmp(a));
    // At least one nanosecond more: among equals none is longer, and a capture without gaps has nothing to show here.
    *value + Span(1)
}

fn final_gap(seen: Seen<'_>, context: &Context<'_>) -> Option<IdleGap> {
    seen.followed().and_then(|connection| connection.final_gap(context.end, context.thresholds.idle_gap))
}

fn longest_gap(seen: Seen<'_>, context: &Context<'_>) -> Span {
    let open = final_gap(seen, context).map(|gap| gap.length);
    let closed = seen.gaps().and_then(|list| list.longest.iter().map(|gap| gap.length).max());
    open.max(closed).unwrap_or_default()
}

fn row(at: usize, seen: Seen<'_>, context: &Context<'_>, findings: Vec<usize>, taken: &Taken) -> ConnectionRow {
    let connection = &*seen.facts();
    let last_gap = final_gap(seen, context);
    let mut gaps: Vec<IdleGap> = seen.gaps().map(|list| list.longest.clone()).unwrap_or_default();
    gaps.extend(last_gap);
    let count = seen.gaps().map_or(0, |list| list.count) + u64::from(last_gap.is_some());
    let mut vantages: Vec<String> =
        seen.vantages().iter().map(|vantage| taken.names.describe(vantage, &taken.summary.interfaces)).collect();
    vantages.dedup();
    ConnectionRow {
        stream: connection.stream,
        client: connection.client_endpoint().into(),
        server: connection.server_endpoint().into(),
        role_basis: connection.role_basis,
        first: connection.first.time,
        last: connection.latest,
        first_frame: connection.first.frame.into(),
        handshake: connection.handshake,
        rtt: connection.rtt,
        one_sided: connection.one_sided(),
        requests: u64::from(connection.requests),
        protocol: connection.protocol.as_str(),
        host: String::new(),
        client_to_server: counts(connection.client_half()),
        server_to_client: counts(connection.server_half()),
        first_fin: connection.first_fin.map(|(side, mark)| ClosePoint {
            by: connection.role(side),
            how: How::Fin,
            frame: mark.frame.into(),
            time: mark.time,
        }),
        first_close: connection.close.map(|close| ClosePoint {
            by: connection.role(close.side),
            how: close.how,
            frame: close.mark.frame.into(),
            time: close.mark.time,
        }),
        after_close: after_close(seen),
        wire_gap_count: u64::from(connection.wire_gap_count),
        wire_gap_longest: (connection.wire_gap_count > 0).then_some(connection.wire_gap_longest),
        state: connection.state,
        incarnations: connection.incarnations,
        legs: legs(at, context),
        vantages,
        idle_gap_count: count,
        idle_gap_longest: gaps.iter().map(|gap| gap.length).max(),
        idle_gaps: gaps.iter().map(|gap| view(gap, connection)).collect(),
        findings,
    }
}

fn legs(at: usize, context: &Context<'_>) -> Vec<Leg> {
    let basis = |relation: Relation| match relation {
        Relation::Nat => "the same initial sequence numbers under another 4-tuple",
        Relation::Proxy => "the same request, sent on while the caller waited",
    };
    context
        .legs(at)
        .iter()
        .filter_map(|(other, relation)| {
            let stream = context.connections.seen(*other)?.stream();
            Some(Leg { stream, relation: relation.as_str(), basis: basis(*relation).to_string() })
        })
        .collect()
}

fn view(gap: &IdleGap, connection: &Facts) -> Gap {
    Gap {
        start: gap.start.frame.into(),
        end: gap.end.map(|mark| mark.frame.into()),
        start_time: gap.start.time,
        length: gap.length,
        after: connection.role(gap.after),
        waiting: gap.waiting,
        probes: gap.probes,
        ended_by: gap.ended_by,
    }
}

fn counts(half: &HalfFacts) -> DirectionCounts {
    let counts = &half.counts;
    DirectionCounts {
        segments: counts.segments,
        duplicates: counts.duplicates,
        payload_octets: counts.payload_octets,
        unique_octets: half.unique_octets,
        syn: u64::from(counts.syn),
        fin: u64::from(counts.fin),
        rst: u64::from(counts.rst),
        retransmissions: u64::from(counts.retransmissions),
        keepalive_probes: u64::from(counts.keepalive_probes),
        keepalive_probes_inferred: u64::from(counts.keepalive_probes_inferred),
        incomplete_datagrams: u64::from(counts.incomplete_datagrams),
    }
}

fn after_close(seen: Seen<'_>) -> Option<AfterClose> {
    let [low, high] = seen.after_fin()?;
    let first = [low, high].into_iter().flatten().min_by_key(|seen| seen.first.frame)?;
    Some(AfterClose {
        segments: [low, high].into_iter().flatten().map(|seen| seen.segments).sum(),
        first_frame: first.first.frame.into(),
        close_acknowledged: first.acknowledged,
    })
}

//! One row per connection.

use serde::Serialize;

use super::finding::some_text;
use super::{EndpointJson, Id, Seconds, Sentences, Time};
use crate::render::format::Escaped;
use crate::report::{AfterClose, ClosePoint, ConnectionRow, DirectionCounts, Gap, Leg};

/// One connection.
#[derive(Serialize)]
pub struct ConnectionView<'a> {
    stream: u64,
    client: EndpointJson,
    server: EndpointJson,
    role_basis: &'static str,
    first: Time,
    last: Time,
    file: u32,
    first_frame: u64,
    handshake: &'static str,
    one_sided: bool,
    requests: u64,
    client_to_server: CountsView,
    server_to_client: CountsView,
    first_fin: Option<FinView>,
    first_close: Option<CloseView>,
    after_close: Option<AfterCloseView>,
    wire_gaps: WireGaps,
    state: &'static str,
    incarnations: u32,
    legs: Vec<LegView<'a>>,
    vantages: Sentences<'a>,
    idle_gaps: IdleGaps,
    rtt_seconds: Option<Seconds>,
    protocol: Option<&'static str>,
    host: Option<Escaped<'a>>,
    findings: Vec<Id>,
}

impl<'a> ConnectionView<'a> {
    /// The view of a connection.
    pub fn of(row: &'a ConnectionRow) -> Self {
        Self {
            stream: row.stream,
            client: EndpointJson::of(row.client),
            server: EndpointJson::of(row.server),
            role_basis: row.role_basis.as_str(),
            first: Time(row.first),
            last: Time(row.last),
            file: row.first_frame.file,
            first_frame: row.first_frame.frame,
            handshake: row.handshake.as_str(),
            one_sided: row.one_sided,
            requests: row.requests,
            client_to_server: CountsView::of(&row.client_to_server),
            server_to_client: CountsView::of(&row.server_to_client),
            first_fin: row.first_fin.as_ref().map(FinView::of),
            first_close: row.first_close.as_ref().map(CloseView::of),
            after_close: row.after_close.as_ref().map(AfterCloseView::of),
            wire_gaps: WireGaps { count: row.wire_gap_count, longest_seconds: row.wire_gap_longest.map(Seconds) },
            state: row.state.as_str(),
            incarnations: row.incarnations,
            legs: row.legs.iter().map(LegView::of).collect(),
            vantages: Sentences(&row.vantages),
            idle_gaps: IdleGaps {
                count: row.idle_gap_count,
                longest_seconds: row.idle_gap_longest.map(Seconds),
                gaps: row.idle_gaps.iter().map(GapView::of).collect(),
            },
            rtt_seconds: row.rtt.map(Seconds),
            protocol: (row.protocol != "unknown" && !row.protocol.is_empty()).then_some(row.protocol),
            host: some_text(&row.host),
            findings: row.findings.iter().copied().map(Id).collect(),
        }
    }
}

/// Counts of one direction.
#[derive(Serialize)]
struct CountsView {
    segments: u64,
    duplicates: u64,
    payload_octets: u64,
    unique_octets: u64,
    syn: u64,
    fin: u64,
    rst: u64,
    retransmissions: u64,
    keepalive_probes: u64,
    keepalive_probes_inferred: u64,
    incomplete_datagrams: u64,
}

impl CountsView {
    const fn of(counts: &DirectionCounts) -> Self {
        Self {
            segments: counts.segments,
            duplicates: counts.duplicates,
            payload_octets: counts.payload_octets,
            unique_octets: counts.unique_octets,
            syn: counts.syn,
            fin: counts.fin,
            rst: counts.rst,
            retransmissions: counts.retransmissions,
            keepalive_probes: counts.keepalive_probes,
            keepalive_probes_inferred: counts.keepalive_probes_inferred,
            incomplete_datagrams: counts.incomplete_datagrams,
        }
    }
}

/// The first FIN.
#[derive(Serialize)]
struct FinView {
    by: &'static str,
    file: u32,
    frame: u64,
    time: Time,
}

impl FinView {
    const fn of(point: &ClosePoint) -> Self {
        Self { by: point.by.as_str(), file: point.frame.file, frame: point.frame.frame, time: Time(point.time) }
    }
}

/// The first FIN or valid RST.
#[derive(Serialize)]
struct CloseView {
    by: &'static str,
    how: &'static str,
    file: u32,
    frame: u64,
    time: Time,
}

impl CloseView {
    const fn of(point: &ClosePoint) -> Self {
        Self { by: point.by.as_str(), how: point.how.as_str(), file: point.frame.file, frame: point.frame.frame, time: Time(point.time) }
    }
}

/// New payload after the other side's FIN.
#[derive(Serialize)]
struct AfterCloseView {
    segments: u64,
    file: u32,
    first_frame: u64,
    close_acknowledged: bool,
}

impl AfterCloseView {
    const fn of(after: &AfterClose) -> Self {
        Self {
            segments: after.segments,
            file: after.first_frame.file,
            first_frame: after.first_frame.frame,
            close_acknowledged: after.close_acknowledged,
        }
    }
}

/// Silences on the wire.
#[derive(Serialize)]
struct WireGaps {
    count: u64,
    longest_seconds: Option<Seconds>,
}

/// Another leg or sight of the same connection.
#[derive(Serialize)]
struct LegView<'a> {
    stream: u64,
    relation: &'static str,
    basis: Escaped<'a>,
}

impl<'a> LegView<'a> {
    fn of(leg: &'a Leg) -> Self {
        Self { stream: leg.stream, relation: leg.relation, basis: Escaped(&leg.basis) }
    }
}

/// Idle gaps.
#[derive(Serialize)]
struct IdleGaps {
    count: u64,
    longest_seconds: Option<Seconds>,
    gaps: Vec<GapView>,
}

/// One idle gap.
#[derive(Serialize)]
struct GapView {
    start_file: u32,
    start_frame: u64,
    end_file: Option<u32>,
    end_frame: Option<u64>,
    start: Time,
    seconds: Seconds,
    after: &'static str,
    waiting: bool,
    probes: u32,
    ended_by: &'static str,
}

impl GapView {
    fn of(gap: &Gap) -> Self {
        Self {
            start_file: gap.start.file,
            start_frame: gap.start.frame,
            end_file: gap.end.map(|at| at.file),
            end_frame: gap.end.map(|at| at.frame),
            start: Time(gap.start_time),
            seconds: Seconds(gap.length),
            after: gap.after.as_str(),
            waiting: gap.waiting,
            probes: gap.probes,
            ended_by: gap.ended_by.as_str(),
        }
    }
}

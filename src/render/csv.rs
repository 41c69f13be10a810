//! Findings or connections as a table for spreadsheets (RFC 4180), every cell safe against formula injection.

use std::io::{self, Write};

use super::format::{csv_cell, decimal_seconds, rfc3339};
use super::{Format, Style};
use crate::report::{ConnectionRow, DirectionCounts, Finding, FrameRef, Report};
use crate::time::{Span, Timestamp};

/// This format's row in the registry.
pub const FORMAT: Format =
    Format { name: "csv", extensions: &["csv"], report: Some(findings), connections: Some(connections), timeline: None };

const FINDING_HEADER: [&str; 31] = [
    "id",
    "kind",
    "severity",
    "confidence",
    "headline",
    "count",
    "stream",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "file",
    "frame",
    "time",
    "request",
    "closed_by",
    "close_how",
    "close_frame",
    "idle_seconds",
    "wire_idle_seconds",
    "since_close_seconds",
    "outcome",
    "rst_frame",
    "rst_shape",
    "rst_origin",
    "retried",
    "retry_stream",
    "retry",
    "cause",
    "evidence_frames",
    "wireshark_filter",
];

/// Writes one row per finding.
pub fn findings(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(FINDING_HEADER)?;
    for finding in &report.findings {
        write_row(&mut writer, &finding_cells(finding))?;
    }
    writer.flush()
}

fn finding_cells(finding: &Finding) -> [String; 31] {
    let close = finding.close;
    let rst = finding.rst.as_ref();
    let next = finding.next.as_ref();
    let evidence: Vec<_> = finding.evidence.iter().map(|evidence| evidence.frame.frame.to_string()).collect();
    [
        format!("F{}", finding.number),
        finding.kind.as_str().to_owned(),
        finding.severity.as_str().to_owned(),
        finding.confidence.as_str().to_owned(),
        finding.headline.clone(),
        finding.count.to_string(),
        number(finding.stream),
        finding.client.ip.to_string(),
        number(finding.client_port_known.then_some(finding.client.port.into())),
        finding.server.ip.to_string(),
        finding.server.port.to_string(),
        number(finding.frame.map(|at| at.file.into())),
        frame(finding.frame),
        time(finding.time),
        finding.request.clone(),
        word(finding.closed_by.map(crate::endpoint::Role::as_str)),
        word(close.map(|close| close.how.as_str())),
        frame(close.map(|close| close.frame)),
        seconds(finding.idle),
        seconds(finding.wire_idle),
        seconds(finding.since_close),
        word(finding.outcome.map(crate::report::Outcome::as_str)),
        frame(rst.map(|rst| rst.frame)),
        word(rst.map(|rst| rst.shape.as_str())),
        word(rst.map(|rst| rst.origin.as_str())),
        word(next.map(|next| next.retried.as_str())),
        number(next.and_then(|next| next.stream)),
        word(finding.retry.map(crate::report::Retry::as_str)),
        finding.cause.clone().unwrap_or_default(),
        evidence.join(" "),
        finding.wireshark_filter.clone(),
    ]
}

const CONNECTION_HEADER: [&str; 50] = [
    "stream",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "role_basis",
    "first",
    "last",
    "file",
    "first_frame",
    "handshake",
    "rtt_seconds",
    "one_sided",
    "protocol",
    "host",
    "requests",
    "client_segments",
    "client_duplicates",
    "client_payload_octets",
    "client_unique_octets",
    "client_syn",
    "client_fin",
    "client_rst",
    "client_retransmissions",
    "client_keepalive_probes",
    "client_keepalive_probes_inferred",
    "server_segments",
    "server_duplicates",
    "server_payload_octets",
    "server_unique_octets",
    "server_syn",
    "server_fin",
    "server_rst",
    "server_retransmissions",
    "server_keepalive_probes",
    "server_keepalive_probes_inferred",
    "first_fin_by",
    "first_fin_frame",
    "first_close_by",
    "first_close_how",
    "first_close_frame",
    "after_close_segments",
    "after_close_first_frame",
    "wire_gaps",
    "longest_wire_gap_seconds",
    "state",
    "incarnations",
    "idle_gaps",
    "longest_idle_gap_seconds",
    "findings",
];

/// Writes one row per connection.
pub fn connections(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(CONNECTION_HEADER)?;
    for row in &report.connections {
        write_row(&mut writer, &connection_cells(row))?;
    }
    writer.flush()
}

fn connection_cells(row: &ConnectionRow) -> Vec<String> {
    let mut cells = vec![
        row.stream.to_string(),
        row.client.ip.to_string(),
        row.client.port.to_string(),
        row.server.ip.to_string(),
        row.server.port.to_string(),
        row.role_basis.as_str().to_owned(),
        rfc3339(row.first),
        rfc3339(row.last),
        row.first_frame.file.to_string(),
        row.first_frame.frame.to_string(),
        row.handshake.as_str().to_owned(),
        seconds(row.rtt),
        row.one_sided.to_string(),
        row.protocol.to_owned(),
        row.host.clone(),
        row.requests.to_string(),
    ];
    cells.extend(count_cells(&row.client_to_server));
    cells.extend(count_cells(&row.server_to_client));
    let findings: Vec<_> = row.findings.iter().map(|number| format!("F{number}")).collect();
    cells.extend([
        word(row.first_fin.map(|fin| fin.by.as_str())),
        frame(row.first_fin.map(|fin| fin.frame)),
        word(row.first_close.map(|close| close.by.as_str())),
        word(row.first_close.map(|close| close.how.as_str())),
        frame(row.first_close.map(|close| close.frame)),
        number(row.after_close.map(|after| after.segments)),
        frame(row.after_close.map(|after| after.first_frame)),
        row.wire_gap_count.to_string(),
        seconds(row.wire_gap_longest),
        row.state.as_str().to_owned(),
        row.incarnations.to_string(),
        row.idle_gap_count.to_string(),
        seconds(row.idle_gap_longest),
        findings.join(" "),
    ]);
    cells
}

fn count_cells(counts: &DirectionCounts) -> [String; 10] {
    [
        counts.segments,
        counts.duplicates,
        counts.payload_octets,
        counts.unique_octets,
        counts.syn,
        counts.fin,
        counts.rst,
        counts.retransmissions,
        counts.keepalive_probes,
        counts.keepalive_probes_inferred,
    ]
    .map(|count| count.to_string())
}

/// Writes a row; a negative number is a number and stays one, everything else that looks like a formula is made text.
fn write_row(writer: &mut csv::Writer<&mut dyn Write>, cells: &[String]) -> io::Result<()> {
    for cell in cells {
        if is_plain_number(cell) {
            writer.write_field(cell)?;
        } else {
            writer.write_field(csv_cell(cell).as_bytes())?;
        }
    }
    Ok(writer.write_record(None::<&[u8]>)?)
}

/// Digits, a point and a sign: nothing that a spreadsheet could compute.
fn is_plain_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok() && cell.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'-' | b'.'))
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn frame(at: Option<FrameRef>) -> String {
    number(at.map(|at| at.frame))
}

fn time(value: Option<Timestamp>) -> String {
    value.map_or_else(String::new, rfc3339)
}

fn seconds(value: Option<Span>) -> String {
    value.map_or_else(String::new, decimal_seconds)
}

fn word(value: Option<&'static str>) -> String {
    value.unwrap_or_default().to_owned()
}

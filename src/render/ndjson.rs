//! One JSON object per line for findings and connections, told apart by `type`; the objects are those of `afterfin.report/1`.

use std::io::{self, Write};

use serde::Serialize;

use super::json::views::{ConnectionView, FindingView, TimelineView};
use super::{Format, Style};
use crate::report::Report;

/// This format's row in the registry.
pub const FORMAT: Format = Format {
    name: "ndjson",
    extensions: &["ndjson", "jsonl"],
    report: Some(report),
    connections: Some(connections),
    timeline: Some(timelines),
};

/// A row that says what it is.
#[derive(Serialize)]
struct Line<T> {
    r#type: &'static str,
    #[serde(flatten)]
    row: T,
}

/// Writes the findings, then the connections.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    lines("finding", report.findings.iter().map(|finding| FindingView::of(finding, report)), out)?;
    connections(report, style, out)
}

/// Writes the connections.
pub fn connections(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    lines("connection", report.connections.iter().map(ConnectionView::of), out)
}

/// Writes the timelines that were asked for.
pub fn timelines(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    lines("timeline", report.timelines.iter().map(TimelineView::of), out)
}

fn lines<T: Serialize>(kind: &'static str, rows: impl Iterator<Item = T>, out: &mut dyn Write) -> io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *out, &Line { r#type: kind, row })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

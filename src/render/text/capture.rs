//! What was read, and how far it can be trusted.

use std::collections::BTreeMap;
use std::io;

use super::page::{Ink, Page};
use crate::render::format::{clock, count, counted, date, date_and_clock, duration, octets, zone_name};
use crate::report::{Input, Report};
use crate::time::Timestamp;

/// Inputs that are named one by one.
const INPUTS_SHOWN: usize = 8;
/// Problems of one input that are shown; standard error has them all.
const PROBLEMS_SHOWN: usize = 3;

/// Writes the section.
pub fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if report.inputs.is_empty() {
        return Ok(());
    }
    page.heading("Capture")?;
    for input in report.inputs.iter().take(INPUTS_SHOWN) {
        write_input(page, input)?;
    }
    if let Some(more) = report.inputs.len().checked_sub(INPUTS_SHOWN).filter(|more| *more > 0) {
        page.line(&format!("  … and {} more", counted(more as u64, "file", "files")))?;
    }
    let facts = &report.capture;
    let mut parts = vec![format!(
        "{}: {} in {}",
        counted(facts.frames, "frame", "frames"),
        counted(facts.tcp_segments, "TCP segment", "TCP segments"),
        counted(facts.connections, "connection", "connections")
    )];
    if facts.duplicates > 0 {
        parts.push(format!("{} seen more than once", count(facts.duplicates)));
    }
    parts.extend(reasons(page, "skipped", &facts.skipped));
    parts.extend(reasons(page, "malformed", &facts.malformed));
    page.wrapped("  ", "  ", &parts.join("; "), Ink::Plain)?;
    if !report.complete {
        page.wrapped("  ", "  ", "Not all of the input was read: what follows is about the part that was.", Ink::Yellow)?;
    }
    for trust in &facts.trust {
        page.wrapped("  · ", "    ", &page.safe(&trust.detail), Ink::Plain)?;
    }
    let left_out = report.left_out;
    if left_out.findings > 0 || left_out.connections > 0 {
        let text = format!(
            "The selection leaves out {} and {}; the verdict, the timers and the cost are of the whole capture.",
            counted(left_out.findings, "finding", "findings"),
            counted(left_out.connections, "connection", "connections")
        );
        page.wrapped("  ", "  ", &text, Ink::Yellow)?;
    }
    Ok(())
}

fn write_input(page: &mut Page<'_>, input: &Input) -> io::Result<()> {
    let format = match (input.format, input.compression) {
        ("" | "unknown", _) => "not read".to_owned(),
        (format, None) => format.to_owned(),
        (format, Some(compression)) => format!("{format} ({compression})"),
    };
    let mut parts = vec![format!("{}: {format}", page.safe(&input.name)), counted(input.frames, "frame", "frames"), octets(input.octets)];
    if let (Some(first), Some(last)) = (input.first, input.last) {
        parts.push(format!("{} ({})", period(page, first, last), duration(last.since(first))));
    }
    let text = parts.join(", ");
    page.wrapped("  ", "    ", &text, Ink::Plain)?;
    for problem in input.problems.iter().take(PROBLEMS_SHOWN) {
        page.wrapped("    ! ", "      ", &page.safe(problem), Ink::Yellow)?;
    }
    if let Some(more) = input.problems.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
        page.line(&format!("    ! … and {} more", counted(more as u64, "problem", "problems")))?;
    }
    Ok(())
}

/// `2026-11-24 07:03:48.123 to 07:04:10.000 UTC`.
fn period(page: &Page<'_>, first: Timestamp, last: Timestamp) -> String {
    let end = if date(first, page.zone) == date(last, page.zone) { clock(last, page.zone) } else { date_and_clock(last, page.zone) };
    format!("{} to {end} {}", date_and_clock(first, page.zone), zone_name(page.zone))
}

/// `12 skipped (ARP 10, UDP 2)`.
fn reasons(page: &Page<'_>, what: &str, counts: &BTreeMap<String, u64>) -> Option<String> {
    let total = counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let listed: Vec<_> = counts.iter().map(|(reason, number)| format!("{} {}", page.safe(reason), count(*number))).collect();
    (total > 0).then(|| format!("{} {what} ({})", count(total), listed.join(", ")))
}

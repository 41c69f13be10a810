//! What was read, and how far it can be trusted.

use std::io;

use super::page::{Ink, Page, wrap};
use crate::render::format::{counted, escape, hyperlink};
use crate::render::wording::{frames_line, left_out_line, point_lines, thresholds_line};
use crate::report::{Input, Report};

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
    page.wrapped("  ", "  ", &frames_line(report), Ink::Plain)?;
    if !report.complete {
        page.wrapped("  ", "  ", "Not all of the input was read: what follows is about the part that was.", Ink::Yellow)?;
    }
    for trust in &report.capture.trust {
        page.wrapped("  · ", "    ", &page.safe(&trust.detail), Ink::Plain)?;
    }
    for line in point_lines(report) {
        page.wrapped("  · ", "    ", &line, Ink::Plain)?;
    }
    if let Some(text) = thresholds_line(report) {
        page.wrapped("  ", "  ", &text, Ink::Yellow)?;
    }
    if let Some(text) = left_out_line(report) {
        page.wrapped("  ", "  ", &text, Ink::Yellow)?;
    }
    Ok(())
}

fn write_input(page: &mut Page<'_>, input: &Input) -> io::Result<()> {
    let name = escape(&input.name);
    for (place, line) in wrap(&page.words.input_line(input), page.width.saturating_sub(4)).into_iter().enumerate() {
        let linked = input.link.as_deref().filter(|_| place == 0).zip(line.strip_prefix(&*name));
        let line = linked.map_or_else(|| line.clone(), |(url, rest)| hyperlink(&name, url) + rest);
        page.line(&format!("{}{line}", if place == 0 { "  " } else { "    " }))?;
    }
    for problem in input.problems.iter().take(PROBLEMS_SHOWN) {
        page.wrapped("    ! ", "      ", &page.safe(problem), Ink::Yellow)?;
    }
    if let Some(more) = input.problems.len().checked_sub(PROBLEMS_SHOWN).filter(|more| *more > 0) {
        page.line(&format!("    ! … and {} more", counted(more as u64, "problem", "problems")))?;
    }
    Ok(())
}

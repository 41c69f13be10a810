//! What `report`, `connections` and `timeline` have in common: read, analyse, tell the problems, narrow to the selection, write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::options::{Input, Output, Shown, Zone};
use super::progress::Progress;
use super::{Failure, Status, input, links, output, say};
use crate::analyzer;
use crate::capture::{Capture, Source};
use crate::options::AnalysisOptions;
use crate::render::{Renderer, Style, select};
use crate::report::Report;

/// Reads the inputs and makes the report; tells every problem on standard error.
pub fn analyze(input: &Input, options: &AnalysisOptions, interrupted: &Arc<AtomicBool>) -> Result<Report, Failure> {
    let sources = input::sources(input)?;
    analyze_sources(sources, input, options, interrupted)
}

/// The same for sources that are made already.
pub fn analyze_sources(
    sources: Vec<Source>,
    input: &Input,
    options: &AnalysisOptions,
    interrupted: &Arc<AtomicBool>,
) -> Result<Report, Failure> {
    let capture =
        Capture::open_until(sources, &input.capture, Arc::clone(interrupted)).map_err(|error| Failure::new(&error.to_string()))?;
    let mut progress = Progress::start();
    let mut report = analyzer::analyze(capture, options, interrupted, &mut |octets, total| progress.tell(octets, total));
    progress.finish();
    if interrupted.load(Ordering::Relaxed) {
        report.complete = false;
        say("interrupted: the report is on what was read");
    }
    tell_problems(&report);
    Ok(report)
}

/// Tells every problem of the inputs on standard error.
pub fn tell_problems(report: &Report) {
    for input in &report.inputs {
        for problem in &input.problems {
            say(&format!("{}: {problem}", input.name));
        }
    }
}

/// Narrows the report to what is shown.
pub fn narrow(report: &mut Report, shown: &Shown, zone: Zone) {
    if !shown.is_narrowed() {
        return;
    }
    let first = report.capture.first;
    let zone = zone.offset_at(first);
    let mut selection = shown.selection.clone();
    selection.from = shown.from.and_then(|bound| bound.resolve(first, zone));
    selection.to = shown.to.and_then(|bound| bound.resolve(first, zone));
    select::narrow(report, &selection);
}

/// Narrows the report to what is shown, adds the user's names and writes it.
pub fn write(mut report: Report, shown: &Shown, out: &Output, renderer: Option<Renderer>) -> Result<Report, Failure> {
    narrow(&mut report, shown, out.zone);
    let zone = out.zone.offset_at(report.capture.first);
    report.names.extend(out.names.iter().cloned());
    if out.hyperlinks {
        links::add(&mut report);
    }
    let style = Style { width: out.width, colour: out.colour, zone };
    if let Some(renderer) = renderer {
        output::write(out.file.as_deref(), out.pager.as_ref().map(|pager| (pager, &*out.interrupted)), &mut |sink| {
            renderer(&report, &style, sink)
        })?;
    }
    Ok(report)
}

/// The status that the input alone gives.
pub const fn input_status(report: &Report) -> Status {
    if report.complete { Status::Done } else { Status::Trouble }
}

//! `--show-payload`: a second reading for the payload of the evidence.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::options::Input;
use super::{Failure, input};
use crate::capture::Capture;
use crate::export;
use crate::options::AnalysisOptions;
use crate::render::Format;
use crate::report::Report;

/// Formats that show the evidence of a finding frame by frame.
const FORMATS: [&str; 5] = ["text", "json", "ndjson", "html", "markdown"];

/// The input can be read twice, and the format has a place for payload.
pub fn check(input: &Input, format: &Format) -> Result<(), Failure> {
    if !FORMATS.contains(&format.name) {
        let known = FORMATS.join(", ");
        return Err(Failure::new(&format!("--show-payload: {} has no place for payload; these have: {known}", format.name)));
    }
    input::readable_twice(&input.files, "--show-payload reads its input twice")
}

/// Adds the payloads to the report.
pub fn add(report: &mut Report, input: &Input, analysis: &AnalysisOptions, interrupted: &Arc<AtomicBool>) -> Result<(), Failure> {
    let capture = Capture::open_until(input::sources(input)?, &input.capture, Arc::clone(interrupted))
        .map_err(|error| Failure::new(&error.to_string()))?;
    report.payloads = export::payloads(report, capture, analysis, interrupted);
    Ok(())
}

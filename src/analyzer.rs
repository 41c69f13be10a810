//! Wires the stages and keeps the account of every frame.

use std::sync::atomic::AtomicBool;

use crate::capture::Capture;
use crate::options::AnalysisOptions;
use crate::report::Report;

/// Reads the whole capture and makes the report. `interrupted` is looked at between frames: once true, the report is made of what was
/// read (`complete: false`). `progress` is called now and then with octets read and the total, if known.
pub fn analyze(
    capture: Capture,
    _options: &AnalysisOptions,
    _interrupted: &AtomicBool,
    _progress: &mut dyn FnMut(u64, Option<u64>),
) -> Report {
    drop(capture);
    Report::default()
}

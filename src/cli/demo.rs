//! `afterfin demo`: the report on a built-in capture, for a first look.

use std::io::Cursor;

use super::args::DemoArgs;
use super::options::{Input, Output, Shown};
use super::{Failure, Status, job};
use crate::capture::{CaptureOptions, Source};
use crate::options::AnalysisOptions;

/// A client that keeps its connection for 9, 10.5 and 25 seconds, against a server that closes after 10.
const CAPTURE: &[u8] = include_bytes!("../../fixtures/lab/t01-blind-10s-client.pcap");
/// Its name in the report.
const NAME: &str = "demo.pcap";

/// Runs the subcommand.
pub fn run(args: &DemoArgs) -> Result<Status, Failure> {
    let output = Output::of(&args.output, "the report", |format| format.report.is_some())?;
    let input = Input { files: Vec::new(), recursive: false, capture: CaptureOptions::default() };
    let sources = vec![Source::Stream(NAME.to_owned(), Box::new(Cursor::new(CAPTURE)))];
    let report = job::analyze_sources(sources, &input, &AnalysisOptions::default(), &output.interrupted)?;
    let report = job::write(report, &Shown::default(), &output, output.format.report)?;
    Ok(job::input_status(&report))
}

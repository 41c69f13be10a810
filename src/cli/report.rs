//! `afterfin report`: the main job.

use super::args::ReportArgs;
use super::options::{self, Input, Output};
use super::{Failure, Status, anonymize, job, payload};
use crate::render::Format;
use crate::report::Report;

/// Runs the subcommand.
pub fn run(args: &ReportArgs) -> Result<Status, Failure> {
    let mut output = Output::of(&args.output, "the report", |format| format.report.is_some())?;
    let shown = options::shown(&args.selection, &args.stream)?;
    let mut analysis = options::analysis(&args.analysis, &args.input.separate, &shown)?;
    analysis.all_connections = shows_every_connection(output.format) || shown.narrows_connections();
    let input = Input::of(&args.input, &output)?;
    let anonymizer = anonymize::anonymizer(&args.anonymize)?;
    if args.show_payload {
        payload::check(&input, output.format)?;
    }
    let mut report = job::analyze(&input, &analysis, &output.interrupted)?;
    if args.show_payload {
        payload::add(&mut report, &input, &analysis, &output.interrupted)?;
    }
    let shown = anonymize::apply(anonymizer, &mut report, shown, &mut output);
    let report = job::write(report, &shown, &output, output.format.report)?;
    Ok(findings_status(&report, args.fail_on.as_deref()).max(job::input_status(&report)))
}

/// Programs get every connection, people those that a page has room for.
pub fn shows_every_connection(format: &Format) -> bool {
    format.name != crate::render::FORMATS.first().map_or("", |format| format.name)
}

/// 1 if a finding that is shown is at least as severe as `--fail-on` says.
pub fn findings_status(report: &Report, fail_on: Option<&str>) -> Status {
    let limit = fail_on.and_then(options::severity);
    match limit {
        Some(limit) if report.findings.iter().any(|finding| finding.severity >= limit) => Status::Findings,
        _ => Status::Done,
    }
}

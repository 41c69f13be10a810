//! `afterfin merge`: partial reports → the report.

use super::args::MergeArgs;
use super::options::{self, Output};
use super::{Failure, Status, anonymize, config, job, reduce, report};
use crate::analyzer;
use crate::options::AnalysisOptions;

/// Runs the subcommand.
pub fn run(args: &MergeArgs) -> Result<Status, Failure> {
    let mut output = Output::of(&args.output, "the report", |format| format.report.is_some())?;
    let shown = options::shown(&args.selection, &args.stream)?;
    let analysis = AnalysisOptions {
        thresholds: config::thresholds(&args.thresholds)?,
        selection: shown.selection.clone(),
        all_connections: report::shows_every_connection(output.format) || shown.narrows_connections(),
        assume: options::assumptions(&args.assume)?,
        is_last: true,
        ..AnalysisOptions::default()
    };
    let inputs = reduce::inputs(&args.inputs)?;
    let anonymizer = anonymize::anonymizer(&args.anonymize)?;
    let mut made = analyzer::merge(&inputs, &args.partials, &analysis).map_err(|error| Failure::new(&error.to_string()))?;
    job::tell_problems(&made);
    let shown = anonymize::apply(anonymizer, &mut made, shown, &mut output);
    let made = job::write(made, &shown, &output, output.format.report)?;
    Ok(report::findings_status(&made, args.fail_on.as_deref()).max(job::input_status(&made)))
}

//! `afterfin connections`: one row per connection.

use super::args::ConnectionsArgs;
use super::options::{self, Input, Output};
use super::{Failure, Status, anonymize, job};

/// Runs the subcommand.
pub fn run(args: &ConnectionsArgs) -> Result<Status, Failure> {
    let mut output = Output::of(&args.output, "the table of connections", |format| format.connections.is_some())?;
    let shown = options::shown(&args.selection, &args.stream)?;
    let analysis = options::analysis(&args.analysis, &args.input.separate, &shown)?;
    let input = Input::of(&args.input, &output)?;
    let anonymizer = anonymize::anonymizer(&args.anonymize)?;
    let mut report = job::analyze(&input, &analysis, &output.interrupted)?;
    let shown = anonymize::apply(anonymizer, &mut report, shown, &mut output);
    let report = job::write(report, &shown, &output, output.format.connections)?;
    Ok(job::input_status(&report))
}

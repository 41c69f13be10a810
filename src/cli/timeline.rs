//! `afterfin timeline --stream N`: one connection's life, every event and gap.

use super::args::TimelineArgs;
use super::options::{self, Input, Output, Shown};
use super::{Failure, Status, anonymize, job, say};

/// Runs the subcommand.
pub fn run(args: &TimelineArgs) -> Result<Status, Failure> {
    let mut output = Output::of(&args.output, "a timeline", |format| format.timeline.is_some())?;
    let shown = Shown::default();
    let mut analysis = options::analysis(&args.analysis, &args.input.separate, &shown)?;
    analysis.timelines = args.stream.iter().copied().collect();
    analysis.all_connections = false;
    let input = Input::of(&args.input, &output)?;
    let anonymizer = anonymize::anonymizer(&args.anonymize)?;
    let mut report = job::analyze(&input, &analysis, &output.interrupted)?;
    report.timelines.retain(|timeline| analysis.timelines.contains(&timeline.stream));
    let missing: Vec<u64> =
        analysis.timelines.iter().copied().filter(|stream| !report.timelines.iter().any(|timeline| timeline.stream == *stream)).collect();
    let total = report.capture.connections;
    for stream in &missing {
        let known = match total {
            0 => "no TCP connection".to_owned(),
            1 => "one connection, number 0".to_owned(),
            _ => format!("connections 0 to {}", total.saturating_sub(1)),
        };
        say(&format!("--stream {stream}: no such connection; the capture has {known}"));
    }
    if missing.len() == analysis.timelines.len() {
        return Ok(Status::Trouble);
    }
    let shown = anonymize::apply(anonymizer, &mut report, shown, &mut output);
    let report = job::write(report, &shown, &output, output.format.timeline)?;
    Ok(if missing.is_empty() { job::input_status(&report) } else { Status::Trouble })
}

//! `afterfin extract`: the frames behind a finding, as pcapng.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{Offset, Utc};

use super::args::ExtractArgs;
use super::input::readable_twice;
use super::new_file::{Access, check_target, to_new_file};
use super::options::{self, Input, Shown, Zone};
use super::{Failure, Status, anonymize, interrupt, job, say};
use crate::capture::{Capture, CaptureOptions, Source};
use crate::export::{self, Chosen, ExportError, Extraction, Plan};
use crate::report::Report;

/// Runs the subcommand.
pub fn run(args: &ExtractArgs) -> Result<Status, Failure> {
    let shown = options::shown(&args.selection, &[])?;
    let mut analysis = options::analysis(&args.analysis, &args.input.separate, &shown)?;
    analysis.all_connections = true;
    let findings = finding_numbers(&args.finding)?;
    let anonymizer = anonymize::anonymizer(&args.anonymize)?;
    if args.save_mapping.is_some() && anonymizer.is_none() {
        return Err(Failure::new("--save-mapping: there is no mapping without --anonymize"));
    }
    let input = inputs(args)?;
    for target in [Some(&args.output), args.save_mapping.as_ref()].into_iter().flatten() {
        check_target(target, &input.files, args.force)?;
    }
    let interrupted = interrupt::flag_on_signals()?;
    let sources = || input.files.iter().cloned().map(Source::Path).collect();
    let mut report = job::analyze_sources(sources(), &input, &analysis, &interrupted)?;
    stop_if(&interrupted)?;
    let chosen = choose(args, findings, &report, &shown)?;
    let mut options = export::Options { around: args.around.map(|frames| frames as usize), headers_only: args.headers_only, anonymizer };
    let mut plan = export::plan(&report, &chosen);
    if !plan.unresolved.is_empty() {
        export::resolve(&mut plan, open(sources(), &input, &interrupted)?, &analysis, &interrupted);
        stop_if(&interrupted)?;
    }
    if plan.streams.is_empty() && plan.comments.is_empty() {
        return Err(Failure::new("nothing to extract: the selection has no finding and no connection"));
    }
    if let Some(anonymizer) = &mut options.anonymizer {
        anonymizer.report(&mut report);
        plan = Plan { streams: plan.streams, ..export::plan(&report, &chosen) };
    }
    let capture = open(sources(), &input, &interrupted)?;
    let extraction = to_new_file(&args.output, args.force, Access::ByUmask, |sink| {
        let extraction = export::write(capture, &report, &plan, &analysis, &mut options, sink, &interrupted)?;
        check(&extraction, &report)?;
        Ok(extraction)
    })?;
    if let (Some(path), Some(anonymizer)) = (&args.save_mapping, &options.anonymizer) {
        to_new_file(path, args.force, Access::OwnerOnly, |sink| Ok(export::write_mapping(anonymizer, sink)?))?;
    }
    tell(&extraction, &args.output);
    Ok(job::input_status(&report))
}

/// `F3`, `f3` or `3`.
fn finding_numbers(words: &[String]) -> Result<BTreeSet<usize>, Failure> {
    let number = |word: &String| {
        let digits = word.trim().trim_start_matches(['F', 'f']);
        digits
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| Failure::option("--finding", word, "a finding is F and its number, such as F3"))
    };
    words.iter().map(number).collect()
}

/// The files; each is read at least twice.
fn inputs(args: &ExtractArgs) -> Result<Input, Failure> {
    readable_twice(&args.input.files, "extract reads its input twice")?;
    let files = crate::capture::expand(&args.input.files, args.input.recursive).map_err(|error| Failure::new(&error.to_string()))?;
    readable_twice(&files, "extract reads its input twice")?;
    Ok(Input { files, recursive: args.input.recursive, capture: CaptureOptions { hash: true } })
}

fn open(sources: Vec<Source>, input: &Input, interrupted: &Arc<AtomicBool>) -> Result<Capture, Failure> {
    Capture::open_until(sources, &input.capture, Arc::clone(interrupted)).map_err(|error| Failure::new(&error.to_string()))
}

fn stop_if(interrupted: &AtomicBool) -> Result<(), Failure> {
    if interrupted.load(Ordering::Relaxed) { Err(Failure::new("interrupted: no evidence was written")) } else { Ok(()) }
}

/// What the options ask for: findings and connections by number, else what the selection shows, else every finding.
fn choose(args: &ExtractArgs, findings: BTreeSet<usize>, report: &Report, shown: &Shown) -> Result<Chosen, Failure> {
    let mut chosen = Chosen { findings, streams: args.stream.iter().copied().collect() };
    let total = report.findings.len();
    if let Some(number) = chosen.findings.iter().find(|number| **number > total) {
        let known = match total {
            0 => "the report has none".to_owned(),
            1 => "the report has one, F1".to_owned(),
            _ => format!("the report has F1 to F{total}"),
        };
        return Err(Failure::option("--finding", &format!("F{number}"), &format!("no such finding; {known}")));
    }
    if let Some(stream) = chosen.streams.iter().find(|stream| **stream >= report.connections_total) {
        let total = report.connections_total;
        return Err(Failure::option(
            "--stream",
            &stream.to_string(),
            &format!("no such connection; the capture has {total}, numbered from 0"),
        ));
    }
    if !chosen.findings.is_empty() || !chosen.streams.is_empty() {
        return Ok(chosen);
    }
    let mut narrowed = report.clone();
    job::narrow(&mut narrowed, shown, Zone::Fixed(Utc.fix()));
    chosen.findings = narrowed.findings.iter().map(|finding| finding.number).collect();
    let selects_findings = (!args.all && !shown.is_narrowed()) || !shown.selection.kinds.is_empty() || shown.selection.min_severity > 0;
    if !selects_findings {
        chosen.streams = narrowed.connections.iter().map(|row| row.stream).collect();
    }
    Ok(chosen)
}

/// Nothing has changed since the first reading, and nothing was left out.
fn check(extraction: &Extraction, report: &Report) -> Result<(), ExportError> {
    if extraction.interrupted {
        return Err(ExportError::Job("interrupted: no evidence was written".to_owned()));
    }
    for (first, second) in report.inputs.iter().zip(&extraction.summary.inputs) {
        if first.sha256 != second.sha256 || first.frames != second.frames {
            return Err(ExportError::Job(format!("{}: has changed while it was read; no evidence was written", second.name)));
        }
    }
    Ok(())
}

/// What there is to know about the result, on standard error.
fn tell(extraction: &Extraction, output: &Path) {
    let frames = |count: u64| if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") };
    say(&format!("{}: {} written", output.display(), frames(extraction.frames)));
    if extraction.rebuilt > 0 {
        say(&format!("{} had a layer that cannot be anonymised and became bare IP packets", frames(extraction.rebuilt)));
    }
    if extraction.joined > 0 {
        say(&format!("{} left out: fragments of datagrams that are written whole", frames(extraction.joined)));
    }
    if extraction.missing > 0 {
        say(&format!("{} of the evidence did not come again", frames(extraction.missing)));
    }
}

//! `afterfin reduce`: the rows of some flows → a partial report.

use std::fs;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::args::ReduceArgs;
use super::new_file::{Access, check_target, to_new_file};
use super::{Failure, Status, config, interrupt, options, output};
use crate::analyzer::{self, JobInputs, ReduceError};
use crate::export::ExportError;
use crate::options::AnalysisOptions;

/// Octets that are read at one time.
const BUFFER: usize = 1 << 18;
/// An account is small: more octets are taken for something else.
const MAX_ACCOUNT: u64 = 1 << 30;

/// Runs the subcommand.
pub fn run(args: &ReduceArgs) -> Result<Status, Failure> {
    let target = args.output.as_deref().filter(|path| !options::is_stdin(path));
    if target.is_none() && io::stdout().is_terminal() {
        return Err(Failure::new("a partial report is nothing for a terminal: pipe it on, or name a file, -o FILE"));
    }
    if io::stdin().is_terminal() {
        return Err(Failure::new("standard input is a terminal: pipe sorted rows into it (see --help)"));
    }
    let analysis = AnalysisOptions { thresholds: config::thresholds(&args.thresholds)?, ..AnalysisOptions::default() };
    let inputs = inputs(&args.inputs)?;
    let interrupted = interrupt::flag_on_signals()?;
    match target {
        Some(file) => {
            check_target(file, std::slice::from_ref(&args.inputs), args.force)?;
            to_new_file(file, args.force, Access::ByUmask, |sink| {
                reduce(&inputs, &analysis, sink, &interrupted).map_err(|error| ExportError::Write(as_io(error)))
            })?;
        }
        None => to_stdout(&inputs, &analysis, &interrupted)?,
    }
    Ok(Status::Done)
}

/// The account of all inputs.
pub fn inputs(path: &Path) -> Result<JobInputs, Failure> {
    let failed = |error: io::Error| Failure::file(path, &format!("cannot be read: {error}"));
    let mut octets = Vec::new();
    fs::File::open(path).map_err(failed)?.take(MAX_ACCOUNT).read_to_end(&mut octets).map_err(failed)?;
    JobInputs::read(&octets).map_err(|error| Failure::file(path, &format!("is no account of the inputs: {error}")))
}

fn reduce(inputs: &JobInputs, options: &AnalysisOptions, sink: impl Write, interrupted: &AtomicBool) -> Result<(), ReduceError> {
    let rows = BufReader::with_capacity(BUFFER, io::stdin().lock());
    analyzer::reduce(rows, inputs, options, sink, interrupted)
}

/// Nothing comes out before the rows have ended as they should: until then it waits in a file without a name.
fn to_stdout(inputs: &JobInputs, options: &AnalysisOptions, interrupted: &AtomicBool) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(&format!("a temporary file cannot be used: {error} (TMPDIR names another place)"));
    let mut spool = BufWriter::with_capacity(BUFFER, tempfile::tempfile().map_err(failed)?);
    reduce(inputs, options, &mut spool, interrupted).map_err(|error| Failure::new(&error.to_string()))?;
    let mut spool = spool.into_inner().map_err(|error| failed(error.into_error()))?;
    output::write(None, None, &mut |sink| {
        spool.rewind()?;
        io::copy(&mut spool, sink).map(drop)
    })
}

fn as_io(error: ReduceError) -> io::Error {
    match error {
        ReduceError::Write(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

//! `afterfin segments`: segments as rows, for jobs on many machines and for tools that query tables.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::args::SegmentsArgs;
use super::new_file::{Access, check_target, to_new_file};
use super::options::{self, Input};
use super::progress::Progress;
use super::{Failure, Status, input, interrupt, output, say};
use crate::capture::{self, Capture};
use crate::dataset::{self, Account, DatasetError, Settings};
use crate::export::ExportError;
use crate::frame::FrameId;

/// Runs the subcommand.
pub fn run(args: &SegmentsArgs) -> Result<Status, Failure> {
    let target = args.output.as_deref().filter(|path| !options::is_stdin(path));
    if args.parquet && !cfg!(feature = "parquet") {
        return Err(Failure::new(&format!("--parquet: {}", options::NO_PARQUET)));
    }
    if args.parquet && target.is_none() {
        return Err(Failure::new("--parquet writes several files: name a directory for them, -o DIR"));
    }
    if target.is_none() && io::stdout().is_terminal() {
        return Err(Failure::new("rows in binary form are nothing for a terminal: pipe them on, or name a file, -o FILE"));
    }
    let input = Input::check(&args.input, None)?;
    let settings = Settings {
        separate: options::separate(&args.input.separate),
        first_file: args.first_file,
        headers_only: args.headers_only,
        one_of_many: args.one_of_many,
    };
    if args.one_of_many && settings.separate.interface {
        return Err(Failure::new("--separate interface: interfaces are numbered in each input, so --one-of-many cannot keep them apart"));
    }
    let interrupted = interrupt::flag_on_signals()?;
    let files = capture::expand(&input.files, input.recursive).map_err(|error| Failure::new(&error.to_string()))?;
    let job = Job { input: Input { files, recursive: false, ..input }, settings, interrupted };
    let account = match target {
        Some(directory) if args.parquet => tables(&job, directory, args.force)?,
        Some(file) => {
            check_target(file, &job.input.files, args.force)?;
            let capture = job.open()?;
            to_new_file(file, args.force, Access::ByUmask, |sink| job.stream(capture, sink).map_err(ExportError::Write))?
        }
        None => {
            let mut capture = Some(job.open()?);
            let mut account = None;
            output::write(None, None, &mut |sink| {
                account = capture.take().map(|capture| job.stream(capture, sink)).transpose()?;
                Ok(())
            })?;
            match account {
                Some(account) => account,
                None => return Ok(Status::Done), // whoever read has enough
            }
        }
    };
    Ok(tell(&account))
}

/// What is read, and how.
struct Job {
    input: Input,
    settings: Settings,
    interrupted: Arc<AtomicBool>,
}

impl Job {
    fn open(&self) -> Result<Capture, Failure> {
        let sources = input::sources(&self.input)?;
        let room = u64::from(FrameId::MAX_FILES).saturating_sub(u64::from(self.settings.first_file));
        if sources.len() as u64 > room {
            return Err(Failure::option(
                "--first-file",
                &self.settings.first_file.to_string(),
                &format!("inputs are numbered up to {}", FrameId::MAX_FILES.saturating_sub(1)),
            ));
        }
        if self.settings.one_of_many {
            let [source] = <[_; 1]>::try_from(sources)
                .map_err(|sources| Failure::new(&format!("--one-of-many reads one input, these are {}", sources.len())))?;
            return Capture::open_one_of_many(source, &self.input.capture, Arc::clone(&self.interrupted))
                .map_err(|error| Failure::new(&error.to_string()));
        }
        Capture::open_until(sources, &self.input.capture, Arc::clone(&self.interrupted)).map_err(|error| Failure::new(&error.to_string()))
    }

    fn stream(&self, capture: Capture, sink: &mut dyn Write) -> io::Result<Account> {
        let mut progress = Progress::start();
        let result =
            dataset::write_stream(capture, self.settings, sink, &self.interrupted, &mut |octets, total| progress.tell(octets, total));
        progress.finish();
        result.map_err(as_io)
    }
}

/// The reading itself cannot fail: what fails is the writing.
fn as_io(error: DatasetError) -> io::Error {
    match error {
        DatasetError::Io(error) => error,
        error => io::Error::other(error.to_string()),
    }
}

/// Every table under a temporary name; they get their names when all of them are whole, that of the inputs last.
#[cfg(feature = "parquet")]
fn tables(job: &Job, directory: &Path, force: bool) -> Result<Account, Failure> {
    use super::new_file::{appear, temporary_beside};

    let path = |name: &str| directory.join(format!("{name}.parquet"));
    for name in dataset::TABLES {
        check_target(&path(name), &job.input.files, force)?;
    }
    let capture = job.open()?;
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &format!("cannot be made: {error}")))?;
    let mut files = Vec::new();
    let mut open = |name: &str| {
        let temporary = temporary_beside(&path(name), Access::ByUmask)?;
        let file = temporary.reopen()?;
        files.push((path(name), temporary));
        Ok(file)
    };
    let mut progress = Progress::start();
    let result =
        dataset::write_tables(capture, job.settings, &mut open, &job.interrupted, &mut |octets, total| progress.tell(octets, total));
    progress.finish();
    let account = result.map_err(|error| Failure::file(directory, &format!("cannot be written: {error}")))?;
    for (path, temporary) in files {
        appear(temporary, &path, force)?;
    }
    Ok(account)
}

#[cfg(not(feature = "parquet"))]
fn tables(_job: &Job, _directory: &Path, _force: bool) -> Result<Account, Failure> {
    Err(Failure::new(options::NO_PARQUET))
}

/// Tells every problem on standard error; the status is that of the inputs.
fn tell(account: &Account) -> Status {
    if account.stopped {
        say("interrupted: the rows are those of what was read");
    }
    for warning in &account.summary.warnings {
        let name = account.summary.inputs.get(warning.file as usize).map_or("", |input| input.name.as_str());
        say(&format!("{name}: {}", warning.text));
    }
    if account.is_complete() { Status::Done } else { Status::Trouble }
}

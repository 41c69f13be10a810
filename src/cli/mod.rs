//! The command line: clap's arguments → validated options → the analysis → octets on standard output or in a file.
//!
//! One file per subcommand; clap stays in this room. Findings go to standard output, progress and problems to
//! standard error, each problem one line: `afterfin: FILE: what was found`.

mod anonymize;
mod args;
mod completions;
mod config;
mod connections;
mod demo;
mod explain;
mod extract;
mod input;
mod interrupt;
mod job;
mod links;
mod man;
#[cfg(feature = "arrow")]
mod merge;
mod names;
mod new_file;
mod options;
mod output;
mod pager;
mod payload;
mod progress;
#[cfg(feature = "arrow")]
mod reduce;
mod report;
#[cfg(feature = "arrow")]
mod segments;
mod timeline;
mod values;
mod wireshark;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;

use crate::render::format::escape;
use args::{Cli, Command};

/// Exit statuses, as grep and its relatives have them; the greater of two that apply is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// The report was written, nothing at or above `--fail-on`.
    Done,
    /// Findings at or above `--fail-on`.
    Findings,
    /// The job could not be done, or part of the input could not be read.
    Trouble,
}

impl Status {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Trouble => 2,
        }
    }
}

/// A job that cannot be done: the one line for standard error, without the program's name.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A sentence.
    fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A value that an option does not take.
    fn option(option: &str, value: &str, why: &str) -> Self {
        Self(format!("{option} {value}: {why}"))
    }

    /// A file that cannot be read or written.
    fn file(path: &Path, why: &str) -> Self {
        Self(format!("{}: {why}", path.display()))
    }
}

/// Runs the program with the arguments of the process (the program's name first).
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Status {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return no_arguments(&error),
    };
    let result = match cli.command.unwrap_or(Command::Report(cli.report)) {
        Command::Report(args) => report::run(&args),
        Command::Connections(args) => connections::run(&args),
        Command::Timeline(args) => timeline::run(&args),
        Command::Extract(args) => extract::run(&args),
        #[cfg(feature = "arrow")]
        Command::Segments(args) => segments::run(&args),
        #[cfg(feature = "arrow")]
        Command::Reduce(args) => reduce::run(&args),
        #[cfg(feature = "arrow")]
        Command::Merge(args) => merge::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Wireshark(args) => wireshark::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    result.unwrap_or_else(|Failure(text)| {
        say(&text);
        Status::Trouble
    })
}

/// Writes one line to standard error; that nobody reads it is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "afterfin: {}", escape(text));
}

/// Help and version are answers; anything else is a mistake, told in one line.
fn no_arguments(error: &clap::Error) -> Status {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Status::Done
        }
        _ => {
            say(&one_line(&error.to_string()));
            Status::Trouble
        }
    }
}

/// clap's message in one line: the error, what it would have taken, its tip.
fn one_line(message: &str) -> String {
    let wanted = message.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let parts: Vec<&str> = wanted.filter(|line| !line.is_empty()).map(|line| line.trim_start_matches("error: ")).collect();
    let mut text = String::new();
    for part in parts {
        match text.chars().last() {
            None => {}
            Some(':') => text.push(' '),
            Some(_) if part.starts_with('[') => text.push(' '),
            Some(_) => text.push_str("; "),
        }
        text.push_str(part);
    }
    text + " (see --help)"
}

#[cfg(test)]
mod tests;

//! Raw arguments → what the library takes, validated; each error is one sentence that names the option.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;

use chrono::{DateTime, FixedOffset, Local, Offset, TimeZone, Utc};

use clap::CommandFactory;

use super::args::{AnalysisArgs, Cli, InputArgs, OutputArgs, SelectionArgs};
use super::pager::Pager;
use super::values::{self, TimeBound};
use super::{Failure, config, explain, interrupt, links, names};
use crate::capture::CaptureOptions;
use crate::options::{AnalysisOptions, Assumption, Selection, Separate};
use crate::render::{FORMATS, Format};
use crate::report::Severity;

/// Columns of a page that is no terminal.
const PAGE_WIDTH: usize = 100;

/// Said where Parquet is asked of a program that was built without it.
pub const NO_PARQUET: &str = "this program was built without Parquet; cargo build --release --features parquet makes one that has it";

/// What is read, and how.
#[derive(Debug)]
pub struct Input {
    /// As named.
    pub files: Vec<PathBuf>,
    /// Whether directories are walked.
    pub recursive: bool,
    /// For the reader.
    pub capture: CaptureOptions,
}

/// Where the output goes, and how it looks.
#[derive(Debug)]
pub struct Output {
    /// The format.
    pub format: &'static Format,
    /// A file, or standard output.
    pub file: Option<PathBuf>,
    /// Colours.
    pub colour: bool,
    /// Links from file names.
    pub hyperlinks: bool,
    /// What long output goes through.
    pub pager: Option<Pager>,
    /// Becomes true when the user interrupts.
    pub interrupted: Arc<AtomicBool>,
    /// Columns.
    pub width: usize,
    /// Zone of the times that people read.
    pub zone: Zone,
    /// Names of addresses that the user gave.
    pub names: Vec<(IpAddr, String)>,
}

/// The zone of the times that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// An offset from UTC.
    Fixed(FixedOffset),
    /// This machine's zone, at its offset when the capture begins.
    Local,
}

impl Zone {
    /// The offset, once the time of the capture's first frame is known: one offset for the whole report, which the report names.
    pub fn offset_at(self, first: Option<crate::time::Timestamp>) -> FixedOffset {
        match (self, first) {
            (Self::Fixed(offset), _) => offset,
            (Self::Local, None) => Utc.fix(),
            (Self::Local, Some(first)) => Local.offset_from_utc_datetime(&DateTime::from_timestamp_nanos(first.nanos()).naive_utc()).fix(),
        }
    }
}

/// What is shown, before the capture's first day is known.
#[derive(Debug, Default)]
pub struct Shown {
    /// Everything but the times.
    pub selection: Selection,
    /// Lower bound.
    pub from: Option<TimeBound>,
    /// Upper bound.
    pub to: Option<TimeBound>,
}

impl Shown {
    /// Whether anything is left out.
    pub fn is_narrowed(&self) -> bool {
        self.selection != Selection::default() || self.from.is_some() || self.to.is_some()
    }

    /// Whether single connections are left out, so that the report needs a row of every one.
    pub fn narrows_connections(&self) -> bool {
        let selection = &self.selection;
        !(selection.hosts.is_empty() && selection.ports.is_empty() && selection.streams.is_empty())
            || self.from.is_some()
            || self.to.is_some()
    }
}

impl Input {
    /// Validates what is read.
    pub fn of(args: &InputArgs, output: &Output) -> Result<Self, Failure> {
        Self::check(args, output.file.as_deref())
    }

    /// Validates what is read; `target` is a file that would be replaced.
    pub fn check(args: &InputArgs, target: Option<&Path>) -> Result<Self, Failure> {
        let mut files = args.files.clone();
        let stdin_is_terminal = std::io::stdin().is_terminal();
        if files.is_empty() {
            if stdin_is_terminal {
                return Err(Failure::new(
                    "no capture given: afterfin FILE…, or tcpdump -w - … | afterfin; afterfin demo shows an example report (see --help)",
                ));
            }
            files.push(PathBuf::from("-"));
        }
        if let Some(hint) = files.iter().find_map(|file| meant_as_subcommand(file)) {
            return Err(hint);
        }
        if files.iter().filter(|file| is_stdin(file)).count() > 1 {
            return Err(Failure::new("standard input can be read only once: - is given more than once"));
        }
        if stdin_is_terminal && files.iter().any(|file| is_stdin(file)) {
            return Err(Failure::new("standard input is a terminal: pipe a capture into it, tcpdump -w - … | afterfin -"));
        }
        if let Some(target) = target {
            let is_target =
                |file: &&PathBuf| file.canonicalize().is_ok_and(|file| target.canonicalize().is_ok_and(|target| target == file));
            if let Some(file) = files.iter().find(is_target) {
                return Err(Failure::file(file, "is an input: --output would replace the capture by its report"));
            }
        }
        Ok(Self { files, recursive: args.recursive, capture: CaptureOptions { hash: args.hash } })
    }
}

/// A word that is no file and nearly a subcommand: mistyped, or not the first word.
fn meant_as_subcommand(file: &Path) -> Option<Failure> {
    let word = file.to_str().filter(|word| !word.contains(['/', '.']))?;
    if file.exists() {
        return None;
    }
    let command = Cli::command();
    let (_, near) = command
        .get_subcommands()
        .map(|command| (explain::distance(word, command.get_name()), command.get_name()))
        .filter(|(distance, name)| *distance <= if name.len() < 4 { 0 } else { name.len() / 3 })
        .min_by_key(|(distance, _)| *distance)?;
    Some(Failure::file(file, &format!("no such file; the subcommand {near} is written before everything else: afterfin {near} …")))
}

/// Whether a file name means standard input.
pub fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

impl Output {
    /// Validates where the output goes; `supports` says which formats the subcommand has.
    pub fn of(args: &OutputArgs, subject: &str, supports: fn(&Format) -> bool) -> Result<Self, Failure> {
        let file = args.output.clone().filter(|file| !is_stdin(file));
        if let Some(parent) = file.as_deref().and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
            return Err(Failure::file(parent, "no such directory: --output cannot be written there"));
        }
        let format = choose_format(args.format.as_deref(), file.as_deref(), subject, supports)?;
        let zone = match &args.timezone {
            Some(text) => Zone::Fixed(values::zone(text).map_err(|why| Failure::option("--timezone", text, &why))?),
            None if args.local => Zone::Local,
            None => Zone::Fixed(Utc.fix()),
        };
        let to_terminal = file.is_none() && std::io::stdout().is_terminal();
        if to_terminal && format.name == crate::render::png::FORMAT.name {
            return Err(Failure::new("an image is nothing for a terminal: name a file, -o FILE.png"));
        }
        let is_parquet = format.name == crate::render::parquet::FORMAT.name;
        if is_parquet && !cfg!(feature = "parquet") {
            return Err(Failure::new(&format!("--format parquet: {NO_PARQUET}")));
        }
        if is_parquet && to_terminal {
            return Err(Failure::new("a table in binary form is nothing for a terminal: name a file, -o FILE.parquet"));
        }
        let colour = match args.color.as_str() {
            "always" => true,
            "never" => false,
            _ => automatic_colour(to_terminal, |name| std::env::var(name).ok()),
        };
        let hyperlinks = match args.hyperlinks.as_str() {
            "always" => true,
            "never" => false,
            _ => to_terminal && links::terminal_has_them(),
        };
        let width = if to_terminal { terminal_width() } else { PAGE_WIDTH };
        let pager = if to_terminal && !args.no_pager { Pager::of_terminal() } else { None };
        let names = args.names.as_deref().map(names::read).transpose()?.unwrap_or_default();
        Ok(Self { format, file, colour, hyperlinks, pager, interrupted: interrupt::flag_on_signals()?, width, zone, names })
    }
}

/// The format by `--format` and the extension of `--output`; that both are given and differ is an error.
fn choose_format(
    name: Option<&str>,
    file: Option<&Path>,
    subject: &str,
    supports: fn(&Format) -> bool,
) -> Result<&'static Format, Failure> {
    let named = name.and_then(|name| FORMATS.iter().find(|format| format.name == name));
    let extension = file.and_then(Path::extension).and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let by_extension =
        extension.as_ref().and_then(|extension| FORMATS.iter().find(|format| format.extensions.contains(&extension.as_str())));
    let format = match (named, by_extension, file) {
        (Some(named), Some(other), Some(file)) if named.name != other.name => {
            let file = file.display();
            return Err(Failure::new(&format!(
                "--format {} contradicts --output {file}, whose extension means {}",
                named.name, other.name
            )));
        }
        (Some(named), ..) => Some(named),
        (None, Some(other), _) => Some(other),
        (None, None, Some(file)) => {
            return Err(Failure::new(&format!(
                "the extension of --output {} names no format; known are {}, or say --format",
                file.display(),
                FORMATS.iter().flat_map(|format| format.extensions).map(|extension| format!(".{extension}")).collect::<Vec<_>>().join(", ")
            )));
        }
        (None, None, None) => FORMATS.first(),
    };
    format.filter(|format| supports(format)).ok_or_else(|| {
        let known: Vec<_> = FORMATS.iter().filter(|format| supports(format)).map(|format| format.name).collect();
        Failure::new(&format!(
            "{subject} cannot be written as {}; it can as {}",
            format.map_or("?", |format| format.name),
            known.join(", ")
        ))
    })
}

/// Colour follows the terminal; `NO_COLOR` (<https://no-color.org>) turns it off, `CLICOLOR_FORCE` (<https://bixense.com/clicolors>) on.
fn automatic_colour(to_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    if variable("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    to_terminal && variable("TERM").is_none_or(|term| term != "dumb") && variable("CLICOLOR").is_none_or(|value| value != "0")
}

/// Columns of the terminal, within what a report can be read in.
fn terminal_width() -> usize {
    let columns = terminal_size::terminal_size_of(std::io::stdout()).map_or(PAGE_WIDTH, |(width, _)| usize::from(width.0));
    columns.clamp(40, 200)
}

/// Validates what is shown.
pub fn shown(args: &SelectionArgs, streams: &[u64]) -> Result<Shown, Failure> {
    let bound = |option: &str, text: &Option<String>| {
        text.as_deref().map(|text| values::time_bound(text).map_err(|why| Failure::option(option, text, &why))).transpose()
    };
    let hosts: Result<Vec<IpAddr>, Failure> = args
        .host
        .iter()
        .map(|text| text.parse().map_err(|_| Failure::option("--host", text, "it must be an IPv4 or IPv6 address, such as 10.0.0.5")))
        .collect();
    for kind in &args.kind {
        if explain::page(kind).is_none() {
            return Err(Failure::option("--kind", kind, &explain::no_such_kind(kind)));
        }
    }
    Ok(Shown {
        selection: Selection {
            hosts: hosts?,
            ports: args.port.clone(),
            streams: streams.iter().copied().collect(),
            from: None,
            to: None,
            kinds: args.kind.iter().cloned().collect(),
            min_severity: args.min_severity.as_deref().and_then(severity).map_or(0, |severity| severity as u8),
        },
        from: bound("--from", &args.from)?,
        to: bound("--to", &args.to)?,
    })
}

/// The severity of a name that clap let through.
pub fn severity(name: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Error].into_iter().find(|severity| severity.as_str() == name)
}

/// What keeps tenants apart, out of the words that clap let through.
pub fn separate(words: &[String]) -> Separate {
    let has = |what: &str| words.iter().any(|word| word == what);
    Separate { vlan: has("vlan"), vni: has("vni"), interface: has("interface") }
}

/// Validates what changes the analysis; `separate` is the input's.
pub fn analysis(args: &AnalysisArgs, separate: &[String], shown: &Shown) -> Result<AnalysisOptions, Failure> {
    let threads = match args.threads.as_ref().map(|text| (text, text.parse::<u16>())) {
        None => available_parallelism().map_or(1, |number| u16::try_from(number.get()).unwrap_or(u16::MAX)),
        Some((_, Ok(number @ 1..=1024))) => number,
        Some((text, _)) => return Err(Failure::option("--threads", text, "it must be a number from 1 to 1024")),
    };
    let max_memory = values::size(&args.max_memory).map_err(|why| Failure::option("--max-memory", &args.max_memory, &why))?;
    if max_memory < 1 << 20 {
        return Err(Failure::option("--max-memory", &args.max_memory, "the analysis needs at least 1MiB"));
    }
    Ok(AnalysisOptions {
        thresholds: config::thresholds(&args.thresholds)?,
        separate: self::separate(separate),
        selection: shown.selection.clone(),
        timelines: BTreeSet::new(),
        max_memory,
        all_connections: true,
        assume: assumptions(&args.assume)?,
        threads,
        is_last: true,
    })
}

/// Timeouts that the user knows.
pub fn assumptions(texts: &[String]) -> Result<Vec<Assumption>, Failure> {
    texts.iter().map(|text| values::assumption(text).map_err(|why| Failure::option("--assume", text, &why))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_terminal_and_its_variables() {
        let none = |_: &str| None;
        assert!(automatic_colour(true, none));
        assert!(!automatic_colour(false, none));
        assert!(!automatic_colour(true, |name| (name == "NO_COLOR").then(|| "1".to_owned())));
        assert!(automatic_colour(true, |name| (name == "NO_COLOR").then(String::new)), "an empty NO_COLOR counts for nothing");
        assert!(automatic_colour(false, |name| (name == "CLICOLOR_FORCE").then(|| "1".to_owned())));
        assert!(!automatic_colour(false, |name| (name == "CLICOLOR_FORCE").then(|| "0".to_owned())));
        assert!(!automatic_colour(true, |name| (name == "TERM").then(|| "dumb".to_owned())));
        assert!(!automatic_colour(true, |name| matches!(name, "NO_COLOR" | "CLICOLOR_FORCE").then(|| "1".to_owned())));
    }
}

//! The configuration file: thresholds that somebody always uses, in TOML; and `afterfin config`, which shows those in force.
//!
//! Only thresholds can stand there: what a report says must not depend on more than its reader can see, and the report names every
//! threshold that is not the default. What is unknown is an error that names its place, so that a mistyped key never passes for obeyed.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::args::{ConfigArgs, ThresholdArgs};
use super::{Failure, Status, output, values};
use crate::options::Thresholds;
use crate::render::format::{decimal_seconds, escape};

/// A longer file is something else.
const LONGEST: u64 = 1 << 20;
/// The only table.
const TABLE: &str = "thresholds";

/// Where a configuration is looked for.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Nowhere.
    Nowhere,
    /// The user named it: it has to be there.
    Named(PathBuf),
    /// The usual place: it may be there.
    Usual(PathBuf),
}

/// The thresholds in force: the command line's, else the file's, else the defaults.
pub fn thresholds(args: &ThresholdArgs) -> Result<Thresholds, Failure> {
    Ok(effective(args, &place(args, |name| std::env::var_os(name)))?.0)
}

/// Runs the subcommand: what it writes is a configuration file itself.
pub fn run(args: &ConfigArgs) -> Result<Status, Failure> {
    let place = place(&args.thresholds, |name| std::env::var_os(name));
    let (thresholds, was_read) = effective(&args.thresholds, &place)?;
    let file = match &place {
        Place::Nowhere => "no file".to_owned(),
        Place::Named(path) | Place::Usual(path) if was_read => escape(&path.display().to_string()).into_owned(),
        Place::Named(path) | Place::Usual(path) => format!("{} (not there)", escape(&path.display().to_string())),
    };
    output::write(None, None, &mut |out| {
        writeln!(out, "# read from: {file}\n[{TABLE}]")?;
        for ((name, span), (_, default)) in thresholds.named().into_iter().zip(Thresholds::default().named()) {
            let remark = if span == default { String::new() } else { format!("  # default: {}s", decimal_seconds(default)) };
            writeln!(out, "{name} = \"{}s\"{remark}", decimal_seconds(span))?;
        }
        Ok(())
    })?;
    Ok(Status::Done)
}

fn effective(args: &ThresholdArgs, place: &Place) -> Result<(Thresholds, bool), Failure> {
    let mut thresholds = Thresholds::default();
    let was_read = read(place, &mut thresholds)?;
    for (name, text) in [("idle-gap", &args.idle_gap), ("close-wait", &args.close_wait), ("retry-window", &args.retry_window)] {
        let (Some(text), Some(threshold)) = (text, thresholds.by_name(name)) else { continue };
        *threshold = values::span(text).map_err(|why| Failure::option(&format!("--{name}"), text, &why))?;
    }
    Ok((thresholds, was_read))
}

/// XDG Base Directory Specification: a relative `XDG_CONFIG_HOME` counts for nothing. On Windows the place is `%APPDATA%`.
fn place(args: &ThresholdArgs, variable: impl Fn(&str) -> Option<OsString>) -> Place {
    if args.no_config {
        return Place::Nowhere;
    }
    if let Some(path) = &args.config {
        return Place::Named(path.clone());
    }
    if let Some(path) = variable("AFTERFIN_CONFIG") {
        return if path.is_empty() { Place::Nowhere } else { Place::Named(path.into()) };
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if cfg!(windows) {
        absolute("APPDATA")
    } else {
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))
    };
    base.map_or(Place::Nowhere, |base| Place::Usual(base.join("afterfin").join("config.toml")))
}

/// Reads the file into the thresholds; says whether there was one.
fn read(place: &Place, thresholds: &mut Thresholds) -> Result<bool, Failure> {
    let path = match place {
        Place::Nowhere => return Ok(false),
        Place::Named(path) | Place::Usual(path) => path,
    };
    let octets = match octets(path) {
        Err(error)
            if matches!(place, Place::Usual(_)) && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(false);
        }
        result => result.map_err(|error| Failure::file(path, &format!("the configuration cannot be read: {error}")))?,
    };
    let text = std::str::from_utf8(&octets).map_err(|_| Failure::file(path, "is no configuration: it is not UTF-8"))?;
    parse(text, thresholds).map_err(|why| Failure::file(path, &why))?;
    Ok(true)
}

fn octets(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut octets = Vec::new();
    std::fs::File::open(path)?.take(LONGEST.saturating_add(1)).read_to_end(&mut octets)?;
    if octets.len() as u64 > LONGEST { Err(io::Error::other("it is too long for a configuration")) } else { Ok(octets) }
}

/// Each error is a clause that begins with the place: `line 3, column 1: …`.
fn parse(text: &str, thresholds: &mut Thresholds) -> Result<(), String> {
    let wrong = |at: usize, why: String| format!("{}: {why}", line_and_column(text, at));
    let document = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", ")))?
        .into_inner();
    for (name, value) in &document {
        if name.get_ref().as_ref() != TABLE {
            return Err(wrong(name.span().start, format!("unknown key {}; known is the table [{TABLE}]", name.get_ref())));
        }
        let Some(table) = value.get_ref().as_table() else {
            return Err(wrong(value.span().start, format!("{TABLE} is a table, as in [{TABLE}]")));
        };
        for (name, value) in table {
            let known = thresholds.named().map(|(known, _)| known).join(", ");
            let Some(threshold) = thresholds.by_name(name.get_ref()) else {
                return Err(wrong(name.span().start, format!("unknown key {}; known are {known}", name.get_ref())));
            };
            *threshold = span(value).map_err(|why| wrong(value.span().start, format!("{}: {why}", name.get_ref())))?;
        }
    }
    Ok(())
}

fn span(value: &Spanned<DeValue<'_>>) -> Result<crate::time::Span, String> {
    let text = value.get_ref().as_str().ok_or("a time is a text with its unit, such as \"500ms\"")?;
    values::span(text)
}

/// Both counted from 1; columns are characters.
fn line_and_column(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn arguments() -> ThresholdArgs {
        ThresholdArgs { idle_gap: None, close_wait: None, retry_window: None, config: None, no_config: false }
    }

    fn parsed(text: &str) -> Result<Thresholds, String> {
        let mut thresholds = Thresholds::default();
        parse(text, &mut thresholds).map(|()| thresholds)
    }

    #[test]
    fn file_sets_what_it_names() {
        let thresholds = parsed("# mine\n[thresholds]\nidle-gap = \"500ms\"\n").unwrap();
        assert_eq!(thresholds, Thresholds { idle_gap: Span::from_millis(500), ..Thresholds::default() });
        assert_eq!(parsed(""), Ok(Thresholds::default()));
    }

    #[test]
    fn mistake_is_named_with_its_place() {
        let cases = [
            ("[threshold]\n", "line 1, column 2: unknown key threshold; known is the table [thresholds]"),
            ("[thresholds]\n  idle_gap = \"1s\"\n", "line 2, column 3: unknown key idle_gap; known are idle-gap, close-wait, retry-window"),
            ("[thresholds]\nidle-gap = \"5\"", "line 2, column 12: idle-gap: a time needs a unit: 5s or 5ms"),
            ("[thresholds]\nidle-gap = 5", "line 2, column 12: idle-gap: a time is a text with its unit, such as \"500ms\""),
            ("thresholds = 1", "line 1, column 14: thresholds is a table, as in [thresholds]"),
        ];
        for (text, message) in cases {
            assert_eq!(parsed(text).unwrap_err(), message);
        }
        assert!(parsed("[thresholds\n").unwrap_err().starts_with("line 1, column 12: "), "{:?}", parsed("[thresholds\n"));
        assert!(parsed("[thresholds]\nidle-gap = \"1s\"\nidle-gap = \"2s\"").unwrap_err().starts_with("line 3, column 1: "));
    }

    #[test]
    fn place_is_the_option_then_the_variable_then_the_usual_one() {
        let variables = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        let all = &[("AFTERFIN_CONFIG", "/a"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
        let named = ThresholdArgs { config: Some("/c".into()), ..arguments() };
        assert_eq!(place(&named, variables(all)), Place::Named("/c".into()));
        assert_eq!(place(&ThresholdArgs { no_config: true, ..arguments() }, variables(all)), Place::Nowhere);
        assert_eq!(place(&arguments(), variables(all)), Place::Named("/a".into()));
        assert_eq!(place(&arguments(), variables(&[("AFTERFIN_CONFIG", ""), ("HOME", "/h")])), Place::Nowhere);
        if cfg!(unix) {
            assert_eq!(place(&arguments(), variables(&all[1..])), Place::Usual("/x/afterfin/config.toml".into()));
            let relative = &[("XDG_CONFIG_HOME", "x"), ("HOME", "/h")];
            assert_eq!(place(&arguments(), variables(relative)), Place::Usual("/h/.config/afterfin/config.toml".into()));
        }
        assert_eq!(place(&arguments(), variables(&[])), Place::Nowhere);
    }

    #[test]
    fn place_of_a_mistake_counts_characters() {
        assert_eq!(line_and_column("äö\nü = 1", "äö\nü ".len()), "line 2, column 3");
    }
}

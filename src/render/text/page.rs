//! The page: width, colour, names of addresses, wrapping. Foreign text is escaped before it comes here; colour is added after wrapping.

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

use chrono::FixedOffset;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::render::Style;
use crate::render::format::{escape, hyperlink, is_unit};
use crate::render::wording::Words;
use crate::report::{EndpointView, FrameRef, Report, Severity};

/// What a piece of text is, as a colour (ECMA-48 SGR; the eight colours that every terminal has).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// As the terminal has it.
    Plain,
    /// What matters.
    Bold,
    /// Small print.
    Dim,
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// Hints and gaps.
    Cyan,
}

impl Ink {
    const fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[2m",
            Self::Red => "\x1b[1;31m",
            Self::Yellow => "\x1b[33m",
            Self::Cyan => "\x1b[36m",
        }
    }

    /// The ink of a severity.
    pub const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Red,
            Severity::Warning => Self::Yellow,
            Severity::Info => Self::Cyan,
        }
    }
}

/// Where the text report is written.
pub struct Page<'a> {
    out: &'a mut dyn Write,
    /// Columns.
    pub width: usize,
    /// Zone of the times.
    pub zone: FixedOffset,
    colour: bool,
    /// How the facts of this report are said.
    pub words: Words<'a>,
}

impl<'a> Page<'a> {
    /// An empty page for a report.
    pub fn new(out: &'a mut dyn Write, style: &Style, report: &'a Report) -> Self {
        Self { out, width: style.width.max(40), zone: style.zone, colour: style.colour, words: Words::of(report, style.zone) }
    }

    /// Text from the capture, harmless.
    #[allow(clippy::unused_self)] // one word at every place that shows foreign text
    pub fn safe<'t>(&self, text: &'t str) -> Cow<'t, str> {
        escape(text)
    }

    /// Text in a colour, if colours are wanted.
    pub fn paint(&self, text: &str, ink: Ink) -> String {
        if self.colour && ink != Ink::Plain && !text.is_empty() { format!("{}{text}\x1b[0m", ink.sgr()) } else { text.to_owned() }
    }

    /// An address, and its name if it has one.
    pub fn host(&self, ip: IpAddr) -> String {
        self.words.host(ip)
    }

    /// An endpoint, and its address' name if it has one.
    pub fn endpoint(&self, endpoint: EndpointView) -> String {
        self.words.endpoint(endpoint)
    }

    /// The number of a frame, with its file where that is not the one that the reader has in mind already.
    pub fn frame(&self, at: FrameRef, beside: Option<FrameRef>) -> String {
        self.words.frame(at, beside)
    }

    /// The file of a frame, where there are several.
    pub fn file_name(&self, at: FrameRef) -> Option<Cow<'a, str>> {
        self.words.file_name(at)
    }

    /// One line as it is.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    /// An empty line.
    pub fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A heading across the page.
    pub fn heading(&mut self, title: &str) -> io::Result<()> {
        self.blank()?;
        let rule = "─".repeat(self.width.saturating_sub(title.width().saturating_add(4)));
        let text = format!("── {title} {rule}");
        self.line(&self.paint(&text, Ink::Bold))
    }

    /// A paragraph: `first` before its first line, `rest` before the others.
    pub fn wrapped(&mut self, first: &str, rest: &str, text: &str, ink: Ink) -> io::Result<()> {
        let indent = first.width().max(rest.width());
        for (place, line) in wrap(text, self.width.saturating_sub(indent)).iter().enumerate() {
            let prefix = if place == 0 { first } else { rest };
            self.line(&format!("{prefix}{}", self.paint(line, ink)))?;
        }
        Ok(())
    }

    /// Two texts at the two ends of a line, or under each other where the line is too short for both.
    pub fn ends(&mut self, indent: &str, left: (&str, Ink), right: (&str, Ink)) -> io::Result<()> {
        self.linked_ends(indent, left, right, None)
    }

    /// The same, the right one a link, where the line is long enough for both.
    pub fn linked_ends(&mut self, indent: &str, left: (&str, Ink), right: (&str, Ink), link: Option<&str>) -> io::Result<()> {
        let used = indent.width().saturating_add(left.0.width()).saturating_add(right.0.width());
        if used.saturating_add(2) <= self.width {
            let space = " ".repeat(self.width.saturating_sub(used));
            let end = self.paint(right.0, right.1);
            let end = link.filter(|_| !right.0.is_empty()).map_or_else(|| end.clone(), |url| hyperlink(&end, url));
            return self.line(&format!("{indent}{}{space}{end}", self.paint(left.0, left.1)));
        }
        let rest = format!("{indent}    ");
        self.wrapped(indent, &rest, left.0, left.1)?;
        self.wrapped(&rest, &rest, right.0, right.1)
    }
}

/// Breaks a paragraph into lines of at most `width` columns; a word that is longer is broken where the line ends.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(10);
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut used: usize = 0;
    for word in words(text) {
        let word = word.as_ref();
        let length = word.width();
        if !current.is_empty() && used.saturating_add(length).saturating_add(1) <= width {
            current.push(' ');
            current.push_str(word);
            used = used.saturating_add(length).saturating_add(1);
            continue;
        }
        if !current.is_empty() {
            lines.push(std::mem::take(&mut current));
        }
        used = 0;
        for c in word.chars() {
            let columns = c.width().unwrap_or(0);
            if used.saturating_add(columns) > width {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            current.push(c);
            used = used.saturating_add(columns);
        }
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

/// The words of a text, a number and its unit being one.
fn words(text: &str) -> Vec<Cow<'_, str>> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(number) if is_unit(word) && number.ends_with(|c: char| c.is_ascii_digit()) => {
                *number = Cow::Owned(format!("{number} {word}"));
            }
            _ => words.push(Cow::Borrowed(word)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrap_breaks_between_words_and_inside_those_that_are_too_long() {
        assert_eq!(wrap("one two three four", 10), ["one two", "three four"]);
        assert_eq!(wrap("a 0123456789abcdef b", 10), ["a", "0123456789", "abcdef b"]);
        assert_eq!(wrap("", 10), Vec::<String>::new());
    }

    #[test]
    fn wrap_keeps_a_number_with_its_unit() {
        assert_eq!(wrap("used after 2.2 s.", 15), ["used after", "2.2 s."]);
        assert_eq!(wrap("12 s", 10), ["12 s"]);
        assert_eq!(wrap("section s of 12 segments", 15), ["section s of 12", "segments"]);
    }

    #[test]
    fn wrap_counts_columns_not_characters() {
        assert_eq!(wrap("漢字漢字 漢字", 10), ["漢字漢字", "漢字"]);
        assert_eq!(wrap("e\u{301}e\u{301}e\u{301} ab cd", 10), ["e\u{301}e\u{301}e\u{301} ab cd"]);
    }
}

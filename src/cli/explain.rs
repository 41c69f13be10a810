//! `afterfin explain [KIND]`: what a finding means, when it is not a problem, how to fix it; `afterfin explain timeouts [WORDS]`: known
//! default timeouts with their sources; `afterfin explain TEXT`: what packets are behind an error text.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use super::args::ExplainArgs;
use super::pager::Pager;
use super::{Failure, Status, interrupt, output};
use crate::detect::messages::{self, Message};
use crate::detect::{self, KindPage, KnownTimeout, Product};

/// Columns of the text: a page, not the terminal, so that it reads the same in a ticket.
const WIDTH: usize = 88;

/// The word that asks for the table of known timeouts instead of a kind.
const TIMEOUTS: &str = "timeouts";

/// Runs the subcommand.
pub fn run(args: &ExplainArgs) -> Result<Status, Failure> {
    let Some(word) = &args.word else {
        show(args, &mut |out| list(out))?;
        return Ok(Status::Done);
    };
    let wanted = normal(word);
    if wanted == TIMEOUTS {
        return timeouts(args);
    }
    if let Some(page) = page(&wanted).filter(|_| args.words.is_empty()) {
        show(args, &mut |out| write_page(page, out))?;
        return Ok(Status::Done);
    }
    let text = std::iter::once(word).chain(&args.words).map(String::as_str).collect::<Vec<_>>().join(" ");
    let found = messages::find(&text);
    if !found.is_empty() {
        show(args, &mut |out| write_messages(&found, out))?;
        return Ok(Status::Done);
    }
    if let Some(extra) = args.words.first().filter(|_| page(&wanted).is_some()) {
        return Err(Failure::new(&format!("{extra}: only `explain timeouts` takes words to search for")));
    }
    Err(Failure::new(&format!("{text}: {}", no_such_kind(&wanted))))
}

/// Writes a page, through a pager if it is long. Nothing is analysed, so there is nothing that an interrupt would end.
fn show(args: &ExplainArgs, render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let pager = if args.no_pager || !io::stdout().is_terminal() { None } else { Pager::of_terminal() };
    let interrupted = if pager.is_some() { interrupt::flag_on_signals()? } else { Arc::default() };
    output::write(None, pager.as_ref().map(|pager| (pager, &*interrupted)), render)
}

/// Words as people type them: `Stale_Reuse` is `stale-reuse`.
fn normal(word: &str) -> String {
    word.trim().to_ascii_lowercase().replace(['_', ' '], "-")
}

/// Error texts, what the packets behind them show, and the findings that say so.
fn write_messages(found: &[&Message], out: &mut dyn Write) -> io::Result<()> {
    for (number, message) in found.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}: {}", message.product, message.text)?;
        for seen in message.seen {
            let kinds = seen.kinds().iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
            let says = format!("{}: {kinds}", seen.says());
            for line in crate::render::text::wrap(&says, WIDTH - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        for line in crate::render::text::wrap(message.note, WIDTH - 2) {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out, "\nThis holds for programs on Linux. afterfin explain KIND says more of a finding.")
}

/// Every kind with its title.
fn list(out: &mut dyn Write) -> io::Result<()> {
    let pages = detect::pages();
    let width = pages.iter().map(|page| page.kind.as_str().len()).max().unwrap_or_default();
    writeln!(out, "Kinds of findings (afterfin explain KIND says more):\n")?;
    for page in pages {
        writeln!(out, "  {:width$}  {}", page.kind.as_str(), page.title)?;
    }
    writeln!(out, "\nafterfin explain \"TEXT OF AN ERROR\" says which packets are behind it, such as ECONNRESET or SH--.")?;
    writeln!(out, "afterfin explain {TIMEOUTS} [WORDS] lists known default timeouts, such as those of nginx.")?;
    Ok(())
}

/// The known timeouts that contain every word.
fn timeouts(args: &ExplainArgs) -> Result<Status, Failure> {
    let words = &args.words;
    let rows = detect::known_timeouts(words);
    let products = detect::products(words);
    if rows.is_empty() && products.is_empty() {
        return Err(Failure::new(&format!("{}: no known timeout has these words (afterfin explain timeouts lists all)", words.join(" "))));
    }
    show(args, &mut |out| {
        write_timeouts(&rows, out)?;
        write_directives(&products, out)
    })?;
    Ok(Status::Done)
}

/// One timeout in three lines: what and how long, what happens then, where it is written.
fn write_timeouts(rows: &[&KnownTimeout], out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "Known default timeouts ({}; a row marked «not checked» is common knowledge whose source was not read):", rows.len())?;
    for row in rows {
        let default = match row.text {
            "" => "a count".to_string(),
            "inf" => "none".to_string(),
            seconds => format!("{seconds} s"),
        };
        writeln!(out, "\n{} ({}): {} = {default}", row.product, row.role, row.setting)?;
        let unsure = if row.verified { "" } else { " (not checked)" };
        let what = [row.action, row.note].into_iter().filter(|text| !matches!(*text, "" | "none" | "-")).collect::<Vec<_>>().join("; ");
        for line in [what, format!("source: {}{unsure}", row.source)].into_iter().filter(|line| !line.is_empty()) {
            for line in crate::render::text::wrap(&line, WIDTH - 2) {
                writeln!(out, "  {line}")?;
            }
        }
    }
    Ok(())
}

/// What to write into a product, for a timeout of N seconds.
fn write_directives(products: &[&Product], out: &mut dyn Write) -> io::Result<()> {
    if products.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhere a timeout of N seconds is set ({}):", products.len())?;
    for product in products {
        writeln!(out, "\n{}", product.name)?;
        let lines = product.templates().into_iter().map(|(what, template)| format!("{what}: {template}"));
        for line in lines.chain([format!("costs: {}", product.cost), format!("source: {}", product.source)]) {
            for line in crate::render::text::wrap(&line, WIDTH - 2) {
                writeln!(out, "  {line}")?;
            }
        }
    }
    Ok(())
}

/// One page under its headings.
fn write_page(page: &KindPage, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}: {}", page.kind.as_str(), page.title)?;
    let sections = [
        ("What is seen", page.seen),
        ("Why it matters", page.why),
        ("When it is not a problem", page.not_a_problem),
        ("How to fix it", page.fix),
        ("Basis", page.basis),
    ];
    for (heading, text) in sections.into_iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "\n{heading}")?;
        for (number, paragraph) in text.split("\n\n").enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            for line in crate::render::text::wrap(paragraph, WIDTH - 2) {
                writeln!(out, "  {line}")?;
            }
        }
    }
    Ok(())
}

/// The page of a kind of finding.
pub fn page(kind: &str) -> Option<&'static KindPage> {
    detect::pages().iter().find(|page| page.kind.as_str() == kind)
}

/// What is said of a word that is no kind of finding.
pub fn no_such_kind(word: &str) -> String {
    let hint = nearest(word).map_or_else(String::new, |kind| format!("did you mean {kind}? "));
    format!("no such kind of finding; {hint}afterfin explain lists them")
}

/// The kind that a mistyped word probably means: part of it, or at most a third of its letters different.
fn nearest(word: &str) -> Option<&'static str> {
    detect::pages()
        .iter()
        .map(|page| page.kind.as_str())
        .map(|kind| (if word.len() >= 3 && kind.contains(word) { 0 } else { distance(word, kind) }, kind))
        .filter(|(distance, kind)| *distance * 3 <= kind.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, kind)| kind)
}

/// Levenshtein's distance (1965), row by row.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != *y)).min(left + 1).min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        let cases = [("", "", 0), ("abc", "", 3), ("stale", "stale", 0), ("stael", "stale", 2), ("kitten", "sitting", 3)];
        for (a, b, edits) in cases {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn mistyped_kind_gets_a_suggestion() {
        assert_eq!(no_such_kind("stale-resue"), "no such kind of finding; did you mean stale-reuse? afterfin explain lists them");
        assert_eq!(no_such_kind("leak"), "no such kind of finding; did you mean close-wait-leak? afterfin explain lists them");
        assert_eq!(no_such_kind("xyzzy"), "no such kind of finding; afterfin explain lists them");
    }

    #[test]
    fn words_are_read_as_people_type_them() {
        assert_eq!(normal(" Stale_Reuse"), "stale-reuse");
    }
}

//! A connection's life as an idle-gap timeline: what was said in a column of offsets, and silence as broken lines between.

use std::io;

use unicode_width::UnicodeWidthStr;

use super::page::{Ink, Page, wrap};
use crate::render::format::{clock, count, counted, duration, offset_seconds};
use crate::report::{EntryKind, FrameRef, Timeline, TimelineEntry};

/// Columns between an entry's text and its note.
const NOTE_GAP: usize = 4;
/// How far an idle line stands to the right of what is said.
const GAP_INDENT: usize = 4;
/// Columns that a text needs to be readable; on a narrower page the frame numbers give way.
const TEXT_LEAST: usize = 24;

/// How often the same thing happens before it is counted instead of shown.
const REPETITIONS: usize = 3;

/// What becomes of a thing that happens again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetitions {
    /// Every one has its line.
    Shown,
    /// The first has its line, the others are counted.
    Counted,
}

/// Writes one timeline, each line after `indent`.
pub fn write(page: &mut Page<'_>, timeline: &Timeline, indent: &str, repetitions: Repetitions) -> io::Result<()> {
    let title = format!("#{}  {} → {}", timeline.stream, page.endpoint(timeline.client), page.endpoint(timeline.server));
    let first = timeline.entries.iter().find_map(|entry| entry.frame);
    let file = first.and_then(|at| page.file_name(at)).map_or_else(String::new, |name| format!(", in {name}"));
    page.ends(indent, (&title, Ink::Bold), (&format!("opened {}{file}", clock(timeline.opened, page.zone)), Ink::Dim))?;
    let columns = Columns::of(page, timeline, indent, first);
    for run in timeline.entries.chunk_by(is_the_same) {
        match run {
            [first, rest @ ..] if repetitions == Repetitions::Counted && run.len() > REPETITIONS => {
                columns.write(page, first)?;
                columns.write_repetitions(page, rest)?;
            }
            _ => run.iter().try_for_each(|entry| columns.write(page, entry))?,
        }
    }
    if timeline.omitted > 0 {
        page.line(&format!(
            "{indent}  … {} more events are not kept; timeline --stream {} shows them",
            count(timeline.omitted),
            timeline.stream
        ))?;
    }
    Ok(())
}

/// Where the columns stand.
struct Columns<'t> {
    indent: &'t str,
    offset: usize,
    place: usize,
    first: Option<FrameRef>,
}

impl<'t> Columns<'t> {
    fn of(page: &Page<'_>, timeline: &Timeline, indent: &'t str, first: Option<FrameRef>) -> Self {
        let offsets = timeline.entries.iter().map(|entry| offset_seconds(entry.at).len());
        let places = timeline.entries.iter().map(|entry| place(page, entry, first).width());
        let offset = offsets.max().unwrap_or_default().max(10);
        let place = places.max().unwrap_or_default();
        let has_room =
            page.width >= indent.width().saturating_add(offset).saturating_add(place).saturating_add(GAP_INDENT + TEXT_LEAST + 4);
        Self { indent, offset, place: if has_room { place } else { 0 }, first }
    }

    /// How often the same came again, and when for the last time.
    fn write_repetitions(&self, page: &mut Page<'_>, again: &[TimelineEntry]) -> io::Result<()> {
        let Some(last) = again.last() else { return Ok(()) };
        let text =
            format!("… the same {}, the last at {}", counted(again.len() as u64, "more time", "more times"), offset_seconds(last.at));
        let margin = format!("{}{:width$}  ", self.indent, "", width = self.offset);
        page.wrapped(&margin, &margin, &text, Ink::Dim)
    }

    /// Offset, text and note, and at the right edge the frame and the finding.
    fn write(&self, page: &mut Page<'_>, entry: &TimelineEntry) -> io::Result<()> {
        let is_gap = entry.kind == EntryKind::Gap;
        let offset = if is_gap { String::new() } else { offset_seconds(entry.at) };
        let left = format!(
            "{}{offset:>width$}  {}",
            self.indent,
            if is_gap { " ".repeat(GAP_INDENT) } else { String::new() },
            width = self.offset
        );
        let place = if self.place > 0 { place(page, entry, self.first) } else { String::new() };
        let room = page.width.saturating_sub(left.width()).saturating_sub(self.place.saturating_add(2));
        let mark = if is_gap { "┆ " } else { "" };
        let text = text(page, entry);
        let note = page.safe(&entry.note).into_owned();
        let together = mark.width().saturating_add(text.width()).saturating_add(NOTE_GAP).saturating_add(note.width());
        let hanging = " ".repeat(left.width());
        let mut lines: Vec<(String, Ink)> = Vec::new();
        let ink = ink(entry);
        if !note.is_empty() && together <= room {
            let painted = format!("{mark}{text}{}{note}", " ".repeat(NOTE_GAP));
            lines.push((painted, ink));
        } else {
            let lead = " ".repeat(mark.width());
            let whole = wrap(&text, room.saturating_sub(mark.width()));
            lines.extend(whole.iter().enumerate().map(|(row, line)| (format!("{}{line}", if row == 0 { mark } else { &lead }), ink)));
            lines.extend(wrap(&note, room.saturating_sub(4)).iter().map(|line| (format!("  {lead}{line}"), Ink::Dim)));
        }
        for (row, (line, ink)) in lines.iter().enumerate() {
            let prefix = if row == 0 { &left } else { &hanging };
            let tail = if row == 0 && !place.is_empty() {
                let space = room.saturating_sub(line.width()).saturating_add(2).saturating_add(self.place.saturating_sub(place.width()));
                format!("{}{}", " ".repeat(space), page.paint(&place, Ink::Dim))
            } else {
                String::new()
            };
            page.line(&format!("{prefix}{}{tail}", page.paint(line, *ink)))?;
        }
        Ok(())
    }
}

/// Whether two entries differ in nothing but their time and frame.
fn is_the_same(one: &TimelineEntry, other: &TimelineEntry) -> bool {
    (one.kind, one.direction, one.finding) == (other.kind, other.direction, other.finding)
        && (&one.text, &one.note) == (&other.text, &other.note)
        && one.kind != EntryKind::Gap
}

/// What an entry says; a gap without words of its own says how long it was.
fn text(page: &Page<'_>, entry: &TimelineEntry) -> String {
    match (entry.text.as_str(), entry.span) {
        ("", Some(span)) => format!("idle {}", duration(span)),
        (text, _) => page.safe(text).into_owned(),
    }
}

/// `F1  frame 27`.
fn place(page: &Page<'_>, entry: &TimelineEntry, first: Option<FrameRef>) -> String {
    let finding = entry.finding.map(|number| format!("F{number}  "));
    // Where a silence begins is told by the line above it.
    let frame = entry.frame.filter(|_| entry.kind != EntryKind::Gap).map(|at| format!("frame {}", page.frame(at, first)));
    format!("{}{}", finding.unwrap_or_default(), frame.unwrap_or_default()).trim_end().to_owned()
}

const fn ink(entry: &TimelineEntry) -> Ink {
    match entry.kind {
        EntryKind::Rst => Ink::Red,
        EntryKind::Fin => Ink::Yellow,
        EntryKind::Gap | EntryKind::Keepalive => Ink::Cyan,
        EntryKind::Retransmission | EntryKind::Note | EntryKind::End | EntryKind::Icmp | EntryKind::Farewell => Ink::Dim,
        EntryKind::Handshake | EntryKind::Request | EntryKind::Response => match entry.finding {
            Some(_) => Ink::Bold,
            None => Ink::Plain,
        },
    }
}

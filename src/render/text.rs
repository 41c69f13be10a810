//! The report for people: read at three in the morning, pasted into tickets.
//!
//! First the verdict, then how far the capture can be trusted, then each pair of client host and server with its most telling
//! connection as an idle-gap timeline and its findings, then timers, cost and connections. Plain unless colour is asked for, as wide
//! as it is told, the same octets for the same report.

mod capture;
mod connections;
mod finding;
mod groups;
mod page;
mod picture;
mod table;
mod timeline;
mod timers;

use std::io::{self, Write};

pub use page::wrap;

use super::{Format, Style};
use crate::report::{Report, Timeline};
use page::{Ink, Page};
use timeline::Repetitions;

/// This format's row in the registry.
pub const FORMAT: Format =
    Format { name: "text", extensions: &["txt"], report: Some(report), connections: Some(connections), timeline: Some(timelines) };

/// Writes the whole report.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style, report);
    for sentence in &report.verdict {
        page.wrapped("", "", &page.safe(sentence), Ink::Bold)?;
    }
    capture::write(&mut page, report)?;
    groups::write(&mut page, report)?;
    picture::write(&mut page, report)?;
    timers::write(&mut page, report)?;
    connections::write_some(&mut page, report)
}

/// Writes the table of connections alone, with every row.
pub fn connections(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    connections::write_all(&mut Page::new(out, style, report), report)
}

/// One timeline alone, as a block of text for a page of another format; harmless, but not escaped for that format.
pub fn timeline_block(report: &Report, timeline: &Timeline, style: &Style) -> io::Result<String> {
    let mut out = Vec::new();
    timeline::write(&mut Page::new(&mut out, style, report), timeline, "", Repetitions::Counted)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Writes the timelines that were asked for, and the findings about their connections.
pub fn timelines(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style, report);
    for (place, timeline) in report.timelines.iter().enumerate() {
        if place > 0 {
            page.blank()?;
        }
        timeline::write(&mut page, timeline, "", Repetitions::Shown)?;
        for finding in report.findings.iter().filter(|finding| finding.stream == Some(timeline.stream)) {
            page.blank()?;
            finding::write(&mut page, finding, &[])?;
        }
    }
    Ok(())
}

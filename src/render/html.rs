//! The report as one HTML file that opens anywhere, offline: its style, its script and its drawings are in it, and its policy forbids
//! everything else (`policy`).
//!
//! The template is askama's: it is compiled into the binary and checked against the view when the crate is built, escapes everything
//! by default, and reads no file at run time (minijinja would parse and check at run time). What a page carries is bounded, and the
//! page says what it leaves out: cards and timelines for reading, a row of the table for up to `rows::CARRIED` connections.

mod card;
mod policy;
mod rows;
mod view;

use std::io::{self, Write};

use askama::Template;

use super::{Format, Style};
use crate::report::Report;

/// This format's row in the registry.
pub const FORMAT: Format = Format { name: "html", extensions: &["html", "htm"], report: Some(report), connections: None, timeline: None };

/// Writes the page.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = view::Page::of(report, style)?;
    view::Document { page: &page }.write_into(out)
}

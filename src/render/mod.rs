//! Report → octets: one file per format, one registry. Pure: everything that a renderer knows comes in the [`Report`] and the
//! [`Style`], everything it says goes to an [`io::Write`].
//!
//! A new format is one file with its `FORMAT` row, and that row in [`FORMATS`]; the command line, its help and the file extensions
//! read the registry.

pub mod csv;
pub mod format;
pub mod html;
pub mod json;
pub mod markdown;
pub mod ndjson;
pub mod parquet;
pub mod png;
pub mod select;
pub mod svg;
pub mod text;
pub mod wording;

use std::io::{self, Write};

use chrono::{FixedOffset, Offset, Utc};

use crate::report::Report;

/// How a report is drawn; programs' formats use none of it but ignore it silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal, or of the page.
    pub width: usize,
    /// Colours by ANSI escape sequences.
    pub colour: bool,
    /// The zone of the times that people read.
    pub zone: FixedOffset,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 100, colour: false, zone: Utc.fix() }
    }
}

/// Writes one subject in one format.
pub type Renderer = fn(&Report, &Style, &mut dyn Write) -> io::Result<()>;

/// One output format and the subjects that it can write.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name on the command line.
    pub name: &'static str,
    /// File extensions that mean it.
    pub extensions: &'static [&'static str],
    /// Writes the report.
    pub report: Option<Renderer>,
    /// Writes the table of connections.
    pub connections: Option<Renderer>,
    /// Writes timelines.
    pub timeline: Option<Renderer>,
}

/// The registry; the first is the default.
pub const FORMATS: &[Format] =
    &[text::FORMAT, json::FORMAT, ndjson::FORMAT, csv::FORMAT, html::FORMAT, markdown::FORMAT, svg::FORMAT, png::FORMAT, parquet::FORMAT];

//! Findings or connections as a Parquet file, one row each: for data frames and databases. The columns are the fields of `afterfin.report/1`
//! (`docs/report-json.md`); a field inside an object has both names with `_` between them, a time is an integer of nanoseconds and ends in `_ns`.
//!
//! The writer needs the feature `parquet`; the command line refuses the format where it was not built in.

use std::io::{self, Write};

use super::{Format, Style};
use crate::report::Report;

/// This format's row in the registry.
pub const FORMAT: Format =
    Format { name: "parquet", extensions: &["parquet"], report: Some(findings), connections: Some(connections), timeline: None };

#[cfg(not(feature = "parquet"))]
fn findings(_: &Report, _: &Style, _: &mut dyn Write) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(feature = "parquet"))]
fn connections(_: &Report, _: &Style, _: &mut dyn Write) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(feature = "parquet")]
mod table;

#[cfg(feature = "parquet")]
fn findings(report: &Report, _: &Style, out: &mut dyn Write) -> io::Result<()> {
    table::write(&report.findings, table::FINDING, out)
}

#[cfg(feature = "parquet")]
fn connections(report: &Report, _: &Style, out: &mut dyn Write) -> io::Result<()> {
    table::write(&report.connections, &table::connection(), out)
}

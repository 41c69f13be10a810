//! `afterfin.report/1`: the report for programs, documented in `docs/report-json.md` and `docs/report.schema.json`.
//!
//! Written row by row straight to the output: the views in `views` borrow from the report, and no tree of values is built, so
//! that a report of millions of connections costs no memory here.

pub(crate) mod views;

use std::io::{self, Write};

use serde::Serialize;

use super::{Format, Style};
use crate::report::Report;
use views::{
    CaptureView, ConnectionView, CostView, FindingView, GroupView, HopView, InputView, Names, PictureView, Sentences, ThresholdsView,
    TimelineView, TimeoutView,
};

/// The schema's name; a new number whenever a field is removed or renamed.
pub const SCHEMA: &str = "afterfin.report/1";

/// This format's row in the registry.
pub const FORMAT: Format =
    Format { name: "json", extensions: &["json"], report: Some(report), connections: Some(connections), timeline: Some(timelines) };

/// Writes the whole report as one object.
pub fn report(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.head(report)?;
    object.member("verdict", &Sentences(&report.verdict))?;
    object.rows("findings", report.findings.iter().map(|finding| FindingView::of(finding, report)))?;
    object.rows("groups", report.groups.iter().map(|group| GroupView::of(group, report)))?;
    object.rows("timeouts", report.timeouts.iter().map(TimeoutView::of))?;
    object.rows("chain", report.chain.iter().map(HopView::of))?;
    object.member("cost", &CostView::of(&report.cost))?;
    object.member("picture", &PictureView::of(&report.picture))?;
    object.rows("timelines", report.timelines.iter().map(TimelineView::of))?;
    object.member("names", &Names(&report.names))?;
    object.rows("connections", report.connections.iter().map(ConnectionView::of))?;
    object.end()
}

/// Writes the connections alone, under the same head.
pub fn connections(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.head(report)?;
    object.rows("connections", report.connections.iter().map(ConnectionView::of))?;
    object.end()
}

/// Writes the timelines that were asked for, under the same head.
pub fn timelines(report: &Report, _style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut object = Object::begin(out)?;
    object.head(report)?;
    object.rows("timelines", report.timelines.iter().map(TimelineView::of))?;
    object.end()
}

/// Who wrote the report.
#[derive(Serialize)]
struct Generator {
    name: &'static str,
    version: &'static str,
}

/// An object that is written member by member: one line per member, one line per row of a list.
struct Object<'a> {
    out: &'a mut dyn Write,
    members: usize,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, members: 0 })
    }

    /// What every document begins with.
    fn head(&mut self, report: &Report) -> io::Result<()> {
        self.member("schema", SCHEMA)?;
        self.member("generator", &Generator { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })?;
        self.member("complete", &report.complete)?;
        self.rows("inputs", report.inputs.iter().map(InputView::of))?;
        self.member("capture", &CaptureView::of(&report.capture))?;
        self.member("thresholds", &ThresholdsView::of(&report.thresholds))
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        let separator = if self.members == 0 { "\n  " } else { ",\n  " };
        self.members = self.members.saturating_add(1);
        write!(self.out, "{separator}\"{name}\": ")
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> io::Result<()> {
        self.name(name)?;
        Ok(serde_json::to_writer(&mut *self.out, value)?)
    }

    fn rows<T: Serialize>(&mut self, name: &str, rows: impl Iterator<Item = T>) -> io::Result<()> {
        self.name(name)?;
        self.out.write_all(b"[")?;
        let mut separator = "\n    ";
        let mut any = false;
        for row in rows {
            self.out.write_all(separator.as_bytes())?;
            serde_json::to_writer(&mut *self.out, &row)?;
            separator = ",\n    ";
            any = true;
        }
        self.out.write_all(if any { b"\n  ]" } else { b"]" })
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"\n}\n")
    }
}

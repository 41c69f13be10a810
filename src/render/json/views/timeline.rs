//! Timelines and the picture of many requests.

use serde::Serialize;

use super::finding::{direction_name, some_text};
use super::{EndpointJson, Id, Seconds, Time};
use crate::render::format::Escaped;
use crate::report::{Dot, Kind, Picture, Timeline, TimelineEntry};
use crate::time::Span;

/// One connection's life.
#[derive(Serialize)]
pub struct TimelineView<'a> {
    stream: u64,
    client: EndpointJson,
    server: EndpointJson,
    opened: Time,
    entries: Vec<EntryView<'a>>,
    omitted: u64,
}

impl<'a> TimelineView<'a> {
    /// The view of a timeline.
    pub fn of(timeline: &'a Timeline) -> Self {
        Self {
            stream: timeline.stream,
            client: EndpointJson::of(timeline.client),
            server: EndpointJson::of(timeline.server),
            opened: Time(timeline.opened),
            entries: timeline.entries.iter().map(EntryView::of).collect(),
            omitted: timeline.omitted,
        }
    }
}

/// One entry of a timeline.
#[derive(Serialize)]
pub struct EntryView<'a> {
    at_seconds: Seconds,
    file: Option<u32>,
    frame: Option<u64>,
    kind: &'static str,
    direction: Option<&'static str>,
    text: Escaped<'a>,
    note: Option<Escaped<'a>>,
    span_seconds: Option<Seconds>,
    finding: Option<Id>,
}

impl<'a> EntryView<'a> {
    /// The view of an entry.
    pub fn of(entry: &'a TimelineEntry) -> Self {
        Self {
            at_seconds: Seconds(entry.at),
            file: entry.frame.map(|at| at.file),
            frame: entry.frame.map(|at| at.frame),
            kind: entry.kind.as_str(),
            direction: entry.direction.map(direction_name),
            text: Escaped(&entry.text),
            note: some_text(&entry.note),
            span_seconds: entry.span.map(Seconds),
            finding: entry.finding.map(Id),
        }
    }
}

/// Requests against the idle time before them.
#[derive(Serialize)]
pub struct PictureView {
    dots: Vec<DotView>,
    dots_omitted: u64,
    closes: Vec<BucketView>,
}

impl PictureView {
    /// The view of the picture.
    pub fn of(picture: &Picture) -> Self {
        Self {
            dots: picture.dots.iter().map(DotView::of).collect(),
            dots_omitted: picture.dots_omitted,
            closes: picture.closes.iter().map(BucketView::of).collect(),
        }
    }
}

/// One request.
#[derive(Serialize)]
struct DotView {
    idle_seconds: Seconds,
    lost: Option<&'static str>,
    stream: u64,
    file: u32,
    frame: u64,
}

impl DotView {
    fn of(dot: &Dot) -> Self {
        Self {
            idle_seconds: Seconds(dot.idle),
            lost: dot.lost.map(Kind::as_str),
            stream: dot.stream,
            file: dot.frame.file,
            frame: dot.frame.frame,
        }
    }
}

/// One bucket of the histogram of idle times before a server's close.
#[derive(Serialize)]
struct BucketView {
    from_seconds: Seconds,
    count: u64,
}

impl BucketView {
    const fn of(bucket: &(Span, u64)) -> Self {
        Self { from_seconds: Seconds(bucket.0), count: bucket.1 }
    }
}

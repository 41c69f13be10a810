//! Serialisable views of the report, field by field as the schema has them: they borrow, and live only while their row is written.
//!
//! Absent knowledge is `null`. Every object with a frame also has the `file` that it is a frame of.

mod connection;
mod finding;
mod timeline;
mod timers;

pub use connection::ConnectionView;
pub use finding::{FindingView, GroupView};
pub use timeline::{PictureView, TimelineView};
pub use timers::{CostView, HopView, TimeoutView};

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::options::Thresholds;
use crate::render::format::{Escaped, decimal_seconds, rfc3339};
use crate::report::{CaptureFacts, CapturePoint, EndpointView, Input, PointDelay, PointPair, Trust};
use crate::time::{Span, Timestamp};

/// A span as decimal seconds, exact to the nanosecond (a double is not, beyond some weeks).
pub struct Seconds(pub Span);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(decimal_seconds(self.0)).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// A time as RFC 3339 in UTC with nanoseconds.
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

/// The identifier of a finding: `F1`.
pub struct Id(pub usize);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("F{}", self.0))
    }
}

/// A list of sentences, escaped.
pub struct Sentences<'a>(pub &'a [String]);

impl Serialize for Sentences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|sentence| Escaped(sentence)))
    }
}

/// Names of addresses.
pub struct Names<'a>(pub &'a BTreeMap<IpAddr, String>);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(ip, name)| (ip, Escaped(name))))
    }
}

/// Counts by reason.
pub struct Reasons<'a>(pub &'a BTreeMap<String, u64>);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(reason, count)| (Escaped(reason), count)))
    }
}

/// Address and port; the port is null where it is not one but many.
#[derive(Serialize)]
pub struct EndpointJson {
    ip: IpAddr,
    port: Option<u16>,
}

impl EndpointJson {
    /// Of an endpoint whose port is known.
    pub const fn of(endpoint: EndpointView) -> Self {
        Self { ip: endpoint.ip, port: Some(endpoint.port) }
    }

    /// Of an endpoint whose port may be meaningless.
    pub fn with_port_if(endpoint: EndpointView, port_known: bool) -> Self {
        Self { ip: endpoint.ip, port: port_known.then_some(endpoint.port) }
    }
}

/// One input.
#[derive(Serialize)]
pub struct InputView<'a> {
    name: Escaped<'a>,
    sha256: Option<&'a str>,
    format: Option<&'static str>,
    frames: u64,
    octets: u64,
    first: Option<Time>,
    last: Option<Time>,
    complete: bool,
    problems: Sentences<'a>,
    compression: Option<&'static str>,
}

impl<'a> InputView<'a> {
    /// The view of an input.
    pub fn of(input: &'a Input) -> Self {
        Self {
            name: Escaped(&input.name),
            sha256: input.sha256.as_deref(),
            format: matches!(input.format, "pcap" | "pcapng").then_some(input.format),
            frames: input.frames,
            octets: input.octets,
            first: input.first.map(Time),
            last: input.last.map(Time),
            complete: input.complete,
            problems: Sentences(&input.problems),
            compression: input.compression,
        }
    }
}

/// The capture as a whole.
#[derive(Serialize)]
pub struct CaptureView<'a> {
    frames: u64,
    tcp_segments: u64,
    connections: u64,
    duplicates: u64,
    skipped: Reasons<'a>,
    malformed: Reasons<'a>,
    trust: Vec<TrustView<'a>>,
    points: Vec<PointView<'a>>,
    point_pairs: Vec<PairView>,
    first: Option<Time>,
    last: Option<Time>,
}

impl<'a> CaptureView<'a> {
    /// The view of the capture's facts.
    pub fn of(facts: &'a CaptureFacts) -> Self {
        Self {
            frames: facts.frames,
            tcp_segments: facts.tcp_segments,
            connections: facts.connections,
            duplicates: facts.duplicates,
            skipped: Reasons(&facts.skipped),
            malformed: Reasons(&facts.malformed),
            trust: facts.trust.iter().map(TrustView::of).collect(),
            points: facts.points.iter().map(PointView::of).collect(),
            point_pairs: facts.pairs.iter().map(PairView::of).collect(),
            first: facts.first.map(Time),
            last: facts.last.map(Time),
        }
    }
}

/// The thresholds in force.
#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // the unit is part of a field's name in the schema
pub struct ThresholdsView {
    idle_gap_seconds: Seconds,
    close_wait_seconds: Seconds,
    retry_window_seconds: Seconds,
}

impl ThresholdsView {
    /// The view of the thresholds.
    pub const fn of(thresholds: &Thresholds) -> Self {
        Self {
            idle_gap_seconds: Seconds(thresholds.idle_gap),
            close_wait_seconds: Seconds(thresholds.close_wait),
            retry_window_seconds: Seconds(thresholds.retry_window),
        }
    }
}

/// One statement on how far the capture can be trusted.
#[derive(Serialize)]
struct TrustView<'a> {
    what: &'static str,
    detail: Escaped<'a>,
}

impl<'a> TrustView<'a> {
    fn of(trust: &'a Trust) -> Self {
        Self { what: trust.what, detail: Escaped(&trust.detail) }
    }
}

/// A place that saw the same segments as another.
#[derive(Serialize)]
struct PointView<'a> {
    vantage: Escaped<'a>,
    files: &'a [u32],
}

impl<'a> PointView<'a> {
    fn of(point: &'a CapturePoint) -> Self {
        Self { vantage: Escaped(&point.vantage), files: &point.files }
    }
}

/// Two places that saw the same segments.
#[derive(Serialize)]
struct PairView {
    first: usize,
    second: usize,
    client: DelayView,
    server: DelayView,
    path_seconds: Option<Seconds>,
    clock_difference_seconds: Option<Seconds>,
}

impl PairView {
    fn of(pair: &PointPair) -> Self {
        Self {
            first: pair.first,
            second: pair.second,
            client: DelayView::of(&pair.client),
            server: DelayView::of(&pair.server),
            path_seconds: pair.path().map(Seconds),
            clock_difference_seconds: pair.clock_difference().map(Seconds),
        }
    }
}

/// What one direction shows of two places.
#[derive(Serialize)]
struct DelayView {
    segments: u64,
    delay_seconds: Option<Seconds>,
    hop_change: Option<i16>,
}

impl DelayView {
    fn of(way: &PointDelay) -> Self {
        Self { segments: way.segments, delay_seconds: way.delay.map(Seconds), hop_change: way.hop_change }
    }
}

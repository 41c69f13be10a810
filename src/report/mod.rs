//! The report as plain data: what every renderer gets, nothing else. Field names follow `afterfin.report/1`
//! (`docs/report-json.md`) where the JSON shows them.
//!
//! Strings that came out of a capture are kept as they were; each renderer escapes them with its one function in
//! `render::format`.

mod connection;
mod finding;
mod timeline;
mod timeout;

pub use connection::*;
pub use finding::*;
pub use timeline::*;
pub use timeout::*;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::options::Thresholds;
use crate::time::{Span, Timestamp};

/// File and frame, as the report shows it: `file` is an index into [`Report::inputs`], `frame` is Wireshark's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef {
    /// Index into the inputs.
    pub file: u32,
    /// 1-based frame number.
    pub frame: u64,
}

impl From<crate::frame::FrameId> for FrameRef {
    fn from(id: crate::frame::FrameId) -> Self {
        Self { file: id.file(), frame: id.number() }
    }
}

/// Everything a renderer needs.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The files.
    pub inputs: Vec<Input>,
    /// What was in them, and how far it can be trusted.
    pub capture: CaptureFacts,
    /// The verdict: two or three plain sentences.
    pub verdict: Vec<String>,
    /// Findings, most severe first, numbered F1, F2 … in that order.
    pub findings: Vec<Finding>,
    /// Findings by client host and server endpoint, with the most telling connection's timeline.
    pub groups: Vec<Group>,
    /// Timers that the capture shows.
    pub timeouts: Vec<Timeout>,
    /// The hops with their timers.
    pub chain: Vec<Hop>,
    /// What it cost.
    pub cost: Cost,
    /// Requests against idle time before them: the picture.
    pub picture: Picture,
    /// One row per connection, by number; all of them or those that the text report shows.
    pub connections: Vec<ConnectionRow>,
    /// Connections seen in all, whether or not each has a row.
    pub connections_total: u64,
    /// What a selection left out; the verdict, the trust, the timers and the cost are of the whole capture all the same.
    pub left_out: LeftOut,
    /// Timelines that were asked for, by connection number.
    pub timelines: Vec<Timeline>,
    /// Timelines of the connections that findings are about, by connection number: the first so many, for formats that draw them.
    pub finding_timelines: Vec<Timeline>,
    /// Names of addresses, from the capture and from the user's hosts file.
    pub names: BTreeMap<IpAddr, String>,
    /// From when on something counted.
    pub thresholds: Thresholds,
    /// Payload of evidence frames; empty unless the user asks for it.
    pub payloads: BTreeMap<FrameRef, PayloadExcerpt>,
    /// False when the run was interrupted or a part of the input could not be read.
    pub complete: bool,
}

/// The beginning of a segment's payload, shown on demand only, with what is secret in it covered already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadExcerpt {
    /// The first octets, as far as they were captured.
    pub octets: Vec<u8>,
    /// Octets of payload on the wire.
    pub length: u32,
}

/// What a selection left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Findings.
    pub findings: u64,
    /// Connections.
    pub connections: u64,
}

/// One input file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// As named by the user.
    pub name: String,
    /// URL of the file, for outputs that have links; made only where they are wanted.
    pub link: Option<String>,
    /// If asked for.
    pub sha256: Option<String>,
    /// `pcap` or `pcapng`; anything else where the input could not be read at all.
    pub format: &'static str,
    /// `gzip` …, if any.
    pub compression: Option<&'static str>,
    /// Frames read.
    pub frames: u64,
    /// Octets read.
    pub octets: u64,
    /// Earliest frame.
    pub first: Option<Timestamp>,
    /// Latest frame.
    pub last: Option<Timestamp>,
    /// Read to its proper end.
    pub complete: bool,
    /// Sentences, without the file's name.
    pub problems: Vec<String>,
}

/// The capture as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptureFacts {
    /// Frames in all: those with TCP segments (where one has several, `trust` says how many more segments than frames there are), skipped and
    /// malformed.
    pub frames: u64,
    /// Frames that are TCP segments, duplicate observations included.
    pub tcp_segments: u64,
    /// Connections by the numbering rule.
    pub connections: u64,
    /// Segments that are another sight of one already seen.
    pub duplicates: u64,
    /// Frames that are something else, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Frames that could not be decoded, by reason.
    pub malformed: BTreeMap<String, u64>,
    /// What lowers the confidence.
    pub trust: Vec<Trust>,
    /// Places that saw the same segments; none where there is only one.
    pub points: Vec<CapturePoint>,
    /// Which of them belong together, the pairs with the most segments first.
    pub pairs: Vec<PointPair>,
    /// First and last time of a frame.
    pub first: Option<Timestamp>,
    /// See `first`.
    pub last: Option<Timestamp>,
}

/// One reason to trust the capture less (or a statement that it is sound).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// A short fixed name: `snap-length`, `one-sided`, `dropped-frames`, `clock-step`, …
    pub what: &'static str,
    /// The sentence, with figures.
    pub detail: String,
}

/// A place where the same segments were captured as at another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturePoint {
    /// Interface and encapsulation.
    pub vantage: String,
    /// Indices into [`Report::inputs`].
    pub files: Vec<u32>,
}

/// Two places that saw the same segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointPair {
    /// Index into [`CaptureFacts::points`].
    pub first: usize,
    /// See `first`.
    pub second: usize,
    /// What the clients' segments show.
    pub client: PointDelay,
    /// What the servers' segments show.
    pub server: PointDelay,
}

/// What the segments of one direction show of two places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointDelay {
    /// Segments seen at both.
    pub segments: u64,
    /// Median of the time at the second place less the time at the first.
    pub delay: Option<Span>,
    /// Hop count at the second place less that at the first.
    pub hop_change: Option<i16>,
}

impl PointPair {
    /// The way between the places: half the difference of what the two directions take. By it and the hop counts it is told which of the places is
    /// nearer to the clients.
    pub fn path(&self) -> Option<Span> {
        let (client, server) = (self.client.delay?, self.server.delay?);
        Some(Span(client.nanos().saturating_sub(server.nanos()) / 2))
    }

    /// By how much the second place's clock is ahead: what is left when the way is as long in both directions.
    pub fn clock_difference(&self) -> Option<Span> {
        let (client, server) = (self.client.delay?, self.server.delay?);
        Some(Span(client.nanos().saturating_add(server.nanos()) / 2))
    }

    /// Whether the first place is nearer to the clients: a router lowers the hop count of what it forwards; else by the times.
    pub fn first_is_nearer_to_clients(&self) -> Option<bool> {
        let hops = i32::from(self.client.hop_change.unwrap_or(0)).saturating_sub(i32::from(self.server.hop_change.unwrap_or(0)));
        match (hops, self.path()) {
            (..0, _) => Some(true),
            (1.., _) => Some(false),
            (0, Some(path)) if path != Span::ZERO => Some(path > Span::ZERO),
            _ => None,
        }
    }
}

/// Findings of one client host and one server endpoint.
#[derive(Clone, Debug)]
pub struct Group {
    /// The client's address.
    pub client: IpAddr,
    /// The server.
    pub server: EndpointView,
    /// Indices into [`Report::findings`].
    pub findings: Vec<usize>,
    /// Number of findings by kind, in the order of severity.
    pub kinds: Vec<(Kind, u64)>,
    /// One sentence: how often, whose timer, what it cost.
    pub summary: String,
    /// What to change, the same for all of the group.
    pub advice: Vec<String>,
    /// The most telling connection.
    pub timeline: Option<Timeline>,
}

/// An address and a port for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointView {
    /// Address.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

impl From<crate::endpoint::Endpoint> for EndpointView {
    fn from(endpoint: crate::endpoint::Endpoint) -> Self {
        Self { ip: endpoint.ip(), port: endpoint.port() }
    }
}

impl std::fmt::Display for EndpointView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::endpoint::Endpoint::new(self.ip, self.port).fmt(f)
    }
}

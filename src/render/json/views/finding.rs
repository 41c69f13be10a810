//! Findings and groups of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{EndpointJson, Id, Seconds, Sentences, Time, TimelineView};
use crate::endpoint::{Direction, Role};
use crate::render::format::{Escaped, hex, plain_ascii};
use crate::report::{CloseView, Evidence, Finding, FrameRef, Group, Kind, Next, PayloadExcerpt, Report, RstView, Surfaced};

/// One finding.
#[derive(Serialize)]
pub struct FindingView<'a> {
    id: Id,
    kind: &'static str,
    severity: &'static str,
    confidence: &'static str,
    headline: Escaped<'a>,
    stream: Option<u64>,
    client: EndpointJson,
    server: EndpointJson,
    file: Option<u32>,
    frame: Option<u64>,
    time: Option<Time>,
    closed_by: Option<&'static str>,
    close: Option<CloseJson>,
    idle_seconds: Option<Seconds>,
    wire_idle_seconds: Option<Seconds>,
    since_close_seconds: Option<Seconds>,
    cause: Option<Escaped<'a>>,
    candidates: Sentences<'a>,
    outcome: Option<&'static str>,
    rst: Option<RstJson<'a>>,
    next: Option<NextJson>,
    retry: Option<&'static str>,
    reasons: Sentences<'a>,
    advice: Sentences<'a>,
    evidence: Evidences<'a>,
    wireshark_filter: Escaped<'a>,
    request: Option<Escaped<'a>>,
    retry_says: Option<Escaped<'a>>,
    messages: Sentences<'a>,
    consequence_of: Option<Id>,
    count: u64,
}

impl<'a> FindingView<'a> {
    /// The view of a finding.
    pub fn of(finding: &'a Finding, report: &'a Report) -> Self {
        Self {
            id: Id(finding.number),
            kind: finding.kind.as_str(),
            severity: finding.severity.as_str(),
            confidence: finding.confidence.as_str(),
            headline: Escaped(&finding.headline),
            stream: finding.stream,
            client: EndpointJson::with_port_if(finding.client, finding.client_port_known),
            server: EndpointJson::of(finding.server),
            file: finding.frame.map(|at| at.file),
            frame: finding.frame.map(|at| at.frame),
            time: finding.time.map(Time),
            closed_by: finding.closed_by.map(Role::as_str),
            close: finding.close.as_ref().map(CloseJson::of),
            idle_seconds: finding.idle.map(Seconds),
            wire_idle_seconds: finding.wire_idle.map(Seconds),
            since_close_seconds: finding.since_close.map(Seconds),
            cause: finding.cause.as_deref().map(Escaped),
            candidates: Sentences(&finding.candidates),
            outcome: finding.outcome.map(crate::report::Outcome::as_str),
            rst: finding.rst.as_ref().map(RstJson::of),
            next: finding.next.as_ref().map(NextJson::of),
            retry: finding.retry.map(crate::report::Retry::as_str),
            reasons: Sentences(&finding.reasons),
            advice: Sentences(&finding.advice),
            evidence: Evidences(&finding.evidence, &report.payloads),
            wireshark_filter: Escaped(&finding.wireshark_filter),
            request: some_text(&finding.request),
            retry_says: some_text(&finding.retry_says),
            messages: Sentences(&finding.messages),
            consequence_of: finding.consequence_of.map(Id),
            count: finding.count,
        }
    }
}

/// A text, or nothing when it is empty: absent knowledge is null.
pub fn some_text(text: &str) -> Option<Escaped<'_>> {
    (!text.is_empty()).then_some(Escaped(text))
}

/// The close that a finding is about.
#[derive(Serialize)]
struct CloseJson {
    how: &'static str,
    file: u32,
    frame: u64,
    time: Time,
    acknowledged_before: bool,
}

impl CloseJson {
    const fn of(close: &CloseView) -> Self {
        Self {
            how: close.how.as_str(),
            file: close.frame.file,
            frame: close.frame.frame,
            time: Time(close.time),
            acknowledged_before: close.acknowledged_before,
        }
    }
}

/// The RST that answered.
#[derive(Serialize)]
struct RstJson<'a> {
    file: u32,
    frame: u64,
    shape: &'static str,
    origin: &'static str,
    origin_basis: Option<Escaped<'a>>,
}

impl<'a> RstJson<'a> {
    fn of(rst: &'a RstView) -> Self {
        Self {
            file: rst.frame.file,
            frame: rst.frame.frame,
            shape: rst.shape.as_str(),
            origin: rst.origin.as_str(),
            origin_basis: some_text(&rst.origin_basis),
        }
    }
}

/// What happened next.
#[derive(Serialize)]
struct NextJson {
    retried: &'static str,
    stream: Option<u64>,
    file: Option<u32>,
    frame: Option<u64>,
    after_seconds: Option<Seconds>,
    answered: Option<bool>,
    surfaced: Option<SurfacedJson>,
}

impl NextJson {
    fn of(next: &Next) -> Self {
        Self {
            retried: next.retried.as_str(),
            stream: next.stream,
            file: next.frame.map(|at| at.file),
            frame: next.frame.map(|at| at.frame),
            after_seconds: next.after.map(Seconds),
            answered: next.answered,
            surfaced: next.surfaced.as_ref().map(SurfacedJson::of),
        }
    }
}

/// What a proxy's own caller got.
#[derive(Serialize)]
struct SurfacedJson {
    stream: u64,
    file: u32,
    frame: u64,
    status: Option<u16>,
}

impl SurfacedJson {
    const fn of(surfaced: &Surfaced) -> Self {
        Self { stream: surfaced.stream, file: surfaced.frame.file, frame: surfaced.frame.frame, status: surfaced.status }
    }
}

/// The evidence of a finding.
struct Evidences<'a>(&'a [Evidence], &'a BTreeMap<FrameRef, PayloadExcerpt>);

impl Serialize for Evidences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|evidence| EvidenceJson::of(evidence, self.1.get(&evidence.frame))))
    }
}

/// One frame that proves something.
#[derive(Serialize)]
struct EvidenceJson<'a> {
    file: u32,
    frame: u64,
    time: Time,
    direction: &'static str,
    says: Escaped<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<PayloadJson>,
}

/// The beginning of a segment's payload.
#[derive(Serialize)]
struct PayloadJson {
    octets: u32,
    hex: String,
    ascii: String,
}

impl PayloadJson {
    fn of(excerpt: &PayloadExcerpt) -> Self {
        Self { octets: excerpt.length, hex: hex(&excerpt.octets), ascii: plain_ascii(&excerpt.octets) }
    }
}

impl<'a> EvidenceJson<'a> {
    fn of(evidence: &'a Evidence, payload: Option<&PayloadExcerpt>) -> Self {
        Self {
            file: evidence.frame.file,
            frame: evidence.frame.frame,
            time: Time(evidence.time),
            direction: direction_name(evidence.direction),
            says: Escaped(&evidence.says),
            payload: payload.map(PayloadJson::of),
        }
    }
}

/// The name of a direction.
pub const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client-to-server",
        Direction::ServerToClient => "server-to-client",
    }
}

/// Findings of one client host and one server endpoint.
#[derive(Serialize)]
pub struct GroupView<'a> {
    client: IpAddr,
    server: EndpointJson,
    findings: Vec<Id>,
    kinds: Kinds<'a>,
    summary: Escaped<'a>,
    advice: Sentences<'a>,
    timeline: Option<TimelineView<'a>>,
}

impl<'a> GroupView<'a> {
    /// The view of a group; `report` has the findings that it points to.
    pub fn of(group: &'a Group, report: &'a Report) -> Self {
        Self {
            client: group.client,
            server: EndpointJson::of(group.server),
            findings: group.findings.iter().filter_map(|index| report.findings.get(*index)).map(|finding| Id(finding.number)).collect(),
            kinds: Kinds(&group.kinds),
            summary: Escaped(&group.summary),
            advice: Sentences(&group.advice),
            timeline: group.timeline.as_ref().map(TimelineView::of),
        }
    }
}

/// Counts by kind, in the order of severity.
struct Kinds<'a>(&'a [(Kind, u64)]);

impl Serialize for Kinds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(kind, count)| (kind.as_str(), count)))
    }
}

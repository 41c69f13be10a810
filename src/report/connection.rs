//! One row per connection.

use serde::{Deserialize, Serialize};

use super::{EndpointView, FrameRef, How};
use crate::endpoint::Role;
use crate::time::{Span, Timestamp};

/// How the roles were decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RoleBasis {
    /// A SYN was seen.
    Syn,
    /// A SYN-ACK was seen.
    SynAck,
    /// Known port, an endpoint that talks to many, the lower port.
    Guess,
}

impl RoleBasis {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syn => "syn",
            Self::SynAck => "syn-ack",
            Self::Guess => "guess",
        }
    }
}

/// How far the handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HandshakeView {
    /// SYN, SYN-ACK and the ACK of it.
    Complete,
    /// Some of it.
    Partial,
    /// None of it was captured.
    None,
    /// SYN answered by RST.
    Refused,
    /// SYN without any answer.
    Unanswered,
}

impl HandshakeView {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::None => "none",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Where the connection stands at the end of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StateView {
    /// No FIN, no RST.
    Open,
    /// One FIN.
    HalfClosed,
    /// Both FINs.
    Closed,
    /// A valid RST.
    Reset,
}

impl StateView {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::HalfClosed => "half-closed",
            Self::Closed => "closed",
            Self::Reset => "reset",
        }
    }
}

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounts {
    /// Every frame of that side, duplicate observations included.
    pub segments: u64,
    /// Of these, duplicate observations.
    pub duplicates: u64,
    /// With retransmissions.
    pub payload_octets: u64,
    /// Each octet once.
    pub unique_octets: u64,
    /// SYNs.
    pub syn: u64,
    /// FINs.
    pub fin: u64,
    /// RSTs.
    pub rst: u64,
    /// Segments that were sent before.
    pub retransmissions: u64,
    /// TCP keepalive probes.
    pub keepalive_probes: u64,
    /// Probes labelled in retrospect (the capture began in mid-idle).
    pub keepalive_probes_inferred: u64,
    /// Datagrams in fragments that never became whole: no segments, in none of the other counts.
    pub incomplete_datagrams: u64,
}

/// Who closed, how, where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosePoint {
    /// Who.
    pub by: Role,
    /// How.
    pub how: How,
    /// Where.
    pub frame: FrameRef,
    /// When.
    pub time: Timestamp,
}

/// New payload after the other side's FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterClose {
    /// How many segments.
    pub segments: u64,
    /// The first.
    pub first_frame: FrameRef,
    /// It acknowledged the FIN (or an earlier one did).
    pub close_acknowledged: bool,
}

/// What ended an idle gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GapEnd {
    /// New payload of the client.
    Request,
    /// New payload of the server.
    Response,
    /// A FIN.
    Fin,
    /// An RST.
    Rst,
    /// The end of the capture.
    End,
}

impl GapEnd {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::End => "end",
        }
    }
}

/// One idle gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Last frame before it.
    pub start: FrameRef,
    /// The frame that ended it; `None`: the capture ended.
    pub end: Option<FrameRef>,
    /// When it began.
    pub start_time: Timestamp,
    /// How long.
    pub length: Span,
    /// Who spoke last.
    pub after: Role,
    /// A response was outstanding: waiting, not idle.
    pub waiting: bool,
    /// Keepalive probes inside it.
    pub probes: u32,
    /// What ended it.
    pub ended_by: GapEnd,
}

/// A second sight or another leg of the same connection or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The other connection's number.
    pub stream: u64,
    /// `nat`, `proxy`, `tunnel`, `other-capture-point`.
    pub relation: &'static str,
    /// What says so.
    pub basis: String,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Number, as Wireshark's `tcp.stream`.
    pub stream: u64,
    /// Client.
    pub client: EndpointView,
    /// Server.
    pub server: EndpointView,
    /// How the roles were decided.
    pub role_basis: RoleBasis,
    /// First and last frame's time.
    pub first: Timestamp,
    /// See `first`.
    pub last: Timestamp,
    /// First frame.
    pub first_frame: FrameRef,
    /// Handshake.
    pub handshake: HandshakeView,
    /// Handshake round trip (SYN to SYN-ACK, or SYN-ACK to ACK: the smaller that the vantage shows whole).
    pub rtt: Option<Span>,
    /// Only one direction was captured.
    pub one_sided: bool,
    /// Client turns.
    pub requests: u64,
    /// Application protocol, `unknown` if not recognised.
    pub protocol: &'static str,
    /// Host that the client asked for; empty if unknown.
    pub host: String,
    /// Client to server.
    pub client_to_server: DirectionCounts,
    /// Server to client.
    pub server_to_client: DirectionCounts,
    /// First FIN.
    pub first_fin: Option<ClosePoint>,
    /// First FIN or valid RST.
    pub first_close: Option<ClosePoint>,
    /// New payload after the other side's FIN.
    pub after_close: Option<AfterClose>,
    /// Silences of 1 s or more between consecutive frames, in file order.
    pub wire_gap_count: u64,
    /// The longest of them.
    pub wire_gap_longest: Option<Span>,
    /// State at the end.
    pub state: StateView,
    /// Incarnations inside this number (SYNs that were not captured).
    pub incarnations: u32,
    /// Linked connections.
    pub legs: Vec<Leg>,
    /// Where it was captured.
    pub vantages: Vec<String>,
    /// Idle gaps.
    pub idle_gap_count: u64,
    /// The longest.
    pub idle_gap_longest: Option<Span>,
    /// The longest few, in time order.
    pub idle_gaps: Vec<Gap>,
    /// Number of the findings about this connection.
    pub findings: Vec<usize>,
}

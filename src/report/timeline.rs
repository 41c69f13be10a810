//! One connection's life as entries that a renderer can draw, and the picture of many requests.

use super::{EndpointView, FrameRef, Kind};
use crate::endpoint::Direction;
use crate::time::{Span, Timestamp};

/// One connection's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Connection number.
    pub stream: u64,
    /// Client.
    pub client: EndpointView,
    /// Server.
    pub server: EndpointView,
    /// Time of its first frame; entries count from here.
    pub opened: Timestamp,
    /// In time order.
    pub entries: Vec<TimelineEntry>,
    /// Events that the bounded log did not keep.
    pub omitted: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// SYN … ACK, or what there was of it.
    Handshake,
    /// A request (or any turn of the client).
    Request,
    /// A response (or any turn of the server).
    Response,
    /// Nothing new was said.
    Gap,
    /// A train of keepalive probes.
    Keepalive,
    /// FIN.
    Fin,
    /// RST.
    Rst,
    /// Data sent again.
    Retransmission,
    /// A last word that asks for nothing.
    Farewell,
    /// An ICMP error about this connection.
    Icmp,
    /// Anything else worth a line (new incarnation, zero window …).
    Note,
    /// The capture ends with the connection open.
    End,
}

impl EntryKind {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Request => "request",
            Self::Response => "response",
            Self::Gap => "gap",
            Self::Keepalive => "keepalive",
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Retransmission => "retransmission",
            Self::Farewell => "farewell",
            Self::Icmp => "icmp",
            Self::Note => "note",
            Self::End => "end",
        }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Since `opened`.
    pub at: Span,
    /// The frame it begins with; none for the end of the capture.
    pub frame: Option<FrameRef>,
    /// What.
    pub kind: EntryKind,
    /// From whom; `None` for gaps and notes.
    pub direction: Option<Direction>,
    /// The line: `GET /api/orders → 200, 11.9 ms`, `server closes (FIN)`.
    pub text: String,
    /// More, in small print: `closed, and still in the client's pool`.
    pub note: String,
    /// Length of a gap or a train.
    pub span: Option<Span>,
    /// Number of the finding that this entry is evidence of.
    pub finding: Option<usize>,
}

/// One request in the picture: idle gap before it against what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// Idle before the request.
    pub idle: Span,
    /// Answered, or lost and how.
    pub lost: Option<Kind>,
    /// Connection.
    pub stream: u64,
    /// Frame.
    pub frame: FrameRef,
}

/// Requests after a pause of 1 ms or more: dots (bounded, the lost ones first), and how long connections were idle when their server
/// closed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// At most some thousands.
    pub dots: Vec<Dot>,
    /// Requests that are not among the dots.
    pub dots_omitted: u64,
    /// Idle before closes by a server, by bucket: (lower bound, count), buckets of a tenth of a decade.
    pub closes: Vec<(Span, u64)>,
}

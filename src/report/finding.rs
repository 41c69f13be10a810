//! A diagnosis and its evidence.

use serde::{Deserialize, Serialize};

use super::{EndpointView, FrameRef};
use crate::endpoint::{Direction, Role};
use crate::time::{Span, Timestamp};

/// Begins the list of an advice that depends on the product: `if it is one of these: nginx: … · HAProxy: …`.
pub const ALTERNATIVES: &str = " one of these: ";
/// Stands between the items of such a list.
pub const ALTERNATIVE: &str = " · ";

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Will hurt or has hurt a little.
    Warning,
    /// A request was lost.
    Error,
}

impl Severity {
    /// `info`, `warning`, `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// A pattern only.
    Possible,
    /// One inference.
    Likely,
    /// Deterministic fields agree and both directions are complete.
    Certain,
}

impl Confidence {
    /// `possible`, `likely`, `certain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}

/// The kinds of findings. `detect`'s registry has the page of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A request on a connection that the client's kernel knew to be closed.
    StaleReuse,
    /// A request and the close crossed.
    CloseRace,
    /// A request acknowledged after the close and never answered.
    SwallowedRequest,
    /// The other end had no such connection.
    StateLost,
    /// Nothing came back.
    SilentDrop,
    /// Acknowledged, then closed without an answer.
    ClosedWithoutResponse,
    /// The next hop changed within one connection after an idle gap.
    PathChange,
    /// Timers in the wrong order.
    TimeoutMismatch,
    /// The peer's FIN was ignored.
    CloseWaitLeak,
    /// Keepalive probes without an answer.
    KeepaliveUnanswered,
    /// Keepalive probes that start too late.
    KeepaliveTooSlow,
    /// The client left while a response was outstanding.
    AbandonedResponse,
    /// Closed by a timer while a response was outstanding.
    IdleDuringResponse,
    /// A new connection failed.
    ConnectFailed,
    /// A connection per request.
    ConnectionChurn,
    /// Closes after a constant number of requests.
    RequestLimitClose,
    /// Closes at a constant age.
    AgeLimitClose,
    /// Many connections closed at the same moment.
    MassClose,
}

impl Kind {
    /// Every kind, in the order of severity.
    pub const ALL: [Self; 18] = [
        Self::StaleReuse,
        Self::CloseRace,
        Self::SwallowedRequest,
        Self::StateLost,
        Self::SilentDrop,
        Self::ClosedWithoutResponse,
        Self::PathChange,
        Self::TimeoutMismatch,
        Self::CloseWaitLeak,
        Self::KeepaliveUnanswered,
        Self::KeepaliveTooSlow,
        Self::AbandonedResponse,
        Self::IdleDuringResponse,
        Self::ConnectFailed,
        Self::ConnectionChurn,
        Self::RequestLimitClose,
        Self::AgeLimitClose,
        Self::MassClose,
    ];

    /// The name in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StaleReuse => "stale-reuse",
            Self::CloseRace => "close-race",
            Self::SwallowedRequest => "swallowed-request",
            Self::StateLost => "state-lost",
            Self::SilentDrop => "silent-drop",
            Self::ClosedWithoutResponse => "closed-without-response",
            Self::PathChange => "path-change",
            Self::TimeoutMismatch => "timeout-mismatch",
            Self::CloseWaitLeak => "close-wait-leak",
            Self::KeepaliveUnanswered => "keepalive-unanswered",
            Self::KeepaliveTooSlow => "keepalive-too-slow",
            Self::AbandonedResponse => "abandoned-response",
            Self::IdleDuringResponse => "idle-during-response",
            Self::ConnectFailed => "connect-failed",
            Self::ConnectionChurn => "connection-churn",
            Self::RequestLimitClose => "request-limit-close",
            Self::AgeLimitClose => "age-limit-close",
            Self::MassClose => "mass-close",
        }
    }

    /// Whether the finding says that one request was lost.
    pub const fn is_request_loss(self) -> bool {
        matches!(
            self,
            Self::StaleReuse | Self::CloseRace | Self::SwallowedRequest | Self::StateLost | Self::SilentDrop | Self::ClosedWithoutResponse
        )
    }
}

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered by RST.
    Reset,
    /// Retransmitted to the end.
    Timeout,
    /// Acknowledged, no answer.
    Acknowledged,
    /// Answered after all.
    Answered,
    /// The capture ends.
    Unknown,
}

impl Outcome {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Acknowledged => "acknowledged",
            Self::Answered => "answered",
            Self::Unknown => "unknown",
        }
    }
}

/// FIN or RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum How {
    /// Orderly.
    Fin,
    /// Abortive.
    Rst,
}

impl How {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
        }
    }
}

/// Shape of an RST: who makes such a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RstShape {
    /// No live socket there.
    Reply,
    /// A live socket gave up.
    Abort,
    /// Answer to a SYN.
    Refused,
    /// Appliances, some other stacks.
    Other,
}

impl RstShape {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Abort => "abort",
            Self::Refused => "refused",
            Self::Other => "other",
        }
    }
}

/// Who sent an RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RstOrigin {
    /// The other end itself.
    Peer,
    /// Another device on the way.
    Other,
    /// The capture cannot tell.
    Unknown,
}

impl RstOrigin {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// On the packets the server's TCP never delivered it.
    Safe,
    /// Only if doing it twice does no harm.
    IdempotentOnly,
    /// It may have been executed.
    Unsafe,
}

impl Retry {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::IdempotentOnly => "idempotent-only",
            Self::Unsafe => "unsafe",
        }
    }
}

/// The close that the finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseView {
    /// FIN or RST.
    pub how: How,
    /// Where.
    pub frame: FrameRef,
    /// When.
    pub time: Timestamp,
    /// The late request or an earlier segment of its sender acknowledged the FIN.
    pub acknowledged_before: bool,
}

/// The RST that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RstView {
    /// Where.
    pub frame: FrameRef,
    /// Its shape.
    pub shape: RstShape,
    /// Who sent it.
    pub origin: RstOrigin,
    /// The measured values behind `origin`.
    pub origin_basis: String,
}

/// Retried or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retried {
    /// The same request again on another connection.
    Yes,
    /// A new connection right after (encrypted).
    Probably,
    /// Not in this capture.
    No,
    /// Cannot be told.
    Unknown,
}

impl Retried {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Probably => "probably",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// What happened next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Retried?
    pub retried: Retried,
    /// On which connection and frame.
    pub stream: Option<u64>,
    /// The frame of the retry.
    pub frame: Option<FrameRef>,
    /// How long after the request that failed.
    pub after: Option<Span>,
    /// Whether the retry was answered.
    pub answered: Option<bool>,
    /// What the proxy's own caller got.
    pub surfaced: Option<Surfaced>,
}

/// What the caller of a proxy saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surfaced {
    /// The front leg.
    pub stream: u64,
    /// The frame of the response or the close.
    pub frame: FrameRef,
    /// HTTP status, `None` for a silent close.
    pub status: Option<u16>,
}

/// One frame that proves something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where.
    pub frame: FrameRef,
    /// When.
    pub time: Timestamp,
    /// From whom.
    pub direction: Direction,
    /// One measured value: `FIN, sequence 4711`.
    pub says: String,
}

/// A diagnosis. Made by `detect` only; every one has at least one evidence (those about many connections name examples).
#[derive(Clone, Debug)]
pub struct Finding {
    /// 1 for F1.
    pub number: usize,
    /// What.
    pub kind: Kind,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// At most 80 characters: subject, fact, number.
    pub headline: String,
    /// The connection; `None` for findings about many.
    pub stream: Option<u64>,
    /// The client; without a port (`None` in `client_port_known`) for findings about many connections.
    pub client: EndpointView,
    /// False: the client's port is meaningless (findings about many connections).
    pub client_port_known: bool,
    /// The server.
    pub server: EndpointView,
    /// The frame that the finding is about.
    pub frame: Option<FrameRef>,
    /// Its time.
    pub time: Option<Timestamp>,
    /// Who closed first.
    pub closed_by: Option<Role>,
    /// The close.
    pub close: Option<CloseView>,
    /// Application idle before the request.
    pub idle: Option<Span>,
    /// Wire idle before the request.
    pub wire_idle: Option<Span>,
    /// Request minus close; negative when the request came first.
    pub since_close: Option<Span>,
    /// The request's label (`POST /api/pay`), empty if not recognised.
    pub request: String,
    /// One name of the catalogue (`no-state-at-peer` …).
    pub cause: Option<String>,
    /// What else it can be.
    pub candidates: Vec<String>,
    /// What became of the request; `None` where there is none.
    pub outcome: Option<Outcome>,
    /// The RST.
    pub rst: Option<RstView>,
    /// What happened next.
    pub next: Option<Next>,
    /// May it be sent again.
    pub retry: Option<Retry>,
    /// The verdict in words that claim no more than the packets show.
    pub retry_says: String,
    /// What the client's log or its user probably saw: `nginx: upstream prematurely closed connection …`.
    pub messages: Vec<String>,
    /// Why the confidence is what it is, and what would raise it.
    pub reasons: Vec<String>,
    /// What to change. A line may list what the product can be: [`ALTERNATIVES`], then the items with [`ALTERNATIVE`] between them.
    pub advice: Vec<String>,
    /// The frames.
    pub evidence: Vec<Evidence>,
    /// For Wireshark.
    pub wireshark_filter: String,
    /// Number of the finding that this one is the consequence of (counted once).
    pub consequence_of: Option<usize>,
    /// Of how many cases this finding speaks (1 for one request).
    pub count: u64,
}

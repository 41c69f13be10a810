//! Timers, hops and cost.

use std::net::IpAddr;

use super::EndpointView;
use crate::endpoint::Role;
use crate::time::{Span, Timestamp};

/// Whose timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerSide {
    /// The server.
    Server,
    /// The client.
    Client,
    /// Something between them.
    Path,
}

impl TimerSide {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Path => "path",
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// Idle timeout.
    Idle,
    /// Age limit.
    Age,
    /// Request count limit (`seconds` is then null, `count` counts).
    Requests,
    /// TCP keepalive: idle before the first probe.
    KeepaliveIdle,
    /// TCP keepalive: interval between probes.
    KeepaliveInterval,
    /// TCP keepalive: unanswered probes before giving up.
    KeepaliveCount,
}

impl TimerKind {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Age => "age",
            Self::Requests => "requests",
            Self::KeepaliveIdle => "keepalive-idle",
            Self::KeepaliveInterval => "keepalive-interval",
            Self::KeepaliveCount => "keepalive-count",
        }
    }
}

/// How well it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerState {
    /// At least three samples that cluster.
    Measured,
    /// Fewer samples.
    Suggested,
    /// Only bounds.
    Bracket,
}

impl TimerState {
    /// The name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Suggested => "suggested",
            Self::Bracket => "bracket",
        }
    }
}

/// One timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// At which server.
    pub server: EndpointView,
    /// For which client host, where it is not the server's own.
    pub client: Option<IpAddr>,
    /// For which host name behind the server's address (Host, SNI), where they differ.
    pub host: Option<String>,
    /// Whose.
    pub side: TimerSide,
    /// What.
    pub what: TimerKind,
    /// `Keep-Alive: timeout=`.
    pub announced: Option<Span>,
    /// How well known.
    pub state: TimerState,
    /// The value (median).
    pub value: Option<Span>,
    /// For counts.
    pub count: Option<u64>,
    /// Longest gap survived.
    pub low: Option<Span>,
    /// Shortest gap that failed.
    pub high: Option<Span>,
    /// Number of samples.
    pub samples: u64,
    /// Interquartile range.
    pub spread: Option<Span>,
    /// Known defaults that match: hints.
    pub known: Vec<String>,
}

/// One hop of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Who reuses.
    pub client: IpAddr,
    /// Whom it talks to.
    pub server: EndpointView,
    /// The client's timer or what is known of it, as a sentence part.
    pub client_timer: Option<Span>,
    /// True: `client_timer` is only a lower bound (longest reuse seen).
    pub client_at_least: bool,
    /// `client_timer` was measured on the client's connections to this other server.
    pub client_seen_at: Option<EndpointView>,
    /// The server's timer.
    pub server_timer: Option<Span>,
    /// A table between them: bracket.
    pub path_low: Option<Span>,
    /// See `path_low`.
    pub path_high: Option<Span>,
    /// Whoever reuses lets go first; `None`: not known.
    pub in_order: Option<bool>,
    /// One sentence.
    pub says: String,
}

/// What it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Requests lost (each incident once).
    pub requests_lost: u64,
    /// Of these, sent again.
    pub retried: u64,
    /// Of these, seen by a caller as 5xx or a close.
    pub surfaced: u64,
    /// Connections × time held open after the peer had closed.
    pub dead_held: Span,
    /// How many connections were held so.
    pub dead_connections: u64,
    /// Handshakes that keep-alive would have saved.
    pub handshakes_avoidable: u64,
    /// Hosts with sockets in TIME_WAIT, those with most at one time first.
    pub time_wait: Vec<TimeWait>,
    /// Ports in use towards one server endpoint, TIME_WAIT included; the pairs with most at one time first.
    pub ports: Vec<PortsInUse>,
}

/// Sockets in TIME_WAIT at one host, of the connections that it closed first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWait {
    /// The host.
    pub host: IpAddr,
    /// On which side of these connections it is.
    pub side: Role,
    /// Most at one time.
    pub peak: u64,
    /// Over the capture, at evenly spaced times.
    pub over_time: Vec<(Timestamp, u64)>,
}

/// Ports that one client host had in use towards one server endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsInUse {
    /// The client host.
    pub client: IpAddr,
    /// The server endpoint.
    pub server: EndpointView,
    /// Most at one time.
    pub peak: u64,
}

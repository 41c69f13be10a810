//! What one connection tells of itself that others may have to do with.
//!
//! A retry is sent on another connection, a proxy's two legs are two, a timer shows in many: such things are known only where all connections
//! are. So the observation of a single connection decides nothing of them. It tells what happened, and [`super::Across`] takes that in, in the order of
//! the segments: at once where one process sees them all, later where each sees a part of the connections.

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

use super::closes::CloseFacts;
use crate::app::{Hand, Protocol};
use crate::endpoint::{Endpoint, FlowKey, Side};
use crate::tcp::Connection;
use crate::tcp::half::Mark;
use crate::time::{Span, Timestamp};

/// Whose word it is.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// Index of the connection.
    pub at: usize,
    /// Its number.
    pub stream: u64,
    /// Its 4-tuple.
    pub key: FlowKey,
    /// Its client, as far as it is known by now.
    pub client: Side,
}

impl Teller {
    /// The connection with index `at`.
    pub const fn of(at: usize, connection: &Connection) -> Self {
        Self { at, stream: connection.stream, key: connection.key, client: connection.client }
    }

    /// The client's endpoint.
    pub const fn client_endpoint(&self) -> Endpoint {
        self.key.endpoint(self.client)
    }

    /// The server's endpoint.
    pub const fn server_endpoint(&self) -> Endpoint {
        self.key.endpoint(self.client.other())
    }
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// Its first segment is a SYN.
    Opened(Mark),
    /// The first SYN, with its number and timestamp value.
    Syn {
        /// Initial sequence number.
        isn: u32,
        /// Value of its timestamp option.
        timestamp: Option<u32>,
        /// Where.
        mark: Mark,
    },
    /// A new incarnation without a SYN begins.
    Restarted,
    /// The host that the client asks for.
    Host(ArrayString<48>),
    /// The client's first request says what program it is.
    Introduced {
        /// Name and version.
        product: ArrayString<32>,
        /// How it writes.
        hand: Hand,
    },
    /// A second request: the connection is used again.
    Reused,
    /// A request after an idle gap.
    ReusedAfter {
        /// How long it was idle.
        idle: Span,
        /// The request.
        mark: Mark,
    },
    /// A turn of the client.
    Requested(Requested),
    /// A turn of the server begins.
    Responding {
        /// Requests so far.
        requests: u32,
        /// Since the SYN.
        age: Option<Span>,
        /// What is spoken.
        protocol: Protocol,
    },
    /// The pending request is answered.
    Answered(Answered),
    /// The caller sees that its request failed.
    Surfaced {
        /// The request.
        request: Mark,
        /// The response or the close.
        mark: Mark,
        /// Its status; `None`: a close.
        status: Option<u16>,
        /// See [`super::legs::label_hash`].
        label: u64,
    },
    /// The pending request looks lost.
    Suspected {
        /// Fingerprint, 0 if there is none.
        fingerprint: u64,
        /// Its content cannot be read.
        encrypted: bool,
        /// When it was sent.
        sent: Mark,
        /// When it began to look lost.
        noticed: Mark,
    },
    /// Nothing more will come of the pending request.
    Concluded {
        /// See [`super::legs::label_hash`].
        label: u64,
        /// Silence of the wire before it, where it met no state or silence.
        failed: Option<Span>,
        /// Which of the connection's cases it became.
        case: Option<u32>,
    },
    /// A keepalive probe.
    Probed {
        /// Who sent it.
        side: Side,
        /// Where.
        mark: Mark,
        /// The silence before the first of a train.
        idle: Option<Span>,
        /// The time since the one before.
        interval: Option<Span>,
    },
    /// A side aborted with probes unanswered.
    GaveUpProbing {
        /// Who.
        side: Side,
        /// How many were unanswered.
        pending: u32,
    },
    /// A side closed while nothing was outstanding.
    Closed {
        /// Who.
        side: Side,
        /// How and when.
        close: CloseFacts,
        /// Round trip at the vantage.
        rtt: Option<Span>,
        /// By the server: it was asked to, or requests cannot be counted.
        asked_for: bool,
        /// By the client: it closed right after its only response, though the server would have kept it.
        alone: bool,
    },
}

/// A turn of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// A request that can be read: what it asks for, as [`super::legs::label_hash`].
    pub asks: Option<u64>,
    /// Names its content, 0 if there is nothing to compare.
    pub fingerprint: u64,
    /// Where.
    pub mark: Mark,
}

/// The first payload of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// See [`super::legs::label_hash`].
    pub label: u64,
    /// When.
    pub time: Timestamp,
    /// Idle time before the request.
    pub idle: Option<Span>,
    /// The request's first segment.
    pub request: Mark,
    /// The request came after an idle gap.
    pub after_idle_gap: bool,
    /// Silence of the wire before the request.
    pub wire_idle: Option<Span>,
    /// `Keep-Alive: timeout=` of the answer.
    pub keep_alive_timeout: Option<u32>,
    /// What the server says it is.
    pub product: ArrayString<32>,
    /// How it writes.
    pub hand: Hand,
}

/// What others have to do with a request: known once it is concluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// The suspect that it is, to be looked up in [`super::retry::RetryWatch`].
    pub suspect: Option<usize>,
}

/// What a connection told, to be taken in later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Index of the connection.
    pub at: usize,
    /// Its client then: a guess may change.
    pub client: Side,
    /// What it told.
    pub told: Told,
}

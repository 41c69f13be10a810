//! What a payload excerpt says: one file per protocol, one common type. Knows nothing of TCP.
//!
//! A protocol that nobody knows still works: the tracker then goes by turns.

use arrayvec::ArrayString;

use crate::endpoint::Direction;

/// A short text taken from a payload, for people: never a query string, a cookie or a token. Cut at 56 octets.
pub type Label = ArrayString<56>;

/// An application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// Nothing is known (yet).
    #[default]
    Unknown,
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// TLS of any version.
    Tls,
    /// WebSocket after its upgrade.
    WebSocket,
    /// PostgreSQL.
    PostgreSql,
    /// MySQL or MariaDB.
    MySql,
    /// Redis.
    Redis,
    /// Kafka.
    Kafka,
    /// AMQP.
    Amqp,
    /// SMTP.
    Smtp,
    /// DNS over TCP.
    Dns,
    /// MQTT.
    Mqtt,
    /// LDAP.
    Ldap,
    /// FTP control.
    Ftp,
    /// IMAP.
    Imap,
    /// SSH.
    Ssh,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum What {
    /// Cannot tell.
    #[default]
    Unknown,
    /// Begins a request that the protocol's own framing recognises: an answer is owed.
    Request,
    /// Begins (or is) a response.
    Response,
    /// A last word that asks for nothing (TLS close_notify, GOAWAY, QUIT …).
    Farewell,
    /// Part of setting up (TLS handshake, greeting, login).
    Setup,
    /// Encrypted application data (TLS): could be a request or a response.
    Encrypted,
    /// A heartbeat of the application protocol.
    Heartbeat,
    /// More of a message that has begun.
    Continuation,
}

/// The captured part of one segment's payload.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// The first captured octets.
    pub head: &'a [u8],
    /// The last octets, if captured and beyond `head`.
    pub tail: &'a [u8],
    /// Octets on the wire.
    pub length: u32,
}

/// What one payload segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// The protocol.
    pub protocol: Protocol,
    /// What it is.
    pub what: What,
    /// `GET /api/orders`, `200`, `TLS ClientHello example.org`: for people. Empty if there is nothing to say.
    pub label: Label,
    /// HTTP status of a response.
    pub status: Option<u16>,
    /// The sender says that it closes after this exchange (`Connection: close`, HTTP/1.0 without keep-alive, GOAWAY).
    pub announces_close: bool,
    /// `Keep-Alive: timeout=N` in seconds.
    pub keep_alive_timeout: Option<u32>,
    /// `Keep-Alive: max=N`.
    pub keep_alive_max: Option<u32>,
    /// HTTP/2: the last stream id of a GOAWAY.
    pub goaway_last_stream: Option<u32>,
    /// Hash of what identifies a request so that a retry of it can be found (method, target, host; not its bytes); 0: none.
    pub fingerprint: u64,
    /// The request may be sent twice without harm by the protocol's own rules (HTTP GET, HEAD, OPTIONS, PUT, DELETE …).
    pub idempotent: Option<bool>,
    /// The product that speaks (`Server:` header, a greeting), cut; empty if unknown.
    pub product: ArrayString<32>,
    /// The host that the client asks for (`Host:`, SNI), cut; empty if unknown.
    pub host: ArrayString<48>,
}

/// What one connection's payloads have said so far: protocol and framing state, fixed size.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    protocol: Protocol,
}

impl Dialogue {
    /// Reads the next new payload of one side, in order. `starts_turn`: the other side spoke last (or nobody has yet).
    /// `in_order`: no hole lies before it. Excerpts of the middle of a message are [`What::Continuation`] where framing tells, else
    /// [`What::Unknown`].
    pub fn read(&mut self, _direction: Direction, _excerpt: Excerpt<'_>, _starts_turn: bool, _in_order: bool) -> Message {
        Message::default()
    }

    /// The protocol, as far as it is known.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the protocol's own framing says that the server still owes (a part of) an answer; `None`: it cannot tell.
    pub fn response_outstanding(&self) -> Option<bool> {
        None
    }

    /// Whether the dialogue is inside a transaction (SQL `BEGIN` without `COMMIT`); `None`: it cannot tell.
    pub fn in_transaction(&self) -> Option<bool> {
        None
    }
}

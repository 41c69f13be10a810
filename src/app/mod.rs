//! What a payload excerpt says: one file per protocol, one common type. Knows nothing of TCP.
//!
//! A protocol that nobody knows still works: the tracker then goes by turns.

mod amqp;
#[cfg(test)]
mod conversation;
mod dns;
mod excerpt;
mod fingerprint;
mod framing;
mod ftp;
mod hand;
mod http1;
mod http2;
mod imap;
mod kafka;
mod label;
mod ldap;
mod ledger;
mod lines;
mod mqtt;
mod mysql;
mod postgresql;
mod reader;
mod redis;
mod smb;
mod smtp;
mod ssh;
mod tls;
mod websocket;

use arrayvec::ArrayString;

pub use self::excerpt::Excerpt;
pub use self::hand::Hand;
use self::reader::{Input, Note, Reader, Successor};
use serde::{Deserialize, Serialize};

use crate::endpoint::Direction;

/// A short text taken from a payload, for people: never a query string, a cookie or a token. Cut at 56 octets.
pub type Label = ArrayString<56>;

/// An application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
    /// SMB of any version.
    Smb,
}

impl Protocol {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "http/1",
            Self::Http2 => "http/2",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::PostgreSql => "postgresql",
            Self::MySql => "mysql",
            Self::Redis => "redis",
            Self::Kafka => "kafka",
            Self::Amqp => "amqp",
            Self::Smtp => "smtp",
            Self::Dns => "dns",
            Self::Mqtt => "mqtt",
            Self::Ldap => "ldap",
            Self::Ftp => "ftp",
            Self::Imap => "imap",
            Self::Ssh => "ssh",
            Self::Smb => "smb",
            Self::Unknown => "unknown",
        }
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
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

/// What one payload segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// HTTP/2: the first stream that a request opens.
    pub request_stream: Option<u32>,
    /// HTTP/2: the last stream id of a GOAWAY.
    pub goaway_last_stream: Option<u32>,
    /// Hash of what identifies a request so that a retry of it can be found (method, target, host; not its bytes); 0: none.
    pub fingerprint: u64,
    /// The request may be sent twice without harm by the protocol's own rules (HTTP GET, HEAD, OPTIONS, PUT, DELETE …).
    pub idempotent: Option<bool>,
    /// The product that speaks (`Server:` header, product token of `User-Agent:`, a greeting), cut; empty if unknown.
    pub product: ArrayString<32>,
    /// HTTP/1: how the speaker writes.
    pub hand: Hand,
    /// The host that the client asks for (`Host:`, SNI), cut; empty if unknown.
    pub host: ArrayString<48>,
}

/// What one connection's payloads have said so far: protocol and framing state, fixed size.
///
/// Written down it is the protocol: what was said is over.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Protocol")]
pub struct Dialogue {
    state: State,
    client_spoke: bool,
    server_spoke: bool,
    doubts: u8,
}

/// Makes the list of readers: one line per protocol is all that a new one needs here. The order is the order of recognition: what
/// is told by more octets comes first.
macro_rules! registry {
    ($($name:ident => $reader:ty,)*) => {
        #[derive(Clone, Debug, Default)]
        enum State {
            #[default]
            Unknown,
            /// Nothing more is read; this was spoken.
            Over(Protocol),
            $($name($reader),)*
        }

        impl State {
            fn recognise(input: &Input<'_>) -> Self {
                $(if let Some(reader) = <$reader as Reader>::recognise(input) {
                    return Self::$name(reader);
                })*
                Self::Unknown
            }

            fn protocol(&self) -> Protocol {
                match self {
                    Self::Unknown => Protocol::Unknown,
                    Self::Over(protocol) => *protocol,
                    $(Self::$name(_) => <$reader as Reader>::PROTOCOL,)*
                }
            }

            fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
                match self {
                    Self::Unknown | Self::Over(_) => Message::default(),
                    $(Self::$name(reader) => reader.read(input, note),)*
                }
            }

            fn response_outstanding(&self) -> Option<bool> {
                match self {
                    Self::Unknown | Self::Over(_) => None,
                    $(Self::$name(reader) => reader.response_outstanding(),)*
                }
            }

            fn answered(&self) -> Option<bool> {
                match self {
                    Self::Unknown | Self::Over(_) => None,
                    $(Self::$name(reader) => reader.answered(),)*
                }
            }

            fn ends_at_close(&self) -> bool {
                match self {
                    Self::Unknown | Self::Over(_) => false,
                    $(Self::$name(reader) => reader.ends_at_close(),)*
                }
            }

            fn in_transaction(&self) -> Option<bool> {
                match self {
                    Self::Unknown | Self::Over(_) => None,
                    $(Self::$name(reader) => reader.in_transaction(),)*
                }
            }
        }
    };
}

registry! {
    Http1 => http1::Http1,
    Tls => tls::Tls,
    Http2 => http2::Http2,
    WebSocket => websocket::WebSocket,
    PostgreSql => postgresql::PostgreSql,
    MySql => mysql::MySql,
    Redis => redis::Redis,
    Kafka => kafka::Kafka,
    Amqp => amqp::Amqp,
    Smb => smb::Smb,
    Ssh => ssh::Ssh,
    Smtp => smtp::Smtp,
    Ftp => ftp::Ftp,
    Imap => imap::Imap,
    Mqtt => mqtt::Mqtt,
    Ldap => ldap::Ldap,
    Dns => dns::Dns,
}

/// After so many segments in a row that do not fit it, a protocol is taken for a mistake. A handful would forgive too little where
/// the capture has holes; the figure bounds the harm, nothing else depends on it.
const MOST_DOUBTS: u8 = 16;

impl Serialize for Dialogue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.protocol().serialize(serializer)
    }
}

impl From<Protocol> for Dialogue {
    fn from(protocol: Protocol) -> Self {
        Self { state: State::Over(protocol), ..Self::default() }
    }
}

impl Dialogue {
    /// Reads the next new payload of one side, in order. `starts_turn`: the other side spoke last (or nobody has yet).
    /// `in_order`: no hole lies before it. Excerpts of the middle of a message are [`What::Continuation`] where framing tells, else
    /// [`What::Unknown`].
    pub fn read(&mut self, direction: Direction, excerpt: Excerpt<'_>, starts_turn: bool, in_order: bool) -> Message {
        let (spoke, other_spoke) = match direction {
            Direction::ClientToServer => (&mut self.client_spoke, self.server_spoke),
            Direction::ServerToClient => (&mut self.server_spoke, self.client_spoke),
        };
        let is_first = !std::mem::replace(spoke, true);
        let input = Input { direction, excerpt, starts_turn, in_order, is_first, speaks_first: !other_spoke };
        if matches!(self.state, State::Unknown) && (starts_turn || is_first) {
            self.state = State::recognise(&input);
        }
        let mut note = Note::default();
        let message = self.state.read(&input, &mut note);
        let message = if note.is_lost { self.reconsider(&input, message, &mut note) } else { message };
        if !note.is_lost {
            self.doubts = 0;
        }
        if let Some((successor, at)) = note.handover {
            self.hand_over(successor, &input, at);
        }
        message
    }

    /// The protocol, as far as it is known.
    pub fn protocol(&self) -> Protocol {
        self.state.protocol()
    }

    /// Whether the protocol's own framing says that the server still owes (a part of) an answer; `None`: it cannot tell.
    pub fn response_outstanding(&self) -> Option<bool> {
        self.state.response_outstanding()
    }

    /// Whether the first octets of the answer to the oldest request that is still outstanding were seen; `None`: nothing is
    /// outstanding, or it cannot tell. An answer that only the close ends (HTTP/1 without a length) is outstanding and answered.
    pub fn answered(&self) -> Option<bool> {
        self.state.answered()
    }

    /// Whether the answer that the server is sending may end with its close (HTTP/1 without a length): then a FIN completes it.
    pub fn ends_at_close(&self) -> bool {
        self.state.ends_at_close()
    }

    /// Whether the dialogue is inside a transaction (SQL `BEGIN` without `COMMIT`); `None`: it cannot tell.
    pub fn in_transaction(&self) -> Option<bool> {
        self.state.in_transaction()
    }

    /// The current reader does not know these octets: does another one?
    fn reconsider(&mut self, input: &Input<'_>, message: Message, note: &mut Note) -> Message {
        let other = State::recognise(input);
        if !matches!(other, State::Unknown) && other.protocol() != self.protocol() {
            self.state = other;
            self.doubts = 0;
            *note = Note::default();
            return self.state.read(input, note);
        }
        self.doubts = if input.starts_turn { self.doubts.saturating_add(1) } else { self.doubts };
        if self.doubts >= MOST_DOUBTS {
            self.state = State::Unknown;
            self.doubts = 0;
        }
        message
    }

    /// Another protocol speaks from here on; what is left of the segment is its first.
    fn hand_over(&mut self, successor: Successor, input: &Input<'_>, at: u32) {
        self.state = match successor {
            Successor::Anything => State::Unknown,
            Successor::WebSocket => State::WebSocket(websocket::WebSocket::default()),
            Successor::Http2 => State::Http2(http2::Http2::upgraded()),
        };
        self.client_spoke = false;
        self.server_spoke = false;
        let rest = Input { excerpt: input.excerpt.skip(at), starts_turn: true, is_first: true, speaks_first: true, ..*input };
        if rest.excerpt.length > 0 {
            if matches!(self.state, State::Unknown) {
                self.state = State::recognise(&rest);
            }
            // What it says is not told apart from the message that it follows, and it hands over to nobody: the depth stays one.
            let _ = self.state.read(&rest, &mut Note::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    use super::conversation::Conversation;

    #[test]
    fn dialogue_stays_small() {
        assert!(size_of::<Dialogue>() <= 96, "{} octets", size_of::<Dialogue>());
    }

    /// Beginnings that each make another reader start.
    const OPENINGS: &[(bool, &[u8])] = &[
        (true, b""),
        (true, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (true, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
        (false, b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"),
        (false, b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"),
        (true, b"CONNECT h:1 HTTP/1.1\r\n\r\n"),
        (true, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (true, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
        (true, b"\0\0\0\x10\0\x03\0\0user\0a\0\0"),
        (true, &[0, 0, 0, 8, 4, 210, 22, 47]),
        (false, b"\x0a\0\0\0\x0a8.0.36\0xx"),
        (true, b"*1\r\n$4\r\nPING\r\n"),
        (true, b"\0\0\0\x0b\0\x12\0\x03\0\0\0\x01\0\x01a"),
        (true, b"AMQP\0\0\x09\x01"),
        (true, b"AMQP\0\x01\0\0"),
        (false, b"220 mx ESMTP\r\n"),
        (false, b"220 FTP\r\n"),
        (false, b"* OK IMAP\r\n"),
        (true, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
        (true, &[0x30, 5, 2, 1, 3, 0x42, 0]),
        (true, b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01"),
        (false, b"SSH-2.0-x\r\n"),
    ];

    /// Octets that the readers look for, among arbitrary ones.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            vec(any::<u8>(), 0..40),
            vec(prop::sample::select(b"*$+-:\r\n0123456789 .QUIT".to_vec()), 0..40),
            Just(vec![0; 9]),
            Just(vec![0xff; 9]),
            Just(vec![23, 3, 3, 0, 19]),
            Just(b"\r\n0\r\n\r\n".to_vec()),
            Just(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n".to_vec()),
            prop::sample::select(OPENINGS.to_vec()).prop_map(|(_, octets)| octets.to_vec()),
        ];
        vec(piece, 1..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn dialogue_of_arbitrary_octets_neither_panics_nor_shows_control_characters(
            (opens, opening) in prop::sample::select(OPENINGS.to_vec()),
            snap in prop_oneof![Just(0_usize), Just(40), Just(65_535), 1..600_usize],
            segments in vec((any::<bool>(), prop::bool::weighted(0.9), payload()), 1..12),
        ) {
            let direction = |from_client| if from_client { Direction::ClientToServer } else { Direction::ServerToClient };
            let mut talk = Conversation::cut(snap);
            talk.say(direction(opens), opening, true);
            for (from_client, in_order, octets) in segments {
                let message = talk.say(direction(from_client), &octets, in_order);
                for text in [message.label.as_str(), message.product.as_str(), message.host.as_str()] {
                    prop_assert!(!text.chars().any(char::is_control), "{text:?}");
                }
                prop_assert!(message.what != What::Request || message.protocol != Protocol::Unknown);
                prop_assert!(talk.dialogue.answered().is_none() || talk.dialogue.response_outstanding() != Some(false));
                let mut shown = String::new();
                write!(shown, "{:?}{:?}", talk.dialogue, talk.dialogue.in_transaction()).unwrap();
            }
        }

        #[test]
        fn dialogue_of_random_octets_stays_unknown(
            segments in vec((any::<bool>(), vec(any::<u8>(), 1..300)), 1..20),
        ) {
            let mut talk = Conversation::new();
            for (from_client, octets) in segments {
                let direction = if from_client { Direction::ClientToServer } else { Direction::ServerToClient };
                prop_assert_eq!(talk.say(direction, &octets, true).protocol, Protocol::Unknown);
            }
        }
    }
}

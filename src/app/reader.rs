//! The shape that every protocol's reader has.

use super::excerpt::Excerpt;
use super::{Message, Protocol};
use crate::endpoint::Direction;

/// One payload segment as a reader gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a> {
    /// Who sends it.
    pub direction: Direction,
    /// What was captured of it.
    pub excerpt: Excerpt<'a>,
    /// The other side spoke last, or nobody has yet.
    pub starts_turn: bool,
    /// No hole lies before it.
    pub in_order: bool,
    /// Nothing of this direction was seen before.
    pub is_first: bool,
    /// Nothing of the other direction was seen before.
    pub speaks_first: bool,
}

impl<'a> Input<'a> {
    /// The client sends it.
    pub fn is_from_client(&self) -> bool {
        self.direction == Direction::ClientToServer
    }

    /// The first octets.
    pub fn head(&self) -> &'a [u8] {
        self.excerpt.visible(0)
    }
}

/// What a reader tells apart from the message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Note {
    /// The octets do not continue this protocol: another reader may know them.
    pub is_lost: bool,
    /// From this offset of the excerpt on, another protocol speaks.
    pub handover: Option<(Successor, u32)>,
}

/// What comes after a protocol that ends within a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Successor {
    /// Whatever it is, it shows itself (a tunnel, TLS after STARTTLS).
    Anything,
    /// WebSocket.
    WebSocket,
    /// HTTP/2 whose stream 1 was opened by the upgraded request (RFC 7540 section 3.2).
    Http2,
}

/// A protocol's reader: its state of one connection.
pub(super) trait Reader: Sized {
    /// The protocol.
    const PROTOCOL: Protocol;

    /// The state before this segment, if the segment proves the protocol. Called for the first payload of each direction, at the
    /// beginning of turns, and where another protocol's reader is lost.
    fn recognise(input: &Input<'_>) -> Option<Self>;

    /// Reads the next segment.
    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message;

    /// See [`super::Dialogue::response_outstanding`].
    fn response_outstanding(&self) -> Option<bool>;

    /// See [`super::Dialogue::answered`].
    fn answered(&self) -> Option<bool> {
        None
    }

    /// See [`super::Dialogue::ends_at_close`].
    fn ends_at_close(&self) -> bool {
        false
    }

    /// See [`super::Dialogue::in_transaction`].
    fn in_transaction(&self) -> Option<bool> {
        None
    }
}

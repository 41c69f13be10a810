//! A conversation as a test writes it: who says what, in order; the excerpt is cut as a capture would cut it.

use super::{Dialogue, Excerpt, Message};
use crate::endpoint::Direction;
use crate::segment::{EXCERPT_HEAD, EXCERPT_TAIL};

/// A dialogue and who spoke last.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub dialogue: Dialogue,
    last: Option<Direction>,
    snap: Option<usize>,
}

impl Conversation {
    pub fn new() -> Self {
        Self::default()
    }

    /// Of every payload only so many octets were captured.
    pub fn cut(snap: usize) -> Self {
        Self { snap: Some(snap), ..Self::default() }
    }

    pub fn client(&mut self, octets: &[u8]) -> Message {
        self.say(Direction::ClientToServer, octets, true)
    }

    pub fn server(&mut self, octets: &[u8]) -> Message {
        self.say(Direction::ServerToClient, octets, true)
    }

    pub fn say(&mut self, direction: Direction, octets: &[u8], in_order: bool) -> Message {
        let starts_turn = self.last != Some(direction);
        self.last = Some(direction);
        let captured = &octets[..octets.len().min(self.snap.unwrap_or(usize::MAX))];
        let head = &captured[..captured.len().min(EXCERPT_HEAD)];
        let tail = if captured.len() == octets.len() && captured.len() > EXCERPT_HEAD {
            &captured[EXCERPT_HEAD.max(captured.len() - EXCERPT_TAIL)..]
        } else {
            &[]
        };
        let length = u32::try_from(octets.len()).unwrap();
        self.dialogue.read(direction, Excerpt { head, tail, length }, starts_turn, in_order)
    }

    pub fn outstanding(&self) -> Option<bool> {
        self.dialogue.response_outstanding()
    }
}

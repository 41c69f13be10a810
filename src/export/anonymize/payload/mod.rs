//! Payload without its content: what a protocol's reader needs to say the same as before stays, everything else is overwritten.
//!
//! Two readers (`app`) follow each connection, one with the original octets, one with the masked ones. A mask is accepted if the second says what the
//! first says: protocol, kind of message, status, announcements, what is still owed. HTTP/1 and TLS have masks of their own, which keep
//! start lines, framing fields and record headers. Of any other protocol everything is overwritten first; where the reader would then say something
//! else, octets come back one stretch after another, halved down to single ones, until it does not. What is overwritten is zeros; in requests, and where no
//! protocol is known, letters that depend on the content, because equal requests are recognised as retries by their octets.

mod http1;
mod tls;

use std::collections::VecDeque;

use super::Anonymizer;
use crate::app::{Dialogue, Excerpt, Message, Protocol};
use crate::endpoint::Direction;

/// The masks of so many payloads of a connection are remembered, so that a retransmission looks like what it repeats.
const REMEMBERED: usize = 64;
/// A mask is tried at most so often for one payload; the excerpt has 544 octets, and halving finds single ones within twice that.
const MOST_TRIALS: usize = 2048;

/// One segment's payload as it was captured.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Payload<'a> {
    /// The captured octets.
    pub octets: &'a [u8],
    /// Octets on the wire.
    pub length: u32,
    /// So many of the first octets are seen by readers.
    pub head: usize,
    /// So many of the last ones, beyond the head.
    pub tail: usize,
}

/// How the analysis read a payload whose octets were new.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Fresh {
    /// So many octets at its beginning had been sent before.
    pub skip: usize,
    /// Who sent it.
    pub direction: Direction,
    /// The other side spoke last.
    pub starts_turn: bool,
    /// No hole lies before it.
    pub in_order: bool,
}

/// What one connection has said.
#[derive(Debug, Default)]
pub(in crate::export) struct Speech {
    original: Dialogue,
    masked: Dialogue,
    http: http1::Exchange,
    remembered: VecDeque<([u8; 32], Vec<u8>)>,
}

/// What a message says, but for the texts that are taken from it.
type Outcome = (Protocol, crate::app::What, Option<u16>, [bool; 2], [Option<u32>; 3], Option<bool>);

fn outcome(message: &Message) -> Outcome {
    (
        message.protocol,
        message.what,
        message.status,
        [message.announces_close, message.fingerprint != 0],
        [message.keep_alive_timeout, message.keep_alive_max, message.goaway_last_stream],
        message.idempotent,
    )
}

impl Speech {
    /// The same connection begins anew (an incarnation whose SYN was not captured).
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// Masks a payload. `fresh` says how the analysis read it; without it, it was not read: a retransmission, a further sight, a probe.
    pub fn mask(&mut self, payload: &Payload<'_>, fresh: Option<Fresh>, anonymizer: &mut Anonymizer) -> Vec<u8> {
        if payload.octets.is_empty() && fresh.is_none() {
            return Vec::new();
        }
        let name = anonymizer.content_name(payload.octets);
        let Some(fresh) = fresh else {
            let known = self.remembered.iter().rev().find(|(known, _)| *known == name).map(|(_, mask)| mask.clone());
            return known.unwrap_or_else(|| vec![0; payload.octets.len()]);
        };
        let masked = self.mask_fresh(payload, fresh, anonymizer);
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back((name, masked.clone()));
        masked
    }

    fn mask_fresh(&mut self, payload: &Payload<'_>, fresh: Fresh, anonymizer: &mut Anonymizer) -> Vec<u8> {
        let message = payload.read(payload.octets, &mut self.original, fresh);
        let mut candidate = vec![0; payload.octets.len()];
        let (old, new) = candidate.split_at_mut(fresh.skip.min(payload.octets.len()));
        old.fill(0);
        let octets = payload.octets.get(fresh.skip..).unwrap_or_default();
        let length = payload.length.saturating_sub(u32::try_from(fresh.skip).unwrap_or(u32::MAX));
        match message.protocol {
            Protocol::Http1 => self.http.mask(octets, length, &fresh, anonymizer, new),
            Protocol::Tls => tls::mask(octets, anonymizer, new),
            Protocol::Http2 => {}
            Protocol::Unknown => fill(octets, anonymizer, new),
            _ if fresh.direction == Direction::ClientToServer => fill(octets, anonymizer, new),
            _ => {}
        }
        let mut trial = Trial {
            payload,
            fresh,
            before: &self.masked,
            wanted: outcome(&message),
            after: &self.original,
            by_state: message.protocol != Protocol::Http1,
            left: MOST_TRIALS,
        };
        if !trial.accepts(&candidate) {
            candidate = trial.search(candidate);
        }
        payload.read(&candidate, &mut self.masked, fresh);
        candidate
    }
}

/// Letters at the beginning, where requests differ, zeros behind it.
fn fill(octets: &[u8], anonymizer: &Anonymizer, into: &mut [u8]) {
    let shown = into.len().min(crate::segment::EXCERPT_HEAD);
    if let Some(head) = into.get_mut(..shown) {
        anonymizer.filling(octets, head);
    }
}

impl Payload<'_> {
    /// Lets a reader read what it would have seen of these octets in this segment.
    fn read(&self, octets: &[u8], dialogue: &mut Dialogue, fresh: Fresh) -> Message {
        let head = octets.get(..self.head.min(octets.len())).unwrap_or_default();
        let tail = octets.get(octets.len().saturating_sub(self.tail)..).unwrap_or_default();
        let excerpt = Excerpt {
            head: head.get(fresh.skip..).unwrap_or_default(),
            tail,
            length: self.length.saturating_sub(u32::try_from(fresh.skip).unwrap_or(u32::MAX)),
        };
        dialogue.read(fresh.direction, excerpt, fresh.starts_turn, fresh.in_order)
    }
}

/// Tries masks of one payload.
struct Trial<'a> {
    payload: &'a Payload<'a>,
    fresh: Fresh,
    /// The reader of the masked octets, before this payload.
    before: &'a Dialogue,
    wanted: Outcome,
    /// The reader of the original octets, after it.
    after: &'a Dialogue,
    /// Both readers must also be in the same state. HTTP/1's state holds the last octets of a body, which must not stay.
    by_state: bool,
    left: usize,
}

impl Trial<'_> {
    fn accepts(&mut self, candidate: &[u8]) -> bool {
        self.left = self.left.saturating_sub(1);
        let mut dialogue = self.before.clone();
        let message = self.payload.read(candidate, &mut dialogue, self.fresh);
        let owed =
            |dialogue: &Dialogue| (dialogue.protocol(), dialogue.response_outstanding(), dialogue.answered(), dialogue.in_transaction());
        outcome(&message) == self.wanted
            && owed(&dialogue) == owed(self.after)
            && (!self.by_state || format!("{dialogue:?}") == format!("{:?}", self.after))
    }

    /// Brings original octets back where the reader needs them. If not even all of them do (the readers have drifted apart), none comes back.
    fn search(&mut self, mask: Vec<u8>) -> Vec<u8> {
        let length = mask.len();
        let head = self.payload.head.min(length);
        let tail = length.saturating_sub(self.payload.tail).max(head);
        let mut candidate = mask.clone();
        for (from, to) in [(self.fresh.skip.min(head), head), (tail, length)] {
            copy(self.payload.octets, &mut candidate, from, to);
        }
        if !self.accepts(&candidate) {
            return mask;
        }
        let mut stretches = vec![(tail, length), (self.fresh.skip.min(head), head)];
        while let Some((from, to)) = stretches.pop() {
            if from >= to {
                continue;
            }
            let kept = candidate.clone();
            copy(&mask, &mut candidate, from, to);
            if self.left > 0 && self.accepts(&candidate) {
                continue;
            }
            let middle = from.saturating_add(to.saturating_sub(from) / 2);
            if self.left == 0 {
                return mask; // rather another finding than a leak
            }
            candidate = kept;
            if middle > from {
                stretches.push((middle, to));
                stretches.push((from, middle));
            }
        }
        candidate
    }
}

fn copy(from: &[u8], into: &mut [u8], start: usize, end: usize) {
    if let (Some(from), Some(into)) = (from.get(start..end), into.get_mut(start..end)) {
        into.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests;

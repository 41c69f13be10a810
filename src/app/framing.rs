//! Follows length-prefixed records across segments: TLS, HTTP/2, WebSocket, the database and messaging protocols.
//!
//! A record's header may be split over segments (it is held back), its body may run over many (it is counted down), and a record
//! boundary may fall where nothing was captured (then the position is lost until the caller restarts at a place it trusts).

use super::excerpt::Excerpt;
use super::reader::{Input, Note};
use super::{Message, What};
use crate::endpoint::Direction;

/// The longest header that any of the protocols needs to tell a record's length: WebSocket's 2 + 8 octets (RFC 6455 section 5.2).
const LONGEST_HEADER: usize = 10;

/// What a header's first octets say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// More octets are needed.
    More,
    /// The record has so many octets in all, its header included.
    Octets(u64),
    /// This is no header of the protocol.
    Invalid,
}

/// The position of one direction within its records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framer {
    left: u64,
    held: [u8; LONGEST_HEADER],
    held_len: u8,
    lost: bool,
}

/// A record whose header ends in the excerpt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    header: [u8; LONGEST_HEADER],
    header_len: u8,
    /// The visible beginning of what follows the header.
    pub body: &'a [u8],
    /// The whole record's octets, header included.
    pub octets: u64,
    /// The record ends within the excerpt.
    pub ends_here: bool,
}

impl Record<'_> {
    /// The header's octets.
    pub fn header(&self) -> &[u8] {
        self.header.get(..self.header_len as usize).unwrap_or_default()
    }

    /// One octet of the header; 0 where the header is shorter.
    pub fn header_octet(&self, at: usize) -> u8 {
        self.header().get(at).copied().unwrap_or_default()
    }
}

impl Framer {
    /// The position is unknown: a record boundary was not captured, or what stood there is no header.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// The next octet begins a record.
    pub fn is_at_boundary(&self) -> bool {
        !self.lost && self.left == 0 && self.held_len == 0
    }

    /// The next octet is taken to begin a record.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The position is not known any more.
    pub fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }

    /// The next so many octets are to be passed over.
    pub fn pass(&mut self, octets: u64) {
        self.left = self.left.saturating_add(octets);
    }

    /// Gets ready for a segment: a hole loses the position, and a turn that begins without a hole finds it again.
    pub fn prepare(&mut self, input: &Input<'_>) {
        if !input.in_order {
            self.lose();
        } else if self.lost && input.starts_turn {
            self.restart();
        }
    }

    /// The next record whose header ends in the excerpt; `at` moves on. `None` once the excerpt is used up or the position lost.
    pub fn next<'a>(&mut self, excerpt: &Excerpt<'a>, at: &mut u32, measure: impl Fn(&[u8]) -> Measure) -> Option<Record<'a>> {
        if self.lost {
            return None;
        }
        let rest = excerpt.length.saturating_sub(*at);
        let pass = u32::try_from(self.left).unwrap_or(u32::MAX).min(rest);
        self.left = self.left.saturating_sub(u64::from(pass));
        *at = at.saturating_add(pass);
        while *at < excerpt.length {
            let (Some(octet), Some(slot)) = (excerpt.octet(*at), self.held.get_mut(self.held_len as usize)) else {
                self.lose();
                return None;
            };
            *slot = octet;
            self.held_len = self.held_len.saturating_add(1);
            *at = at.saturating_add(1);
            match measure(self.held.get(..self.held_len as usize).unwrap_or_default()) {
                Measure::More => {}
                Measure::Octets(octets) if octets >= u64::from(self.held_len) => return Some(self.begin(excerpt, *at, octets)),
                Measure::Octets(_) | Measure::Invalid => {
                    self.lose();
                    return None;
                }
            }
        }
        None
    }

    fn begin<'a>(&mut self, excerpt: &Excerpt<'a>, at: u32, octets: u64) -> Record<'a> {
        self.left = octets.saturating_sub(u64::from(self.held_len));
        let visible = excerpt.visible(at);
        let body = usize::try_from(self.left).ok().and_then(|left| visible.get(..left)).unwrap_or(visible);
        let ends_here = self.left <= u64::from(excerpt.length.saturating_sub(at));
        let record = Record { header: self.held, header_len: self.held_len, body, octets, ends_here };
        self.held_len = 0;
        record
    }
}

/// The positions of both directions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framers {
    client: Framer,
    server: Framer,
}

impl Framers {
    /// The position of one direction.
    pub fn of(&mut self, direction: Direction) -> &mut Framer {
        match direction {
            Direction::ClientToServer => &mut self.client,
            Direction::ServerToClient => &mut self.server,
        }
    }

    /// Reads the records whose header ends in the segment, in order.
    pub fn walk<'a>(&mut self, input: &Input<'a>, measure: impl Fn(&[u8]) -> Measure, mut each: impl FnMut(&Record<'a>)) -> Walked {
        let framer = self.of(input.direction);
        framer.prepare(input);
        let continues = !framer.is_lost() && !framer.is_at_boundary();
        let mut at = 0;
        let mut found = false;
        while let Some(record) = framer.next(&input.excerpt, &mut at, &measure) {
            found = true;
            each(&record);
        }
        Walked { continues, found, is_lost: framer.is_lost() }
    }

    /// Either position is unknown.
    pub fn any_lost(&self) -> bool {
        self.client.lost || self.server.lost
    }
}

/// How a walk over a segment's records went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walked {
    /// The segment began in the middle of a record.
    pub continues: bool,
    /// A record's header was found.
    pub found: bool,
    /// The position was lost, or was never known.
    pub is_lost: bool,
}

impl Walked {
    /// A segment without a record of its own continues one; one that is neither may belong to another protocol.
    pub fn conclude(self, input: &Input<'_>, message: &mut Message, note: &mut Note) {
        if self.found {
            return;
        }
        if self.continues {
            message.what = What::Continuation;
        } else {
            note.is_lost = self.is_lost && !input.head().is_empty();
        }
    }
}

/// The octets are records of this kind from the first to the last: what proves a protocol that is met in the middle.
pub(super) fn fills(input: &Input<'_>, measure: impl Fn(&[u8]) -> Measure) -> bool {
    let mut framer = Framer::default();
    let mut at = 0;
    let mut found = false;
    while let Some(record) = framer.next(&input.excerpt, &mut at, &measure) {
        found = record.ends_here;
    }
    found && framer.left <= u64::from(input.excerpt.length.saturating_sub(at)) && !framer.lost && framer.held_len == 0
}

/// Big-endian number of up to eight octets at the given place; `None` where they were not captured.
pub(super) fn be(octets: &[u8], at: usize, width: usize) -> Option<u64> {
    let end = at.checked_add(width)?;
    Some(octets.get(at..end)?.iter().take(8).fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet)))
}

/// Little-endian number of up to eight octets at the given place; `None` where they were not captured.
pub(super) fn le(octets: &[u8], at: usize, width: usize) -> Option<u64> {
    let end = at.checked_add(width)?;
    Some(octets.get(at..end)?.iter().rev().take(8).fold(0_u64, |sum, octet| (sum << 8) | u64::from(*octet)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_octet_length(header: &[u8]) -> Measure {
        match be(header, 0, 2) {
            None => Measure::More,
            Some(0xffff) => Measure::Invalid,
            Some(length) => Measure::Octets(length.saturating_add(2)),
        }
    }

    fn lengths(framer: &mut Framer, excerpt: Excerpt<'_>) -> Vec<u64> {
        let mut at = 0;
        let mut found = Vec::new();
        while let Some(record) = framer.next(&excerpt, &mut at, two_octet_length) {
            found.push(record.octets);
        }
        found
    }

    #[test]
    fn framer_with_a_header_split_over_two_segments_finds_the_record() {
        let mut framer = Framer::default();
        assert_eq!(lengths(&mut framer, Excerpt { head: &[0], tail: &[], length: 1 }), [0_u64; 0]);
        assert_eq!(lengths(&mut framer, Excerpt { head: &[3, 1, 2, 3, 0, 1], tail: &[], length: 6 }), [5, 3]);
        assert!(!framer.is_at_boundary());
        assert_eq!(lengths(&mut framer, Excerpt { head: &[9], tail: &[], length: 1 }), [0_u64; 0]);
        assert!(framer.is_at_boundary());
    }

    #[test]
    fn framer_whose_boundary_falls_into_the_tail_follows_it() {
        let mut framer = Framer::default();
        let excerpt = Excerpt { head: &[0, 98, 7], tail: &[7, 0, 1, 7], length: 103 };
        assert_eq!(lengths(&mut framer, excerpt), [100, 3]);
        assert!(framer.is_at_boundary());
    }

    #[test]
    fn framer_whose_boundary_was_not_captured_is_lost_until_restarted() {
        let mut framer = Framer::default();
        assert_eq!(lengths(&mut framer, Excerpt { head: &[0, 10, 7], tail: &[], length: 30 }), [12]);
        assert!(framer.is_lost());
        assert_eq!(lengths(&mut framer, Excerpt { head: &[0, 1, 7], tail: &[], length: 3 }), [0_u64; 0]);
        framer.restart();
        assert_eq!(lengths(&mut framer, Excerpt { head: &[0, 1, 7], tail: &[], length: 3 }), [3]);
    }

    #[test]
    fn framer_on_an_invalid_header_is_lost() {
        let mut framer = Framer::default();
        assert_eq!(lengths(&mut framer, Excerpt { head: &[0, 0, 255, 255], tail: &[], length: 4 }), [2]);
        assert!(framer.is_lost());
    }
}

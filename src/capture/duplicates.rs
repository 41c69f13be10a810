//! The same frame in two files that overlap: counted once.
//!
//! Two frames are the same when time, lengths and octets are equal and they come from different files. Captures made at two places have
//! the same octets but never the same nanosecond; equal ones come from one recording that was split with an overlap, or named
//! twice. Frames that one file has twice stay two.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::frame::Frame;
use crate::time::Timestamp;

/// Frames of one point in time that are remembered. Merged by time, equal frames come one after the other; only clocks of one second
/// put thousands of frames on one point. Beyond it, duplicates are no longer found.
const MAX_REMEMBERED: usize = 65_536;

/// Fixed, so that the same input gives the same report.
const SEEDS: (u64, u64, u64, u64) = (0x5851_f42d_4c95_7f2d, 0x1405_7b7e_f767_814f, 0x2545_f491_4f6c_dd1d, 0x9e37_79b9_7f4a_7c15);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    time: Timestamp,
    wire_length: u32,
    captured: usize,
    hash: u64,
}

/// The frames at one point in time of the merge.
pub(super) struct Duplicates {
    hasher: RandomState,
    now: Timestamp,
    /// How often a frame was handed on.
    handed_on: HashMap<Key, u32, RandomState>,
    /// How often a file had it.
    had: HashMap<(Key, u32), u32, RandomState>,
}

impl Duplicates {
    /// Remembers nothing yet.
    pub(super) fn new() -> Self {
        let hasher = || RandomState::with_seeds(SEEDS.0, SEEDS.1, SEEDS.2, SEEDS.3);
        Self { hasher: hasher(), now: Timestamp(i64::MIN), handed_on: HashMap::with_hasher(hasher()), had: HashMap::with_hasher(hasher()) }
    }

    /// Whether another file has already given this frame; `now` is the time of the merge.
    pub(super) fn seen(&mut self, frame: &Frame<'_>, now: Timestamp) -> bool {
        let Some(time) = frame.time else { return false };
        if now != self.now || self.had.len() >= MAX_REMEMBERED {
            self.now = now;
            self.handed_on.clear();
            self.had.clear();
        }
        let key = Key { time, wire_length: frame.wire_length, captured: frame.captured.len(), hash: self.hasher.hash_one(frame.captured) };
        let had = self.had.entry((key, frame.id.file())).or_insert(0);
        *had = had.saturating_add(1);
        let handed_on = self.handed_on.entry(key).or_insert(0);
        if *had <= *handed_on {
            return true;
        }
        *handed_on = *had;
        false
    }

    /// Whether a frame at this time of the merge may still have a twin.
    pub(super) fn at(&self, now: Timestamp) -> bool {
        self.now == now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameId, LinkType};

    fn frame(file: u32, number: u64, time: i64, captured: &[u8]) -> Frame<'_> {
        Frame {
            id: FrameId::new(file, number),
            time: Some(Timestamp(time)),
            link_type: LinkType(1),
            interface: 0,
            fcs_octets: 0,
            wire_length: 60,
            captured,
        }
    }

    #[test]
    fn seen_same_frame_in_another_file_is_a_duplicate_in_the_same_file_not() {
        let mut duplicates = Duplicates::new();
        let now = Timestamp(5);
        assert!(!duplicates.seen(&frame(0, 1, 5, b"abc"), now));
        assert!(!duplicates.seen(&frame(0, 2, 5, b"abc"), now));
        assert!(duplicates.seen(&frame(1, 1, 5, b"abc"), now));
        assert!(duplicates.seen(&frame(1, 2, 5, b"abc"), now));
        assert!(!duplicates.seen(&frame(1, 3, 5, b"abc"), now));
        assert!(duplicates.seen(&frame(2, 1, 5, b"abc"), now));
    }

    #[test]
    fn seen_near_misses_are_different_frames() {
        let mut duplicates = Duplicates::new();
        assert!(!duplicates.seen(&frame(0, 1, 5, b"abc"), Timestamp(5)));
        assert!(!duplicates.seen(&frame(1, 1, 5, b"abd"), Timestamp(5)));
        assert!(!duplicates.seen(&Frame { wire_length: 61, ..frame(1, 2, 5, b"abc") }, Timestamp(5)));
        assert!(!duplicates.seen(&frame(1, 3, 6, b"abc"), Timestamp(6)));
        assert!(!duplicates.seen(&Frame { time: None, ..frame(1, 4, 6, b"abc") }, Timestamp(6)));
    }
}

//! The same frame in two inputs, told by its rows: counted once, as `capture` does where it reads both.
//!
//! Two rows are of the same frame when flow, place in the order, time, hash of the frame and part are the same and they come from different inputs. Rows
//! that one input has twice stay two.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::account::MALFORMED;
use super::marks;
use super::rows::{Content, Row};
use crate::decode::SHORT_HEADER;
use crate::time::Timestamp;

/// Rows of one flow at one point in time that are remembered; beyond them twins are no longer found.
const MAX_REMEMBERED: usize = 65_536;
/// Fixed, so that the same rows give the same report.
const SEEDS: (u64, u64, u64, u64) = (0x9216_d5d9_8979_fb1b, 0xd131_0ba6_98df_b5ac, 0x2ffd_72db_d01a_dfb7, 0xb8e1_afed_6a26_7e96);

/// What was dropped: sums, so that the parts of a job may be added in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Frames.
    pub frames: u64,
    /// Segments.
    pub segments: u64,
    /// Of these, further ones in a frame that has one already.
    pub further: u64,
    /// Of these, sFlow samples.
    pub sampled: u64,
    /// Of these, first fragments whose later ones were not captured: they count as fragments too.
    pub first_fragments: u64,
    /// Of these, those whose length others told.
    pub measured: u64,
    /// Datagrams that never became whole.
    pub incomplete: u64,
    /// Frames that are sound and no segments, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Frames that should have been readable, by what is wrong.
    pub malformed: BTreeMap<String, u64>,
}

impl Dropped {
    /// Adds what another part of the job dropped.
    pub fn add(&mut self, other: &Self) {
        let Self { frames, segments, further, sampled, first_fragments, measured, incomplete, skipped, malformed } = other;
        let sum = |own: &mut u64, other: u64| *own = own.saturating_add(other);
        sum(&mut self.frames, *frames);
        sum(&mut self.segments, *segments);
        sum(&mut self.further, *further);
        sum(&mut self.sampled, *sampled);
        sum(&mut self.first_fragments, *first_fragments);
        sum(&mut self.measured, *measured);
        sum(&mut self.incomplete, *incomplete);
        for (own, other) in [(&mut self.skipped, skipped), (&mut self.malformed, malformed)] {
            for (reason, count) in other {
                sum(own.entry(reason.clone()).or_default(), *count);
            }
        }
    }

    fn count(&mut self, row: &Row<'_>) {
        let add = |to: &mut u64| *to = to.saturating_add(1);
        let is = |bit: i32| row.marks & bit != 0;
        match row.content {
            Content::Segment(_) => {
                add(&mut self.segments);
                if is(marks::SAMPLED) {
                    add(&mut self.sampled);
                }
                if is(marks::MEASURED) {
                    add(&mut self.measured);
                }
                if row.part > 0 {
                    add(&mut self.further);
                } else if is(marks::FIRST_FRAGMENT) {
                    add(&mut self.first_fragments); // its frame has a row of its own
                } else {
                    add(&mut self.frames);
                }
            }
            Content::IcmpQuote(_) => self.other(false, ICMP_ERROR),
            Content::ShortHeader { .. } => self.other(true, SHORT_HEADER),
            Content::OtherFrame { what, reason, .. } => self.other(what == MALFORMED, reason),
            Content::IncompleteDatagram(_) => add(&mut self.incomplete),
            Content::Server { .. } | Content::Fact(_) => {}
        }
    }

    fn other(&mut self, is_malformed: bool, reason: &str) {
        self.frames = self.frames.saturating_add(1);
        let counts = if is_malformed { &mut self.malformed } else { &mut self.skipped };
        match counts.get_mut(reason) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(counts.insert(reason.to_owned(), 1)),
        }
    }
}

/// Under which an ICMP error counts as skipped.
pub(super) const ICMP_ERROR: &str = "icmp error";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    time: Timestamp,
    hash: i64,
    part: i32,
    /// A datagram that never became whole is not its first fragment.
    is_datagram: bool,
}

/// Finds twins among rows in the order (`flow_hash`, `order_ns`, `file`, `frame`, `part`).
#[derive(Debug)]
pub struct Twins {
    /// Flow and place in the order of the rows at hand.
    run: Option<(i64, Timestamp)>,
    /// The only row of the run so far, and its input.
    only: Option<(Key, u32)>,
    /// How often a row was handed on.
    handed_on: HashMap<Key, u32, ahash::RandomState>,
    /// How often an input had it.
    had: HashMap<(Key, u32), u32, ahash::RandomState>,
    dropped: Dropped,
}

impl Default for Twins {
    fn default() -> Self {
        let hasher = || ahash::RandomState::with_seeds(SEEDS.0, SEEDS.1, SEEDS.2, SEEDS.3);
        let (handed_on, had) = (HashMap::with_hasher(hasher()), HashMap::with_hasher(hasher()));
        Self { run: None, only: None, handed_on, had, dropped: Dropped::default() }
    }
}

impl Twins {
    /// Whether another input has already given this row: it is counted, and must not be used.
    pub fn is_duplicate(&mut self, row: &Row<'_>) -> bool {
        let Some((key, file)) = key(row) else { return false };
        let run = Some((row.flow_hash, row.order));
        if self.run != run || self.had.len() >= MAX_REMEMBERED {
            self.run = run;
            self.only = Some((key, file));
            if !self.had.is_empty() {
                self.handed_on.clear();
                self.had.clear();
            }
            return false;
        }
        if let Some((first, of)) = self.only.take() {
            self.is_repeated(first, of);
        }
        let is_duplicate = self.is_repeated(key, file);
        if is_duplicate {
            self.dropped.count(row);
        }
        is_duplicate
    }

    fn is_repeated(&mut self, key: Key, file: u32) -> bool {
        let had = self.had.entry((key, file)).or_insert(0);
        *had = had.saturating_add(1);
        let handed_on = self.handed_on.entry(key).or_insert(0);
        if *had <= *handed_on {
            return true;
        }
        *handed_on = *had;
        false
    }

    /// What was dropped.
    pub fn into_dropped(self) -> Dropped {
        self.dropped
    }
}

/// What tells a row's frame, and its input; `None` where it can have no twin.
fn key(row: &Row<'_>) -> Option<(Key, u32)> {
    let hash = row.frame_hash.filter(|_| row.marks & marks::TIME_UNKNOWN == 0)?;
    let time = match row.content {
        Content::Segment(segment) => segment.time,
        Content::IcmpQuote(quote) => quote.time,
        Content::IncompleteDatagram(datagram) => datagram.time,
        Content::ShortHeader { time, .. } | Content::OtherFrame { time, .. } => time,
        Content::Server { .. } | Content::Fact(_) => return None,
    };
    let is_datagram = matches!(row.content, Content::IncompleteDatagram(_));
    Some((Key { time, hash, part: row.part, is_datagram }, row.content.frame()?.file()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;

    fn row(file: u32, number: u64, order: i64, hash: i64, reason: &str) -> Row<'_> {
        let content = Content::OtherFrame { frame: FrameId::new(file, number), time: Timestamp(order), what: "skipped", reason };
        Row { flow_hash: hash, order: Timestamp(order), part: 0, marks: 0, frame_hash: Some(hash), content }
    }

    #[test]
    fn row_of_another_input_is_a_duplicate_and_one_that_an_input_has_twice_is_none() {
        let mut twins = Twins::default();
        let told: Vec<bool> = [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (2, 9)]
            .into_iter()
            .map(|(file, number)| twins.is_duplicate(&row(file, number, 5, 77, "udp")))
            .collect();
        assert_eq!(told, [false, false, true, true, false, true]);
        let dropped = twins.into_dropped();
        assert_eq!((dropped.frames, dropped.skipped.get("udp")), (3, Some(&3)));
        let mut sum = dropped.clone();
        sum.add(&dropped);
        assert_eq!((sum.frames, sum.skipped.get("udp")), (6, Some(&6)));
    }

    #[test]
    fn near_misses_are_different_frames() {
        let mut twins = Twins::default();
        assert!(!twins.is_duplicate(&row(0, 1, 5, 77, "udp")));
        assert!(!twins.is_duplicate(&Row { frame_hash: Some(78), ..row(1, 1, 5, 77, "udp") }));
        assert!(!twins.is_duplicate(&Row { part: 1, ..row(1, 1, 5, 77, "udp") }));
        assert!(!twins.is_duplicate(&Row { marks: marks::TIME_UNKNOWN, ..row(1, 1, 5, 77, "udp") }));
        assert!(!twins.is_duplicate(&row(1, 2, 6, 77, "udp")));
        assert_eq!(twins.into_dropped(), Dropped::default());
    }
}

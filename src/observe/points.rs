//! Capture points: the same segments seen at two places (two files, two interfaces, inside and outside of a tunnel).
//!
//! The tracker tells another sight of a segment at another place. Here, per pair of places: how many segments, how long each direction takes
//! from the one to the other, and by how much the hop count changes. That says which point is nearer to the clients, what lies between,
//! and how far two clocks are apart. Everything is bounded.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::frame::FrameId;
use crate::tcp::step::{Place, SeenBefore};
use crate::time::Span;

/// So many pairs of places are kept; 23 places have no more.
const KEPT_PAIRS: usize = 256;
/// So many files of one place are named: those of a rotation.
const KEPT_FILES: usize = 256;
/// So many delays of one direction are kept.
const KEPT_DELAYS: usize = 512;

/// What the segments of one direction show. All of it can be joined with what was seen elsewhere, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Way {
    /// A sample of the delays: those of the frames whose numbers have the lowest hashes (a bottom-k sample).
    delays: BTreeSet<(u64, FrameId, Span)>,
    segments: u64,
    /// Changes of the hop count, and how often each was seen: one, unless the path changes.
    changes: BTreeMap<i16, u64>,
}

impl Way {
    fn add(&mut self, frame: FrameId, delay: Span, change: i16) {
        self.keep((hash(frame), frame, delay));
        self.segments += 1;
        *self.changes.entry(change).or_default() += 1;
    }

    fn keep(&mut self, sampled: (u64, FrameId, Span)) {
        if self.delays.len() >= KEPT_DELAYS && self.delays.last().is_some_and(|last| *last <= sampled) {
            return;
        }
        self.delays.insert(sampled);
        if self.delays.len() > KEPT_DELAYS {
            self.delays.pop_last();
        }
    }

    /// The same, from the second place to the first.
    #[must_use]
    pub fn turned(&self) -> Self {
        Self {
            delays: self.delays.iter().map(|(hash, frame, delay)| (*hash, *frame, Span::ZERO - *delay)).collect(),
            segments: self.segments,
            changes: self.changes.iter().map(|(change, count)| (change.saturating_neg(), *count)).collect(),
        }
    }

    fn join(&mut self, other: Self) {
        for sampled in other.delays {
            self.keep(sampled);
        }
        self.segments = self.segments.saturating_add(other.segments);
        for (change, count) in other.changes {
            let known = self.changes.entry(change).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// Segments seen at both places.
    pub const fn segments(&self) -> u64 {
        self.segments
    }

    /// The median of the time at the second place less the time at the first.
    pub fn delay(&self) -> Option<Span> {
        let mut sorted: Vec<Span> = self.delays.iter().map(|(.., delay)| *delay).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// The hop count at the second place less that at the first, as most segments have it.
    pub fn hop_change(&self) -> Option<i16> {
        self.changes.iter().max_by_key(|(change, count)| (**count, std::cmp::Reverse(**change))).map(|(change, _)| *change)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): spreads neighbouring frames.
fn hash(frame: FrameId) -> u64 {
    let mut word = (u64::from(frame.file()) << 43) ^ frame.number();
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Two places that saw the same segments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pair {
    /// The clients' segments.
    pub client: Way,
    /// The servers' segments.
    pub server: Way,
}

/// Every pair of places.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Points {
    pairs: BTreeMap<(Place, Place), Pair>,
    files: BTreeMap<Place, BTreeSet<u32>>,
}

impl Points {
    /// A segment of the client or the server, in `frame`, was seen at another place before.
    pub fn seen(&mut self, seen: &SeenBefore, frame: FrameId, from_client: bool) {
        let (first, second) = (seen.first.place, seen.second.place);
        let (key, delay, change) = if first <= second {
            ((first, second), seen.delay, seen.hop_change)
        } else {
            ((second, first), Span::ZERO - seen.delay, seen.hop_change.saturating_neg())
        };
        let Some(pair) = self.pair(key) else { return };
        let way = if from_client { &mut pair.client } else { &mut pair.server };
        way.add(frame, delay, change);
        for sight in [seen.first, seen.second] {
            self.file(sight.place, sight.file);
        }
    }

    /// Takes in what was seen elsewhere; `place` gives the places of there their numbers here.
    pub fn join(&mut self, other: Self, place: impl Fn(Place) -> Place) {
        for ((first, second), pair) in other.pairs {
            // Another numbering may turn a pair round.
            let key = (place(first), place(second));
            if key.0 <= key.1 {
                if let Some(known) = self.pair(key) {
                    known.client.join(pair.client);
                    known.server.join(pair.server);
                }
            } else if let Some(known) = self.pair((key.1, key.0)) {
                known.client.join(pair.client.turned());
                known.server.join(pair.server.turned());
            }
        }
        for (of, files) in other.files {
            for file in files {
                self.file(place(of), file);
            }
        }
    }

    fn pair(&mut self, key: (Place, Place)) -> Option<&mut Pair> {
        if self.pairs.len() >= KEPT_PAIRS && !self.pairs.contains_key(&key) {
            return None;
        }
        Some(self.pairs.entry(key).or_default())
    }

    fn file(&mut self, place: Place, file: u32) {
        let files = self.files.entry(place).or_default();
        if files.len() < KEPT_FILES || files.last().is_some_and(|last| file < *last) {
            files.insert(file);
        }
        if files.len() > KEPT_FILES {
            files.pop_last();
        }
    }

    /// The pairs, in the order of their places.
    pub fn pairs(&self) -> impl Iterator<Item = (Place, Place, &Pair)> {
        self.pairs.iter().map(|((first, second), pair)| (*first, *second, pair))
    }

    /// The places and the files that show them.
    pub fn places(&self) -> impl Iterator<Item = (Place, &BTreeSet<u32>)> {
        self.files.iter().map(|(place, files)| (*place, files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;
    use crate::tcp::step::Sight;

    fn sight(interface: u32) -> Sight {
        Sight { place: Place { interface, stack: 0 }, file: interface }
    }

    fn seen(first: u32, second: u32, delay: i64, hop_change: i16) -> SeenBefore {
        SeenBefore { first: sight(first), second: sight(second), delay: Span(delay), hop_change }
    }

    #[test]
    fn pair_of_places_has_both_directions_in_one_order() {
        let mut points = Points::default();
        for delay in [10, 30, 20] {
            points.seen(&seen(0, 1, delay, -1), FrameId::new(0, delay.cast_unsigned()), true);
            points.seen(&seen(1, 0, delay, -1), FrameId::new(1, delay.cast_unsigned()), false);
        }
        let pairs: Vec<_> = points.pairs().collect();
        assert_eq!(pairs.len(), 1);
        let (first, second, pair) = &pairs[0];
        assert_eq!((first.interface, second.interface), (0, 1));
        assert_eq!((pair.client.segments(), pair.client.delay(), pair.client.hop_change()), (3, Some(Span(20)), Some(-1)));
        assert_eq!((pair.server.segments(), pair.server.delay(), pair.server.hop_change()), (3, Some(Span(-20)), Some(1)));
        assert_eq!(points.places().map(|(_, files)| files.iter().copied().collect::<Vec<_>>()).collect::<Vec<_>>(), [vec![0], vec![1]]);
    }

    #[test]
    fn delays_beyond_those_kept_are_a_fair_sample() {
        let mut way = Way::default();
        for delay in 0_i64..10_000 {
            way.add(FrameId::new(0, delay.cast_unsigned() + 1), Span(delay), 0);
        }
        assert_eq!(way.delays.len(), KEPT_DELAYS);
        let median = way.delay().unwrap().nanos();
        assert!((4_500..5_500).contains(&median), "{median}");
    }

    #[test]
    fn parts_joined_in_any_order_are_the_whole() {
        let part = |frames: std::ops::Range<u64>| {
            let mut points = Points::default();
            for frame in frames {
                let (first, second) = if frame % 3 == 0 { (1, 0) } else { (0, 1) };
                points.seen(&seen(first, second, frame.cast_signed() % 977, -1), FrameId::new(0, frame), frame % 2 == 0);
            }
            points
        };
        let whole = format!("{:?}", part(0..3_000));
        // there the places have the numbers the other way round
        let turned = |points: Points| {
            let mut other = Points::default();
            other.join(points, |place| Place { interface: 1 - place.interface, ..place });
            other
        };
        for parts in [[0..1_000, 1_000..3_000], [1_000..3_000, 0..1_000]] {
            let mut joined = Points::default();
            for points in parts {
                joined.join(turned(part(points)), |place| Place { interface: 1 - place.interface, ..place });
            }
            assert_eq!(format!("{joined:?}"), whole);
        }
    }
}

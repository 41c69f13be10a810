//! Capture points: the same segments seen at two places (two files, two interfaces, inside and outside of a tunnel).
//!
//! The tracker tells another sight of a segment at another place. Here, per pair of places: how many segments, how long each direction takes
//! from the one to the other, and by how much the hop count changes. That says which point is nearer to the clients, what lies between,
//! and how far two clocks are apart. Everything is bounded.

use std::collections::BTreeMap;

use arrayvec::ArrayVec;

use crate::tcp::step::{Place, SeenBefore};
use crate::time::Span;

/// So many pairs of places are kept; 23 places have no more.
const KEPT_PAIRS: usize = 256;
/// So many files of one place are named: those of a rotation.
const KEPT_FILES: usize = 256;
/// So many delays of one direction are kept; of more, every second, fourth … one.
const KEPT_DELAYS: usize = 512;
/// So many different changes of the hop count are counted; there is one, unless the path changes.
const KEPT_CHANGES: usize = 4;

/// What the segments of one direction show.
#[derive(Clone, Debug, Default)]
pub struct Way {
    delays: Vec<Span>,
    /// Only every so many-th delay is kept.
    stride: u64,
    segments: u64,
    changes: ArrayVec<(i16, u64), KEPT_CHANGES>,
}

impl Way {
    fn add(&mut self, delay: Span, change: i16) {
        self.stride = self.stride.max(1);
        if self.segments.is_multiple_of(self.stride) {
            if self.delays.len() == KEPT_DELAYS {
                let mut place = 0_usize;
                self.delays.retain(|_| {
                    place = place.wrapping_add(1);
                    place % 2 == 1
                });
                self.stride = self.stride.saturating_mul(2);
            }
            self.delays.push(delay);
        }
        self.segments += 1;
        match self.changes.iter_mut().find(|(known, _)| *known == change) {
            Some((_, count)) => *count += 1,
            None => {
                let _ = self.changes.try_push((change, 1));
            }
        }
    }

    /// The same, from the second place to the first.
    #[must_use]
    pub fn turned(&self) -> Self {
        let delays = self.delays.iter().map(|delay| Span::ZERO - *delay).collect();
        let changes = self.changes.iter().map(|(change, count)| (change.saturating_neg(), *count)).collect();
        Self { delays, changes, ..*self }
    }

    /// Segments seen at both places.
    pub const fn segments(&self) -> u64 {
        self.segments
    }

    /// The median of the time at the second place less the time at the first.
    pub fn delay(&self) -> Option<Span> {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// The hop count at the second place less that at the first, as most segments have it.
    pub fn hop_change(&self) -> Option<i16> {
        self.changes.iter().max_by_key(|(change, count)| (*count, std::cmp::Reverse(*change))).map(|(change, _)| *change)
    }
}

/// Two places that saw the same segments.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The clients' segments.
    pub client: Way,
    /// The servers' segments.
    pub server: Way,
}

/// Every pair of places.
#[derive(Debug, Default)]
pub struct Points {
    pairs: BTreeMap<(Place, Place), Pair>,
    files: BTreeMap<Place, Vec<u32>>,
}

impl Points {
    /// A segment of the client or the server was seen at another place before.
    pub fn seen(&mut self, seen: &SeenBefore, from_client: bool) {
        let (first, second) = (seen.first.place, seen.second.place);
        let (key, delay, change) = if first <= second {
            ((first, second), seen.delay, seen.hop_change)
        } else {
            ((second, first), Span::ZERO - seen.delay, seen.hop_change.saturating_neg())
        };
        if self.pairs.len() >= KEPT_PAIRS && !self.pairs.contains_key(&key) {
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        let way = if from_client { &mut pair.client } else { &mut pair.server };
        way.add(delay, change);
        for sight in [seen.first, seen.second] {
            let files = self.files.entry(sight.place).or_default();
            if files.len() < KEPT_FILES && files.last() != Some(&sight.file) && !files.contains(&sight.file) {
                files.push(sight.file);
            }
        }
    }

    /// The pairs, in the order of their places.
    pub fn pairs(&self) -> impl Iterator<Item = (Place, Place, &Pair)> {
        self.pairs.iter().map(|((first, second), pair)| (*first, *second, pair))
    }

    /// The places and the files that show them.
    pub fn places(&self) -> impl Iterator<Item = (Place, &[u32])> {
        self.files.iter().map(|(place, files)| (*place, files.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            points.seen(&seen(0, 1, delay, -1), true);
            points.seen(&seen(1, 0, delay, -1), false);
        }
        let pairs: Vec<_> = points.pairs().collect();
        assert_eq!(pairs.len(), 1);
        let (first, second, pair) = &pairs[0];
        assert_eq!((first.interface, second.interface), (0, 1));
        assert_eq!((pair.client.segments(), pair.client.delay(), pair.client.hop_change()), (3, Some(Span(20)), Some(-1)));
        assert_eq!((pair.server.segments(), pair.server.delay(), pair.server.hop_change()), (3, Some(Span(-20)), Some(1)));
        assert_eq!(points.places().map(|(_, files)| files.to_vec()).collect::<Vec<_>>(), [vec![0], vec![1]]);
    }

    #[test]
    fn delays_beyond_those_kept_are_thinned_out_evenly() {
        let mut way = Way::default();
        for delay in 0..10_000 {
            way.add(Span(delay), 0);
        }
        assert!(way.delays.len() <= KEPT_DELAYS);
        let median = way.delay().unwrap().nanos();
        assert!((4_800..5_200).contains(&median), "{median}");
    }
}

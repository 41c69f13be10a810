//! Which octets of one direction were seen: the union of intervals, so that each octet counts once.
//!
//! In-order traffic is one interval and costs nothing. Holes and reordering need a list, which is bounded: past
//! `MAX_INTERVALS` the two closest intervals are joined and the join is counted as exact octets no longer.

use serde::{Deserialize, Serialize};

/// At most so many disjoint intervals of one direction are kept apart (16 octets each).
const MAX_INTERVALS: usize = 4096;

/// A set of octet positions `[start, end)`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    last: Option<(i64, i64)>,
    /// Sorted, disjoint, all of them other than `last`; allocated at the first hole.
    #[allow(clippy::box_collection)] // one pointer in the connection instead of three words
    earlier: Option<Box<Vec<(i64, i64)>>>,
    joined: u64,
    /// Octets of incarnations before, of which only their number is kept.
    before: u64,
}

impl Coverage {
    /// A set that begins with so many octets of an incarnation before.
    pub fn after(octets: u64) -> Self {
        Self { before: octets, ..Self::default() }
    }

    /// Adds `[start, end)`.
    pub fn add(&mut self, start: i64, end: i64) {
        if end <= start {
            return;
        }
        let Some((low, high)) = self.last else {
            self.last = Some((start, end));
            return;
        };
        if start >= low && start <= high {
            self.last = Some((low, high.max(end)));
            if end > high && self.earlier.is_some() {
                self.absorb();
            }
            return;
        }
        self.insert_elsewhere(start, end);
    }

    /// Number of octets covered.
    pub fn octets(&self) -> u64 {
        let listed: i64 = self.earlier.iter().flat_map(|list| list.iter()).map(|(start, end)| end - start).sum();
        let last = self.last.map_or(0, |(start, end)| end - start);
        u64::try_from(listed.saturating_add(last)).unwrap_or(0).saturating_sub(self.joined).saturating_add(self.before)
    }

    /// Whether every octet of `[start, end)` is covered.
    pub fn contains(&self, start: i64, end: i64) -> bool {
        let within = |&(low, high): &(i64, i64)| start >= low && end <= high;
        self.last.as_ref().is_some_and(within) || self.earlier.as_deref().is_some_and(|list| list.iter().any(within))
    }

    /// Whether there are holes between the octets seen.
    pub fn has_holes(&self) -> bool {
        self.earlier.as_deref().is_some_and(|list| !list.is_empty())
    }

    fn insert_elsewhere(&mut self, start: i64, end: i64) {
        let Some(last) = self.last.take() else { return };
        let list = self.earlier.get_or_insert_with(Box::default);
        let at = list.partition_point(|&(low, _)| low < last.0);
        list.insert(at, last);
        // Join everything that touches the new interval; it becomes the last one written to.
        let first = list.partition_point(|&(_, high)| high < start);
        let beyond = list.partition_point(|&(low, _)| low <= end);
        let (mut low, mut high) = (start, end);
        if first < beyond {
            for &(other_low, other_high) in list.get(first..beyond).unwrap_or_default() {
                low = low.min(other_low);
                high = high.max(other_high);
            }
            list.drain(first..beyond);
        }
        self.last = Some((low, high));
        if list.len() >= MAX_INTERVALS {
            self.join_closest();
        }
    }

    /// The last interval grew: take in what it reaches now.
    fn absorb(&mut self) {
        let (Some((low, mut high)), Some(list)) = (self.last, self.earlier.as_deref_mut()) else { return };
        let first = list.partition_point(|&(other, _)| other < low);
        let beyond = list.partition_point(|&(other, _)| other <= high);
        if first < beyond {
            for &(_, other_high) in list.get(first..beyond).unwrap_or_default() {
                high = high.max(other_high);
            }
            list.drain(first..beyond);
            self.last = Some((low, high));
        }
    }

    fn join_closest(&mut self) {
        let Some(list) = self.earlier.as_deref_mut() else { return };
        let closest = list
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| match pair {
                [(_, left_end), (right_start, right_end)] => Some((right_start - left_end, at, *right_end)),
                _ => None,
            })
            .min();
        if let Some((hole, at, end)) = closest {
            if let Some(left) = list.get_mut(at) {
                left.1 = end;
            }
            list.remove(at + 1);
            self.joined = self.joined.saturating_add(u64::try_from(hole).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;
    use proptest::prelude::*;

    #[test]
    fn retransmission_counts_once() {
        let mut seen = Coverage::default();
        seen.add(0, 100);
        seen.add(100, 200);
        seen.add(50, 150);
        assert_eq!(seen.octets(), 200);
        assert!(!seen.has_holes());
    }

    #[test]
    fn hole_filled_later_joins() {
        let mut seen = Coverage::default();
        seen.add(0, 100);
        seen.add(200, 300);
        assert_eq!(seen.octets(), 200);
        assert!(seen.has_holes());
        seen.add(100, 200);
        assert_eq!(seen.octets(), 300);
        assert!(!seen.has_holes());
        assert!(seen.contains(0, 300));
    }

    proptest! {
        #[test]
        fn union_equals_a_set_of_octets(list in proptest::collection::vec((0i64..200, 0i64..20), 0..60)) {
            let mut seen = Coverage::default();
            let mut set = std::collections::BTreeSet::new();
            for (start, length) in list {
                seen.add(start, start + length);
                set.extend(start..start + length);
            }
            prop_assert_eq!(seen.octets(), set.len() as u64);
        }
    }
}

//! When an input has frames at all, and where all inputs together have none for so long that the recording stood still.

use super::InputSummary;
use crate::time::{Span, Timestamp};

/// A capture without any frame for longer than this stood still, or two were joined: no timer on the way is longer (the longest known
/// default is conntrack's 5 days for established connections).
const LONGEST_PAUSE: Span = Span::from_secs(5 * 24 * 3600);
/// So many stretches of one input are kept; times beyond them belong to the next one, or to the last.
const KEPT_STRETCHES: usize = 1024;
/// So many pauses are kept.
const KEPT_PAUSES: usize = 1024;

/// First and last time of frames of which none is further than five days from the next.
pub type Stretch = (Timestamp, Timestamp);

/// The stretches of one input, in the order of time. They depend on the times alone, not on their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretches {
    stretches: Vec<Stretch>,
    /// The one to which the last frame belongs.
    current: usize,
}

impl Stretches {
    /// A frame at this time.
    #[inline]
    pub(super) fn add(&mut self, time: Timestamp) {
        let is_last = self.current.saturating_add(1) == self.stretches.len();
        match self.stretches.get_mut(self.current) {
            Some((from, to)) if *from <= time && time <= *to => {}
            Some((from, to)) if is_last && *from <= time && time.since(*to) <= LONGEST_PAUSE => *to = time,
            _ => self.place(time),
        }
    }

    /// The stretches.
    pub(super) fn into_stretches(self) -> Vec<Stretch> {
        self.stretches
    }

    #[cold]
    fn place(&mut self, time: Timestamp) {
        // the first that is not over for longer than a pause at this time
        let at = self.stretches.partition_point(|(_, to)| time.since(*to) > LONGEST_PAUSE);
        let is_near = self.stretches.get(at).is_some_and(|(from, _)| from.since(time) <= LONGEST_PAUSE);
        self.current = at;
        if !is_near && self.stretches.len() < KEPT_STRETCHES {
            self.stretches.insert(at, (time, time));
            return;
        }
        if !is_near {
            self.current = at.min(self.stretches.len().saturating_sub(1));
        }
        let after = self.stretches.get(self.current.saturating_add(1)).copied();
        if let Some((from, to)) = self.stretches.get_mut(self.current) {
            (*from, *to) = ((*from).min(time), (*to).max(time));
            if let Some((_, end)) = after.filter(|(next, _)| next.since(*to) <= LONGEST_PAUSE) {
                *to = (*to).max(end);
                self.stretches.remove(self.current.saturating_add(1));
            }
        }
    }
}

/// Where no input has any frame: the last time before and the first after each pause.
pub(super) fn pauses(inputs: &[InputSummary]) -> Vec<(Timestamp, Timestamp)> {
    let mut stretches: Vec<Stretch> = inputs.iter().flat_map(|input| &input.stretches).copied().collect();
    stretches.sort_unstable();
    let mut pauses = Vec::new();
    let mut reached: Option<Timestamp> = None;
    for (from, to) in stretches {
        if let Some(before) = reached.filter(|before| from.since(*before) > LONGEST_PAUSE && pauses.len() < KEPT_PAUSES) {
            pauses.push((before, from));
        }
        reached = Some(reached.map_or(to, |before| before.max(to)));
    }
    pauses
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(days: i64) -> Timestamp {
        Timestamp::new(days * DAY, 0)
    }

    fn of(days: &[i64]) -> InputSummary {
        let mut stretches = Stretches::default();
        for day in days {
            stretches.add(at(*day));
        }
        InputSummary { stretches: stretches.into_stretches(), ..InputSummary::default() }
    }

    #[test]
    fn stretches_are_those_of_the_times_in_any_order() {
        let expected = vec![(at(0), at(9)), (at(20), at(24)), (at(40), at(40))];
        for days in [[0, 4, 9, 20, 24, 40], [40, 24, 20, 9, 4, 0], [9, 0, 24, 4, 40, 20], [0, 9, 4, 20, 40, 24]] {
            assert_eq!(of(&days).stretches, expected, "{days:?}");
        }
    }

    #[test]
    fn pause_of_five_days_is_none_and_one_that_another_input_covers_neither() {
        assert_eq!(pauses(&[of(&[0, 5, 10])]), []);
        assert_eq!(pauses(&[of(&[0, 6])]), [(at(0), at(6))]);
        assert_eq!(pauses(&[of(&[0, 6]), of(&[1, 4])]), []);
        assert_eq!(pauses(&[of(&[0, 12]), of(&[1, 4])]), [(at(4), at(12))]);
        assert_eq!(pauses(&[of(&[30]), of(&[0])]), [(at(0), at(30))]);
        assert_eq!(pauses(&[of(&[]), InputSummary::default()]), []);
    }

    #[test]
    fn stretches_are_bounded() {
        let days: Vec<i64> = (0..2000).map(|number| number * 10).collect();
        let input = of(&days);
        assert_eq!(input.stretches.len(), KEPT_STRETCHES);
        assert_eq!(input.stretches.last(), Some(&(at(10_230), at(19_990))));
        assert_eq!(pauses(&[input]).len(), KEPT_STRETCHES - 1);
    }
}

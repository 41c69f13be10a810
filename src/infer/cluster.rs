//! The densest cluster of idle times, and robust figures of it.
//!
//! Median and interquartile range after Tukey (Exploratory Data Analysis, 1977); the densest window is the "shorth" of Andrews et al.
//! (Robust Estimates of Location, 1972) with a fixed width, a mode that up to half of the samples being something else does not move.
//! The figures are then taken over the window's neighbourhood too: samples that lie as densely beside it do not belong to a sharp timer.

use crate::time::Span;

/// A timer's samples lie within this of each other, or within 3 % (semantics, «Timeouts»).
const WIDTH_AT_LEAST: Span = Span::from_millis(500);
/// The neighbourhood reaches so many widths beyond the median of the window.
const NEIGHBOURHOOD: i64 = 2;

/// A group of samples that lie close together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The middle sample (the lower of two).
    pub median: Span,
    /// Interquartile range.
    pub spread: Span,
    /// How many samples.
    pub samples: u64,
    /// The smallest and the largest sample.
    pub range: (Span, Span),
}

impl Cluster {
    /// Whether its interquartile range is that of one timer.
    pub fn is_sharp(&self) -> bool {
        self.spread <= width(self.median)
    }
}

/// How wide a cluster around `value` may be.
pub fn width(value: Span) -> Span {
    WIDTH_AT_LEAST.max(Span(value.nanos() / 100 * 3))
}

/// The cluster with the most samples (the longest idle times among equals). `points` ascend; each has its number of occurrences.
pub fn densest(points: &[(Span, u64)]) -> Option<Cluster> {
    let mut best: Option<(usize, usize, u64)> = None;
    let (mut start, mut size) = (0_usize, 0_u64);
    for (end, (value, count)) in points.iter().enumerate() {
        size += count;
        while let Some((low, low_count)) = points.get(start).filter(|(low, _)| *value - *low > width(*low)) {
            debug_assert!(low <= value);
            size -= low_count;
            start += 1;
        }
        if best.is_none_or(|(.., known)| size >= known) {
            best = Some((start, end, size));
        }
    }
    let (start, end, _) = best?;
    let core = figures(points.get(start..=end)?)?;
    let reach = Span(width(core.median).nanos().saturating_mul(NEIGHBOURHOOD));
    let low = points.partition_point(|(value, _)| *value < core.median - reach);
    let high = points.partition_point(|(value, _)| *value <= core.median + reach);
    let wide = figures(points.get(low..high)?)?;
    // A few stragglers beside the window change nothing; as many as the window holds are another matter.
    if wide.samples * 2 > core.samples * 3 { Some(wide) } else { Some(core) }
}

/// Median, quartiles and range of ascending points.
pub fn figures(points: &[(Span, u64)]) -> Option<Cluster> {
    let samples: u64 = points.iter().map(|(_, count)| count).sum();
    let last = samples.checked_sub(1)?;
    let at = |quarter: u64| {
        let rank = last / 4 * quarter + last % 4 * quarter / 4;
        let mut below = 0;
        points.iter().find(|(_, count)| {
            below += count;
            below > rank
        })
    };
    let (low, median, high) = (at(1)?.0, at(2)?.0, at(3)?.0);
    Some(Cluster { median, spread: high - low, samples, range: (points.first()?.0, points.last()?.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation)] // small numbers of a test
    fn seconds(list: &[f64]) -> Vec<(Span, u64)> {
        list.iter().map(|s| (Span((s * 1e9) as i64), 1)).collect()
    }

    #[test]
    fn outliers_do_not_hide_the_timer() {
        let cluster = densest(&seconds(&[0.4, 3.0, 9.99, 10.0, 10.01, 10.02, 31.0])).unwrap();
        assert_eq!(cluster.samples, 4);
        assert_eq!(cluster.median, Span::from_secs(10));
    }

    #[test]
    fn stragglers_beside_the_window_count_where_they_are_half_as_many_as_it_holds() {
        let core = [10.0, 10.01, 10.02, 10.03, 10.04, 10.05];
        let with = |beside: &[f64]| densest(&seconds(&[&core[..], beside].concat())).unwrap().samples;
        assert_eq!(with(&[10.6, 10.7, 10.8]), 6, "three to six change nothing");
        assert_eq!(with(&[10.6, 10.7, 10.8, 10.9]), 10);
    }

    #[test]
    fn three_percent_of_an_hour_is_one_cluster() {
        let cluster = densest(&seconds(&[3600.0, 3650.0, 3700.0])).unwrap();
        assert_eq!(cluster.samples, 3);
    }

    #[test]
    fn nothing_gives_no_cluster() {
        assert_eq!(densest(&[]), None);
    }

    #[test]
    fn evenly_scattered_times_are_no_sharp_cluster() {
        let list: Vec<f64> = (0..200).map(|i| 20.0 + f64::from(i) * 0.1).collect();
        assert!(!densest(&seconds(&list)).unwrap().is_sharp());
    }

    #[test]
    fn weights_count_as_often_as_they_say() {
        let cluster = densest(&[(Span::from_secs(2), 5), (Span::from_secs(10), 100), (Span::from_millis(10_100), 50)]).unwrap();
        assert_eq!((cluster.samples, cluster.median), (150, Span::from_secs(10)));
    }
}

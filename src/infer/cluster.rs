//! The densest cluster of idle times, and robust figures of it (median and interquartile range: Tukey, Exploratory Data Analysis,
//! 1977; the densest window is the "shorth" of Andrews et al., Robust Estimates of Location, 1972, with a fixed width).

use crate::time::Span;

/// A timer's samples lie within this of each other, or within 3 % (semantics, «Timeouts»).
const WIDTH_AT_LEAST: Span = Span::from_millis(500);

/// A group of samples that lie close together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The middle sample (the lower of two).
    pub median: Span,
    /// Interquartile range.
    pub spread: Span,
    /// How many samples.
    pub samples: usize,
}

/// How wide a cluster around `value` may be.
pub fn width(value: Span) -> Span {
    WIDTH_AT_LEAST.max(Span(value.nanos() / 100 * 3))
}

/// The cluster with the most samples (the longest idle times among equals). `sorted` is ascending.
pub fn densest(sorted: &[Span]) -> Option<Cluster> {
    let mut best: Option<(usize, usize)> = None;
    let mut start = 0;
    for (end, value) in sorted.iter().enumerate() {
        while sorted.get(start).is_some_and(|low| value.nanos() - low.nanos() > width(*low).nanos()) {
            start += 1;
        }
        let size = end + 1 - start;
        if best.is_none_or(|(_, known)| size >= known) {
            best = Some((start, size));
        }
    }
    let (start, samples) = best?;
    let cluster = sorted.get(start..start + samples)?;
    let at = |quarter: usize| cluster.get((samples - 1) * quarter / 4).copied();
    let (low, median, high) = (at(1)?, at(2)?, at(3)?);
    Some(Cluster { median, spread: high - low, samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation)] // test values are small
    fn seconds(list: &[f64]) -> Vec<Span> {
        list.iter().map(|s| Span::from_millis((s * 1e3).round() as i64)).collect()
    }

    #[test]
    fn outliers_do_not_hide_the_timer() {
        let cluster = densest(&seconds(&[0.4, 3.0, 9.99, 10.0, 10.01, 10.02, 31.0])).unwrap();
        assert_eq!(cluster.samples, 4);
        assert_eq!(cluster.median, Span::from_secs(10));
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
}

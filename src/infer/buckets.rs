//! Idle times before closes by servers, by tenth of a decade: the distribution that the picture shows.

use std::collections::BTreeMap;

use crate::observe::samples::Samples;
use crate::time::{NANOS_PER_SECOND, Span};

/// Buckets per power of ten.
const PER_DECADE: f64 = 10.0;

/// Lower bound and number of closes of every bucket that has any, ascending.
pub fn close_buckets(samples: &Samples) -> Vec<(Span, u64)> {
    let mut buckets: BTreeMap<i32, u64> = BTreeMap::new();
    for seen in samples.servers.values() {
        for (idle, count) in seen.by_server.idle.points(None).into_iter().filter(|(idle, _)| *idle > Span::ZERO) {
            *buckets.entry(bucket(idle)).or_default() += count;
        }
    }
    buckets.into_iter().map(|(bucket, count)| (lower_bound(bucket), count)).collect()
}

#[allow(clippy::cast_possible_truncation)] // a positive i64 of nanoseconds has a logarithm between −9 and 10
fn bucket(idle: Span) -> i32 {
    // A hair above, so that a time that is exactly a bound lies in the bucket that it opens.
    (idle.seconds().log10() * PER_DECADE + 1e-9).floor() as i32
}

#[allow(clippy::cast_possible_truncation)] // at most 10¹⁹, and `as` saturates
fn lower_bound(bucket: i32) -> Span {
    Span((10_f64.powf(f64::from(bucket) / PER_DECADE) * NANOS_PER_SECOND as f64).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_without_any_idle_time_is_in_no_bucket() {
        let mut samples = Samples::default();
        let server = samples.servers.entry(crate::endpoint::Endpoint::v4([10, 0, 0, 1], 80)).or_default();
        server.by_server.idle.add(0, Span::ZERO);
        server.by_server.idle.add(1, Span::from_secs(10));
        assert_eq!(close_buckets(&samples), [(Span::from_secs(10), 1)]);
    }

    #[test]
    fn bucket_begins_at_its_lower_bound() {
        assert_eq!(bucket(Span::from_secs(10)), 10);
        assert_eq!(lower_bound(10), Span::from_secs(10));
        assert_eq!(bucket(Span::from_millis(9_999)), 9);
        for number in -30..60 {
            assert_eq!(bucket(lower_bound(number) + Span(1000)), number, "{number}");
        }
    }
}

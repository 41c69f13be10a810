//! Closes that no idle timer explains: after a count of requests, or at an age (catalogue S-06, S-07).

use super::cluster::{densest, figures, width};
use crate::observe::closes::CloseFacts;
use crate::observe::samples::{IMMEDIATE, ServerSamples};
use crate::time::Span;

/// So many connections that end alike make a limit (catalogue S-06).
const LIMIT_FROM: u64 = 3;
/// So many of ten closes right after a response have the same count.
const SAME_COUNT_OF_TEN: u64 = 8;
/// So many of ten closes have the same age.
const SAME_AGE_OF_TEN: u64 = 6;
/// Counts of requests that differ by so many percent are no limit on the count …
const SCATTERED_COUNTS_PERCENT: u32 = 20;
/// … while ages that differ by no more than so many percent may be one on the age.
const SAME_AGE_PERCENT: i64 = 10;
/// A connection that was answered at so much more than the limit contradicts it.
const CONTRADICTION: Span = Span::from_secs(1);

/// The server closes after a constant number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountLimit {
    /// How many requests.
    pub requests: u32,
    /// On how many connections.
    pub connections: u64,
    /// One of them.
    pub example: CloseFacts,
}

/// The server closes at a constant age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeLimit {
    /// Median.
    pub age: Span,
    /// Interquartile range.
    pub spread: Span,
    /// How many closes.
    pub samples: u64,
    /// The idle times before them: shortest and longest.
    pub idle: (Span, Span),
    /// The numbers of requests before them: least and most.
    pub requests: (u32, u32),
    /// One of them.
    pub example: CloseFacts,
}

/// A limit on the number of requests, if the closes right after a response show one: at least three connections of equal count, hardly
/// another count, and no connection that carried more.
pub fn count_limit(samples: &ServerSamples) -> Option<CountLimit> {
    let immediate = &samples.immediate;
    let (requests, (connections, example)) =
        immediate.by_requests.iter().filter(|(requests, _)| **requests >= 2).max_by_key(|(requests, (count, _))| (*count, **requests))?;
    let clear = *connections >= LIMIT_FROM && *connections * 10 >= immediate.count * SAME_COUNT_OF_TEN;
    (clear && samples.most_requests <= *requests).then_some(CountLimit {
        requests: *requests,
        connections: *connections,
        example: *example,
    })
}

/// A limit on the age, if the closes have an age in common and nothing else: neither the idle time before them, nor, where they come right
/// after a response (nginx looks at the age when it has answered), the number of requests.
pub fn age_limit(samples: &ServerSamples) -> Option<AgeLimit> {
    let known: Vec<(&CloseFacts, Span)> =
        samples.by_server.facts.iter().chain(&samples.immediate.facts).filter_map(|close| Some((close, close.age?))).collect();
    let mut ages: Vec<(Span, u64)> = known.iter().map(|(_, age)| (*age, 1)).collect();
    ages.sort_unstable();
    let cluster = densest(&ages).filter(super::cluster::Cluster::is_sharp)?;
    let member = |age: Span| (age - cluster.median).abs() <= width(cluster.median);
    let members: Vec<&CloseFacts> = known.iter().filter(|(_, age)| member(*age)).map(|(close, _)| *close).collect();
    let enough = cluster.samples >= LIMIT_FROM && cluster.samples * 10 >= known.len() as u64 * SAME_AGE_OF_TEN;
    let mut idle: Vec<(Span, u64)> = members.iter().map(|close| (close.idle, 1)).collect();
    idle.sort_unstable();
    let idle = figures(&idle)?;
    let scattered = idle.spread > width(idle.median) && idle.median.nanos() / 4 * 5 <= cluster.median.nanos();
    let scattered = scattered || (cluster.spread.nanos() <= cluster.median.nanos() / 100 * SAME_AGE_PERCENT && after_any_count(&members));
    let latest = cluster.median + CONTRADICTION.max(width(cluster.median));
    let requests = || members.iter().map(|close| close.requests);
    let times = || members.iter().map(|close| close.mark.time);
    // Opened together and closed together: one event (a reload) gives equal ages as well.
    let one_event = times().max().zip(times().min()).is_some_and(|(last, first)| last.since(first) <= width(cluster.median));
    (enough && scattered && !one_event && samples.oldest <= latest).then_some(AgeLimit {
        age: cluster.median,
        spread: cluster.spread,
        samples: cluster.samples,
        idle: idle.range,
        requests: (requests().min().unwrap_or_default(), requests().max().unwrap_or_default()),
        example: **members.first()?,
    })
}

/// Whether these closes come right after a response, but after numbers of requests that have nothing in common.
fn after_any_count(closes: &[&CloseFacts]) -> bool {
    let mut counts: Vec<u32> = closes.iter().map(|close| close.requests).collect();
    counts.sort_unstable();
    let (Some(least), Some(most)) = (counts.first(), counts.last()) else { return false };
    let far_apart = (most - least).saturating_mul(100) >= most.saturating_mul(SCATTERED_COUNTS_PERCENT);
    let commonest = counts.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or_default();
    far_apart && commonest * 2 <= counts.len() && closes.iter().all(|close| close.idle <= IMMEDIATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;
    use crate::tcp::half::Mark;
    use crate::time::Timestamp;

    fn close(stream: u64, idle_millis: i64, age_millis: i64, requests: u32) -> CloseFacts {
        let mark = Mark { frame: FrameId::new(0, stream + 1), time: Timestamp(i64::try_from(stream).unwrap() * 60_000_000_000) };
        let age = Some(Span::from_millis(age_millis));
        CloseFacts { stream, idle: Span::from_millis(idle_millis), age, requests, mark, by_rst: false }
    }

    fn samples(list: &[CloseFacts]) -> ServerSamples {
        let mut samples = ServerSamples::default();
        for close in list {
            samples.close(0, *close, false);
        }
        samples.by_server.flush();
        samples.most_requests = list.iter().map(|close| close.requests).max().unwrap_or_default();
        samples
    }

    #[test]
    fn equal_counts_are_a_limit() {
        let seen = samples(&[close(0, 1, 900, 100), close(1, 2, 7000, 100), close(2, 1, 300, 100)]);
        assert_eq!(count_limit(&seen).map(|limit| (limit.requests, limit.connections)), Some((100, 3)));
    }

    #[test]
    fn two_equal_counts_or_one_longer_connection_are_no_limit() {
        assert_eq!(count_limit(&samples(&[close(0, 1, 900, 100), close(1, 2, 7000, 100)])), None);
        let mut seen = samples(&[close(0, 1, 900, 100), close(1, 2, 7000, 100), close(2, 1, 300, 100)]);
        seen.most_requests = 140;
        assert_eq!(count_limit(&seen), None);
    }

    #[test]
    fn one_request_each_is_no_limit() {
        assert_eq!(count_limit(&samples(&[close(0, 1, 2, 1), close(1, 1, 2, 1), close(2, 1, 2, 1)])), None);
    }

    #[test]
    fn constant_age_with_scattered_idle_times_is_a_limit() {
        let seen = samples(&[close(0, 200, 60_010, 9), close(1, 3000, 60_000, 7), close(2, 9000, 60_020, 3), close(3, 1500, 60_005, 8)]);
        assert_eq!(age_limit(&seen).map(|limit| limit.samples), Some(4));
    }

    #[test]
    fn age_that_less_than_six_of_ten_closes_have_in_common_is_no_limit() {
        let same = [close(0, 200, 60_010, 9), close(1, 3000, 60_000, 7), close(2, 9000, 60_020, 3)];
        let others = [close(3, 700, 21_000, 2), close(4, 900, 34_000, 5), close(5, 400, 47_000, 6)];
        assert!(age_limit(&samples(&[&same[..], &others[..2]].concat())).is_some());
        assert_eq!(age_limit(&samples(&[&same[..], &others].concat())), None);
    }

    #[test]
    fn closes_right_after_a_response_at_one_age_are_a_limit_if_the_counts_differ() {
        let seen = samples(&[close(0, 1, 3110, 26), close(1, 1, 3020, 19), close(2, 2, 3050, 15), close(3, 1, 3160, 12)]);
        assert_eq!(age_limit(&seen).map(|limit| limit.samples), Some(4));
        let same_pace = samples(&[close(0, 1, 3110, 30), close(1, 1, 3020, 30), close(2, 2, 3050, 30), close(3, 1, 3160, 31)]);
        assert_eq!(age_limit(&same_pace), None, "a constant pace gives a constant count: either may be the limit");
        let short = samples(&[close(0, 1, 80, 1), close(1, 1, 300, 4), close(2, 2, 120, 2), close(3, 1, 200, 3)]);
        assert_eq!(age_limit(&short), None, "each page has its own number of requests and takes its own time");
    }

    #[test]
    fn counts_most_of_which_are_equal_are_not_scattered() {
        let seen = |counts: [u32; 6]| {
            let ages = [3110, 3020, 3050, 3160, 3080, 3100];
            let list: Vec<CloseFacts> =
                (0..6_u64).zip(counts).zip(ages).map(|((stream, count), age)| close(stream, 1, age, count)).collect();
            age_limit(&samples(&list)).is_some()
        };
        assert!(seen([10, 40, 25, 10, 33, 10]), "half of them");
        assert!(!seen([10, 40, 10, 10, 33, 10]), "more than half");
    }

    #[test]
    fn equal_ages_of_connections_that_were_opened_and_closed_together_are_no_limit() {
        let mut list = [close(0, 200, 60_010, 9), close(1, 3000, 60_000, 7), close(2, 9000, 60_020, 3), close(3, 1500, 60_005, 8)];
        for close in &mut list {
            close.mark.time = Timestamp(60_000_000_000 + i64::try_from(close.stream).unwrap() * 10_000_000);
        }
        assert_eq!(age_limit(&samples(&list)), None);
    }

    #[test]
    fn constant_idle_time_on_connections_of_one_request_is_no_age_limit() {
        let seen = samples(&[close(0, 10_000, 10_010, 1), close(1, 10_001, 10_004, 1), close(2, 10_002, 10_020, 1)]);
        assert_eq!(age_limit(&seen), None);
    }
}

//! A bounded, even sample of the requests that were answered and the idle time before them: the quiet part of the picture.
//!
//! Idle times are sorted into buckets of a tenth of a decade, and each bucket keeps a few by reservoir sampling (Vitter 1985,
//! algorithm R), so that the rare long silences are shown beside millions of short ones. The random numbers come from a fixed start
//! (splitmix64, Steele et al. 2014): the same capture gives the same dots.

use crate::frame::FrameId;
use crate::time::Span;

/// Buckets per decade.
const PER_DECADE: f64 = 10.0;
/// The shortest idle time that is sampled, in nanoseconds: 1 ms. Below, requests follow each other without a pause.
const SHORTEST: i64 = 1_000_000;
/// Buckets, up to 10^6 s: more than eleven days.
const BUCKETS: usize = 90;
/// Requests kept of each bucket.
const KEPT: usize = 20;

/// One answered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredRequest {
    /// Application idle before it.
    pub idle: Span,
    /// Connection.
    pub stream: u64,
    /// Its first frame.
    pub frame: FrameId,
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    count: u64,
    kept: Vec<AnsweredRequest>,
}

/// The sample.
#[derive(Clone, Debug, Default)]
pub struct AnsweredRequests {
    buckets: Vec<Bucket>,
    state: u64,
}

/// The bucket of an idle time; `None` if it is too short to count.
fn bucket(idle: Span) -> Option<usize> {
    if idle.nanos() < SHORTEST {
        return None;
    }
    let tenths = (idle.nanos() as f64 / SHORTEST as f64).log10() * PER_DECADE;
    #[allow(clippy::cast_possible_truncation)] // from 0 to 130: the span is at least the shortest, and a logarithm is small
    Some((tenths as usize).min(BUCKETS - 1))
}

impl AnsweredRequests {
    /// A request of connection `stream` that began with `frame` was answered; `idle` before it, if that is known.
    pub fn request(&mut self, idle: Option<Span>, frame: FrameId, stream: u64) {
        if let Some(idle) = idle {
            self.add(AnsweredRequest { idle, stream, frame });
        }
    }

    fn add(&mut self, request: AnsweredRequest) {
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, Bucket::default());
        }
        let Some(bucket) = bucket(request.idle).and_then(|at| self.buckets.get_mut(at)) else { return };
        bucket.count = bucket.count.saturating_add(1);
        if bucket.kept.len() < KEPT {
            bucket.kept.push(request);
            return;
        }
        let place = usize::try_from(splitmix(&mut self.state) % bucket.count).unwrap_or(usize::MAX);
        if let Some(slot) = bucket.kept.get_mut(place) {
            *slot = request;
        }
    }

    /// All requests that were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.count))
    }

    /// Those that were kept, by idle time and then by frame.
    pub fn kept(&self) -> Vec<AnsweredRequest> {
        let mut kept: Vec<_> = self.buckets.iter().flat_map(|bucket| bucket.kept.iter().copied()).collect();
        kept.sort_by_key(|request| (request.idle, request.frame));
        kept
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The idle time that a bucket begins with.
    fn lower_bound(bucket: usize) -> Span {
        #[allow(clippy::cast_possible_truncation)] // at most 10^15, far inside the range
        Span::from_nanos((SHORTEST as f64 * 10_f64.powf(bucket as f64 / PER_DECADE)).round() as i64)
    }

    fn request(stream: u64, idle: Span) -> AnsweredRequest {
        AnsweredRequest { idle, stream, frame: FrameId::new(0, stream + 1) }
    }

    #[test]
    fn bucket_begins_with_its_lower_bound() {
        for at in 0..BUCKETS {
            let low = lower_bound(at);
            assert_eq!(bucket(low + Span::from_nanos(low.nanos() / 1_000)), Some(at), "{low:?}");
        }
        assert_eq!(bucket(Span::from_millis(1)), Some(0));
        assert_eq!(bucket(Span::from_secs(1)), Some(30));
        assert_eq!(bucket(Span::from_nanos(999_999)), None);
        assert_eq!(bucket(Span::from_nanos(-5)), None);
        assert_eq!(bucket(Span::from_secs(100_000_000)), Some(BUCKETS - 1));
    }

    #[test]
    fn sample_keeps_the_rare_beside_the_frequent() {
        let mut answered = AnsweredRequests::default();
        for stream in 0..10_000 {
            answered.add(request(stream, Span::from_millis(20)));
        }
        answered.add(request(10_000, Span::from_secs(42)));
        let kept = answered.kept();
        assert_eq!((answered.count(), kept.len()), (10_001, KEPT + 1));
        assert_eq!(kept.last().map(|request| request.stream), Some(10_000));
        assert!(kept.iter().filter(|request| request.stream > 5_000).count() > KEPT / 5, "the sample is spread over the capture");
    }

    #[test]
    fn sample_of_the_same_requests_is_the_same() {
        let sample = || {
            let mut answered = AnsweredRequests::default();
            (0..5_000).for_each(|stream| answered.add(request(stream, Span::from_millis(stream.cast_signed() + 1))));
            answered.kept()
        };
        assert_eq!(sample(), sample());
    }
}

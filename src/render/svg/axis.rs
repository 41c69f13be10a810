//! Scales: a logarithmic one for idle times, a linear one for side-by-side connections, and one that gives every event room.

use crate::render::format::duration;
use crate::time::Span;

/// Idle times that people think in: a mark and a word for each.
const MARKS: [(i64, &str); 12] = [
    (1_000, "1 µs"),
    (10_000, "10 µs"),
    (100_000, "100 µs"),
    (1_000_000, "1 ms"),
    (10_000_000, "10 ms"),
    (100_000_000, "100 ms"),
    (1_000_000_000, "1 s"),
    (10_000_000_000, "10 s"),
    (60_000_000_000, "1 min"),
    (600_000_000_000, "10 min"),
    (3_600_000_000_000, "1 h"),
    (86_400_000_000_000, "1 d"),
];

/// A logarithmic scale of spans.
#[derive(Clone, Copy, Debug)]
pub struct LogScale {
    low: f64,
    high: f64,
}

impl LogScale {
    /// Covers the spans, with a little room at both ends.
    pub fn over(spans: impl Iterator<Item = Span>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for span in spans {
            let place = exponent(span);
            low = low.min(place);
            high = high.max(place);
        }
        if low > high {
            (low, high) = (9.0, 11.0);
        }
        let middle = f64::midpoint(low, high);
        let half = ((high - low) / 2.0 + 0.12).max(0.75);
        Self { low: middle - half, high: middle + half }
    }

    /// The share of the axis at which a span stands.
    pub fn place(self, span: Span) -> f64 {
        ((exponent(span) - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// The marks on the axis.
    pub fn marks(self) -> impl Iterator<Item = (f64, &'static str)> {
        MARKS.iter().map(|(nanos, word)| (exponent(Span::from_nanos(*nanos)), *word)).filter_map(move |(place, word)| {
            (place >= self.low && place <= self.high).then_some(((place - self.low) / (self.high - self.low), word))
        })
    }
}

/// The power of ten of nanoseconds.
fn exponent(span: Span) -> f64 {
    (span.nanos().max(1) as f64).log10()
}

/// Round marks for a linear axis from 0 to `whole`, about `wanted` of them.
pub fn linear_marks(whole: Span, wanted: i64) -> Vec<(f64, String)> {
    const STEPS: [i64; 24] = [
        1_000,
        10_000,
        100_000,
        1_000_000,
        2_000_000,
        5_000_000,
        10_000_000,
        20_000_000,
        50_000_000,
        100_000_000,
        200_000_000,
        500_000_000,
        1_000_000_000,
        2_000_000_000,
        5_000_000_000,
        10_000_000_000,
        30_000_000_000,
        60_000_000_000,
        120_000_000_000,
        300_000_000_000,
        600_000_000_000,
        1_800_000_000_000,
        3_600_000_000_000,
        21_600_000_000_000,
    ];
    let nanos = whole.nanos().max(1);
    let step = STEPS.into_iter().find(|step| nanos / step <= wanted).unwrap_or(86_400_000_000_000);
    let count = (nanos / step).min(1_000);
    (0..=count)
        .map(|number| {
            let at = Span::from_nanos(number.saturating_mul(step));
            (at.nanos() as f64 / nanos as f64, duration(at))
        })
        .collect()
}

/// Places for events in time order, from 0 to 1: a long silence gets more room than a short one, but none hides the rest.
pub fn spread(times: &[Span]) -> Vec<f64> {
    let mut places = Vec::with_capacity(times.len());
    let mut sum = 0.0;
    let mut previous: Option<Span> = None;
    for time in times {
        if let Some(previous) = previous {
            // From 1 for less than 10 µs to 9 for a day: a silence of 10 s is five times as wide as a round trip of 1 ms.
            let micros = time.nanos().saturating_sub(previous.nanos()).max(0) as f64 / 1_000.0;
            sum += 1.0 + (1.0 + micros / 10.0).log10() * 0.8;
        }
        previous = Some(*time);
        places.push(sum);
    }
    if sum > 0.0 {
        for place in &mut places {
            *place /= sum;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_scale_keeps_the_order_and_the_ends() {
        let spans = [Span::from_millis(20), Span::from_secs(10), Span::from_secs(300)];
        let scale = LogScale::over(spans.into_iter());
        let places: Vec<f64> = spans.iter().map(|span| scale.place(*span)).collect();
        assert!(places.is_sorted() && places[0] > 0.0 && places[2] < 1.0, "{places:?}");
        let words: Vec<&str> = scale.marks().map(|(_, word)| word).collect();
        assert_eq!(words, ["100 ms", "1 s", "10 s", "1 min"]);
        assert!((LogScale::over(std::iter::empty()).place(Span::from_secs(10)) - 0.5).abs() < 0.01);
    }

    #[test]
    fn spread_gives_silence_more_room_but_not_all() {
        let places = spread(&[Span::ZERO, Span::from_millis(1), Span::from_secs(60), Span::from_secs(60)]);
        assert_eq!((places[0], places[3]), (0.0, 1.0));
        assert!(places[2] - places[1] > 1.5 * places[1] && places[3] > places[2], "{places:?}");
        assert_eq!(spread(&[Span::ZERO]), [0.0]);
    }

    #[test]
    fn linear_marks_are_round_and_few() {
        let words: Vec<String> = linear_marks(Span::from_millis(44_651), 5).into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["0 s", "10 s", "20 s", "30 s", "40 s"]);
        assert_eq!(linear_marks(Span::ZERO, 8).len(), 1);
    }
}

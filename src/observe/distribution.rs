//! A distribution of times in bounded memory: the first so many values exactly, beyond that a histogram of fixed relative precision.
//!
//! The bins are those of HdrHistogram (Tene, 2012): the power of two and the next seven bits, so that a bin is at most 1/128 = 0.8 % wide
//! and its place is found by integer arithmetic, the same on every machine. A bin keeps the mean of its values, so that a timer that
//! ticks sharply is reported sharply.

use hashbrown::HashMap;

use crate::time::Span;

/// So many values are kept exactly, each with its connection.
const EXACT_VALUES: usize = 256;
/// Bits of a value that tell bins of one power of two apart.
const PRECISION_BITS: u32 = 7;

/// Times and how often each occurred.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    exact: Vec<(u64, Span)>,
    bins: Option<Box<Bins>>,
    count: u64,
    longest: Option<Span>,
}

/// Bins by their place; sorted when they are asked for. Hashed, because a busy server enters a value with every answer.
type Bins = HashMap<u16, Bin, ahash::RandomState>;

/// The values of one bin.
#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    count: u64,
    sum: u128,
}

impl Distribution {
    /// Adds a value of a connection; negative ones (the clock ran backwards) are no times.
    pub fn add(&mut self, stream: u64, value: Span) {
        if value < Span::ZERO {
            return;
        }
        self.count += 1;
        self.longest = self.longest.max(Some(value));
        if let Some(bins) = &mut self.bins {
            enter(bins, value);
        } else if self.exact.len() < EXACT_VALUES {
            self.exact.push((stream, value));
        } else {
            let mut bins = Box::<Bins>::default();
            for (_, known) in self.exact.drain(..) {
                enter(&mut bins, known);
            }
            enter(&mut bins, value);
            self.exact = Vec::new();
            self.bins = Some(bins);
        }
    }

    /// The largest value.
    pub const fn longest(&self) -> Option<Span> {
        self.longest
    }

    /// How many values there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The values in ascending order, each with its number of occurrences; those of one connection left out, as far as it is still
    /// known which they are (among more than some hundred, one changes nothing).
    pub fn points(&self, without: Option<u64>) -> Vec<(Span, u64)> {
        if let Some(bins) = &self.bins {
            let mut sorted: Vec<(u16, Bin)> = bins.iter().map(|(place, bin)| (*place, *bin)).collect();
            sorted.sort_unstable_by_key(|(place, _)| *place);
            return sorted.into_iter().map(|(_, bin)| (bin.mean(), bin.count)).collect();
        }
        let mut values: Vec<Span> = self.exact.iter().filter(|(stream, _)| without != Some(*stream)).map(|(_, value)| *value).collect();
        values.sort_unstable();
        values.into_iter().map(|value| (value, 1)).collect()
    }
}

impl Bin {
    fn mean(&self) -> Span {
        Span(i64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(i64::MAX))
    }
}

fn enter(bins: &mut Bins, value: Span) {
    let nanos = value.nanos().unsigned_abs();
    let bin = bins.entry(place(nanos)).or_default();
    bin.count += 1;
    bin.sum += u128::from(nanos);
}

/// The bin of a value: exponent and leading bits; values below 2⁷ ns have a bin each.
fn place(nanos: u64) -> u16 {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PRECISION_BITS + 1);
    let leading = nanos >> shift;
    u16::try_from((u64::from(shift) << PRECISION_BITS).saturating_add(leading)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_kept_exactly_and_one_connection_can_be_left_out() {
        let mut seen = Distribution::default();
        for stream in 0..5 {
            seen.add(stream, Span::from_millis(2000 + i64::try_from(stream).unwrap()));
        }
        seen.add(9, Span(-1));
        assert_eq!(seen.count(), 5);
        let others: Vec<i64> = seen.points(Some(2)).iter().map(|(value, _)| value.nanos() / 1_000_000).collect();
        assert_eq!(others, [2000, 2001, 2003, 2004]);
    }

    #[test]
    fn many_values_take_bounded_room_and_lose_less_than_a_percent() {
        let mut seen = Distribution::default();
        for i in 0..100_000_i64 {
            seen.add(0, Span(1_000_000_000 + i * 1_000_000));
        }
        let points = seen.points(None);
        assert!(points.len() < 1000, "{}", points.len());
        assert_eq!(points.iter().map(|(_, count)| count).sum::<u64>(), 100_000);
        let mut below = 0;
        let median = points
            .iter()
            .find(|(_, count)| {
                below += count;
                below >= 50_000
            })
            .unwrap()
            .0;
        assert!((median.seconds() / 51.0 - 1.0).abs() < 0.01, "{median}");
    }

    #[test]
    fn one_sharp_value_stays_sharp() {
        let mut seen = Distribution::default();
        (0..1000).for_each(|_| seen.add(0, Span(7_312_345_678)));
        assert_eq!(seen.points(None), [(Span(7_312_345_678), 1000)]);
    }

    #[test]
    fn places_are_in_the_order_of_the_values() {
        let mut last = 0;
        for nanos in (0..63).map(|bit| 1_u64 << bit).flat_map(|power| [power, power + power / 3, power + power / 2]) {
            let now = place(nanos);
            assert!(now >= last, "{nanos}");
            last = now;
        }
    }
}

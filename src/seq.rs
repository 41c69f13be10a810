//! Sequence numbers: 32-bit arithmetic modulo 2³² (RFC 9293 section 3.4).
//!
//! There is no `Ord`: "before" is only defined within half the number space. 0 is an ordinary number; "not seen yet" is `Option`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A TCP sequence or acknowledgement number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// The number `octets` further on.
    #[must_use]
    pub const fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }

    /// The number `octets` before.
    #[must_use]
    pub const fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }

    /// Signed distance from `earlier` to `self` within half the number space.
    #[allow(clippy::cast_possible_wrap)] // the wrap is the definition of serial number arithmetic
    pub const fn distance_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// `self < other` modulo 2³².
    pub const fn before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// `self > other` modulo 2³².
    pub const fn after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// `self <= other` modulo 2³².
    pub const fn at_or_before(self, other: Self) -> bool {
        self.distance_from(other) <= 0
    }

    /// `self >= other` modulo 2³².
    pub const fn at_or_after(self, other: Self) -> bool {
        self.distance_from(other) >= 0
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNumber;

    #[test]
    fn order_across_the_wrap() {
        let last = SeqNumber(u32::MAX);
        assert!(last.before(SeqNumber(0)));
        assert!(SeqNumber(5).after(last));
        assert_eq!(SeqNumber(5).distance_from(last), 6);
        assert_eq!(last.add(1), SeqNumber(0));
        assert_eq!(SeqNumber(0).sub(1), last);
    }

    #[test]
    fn order_half_the_space_apart_does_not_panic() {
        assert!(SeqNumber(0x8000_0000).before(SeqNumber(0)));
        assert!(SeqNumber(0).before(SeqNumber(0x8000_0000)));
    }
}

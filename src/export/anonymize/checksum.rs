//! The Internet checksum (RFC 1071), as IPv4, TCP, UDP, ICMP and GRE use it.

/// A sum in the making.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// With these octets; each call begins at an even place, an odd octet at its end counts as if a zero followed.
    #[must_use]
    pub fn add(self, octets: &[u8]) -> Self {
        let words = octets.chunks(2).map(|pair| match pair {
            [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
            [high] => u64::from(u16::from_be_bytes([*high, 0])),
            _ => 0,
        });
        Self(self.0.wrapping_add(words.fold(0, u64::wrapping_add)))
    }

    /// The checksum field's value.
    #[allow(clippy::cast_possible_truncation)] // folded to 16 bits before
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff).wrapping_add(sum >> 16);
        }
        !(sum as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    #[test]
    fn checksum_of_the_example_in_rfc_1071() {
        let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().add(&octets).finish(), !0xddf2);
        assert_eq!(Sum::default().add(&octets[..4]).add(&octets[4..]).finish(), !0xddf2);
    }

    #[test]
    fn checksum_of_an_odd_length_ends_with_a_zero() {
        assert_eq!(Sum::default().add(&[1, 2, 3]).finish(), Sum::default().add(&[1, 2, 3, 0]).finish());
    }
}

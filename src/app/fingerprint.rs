//! A stable hash of what identifies a request, so that a retry of it can be found on another connection.
//!
//! FNV-1a with 64 bits: no key, no state of the machine, the same bytes give the same number in every run. It is not meant to
//! withstand somebody who wants two requests to collide; the worst that this does is a wrong «retried».
//! Source of the constants: the FNV specification, draft-eastlake-fnv section 5.

/// The offset basis for 64 bits.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// The prime for 64 bits.
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Command octets that count where a protocol has no better identity than its first bytes.
const COMMAND_OCTETS: usize = 128;

/// A hash in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    /// With one more field; a separator keeps `ab`+`c` apart from `a`+`bc`.
    pub fn field(self, octets: &[u8]) -> Self {
        let mixed = octets.iter().chain(&[0]).fold(self.0, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(PRIME));
        Self(mixed)
    }

    /// The number, never 0.
    pub fn finish(self) -> u64 {
        self.0.max(1)
    }

    /// Of the first octets of a command.
    pub fn of_command(octets: &[u8]) -> u64 {
        if octets.is_empty() {
            return 0;
        }
        Self::new().field(octets.get(..COMMAND_OCTETS).unwrap_or(octets)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_of_one_octet_is_the_published_value() {
        // FNV-1a of the octets "a", 0: the published value of "a" is af63dc4c8601ec8c, then one step with 0.
        assert_eq!(Fingerprint::new().field(b"a").finish(), 0xaf63_dc4c_8601_ec8c_u64.wrapping_mul(PRIME));
    }

    #[test]
    fn fingerprint_of_shifted_fields_differs() {
        assert_ne!(Fingerprint::new().field(b"ab").field(b"c").finish(), Fingerprint::new().field(b"a").field(b"bc").finish());
    }
}

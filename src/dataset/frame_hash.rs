//! The hash by which the same frame in two inputs is found.
//!
//! Source: XXH3, 64 bits, with a seed (<https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>). The variant and what goes into it have a name,
//! [`FRAME_HASH`]: another would have another.

use twox_hash::XxHash3_64;

use crate::frame::Frame;

/// The name and version of the hash, in the schema's metadata.
pub const FRAME_HASH: &str = "xxh3-64/1";

/// XXH3-64 of the captured octets, with the length on the wire × 2³² + the captured length as its seed; never 0.
pub fn frame_hash(frame: &Frame<'_>) -> i64 {
    let seed = u64::from(frame.wire_length) << 32 | (frame.captured.len() as u64 & 0xffff_ffff);
    XxHash3_64::oneshot_with_seed(seed, frame.captured).max(1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameId, LinkType};

    fn hash(wire_length: u32, captured: &[u8]) -> i64 {
        let (id, time, link_type) = (FrameId::new(0, 1), None, LinkType(1));
        frame_hash(&Frame { id, time, link_type, interface: 0, fcs_octets: 0, wire_length, captured })
    }

    #[test]
    fn frame_hash_is_that_of_the_table() {
        let page = include_str!("../../docs/cluster.md");
        let octets: Vec<u8> = (0..=255).collect();
        for (length, wire) in [(0_usize, 0_u32), (0, 60), (60, 60), (60, 61), (128, 1514), (256, 256)] {
            let row = format!("| {length} | {wire} | {} |", hash(wire, &octets[..length]));
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn frame_hash_keeps_lengths_and_octets_apart() {
        let known = hash(60, &[7; 40]);
        assert_ne!(known, hash(61, &[7; 40]));
        assert_ne!(known, hash(60, &[7; 41]));
        assert_ne!(known, hash(60, &[[7; 39].as_slice(), &[8]].concat()));
    }
}

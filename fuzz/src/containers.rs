//! pcap and pcapng. The first octet chooses what stands before the rest and in which pieces it is read; the frames must not depend on it.

use super::input::{self, open};

/// A pcap header in both orders, and a pcapng section with one Ethernet interface: with one before it, any octets are records.
const HEADS: [&[u8]; 4] = [
    b"",
    &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
    &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1],
    &[
        10, 13, 13, 10, 28, 0, 0, 0, 77, 60, 43, 26, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0, // section
        1, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 4, 0, 20, 0, 0, 0, // interface
    ],
];

/// How much of damaged compressed data comes out before the damage is noticed depends on the pieces that a decoder is given; `decompressors`
/// looks at these.
const DAMAGED: &str = "cannot be unpacked";

/// Reads the octets twice, in different pieces.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let octets = [HEADS[usize::from(choice & 3)], rest].concat();
    let size = 1 + usize::from(choice >> 2);
    let (whole, drops) = (open(&octets, usize::MAX), open(&octets, size));
    let (whole, drops) = match (whole, drops) {
        (Ok(whole), Ok(drops)) => (whole, drops),
        (whole, drops) => {
            let errors = [whole.err(), drops.err()].map(|error| error.map(|error| error.0));
            assert!(errors[0] == errors[1] || errors.iter().flatten().any(|error| error.contains(DAMAGED)), "{errors:?}");
            return;
        }
    };
    let ((whole, summary), (drops, other)) = (input::read(whole), input::read(drops));
    if summary.inputs[0].compression.is_some() {
        return;
    }
    assert!(whole == drops, "the frames depend on the pieces in which they are read");
    assert_eq!(summary, other);
    // the shortest record of any container: a simple packet block without octets
    assert!(whole.len() <= octets.len() / 16 + 1);
    assert_eq!(summary.inputs[0].frames, whole.len() as u64);
    assert!(whole.iter().map(|frame| frame.5.len()).sum::<usize>() <= octets.len());
    assert!(whole.windows(2).all(|pair| pair[0].0 < pair[1].0), "numbers do not rise");
}

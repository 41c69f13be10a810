//! gzip, zstd, lz4, bzip2, xz. The first octet says whether the rest is compressed data, or is compressed first and then damaged at one
//! place: checksums would else keep nearly everything away from what lies behind them.

use std::io::Write;

use super::input::{self, open};

/// First octets of each format.
const MAGICS: [&[u8]; 6] =
    [&[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], &[4, 0x22, 0x4d, 0x18], &[2, 0x21, 0x4c, 0x18], b"BZh91AY", b"\xfd7zXZ\0"];

/// Compresses, by number of the format.
pub fn compress(format: u8, octets: &[u8]) -> Vec<u8> {
    match format {
        0 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(octets).and_then(|()| encoder.finish()).unwrap_or_default()
        }
        1 => zstd::encode_all(octets, 1).unwrap_or_default(),
        2 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(octets).unwrap_or_default();
            encoder.finish().unwrap_or_default()
        }
        _ => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(octets).and_then(|()| encoder.finish()).unwrap_or_default()
        }
    }
}

/// Reads what comes out.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let octets = match choice >> 6 {
        0 => rest.to_vec(),
        1 => [MAGICS[usize::from(choice & 7) % MAGICS.len()], rest].concat(),
        _ => {
            let Some(([at_1, at_0, change], rest)) = rest.split_first_chunk::<3>() else { return };
            let mut octets = compress(choice & 3, rest);
            let at = usize::from(u16::from_be_bytes([*at_1, *at_0]));
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= change;
            }
            octets
        }
    };
    let size = if choice & 8 == 0 { usize::MAX } else { 7 };
    let Ok(capture) = open(&octets, size) else { return };
    let (frames, summary) = input::read(capture);
    assert!(summary.inputs[0].frames >= frames.len() as u64);
    for warning in &summary.warnings {
        assert!(!warning.text.contains("the decoder has failed"), "the thread of the decoder died: {}", warning.text);
    }
}

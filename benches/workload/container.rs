//! Capture files: classic pcap (`draft-ietf-opsawg-pcap`) and pcapng (`draft-ietf-opsawg-pcapng`), little-endian, microseconds, Ethernet.

use std::io::{self, Write};

/// When the workloads begin: a day in 2026, in microseconds.
const EPOCH: u64 = 1_790_000_000_000_000;

/// The format of a capture file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Pcap,
    Pcapng,
}

impl Container {
    pub fn begin(self, snap_length: usize, sink: &mut dyn Write) -> io::Result<()> {
        let snap_length = (snap_length as u32).to_le_bytes();
        match self {
            Self::Pcap => {
                sink.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
                sink.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
                sink.write_all(&snap_length)?;
                sink.write_all(&[1, 0, 0, 0])
            }
            Self::Pcapng => {
                let section = [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
                block(0x0a0d_0d0a, &[&section], sink)?;
                block(1, &[&[1, 0, 0, 0], &snap_length], sink)
            }
        }
    }

    /// One packet: `octets` of the frame are kept.
    pub fn packet(self, time: u64, frame: &[u8], octets: usize, sink: &mut dyn Write) -> io::Result<()> {
        let time = EPOCH + time;
        let kept = octets.min(frame.len());
        let lengths = [(kept as u32).to_le_bytes(), (frame.len() as u32).to_le_bytes()].concat();
        match self {
            Self::Pcap => {
                sink.write_all(&((time / 1_000_000) as u32).to_le_bytes())?;
                sink.write_all(&((time % 1_000_000) as u32).to_le_bytes())?;
                sink.write_all(&lengths)?;
                sink.write_all(&frame[..kept])
            }
            Self::Pcapng => {
                let times = [((time >> 32) as u32).to_le_bytes(), (time as u32).to_le_bytes()].concat();
                let padding = [0; 3];
                block(6, &[&[0; 4], &times, &lengths, &frame[..kept], &padding[..kept.next_multiple_of(4) - kept]], sink)
            }
        }
    }
}

/// A block of pcapng: type, length, body, length.
fn block(block_type: u32, body: &[&[u8]], sink: &mut dyn Write) -> io::Result<()> {
    let octets = 12 + body.iter().map(|part| part.len()).sum::<usize>();
    let octets = (octets as u32).to_le_bytes();
    sink.write_all(&block_type.to_le_bytes())?;
    sink.write_all(&octets)?;
    for part in body {
        sink.write_all(part)?;
    }
    sink.write_all(&octets)
}

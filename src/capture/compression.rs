//! Compressed captures: recognised by their first octets, decompressed as a stream, with as many members, frames or streams as
//! were put one behind the other.
//!
//! Memory is bounded by the formats' windows: gzip 32 KiB, bzip2 900 kB, lz4 8 MiB, zstd 128 MiB (its own limit for streams), xz as
//! limited by [`XZ_MEMORY_KIB`]. What comes out is not kept, so that a bomb costs time, not memory; [`Bounded`] bounds the time too.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use super::member::{self, Codec};
use super::source::Meter;
use super::stream::OctetStream;

/// A compression format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The LZ4 frame format, and the legacy one of `lz4 -l`.
    Lz4,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

/// What is said of data that no decoder can go on with.
pub(super) const DAMAGED: &str = "what is stored is damaged";

/// Octets that suffice to recognise any of them.
pub(super) const MAGIC_OCTETS: usize = 6;

/// Window of the xz decoder. `xz -9` needs 65 MiB, larger dictionaries have to be asked for explicitly.
const XZ_MEMORY_KIB: u32 = 256 * 1024;

/// So many octets may come out of a file of any size.
const FREE_OCTETS: u64 = 1 << 30;

/// Beyond [`FREE_OCTETS`] the content may be so many times as long as what is stored. Measured on offloaded segments of 64 KiB of zeros, the most
/// compressible traffic that somebody records on purpose: gzip 670, xz 3,000, zstd 3,400, bzip2 5,600. Nothing but zeros: gzip 1,030, xz 6,800, and
/// those end soon by themselves; zstd 32,000, bzip2 1,000,000.
const LARGEST_RATIO: u64 = 10_000;

/// First octets of a gzip member with the only method there is (RFC 1952, section 2.3.1).
pub(super) const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
/// First octets of a Zstandard frame (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// First octets of an LZ4 frame, and of a legacy one.
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// A skippable frame of Zstandard or LZ4 begins with one of sixteen values, little-endian 0x184d2a50 to 0x184d2a5f.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// First octets of an xz stream.
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

impl Compression {
    /// The format that begins with these octets.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        if head.starts_with(&GZIP) {
            return Some(Self::Gzip);
        }
        if head.starts_with(&ZSTD) {
            return Some(Self::Zstd);
        }
        if head.starts_with(&LZ4) || head.starts_with(&LZ4_LEGACY) {
            return Some(Self::Lz4);
        }
        if head.starts_with(&XZ) {
            return Some(Self::Xz);
        }
        // `BZh`, the block size as a digit; the block magic that follows keeps text apart.
        if head.starts_with(b"BZh") && matches!(head.get(3), Some(b'1'..=b'9')) && matches!(head.get(4), Some(0x31 | 0x17)) {
            return Some(Self::Bzip2);
        }
        // A file may begin with a skippable frame; the zstd decoder reads both it and what follows (pzstd writes such files).
        if head.get(1..4) == Some(&SKIPPABLE) && matches!(head.first(), Some(0x50..=0x5f)) {
            return Some(Self::Zstd);
        }
        None
    }

    /// As the report names it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// Reads the content of a compressed stream. Octets behind the last member are an error, zero padding is not.
    pub(super) fn decode(self, source: OctetStream) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Gzip => Box::new(Members::<member::Member<flate2::Decompress>>::new(source)),
            Self::Bzip2 => Box::new(Members::<member::Member<bzip2::Decompress>>::new(source)),
            Self::Lz4 => Box::new(Members::<lz4_flex::frame::FrameDecoder<OctetStream>>::new(source)),
            Self::Zstd => Box::new(SameWords(zstd::stream::read::Decoder::with_buffer(source)?)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(source, true, XZ_MEMORY_KIB)),
        })
    }
}

/// The zstd decoder. In damaged data it finds now this, now that, as there was more or less room for what came before.
struct SameWords<R>(R);

impl<R: Read> Read for SameWords<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(|error| match error.to_string().as_str() {
            "Data corruption detected" | "Destination buffer is too small" | "Src size is incorrect" => {
                io::Error::new(io::ErrorKind::InvalidData, DAMAGED)
            }
            _ => error,
        })
    }
}

/// A decoder that ends where its content has become far longer than any capture is compressed.
pub(super) struct Bounded {
    decoder: Box<dyn Read>,
    stored: Arc<Meter>,
    octets: u64,
}

impl Bounded {
    /// Bounds `decoder` by what was read of its source, as `stored` counts it.
    pub(super) fn new(decoder: Box<dyn Read>, stored: Arc<Meter>) -> Self {
        Self { decoder, stored, octets: 0 }
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let octets = self.decoder.read(into)?;
        self.octets = self.octets.saturating_add(octets as u64);
        if self.octets > FREE_OCTETS && self.octets / LARGEST_RATIO > self.stored.octets() {
            return Err(io::Error::other(format!(
                "it has become more than {LARGEST_RATIO} times as long as what is stored, as a decompression bomb does; if it is meant, unpack it first"
            )));
        }
        Ok(octets)
    }
}

/// A decoder of one member that leaves the octets behind it alone.
trait Member: Read + Sized {
    /// Whether another member begins with these octets.
    fn follows(head: &[u8]) -> bool;
    /// Begins a member.
    fn begin(source: OctetStream) -> Self;
    /// Gives the source back behind the member.
    fn end(self) -> OctetStream;
}

impl<C: Codec> Member for member::Member<C> {
    fn follows(head: &[u8]) -> bool {
        C::follows(head)
    }
    fn begin(source: OctetStream) -> Self {
        Self::new(source)
    }
    fn end(self) -> OctetStream {
        self.into_source()
    }
}

impl Member for lz4_flex::frame::FrameDecoder<OctetStream> {
    fn follows(head: &[u8]) -> bool {
        head.starts_with(&LZ4) || head.starts_with(&LZ4_LEGACY)
    }
    fn begin(source: OctetStream) -> Self {
        Self::new(source)
    }
    fn end(self) -> OctetStream {
        self.into_inner()
    }
}

/// Members one behind the other.
enum Members<M> {
    Inside(M),
    Between(OctetStream),
    Ended,
}

impl<M: Member> Members<M> {
    fn new(source: OctetStream) -> Self {
        Self::Between(source)
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Ended) {
                Self::Ended => return Ok(0),
                Self::Inside(mut member) => {
                    let octets = member.read(into)?;
                    if octets > 0 || into.is_empty() {
                        *self = Self::Inside(member);
                        return Ok(octets);
                    }
                    *self = Self::Between(member.end());
                }
                Self::Between(mut source) => {
                    if step_over_padding(&mut source)? {
                        return Ok(0);
                    }
                    if !M::follows(source.window()) {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "foreign octets follow the compressed data"));
                    }
                    *self = Self::Inside(M::begin(source));
                }
            }
        }
    }
}

/// Steps over zero octets (tapes and disk images pad with them) and skippable frames; true at the end of the source.
fn step_over_padding(source: &mut OctetStream) -> io::Result<bool> {
    loop {
        let octets = source.fill_buf()?;
        if octets.is_empty() {
            return Ok(true);
        }
        let zeros = octets.iter().take_while(|&&octet| octet == 0).count();
        if zeros > 0 {
            source.consume(zeros);
            continue;
        }
        source.need(8);
        let head = source.window();
        if head.get(1..4) != Some(&SKIPPABLE) || !matches!(head.first(), Some(0x50..=0x5f)) {
            return Ok(false);
        }
        let length = head.get(4..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |octets| u32::from_le_bytes(*octets));
        source.skip(u64::from(length).saturating_add(8));
    }
}

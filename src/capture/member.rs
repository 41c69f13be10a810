//! One member of a compressed stream (gzip, bzip2), unpacked up to its damage.
//!
//! Own reader instead of the ones of `flate2` and `bzip2`: where the data are damaged, those drop what they had unpacked in the same call, so
//! that up to a buffer of whole frames before the damage was lost, and how many depended on the sizes of the reads.

use std::io::{self, BufRead, Read};

use super::compression::{DAMAGED, GZIP};
use super::stream::OctetStream;

/// What a decoder did with the octets that it was given.
pub(super) enum Progress {
    /// It goes on.
    On,
    /// It stands behind the member.
    Ended,
}

/// A decoder of one format.
pub(super) trait Codec {
    /// First octets of a member.
    fn follows(head: &[u8]) -> bool;
    /// Begins a member.
    fn begin() -> Self;
    /// Unpacks from `input`, none at the end of the source, into `output`.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String>;
    /// Octets taken and given so far, by a step that failed too.
    fn totals(&self) -> (u64, u64);
}

impl Codec for flate2::Decompress {
    fn follows(head: &[u8]) -> bool {
        head.starts_with(&GZIP)
    }
    fn begin() -> Self {
        // RFC 1952 with the largest window of RFC 1951: 32 KiB
        Self::new_gzip(15)
    }
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        match self.decompress(input, output, flate2::FlushDecompress::None) {
            Ok(flate2::Status::StreamEnd) => Ok(Progress::Ended),
            Ok(flate2::Status::Ok | flate2::Status::BufError) => Ok(Progress::On),
            // its own words depend on how much room there was for what came before
            Err(_) => Err(DAMAGED.to_owned()),
        }
    }
    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

impl Codec for bzip2::Decompress {
    fn follows(head: &[u8]) -> bool {
        head.starts_with(b"BZh")
    }
    fn begin() -> Self {
        Self::new(false)
    }
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, String> {
        match self.decompress(input, output) {
            Ok(bzip2::Status::StreamEnd) => Ok(Progress::Ended),
            Ok(bzip2::Status::MemNeeded) => Err("not enough memory".to_owned()),
            Ok(_) => Ok(Progress::On),
            Err(error) => Err(error.to_string()),
        }
    }
    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }
}

/// A member that is being unpacked.
pub(super) struct Member<C> {
    source: OctetStream,
    codec: C,
    ended: bool,
    /// Why it ends early, to be told once what was unpacked before has been given.
    failed: Option<io::Error>,
}

impl<C: Codec> Member<C> {
    /// Begins a member at the front of `source`.
    pub(super) fn new(source: OctetStream) -> Self {
        Self { source, codec: C::begin(), ended: false, failed: None }
    }

    /// Gives the source back behind the member.
    pub(super) fn into_source(self) -> OctetStream {
        self.source
    }
}

impl<C: Codec> Read for Member<C> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !into.is_empty() && !self.ended {
            if let Some(error) = self.failed.take() {
                self.ended = true;
                return Err(error);
            }
            let input = self.source.fill_buf()?;
            let at_end = input.is_empty();
            let before = self.codec.totals();
            let outcome = self.codec.step(input, into);
            let after = self.codec.totals();
            let [taken, given] =
                [(before.0, after.0), (before.1, after.1)].map(|(before, after)| usize::try_from(after.wrapping_sub(before)).unwrap_or(0));
            self.source.consume(taken);
            match outcome {
                Ok(Progress::Ended) => self.ended = true,
                Ok(Progress::On) if given == 0 && taken == 0 => {
                    let says = if at_end { "the file ends within it" } else { "the decoder does not go on" };
                    self.failed = Some(io::Error::new(io::ErrorKind::UnexpectedEof, says));
                }
                Ok(Progress::On) => {}
                Err(says) => self.failed = Some(io::Error::new(io::ErrorKind::InvalidData, says)),
            }
            if given > 0 {
                return Ok(given);
            }
        }
        Ok(0)
    }
}

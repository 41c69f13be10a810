//! Octets → [`Frame`]s: containers, compression, several files, standard input. The only room that names `pcap_file`.
//!
//! Nothing here looks inside a frame. A read error ends its file, never the job: what was read is reported, with the place of
//! the damage (file, octet) in [`Summary::warnings`].

mod compression;
mod duplicates;
mod expand;
mod foreign;
mod input;
mod member;
mod merge;
mod notes;
mod pcap;
mod pcapng;
mod pcapng_blocks;
mod pump;
mod record;
mod source;
mod stream;
mod stretches;

pub use expand::expand;
pub use notes::notes;
pub use stretches::Stretch;

use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use merge::MAX_NAMES;
use merge::{Merge, Unreadable};

use crate::frame::Frame;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;

/// Where a capture comes from.
pub enum Source {
    /// A file by name.
    Path(PathBuf),
    /// Any stream (standard input, a test's bytes), with the name that the report shows.
    Stream(String, Box<dyn Read + Send>),
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CaptureOptions {
    /// Compute the SHA-256 of every input file (as stored, compressed or not).
    pub hash: bool,
}

/// A job that cannot begin: no such file, not a capture, an unsupported format (with the command that converts it).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CaptureError(pub String);

/// What is known of one input at the end.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct InputSummary {
    /// As named by the user.
    pub name: String,
    /// Of the file's octets, lower-case hexadecimal, if asked for.
    pub sha256: Option<String>,
    /// `pcap` or `pcapng`; `unknown` where the input could not be read at all.
    pub format: &'static str,
    /// `gzip`, `zstd`, `lz4`, `bzip2`, `xz`, or `None`.
    pub compression: Option<&'static str>,
    /// Frames read.
    pub frames: u64,
    /// Octets read (after decompression).
    pub octets: u64,
    /// Earliest time of a frame.
    pub first: Option<Timestamp>,
    /// Latest time of a frame.
    pub last: Option<Timestamp>,
    /// When the capture ended, where the file tells (pcapng interface statistics): often later than its last frame.
    pub ended: Option<Timestamp>,
    /// When it has frames, without pauses of more than five days: first and last times, in the order of time.
    pub stretches: Vec<Stretch>,
    /// Longest time between a frame and the next later one.
    pub longest_silence: Span,
    /// The file was read to its proper end.
    pub complete: bool,
    /// Snap length of the file or of its interfaces, if it cut any frame.
    pub frames_cut_by_snap_length: u64,
}

/// One capture interface; files of a rotation that follow each other share it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Interface {
    /// Input file (the first of a rotation).
    pub file: u32,
    /// Name, where the capture has one.
    pub name: Option<String>,
    /// Capture filter, where the capture has one.
    pub filter: Option<String>,
    /// Link type.
    pub link_type: u16,
    /// Frames dropped by the interface or the kernel during the capture (pcapng statistics), if told.
    pub dropped: Option<u64>,
}

/// What the reader knows when it has finished.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Summary {
    /// In the order of the frames' `file` index.
    pub inputs: Vec<InputSummary>,
    /// In the order of the frames' `interface` index.
    pub interfaces: Vec<Interface>,
    /// Names of addresses from pcapng name resolution blocks.
    pub names: Vec<(IpAddr, String)>,
    /// Problems, in the order of the inputs.
    pub warnings: Vec<Warning>,
    /// The same frame present in two files that overlap, counted once.
    pub duplicate_frames: u64,
    /// How the inputs fit together: gaps and overlaps between the files of a rotation, in whole sentences with their names.
    pub notes: Vec<String>,
}

impl Summary {
    /// Where the recording stood still, because no input has any frame for more than five days: the last time before and the first after each pause.
    pub fn pauses(&self) -> Vec<(Timestamp, Timestamp)> {
        stretches::pauses(&self.inputs)
    }
}

/// One or several captures, read as one.
pub struct Capture {
    merge: Merge,
}

impl Capture {
    /// Opens the sources, reads as far as their first frame and puts them in order. A source that cannot be opened or is no
    /// capture is an error if it is the only one; else a warning.
    pub fn open(sources: Vec<Source>, options: &CaptureOptions) -> Result<Self, CaptureError> {
        Self::open_until(sources, options, Arc::default())
    }

    /// Opens one source of many that are read apart: as they are read together, one that cannot be opened is a warning.
    pub fn open_one_of_many(source: Source, options: &CaptureOptions, stop: Arc<AtomicBool>) -> Result<Self, CaptureError> {
        Ok(Self { merge: Merge::open(vec![source], *options, Unreadable::Warning, stop)? })
    }

    /// As [`Capture::open`]; a read that waits for an input that stalls ends when `stop` becomes true, and the input is then incomplete.
    pub fn open_until(sources: Vec<Source>, options: &CaptureOptions, stop: Arc<AtomicBool>) -> Result<Self, CaptureError> {
        Ok(Self { merge: Merge::open(sources, *options, Unreadable::ErrorIfAll, stop)? })
    }

    /// The next frame; `None` at the end of the last input.
    #[inline]
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        if self.advance() { self.frame() } else { None }
    }

    /// Goes on to the next frame; false at the end of the last input.
    #[inline]
    pub fn advance(&mut self) -> bool {
        self.merge.advance()
    }

    /// The frame that it stands at.
    #[inline]
    pub fn frame(&self) -> Option<Frame<'_>> {
        self.merge.frame()
    }

    /// The same, with the number of capture interfaces that were described until then.
    #[inline]
    pub fn next_frame_and_interfaces(&mut self) -> Option<(Frame<'_>, usize)> {
        self.merge.next_frame_and_interfaces()
    }

    /// When the capture ended, as far as the inputs that were read to their end tell.
    pub fn ended(&self) -> Option<Timestamp> {
        self.merge.ended()
    }

    /// Whether inputs have overlapped in time so far: the frame that it stands at, or one before it, is from the time of two of them.
    #[inline]
    pub const fn has_overlapped(&self) -> bool {
        self.merge.has_overlapped()
    }

    /// The capture interfaces of the frames so far, in the order of the frames' `interface` index.
    pub fn interfaces(&self) -> &[Interface] {
        self.merge.interfaces()
    }

    /// Octets consumed so far and the total if it is known, for a progress display: octets as stored, compressed or not.
    pub fn progress(&self) -> (u64, Option<u64>) {
        self.merge.progress()
    }

    /// Ends reading; call when `next_frame` returned `None` (or earlier, on an interrupt: the inputs are then incomplete).
    pub fn finish(self) -> Summary {
        self.merge.finish()
    }
}

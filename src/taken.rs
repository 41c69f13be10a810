//! What a reading found beside the segments, as plain data: the end of the analysis needs no more of the inputs, whether they were read here or
//! their account came as rows.

use std::collections::BTreeMap;

use crate::capture::Summary;
use crate::decode::{FirstFragments, Names};
use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::time::Timestamp;

/// So many senders of datagrams that never became whole are told apart.
pub const KEPT_INCOMPLETE: usize = 64;

/// What every frame was: the sums are printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Frames read, each once.
    pub frames: u64,
    /// TCP segments.
    pub segments: u64,
    /// Segments that share a frame with an earlier one.
    pub further: u64,
    /// Segments of which only the first fragment was captured.
    pub firsts: FirstFragments,
    /// Frames that are sound and no segments, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Frames that should have been readable, by what is wrong.
    pub malformed: BTreeMap<String, u64>,
    /// Earliest time.
    pub first: Option<Timestamp>,
    /// Latest time.
    pub last: Option<Timestamp>,
    /// Frames without a time of their own.
    pub untimed: u64,
}

/// Datagrams of one sender that never became whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// The connection, if it has any segment.
    pub stream: Option<u64>,
    /// The first fragment of the first one.
    pub first: FrameId,
    /// How many.
    pub count: u64,
}

/// Everything that a reading found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What the reader knows of the inputs.
    pub summary: Summary,
    /// The account of the frames.
    pub frames: Frames,
    /// TCP datagrams in fragments that never became whole.
    pub incomplete_datagrams: u64,
    /// Segments that were sFlow samples.
    pub sampled: u64,
    /// The names of where segments were captured.
    pub names: Names,
    /// The senders of datagrams that never became whole, at most [`KEPT_INCOMPLETE`] of them.
    pub incomplete: Vec<Incomplete>,
    /// Until then silence was watched: the end of the capture, or its last frame.
    pub end: Timestamp,
    /// The user interrupted.
    pub stopped: bool,
}

impl Taken {
    /// How many frames that are sound and no segments there are of a reason.
    pub fn skipped(&self, reason: &str) -> u64 {
        self.frames.skipped.get(reason).copied().unwrap_or(0)
    }
}

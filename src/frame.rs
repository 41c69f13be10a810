//! A captured frame and its place: the unit between `capture` and `decode`.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Which frame: the file (an index into the report's `inputs`) and the 1-based number in that file, the same as Wireshark's
/// `frame.number`. Packed into 64 bits, because evidence lists hold millions of them: 20 bits of file, 43 bits of number, and one that is always
/// set, so that an optional one takes no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FrameId(NonZeroU64);

impl FrameId {
    const NUMBER_BITS: u32 = 43;
    const ALWAYS_SET: NonZeroU64 = NonZeroU64::MIN;
    /// The largest number of files in one run.
    pub const MAX_FILES: u32 = 1 << 20;

    /// Names frame `number` (1-based) of file `file`; both saturate at the width of their field.
    pub const fn new(file: u32, number: u64) -> Self {
        let limit = (1 << Self::NUMBER_BITS) - 1;
        let number = if number > limit { limit } else { number };
        let file = if file >= Self::MAX_FILES { Self::MAX_FILES - 1 } else { file };
        Self(Self::ALWAYS_SET.saturating_add((((file as u64) << Self::NUMBER_BITS) | number) << 1))
    }

    /// Index of the file in the order of the report's `inputs`.
    #[allow(clippy::cast_possible_truncation)] // 20 bits remain
    pub const fn file(self) -> u32 {
        (self.0.get() >> (Self::NUMBER_BITS + 1)) as u32
    }

    /// 1-based frame number within the file.
    pub const fn number(self) -> u64 {
        (self.0.get() >> 1) & ((1 << Self::NUMBER_BITS) - 1)
    }
}

/// Where something stands in the order in which the frames of all inputs are read: by the latest time that its input had reached, then by input as named,
/// by frame, and by the segment within the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Order {
    /// The latest time that the input had reached.
    pub reached: Timestamp,
    /// The input, as they were named, and the frame in it.
    pub frame: FrameId,
    /// Which of the frame's segments, from 0.
    pub part: u32,
}

/// A link-layer header type, as in <https://www.tcpdump.org/linktypes.html> (`LINKTYPE_…` values).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// One frame as it was captured. `captured` may be shorter than `wire_length` (snap length).
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// File and number.
    pub id: FrameId,
    /// Time of capture; `None` where the format has none (pcapng Simple Packet Block).
    pub time: Option<Timestamp>,
    /// How the octets begin.
    pub link_type: LinkType,
    /// Index of the capture interface in `capture::Summary::interfaces`: files of a rotation that follow each other share theirs.
    pub interface: u32,
    /// Octets of a frame check sequence at the end of the frame, where the file says that it has one; else 0.
    pub fcs_octets: u8,
    /// Octets on the wire, as the capture claims.
    pub wire_length: u32,
    /// The octets that were kept.
    pub captured: &'a [u8],
}

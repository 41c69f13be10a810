//! What an input says of itself for those who read the others (`--one-of-many`): hashes of its frames, the servers that it shows, when each of its
//! interfaces appeared.

use std::collections::{BTreeMap, HashSet};

use super::frame_hash::frame_hash;
use super::reading::Settings;
use crate::endpoint::Endpoint;
use crate::frame::{Frame, FrameId};
use crate::segment::Segment;
use crate::time::Timestamp;

/// So many servers are told: those that the analysis remembers.
const MOST_SERVERS: usize = 65_536;
/// Frames whose hash is kept because a row may come later: fragments (`decode` keeps 1024 datagrams of them) and what waits behind them.
const KEPT_FRAMES: usize = 16_384;

/// Where an endpoint was first seen to be a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub endpoint: Endpoint,
    pub order: Timestamp,
    pub frame: FrameId,
    pub part: i32,
}

/// What is gathered of an input.
#[derive(Clone, Debug, Default)]
pub(super) struct OneOfMany {
    pub settings: Settings,
    /// Of the frame at hand.
    pub hash: i64,
    /// Of frames of which there may be a row later.
    kept: BTreeMap<FrameId, i64>,
    /// The servers, in the order of their first segments.
    pub servers: Vec<Server>,
    known: HashSet<Endpoint, ahash::RandomState>,
    /// When each interface was described: the latest time before; `None`: before the first frame.
    pub since: Vec<Option<Timestamp>>,
    /// The latest time before the frame at hand.
    pub reached: Option<Timestamp>,
    /// The time of the first frame.
    pub begins: Option<Timestamp>,
    is_begun: bool,
    /// Rows that belong to a flow.
    pub rows: u64,
}

impl OneOfMany {
    /// Nothing was read yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// A frame, at this place in the order.
    pub fn frame(&mut self, frame: &Frame<'_>, interfaces: usize, order: Timestamp) {
        self.hash = frame_hash(frame);
        if !self.is_begun {
            (self.is_begun, self.begins) = (true, frame.time);
        }
        // an interface that is described before a frame is there as soon as the frame before has been read
        self.since.resize(interfaces, self.reached);
        self.reached = Some(order);
    }

    /// A row may follow for the frame at hand.
    pub fn keep(&mut self, frame: FrameId) {
        if self.kept.len() >= KEPT_FRAMES {
            self.kept.pop_first();
        }
        self.kept.insert(frame, self.hash);
    }

    /// The hash of a frame that was kept.
    pub fn kept(&self, frame: FrameId) -> Option<i64> {
        self.kept.get(&frame).copied()
    }

    /// Looks whether a segment shows a server.
    pub fn look(&mut self, segment: &Segment<'_>, order: Timestamp, part: i32) {
        if !segment.flags.syn() || segment.discarded || self.servers.len() >= MOST_SERVERS {
            return;
        }
        let endpoint = if segment.flags.ack() { segment.src } else { segment.dst };
        if self.known.insert(endpoint) {
            self.servers.push(Server { endpoint, order, frame: segment.frame, part });
        }
    }
}

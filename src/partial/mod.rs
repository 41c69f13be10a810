//! Partial reports: what `afterfin reduce` leaves of some connections of a capture, and what `afterfin merge` makes the report of.
//!
//! A partial has a record of each connection (what the end of the analysis asks of it), what the connections told each other, with its place in the
//! order of the capture, and sums. Numbers of connections are the ranks of their first frames among all partials, and what was told is taken in
//! in the order of the capture: so the report does not depend on how the connections were divided, nor on the order of the partials.
//!
//! The format is for one version of afterfin and one job; it is no contract. It begins with [`MAGIC`]; then frames follow, each a kind (1 octet), a
//! length (4 octets, little-endian) and the content in postcard's encoding (<https://postcard.jamesmunns.com/wire-format>). The last frame has the
//! counts, and the SHA-256 of all octets before it: a partial that is cut or damaged is none.

mod reader;
mod writer;

pub use reader::{Events, Partial};
pub use writer::PartialWriter;

use std::io;

use serde::{Deserialize, Serialize};

use crate::dataset::Dropped;
use crate::endpoint::{Endpoint, Side};
use crate::frame::{FrameId, Order};
use crate::observe::Watch;
use crate::observe::path::Hops;
use crate::observe::points::Points;
use crate::observe::told::Told;
use crate::options::Thresholds;
use crate::tcp::Slot;

/// How a partial begins.
pub const MAGIC: &[u8; 19] = b"afterfin.partial/1\n";
/// So many events are kept until they are put in order and written: a run.
const RUN: usize = 65_536;
/// So many events are in one frame.
const CHUNK: usize = 256;

/// The frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Head = 1,
    Connection = 2,
    /// Events of a run, in order.
    Events = 3,
    Rest = 4,
    End = 5,
}

impl Kind {
    /// A frame of more octets is taken for damage: what is read takes some twenty times the memory, and whoever wrote the file need not be our own writer.
    /// Each is several times what the bounds of its content allow: the events and cases of a connection, [`CHUNK`] events, 256 pairs of places with
    /// their samples and 65,535 hops.
    const fn most_octets(self) -> u32 {
        match self {
            Self::Head | Self::End => 1 << 12,
            Self::Connection | Self::Events => 1 << 20,
            Self::Rest => 1 << 25,
        }
    }

    fn of(octet: u8) -> Option<Self> {
        [Self::Head, Self::Connection, Self::Events, Self::Rest, Self::End].into_iter().find(|kind| *kind as u8 == octet)
    }
}

/// What a partial was made with: all of one report have the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Version of afterfin.
    pub version: String,
    /// SHA-256 of the account of the inputs.
    pub account: [u8; 32],
    /// Thresholds.
    pub thresholds: Thresholds,
}

/// One connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Where it began.
    pub began: Order,
    /// Where it got its number: there, or where its 4-tuple was first named.
    pub numbered: Order,
    /// What is kept of it.
    pub slot: Slot,
    /// What was observed of it.
    pub watch: Option<Box<Watch>>,
    /// What it told at its end, and who was its client then.
    pub last_words: Vec<(Side, Told)>,
}

/// Something that happened and has to do with several connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Where.
    pub order: Order,
    /// Which record of the partial it belongs to.
    pub record: Option<u64>,
    /// What.
    pub happened: Happened,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Happened {
    /// A connection told something; its client then.
    Told(Side, Told),
    /// A datagram never became whole.
    Incomplete {
        /// The sender.
        src: Endpoint,
        /// The receiver.
        dst: Endpoint,
        /// Its first fragment.
        frame: FrameId,
    },
}

/// What is said of all connections of a partial together: everything in it can be joined in any order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Rest {
    /// The places that saw the same segments.
    pub points: Points,
    /// The next hops; the records' numbers are those of this list.
    pub hops: Hops,
    /// Frames that were in two inputs.
    pub dropped: Dropped,
    /// Numbers that no connection got: the 4-tuple was named, and no segment of it came.
    pub unclaimed: Vec<Order>,
    /// Further sights of segments.
    pub duplicates: u64,
    /// Rows that the partial was made of.
    pub rows: u64,
    /// The first of them, by flow hash and place: two partials of different rows are never the same.
    pub first: Option<(i64, Order)>,
}

/// The last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    connections: u64,
    events: u64,
    sha256: [u8; 32],
}

/// Why a partial cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// The file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is none.
    #[error("it is no partial report: it does not begin with \"afterfin.partial/1\"")]
    Foreign,
    /// It was made by another program.
    #[error("it was made by afterfin {0}, this is {version}: make and merge partial reports with the same version", version = env!("CARGO_PKG_VERSION"))]
    Version(String),
    /// It stops in the middle.
    #[error("it ends at octet {0} without its end: whoever wrote it did not finish")]
    Cut(u64),
    /// Its octets are not those that were written.
    #[error("it is damaged at octet {at}: {why}")]
    Damaged {
        /// Where.
        at: u64,
        /// What is wrong.
        why: &'static str,
    },
}

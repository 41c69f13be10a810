//! Segments as rows: what a job on many machines hands from one program to the next, and what people query with tools that they have.
//!
//! [`write_stream`] reads a capture and writes an Arrow IPC stream of one schema: a row for each segment, rows of evidence (ICMP errors, datagrams that
//! never became whole), rows that account for every other frame and for the inputs, and a last row that says how many there were. [`Stream`] reads
//! it back and takes nothing for whole that has not that last row. With the feature `parquet`, `write_tables` writes the same as Parquet files. The
//! contract is `docs/cluster.md`.
//!
//! Source: Apache Arrow columnar format 1.5, IPC streaming format; Apache Parquet format 2.

mod account;
mod columns;
mod facts;
mod flow_hash;
mod frame_hash;
mod inputs;
mod interfaces;
mod messages;
mod one_of_many;
mod reading;
mod rows;
mod stream;
#[cfg(feature = "parquet")]
mod tables;
mod twins;

pub use account::Account;
pub use columns::{BATCH_ROWS, schema};
pub use flow_hash::{FLOW_HASH, flow_hash};
pub use frame_hash::{FRAME_HASH, frame_hash};
pub use inputs::{Inputs, MOST_SERVERS};
pub use reading::Settings;
pub use rows::{Batch, Content, Fact, Places, Row};
pub use stream::{Stream, write_stream};
#[cfg(feature = "parquet")]
pub use tables::{TABLES, write_tables};
pub use twins::{Dropped, Twins};

use std::io;

use arrow_schema::{ArrowError, DataType};

/// The name and version of the rows, in the schema's metadata and in the last row.
pub const SCHEMA: &str = "afterfin.segments/1";
/// Its key in the schema's metadata.
pub const SCHEMA_KEY: &str = "afterfin.schema";
/// The key of the flow hash's version in the schema's metadata.
pub const FLOW_HASH_KEY: &str = "afterfin.flow_hash";
/// The key of the frame hash's version in the schema's metadata.
pub const FRAME_HASH_KEY: &str = "afterfin.frame_hash";

/// Bits of the column `marks`.
pub mod marks {
    /// The frame had no time of its own: `ts_ns` is the last known one.
    pub const TIME_UNKNOWN: i32 = 1;
    /// The header is damaged: no receiver accepts the segment.
    pub const DISCARDED: i32 = 2;
    /// The snap length cut the options.
    pub const OPTIONS_CUT: i32 = 4;
    /// Selective acknowledgement permitted.
    pub const SACK_PERMITTED: i32 = 8;
    /// A Fast Open option.
    pub const FAST_OPEN: i32 = 16;
    /// Of its datagram only the first fragment was captured.
    pub const FIRST_FRAGMENT: i32 = 32;
    /// And others told how long it is.
    pub const MEASURED: i32 = 64;
    /// An sFlow sample.
    pub const SAMPLED: i32 = 128;
}

/// What a row is: the column `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// A TCP segment.
    Segment,
    /// An ICMP error that quotes a segment.
    IcmpQuote,
    /// A datagram in fragments that never became whole.
    IncompleteDatagram,
    /// A TCP header whose length field is below 20: no segment, but its 4-tuple is known.
    ShortHeader,
    /// So many frames of an input were this.
    Frames,
    /// Something about an input.
    Input,
    /// Something about a capture interface.
    Interface,
    /// The name of an address, out of a capture.
    Name,
    /// The end: nothing follows.
    End,
    /// A frame that is no segment, so that the same one in another input is found (`--one-of-many`).
    OtherFrame,
    /// An endpoint that was seen to be a server (`--one-of-many`).
    Server,
}

impl RowKind {
    const ALL: [Self; 11] = [
        Self::Segment,
        Self::IcmpQuote,
        Self::IncompleteDatagram,
        Self::ShortHeader,
        Self::Frames,
        Self::Input,
        Self::Interface,
        Self::Name,
        Self::End,
        Self::OtherFrame,
        Self::Server,
    ];

    /// The number in the column.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The kind of a number.
    pub fn of(number: i32) -> Option<Self> {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at)).copied()
    }

    /// The name in tables for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::IcmpQuote => "icmp-quote",
            Self::IncompleteDatagram => "incomplete-datagram",
            Self::ShortHeader => "short-header",
            Self::Frames => "frames",
            Self::Input => "input",
            Self::Interface => "interface",
            Self::Name => "name",
            Self::End => "end",
            Self::OtherFrame => "other-frame",
            Self::Server => "server",
        }
    }
}

/// Why rows could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The output or the stream failed.
    #[error("{0}")]
    Io(io::Error),
    /// The stream is no Arrow IPC, or is cut within a message.
    #[error("the stream is damaged or cut: {0}")]
    Arrow(String),
    /// A table could not be written.
    #[error("{0}")]
    Table(String),
    /// It is Arrow IPC, but not of this program, or of another version.
    #[error("the schema is {0}, {SCHEMA} is read")]
    Schema(String),
    /// A column is missing or of another type.
    #[error("there is no column {0} of type {1}")]
    Column(&'static str, DataType),
    /// A value that the column cannot hold.
    #[error("row {row}: {column} {why}")]
    Value {
        /// Of the batch, from 0.
        row: usize,
        /// Its name.
        column: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The last row is missing: whoever wrote the stream did not finish.
    #[error("the stream ends after {0} rows without its end row: whoever wrote it did not finish")]
    NoEnd(u64),
    /// The last row tells another number.
    #[error("the end row tells {told} rows, {read} came")]
    Count {
        /// As the last row says.
        told: i64,
        /// As they came.
        read: u64,
    },
    /// The account of the inputs does not fit.
    #[error("the account of the inputs: {0}")]
    Account(String),
    /// Something follows the last row.
    #[error("rows follow the end row")]
    AfterEnd,
}

impl From<io::Error> for DatasetError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ArrowError> for DatasetError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Io(error),
            error => Self::Arrow(error.to_string()),
        }
    }
}

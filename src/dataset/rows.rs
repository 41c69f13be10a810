//! Rows → segments and what else there is, as they were before they became rows.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use arrow_array::{Array, RecordBatch};

use super::columns::View;
use super::reading::{OTHER_ERROR, PACKET_TOO_BIG, TIME_EXCEEDED, UNREACHABLE};
use super::{DatasetError, RowKind, marks};
use crate::endpoint::Endpoint;
use crate::frame::{FrameId, Order};
use crate::segment::{Flags, IcmpError, IcmpQuote, IncompleteDatagram, LinkAddress, Segment, TcpOptions, Vantage};
use crate::seq::SeqNumber;
use crate::time::Timestamp;

/// Names that are told apart; what comes after them is one. As many as `decode` tells apart.
const MAX_NAMES: usize = 4097;

/// The numbers of encapsulations and of the kernel's interfaces, given in the order of their first segments: those of [`crate::decode::Decoder`].
#[derive(Clone, Debug, Default)]
pub struct Places {
    stacks: Names,
    sub_interfaces: Names,
}

impl Places {
    /// The encapsulation of a number, as in [`Vantage::stack`]; empty for 0.
    pub fn stack(&self, number: u16) -> &str {
        self.stacks.name(number)
    }

    /// Gives numbers to names that will come.
    pub(super) fn add(&mut self, stacks: &[String], sub_interfaces: &[String]) {
        for name in stacks {
            self.stacks.number(name);
        }
        for name in sub_interfaces {
            self.sub_interfaces.number(name);
        }
    }

    /// The names by their numbers.
    pub fn names(&self) -> crate::decode::Names {
        let with_none = |names: &Names| std::iter::once(String::new()).chain(names.names.iter().cloned()).collect();
        crate::decode::Names { stacks: with_none(&self.stacks), sub_interfaces: with_none(&self.sub_interfaces) }
    }

    /// The kernel's interface of a [`Vantage::interface`]; empty where there is none.
    pub fn sub_interface(&self, interface: u32) -> &str {
        self.sub_interfaces.name(u16::try_from(interface >> 16).unwrap_or_default())
    }
}

#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<String>,
    numbers: BTreeMap<String, u16>,
}

impl Names {
    /// The number of a name, from 1.
    fn number(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.names.len() >= MAX_NAMES {
            return u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        }
        self.names.push(name.to_owned());
        let number = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.numbers.insert(name.to_owned(), number);
        number
    }

    fn name(&self, number: u16) -> &str {
        usize::from(number).checked_sub(1).and_then(|at| self.names.get(at)).map_or("", String::as_str)
    }
}

/// A row, with its place in the order of its flow.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// See [`super::flow_hash()`]; 0 for a [`Content::Fact`].
    pub flow_hash: i64,
    /// See `order_ns` in `docs/cluster.md`.
    pub order: Timestamp,
    /// Which of the frame's segments.
    pub part: i32,
    /// Bits of [`marks`]; 0 where a row has none.
    pub marks: i32,
    /// See [`super::frame_hash()`].
    pub frame_hash: Option<i64>,
    /// What it holds.
    pub content: Content<'a>,
}

impl Row<'_> {
    /// Where it stands among the rows of its flow; `None` where it is about no frame.
    pub fn place(&self) -> Option<Order> {
        let part = u32::try_from(self.part).unwrap_or_default();
        Some(Order { reached: self.order, frame: self.content.frame()?, part })
    }
}

/// What a row holds.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A segment.
    Segment(Segment<'a>),
    /// An ICMP error.
    IcmpQuote(IcmpQuote),
    /// A datagram that never became whole.
    IncompleteDatagram(IncompleteDatagram),
    /// A header that is none.
    ShortHeader {
        /// The frame that carried it.
        frame: FrameId,
        /// When it was captured.
        time: Timestamp,
        /// The sender.
        src: Endpoint,
        /// The receiver.
        dst: Endpoint,
        /// As in [`Segment::tenant`].
        tenant: u32,
    },
    /// A frame that is no segment.
    OtherFrame {
        /// The frame.
        frame: FrameId,
        /// When it was captured.
        time: Timestamp,
        /// `skipped` or `malformed`.
        what: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// An endpoint that was seen to be a server.
    Server {
        /// The endpoint.
        endpoint: Endpoint,
        /// The frame that showed it first in its input.
        frame: FrameId,
    },
    /// About frames, inputs, interfaces or names.
    Fact(Fact<'a>),
}

impl Content<'_> {
    /// The frame that it is about; of an incomplete datagram, that of its first fragment.
    pub fn frame(&self) -> Option<FrameId> {
        match self {
            Self::Segment(segment) => Some(segment.frame),
            Self::IcmpQuote(quote) => Some(quote.frame),
            Self::IncompleteDatagram(datagram) => Some(datagram.frame),
            Self::ShortHeader { frame, .. } | Self::OtherFrame { frame, .. } | Self::Server { frame, .. } => Some(*frame),
            Self::Fact(_) => None,
        }
    }
}

/// Something that is told of frames, inputs, interfaces or names: `docs/cluster.md` lists the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// Of what.
    pub kind: RowKind,
    /// The input; −1: all of them.
    pub file: i32,
    /// The interface.
    pub interface: Option<i32>,
    /// What it tells.
    pub item: &'a str,
    /// Its words.
    pub text: Option<&'a str>,
    /// Its number.
    pub number: Option<i64>,
}

/// A batch of rows.
#[derive(Clone)]
pub struct Batch(RecordBatch);

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch of {} rows", self.0.num_rows())
    }
}

impl Batch {
    /// Wraps a batch.
    pub(super) fn new(batch: RecordBatch) -> Self {
        Self(batch)
    }

    /// Its rows; `places` numbers the names of all batches of a stream.
    pub fn rows<'a, 'p>(
        &'a self,
        places: &'p mut Places,
    ) -> Result<impl Iterator<Item = Result<Row<'a>, DatasetError>> + use<'a, 'p>, DatasetError> {
        let view = View::of(&self.0)?;
        Ok((0..self.0.num_rows()).map(move |at| Reader { view, at }.row(places)))
    }
}

/// The value of a column that must have one.
macro_rules! value {
    ($reader:expr, $name:ident) => {
        if $reader.view.$name.is_null($reader.at) {
            Err(DatasetError::Value { row: $reader.at, column: stringify!($name), why: "is missing" })
        } else {
            Ok($reader.view.$name.value($reader.at))
        }
    };
}

/// The same, in the type of the field.
macro_rules! field {
    ($reader:expr, $name:ident) => {
        value!($reader, $name).and_then(|value| {
            value.try_into().map_err(|_| DatasetError::Value { row: $reader.at, column: stringify!($name), why: "is out of range" })
        })
    };
}

/// The value of a column that may have none.
macro_rules! optional {
    ($reader:expr, $name:ident) => {
        (!$reader.view.$name.is_null($reader.at)).then(|| $reader.view.$name.value($reader.at))
    };
}

/// The same, in the type of the field.
macro_rules! optional_field {
    ($reader:expr, $name:ident) => {
        if $reader.view.$name.is_null($reader.at) { Ok(None) } else { field!($reader, $name).map(Some) }
    };
}

/// Reads one row.
#[derive(Clone, Copy)]
struct Reader<'a> {
    view: View<'a>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn row(self, places: &mut Places) -> Result<Row<'a>, DatasetError> {
        let kind = RowKind::of(value!(self, kind)?).ok_or_else(|| self.wrong("kind", "is none that is known"))?;
        let content = match kind {
            RowKind::Segment => Content::Segment(self.segment(places)?),
            RowKind::IcmpQuote => Content::IcmpQuote(self.quote()?),
            RowKind::IncompleteDatagram => Content::IncompleteDatagram(self.incomplete()?),
            RowKind::ShortHeader => {
                let (src, dst) = self.endpoints()?;
                Content::ShortHeader { frame: self.frame()?, time: self.time()?, src, dst, tenant: value!(self, tenant)?.cast_unsigned() }
            }
            RowKind::OtherFrame => {
                let (what, reason) = (value!(self, item)?, value!(self, text)?);
                Content::OtherFrame { frame: self.frame()?, time: self.time()?, what, reason }
            }
            RowKind::Server => {
                let (high, low, port) = (value!(self, src_hi)?, value!(self, src_lo)?, field!(self, src_port)?);
                Content::Server { endpoint: self.endpoint(high, low, port, "src_lo")?, frame: self.frame()? }
            }
            RowKind::Frames | RowKind::Input | RowKind::Interface | RowKind::Name | RowKind::End => Content::Fact(Fact {
                kind,
                file: value!(self, file)?,
                interface: optional!(self, interface),
                item: value!(self, item)?,
                text: optional!(self, text),
                number: optional!(self, number),
            }),
        };
        Ok(Row {
            flow_hash: value!(self, flow_hash)?,
            order: Timestamp(value!(self, order_ns)?),
            part: value!(self, part)?,
            marks: optional!(self, marks).unwrap_or(0),
            frame_hash: optional!(self, frame_hash),
            content,
        })
    }

    fn wrong(self, column: &'static str, why: &'static str) -> DatasetError {
        DatasetError::Value { row: self.at, column, why }
    }

    fn frame(self) -> Result<FrameId, DatasetError> {
        let (file, number): (u32, u64) = (field!(self, file)?, field!(self, frame)?);
        let frame = FrameId::new(file, number);
        if (frame.file(), frame.number()) == (file, number) { Ok(frame) } else { Err(self.wrong("frame", "is out of range")) }
    }

    fn time(self) -> Result<Timestamp, DatasetError> {
        value!(self, ts_ns).map(Timestamp)
    }

    fn endpoint(self, high: i64, low: i64, port: u16, column: &'static str) -> Result<Endpoint, DatasetError> {
        let address = u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned());
        let address = std::net::Ipv6Addr::from_bits(address);
        match (value!(self, ip_version)?, address.to_ipv4_mapped()) {
            (4, Some(address)) => Ok(Endpoint::v4(address.octets(), port)),
            (6, _) => Ok(Endpoint::v6(address.octets(), port)),
            _ => Err(self.wrong(column, "is no address of its IP version")),
        }
    }

    fn endpoints(self) -> Result<(Endpoint, Endpoint), DatasetError> {
        Ok((
            self.endpoint(value!(self, src_hi)?, value!(self, src_lo)?, field!(self, src_port)?, "src_lo")?,
            self.endpoint(value!(self, dst_hi)?, value!(self, dst_lo)?, field!(self, dst_port)?, "dst_lo")?,
        ))
    }

    fn segment(self, places: &mut Places) -> Result<Segment<'a>, DatasetError> {
        let (src, dst) = self.endpoints()?;
        let marks = value!(self, marks)?;
        Ok(Segment {
            frame: self.frame()?,
            time: self.time()?,
            time_unknown: marks & marks::TIME_UNKNOWN != 0,
            src,
            dst,
            tenant: value!(self, tenant)?.cast_unsigned(),
            seq: SeqNumber(field!(self, seq)?),
            ack: SeqNumber(field!(self, ack)?),
            flags: Flags(field!(self, flags)?),
            window: field!(self, window)?,
            options: TcpOptions {
                timestamp: optional_field!(self, tsval)?.zip(optional_field!(self, tsecr)?),
                mss: optional_field!(self, mss)?,
                window_scale: optional_field!(self, wscale)?,
                sack_permitted: marks & marks::SACK_PERMITTED != 0,
                first_sack: optional_field!(self, sack_left)?.map(SeqNumber).zip(optional_field!(self, sack_right)?.map(SeqNumber)),
                fast_open: marks & marks::FAST_OPEN != 0,
                octets: field!(self, option_octets)?,
                cut: marks & marks::OPTIONS_CUT != 0,
            },
            payload_length: field!(self, payload_length)?,
            ttl: field!(self, ttl)?,
            ip_id: optional_field!(self, ip_id)?,
            discarded: marks & marks::DISCARDED != 0,
            vantage: self.vantage(places)?,
            head: optional!(self, head).unwrap_or_default(),
            tail: optional!(self, tail).unwrap_or_default(),
        })
    }

    fn vantage(self, places: &mut Places) -> Result<Vantage, DatasetError> {
        let interface: u16 = field!(self, interface)?;
        let sub_interface = optional!(self, sub_interface).map_or(0, |name| places.sub_interfaces.number(name));
        let link = |bits: Option<i64>| bits.map(|bits| LinkAddress::from_bits(bits.cast_unsigned()));
        Ok(Vantage {
            interface: u32::from(sub_interface) << 16 | u32::from(interface),
            stack: optional!(self, stack).map_or(0, |name| places.stacks.number(name)),
            link_source: link(optional!(self, link_src)),
            link_destination: link(optional!(self, link_dst)),
            outer: value!(self, outer)?.cast_unsigned(),
        })
    }

    fn quote(self) -> Result<IcmpQuote, DatasetError> {
        let (src, dst) = self.endpoints()?;
        let from: IpAddr = value!(self, item)?.parse().map_err(|_| self.wrong("item", "is no address"))?;
        let number = value!(self, number)?;
        let out_of_range = |_| self.wrong("number", "is out of range");
        let error = match value!(self, text)? {
            UNREACHABLE => IcmpError::Unreachable(number.try_into().map_err(out_of_range)?),
            PACKET_TOO_BIG => IcmpError::PacketTooBig(number.try_into().map_err(out_of_range)?),
            TIME_EXCEEDED => IcmpError::TimeExceeded,
            OTHER_ERROR => {
                let [kind, code] = u16::try_from(number).map_err(out_of_range)?.to_be_bytes();
                IcmpError::Other(kind, code)
            }
            _ => return Err(self.wrong("text", "is no ICMP error that is known")),
        };
        Ok(IcmpQuote {
            frame: self.frame()?,
            time: self.time()?,
            from,
            error,
            src,
            dst,
            tenant: value!(self, tenant)?.cast_unsigned(),
            seq: SeqNumber(field!(self, seq)?),
        })
    }

    fn incomplete(self) -> Result<IncompleteDatagram, DatasetError> {
        let (src, dst) = self.endpoints()?;
        Ok(IncompleteDatagram {
            frame: self.frame()?,
            time: self.time()?,
            src,
            dst,
            tenant: value!(self, tenant)?.cast_unsigned(),
            seq: SeqNumber(field!(self, seq)?),
            octets: field!(self, number)?,
        })
    }
}

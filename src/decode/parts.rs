//! Frames that carry several packets: 802.11 aggregates (A-MSDU, IEEE 802.11-2020 section 9.3.2.2) and sFlow datagrams, whose samples are the
//! beginnings of packets that a switch saw (<https://sflow.org/sflow_version_5.txt>).
//!
//! The walk stops where such a frame fans out. What is left of the frame then is copied once into a buffer that is used again, and read packet
//! by packet; every step goes on by at least eight octets, so that the work is bounded by the length of the frame.

use crate::decode::view::View;
use crate::decode::walk::{Next, Walk};
use crate::frame::FrameId;

/// Where a frame fans out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// Subframes of an 802.11 A-MSDU.
    Amsdu,
    /// So many samples of an sFlow datagram.
    Sflow(u32),
}

/// Octets of addresses and length before each subframe.
const SUBFRAME_HEADER: usize = 14;
/// Octets of the type and the length of an sFlow sample or record.
const TYPE_AND_LENGTH: usize = 8;
/// Octets of a flow sample before its records, and of an expanded one.
const FLOW_SAMPLE: usize = 32;
const EXPANDED_FLOW_SAMPLE: usize = 44;
/// Octets of a raw packet header record before the header.
const RAW_HEADER_RECORD: usize = 16;

/// The packets of one frame that are still to be read.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What is left of the frame.
    pub octets: Vec<u8>,
    /// How far it was read.
    pub cursor: Cursor,
    /// What the walk had seen before.
    pub before: Walk<'static>,
    /// Name of the link type.
    pub link: &'static str,
    /// The interface as in a vantage.
    pub interface: u32,
}

/// A position among the packets of a frame.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The frame; `None`: nothing is left.
    pub frame: Option<FrameId>,
    /// What the frame is.
    pub aggregate: Aggregate,
    wire: u32,
    at: usize,
    records_end: usize,
}

impl Parts {
    /// Nothing to be read.
    pub fn new() -> Self {
        let cursor = Cursor { frame: None, aggregate: Aggregate::Amsdu, wire: 0, at: 0, records_end: 0 };
        Self { octets: Vec::new(), cursor, before: Walk::default(), link: "", interface: 0 }
    }

    /// Takes in the rest of `frame`.
    pub fn begin(&mut self, frame: FrameId, aggregate: Aggregate, view: View<'_>, walk: &Walk<'_>) {
        self.octets.clear();
        self.octets.extend_from_slice(view.octets);
        self.cursor = Cursor { frame: Some(frame), aggregate, wire: view.wire, at: 0, records_end: 0 };
        self.before = walk.without_packet();
    }
}

impl Cursor {
    /// The next packet in `octets`.
    pub fn next<'a>(&mut self, octets: &'a [u8]) -> Option<(Next, View<'a>)> {
        let view = View { octets, wire: self.wire, bounded: false };
        match self.aggregate {
            Aggregate::Amsdu => self.subframe(view),
            Aggregate::Sflow(_) => self.raw_header(view),
        }
    }

    /// Destination, source, length, the frame from its LLC header on; all but the last padded to four octets.
    fn subframe<'a>(&mut self, view: View<'a>) -> Option<(Next, View<'a>)> {
        let subframe = view.skip(self.at)?;
        let length = subframe.be16(12)?;
        let after = SUBFRAME_HEADER.saturating_add(usize::from(length)).next_multiple_of(4);
        self.at = self.at.saturating_add(after);
        Some((Next::Llc, subframe.skip(SUBFRAME_HEADER)?.narrow_within(u32::from(length))))
    }

    /// The next raw packet header record of the next flow sample that has one.
    fn raw_header<'a>(&mut self, view: View<'a>) -> Option<(Next, View<'a>)> {
        loop {
            if self.at >= self.records_end {
                self.sample(view)?;
                continue;
            }
            let record = view.skip(self.at)?;
            let (kind, length) = (record.be32(0)?, record.be32(4)? as usize);
            self.at = self.at.saturating_add(TYPE_AND_LENGTH).saturating_add(length);
            if kind == 1
                && let Some(packet) = record.skip(TYPE_AND_LENGTH).and_then(sampled)
            {
                return Some(packet);
            }
        }
    }

    /// Goes to the records of the next sample; of one without packets, to its end.
    fn sample(&mut self, view: View<'_>) -> Option<()> {
        let Aggregate::Sflow(left) = &mut self.aggregate else { return None };
        *left = left.checked_sub(1)?;
        let sample = view.skip(self.at)?;
        let (kind, length) = (sample.be32(0)?, sample.be32(4)? as usize);
        let begins = self.at.saturating_add(TYPE_AND_LENGTH);
        let end = begins.saturating_add(length);
        self.records_end = end;
        self.at = match kind {
            1 => begins.saturating_add(FLOW_SAMPLE),
            3 => begins.saturating_add(EXPANDED_FLOW_SAMPLE),
            _ => end,
        };
        Some(())
    }
}

/// The packet in a raw packet header record: header protocol, length of the frame, octets stripped from it, length of the header.
fn sampled(record: View<'_>) -> Option<(Next, View<'_>)> {
    let next = match record.be32(0)? {
        1 => Next::Ethernet,
        11 => Next::Ip4,
        12 => Next::Ip6,
        13 => Next::Mpls,
        _ => return None,
    };
    let wire = record.be32(4)?.saturating_sub(record.be32(8)?);
    let header = record.be32(12)? as usize;
    let octets = record.octets.get(RAW_HEADER_RECORD..)?;
    Some((next, View::new(octets.get(..header).unwrap_or(octets), wire)))
}

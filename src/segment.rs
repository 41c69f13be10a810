//! The narrow waist: one TCP segment as plain data, everything that the later stages know about it.
//!
//! A segment borrows its payload excerpt from the frame (or from a batch that was handed to another thread); nothing in it
//! is allocated.

use std::net::IpAddr;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::seq::SeqNumber;
use crate::time::Timestamp;

/// TCP flags, the low nine bits of the header's flag field (RFC 9293 section 3.1; NS is RFC 3540).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// FIN.
    pub const FIN: Self = Self(0x01);
    /// SYN.
    pub const SYN: Self = Self(0x02);
    /// RST.
    pub const RST: Self = Self(0x04);
    /// PSH.
    pub const PSH: Self = Self(0x08);
    /// ACK.
    pub const ACK: Self = Self(0x10);
    /// URG.
    pub const URG: Self = Self(0x20);

    /// Whether every flag of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// SYN is set.
    pub const fn syn(self) -> bool {
        self.any(Self::SYN)
    }

    /// FIN is set.
    pub const fn fin(self) -> bool {
        self.any(Self::FIN)
    }

    /// RST is set.
    pub const fn rst(self) -> bool {
        self.any(Self::RST)
    }

    /// ACK is set.
    pub const fn ack(self) -> bool {
        self.any(Self::ACK)
    }
}

/// What the TCP options said, as far as they were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Timestamps option: value and echo reply (RFC 7323).
    pub timestamp: Option<(u32, u32)>,
    /// Maximum segment size.
    pub mss: Option<u16>,
    /// Window scale shift count.
    pub window_scale: Option<u8>,
    /// Selective acknowledgement permitted.
    pub sack_permitted: bool,
    /// The first SACK block (left, right edge); a D-SACK lies at or below the acknowledgement number (RFC 2883).
    pub first_sack: Option<(SeqNumber, SeqNumber)>,
    /// A Fast Open option is present (RFC 7413).
    pub fast_open: bool,
    /// Octets of options in the header (0 for a header of 20 octets).
    pub octets: u8,
    /// The snap length cut the options: what is absent here may have been there.
    pub cut: bool,
}

/// A link-layer address: up to eight octets, big-endian in the low bits; `None` where the link has none. It is kept as the number after it,
/// so that an optional one takes no more room; the last two addresses of eight octets are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkAddress(NonZeroU64);

impl LinkAddress {
    /// From captured octets; only the first eight count.
    pub fn new(octets: &[u8]) -> Self {
        Self::from_bits(octets.iter().take(8).fold(0, |sum, octet| (sum << 8) | u64::from(*octet)))
    }

    /// From a number.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(bits))
    }

    /// As a number.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0.get() - 1
    }
}

/// Where a segment was captured: duplicate observations and path changes are told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Vantage {
    /// Index of the capture interface; an `-i any` capture (SLL2) adds the kernel's interface index in the upper 16 bits… see `decode`.
    pub interface: u32,
    /// Index of the encapsulation stack in `decode::Decoder::stacks` (0: the plain link type alone).
    pub stack: u16,
    /// Link address of the sender of this frame.
    pub link_source: Option<LinkAddress>,
    /// Link address of the receiver of this frame (the next hop).
    pub link_destination: Option<LinkAddress>,
    /// A hash of the outermost tunnel's addresses, 0 without a tunnel: a change of the outer destination is a change of path.
    pub outer: u32,
}

/// One TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The frame that carried it.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// The frame had no time of its own; `time` is the last known one.
    pub time_unknown: bool,
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// 0, or what separates overlapping tenants (`--separate`).
    pub tenant: u32,
    /// Sequence number of the first octet (of the SYN, where set).
    pub seq: SeqNumber,
    /// Acknowledgement number; meaningful only with the ACK flag.
    pub ack: SeqNumber,
    /// Flags.
    pub flags: Flags,
    /// The window field as on the wire, unscaled.
    pub window: u16,
    /// Options.
    pub options: TcpOptions,
    /// Payload octets on the wire, from the IP header, whatever the snap length kept.
    pub payload_length: u32,
    /// Time to live or hop limit of the innermost IP header.
    pub ttl: u8,
    /// Identification of the innermost IPv4 header; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// Its header is damaged (it claims to reach beyond the packet): no receiver accepts it, so it counts but changes nothing.
    pub discarded: bool,
    /// Where it was captured.
    pub vantage: Vantage,
    /// The first captured payload octets, at most [`EXCERPT_HEAD`].
    pub head: &'a [u8],
    /// The last [`EXCERPT_TAIL`] payload octets if the end of the payload was captured and lies beyond `head`; else empty.
    pub tail: &'a [u8],
}

/// At most so many octets of a payload's beginning travel with a segment: a request line and the headers that tell a timeout.
pub const EXCERPT_HEAD: usize = 512;
/// So many octets of a payload's end: enough for the frame header of HTTP/2, WebSocket or MQTT and a TLS alert.
pub const EXCERPT_TAIL: usize = 32;

impl Segment<'_> {
    /// Length in sequence space: payload plus one for SYN and one for FIN.
    pub const fn sequence_length(&self) -> u32 {
        self.payload_length.wrapping_add(self.flags.syn() as u32).wrapping_add(self.flags.fin() as u32)
    }

    /// Sequence number of the first payload octet: data in a SYN begins after it.
    pub const fn payload_start(&self) -> SeqNumber {
        if self.flags.syn() { self.seq.add(1) } else { self.seq }
    }

    /// Sequence number just after the last payload octet; where a FIN is set, its own number.
    pub const fn payload_end(&self) -> SeqNumber {
        self.payload_start().add(self.payload_length)
    }

    /// Sequence number after everything in the segment.
    pub const fn end(&self) -> SeqNumber {
        self.seq.add(self.sequence_length())
    }
}

/// What an ICMP error says about a TCP segment that it quotes: evidence, not traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpQuote {
    /// The frame that carried the ICMP message.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent the error.
    pub from: IpAddr,
    /// What it says.
    pub error: IcmpError,
    /// Sender of the quoted segment.
    pub src: Endpoint,
    /// Receiver of the quoted segment.
    pub dst: Endpoint,
    /// Tenant, as in [`Segment::tenant`].
    pub tenant: u32,
    /// Sequence number of the quoted segment.
    pub seq: SeqNumber,
}

/// A TCP datagram in fragments that never became whole: what its first fragment says. Evidence, not traffic: the receiver got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncompleteDatagram {
    /// The frame of the first fragment.
    pub frame: FrameId,
    /// When it was captured.
    pub time: Timestamp,
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// Tenant, as in [`Segment::tenant`].
    pub tenant: u32,
    /// Sequence number of the segment.
    pub seq: SeqNumber,
    /// Payload octets that were captured without a hole from the segment's beginning on; how many there were nobody knows.
    pub octets: u32,
}

/// The kinds of ICMP errors that matter to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IcmpError {
    /// Destination unreachable with this code (ICMPv4 type 3, ICMPv6 type 1).
    Unreachable(u8),
    /// Fragmentation needed or packet too big, with the next hop's MTU (0: not told).
    PacketTooBig(u32),
    /// Time to live or hop limit exceeded in transit.
    TimeExceeded,
    /// Another error, as type and code.
    Other(u8, u8),
}

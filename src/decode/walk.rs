//! The walk from the link layer inwards: one header per step, until a TCP header, an ICMP error, a fragment or the end of what is read.
//!
//! It is a loop over [`Next`], not a recursion: hostile nesting costs a bounded number of steps and no stack.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use crate::decode::fragments::FragmentHeader;
use crate::decode::icmp::{self, Quote};
use crate::decode::parts::Aggregate;
use crate::decode::stacks::{Layer, SubInterface};
use crate::decode::view::View;
use crate::decode::{ip4, ip6, link, protocol, tunnel};
use crate::endpoint::Endpoint;
use crate::frame::LinkType;
use crate::segment::LinkAddress;

/// At most so many encapsulation layers are walked; captures of real networks show up to seven (PPPoE in QinQ in VXLAN).
pub(crate) const MAX_LAYERS: usize = 16;
/// At most so many headers of any kind, IPv6 extension headers and LLC included, are read of one frame.
const MAX_HEADERS: u32 = 64;

/// What the octets that follow a header are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame of another link type (PKTAP, PPI, ERF).
    Link(LinkType),
    /// An Ethernet frame, without check sequence unless its own length tells it apart.
    Ethernet,
    /// The payload of this `EtherType`; below 0x600 it is an 802.3 length.
    EtherType(u16),
    /// An 802.2 LLC header.
    Llc,
    /// An 802.2 LLC header where bridged frames are padded (RFC 2684).
    LlcOverAtm,
    /// An NLPID and what it announces (frame relay, RFC 2427).
    Nlpid,
    /// A PPP frame, with or without address and control.
    Ppp,
    /// A Cisco HDLC header.
    CiscoHdlc,
    /// A frame relay header.
    FrameRelay,
    /// An 802.11 header.
    Ieee80211 {
        /// The header is padded to a multiple of four octets.
        padded: bool,
        /// The two octets of frame control are in the wrong order.
        swapped: bool,
    },
    /// IPv4 or IPv6, as the version says.
    Ip,
    /// An IPv4 header.
    Ip4,
    /// An IPv6 header.
    Ip6,
    /// The payload of an IP packet or of an extension header.
    Protocol(u8),
    /// A stack of MPLS labels.
    Mpls,
    /// A PPPoE session header.
    Pppoe,
    /// A GRE header.
    Gre,
    /// A fragment of a datagram, described in [`Walk::fragment`].
    Fragment,
    /// Several packets.
    Parts(Aggregate),
    /// A TCP header.
    Tcp,
    /// An ICMP message.
    Icmp4,
    /// An ICMPv6 message.
    Icmp6,
}

/// Why a frame carries no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Sound, but not TCP.
    Skipped(&'static str),
    /// Damaged.
    Malformed(&'static str),
}

/// What a header reader gives: what comes next and where it begins.
pub(crate) type Read<'a> = Result<(Next, View<'a>), End>;

/// Where a walk arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrived<'a> {
    /// At a TCP header.
    Tcp(View<'a>),
    /// At an ICMP error that quotes a TCP segment.
    Quote(Quote<'a>),
    /// At a fragment of a datagram, described in [`Walk::fragment`].
    Fragment(View<'a>),
    /// At several packets.
    Parts(Aggregate, View<'a>),
}

/// The fixed part of an IP header: what later stages need is read from it once, at the end of the walk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ip<'a> {
    /// IPv4, and the final destination where a source route names another than the header.
    V4(&'a [u8; 20], Option<[u8; 4]>),
    /// IPv6.
    V6(&'a [u8; 40]),
}

impl Ip<'_> {
    /// Source and destination with these ports.
    #[inline]
    pub fn endpoints(&self, source_port: u16, destination_port: u16) -> (Endpoint, Endpoint) {
        match self {
            Self::V4([.., s0, s1, s2, s3, d0, d1, d2, d3], routed) => {
                (Endpoint::v4([*s0, *s1, *s2, *s3], source_port), Endpoint::v4(routed.unwrap_or([*d0, *d1, *d2, *d3]), destination_port))
            }
            Self::V6(header) => {
                let address = |at: usize| header.get(at..).and_then(|rest| rest.first_chunk::<16>()).copied().unwrap_or_default();
                (Endpoint::v6(address(8), source_port), Endpoint::v6(address(24), destination_port))
            }
        }
    }

    /// Source and destination.
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        let (src, dst) = self.endpoints(0, 0);
        (src.ip(), dst.ip())
    }

    /// Time to live or hop limit.
    #[inline]
    pub fn ttl(&self) -> u8 {
        match self {
            Self::V4([_, _, _, _, _, _, _, _, ttl, ..], _) | Self::V6([_, _, _, _, _, _, _, ttl, ..]) => *ttl,
        }
    }

    /// IPv4 identification.
    #[inline]
    pub fn id(&self) -> Option<u16> {
        match self {
            Self::V4([_, _, _, _, high, low, ..], _) => Some(u16::from_be_bytes([*high, *low])),
            Self::V6(_) => None,
        }
    }

    /// Whether it is IPv6.
    pub fn is_v6(&self) -> bool {
        matches!(self, Self::V6(_))
    }
}

/// What was seen on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Walk<'a> {
    /// Sender on the outermost link.
    pub link_source: Option<LinkAddress>,
    /// Receiver on the outermost link.
    pub link_destination: Option<LinkAddress>,
    /// The kernel's interface, where the link header tells it.
    pub sub_interface: Option<SubInterface>,
    /// The encapsulation below the link type, from the outside in.
    pub layers: ArrayVec<Layer, MAX_LAYERS>,
    /// The innermost IP header read so far.
    pub ip: Option<Ip<'a>>,
    /// Hash of the outermost tunnel's addresses.
    pub outer: u32,
    /// The fragment that the last IP header described.
    pub fragment: Option<FragmentHeader>,
    headers: u32,
}

impl<'a> Walk<'a> {
    /// Adds an encapsulation layer.
    #[inline]
    pub fn push(&mut self, layer: Layer) -> Result<(), End> {
        self.layers.try_push(layer).map_err(|_| End::Skipped("nested too deep"))
    }

    /// Adds the IP header read last as an outer layer, then `layer`, the tunnel that it carries.
    pub fn enter(&mut self, layer: Layer) -> Result<(), End> {
        self.leave_ip()?;
        self.push(layer)
    }

    /// Turns the IP header read last, if there is one, into an outer layer.
    pub fn leave_ip(&mut self) -> Result<(), End> {
        let Some(ip) = self.ip.take() else { return Ok(()) };
        if self.outer == 0 {
            let (src, dst) = ip.addresses();
            self.outer = outer_hash(src, dst);
        }
        self.push(if ip.is_v6() { Layer::Ipv6 } else { Layer::Ipv4 })
    }

    /// What was seen before several packets, for the walk into each of them.
    pub fn without_packet(&self) -> Walk<'static> {
        Walk {
            link_source: self.link_source,
            link_destination: self.link_destination,
            sub_interface: self.sub_interface,
            layers: self.layers.clone(),
            ip: None,
            outer: self.outer,
            fragment: None,
            headers: self.headers,
        }
    }

    /// Notes the link addresses of the outermost link; those of a link inside a tunnel say nothing about this vantage.
    #[inline]
    pub fn link_addresses(&mut self, source: &[u8], destination: &[u8]) {
        if self.layers.is_empty() && self.link_source.is_none() {
            self.link_source = (!source.is_empty()).then(|| LinkAddress::new(source));
            self.link_destination = (!destination.is_empty()).then(|| LinkAddress::new(destination));
        }
    }

    /// Walks on from `next` at `view` as far as it goes.
    #[inline]
    pub fn run(&mut self, mut next: Next, mut view: View<'a>) -> Result<Arrived<'a>, End> {
        loop {
            self.headers = self.headers.wrapping_add(1);
            if self.headers > MAX_HEADERS {
                return Err(End::Skipped("nested too deep"));
            }
            (next, view) = match next {
                Next::Tcp => return Ok(Arrived::Tcp(view)),
                Next::Icmp4 => return icmp::quote4(view).map(Arrived::Quote),
                Next::Icmp6 => return icmp::quote6(view).map(Arrived::Quote),
                Next::Parts(aggregate) => return Ok(Arrived::Parts(aggregate, view)),
                Next::Fragment => return Ok(Arrived::Fragment(view)),
                Next::EtherType(0x0800) | Next::Ip4 => ip4::read(view, self)?,
                Next::Protocol(number) => protocol::read(number, view, self)?,
                Next::Ethernet => link::ethernet::read(view, self)?,
                Next::EtherType(number) => link::ethertype::read(number, view, self)?,
                Next::Ip => match view.u8(0).map(|octet| octet >> 4) {
                    Some(4) => (Next::Ip4, view),
                    Some(6) => (Next::Ip6, view),
                    Some(_) => return Err(End::Malformed("ip: version neither 4 nor 6")),
                    None => return Err(End::Malformed("ip: empty packet")),
                },
                Next::Ip6 => ip6::read(view, self)?,
                Next::Link(link_type) => link::read(link_type, view, self)?,
                Next::Llc => link::llc::read(view, false)?,
                Next::LlcOverAtm => link::llc::read(view, true)?,
                Next::Nlpid => link::frame_relay::nlpid(view)?,
                Next::Ppp => link::ppp::read(view)?,
                Next::CiscoHdlc => link::cisco_hdlc::read(view)?,
                Next::FrameRelay => link::frame_relay::read(view)?,
                Next::Ieee80211 { padded, swapped } => link::ieee80211::read(view, padded, swapped, self)?,
                Next::Mpls => tunnel::mpls::read(view, self)?,
                Next::Pppoe => tunnel::pppoe::read(view, self)?,
                Next::Gre => tunnel::gre::read(view, self)?,
            };
        }
    }
}

/// A hash of the outer addresses that is the same in both directions and never 0.
fn outer_hash(src: IpAddr, dst: IpAddr) -> u32 {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
        IpAddr::V6(a) => a.octets(),
    };
    let fold = |address| octets(address).chunks_exact(4).fold(0, |hash, word| mix(hash, LinkAddress::new(word).bits()));
    let sum = fold(src).wrapping_add(fold(dst));
    fold32(sum)
}

/// One step of a fixed 64-bit hash (the finaliser of SplitMix64): the same on every machine and in every run.
pub(crate) fn mix(state: u64, value: u64) -> u64 {
    let mut z = state.wrapping_add(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 64-bit hash in 32 bits, never 0.
#[allow(clippy::cast_possible_truncation)] // folding is the purpose
pub(crate) fn fold32(hash: u64) -> u32 {
    ((hash ^ (hash >> 32)) as u32).max(1)
}

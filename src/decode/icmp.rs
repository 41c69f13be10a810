//! ICMP and ICMPv6 errors and the TCP segment that they quote (RFC 792, RFC 4443, RFC 1191 for the MTU).
//!
//! A quoted segment was not on the wire here: it becomes an [`IcmpQuote`](crate::segment::IcmpQuote), never a segment.

use crate::decode::view::View;
use crate::decode::walk::{End, Ip};
use crate::endpoint::Endpoint;
use crate::segment::IcmpError;
use crate::seq::SeqNumber;

/// At most so many IPv6 extension headers are walked in a quote.
const MAX_EXTENSIONS: usize = 8;

/// The quoted segment as far as eight octets of TCP header tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quote<'a> {
    /// What the error says.
    pub error: IcmpError,
    /// The IP header of the quoted segment.
    pub ip: Ip<'a>,
    /// Its ports and sequence number.
    pub tcp: &'a [u8; 8],
}

impl Quote<'_> {
    /// Sender and receiver of the quoted segment.
    pub fn endpoints(&self) -> (Endpoint, Endpoint) {
        let [s0, s1, d0, d1, ..] = *self.tcp;
        self.ip.endpoints(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
    }

    /// Sequence number of the quoted segment.
    pub fn seq(&self) -> SeqNumber {
        let [.., a, b, c, d] = *self.tcp;
        SeqNumber(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Reads an ICMP message.
pub(crate) fn quote4(view: View<'_>) -> Result<Quote<'_>, End> {
    let (Some(kind), Some(code)) = (view.u8(0), view.u8(1)) else { return Err(End::Malformed("icmp: header cut short")) };
    let error = match (kind, code) {
        (3, 4) => IcmpError::PacketTooBig(u32::from(view.be16(6).unwrap_or(0))),
        (3, _) => IcmpError::Unreachable(code),
        (11, _) => IcmpError::TimeExceeded,
        (4 | 5 | 12, _) => IcmpError::Other(kind, code),
        _ => return Err(End::Skipped("icmp")),
    };
    quoted(view, error).ok_or(End::Skipped("icmp"))
}

/// Reads an ICMPv6 message.
pub(crate) fn quote6(view: View<'_>) -> Result<Quote<'_>, End> {
    let (Some(kind), Some(code)) = (view.u8(0), view.u8(1)) else { return Err(End::Malformed("icmpv6: header cut short")) };
    let error = match kind {
        1 => IcmpError::Unreachable(code),
        2 => IcmpError::PacketTooBig(view.be32(4).unwrap_or(0)),
        3 => IcmpError::TimeExceeded,
        4 => IcmpError::Other(kind, code),
        133..=137 => return Err(End::Skipped("ipv6 nd")),
        _ => return Err(End::Skipped("icmpv6")),
    };
    quoted(view, error).ok_or(End::Skipped("icmpv6"))
}

/// The quoted segment, if it is TCP and its ports and sequence number were quoted and captured.
fn quoted(message: View<'_>, error: IcmpError) -> Option<Quote<'_>> {
    let packet = message.skip(8)?;
    let first = packet.u8(0)?;
    match first >> 4 {
        4 => {
            let is_first_fragment = matches!(packet.be16(6)? & 0x1fff, 0);
            let header_length = usize::from(first & 0x0f).saturating_mul(4);
            if packet.u8(9)? != 6 || !is_first_fragment || header_length < 20 {
                return None;
            }
            let tcp = packet.skip(header_length)?.octets.first_chunk()?;
            Some(Quote { error, ip: Ip::V4(packet.octets.first_chunk()?, None), tcp })
        }
        6 => Some(Quote { error, ip: Ip::V6(packet.octets.first_chunk()?), tcp: quoted_tcp6(packet)?.octets.first_chunk()? }),
        _ => None,
    }
}

/// The TCP header of a quoted IPv6 packet, behind its extension headers.
fn quoted_tcp6(packet: View<'_>) -> Option<View<'_>> {
    let mut next = packet.u8(6)?;
    let mut view = packet.skip(40)?;
    for _ in 0..MAX_EXTENSIONS {
        let length = match next {
            6 => return Some(view),
            0 | 43 | 60 => usize::from(view.u8(1)?).saturating_add(1).saturating_mul(8),
            51 => usize::from(view.u8(1)?).saturating_add(2).saturating_mul(4),
            44 if view.be16(2)? & 0xfff8 == 0 => 8,
            _ => return None,
        };
        next = view.u8(0)?;
        view = view.skip(length)?;
    }
    None
}

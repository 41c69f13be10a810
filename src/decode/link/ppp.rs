//! PPP, bare (RFC 1661), in HDLC-like framing (RFC 1662), and captured as PPPoE.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// PPP and PPP in HDLC-like framing; either may be Cisco HDLC, which its first octet tells.
pub(crate) const READER: LinkReader = LinkReader { name: "ppp", numbers: &[9, 50], read: serial };
/// PPP with an octet of direction before it, or in place of the address.
pub(crate) const WITH_DIRECTION: LinkReader = LinkReader { name: "ppp", numbers: &[166, 204], read: with_direction };
/// A PPPoE session header.
pub(crate) const PPPOE: LinkReader = LinkReader { name: "pppoe", numbers: &[51], read: pppoe };

const CUT: End = End::Malformed("ppp: header cut short");

/// Reads address and control where they were not compressed away, then the protocol of one or two octets.
pub(crate) fn read(view: View<'_>) -> Read<'_> {
    let view = if view.be16(0) == Some(0xff03) { view.skip(2).ok_or(CUT)? } else { view };
    let first = view.u8(0).ok_or(CUT)?;
    let (number, payload) = if first & 1 == 1 {
        (u16::from(first), view.skip(1).ok_or(CUT)?) // protocol field compression: the last octet is the odd one
    } else {
        (view.be16(0).ok_or(CUT)?, view.skip(2).ok_or(CUT)?)
    };
    match number {
        0x0021 => Ok((Next::Ip4, payload)),
        0x0057 => Ok((Next::Ip6, payload)),
        0x0281 | 0x0283 => Ok((Next::Mpls, payload)),
        0x002d | 0x002f => Err(End::Skipped("ppp compressed tcp")),
        0x003d => Err(End::Skipped("ppp multilink")),
        0x00fb | 0x00fd => Err(End::Skipped("ppp compressed")),
        0x0053 | 0x0055 => Err(End::Skipped("ppp encrypted")),
        0x0031 => Err(End::Skipped("ppp bridging")),
        0x8000..=0xffff => Err(End::Skipped("ppp control")),
        _ => Err(End::Skipped("ppp protocol not read")),
    }
}

fn serial<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    match view.u8(0) {
        Some(0x0f | 0x8f) => Ok((Next::CiscoHdlc, view)),
        _ => read(view),
    }
}

fn with_direction<'a>(number: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let frame = view.skip(1).ok_or(CUT)?;
    // pppd's kind replaces the address octet, so that the control octet follows
    let frame = if number == 166 && frame.u8(0) == Some(0x03) { frame.skip(1).ok_or(CUT)? } else { frame };
    serial(number, frame, walk)
}

#[allow(clippy::unnecessary_wraps)] // the shape of every reader
fn pppoe<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    // NetBSD writes the header alone; a whole Ethernet frame is told by what follows its addresses
    if view.u8(0) != Some(0x11) && view.be16(12) == Some(0x8864) {
        return Ok((Next::Ethernet, view));
    }
    Ok((Next::Pppoe, view))
}

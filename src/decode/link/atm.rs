//! ATM AAL5: LLC encapsulation (RFC 2684), classical IP (RFC 2225), and SunATM's header.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// LLC-encapsulated ATM, and Linux' classical IP, which may lack the LLC header.
pub(crate) const RFC1483: LinkReader = LinkReader { name: "atm", numbers: &[100, 106], read: rfc1483 };
/// SunATM: flags, VPI and VCI, then by the flags LLC or an emulated LAN.
pub(crate) const SUN: LinkReader = LinkReader { name: "sunatm", numbers: &[123], read: sun };

#[allow(clippy::unnecessary_wraps)] // the shape of every reader
fn rfc1483<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    match view.be16(0) {
        Some(0xaaaa | 0xfefe | 0x4242) => Ok((Next::LlcOverAtm, view)),
        _ if matches!(view.u8(0).map(|octet| octet >> 4), Some(4 | 6)) => Ok((Next::Ip, view)),
        _ => Ok((Next::LlcOverAtm, view)),
    }
}

fn sun<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("sunatm: header cut short");
    let flags = view.u8(0).ok_or(cut)?;
    let payload = view.skip(4).ok_or(cut)?;
    match flags & 0x0f {
        1 => Ok((Next::Ethernet, payload.skip(2).ok_or(cut)?)),
        2 => Ok((Next::LlcOverAtm, payload)),
        _ => Err(End::Skipped("atm signalling")),
    }
}

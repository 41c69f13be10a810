//! BSD loopback (NULL, LOOP) and OpenBSD's enc(4): an address family before the packet.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// BSD loopback; NULL in the byte order of the machine that captured, LOOP in network order.
pub(crate) const READER: LinkReader = LinkReader { name: "null", numbers: &[0, 108], read: |_, view, _| read(view, 4) };
/// OpenBSD encapsulating interface: family, SPI and flags.
pub(crate) const ENC: LinkReader = LinkReader { name: "enc", numbers: &[109], read: |_, view, _: &mut Walk| read(view, 12) };

fn read(view: View<'_>, header: usize) -> Read<'_> {
    let cut = End::Malformed("null: header cut short");
    let family: [u8; 4] = view.array(0).ok_or(cut)?;
    let payload = view.skip(header).ok_or(cut)?;
    if let [0xff, 0x03, ..] = family {
        return Ok((Next::Ppp, view)); // PPP interfaces of old BSDs announce themselves as loopback
    }
    // the number may be in either byte order, whatever the link type promises
    let big = u32::from_be_bytes(family);
    let number = if big > 0xffff { u32::from_le_bytes(family) } else { big };
    match number {
        // AF_INET of all; AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin; EtherTypes of some writers
        2 | 10 | 23 | 24 | 28 | 30 | 0x0800 | 0x86dd => Ok((Next::Ip, payload)),
        _ => Err(End::Skipped("address family not read")),
    }
}

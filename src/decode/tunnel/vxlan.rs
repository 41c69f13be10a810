//! VXLAN (RFC 7348), its generic protocol extension, and OTV, which has the same header.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// The network identifier is valid.
const IDENTIFIER: u8 = 0x08;
/// The last reserved octet of the first word is the next protocol (VXLAN-GPE).
const NEXT_PROTOCOL: u8 = 0x04;

/// Reads VXLAN.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    ethernet_inside(view, walk, Layer::Vxlan)
}

/// Reads what comes to OTV's port: OTV, or VXLAN of a Linux kernel that was told no port.
pub(crate) fn read_otv<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    ethernet_inside(view, walk, Layer::Otv)
}

/// Reads VXLAN-GPE.
pub(crate) fn read_gpe<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let (flags, protocol) = (view.u8(0)?, view.u8(3)?);
    if flags & NEXT_PROTOCOL == 0 {
        return ethernet_inside(view, walk, Layer::VxlanGpe);
    }
    let payload = view.skip(8)?;
    let next = match protocol {
        1 | 2 => ip_version(payload)?,
        3 if ethernet::is_plausible(payload) => Next::Ethernet,
        4 => Next::EtherType(0x894f),
        5 => Next::Mpls,
        _ => return None,
    };
    let identifier = view.be24(4)?;
    Some(walk.enter(Layer::VxlanGpe(identifier)).map(|()| (next, payload)))
}

fn ethernet_inside<'a>(view: View<'a>, walk: &mut Walk, layer: fn(u32) -> Layer) -> Option<Read<'a>> {
    let payload = view.skip(8)?;
    let identifier = view.be24(4)?;
    (view.u8(0)? & IDENTIFIER != 0 && ethernet::is_plausible(payload))
        .then(|| walk.enter(layer(identifier)).map(|()| (Next::Ethernet, payload)))
}

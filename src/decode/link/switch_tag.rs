//! Tags between an Ethernet switch and its management processor: Marvell's DSA, with and without an `EtherType`, and Broadcom's.
//!
//! The tag stands between source address and type (Broadcom's older one before the frame), so the frame is put together around it.

use crate::decode::link::{LinkReader, ethernet};
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Marvell DSA: four octets.
pub(crate) const DSA: LinkReader = LinkReader { name: "dsa", numbers: &[284], read: |_, view, walk| marvell(view, 12, walk) };
/// Marvell EDSA: `EtherType`, two reserved octets and a DSA tag.
pub(crate) const EDSA: LinkReader = LinkReader { name: "edsa", numbers: &[285], read: |_, view, walk| marvell(view, 16, walk) };
/// Broadcom: four octets.
pub(crate) const BROADCOM: LinkReader = LinkReader { name: "brcm-tag", numbers: &[281], read: |_, view, walk| after_tag(view, 16, walk) };
/// Broadcom, before the frame.
pub(crate) const BROADCOM_PREPENDED: LinkReader =
    LinkReader { name: "brcm-tag-prepend", numbers: &[282], read: |_, view, walk| ethernet::read(view.skip(4).ok_or(CUT)?, walk) };

const CUT: End = End::Malformed("switch tag: cut short");

/// Reads the addresses, and the type at `at`.
fn after_tag<'a>(view: View<'a>, at: usize, walk: &mut Walk) -> Read<'a> {
    let (destination, source): ([u8; 6], [u8; 6]) = (view.array(0).ok_or(CUT)?, view.array(6).ok_or(CUT)?);
    let number = view.be16(at).ok_or(CUT)?;
    walk.link_addresses(&source, &destination);
    Ok((Next::EtherType(number), view.skip(at.saturating_add(2)).ok_or(CUT)?))
}

/// A DSA tag at `at` takes the place of the VLAN tag where the frame had one (bit 29), and carries its identifier.
fn marvell<'a>(view: View<'a>, at: usize, walk: &mut Walk) -> Read<'a> {
    let tag = view.be32(at).ok_or(CUT)?;
    let read = after_tag(view, at.saturating_add(4), walk)?;
    if tag & 0x2000_0000 != 0 {
        walk.push(Layer::Vlan(u16::try_from(tag & 0x0fff).unwrap_or(0)))?;
    }
    Ok(read)
}

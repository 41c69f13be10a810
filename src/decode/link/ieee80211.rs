//! IEEE 802.11 data frames, bare or behind the header of a capture driver: radiotap, Prism, AVS, PPI.
//!
//! Of an aggregate (A-MSDU) every frame is read. Protected frames stay closed.

use crate::decode::link::LinkReader;
use crate::decode::parts::Aggregate;
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};
use crate::frame::LinkType;

/// 802.11 alone.
pub(crate) const BARE: LinkReader = LinkReader { name: "802.11", numbers: &[105], read: |_, view, walk| read(view, false, false, walk) };
/// Radiotap header (<https://www.radiotap.org>).
pub(crate) const RADIOTAP: LinkReader = LinkReader { name: "802.11", numbers: &[127], read: radiotap };
/// Prism monitoring header; many drivers write an AVS header under this number.
pub(crate) const PRISM: LinkReader = LinkReader { name: "802.11", numbers: &[119], read: prism };
/// AVS header.
pub(crate) const AVS: LinkReader = LinkReader { name: "802.11", numbers: &[163], read: prism };
/// Per-Packet Information, which may announce any link type.
pub(crate) const PPI: LinkReader = LinkReader { name: "ppi", numbers: &[192], read: ppi };

const CUT: End = End::Malformed("802.11: header cut short");
/// Octets of the Prism header of linux-wlan.
const PRISM_HEADER: usize = 144;
const FCS: u32 = 4;

/// Reads an 802.11 header; `padded` says that the driver aligned what follows it to four octets, `swapped` that the two octets of frame
/// control are in the wrong order.
pub(crate) fn read<'a>(view: View<'a>, padded: bool, swapped: bool, walk: &mut Walk) -> Read<'a> {
    let frame_control = view.be16(0).ok_or(CUT)?;
    let [control, flags] = if swapped { frame_control.swap_bytes() } else { frame_control }.to_be_bytes();
    let (kind, subtype) = ((control >> 2) & 3, control >> 4);
    match kind {
        2 => {}
        0 => return Err(End::Skipped("802.11 management")),
        1 => return Err(End::Skipped("802.11 control")),
        _ => return Err(End::Skipped("802.11 extension")),
    }
    if subtype & 4 != 0 {
        return Err(End::Skipped("802.11 null data"));
    }
    if flags & 0x40 != 0 {
        return Err(End::Skipped("802.11 protected"));
    }
    let (to_ds, from_ds) = (flags & 1 != 0, flags & 2 != 0);
    let has_qos = subtype & 8 != 0;
    let mut length: usize = if to_ds && from_ds { 30 } else { 24 };
    let mut is_aggregate = false;
    if has_qos {
        is_aggregate = view.u8(length).ok_or(CUT)? & 0x80 != 0;
        length = length.saturating_add(2);
        if flags & 0x80 != 0 {
            length = length.saturating_add(4); // HT control
        }
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    let payload = view.skip(length).ok_or(CUT)?;
    let (destination, source) = match (to_ds, from_ds) {
        (false, false) => (4, 10),
        (true, false) => (16, 10),
        (false, true) => (4, 16),
        (true, true) => (16, 24),
    };
    if walk.ip.is_some() || !walk.layers.is_empty() {
        walk.enter(Layer::Ieee80211)?;
    } else {
        let (destination, source): ([u8; 6], [u8; 6]) = (view.array(destination).ok_or(CUT)?, view.array(source).ok_or(CUT)?);
        walk.link_addresses(&source, &destination);
    }
    // a later fragment has no LLC header; some controllers leave the fragment number of a whole frame undefined
    if view.le16(22).is_some_and(|sequence| sequence & 0x000f != 0) && payload.be24(0) != Some(0xaa_aa03) {
        return Err(End::Skipped("802.11 fragment"));
    }
    if is_aggregate {
        return Ok((Next::Parts(Aggregate::Amsdu), payload));
    }
    Ok((Next::Llc, payload))
}

/// Length in octets 2 and 3, bitmaps of what is present from octet 4 on; the flags tell padding and check sequence.
fn radiotap<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let length = usize::from(view.le16(2).ok_or(CUT)?);
    let flags = radiotap_flags(view, length).unwrap_or(0);
    let mut frame = view.skip(length).ok_or(CUT)?;
    if flags & 0x40 != 0 {
        return Err(End::Skipped("802.11 bad check sequence"));
    }
    if flags & 0x10 != 0 {
        frame = frame.without_trailer(FCS);
    }
    read(frame, flags & 0x20 != 0, false, walk)
}

/// The flags field, which only the timestamp (aligned to eight octets) can precede.
fn radiotap_flags(view: View<'_>, length: usize) -> Option<u8> {
    let header = View::whole(view.octets.get(..length)?);
    let present = header.le32(4)?;
    if present & 2 == 0 {
        return None;
    }
    let mut at: usize = 8;
    let mut word = present;
    while word & 0x8000_0000 != 0 {
        word = header.le32(at)?;
        at = at.checked_add(4)?;
    }
    if present & 1 != 0 {
        at = at.next_multiple_of(8).checked_add(8)?;
    }
    header.u8(at)
}

/// An AVS header begins with its magic number and tells its length; else it is a Prism header of fixed length.
fn prism<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let is_avs = view.be32(0).ok_or(CUT)? & 0xffff_f000 == 0x8021_1000;
    let length = if is_avs { view.be32(4).ok_or(CUT)? as usize } else { PRISM_HEADER };
    read(view.skip(length).ok_or(CUT)?, false, false, walk)
}

/// Length in octets 2 and 3, link type from octet 4 on, then fields; the 802.11 common field tells whether a check sequence follows.
fn ppi<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("ppi: header cut short");
    let length = usize::from(view.le16(2).ok_or(cut)?);
    let link_type = view.le32(4).ok_or(cut)?;
    let frame = view.skip(length).ok_or(cut)?;
    if link_type != 105 {
        let number = u16::try_from(link_type).ok().filter(|number| *number != 192);
        return Ok((Next::Link(LinkType(number.ok_or(End::Skipped("link type not read"))?)), frame));
    }
    let is_common = view.le16(8) == Some(2) && length >= 32;
    let flags = if is_common { view.le16(20).unwrap_or(0) } else { 0 };
    read(if flags & 1 != 0 { frame.without_trailer(FCS) } else { frame }, false, false, walk)
}

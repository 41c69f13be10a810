//! Apple's link types: PKTAP, which names the interface and announces another link type, and IP over FireWire.

use crate::decode::link::LinkReader;
use crate::decode::stacks::SubInterface;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};
use crate::frame::LinkType;

/// PKTAP; Apple's own tools write it as `LINKTYPE_USER2`.
pub(crate) const PKTAP: LinkReader = LinkReader { name: "pktap", numbers: &[258, 149], read: pktap };
/// IP over IEEE 1394: two addresses of eight octets, then an `EtherType`.
pub(crate) const FIREWIRE: LinkReader = LinkReader { name: "firewire", numbers: &[138], read: firewire };

const USER2: u16 = 149;
/// Octets of the first version of the header; later ones are longer and say so.
const HEADER: usize = 108;

/// Length, kind of record, link type and interface name, in the order of little-endian machines.
fn pktap<'a>(number: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("pktap: header cut short");
    let length = view.le32(0).ok_or(cut)? as usize;
    let kind = view.le32(4).ok_or(cut)?;
    if number == USER2 && !(kind == 1 && (HEADER..=1024).contains(&length)) {
        return Err(End::Skipped("link type not read"));
    }
    if length < HEADER {
        return Err(End::Malformed("pktap: header length below 108"));
    }
    if kind != 1 {
        return Err(End::Skipped("pktap without packet"));
    }
    let link_type = u16::try_from(view.le32(8).ok_or(cut)?).map_err(|_| End::Skipped("link type not read"))?;
    walk.sub_interface = Some(SubInterface::Name(view.array(12).ok_or(cut)?));
    Ok((Next::Link(LinkType(link_type)), view.skip(length).ok_or(cut)?))
}

fn firewire<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("firewire: header cut short");
    let (destination, source): ([u8; 8], [u8; 8]) = (view.array(0).ok_or(cut)?, view.array(8).ok_or(cut)?);
    let number = view.be16(16).ok_or(cut)?;
    walk.link_addresses(&source, &destination);
    Ok((Next::EtherType(number), view.skip(18).ok_or(cut)?))
}

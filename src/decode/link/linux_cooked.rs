//! Linux cooked captures (`-i any`), version 1 and 2.

use crate::decode::link::LinkReader;
use crate::decode::stacks::SubInterface;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Version 1.
pub(crate) const SLL: LinkReader = LinkReader { name: "sll", numbers: &[113], read: sll };
/// Version 2, which tells the interface.
pub(crate) const SLL2: LinkReader = LinkReader { name: "sll2", numbers: &[276], read: sll2 };

const CUT: End = End::Malformed("sll: header cut short");

/// Device types of <linux/if_arp.h> whose frames keep a header of their own after the cooked one.
const ARPHRD_NETLINK: u16 = 824;
const ARPHRD_FRAD: u16 = 770;
const ARPHRD_IEEE80211: u16 = 801;
const ARPHRD_IEEE80211_RADIOTAP: u16 = 803;

fn sll<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let payload = view.skip(16).ok_or(CUT)?;
    let device = view.be16(2).ok_or(CUT)?;
    let length = usize::from(view.be16(4).ok_or(CUT)?).min(8);
    walk.link_addresses(view.octets.get(6..).and_then(|address| address.get(..length)).ok_or(CUT)?, &[]);
    protocol(device, view.be16(14).ok_or(CUT)?, payload)
}

fn sll2<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let payload = view.skip(20).ok_or(CUT)?;
    let device = view.be16(8).ok_or(CUT)?;
    let length = usize::from(view.u8(11).ok_or(CUT)?).min(8);
    walk.link_addresses(view.octets.get(12..).and_then(|address| address.get(..length)).ok_or(CUT)?, &[]);
    walk.sub_interface = Some(SubInterface::Index(view.be32(4).ok_or(CUT)?));
    protocol(device, view.be16(0).ok_or(CUT)?, payload)
}

/// The protocol field is an `EtherType`, or below 0x600 one of Linux' own numbers.
fn protocol(device: u16, number: u16, payload: View<'_>) -> Read<'_> {
    match (device, number) {
        (ARPHRD_NETLINK, _) => Err(End::Skipped("netlink")),
        (ARPHRD_FRAD, _) => Ok((Next::FrameRelay, payload)),
        (ARPHRD_IEEE80211, _) => Ok((Next::Ieee80211 { padded: false, swapped: false }, payload)),
        (ARPHRD_IEEE80211_RADIOTAP, _) => Ok((Next::Link(crate::frame::LinkType(127)), payload)),
        (_, 0x0001) => Err(End::Skipped("ipx")),
        (_, 0x0003) => Ok((Next::Ethernet, payload)),
        (_, 0x0004) => Ok((Next::Llc, payload)),
        (_, 0x000c | 0x000d) => Err(End::Skipped("can")),
        (_, 0x0600..) => Ok((Next::EtherType(number), payload)),
        _ => Err(End::Skipped("sll protocol not read")),
    }
}

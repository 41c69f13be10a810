//! `EtherType` numbers and the tags that stand between an Ethernet header and its payload.
//!
//! Sources: IANA's ieee-802-numbers registry; IEEE 802.1Q for VLAN tags; each tag's layout beside it.

use crate::decode::stacks::Layer;
use crate::decode::tunnel;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Reads what `ether_type` announces.
pub(crate) fn read<'a>(ether_type: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    match ether_type {
        0x0800 => Ok((Next::Ip4, view)),
        0x86dd => Ok((Next::Ip6, view)),
        // customer, service and three older service tags that switches still send
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => vlan(view, walk),
        0x8847 | 0x8848 => Ok((Next::Mpls, view)),
        0x8864 => Ok((Next::Pppoe, view)),
        0x6558 => Ok((Next::Ethernet, view)),
        0x880b => Ok((Next::Ppp, view)),
        0x6559 => Ok((Next::FrameRelay, view)),
        0x8870 => Ok((Next::Llc, view)), // jumbo frames with LLC
        0x88e7 => provider_backbone(view, walk),
        0x893f => tag(view, 6),          // IEEE 802.1BR E-tag
        0x8926 | 0xf1c1 => tag(view, 4), // Cisco VN-Tag, IEEE 802.1CB redundancy tag
        0x8909 => cisco_metadata(view),
        0x8903 => tunnel::trill::fabric_path(view, walk),
        0x22f3 => tunnel::trill::read(view, walk),
        0x88e5 => tunnel::macsec::read(view, walk),
        0x894f => tunnel::nsh::read(view, walk),
        length @ 0..=1500 => Ok((Next::Llc, view.narrow_within(u32::from(length)))),
        other => Err(End::Skipped(name(other))),
    }
}

/// Two octets of priority and identifier, then the next type.
fn vlan<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("vlan: tag cut short");
    walk.push(Layer::Vlan(view.be16(0).ok_or(cut)? & 0x0fff))?;
    tag(view, 2).map_err(|_| cut)
}

/// A tag of `length` octets, then the next type.
fn tag(view: View<'_>, length: usize) -> Read<'_> {
    let cut = End::Malformed("ethernet: tag cut short");
    let next = view.be16(length).ok_or(cut)?;
    Ok((Next::EtherType(next), view.skip(length.saturating_add(2)).ok_or(cut)?))
}

/// IEEE 802.1ah: a service identifier, the customer's addresses, the customer's type.
fn provider_backbone<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    walk.push(Layer::ProviderBackbone(view.be24(1).ok_or(End::Malformed("802.1ah: tag cut short"))?))?;
    tag(view, 16)
}

/// Cisco MetaData: version, length in units of 8 octets that begin at the type, options, then the next type.
fn cisco_metadata(view: View<'_>) -> Read<'_> {
    let length = usize::from(view.u8(1).ok_or(End::Malformed("ethernet: tag cut short"))?).max(1).saturating_mul(8);
    tag(view, length.saturating_sub(2))
}

/// The reason for skipping `ether_type`.
fn name(ether_type: u16) -> &'static str {
    match ether_type {
        0x0806 => "arp",
        0x8035 => "rarp",
        0x8863 => "pppoe discovery",
        0x888e => "eapol",
        0x88cc => "lldp",
        0x8137 => "ipx",
        0x809b => "appletalk",
        0x9000 => "loopback test",
        0x8809 => "slow protocols",
        0x88f7 => "ptp",
        0x8902 => "cfm",
        0x2000 => "cdp",
        0x876b => "ppp compressed header",
        _ => "ethertype not read",
    }
}

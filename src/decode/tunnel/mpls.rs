//! MPLS label stacks (RFC 3032), IP or an Ethernet pseudowire (RFC 4448) below them, and MPLS in UDP (RFC 7510).
//!
//! Nothing in the stack says what it carries, so the first nibble is judged as routers and Wireshark do: 4 and 6 are IP, 0 is a control
//! word, 1 an associated channel; what is left is an Ethernet frame if it looks like one.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// At most so many labels: segment routing stacks stay below ten.
const MAX_LABELS: usize = 32;

/// Reads a label stack.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let payload = after_labels(view).ok_or(End::Malformed("mpls: label stack without end"))?;
    walk.push(Layer::Mpls)?;
    match payload.u8(0) {
        None => Err(End::Malformed("mpls: nothing below the labels")),
        Some(0x45..=0x4f) if is_ipv4(payload) => Ok((Next::Ip4, payload)),
        Some(0x60..=0x6f) if !is_ethernet_with_ip(payload) => Ok((Next::Ip6, payload)),
        Some(0x10..=0x1f) => Err(End::Skipped("mpls associated channel")),
        Some(0x00..=0x0f) => match payload.skip(4) {
            Some(frame) if ethernet::is_plausible(frame) && !is_ethernet_with_ip(payload) => Ok((Next::Ethernet, frame)),
            _ if ethernet::is_plausible(payload) => Ok((Next::Ethernet, payload)),
            _ => Err(End::Skipped("mpls payload not read")),
        },
        Some(_) if ethernet::is_plausible(payload) => Ok((Next::Ethernet, payload)),
        Some(_) => Err(End::Skipped("mpls payload not read")),
    }
}

/// Reads a label stack in UDP if IP is below it.
pub(crate) fn read_over_udp<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    ip_version(after_labels(view)?)?;
    Some(walk.enter(Layer::MplsInUdp).and_then(|()| read(view, walk)))
}

fn after_labels(mut view: View<'_>) -> Option<View<'_>> {
    for _ in 0..MAX_LABELS {
        let is_bottom = view.be32(0)? & 0x100 != 0;
        view = view.skip(4)?;
        if is_bottom {
            return Some(view);
        }
    }
    None
}

/// An IPv4 header has a total length that can be; a destination address that begins with 4 has not, or only by chance.
fn is_ipv4(view: View<'_>) -> bool {
    let total = view.be16(2).unwrap_or(0);
    !is_ethernet_with_ip(view) || total >= 20 && u32::from(total) <= view.wire
}

/// The type field of an Ethernet frame announces IP, and IP follows.
fn is_ethernet_with_ip(view: View<'_>) -> bool {
    match (view.be16(12), view.u8(14).map(|octet| octet >> 4)) {
        (Some(0x0800), Some(version)) => version == 4,
        (Some(0x86dd), Some(version)) => version == 6,
        _ => false,
    }
}

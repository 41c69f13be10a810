//! L2TP: version 2 (RFC 2661) carries PPP; of version 3 (RFC 3931) the frame does not say where it begins or what it is.
//!
//! The length of version 3's cookie and sublayer is agreed upon in control messages, so each possible one is tried, and only an Ethernet or
//! PPP frame with IP inside counts.

use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;

/// Reads a data message in UDP.
pub(crate) fn read_over_udp<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let flags = view.be16(0)?;
    if flags & CONTROL != 0 {
        return None;
    }
    match flags & 0x000f {
        2 => version_2(flags, view, walk),
        3 => version_3(view.skip(8)?, walk),
        _ => None,
    }
}

/// Reads a data message of version 3 right above IP; session 0 is control.
pub(crate) fn read_over_ip<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let skipped = End::Skipped("l2tpv3");
    if view.be32(0).ok_or(skipped)? == 0 {
        return Err(skipped);
    }
    version_3(view.skip(4).ok_or(skipped)?, walk).unwrap_or(Err(skipped))
}

fn version_2<'a>(flags: u16, view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let mut at: usize = 2;
    let mut frame = view;
    if flags & LENGTH != 0 {
        frame = view.narrow_within(u32::from(view.be16(2)?));
        at = at.saturating_add(2);
    }
    at = at.saturating_add(4); // tunnel and session
    if flags & SEQUENCE != 0 {
        at = at.saturating_add(4);
    }
    if flags & OFFSET != 0 {
        at = at.saturating_add(2).saturating_add(usize::from(frame.be16(at)?));
    }
    let frame = frame.skip(at)?;
    Some(walk.enter(Layer::L2tp).map(|()| (Next::Ppp, frame)))
}

/// Cookies have 0, 4 or 8 octets, the default sublayer 0 or 4.
fn version_3<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let (next, frame) = [0, 4, 8, 12].into_iter().find_map(|skip| {
        let frame = view.skip(skip)?;
        Some((inside(frame)?, frame))
    })?;
    Some(walk.enter(Layer::L2tpV3).map(|()| (next, frame)))
}

/// An Ethernet frame or a PPP frame with IP inside.
fn inside(frame: View<'_>) -> Option<Next> {
    let behind_tag = if frame.be16(12) == Some(0x8100) { 4 } else { 0 };
    let version = |at| frame.skip(at).and_then(ip_version);
    match frame.be16(12usize.saturating_add(behind_tag)) {
        Some(0x0800) if version(14usize.saturating_add(behind_tag)) == Some(Next::Ip4) => return Some(Next::Ethernet),
        Some(0x86dd) if version(14usize.saturating_add(behind_tag)) == Some(Next::Ip6) => return Some(Next::Ethernet),
        _ => {}
    }
    match frame.be32(0)? {
        0xff03_0021 if version(4) == Some(Next::Ip4) => Some(Next::Ppp),
        0xff03_0057 if version(4) == Some(Next::Ip6) => Some(Next::Ppp),
        _ => None,
    }
}

//! Layer 2 multipath: TRILL (RFC 6325) and Cisco FabricPath, an Ethernet frame inside another.

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

const CUT: End = End::Malformed("trill: header cut short");

/// Flags with the options' length in units of four octets, egress, ingress, options.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let options = usize::from((view.be16(0).ok_or(CUT)? >> 6) & 0x1f).saturating_mul(4);
    let frame = view.skip(options.saturating_add(6)).ok_or(CUT)?;
    walk.push(Layer::Trill)?;
    Ok((Next::Ethernet, frame))
}

/// Forwarding tag and time to live.
pub(crate) fn fabric_path<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let frame = view.skip(2).ok_or(End::Malformed("fabricpath: header cut short"))?;
    walk.push(Layer::FabricPath)?;
    Ok((Next::Ethernet, frame))
}

//! Network Service Header (RFC 8300).

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Length in units of four octets, next protocol, service path, context.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("nsh: header cut short");
    let length = usize::from(view.u8(1).ok_or(cut)? & 0x3f).saturating_mul(4);
    if length < 8 {
        return Err(End::Malformed("nsh: header length below 8"));
    }
    let protocol = view.u8(3).ok_or(cut)?;
    let payload = view.skip(length).ok_or(cut)?;
    walk.enter(Layer::Nsh)?;
    match protocol {
        1 => Ok((Next::Ip4, payload)),
        2 => Ok((Next::Ip6, payload)),
        3 => Ok((Next::Ethernet, payload)),
        4 => Ok((Next::EtherType(0x894f), payload)),
        5 => Ok((Next::Mpls, payload)),
        _ => Err(End::Skipped("nsh protocol not read")),
    }
}

//! EtherIP (RFC 3378): an Ethernet frame behind two octets of version.

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Reads an EtherIP header.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let frame = view.skip(2).ok_or(End::Malformed("etherip: header cut short"))?;
    if view.u8(0).is_none_or(|first| first >> 4 != 3) {
        return Err(End::Skipped("etherip version not read"));
    }
    walk.enter(Layer::EtherIp)?;
    Ok((Next::Ethernet, frame))
}

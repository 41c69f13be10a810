//! ERSPAN: mirrored Ethernet frames in GRE, types I (no header), II and III (draft-foschiano-erspan).

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

const CUT: End = End::Malformed("erspan: header cut short");

/// Reads type II, or type I, which has neither a sequence number in GRE nor a header of its own.
pub(crate) fn read_1_or_2<'a>(view: View<'a>, has_sequence: bool, walk: &mut Walk) -> Read<'a> {
    if !has_sequence {
        walk.enter(Layer::Erspan(1))?;
        return Ok((Next::Ethernet, view));
    }
    let version = view.u8(0).ok_or(CUT)? >> 4;
    if version == 2 {
        return read_3(view, walk);
    }
    walk.enter(Layer::Erspan(2))?;
    Ok((Next::Ethernet, view.skip(8).ok_or(CUT)?))
}

/// Reads type III: twelve octets, eight more where the last bit says so, then the kind of frame that the header names.
pub(crate) fn read_3<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let kind = view.be16(10).ok_or(CUT)?;
    let header = if kind & 1 != 0 { 20 } else { 12 };
    let payload = view.skip(header).ok_or(CUT)?;
    walk.enter(Layer::Erspan(3))?;
    match (kind >> 10) & 0x1f {
        0 => Ok((Next::Ethernet, payload)),
        2 => Ok((Next::Ip, payload)),
        _ => Err(End::Skipped("erspan frame type not read")),
    }
}

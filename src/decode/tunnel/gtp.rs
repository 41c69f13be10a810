//! GTP user plane: version 1 (3GPP TS 29.281) and version 0 (3GPP TS 09.60). Only G-PDUs carry packets.

use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{Read, Walk};

/// Message type of a packet.
const G_PDU: u8 = 255;
/// At most so many extension headers are skipped.
const MAX_EXTENSIONS: usize = 16;

/// Reads a G-PDU whose packet is IP.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let [flags, kind]: [u8; 2] = view.array(0)?;
    if kind != G_PDU || flags & 0x10 == 0 {
        return None;
    }
    let length = u32::from(view.be16(2)?);
    let payload = match flags >> 5 {
        0 => view.skip(20)?.narrow_within(length),
        1 => version_1(flags, view.skip(8)?.narrow_within(length))?,
        _ => return None,
    };
    let next = ip_version(payload)?;
    Some(walk.enter(Layer::Gtp).map(|()| (next, payload)))
}

/// Sequence number, N-PDU number and the first extension's type are there if any of three flags is set.
fn version_1(flags: u8, view: View<'_>) -> Option<View<'_>> {
    if matches!(flags & 0x07, 0) {
        return Some(view);
    }
    let mut kind = if flags & 0x04 != 0 { view.u8(3)? } else { 0 };
    let mut rest = view.skip(4)?;
    for _ in 0..MAX_EXTENSIONS {
        if kind == 0 {
            return Some(rest);
        }
        let length = usize::from(rest.u8(0)?).saturating_mul(4);
        kind = rest.u8(length.checked_sub(1)?)?;
        rest = rest.skip(length)?;
    }
    None
}

//! MACsec (IEEE 802.1AE) where it only authenticates; encrypted frames stay closed.

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

const CHANNEL: u8 = 0x20;
const ENCRYPTED_OR_CHANGED: u8 = 0x0c;
/// Octets of the integrity check value of every standard cipher suite.
const CHECK_VALUE: u32 = 16;

/// Control octet, short length, packet number, channel identifier where the control octet says so, then the frame's own type.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("macsec: tag cut short");
    let control = view.u8(0).ok_or(cut)?;
    if control & ENCRYPTED_OR_CHANGED != 0 {
        return Err(End::Skipped("macsec encrypted"));
    }
    let at: usize = if control & CHANNEL != 0 { 14 } else { 6 };
    let number = view.be16(at).ok_or(cut)?;
    let payload = view.skip(at.saturating_add(2)).ok_or(cut)?;
    walk.push(Layer::MacSec)?;
    Ok((Next::EtherType(number), payload.without_trailer(CHECK_VALUE)))
}

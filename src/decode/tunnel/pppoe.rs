//! PPP over Ethernet, session stage (RFC 2516).

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Reads version and type, code, session, length.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("pppoe: header cut short");
    let [_, code]: [u8; 2] = view.array(0).ok_or(cut)?;
    let length = u32::from(view.be16(4).ok_or(cut)?);
    let payload = view.skip(6).ok_or(cut)?;
    if code != 0 {
        return Err(End::Skipped("pppoe discovery"));
    }
    walk.push(Layer::Pppoe)?;
    Ok((Next::Ppp, payload.carried(length)))
}

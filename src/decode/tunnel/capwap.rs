//! CAPWAP data channel (RFC 5415): 802.3 or 802.11 frames between an access point and its controller.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// Reads a data message; encrypted ones and fragments stay closed.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let [preamble, length, binding, flags]: [u8; 4] = view.array(0)?;
    let is_fragment = flags & 0x80 != 0;
    if preamble != 0 || is_fragment {
        return None;
    }
    let frame = view.skip(usize::from(length >> 3).saturating_mul(4)).filter(|_| length >> 3 >= 2)?;
    let is_native = binding & 1 != 0;
    let next = match (is_native, (binding >> 1) & 0x1f) {
        (false, _) if ethernet::is_plausible(frame) => Next::Ethernet,
        (true, 0 | 1) => {
            let control: [u8; 2] = frame.array(0)?;
            // some controllers swap the two octets of frame control: version 0 and kind data tell which one is the first
            let swapped =
                control.first().is_some_and(|first| first & 0x0f != 0x08) && control.last().is_some_and(|last| last & 0x0f == 0x08);
            Next::Ieee80211 { padded: false, swapped }
        }
        _ => return None,
    };
    Some(walk.enter(Layer::Capwap).map(|()| (next, frame)))
}

//! TaZmen Sniffer Protocol: frames that an access point or a router sends to an analyser.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// At most so many tags are skipped.
const MAX_TAGS: usize = 64;

/// Version, kind of message, kind of frame, then tags until the end tag.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let [version, kind]: [u8; 2] = view.array(0)?;
    if version != 1 || kind > 1 {
        return None;
    }
    let encapsulation = view.be16(2)?;
    let mut rest = view.skip(4)?;
    for _ in 0..MAX_TAGS {
        match rest.u8(0)? {
            0 => rest = rest.skip(1)?,
            1 => {
                let frame = rest.skip(1)?;
                let next = match encapsulation {
                    1 if ethernet::is_plausible(frame) => Next::Ethernet,
                    0x12 => Next::Ieee80211 { padded: false, swapped: false },
                    _ => return None,
                };
                return Some(walk.enter(Layer::Tzsp).map(|()| (next, frame)));
            }
            _ => rest = rest.skip(usize::from(rest.u8(1)?).saturating_add(2))?,
        }
    }
    None
}

//! Teredo (RFC 4380 section 5.1.1): IPv6 in UDP, with optional authentication and origin indications before it.

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// Reads a Teredo packet.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let mut packet = view;
    if packet.be16(0)? == 1 {
        let [identifier, authentication]: [u8; 2] = packet.array(2)?;
        packet = packet.skip(usize::from(identifier).saturating_add(usize::from(authentication)).saturating_add(13))?;
    }
    if packet.be16(0)? == 0 {
        packet = packet.skip(8)?;
    }
    (packet.u8(0)? >> 4 == 6).then(|| walk.enter(Layer::Teredo).map(|()| (Next::Ip6, packet)))
}

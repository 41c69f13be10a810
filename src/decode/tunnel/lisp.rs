//! LISP data packets (RFC 9300 section 5): IP behind eight octets.

use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{Read, Walk};

/// Reads a LISP data packet.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let packet = view.skip(8)?;
    let next = ip_version(packet)?;
    Some(walk.enter(Layer::Lisp).map(|()| (next, packet)))
}

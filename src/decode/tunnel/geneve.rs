//! Geneve (RFC 8926).
//!
//! An endpoint drops a version that it does not know (section 3.4); a capture shows what was sent, so such a packet is followed as Wireshark
//! does, if what it announces is evidently there.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::tunnel::ip_version;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// Version and length of options (in units of four octets), flags, protocol, network identifier, options.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let first = view.u8(0)?;
    let protocol = view.be16(2)?;
    let identifier = view.be24(4)?;
    let payload = view.skip(usize::from(first & 0x3f).saturating_mul(4).saturating_add(8))?;
    let next = match protocol {
        0x6558 if ethernet::is_plausible(payload) => Next::Ethernet,
        0x0800 | 0x86dd => ip_version(payload)?,
        0x8847 | 0x894f => Next::EtherType(protocol),
        _ => return None,
    };
    Some(walk.enter(Layer::Geneve(identifier)).map(|()| (next, payload)))
}

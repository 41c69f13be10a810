//! SLIP with the 16-octet header that libpcap puts before it: direction, then the compressed header.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// SLIP.
pub(crate) const READER: LinkReader = LinkReader { name: "slip", numbers: &[8], read };

fn read<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let packet = view.skip(16).ok_or(End::Malformed("slip: header cut short"))?;
    match packet.u8(0).map(|octet| octet >> 4) {
        Some(4 | 6) => Ok((Next::Ip, packet)),
        _ => Err(End::Skipped("slip compressed tcp")), // RFC 1144
    }
}

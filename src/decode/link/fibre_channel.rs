//! IP over Fibre Channel (RFC 2625): a network header with two addresses of eight octets, then LLC.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// IP over Fibre Channel.
pub(crate) const READER: LinkReader = LinkReader { name: "ip-over-fc", numbers: &[122], read };

fn read<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("ip over fc: header cut short");
    let (destination, source): ([u8; 8], [u8; 8]) = (view.array(0).ok_or(cut)?, view.array(8).ok_or(cut)?);
    walk.link_addresses(&source, &destination);
    Ok((Next::Llc, view.skip(16).ok_or(cut)?))
}

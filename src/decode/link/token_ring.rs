//! Token Ring (IEEE 802.5): access and frame control, addresses, source route, LLC.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Token Ring.
pub(crate) const READER: LinkReader = LinkReader { name: "token-ring", numbers: &[6], read };

fn read<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("token ring: header cut short");
    let control = view.u8(1).ok_or(cut)?;
    let (destination, mut source): ([u8; 6], [u8; 6]) = (view.array(2).ok_or(cut)?, view.array(8).ok_or(cut)?);
    let [first, ..] = &mut source;
    // the highest bit of the source address says that a source route follows, whose length is in its first octet
    let route = if *first & 0x80 != 0 { usize::from(view.u8(14).ok_or(cut)? & 0x1f) } else { 0 };
    *first &= 0x7f;
    if control & 0xc0 != 0x40 {
        return Err(End::Skipped("token ring management"));
    }
    walk.link_addresses(&source, &destination);
    Ok((Next::Llc, view.skip(route.saturating_add(14)).ok_or(cut)?))
}

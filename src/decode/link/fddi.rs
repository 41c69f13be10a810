//! FDDI: frame control, addresses, LLC.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// FDDI.
pub(crate) const READER: LinkReader = LinkReader { name: "fddi", numbers: &[10], read };

fn read<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("fddi: header cut short");
    let control = view.u8(0).ok_or(cut)?;
    let (destination, source): ([u8; 6], [u8; 6]) = (view.array(1).ok_or(cut)?, view.array(7).ok_or(cut)?);
    // asynchronous or synchronous LLC frames (ANSI X3.139): class and length bits aside, the format bits are 01
    if control & 0x30 != 0x10 {
        return Err(End::Skipped("fddi management"));
    }
    walk.link_addresses(&source, &destination);
    Ok((Next::Llc, view.skip(13).ok_or(cut)?))
}

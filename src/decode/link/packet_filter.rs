//! OpenBSD's pflog(4): the packet filter's log header, then the packet.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Packet filter log.
pub(crate) const READER: LinkReader = LinkReader { name: "pflog", numbers: &[117], read };

/// The first octet is the header's length without its padding to a multiple of four.
fn read<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("pflog: header cut short");
    let length = usize::from(view.u8(0).ok_or(cut)?);
    if length < 4 {
        return Err(End::Malformed("pflog: header length below 4"));
    }
    Ok((Next::Ip, view.skip(length.next_multiple_of(4)).ok_or(cut)?))
}

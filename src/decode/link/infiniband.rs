//! IP over InfiniBand: forty octets of addresses, then an `EtherType` and two reserved octets.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// IP over InfiniBand.
pub(crate) const READER: LinkReader = LinkReader { name: "ipoib", numbers: &[242], read };

fn read<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("ipoib: header cut short");
    let number = view.be16(40).ok_or(cut)?;
    Ok((Next::EtherType(number), view.skip(44).ok_or(cut)?))
}

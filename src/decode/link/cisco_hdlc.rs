//! Cisco HDLC: address, control, an `EtherType`.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read};

/// Cisco HDLC, and NetBSD's number for it.
pub(crate) const READER: LinkReader = LinkReader { name: "chdlc", numbers: &[104, 112], read: |_, view, _| read(view) };
/// Cisco HDLC with an octet of direction before it.
pub(crate) const WITH_DIRECTION: LinkReader =
    LinkReader { name: "chdlc", numbers: &[205], read: |_, view, _| read(view.skip(1).ok_or(CUT)?) };

const CUT: End = End::Malformed("chdlc: header cut short");

/// Reads a Cisco HDLC header. PPP on the same line is told by its address.
pub(crate) fn read(view: View<'_>) -> Read<'_> {
    if view.be16(0) == Some(0xff03) {
        return Ok((Next::Ppp, view));
    }
    let number = view.be16(2).ok_or(CUT)?;
    let payload = view.skip(4).ok_or(CUT)?;
    match number {
        0x8035 => Err(End::Skipped("slarp")),
        0x2000 => Err(End::Skipped("cdp")),
        0x0600.. if number != 0xfefe => Ok((Next::EtherType(number), payload)),
        _ => Err(End::Skipped("osi")),
    }
}

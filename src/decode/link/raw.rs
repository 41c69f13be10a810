//! Packets without a link header.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{Next, Read, Walk};

/// IPv4 or IPv6, as the version says: `LINKTYPE_RAW` and the two numbers that systems write instead.
pub(crate) const ANY: LinkReader = LinkReader { name: "raw", numbers: &[12, 14, 101], read: any };
/// IPv4.
pub(crate) const IPV4: LinkReader = LinkReader { name: "raw-ipv4", numbers: &[228], read: |_, view, _| Ok((Next::Ip4, view)) };
/// IPv6.
pub(crate) const IPV6: LinkReader = LinkReader { name: "raw-ipv6", numbers: &[229], read: |_, view, _| Ok((Next::Ip6, view)) };
/// An MPLS label stack.
pub(crate) const MPLS: LinkReader = LinkReader { name: "raw-mpls", numbers: &[219], read: |_, view, _| Ok((Next::Mpls, view)) };

#[allow(clippy::unnecessary_wraps)] // the shape of every reader
fn any<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    if view.be16(0) == Some(0xff03) {
        return Ok((Next::Ppp, view)); // PPP interfaces of some systems call their frames raw
    }
    Ok((Next::Ip, view))
}

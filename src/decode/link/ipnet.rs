//! Solaris IPNET: a header of 24 octets before each packet that a zone sends or receives.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// IPNET.
pub(crate) const READER: LinkReader = LinkReader { name: "ipnet", numbers: &[226], read };

/// Version, address family (2 is IPv4, 26 is IPv6 on Solaris), then lengths, interfaces and zones.
fn read<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("ipnet: header cut short");
    let [version, family]: [u8; 2] = view.array(0).ok_or(cut)?;
    let packet = view.skip(24).ok_or(cut)?;
    match (version, family) {
        (1, 2) => Ok((Next::Ip4, packet)),
        (1, 26) => Ok((Next::Ip6, packet)),
        _ => Err(End::Skipped("ipnet family not read")),
    }
}

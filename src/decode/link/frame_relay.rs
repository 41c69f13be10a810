//! Frame relay: a Q.922 address, then RFC 2427 or Cisco encapsulation.

use crate::decode::link::{LinkReader, llc};
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read};

/// Frame relay.
pub(crate) const READER: LinkReader = LinkReader { name: "frame-relay", numbers: &[107], read: |_, view, _| read(view) };
/// Frame relay with an octet of direction before it.
pub(crate) const WITH_DIRECTION: LinkReader =
    LinkReader { name: "frame-relay", numbers: &[206], read: |_, view, _| read(view.skip(1).ok_or(CUT)?) };

const CUT: End = End::Malformed("frame relay: header cut short");

/// Reads the address of two to four octets, whose last has its lowest bit set, and what follows.
pub(crate) fn read(view: View<'_>) -> Read<'_> {
    let length = view.octets.iter().take(4).position(|octet| octet & 1 == 1).ok_or(CUT)?.saturating_add(1);
    let view = view.skip(length).ok_or(CUT)?;
    match view.be16(0).ok_or(CUT)?.to_be_bytes() {
        [0x03, 0x00] => nlpid(view.skip(2).ok_or(CUT)?),
        [0x03, _] => nlpid(view.skip(1).ok_or(CUT)?),
        ether_type => Ok((Next::EtherType(u16::from_be_bytes(ether_type)), view.skip(2).ok_or(CUT)?)),
    }
}

/// Reads a network layer protocol identifier (RFC 2427 section 3).
pub(crate) fn nlpid(view: View<'_>) -> Read<'_> {
    let number = view.u8(0).ok_or(CUT)?;
    let payload = view.skip(1).ok_or(CUT)?;
    match number {
        0xcc => Ok((Next::Ip4, payload)),
        0x8e => Ok((Next::Ip6, payload)),
        0xcf => Ok((Next::Ppp, payload)),
        0x80 => {
            let (organisation, protocol) = (payload.be24(0).ok_or(CUT)?, payload.be16(3).ok_or(CUT)?);
            llc::bridged(organisation, protocol, payload.skip(5).ok_or(CUT)?, false)
        }
        _ => Err(End::Skipped("osi")),
    }
}

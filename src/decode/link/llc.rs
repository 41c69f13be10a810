//! IEEE 802.2 LLC and SNAP.

use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read};

/// Reads an LLC header; `over_atm` says that bridged frames have padding before them (RFC 2684 section 5.2).
pub(crate) fn read(view: View<'_>, over_atm: bool) -> Read<'_> {
    let cut = End::Malformed("llc: header cut short");
    let header: [u8; 3] = view.array(0).ok_or(cut)?;
    match header {
        [0xaa | 0xab, 0xaa | 0xab, 0x03] => snap(view, over_atm),
        [0x06, 0x06, 0x03] => Ok((Next::Ip, view.skip(3).ok_or(cut)?)),
        [0xfe, 0xfe, 0x03] => Ok((Next::Nlpid, view.skip(3).ok_or(cut)?)),
        [0x42, 0x42, _] => Err(End::Skipped("stp")),
        [0xff, 0xff, _] | [0xe0, 0xe0, _] => Err(End::Skipped("ipx")),
        [0xf0, 0xf0, _] => Err(End::Skipped("netbeui")),
        _ => Err(End::Skipped("llc")),
    }
}

/// Reads the five octets of SNAP: organisation and protocol.
pub(crate) fn snap(view: View<'_>, over_atm: bool) -> Read<'_> {
    let cut = End::Malformed("llc: snap header cut short");
    let (organisation, protocol) = (view.be24(3).ok_or(cut)?, view.be16(6).ok_or(cut)?);
    let payload = view.skip(8).ok_or(cut)?;
    bridged(organisation, protocol, payload, over_atm)
}

/// What a SNAP organisation and protocol announce.
pub(crate) fn bridged(organisation: u32, protocol: u16, payload: View<'_>, over_atm: bool) -> Read<'_> {
    let padding = if over_atm { 2 } else { 0 };
    match (organisation, protocol) {
        // Ethernet; Ethernet in 802.3 bridged tunnels (802.1H); Apple
        (0 | 0x00_00f8 | 0x08_0007, 0x0600..) => Ok((Next::EtherType(protocol), payload)),
        // IEEE 802.1: bridged 802.3 with and without check sequence
        (0x00_80c2, 0x0001) => {
            Ok((Next::Ethernet, payload.skip(padding).ok_or(End::Malformed("ethernet: header cut short"))?.without_trailer(4)))
        }
        (0x00_80c2, 0x0007) => Ok((Next::Ethernet, payload.skip(padding).ok_or(End::Malformed("ethernet: header cut short"))?)),
        (0x00_000c, 0x2000..=0x2004) => Err(End::Skipped("cdp")),
        _ => Err(End::Skipped("llc snap")),
    }
}

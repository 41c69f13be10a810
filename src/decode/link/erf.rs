//! Endace ERF records inside pcap files: a record header, extension headers, then Ethernet, HDLC, IPv4 or IPv6.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// ERF, and the two numbers that promise Ethernet or HDLC.
pub(crate) const READER: LinkReader = LinkReader { name: "erf", numbers: &[197, 175, 176], read };

/// Octets of a record header: time, type, flags, lengths.
const HEADER: usize = 16;
/// At most so many extension headers are skipped.
const MAX_EXTENSIONS: usize = 16;

fn read<'a>(_: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("erf: header cut short");
    let kind = view.u8(8).ok_or(cut)?;
    let wire = u32::from(view.be16(14).ok_or(cut)?);
    let mut payload = view.skip(HEADER).ok_or(cut)?;
    let mut more = kind & 0x80 != 0;
    for _ in 0..MAX_EXTENSIONS {
        if !more {
            break;
        }
        more = payload.u8(0).ok_or(cut)? & 0x80 != 0;
        payload = payload.skip(8).ok_or(cut)?;
    }
    match kind & 0x7f {
        // Ethernet with an offset and a padding octet before it, in its plain, coloured, classified and multi-channel forms
        2 | 11 | 16 | 20 => Ok((Next::Ethernet, payload.skip(2).ok_or(cut)?.narrow(wire).without_trailer(4))),
        1 | 10 | 15 | 17 => Ok((Next::CiscoHdlc, payload.narrow(wire))),
        22 => Ok((Next::Ip4, payload.narrow(wire))),
        23 => Ok((Next::Ip6, payload.narrow(wire))),
        _ => Err(End::Skipped("erf record not read")),
    }
}

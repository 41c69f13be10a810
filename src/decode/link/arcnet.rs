//! ARCNET as BSD (frames as on the wire) and Linux (reassembled, with an offset) capture it.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// As BSD captures it.
pub(crate) const BSD: LinkReader = LinkReader { name: "arcnet", numbers: &[7], read: bsd };
/// As Linux captures it.
pub(crate) const LINUX: LinkReader = LinkReader { name: "arcnet", numbers: &[129], read: linux };

const CUT: End = End::Malformed("arcnet: header cut short");
/// Packet types of RFC 1051 and RFC 1201.
const IP_RFC1051: u8 = 240;
const ARP_RFC1051: u8 = 241;
const IP_RFC1201: u8 = 212;
const ARP_RFC1201: u8 = 213;
const IPV6: u8 = 0xc4;

/// Source, destination, type; RFC 1201 adds a split flag and a sequence number, and more of them in an exception frame.
fn bsd<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let [source, destination, kind]: [u8; 3] = view.array(0).ok_or(CUT)?;
    walk.link_addresses(&[source], &[destination]);
    if matches!(kind, IP_RFC1051 | ARP_RFC1051) {
        return packet(kind, view.skip(3).ok_or(CUT)?);
    }
    let (split, header) = match view.u8(3).ok_or(CUT)? {
        0xff => (view.u8(7).ok_or(CUT)?, 10),
        split => (split, 6),
    };
    // 0: whole; odd: the first of several; other even numbers: a later one
    if split != 0 && split & 1 == 0 {
        return Err(End::Skipped("arcnet fragment"));
    }
    packet(kind, view.skip(header).ok_or(CUT)?)
}

fn linux<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let [source, destination, _, _, kind]: [u8; 5] = view.array(0).ok_or(CUT)?;
    walk.link_addresses(&[source], &[destination]);
    let header = if matches!(kind, IP_RFC1051 | ARP_RFC1051) { 5 } else { 8 };
    packet(kind, view.skip(header).ok_or(CUT)?)
}

fn packet(kind: u8, payload: View<'_>) -> Read<'_> {
    match kind {
        IP_RFC1051 | IP_RFC1201 => Ok((Next::Ip4, payload)),
        IPV6 => Ok((Next::Ip6, payload)),
        ARP_RFC1051 | ARP_RFC1201 => Err(End::Skipped("arp")),
        _ => Err(End::Skipped("arcnet protocol not read")),
    }
}

//! Ethernet II and IEEE 802.3, bare or behind a few octets of a capture device.

use crate::decode::link::LinkReader;
use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Ethernet.
pub(crate) const READER: LinkReader = LinkReader { name: "ethernet", numbers: &[1], read: |_, view, walk| read(view, walk) };
/// IEEE 802.3br mPackets: preamble and start delimiter, the frame, its check sequence.
pub(crate) const PREAMBLE: LinkReader = LinkReader { name: "ethernet-mpacket", numbers: &[274], read: preamble };
/// Hilscher netANALYZER: four octets of status before the frame, in transparent mode its preamble too, its check sequence after.
pub(crate) const NETANALYZER: LinkReader = LinkReader { name: "netanalyzer", numbers: &[240, 241], read: netanalyzer };
/// ATM LAN emulation of 802.3: a client identifier before the frame.
pub(crate) const EMULATED_LAN: LinkReader =
    LinkReader { name: "lane", numbers: &[110], read: |_, view, walk| read(view.skip(2).ok_or(CUT)?, walk) };

const CUT: End = End::Malformed("ethernet: header cut short");
/// Destinations of Cisco's Inter-Switch Link; the frame proper begins after 26 octets.
const ISL: [[u8; 5]; 2] = [[0x01, 0x00, 0x0c, 0x00, 0x00], [0x03, 0x00, 0x0c, 0x00, 0x00]];
const ISL_HEADER: usize = 26;

/// Reads an Ethernet header.
#[inline]
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let Some(header) = view.octets.first_chunk::<14>() else { return Err(CUT) };
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
    let destination = [d0, d1, d2, d3, d4, d5];
    if walk.ip.is_some() || !walk.layers.is_empty() {
        walk.enter(Layer::Ethernet)?;
    } else {
        walk.link_addresses(&[s0, s1, s2, s3, s4, s5], &destination);
    }
    if d0 & 0xfd == 1 && d2 == 0x0c && ISL.contains(&[d0, d1, d2, d3, d4]) {
        return inter_switch_link(view, walk);
    }
    let payload = view.skip(14).ok_or(CUT)?;
    Ok((Next::EtherType(u16::from_be_bytes([t0, t1])), payload))
}

/// Whether octets that a tunnel announces as an Ethernet frame look like one: a known `EtherType` with a payload to match, or a length that fits.
pub(crate) fn is_plausible(view: View<'_>) -> bool {
    let Some(ether_type) = view.be16(12) else { return false };
    let version = view.u8(14).map(|octet| octet >> 4);
    match ether_type {
        0x0800 => version.is_none_or(|version| version == 4),
        0x86dd => version.is_none_or(|version| version == 6),
        0..=1500 => u32::from(ether_type) <= view.wire.saturating_sub(14),
        0x0600.. => true,
        _ => false,
    }
}

#[cold]
fn inter_switch_link<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let vlan = view.be16(20).ok_or(CUT)? >> 1;
    walk.push(Layer::Vlan(vlan & 0x0fff))?;
    Ok((Next::Ethernet, view.skip(ISL_HEADER).ok_or(CUT)?.without_trailer(4)))
}

fn preamble<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    // octets of 0x55, then a start delimiter: SMD-E is 0xd5; the others begin preemptable frames and their continuations
    let delimiter = view.octets.iter().take(8).position(|octet| *octet != 0x55).ok_or(End::Malformed("ethernet: no start delimiter"))?;
    match view.u8(delimiter) {
        Some(0xd5 | 0xe6 | 0x4c | 0x7f | 0xb3) => {
            let frame = view.skip(delimiter.saturating_add(1)).ok_or(CUT)?;
            read(frame.without_trailer(4), walk)
        }
        _ => Err(End::Skipped("802.3br fragment")),
    }
}

fn netanalyzer<'a>(number: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let header = if number == 241 { 12 } else { 4 };
    read(view.skip(header).ok_or(CUT)?.without_trailer(4), walk)
}

//! Frames → a file: classic pcap, or pcapng when a script names capture interfaces.

use super::parse::Link;
use super::play::Packet;
use super::wire;

/// What a capture claims as its snap length when nothing was cut (tcpdump's default).
const WHOLE: u32 = 262_144;
const NANOSECONDS: i64 = 1_000_000_000;

/// The octets of the capture.
pub fn write(packets: &[Packet], link: Link) -> Vec<u8> {
    // In an SLL2 capture the interface travels in the link header.
    if link != Link::Sll2 && packets.iter().any(|packet| packet.interface.is_some()) { pcapng(packets, link) } else { pcap(packets, link) }
}

const fn link_type(link: Link) -> u16 {
    match link {
        Link::Ethernet => 1,
        Link::Raw => 101,
        Link::Sll => 113,
        Link::Sll2 => 276,
    }
}

/// Octets kept, and the length that the record claims.
fn record(packet: &Packet, link: Link) -> (Vec<u8>, u32) {
    let mut octets = wire::frame(packet, link);
    let whole = octets.len();
    octets.truncate(packet.snap.unwrap_or(whole));
    let claimed = if packet.record_cut { octets.len() } else { whole };
    (octets, u32::try_from(claimed).expect("a frame is short"))
}

fn snap_length(packets: &[Packet]) -> u32 {
    packets.iter().filter_map(|packet| packet.snap).max().map_or(WHOLE, |snap| u32::try_from(snap).unwrap_or(WHOLE))
}

/// Microseconds unless a script's times are finer.
fn pcap(packets: &[Packet], link: Link) -> Vec<u8> {
    let fine = packets.iter().any(|packet| packet.time % 1000 != 0);
    let (magic, unit) = if fine { (0xa1b2_3c4d_u32, 1) } else { (0xa1b2_c3d4, 1000) };
    let mut file = Vec::new();
    file.extend(magic.to_le_bytes());
    file.extend(2_u16.to_le_bytes());
    file.extend(4_u16.to_le_bytes());
    file.extend([0; 8]);
    file.extend(snap_length(packets).to_le_bytes());
    file.extend(u32::from(link_type(link)).to_le_bytes());
    for packet in packets {
        let (octets, claimed) = record(packet, link);
        let seconds = u32::try_from(packet.time.div_euclid(NANOSECONDS)).expect("a time after 1970");
        let fraction = u32::try_from(packet.time.rem_euclid(NANOSECONDS) / unit).expect("less than a second");
        file.extend(seconds.to_le_bytes());
        file.extend(fraction.to_le_bytes());
        file.extend(u32::try_from(octets.len()).expect("a frame is short").to_le_bytes());
        file.extend(claimed.to_le_bytes());
        file.extend(octets);
    }
    file
}

fn pcapng(packets: &[Packet], link: Link) -> Vec<u8> {
    let mut file = Vec::new();
    let mut section = Vec::new();
    section.extend(0x1a2b_3c4d_u32.to_le_bytes());
    section.extend([1, 0, 0, 0]);
    section.extend([0xff; 8]);
    block(&mut file, 0x0a0d_0d0a, &section);
    let interfaces = packets.iter().filter_map(|packet| packet.interface).max().unwrap_or(0);
    for interface in 0..=interfaces {
        let mut description = Vec::new();
        description.extend(u32::from(link_type(link)).to_le_bytes());
        description.extend(snap_length(packets).to_le_bytes());
        option(&mut description, 2, format!("if{interface}").as_bytes());
        option(&mut description, 9, &[9]); // nanoseconds
        option(&mut description, 0, &[]);
        block(&mut file, 1, &description);
    }
    for packet in packets {
        let (octets, claimed) = record(packet, link);
        let time = u64::try_from(packet.time).expect("a time after 1970");
        let [low, high] = [time & 0xffff_ffff, time >> 32].map(|half| u32::try_from(half).expect("32 bits"));
        let mut body = Vec::new();
        for field in [packet.interface.unwrap_or(0), high, low, u32::try_from(octets.len()).expect("a frame is short"), claimed] {
            body.extend(field.to_le_bytes());
        }
        body.extend(octets);
        block(&mut file, 6, &body);
    }
    file
}

fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    block.extend(code.to_le_bytes());
    block.extend(u16::try_from(value.len()).expect("a short option").to_le_bytes());
    block.extend_from_slice(value);
    block.resize(block.len().next_multiple_of(4), 0);
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).expect("a block is short").to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(length);
    file.extend_from_slice(body);
    file.resize(file.len() + padded - body.len(), 0);
    file.extend(length);
}

//! Packets → octets: Ethernet, SLL, SLL2 or nothing; VLAN and VXLAN; IPv4, IPv6; TCP and ICMP with valid checksums.

use std::net::{IpAddr, Ipv4Addr};

use super::parse::Link;
use super::play::{Content, Packet, Tcp};

/// VXLAN endpoints of the outer header: one for each direction, told by the inner port order.
const TUNNEL_ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
/// VXLAN's port (RFC 7348 section 5).
const VXLAN_PORT: u16 = 4789;
const IP_PROTOCOL_ICMP: u8 = 1;
const IP_PROTOCOL_TCP: u8 = 6;
const IP_PROTOCOL_UDP: u8 = 17;
const IP_PROTOCOL_ICMPV6: u8 = 58;

/// The whole frame as it was on the wire.
pub fn frame(packet: &Packet, link: Link) -> Vec<u8> {
    let ip = ip_packet(packet);
    let mut octets = match packet.vxlan {
        Some(vni) => tunnelled(packet, vni, &ip, link),
        None => linked(packet, link, &ip),
    };
    octets.resize(octets.len() + packet.pad, 0);
    octets
}

fn linked(packet: &Packet, link: Link, ip: &[u8]) -> Vec<u8> {
    let ether_type = if packet.source.is_ipv4() { 0x0800_u16 } else { 0x86dd };
    let mut octets = Vec::with_capacity(ip.len() + 24);
    match link {
        Link::Raw => {}
        Link::Ethernet => {
            octets.extend(packet.destination_mac);
            octets.extend(packet.source_mac);
            if let Some(vlan) = packet.vlan {
                octets.extend(0x8100_u16.to_be_bytes());
                octets.extend(vlan.to_be_bytes());
            }
            octets.extend(ether_type.to_be_bytes());
        }
        Link::Sll => {
            // LINKTYPE_LINUX_SLL: packet type, ARPHRD_ETHER, address length, address, protocol
            octets.extend([0, 0, 0, 1, 0, 6]);
            octets.extend(packet.source_mac);
            octets.extend([0, 0]);
            octets.extend(ether_type.to_be_bytes());
        }
        Link::Sll2 => {
            // LINKTYPE_LINUX_SLL2: protocol, reserved, interface index, ARPHRD_ETHER, packet type, address length, address
            octets.extend(ether_type.to_be_bytes());
            octets.extend([0, 0]);
            octets.extend((packet.interface.unwrap_or(0) + 1).to_be_bytes());
            octets.extend([0, 1, 0, 6]);
            octets.extend(packet.source_mac);
            octets.extend([0, 0]);
        }
    }
    octets.extend_from_slice(ip);
    octets
}

fn tunnelled(packet: &Packet, vni: u32, ip: &[u8], link: Link) -> Vec<u8> {
    let inner = linked(packet, Link::Ethernet, ip);
    let [.., high, middle, low] = vni.to_be_bytes();
    let forward = packet.source < packet.destination;
    let (from, to) = if forward { (TUNNEL_ENDS[0], TUNNEL_ENDS[1]) } else { (TUNNEL_ENDS[1], TUNNEL_ENDS[0]) };
    let length = u16::try_from(inner.len() + 16).expect("the inner frame fits a UDP datagram");
    let mut udp = Vec::with_capacity(inner.len() + 16);
    udp.extend(50_000_u16.to_be_bytes());
    udp.extend(VXLAN_PORT.to_be_bytes());
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]); // RFC 7348 section 5: the checksum should be zero
    udp.extend([0x08, 0, 0, 0, high, middle, low, 0]);
    udp.extend(inner);
    let outer_ip = ipv4(from, to, IP_PROTOCOL_UDP, 64, 0, None, &udp);
    let mut outer = packet.clone();
    outer.source = (from, 0).into();
    outer.source_mac = [2, 0, 0, 1, 0, u8::from(!forward) + 1];
    outer.destination_mac = [2, 0, 0, 1, 0, u8::from(forward) + 1];
    outer.vlan = None;
    linked(&outer, link, &outer_ip)
}

/// The IP packet, without a link header.
pub fn ip_packet(packet: &Packet) -> Vec<u8> {
    let (source, destination) = (packet.source.ip(), packet.destination.ip());
    match (source, destination) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let (protocol, body) = match &packet.content {
                Content::Tcp(tcp) => (IP_PROTOCOL_TCP, segment(packet, tcp)),
                Content::Icmp { kind, code, mtu, about } => (IP_PROTOCOL_ICMP, icmp(packet, *kind, *code, *mtu, about)),
            };
            let Some((first, end)) = packet.fragment else {
                return ipv4(from, to, protocol, packet.ttl, packet.id, packet.ip_length, &body);
            };
            let part = &body[first..end.unwrap_or(body.len())];
            let place = u16::try_from(first / 8).expect("a fragment's place has 13 bits") | if end.is_some() { 0x2000 } else { 0 };
            fragmented(ipv4(from, to, protocol, packet.ttl, packet.id, packet.ip_length, part), place)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let (protocol, body) = match &packet.content {
                Content::Tcp(tcp) => (IP_PROTOCOL_TCP, segment(packet, tcp)),
                Content::Icmp { kind, code, mtu, about } => (IP_PROTOCOL_ICMPV6, icmp(packet, *kind, *code, *mtu, about)),
            };
            let length = packet.ip_length.unwrap_or_else(|| u16::try_from(body.len()).expect("the payload fits an IPv6 packet"));
            let mut octets = vec![0x60, 0, 0, 0];
            octets.extend(length.to_be_bytes());
            octets.extend([protocol, packet.ttl]);
            octets.extend(from.octets());
            octets.extend(to.octets());
            octets.extend(body);
            octets
        }
        _ => panic!("{source} and {destination} are of different families"),
    }
}

fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, ttl: u8, id: u16, claimed: Option<u16>, body: &[u8]) -> Vec<u8> {
    // A super-segment beyond 65,535 octets carries 0, as Linux does with large offload.
    let length = claimed.unwrap_or_else(|| u16::try_from(body.len() + 20).unwrap_or(0));
    let mut octets = vec![0x45, 0];
    octets.extend(length.to_be_bytes());
    octets.extend(id.to_be_bytes());
    octets.extend([0x40, 0, ttl, protocol, 0, 0]); // don't fragment
    octets.extend(from.octets());
    octets.extend(to.octets());
    let sum = checksum(&[&octets]);
    octets[10..12].copy_from_slice(&sum.to_be_bytes());
    octets.extend_from_slice(body);
    octets
}

/// The packet as a fragment: offset in units of eight octets, and whether more follow.
fn fragmented(mut packet: Vec<u8>, place: u16) -> Vec<u8> {
    packet[6..8].copy_from_slice(&place.to_be_bytes());
    packet[10..12].fill(0);
    let sum = checksum(&[&packet[..20]]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn segment(packet: &Packet, tcp: &Tcp) -> Vec<u8> {
    let options = options(tcp);
    let header_words = u8::try_from((20 + options.len()) / 4).expect("the options fit the header");
    assert!(header_words <= 15, "{} octets of options do not fit a TCP header", options.len());
    let [flags_high, flags_low] = tcp.flags.to_be_bytes();
    let mut octets = Vec::with_capacity(60 + tcp.payload.len());
    octets.extend(packet.source.port().to_be_bytes());
    octets.extend(packet.destination.port().to_be_bytes());
    octets.extend(tcp.seq.to_be_bytes());
    octets.extend(tcp.ack.to_be_bytes());
    octets.extend([header_words << 4 | (flags_high & 1), flags_low]);
    octets.extend(tcp.window.to_be_bytes());
    octets.extend([0, 0]);
    octets.extend(tcp.urgent.to_be_bytes());
    octets.extend(options);
    octets.extend_from_slice(&tcp.payload);
    let sum = transport_checksum(packet, IP_PROTOCOL_TCP, &octets);
    octets[16..18].copy_from_slice(&sum.to_be_bytes());
    octets
}

fn options(tcp: &Tcp) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(mss) = tcp.mss {
        octets.extend([2, 4]);
        octets.extend(mss.to_be_bytes());
    }
    if tcp.sack_permitted {
        octets.extend([4, 2]);
    }
    if let Some((value, echo)) = tcp.timestamps {
        octets.extend([8, 10]);
        octets.extend(value.to_be_bytes());
        octets.extend(echo.to_be_bytes());
    }
    if let Some(shift) = tcp.window_scale {
        octets.extend([3, 3, shift]);
    }
    if !tcp.sack_blocks.is_empty() {
        octets.extend([5, u8::try_from(2 + 8 * tcp.sack_blocks.len()).expect("few blocks")]);
        for (left, right) in &tcp.sack_blocks {
            octets.extend(left.to_be_bytes());
            octets.extend(right.to_be_bytes());
        }
    }
    for (kind, data) in &tcp.options {
        octets.extend([*kind, u8::try_from(data.len() + 2).expect("a short option")]);
        octets.extend_from_slice(data);
    }
    while octets.len() % 4 != 0 {
        octets.push(1);
    }
    octets
}

fn icmp(packet: &Packet, kind: u8, code: u8, mtu: u16, about: &Packet) -> Vec<u8> {
    let mut quoted = ip_packet(about);
    quoted.truncate(if about.source.is_ipv4() { 28 } else { 48 });
    let mut octets = vec![kind, code, 0, 0, 0, 0];
    octets.extend(mtu.to_be_bytes());
    octets.extend(quoted);
    let sum = if packet.source.is_ipv4() { checksum(&[&octets]) } else { transport_checksum(packet, IP_PROTOCOL_ICMPV6, &octets) };
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    octets
}

/// RFC 9293 section 3.1 and RFC 8200 section 8.1: over a pseudo header and the whole segment.
fn transport_checksum(packet: &Packet, protocol: u8, octets: &[u8]) -> u16 {
    let length = u32::try_from(octets.len()).expect("a segment is short");
    let mut pseudo = Vec::with_capacity(40);
    match (packet.source.ip(), packet.destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            pseudo.extend(from.octets());
            pseudo.extend(to.octets());
        }
        (from, to) => {
            for address in [from, to] {
                let IpAddr::V6(address) = address else { panic!("families are mixed") };
                pseudo.extend(address.octets());
            }
        }
    }
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, protocol]);
    checksum(&[&pseudo, octets])
}

/// The Internet checksum (RFC 1071). All parts but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}

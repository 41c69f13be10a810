use super::*;
use crate::export::anonymize::Key;

fn anonymizer() -> Anonymizer {
    Anonymizer::new(&Key::of_content(b"a key for tests").unwrap())
}

fn rewritten(link_type: u16, frame: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let wire = u32::try_from(frame.len()).unwrap();
    Headers::rewrite(link_type, frame, wire, &mut anonymizer()).map(|headers| headers.finish(payload))
}

/// 10.0.0.1 to 10.0.0.2, with a payload of four octets.
fn packet(options: &[u8]) -> Vec<u8> {
    let total = 44 + u8::try_from(options.len()).unwrap();
    let mut packet = vec![0x45, 0, 0, total, 0, 7, 0x40, 0, 64, 6, 0xaa, 0xaa, 10, 0, 0, 1, 10, 0, 0, 2];
    let offset = (u8::try_from(20 + options.len()).unwrap() / 4) << 4;
    packet.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, offset, 0x18, 1, 0, 0xbb, 0xbb, 0, 0]);
    packet.extend(options);
    packet.extend(b"data");
    packet
}

fn ethernet(ether_type: u16, inside: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10];
    frame.extend(ether_type.to_be_bytes());
    frame.extend(inside);
    frame
}

/// The one's complement sum over a header or a segment whose checksum is right.
fn sum(parts: &[&[u8]]) -> u16 {
    parts.iter().fold(Sum::default(), |sum, part| sum.add(part)).finish()
}

fn assert_sound(packet: &[u8]) {
    assert_eq!(sum(&[&packet[..20]]), 0, "IPv4 checksum");
    let length = (packet.len() - 20) as u64;
    assert_eq!(sum(&[&packet[12..20], &length.to_be_bytes(), &[0, packet[9]], &packet[20..]]), 0, "TCP or UDP checksum");
}

#[test]
fn frame_keeps_numbers_and_loses_addresses() {
    let frame = ethernet(0x0800, &packet(&[]));
    let out = rewritten(1, &frame, b"abcd").unwrap();
    assert_eq!(out.len(), frame.len());
    assert_ne!(out[..6], frame[..6]);
    assert_ne!(out[6..12], frame[6..12]);
    assert_ne!(out[26..30], frame[26..30]);
    assert_eq!(out[14..24], frame[14..24]);
    assert_eq!(out[34..50], frame[34..50]);
    assert_eq!(&out[54..], b"abcd");
    assert_sound(&out[14..]);
}

#[test]
fn padding_behind_the_packet_becomes_zeros() {
    let mut frame = ethernet(0x0800, &packet(&[]));
    frame.extend(b"leak!!");
    let out = rewritten(1, &frame, b"abcd").unwrap();
    assert_eq!(&out[58..], [0; 6]);
    assert_sound(&out[14..58]);
}

#[test]
fn tags_and_tunnels_are_followed_and_their_checksums_made_right() {
    let inner = ethernet(0x0800, &packet(&[]));
    let mut vxlan = vec![0x08, 0, 0, 0, 0, 0, 42, 0];
    vxlan.extend(&inner);
    let mut udp = vec![0xc0, 0, 0x12, 0xb5, 0, u8::try_from(vxlan.len() + 8).unwrap(), 0xcc, 0xcc];
    udp.extend(&vxlan);
    let mut outer = vec![0x45, 0, 0, u8::try_from(udp.len() + 20).unwrap(), 0, 9, 0, 0, 64, 17, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2];
    outer.extend(&udp);
    let mut tagged = vec![0, 100, 0x08, 0];
    tagged.extend(&outer);
    let frame = ethernet(0x8100, &tagged);
    let out = rewritten(1, &frame, b"abcd").unwrap();
    assert_eq!(out[12..18], frame[12..18], "the VLAN stays");
    assert_sound(&out[18..]);
    let at = 18 + 20 + 8;
    assert_eq!(out[at..at + 8], frame[at..at + 8], "the network identifier stays");
    assert_sound(&out[at + 8 + 14..]);
}

#[test]
fn quoted_segment_of_an_icmp_error_loses_its_addresses_too() {
    let mut message = vec![3, 4, 0xdd, 0xdd, 0, 0, 0x05, 0x78];
    message.extend(&packet(&[])[..28]);
    let mut ip = vec![0x45, 0, 0, u8::try_from(message.len() + 20).unwrap(), 0, 9, 0, 0, 64, 1, 0, 0, 192, 168, 0, 1, 10, 0, 0, 1];
    ip.extend(&message);
    let out = rewritten(101, &ip, &[]).unwrap();
    for address in [[10, 0, 0, 1], [10, 0, 0, 2], [192, 168, 0, 1]] {
        assert!(!out.windows(4).any(|octets| octets == address), "{address:?}");
    }
    assert_eq!(sum(&[&out[20..]]), 0, "ICMP checksum");
    assert_eq!(sum(&[&out[28..48]]), 0, "checksum of the quoted header");
    assert_eq!(out[26..28], [0x05, 0x78], "the MTU stays");
    assert_eq!(out[48..56], ip[48..56], "ports and sequence number stay");
}

#[test]
fn segment_over_ipv6_gets_a_right_checksum_and_loses_its_flow_label() {
    let mut frame = vec![0x60, 0x0a, 0xbc, 0xde, 0, 24, 6, 64];
    frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame.extend(&packet(&[])[20..]);
    let out = rewritten(101, &frame, b"abcd").unwrap();
    assert_eq!(out[..4], [0x60, 0, 0, 0]);
    assert_eq!(sum(&[&out[8..40], &24_u64.to_be_bytes(), &[0, 6], &out[40..]]), 0);
}

#[test]
fn layer_that_is_not_understood_is_refused() {
    let gre_with_routes = {
        let mut ip = vec![0x45, 0, 0, 64, 0, 0, 0, 0, 64, 47, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0x40, 0, 8, 0];
        ip.extend([0; 40]);
        ip
    };
    let mut fragment = packet(&[]);
    fragment[6] = 0x20;
    for (link_type, frame) in [(1, ethernet(0x0806, &[0; 28])), (147, packet(&[])), (101, gre_with_routes), (101, fragment), (101, vec![])]
    {
        assert!(rewritten(link_type, &frame, &[]).is_none(), "{frame:?}");
    }
}

#[test]
fn frame_cut_anywhere_never_fails_and_never_grows() {
    let frame = ethernet(0x0800, &packet(&[2, 4, 5, 0xb4, 1, 3, 3, 7]));
    for end in 0..frame.len() {
        if let Some(headers) = Headers::rewrite(1, &frame[..end], u32::try_from(frame.len()).unwrap(), &mut anonymizer()) {
            assert_eq!(headers.finish(&[7; 100]).len(), end);
        }
    }
}

/// Marks every field that has to go.
const SECRET: &[u8] = b"SECR";

fn ip4(protocol: u8, inside: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + inside.len()).unwrap().to_be_bytes();
    [&[0x45, 0, high, low, 0, 9, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 33, 192, 0, 2, 44], inside].concat()
}

fn udp(port: u16, inside: &[u8]) -> Vec<u8> {
    let [low, high] = [port.to_be_bytes(), u16::try_from(8 + inside.len()).unwrap().to_be_bytes()];
    [&[0xc3, 0x50][..], &low, &high, &[0, 0], inside].concat()
}

fn counted(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_be_bytes()
}

/// 802.11 data from a station to an access point, with LLC and the packet.
fn wlan(control: u8, behind: &[u8]) -> Vec<u8> {
    let addresses = [[0, 1, 2, 3, 4, 5], [0, 6, 7, 8, 9, 10], [0, 11, 12, 13, 14, 15]].concat();
    [&[control, 1, 0x30, 0][..], &addresses, &[0x10, 0], behind, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet(&[])].concat()
}

/// Every layer beside plain Ethernet: link type and frame.
fn layers() -> Vec<(&'static str, u16, Vec<u8>)> {
    let inner = ethernet(0x0800, &packet(&[]));
    let over_ip = |protocol: u8, inside: &[u8]| ethernet(0x0800, &ip4(protocol, inside));
    let over_udp = |port: u16, inside: &[u8]| over_ip(17, &udp(port, inside));
    let packet = packet(&[]);
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &packet].concat();
    let pppoe = [&[0x11, 0, 0, 9][..], &counted(packet.len() + 2), &[0, 0x21], &packet].concat();
    let gtp_extension = [&[0, 7, 0, 0x85, 1][..], &[0x53, 0x45, 0], &packet].concat();
    let gtp_1 = [&[0x34, 255][..], &counted(gtp_extension.len()), &[0, 0, 0, 42], &gtp_extension].concat();
    let gtp_0 = [&[0x1e, 255][..], &counted(packet.len()), &[0, 7, 0, 8, 0, 0xff, 0xff, 0xff], SECRET, SECRET, &packet].concat();
    let l2tp_2 = [&[0x40, 2][..], &counted(8 + 4 + packet.len()), &[0, 5, 0, 6, 0xff, 3, 0, 0x21], &packet].concat();
    let l2tp_3 = [&[0, 0, 0, 7][..], SECRET, SECRET, &inner].concat();
    let ah = [&[4, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5][..], SECRET, SECRET, SECRET, &packet].concat();
    let eoip = [&[0x20, 1, 0x64, 0][..], &counted(inner.len()), &[5, 0], &inner].concat();
    let pptp = [&[0x30, 1, 0x88, 0x0b][..], &counted(4 + packet.len()), &[0, 9, 0, 0, 0, 1, 0xff, 3, 0, 0x21], &packet].concat();
    let tzsp = [&[1, 0, 0, 0x12, 0x29, 4][..], SECRET, &[1], &wlan(8, &[])].concat();
    let radiotap = [&[0, 0, 17, 0, 3, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0x20][..], &wlan(0x88, &[0, 0, 0, 0])].concat();
    let prism = [&[0, 0, 0, 0x44, 0, 0, 0, 144][..], SECRET, &[0; 132], &wlan(8, &[])].concat();
    let ppi_fields = [&[2, 0, 20, 0][..], &[0; 20], &[0x32, 0x75, 4, 0], SECRET].concat();
    let ppi = [&[0, 0, 40, 0, 105, 0, 0, 0][..], &ppi_fields, &wlan(8, &[])].concat();
    let generic = [&[0x0c, 0, 0, 1, 0, 0, 9, 0][..], &packet].concat();
    vec![
        ("802.3", 1, [&[0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10][..], &counted(snap.len()), &snap].concat()),
        ("802.1br", 1, ethernet(0x893f, &[&[0, 1, 0, 2, 0, 3, 8, 0][..], &packet].concat())),
        ("vn-tag", 1, ethernet(0x8926, &[&[0, 1, 0, 2, 8, 0][..], &packet].concat())),
        ("cisco metadata", 1, ethernet(0x8909, &[&[1, 1, 0, 1, 0, 2, 8, 0][..], &packet].concat())),
        ("provider backbone", 1, ethernet(0x88e7, &[&[0, 0, 1, 0][..], &inner].concat())),
        ("pppoe", 1, ethernet(0x8864, &pppoe)),
        ("mpls pseudowire", 1, ethernet(0x8847, &[&[0, 2, 1, 64, 0, 0, 0, 0][..], &inner].concat())),
        ("mpls in ip", 1, over_ip(137, &[&[0, 2, 1, 64][..], &packet].concat())),
        ("mpls in udp", 1, over_udp(6635, &[&[0, 2, 1, 64][..], &packet].concat())),
        ("gtp 1", 1, over_udp(2152, &gtp_1)),
        ("gtp 0", 1, over_udp(3386, &gtp_0)),
        ("l2tp 2", 1, over_udp(1701, &l2tp_2)),
        ("l2tp 3", 1, over_ip(115, &l2tp_3)),
        ("lisp", 1, over_udp(4341, &[&[0x80, 1, 2, 3, 0, 0, 0, 1][..], &packet].concat())),
        ("gre in udp", 1, over_udp(4754, &[&[0, 0, 8, 0][..], &packet].concat())),
        ("vxlan-gpe", 1, over_udp(4790, &generic)),
        ("ah", 1, over_ip(51, &ah)),
        ("etherip", 1, over_ip(97, &[&[0x30, 0][..], &inner].concat())),
        ("eoip", 1, over_ip(47, &eoip)),
        ("pptp", 1, over_ip(47, &pptp)),
        ("tzsp", 1, over_udp(37008, &tzsp)),
        ("ppp", 9, [&[0xff, 3, 0, 0x21][..], &packet].concat()),
        ("hdlc in ppp", 50, [&[0x0f, 0, 8, 0][..], &packet].concat()),
        ("hdlc", 104, [&[0x0f, 0, 8, 0][..], &packet].concat()),
        ("802.11", 105, wlan(8, &[])),
        ("802.11 qos", 105, wlan(0x88, &[0, 0])),
        ("radiotap", 127, radiotap),
        ("prism", 119, prism),
        ("ppi", 192, ppi),
    ]
}

#[test]
fn layers_stay_and_lose_what_could_name_somebody() {
    use crate::decode::{DecodeOptions, Decoded, Decoder};
    use crate::frame::{Frame, FrameId, LinkType};
    use crate::time::Timestamp;
    let read = |link_type: u16, octets: &[u8], name: &str| {
        let frame = Frame {
            id: FrameId::new(0, 1),
            time: Some(Timestamp(1)),
            link_type: LinkType(link_type),
            interface: 0,
            fcs_octets: 0,
            wire_length: u32::try_from(octets.len()).unwrap(),
            captured: octets,
        };
        let mut decoder = Decoder::new(DecodeOptions::default());
        let Decoded::Segment(segment) = decoder.decode(&frame) else { panic!("{name} is no segment") };
        let numbers = (segment.src.port(), segment.dst.port(), segment.seq, segment.payload_length, segment.ttl, segment.head.to_vec());
        let stack = usize::from(segment.vantage.stack);
        (numbers, segment.src.ip(), decoder.stacks()[stack].clone())
    };
    for (name, link_type, frame) in layers() {
        let out = rewritten(link_type, &frame, b"data").unwrap_or_else(|| panic!("{name} is not followed"));
        assert_eq!(out.len(), frame.len(), "{name}");
        let (before, address, stack) = read(link_type, &frame, name);
        let (after, pseudonym, same_stack) = read(link_type, &out, name);
        assert_eq!((after, same_stack), (before, stack), "{name}");
        assert_eq!(pseudonym, anonymizer().address(address), "{name}");
        let gone: [&[u8]; 8] = [
            SECRET,
            &[10, 0, 0, 1],
            &[10, 0, 0, 2],
            &[192, 0, 2, 33],
            &[192, 0, 2, 44],
            &[0, 1, 2, 3, 4, 5],
            &[0, 6, 7, 8, 9, 10],
            &[0, 11, 12, 13, 14, 15],
        ];
        for octets in gone {
            assert!(!out.windows(octets.len()).any(|window| window == octets), "{name}: {octets:?} in {out:02x?}");
        }
        let inner = out.len() - 44;
        assert_sound(&out[inner..]);
    }
}

#[test]
fn layers_cut_or_damaged_anywhere_never_fail_and_never_grow() {
    for (name, link_type, frame) in layers() {
        for at in 0..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 0xff;
            for octets in [&frame[..at], &damaged] {
                let wire = u32::try_from(frame.len()).unwrap();
                if let Some(headers) = Headers::rewrite(link_type, octets, wire, &mut anonymizer()) {
                    assert_eq!(headers.finish(&[7; 100]).len(), octets.len(), "{name} {at}");
                }
            }
        }
    }
}

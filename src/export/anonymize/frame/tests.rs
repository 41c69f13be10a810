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

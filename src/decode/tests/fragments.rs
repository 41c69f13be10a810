//! Datagrams in fragments, through the whole decoder.

use super::{ETHERNET, Outcome, PAYLOAD, decode, ethernet, frame, ip4, ip6, packet4, tcp, udp};
use crate::decode::{DecodeOptions, Decoder};
use crate::time::Timestamp;

/// An IPv4 fragment in Ethernet.
fn fragment4(protocol: u8, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = ip4(protocol, payload);
    let place = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&place.to_be_bytes());
    ethernet(0x0800, &packet)
}

fn fragment6(offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let place = (u16::try_from(offset).unwrap() | u16::from(more)).to_be_bytes();
    ethernet(0x86dd, &ip6(44, &[&[6, 0][..], &place, &[0, 0, 0, 9], payload].concat()))
}

fn decoder() -> Decoder {
    Decoder::new(DecodeOptions::default())
}

#[test]
fn segment_appears_with_the_fragment_that_completes_it() {
    let segment = tcp(&[7; 100]);
    for frames in [
        [fragment4(6, 0, true, &segment[..64]), fragment4(6, 64, false, &segment[64..])],
        [fragment4(6, 64, false, &segment[64..]), fragment4(6, 0, true, &segment[..64])],
        [fragment6(0, true, &segment[..64]), fragment6(64, false, &segment[64..])],
    ] {
        let mut decoder = decoder();
        assert_eq!(decode(&mut decoder, &frame(ETHERNET, &frames[0])), Outcome::Skipped("ip fragment"));
        let Outcome::Segment(seen) = decode(&mut decoder, &frame(ETHERNET, &frames[1])) else { panic!("not complete") };
        assert_eq!((seen.payload_length, seen.head.as_slice()), (100, &[7; 100][..]));
        assert_eq!(decoder.incomplete_fragments(), 0);
    }
}

#[test]
fn atomic_fragment_of_ipv6_is_the_whole_segment() {
    let Outcome::Segment(seen) = decode(&mut decoder(), &frame(ETHERNET, &fragment6(0, false, &tcp(PAYLOAD)))) else {
        panic!("not a segment")
    };
    assert_eq!(seen.payload_length, 16);
}

#[test]
fn first_fragment_without_the_rest_is_counted() {
    let segment = tcp(&[7; 100]);
    let mut decoder = decoder();
    decode(&mut decoder, &frame(ETHERNET, &fragment4(6, 0, true, &segment[..64])));
    assert_eq!(decoder.incomplete_fragments(), 1);
    let mut late = fragment4(6, 64, false, &segment[64..]);
    let mut late_frame = frame(ETHERNET, &late);
    late_frame.time = Some(Timestamp::new(100, 0));
    assert_eq!(decode(&mut decoder, &late_frame), Outcome::Skipped("ip fragment"));
    assert_eq!(decoder.incomplete_fragments(), 1);
    late[19] ^= 1;
    assert_eq!(decode(&mut decoder, &frame(ETHERNET, &late)), Outcome::Skipped("ip fragment"));
}

#[test]
fn fragments_of_udp_that_are_missing_are_not_counted() {
    let mut decoder = decoder();
    decode(&mut decoder, &frame(ETHERNET, &fragment4(17, 0, true, &udp(53, &[0; 56]))));
    assert_eq!(decoder.incomplete_fragments(), 0);
}

#[test]
fn first_fragment_cut_by_the_snap_length_is_read_at_once() {
    let octets = fragment4(6, 0, true, &tcp(&[7; 980]));
    let mut cut = frame(ETHERNET, &octets[..60]);
    cut.wire_length = u32::try_from(octets.len()).unwrap();
    let Outcome::Segment(seen) = decode(&mut decoder(), &cut) else { panic!("not a segment") };
    assert_eq!(seen.payload_length, 980);
    let later = fragment4(6, 1000, false, &[7; 100]);
    let mut cut = frame(ETHERNET, &later[..60]);
    cut.wire_length = u32::try_from(later.len()).unwrap();
    assert_eq!(decode(&mut decoder(), &cut), Outcome::Skipped("ip fragment"));
}

#[test]
fn tunnel_in_fragments_with_a_datagram_in_fragments_inside() {
    let segment = tcp(&[7; 100]);
    let mut decoder = decoder();
    let first = fragment4(6, 0, true, &segment[..64]);
    let second = fragment4(6, 64, false, &segment[64..]);
    let mut last = Outcome::Skipped("");
    for (number, inner) in [(1, &first), (2, &second)] {
        let outer = udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], inner].concat());
        let (head, tail) = outer.split_at(48);
        for (offset, more, part) in [(0, true, head), (48, false, tail)] {
            let mut octets = fragment4(17, offset, more, part);
            octets[19] = number;
            last = decode(&mut decoder, &frame(ETHERNET, &octets));
        }
    }
    let Outcome::Segment(seen) = last else { panic!("{last:?}") };
    assert_eq!((seen.payload_length, seen.stack.as_str()), (100, "ethernet/ipv4/udp/vxlan 42/ethernet"));
}

#[test]
fn whole_packet_between_fragments_is_read() {
    let mut decoder = decoder();
    decode(&mut decoder, &frame(ETHERNET, &fragment4(6, 0, true, &tcp(&[7; 44]))));
    let whole = ethernet(0x0800, &packet4());
    assert!(matches!(decode(&mut decoder, &frame(ETHERNET, &whole)), Outcome::Segment(_)));
}

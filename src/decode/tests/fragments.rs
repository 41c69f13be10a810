//! Datagrams in fragments, through the whole decoder.

use super::{ETHERNET, Outcome, PAYLOAD, decode, ethernet, frame, ip4, ip6, packet4, tcp, udp};
use crate::decode::{DecodeOptions, Decoded, Decoder, FirstFragments};
use crate::frame::FrameId;
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

/// A segment of the connection of [`tcp`], in its direction or the other.
fn segment(forward: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut octets = tcp(payload);
    octets[4..8].copy_from_slice(&seq.to_be_bytes());
    octets[8..12].copy_from_slice(&ack.to_be_bytes());
    octets[13] = flags;
    if !forward {
        octets[..4].rotate_left(2);
    }
    octets
}

fn whole(forward: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ip4(6, &segment(forward, seq, ack, flags, payload));
    if !forward {
        packet[12..20].rotate_left(4);
    }
    ethernet(0x0800, &packet)
}

/// The first 64 octets of a longer segment with number 100: 44 of payload.
fn first(flags: u8) -> Vec<u8> {
    fragment4(6, 0, true, &segment(true, 100, 200, flags, &[7; 44]))
}

/// Frame number and payload length of each segment, in the order in which they come.
fn segments(frames: &[(i64, Vec<u8>)]) -> (Vec<(u64, u32)>, Decoder) {
    let (mut decoder, mut seen) = (decoder(), Vec::new());
    for (number, (milliseconds, octets)) in (1..).zip(frames) {
        let mut frame = frame(ETHERNET, octets);
        frame.id = FrameId::new(0, number);
        frame.time = Some(Timestamp::new(milliseconds / 1000, milliseconds % 1000 * 1_000_000));
        while let Some(earlier) = decoder.before(&frame) {
            seen.push((earlier.frame.number(), earlier.payload_length));
        }
        if let Decoded::Segment(segment) = decoder.decode(&frame) {
            seen.push((segment.frame.number(), segment.payload_length));
        }
    }
    decoder.end();
    while let Some(last) = decoder.after_last() {
        seen.push((last.frame.number(), last.payload_length));
    }
    decoder.give_up();
    (seen, decoder)
}

const ACK: u8 = 0x10;
const FIN: u8 = 0x11;
const RST: u8 = 0x04;

/// What it is, the protocol number, the frames, and the segments that they give: frame and payload octets.
type Case<'a> = (&'a str, u8, Vec<Vec<u8>>, &'a [(u64, u32)]);

#[test]
fn first_fragment_alone_is_a_segment_as_long_as_others_tell() {
    let old_ack = || whole(false, 200, 100, ACK, &[]);
    let cases: [Case<'_>; 10] = [
        ("the sender goes on", ACK, vec![whole(true, 1000, 200, ACK, &[1; 9])], &[(1, 900), (2, 9)]),
        ("the receiver acknowledges", ACK, vec![old_ack(), whole(false, 200, 1100, ACK, &[])], &[(1, 1000), (2, 0), (3, 0)]),
        ("a FIN acknowledged", FIN, vec![whole(false, 200, 1101, ACK, &[])], &[(1, 1000), (2, 0)]),
        ("a FIN sent again alone", FIN, vec![whole(true, 1100, 200, FIN, &[])], &[(1, 1000), (2, 0)]),
        ("a FIN and what stands behind it", FIN, vec![whole(true, 1101, 200, ACK, &[])], &[(1, 1000), (2, 0)]),
        ("a reset", ACK, vec![whole(false, 200, 0, RST, &[])], &[(1, 44), (2, 0)]),
        ("the same again as smaller segments", ACK, vec![whole(true, 100, 200, ACK, &[7; 20])], &[(1, 44), (2, 20)]),
        ("the same again", ACK, vec![first(ACK), whole(false, 200, 1100, ACK, &[])], &[(1, 1000), (2, 1000), (3, 0)]),
        ("a hole too large for a segment", ACK, vec![whole(true, 9101, 200, ACK, &[])], &[(1, 44), (2, 0)]),
        ("nothing", ACK, vec![old_ack()], &[(1, 44), (2, 0)]),
    ];
    for (name, flags, others, wanted) in cases {
        let frames: Vec<_> = (0..).step_by(10).zip([first(flags)].into_iter().chain(others)).collect();
        let (seen, decoder) = segments(&frames);
        assert_eq!(seen, wanted, "{name}");
        assert_eq!((decoder.incomplete_fragments(), decoder.first_fragments().later_seen), (0, false), "{name}");
    }
}

#[test]
fn first_fragment_is_not_held_back_for_longer_than_a_second() {
    let other = |milliseconds| {
        let mut octets = ethernet(0x0800, &packet4());
        octets[14 + 19] = 9; // another address
        (milliseconds, octets)
    };
    let (seen, _) = segments(&[(0, first(ACK)), other(1000), other(1001)]);
    assert_eq!(seen, [(2, 16), (1, 44), (3, 16)]);
}

#[test]
fn first_fragment_waits_for_its_datagram_where_later_fragments_are_captured() {
    let rest = |offset| fragment4(6, offset, false, &[7; 56]);
    // the rest comes behind another segment of the connection
    let (seen, decoder) = segments(&[(0, first(ACK)), (1, whole(false, 200, 100, ACK, &[])), (2, rest(64))]);
    assert_eq!((seen, decoder.incomplete_fragments()), (vec![(2, 0), (3, 100)], 0));
    assert_eq!(decoder.first_fragments(), FirstFragments { later_seen: true, ..FirstFragments::default() });
    // one later fragment of another datagram is enough, before or after
    let other = || {
        let mut octets = rest(64);
        octets[14 + 5] = 1;
        octets
    };
    let acked = whole(false, 200, 1100, ACK, &[]);
    for frames in [vec![(0, other()), (1, first(ACK)), (2, acked.clone())], vec![(0, first(ACK)), (1, other()), (2, acked.clone())]] {
        let (seen, mut decoder) = segments(&frames);
        assert_eq!((seen, decoder.incomplete_fragments()), (vec![(3, 0)], 1));
        assert!(decoder.next_incomplete().is_some());
    }
}

#[test]
fn rest_of_a_datagram_that_comes_too_late_adds_nothing() {
    let rest = fragment4(6, 64, false, &[7; 56]);
    let (seen, decoder) = segments(&[(0, first(ACK)), (1, whole(true, 200, 200, ACK, &[])), (2, rest)]);
    assert_eq!((seen, decoder.incomplete_fragments()), (vec![(1, 100), (2, 0)], 0));
    assert_eq!(decoder.first_fragments(), FirstFragments { segments: 1, measured: 1, later_seen: true });
}

#[test]
fn first_fragments_that_are_held_back_are_bounded() {
    let mut frames: Vec<(i64, Vec<u8>)> = Vec::new();
    for port in 0..200_u16 {
        let mut octets = first(ACK);
        octets[14 + 20..14 + 22].copy_from_slice(&port.to_be_bytes());
        octets[14 + 4..14 + 6].copy_from_slice(&port.to_be_bytes());
        frames.push((0, octets));
    }
    let (seen, _) = segments(&frames);
    assert_eq!(seen, (1..=200).map(|number| (number, 44)).collect::<Vec<_>>());
    // and what waits behind one
    let frames: Vec<_> =
        [first(ACK)].into_iter().chain((0..100).map(|_| whole(false, 200, 100, ACK, &[]))).map(|octets| (0, octets)).collect();
    let (seen, _) = segments(&frames);
    assert_eq!(seen.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (1..=101).collect::<Vec<_>>());
    // nobody asks
    let mut decoder = decoder();
    for number in 0..10_000_u16 {
        let mut octets = first(ACK);
        octets[14 + 20..14 + 22].copy_from_slice(&number.to_be_bytes());
        decode(&mut decoder, &frame(ETHERNET, &octets));
    }
    assert!(std::iter::from_fn(|| decoder.after_last().map(|_| ())).count() < 3000);
}

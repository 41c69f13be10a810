//! Payload lengths from the IP header, extension headers, ICMP quotes.

use super::{ETHERNET, Outcome, PAYLOAD, assert_v6, decode, ethernet, frame, ip4, ip6, outcome, packet4, packet6, segment, tcp, udp};
use crate::decode::{DecodeOptions, Decoder};
use crate::segment::IcmpError;
use crate::seq::SeqNumber;

fn in_ethernet4(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, packet)
}

fn in_ethernet6(packet: &[u8]) -> Vec<u8> {
    ethernet(0x86dd, packet)
}

/// The payload length of a frame cut to `captured` octets whose record claims `wire`.
fn cut_length(octets: &[u8], captured: usize, wire: usize) -> u32 {
    let mut frame = frame(ETHERNET, &octets[..captured]);
    frame.wire_length = u32::try_from(wire).unwrap();
    match decode(&mut Decoder::new(DecodeOptions::default()), &frame) {
        Outcome::Segment(seen) => seen.payload_length,
        other => panic!("{other:?}"),
    }
}

#[test]
fn payload_length_of_a_frame_cut_by_the_snap_length_is_that_of_the_wire() {
    let octets = in_ethernet4(&ip4(6, &tcp(&[7; 1000])));
    assert_eq!(cut_length(&octets, 54, octets.len()), 1000);
    assert_eq!(cut_length(&octets, 60, octets.len()), 1000);
    let octets = in_ethernet6(&ip6(6, &tcp(&[7; 1000])));
    assert_eq!(cut_length(&octets, 74, octets.len()), 1000);
}

#[test]
fn payload_length_where_an_editor_cut_the_record_is_that_of_the_ip_header() {
    let octets = in_ethernet4(&ip4(6, &tcp(&[7; 1000])));
    assert_eq!(cut_length(&octets, 60, 60), 1000);
}

#[test]
fn payload_length_with_offload_is_that_of_the_record() {
    let mut octets = in_ethernet4(&ip4(6, &tcp(&[7; 1000])));
    octets[16..18].copy_from_slice(&[0, 0]);
    assert_eq!(cut_length(&octets, 100, octets.len()), 1000);
    let mut octets = in_ethernet6(&ip6(6, &tcp(&[7; 1000])));
    octets[18..20].copy_from_slice(&[0, 0]);
    assert_eq!(cut_length(&octets, 100, octets.len()), 1000);
}

#[test]
fn payload_length_with_offload_leaves_out_the_check_sequence() {
    let mut octets = in_ethernet4(&ip4(6, &tcp(&[7; 100])));
    octets[16..18].copy_from_slice(&[0, 0]);
    octets.extend([0; 4]);
    let mut frame = frame(ETHERNET, &octets);
    frame.fcs_octets = 4;
    let Outcome::Segment(seen) = decode(&mut Decoder::new(DecodeOptions::default()), &frame) else { panic!("not a segment") };
    assert_eq!((seen.payload_length, seen.head.len()), (100, 100));
}

#[test]
fn frame_without_time_has_the_last_known_one() {
    let octets = in_ethernet4(&packet4());
    let mut decoder = Decoder::new(DecodeOptions::default());
    decode(&mut decoder, &frame(ETHERNET, &octets));
    let mut untimed = frame(ETHERNET, &octets);
    untimed.time = None;
    let crate::decode::Decoded::Segment(segment) = decoder.decode(&untimed) else { panic!("not a segment") };
    assert!(segment.time_unknown);
    assert_eq!(segment.time.nanos(), 1_000_000_000);
}

#[test]
fn ipv4_options_are_skipped_and_a_source_route_names_the_destination() {
    let with_options = |options: &[u8]| {
        let mut packet = ip4(6, &tcp(PAYLOAD));
        packet[0] = 0x45 + u8::try_from(options.len() / 4).unwrap();
        let total = u16::try_from(packet.len() + options.len()).unwrap().to_be_bytes();
        packet[2..4].copy_from_slice(&total);
        packet.splice(20..20, options.iter().copied());
        in_ethernet4(&packet)
    };
    let seen = segment(ETHERNET, &with_options(&[7, 7, 4, 0, 0, 0, 0, 0]));
    assert_eq!((seen.to.as_str(), seen.payload_length), ("10.0.0.2:80", 16));
    let open = with_options(&[1, 131, 11, 4, 10, 0, 0, 8, 10, 0, 0, 9]);
    assert_eq!(segment(ETHERNET, &open).to, "10.0.0.9:80");
    let used_up = with_options(&[1, 131, 11, 12, 10, 0, 0, 8, 10, 0, 0, 9]);
    assert_eq!(segment(ETHERNET, &used_up).to, "10.0.0.2:80");
    let lie = with_options(&[131, 0, 4, 0]);
    assert_eq!(segment(ETHERNET, &lie).to, "10.0.0.2:80");
}

#[test]
fn ipv4_headers_that_lie_are_malformed() {
    let mut packet = packet4();
    packet[0] = 0x44;
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&packet)), Outcome::Malformed("ipv4: header length below 20"));
    packet[0] = 0x45;
    packet[3] = 19;
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&packet)), Outcome::Malformed("ipv4: total length below header length"));
    packet[3] = 39;
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&packet)), Outcome::Malformed("tcp: header cut short"));
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&packet[..19])), Outcome::Malformed("ipv4: header cut short"));
}

#[test]
fn ipv6_extension_headers_are_walked() {
    let options = [60, 0, 1, 4, 0, 0, 0, 0];
    let destination = [43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let routing = [[6, 2, 4, 0, 0, 0, 0, 0].as_slice(), &[1; 16]].concat();
    let chain = [&options[..], &destination, &routing, &tcp(PAYLOAD)].concat();
    assert_v6(ETHERNET, &in_ethernet6(&ip6(0, &chain)), "ethernet");
    assert_eq!(outcome(ETHERNET, &in_ethernet6(&ip6(59, &[]))), Outcome::Skipped("ipv6 no next header"));
}

#[test]
fn ipv6_jumbogram_length_is_in_its_option() {
    let payload = tcp(&vec![7; 70_000]);
    let mut packet = ip6(0, &[]);
    let [a, b, c, d] = u32::try_from(8 + payload.len()).unwrap().to_be_bytes();
    packet.extend([6, 0, 0xc2, 4, a, b, c, d]);
    packet.extend(&payload);
    packet.extend([0; 8]);
    assert_eq!(segment(ETHERNET, &in_ethernet6(&packet)).payload_length, 70_000);
}

#[test]
fn ipv6_extension_headers_without_end_are_skipped() {
    let packet = ip6(60, &[60, 0, 0, 0, 0, 0, 0, 0].repeat(1000));
    assert_eq!(outcome(ETHERNET, &in_ethernet6(&packet)), Outcome::Skipped("nested too deep"));
}

#[test]
fn ipv6_extension_numbers_mean_nothing_in_ipv4() {
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&ip4(60, &tcp(PAYLOAD)))), Outcome::Skipped("ip protocol not read"));
}

#[test]
fn segment_routing_v6_carries_ip_and_ethernet() {
    let routing = |next: u8| [[next, 2, 4, 0, 0, 0, 0, 0].as_slice(), &[1; 16]].concat();
    assert_v6(ETHERNET, &in_ethernet6(&ip6(43, &[routing(41), packet6()].concat())), "ethernet/ipv6");
    let inner = in_ethernet6(&packet6());
    assert_v6(ETHERNET, &in_ethernet6(&ip6(43, &[routing(143), inner].concat())), "ethernet/ipv6/ethernet");
}

#[test]
fn frames_that_are_not_tcp_say_what_they_are() {
    for (protocol, reason) in [(2, "igmp"), (89, "ospf"), (132, "sctp"), (253, "ip protocol not read")] {
        assert_eq!(outcome(ETHERNET, &in_ethernet4(&ip4(protocol, &[0; 40]))), Outcome::Skipped(reason));
    }
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&ip4(17, &udp(53, &[0; 20])))), Outcome::Skipped("udp"));
    assert_eq!(outcome(ETHERNET, &in_ethernet4(&ip4(1, &[8, 0, 0, 0, 0, 0, 0, 0]))), Outcome::Skipped("icmp"));
    assert_eq!(outcome(ETHERNET, &in_ethernet6(&ip6(58, &[135, 0, 0, 0, 0, 0, 0, 0]))), Outcome::Skipped("ipv6 nd"));
    assert_eq!(outcome(ETHERNET, &ethernet(0x0806, &[0; 28])), Outcome::Skipped("arp"));
    assert_eq!(outcome(ETHERNET, &ethernet(0x88cc, &[0; 28])), Outcome::Skipped("lldp"));
}

/// The quote of an ICMP message with `header` before the beginning of a packet.
fn quote(v6: bool, header: [u8; 8], quoted: &[u8]) -> Outcome {
    let message = [&header[..], quoted].concat();
    if v6 { outcome(ETHERNET, &in_ethernet6(&ip6(58, &message))) } else { outcome(ETHERNET, &in_ethernet4(&ip4(1, &message))) }
}

#[test]
fn icmp_errors_quote_a_segment_and_are_none() {
    for (header, error) in [
        ([3, 1, 0, 0, 0, 0, 0, 0], IcmpError::Unreachable(1)),
        ([3, 4, 0, 0, 0, 0, 5, 0xdc], IcmpError::PacketTooBig(1500)),
        ([11, 0, 0, 0, 0, 0, 0, 0], IcmpError::TimeExceeded),
        ([5, 1, 0, 0, 10, 0, 0, 7], IcmpError::Other(5, 1)),
    ] {
        let Outcome::Quote(quote) = quote(false, header, &packet4()[..28]) else { panic!("no quote") };
        assert_eq!((quote.error, quote.seq, quote.from.to_string().as_str()), (error, SeqNumber(100), "10.0.0.1"));
        assert_eq!((quote.src.to_string().as_str(), quote.dst.to_string().as_str()), ("10.0.0.1:40000", "10.0.0.2:80"));
    }
}

#[test]
fn icmpv6_errors_quote_a_segment_behind_extension_headers() {
    let quoted = ip6(60, &[&[6, 0, 0, 0, 0, 0, 0, 0][..], &tcp(b"")].concat());
    for (header, error) in [
        ([1, 4, 0, 0, 0, 0, 0, 0], IcmpError::Unreachable(4)),
        ([2, 0, 0, 0, 0, 0, 5, 0], IcmpError::PacketTooBig(1280)),
        ([3, 0, 0, 0, 0, 0, 0, 0], IcmpError::TimeExceeded),
        ([4, 1, 0, 0, 0, 0, 0, 0], IcmpError::Other(4, 1)),
    ] {
        let Outcome::Quote(quote) = quote(true, header, &quoted) else { panic!("no quote") };
        assert_eq!((quote.error, quote.seq), (error, SeqNumber(100)));
        assert_eq!((quote.src.to_string().as_str(), quote.dst.to_string().as_str()), ("[2001:db8::1]:40000", "[2001:db8::2]:80"));
    }
}

#[test]
fn icmp_errors_about_something_else_are_icmp() {
    let error = [3, 3, 0, 0, 0, 0, 0, 0];
    assert_eq!(quote(false, error, &ip4(17, &udp(53, &[]))), Outcome::Skipped("icmp"));
    assert_eq!(quote(false, error, &packet4()[..27]), Outcome::Skipped("icmp"));
    let mut fragment = packet4();
    fragment[7] = 9;
    assert_eq!(quote(false, error, &fragment), Outcome::Skipped("icmp"));
    assert_eq!(quote(true, [1, 0, 0, 0, 0, 0, 0, 0], &ip6(17, &udp(53, &[]))), Outcome::Skipped("icmpv6"));
}

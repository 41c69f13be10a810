//! Every link type carries a segment; near misses do not.

use super::{
    DESTINATION, ETHERNET, Outcome, SOURCE, address, assert_v4, assert_v6, ethernet, frame, ip4, outcome, packet4, packet6, segment, udp,
};
use crate::capture::Interface;
use crate::decode::link::REGISTRY;
use crate::decode::{DecodeOptions, Decoded, Decoder};
use crate::segment::LinkAddress;

/// `prefix` before the IPv4 packet.
fn before4(prefix: &[u8]) -> Vec<u8> {
    [prefix, &packet4()].concat()
}

fn before6(prefix: &[u8]) -> Vec<u8> {
    [prefix, &packet6()].concat()
}

const SNAP_IPV4: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];

#[test]
fn ethernet_carries_ipv4_and_ipv6_with_its_addresses() {
    let seen = assert_v4(ETHERNET, &ethernet(0x0800, &packet4()), "ethernet");
    assert_eq!((seen.vantage.link_source, seen.vantage.link_destination), (address(SOURCE), address(DESTINATION)));
    assert_eq!((seen.vantage.stack, seen.vantage.outer, seen.vantage.interface, seen.tenant), (0, 0, 0, 0));
    assert_v6(ETHERNET, &ethernet(0x86dd, &packet6()), "ethernet");
}

#[test]
fn ethernet_padding_and_check_sequence_are_no_payload() {
    let mut octets = ethernet(0x0800, &ip4(6, &super::tcp(b"")));
    octets.extend([0xee; 10]);
    let seen = segment(ETHERNET, &octets);
    assert_eq!((seen.payload_length, seen.head.len()), (0, 0));
}

#[test]
fn ethernet_802_3_carries_llc_and_snap() {
    let snap = [&SNAP_IPV4[..], &packet4()].concat();
    let mut octets = ethernet(u16::try_from(snap.len()).unwrap(), &snap);
    octets.extend([0; 20]);
    assert_v4(ETHERNET, &octets, "ethernet");
    let llc = [&[6, 6, 3][..], &packet4()].concat();
    assert_v4(ETHERNET, &ethernet(u16::try_from(llc.len()).unwrap(), &llc), "ethernet");
    assert_v4(ETHERNET, &ethernet(0x8870, &snap), "ethernet");
    assert_eq!(outcome(ETHERNET, &ethernet(40, &[0x42; 40])), Outcome::Skipped("stp"));
    assert_eq!(outcome(ETHERNET, &ethernet(1501, &snap)), Outcome::Skipped("ethertype not read"));
}

#[test]
fn ethernet_behind_inter_switch_link() {
    let mut header = vec![1, 0, 0x0c, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 60];
    header.extend([0xaa, 0xaa, 3, 0, 0, 0x0c, 0, 0xc9, 0, 0, 0, 0]);
    let octets = [&header[..], &ethernet(0x0800, &packet4()), &[0; 4]].concat();
    assert_v4(ETHERNET, &octets, "ethernet/vlan 100/ethernet");
}

#[test]
fn mpacket_preamble_and_check_sequence_are_taken_off() {
    let octets = [&[0x55; 7][..], &[0xd5], &ethernet(0x0800, &packet4()), &[1, 2, 3, 4]].concat();
    assert_v4(274, &octets, "ethernet-mpacket");
    assert_eq!(outcome(274, &[0x55, 0x55, 0x61, 0x3c, 0, 0]), Outcome::Skipped("802.3br fragment"));
}

#[test]
fn netanalyzer_status_is_taken_off() {
    let tail = [0; 4];
    assert_v4(240, &[&[0; 4][..], &ethernet(0x0800, &packet4()), &tail].concat(), "netanalyzer");
    assert_v4(241, &[&[0; 12][..], &ethernet(0x0800, &packet4()), &tail].concat(), "netanalyzer");
}

#[test]
fn emulated_lan_carries_ethernet() {
    assert_v4(110, &[&[0, 1][..], &ethernet(0x0800, &packet4())].concat(), "lane");
}

#[test]
fn null_family_in_either_byte_order_and_of_every_system() {
    assert_v4(0, &before4(&[2, 0, 0, 0]), "null");
    assert_v4(0, &before4(&[0, 0, 0, 2]), "null");
    assert_v4(108, &before4(&[0, 0, 0, 2]), "null");
    for family in [10, 23, 24, 28, 30] {
        assert_v6(0, &before6(&[family, 0, 0, 0]), "null");
    }
    assert_eq!(outcome(0, &before4(&[7, 0, 0, 0])), Outcome::Skipped("address family not read"));
}

#[test]
fn enc_and_pflog_headers_are_skipped() {
    assert_v4(109, &before4(&[0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0]), "enc");
    let mut pflog = vec![61, 2, 0, 0];
    pflog.resize(64, 0);
    assert_v4(117, &before4(&pflog), "pflog");
}

#[test]
fn sll_carries_ip_with_the_sender_address() {
    let header = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let seen = assert_v4(113, &before4(&header), "sll");
    assert_eq!((seen.vantage.link_source, seen.vantage.link_destination), (address(SOURCE), None));
    let loopback = [0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd];
    assert_eq!(assert_v6(113, &before6(&loopback), "sll").vantage.link_source, None);
    let tagged = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, 8, 0];
    assert_v4(113, &before4(&tagged), "sll/vlan 7");
}

#[test]
fn sll_with_an_address_longer_than_its_field_reads_eight_octets() {
    let header = [0, 0, 0, 32, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0];
    assert_eq!(assert_v4(113, &before4(&header), "sll").vantage.link_source, Some(LinkAddress::from_bits(0x0102_0304_0506_0708)));
}

fn sll2(interface: u8, protocol: [u8; 2]) -> [u8; 20] {
    [protocol[0], protocol[1], 0, 0, 0, 0, 0, interface, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]
}

#[test]
fn sll2_interfaces_are_vantages_with_names() {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let interfaces = [Interface { name: Some("any".into()), link_type: 276, ..Interface::default() }];
    let mut vantages = Vec::new();
    for index in [9, 3, 9] {
        let octets = before4(&sll2(index, [8, 0]));
        let Decoded::Segment(segment) = decoder.decode(&frame(276, &octets)) else { panic!("not a segment") };
        vantages.push(segment.vantage);
    }
    assert_eq!(vantages.iter().map(|v| v.interface).collect::<Vec<_>>(), [0x1_0000, 0x2_0000, 0x1_0000]);
    assert_eq!(decoder.names().describe(&vantages[0], &interfaces), "any (ifindex 9), sll2");
    assert_eq!(decoder.names().describe(&vantages[1], &[]), "interface 0 (ifindex 3)");
    assert_v6(276, &before6(&sll2(1, [0x86, 0xdd])), "sll2");
    assert_v4(276, &[&sll2(1, [0x81, 0])[..], &[0, 5, 8, 0], &packet4()].concat(), "sll2/vlan 5");
    assert_eq!(outcome(276, &before4(&sll2(1, [8, 6]))), Outcome::Skipped("arp"));
}

#[test]
fn raw_packets_are_told_by_their_version() {
    for number in [12, 14, 101] {
        assert_v4(number, &packet4(), "raw");
        assert_v6(number, &packet6(), "raw");
    }
    assert_v4(228, &packet4(), "raw-ipv4");
    assert_v6(229, &packet6(), "raw-ipv6");
    assert_eq!(outcome(228, &packet6()), Outcome::Malformed("ipv4: version is not 4"));
    assert_eq!(outcome(229, &packet4()), Outcome::Malformed("ipv6: version is not 6"));
    assert_v4(101, &before4(&[0xff, 3, 0, 0x21]), "raw");
    assert_v4(219, &before4(&[0, 1, 0x01, 64]), "raw-mpls/mpls");
}

#[test]
fn ppp_with_and_without_compressed_fields() {
    for prefix in [&[0xff, 3, 0, 0x21][..], &[0, 0x21], &[0x21], &[0xff, 3, 0x21]] {
        assert_v4(9, &before4(prefix), "ppp");
        assert_v4(50, &before4(prefix), "ppp");
    }
    assert_v6(9, &before6(&[0xff, 3, 0, 0x57]), "ppp");
    assert_v4(50, &before4(&[0x0f, 0, 8, 0]), "ppp");
    assert_v4(204, &before4(&[1, 0xff, 3, 0, 0x21]), "ppp");
    assert_v4(166, &before4(&[1, 3, 0, 0x21]), "ppp");
    assert_v4(51, &before4(&[0x11, 0, 0, 9, 0, 58, 0, 0x21]), "pppoe/pppoe");
    assert_eq!(outcome(9, &[0xff, 3, 0xc0, 0x21, 1, 2]), Outcome::Skipped("ppp control"));
    assert_eq!(outcome(9, &[0xff, 3, 0, 0x2d, 1, 2]), Outcome::Skipped("ppp compressed tcp"));
}

#[test]
fn cisco_hdlc_carries_ip() {
    assert_v4(104, &before4(&[0x0f, 0, 8, 0]), "chdlc");
    assert_v6(104, &before6(&[0x8f, 0, 0x86, 0xdd]), "chdlc");
    assert_v4(205, &before4(&[0, 0x0f, 0, 8, 0]), "chdlc");
    assert_v4(112, &before4(&[0x0f, 0, 8, 0]), "chdlc");
    assert_eq!(outcome(104, &[0x8f, 0, 0x80, 0x35, 0, 0]), Outcome::Skipped("slarp"));
}

#[test]
fn frame_relay_in_both_encapsulations() {
    assert_v4(107, &before4(&[0x18, 0x41, 3, 0xcc]), "frame-relay");
    assert_v6(107, &before6(&[0x18, 0x41, 3, 0x8e]), "frame-relay");
    assert_v4(107, &before4(&[0x18, 0x41, 8, 0]), "frame-relay");
    assert_v4(107, &before4(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0]), "frame-relay");
    assert_v4(206, &before4(&[0, 0x18, 0x40, 0x41, 3, 0xcc]), "frame-relay");
    assert_eq!(outcome(107, &[0, 1, 3, 8, 0]), Outcome::Skipped("osi"));
}

#[test]
fn slip_header_is_skipped_and_compressed_tcp_too() {
    assert_v4(8, &before4(&[0; 16]), "slip");
    assert_eq!(outcome(8, &[&[0; 16][..], &[0x71, 0, 0]].concat()), Outcome::Skipped("slip compressed tcp"));
}

/// A data frame to the distribution system with LLC.
fn wlan(flags: u8, qos: Option<u8>) -> Vec<u8> {
    let kind = if qos.is_some() { 0x88 } else { 0x08 };
    let mut octets = vec![kind, flags, 0, 0];
    octets.extend([2, 0, 0, 0, 0, 9]);
    octets.extend(SOURCE);
    octets.extend(DESTINATION);
    octets.extend([0x10, 0]);
    octets.extend(qos.into_iter().flat_map(|control| [control, 0]));
    octets
}

#[test]
fn wlan_data_frames_carry_ip_with_the_addresses_of_the_stations() {
    let seen = assert_v4(105, &[&wlan(1, None)[..], &SNAP_IPV4, &packet4()].concat(), "802.11");
    assert_eq!((seen.vantage.link_source, seen.vantage.link_destination), (address(SOURCE), address(DESTINATION)));
    assert_v4(105, &[&wlan(1, Some(0))[..], &SNAP_IPV4, &packet4()].concat(), "802.11");
    let four_addresses = [&wlan(3, None)[..], &SOURCE, &SNAP_IPV4, &packet4()].concat();
    assert_eq!(assert_v4(105, &four_addresses, "802.11").vantage.link_source, address(SOURCE));
    let with_ht_control = [&wlan(0x81, Some(0))[..], &[0; 4], &SNAP_IPV4, &packet4()].concat();
    assert_v4(105, &with_ht_control, "802.11");
}

#[test]
fn wlan_aggregate_gives_every_frame() {
    let length = u16::try_from(8 + packet4().len()).unwrap().to_be_bytes();
    let first = [&DESTINATION[..], &SOURCE, &length, &SNAP_IPV4, &packet4()].concat();
    let three = [&wlan(1, Some(0x80))[..], &first, &[0; 2], &first, &[0; 2], &first].concat();
    assert_v4(105, &three, "802.11");
    let frame = frame(105, &three);
    let mut decoder = Decoder::new(DecodeOptions::default());
    assert!(matches!(decoder.decode(&frame), Decoded::Segment(_)));
    for _ in 0..2 {
        assert_eq!(decoder.more(&frame).map(|segment| (segment.payload_length, segment.vantage.stack)), Some((16, 0)));
    }
    assert!(decoder.more(&frame).is_none());
    assert_eq!(decoder.sampled(), 0);
    let udp_first = [&DESTINATION[..], &SOURCE, &[0, 8 + 28 + 4], &SNAP_IPV4, &ip4(17, &udp(53, &[0; 4])), &[0; 2]].concat();
    assert_v4(105, &[&wlan(1, Some(0x80))[..], &udp_first, &first].concat(), "802.11");
    assert_eq!(outcome(105, &[&wlan(1, Some(0x80))[..], &udp_first].concat()), Outcome::Skipped("udp"));
    assert_eq!(outcome(105, &wlan(1, Some(0x80))), Outcome::Malformed("802.11: header cut short"));
}

#[test]
fn wlan_frames_without_readable_data_are_skipped() {
    let rest = [&SNAP_IPV4[..], &packet4()].concat();
    assert_eq!(outcome(105, &[&wlan(0x41, None)[..], &rest].concat()), Outcome::Skipped("802.11 protected"));
    assert_eq!(outcome(105, &[&[0x80, 0][..], &[0; 40]].concat()), Outcome::Skipped("802.11 management"));
    assert_eq!(outcome(105, &[&[0xd4, 0][..], &[0; 8]].concat()), Outcome::Skipped("802.11 control"));
    assert_eq!(outcome(105, &[&[0x48, 1][..], &[0; 22]].concat()), Outcome::Skipped("802.11 null data"));
    let mut fragment = wlan(1, None);
    fragment[22] = 0x11;
    assert_eq!(outcome(105, &[&fragment[..], &packet4()].concat()), Outcome::Skipped("802.11 fragment"));
}

#[test]
fn radiotap_tells_padding_and_check_sequence() {
    let plain = [&[0, 0, 8, 0, 0, 0, 0, 0][..], &wlan(1, None), &SNAP_IPV4, &packet4()].concat();
    assert_v4(127, &plain, "802.11");
    // timestamp before the flags, an extended bitmap, padding after the QoS control
    let mut header = vec![0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0];
    header.resize(24, 0);
    header.push(0x30);
    let padded = [&header[..], &wlan(1, Some(0)), &[0; 2], &SNAP_IPV4, &packet4(), &[9; 4]].concat();
    assert_v4(127, &padded, "802.11");
    let bad = [&[0, 0, 9, 0, 2, 0, 0, 0, 0x50][..], &wlan(1, None), &SNAP_IPV4, &packet4()].concat();
    assert_eq!(outcome(127, &bad), Outcome::Skipped("802.11 bad check sequence"));
}

#[test]
fn prism_and_avs_headers_are_skipped() {
    let data = [&wlan(1, None)[..], &SNAP_IPV4, &packet4()].concat();
    assert_v4(119, &[&[0x44, 0, 0, 0][..], &[0; 140], &data].concat(), "802.11");
    let mut avs = vec![0x80, 0x21, 0x10, 0x01, 0, 0, 0, 64];
    avs.resize(64, 0);
    assert_v4(119, &[&avs[..], &data].concat(), "802.11");
    assert_v4(163, &[&avs[..], &data].concat(), "802.11");
}

#[test]
fn ppi_announces_wlan_and_other_link_types() {
    let data = [&wlan(1, None)[..], &SNAP_IPV4, &packet4()].concat();
    let mut common = vec![0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0];
    common.resize(32, 0);
    common[20] = 1;
    assert_v4(192, &[&common[..], &data, &[7; 4]].concat(), "ppi");
    assert_v4(192, &[&[0, 0, 8, 0, 1, 0, 0, 0][..], &ethernet(0x0800, &packet4())].concat(), "ppi");
    assert_eq!(outcome(192, &[0, 0, 8, 0, 192, 0, 0, 0]), Outcome::Skipped("link type not read"));
}

#[test]
fn nflog_payload_attribute_in_either_byte_order() {
    let packet = packet4();
    for is_little in [true, false] {
        let number = |value: u16| if is_little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut octets = vec![2, 0, 0, 5];
        octets.extend([number(8), number(1)].concat());
        octets.extend([8, 0, 1, 0]);
        octets.extend([number(8), number(4)].concat());
        octets.extend([0, 0, 0, 7]);
        octets.extend([number(16), number(8)].concat());
        octets.extend([0, 6, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]);
        octets.extend([number(4 + u16::try_from(packet.len()).unwrap()), number(9)].concat());
        octets.extend(&packet);
        let seen = assert_v4(239, &octets, "nflog");
        assert_eq!((seen.vantage.interface, seen.vantage.link_source), (0x1_0000, address(SOURCE)));
    }
    assert_eq!(outcome(239, &[2, 0, 0, 0, 0, 0, 1, 0]), Outcome::Malformed("nflog: attribute length below 4"));
}

#[test]
fn pktap_announces_a_link_type_and_an_interface() {
    let mut header = vec![108, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    header.extend(b"en0");
    header.resize(108, 0);
    let octets = [&header[..], &ethernet(0x0800, &packet4())].concat();
    let seen = assert_v4(258, &octets, "pktap");
    assert_eq!(seen.vantage.link_source, address(SOURCE));
    assert_eq!(seen.vantage.interface, 0x1_0000);
    assert_v4(149, &octets, "pktap");
    assert_eq!(outcome(149, &ethernet(0x0800, &packet4())), Outcome::Skipped("link type not read"));
}

#[test]
fn pktap_inside_pktap_ends() {
    let mut header = vec![108, 0, 0, 0, 1, 0, 0, 0, 2, 1, 0, 0];
    header.resize(108, 0);
    assert_eq!(outcome(258, &header.repeat(100)), Outcome::Skipped("nested too deep"));
}

#[test]
fn firewire_carries_ip() {
    let seen = assert_v4(138, &before4(&[1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 8, 0]), "firewire");
    assert_eq!(seen.vantage.link_source, Some(LinkAddress::new(&[2; 8])));
}

#[test]
fn switch_tags_are_taken_out_of_the_frame() {
    let with_tag = |tag: &[u8]| [&DESTINATION[..], &SOURCE, tag, &[8, 0], &packet4()].concat();
    let seen = assert_v4(284, &with_tag(&[0xc0, 0x08, 0, 1]), "dsa");
    assert_eq!((seen.vantage.link_source, seen.vantage.link_destination), (address(SOURCE), address(DESTINATION)));
    assert_v4(284, &with_tag(&[0xe0, 0x08, 0x20, 100]), "dsa/vlan 100");
    assert_v4(285, &with_tag(&[0xda, 0xda, 0, 0, 0xc0, 0x08, 0, 1]), "edsa");
    assert_v4(281, &with_tag(&[0, 0, 0, 5]), "brcm-tag");
    assert_v4(282, &[&[0, 0, 0, 5][..], &ethernet(0x0800, &packet4())].concat(), "brcm-tag-prepend");
}

#[test]
fn fddi_and_token_ring_carry_llc() {
    let addresses = [DESTINATION, SOURCE].concat();
    let seen = assert_v4(10, &[&[0x50][..], &addresses, &SNAP_IPV4, &packet4()].concat(), "fddi");
    assert_eq!(seen.vantage.link_source, address(SOURCE));
    assert_eq!(outcome(10, &[&[0x41][..], &addresses, &[0; 20]].concat()), Outcome::Skipped("fddi management"));
    assert_v4(6, &[&[0x10, 0x40][..], &addresses, &SNAP_IPV4, &packet4()].concat(), "token-ring");
    let mut routed = addresses.clone();
    routed[6] |= 0x80;
    let seen = assert_v4(6, &[&[0x10, 0x40][..], &routed, &[0x06, 0, 0, 1, 0, 2], &SNAP_IPV4, &packet4()].concat(), "token-ring");
    assert_eq!(seen.vantage.link_source, address(SOURCE));
    assert_eq!(outcome(6, &[&[0x10, 0][..], &addresses, &[0; 20]].concat()), Outcome::Skipped("token ring management"));
}

#[test]
fn arcnet_of_both_systems_and_both_standards() {
    assert_v4(7, &before4(&[1, 2, 240]), "arcnet");
    assert_v4(7, &before4(&[1, 2, 212, 0, 0, 1]), "arcnet");
    assert_v4(7, &before4(&[1, 2, 212, 0xff, 0, 0, 0, 0, 0, 1]), "arcnet");
    assert_v4(129, &before4(&[1, 2, 0, 0, 240]), "arcnet");
    let seen = assert_v4(129, &before4(&[1, 2, 0, 0, 212, 0, 0, 1]), "arcnet");
    assert_eq!(
        (seen.vantage.link_source, seen.vantage.link_destination),
        (Some(LinkAddress::from_bits(1)), Some(LinkAddress::from_bits(2)))
    );
    assert_eq!(outcome(7, &before4(&[1, 2, 212, 2, 0, 1])), Outcome::Skipped("arcnet fragment"));
}

#[test]
fn fibre_channel_and_infiniband_carry_ip() {
    assert_v4(122, &[&[1; 8][..], &[2; 8], &SNAP_IPV4, &packet4()].concat(), "ip-over-fc");
    assert_v4(242, &[&[0; 40][..], &[8, 0, 0, 0], &packet4()].concat(), "ipoib");
}

#[test]
fn ipnet_carries_ip() {
    let mut header = vec![1, 2];
    header.resize(24, 0);
    assert_v4(226, &before4(&header), "ipnet");
    header[1] = 26;
    assert_v6(226, &before6(&header), "ipnet");
}

#[test]
fn atm_with_llc_bridged_and_without() {
    assert_v4(100, &before4(&SNAP_IPV4), "atm");
    assert_v4(106, &before4(&SNAP_IPV4), "atm");
    assert_v4(106, &packet4(), "atm");
    let bridged = [&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0][..], &ethernet(0x0800, &packet4())].concat();
    assert_v4(100, &bridged, "atm");
    assert_v4(123, &[&[2, 0, 0, 1][..], &SNAP_IPV4, &packet4()].concat(), "sunatm");
    assert_v4(123, &[&[1, 0, 0, 1, 0, 1][..], &ethernet(0x0800, &packet4())].concat(), "sunatm");
}

#[test]
fn erf_records_of_ethernet_hdlc_and_ip() {
    let record = |kind: u8, extension: &[u8], wire: usize, payload: &[u8]| {
        let [high, low] = u16::try_from(wire).unwrap().to_be_bytes();
        [&[0; 8][..], &[kind, 4, 0, 0, 0, 0, high, low], extension, payload].concat()
    };
    let frame = [&[0, 0][..], &ethernet(0x0800, &packet4()), &[0; 4]].concat();
    assert_v4(197, &record(2, &[], frame.len() - 2, &frame), "erf");
    assert_v4(197, &record(0x82, &[3, 0, 0, 0, 0, 0, 0, 0], frame.len() - 2, &frame), "erf");
    let hdlc = before4(&[0x0f, 0, 8, 0]);
    assert_v4(176, &record(1, &[], hdlc.len(), &hdlc), "erf");
    assert_v4(197, &record(22, &[], packet4().len(), &packet4()), "erf");
    assert_eq!(outcome(197, &record(5, &[], 4, &[0; 4])), Outcome::Skipped("erf record not read"));
}

#[test]
fn juniper_headers_of_every_card() {
    let magic = |flags: u8| [0x4d, 0x47, 0x43, flags];
    let ether = ethernet(0x0800, &packet4());
    assert_v4(178, &[&magic(0)[..], &ether].concat(), "juniper");
    assert_v4(167, &[&magic(0x80)[..], &[0, 6, 1, 4, 0, 0, 0, 0], &ether].concat(), "juniper");
    assert_v4(178, &[&magic(2)[..], &[2, 0, 0, 0], &packet4()].concat(), "juniper");
    for (number, between) in [
        (179, &[0xff, 3, 0, 0x21][..]),
        (180, &[0x18, 0x41, 3, 0xcc]),
        (181, &[0x0f, 0, 8, 0]),
        (168, &[8, 0]),
        (130, &[0, 7, 0, 0x21]),
        (131, &[0, 7, 3, 0xcc]),
        (134, &[0, 7, 0, 0, 3, 0xcc]),
        (133, &[0, 0, 2, 0, 0, 0, 0, 0]),
        (135, &[0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]),
        (137, &[0, 0, 0, 0]),
        (136, &[0x47, 0, 0, 0, 0, 0, 0, 0]),
        (164, &[0, 0, 0, 0, 0, 0, 0, 0]),
        (132, &[0, 0, 0, 1]),
    ] {
        let octets = [&magic(1)[..], between, &packet4()].concat();
        if number == 132 {
            let octets = [&magic(1)[..], &[0, 0, 0, 4], &[0; 12], &packet4()].concat();
            assert_v4(number, &octets, "juniper");
        } else {
            assert_v4(number, &octets, "juniper");
        }
    }
    assert_eq!(outcome(178, &[0; 40]), Outcome::Malformed("juniper: no magic number"));
}

#[test]
fn unknown_link_type_is_skipped() {
    assert_eq!(outcome(147, &packet4()), Outcome::Skipped("link type not read"));
    assert_eq!(outcome(u16::MAX, &[]), Outcome::Skipped("link type not read"));
}

#[test]
fn every_link_type_is_documented() {
    let page = include_str!("../../../docs/link-types.md");
    for number in REGISTRY.iter().flat_map(|reader| reader.numbers) {
        assert!(
            page.lines().any(|line| line.starts_with("| ")
                && line.split('|').nth(1).is_some_and(|cell| cell.split(',').any(|n| n.trim() == number.to_string()))),
            "link type {number}"
        );
    }
}

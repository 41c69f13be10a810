//! Every encapsulation gives up its innermost segment; near misses do not.

use super::{
    DecodeOptions, Decoded, Decoder, ETHERNET, Outcome, assert_v4, assert_v6, ethernet, frame, ip4, ip6, outcome, packet4, packet6,
    segment, tcp, tenant, udp,
};
use crate::frame::{Frame, FrameId};
use crate::options::Separate;

/// `payload` as IPv4 protocol `protocol` in Ethernet.
fn over_ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ip4(protocol, payload))
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    over_ip(17, &udp(port, payload))
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn vlan(id: u8, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = ether_type.to_be_bytes();
    [&[0xa0, id, high, low], payload].concat()
}

#[test]
fn vlan_tags_of_every_number_nest() {
    for number in [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300] {
        assert_v4(ETHERNET, &ethernet(number, &vlan(100, 0x0800, &packet4())), "ethernet/vlan 100");
    }
    let double = ethernet(0x88a8, &vlan(7, 0x8100, &vlan(100, 0x86dd, &packet6())));
    assert_v6(ETHERNET, &double, "ethernet/vlan 7/vlan 100");
    let llc = join(&[&[6, 6, 3], &packet4()]);
    let length = u16::try_from(llc.len()).unwrap();
    assert_v4(ETHERNET, &ethernet(0x8100, &vlan(3, length, &llc)), "ethernet/vlan 3");
}

#[test]
fn provider_backbone_and_other_tags() {
    let backbone = join(&[&[0, 0, 1, 0], &[2, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 3], &[8, 0], &packet4()]);
    assert_v4(ETHERNET, &ethernet(0x88e7, &backbone), "ethernet/802.1ah 256");
    assert_v4(ETHERNET, &ethernet(0x893f, &join(&[&[0; 6], &[8, 0], &packet4()])), "ethernet");
    assert_v4(ETHERNET, &ethernet(0x8926, &join(&[&[0; 4], &[8, 0], &packet4()])), "ethernet");
    assert_v4(ETHERNET, &ethernet(0xf1c1, &join(&[&[0; 4], &[8, 0], &packet4()])), "ethernet");
    assert_v4(ETHERNET, &ethernet(0x8909, &join(&[&[1, 1, 0, 1, 0, 2], &[8, 0], &packet4()])), "ethernet");
}

#[test]
fn pppoe_session_carries_ppp() {
    let length = u16::try_from(2 + packet4().len()).unwrap().to_be_bytes();
    let session = |packet: &[u8]| ethernet(0x8864, &join(&[&[0x11, 0, 0, 9], &length, &[0, 0x21], packet, &[0; 6]]));
    assert_v4(ETHERNET, &session(&packet4()), "ethernet/pppoe");
    let mut with_padding_in_its_length = packet4();
    with_padding_in_its_length[3] += 6;
    assert_v4(ETHERNET, &session(&with_padding_in_its_length), "ethernet/pppoe");
    assert_eq!(outcome(ETHERNET, &ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0])), Outcome::Skipped("pppoe discovery"));
}

#[test]
fn mpls_carries_ip_and_ethernet_pseudowires() {
    let labels: [u8; 8] = [0, 1, 0, 64, 0, 2, 0x01, 64];
    assert_v4(ETHERNET, &ethernet(0x8847, &join(&[&labels, &packet4()])), "ethernet/mpls");
    assert_v6(ETHERNET, &ethernet(0x8848, &join(&[&labels, &packet6()])), "ethernet/mpls");
    let with_control_word = join(&[&labels, &[0; 4], &ethernet(0x0800, &packet4())]);
    assert_v4(ETHERNET, &ethernet(0x8847, &with_control_word), "ethernet/mpls/ethernet");
    let without = join(&[&labels, &ethernet(0x0800, &packet4())]);
    assert_v4(ETHERNET, &ethernet(0x8847, &without), "ethernet/mpls/ethernet");
    assert_eq!(outcome(ETHERNET, &ethernet(0x8847, &join(&[&labels, &[0x10; 30]]))), Outcome::Skipped("mpls associated channel"));
    assert_eq!(outcome(ETHERNET, &ethernet(0x8847, &[0; 4000])), Outcome::Malformed("mpls: label stack without end"));
}

#[test]
fn mpls_in_ip_and_in_udp() {
    let label = [0, 2, 0x01, 64];
    assert_v4(ETHERNET, &over_ip(137, &join(&[&label, &packet4()])), "ethernet/ipv4/mpls");
    assert_v4(ETHERNET, &over_udp(6635, &join(&[&label, &packet4()])), "ethernet/ipv4/udp/mpls");
    assert_eq!(outcome(ETHERNET, &over_udp(6635, &[1; 40])), Outcome::Skipped("udp"));
}

#[test]
fn ip_in_ip_in_all_four_ways() {
    assert_v4(ETHERNET, &over_ip(4, &packet4()), "ethernet/ipv4");
    assert_v6(ETHERNET, &over_ip(41, &packet6()), "ethernet/ipv4");
    assert_v4(ETHERNET, &ethernet(0x86dd, &ip6(4, &packet4())), "ethernet/ipv6");
    assert_v6(ETHERNET, &ethernet(0x86dd, &ip6(41, &packet6())), "ethernet/ipv6");
}

#[test]
fn outer_hash_tells_tunnels_apart_whatever_the_direction() {
    let through = |source: [u8; 4], destination: [u8; 4]| {
        let mut octets = over_ip(4, &packet4());
        octets[26..30].copy_from_slice(&source);
        octets[30..34].copy_from_slice(&destination);
        segment(ETHERNET, &octets).vantage.outer
    };
    let (a, b, c) = ([192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]);
    assert_ne!(through(a, b), 0);
    assert_eq!(through(a, b), through(b, a));
    assert_ne!(through(a, b), through(a, c));
    assert_eq!(segment(ETHERNET, &ethernet(0x0800, &packet4())).vantage.outer, 0);
}

#[test]
fn link_addresses_are_those_of_the_outermost_link() {
    let mut inner = ethernet(0x0800, &packet4());
    inner[..12].copy_from_slice(&[9; 12]);
    let seen = segment(ETHERNET, &over_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &inner])));
    assert_eq!(seen.vantage.link_source, super::address(super::SOURCE));
}

#[test]
fn gre_with_every_optional_field() {
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0, 0, 8, 0], &packet4()])), "ethernet/ipv4/gre");
    let all = join(&[&[0xb0, 0, 0x86, 0xdd], &[0; 4], &[0, 0, 0, 9], &[0; 4], &packet6()]);
    assert_v6(ETHERNET, &over_ip(47, &all), "ethernet/ipv4/gre");
    let routed = join(&[&[0x40, 0, 8, 0], &[0; 4], &[0, 1, 0, 4], &[1; 4], &[0; 4], &packet4()]);
    assert_v4(ETHERNET, &over_ip(47, &routed), "ethernet/ipv4/gre");
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0, 0, 0x65, 0x58], &ethernet(0x0800, &packet4())])), "ethernet/ipv4/gre/ethernet");
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0, 0, 0x88, 0x3e], &[0; 4], &packet4()])), "ethernet/ipv4/gre");
    assert_eq!(outcome(ETHERNET, &over_ip(47, &[0, 0, 0, 0])), Outcome::Skipped("gre keepalive"));
    assert_eq!(outcome(ETHERNET, &over_ip(47, &[0, 2, 8, 0])), Outcome::Skipped("gre version not read"));
}

#[test]
fn gre_of_pptp_carries_ppp() {
    let length = u16::try_from(2 + packet4().len()).unwrap().to_be_bytes();
    let data = join(&[&[0x30, 0x81, 0x88, 0x0b], &length, &[0, 5], &[0; 8], &[0, 0x21], &packet4()]);
    assert_v4(ETHERNET, &over_ip(47, &data), "ethernet/ipv4/gre/ppp");
    assert_eq!(
        outcome(ETHERNET, &over_ip(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 5, 0, 0, 0, 0])),
        Outcome::Skipped("pptp acknowledgement")
    );
}

#[test]
fn gre_in_udp_if_its_header_can_be() {
    assert_v4(ETHERNET, &over_udp(4754, &join(&[&[0, 0, 8, 0], &packet4()])), "ethernet/ipv4/udp/gre");
    assert_eq!(outcome(ETHERNET, &over_udp(4754, &join(&[&[1, 0, 8, 0], &packet4()]))), Outcome::Skipped("udp"));
}

#[test]
fn nvgre_eoip_and_aruba_wlan() {
    let inner = ethernet(0x0800, &packet4());
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0x20, 0, 0x65, 0x58, 0, 0, 42, 1], &inner])), "ethernet/ipv4/nvgre 42/ethernet");
    let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0x20, 1, 0x64, 0], &length, &[7, 0], &inner])), "ethernet/ipv4/eoip/ethernet");
    let wlan = join(&[&[8, 1, 0, 0], &[2; 18], &[0x10, 0], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet4()]);
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0, 0, 0x82, 0], &wlan])), "ethernet/ipv4/gre/802.11");
}

#[test]
fn erspan_of_all_three_types() {
    let inner = ethernet(0x0800, &packet4());
    assert_v4(ETHERNET, &over_ip(47, &join(&[&[0, 0, 0x88, 0xbe], &inner])), "ethernet/ipv4/gre/erspan 1/ethernet");
    let second = join(&[&[0x10, 0, 0x88, 0xbe], &[0; 4], &[0x10, 5, 0, 1, 0, 0, 0, 0], &inner]);
    assert_v4(ETHERNET, &over_ip(47, &second), "ethernet/ipv4/gre/erspan 2/ethernet");
    let third = |flags: u8, sub_header: &[u8]| {
        join(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &[0x20, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, flags], sub_header, &inner])
    };
    assert_v4(ETHERNET, &over_ip(47, &third(0, &[])), "ethernet/ipv4/gre/erspan 3/ethernet");
    assert_v4(ETHERNET, &over_ip(47, &third(1, &[0; 8])), "ethernet/ipv4/gre/erspan 3/ethernet");
}

#[test]
fn vxlan_on_its_port_and_on_the_one_linux_took_first() {
    let packet = join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(0x0800, &packet4())]);
    assert_v4(ETHERNET, &over_udp(4789, &packet), "ethernet/ipv4/udp/vxlan 42/ethernet");
    assert_v4(ETHERNET, &over_udp(8472, &packet), "ethernet/ipv4/udp/otv 42/ethernet");
    assert_eq!(outcome(ETHERNET, &over_udp(4788, &packet)), Outcome::Skipped("udp"));
}

#[test]
fn vxlan_port_without_vxlan_inside_is_udp() {
    let no_flag = join(&[&[0, 0, 0, 0, 0, 0, 42, 0], &ethernet(0x0800, &packet4())]);
    assert_eq!(outcome(ETHERNET, &over_udp(4789, &no_flag)), Outcome::Skipped("udp"));
    let no_frame = join(&[&[8, 0, 0, 0, 0, 0, 42, 0], &ethernet(0x0800, &packet6())]);
    assert_eq!(outcome(ETHERNET, &over_udp(4789, &no_frame)), Outcome::Skipped("udp"));
}

#[test]
fn vxlan_gpe_names_what_it_carries() {
    let with = |protocol: u8, inner: &[u8]| over_udp(4790, &join(&[&[0x0c, 0, 0, protocol, 0, 0, 42, 0], inner]));
    assert_v4(ETHERNET, &with(1, &packet4()), "ethernet/ipv4/udp/vxlan-gpe 42");
    assert_v6(ETHERNET, &with(2, &packet6()), "ethernet/ipv4/udp/vxlan-gpe 42");
    assert_v4(ETHERNET, &with(3, &ethernet(0x0800, &packet4())), "ethernet/ipv4/udp/vxlan-gpe 42/ethernet");
    assert_v4(ETHERNET, &with(5, &join(&[&[0, 2, 1, 64], &packet4()])), "ethernet/ipv4/udp/vxlan-gpe 42/mpls");
    let nsh = join(&[&[0, 2, 1, 1], &[0; 4], &packet4()]);
    assert_v4(ETHERNET, &with(4, &nsh), "ethernet/ipv4/udp/vxlan-gpe 42/nsh");
}

#[test]
fn geneve_with_options_carries_ethernet_and_ip_in_any_version() {
    let header = |protocol: [u8; 2]| [1, 0, protocol[0], protocol[1], 0, 0, 42, 0, 0, 1, 0, 0];
    let inner = ethernet(0x0800, &packet4());
    assert_v4(ETHERNET, &over_udp(6081, &join(&[&header([0x65, 0x58]), &inner])), "ethernet/ipv4/udp/geneve 42/ethernet");
    assert_v4(ETHERNET, &over_udp(6081, &join(&[&header([8, 0]), &packet4()])), "ethernet/ipv4/udp/geneve 42");
    let mut version_1 = header([8, 0]);
    version_1[0] |= 0x40;
    assert_v4(ETHERNET, &over_udp(6081, &join(&[&version_1, &packet4()])), "ethernet/ipv4/udp/geneve 42");
    assert_eq!(outcome(ETHERNET, &over_udp(6081, &join(&[&version_1, &[0; 40]]))), Outcome::Skipped("udp"));
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

/// A raw packet header record: `protocol`, and a packet that was `more` octets longer.
fn raw_header(protocol: u8, packet: &[u8], more: usize) -> Vec<u8> {
    let padded = [packet, &[0; 3][..packet.len().next_multiple_of(4) - packet.len()]].concat();
    let fields = [&[0, 0, 0, protocol][..], &word(packet.len() + more + 4), &word(4), &word(packet.len())].concat();
    join(&[&word(1), &word(16 + padded.len()), &fields, &padded])
}

/// A sample of kind `kind` (1: flow, 3: expanded flow), with its records.
fn sample(kind: u8, records: &[&[u8]]) -> Vec<u8> {
    let before_records = if kind == 3 { 40 } else { 28 };
    let body = [&vec![0; before_records][..], &word(records.len()), &records.concat()].concat();
    join(&[&[0, 0, 0, kind], &word(body.len()), &body])
}

fn sflow(samples: &[&[u8]]) -> Vec<u8> {
    let header = join(&[&[0, 0, 0, 5, 0, 0, 0, 1], &[192, 0, 2, 1], &[0; 12], &word(samples.len())]);
    over_udp(6343, &join(&[&header, &samples.concat()]))
}

/// Stack and payload length of every segment of a frame.
fn segments(link_type: u16, octets: &[u8]) -> Vec<(String, u32)> {
    let frame = frame(link_type, octets);
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut seen = Vec::new();
    if let Decoded::Segment(segment) = decoder.decode(&frame) {
        seen.push((segment.vantage.stack, segment.payload_length));
        while let Some(segment) = decoder.more(&frame) {
            seen.push((segment.vantage.stack, segment.payload_length));
        }
    }
    assert!(decoder.more(&frame).is_none());
    seen.into_iter().map(|(stack, length)| (decoder.stacks()[usize::from(stack)].clone(), length)).collect()
}

#[test]
fn sflow_samples_are_segments_of_their_own() {
    let (cut, counter) = (&packet4()[..44], join(&[&[0, 0, 0, 2], &word(12), &[0; 12]]));
    let foreign_record = join(&[&word(1001), &word(4), &[0; 4]]);
    let datagram = sflow(&[
        &counter,
        &sample(1, &[&foreign_record, &raw_header(1, &ethernet(0x0800, &packet4()), 0), &raw_header(11, &ip4(17, &udp(53, b"x")), 0)]),
        &sample(3, &[&raw_header(11, cut, 12)]),
        &sample(1, &[&raw_header(12, &packet6(), 0), &raw_header(13, &join(&[&[0, 2, 1, 64], &packet4()]), 0)]),
    ]);
    let stack = |inner: &str| (format!("ethernet/ipv4/udp/sflow{inner}"), 16);
    assert_eq!(segments(ETHERNET, &datagram), [stack("/ethernet"), stack(""), stack(""), stack("/mpls")]);
}

#[test]
fn sflow_without_tcp_is_skipped_and_lies_end_it() {
    let udp_only = sample(1, &[&raw_header(11, &ip4(17, &udp(53, b"x")), 0)]);
    assert_eq!(outcome(ETHERNET, &sflow(&[&udp_only])), Outcome::Skipped("sflow"));
    assert_eq!(outcome(ETHERNET, &sflow(&[])), Outcome::Skipped("sflow"));
    let good = sample(1, &[&raw_header(11, &packet4(), 0)]);
    for lie in [0, 1, 31, 32, u32::MAX] {
        let mut sample = good.clone();
        sample[4..8].copy_from_slice(&lie.to_be_bytes());
        assert!(segments(ETHERNET, &sflow(&[&sample, &good])).len() <= 2);
        let mut record = good.clone();
        record[44..48].copy_from_slice(&lie.to_be_bytes());
        assert!(segments(ETHERNET, &sflow(&[&record, &good])).len() <= 2);
    }
    let mut version_4 = sflow(&[&good]);
    version_4[45] = 4;
    assert_eq!(outcome(ETHERNET, &version_4), Outcome::Skipped("udp"));
    let nested = sflow(&[&sample(1, &[&raw_header(1, &sflow(&[&good]), 0)])]);
    assert_eq!(outcome(ETHERNET, &nested), Outcome::Skipped("sflow"));
}

#[test]
fn decoder_has_no_further_segments_of_another_frame() {
    let good = sample(1, &[&raw_header(11, &packet4(), 0), &raw_header(11, &packet4(), 0)]);
    let (several, one) = (sflow(&[&good]), ethernet(0x0800, &packet4()));
    let mut decoder = Decoder::new(DecodeOptions::default());
    assert!(matches!(decoder.decode(&frame(ETHERNET, &several)), Decoded::Segment(_)));
    assert!(decoder.more(&Frame { id: FrameId::new(0, 2), ..frame(ETHERNET, &one) }).is_none());
    assert!(matches!(decoder.decode(&frame(ETHERNET, &one)), Decoded::Segment(_)));
    assert!(decoder.more(&frame(ETHERNET, &one)).is_none());
    assert_eq!(decoder.sampled(), 1);
}

#[test]
fn gtp_of_both_versions_with_extension_headers() {
    let length = |extra: usize| u16::try_from(packet4().len() + extra).unwrap().to_be_bytes();
    let plain = join(&[&[0x30, 0xff], &length(0), &[0, 0, 0, 9], &packet4()]);
    assert_v4(ETHERNET, &over_udp(2152, &plain), "ethernet/ipv4/udp/gtp-u");
    let extended = join(&[&[0x34, 0xff], &length(8), &[0, 0, 0, 9], &[0, 0, 0, 0x85, 1, 0, 0, 0], &packet4()]);
    assert_v4(ETHERNET, &over_udp(2152, &extended), "ethernet/ipv4/udp/gtp-u");
    let version_0 = join(&[&[0x1e, 0xff], &length(0), &[0; 16], &packet4()]);
    assert_v4(ETHERNET, &over_udp(3386, &version_0), "ethernet/ipv4/udp/gtp-u");
    let endless = join(&[&[0x34, 0xff], &length(8), &[0, 0, 0, 9], &[0, 0, 0, 0x85, 0, 0, 0, 0x85], &packet4()]);
    assert_eq!(outcome(ETHERNET, &over_udp(2152, &endless)), Outcome::Skipped("udp"));
    let echo = join(&[&[0x30, 1], &length(0), &[0, 0, 0, 9], &packet4()]);
    assert_eq!(outcome(ETHERNET, &over_udp(2152, &echo)), Outcome::Skipped("udp"));
}

#[test]
fn teredo_with_its_indications() {
    let authentication = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let origin = [0, 0, 0xff, 0xff, 1, 2, 3, 4];
    assert_v6(ETHERNET, &over_udp(3544, &packet6()), "ethernet/ipv4/udp/teredo");
    assert_v6(ETHERNET, &over_udp(3544, &join(&[&authentication, &origin, &packet6()])), "ethernet/ipv4/udp/teredo");
    assert_eq!(outcome(ETHERNET, &over_udp(3544, &packet4())), Outcome::Skipped("udp"));
}

#[test]
fn l2tp_of_both_versions() {
    let ppp = join(&[&[0xff, 3, 0, 0x21], &packet4()]);
    assert_v4(ETHERNET, &over_udp(1701, &join(&[&[0, 2, 0, 1, 0, 2], &ppp])), "ethernet/ipv4/udp/l2tp/ppp");
    let length = u16::try_from(16 + ppp.len()).unwrap().to_be_bytes();
    let full = join(&[&[0x4a, 2], &length, &[0, 1, 0, 2, 0, 0, 0, 0, 0, 2, 9, 9], &ppp]);
    assert_v4(ETHERNET, &over_udp(1701, &full), "ethernet/ipv4/udp/l2tp/ppp");
    let third = join(&[&[0, 3, 0, 0, 0, 0, 0, 7], &[1, 2, 3, 4], &ethernet(0x0800, &packet4())]);
    assert_v4(ETHERNET, &over_udp(1701, &third), "ethernet/ipv4/l2tpv3/ethernet");
    assert_v4(ETHERNET, &over_ip(115, &join(&[&[0, 0, 0, 7], &ethernet(0x0800, &packet4())])), "ethernet/ipv4/l2tpv3/ethernet");
    assert_eq!(outcome(ETHERNET, &over_udp(1701, &[0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0])), Outcome::Skipped("udp"));
    assert_eq!(outcome(ETHERNET, &over_ip(115, &[0; 40])), Outcome::Skipped("l2tpv3"));
}

#[test]
fn other_tunnels_over_udp() {
    let inner = ethernet(0x0800, &packet4());
    assert_v4(ETHERNET, &over_udp(4341, &join(&[&[0; 8], &packet4()])), "ethernet/ipv4/udp/lisp");
    assert_v4(ETHERNET, &over_udp(37008, &join(&[&[1, 0, 0, 1, 0, 10, 1, 5, 1], &inner])), "ethernet/ipv4/udp/tzsp/ethernet");
    assert_v4(ETHERNET, &over_udp(5247, &join(&[&[0, 0x10, 0x02, 0, 0, 0, 0, 0], &inner])), "ethernet/ipv4/udp/capwap/ethernet");
    let wlan = join(&[&[1, 8, 0, 0], &[2; 18], &[0x10, 0], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet4()]);
    assert_v4(ETHERNET, &over_udp(5247, &join(&[&[0, 0x10, 0x03, 0, 0, 0, 0, 0], &wlan])), "ethernet/ipv4/udp/capwap/802.11");
    assert_eq!(outcome(ETHERNET, &over_udp(5247, &[1; 60])), Outcome::Skipped("udp"));
}

#[test]
fn authentication_header_and_etherip() {
    let ah = [6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert_v4(ETHERNET, &over_ip(51, &join(&[&ah, &tcp(super::PAYLOAD)])), "ethernet/ah");
    assert_v4(ETHERNET, &over_ip(97, &join(&[&[0x30, 0], &ethernet(0x0800, &packet4())])), "ethernet/ipv4/etherip/ethernet");
}

#[test]
fn layer_2_tunnels() {
    let inner = ethernet(0x0800, &packet4());
    assert_v4(ETHERNET, &ethernet(0x8903, &join(&[&[0, 0x20], &inner])), "ethernet/fabricpath/ethernet");
    assert_v4(ETHERNET, &ethernet(0x22f3, &join(&[&[0, 0x40, 0, 1, 0, 2], &[0; 4], &inner])), "ethernet/trill/ethernet");
    let tag = [0x20, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    assert_v4(ETHERNET, &ethernet(0x88e5, &join(&[&tag, &[8, 0], &packet4(), &[7; 16]])), "ethernet/macsec");
    let mut encrypted = tag;
    encrypted[0] |= 0x0c;
    assert_eq!(outcome(ETHERNET, &ethernet(0x88e5, &join(&[&encrypted, &[8, 0], &packet4()]))), Outcome::Skipped("macsec encrypted"));
}

#[test]
fn encrypted_tunnels_stay_closed() {
    assert_eq!(outcome(ETHERNET, &over_ip(50, &[0; 60])), Outcome::Skipped("esp"));
    assert_eq!(outcome(ETHERNET, &over_udp(51820, &[4; 60])), Outcome::Skipped("udp"));
    assert_eq!(outcome(ETHERNET, &over_udp(4500, &[4; 60])), Outcome::Skipped("udp"));
}

#[test]
fn vxlan_in_vxlan_in_vlan_names_the_whole_stack() {
    let inner = join(&[&[8, 0, 0, 0, 0, 0, 2, 0], &ethernet(0x0800, &packet4())]);
    let middle = join(&[&[8, 0, 0, 0, 0, 0, 1, 0], &over_udp(4789, &inner)]);
    let outer = ethernet(0x8100, &vlan(9, 0x0800, &ip4(17, &udp(4789, &middle))));
    assert_v4(ETHERNET, &outer, "ethernet/vlan 9/ipv4/udp/vxlan 1/ethernet/ipv4/udp/vxlan 2/ethernet");
}

#[test]
fn nesting_beyond_sixteen_layers_is_skipped() {
    let nested = |depth: usize| (0..depth).fold(packet4(), |packet, _| ip4(4, &packet));
    assert_eq!(segment(ETHERNET, &ethernet(0x0800, &nested(16))).payload_length, 16);
    assert_eq!(outcome(ETHERNET, &ethernet(0x0800, &nested(17))), Outcome::Skipped("nested too deep"));
}

#[test]
fn tenants_are_separated_only_on_demand() {
    let in_vlan = |id| ethernet(0x8100, &vlan(id, 0x0800, &packet4()));
    let in_vxlan = |id| over_udp(4789, &join(&[&[8, 0, 0, 0, 0, 0, id, 0], &ethernet(0x0800, &packet4())]));
    let by_vlan = Separate { vlan: true, ..Separate::default() };
    let by_vni = Separate { vni: true, ..Separate::default() };
    assert_eq!((tenant(Separate::default(), &in_vlan(1)), tenant(Separate::default(), &in_vxlan(1))), (0, 0));
    assert_ne!(tenant(by_vlan, &in_vlan(1)), 0);
    assert_ne!(tenant(by_vlan, &in_vlan(1)), tenant(by_vlan, &in_vlan(2)));
    assert_eq!(tenant(by_vlan, &in_vxlan(1)), tenant(by_vlan, &in_vxlan(2)));
    assert_ne!(tenant(by_vni, &in_vxlan(1)), tenant(by_vni, &in_vxlan(2)));
    assert_eq!(tenant(by_vni, &in_vlan(1)), tenant(by_vni, &in_vlan(2)));
}

//! The script language's own tests (`tests/script`): what is left out is filled in as a kernel would, and the octets are sound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use script::{Content, Packet, Script, Tcp};

const HOSTS: &str = "host C 10.0.0.1:40000\nhost S 10.0.0.2:80\n";

fn play(lines: &str) -> Vec<Packet> {
    Script::new(&format!("{HOSTS}{lines}")).packets
}

fn tcp(packet: &Packet) -> &Tcp {
    let Content::Tcp(tcp) = &packet.content else { panic!("no segment") };
    tcp
}

fn numbers(packets: &[Packet]) -> Vec<(u32, u32)> {
    packets.iter().map(|packet| (tcp(packet).seq, tcp(packet).ack)).collect()
}

#[test]
fn script_without_numbers_counts_like_a_kernel() {
    let packets = play("0 C>S SYN\n0.1 S>C SYN,ACK\n0.1 C>S ACK\n0.2 C>S PSH,ACK \"GET\"\n0.3 S>C FIN,ACK len=10\n0.4 C>S ACK\n");
    let expected = [(1000, 0), (5000, 1001), (1001, 5001), (1001, 5001), (5001, 1004), (1004, 5012)];
    assert_eq!(numbers(&packets), expected);
}

#[test]
fn script_rst_without_ack_takes_the_number_it_answers() {
    let packets = play("0 C>S PSH,ACK len=5 ack=6000\n0.1 S>C RST\n");
    assert_eq!(tcp(&packets[1]).seq, 6000);
    assert_eq!(tcp(&packets[1]).window, 0);
}

#[test]
fn script_relative_numbers_make_a_keepalive_probe() {
    let packets = play("0 C>S PSH,ACK len=100\n0.1 S>C ACK\n60 C>S ACK seq=nxt-1\n60.1 S>C ACK\n");
    assert_eq!(numbers(&packets)[2], (1100, 5001));
    assert_eq!(numbers(&packets)[3], (5001, 1101), "a probe moves nothing");
}

#[test]
fn script_second_syn_begins_another_incarnation() {
    let packets = play("0 C>S SYN\n0 S>C SYN,ACK\n0 C>S ACK\n1 C>S SYN\n1 S>C SYN,ACK\n1 C>S ACK\n");
    assert_eq!(numbers(&packets)[3..], [(101_000, 0), (105_000, 101_001), (101_001, 105_001)]);
}

#[test]
fn script_undelivered_and_uncaptured_differ() {
    let packets = play("0 C>S PSH,ACK len=10 undelivered\n0.1 S>C ACK\n0.2 C>S PSH,ACK len=10 seq=1001 uncaptured\n0.3 S>C ACK\n");
    assert_eq!(packets.len(), 3);
    assert_eq!((tcp(&packets[1]).ack, tcp(&packets[2]).ack), (1001, 1011));
}

#[test]
fn script_again_repeats_and_resend_sends_anew() {
    let packets = play("0 C>S PSH,ACK len=10 name=r\n0.1 again @if1 ttl=63\n0.2 S>C PSH,ACK len=7\n0.3 resend r\n");
    assert_eq!(packets[0].id, packets[1].id);
    assert_eq!((packets[1].ttl, packets[1].interface), (63, Some(1)));
    assert_ne!(packets[0].id, packets[3].id);
    assert_eq!((tcp(&packets[3]).seq, tcp(&packets[3]).ack), (1001, 5008));
    assert_eq!(tcp(&packets[0]).payload, tcp(&packets[3]).payload);
}

#[test]
fn script_numbers_wrap_around() {
    let script = "host C 10.0.0.1:40000 isn=4294967290\nhost S 10.0.0.2:80\n0 C>S SYN\n0 S>C SYN,ACK\n0 C>S ACK len=10\n0 S>C ACK\n";
    let packets = Script::new(script).packets;
    assert_eq!(numbers(&packets)[2..], [(4_294_967_291, 5001), (5001, 5)]);
}

#[test]
fn script_timestamps_count_milliseconds_and_echo() {
    let script = "host C 10.0.0.1:40000 ts=100\nhost S 10.0.0.2:80 ts=7\n0 C>S SYN\n0.25 S>C SYN,ACK\n0.5 C>S ACK\n0.6 S>C RST\n";
    let packets = Script::new(script).packets;
    let stamps: Vec<_> = packets.iter().map(|packet| tcp(packet).timestamps).collect();
    assert_eq!(stamps, [Some((100, 0)), Some((257, 100)), Some((600, 257)), None]);
}

#[test]
fn script_relative_and_absolute_times_mix() {
    let packets = play("1.5 C>S SYN\n+0.000001 S>C SYN,ACK\n0.25 C>S ACK\n");
    let start = packets[0].time - 1_500_000_000;
    assert_eq!(packets.iter().map(|packet| packet.time - start).collect::<Vec<_>>(), [1_500_000_000, 1_500_001_000, 250_000_000]);
}

#[test]
fn script_payload_text_hex_and_fill() {
    let packets = play("0 C>S ACK \"a\\r\\n\\x00#\\\"\"\n0 C>S ACK hex=1503030002\n0 C>S ACK \"GET\" len=6\n");
    assert_eq!(tcp(&packets[0]).payload, b"a\r\n\0#\"");
    assert_eq!(tcp(&packets[1]).payload, [0x15, 3, 3, 0, 2]);
    assert_eq!(tcp(&packets[2]).payload.len(), 6);
    assert!(tcp(&packets[2]).payload.starts_with(b"GET"));
}

#[test]
fn script_errors_name_their_line() {
    for (lines, error) in [
        ("0 C>X SYN", "line 3: no host X"),
        ("0 C>S SIN", "line 3: flag SIN is unknown"),
        ("x C>S SYN", "line 3: x is no time"),
        ("0 C>S ACK \"open", "line 3: the quote is not closed"),
        ("0 C>S ACK frob=1", "line 3: frob=1 is unknown"),
        ("0 again", "line 3: no frame at all before this line"),
        ("0 C>S ACK hex=123", "line 3: 123 is not hexadecimal"),
    ] {
        assert_eq!(Script::try_new(&format!("{HOSTS}{lines}")).err().as_deref(), Some(error), "{lines}");
    }
}

#[test]
fn script_octets_have_valid_checksums() {
    let octets = Script::new(&format!("{HOSTS}0 C>S PSH,ACK \"odd\" mss=1460\n")).bytes();
    let ip = &octets[24 + 16 + 14..];
    let fold = |parts: &[&[u8]]| {
        let words =
            parts.iter().flat_map(|part| part.chunks(2)).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let sum: u32 = words.sum();
        (sum & 0xffff) + (sum >> 16)
    };
    assert_eq!(fold(&[&ip[..20]]), 0xffff, "IPv4 header");
    let length = u8::try_from(ip.len() - 20).unwrap();
    assert_eq!(fold(&[&ip[12..20], &[0, 6, 0, length], &ip[20..]]), 0xffff, "TCP segment");
}

#[test]
fn script_snap_length_cuts_what_is_kept_only() {
    let octets = Script::new(&format!("{HOSTS}snap 60\n0 C>S PSH,ACK len=500\n")).bytes();
    assert_eq!(octets.len(), 24 + 16 + 60);
    let lengths = (u32::from_le_bytes(octets[32..36].try_into().unwrap()), u32::from_le_bytes(octets[36..40].try_into().unwrap()));
    assert_eq!(lengths, (60, 554));
}

#[test]
fn script_interface_makes_pcapng_and_its_absence_pcap() {
    assert_eq!(Script::new(&format!("{HOSTS}0 C>S SYN @if1\n")).bytes()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert_eq!(Script::new(&format!("{HOSTS}0 C>S SYN\n")).bytes()[..4], [0xd4, 0xc3, 0xb2, 0xa1]);
    assert_eq!(Script::new(&format!("{HOSTS}0.0000001 C>S SYN\n")).bytes()[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
}

#[test]
fn script_played_twice_is_the_same() {
    let script = format!("{HOSTS}0 C>S SYN mss=1460 sack wscale=7\n0.1 S>C SYN,ACK\n0.2 C>S ACK len=3000 vxlan=42\n");
    assert_eq!(Script::new(&script).bytes(), Script::new(&script).bytes());
}

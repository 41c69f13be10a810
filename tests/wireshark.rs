//! Comparison with tshark where it is installed: what the scripts write, it must read the same way. Says so and passes where it is absent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

mod script;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;

use script::{Content, Packet, Script, Tcp};

const FIELDS: [&str; 15] = [
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "tcp.window_size_value",
    "tcp.options.timestamp.tsval",
    "ip.ttl",
    "ip.checksum.status",
    "tcp.checksum.status",
];

fn tshark(bytes: &[u8]) -> Option<Vec<BTreeMap<&'static str, String>>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("tshark is not installed: nothing is compared");
        return None;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(file.path()).args(["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]);
    command.args(["-T", "fields", "-E", "occurrence=l"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| FIELDS.into_iter().zip(line.split('\t').map(str::to_owned)).collect()).collect())
}

/// What tshark should say of a packet; `None` where the script has deliberately damaged lengths, or the frame is no segment.
fn expected(packet: &Packet) -> Option<(&Packet, &Tcp)> {
    let Content::Tcp(tcp) = &packet.content else { return None };
    (packet.ip_length.is_none() && packet.fragment.is_none() && !packet.record_cut).then_some((packet, tcp))
}

fn compare(name: &str, script: &Script) {
    let Some(rows) = tshark(&script.bytes()) else { return };
    assert_eq!(rows.len(), script.packets.len(), "{name}: frames");
    for (row, packet) in rows.iter().zip(&script.packets) {
        let Some((packet, tcp)) = expected(packet) else { continue };
        let at = format!("{name}, frame {}", row["frame.number"]);
        assert_eq!(row["frame.time_epoch"], format!("{}.{:09}", packet.time / 1_000_000_000, packet.time % 1_000_000_000), "{at}");
        let source = if packet.source.is_ipv4() { &row["ip.src"] } else { &row["ipv6.src"] };
        assert_eq!(*source, packet.source.ip().to_string(), "{at}");
        assert_eq!(
            (row["tcp.srcport"].parse(), row["tcp.dstport"].parse()),
            (Ok(packet.source.port()), Ok(packet.destination.port())),
            "{at}"
        );
        assert_eq!((row["tcp.seq_raw"].parse(), row["tcp.ack_raw"].parse()), (Ok(tcp.seq), Ok(tcp.ack)), "{at}");
        assert_eq!(u16::from_str_radix(row["tcp.flags"].trim_start_matches("0x"), 16), Ok(tcp.flags), "{at}");
        assert_eq!(row["tcp.len"].parse(), Ok(tcp.payload.len()), "{at}");
        assert_eq!(row["tcp.window_size_value"].parse(), Ok(tcp.window), "{at}");
        if packet.source.is_ipv4() {
            assert_eq!(row["ip.ttl"].parse(), Ok(packet.ttl), "{at}");
            assert_eq!(row["ip.checksum.status"], "1", "{at}: IPv4 checksum");
        }
        if packet.snap.is_none() {
            assert_eq!(row["tcp.checksum.status"], "1", "{at}: TCP checksum");
            assert_eq!(row["tcp.options.timestamp.tsval"].parse().ok(), tcp.timestamps.map(|(value, _)| value), "{at}");
        }
    }
}

#[test]
fn tshark_reads_every_form_of_frame_as_written() {
    for link in ["ethernet", "sll", "sll2", "raw"] {
        let text = "host C 10.0.0.1:40000 ts=5 ttl=63\nhost S 10.0.0.2:80 ts=9\nhost C6 [2001:db8::1]:40000\nhost S6 [2001:db8::2]:443\n\
             0 C>S SYN mss=1460 wscale=7 sack\n0.000001 S>C SYN,ACK mss=1400 sack\n0.000002 C>S ACK sackblock=6000-7000\n\
             0.5 C>S PSH,ACK,URG urg=3 \"odd\" opt=253:0102\n0.6 C6>S6 SYN,ECE,CWR opt=34:aabbccddeeff0011 name=y\n\
             0.7 S6>C6 RST,ACK win=0 seq=0\n0.8 S>C ACK len=4000\n1.0 C>S RST\n1.1 S6>C6 ICMP type=1 code=4 of=y\n";
        compare(link, &Script::new(&format!("link {link}\n{text}")));
    }
    let tunnelled = "host C 10.0.0.1:40000\nhost S 10.0.0.2:80\n0 C>S SYN vxlan=42 @if0\n0.1 again vlan=7 @if1\n0.2 S>C SYN,ACK snap=60 @if2\n0.3 C>S ACK pad=6\n";
    compare("interfaces", &Script::new(tunnelled));
}

#[test]
fn tshark_reads_the_crafted_captures_as_written() {
    // One file for each link type: starting tshark costs more than reading.
    let mut by_link: Vec<Script> = Vec::new();
    for script in script::crafted_names().iter().map(|name| Script::crafted(name)) {
        match by_link.iter_mut().find(|other| other.link == script.link) {
            Some(other) => other.packets.extend(script.packets),
            None => by_link.push(script),
        }
    }
    for script in &by_link {
        compare("crafted", script);
    }
}

//! Decoding of captures that others recorded, beside what Wireshark and tcpdump make of the same frames.
//!
//! Needs the collection beside the repository (environment variable AFTERFIN_SHARED, default `../shared`) and, for the comparisons frame
//! by frame, tshark or tcpdump. What is absent is said, and the test passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)] // tests

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::decode::{DecodeOptions, Decoded, Decoder};
use afterfin::segment::Segment;

/// Captures whose number of segments differs from Wireshark's: name, Wireshark's, ours, why.
const DIFFERENT: [(&str, u64, u64, &str); 2] = [
    (
        "AlexeyVasilev+PcapFlowLab/examples/showcase/pcap_flow_lab_showcase.pcap",
        1124,
        1125,
        "an MPLS pseudowire without control word whose frame begins with a zero nibble: Wireshark takes the address for a control word",
    ),
    (
        "OISF+suricata-verify/tests/filestore-5408/input.pcap",
        134,
        136,
        "two sFlow samples behind a sampled ICMP message, which are no quotes",
    ),
];

fn collection() -> Option<PathBuf> {
    let root = std::env::var_os("AFTERFIN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("captures/third-party");
    if root.join("MANIFEST.tsv").is_file() {
        return Some(root);
    }
    println!("no collection of captures at {}: nothing compared", root.display());
    None
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("{program} is not installed: nothing compared");
    }
    found
}

/// What is compared of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    src: String,
    dst: String,
    ports: (u16, u16),
    numbers: (u32, u32),
    flags: u16,
    payload_length: u32,
}

impl Seen {
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            src: segment.src.ip().to_string(),
            dst: segment.dst.ip().to_string(),
            ports: (segment.src.port(), segment.dst.port()),
            numbers: (segment.seq.0, segment.ack.0),
            flags: segment.flags.0,
            payload_length: segment.payload_length,
        }
    }
}

/// Calls `each` with every frame's number and segment, again for a further segment of the same frame; `None` where the capture cannot be opened.
fn decode(path: &Path, mut each: impl FnMut(u64, Option<Seen>)) -> Option<()> {
    let mut capture = Capture::open(vec![Source::Path(path.to_owned())], &CaptureOptions::default()).ok()?;
    let mut decoder = Decoder::new(DecodeOptions::default());
    while let Some(frame) = capture.next_frame() {
        let number = frame.id.number();
        let Decoded::Segment(segment) = decoder.decode(&frame) else {
            each(number, None);
            continue;
        };
        each(number, Some(Seen::of(&segment)));
        while let Some(segment) = decoder.more(&frame) {
            each(number, Some(Seen::of(&segment)));
        }
    }
    Some(())
}

fn segments(path: &Path) -> Option<u64> {
    let mut count = 0;
    decode(path, |_, seen| count += u64::from(seen.is_some()))?;
    Some(count)
}

#[test]
fn segments_of_third_party_captures_are_as_many_as_wireshark_finds() {
    let Some(root) = collection() else { return };
    let (mut compared, mut unexplained, mut differ) = (0, Vec::new(), 0);
    for row in rows(&root.join("MANIFEST.tsv")) {
        let Some(ours) = segments(&root.join("captures").join(&row[0])) else { continue };
        compared += 1;
        let theirs: u64 = row[4].parse().unwrap();
        match DIFFERENT.iter().find(|(name, ..)| *name == row[0]) {
            Some((_, theirs_then, ours_then, _)) if (*theirs_then, *ours_then) == (theirs, ours) => differ += 1,
            None if theirs == ours => {}
            _ => unexplained.push(format!("{}: {ours} for {theirs}", row[0])),
        }
    }
    println!("{compared} captures, {differ} differ for a known reason");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(compared * 995 <= (compared - differ) * 1000, "fewer than 99.5 % agree");
}

#[test]
fn robustness_captures_are_decoded_to_their_end() {
    let Some(root) = collection() else { return };
    let mut frames = 0;
    for row in rows(&root.join("ROBUSTNESS.tsv")) {
        for folder in ["robustness", "captures"] {
            let path = root.join(folder).join(row[1].replace('/', "+")).join(&row[2]);
            if path.is_file() {
                decode(&path, |_, _| frames += 1);
            }
        }
    }
    println!("{frames} frames");
    assert!(frames > 0);
}

/// A frame's segment in tshark's words, without those quoted in ICMP errors; addresses as all that the frame has. Where a record's own length was
/// cut, tshark believes the record, not the IP header: its payload length is then no yardstick, and absent.
fn tshark(path: &Path) -> BTreeMap<u64, (Vec<String>, Option<u32>, Seen)> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(path).args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"]);
    for preference in ["tcp.desegment_tcp_streams:FALSE", "tcp.check_checksum:FALSE", "ip.defragment:TRUE"] {
        command.args(["-o", preference]);
    }
    for field in "frame.number ip.src ip.dst ipv6.src ipv6.dst tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.len icmp.type icmpv6.type frame.len ip.len frame.protocols"
        .split(' ')
    {
        command.args(["-e", field]);
    }
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let mut frames = BTreeMap::new();
    for line in output.lines() {
        let column: Vec<&str> = line.split('\t').collect();
        let last = |index: usize| column[index].split('|').next_back().unwrap_or_default();
        let number = |index: usize| last(index).parse::<u32>().ok();
        let flags = last(9).strip_prefix("0x").and_then(|hexadecimal| u16::from_str_radix(hexadecimal, 16).ok());
        let (Some(source), Some(destination), Some(seq), Some(flags)) = (number(5), number(6), number(7), flags) else { continue };
        if !column[11].is_empty() || !column[12].is_empty() {
            continue;
        }
        let seen = Seen {
            src: String::new(),
            dst: String::new(),
            ports: (u16::try_from(source).unwrap(), u16::try_from(destination).unwrap()),
            numbers: (seq, number(8).unwrap_or(0)),
            flags: flags & 0x1ff, // three reserved bits are no flags
            payload_length: 0,
        };
        let addresses = (1..5).flat_map(|index| column[index].split('|')).map(str::to_owned).collect();
        let link_header = if column[15].starts_with("eth") { 14 } else { 0 };
        let is_record_cut = number(14).map(|length| length + link_header) > number(13);
        let payload_length = number(10).filter(|_| !is_record_cut);
        frames.insert(column[0].parse().unwrap(), (addresses, payload_length, seen));
    }
    frames
}

#[test]
fn segments_have_the_fields_that_tshark_reads() {
    let Some(root) = collection().filter(|_| is_installed("tshark")) else { return };
    let (mut compared, mut wrong) = (0, Vec::new());
    // a third of the small captures that cover every tag
    for row in rows(&root.join("CORE.tsv")).iter().step_by(3) {
        let name = format!("{}/{}", row[0].replace('/', "+"), row[1]);
        if DIFFERENT.iter().any(|(different, ..)| *different == name) {
            continue;
        }
        let path = root.join("captures").join(&name);
        let theirs = tshark(&path);
        let opened = decode(&path, |number, ours| match (ours, theirs.get(&number)) {
            (None, None) => {}
            (Some(ours), Some((addresses, payload_length, theirs))) => {
                compared += 1;
                let payload_length = payload_length.unwrap_or(ours.payload_length);
                let theirs = Seen { src: ours.src.clone(), dst: ours.dst.clone(), payload_length, ..theirs.clone() };
                if ours != theirs || !addresses.contains(&ours.src) || !addresses.contains(&ours.dst) {
                    wrong.push(format!("{name} frame {number}: {ours:?} for {theirs:?} {addresses:?}"));
                }
            }
            (ours, theirs) => wrong.push(format!("{name} frame {number}: {ours:?} for {theirs:?}")),
        });
        assert!(opened.is_some() || theirs.is_empty() || name.ends_with("snoop"), "{name} cannot be opened");
    }
    println!("{compared} segments compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 100);
}

/// `frame`, as a switch tags it for `link_type`.
fn tagged(link_type: u32, frame: &[u8]) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    match link_type {
        281 => [addresses, &[0x00, 0x00, 0x00, 0x05], rest].concat(),
        282 => [&[0x00, 0x00, 0x00, 0x05], frame].concat(),
        284 => [addresses, &[0xc0, 0x08, 0x00, 0x01], rest].concat(),
        285 => [addresses, &[0xda, 0xda, 0x00, 0x00, 0xc0, 0x08, 0x00, 0x01], rest].concat(),
        _ => unreachable!(),
    }
}

/// No third-party capture has the tags of these switches, so recorded frames are tagged; tcpdump must read the same segments.
#[test]
fn switch_tags_are_read_as_tcpdump_reads_them() {
    let Some(root) = collection().filter(|_| is_installed("tcpdump")) else { return };
    let lab = root.parent().unwrap().join("lab");
    let mut names: Vec<PathBuf> = fs::read_dir(lab).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.to_string_lossy().ends_with("-client.pcap"));
    names.sort();
    let mut compared = 0;
    for link_type in [281, 282, 284, 285u32] {
        let mut octets: Vec<u8> =
            [0xa1b2_c3d4, 0x0002_0004, 0, 0, 65_535, link_type].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        octets[4..8].copy_from_slice(&[2, 0, 4, 0]);
        let mut capture = Capture::open(vec![Source::Path(names[0].clone())], &CaptureOptions::default()).unwrap();
        while let Some(frame) = capture.next_frame() {
            let frame = tagged(link_type, frame.captured);
            let length = u32::try_from(frame.len()).unwrap();
            octets.extend([1, 0, length, length].iter().flat_map(|word| word.to_le_bytes()));
            octets.extend(frame);
        }
        let mut file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
        file.write_all(&octets).unwrap();
        let output = Command::new("tcpdump").args(["-nS", "-r"]).arg(file.path()).output().unwrap();
        let theirs = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut theirs = theirs.lines().filter(|line| line.contains("Flags ["));
        decode(file.path(), |number, ours| {
            let Some(ours) = ours else { return };
            let line = theirs.next().unwrap_or_else(|| panic!("tcpdump has no segment for frame {number}"));
            let begins = format!("IP {}.{} > {}.{}: Flags [", ours.src, ours.ports.0, ours.dst, ours.ports.1);
            let length = line.split("length ").nth(1).unwrap().split(':').next().unwrap();
            assert!(line.contains(&begins), "{link_type} frame {number}: {ours:?} for {line}");
            assert_eq!(length, ours.payload_length.to_string(), "{link_type} frame {number}: {line}");
            compared += 1;
        });
        assert!(theirs.next().is_none(), "tcpdump has a segment more");
    }
    println!("{compared} segments compared");
    assert!(compared > 0);
}

//! Evidence captures: what was found is found again, and under pseudonyms nothing of the original is left.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Ethernet, cooked, VXLAN, VLAN, IPv6, ICMP errors, two capture points, first fragments alone; HTTP/1, HTTP/2, TLS, Redis.
const CAPTURES: [&str; 16] = [
    "t01-blind-10s-client.pcap",
    "t03-blindproxy-multi.pcapng",
    "t04-dnat-drop-router-any.pcap",
    "t04-dsr-forgets-client.pcap",
    "t05-silent-drop-client.pcap",
    "t06-closewait-leak-client.pcap",
    "t06-http2-client.pcap",
    "t06-pipelining-client.pcap",
    "t06-redis-client.pcap",
    "t06-swallowed-client.pcap",
    "t06-tls-python-client.pcap",
    "t07-ipv6.pcap",
    "t07-vlan-trunk.pcap",
    "t07-vxlan-underlay.pcap",
    "../crafted/fact-first-fragments.pcap",
    "../crafted/fact-first-fragments-stale.pcap",
];

fn afterfin(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_afterfin")).env("AFTERFIN_CONFIG", "").args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn fixture(name: &str) -> String {
    format!("{}/fixtures/lab/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn report(file: &str) -> Value {
    serde_json::from_slice(&afterfin(&["report", file, "--format", "json"]).stdout).unwrap()
}

/// A directory with a key, and names for outputs in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path("key"), "a key for tests").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Extracts into `out.pcapng`; gives its name.
    fn extract(&self, input: &str, more: &[&str]) -> String {
        let out = self.path("out.pcapng").to_str().unwrap().to_owned();
        let output = afterfin(&[&["extract", input, "-o", &out, "--force"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{input}: {}", String::from_utf8_lossy(&output.stderr));
        out
    }

    fn key(&self) -> String {
        self.path("key").to_str().unwrap().to_owned()
    }
}

/// Kind, time, connection, confidence of every finding.
fn findings(report: &Value) -> Vec<[String; 4]> {
    let of = |finding: &Value| ["kind", "time", "stream", "confidence"].map(|field| finding[field].to_string());
    let mut findings: Vec<_> = report["findings"].as_array().unwrap().iter().map(of).collect();
    findings.sort();
    findings
}

/// Of every connection what does not depend on frame numbers and names.
fn connections(report: &Value) -> Vec<Value> {
    let fields =
        ["stream", "requests", "protocol", "state", "handshake", "first", "last", "client_to_server", "server_to_client", "role_basis"];
    let of = |row: &Value| Value::Array(fields.iter().map(|field| row[field].clone()).collect());
    report["connections"].as_array().unwrap().iter().map(of).collect()
}

fn addresses(report: &Value) -> BTreeSet<IpAddr> {
    let of = |row: &Value| ["client", "server"].map(|side| row[side]["ip"].as_str().unwrap().parse().unwrap());
    report["connections"].as_array().unwrap().iter().flat_map(of).collect()
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[test]
fn finding_is_found_again_in_its_evidence() {
    let place = Place::new();
    let key = place.key();
    let mut extracted = 0;
    for name in CAPTURES {
        let input = fixture(name);
        for finding in report(&input)["findings"].as_array().unwrap() {
            let id = finding["id"].as_str().unwrap();
            for more in [&[][..], &["--anonymize-key", &key]] {
                let again = report(&place.extract(&input, &[&["--finding", id], more].concat()));
                let found = again["findings"].as_array().unwrap().iter();
                let same = found.filter(|other| other["kind"] == finding["kind"] && other["time"] == finding["time"]).count();
                assert_eq!(same, 1, "{name} {id} {more:?}: {}", finding["headline"]);
                extracted += 1;
            }
        }
    }
    assert!(extracted > 30, "{extracted}");
}

#[test]
fn capture_under_pseudonyms_gives_the_same_findings_and_connections() {
    let place = Place::new();
    for name in CAPTURES {
        let original = report(&fixture(name));
        for more in [&["--all"][..], &["--all", "--anonymize-key", &place.key()]] {
            let again = report(&place.extract(&fixture(name), more));
            assert_eq!(findings(&again), findings(&original), "{name} {more:?}");
            assert_eq!(connections(&again), connections(&original), "{name} {more:?}");
        }
    }
}

#[test]
fn capture_under_pseudonyms_has_nothing_of_the_original() {
    let place = Place::new();
    let mapping = place.path("map").to_str().unwrap().to_owned();
    for name in CAPTURES {
        let input = fixture(name);
        let out = place.extract(&input, &["--all", "--anonymize-key", &place.key(), "--save-mapping", &mapping]);
        let octets = without_our_sentences(fs::read(&out).unwrap(), &report(&out));
        for address in addresses(&report(&input)) {
            let raw = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            assert!(!contains(&octets, &raw), "{name}: {address}");
            assert!(!contains(&octets, address.to_string().as_bytes()), "{name}: {address} as text");
        }
        for line in fs::read_to_string(&mapping).unwrap().lines().filter(|line| !line.starts_with('#')) {
            let [kind, original, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            if kind == "mac" {
                let raw: Vec<u8> = original.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
                assert!(!contains(&octets, &raw), "{name}: {original}");
            } else if kind == "word" && original.len() >= 5 {
                assert!(!contains(&octets, original.as_bytes()), "{name}: {original}");
            }
        }
        assert!(!contains(&octets, name.as_bytes()), "{name}: the file's name");
    }
}

/// The octets without the comments that say what each frame proves: they are our own sentences, and may hold any common word.
fn without_our_sentences(mut octets: Vec<u8>, report: &Value) -> Vec<u8> {
    let findings = report["findings"].as_array().unwrap();
    let sentences = findings.iter().flat_map(|finding| {
        let evidence = finding["evidence"].as_array().unwrap().iter().map(|evidence| &evidence["says"]);
        evidence.chain([&finding["headline"]]).filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    });
    for sentence in sentences.filter(|sentence| !sentence.is_empty()) {
        while let Some(at) = octets.windows(sentence.len()).position(|window| window == sentence.as_bytes()) {
            octets.drain(at..at + sentence.len());
        }
    }
    octets
}

/// Puts an Ethernet frame into something else.
type Wrap<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;

/// The frames of a fixture in Ethernet, each wrapped anew, as a capture of another link type.
fn wrapped(fixture: &str, link_type: u32, wrap: &dyn Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let octets = fs::read(format!("{}/fixtures/crafted/{fixture}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let word = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
    let mut out = octets[..20].to_vec();
    out.extend(link_type.to_le_bytes());
    let mut at = 24;
    while at < octets.len() {
        let end = at + 16 + word(at + 8) as usize;
        let frame = wrap(&octets[at + 16..end]);
        out.extend(&octets[at..at + 8]);
        out.extend([u32::try_from(frame.len()).unwrap().to_le_bytes(); 2].concat());
        out.extend(frame);
        at = end;
    }
    out
}

#[test]
fn findings_inside_tunnels_and_radio_frames_are_the_same_and_nothing_of_the_original_is_left() {
    const OUTER: [u8; 8] = [192, 0, 2, 33, 192, 0, 2, 44];
    const LINKS: [u8; 12] = [0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10];
    const SECRET: &[u8] = b"TOPSECRET012"; // an authentication value, a subscriber's number
    let length = |octets: &[u8], more: usize| u16::try_from(octets.len() + more).unwrap().to_be_bytes();
    let over_ip = |protocol: u8, inside: &[u8]| {
        [&LINKS[..], &[8, 0, 0x45, 0], &length(inside, 20), &[0, 0, 0x40, 0, 64, protocol, 0, 0], &OUTER, inside].concat()
    };
    let over_udp =
        |port: u16, inside: &[u8]| over_ip(17, &[&[0xc3, 0x50][..], &port.to_be_bytes(), &length(inside, 8), &[0, 0], inside].concat());
    let radio = |frame: &[u8]| [&[8, 1, 0, 0][..], &LINKS, &LINKS[..6], &[0x10, 0, 0xaa, 0xaa, 3, 0, 0, 0], &frame[12..]].concat();
    let wraps: [(&str, u32, Wrap<'_>); 8] = [
        ("gtp", 1, Box::new(|frame| over_udp(2152, &[&[0x30, 255][..], &length(&frame[14..], 0), &[0, 0, 0, 7], &frame[14..]].concat()))),
        (
            "gtp 0",
            1,
            Box::new(|frame| over_udp(3386, &[&[0x1e, 255][..], &length(&frame[14..], 0), &[0; 8], &SECRET[..8], &frame[14..]].concat())),
        ),
        ("eoip", 1, Box::new(|frame| over_ip(47, &[&[0x20, 1, 0x64, 0][..], &length(frame, 0), &[5, 0], frame].concat()))),
        ("ah", 1, Box::new(|frame| over_ip(51, &[&[4, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5][..], SECRET, &frame[14..]].concat()))),
        ("l2tp", 1, Box::new(|frame| over_udp(1701, &[&[0, 2, 0, 5, 0, 6, 0xff, 3, 0, 0x21][..], &frame[14..]].concat()))),
        ("ppp", 9, Box::new(|frame| [&[0xff, 3, 0, 0x21][..], &frame[14..]].concat())),
        ("802.11", 105, Box::new(radio)),
        ("radiotap", 127, Box::new(|frame| [&[0, 0, 8, 0, 0, 0, 0, 0][..], &radio(frame)].concat())),
    ];
    let place = Place::new();
    let input = place.path("wrapped.pcap").to_str().unwrap().to_owned();
    let out = place.path("out.pcapng").to_str().unwrap().to_owned();
    for fixture in ["close-race-request-first.pcap", "stale-reuse.pcap"] {
        for (name, link_type, wrap) in &wraps {
            fs::write(&input, wrapped(fixture, *link_type, wrap.as_ref())).unwrap();
            let original = report(&input);
            assert!(!original["findings"].as_array().unwrap().is_empty(), "{name}: the wrapping is read");
            let key = place.key();
            let output = afterfin(&["extract", &input, "--all", "--anonymize-key", &key, "--force", "-o", &out]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && said.lines().count() == 1, "{name}: every frame keeps its layers: {said}");
            let again = report(&out);
            assert_eq!(findings(&again), findings(&original), "{name}");
            assert_eq!(connections(&again), connections(&original), "{name}");
            let octets = without_our_sentences(fs::read(&out).unwrap(), &again);
            let gone: [&[u8]; 8] =
                [&[10, 0, 0, 1], &[10, 0, 0, 2], &OUTER[..4], &OUTER[4..], &LINKS[..6], &LINKS[6..], SECRET, b"shop.example"];
            for part in gone {
                assert!(!contains(&octets, part), "{name}: {part:?}");
            }
        }
    }
}

/// Pseudonyms of words, out of a saved mapping.
fn words(mapping: &str) -> std::collections::BTreeMap<String, String> {
    let text = fs::read_to_string(mapping).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("word\t")?.split_once('\t'));
    rows.map(|(word, pseudonym)| (word.to_owned(), pseudonym.to_owned())).collect()
}

#[test]
fn server_name_of_tls_has_the_pseudonym_that_a_host_field_of_http_has() {
    let place = Place::new();
    let mapping = place.path("map").to_str().unwrap().to_owned();
    let mut names = BTreeSet::new();
    for (name, before, behind) in
        [("t06-tls-python-client.pcap", &b"\0\x0b\0\0\x08"[..], &b"\0\x0b"[..]), ("t01-blind-10s-client.pcap", b": ", b"\r\n")]
    {
        let input = fixture(name);
        let mut original = before.to_vec();
        original.extend(b"lab.test");
        original.extend(behind);
        assert!(contains(&fs::read(&input).unwrap(), &original), "{name}: the test looks for what is there");
        let out = fs::read(place.extract(&input, &["--all", "--anonymize-key", &place.key(), "--save-mapping", &mapping])).unwrap();
        let words = words(&mapping);
        let pseudonym = format!("{}.{}", words["lab"], words["test"]);
        let expected = [before, pseudonym.as_bytes(), behind].concat();
        assert!(contains(&out, &expected), "{name}: {pseudonym}");
        names.insert(pseudonym);
    }
    assert_eq!(names.len(), 1);
}

/// Runs of payload, by a reader that is not ours.
fn payloads(file: &str) -> Option<Vec<Vec<u8>>> {
    let output = Command::new("tshark").args(["-n", "-r", file, "-T", "fields", "-e", "tcp.payload"]).output().ok()?;
    let octets = |hex: &str| (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    Some(String::from_utf8(output.stdout).unwrap().split_whitespace().map(octets).collect())
}

/// Which octets of a masked HTTP/1 payload are framing: methods, versions, status lines, fields that frame a message, separators.
fn framing(payload: &[u8]) -> Vec<bool> {
    const FIELDS: [&str; 4] = ["content-length:", "transfer-encoding:", "connection:", "keep-alive:"];
    let mut is_framing = Vec::with_capacity(payload.len());
    for line in payload.split_inclusive(|octet| *octet == b'\n') {
        let text = String::from_utf8_lossy(line).to_ascii_lowercase();
        let whole = text.starts_with("http/1.") || FIELDS.iter().any(|field| text.starts_with(field));
        let version = text.find(" http/1.").unwrap_or(usize::MAX);
        let head = if version < line.len() { text.find(' ').unwrap() } else { text.strip_prefix("host:").map_or(0, |_| 5) };
        is_framing.extend(line.iter().enumerate().map(|(at, octet)| whole || at < head || at >= version || b"/:. \r\n".contains(octet)));
    }
    is_framing
}

#[test]
fn payload_under_pseudonyms_has_only_framing_in_common_with_the_original() {
    const RUN: usize = 6;
    /// So many octets of a run that are not framing agree by chance less than once in 26³.
    const TELLING: usize = 3;
    let place = Place::new();
    // TLS, HTTP/2 and Redis keep headers of records, frames and strings, which are longer than a run: unit tests look at their content
    for name in ["t01-blind-10s-client.pcap", "t03-blindproxy-multi.pcapng", "t06-pipelining-client.pcap", "t06-swallowed-client.pcap"] {
        let (Some(original), Some(masked)) =
            (payloads(&fixture(name)), payloads(&place.extract(&fixture(name), &["--all", "--anonymize-key", &place.key()])))
        else {
            eprintln!("tshark is not installed: payloads are not compared");
            return;
        };
        assert!(!original.is_empty() && masked.len() == original.len(), "{name}");
        let runs: BTreeSet<&[u8]> = original.iter().flat_map(|payload| payload.windows(RUN)).collect();
        let mut compared = 0;
        for payload in &masked {
            let is_framing = framing(payload);
            for (run, is_framing) in payload.windows(RUN).zip(is_framing.windows(RUN)) {
                if is_framing.iter().filter(|is_framing| !**is_framing).count() >= TELLING {
                    compared += 1;
                    assert!(!runs.contains(run), "{name}: {:?}", String::from_utf8_lossy(run));
                }
            }
        }
        assert!(compared > 50, "{name}: {compared}");
    }
}

#[test]
fn evidence_opens_in_tshark_with_comments_and_right_checksums() {
    let place = Place::new();
    for (name, more) in [("t01-blind-10s-client.pcap", &[][..]), ("t07-vxlan-underlay.pcap", &["--anonymize-key", &place.key()])] {
        let out = place.extract(&fixture(name), more);
        let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
        let fields =
            ["-T", "fields", "-e", "frame.comment", "-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "udp.checksum.status"];
        let Ok(output) = Command::new("tshark").args(["-n", "-r", &out]).args(checks).args(fields).output() else {
            eprintln!("tshark is not installed: nothing is compared");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("F1 (stale-reuse): ") && text.contains("F1: FIN: the server closes"), "{text}");
        if !more.is_empty() {
            // 1 is good, 2 is not checked (0 in UDP over IPv4), 0 is bad
            let is_bad = |line: &str| line.split('\t').skip(1).any(|statuses| statuses.split(',').any(|status| status == "0"));
            assert!(!text.lines().any(is_bad), "{text}");
        }
    }
}

#[test]
fn evidence_has_exactly_the_frames_with_their_times_and_lengths() {
    let place = Place::new();
    let input = fixture("t01-blind-10s-client.pcap");
    let out = place.extract(&input, &["--stream", "1"]);
    let original = report(&input);
    let row = original["connections"].as_array().unwrap().iter().find(|row| row["stream"] == 1).unwrap().clone();
    let again = report(&out);
    let only = &again["connections"][0];
    assert_eq!(
        again["capture"]["frames"],
        row["client_to_server"]["segments"].as_u64().unwrap() + row["server_to_client"]["segments"].as_u64().unwrap()
    );
    for field in ["client", "server", "first", "last", "client_to_server", "server_to_client"] {
        assert_eq!(only[field], row[field], "{field}");
    }
    let octets = fs::read(&out).unwrap();
    let hash = "4c71a73e1c320c36faa01ec95905f6a6aa2010bea2caaba9ddb5c3c58cf50d83";
    assert!(contains(&octets, hash.as_bytes()) && contains(&octets, b"t01-blind-10s-client.pcap") && contains(&octets, b"afterfin "));
}

#[test]
fn around_keeps_so_many_frames_and_headers_only_keeps_lengths() {
    let place = Place::new();
    let input = fixture("t01-blind-10s-client.pcap");
    let frames = |more: &[&str]| report(&place.extract(&input, more))["capture"]["frames"].as_u64().unwrap();
    assert_eq!(frames(&["--finding", "F1"]), 11);
    assert_eq!(frames(&["--finding", "F1", "--around", "0"]), 4);
    assert_eq!(frames(&["--finding", "F1", "--around", "2"]), 6);
    let out = place.extract(&input, &["--finding", "F1", "--headers-only"]);
    assert!(!contains(&fs::read(&out).unwrap(), b"HTTP/1.1"));
    let (cut, whole) = (report(&out), report(&place.extract(&input, &["--finding", "F1"])));
    assert_eq!(cut["connections"][0]["client_to_server"], whole["connections"][0]["client_to_server"]);
}

#[test]
fn report_and_capture_have_the_same_pseudonyms_with_one_key_and_others_with_another() {
    let place = Place::new();
    let input = fixture("t03-blindproxy-multi.pcapng");
    let key = place.key();
    let out = place.extract(&input, &["--all", "--anonymize-key", &key]);
    let of_report = |more: &[&str]| {
        let output = afterfin(&[&["report", &input, "--format", "json"], more].concat());
        (String::from_utf8(output.stdout.clone()).unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (text, anonymised) = of_report(&["--anonymize-key", &key]);
    assert_eq!(addresses(&anonymised), addresses(&report(&out)));
    assert_eq!(findings(&anonymised), findings(&report(&input)));
    for address in addresses(&report(&input)) {
        assert!(!text.contains(&address.to_string()), "{address}");
    }
    assert!(!text.contains("blindproxy"));
    let hosts = place.path("hosts").to_str().unwrap().to_owned();
    let lines: Vec<String> = addresses(&report(&input)).iter().map(|address| format!("{address} acme-host")).collect();
    fs::write(&hosts, lines.join("\n")).unwrap();
    for command in [&["report", &input][..], &["connections", &input], &["timeline", &input, "--stream", "0"]] {
        for format in ["text", "json"] {
            let output = afterfin(&[command, &["--anonymize", "--format", format, "--names", &hosts]].concat());
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.len() > 100 && !text.contains("acme-host"), "{command:?} {format}: {text}");
            for address in addresses(&report(&input)) {
                assert!(!text.contains(&address.to_string()), "{command:?} {format}: {address}");
            }
        }
    }
    let request =
        |report: &Value| report["findings"].as_array().unwrap().iter().map(|finding| finding["request"].clone()).collect::<Vec<_>>();
    assert_eq!(request(&anonymised), request(&report(&out)), "labels too");
    assert_ne!(request(&anonymised), request(&report(&input)));
    let (_, random) = of_report(&["--anonymize"]);
    assert!(addresses(&random).is_disjoint(&addresses(&anonymised)));
}

fn refused(arguments: &[&str], says: &str) {
    let output = afterfin(&[&["extract"], arguments].concat());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains(says), "{text}");
}

#[test]
fn existing_files_inputs_and_standard_input_are_refused() {
    let place = Place::new();
    let input = place.path("in.pcap").to_str().unwrap().to_owned();
    fs::copy(fixture("t01-blind-10s-client.pcap"), &input).unwrap();
    let out = place.path("evidence.pcapng").to_str().unwrap().to_owned();
    fs::write(&out, "precious").unwrap();
    refused(&[&input, "-o", &out], "exists; --force overwrites it");
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    refused(&[&input, "-o", &input, "--force"], "is an input");
    refused(&["-", "-o", &out, "--force"], "save it to a file first");
    refused(&[&input, "-o", &out, "--force", "--finding", "F99"], "no such finding; the report has F1 to F");
    refused(&[&input, "-o", &out, "--force", "--finding", "nine"], "such as F3");
    refused(&[&input, "-o", &out, "--force", "--stream", "99"], "no such connection");
    refused(&[&input, "-o", &out, "--force", "--save-mapping", &out], "without --anonymize");
    let empty = place.path("empty").to_str().unwrap().to_owned();
    fs::write(&empty, "\n").unwrap();
    refused(&[&input, "-o", &out, "--force", "--anonymize-key", &empty], "the key file is empty");
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    assert_eq!(fs::read(&input).unwrap(), fs::read(fixture("t01-blind-10s-client.pcap")).unwrap());
}

#[test]
fn output_that_cannot_be_written_leaves_nothing_behind() {
    let place = Place::new();
    let missing = place.path("no/such/directory/e.pcapng").to_str().unwrap().to_owned();
    refused(&[&fixture("t01-blind-10s-client.pcap"), "-o", &missing], "cannot be written");
    // a full disk: the shell's limit on file sizes makes every write beyond it fail
    let out = place.path("e.pcapng");
    let command = format!(
        "ulimit -f 1; trap '' XFSZ; exec '{}' extract '{}' --all -o '{}'",
        env!("CARGO_BIN_EXE_afterfin"),
        fixture("t02-nginx-wired-get-any.pcap"),
        out.display()
    );
    let output = Command::new("bash").args(["-c", &command]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be written"), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(place.0.path()), ["key"]);
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn damaged_input_gives_the_evidence_in_its_readable_part_with_status_2() {
    let place = Place::new();
    let whole = fs::read(fixture("t01-blind-10s-client.pcap")).unwrap();
    let input = place.path("cut.pcap");
    fs::write(&input, &whole[..whole.len() - 5]).unwrap();
    for more in [&[][..], &["--anonymize"]] {
        let out = place.path("cut.pcapng");
        let output = afterfin(&[&["extract", input.to_str().unwrap(), "--force", "-o", out.to_str().unwrap()], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(report(out.to_str().unwrap())["findings"][0]["kind"], "stale-reuse");
    }
}

#[test]
fn any_octet_that_flips_gives_a_capture_that_reads_again() {
    let place = Place::new();
    let whole = fs::read(fixture("t07-vxlan-underlay.pcap")).unwrap();
    let input = place.path("flipped.pcap");
    let out = place.path("flipped.pcapng");
    for at in (24..whole.len()).step_by(97) {
        let mut octets = whole.clone();
        octets[at] ^= 0x55;
        fs::write(&input, &octets).unwrap();
        let output = afterfin(&["extract", input.to_str().unwrap(), "--all", "--anonymize", "--force", "-o", out.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 2)), "octet {at}: {said}");
        if said.contains("written") {
            assert_eq!(report(out.to_str().unwrap())["complete"], true, "octet {at}");
            fs::remove_file(&out).unwrap();
        }
    }
}

//! One traffic captured at two points: the report names the points in every format, and keeps tenants apart on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use script::Script;
use serde_json::{Value, json};

const MICROSECOND: i64 = 1000;

/// What afterfin prints; the files are named without their folder.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_afterfin")).args(arguments).current_dir(folder).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_report(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(folder, &[&["--format", "json"], arguments].concat())).unwrap()
}

/// Text with every run of space as one, because lines are wrapped.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The router's two sides, each in a file of its own. Frames take 150 µs between them, and the server side's clock is 1.2 ms ahead.
fn two_sides(folder: &Path) {
    let router = Script::crafted("fact-duplicates-router");
    let server = router.packets.iter().find(|packet| packet.destination.port() == 80).unwrap().destination;
    let (far, near): (Vec<_>, Vec<_>) = router.packets.into_iter().partition(|packet| packet.interface.is_some());
    for (name, mut packets, is_server_side) in [("client.pcap", near, false), ("server.pcap", far, true)] {
        for packet in &mut packets {
            let from_server = packet.source == server;
            packet.interface = None;
            packet.ttl = if from_server == is_server_side { 64 } else { 63 };
            if is_server_side {
                // the script has the router's other side 30 µs later
                packet.time += (1200 - 30 + if from_server { -150 } else { 150 }) * MICROSECOND;
            }
        }
        packets.sort_by_key(|packet| packet.time);
        fs::write(folder.join(name), Script { packets, link: router.link }.bytes()).unwrap();
    }
}

#[test]
fn files_of_one_traffic_are_named_as_capture_points() {
    let folder = tempfile::tempdir().unwrap();
    two_sides(folder.path());
    let files = ["server.pcap", "client.pcap"];
    let report = json_report(folder.path(), &files);
    assert_eq!(report["connections"].as_array().unwrap().len(), 1);
    let capture = &report["capture"];
    assert_eq!(capture["duplicates"], 14);
    let name = |pair: &str| {
        let point = usize::try_from(capture["point_pairs"][0][pair].as_u64().unwrap()).unwrap();
        let file = usize::try_from(capture["points"][point]["files"][0].as_u64().unwrap()).unwrap();
        report["inputs"][file]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!((name("first").as_str(), name("second").as_str()), ("client.pcap", "server.pcap"), "the clients' side comes first");
    let pair = &capture["point_pairs"][0];
    assert_eq!((&pair["client"]["segments"], &pair["client"]["hop_change"]), (&json!(8), &json!(-1)));
    assert_eq!((&pair["server"]["segments"], &pair["server"]["hop_change"]), (&json!(6), &json!(1)));
    let near = |value: &Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 0.000_001;
    assert!(near(&pair["client"]["delay_seconds"], 0.00135), "{pair}");
    assert!(near(&pair["server"]["delay_seconds"], 0.00105), "{pair}");
    assert!(near(&pair["path_seconds"], 0.00015) && near(&pair["clock_difference_seconds"], 0.0012), "{pair}");
    let first_words = "client.pcap and server.pcap are two capture points of the same traffic: 14 segments were seen at both";
    for format in ["text", "markdown", "html"] {
        let text = flat(&printed(folder.path(), &[&["--format", format], &files[..]].concat())).replace("\\.", ".");
        assert!(text.contains(first_words), "{format}: {text}");
        assert!(text.contains("the clock of the second is about 1.2 ms ahead"), "{format}: {text}");
    }
}

#[test]
fn interfaces_of_one_file_are_named_as_capture_points() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("both.pcapng"), Script::crafted("fact-duplicates-vxlan").bytes()).unwrap();
    let text = flat(&printed(folder.path(), &["both.pcapng"]));
    let wanted = "if0, ethernet and if1, ethernet/ipv4/udp/vxlan 42/ethernet are two capture points of the same traffic: 14 segments \
                  were seen at both";
    assert!(text.contains(&flat(wanted)), "{text}");
}

#[test]
fn one_capture_point_is_not_spoken_of() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["stale-reuse", "quiet-fin-retransmitted"] {
        fs::write(folder.path().join(name), Script::crafted(name).bytes()).unwrap();
        let report = json_report(folder.path(), &[name]);
        assert_eq!((&report["capture"]["points"], &report["capture"]["point_pairs"]), (&json!([]), &json!([])), "{name}");
    }
}

#[test]
fn separate_makes_three_connections_of_three_tenants() {
    let file: PathBuf = script::crafted_directory().join("fact-vlan-collisions.pcap");
    let file = file.to_str().unwrap();
    let count = |arguments: &[&str]| json_report(Path::new("."), arguments)["connections"].as_array().unwrap().len();
    assert_eq!(count(&[file]), 1);
    assert_eq!(count(&["--separate", "vlan", file]), 3);
    assert_eq!(count(&["--separate", "vni,interface", file]), 1);
}

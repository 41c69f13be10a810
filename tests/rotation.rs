//! A rotation, compressed and in any order, gives the report of the whole capture, apart from file names and frame numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Octets of a pcap file header and of a record header.
const HEADERS: (usize, usize) = (24, 16);

/// The file in `parts` files of about as many records each (little-endian pcap).
fn split(file: &[u8], parts: usize) -> Vec<Vec<u8>> {
    let (header, records) = file.split_at(HEADERS.0);
    let mut ends = vec![0];
    while let Some(length) = records.get(ends[ends.len() - 1] + 8..ends[ends.len() - 1] + 12) {
        let length = u32::from_le_bytes(length.try_into().unwrap()) as usize;
        ends.push(ends[ends.len() - 1] + HEADERS.1 + length);
    }
    let each = ends.len().div_ceil(parts);
    ends.iter()
        .step_by(each)
        .zip(ends.iter().skip(each).step_by(each).chain([&records.len()]))
        .map(|(from, to)| [header, &records[*from..*to]].concat())
        .collect()
}

fn report(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_afterfin"))
        .env("AFTERFIN_CONFIG", "")
        .args(["report", "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    without_places(serde_json::from_slice(&output.stdout).unwrap())
}

/// Without what names files and frames.
fn without_places(value: Value) -> Value {
    const PLACES: [&str; 8] = ["inputs", "file", "frame", "start_file", "end_file", "start_frame", "end_frame", "first_frame"];
    match value {
        Value::Object(members) => Value::Object(
            members.into_iter().filter(|(name, _)| !PLACES.contains(&name.as_str())).map(|(name, v)| (name, without_places(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_places).collect()),
        other => other,
    }
}

#[test]
fn rotation_compressed_and_shuffled_gives_the_report_of_the_whole() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab");
    for name in ["t02-nginx-wired-get-any.pcap", "t05-silent-drop-client.pcap", "t06-tuple-reuse-client.pcap"] {
        let whole = fixtures.join(name);
        let place = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for (number, part) in split(&fs::read(&whole).unwrap(), 3).into_iter().enumerate() {
            let path = place.path().join(format!("part{number}.pcap.gz"));
            let mut gzip = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::default());
            gzip.write_all(&part).unwrap();
            gzip.finish().unwrap();
            names.push(path.to_str().unwrap().to_owned());
        }
        assert_eq!(names.len(), 3, "{name}");
        names.rotate_left(2);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(report(&names), report(&[whole.to_str().unwrap()]), "{name}");
    }
}

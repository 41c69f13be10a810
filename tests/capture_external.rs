//! Frame counts of third-party captures against Wireshark's, and how damaged ones are treated.
//!
//! Needs the collection beside the repository (environment variable AFTERFIN_SHARED, default `../shared`); without it the tests
//! say so and pass.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

use std::fs;
use std::path::{Path, PathBuf};

use afterfin::capture::{Capture, CaptureOptions, Source, Summary};

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

/// Reads all frames; gives the number of the last one as well.
fn read(path: &Path) -> Result<(u64, u64, Summary), String> {
    let mut capture = Capture::open(vec![Source::Path(path.to_owned())], &CaptureOptions::default()).map_err(|error| error.to_string())?;
    let (mut frames, mut number) = (0, 0);
    while let Some(frame) = capture.next_frame() {
        assert!(frame.id.number() > number, "{}: numbers do not grow", path.display());
        (frames, number) = (frames + 1, frame.id.number());
    }
    Ok((frames, number, capture.finish()))
}

#[test]
fn frames_of_third_party_captures_are_as_many_as_wireshark_reads() {
    let Some(root) = collection() else { return };
    let mut wrong = Vec::new();
    let manifest = rows(&root.join("MANIFEST.tsv"));
    let robustness = rows(&root.join("ROBUSTNESS.tsv"));
    let treatment = |sha256: &str| robustness.iter().find(|row| row[3] == sha256).map_or("read-all", |row| row[6].as_str());
    for row in &manifest {
        let facts = fs::read_to_string(root.join("expected").join(format!("{}.jsonl", row[1]))).unwrap();
        let expected = facts
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .find(|fact| fact["type"] == "file")
            .and_then(|fact| fact["frames"].as_u64())
            .unwrap();
        match read(&root.join("captures").join(&row[0])) {
            // Wireshark numbers some blocks that are no frames, so the last number is what it counts.
            Ok((_, number, summary)) if number == expected && summary.warnings.is_empty() => {}
            Ok((_, number, _)) if number == expected && treatment(&row[1]) == "partial+warning" => {}
            Err(error) if treatment(&row[1]) == "clear-error" && error.contains("editcap -F pcapng") => {}
            Ok((_, number, summary)) => wrong.push(format!("{}: {number} for {expected}, {:?}", row[0], summary.warnings)),
            Err(error) => wrong.push(format!("{}: {error}", row[0])),
        }
    }
    println!("{} captures, {} differ", manifest.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damaged_third_party_captures_are_treated_as_wireshark_treats_them() {
    let Some(root) = collection() else { return };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for row in rows(&root.join("ROBUSTNESS.tsv")) {
        let (repository, path, expect, frames) = (&row[1], &row[2], row[6].as_str(), row[7].parse::<u64>().unwrap());
        if repository == "repo" {
            continue;
        }
        let name = format!("{}/{path}", repository.replace('/', "+"));
        let file = ["captures", "robustness"].iter().map(|folder| root.join(folder).join(&name)).find(|file| file.is_file());
        let Some(file) = file else {
            wrong.push(format!("{name}: not in the collection"));
            continue;
        };
        compared += 1;
        let found = read(&file);
        let agrees = match (expect, &found) {
            ("clear-error", Err(error)) => !error.contains('\n'),
            ("partial+warning", Ok((count, _, summary))) => *count == frames && summary.warnings.iter().any(|warning| warning.lost_input),
            ("read-all", Ok((_, number, summary))) => *number == frames && summary.warnings.is_empty(),
            ("any", _) => true,
            _ => false,
        };
        if !agrees {
            let found = found.map(|(count, number, summary)| (count, number, summary.warnings));
            wrong.push(format!("{name}: {found:?}, expected {expect} with {frames} frames"));
        }
    }
    println!("{compared} damaged captures, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

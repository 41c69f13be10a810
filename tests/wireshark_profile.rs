//! The profile that `afterfin wireshark` writes, loaded by tshark where it is installed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const FIXTURE: &str = "fixtures/lab/t03-blindproxy-multi.pcapng";

fn afterfin(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).env("AFTERFIN_CONFIG", "").stdin(Stdio::null()).output().unwrap()
}

/// tshark with its configuration in a directory of ours; `None` where it is not installed.
fn tshark(configuration: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("tshark");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-n", "-C", "incident", "-r", FIXTURE]).args(arguments);
    let output = command.env("WIRESHARK_CONFIG_DIR", configuration).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output();
    if output.is_err() {
        eprintln!("tshark is not installed: the profile is not loaded");
    }
    output.ok()
}

fn profile() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("profiles/incident").to_str().unwrap().to_owned();
    let output = afterfin(&["wireshark", FIXTURE, "-o", &place]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("afterfin: {place}: 2 findings written; open it with: wireshark -C incident {FIXTURE}\n")
    );
    (directory, place)
}

#[test]
fn profile_colours_the_frames_of_the_findings_in_tshark() {
    let (directory, _) = profile();
    let Some(output) = tshark(directory.path(), &["--color", "-T", "fields", "-e", "frame.number", "-e", "frame.coloring_rule.name"])
    else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("not found") && !said.contains("rror"), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let rules: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    let report: serde_json::Value = serde_json::from_slice(&afterfin(&["--format", "json", FIXTURE]).stdout).unwrap();
    let finding = &report["findings"][0];
    let name = format!("F1 {}", finding["kind"].as_str().unwrap());
    for evidence in finding["evidence"].as_array().unwrap() {
        assert_eq!(rules[evidence["frame"].to_string().as_str()], name);
    }
    assert_eq!(rules.values().filter(|rule| **rule == name).count(), 4, "no other frame: {rules:?}");
    assert!(rules.values().any(|rule| *rule == "FIN"), "{rules:?}");
}

#[test]
fn profile_has_a_button_for_each_finding_with_a_filter_that_tshark_takes() {
    let (directory, place) = profile();
    let buttons = std::fs::read_to_string(Path::new(&place).join("dfilter_buttons")).unwrap();
    let buttons: Vec<Vec<&str>> =
        buttons.lines().filter(|line| !line.starts_with('#')).map(|line| line.trim_matches('"').split("\",\"").collect()).collect();
    assert_eq!(buttons.iter().map(|fields| fields[1]).collect::<Vec<_>>(), ["Errors//F1 stale-reuse", "Errors//F2 timeout-mismatch"]);
    for fields in buttons {
        assert_eq!((fields.len(), fields[0]), (4, "TRUE"));
        let Some(output) = tshark(directory.path(), &["-Y", fields[2]]) else { return };
        assert!(output.status.success() && !output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // Sequence numbers are the raw ones, which the findings name: the preferences are read.
    let numbers = tshark(directory.path(), &["-Y", "tcp", "-T", "fields", "-e", "tcp.seq", "-e", "tcp.seq_raw"]).unwrap();
    let numbers = String::from_utf8(numbers.stdout).unwrap();
    assert!(!numbers.is_empty() && numbers.lines().all(|line| line.split_once('\t').is_some_and(|(seq, raw)| seq == raw)), "{numbers}");
}

#[test]
fn profile_is_of_one_file_and_never_overwrites_unasked() {
    let (_directory, place) = profile();
    for (arguments, says) in [
        (&["wireshark", FIXTURE, "-o", &place][..], "exists; --force overwrites it"),
        (&["wireshark", FIXTURE, FIXTURE, "-o", &place, "--force"], "a profile speaks of the frames of one capture: name one file"),
        (&["wireshark", "-", "-o", &place, "--force"], "a profile belongs to a file that Wireshark can open: save the capture first"),
        (&["wireshark", "-o", &place, "--force"], "a profile speaks of the frames of one capture: name one file"),
    ] {
        let output = afterfin(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said.contains(says) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(afterfin(&["wireshark", FIXTURE, "-o", &place, "--force"]).status.code(), Some(0));
}

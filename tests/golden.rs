//! What the program says of every capture of `fixtures/crafted` and `fixtures/lab`, kept in `tests/golden` for people to read: verdict,
//! findings with evidence and advice, timers, the chain, timelines and the facts of each connection. What must hold of a finding is tested where it
//! belongs (`findings.rs`, `facts.rs`, `timers.rs`); here a change of anything that is said becomes a line of a diff. After a change that
//! is meant: `INSTA_UPDATE=always cargo test --test golden`, and read the diff.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::render::{Style, json};
use serde_json::Value;

/// Of each kind of finding, so many are written down where there are many connections.
const OF_A_KIND: usize = 1;

fn captures(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(directory);
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng");
    let mut captures: Vec<PathBuf> = paths.filter(is_capture).collect();
    captures.sort();
    captures
}

/// The JSON report, which is all that any format says.
fn report(path: &Path, timelines: u64) -> Value {
    let source = Source::Stream("capture".into(), Box::new(fs::File::open(path).unwrap()));
    let capture = Capture::open(vec![source], &CaptureOptions::default()).unwrap();
    let options = AnalysisOptions { timelines: (0..timelines).collect(), ..AnalysisOptions::default() };
    let report = afterfin::analyzer::analyze(capture, &options, &AtomicBool::new(false), &mut |_, _| {});
    let mut octets = Vec::new();
    json::FORMAT.report.unwrap()(&report, &Style::default(), &mut octets).unwrap();
    serde_json::from_slice(&octets).unwrap()
}

/// A value on one line; nothing where it says nothing.
fn inline(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) | Value::Array(_) => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => (number.as_f64() != Some(0.0)).then(|| number.to_string()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Object(members) if members.len() == 2 && members.contains_key("ip") && members.contains_key("port") => {
            Some(format!("{}:{}", members["ip"].as_str().unwrap(), members["port"]))
        }
        Value::Object(members) => {
            let words: Vec<String> = members.iter().filter_map(|(name, value)| Some(format!("{name}={}", inline(value)?))).collect();
            (!words.is_empty()).then(|| words.join("  "))
        }
    }
}

/// Whether a value and all in it go on one line.
fn is_flat(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.values().all(|value| match value {
            Value::Object(_) => is_flat(value),
            Value::Array(values) => values.is_empty(),
            _ => true,
        }),
        _ => true,
    }
}

/// One line for what is flat, else a line and its parts below it.
fn write(name: &str, value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    if is_flat(value) {
        if let Some(text) = inline(value) {
            writeln!(out, "{indent}{name}: {text}").unwrap();
        }
        return;
    }
    writeln!(out, "{indent}{name}:").unwrap();
    match value {
        Value::Array(values) => values.iter().for_each(|value| write("-", value, depth + 1, out)),
        Value::Object(members) => members.iter().for_each(|(name, value)| write(name, value, depth + 1, out)),
        _ => unreachable!("scalars are flat"),
    }
}

fn assert_golden(directory: &str, path: &Path, parts: &[&str], report: &Value) {
    let mut said = String::new();
    for part in parts {
        write(part, &report[part], 0, &mut said);
    }
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new("golden").join(directory));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, said));
}

#[test]
fn crafted_captures_say_what_is_written_down() {
    for path in captures("crafted") {
        let mut report = report(&path, 16);
        // the timelines of all connections are there
        for group in report["groups"].as_array_mut().unwrap() {
            group["timeline"] = Value::Null;
        }
        let parts = ["capture", "verdict", "findings", "groups", "timeouts", "chain", "cost", "picture", "timelines", "connections"];
        assert_golden("crafted", &path, &parts, &report);
    }
}

#[test]
fn lab_captures_say_what_is_written_down() {
    for path in captures("lab") {
        let mut report = report(&path, 0);
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        report["findings"].as_array_mut().unwrap().retain(|finding| {
            let number = kinds.entry(finding["kind"].as_str().unwrap().to_owned()).or_default();
            *number += 1;
            *number <= OF_A_KIND
        });
        assert_golden("lab", &path, &["verdict", "findings", "groups", "timeouts", "chain", "cost"], &report);
    }
}

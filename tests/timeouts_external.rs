//! Measured timers against what the servers of the lab really did.
//!
//! Needs the lab's captures beside the repository (environment variable AFTERFIN_SHARED, default `../shared`); without them the test
//! says so and passes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)] // a test, and what it shares

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::analyze;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::report::{Kind, Report, TimerKind, TimerSide};
use serde_json::Value;

/// A close this soon after the last payload has another cause than idleness.
const SHORTEST: f64 = 0.2;

fn lab() -> Option<PathBuf> {
    let root = std::env::var_os("AFTERFIN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
        .join("captures/lab");
    if root.is_dir() {
        return Some(root);
    }
    println!("no captures of the lab at {}: nothing compared", root.display());
    None
}

fn truths(root: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_str().is_some_and(|name| name.ends_with(".truth.json")));
    paths.sort();
    paths.iter().map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn report(root: &Path, truth: &Value) -> Report {
    let files = truth["files"].as_array().unwrap().iter().map(|file| Source::Path(root.join(file.as_str().unwrap()))).collect();
    let capture = Capture::open(files, &CaptureOptions::default()).unwrap();
    analyze(capture, &AnalysisOptions::default(), &AtomicBool::new(false), &mut |_, _| {})
}

/// `fd00::1:80` as the report writes it: `[fd00::1]:80`.
fn as_reported(endpoint: &str) -> String {
    let (ip, port) = endpoint.rsplit_once(':').unwrap();
    if ip.contains(':') && !ip.starts_with('[') { format!("[{ip}]:{port}") } else { endpoint.to_owned() }
}

/// Idle times before closes by the server, where the server closed first, by server; and the servers that closed first at all.
fn closes(truth: &Value) -> BTreeMap<String, Vec<f64>> {
    let mut closes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for connection in truth["connections"].as_array().unwrap() {
        let (opener, tuple) = (connection["opener"].as_str().unwrap_or_default(), connection["tuple"].as_str().unwrap());
        let (low, high) = tuple.split_once(" -> ").unwrap();
        let server = if low == opener { high } else { low };
        let first = &connection["first_close"];
        if first["by"].as_str() == Some(server) {
            closes.entry(as_reported(server)).or_default().extend(first["idle_before_s"].as_f64());
        }
    }
    closes
}

#[test]
fn timers_of_the_lab_are_what_the_servers_did() {
    let Some(root) = lab() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for truth in truths(&root) {
        let name = truth["capture"].as_str().unwrap().to_owned();
        let report = report(&root, &truth);
        let closes = closes(&truth);
        let timers: BTreeMap<String, f64> = report
            .timeouts
            .iter()
            .filter(|timer| timer.side == TimerSide::Server && timer.what == TimerKind::Idle)
            .filter_map(|timer| Some((timer.server.to_string(), timer.value?.seconds())))
            .collect();
        for (server, idle) in &closes {
            let idle: Vec<f64> = idle.iter().copied().filter(|idle| *idle > SHORTEST).collect();
            if idle.is_empty() {
                continue;
            }
            compared += 1;
            let near = |timer: f64| idle.iter().any(|idle| (timer - idle).abs() <= (idle * 0.03).max(0.1));
            match timers.get(server) {
                Some(timer) if near(*timer) => {}
                found => wrong.push(format!("{name}: {server} closed after {idle:?} s, found {found:?}")),
            }
        }
        for (server, timer) in timers.iter().filter(|(server, _)| !closes.contains_key(*server)) {
            wrong.push(format!("{name}: {server} never closed first, yet a timer of {timer} s"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 60, "only {compared} timers compared");
}

#[test]
fn pool_in_good_order_gives_no_timer_of_the_server_and_no_mismatch() {
    let Some(root) = lab() else { return };
    let truth = truths(&root).into_iter().find(|truth| truth["capture"] == "t08-good-pool.pcap").unwrap();
    let report = report(&root, &truth);
    assert!(report.timeouts.iter().all(|timer| timer.side != TimerSide::Server), "{:?}", report.timeouts);
    assert!(report.findings.iter().all(|finding| finding.kind != Kind::TimeoutMismatch), "{:?}", report.findings);
    let pool = report.chain.iter().find(|hop| hop.in_order == Some(true)).expect("the pool closes first");
    assert!((pool.client_timer.unwrap().seconds() - 1.0).abs() < 0.1, "{pool:?}");
}

#[test]
fn blind_client_before_a_server_of_ten_seconds_is_named_with_both_timers() {
    let Some(root) = lab() else { return };
    let truth = truths(&root).into_iter().find(|truth| truth["capture"] == "t01-blind-10s-client.pcap").unwrap();
    let report = report(&root, &truth);
    let sentence = report.verdict.first().unwrap();
    assert!(sentence.contains("10.9.0.2:80 closes after 10 s") && sentence.contains("keeps connections for at least 25 s"), "{sentence}");
    let mismatch = report.findings.iter().find(|finding| finding.kind == Kind::TimeoutMismatch).unwrap();
    assert!(mismatch.advice.iter().any(|line| line.contains("`keepalive_timeout 26s;`")), "{:?}", mismatch.advice);
}

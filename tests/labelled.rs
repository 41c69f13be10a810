//! Captures of `fixtures/lab` that `tests/lab/run` recorded: held against the truth beside each, which comes from what was configured and from
//! what the programs did. A kind counts as soon as a detector is registered for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use afterfin::detect::pages;
use afterfin::options::AnalysisOptions;
use afterfin::report::{Finding, Kind, Report, TimerKind, TimerSide, TimerState};
use serde_json::Value;

/// Kinds that speak of one connection.
const ABOUT_ONE: [&str; 11] = [
    "stale-reuse",
    "close-race",
    "swallowed-request",
    "state-lost",
    "silent-drop",
    "closed-without-response",
    "keepalive-unanswered",
    "close-wait-leak",
    "path-change",
    "abandoned-response",
    "idle-during-response",
];
/// So many of a hundred labels must be found; each kind at least once.
const LEAST_OF_HUNDRED: usize = 100;

/// The labels of one kind: how many there are and how many were found.
#[derive(Default)]
struct Score {
    wanted: BTreeMap<String, usize>,
    found: BTreeMap<String, usize>,
    missed: Vec<String>,
    wrong: Vec<String>,
}

impl Score {
    fn label(&mut self, name: &str, found: bool, detail: impl FnOnce() -> String) {
        *self.wanted.entry(name.to_owned()).or_default() += 1;
        if found {
            *self.found.entry(name.to_owned()).or_default() += 1;
        } else {
            self.missed.push(detail());
        }
    }
}

#[test]
fn labelled_captures_are_reported_as_labelled() {
    let registered: BTreeSet<&str> = pages().iter().map(|page| page.kind.as_str()).collect();
    let mut score = Score::default();
    for path in truths() {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let capture = text(&truth["capture"]);
        let report = script::report_of(fs::read(path.with_file_name(&capture)).unwrap(), &AnalysisOptions::default());
        connections(&truth, &report, &registered, &mut score);
        about_many(&truth, &report, &registered, &mut score);
        timers(&truth, &report, &registered, &mut score);
    }
    assert!(score.wrong.is_empty(), "{}", score.wrong.join("\n"));
    let (wanted, found): (usize, usize) = (score.wanted.values().sum(), score.found.values().sum());
    assert!(found * 100 >= wanted * LEAST_OF_HUNDRED, "{found} of {wanted} found\n{}", score.missed.join("\n"));
    let never: Vec<&String> = score.wanted.keys().filter(|kind| !score.found.contains_key(*kind)).collect();
    assert!(never.is_empty(), "never found: {never:?}\n{}", score.missed.join("\n"));
}

#[test]
fn labelled_captures_have_as_many_connections_as_their_truth() {
    for path in truths() {
        let truth: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let capture = text(&truth["capture"]);
        let report = script::report_of(fs::read(path.with_file_name(&capture)).unwrap(), &AnalysisOptions::default());
        assert_eq!(report.connections_total, truth["connections"].as_array().unwrap().len() as u64, "{capture}");
    }
}

/// Each connection against its label.
fn connections(truth: &Value, report: &Report, registered: &BTreeSet<&str>, score: &mut Score) {
    let capture = text(&truth["capture"]);
    for row in truth["connections"].as_array().unwrap() {
        let (stream, tuple, label) = (row["tshark_stream"].as_u64().unwrap(), text(&row["tuple"]), &row["truth"]);
        let kinds: BTreeSet<&str> = report
            .findings
            .iter()
            .filter(|finding| finding.stream == Some(stream))
            .map(|finding| finding.kind.as_str())
            .filter(|kind| ABOUT_ONE.contains(kind))
            .collect();
        let beside: BTreeSet<String> = list(&label["may"]).chain(list(&label["also"])).collect();
        let accepted: BTreeSet<String> = list(&label["accept"]).chain(kind_of(&text(&label["class"])).map(str::to_owned)).collect();
        match label["must_report"].as_str().unwrap() {
            "no" if kinds.iter().any(|kind| !beside.contains(*kind)) => {
                score.wrong.push(format!("{capture}: {tuple}: {kinds:?}, labelled {}", label["class"]));
            }
            "yes" => {
                let lost = |kind: &&str| Kind::ALL.iter().any(|known| known.as_str() == *kind && known.is_request_loss());
                if kinds.iter().filter(|kind| lost(kind)).any(|kind| !accepted.contains(*kind) && !beside.contains(*kind)) {
                    score.wrong.push(format!("{capture}: {tuple}: {kinds:?}, labelled {}", label["class"]));
                }
                let kind = kind_of(&text(&label["class"])).unwrap();
                if registered.contains(kind) {
                    let found = kinds.iter().any(|kind| accepted.contains(*kind));
                    score.label(kind, found, || format!("{capture}: {tuple}: wanted {kind}, got {kinds:?}"));
                }
                for kind in list(&label["also"]).filter(|kind| registered.contains(kind.as_str())) {
                    score.label(&kind, kinds.contains(kind.as_str()), || format!("{capture}: {tuple}: wanted {kind} too, got {kinds:?}"));
                }
            }
            _ => {}
        }
    }
}

/// Findings that speak of many connections.
fn about_many(truth: &Value, report: &Report, registered: &BTreeSet<&str>, score: &mut Score) {
    let capture = text(&truth["capture"]);
    for row in truth["expected"].as_array().unwrap() {
        let kind = text(&row["kind"]);
        let fits = |finding: &&Finding| {
            let server = row["server"].as_str().is_none_or(|server| server == finding.server.to_string());
            let client = row["client"].as_str().is_none_or(|client| client == finding.client.ip.to_string());
            finding.kind.as_str() == kind && server && client
        };
        let found = report.findings.iter().any(|finding| fits(&finding));
        match row["must_report"].as_str().unwrap() {
            "yes" if registered.contains(kind.as_str()) => {
                score.label(&kind, found, || format!("{capture}: wanted {kind} of {}", row["server"]));
            }
            "no" if found => score.wrong.push(format!("{capture}: {kind} of {}, though {}", row["server"], row["why"])),
            _ => {}
        }
    }
}

/// Idle timeouts of servers: within 0.1 s or 3 %, and none where none was seen. Where mass closes and limits are not told apart yet, closes
/// may be taken for a timer.
fn timers(truth: &Value, report: &Report, registered: &BTreeSet<&str>, score: &mut Score) {
    let capture = text(&truth["capture"]);
    for (server, timer) in truth["servers"].as_object().unwrap() {
        let claimed: Vec<f64> = report
            .timeouts
            .iter()
            .filter(|t| t.server.to_string() == *server && t.side == TimerSide::Server && t.what == TimerKind::Idle)
            .filter(|t| matches!(t.state, TimerState::Measured | TimerState::Suggested))
            .filter_map(|t| Some(t.value?.seconds()))
            .collect();
        if let Some(wanted) = timer["idle_timeout_s"].as_f64() {
            let found = claimed.iter().any(|seconds| (seconds - wanted).abs() <= 0.1_f64.max(0.03 * wanted));
            score.label("timer", found, || format!("{capture}: {server} keeps {wanted} s, reported {claimed:?}"));
        } else if !claimed.is_empty() && registered.contains("mass-close") {
            score.wrong.push(format!("{capture}: {server}: a timer of {claimed:?} s, though {}", timer["why"]));
        }
    }
}

/// The kind that a label's class names.
fn kind_of(class: &str) -> Option<&'static str> {
    match class {
        "stale_reuse" => Some("stale-reuse"),
        "race_at_timeout" | "race_unread_rst" => Some("close-race"),
        "stale_swallowed" => Some("swallowed-request"),
        "forgotten_flow" => Some("state-lost"),
        "silent_drop" => Some("silent-drop"),
        "keepalive_dead" => Some("keepalive-unanswered"),
        "close_wait_leak" => Some("close-wait-leak"),
        "closed_without_response" => Some("closed-without-response"),
        "path_change" => Some("path-change"),
        "abandoned_response" => Some("abandoned-response"),
        "idle_during_response" => Some("idle-during-response"),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = String> {
    value.as_array().unwrap().iter().map(text)
}

/// The truth files, sorted.
fn truths() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab");
    let mut out: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.retain(|path| path.to_str().unwrap().ends_with(".truth.json"));
    out.sort();
    assert!(!out.is_empty(), "fixtures/lab has truth files");
    out
}

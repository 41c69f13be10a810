//! Recorded incidents of `fixtures/lab`: how many findings of each kind there are, which is what the people who recorded them know.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use afterfin::options::AnalysisOptions;
use afterfin::report::Kind::{self, CloseRace, CloseWaitLeak, SilentDrop, StaleReuse, StateLost, SwallowedRequest};

/// File, connections, and what must be found: nothing else of these kinds may be.
type Row = (&'static str, usize, &'static [(Kind, usize)]);

const ROWS: [Row; 17] = [
    ("t01-blind-10s-client.pcap", 3, &[(StaleReuse, 2), (CloseWaitLeak, 1)]),
    ("t02-nginx-wired-get-any.pcap", 76, &[(CloseRace, 15)]),
    ("t03-blindproxy-multi.pcapng", 3, &[(StaleReuse, 1)]),
    ("t04-dnat-drop-router-any.pcap", 4, &[(SilentDrop, 1)]),
    ("t04-dsr-forgets-client.pcap", 2, &[(StateLost, 1)]),
    ("t05-silent-drop-client.pcap", 3, &[(SilentDrop, 3)]),
    ("t06-closewait-leak-client.pcap", 3, &[(StaleReuse, 1), (CloseWaitLeak, 3)]),
    ("t06-http2-client.pcap", 2, &[(StaleReuse, 1)]),
    ("t06-pipelining-client.pcap", 2, &[]),
    ("t06-redis-client.pcap", 3, &[(StaleReuse, 2)]),
    ("t06-swallowed-client.pcap", 1, &[(SwallowedRequest, 1)]),
    ("t06-tls-python-client.pcap", 1, &[(StaleReuse, 1)]),
    ("t06-tuple-reuse-client.pcap", 8, &[(StaleReuse, 1)]),
    ("t07-ipv6.pcap", 2, &[(StaleReuse, 1)]),
    ("t07-vlan-trunk.pcap", 2, &[(StaleReuse, 1)]),
    ("t07-vxlan-underlay.pcap", 2, &[(StaleReuse, 1)]),
    ("t08-good-pool.pcap", 4, &[]),
];

/// Kinds that speak of many connections: they say why, not what was lost.
const ABOUT_MANY: [Kind; 6] =
    [Kind::TimeoutMismatch, Kind::ConnectFailed, Kind::ConnectionChurn, Kind::RequestLimitClose, Kind::AgeLimitClose, Kind::MassClose];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab")
}

#[test]
fn recorded_incidents_are_reported_and_nothing_else() {
    let mut wrong = Vec::new();
    for (name, connections, wanted) in ROWS {
        let report = script::report_of(fs::read(directory().join(name)).unwrap(), &AnalysisOptions::default());
        let mut found: BTreeMap<Kind, usize> = BTreeMap::new();
        for finding in report.findings.iter().filter(|finding| !ABOUT_MANY.contains(&finding.kind)) {
            *found.entry(finding.kind).or_default() += 1;
        }
        let wanted: BTreeMap<Kind, usize> = wanted.iter().copied().collect();
        if found != wanted || report.connections.len() != connections {
            wrong.push(format!("{name}: {} connections, {found:?}; wanted {connections}, {wanted:?}", report.connections.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_captures_are_judged_and_listed() {
    let readme = fs::read_to_string(directory().join("../README.md")).unwrap();
    let judged: BTreeSet<String> = ROWS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let labelled = |name: &String| directory().join(name.replace(".pcap", ".truth.json")).exists(); // judged by `tests/labelled.rs`
    let present = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let present: BTreeSet<String> = present.filter(|name| name.contains(".pcap")).collect();
    let unlabelled: BTreeSet<String> = present.iter().filter(|name| !labelled(name)).cloned().collect();
    assert_eq!(unlabelled, judged, "fixtures/lab and the rows of this test");
    for name in &present {
        assert!(readme.contains(&format!("`{name}`")), "fixtures/README.md does not list {name}");
    }
}

//! The workloads of the measurements are what they are said to be: the same octets every time, the stated mix, and nothing in them that the
//! analysis cannot read.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // tests

#[path = "../benches/workload/mod.rs"]
mod workload;

use std::io::Cursor;
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::analyze;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::report::{Kind as Finding, Report};
use workload::{Container, Kind, Workload};

fn report(octets: Vec<u8>) -> Report {
    let source = Source::Stream("workload".to_owned(), Box::new(Cursor::new(octets)));
    let capture = Capture::open(vec![source], &CaptureOptions::default()).unwrap();
    analyze(capture, &AnalysisOptions::default(), &AtomicBool::new(false), &mut |_, _| {})
}

/// Packets of a connection and octets of a packet, as `docs/performance.md` states them, within a tenth.
fn check(kind: Kind, connections: u64, packets: f64, octets: f64) {
    let (capture, totals) = Workload::new(kind, connections).octets(Container::Pcap);
    let (packets_found, octets_found) = (totals.packets as f64 / connections as f64, totals.octets as f64 / totals.packets as f64);
    assert!((packets_found / packets - 1.0).abs() < 0.1, "{kind:?}: {packets_found} packets of a connection, not {packets}");
    assert!((octets_found / octets - 1.0).abs() < 0.1, "{kind:?}: {octets_found} octets of a packet, not {octets}");
    let report = report(capture);
    assert_eq!((report.capture.frames, report.capture.tcp_segments), (totals.packets, totals.packets), "{kind:?}");
    assert_eq!(report.connections_total, connections, "{kind:?}");
    assert!(report.capture.malformed.is_empty() && report.complete, "{kind:?}");
    let sixth = report.connections.iter().filter(|connection| connection.client.ip.is_ipv6()).count() as f64 / connections as f64;
    assert!((0.06..0.14).contains(&sixth), "{kind:?}: {sixth} of the connections are IPv6");
}

#[test]
fn web_workload_has_the_stated_mix() {
    check(Kind::Web, 600, 26.0, 434.0);
}

#[test]
fn small_workload_has_the_stated_mix() {
    check(Kind::Small, 600, 26.0, 80.0);
}

#[test]
fn many_workload_has_the_stated_mix() {
    check(Kind::Many, 3000, 5.2, 96.0);
}

#[test]
fn web_workload_holds_what_the_analysis_looks_for() {
    let report = report(Workload::new(Kind::Web, 1500).octets(Container::Pcap).0);
    let count = |kind| report.findings.iter().filter(|finding| finding.kind == kind).count();
    assert!(count(Finding::StaleReuse) > 0 && count(Finding::StateLost) > 0);
    assert!(report.timeouts.len() > 1, "idle timeouts of servers are measured");
}

#[test]
fn workload_is_the_same_every_time_and_in_both_formats() {
    let workload = Workload::new(Kind::Web, 100);
    let (first, totals) = workload.octets(Container::Pcap);
    assert_eq!(workload.octets(Container::Pcap), (first.clone(), totals));
    let (other, other_totals) = workload.octets(Container::Pcapng);
    assert_eq!(totals, other_totals);
    let [mut pcap, mut pcapng] = [report(first), report(other)];
    assert_eq!(pcap.inputs.remove(0).format, "pcap");
    assert_eq!(pcapng.inputs.remove(0).format, "pcapng");
    assert_eq!(format!("{:?}", (&pcap.findings, &pcap.connections)), format!("{:?}", (&pcapng.findings, &pcapng.connections)));
}

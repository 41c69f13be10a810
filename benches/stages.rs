//! What each stage costs, cumulatively: reading, + decoding, + tracking, + observing, the whole analysis. Throughput is in packets.
//!
//! `cargo bench`, or one of them: `cargo bench -- web/pcap`. `AFTERFIN_BENCH_CONNECTIONS` (2,000) sets the size of the workload: the default fits
//! the caches better than a long capture does, 50,000 does not and takes some minutes. The differences between the rows are the stages' costs;
//! `docs/performance.md` reads them.
//!
//! The workload is made in memory and put into a temporary file, because a file is what the program reads without a thread in between.

#![allow(clippy::unwrap_used)] // a program for developers

mod workload;

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use afterfin::analyzer;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::decode::{DecodeOptions, Decoded, Decoder};
use afterfin::observe::Observer;
use afterfin::options::AnalysisOptions;
use afterfin::tcp::Tracker;
use afterfin::time::Timestamp;
use criterion::{BenchmarkId, Criterion, Throughput};
use workload::{Container, Kind, Workload};

/// One workload as a file, and how many packets it has.
struct Capturing {
    path: PathBuf,
    packets: u64,
}

fn open(path: &Path) -> Capture {
    Capture::open(vec![Source::Path(path.to_path_buf())], &CaptureOptions::default()).unwrap()
}

/// Octets → frames.
fn read(path: &Path) -> u64 {
    let mut capture = open(path);
    let mut octets = 0;
    while let Some(frame) = capture.next_frame() {
        octets += frame.captured.len() as u64;
    }
    octets
}

/// Octets → segments.
fn decode(path: &Path) -> u64 {
    let mut capture = open(path);
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut octets = 0;
    while let Some(frame) = capture.next_frame() {
        if let Decoded::Segment(segment) = decoder.decode(&frame) {
            octets += u64::from(segment.payload_length);
        }
    }
    octets
}

/// Octets → connections.
fn track(path: &Path) -> Tracker {
    let mut capture = open(path);
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut tracker = Tracker::new(AnalysisOptions::default().thresholds);
    while let Some(frame) = capture.next_frame() {
        if let Decoded::Segment(segment) = decoder.decode(&frame) {
            black_box(tracker.push(&segment));
        }
    }
    tracker
}

/// Octets → samples and candidates, up to the end of the capture: everything that is done packet by packet.
fn observe(path: &Path) -> (Tracker, Observer) {
    let mut capture = open(path);
    let options = AnalysisOptions::default();
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut tracker = Tracker::new(options.thresholds);
    let mut observer = Observer::new(&options);
    let mut last = Timestamp::default();
    while let Some(frame) = capture.next_frame() {
        last = frame.time.unwrap_or(last);
        if let Decoded::Segment(segment) = decoder.decode(&frame) {
            let step = tracker.push(&segment);
            if let Some(connection) = tracker.connection(step.connection) {
                let replaced = step.replaced.and_then(|at| tracker.connection(at));
                observer.observe(&step, connection, replaced);
            }
        }
    }
    observer.finish_all(tracker.connections(), last);
    (tracker, observer)
}

/// The whole analysis, as `afterfin report` does it for a person: timers, findings, report.
fn analyze(path: &Path) -> usize {
    let options = AnalysisOptions { all_connections: false, ..AnalysisOptions::default() };
    analyzer::analyze(open(path), &options, &AtomicBool::new(false), &mut |_, _| {}).findings.len()
}

fn stages(criterion: &mut Criterion, name: &str, capture: &Capturing, cumulative: bool) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(capture.packets));
    let path = capture.path.as_path();
    let mut stage = |stage: &str, run: &mut dyn FnMut(&Path)| {
        group.bench_with_input(BenchmarkId::from_parameter(stage), path, |bencher, path| bencher.iter(|| run(black_box(path))));
    };
    stage("1-read", &mut |path| {
        black_box(read(path));
    });
    if cumulative {
        stage("2-decode", &mut |path| {
            black_box(decode(path));
        });
        stage("3-track", &mut |path| {
            black_box(track(path));
        });
        stage("4-observe", &mut |path| {
            black_box(observe(path));
        });
    }
    stage("5-analysis", &mut |path| {
        black_box(analyze(path));
    });
    group.finish();
}

fn main() {
    let connections = std::env::var("AFTERFIN_BENCH_CONNECTIONS").map_or(2000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(10)
        .configure_from_args();
    for (kind, name, connections) in
        [(Kind::Web, "web", connections), (Kind::Small, "small", connections * 4), (Kind::Many, "many", connections * 20)]
    {
        for (container, format) in [(Container::Pcap, "pcap"), (Container::Pcapng, "pcapng")] {
            let (octets, totals) = Workload::new(kind, connections).octets(container);
            let path = directory.path().join(format!("{name}.{format}"));
            fs::write(&path, octets).unwrap();
            let capture = Capturing { path, packets: totals.packets };
            stages(&mut criterion, &format!("{name}/{format}"), &capture, container == Container::Pcap);
            fs::remove_file(&capture.path).unwrap();
        }
    }
    criterion.final_summary();
}

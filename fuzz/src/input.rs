//! Octets as an input of the program: in one piece, in drops, or as a file.

use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

use afterfin::analyzer;
use afterfin::capture::{Capture, CaptureError, CaptureOptions, Source, Summary};
use afterfin::options::AnalysisOptions;
use afterfin::report::Report;
use afterfin::time::Timestamp;

/// No input of a fuzzer is read further than this: what a decompressor makes of it may be long.
const MOST_FRAMES: u64 = 20_000;

/// A stream that gives at most so many octets per read.
pub struct Drops {
    octets: io::Cursor<Vec<u8>>,
    size: usize,
}

impl Drops {
    /// Of `size` octets, at least one.
    pub fn new(octets: &[u8], size: usize) -> Self {
        Self { octets: io::Cursor::new(octets.to_vec()), size: size.max(1) }
    }
}

impl Read for Drops {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.size.min(into.len());
        self.octets.read(&mut into[..most])
    }
}

/// Opens octets as standard input would come, in reads of `size`.
pub fn open(octets: &[u8], size: usize) -> Result<Capture, CaptureError> {
    let source = Source::Stream("input".into(), Box::new(Drops::new(octets, size)));
    Capture::open(vec![source], &CaptureOptions::default())
}

/// What is known of a frame, for comparison.
pub type Seen = (u64, Option<i64>, u16, u32, u32, Vec<u8>);

/// Reads everything, up to a bound.
pub fn read(mut capture: Capture) -> (Vec<Seen>, Summary) {
    let mut frames = Vec::new();
    while (frames.len() as u64) < MOST_FRAMES {
        let Some(frame) = capture.next_frame() else { break };
        let time = frame.time.map(Timestamp::nanos);
        frames.push((frame.id.number(), time, frame.link_type.0, frame.interface, frame.wire_length, frame.captured.to_vec()));
    }
    (frames, capture.finish())
}

/// The report on octets; `None` where they are no capture.
pub fn report(octets: &[u8], options: &AnalysisOptions) -> Option<Report> {
    let capture = open(octets, usize::MAX).ok()?;
    Some(analyzer::analyze(capture, options, &AtomicBool::new(false), &mut |_, _| {}))
}

/// A report adds up: every frame is a segment, skipped or malformed; every number lies where it may.
pub fn check(report: &Report) {
    let facts = &report.capture;
    let other: u64 = facts.skipped.values().chain(facts.malformed.values()).sum();
    assert!(other <= facts.frames, "{facts:?}");
    assert!(facts.tcp_segments >= facts.frames - other, "{facts:?}");
    assert!(facts.duplicates <= facts.tcp_segments);
    assert_eq!(facts.connections, report.connections_total);
    if let (Some(first), Some(last)) = (facts.first, facts.last) {
        assert!(first <= last);
    }
    for (at, finding) in report.findings.iter().enumerate() {
        assert_eq!(finding.number, at + 1);
        assert!(!finding.evidence.is_empty(), "{finding:?}");
        assert!(finding.stream.is_none_or(|stream| stream <= report.connections_total + 65_536));
        for evidence in &finding.evidence {
            assert!(evidence.frame.frame >= 1);
        }
    }
    let segments: u64 = report.connections.iter().map(|row| row.client_to_server.segments + row.server_to_client.segments).sum();
    assert!(report.connections.len() as u64 != report.connections_total || segments == facts.tcp_segments, "{segments} {facts:?}");
    for row in &report.connections {
        assert!(row.first_frame.frame >= 1 && row.incarnations >= 1);
        for side in [&row.client_to_server, &row.server_to_client] {
            assert!(side.unique_octets <= side.payload_octets && side.duplicates <= side.segments, "{row:?}");
            let marked = side.keepalive_probes + side.keepalive_probes_inferred + side.retransmissions;
            assert!(marked <= side.segments * 2, "{row:?}");
        }
        assert!(row.idle_gaps.len() as u64 <= row.idle_gap_count);
    }
}

//! Wires the stages and keeps the account of every frame.

mod batches;
mod intake;
#[cfg(feature = "arrow")]
mod job;
#[cfg(feature = "arrow")]
mod merge;
mod picture;
mod points;
#[cfg(feature = "arrow")]
mod reduce;
mod rows;
mod trust;

#[cfg(feature = "arrow")]
pub use job::JobInputs;
#[cfg(feature = "arrow")]
pub use merge::{MergeError, merge};
#[cfg(feature = "arrow")]
pub use reduce::{ReduceError, reduce};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use intake::{Account, Intake, Sink};

use crate::capture::Capture;
use crate::decode::{DecodeOptions, Decoder};
use crate::detect::context::Context;
use crate::detect::{cost, detect, groups, hops, timeline, verdict};
use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::infer::buckets::close_buckets;
use crate::infer::{Timers, chain};
use crate::observe::{HalfClosedTimes, Observer};
use crate::options::AnalysisOptions;
use crate::report::{CaptureFacts, Finding, Report, Timeline};
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::taken::{Incomplete, KEPT_INCOMPLETE, Taken};
use crate::tcp::{Connection, Connections, Expected, Step, Tracker};

/// The progress display is told every so many frames.
const PROGRESS_EVERY: u64 = 1 << 14;
/// So many connections with findings get a timeline of their own; a page with more would not be read.
const FINDING_TIMELINES: usize = 200;

/// The second half of the analysis: what the segments do to their connections, and what that means.
struct Following {
    tracker: Tracker,
    observer: Observer,
    step: Step,
    incomplete: Vec<Incomplete>,
    /// Connections that were reduced to their facts because memory was short.
    given_up: u64,
    /// What was read ahead, so that it is not left out as useless.
    touched: u64,
}

impl Following {
    fn new(tracker: Tracker, observer: Observer) -> Self {
        Self { tracker, observer, step: Step::default(), incomplete: Vec::new(), given_up: 0, touched: 0 }
    }
}

impl Sink for Following {
    #[inline]
    fn expect(&mut self, segment: &Segment<'_>) -> Expected {
        let expected = self.tracker.expect(segment);
        let connection = self.tracker.connection(expected.connection).map_or(0, Connection::touch);
        self.touched = self.touched.wrapping_add(connection).wrapping_add(self.observer.touch(expected.connection));
        expected
    }

    #[inline]
    fn segment(&mut self, segment: &Segment<'_>, expected: Expected) {
        let Self { tracker, observer, step, given_up, .. } = self;
        tracker.push_expected(segment, expected, step);
        if let Some(connection) = tracker.connection(step.connection)
            && !step.straggler
        {
            let replaced = step.replaced.and_then(|at| tracker.connection(at));
            observer.observe(step, connection, replaced);
        }
        while let Some(at) = tracker.next_over(step.mark.time) {
            if let Some(HalfClosedTimes(half_closed)) = tracker.connection(at).and_then(|connection| observer.release(at, connection)) {
                tracker.end(at, half_closed);
            }
        }
        while let Some(at) = tracker.next_to_give_up() {
            if let Some(HalfClosedTimes(half_closed)) = observer.release_early(at) {
                tracker.end(at, half_closed);
                *given_up += 1;
            }
        }
    }

    fn quote(&mut self, quote: &IcmpQuote) {
        if let Some(at) = self.tracker.icmp(quote)
            && let Some(connection) = self.tracker.connection(at)
        {
            self.observer.icmp(at, quote, connection);
        }
    }

    fn short_header(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
        self.tracker.reserve(src, dst, tenant);
    }

    fn overlap(&mut self) {
        self.tracker.overlap();
    }

    /// A datagram that was given up is evidence about its connection.
    fn incomplete(&mut self, datagram: &IncompleteDatagram) {
        let known = self.tracker.incomplete(datagram);
        if let Some((at, side)) = known {
            self.observer.incomplete(at, side, datagram);
        }
        let stream = known.and_then(|(at, _)| self.tracker.connection(at)).map(|connection| connection.stream);
        note_incomplete(&mut self.incomplete, datagram.src, datagram.dst, stream, datagram.frame);
    }
}

/// A datagram never became whole.
fn note_incomplete(list: &mut Vec<Incomplete>, src: Endpoint, dst: Endpoint, stream: Option<u64>, first: FrameId) {
    let same = |known: &&mut Incomplete| (known.src, known.dst, known.stream) == (src, dst, stream);
    if let Some(known) = list.iter_mut().find(same) {
        known.count += 1;
        known.first = known.first.min(first);
    } else if list.len() < KEPT_INCOMPLETE {
        list.push(Incomplete { src, dst, stream, first, count: 1 });
    }
}

/// Reads the whole capture and makes the report. `interrupted` is looked at between frames: once true, the report is made of what was
/// read (`complete: false`). `progress` is called now and then with octets read and the total, if known.
pub fn analyze(
    capture: Capture,
    options: &AnalysisOptions,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Report {
    let decoder = Decoder::new(DecodeOptions { separate: options.separate });
    let mut intake = Intake { capture, decoder, account: Account::default(), overlapped: false };
    let tracker = Tracker::with_limit(options.thresholds, options.max_memory);
    let mut following = Following::new(tracker, Observer::new(options));
    let in_two = if options.threads > 1 { batches::read_in_two(&mut intake, &mut following, interrupted, progress) } else { None };
    let stopped = in_two.unwrap_or_else(|| batches::read(&mut intake, &mut following, interrupted, progress));
    intake.end(&mut following);
    let Following { tracker, observer, incomplete, given_up, touched, .. } = following;
    std::hint::black_box(touched);
    let taken = intake.taken(incomplete, stopped);
    let followed =
        Followed { connections: tracker.connections(), observer, duplicates: tracker.duplicates, left_out: tracker.not_followed, given_up };
    let report = conclude(followed, taken, options);
    if options.is_last {
        std::mem::forget(tracker);
    }
    report
}

/// What following the segments left.
pub(crate) struct Followed<'a> {
    /// The connections.
    pub(crate) connections: &'a Connections,
    /// What was observed of them.
    pub(crate) observer: Observer,
    /// Further sights of segments already seen.
    pub(crate) duplicates: u64,
    /// Segments of connections that were not followed.
    pub(crate) left_out: u64,
    /// Connections that were reduced to their facts because memory was short.
    pub(crate) given_up: u64,
}

/// The end of the analysis: what was observed and what was taken of the inputs → the report.
pub(crate) fn conclude(followed: Followed<'_>, taken: Taken, options: &AnalysisOptions) -> Report {
    let Followed { connections, mut observer, duplicates, left_out, given_up } = followed;
    observer.finish_all(connections, taken.end);
    let timers = Timers::infer(&observer.across.samples);
    let hops = chain::hops(&observer.across.samples, &timers, &observer.across.legs, connections, &options.assume);
    let mut context = Context::new(connections, &observer, &timers, &hops, options.thresholds, taken.end);
    context.pauses = taken.summary.pauses();
    context.asked.clone_from(&options.selection.kinds);
    let findings = detect(&context);
    let groups = groups::groups(&findings, &context);
    let cost = cost::cost(&findings, &context);
    let sentences = verdict::sentences(&findings, &cost, &context);
    let timelines = options.timelines.iter().filter_map(|stream| timeline::of_stream(*stream, &context, &findings)).collect();
    let finding_timelines = finding_timelines(&findings, &context);
    let picture = picture::picture(&findings, &observer.across.answered, close_buckets(&observer.across.samples));
    let connection_rows = rows::rows(&context, &findings, &taken, options);
    let limit = trust::Limit { octets: options.max_memory, given_up, forgotten: connections.forgotten() as u64, not_followed: left_out };
    let trust = trust::trust(&taken, &context, &limit);
    let (points, pairs) = points::points(&observer.points, &taken);
    let timeouts = crate::infer::rows::rows(&timers);
    let chain = hops::rows(&hops);
    let connections_total = connections.len() as u64;
    if options.is_last {
        drop(context);
        std::mem::forget((hops, timers, observer));
    }
    let Taken { summary, frames, stopped, .. } = taken;
    Report {
        inputs: trust::inputs(&summary),
        capture: CaptureFacts {
            frames: frames.frames,
            tcp_segments: frames.segments,
            connections: connections_total,
            duplicates,
            skipped: frames.skipped.into_iter().collect(),
            malformed: frames.malformed.into_iter().collect(),
            trust,
            points,
            pairs,
            first: frames.first,
            last: frames.last,
        },
        verdict: sentences,
        findings,
        groups,
        timeouts,
        chain,
        cost,
        picture,
        connections_total,
        connections: connection_rows,
        timelines,
        finding_timelines,
        complete: !stopped && !summary.warnings.iter().any(|warning| warning.lost_input),
        names: summary.names.into_iter().collect(),
        left_out: crate::report::LeftOut::default(),
        thresholds: options.thresholds,
        payloads: BTreeMap::new(),
    }
}

/// The timelines of the first findings' connections, each once, by connection number.
fn finding_timelines(findings: &[Finding], context: &Context<'_>) -> Vec<Timeline> {
    let mut streams = BTreeSet::new();
    for stream in findings.iter().filter_map(|finding| finding.stream) {
        if streams.len() >= FINDING_TIMELINES {
            break;
        }
        streams.insert(stream);
    }
    streams.into_iter().filter_map(|stream| timeline::of_stream(stream, context, findings)).collect()
}

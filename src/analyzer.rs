//! Wires the stages and keeps the account of every frame.

mod picture;
mod points;
mod rows;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::Capture;
use crate::decode::{DecodeOptions, Decoded, Decoder, FirstFragments, IP_FRAGMENT, SHORT_HEADER};
use crate::detect::context::Context;
use crate::detect::{cost, detect, groups, hops, timeline, verdict};
use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::infer::buckets::close_buckets;
use crate::infer::{Timers, chain};
use crate::observe::Observer;
use crate::options::AnalysisOptions;
use crate::report::{CaptureFacts, Finding, Report, Timeline};
use crate::segment::{IncompleteDatagram, Segment};
use crate::tcp::{Step, Tracker};
use crate::time::{Span, Timestamp};

/// The progress display is told every so many frames.
const PROGRESS_EVERY: u64 = 1 << 14;
/// So many connections with findings get a timeline of their own; a page with more would not be read.
const FINDING_TIMELINES: usize = 200;

/// A capture without any frame for longer than this stood still, or two were joined: no timer on the way is longer (the longest known
/// default is conntrack's 5 days for established connections).
const LONGEST_PAUSE: Span = Span::from_secs(5 * 24 * 3600);
/// So many senders of datagrams that never became whole are told apart.
const KEPT_INCOMPLETE: usize = 64;
/// So many pauses are kept.
const KEPT_PAUSES: usize = 1024;

/// What every frame was: the sums are printed.
#[derive(Debug, Default)]
struct Account {
    frames: u64,
    segments: u64,
    /// Segments that share a frame with an earlier one.
    further: u64,
    /// Segments that were sFlow samples.
    sampled: u64,
    incomplete_fragments: u64,
    incomplete: Vec<Incomplete>,
    /// Segments of which only the first fragment was captured.
    firsts: FirstFragments,
    skipped: BTreeMap<&'static str, u64>,
    malformed: BTreeMap<&'static str, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    untimed: u64,
    latest: Option<Timestamp>,
    pauses: Vec<(Timestamp, Timestamp)>,
}

/// Datagrams of one sender that never became whole.
#[derive(Debug)]
struct Incomplete {
    src: Endpoint,
    dst: Endpoint,
    /// The connection, if it has any segment.
    stream: Option<u64>,
    /// The first fragment of the first one.
    first: FrameId,
    count: u64,
}

impl Account {
    fn incomplete(&mut self, datagram: &IncompleteDatagram, stream: Option<u64>) {
        let same = |known: &&mut Incomplete| (known.src, known.dst, known.stream) == (datagram.src, datagram.dst, stream);
        if let Some(known) = self.incomplete.iter_mut().find(same) {
            known.count += 1;
            known.first = known.first.min(datagram.frame);
        } else if self.incomplete.len() < KEPT_INCOMPLETE {
            let (src, dst, first) = (datagram.src, datagram.dst, datagram.frame);
            self.incomplete.push(Incomplete { src, dst, stream, first, count: 1 });
        }
    }

    /// So many frames that counted as fragments were segments.
    fn first_fragments(&mut self, firsts: FirstFragments) {
        self.firsts = firsts;
        if let Some(skipped) = self.skipped.get_mut(IP_FRAGMENT) {
            *skipped = skipped.saturating_sub(firsts.segments);
        }
        self.skipped.retain(|_, count| *count > 0);
    }

    fn time(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        if let Some(latest) = self.latest.replace(time)
            && time.since(latest) > LONGEST_PAUSE
            && self.pauses.len() < KEPT_PAUSES
        {
            self.pauses.push((latest, time));
        }
        self.first = Some(self.first.map_or(time, |known| known.min(time)));
        self.last = Some(self.last.map_or(time, |known| known.max(time)));
    }
}

/// Reads the whole capture and makes the report. `interrupted` is looked at between frames: once true, the report is made of what was
/// read (`complete: false`). `progress` is called now and then with octets read and the total, if known.
pub fn analyze(
    mut capture: Capture,
    options: &AnalysisOptions,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Report {
    let mut decoder = Decoder::new(DecodeOptions { separate: options.separate });
    let mut tracker = Tracker::new(options.thresholds);
    let mut observer = Observer::new(options);
    let mut step = Step::default();
    let mut account = Account::default();
    let mut stopped = false;
    loop {
        if account.frames.is_multiple_of(PROGRESS_EVERY) {
            let (done, total) = capture.progress();
            progress(done, total);
        }
        if interrupted.load(Ordering::Relaxed) {
            stopped = true;
            break;
        }
        let Some(frame) = capture.next_frame() else { break };
        account.frames += 1;
        account.time(frame.time);
        while let Some(earlier) = decoder.before(&frame) {
            take(&earlier, &mut account, &mut tracker, &mut observer, &mut step);
        }
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                take(&segment, &mut account, &mut tracker, &mut observer, &mut step);
                while let Some(further) = decoder.more(&frame) {
                    account.further += 1;
                    take(&further, &mut account, &mut tracker, &mut observer, &mut step);
                }
            }
            Decoded::IcmpQuote(quote) => {
                *account.skipped.entry("icmp error").or_default() += 1;
                if let Some(at) = tracker.icmp(&quote)
                    && let Some(connection) = tracker.connection(at)
                {
                    observer.icmp(at, &quote, connection);
                }
            }
            Decoded::ShortHeader { src, dst, tenant } => {
                tracker.reserve(src, dst, tenant);
                *account.malformed.entry(SHORT_HEADER).or_default() += 1;
            }
            Decoded::Waits => {}
            Decoded::Skipped(reason) => *account.skipped.entry(reason).or_default() += 1,
            Decoded::Malformed(reason) => *account.malformed.entry(reason).or_default() += 1,
        }
        give_up(&mut decoder, &mut account, &mut tracker, &mut observer);
    }
    decoder.end();
    while let Some(earlier) = decoder.after_last() {
        take(&earlier, &mut account, &mut tracker, &mut observer, &mut step);
    }
    decoder.give_up();
    give_up(&mut decoder, &mut account, &mut tracker, &mut observer);
    account.sampled = decoder.sampled();
    account.first_fragments(decoder.first_fragments());
    account.incomplete_fragments = decoder.incomplete_fragments();
    // a capture goes on after its last frame: silence until its end is silence that was watched
    let end = account.last.map_or(Timestamp::default(), |last| capture.ended().map_or(last, |ended| last.max(ended)));
    observer.finish_all(tracker.connections(), end);
    let timers = Timers::infer(&observer.samples);
    let hops = chain::hops(&observer.samples, &timers, &observer.legs, tracker.connections(), &options.assume);
    let mut context = Context::new(tracker.connections(), &observer, &timers, &hops, options.thresholds, end);
    context.pauses.clone_from(&account.pauses);
    context.asked.clone_from(&options.selection.kinds);
    let findings = detect(&context);
    let groups = groups::groups(&findings, &context);
    let cost = cost::cost(&findings, &context);
    let sentences = verdict::sentences(&findings, &cost, &context);
    let timelines = options.timelines.iter().filter_map(|stream| timeline::of_stream(*stream, &context, &findings)).collect();
    let finding_timelines = finding_timelines(&findings, &context);
    let picture = picture::picture(&findings, &observer.answered, close_buckets(&observer.samples));
    let summary = capture.finish();
    let connections = rows::rows(&context, &findings, &decoder, &summary.interfaces, options);
    let facts = CaptureFacts {
        frames: account.frames,
        tcp_segments: account.segments,
        connections: tracker.connections().len() as u64,
        duplicates: tracker.duplicates,
        skipped: account.skipped.iter().map(|(reason, count)| ((*reason).to_string(), *count)).collect(),
        malformed: account.malformed.iter().map(|(reason, count)| ((*reason).to_string(), *count)).collect(),
        trust: trust::trust(&summary, &context, &account),
        points: points::points(&observer.points, &decoder, &summary.interfaces),
        pairs: points::pairs(&observer.points),
        first: account.first,
        last: account.last,
    };
    let inputs = trust::inputs(&summary);
    let complete = !stopped && !summary.warnings.iter().any(|warning| warning.lost_input);
    Report {
        inputs,
        capture: facts,
        verdict: sentences,
        findings,
        groups,
        timeouts: crate::infer::rows::rows(&timers),
        chain: hops::rows(&hops),
        cost,
        picture,
        connections_total: tracker.connections().len() as u64,
        connections,
        timelines,
        finding_timelines,
        names: summary.names.iter().cloned().collect(),
        left_out: crate::report::LeftOut::default(),
        thresholds: options.thresholds,
        payloads: BTreeMap::new(),
        complete,
    }
}

/// Takes the datagrams that were given up as evidence about their connections.
fn give_up(decoder: &mut Decoder, account: &mut Account, tracker: &mut Tracker, observer: &mut Observer) {
    while let Some(datagram) = decoder.next_incomplete() {
        let known = tracker.incomplete(&datagram);
        if let Some((at, side)) = known {
            observer.incomplete(at, side, &datagram);
        }
        account.incomplete(&datagram, known.and_then(|(at, _)| tracker.connection(at)).map(|connection| connection.stream));
    }
}

/// Takes one segment through the tracker and the observer.
fn take(segment: &Segment<'_>, account: &mut Account, tracker: &mut Tracker, observer: &mut Observer, step: &mut Step) {
    account.segments += 1;
    tracker.push_into(segment, step);
    if let Some(connection) = tracker.connection(step.connection) {
        let replaced = step.replaced.and_then(|at| tracker.connection(at));
        observer.observe(step, connection, replaced);
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

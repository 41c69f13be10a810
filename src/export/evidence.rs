//! The second reading: decodes and tracks as the analysis did, and writes the frames of the plan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::anonymize::{
    Anonymizer, Fresh, Headers, LINK_TYPE_ETHERNET, LINK_TYPE_RAW, Payload, Speech, on_ethernet, rebuild_quote, rebuild_segment,
};
use super::output::{InterfaceKey, Output, Record};
use super::plan::Plan;
use super::{ExportError, comments};
use crate::capture::{Capture, Summary};
use crate::decode::{DecodeOptions, Decoded, Decoder, IP_FRAGMENT};
use crate::endpoint::Direction;
use crate::frame::{Frame, LinkType};
use crate::options::AnalysisOptions;
use crate::report::{FrameRef, Report};
use crate::segment::Segment;
use crate::tcp::Tracker;
use crate::tcp::step::Step;
use crate::time::Timestamp;

/// Fragments that wait for the one that completes their datagram: so many at most, with so many octets.
const MAX_FRAGMENTS: usize = 4096;
const MAX_FRAGMENT_OCTETS: usize = 16 << 20;

/// How evidence is written.
#[derive(Debug, Default)]
pub struct Options {
    /// Only so many frames of a connection before and after each evidence frame; `None`: all of it.
    pub around: Option<usize>,
    /// Payload is cut off; lengths stay.
    pub headers_only: bool,
    /// Pseudonyms, no payload.
    pub anonymizer: Option<Anonymizer>,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Extraction {
    /// Frames.
    pub frames: u64,
    /// Of these, frames that were rebuilt as bare IP packets, because a layer could not be anonymised.
    pub rebuilt: u64,
    /// Fragments that were left out because their datagram was written whole.
    pub joined: u64,
    /// Evidence frames that did not come again.
    pub missing: u64,
    /// What the reader knew at its end.
    pub summary: Summary,
    /// The user interrupted: the file is not whole.
    pub interrupted: bool,
}

/// Writes the frames of a plan as pcapng.
pub fn write(
    mut capture: Capture,
    report: &Report,
    plan: &Plan,
    analysis: &AnalysisOptions,
    options: &mut Options,
    sink: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<Extraction, ExportError> {
    let remarks = remarks(options);
    let section = comments::section(&report.inputs, &plan.headlines, options.anonymizer.is_some(), &remarks);
    let output = Output::begin(sink, &section, report.capture.first, options.anonymizer.is_none())?;
    let mut writer = Writer {
        output,
        plan,
        options,
        speeches: BTreeMap::new(),
        windows: BTreeMap::new(),
        fragments: Fragments::default(),
        missing: plan.comments.keys().copied().collect(),
        last_time: Timestamp::default(),
        extraction: Extraction::default(),
    };
    let mut decoder = Decoder::new(DecodeOptions { separate: analysis.separate });
    let mut tracker = Tracker::new(analysis.thresholds);
    loop {
        if interrupted.load(Ordering::Relaxed) {
            writer.extraction.interrupted = true;
            break;
        }
        let Some(frame) = capture.next_frame() else { break };
        let records = writer.read(&frame, &mut decoder, &mut tracker);
        for record in records {
            writer.output.put(&record, capture.interfaces())?;
        }
    }
    decoder.end();
    while let Some(last) = decoder.after_last() {
        for record in writer.earlier(&last, &mut tracker) {
            writer.output.put(&record, capture.interfaces())?;
        }
    }
    let Writer { output, missing, mut extraction, .. } = writer;
    extraction.missing = missing.len() as u64;
    extraction.frames = output.frames;
    output.finish(report.capture.last.max(capture.ended()))?;
    extraction.summary = capture.finish();
    Ok(extraction)
}

fn remarks(options: &Options) -> Vec<String> {
    let mut remarks = Vec::new();
    if options.anonymizer.is_some() {
        remarks.push("anonymised: addresses, names and payload are replaced; ports, times, lengths and TCP numbers are not".to_owned());
    }
    if options.headers_only {
        remarks.push("payload was cut off; lengths are the original ones".to_owned());
    }
    if let Some(frames) = options.around {
        remarks.push(format!("of each connection, {frames} frames before and after each evidence frame"));
    }
    remarks
}

struct Writer<'a, W: Write> {
    output: Output<W>,
    plan: &'a Plan,
    options: &'a mut Options,
    speeches: BTreeMap<usize, Speech>,
    windows: BTreeMap<usize, Window>,
    fragments: Fragments,
    /// Evidence frames that have not come yet.
    missing: BTreeSet<FrameRef>,
    last_time: Timestamp,
    extraction: Extraction,
}

/// The last frames of a connection, and how many are still to be written.
#[derive(Debug, Default)]
struct Window {
    before: VecDeque<Record>,
    after: usize,
}

/// Frames of which it is not known yet what they are: fragments, with their datagram, and what waits behind a first one.
#[derive(Debug, Default)]
struct Fragments {
    waiting: VecDeque<(Option<u64>, FrameRef, Record)>,
    octets: usize,
}

impl Fragments {
    fn add(&mut self, datagram: Option<u64>, frame: FrameRef, record: Record) {
        self.octets = self.octets.saturating_add(record.octets.len());
        self.waiting.push_back((datagram, frame, record));
        while self.waiting.len() > MAX_FRAGMENTS || self.octets > MAX_FRAGMENT_OCTETS {
            let Some((_, _, record)) = self.waiting.pop_front() else { break };
            self.octets = self.octets.saturating_sub(record.octets.len());
        }
    }

    fn take(&mut self, datagram: u64) -> Vec<Record> {
        let (of_it, others) = std::mem::take(&mut self.waiting).into_iter().partition(|(known, ..)| *known == Some(datagram));
        self.waiting = others;
        let records: Vec<Record> = VecDeque::into_iter(of_it).map(|(_, _, record)| record).collect();
        self.octets = records.iter().fold(self.octets, |octets, record| octets.saturating_sub(record.octets.len()));
        records
    }

    fn take_frame(&mut self, frame: FrameRef) -> Option<Record> {
        let at = self.waiting.iter().position(|(_, known, _)| *known == frame)?;
        let (_, _, record) = self.waiting.remove(at)?;
        self.octets = self.octets.saturating_sub(record.octets.len());
        Some(record)
    }
}

impl<W: Write> Writer<'_, W> {
    /// Takes in one frame; gives what is to be written because of it.
    fn read(&mut self, frame: &Frame<'_>, decoder: &mut Decoder, tracker: &mut Tracker) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(earlier) = decoder.before(frame) {
            records.extend(self.earlier(&earlier, tracker));
        }
        if records.is_empty() {
            return self.read_alone(frame, decoder, tracker);
        }
        records.extend(self.read_alone(frame, decoder, tracker));
        records
    }

    /// Takes in a segment whose frame came before.
    fn earlier(&mut self, segment: &Segment<'_>, tracker: &mut Tracker) -> Vec<Record> {
        let step = tracker.push(segment);
        let id = FrameRef::from(segment.frame);
        let (Some(kept), is_evidence) = (self.fragments.take_frame(id), self.missing.remove(&id)) else { return Vec::new() };
        if !self.is_wanted(step.connection, tracker, is_evidence) {
            return Vec::new();
        }
        let frame = Frame {
            id: segment.frame,
            time: Some(kept.time),
            link_type: LinkType(kept.key.link_type),
            interface: kept.key.interface,
            fcs_octets: kept.key.fcs_octets,
            wire_length: kept.wire_length,
            captured: &kept.octets,
        };
        let direction = tracker.connection(step.connection).map_or(Direction::ClientToServer, |known| known.direction(step.side));
        let record = self.segment(&frame, kept.time, segment, &step, direction);
        self.with_comments(step.connection, id, vec![record], is_evidence)
    }

    /// Takes in one frame after those that it let go.
    fn read_alone(&mut self, frame: &Frame<'_>, decoder: &mut Decoder, tracker: &mut Tracker) -> Vec<Record> {
        let time = frame.time.unwrap_or(self.last_time);
        self.last_time = time;
        let id = FrameRef::from(frame.id);
        let decoded = decoder.decode(frame);
        // a fragment, and what waits behind one, may still turn out to be a segment
        let is_settled = !matches!(decoded, Decoded::Waits | Decoded::Skipped(IP_FRAGMENT));
        let is_evidence = is_settled && self.missing.remove(&id);
        let (connection, record) = match &decoded {
            Decoded::Segment(segment) => {
                let step = tracker.push(segment);
                let mut connection = step.connection;
                let mut record = self.is_wanted(connection, tracker, is_evidence).then(|| {
                    let known = tracker.connection(connection);
                    let direction = known.map_or(Direction::ClientToServer, |known| known.direction(step.side));
                    self.segment(frame, time, segment, &step, direction)
                });
                // The other packets of an aggregate: under pseudonyms only a frame whose first packet is wanted can be shown.
                while let Some(further) = decoder.more(frame) {
                    let other = tracker.push(&further).connection;
                    if record.is_none() && self.options.anonymizer.is_none() && self.is_wanted(other, tracker, false) {
                        connection = other;
                        record = Some(copy(frame, time, frame.captured.len()));
                    }
                }
                let Some(record) = record else { return Vec::new() };
                (connection, record)
            }
            Decoded::IcmpQuote(quote) => {
                let Some(connection) = tracker.icmp(quote).filter(|connection| self.is_wanted(*connection, tracker, is_evidence)) else {
                    return Vec::new();
                };
                (connection, self.quote(frame, time, quote))
            }
            Decoded::ShortHeader { src, dst, tenant } => {
                tracker.reserve(*src, *dst, *tenant);
                return Vec::new();
            }
            Decoded::Waits => {
                self.fragments.add(None, id, copy(frame, time, frame.captured.len()));
                return Vec::new();
            }
            Decoded::Skipped(_) | Decoded::Malformed(_) => {
                if let Some(datagram) = decoder.datagram() {
                    self.fragments.add(Some(datagram), id, copy(frame, time, frame.captured.len()));
                }
                return Vec::new();
            }
        };
        let mut records = decoder.datagram().map(|datagram| self.fragments.take(datagram)).unwrap_or_default();
        if self.options.anonymizer.is_some() {
            self.extraction.joined = self.extraction.joined.saturating_add(records.len() as u64);
            records.clear();
        } else if self.options.headers_only {
            for fragment in &mut records {
                fragment.octets.truncate(0);
            }
        }
        records.push(record);
        self.with_comments(connection, id, records, is_evidence)
    }

    /// Comments the last of the records, which are those of one frame, and keeps back what lies too far from the evidence.
    fn with_comments(&mut self, connection: usize, id: FrameRef, mut records: Vec<Record>, is_evidence: bool) -> Vec<Record> {
        if let (Some(comments), Some(record)) = (self.plan.comments.get(&id), records.last_mut()) {
            record.comments.clone_from(comments);
        }
        match self.options.around {
            None => records,
            Some(frames) => records.into_iter().flat_map(|record| self.window(connection, record, frames, is_evidence)).collect(),
        }
    }

    fn is_wanted(&self, connection: usize, tracker: &Tracker, is_evidence: bool) -> bool {
        is_evidence || tracker.connection(connection).is_some_and(|connection| self.plan.streams.contains(&connection.stream))
    }

    /// What a window of so many frames before and after each evidence frame lets through.
    fn window(&mut self, connection: usize, record: Record, frames: usize, is_evidence: bool) -> Vec<Record> {
        let window = self.windows.entry(connection).or_default();
        if is_evidence {
            window.after = frames;
            let mut records: Vec<Record> = window.before.drain(..).collect();
            records.push(record);
            return records;
        }
        if window.after > 0 {
            window.after = window.after.saturating_sub(1);
            return vec![record];
        }
        window.before.push_back(record);
        if window.before.len() > frames {
            window.before.pop_front();
        }
        Vec::new()
    }

    fn segment(&mut self, frame: &Frame<'_>, time: Timestamp, segment: &Segment<'_>, step: &Step, direction: Direction) -> Record {
        let headers_only = self.options.headers_only;
        let Some(anonymizer) = self.options.anonymizer.as_mut() else {
            let end = if headers_only { payload_offset(frame, segment) } else { frame.captured.len() };
            return copy(frame, time, end);
        };
        let speech = self.speeches.entry(step.connection).or_default();
        if step.restarted {
            speech.restart();
        }
        let fresh = fresh(step, direction);
        let (captured, wire_length) = without_check_sequence(frame);
        let key = |rebuilt| InterfaceKey { interface: frame.interface, link_type: frame.link_type.0, fcs_octets: 0, rebuilt };
        let headers = Headers::rewrite(frame.link_type.0, captured, wire_length, anonymizer).and_then(|headers| {
            let place = headers.place?;
            let agrees = headers.ports == (segment.src.port(), segment.dst.port())
                && headers.seq == segment.seq.0
                && place.wire_length == u64::from(segment.payload_length);
            agrees.then_some((headers, place))
        });
        if let Some((headers, place)) = headers {
            let octets = captured.get(place.payload..place.end).unwrap_or_default();
            let payload = Payload { octets, length: segment.payload_length, head: segment.head.len(), tail: segment.tail.len() };
            let masked = speech.mask(&payload, fresh, anonymizer);
            let mut octets = headers.finish(&masked);
            if headers_only {
                octets.truncate(place.payload);
            }
            return Record { key: key(None), time, wire_length, octets, comments: Vec::new() };
        }
        self.extraction.rebuilt = self.extraction.rebuilt.saturating_add(1);
        let octets = excerpt(segment);
        let payload = Payload { octets: &octets, length: segment.payload_length, head: segment.head.len(), tail: segment.tail.len() };
        let mut masked = speech.mask(&payload, fresh, anonymizer);
        if headers_only {
            masked.clear();
        }
        let (octets, wire_length) = rebuild_segment(segment, &masked, anonymizer);
        // Nothing but fragments stood between the link and the segment: it stays on its link, so that its way does not seem to change.
        if frame.link_type.0 == LINK_TYPE_ETHERNET
            && segment.vantage.stack == 0
            && let Some((octets, header)) = on_ethernet(&segment.vantage, &octets, anonymizer)
        {
            let wire_length = wire_length.saturating_add(header);
            return Record { key: key(None), time, wire_length, octets, comments: Vec::new() };
        }
        let rebuilt = Some((segment.vantage.stack, segment.vantage.outer));
        Record { key: InterfaceKey { link_type: LINK_TYPE_RAW, ..key(rebuilt) }, time, wire_length, octets, comments: Vec::new() }
    }

    fn quote(&mut self, frame: &Frame<'_>, time: Timestamp, quote: &crate::segment::IcmpQuote) -> Record {
        let Some(anonymizer) = self.options.anonymizer.as_mut() else {
            return copy(frame, time, frame.captured.len());
        };
        let (captured, wire_length) = without_check_sequence(frame);
        let headers = Headers::rewrite(frame.link_type.0, captured, wire_length, anonymizer).filter(|headers| {
            headers.place.is_none() && headers.ports == (quote.src.port(), quote.dst.port()) && headers.seq == quote.seq.0
        });
        let key = InterfaceKey { interface: frame.interface, link_type: frame.link_type.0, fcs_octets: 0, rebuilt: None };
        if let Some(headers) = headers {
            return Record { key, time, wire_length, octets: headers.finish(&[]), comments: Vec::new() };
        }
        self.extraction.rebuilt = self.extraction.rebuilt.saturating_add(1);
        let (octets, wire_length) = rebuild_quote(quote, anonymizer);
        let key = InterfaceKey { link_type: LINK_TYPE_RAW, rebuilt: Some((0, 0)), ..key };
        Record { key, time, wire_length, octets, comments: Vec::new() }
    }
}

/// The frame as it is, but for what lies beyond `length`.
fn copy(frame: &Frame<'_>, time: Timestamp, length: usize) -> Record {
    let key = InterfaceKey { interface: frame.interface, link_type: frame.link_type.0, fcs_octets: frame.fcs_octets, rebuilt: None };
    let octets = frame.captured.get(..length).unwrap_or(frame.captured).to_vec();
    Record { key, time, wire_length: frame.wire_length, octets, comments: Vec::new() }
}

/// How the analysis read the payload, if it did.
fn fresh(step: &Step, direction: Direction) -> Option<Fresh> {
    let payload = step.payload.as_ref()?;
    let before = payload.start.saturating_sub(step.position?).max(0);
    Some(Fresh {
        skip: usize::try_from(before).unwrap_or(usize::MAX),
        direction,
        starts_turn: payload.starts_turn,
        in_order: !payload.hole,
    })
}

/// The frame without its check sequence, which would be wrong and tell of what was removed.
fn without_check_sequence<'a>(frame: &Frame<'a>) -> (&'a [u8], u32) {
    let wire_length = frame.wire_length.saturating_sub(u32::from(frame.fcs_octets));
    (frame.captured.get(..wire_length as usize).unwrap_or(frame.captured), wire_length)
}

/// Where the payload begins within the frame. A segment out of fragments has its payload elsewhere: then nothing of the frame is headers.
fn payload_offset(frame: &Frame<'_>, segment: &Segment<'_>) -> usize {
    let frame_at = frame.captured.as_ptr().addr();
    let offset = segment.head.as_ptr().addr().checked_sub(frame_at).filter(|offset| *offset <= frame.captured.len());
    match offset {
        Some(offset) => offset,
        None if segment.head.is_empty() => frame.captured.len(), // the headers themselves were cut
        None => 0,
    }
}

/// The payload as far as the segment holds it, with zeros for what lies between its two ends.
fn excerpt(segment: &Segment<'_>) -> Vec<u8> {
    let mut octets = segment.head.to_vec();
    if !segment.tail.is_empty() {
        octets.resize((segment.payload_length as usize).saturating_sub(segment.tail.len()).max(octets.len()), 0);
        octets.extend_from_slice(segment.tail);
    }
    octets
}

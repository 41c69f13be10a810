//! One input, open: its octets, the reader of its container, and the account of what was read.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::compression::{Bounded, Compression, MAGIC_OCTETS};
use super::foreign;
use super::pcap::{self, PcapReader};
use super::pcapng::{self, PcapngReader};
use super::pcapng_blocks::Names;
use super::pump::{Pump, PumpControl};
use super::record::{Record, Step};
use super::source::{Fifo, Meter, OpenError, Tap, is_fifo, open_file};
use super::stream::{BUFFER_OCTETS, OctetStream};
use super::stretches::Stretches;
use super::{InputSummary, Interface};
use crate::frame::{Frame, FrameId, LinkType};
use crate::time::{Span, Timestamp};

/// Buffer of a file that is opened only for the time of its first frame.
const PROBE_OCTETS: usize = 16 * 1024;

/// The container's reader.
enum Reader {
    Pcap(PcapReader),
    Pcapng(PcapngReader),
}

/// An open input.
pub(super) struct Input {
    stream: OctetStream,
    reader: Reader,
    record: Record,
    /// The record is that of the frame at hand.
    at_frame: bool,
    /// Wireshark's number of the frame at hand.
    number: u64,
    /// Its interfaces, in the order of their description.
    pub(super) interfaces: Vec<Interface>,
    /// The place of each interface among those of all inputs.
    pub(super) interface_indices: Vec<u32>,
    /// Latest time so far: by it inputs are merged, because within one input frames are never put in another order.
    pub(super) latest: Option<Timestamp>,
    /// Longest time between a frame and the next later one.
    longest_silence: Span,
    stretches: Stretches,
    summary: InputSummary,
    problem: Option<String>,
    meter: Arc<Meter>,
    stop: Arc<AtomicBool>,
}

/// For what an input is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To read all of it.
    Read,
    /// For the time of its first frame only.
    Probe,
}

/// What does not change from input to input.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Hash every input.
    pub(super) hash: bool,
    /// Becomes true when the user interrupts.
    pub(super) stop: Arc<AtomicBool>,
}

impl Input {
    /// Opens a file. The second value is its size, if it can be opened again.
    pub(super) fn open_path(path: &Path, purpose: Purpose, settings: &Settings) -> Result<(Self, Option<u64>), OpenError> {
        if is_fifo(path) {
            return Ok((Self::open_stream(path.display().to_string(), Box::new(Fifo::new(path)), settings)?, None));
        }
        let opened = open_file(path)?;
        // What cannot be opened again is read for good at once.
        let purpose = if opened.size.is_some() { purpose } else { Purpose::Read };
        let input = Self::open(path.display().to_string(), Box::new(opened.file), opened.size.is_some(), purpose, settings)?;
        Ok((input, opened.size))
    }

    /// Opens a stream that may stall.
    pub(super) fn open_stream(name: String, stream: Box<dyn Read + Send>, settings: &Settings) -> Result<Self, OpenError> {
        Self::open(name, stream, false, Purpose::Read, settings)
    }

    fn open(name: String, source: Box<dyn Read + Send>, regular: bool, purpose: Purpose, settings: &Settings) -> Result<Self, OpenError> {
        let hash = settings.hash && purpose == Purpose::Read;
        let meter = Meter::new(hash, regular);
        let tap = Box::new(Tap::new(source, Arc::clone(&meter)));
        let buffer_octets = if purpose == Purpose::Read { BUFFER_OCTETS } else { PROBE_OCTETS };
        let source: Box<dyn Read + Send> = if regular { tap } else { Box::new(pump(move || Ok(tap as Box<dyn Read>), false, settings)?) };
        let mut stream = OctetStream::new(source, buffer_octets);
        stream.need(MAGIC_OCTETS);
        let compression = Compression::recognise(stream.window());
        if let Some(format) = compression {
            let compressed = stream;
            let stored = Arc::clone(&meter);
            let decode = move || Ok(Box::new(Bounded::new(format.decode(compressed)?, stored)) as Box<dyn Read>);
            stream = OctetStream::new(Box::new(pump(decode, hash && regular, settings)?), buffer_octets);
        }
        stream.need(MAGIC_OCTETS);
        if let (Some(outer), Some(inner)) = (compression, Compression::recognise(stream.window())) {
            return Err(OpenError::new(format!(
                "is compressed twice ({} in {}); unpack it once, then it can be read",
                inner.name(),
                outer.name()
            )));
        }
        let mut interfaces = Vec::new();
        let (reader, format) = match open_container(&mut stream, &mut interfaces) {
            Ok(found) => found,
            Err(_) if settings.stop.load(Ordering::Relaxed) => return Err(OpenError::new("interrupted before its first frame".into())),
            Err(text) => return Err(OpenError::new(explain_failure(&stream, compression.map(Compression::name)).unwrap_or(text))),
        };
        Ok(Self {
            stream,
            reader,
            record: Record::default(),
            at_frame: false,
            number: 0,
            interfaces,
            interface_indices: Vec::new(),
            latest: None,
            longest_silence: Span::ZERO,
            stretches: Stretches::default(),
            summary: InputSummary { name, format, compression: compression.map(Compression::name), ..InputSummary::default() },
            problem: None,
            meter,
            stop: Arc::clone(&settings.stop),
        })
    }

    /// Reads the next frame; false at the end, proper or not.
    #[inline]
    pub(super) fn advance(&mut self) -> bool {
        let step = match &mut self.reader {
            Reader::Pcap(reader) => reader.next(&mut self.stream, &mut self.interfaces, &mut self.record),
            Reader::Pcapng(reader) => reader.next(&mut self.stream, &mut self.interfaces, &mut self.record),
        };
        if matches!(step, Step::Frame) {
            self.at_frame = true;
            self.account();
            return true;
        }
        self.end(step);
        false
    }

    /// The frame at hand, if there is one.
    #[inline]
    pub(super) fn frame(&self, file: u32) -> Option<Frame<'_>> {
        let record = self.at_frame.then_some(&self.record)?;
        Some(Frame {
            id: FrameId::new(file, self.number),
            time: record.time,
            link_type: LinkType(record.link_type),
            interface: self.interface_indices.get(record.interface as usize).copied().unwrap_or(0),
            fcs_octets: record.fcs_octets,
            wire_length: record.wire_length,
            captured: self.stream.slice(record.at, record.captured),
        })
    }

    /// Time of the frame at hand.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.record.time.filter(|_| self.at_frame)
    }

    /// Octets read as stored.
    pub(super) fn stored_octets(&self) -> u64 {
        self.meter.octets()
    }

    /// What lost a part of the input, if something did.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Ends reading before the frame at hand was handed on.
    pub(super) fn unread(mut self) -> Closed {
        if self.at_frame {
            self.summary.frames = self.summary.frames.saturating_sub(1);
            (self.summary.first, self.latest) = (None, None);
            self.stretches = Stretches::default();
        }
        self.close()
    }

    /// Ends reading and tells what was read.
    pub(super) fn close(mut self) -> Closed {
        let (names, remark) = match &mut self.reader {
            Reader::Pcap(reader) => (Names::default(), reader.remark()),
            Reader::Pcapng(reader) => (reader.take_names(), None),
        };
        // An input whose end was reached is hashed to the end of the file, even if the rest of it cannot be read as frames.
        self.meter.read_on_when_dropped(!self.at_frame && !self.stop.load(Ordering::Relaxed));
        self.summary.last = self.latest;
        self.summary.longest_silence = self.longest_silence;
        self.summary.stretches = std::mem::take(&mut self.stretches).into_stretches();
        self.summary.ended = match &self.reader {
            Reader::Pcap(_) => None,
            Reader::Pcapng(reader) => reader.ended(),
        };
        self.summary.octets = self.stream.offset();
        drop(self.stream);
        self.summary.sha256 = self.meter.sha256();
        Closed {
            summary: self.summary,
            names,
            interfaces: self.interfaces,
            interface_indices: self.interface_indices,
            problem: self.problem,
            remark,
            stored_octets: self.meter.octets(),
        }
    }

    #[inline]
    fn account(&mut self) {
        let record = &self.record;
        self.number = self.number.saturating_add(1).saturating_add(u64::from(record.unread_before));
        self.summary.frames = self.summary.frames.saturating_add(1);
        if (record.captured as u64) < u64::from(record.wire_length) {
            self.summary.frames_cut_by_snap_length = self.summary.frames_cut_by_snap_length.saturating_add(1);
        }
        let Some(time) = record.time else { return };
        self.stretches.add(time);
        match self.latest {
            Some(latest) if time >= latest => {
                self.longest_silence = self.longest_silence.max(time.since(latest));
                self.latest = Some(time);
            }
            Some(_) => self.summary.first = self.summary.first.map(|first| first.min(time)),
            None => {
                self.summary.first = Some(time);
                self.latest = Some(time);
            }
        }
    }

    #[cold]
    fn end(&mut self, step: Step) {
        self.at_frame = false;
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let compression = self.summary.compression;
        let damage = match (explain_failure(&self.stream, compression), step) {
            (Some(failure), _) => failure,
            (None, Step::Damage(damage)) => damage,
            (None, _) => {
                self.summary.complete = true;
                return;
            }
        };
        self.problem = Some(match self.summary.frames {
            0 => format!("{damage}; no frame came before it"),
            1 => format!("{damage}; the 1 frame before it was analysed"),
            frames => format!("{damage}; the {frames} frames before it were analysed"),
        });
    }
}

/// What is left of an input that is closed.
pub(super) struct Closed {
    /// For the report.
    pub(super) summary: InputSummary,
    /// Names of addresses.
    pub(super) names: Names,
    /// With their final drop counts.
    pub(super) interfaces: Vec<Interface>,
    /// See [`Input::interface_indices`].
    pub(super) interface_indices: Vec<u32>,
    /// See [`Input::problem`].
    pub(super) problem: Option<String>,
    /// Something about it that lost nothing.
    pub(super) remark: Option<String>,
    /// See [`Input::stored_octets`].
    pub(super) stored_octets: u64,
}

/// Whether a file holds a capture that can be read, compressed or not.
pub(super) fn is_capture(path: &Path) -> bool {
    // a FIFO is not even opened: nobody may ever write to it
    if !path.is_file() {
        return false;
    }
    let settings = Settings { hash: false, stop: Arc::default() };
    match open_file(path) {
        Ok(opened) if opened.size.is_some() => Input::open(String::new(), Box::new(opened.file), true, Purpose::Probe, &settings).is_ok(),
        _ => false,
    }
}

fn pump<M>(make: M, wait: bool, settings: &Settings) -> Result<Pump, OpenError>
where
    M: FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
{
    Pump::start(make, PumpControl::new(Arc::clone(&settings.stop), wait))
        .map_err(|error| OpenError::new(format!("cannot be read: no thread for it ({error})")))
}

fn open_container(stream: &mut OctetStream, interfaces: &mut Vec<Interface>) -> Result<(Reader, &'static str), String> {
    stream.need(12);
    if pcapng::recognises(stream.window()) {
        return PcapngReader::open(stream).map(|reader| (Reader::Pcapng(reader), "pcapng"));
    }
    if pcap::recognises(stream.window()) {
        return PcapReader::open(stream, interfaces).map(|reader| (Reader::Pcap(reader), "pcap"));
    }
    stream.need(foreign::HEAD_OCTETS);
    let head = stream.window();
    Err(foreign::describe(head.get(..foreign::HEAD_OCTETS).unwrap_or(head)))
}

/// Why the octets failed, where they did not simply end.
fn explain_failure(stream: &OctetStream, compression: Option<&str>) -> Option<String> {
    let failure = stream.failure()?;
    let octet = stream.offset().saturating_add(stream.window().len() as u64);
    Some(match compression {
        Some(name) => format!("the {name} data cannot be unpacked beyond octet {octet} of their content ({failure})"),
        None => format!("reading fails at octet {octet} ({failure})"),
    })
}

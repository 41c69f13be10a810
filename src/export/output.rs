//! The pcapng that is written: one section, an interface description for each interface and link type that has frames, enhanced packet blocks, and
//! interface statistics that tell when the capture ended.
//!
//! Every interface has nanosecond resolution, and an offset where the capture's clock stood before 1970. Own writer instead of `pcap_file`'s: that one
//! takes times as durations since 1970 and can write none before, and checks what it writes against a state that it copies for each interface.
//! Source: draft-ietf-opsawg-pcapng.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::capture::Interface;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Block types (draft-ietf-opsawg-pcapng section 4).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Options (sections 3.5, 4.1, 4.2, 4.6).
const END: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_NAME: u16 = 2;
const INTERFACE_RESOLUTION: u16 = 9;
const INTERFACE_FILTER: u16 = 11;
const INTERFACE_FCS: u16 = 13;
const INTERFACE_OFFSET: u16 = 14;
const STATISTICS_END: u16 = 3;
/// Ten to the power of minus nine.
const NANOSECONDS: u8 = 9;
/// The longest text of an option: its length is 16 bits; three octets of padding and cutting at a character need room.
const LONGEST_TEXT: usize = 65_000;

/// What makes an interface of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceKey {
    /// Index among the interfaces of the inputs.
    pub interface: u32,
    /// Link type of the frames.
    pub link_type: u16,
    /// Octets of check sequence that the frames end with.
    pub fcs_octets: u8,
    /// The frames were rebuilt out of this encapsulation stack, seen from this outer path.
    pub rebuilt: Option<(u16, u32)>,
}

/// One frame to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its interface.
    pub key: InterfaceKey,
    /// Its time.
    pub time: Timestamp,
    /// Octets on the wire.
    pub wire_length: u32,
    /// Octets that are kept.
    pub octets: Vec<u8>,
    /// What is said of it.
    pub comments: Vec<String>,
}

/// The file.
pub struct Output<W: Write> {
    sink: W,
    block: Vec<u8>,
    interfaces: BTreeMap<InterfaceKey, u32>,
    /// Seconds before 1970 from which times are counted: 0 or less.
    offset: i64,
    names: bool,
    /// Frames written.
    pub frames: u64,
}

impl<W: Write> Output<W> {
    /// Begins the file. `earliest` is a bound of the times to come; `names` says whether interfaces keep their names and filters.
    pub fn begin(sink: W, comment: &str, earliest: Option<Timestamp>, names: bool) -> io::Result<Self> {
        let offset = earliest.map_or(0, |time| time.nanos().div_euclid(NANOS_PER_SECOND)).min(0);
        let mut output = Self { sink, block: Vec::new(), interfaces: BTreeMap::new(), offset, names, frames: 0 };
        output.block.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        output.block.extend([1, 0, 0, 0]); // version 1.0
        output.block.extend(u64::MAX.to_le_bytes()); // the section's length is not told
        output.text(SECTION_APPLICATION, concat!("afterfin ", env!("CARGO_PKG_VERSION")));
        output.text(COMMENT, comment);
        output.option(END, &[]);
        output.write_block(SECTION_HEADER)?;
        Ok(output)
    }

    /// Writes one frame, and its interface before its first one.
    pub fn put(&mut self, record: &Record, known: &[Interface]) -> io::Result<()> {
        let interface = match self.interfaces.get(&record.key) {
            Some(id) => *id,
            None => self.describe(record.key, known)?,
        };
        let [high, low] = self.ticks(record.time);
        let captured = u32::try_from(record.octets.len()).unwrap_or(u32::MAX);
        for number in [interface, high, low, captured, record.wire_length.max(captured)] {
            self.block.extend(number.to_le_bytes());
        }
        self.padded(&record.octets);
        for comment in &record.comments {
            self.text(COMMENT, comment);
        }
        if !record.comments.is_empty() {
            self.option(END, &[]);
        }
        self.write_block(ENHANCED_PACKET)?;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    fn describe(&mut self, key: InterfaceKey, known: &[Interface]) -> io::Result<u32> {
        let interface = known.get(key.interface as usize).filter(|_| self.names);
        self.block.extend(key.link_type.to_le_bytes());
        self.block.extend([0, 0]);
        self.block.extend(0_u32.to_le_bytes()); // no limit: what cut the frames was another capture
        self.option(INTERFACE_RESOLUTION, &[NANOSECONDS]);
        if let Some(name) = interface.and_then(|interface| interface.name.as_deref()) {
            self.text(INTERFACE_NAME, name);
        }
        if let Some(filter) = interface.and_then(|interface| interface.filter.as_deref()) {
            let octets = [&[0], cut(filter).as_bytes()].concat(); // 0: the filter is a text
            self.option(INTERFACE_FILTER, &octets);
        }
        if key.fcs_octets > 0 {
            self.option(INTERFACE_FCS, &[key.fcs_octets]);
        }
        if key.rebuilt.is_some() {
            self.text(COMMENT, "packets without what encapsulated them, which could not be anonymised");
        }
        if self.offset != 0 {
            let offset = self.offset.to_le_bytes();
            self.option(INTERFACE_OFFSET, &offset);
        }
        self.option(END, &[]);
        self.write_block(INTERFACE_DESCRIPTION)?;
        let id = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces.insert(key, id);
        Ok(id)
    }

    /// Ends the file. `end` is when the capture ended: what was silent until then is told by it, not by a frame.
    pub fn finish(mut self, end: Option<Timestamp>) -> io::Result<W> {
        let interfaces = if end.is_some() { self.interfaces.len() } else { 0 };
        for interface in 0..u32::try_from(interfaces).unwrap_or(u32::MAX) {
            let [high, low] = self.ticks(end.unwrap_or_default()).map(u32::to_le_bytes);
            self.block.extend(interface.to_le_bytes());
            self.block.extend([high, low].concat());
            self.option(STATISTICS_END, &[high, low].concat());
            self.option(END, &[]);
            self.write_block(INTERFACE_STATISTICS)?;
        }
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// A time in nanoseconds since the offset, as two words.
    #[allow(clippy::cast_possible_truncation)] // the two halves
    fn ticks(&self, time: Timestamp) -> [u32; 2] {
        let since = time.nanos().saturating_sub(self.offset.saturating_mul(NANOS_PER_SECOND)).max(0) as u64;
        [(since >> 32) as u32, since as u32]
    }

    fn padded(&mut self, octets: &[u8]) {
        self.block.extend_from_slice(octets);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        self.block.extend(code.to_le_bytes());
        self.block.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.padded(value);
    }

    fn text(&mut self, code: u16, text: &str) {
        self.option(code, cut(text).as_bytes());
    }

    /// Writes what was gathered as one block.
    fn write_block(&mut self, kind: u32) -> io::Result<()> {
        let total = u32::try_from(self.block.len()).unwrap_or(u32::MAX).saturating_add(12);
        self.sink.write_all(&kind.to_le_bytes())?;
        self.sink.write_all(&total.to_le_bytes())?;
        self.sink.write_all(&self.block)?;
        self.sink.write_all(&total.to_le_bytes())?;
        self.block.clear();
        Ok(())
    }
}

/// A text that fits an option, without what a terminal or a line-based tool would obey.
fn cut(text: &str) -> String {
    let mut cut = String::with_capacity(text.len().min(LONGEST_TEXT));
    for c in text.chars() {
        if cut.len().saturating_add(c.len_utf8()) > LONGEST_TEXT {
            break;
        }
        cut.push(if c.is_control() && c != '\n' { '\u{fffd}' } else { c });
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::capture::{Capture, CaptureOptions, Source};

    const KEY: InterfaceKey = InterfaceKey { interface: 0, link_type: 1, fcs_octets: 0, rebuilt: None };

    fn record(time: i64, octets: &[u8]) -> Record {
        Record { key: KEY, time: Timestamp(time), wire_length: 1500, octets: octets.to_vec(), comments: vec!["seen\x1b[2J".into(); 2] }
    }

    fn written(records: &[Record], end: Option<Timestamp>) -> Vec<u8> {
        let earliest = records.iter().map(|record| record.time).min();
        let known = [Interface { name: Some("eth0".into()), filter: Some("tcp".into()), link_type: 1, ..Interface::default() }];
        let mut output = Output::begin(Vec::new(), "a comment", earliest, true).unwrap();
        for record in records {
            output.put(record, &known).unwrap();
        }
        output.finish(end).unwrap()
    }

    #[test]
    fn frames_come_back_with_their_times_lengths_and_interfaces() {
        // one nanosecond before 1970, and the largest time
        for time in [-1, -10_000_000_001, 0, 1_795_420_349_119_250_001, i64::MAX] {
            let octets = written(&[record(time, b"abcde")], None);
            assert!(octets.len().is_multiple_of(4));
            let source = Source::Stream("test".into(), Box::new(Cursor::new(octets)));
            let mut capture = Capture::open(vec![source], &CaptureOptions::default()).unwrap();
            let frame = capture.next_frame().unwrap();
            assert_eq!((frame.time, frame.wire_length, frame.captured), (Some(Timestamp(time)), 1500, &b"abcde"[..]));
            assert!(capture.next_frame().is_none());
            assert_eq!(capture.interfaces()[0].name.as_deref(), Some("eth0"));
            assert_eq!(capture.interfaces()[0].filter.as_deref(), Some("tcp"));
            assert!(capture.finish().inputs[0].complete);
        }
    }

    #[test]
    fn end_of_the_capture_is_told_and_read_again() {
        let octets = written(&[record(5_000_000_000, b"abc")], Some(Timestamp(9_000_000_001)));
        let mut capture =
            Capture::open(vec![Source::Stream("test".into(), Box::new(Cursor::new(octets)))], &CaptureOptions::default()).unwrap();
        assert!(capture.next_frame().is_some());
        assert!(capture.next_frame().is_none());
        assert_eq!(capture.ended(), Some(Timestamp(9_000_000_001)));
        assert_eq!(capture.finish().inputs[0].last, Some(Timestamp(5_000_000_000)), "the last frame is another thing");
    }

    #[test]
    fn texts_are_cut_and_lose_their_control_characters() {
        assert_eq!(cut("a\x1bb\nc"), "a\u{fffd}b\nc");
        assert_eq!(cut(&"ä".repeat(40_000)).len(), LONGEST_TEXT);
    }
}

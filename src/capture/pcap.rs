//! Classic pcap, as libpcap writes it and its relatives wrote it: <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>.
//!
//! The file header is read by `pcap_file`; the records are read here, because its reader refuses what Wireshark and tcpdump read: the modified magic of
//! Alexey Kuznetsov's patched libpcap, snap length 0, more octets captured than the snap length or the wire, fractions of a second
//! beyond one second; and because damage must be told with its octet offset.

use pcap_file::pcap::{PcapHeader as FileHeader, PcapTsResolution as TsResolution};

use super::Interface;
use super::record::{MAX_FRAME_OCTETS, Record, Step};
use super::stream::OctetStream;
use crate::time::Timestamp;

/// Octets of the file header.
pub(super) const HEADER_OCTETS: usize = 24;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Alexey Kuznetsov's libpcap patch: record headers of 24 octets, with interface index, protocol and direction.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// Octets of a record header.
const RECORD_HEADER: usize = 16;
/// Octets that the modified format adds to a record header.
const MODIFIED_ADDS: usize = 8;

/// Link-type word: «the frame check sequence length is present».
const FCS_PRESENT: u32 = 0x0400_0000;
/// Link-type word: bits that must be zero.
const RESERVED: u32 = 0x03ff_0000;

/// Link types of files put together; nobody joins more.
const MAX_LINK_TYPES: usize = 64;

/// Which of the two length fields of a record comes first (libpcap's sf-pcap.c: versions before 2.3 have them exchanged,
/// 2.3 may have).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    Unclear,
}

/// Reads the records of one file.
#[derive(Debug)]
pub(super) struct PcapReader {
    big_endian: bool,
    nanos_per_fraction: i64,
    header_octets: usize,
    lengths: Lengths,
    link_type: u16,
    fcs_octets: u8,
    interface: u32,
    /// First two words of the file header, magic and version, as words of this byte order.
    begin: (u32, u32),
    /// Where the first of further files begins, and how many there are.
    further: Option<(u64, u64)>,
}

/// Whether a file that begins so is classic pcap.
pub(super) fn recognises(head: &[u8]) -> bool {
    byte_order(head).is_some()
}

/// Byte order and magic.
fn byte_order(head: &[u8]) -> Option<(bool, u32)> {
    let magic = *head.first_chunk::<4>()?;
    let known = |magic| matches!(magic, MAGIC_MICROSECONDS | MAGIC_NANOSECONDS | MAGIC_MODIFIED);
    let (little, big) = (u32::from_le_bytes(magic), u32::from_be_bytes(magic));
    if known(little) {
        return Some((false, little));
    }
    known(big).then_some((true, big))
}

/// The file header as `pcap_file` reads it. It does not know the modified magic, whose file header is that of microseconds: only its record
/// headers are longer.
fn file_header(header: &[u8; HEADER_OCTETS], big_endian: bool, magic: u32) -> Result<FileHeader, String> {
    let mut plain = *header;
    if magic == MAGIC_MODIFIED
        && let Some(first) = plain.first_chunk_mut::<4>()
    {
        *first = if big_endian { MAGIC_MICROSECONDS.to_be_bytes() } else { MAGIC_MICROSECONDS.to_le_bytes() };
    }
    FileHeader::from_slice(&plain).map(|(_, parsed)| parsed).map_err(|error| format!("not a pcap file header: {error}"))
}

impl PcapReader {
    /// Reads the file header. The error names what is wrong with it.
    pub(super) fn open(stream: &mut OctetStream, interfaces: &mut Vec<Interface>) -> Result<Self, String> {
        let Some(&header) = stream.peek::<HEADER_OCTETS>() else {
            return Err(format!("the pcap file header needs {HEADER_OCTETS} octets, there are {}", stream.window().len()));
        };
        let Some((big_endian, magic)) = byte_order(&header) else {
            return Err("not a pcap file header".into());
        };
        let word = |at: usize| word_at(&header, at, big_endian);
        let version = word(4);
        let parsed = file_header(&header, big_endian, magic)?;
        let (major, minor) = (parsed.version_major, parsed.version_minor);
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, _) => Lengths::WireFirst,
            (2, 3) => Lengths::Unclear,
            (2, _) => Lengths::CapturedFirst,
            _ => return Err(format!("pcap version {major}.{minor} is unknown (2.4 is usual)")),
        };
        let network = u32::from(parsed.datalink);
        if network & RESERVED != 0 {
            return Err(format!("the link type word 0x{network:08x} has reserved bits set"));
        }
        let link_type = u16::try_from(network & 0xffff).unwrap_or(u16::MAX);
        // The length is told in units of 16 bits.
        let fcs_octets = if network & FCS_PRESENT == 0 { 0 } else { u8::try_from(network >> 28).unwrap_or(0).saturating_mul(2) };
        stream.step(HEADER_OCTETS);
        let known = interfaces.iter().position(|interface| interface.link_type == link_type);
        let interface = known.unwrap_or(interfaces.len());
        if known.is_none() {
            interfaces.push(Interface { link_type, ..Interface::default() });
        }
        Ok(Self {
            big_endian,
            nanos_per_fraction: match parsed.ts_resolution {
                TsResolution::NanoSecond => 1,
                TsResolution::MicroSecond => 1_000,
            },
            header_octets: if magic == MAGIC_MODIFIED { RECORD_HEADER + MODIFIED_ADDS } else { RECORD_HEADER },
            lengths,
            link_type,
            fcs_octets,
            interface: u32::try_from(interface).unwrap_or(u32::MAX),
            begin: (magic, version),
            further: None,
        })
    }

    /// A sentence, if the file is several files one behind the other.
    pub(super) fn remark(&self) -> Option<String> {
        let (offset, count) = self.further?;
        let files = if count == 1 { "one more pcap file".into() } else { format!("{count} more pcap files") };
        Some(format!("{files} follow behind the first, from octet {offset} on (put together with cat?); all were read"))
    }

    /// The header of another file where a record header should be: files put together with `cat`. Wireshark takes it for a record.
    #[cold]
    fn begin_again(&mut self, stream: &mut OctetStream, interfaces: &mut Vec<Interface>) -> bool {
        let offset = stream.offset();
        if interfaces.len() > MAX_LINK_TYPES {
            return false;
        }
        // Time zone and accuracy are zero in files of the last decades; a record of these octets would be one of no length.
        if stream.peek::<HEADER_OCTETS>().is_none_or(|header| header.get(8..16) != Some(&[0; 8])) {
            return false;
        }
        let Ok(next) = Self::open(stream, interfaces) else { return false };
        let (first, count) = self.further.unwrap_or((offset, 0));
        *self = Self { further: Some((first, count.saturating_add(1))), ..next };
        true
    }

    /// The next record.
    #[inline]
    pub(super) fn next(&mut self, stream: &mut OctetStream, interfaces: &mut Vec<Interface>, record: &mut Record) -> Step {
        let [seconds, fraction, first, second] = loop {
            let Some(header) = stream.peek::<RECORD_HEADER>() else {
                return cut_header(stream, self.header_octets);
            };
            let words = words(header, self.big_endian);
            if (words[0], words[1]) != self.begin || !self.begin_again(stream, interfaces) {
                break words;
            }
        };
        let exchanged = match self.lengths {
            Lengths::CapturedFirst => false,
            Lengths::WireFirst => true,
            // A frame longer than it was on the wire tells it, if both are lengths at all.
            Lengths::Unclear => first > second && first <= MAX_FRAME_OCTETS,
        };
        let (captured, wire_length) = if exchanged { (second, first) } else { (first, second) };
        if captured > MAX_FRAME_OCTETS {
            return too_large(stream.offset(), captured);
        }
        let kept = captured as usize;
        let octets = self.header_octets.saturating_add(kept);
        if !stream.need(octets) {
            return cut_record(stream, octets);
        }
        let at = stream.step(octets).saturating_add(self.header_octets);
        let nanos = i64::from(fraction).saturating_mul(self.nanos_per_fraction);
        *record = Record {
            at,
            captured: kept,
            wire_length,
            time: Some(Timestamp::new(i64::from(seconds), nanos)),
            interface: self.interface,
            link_type: self.link_type,
            fcs_octets: self.fcs_octets,
            unread_before: 0,
        };
        Step::Frame
    }
}

/// Four octets in the file's byte order; 0 beyond the header, which no caller asks for.
#[inline]
fn word_at(header: &[u8], at: usize, big_endian: bool) -> u32 {
    let octets = header.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

/// The four words of a record header; the byte order is looked at once for all.
#[inline]
fn words(header: &[u8; RECORD_HEADER], big_endian: bool) -> [u32; 4] {
    let read = |order: fn([u8; 4]) -> u32| {
        let (words, _) = header.as_chunks::<4>();
        let mut read = [0; 4];
        for (to, from) in read.iter_mut().zip(words) {
            *to = order(*from);
        }
        read
    };
    if big_endian { read(u32::from_be_bytes) } else { read(u32::from_le_bytes) }
}

#[cold]
fn cut_header(stream: &OctetStream, needed: usize) -> Step {
    match stream.window().len() {
        0 => Step::End,
        left => {
            Step::Damage(format!("record at octet {} is cut: its header needs {needed} octets, the file has {left} left", stream.offset()))
        }
    }
}

#[cold]
fn cut_record(stream: &OctetStream, octets: usize) -> Step {
    let left = stream.window().len();
    Step::Damage(format!("record at octet {} claims {octets} octets, the file has {left} left", stream.offset()))
}

#[cold]
fn too_large(offset: u64, captured: u32) -> Step {
    Step::Damage(format!(
        "record at octet {offset} claims a frame of {captured} octets, more than the {MAX_FRAME_OCTETS} that any frame has"
    ))
}

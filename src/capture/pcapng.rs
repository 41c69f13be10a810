//! pcapng: sections, interfaces and packet blocks. Source: draft-ietf-opsawg-pcapng; where files differ from it, what
//! Wireshark 4.0 does with them (noted at the place).
//!
//! Own reader instead of `pcap_file`'s: that one costs some 40 ns per packet (it parses every option of every packet) against 3 here,
//! and loses a whole section for a byte that is not UTF-8 in an interface's name, a non-zero reserved field, picosecond times
//! or a statistics block that comes early. The rare blocks are in [`super::pcapng_blocks`].

use super::Interface;
use super::pcapng_blocks::{Names, SectionInterface, add_interface, interface_drops, interface_end};
use super::record::{MAX_FRAME_OCTETS, Record, Step};
use super::stream::OctetStream;
use crate::time::Timestamp;

/// Block types (draft-ietf-opsawg-pcapng, section 4 and its registry).
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAME_RESOLUTION: u32 = 4;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
/// Blocks that Wireshark shows, and numbers, as frames although they are none: systemd journal entries, system call events, and
/// both kinds of custom block.
const NUMBERED_BUT_NO_FRAME: [u32; 9] = [9, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222, 0x0bad, 0x4000_0bad];

/// The byte-order magic of a section, as read in the right order.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Type, total length, and the total length again at the end.
const BLOCK_OVERHEAD: u32 = 12;
/// Octets before the frame in an enhanced (and an obsolete) packet block.
const PACKET_HEADER: usize = 28;
/// Octets before the frame in a simple packet block.
const SIMPLE_HEADER: usize = 12;
/// Largest block that is kept in memory: the largest frame and room for its options. Other blocks are stepped over.
const MAX_BLOCK_OCTETS: u32 = MAX_FRAME_OCTETS + 1024 * 1024;
/// Interfaces of one section; the sections' memory must be bounded. Captures of all containers of a host have some hundreds.
const MAX_INTERFACES: usize = 65_536;
/// Statistics kept for interfaces that are not described yet.
const MAX_EARLY_STATISTICS: usize = 64;

/// Reads the blocks of one file.
#[derive(Debug, Default)]
pub(super) struct PcapngReader {
    big_endian: bool,
    interfaces: Vec<SectionInterface>,
    unread: u32,
    /// Statistics that came before the description of their interface.
    early_drops: Vec<(u32, u64)>,
    /// The latest end of the capture that the statistics of an interface tell.
    ended: Option<Timestamp>,
    names: Names,
}

/// Whether a block held a frame.
enum Found {
    Frame,
    NoFrame,
}

/// Whether a file that begins so is pcapng.
pub(super) fn recognises(head: &[u8]) -> bool {
    head.starts_with(&SECTION_HEADER.to_be_bytes())
        && head.get(8..12).is_none_or(|magic| magic == BYTE_ORDER_MAGIC.to_be_bytes() || magic == BYTE_ORDER_MAGIC.to_le_bytes())
}

impl PcapngReader {
    /// Reads the first section header. The error names what is wrong with it.
    pub(super) fn open(stream: &mut OctetStream) -> Result<Self, String> {
        let mut reader = Self::default();
        let Some(&head) = stream.peek::<12>() else {
            return Err(format!("the pcapng section header needs at least 28 octets, there are {}", stream.window().len()));
        };
        if !recognises(&head) {
            return Err("not a pcapng section header".into());
        }
        match reader.section(stream) {
            Ok(()) => Ok(reader),
            Err(damage) => Err(damage),
        }
    }

    /// When the capture ended, as far as its statistics tell.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.ended
    }

    /// Names of addresses met so far.
    pub(super) fn take_names(&mut self) -> Names {
        std::mem::take(&mut self.names)
    }

    /// The next frame.
    #[inline]
    pub(super) fn next(&mut self, stream: &mut OctetStream, interfaces: &mut Vec<Interface>, record: &mut Record) -> Step {
        loop {
            let Some(head) = stream.peek::<8>() else {
                return end_or_cut(stream);
            };
            let (kind, claimed) = (self.word(head, 0), self.word(head, 4));
            if kind != ENHANCED_PACKET {
                match self.rare(kind, claimed, stream, interfaces, record) {
                    Ok(Found::NoFrame) => continue,
                    Ok(Found::Frame) => return Step::Frame,
                    Err(damage) => return Step::Damage(damage),
                }
            }
            let octets = match self.whole_block(claimed, 32, stream) {
                Ok(octets) => octets,
                Err(damage) => return Step::Damage(damage),
            };
            let Some(fields) = stream.window().first_chunk::<PACKET_HEADER>() else {
                return end_or_cut(stream);
            };
            let fields = *fields;
            let interface = self.word(&fields, 8);
            return match self.packet(stream, octets, &fields, interface, record) {
                Ok(()) => Step::Frame,
                Err(damage) => Step::Damage(damage),
            };
        }
    }

    /// An enhanced or an obsolete packet block, whole in the window.
    #[inline]
    fn packet(
        &mut self,
        stream: &mut OctetStream,
        octets: usize,
        fields: &[u8; PACKET_HEADER],
        interface: u32,
        record: &mut Record,
    ) -> Result<(), String> {
        let Some(of) = self.interfaces.get(interface as usize) else {
            return Err(unknown_interface(stream.offset(), interface, self.interfaces.len()));
        };
        let captured = self.word(fields, 20);
        if captured as usize > octets.saturating_sub(PACKET_HEADER + 4) {
            return Err(frame_beyond_block(stream.offset(), octets, captured));
        }
        let ticks = u64::from(self.word(fields, 12)) << 32 | u64::from(self.word(fields, 16));
        *record = Record {
            at: stream.step(octets).saturating_add(PACKET_HEADER),
            captured: captured as usize,
            wire_length: self.word(fields, 24),
            time: Some(of.clock.time(ticks)),
            interface: of.index,
            link_type: of.link_type,
            fcs_octets: of.fcs_octets,
            unread_before: std::mem::take(&mut self.unread),
        };
        Ok(())
    }

    /// Every block but the enhanced packet block.
    #[cold]
    #[inline(never)]
    fn rare(
        &mut self,
        kind: u32,
        claimed: u32,
        stream: &mut OctetStream,
        interfaces: &mut Vec<Interface>,
        record: &mut Record,
    ) -> Result<Found, String> {
        match kind {
            SECTION_HEADER => self.section(stream)?,
            INTERFACE_DESCRIPTION => {
                let octets = self.whole_block(claimed, 20, stream)?;
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(format!(
                        "block at octet {} describes interface {MAX_INTERFACES} of its section: too many",
                        stream.offset()
                    ));
                }
                let position = self.interfaces.len();
                let block = stream.window().get(..octets.saturating_sub(4)).unwrap_or_default();
                let added = add_interface(position, block, self.big_endian, interfaces);
                self.interfaces.push(added);
                stream.step(octets);
                self.apply_early_drops(position, interfaces);
            }
            INTERFACE_STATISTICS => {
                let octets = self.whole_block(claimed, 24, stream)?;
                let block = stream.window().get(..octets.saturating_sub(4)).unwrap_or_default();
                let interface = self.word(block, 8);
                let end = interface_end(block, self.big_endian).zip(self.interfaces.get(interface as usize));
                self.ended = self.ended.max(end.map(|(ticks, of)| of.clock.time(ticks)));
                if let Some(drops) = interface_drops(block, self.big_endian) {
                    self.early_drops.push((interface, drops));
                }
                stream.step(octets);
                self.apply_early_drops(interface as usize, interfaces);
            }
            NAME_RESOLUTION => {
                let octets = self.whole_block(claimed, BLOCK_OVERHEAD, stream)?;
                let block = stream.window().get(8..octets.saturating_sub(4)).unwrap_or_default();
                self.names.add(block, self.big_endian);
                stream.step(octets);
            }
            SIMPLE_PACKET => {
                self.simple_packet(claimed, stream, record)?;
                return Ok(Found::Frame);
            }
            OBSOLETE_PACKET => {
                let octets = self.whole_block(claimed, 32, stream)?;
                let fields = stream.window().first_chunk::<PACKET_HEADER>().copied().unwrap_or([0; PACKET_HEADER]);
                let pair = fields.get(8..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
                let interface = if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
                self.packet(stream, octets, &fields, u32::from(interface), record)?;
                return Ok(Found::Frame);
            }
            other => {
                self.step_over(claimed, stream)?;
                if NUMBERED_BUT_NO_FRAME.contains(&other) {
                    self.unread = self.unread.saturating_add(1);
                }
            }
        }
        Ok(Found::NoFrame)
    }

    fn simple_packet(&mut self, claimed: u32, stream: &mut OctetStream, record: &mut Record) -> Result<(), String> {
        let octets = self.whole_block(claimed, 16, stream)?;
        let Some(of) = self.interfaces.first() else {
            return Err(unknown_interface(stream.offset(), 0, 0));
        };
        let wire_length = self.word(stream.window(), 8);
        let limit = if of.snap_length == 0 { u32::MAX } else { of.snap_length };
        let room = octets.saturating_sub(SIMPLE_HEADER + 4);
        let (index, link_type, fcs_octets) = (of.index, of.link_type, of.fcs_octets);
        *record = Record {
            at: stream.step(octets).saturating_add(SIMPLE_HEADER),
            captured: room.min(wire_length.min(limit) as usize),
            wire_length,
            time: None,
            interface: index,
            link_type,
            fcs_octets,
            unread_before: std::mem::take(&mut self.unread),
        };
        Ok(())
    }

    /// A section header: byte order anew, interfaces anew.
    fn section(&mut self, stream: &mut OctetStream) -> Result<(), String> {
        let offset = stream.offset();
        let Some(head) = stream.peek::<12>() else {
            return Err(cut_block(stream, 28));
        };
        let magic = head.last_chunk::<4>().copied().unwrap_or_default();
        let big_endian = match (u32::from_be_bytes(magic), u32::from_le_bytes(magic)) {
            (BYTE_ORDER_MAGIC, _) => true,
            (_, BYTE_ORDER_MAGIC) => false,
            (other, _) => return Err(format!("section header at octet {offset} has no byte-order magic (0x{other:08x})")),
        };
        self.big_endian = big_endian;
        let claimed = self.word(head, 4);
        let octets = self.whole_block(claimed, 28, stream)?;
        let pair = |at: usize| stream.window().get(at..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
        let half = |at: usize| if big_endian { u16::from_be_bytes(pair(at)) } else { u16::from_le_bytes(pair(at)) };
        let (major, minor) = (half(12), half(14));
        if major != 1 {
            return Err(format!("section header at octet {offset} has version {major}.{minor}, 1.0 is known"));
        }
        stream.step(octets);
        self.interfaces.clear();
        self.early_drops.clear();
        Ok(())
    }

    /// Checks a block's length and waits until the whole block is in the window; gives its length, rounded up to 4 as
    /// Wireshark does.
    #[inline]
    fn whole_block(&self, claimed: u32, least: u32, stream: &mut OctetStream) -> Result<usize, String> {
        if claimed < least || claimed > MAX_BLOCK_OCTETS {
            return Err(wrong_length(stream, claimed, least));
        }
        let octets = claimed.next_multiple_of(4) as usize;
        if !stream.need(octets) {
            return Err(cut_block(stream, claimed));
        }
        let repeated = self.word(stream.window(), octets.saturating_sub(4));
        if repeated == claimed { Ok(octets) } else { compare_lengths(stream.offset(), claimed, repeated).map(|()| octets) }
    }

    /// Steps over a block without keeping it.
    fn step_over(&self, claimed: u32, stream: &mut OctetStream) -> Result<(), String> {
        let offset = stream.offset();
        if claimed < BLOCK_OVERHEAD {
            return Err(wrong_length(stream, claimed, BLOCK_OVERHEAD));
        }
        let before_repeat = u64::from(claimed).next_multiple_of(4).saturating_sub(4);
        let there = stream.skip(before_repeat);
        let Some(repeated) = stream.peek::<4>().map(|octets| self.word(octets, 0)) else {
            let left = there.saturating_add(stream.window().len() as u64);
            return Err(format!("block at octet {offset} claims {claimed} octets, the file has {left} left"));
        };
        compare_lengths(offset, claimed, repeated)?;
        stream.step(4);
        Ok(())
    }

    fn apply_early_drops(&mut self, position: usize, interfaces: &mut [Interface]) {
        let Some(of) = self.interfaces.get(position) else {
            self.early_drops.truncate(MAX_EARLY_STATISTICS);
            return;
        };
        for &(interface, drops) in &self.early_drops {
            if interface as usize == position
                && let Some(known) = interfaces.get_mut(of.index as usize)
            {
                known.dropped = Some(of.drops_before.saturating_add(drops));
            }
        }
        self.early_drops.retain(|&(interface, _)| interface as usize != position);
    }

    /// Four octets in the section's byte order; 0 beyond the slice, which no caller asks for.
    #[inline]
    fn word(&self, octets: &[u8], at: usize) -> u32 {
        let word = octets.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }
}

/// Compares the two lengths of a block, rounded up as Wireshark does.
fn compare_lengths(offset: u64, claimed: u32, repeated: u32) -> Result<(), String> {
    if u64::from(repeated).next_multiple_of(4) == u64::from(claimed).next_multiple_of(4) {
        return Ok(());
    }
    Err(format!("block at octet {offset} claims {claimed} octets at its begin and {repeated} at its end"))
}

#[cold]
fn end_or_cut(stream: &OctetStream) -> Step {
    match stream.window().len() {
        0 => Step::End,
        left => Step::Damage(format!("block at octet {} is cut: its header needs 8 octets, the file has {left} left", stream.offset())),
    }
}

#[cold]
fn cut_block(stream: &OctetStream, claimed: u32) -> String {
    format!("block at octet {} claims {claimed} octets, the file has {} left", stream.offset(), stream.window().len())
}

#[cold]
fn wrong_length(stream: &mut OctetStream, claimed: u32, least: u32) -> String {
    let offset = stream.offset();
    if claimed < least {
        return format!("block at octet {offset} claims {claimed} octets, fewer than the {least} that its type needs");
    }
    // How much there really is tells a reader more than our limit, as long as finding out costs no memory and little time.
    stream.need(MAX_BLOCK_OCTETS.min(64 * 1024) as usize);
    match stream.window().len() {
        left if left < 64 * 1024 => format!("block at octet {offset} claims {claimed} octets, the file has {left} left"),
        _ => format!("block at octet {offset} claims {claimed} octets, more than the {MAX_BLOCK_OCTETS} that any packet block has"),
    }
}

#[cold]
fn unknown_interface(offset: u64, interface: u32, known: usize) -> String {
    format!("packet block at octet {offset} names interface {interface}, its section has described {known}")
}

#[cold]
fn frame_beyond_block(offset: u64, octets: usize, captured: u32) -> String {
    format!("packet block at octet {offset} has {octets} octets and claims a frame of {captured}")
}

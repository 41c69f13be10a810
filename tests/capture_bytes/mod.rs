//! Captures made octet by octet, and what the reader gives for them.

#![allow(dead_code)] // every test file uses another part

use std::io::Cursor;

use afterfin::capture::{Capture, CaptureOptions, Source, Summary};

/// A byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn half(self, value: u16) -> [u8; 2] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    pub fn word(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    pub fn long(self, value: u64) -> [u8; 8] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// Header of a classic file.
pub fn pcap(order: Order, magic: u32, version: (u16, u16), snap_length: u32, network: u32) -> Vec<u8> {
    let mut octets = order.word(magic).to_vec();
    octets.extend(order.half(version.0));
    octets.extend(order.half(version.1));
    octets.extend([0; 8]);
    octets.extend(order.word(snap_length));
    octets.extend(order.word(network));
    octets
}

/// Header of the usual little-endian microsecond file.
pub fn usual_pcap() -> Vec<u8> {
    pcap(Order::Little, 0xa1b2_c3d4, (2, 4), 262_144, 1)
}

/// A record with any lengths.
pub fn record(order: Order, time: (u32, u32), captured: u32, wire: u32, octets: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    for word in [time.0, time.1, captured, wire] {
        record.extend(order.word(word));
    }
    record.extend(octets);
    record
}

/// A whole little-endian record.
pub fn usual_record(seconds: u32, fraction: u32, octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).unwrap();
    record(Order::Little, (seconds, fraction), length, length, octets)
}

/// A pcapng block with its two lengths.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let total = order.word(u32::try_from(padded + 12).unwrap());
    let mut octets = order.word(kind).to_vec();
    octets.extend(total);
    octets.extend(body);
    octets.resize(8 + padded, 0);
    octets.extend(total);
    octets
}

pub fn section(order: Order) -> Vec<u8> {
    let mut body = order.word(0x1a2b_3c4d).to_vec();
    body.extend(order.half(1));
    body.extend(order.half(0));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

pub fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = order.half(code).to_vec();
    octets.extend(order.half(u16::try_from(value.len()).unwrap()));
    octets.extend(value);
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

pub fn interface(order: Order, link_type: u16, options: &[Vec<u8>]) -> Vec<u8> {
    let mut body = order.half(link_type).to_vec();
    body.extend([0; 6]);
    body.extend(options.concat());
    block(order, 1, &body)
}

pub fn enhanced(order: Order, interface: u32, ticks: u64, octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).unwrap();
    let mut body = Vec::new();
    let half = |ticks: u64| u32::try_from(ticks & 0xffff_ffff).unwrap();
    for word in [interface, half(ticks >> 32), half(ticks), length, length] {
        body.extend(order.word(word));
    }
    body.extend(octets);
    block(order, 6, &body)
}

pub fn simple(order: Order, wire: u32, octets: &[u8]) -> Vec<u8> {
    block(order, 3, &[&order.word(wire)[..], octets].concat())
}

pub fn statistics(order: Order, interface: u32, options: &[Vec<u8>]) -> Vec<u8> {
    block(order, 5, &[&order.word(interface)[..], &[0; 8], &options.concat()[..]].concat())
}

/// A frame, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub file: u32,
    pub number: u64,
    pub nanos: Option<i64>,
    pub link_type: u16,
    pub interface: u32,
    pub fcs_octets: u8,
    pub wire_length: u32,
    pub captured: Vec<u8>,
}

/// Reads everything.
pub fn read_all(mut capture: Capture) -> (Vec<Kept>, Summary) {
    let mut frames = Vec::new();
    while let Some(frame) = capture.next_frame() {
        frames.push(Kept {
            file: frame.id.file(),
            number: frame.id.number(),
            nanos: frame.time.map(afterfin::time::Timestamp::nanos),
            link_type: frame.link_type.0,
            interface: frame.interface,
            fcs_octets: frame.fcs_octets,
            wire_length: frame.wire_length,
            captured: frame.captured.to_vec(),
        });
    }
    (frames, capture.finish())
}

pub fn stream(name: &str, octets: Vec<u8>) -> Source {
    Source::Stream(name.into(), Box::new(Cursor::new(octets)))
}

/// Reads octets as one stream.
pub fn try_read(octets: Vec<u8>) -> Result<(Vec<Kept>, Summary), String> {
    let capture = Capture::open(vec![stream("x", octets)], &CaptureOptions::default()).map_err(|error| error.to_string())?;
    Ok(read_all(capture))
}

/// Reads octets that must be a capture.
pub fn read(octets: Vec<u8>) -> (Vec<Kept>, Summary) {
    try_read(octets).unwrap()
}

/// The one warning of a damaged capture, which must say that input was lost.
pub fn damage(summary: &Summary) -> &str {
    assert_eq!(summary.warnings.len(), 1, "{:?}", summary.warnings);
    assert!(summary.warnings[0].lost_input);
    assert!(!summary.inputs[0].complete);
    &summary.warnings[0].text
}

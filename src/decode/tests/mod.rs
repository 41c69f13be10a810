//! Tests of the whole room: a frame in, what it was out. One file per part of the room.

mod fragments;
mod hostile;
mod ip;
mod link;
mod tunnel;

use super::{DecodeOptions, Decoded, Decoder, SHORT_HEADER};
use crate::frame::{Frame, FrameId, LinkType};
use crate::options::Separate;
use crate::segment::{IcmpQuote, LinkAddress, TcpOptions, Vantage};
use crate::time::Timestamp;

/// Ethernet, the link type of most tests.
const ETHERNET: u16 = 1;
/// What the segments of these tests carry.
const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n";

/// A frame that was captured whole.
fn frame(link_type: u16, octets: &[u8]) -> Frame<'_> {
    Frame {
        id: FrameId::new(0, 1),
        time: Some(Timestamp::new(1, 0)),
        link_type: LinkType(link_type),
        interface: 0,
        fcs_octets: 0,
        wire_length: u32::try_from(octets.len()).unwrap(),
        captured: octets,
    }
}

/// What a test looks at in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    from: String,
    to: String,
    payload_length: u32,
    head: Vec<u8>,
    flags: u16,
    ttl: u8,
    ip_id: Option<u16>,
    tenant: u32,
    options: TcpOptions,
    vantage: Vantage,
    stack: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Segment(Box<Seen>),
    Quote(IcmpQuote),
    Skipped(&'static str),
    Malformed(&'static str),
}

fn decode(decoder: &mut Decoder, frame: &Frame<'_>) -> Outcome {
    let seen = match decoder.decode(frame) {
        Decoded::Segment(s) => Seen {
            from: s.src.to_string(),
            to: s.dst.to_string(),
            payload_length: s.payload_length,
            head: s.head.to_vec(),
            flags: s.flags.0,
            ttl: s.ttl,
            ip_id: s.ip_id,
            tenant: s.tenant,
            options: s.options,
            vantage: s.vantage,
            stack: String::new(),
        },
        Decoded::IcmpQuote(quote) => return Outcome::Quote(quote),
        Decoded::ShortHeader { .. } => return Outcome::Malformed(SHORT_HEADER),
        Decoded::Skipped(reason) => return Outcome::Skipped(reason),
        Decoded::Malformed(reason) => return Outcome::Malformed(reason),
        Decoded::Waits => panic!("nobody asked what comes before"),
    };
    let stack = decoder.stacks()[usize::from(seen.vantage.stack)].clone();
    Outcome::Segment(Box::new(Seen { stack, ..seen }))
}

/// Decodes one frame with a new decoder.
fn outcome(link_type: u16, octets: &[u8]) -> Outcome {
    decode(&mut Decoder::new(DecodeOptions::default()), &frame(link_type, octets))
}

/// The segment of a frame that must be one.
#[track_caller]
fn segment(link_type: u16, octets: &[u8]) -> Seen {
    match outcome(link_type, octets) {
        Outcome::Segment(seen) => *seen,
        other => panic!("{other:?}"),
    }
}

/// The segment of a frame decoded with tenants separated.
#[track_caller]
fn tenant(separate: Separate, octets: &[u8]) -> u32 {
    match decode(&mut Decoder::new(DecodeOptions { separate }), &frame(ETHERNET, octets)) {
        Outcome::Segment(seen) => seen.tenant,
        other => panic!("{other:?}"),
    }
}

#[allow(clippy::unnecessary_wraps)] // compared with what a vantage holds
fn address(octets: [u8; 6]) -> Option<LinkAddress> {
    Some(LinkAddress::new(&octets))
}

/// Twenty octets of TCP header, 40000 to 80, ACK and PSH, and the payload.
fn tcp(payload: &[u8]) -> Vec<u8> {
    let header = [0x9c, 0x40, 0, 80, 0, 0, 0, 100, 0, 0, 0, 200, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    [&header[..], payload].concat()
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2 with TTL 64 and identification 0x1234.
fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    [&[0x45, 0, high, low, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2], payload].concat()
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2 with hop limit 63.
fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut source = [0; 16];
    source[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    let mut destination = source;
    (source[15], destination[15]) = (1, 2);
    [&[0x60, 0, 0, 0, high, low, next, 63][..], &source, &destination, payload].concat()
}

/// The packet that most tests wrap.
fn packet4() -> Vec<u8> {
    ip4(6, &tcp(PAYLOAD))
}

fn packet6() -> Vec<u8> {
    ip6(6, &tcp(PAYLOAD))
}

/// A UDP datagram from port 50000.
fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let [p1, p0] = port.to_be_bytes();
    let [l1, l0] = u16::try_from(8 + payload.len()).unwrap().to_be_bytes();
    [&[0xc3, 0x50, p1, p0, l1, l0, 0, 0], payload].concat()
}

/// An Ethernet frame from 02:00:00:00:00:01 to 02:00:00:00:00:02.
fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = ether_type.to_be_bytes();
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, high, low], payload].concat()
}

const SOURCE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const DESTINATION: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Asserts that the frame is the IPv4 segment of [`packet4`] behind `stack`.
#[track_caller]
fn assert_v4(link_type: u16, octets: &[u8], stack: &str) -> Seen {
    let seen = segment(link_type, octets);
    assert_eq!((seen.from.as_str(), seen.to.as_str()), ("10.0.0.1:40000", "10.0.0.2:80"));
    assert_eq!((seen.payload_length, seen.head.as_slice(), seen.ttl, seen.ip_id), (16, PAYLOAD, 64, Some(0x1234)));
    assert_eq!(seen.stack, stack);
    seen
}

/// Asserts that the frame is the IPv6 segment of [`packet6`] behind `stack`.
#[track_caller]
fn assert_v6(link_type: u16, octets: &[u8], stack: &str) -> Seen {
    let seen = segment(link_type, octets);
    assert_eq!((seen.from.as_str(), seen.to.as_str()), ("[2001:db8::1]:40000", "[2001:db8::2]:80"));
    assert_eq!((seen.payload_length, seen.head.as_slice(), seen.ttl, seen.ip_id), (16, PAYLOAD, 63, None));
    assert_eq!(seen.stack, stack);
    seen
}

//! Frames made anew from what the analysis knows of them: for layers that `frame` does not follow, and for datagrams put together from fragments.
//!
//! The result is a bare IP packet (LINKTYPE_RAW) with the same segment in it: addresses as pseudonyms, every field of the TCP header, the options
//! that the analysis reads, the masked payload. What encapsulated it is gone.

use std::net::IpAddr;

use super::Anonymizer;
use super::checksum::Sum;
use crate::segment::{IcmpError, IcmpQuote, Segment, TcpOptions, Vantage};

/// LINKTYPE_RAW.
pub(in crate::export) const LINK_TYPE_RAW: u16 = 101;
/// LINKTYPE_ETHERNET.
pub(in crate::export) const LINK_TYPE_ETHERNET: u16 = 1;
/// Protocol numbers.
const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
/// Hop limit of an error whose own was not kept.
const ICMP_HOPS: u8 = 64;

/// A packet with the segment and its masked payload, and its length on the wire.
pub(in crate::export) fn rebuild_segment(segment: &Segment<'_>, payload: &[u8], anonymizer: &mut Anonymizer) -> (Vec<u8>, u32) {
    let options = options(&segment.options);
    let header_length = options.len().saturating_add(20);
    let length = u32::try_from(header_length).unwrap_or(u32::MAX).saturating_add(segment.payload_length);
    let mut tcp = Vec::with_capacity(header_length.saturating_add(payload.len()));
    tcp.extend(segment.src.port().to_be_bytes());
    tcp.extend(segment.dst.port().to_be_bytes());
    tcp.extend(segment.seq.0.to_be_bytes());
    tcp.extend(segment.ack.0.to_be_bytes());
    let offset = u16::try_from(header_length / 4).unwrap_or(5) << 12;
    tcp.extend((offset | (segment.flags.0 & 0x01ff)).to_be_bytes());
    tcp.extend(segment.window.to_be_bytes());
    tcp.extend([0, 0, 0, 0]);
    tcp.extend(options);
    tcp.extend_from_slice(payload);
    let (source, destination) = (anonymizer.address(segment.src.ip()), anonymizer.address(segment.dst.ip()));
    let packet = Packet { source, destination, protocol: TCP, hops: segment.ttl, identification: segment.ip_id.unwrap_or(0), length };
    packet.around(tcp, 16)
}

/// A packet in an Ethernet frame between the pseudonyms of the link addresses that the vantage knows, and the length of that header.
pub(in crate::export) fn on_ethernet(vantage: &Vantage, packet: &[u8], anonymizer: &mut Anonymizer) -> Option<(Vec<u8>, u32)> {
    let mut frame = Vec::with_capacity(packet.len().saturating_add(14));
    for address in [vantage.link_destination?, vantage.link_source?] {
        let [0, 0, octets @ ..] = address.bits().to_be_bytes() else { return None };
        frame.extend(anonymizer.link_address(octets));
    }
    let is_ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
    frame.extend(if is_ipv6 { [0x86, 0xdd] } else { [0x08, 0] });
    frame.extend_from_slice(packet);
    Some((frame, 14))
}

/// A packet with the error and as much of the quoted segment as the analysis knows.
pub(in crate::export) fn rebuild_quote(quote: &IcmpQuote, anonymizer: &mut Anonymizer) -> (Vec<u8>, u32) {
    let is_ipv6 = quote.src.ip().is_ipv6();
    let (kind, code, rest) = match (quote.error, is_ipv6) {
        (IcmpError::Unreachable(code), false) => (3, code, 0),
        (IcmpError::Unreachable(code), true) => (1, code, 0),
        (IcmpError::PacketTooBig(mtu), false) => (3, 4, mtu.min(0xffff)),
        (IcmpError::PacketTooBig(mtu), true) => (2, 0, mtu),
        (IcmpError::TimeExceeded, false) => (11, 0, 0),
        (IcmpError::TimeExceeded, true) => (3, 0, 0),
        (IcmpError::Other(kind, code), _) => (kind, code, 0),
    };
    let mut tcp = Vec::with_capacity(8);
    tcp.extend(quote.src.port().to_be_bytes());
    tcp.extend(quote.dst.port().to_be_bytes());
    tcp.extend(quote.seq.0.to_be_bytes());
    let (source, destination) = (anonymizer.address(quote.src.ip()), anonymizer.address(quote.dst.ip()));
    let quoted = Packet { source, destination, protocol: TCP, hops: ICMP_HOPS, identification: 0, length: 20 };
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest.to_be_bytes());
    message.extend(quoted.header());
    message.extend(tcp);
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let from = match anonymizer.address(quote.from) {
        from if from.is_ipv6() == is_ipv6 => from,
        _ => destination, // an error of the other family cannot be; the analysis does not look at its sender
    };
    let protocol = if is_ipv6 { ICMP6 } else { ICMP };
    Packet { source: from, destination: source, protocol, hops: ICMP_HOPS, identification: 0, length }.around(message, 2)
}

struct Packet {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    hops: u8,
    identification: u16,
    /// Octets behind the IP header, on the wire.
    length: u32,
}

impl Packet {
    /// The IP header; a length that does not fit its field is 0, as segmentation offload has it.
    fn header(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(40);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                header.extend([0x45, 0]);
                header.extend(u16::try_from(self.length.saturating_add(20)).unwrap_or(0).to_be_bytes());
                header.extend(self.identification.to_be_bytes());
                header.extend([0, 0, self.hops, self.protocol, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let sum = Sum::default().add(&header).finish();
                set(&mut header, 10, sum);
            }
            (source, destination) => {
                header.extend([0x60, 0, 0, 0]);
                header.extend(u16::try_from(self.length).unwrap_or(0).to_be_bytes());
                header.extend([self.protocol, self.hops]);
                header.extend(octets6(source));
                header.extend(octets6(destination));
            }
        }
        header
    }

    /// The packet around its payload, whose checksum field is at `field`.
    fn around(&self, mut payload: Vec<u8>, field: usize) -> (Vec<u8>, u32) {
        let mut packet = self.header();
        let addresses = if packet.len() == 20 { packet.get(12..) } else { packet.get(8..) }.unwrap_or_default();
        let sum = if self.protocol == ICMP {
            Sum::default()
        } else {
            Sum::default().add(addresses).add(&self.length.to_be_bytes()).add(&[0, self.protocol])
        };
        let sum = sum.add(&payload).finish();
        set(&mut payload, field, sum);
        let wire = u32::try_from(packet.len()).unwrap_or(u32::MAX).saturating_add(self.length);
        packet.append(&mut payload);
        (packet, wire)
    }
}

fn set(octets: &mut [u8], at: usize, value: u16) {
    if let Some(place) = octets.get_mut(at..at.saturating_add(2)) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn octets6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Options with what the analysis read, padded to the length that they had.
fn options(read: &TcpOptions) -> Vec<u8> {
    let length = usize::from(read.octets).min(40);
    let mut options = Vec::with_capacity(40);
    if let Some(mss) = read.mss {
        options.extend([2, 4]);
        options.extend(mss.to_be_bytes());
    }
    if let Some(shift) = read.window_scale {
        options.extend([3, 3, shift]);
    }
    if read.sack_permitted {
        options.extend([4, 2]);
    }
    if let Some((value, echo)) = read.timestamp {
        options.extend([8, 10]);
        options.extend(value.to_be_bytes());
        options.extend(echo.to_be_bytes());
    }
    if read.fast_open {
        options.extend([34, 2]);
    }
    if let Some((left, right)) = read.first_sack {
        options.extend([5, 10]);
        options.extend(left.0.to_be_bytes());
        options.extend(right.0.to_be_bytes());
    }
    options.resize(length.div_ceil(4).saturating_mul(4), 1);
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{DecodeOptions, Decoded, Decoder};
    use crate::endpoint::Endpoint;
    use crate::export::anonymize::Key;
    use crate::frame::{Frame, FrameId, LinkType};
    use crate::segment::{Flags, Vantage};
    use crate::seq::SeqNumber;
    use crate::time::Timestamp;

    fn anonymizer() -> Anonymizer {
        Anonymizer::new(&Key::of_content(b"a key for tests").unwrap())
    }

    fn frame(octets: &[u8], wire_length: u32) -> Frame<'_> {
        Frame {
            id: FrameId::new(0, 1),
            time: Some(Timestamp(1)),
            link_type: LinkType(LINK_TYPE_RAW),
            interface: 0,
            fcs_octets: 0,
            wire_length,
            captured: octets,
        }
    }

    fn segment(src: Endpoint, dst: Endpoint) -> Segment<'static> {
        Segment {
            frame: FrameId::new(0, 1),
            time: Timestamp(1),
            time_unknown: false,
            discarded: false,
            src,
            dst,
            tenant: 0,
            seq: SeqNumber(7),
            ack: SeqNumber(9),
            flags: Flags(0x119),
            window: 500,
            options: TcpOptions {
                timestamp: Some((1, 2)),
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                octets: 20,
                ..TcpOptions::default()
            },
            payload_length: 5,
            ttl: 61,
            ip_id: None,
            vantage: Vantage::default(),
            head: b"abcde",
            tail: &[],
        }
    }

    #[test]
    fn segment_rebuilt_says_the_same_under_other_addresses() {
        let v4 = Segment { ip_id: Some(0x1234), ..segment(Endpoint::v4([10, 0, 0, 1], 40000), Endpoint::v4([10, 0, 0, 2], 80)) };
        let v6 = segment(Endpoint::v6([1; 16], 40000), Endpoint::v6([2; 16], 80));
        for original in [v4, v6] {
            let (octets, wire) = rebuild_segment(&original, b"vwxyz", &mut anonymizer());
            let mut decoder = Decoder::new(DecodeOptions::default());
            let frame = frame(&octets, wire);
            let Decoded::Segment(rebuilt) = decoder.decode(&frame) else { panic!("no segment") };
            assert_eq!(rebuilt.src.ip(), anonymizer().address(original.src.ip()));
            assert_eq!((rebuilt.src.port(), rebuilt.dst.port()), (40000, 80));
            let fields = |segment: &Segment<'_>| {
                (
                    segment.seq,
                    segment.ack,
                    segment.flags,
                    segment.window,
                    segment.options,
                    segment.payload_length,
                    segment.ttl,
                    segment.ip_id,
                )
            };
            assert_eq!(fields(&rebuilt), fields(&original));
            assert_eq!(rebuilt.head, b"vwxyz");
        }
    }

    #[test]
    fn error_rebuilt_quotes_the_same_segment_under_other_addresses() {
        let quote = IcmpQuote {
            frame: FrameId::new(0, 1),
            time: Timestamp(1),
            from: "192.0.2.1".parse().unwrap(),
            error: IcmpError::PacketTooBig(1400),
            src: Endpoint::v4([10, 0, 0, 1], 40000),
            dst: Endpoint::v4([10, 0, 0, 2], 80),
            tenant: 0,
            seq: SeqNumber(7),
        };
        let (octets, wire) = rebuild_quote(&quote, &mut anonymizer());
        let mut decoder = Decoder::new(DecodeOptions::default());
        let frame = frame(&octets, wire);
        let Decoded::IcmpQuote(rebuilt) = decoder.decode(&frame) else { panic!("no quote") };
        assert_eq!((rebuilt.error, rebuilt.seq), (quote.error, quote.seq));
        assert_eq!(rebuilt.src.ip(), anonymizer().address(quote.src.ip()));
        assert_eq!(rebuilt.from, anonymizer().address(quote.from));
    }
}

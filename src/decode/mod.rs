//! [`Frame`] → [`Segment`]: link layers, tunnels, IP, fragments, TCP. Pure; the only room that names `etherparse`.

use crate::frame::Frame;
use crate::options::Separate;
use crate::segment::{IcmpQuote, Segment};

/// How to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// What becomes part of a connection's identity.
    pub separate: Separate,
}

/// What one frame was. Every frame is exactly one of these: the sums are printed.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// An ICMP error that quotes a TCP segment; counted as skipped (`icmp error`).
    IcmpQuote(IcmpQuote),
    /// Sound, but not TCP, or of a kind that is not read; the reason is a short fixed text, e.g. `udp`, `arp`, `link type 147`.
    Skipped(&'static str),
    /// Should have been readable but is not; the reason says layer and what is wrong, e.g. `ipv4: header length below 20`.
    Malformed(&'static str),
}

/// Decodes frames; keeps the bounded state that decoding needs (fragments, the table of encapsulation stacks).
#[derive(Debug)]
pub struct Decoder {
    _options: DecodeOptions,
}

impl Decoder {
    /// A decoder without any state yet.
    pub fn new(options: DecodeOptions) -> Self {
        Self { _options: options }
    }

    /// Decodes one frame. A reassembled datagram borrows from the decoder.
    pub fn decode<'a>(&'a mut self, _frame: &Frame<'a>) -> Decoded<'a> {
        Decoded::Skipped("not built yet")
    }

    /// The encapsulation stacks seen so far, by [`crate::segment::Vantage::stack`], written from the outside in:
    /// `ethernet`, `ethernet/vlan 100`, `ethernet/ipv4/udp/vxlan 42/ethernet`.
    pub fn stacks(&self) -> &[String] {
        &[]
    }
}

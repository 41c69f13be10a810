//! The TCP header (RFC 9293 section 3.1) and its options, as far as they were captured.
//!
//! Twenty octets are enough for a segment: a snap length of 64 cuts the options of nearly every segment, and their loss must not
//! cost the segment. Parsers that insist on the whole header read 0.4 % of such a capture.

use crate::decode::view::View;
use crate::decode::walk::End;
use crate::segment::{EXCERPT_HEAD, EXCERPT_TAIL, Flags, TcpOptions};
use crate::seq::SeqNumber;

/// Octets of a TCP header without options.
const HEADER: usize = 20;

/// Why a header whose length field is too small is refused.
pub(crate) const LENGTH_BELOW_20: &str = "tcp: header length below 20";

/// A TCP header that was checked, and what the capture kept of its segment. Fields are read when they are asked for: the segment is built
/// in its place, nothing is copied on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp<'a> {
    header: &'a [u8; HEADER],
    /// Header and payload.
    segment: View<'a>,
}

/// Checks the TCP header of a segment that ends where `view` ends on the wire.
#[inline]
pub(crate) fn read(view: View<'_>) -> Result<Tcp<'_>, End> {
    let Some(header) = view.octets.first_chunk::<HEADER>() else {
        return Err(End::Malformed(if view.is_cut() { "tcp: header cut by the snap length" } else { "tcp: header cut short" }));
    };
    let tcp = Tcp { header, segment: view };
    if usize::from(tcp.header_length()) < HEADER {
        return Err(End::Malformed(LENGTH_BELOW_20));
    }
    Ok(tcp)
}

impl<'a> Tcp<'a> {
    /// Octets of header with options.
    #[inline]
    fn header_length(&self) -> u8 {
        let [.., offset, _, _, _, _, _, _, _] = *self.header;
        (offset >> 4).wrapping_mul(4)
    }

    /// The header claims to reach beyond the segment.
    #[inline]
    pub fn is_beyond_segment(&self) -> bool {
        u32::from(self.header_length()) > self.segment.wire
    }

    /// Source and destination port.
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        let [s0, s1, d0, d1, ..] = *self.header;
        (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
    }

    /// Sequence number.
    #[inline]
    pub fn seq(&self) -> SeqNumber {
        let [_, _, _, _, a, b, c, d, ..] = *self.header;
        SeqNumber(u32::from_be_bytes([a, b, c, d]))
    }

    /// Acknowledgement number.
    #[inline]
    pub fn ack(&self) -> SeqNumber {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *self.header;
        SeqNumber(u32::from_be_bytes([a, b, c, d]))
    }

    /// The nine flags.
    #[inline]
    pub fn flags(&self) -> Flags {
        let [.., offset, flags, _, _, _, _, _, _] = *self.header;
        Flags(u16::from_be_bytes([offset & 1, flags]))
    }

    /// The window field.
    #[inline]
    pub fn window(&self) -> u16 {
        let [.., high, low, _, _, _, _] = *self.header;
        u16::from_be_bytes([high, low])
    }

    /// Payload octets on the wire.
    #[inline]
    pub fn payload_length(&self) -> u32 {
        self.segment.wire.saturating_sub(u32::from(self.header_length()))
    }

    /// The captured payload.
    #[inline]
    fn payload(&self) -> &'a [u8] {
        self.segment.octets.get(usize::from(self.header_length())..).unwrap_or_default()
    }

    /// The first captured payload octets.
    #[inline]
    pub fn head(&self) -> &'a [u8] {
        let payload = self.payload();
        payload.get(..EXCERPT_HEAD).unwrap_or(payload)
    }

    /// The last payload octets, if they were captured and lie beyond the head.
    #[inline]
    pub fn tail(&self) -> &'a [u8] {
        let payload = self.payload();
        match payload.get(EXCERPT_HEAD..) {
            Some(beyond) if payload.len() as u64 == u64::from(self.payload_length()) => {
                beyond.get(beyond.len().saturating_sub(EXCERPT_TAIL)..).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The options, as far as they were captured.
    #[inline]
    pub fn options(&self) -> TcpOptions {
        match usize::from(self.header_length()) {
            HEADER => TcpOptions::default(),
            length => options(self.segment.octets, length),
        }
    }
}

/// The options between the fixed header and `header_length`.
#[inline]
fn options(segment: &[u8], header_length: usize) -> TcpOptions {
    let octets = u8::try_from(header_length.saturating_sub(HEADER)).unwrap_or(u8::MAX);
    let captured = segment.get(HEADER..header_length.min(segment.len())).unwrap_or_default();
    // RFC 7323 appendix A: nearly every segment of a connection with timestamps has exactly these twelve octets
    if octets == 12
        && let Some(([1, 1, 8, 10], numbers)) = captured.split_first_chunk()
        && let Some(numbers) = numbers.first_chunk()
    {
        return TcpOptions { timestamp: Some(two_numbers(*numbers)), octets, ..TcpOptions::default() };
    }
    walk_options(captured, octets)
}

/// Two numbers of four octets.
#[inline]
fn two_numbers(octets: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, after @ ..] = octets;
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(after))
}

/// Reads the options one by one; a length that lies ends the reading.
fn walk_options(captured: &[u8], octets: u8) -> TcpOptions {
    let mut options = TcpOptions { octets, cut: captured.len() < usize::from(octets), ..TcpOptions::default() };
    let mut rest = captured;
    while let Some((&kind, after_kind)) = rest.split_first() {
        match kind {
            0 => break,
            1 => {
                rest = after_kind;
                continue;
            }
            _ => {}
        }
        let length = after_kind.first().map_or(0, |length| usize::from(*length));
        let (Some(body), Some(after)) = (rest.get(2..length), rest.get(length..)) else {
            options.fast_open |= kind == 34 && options.cut;
            break;
        };
        match (kind, body) {
            (2, &[a, b]) => options.mss = Some(u16::from_be_bytes([a, b])),
            (3, &[shift]) => options.window_scale = Some(shift),
            (4, []) => options.sack_permitted = true,
            (5, blocks) => {
                options.first_sack =
                    blocks.first_chunk().copied().map(two_numbers).map(|(left, right)| (SeqNumber(left), SeqNumber(right)));
            }
            (8, &[_, _, _, _, _, _, _, _]) => options.timestamp = body.first_chunk().copied().map(two_numbers),
            (34, _) | (254, [0xf9, 0x89, ..]) => options.fast_open = true, // 254: the experimental number (RFC 7413 appendix A)
            _ => {}
        }
        rest = after;
    }
    options
}

#[cfg(test)]
mod tests {
    use super::{HEADER, read};
    use crate::decode::view::View;
    use crate::decode::walk::End;
    use crate::segment::{EXCERPT_HEAD, EXCERPT_TAIL};
    use crate::seq::SeqNumber;

    fn header(octets_of_options: &[u8]) -> Vec<u8> {
        let offset = u8::try_from((HEADER + octets_of_options.len()) / 4).unwrap() << 4;
        let mut h = vec![0, 80, 1, 187, 0, 0, 0, 1, 0, 0, 0, 2, offset, 0x12, 1, 0, 0, 0, 0, 0];
        h.extend_from_slice(octets_of_options);
        h
    }

    #[test]
    fn header_of_a_syn_gives_its_options() {
        let syn = header(&[2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7, 34, 2, 0, 0]);
        let tcp = read(View::whole(&syn)).unwrap();
        assert_eq!((tcp.ports(), tcp.seq(), tcp.ack()), ((80, 443), SeqNumber(1), SeqNumber(2)));
        assert_eq!((tcp.options().mss, tcp.options().window_scale, tcp.options().timestamp), (Some(1460), Some(7), Some((7, 0))));
        assert!(tcp.options().sack_permitted && tcp.options().fast_open && !tcp.options().cut);
        assert_eq!((tcp.options().octets, tcp.payload_length()), (24, 0));
    }

    #[test]
    fn header_with_cut_options_gives_what_was_captured() {
        let full = header(&[2, 4, 5, 0xb4, 3, 3, 7, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]);
        let tcp = read(View::new(&full[..HEADER + 9], 1500)).unwrap();
        assert_eq!((tcp.options().mss, tcp.options().window_scale, tcp.options().timestamp), (Some(1460), Some(7), None));
        assert!(tcp.options().cut);
        assert_eq!((tcp.options().octets, tcp.payload_length(), tcp.head()), (20, 1460, &[][..]));
    }

    #[test]
    fn header_of_fewer_than_20_octets_is_malformed() {
        let full = header(&[]);
        assert_eq!(read(View::new(&full[..19], 40)).unwrap_err(), End::Malformed("tcp: header cut by the snap length"));
        assert_eq!(read(View::whole(&full[..19])).unwrap_err(), End::Malformed("tcp: header cut short"));
        assert!(read(View::new(&full, 40)).is_ok());
    }

    #[test]
    fn header_length_that_lies_is_malformed() {
        let mut short = header(&[]);
        short[12] = 0x40;
        assert_eq!(read(View::whole(&short)).unwrap_err(), End::Malformed("tcp: header length below 20"));
    }

    #[test]
    fn header_length_beyond_the_segment_leaves_no_payload() {
        let mut segment = header(&[]);
        segment[12] = 0x60;
        let tcp = read(View::whole(&segment)).unwrap();
        assert!(tcp.is_beyond_segment());
        assert_eq!((tcp.payload_length(), tcp.head(), tcp.tail()), (0, &[][..], &[][..]));
        segment[12] = 0x50;
        assert!(!read(View::whole(&segment)).unwrap().is_beyond_segment());
    }

    #[test]
    fn option_length_that_lies_ends_the_options() {
        for lie in [0, 1, 41, 255] {
            let segment = header(&[3, 3, 7, 2, lie, 8, 10, 0]);
            let tcp = read(View::whole(&segment)).unwrap();
            assert_eq!((tcp.options().window_scale, tcp.options().timestamp, tcp.options().cut), (Some(7), None, false));
        }
    }

    #[test]
    fn sack_gives_its_first_block() {
        let segment = header(&[1, 1, 5, 18, 0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 30]);
        let tcp = read(View::whole(&segment)).unwrap();
        assert_eq!(tcp.options().first_sack, Some((SeqNumber(5), SeqNumber(9))));
    }

    #[test]
    fn excerpt_tail_only_beyond_the_head_and_only_if_captured() {
        let mut segment = header(&[]);
        segment.extend((0..u16::try_from(EXCERPT_HEAD).unwrap() + 10).map(|i| u8::try_from(i % 251).unwrap()));
        let tcp = read(View::whole(&segment)).unwrap();
        assert_eq!((tcp.head().len(), tcp.tail().len()), (EXCERPT_HEAD, 10));
        let cut = read(View::new(&segment, 3000)).unwrap();
        assert_eq!((cut.head().len(), cut.tail().len(), cut.payload_length()), (EXCERPT_HEAD, 0, 2980));
        let short = read(View::whole(&segment[..HEADER + EXCERPT_HEAD])).unwrap();
        assert_eq!((short.head().len(), short.tail().len()), (EXCERPT_HEAD, 0));
        segment.extend([9; 100]);
        let long = read(View::whole(&segment)).unwrap();
        assert_eq!((long.tail().len(), long.tail()), (EXCERPT_TAIL, &[9; EXCERPT_TAIL][..]));
    }

    #[test]
    fn nonce_sum_flag_is_the_ninth() {
        let mut segment = header(&[]);
        segment[12] |= 1;
        assert_eq!(read(View::whole(&segment)).unwrap().flags().0, 0x112);
    }
}

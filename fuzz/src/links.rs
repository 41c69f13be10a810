//! Link layers and everything inside them. The first octet chooses the link type, the second the options; then frames, each behind its length.

use afterfin::decode::{DecodeOptions, Decoded, Decoder};
use afterfin::frame::{Frame, FrameId, LinkType};
use afterfin::options::Separate;
use afterfin::segment::{EXCERPT_HEAD, EXCERPT_TAIL, Segment};
use afterfin::time::Timestamp;

/// The link types that are read (`docs/link-types.md`), and one that is not.
pub const LINK_TYPES: [u16; 58] = [
    1, 113, 276, 101, 228, 229, 12, 14, 0, 108, 109, 239, 117, 9, 50, 166, 204, 51, 104, 205, 107, 206, 8, 105, 127, 119, 163, 192, 242,
    226, 6, 7, 10, 100, 106, 110, 112, 122, 123, 129, 138, 149, 175, 176, 197, 219, 240, 241, 258, 274, 281, 282, 284, 285, 195, 143, 88,
    147,
];

/// Of a frame that claims more octets than it has, so many more.
const CUT: [u32; 4] = [0, 1, 60, 70_000];

/// Decodes the frames and checks each segment.
pub fn run(data: &[u8]) {
    let [link, options, rest @ ..] = data else { return };
    let separate = Separate { vlan: options & 1 != 0, vni: options & 2 != 0, interface: options & 4 != 0 };
    let link_type = LINK_TYPES[usize::from(*link) % LINK_TYPES.len()];
    frames(link_type, separate, options >> 3, rest);
}

/// The frames of `rest`.
pub fn frames(link_type: u16, separate: Separate, more: u8, mut rest: &[u8]) {
    let mut decoder = Decoder::new(DecodeOptions { separate });
    let mut number = 0;
    while let Some(([high, low], octets)) = rest.split_first_chunk::<2>() {
        let (length, cut) = (usize::from(u16::from_be_bytes([high & 0x3f, *low])), CUT[usize::from(high >> 6)]);
        let (captured, after) = octets.split_at(length.min(octets.len()));
        rest = after;
        number += 1;
        let frame = Frame {
            id: FrameId::new(0, number),
            time: (more & 16 == 0).then_some(Timestamp::new(1_790_000_000, i64::try_from(number).unwrap_or(0) * 1_000)),
            link_type: LinkType(link_type),
            interface: 0,
            fcs_octets: if more & 8 == 0 { 0 } else { 4 },
            wire_length: u32::try_from(captured.len()).unwrap_or(u32::MAX).saturating_add(cut),
            captured,
        };
        let mut segments = 0;
        if let Decoded::Segment(segment) = decoder.decode(&frame) {
            check(&segment, &frame);
            segments += 1;
            while let Some(further) = decoder.more(&frame) {
                check(&further, &frame);
                segments += 1;
            }
        }
        assert!(segments <= captured.len() / 20 + 1, "more segments than headers fit");
    }
    assert!(decoder.incomplete_fragments() <= number);
    for stack in decoder.stacks() {
        assert!(!stack.chars().any(char::is_control));
    }
}

fn check(segment: &Segment<'_>, frame: &Frame<'_>) {
    assert_eq!(segment.frame, frame.id);
    assert!(segment.head.len() <= EXCERPT_HEAD && segment.tail.len() <= EXCERPT_TAIL);
    assert!(segment.head.len() + segment.tail.len() <= segment.payload_length as usize, "{segment:?}");
    assert!(segment.tail.is_empty() || segment.head.len() == EXCERPT_HEAD, "{segment:?}");
}

//! The method or the status at the beginning of a header block, where it can be told without the connection's dynamic table.
//!
//! Encoders put the pseudo-header fields first. `:method GET` and the common statuses are single octets of the static table; other
//! statuses are a literal of three digits, plain or Huffman-coded. A full HPACK decoder would need every header block from the beginning
//! of the connection on, which an excerpt does not give.
//! Source: RFC 7541 sections 5.2, 6, appendices A and B.

/// How many fields are looked at.
const MOST_FIELDS: usize = 6;

/// The method, if it is one of the two in the static table.
pub(super) fn method(block: &[u8]) -> Option<&'static str> {
    block.iter().take(MOST_FIELDS).take_while(|octet| **octet & 0x80 != 0).find_map(|octet| match octet {
        0x82 => Some("GET"),
        0x83 => Some("POST"),
        _ => None,
    })
}

/// The status, if the block begins with it.
pub(super) fn status(block: &[u8]) -> Option<u16> {
    // Dynamic table size updates may come first (RFC 7541 section 4.2).
    let skip = block.iter().take(2).take_while(|octet| **octet & 0xe0 == 0x20 && **octet != 0x3f).count();
    match block.get(skip..)? {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500].get(usize::from(indexed.wrapping_sub(0x88))).copied(),
        // Literal with the name «:status» (index 8): with indexing, without, never indexed.
        [0x48 | 0x08 | 0x18, 3, a, b, c, ..] => digits([*a, *b, *c].map(|octet| octet.wrapping_sub(b'0'))),
        [0x48 | 0x08 | 0x18, length @ 0x82..=0x83, rest @ ..] => huffman_digits(rest.get(..usize::from(length & 0x7f))?),
        _ => None,
    }
}

fn digits(digits: [u8; 3]) -> Option<u16> {
    let [hundreds, ..] = digits;
    ((1..=9).contains(&hundreds) && digits.iter().all(|digit| *digit <= 9))
        .then(|| digits.iter().fold(0_u16, |sum, digit| sum.wrapping_mul(10).wrapping_add(u16::from(*digit))))
}

/// Three Huffman-coded digits: 0 to 2 have the 5-bit codes 0 to 2, 3 to 9 the 6-bit codes 0x19 to 0x1f.
fn huffman_digits(octets: &[u8]) -> Option<u16> {
    let mut bits = 0_u32;
    for octet in octets.iter().take(3) {
        bits = (bits << 8) | u32::from(*octet);
    }
    let mut bits = bits << 32_u32.saturating_sub(8_u32.saturating_mul(u32::try_from(octets.len()).ok()?).max(1)).min(31);
    let mut found = [0_u8; 3];
    for digit in &mut found {
        let short = u8::try_from(bits >> 27).ok()?;
        let long = u8::try_from(bits >> 26).ok()?;
        let (value, width) = match (short, long) {
            (0..=2, _) => (short, 5),
            (_, 0x19..=0x1f) => (long.wrapping_sub(0x16), 6),
            _ => return None,
        };
        *digit = value;
        bits <<= width;
    }
    digits(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_indexed_plain_and_huffman_coded_is_read() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8e]), Some(500));
        assert_eq!(status(b"\x08\x03503"), Some(503));
        // RFC 7541 appendix C.6.1 and C.6.2: 302 and 307.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
        assert_eq!(status(&[0x48, 0x83, 0xff, 0xff, 0xff]), None);
        assert_eq!(status(&[0x48, 0x82]), None);
    }

    #[test]
    fn method_of_the_static_table_is_read_wherever_it_stands_among_indexed_fields() {
        assert_eq!(method(&[0x82, 0x86, 0x84]), Some("GET"));
        assert_eq!(method(&[0x86, 0x83]), Some("POST"));
        assert_eq!(method(&[0x44, 0x82]), None);
    }
}

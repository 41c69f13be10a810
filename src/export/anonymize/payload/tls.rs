//! TLS: the headers of records and of handshake messages in the clear stay, their content is zeros, the server's name with it.
//!
//! A segment that does not begin with a record continues one: it becomes zeros; the search in `super` brings back what a reader needs of it.
//! Source: RFC 8446 sections 4 and 5.

/// Type, version, length.
const RECORD_HEADER: usize = 5;
/// Type, length.
const MESSAGE_HEADER: usize = 4;
/// So many records of one segment are followed.
const MOST_RECORDS: usize = 1024;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Writes the mask of a segment's octets into zeros.
pub(super) fn mask(octets: &[u8], into: &mut [u8]) {
    let mut at = 0_usize;
    for _ in 0..MOST_RECORDS {
        let Some(header) = octets.get(at..).and_then(|rest| rest.first_chunk::<RECORD_HEADER>()) else { return };
        let [kind, major, minor, high, low] = *header;
        if !(20..=24).contains(&kind) || major != 3 || minor > 4 {
            return;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = at.saturating_add(RECORD_HEADER);
        let kept = match (kind, octets.get(body).copied()) {
            (ALERT, _) if length == 2 => 2,
            // hello, certificate, key exchange …: in the clear the message's own length says so
            (HANDSHAKE, Some(0..=24)) if is_message(octets.get(body..).unwrap_or_default(), length) => MESSAGE_HEADER.min(length),
            _ => 0,
        };
        super::copy(octets, into, at, body.saturating_add(kept).min(octets.len()));
        at = body.saturating_add(length);
    }
}

/// Whether a handshake message in the clear begins here: its length fits its record, or goes on in the next one.
fn is_message(body: &[u8], length: usize) -> bool {
    let Some([_, high, middle, low]) = body.first_chunk::<MESSAGE_HEADER>() else { return false };
    let message = (u32::from(*high) << 16) | (u32::from(*middle) << 8) | u32::from(*low);
    // 2^17 is more than any certificate chain that is sent; an encrypted message passes this by chance once in 128 times
    message < 1 << 17 && (message as usize).saturating_add(MESSAGE_HEADER) <= length.max(1 << 14)
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn records_keep_their_headers_and_lose_their_content() {
        let mut hello = vec![22, 3, 1, 0, 12, 1, 0, 0, 8];
        hello.extend_from_slice(b"secret!!");
        hello.extend_from_slice(&[21, 3, 3, 0, 2, 1, 0, 23, 3, 3, 0, 3, 7, 8, 9]);
        let mut out = vec![0; hello.len()];
        mask(&hello, &mut out);
        let expected =
            [&[22, 3, 1, 0, 12, 1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &[21, 3, 3, 0, 2, 1, 0, 23, 3, 3, 0, 3, 0, 0, 0]].concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn octets_that_are_no_record_stay_zeros() {
        let mut out = vec![0; 10];
        mask(b"continues ", &mut out);
        assert_eq!(out, [0; 10]);
    }
}

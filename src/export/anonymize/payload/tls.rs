//! TLS: the headers of records and of handshake messages in the clear stay, their content is zeros. A client's hello keeps the lengths and
//! types of its parts, so that it is still read as one, and the server's name in it becomes a pseudonym of the same length: the one that
//! the report has.
//!
//! A segment that does not begin with a record continues one: it becomes zeros; the search in `super` brings back what a reader needs of it.
//! Source: RFC 8446 sections 4 and 5, RFC 6066 section 3.

use super::Anonymizer;

/// Type, version, length.
const RECORD_HEADER: usize = 5;
/// Type, length.
const MESSAGE_HEADER: usize = 4;
/// So many records of one segment are followed.
const MOST_RECORDS: usize = 1024;

/// Extensions of one hello that are followed.
const MOST_EXTENSIONS: usize = 64;
/// Version and random octets, before the session's length.
const BEFORE_SESSION: usize = 34;

const CLIENT_HELLO: u8 = 1;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Writes the mask of a segment's octets into zeros.
pub(super) fn mask(octets: &[u8], anonymizer: &mut Anonymizer, into: &mut [u8]) {
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
        if kept == MESSAGE_HEADER && octets.get(body) == Some(&CLIENT_HELLO) {
            let end = body.saturating_add(length).min(octets.len());
            let hello = Hello { octets: octets.get(..end).unwrap_or_default(), into: &mut *into, at: body.saturating_add(MESSAGE_HEADER) };
            // A hello that is cut, or odd, stays zeros from there on.
            let _ = hello.mask(anonymizer);
        }
        at = body.saturating_add(length);
    }
}

/// A client's hello, as far as the segment has it.
struct Hello<'a> {
    octets: &'a [u8],
    into: &'a mut [u8],
    at: usize,
}

impl Hello<'_> {
    /// Keeps the framing; `None` where it ends early.
    fn mask(mut self, anonymizer: &mut Anonymizer) -> Option<()> {
        self.keep(2)?;
        self.at = self.at.checked_add(BEFORE_SESSION.checked_sub(2)?)?;
        for width in [1, 2, 1] {
            let length = self.number(width)?; // session, cipher suites, compression methods
            self.at = self.at.checked_add(length)?;
        }
        self.number(2)?;
        for _ in 0..MOST_EXTENSIONS {
            let kind = self.number(2)?;
            let length = self.number(2)?;
            let next = self.at.checked_add(length)?;
            if kind == 0 {
                self.server_name(next, anonymizer);
            }
            self.at = next;
        }
        None
    }

    /// A list of one name of type 0, a host name.
    fn server_name(&mut self, end: usize, anonymizer: &mut Anonymizer) -> Option<()> {
        self.number(2)?;
        if self.number(1)? != 0 {
            return None;
        }
        let length = self.number(2)?;
        let name = self.octets.get(self.at..self.at.checked_add(length)?.min(end))?;
        let pseudonym = anonymizer.name(name);
        let room = self.into.get_mut(self.at..self.at.checked_add(name.len())?)?;
        for (octet, letter) in room.iter_mut().zip(pseudonym) {
            *octet = letter;
        }
        Some(())
    }

    /// Keeps a number of so many octets, and steps over it.
    fn number(&mut self, width: usize) -> Option<usize> {
        let octets = self.octets.get(self.at..self.at.checked_add(width)?)?;
        let number = octets.iter().fold(0_usize, |number, octet| (number << 8) | usize::from(*octet));
        self.keep(width)?;
        Some(number)
    }

    fn keep(&mut self, octets: usize) -> Option<()> {
        let end = self.at.checked_add(octets)?;
        self.octets.get(self.at..end)?;
        super::copy(self.octets, self.into, self.at, end);
        self.at = end;
        Some(())
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
    use crate::export::anonymize::{Anonymizer, Key};

    fn masked(octets: &[u8]) -> Vec<u8> {
        let mut out = vec![0; octets.len()];
        mask(octets, &mut Anonymizer::new(&Key::of_content(b"a key for tests").unwrap()), &mut out);
        out
    }

    #[test]
    fn records_keep_their_headers_and_lose_their_content() {
        let mut hello = vec![22, 3, 1, 0, 12, 2, 0, 0, 8];
        hello.extend_from_slice(b"secret!!");
        hello.extend_from_slice(&[21, 3, 3, 0, 2, 1, 0, 23, 3, 3, 0, 3, 7, 8, 9]);
        let expected =
            [&[22, 3, 1, 0, 12, 2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &[21, 3, 3, 0, 2, 1, 0, 23, 3, 3, 0, 3, 0, 0, 0]].concat();
        assert_eq!(masked(&hello), expected);
    }

    #[test]
    fn octets_that_are_no_record_stay_zeros() {
        assert_eq!(masked(b"continues "), [0; 10]);
    }

    /// A hello with a session, two cipher suites, an extension with content, and a server's name.
    fn hello(name: &[u8]) -> Vec<u8> {
        let length = |octets: usize| u16::try_from(octets).unwrap().to_be_bytes();
        let entry = [&[0][..], &length(name.len()), name].concat();
        let list = [&length(entry.len())[..], &entry].concat();
        let extensions = [&[0, 43, 0, 3, 2, 3, 4, 0, 0][..], &length(list.len()), &list].concat();
        let body = [&[3, 3][..], &[0xaa; 32], &[4, 1, 2, 3, 4], &[0, 4, 0x13, 1, 0x13, 2], &[1, 0], &length(extensions.len()), &extensions]
            .concat();
        let message = [&[1, 0][..], &length(body.len()), &body].concat();
        [&[22, 3, 1][..], &length(message.len()), &message].concat()
    }

    #[test]
    fn hello_keeps_its_form_and_gets_a_name_of_the_same_length() {
        let original = hello(b"shop.example");
        let out = masked(&original);
        let mut anonymizer = Anonymizer::new(&Key::of_content(b"a key for tests").unwrap());
        let name = anonymizer.name(b"shop.example");
        assert_eq!((name.len(), name[4]), (12, b'.'));
        let mut expected = hello(&name);
        for octet in &mut expected[11..43] {
            *octet = 0; // random
        }
        let at = 43;
        expected[at + 1..at + 5].fill(0); // session
        expected[at + 7..at + 11].fill(0); // cipher suites
        expected[at + 19..at + 22].fill(0); // the content of the first extension
        assert_eq!(out, expected);
    }

    #[test]
    fn hello_cut_anywhere_shows_no_part_of_the_name() {
        let original = hello(b"secretshop.example");
        for end in 0..original.len() {
            let out = masked(&original[..end]);
            assert_eq!(out.len(), end);
            assert!(!out.windows(4).any(|octets| b"secretshop.example".windows(4).any(|part| part == octets)), "{end}");
        }
    }
}

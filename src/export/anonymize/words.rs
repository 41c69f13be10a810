//! Pseudonyms of words: host names and paths, each of the same length as the original, so that lengths and sequence numbers stay true.
//!
//! A word becomes lower-case letters by a balanced Feistel network over ℤ₂₆ with four rounds (Luby and Rackoff 1988). It is a permutation of the words of one
//! length and class, so that two requests that differ stay different however short they are: retries are recognised by that.

use super::key::{Scrambler, letter};
use super::{Anonymizer, MAX_REMEMBERED};

/// Letters.
const RADIX: u8 = 26;
/// Rounds of the network.
const ROUNDS: u8 = 4;
/// Stands in a report's label for a part that was left out, and at the end of a text that was cut.
const ELLIPSIS: &[u8] = "…".as_bytes();
/// Schemes of a request target in absolute form (RFC 9112 section 3.2.2).
const SCHEMES: [&[u8]; 2] = [b"http://", b"https://"];

impl Anonymizer {
    /// The pseudonym of a word: as many lower-case letters as it has octets.
    pub(super) fn word(&mut self, word: &[u8]) -> Vec<u8> {
        if word.is_empty() {
            return Vec::new();
        }
        if let Some(known) = self.mapping.words.get(word) {
            return known.clone();
        }
        let pseudonym = permute(&self.words, word);
        if self.mapping.words.len() < MAX_REMEMBERED {
            self.mapping.words.insert(word.to_vec(), pseudonym.clone());
        }
        pseudonym
    }

    /// The pseudonym of a host name, with or without a port: its dots, brackets and port stay, each label is a word. An address that
    /// stands for a name is treated as one.
    pub fn name(&mut self, name: &[u8]) -> Vec<u8> {
        let (host, port) = split_port(name);
        let mut pseudonym = Vec::with_capacity(name.len());
        for part in host.split_inclusive(|octet| is_name_separator(*octet)) {
            match part.split_last() {
                Some((last, word)) if is_name_separator(*last) => {
                    pseudonym.extend(self.word(word));
                    pseudonym.push(*last);
                }
                _ => pseudonym.extend(self.word(part)),
            }
        }
        pseudonym.extend_from_slice(port);
        pseudonym
    }

    /// The pseudonym of a request target in any of its forms: scheme and slashes stay, the host is a name, each segment of the path is a
    /// word, what follows `?`, `#` or `;` is one word.
    pub fn target(&mut self, target: &[u8]) -> Vec<u8> {
        if target == b"*" {
            return target.to_vec();
        }
        if target.first() == Some(&b'/') {
            return self.path(target);
        }
        for scheme in SCHEMES {
            let Some((head, rest)) = target.split_at_checked(scheme.len()).filter(|(head, _)| head.eq_ignore_ascii_case(scheme)) else {
                continue;
            };
            let authority = rest.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(authority).unwrap_or((rest, &[]));
            return [head.to_vec(), self.name(authority), self.path(path)].concat();
        }
        self.name(target)
    }

    fn path(&mut self, path: &[u8]) -> Vec<u8> {
        let query = path.iter().position(|octet| matches!(octet, b'?' | b'#' | b';')).unwrap_or(path.len());
        let (path, query) = path.split_at_checked(query).unwrap_or((path, &[]));
        let mut pseudonym = Vec::with_capacity(path.len().saturating_add(query.len()));
        for (number, segment) in path.split(|octet| *octet == b'/').enumerate() {
            if number > 0 {
                pseudonym.push(b'/');
            }
            match segment.strip_suffix(ELLIPSIS) {
                Some(word) => {
                    pseudonym.extend(self.word(word));
                    pseudonym.extend_from_slice(ELLIPSIS);
                }
                None => pseudonym.extend(self.word(segment)),
            }
        }
        if let Some((separator, query)) = query.split_first() {
            pseudonym.push(*separator);
            pseudonym.extend(self.word(query));
        }
        pseudonym
    }

    /// Letters that depend on `content` alone: what was the same stays the same, what was different stays different.
    pub(super) fn filling(&self, content: &[u8], into: &mut [u8]) {
        self.filling.fill_letters(&[content], into);
    }

    /// Names a content so that the same can be found again.
    pub(super) fn content_name(&self, content: &[u8]) -> [u8; 32] {
        self.filling.block(&[b"name", content])
    }
}

const fn is_name_separator(octet: u8) -> bool {
    matches!(octet, b'.' | b':' | b'[' | b']' | b'@')
}

/// `:8080` at the end, unless the colon is one of a bare IPv6 address.
fn split_port(name: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = name.iter().rposition(|octet| *octet == b':') else { return (name, &[]) };
    let (host, port) = name.split_at_checked(colon).unwrap_or((name, &[]));
    let digits = port.get(1..).unwrap_or_default();
    let is_port = (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let is_bare_ipv6 = host.contains(&b':') && host.last() != Some(&b']');
    if is_port && !is_bare_ipv6 { (host, port) } else { (name, &[]) }
}

/// The class of an octet (small letters, capitals, the rest in runs of 26) and its number in the class: words of one class never share a
/// pseudonym.
const fn class_and_value(octet: u8) -> (u8, u8) {
    match octet {
        b'a'..=b'z' => (0, octet - b'a'),
        b'A'..=b'Z' => (1, octet - b'A'),
        _ => (2 + octet / RADIX, octet % RADIX),
    }
}

fn permute(scrambler: &Scrambler, word: &[u8]) -> Vec<u8> {
    let (class, mut values): (Vec<u8>, Vec<u8>) = word.iter().map(|octet| class_and_value(*octet)).unzip();
    let middle = values.len() / 2;
    for round in 0..ROUNDS {
        let (left, right) = values.split_at_mut_checked(middle).unwrap_or_default();
        let (changed, by) = if round % 2 == 0 { (right, left) } else { (left, right) };
        let mut key = vec![0; changed.len()];
        scrambler.fill(&[&[round], &class, by], &mut key);
        for (value, key) in changed.iter_mut().zip(key) {
            *value = value.wrapping_add(key % RADIX) % RADIX;
        }
    }
    values.into_iter().map(letter).collect()
}

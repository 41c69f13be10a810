//! HTTP/1: start lines and the fields that frame a message stay, names become pseudonyms, everything else is overwritten, octet for octet.
//!
//! Kept: known methods, versions, status codes and their usual phrases; Content-Length, Transfer-Encoding, Connection, Keep-Alive and Upgrade as far as
//! their values are known words and numbers; the sizes of chunks. Replaced: request targets and Host. Every other line becomes `x`, every body zeros.
//! Source: RFC 9112.

use std::collections::VecDeque;

use super::{Anonymizer, Fresh};
use crate::endpoint::Direction;

/// Methods that stay readable (RFC 9110, RFC 5789, and of WebDAV and caches what is seen).
const METHODS: [&[u8]; 20] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"MERGE",
    b"PURGE",
];
/// Reason phrases that stay readable (RFC 9110 section 15).
const PHRASES: [&[u8]; 14] = [
    b"OK",
    b"Created",
    b"Accepted",
    b"No Content",
    b"Moved Permanently",
    b"Found",
    b"Not Modified",
    b"Bad Request",
    b"Not Found",
    b"Request Timeout",
    b"Internal Server Error",
    b"Bad Gateway",
    b"Service Unavailable",
    b"Gateway Timeout",
];
/// Fields whose values are lists of tokens, with the tokens that stay.
const TOKENS: [&[u8]; 10] =
    [b"close", b"keep-alive", b"upgrade", b"chunked", b"gzip", b"deflate", b"identity", b"websocket", b"h2c", b"http2-settings"];
/// So many requests without an answer are remembered.
const MOST_PENDING: usize = 256;
/// The longest line of chunk size that is believed.
const LONGEST_SIZE: usize = 64;

/// Where one direction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    Start,
    Fields(Body),
    Octets(u64),
    /// Before a chunk's size.
    Size,
    /// In a chunk, with so many octets to come, its line end included.
    Chunk(u64),
    Trailers,
    UntilClose,
    Unknown,
}

/// How the message's body is framed, as far as its fields said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Body {
    length: Option<u64>,
    is_chunked: bool,
    is_response: bool,
    /// No body follows, whatever the fields say.
    none: bool,
}

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    client: Position,
    server: Position,
    /// Whether each outstanding request is a HEAD.
    heads: VecDeque<bool>,
}

impl Exchange {
    /// Writes the mask of a segment's octets into zeros. `length` is the octets on the wire.
    pub fn mask(&mut self, octets: &[u8], length: u32, fresh: &Fresh, anonymizer: &mut Anonymizer, into: &mut [u8]) {
        let is_response = fresh.direction == Direction::ServerToClient;
        let mut position = if is_response { self.server } else { self.client };
        if !fresh.in_order || (fresh.starts_turn && is_start(octets, is_response)) {
            position = Position::Unknown;
        }
        let mut writer = Writer { octets, into, at: 0, anonymizer };
        while writer.at < octets.len() {
            position = match position {
                Position::Start | Position::Unknown => self.start(&mut writer, is_response),
                Position::Fields(body) => fields(&mut writer, body),
                Position::Octets(left) => match writer.skip(left) {
                    0 => Position::Start,
                    left => Position::Octets(left),
                },
                Position::Size => size(&mut writer),
                Position::Chunk(left) => match writer.skip(left) {
                    0 => {
                        writer.restore_line_end();
                        Position::Size
                    }
                    left => Position::Chunk(left),
                },
                Position::Trailers => trailers(&mut writer),
                Position::UntilClose => {
                    writer.at = octets.len();
                    position
                }
            };
        }
        let missing = u64::from(length).saturating_sub(octets.len() as u64);
        if missing > 0 {
            position = match position {
                Position::Octets(left) if left > missing => Position::Octets(left.saturating_sub(missing)),
                Position::Octets(left) if left == missing => Position::Start,
                Position::UntilClose => position,
                _ => Position::Unknown,
            };
        }
        if is_response {
            self.server = position;
        } else {
            self.client = position;
        }
    }

    fn start(&mut self, writer: &mut Writer<'_, '_>, is_response: bool) -> Position {
        if writer.rest().starts_with(b"\r\n") {
            writer.keep(2);
            return Position::Start;
        }
        if !is_start(writer.rest(), is_response) {
            writer.fill_rest();
            return Position::Unknown;
        }
        let line = writer.line();
        if !is_response {
            let method = line.iter().position(|octet| *octet == b' ').and_then(|end| line.get(..end)).unwrap_or_default();
            if self.heads.len() < MOST_PENDING {
                self.heads.push_back(method == b"HEAD");
            }
            request_line(writer, line, method);
            return Position::Fields(Body::default());
        }
        let status: u16 =
            line.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let is_interim = (100..200).contains(&status) && status != 101;
        let is_head = if is_interim { false } else { self.heads.pop_front().unwrap_or(false) };
        status_line(writer, line);
        Position::Fields(Body { is_response: true, none: is_head || status < 200 || matches!(status, 204 | 304), ..Body::default() })
    }
}

/// A request line or a status line, as far as its first octets tell.
fn is_start(octets: &[u8], is_response: bool) -> bool {
    if is_response {
        return octets.starts_with(b"HTTP/1.") && octets.get(8) == Some(&b' ');
    }
    let Some(end) = octets.iter().take(21).position(|octet| *octet == b' ') else { return false };
    let method = octets.get(..end).unwrap_or_default();
    method.len() >= 3 && method.iter().all(|octet| octet.is_ascii_uppercase() || matches!(octet, b'-' | b'_'))
}

fn request_line(writer: &mut Writer<'_, '_>, line: &[u8], method: &[u8]) {
    if METHODS.contains(&method) {
        writer.keep(method.len());
    } else {
        writer.cover(method.len(), b'X');
    }
    writer.keep(1);
    let rest = line.get(method.len().saturating_add(1)..).unwrap_or_default();
    let target = rest.iter().position(|octet| !octet.is_ascii_graphic() && *octet < 0x80).unwrap_or(rest.len());
    let (target, version) = rest.split_at_checked(target).unwrap_or((rest, &[]));
    let pseudonym = writer.anonymizer.target(target);
    writer.put(&pseudonym);
    let is_version =
        version.len() <= 9 && b" HTTP/1.0".iter().zip(version).take(8).all(|(a, b)| a == b) && !matches!(version.get(8), Some(b'2'..=b'9'));
    if is_version {
        writer.keep(version.len());
    } else {
        writer.cover(version.len(), b'x');
    }
    writer.end_of_line();
}

fn status_line(writer: &mut Writer<'_, '_>, line: &[u8]) {
    writer.keep(line.len().min(12));
    let phrase = line.get(12..).unwrap_or_default();
    if PHRASES.contains(&phrase.trim_ascii()) {
        writer.keep(phrase.len());
    } else {
        writer.keep(usize::from(phrase.first() == Some(&b' ')));
        writer.cover(phrase.len().saturating_sub(1), b'x');
    }
    writer.end_of_line();
}

fn fields(writer: &mut Writer<'_, '_>, mut body: Body) -> Position {
    let line = writer.line();
    let ends = writer.line_ends();
    if line.is_empty() && ends {
        writer.end_of_line();
        return match body {
            Body { none: true, .. } => Position::Start,
            Body { is_chunked: true, .. } => Position::Size,
            Body { length: Some(0), .. } | Body { length: None, is_response: false, .. } => Position::Start,
            Body { length: Some(length), .. } => Position::Octets(length),
            Body { length: None, is_response: true, .. } => Position::UntilClose,
        };
    }
    let colon = line.iter().position(|octet| *octet == b':').filter(|_| ends);
    let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
        writer.cover(line.len(), b'x');
        writer.end_of_line();
        return Position::Fields(body);
    };
    let value = value.get(1..).unwrap_or_default();
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    if is(b"content-length") && value.trim_ascii().iter().all(u8::is_ascii_digit) {
        writer.keep(line.len());
        body.length = std::str::from_utf8(value.trim_ascii()).ok().and_then(|digits| digits.parse().ok());
    } else if is(b"transfer-encoding") || is(b"connection") || is(b"upgrade") || is(b"keep-alive") {
        writer.keep(name.len().saturating_add(1));
        body.is_chunked |= is(b"transfer-encoding") && words(value).any(|word| word.eq_ignore_ascii_case(b"chunked"));
        known_words(writer, value);
    } else if is(b"host") {
        writer.keep(name.len().saturating_add(1));
        let spaces = value.len().saturating_sub(value.trim_ascii_start().len());
        writer.keep(spaces);
        let pseudonym = writer.anonymizer.name(value.trim_ascii());
        writer.put(&pseudonym);
        writer.cover(value.len().saturating_sub(spaces).saturating_sub(pseudonym.len()), b' ');
    } else {
        writer.cover(name.len(), b'x');
        writer.keep(1);
        writer.keep(usize::from(value.first() == Some(&b' ')));
        writer.cover(value.len().saturating_sub(usize::from(value.first() == Some(&b' '))), b'x');
    }
    writer.end_of_line();
    Position::Fields(body)
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|octet| matches!(octet, b',' | b';' | b' ' | b'\t'))
}

/// Keeps the words that are known, and `timeout=` and `max=` with their numbers.
fn known_words(writer: &mut Writer<'_, '_>, value: &[u8]) {
    let is_parameter = |word: &[u8]| {
        let digits = [&b"timeout="[..], b"max="].into_iter().find_map(|name| {
            word.split_at_checked(name.len()).filter(|(head, _)| head.eq_ignore_ascii_case(name)).map(|(_, digits)| digits)
        });
        digits.is_some_and(|digits| digits.len() <= 10 && digits.iter().all(u8::is_ascii_digit))
    };
    for (number, word) in words(value).enumerate() {
        writer.keep(usize::from(number > 0));
        if TOKENS.iter().any(|token| token.eq_ignore_ascii_case(word)) || is_parameter(word) {
            writer.keep(word.len());
        } else {
            writer.cover(word.len(), b'x');
        }
    }
}

fn size(writer: &mut Writer<'_, '_>) -> Position {
    let line = writer.line();
    let digits = line.iter().take(LONGEST_SIZE).take_while(|octet| octet.is_ascii_hexdigit()).count();
    let size =
        line.get(..digits).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let (Some(size), true) = (size, writer.line_ends()) else {
        writer.fill_rest();
        return Position::Unknown;
    };
    writer.keep(digits);
    writer.cover(line.len().saturating_sub(digits), b'x');
    writer.end_of_line();
    if size == 0 { Position::Trailers } else { Position::Chunk(size.saturating_add(2)) }
}

fn trailers(writer: &mut Writer<'_, '_>) -> Position {
    let line = writer.line();
    let ends = writer.line_ends();
    writer.cover(line.len(), b'x');
    writer.end_of_line();
    if line.is_empty() && ends { Position::Start } else { Position::Trailers }
}

/// Writes a mask in step with the octets that it covers.
struct Writer<'a, 'k> {
    octets: &'a [u8],
    into: &'a mut [u8],
    at: usize,
    anonymizer: &'k mut Anonymizer,
}

impl<'a> Writer<'a, '_> {
    fn rest(&self) -> &'a [u8] {
        self.octets.get(self.at..).unwrap_or_default()
    }

    /// What is left of the line, without its end.
    fn line(&self) -> &'a [u8] {
        let rest = self.rest();
        match rest.iter().position(|octet| *octet == b'\n') {
            Some(end) => {
                let line = rest.get(..end).unwrap_or_default();
                line.strip_suffix(b"\r").unwrap_or(line)
            }
            None => rest,
        }
    }

    fn line_ends(&self) -> bool {
        self.rest().contains(&b'\n')
    }

    fn keep(&mut self, length: usize) {
        let end = self.at.saturating_add(length).min(self.octets.len());
        super::copy(self.octets, self.into, self.at, end);
        self.at = end;
    }

    fn put(&mut self, octets: &[u8]) {
        for (place, octet) in self.into.get_mut(self.at..).unwrap_or_default().iter_mut().zip(octets) {
            *place = *octet;
        }
        self.at = self.at.saturating_add(octets.len()).min(self.octets.len());
    }

    fn cover(&mut self, length: usize, with: u8) {
        let end = self.at.saturating_add(length).min(self.octets.len());
        self.into.get_mut(self.at..end).unwrap_or_default().fill(with);
        self.at = end;
    }

    /// Keeps `\r\n` or `\n`.
    fn end_of_line(&mut self) {
        match self.rest() {
            [b'\r', b'\n', ..] => self.keep(2),
            [b'\n', ..] => self.keep(1),
            _ => {}
        }
    }

    /// Leaves zeros; gives how many octets are still to be skipped.
    fn skip(&mut self, octets: u64) -> u64 {
        let here = self.rest().len() as u64;
        let step = octets.min(here);
        self.at = self.at.saturating_add(usize::try_from(step).unwrap_or(usize::MAX)).min(self.octets.len());
        octets.saturating_sub(step)
    }

    /// The line end behind a chunk that was just skipped.
    fn restore_line_end(&mut self) {
        let from = self.at.saturating_sub(2);
        if self.octets.get(from..self.at) == Some(b"\r\n") {
            super::copy(self.octets, self.into, from, self.at);
        }
    }

    fn fill_rest(&mut self) {
        super::fill(self.rest(), self.anonymizer, self.into.get_mut(self.at..).unwrap_or_default());
        self.at = self.octets.len();
    }
}

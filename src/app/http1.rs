//! HTTP/1.0 and HTTP/1.1: who owes whom an answer.
//!
//! Requests are counted when their request line is seen, responses when their body has ended: by Content-Length, by the last chunk
//! (the last octets of a segment), by having none (1xx, 204, 304, the answer to HEAD), or by the close. Where the header block is
//! cut, the end of a body is not known, and the reader says so instead of guessing; the next request settles it.
//! Source: RFC 9112, RFC 9110. Why the header scan is our own stands in `head`.

mod head;

use self::head::{Fields, RequestLine};
use super::excerpt::Excerpt;
use super::fingerprint::Fingerprint;
use super::hand;
use super::label;
use super::reader::{Input, Note, Reader, Successor};
use super::{Message, Protocol, What};

/// The last chunk without trailers, with the end of the line before it (RFC 9112 section 7.1).
const LAST_CHUNK: [u8; 7] = *b"\r\n0\r\n\r\n";

/// Where a direction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    /// Before a message.
    #[default]
    Start,
    /// In a header block whose end has not come; the framing that its fields said so far.
    Header(Framing),
    /// In a body with so many octets to come.
    Body(u64),
    /// In a chunked body.
    Chunked,
    /// In a body that the close ends.
    UntilClose,
    /// Not known: the next start line is looked for.
    Unknown,
}

/// How a message's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Http1 {
    client: Position,
    server: Position,
    /// The last octets of the server, newest lowest: a chunk's end may be split over segments.
    recent: u64,
    /// Requests without a complete response.
    pending: u16,
    /// Bit n: the n-th oldest of them is a HEAD request.
    heads: u32,
    /// Bit n: the n-th oldest of them is a CONNECT request.
    connects: u32,
    /// The first octets of the oldest pending request's response were seen.
    is_answered: bool,
    /// The end of a response may have been missed.
    is_unsure: bool,
    /// A request or a response was seen from its beginning.
    has_begun: bool,
}

impl Reader for Http1 {
    const PROTOCOL: Protocol = Protocol::Http1;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let known = if input.is_from_client() { head::request_line(octets).is_some() } else { head::status_line(octets).is_some() };
        known.then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let message = if input.is_from_client() { self.read_client(input, note) } else { self.read_server(input, note) };
        if !input.in_order {
            // What was just read lies before octets that were read already, or behind some that never were.
            *self.position(input) = Position::Unknown;
            self.is_unsure = true;
        }
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        match (self.pending, self.is_unsure) {
            (0, _) if !self.has_begun => None,
            (0, _) => Some(false),
            (_, false) => Some(true),
            (_, true) => (!self.is_answered).then_some(true),
        }
    }

    fn answered(&self) -> Option<bool> {
        (self.pending > 0).then_some(self.is_answered)
    }

    fn ends_at_close(&self) -> bool {
        self.is_answered && matches!(self.server, Position::UntilClose | Position::Unknown | Position::Header(_))
    }
}

impl Http1 {
    fn position(&mut self, input: &Input<'_>) -> &mut Position {
        if input.is_from_client() { &mut self.client } else { &mut self.server }
    }

    fn read_client(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let excerpt = &input.excerpt;
        let mut message = Message { protocol: Protocol::Http1, ..Message::default() };
        let mut at = self.enter(input);
        if at > 0 || self.client == Position::UntilClose {
            message.what = What::Continuation;
        }
        // An empty line before a request line is to be ignored (RFC 9112 section 2.2).
        at = at.saturating_add(if excerpt.visible(at).starts_with(b"\r\n") { 2 } else { 0 });
        if input.starts_turn && head::request_line(excerpt.visible(at)).is_some() {
            self.settle();
        }
        while at < excerpt.length {
            let octets = excerpt.visible(at);
            let Some(line) = head::request_line(octets) else {
                note.is_lost = input.starts_turn && message.what == What::Unknown && !octets.is_empty();
                if self.client != Position::UntilClose {
                    self.client = Position::Unknown;
                }
                break;
            };
            let fields = head::fields(octets, line_end(octets));
            self.begin_request(&line);
            if matches!(message.what, What::Unknown | What::Continuation) {
                describe_request(&mut message, &line, &fields);
            }
            at = self.place(input, at, &fields, request_framing(&line, &fields));
        }
        message
    }

    fn begin_request(&mut self, line: &RequestLine<'_>) {
        self.has_begun = true;
        if let Some(bit) = 1_u32.checked_shl(u32::from(self.pending)) {
            self.heads = if line.method == b"HEAD" { self.heads | bit } else { self.heads & !bit };
            self.connects = if line.method == b"CONNECT" { self.connects | bit } else { self.connects & !bit };
        }
        self.pending = self.pending.saturating_add(1);
    }

    /// A client that begins a turn with a request has got the response before, wherever it ended.
    fn settle(&mut self) {
        let end_was_missed = self.is_unsure
            || (self.is_answered
                && self.pending == 1
                && matches!(self.server, Position::Chunked | Position::Unknown | Position::UntilClose));
        if end_was_missed {
            self.pending = 0;
            self.heads = 0;
            self.connects = 0;
            self.is_answered = false;
            self.is_unsure = false;
            self.server = Position::Unknown;
        }
    }

    fn read_server(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let excerpt = &input.excerpt;
        let mut message = Message { protocol: Protocol::Http1, ..Message::default() };
        let end_is_visible = self.remember(excerpt);
        let mut at = self.enter(input);
        if at > 0 {
            message.what = What::Continuation;
        }
        if self.server == Position::Start && at > 0 && self.is_answered {
            self.complete_response();
        }
        while at < excerpt.length {
            let octets = excerpt.visible(at);
            let Some((status, is_http10)) = head::status_line(octets) else {
                note.is_lost = input.starts_turn && message.what == What::Unknown && !octets.is_empty();
                self.lose_response();
                break;
            };
            let fields = head::fields(octets, line_end(octets));
            if matches!(message.what, What::Unknown | What::Continuation) {
                self.describe_response(&mut message, status, is_http10, &fields);
                let body = fields.end.and_then(|end| octets.get(end..)).unwrap_or_default();
                message.hand = hand::of_response(status, fields.server, fields.names, body);
            }
            self.has_begun = true;
            if let Some(successor) = self.successor(status, &fields) {
                let end = fields.end.and_then(|end| u32::try_from(end).ok()).map_or(excerpt.length, |end| at.saturating_add(end));
                note.handover = Some((successor, end));
                break;
            }
            self.is_answered |= self.pending > 0 && status >= 200;
            let framing = self.response_framing(status, &fields);
            at = self.place(input, at, &fields, framing);
            if self.server == Position::Start && status >= 200 {
                self.complete_response();
            }
            if self.server == Position::Unknown {
                self.lose_response();
            }
        }
        if self.server == Position::Chunked {
            if self.ends_with_last_chunk() {
                self.server = Position::Start;
                self.complete_response();
            } else if !end_is_visible {
                self.is_unsure = true;
            }
        }
        message
    }

    /// Passes over what continues an earlier message; gives the offset of the first octet of a new one.
    fn enter(&mut self, input: &Input<'_>) -> u32 {
        let excerpt = &input.excerpt;
        let position = self.position(input);
        if !input.in_order {
            *position = Position::Unknown;
        }
        match *position {
            Position::Start | Position::Unknown => 0,
            // The body of a request whose end is not known: the next request line ends it.
            Position::UntilClose if input.is_from_client() => 0,
            Position::Body(left) => {
                let pass = u32::try_from(left).unwrap_or(u32::MAX).min(excerpt.length);
                let rest = left.saturating_sub(u64::from(pass));
                *position = if rest == 0 { Position::Start } else { Position::Body(rest) };
                pass
            }
            Position::Chunked | Position::UntilClose => excerpt.length,
            Position::Header(framing) => {
                let end = end_of_block(excerpt);
                *position = match (end, continued(framing, &head::fields(excerpt.visible(0), 0))) {
                    (None, framing) if excerpt.is_whole() => Position::Header(framing),
                    (Some(_), Framing::None) => Position::Start,
                    (Some(end), Framing::Length(length)) => {
                        let here = u64::from(excerpt.length.saturating_sub(end));
                        if here >= length { Position::Start } else { Position::Body(length.saturating_sub(here)) }
                    }
                    (_, Framing::Chunked) => Position::Chunked,
                    (Some(_), Framing::UntilClose) | (None, _) => Position::Unknown,
                };
                if input.is_from_client() && matches!(*position, Position::Chunked | Position::Unknown) {
                    *position = Position::UntilClose;
                }
                excerpt.length
            }
        }
    }

    /// Puts the direction behind the header block that begins at `at`; gives the offset of what follows its body.
    fn place(&mut self, input: &Input<'_>, at: u32, fields: &Fields<'_>, framing: Framing) -> u32 {
        let excerpt = &input.excerpt;
        let length = excerpt.length;
        let position = self.position(input);
        let Some(end) = fields.end.and_then(|end| u32::try_from(end).ok()).and_then(|end| at.checked_add(end)) else {
            *position = if excerpt.is_whole() {
                Position::Header(framing)
            } else if framing == Framing::Chunked {
                Position::Chunked
            } else if framing == Framing::None && excerpt.last::<4>() == Some(*b"\r\n\r\n") {
                Position::Start
            } else if framing != Framing::None && input.is_from_client() {
                Position::UntilClose
            } else {
                Position::Unknown
            };
            return length;
        };
        let (next, to) = match framing {
            Framing::None => (Position::Start, end),
            Framing::Length(octets) => {
                let here = u64::from(length.saturating_sub(end));
                if here >= octets {
                    (Position::Start, end.saturating_add(u32::try_from(octets).unwrap_or(u32::MAX)))
                } else {
                    (Position::Body(octets.saturating_sub(here)), length)
                }
            }
            Framing::Chunked => (Position::Chunked, length),
            Framing::UntilClose => (Position::UntilClose, length),
        };
        *position = next;
        to
    }

    fn response_framing(&self, status: u16, fields: &Fields<'_>) -> Framing {
        let is_head = self.heads & 1 != 0;
        match status {
            100..=199 | 204 | 304 => Framing::None,
            _ if is_head => Framing::None,
            _ if fields.is_chunked => Framing::Chunked,
            _ => fields.content_length.map_or(Framing::UntilClose, Framing::Length),
        }
    }

    fn successor(&self, status: u16, fields: &Fields<'_>) -> Option<Successor> {
        match status {
            101 if fields.upgrade_websocket => Some(Successor::WebSocket),
            101 if fields.upgrade_h2c => Some(Successor::Http2),
            101 => Some(Successor::Anything),
            200..=299 if self.pending > 0 && self.connects & 1 != 0 => Some(Successor::Anything),
            _ => None,
        }
    }

    fn complete_response(&mut self) {
        self.pending = self.pending.saturating_sub(1);
        self.heads >>= 1;
        self.connects >>= 1;
        self.is_answered = false;
    }

    fn lose_response(&mut self) {
        self.server = Position::Unknown;
        self.is_unsure = true;
        self.is_answered = self.pending > 0;
    }

    /// Keeps the last octets; `false` if they were not captured: a body's end may be here without being seen.
    fn remember(&mut self, excerpt: &Excerpt<'_>) -> bool {
        if let Some(last) = excerpt.last::<8>() {
            self.recent = u64::from_be_bytes(last);
        } else if excerpt.is_whole() {
            self.recent = excerpt.visible(0).iter().fold(self.recent, |recent, octet| (recent << 8) | u64::from(*octet));
        } else {
            self.recent = 0;
            return false;
        }
        true
    }

    fn ends_with_last_chunk(&self) -> bool {
        let [_, end @ ..] = self.recent.to_be_bytes();
        end == LAST_CHUNK
    }

    fn describe_response(&self, message: &mut Message, status: u16, is_http10: bool, fields: &Fields<'_>) {
        // A 408 that answers nothing is how some servers say that the idle connection is over (RFC 9110 section 15.5.9).
        let is_unasked = self.pending == 0 && self.client == Position::Start && !self.is_unsure;
        message.what = if status == 408 && is_unasked { What::Farewell } else { What::Response };
        message.status = Some(status);
        label::push_number(&mut message.label, u64::from(status));
        message.announces_close =
            fields.close || (is_http10 && fields.end.is_some() && !fields.keep_alive) || message.what == What::Farewell;
        message.keep_alive_timeout = fields.timeout;
        message.keep_alive_max = fields.max;
        label::push(&mut message.product, fields.server);
    }
}

fn describe_request(message: &mut Message, line: &RequestLine<'_>, fields: &Fields<'_>) {
    message.what = What::Request;
    label::push(&mut message.label, line.method);
    label::push(&mut message.label, b" ");
    label::push_path(&mut message.label, line.target);
    label::push(&mut message.host, fields.host);
    message.fingerprint = Fingerprint::new().field(line.method).field(line.target).field(fields.host).finish();
    // RFC 9110 section 9.2.2; of methods defined elsewhere nothing is claimed.
    message.idempotent = match line.method {
        b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE" | b"PUT" | b"DELETE" => Some(true),
        b"POST" | b"PATCH" | b"CONNECT" => Some(false),
        _ => None,
    };
    message.announces_close = fields.close || (line.is_http10 == Some(true) && fields.end.is_some() && !fields.keep_alive);
    message.keep_alive_timeout = fields.timeout;
    message.keep_alive_max = fields.max;
    message.product = hand::agent(fields.agent);
    message.hand = hand::of_request(line.method, line.target, line.is_http10 == Some(true), fields.names, fields.end.is_some());
}

/// A request has a body only if its fields say so (RFC 9112 section 6.3). Where the block is cut and the method usually has one, the
/// close stands for «not known».
fn request_framing(line: &RequestLine<'_>, fields: &Fields<'_>) -> Framing {
    match fields.content_length {
        _ if fields.is_chunked => Framing::UntilClose,
        Some(length) => Framing::Length(length),
        None if fields.end.is_none() && matches!(line.method, b"POST" | b"PUT" | b"PATCH") => Framing::UntilClose,
        None => Framing::None,
    }
}

/// The framing of a block that goes on with these fields.
fn continued(framing: Framing, more: &Fields<'_>) -> Framing {
    match (framing, more.content_length) {
        (Framing::UntilClose, _) if more.is_chunked => Framing::Chunked,
        (Framing::UntilClose, Some(length)) => Framing::Length(length),
        _ => framing,
    }
}

fn line_end(octets: &[u8]) -> usize {
    memchr::memchr(b'\n', octets).map_or(octets.len(), |at| at.saturating_add(1))
}

/// The offset behind the first empty line of an excerpt that continues a header block.
fn end_of_block(excerpt: &Excerpt<'_>) -> Option<u32> {
    let octets = excerpt.visible(0);
    let at = match octets.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(at) => at.checked_add(4)?,
        None if octets == b"\r\n" || octets == b"\n" => octets.len(),
        None if !excerpt.is_whole() && excerpt.last::<4>() == Some(*b"\r\n\r\n") => return Some(excerpt.length),
        None => return None,
    };
    u32::try_from(at).ok()
}

#[cfg(test)]
mod tests;

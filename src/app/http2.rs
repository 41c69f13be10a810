//! HTTP/2 in the clear: which streams are open, and the last words of a connection.
//!
//! A request is a HEADERS frame of the client on a stream above all earlier ones; its answer is owed until the server ends the stream. A
//! few open streams are remembered by number, more of them only counted. Frame headers that were not captured end the knowledge
//! until the next turn.
//! Source: RFC 9113 sections 3.4, 4.1, 5.1, 6; RFC 7540 section 3.2 (h2c upgrade).

mod fields;

use super::framing::{Framers, Measure, Record, be, fills};
use super::label;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// RFC 9113 section 3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The beginning of the preface that is enough to know it, for excerpts that are cut.
const PREFACE_START: &[u8] = b"PRI * HTTP/2.0";
/// Length (3), type, flags, stream (4).
const HEADER: usize = 9;
/// A frame above 16,384 octets needs a setting that hardly anybody makes (RFC 9113 section 6.5.2); up to 1 MiB is believed.
const LONGEST_FRAME: u64 = 1 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// PRIORITY_UPDATE (RFC 9218), the highest registered type in use.
const HIGHEST_TYPE: u8 = 0x10;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const PADDED: u8 = 0x8;
const HAS_PRIORITY: u8 = 0x20;

/// So many open streams are remembered by number; a pool rarely has more at the moment of a close.
const REMEMBERED: usize = 5;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Http2 {
    framers: Framers,
    /// Open streams of the client, 0: free.
    open: [u32; REMEMBERED],
    /// Open streams beyond those.
    more_open: u16,
    /// The highest stream that the client opened.
    highest: u32,
    /// Every stream since the beginning (or since a request that followed silence) was followed.
    is_known: bool,
    /// Response octets were seen on an open stream.
    is_answered: bool,
}

/// How much a frame says about its segment: the highest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Nothing,
    Acknowledgement,
    Ping,
    Setting,
    Cancel,
    Goaway,
    Body,
    Response,
    Request,
}

impl Reader for Http2 {
    const PROTOCOL: Protocol = Protocol::Http2;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        if input.is_from_client() && octets.starts_with(PREFACE_START) {
            return Some(Self::default());
        }
        let Measure::Octets(whole) = measure(octets) else { return None };
        let kind = octets.get(3).copied()?;
        // In the middle: frames from the first to the last octet of the segment, the first of a kind that is more than two numbers.
        let is_telling = matches!(kind, HEADERS | RST_STREAM | SETTINGS | PING | GOAWAY | WINDOW_UPDATE);
        let begins = !input.is_from_client() && input.is_first && kind == SETTINGS;
        (is_telling && (begins || (input.starts_turn && whole <= u64::from(input.excerpt.length) && fills(input, measure))))
            .then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Http2, ..Message::default() };
        let framer = self.framers.of(input.direction);
        framer.prepare(input);
        let continues = !framer.is_lost() && !framer.is_at_boundary();
        let mut best = Weight::Nothing;
        if input.is_from_client() && !continues && input.head().starts_with(PREFACE_START) {
            framer.restart();
            framer.pass(PREFACE.len() as u64);
            self.is_known = true;
            best = Weight::Setting;
            label::push_str(&mut message.label, "HTTP/2 preface");
        }
        let mut at = 0;
        while let Some(frame) = self.framers.of(input.direction).next(&input.excerpt, &mut at, measure) {
            let weight =
                if input.is_from_client() { self.take_client(&frame, &mut message) } else { self.take_server(&frame, &mut message) };
            if weight > best {
                best = weight;
                describe(&mut message, weight, &frame);
            }
        }
        if input.is_from_client() && input.starts_turn && best == Weight::Request && !self.is_known && !self.framers.any_lost() {
            self.forget_all_but(self.highest);
        }
        self.is_known |= input.is_first && !input.is_from_client() && best == Weight::Setting;
        if self.framers.of(input.direction).is_lost() && !self.ends_visibly(input) {
            self.is_known = false;
            note.is_lost = best == Weight::Nothing && !continues && !input.head().is_empty();
        }
        message.what = match best {
            Weight::Request => What::Request,
            Weight::Response => What::Response,
            Weight::Body => What::Continuation,
            Weight::Goaway | Weight::Cancel | Weight::Acknowledgement => What::Farewell,
            Weight::Setting => What::Setup,
            Weight::Ping => What::Heartbeat,
            Weight::Nothing if continues => What::Continuation,
            Weight::Nothing => What::Unknown,
        };
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        self.is_known.then(|| self.has_open())
    }

    fn answered(&self) -> Option<bool> {
        self.has_open().then_some(self.is_answered)
    }
}

impl Http2 {
    /// The state after `101 Switching Protocols`: the upgraded request is stream 1.
    pub fn upgraded() -> Self {
        let mut state = Self { is_known: true, ..Self::default() };
        state.open_stream(1);
        state
    }

    fn has_open(&self) -> bool {
        self.more_open > 0 || self.open.iter().any(|stream| *stream != 0)
    }

    fn open_stream(&mut self, stream: u32) {
        self.highest = stream;
        match self.open.iter_mut().find(|slot| **slot == 0) {
            Some(slot) => *slot = stream,
            None => self.more_open = self.more_open.saturating_add(1),
        }
    }

    /// `certain`: this frame is the only one that can end the stream from the server's side.
    fn close_stream(&mut self, stream: u32, certain: bool) {
        if let Some(slot) = self.open.iter_mut().find(|slot| **slot == stream && stream != 0) {
            *slot = 0;
        } else if certain && stream & 1 == 1 && stream <= self.highest {
            self.more_open = self.more_open.saturating_sub(1);
        }
        if !self.has_open() {
            self.is_answered = false;
        }
    }

    /// What was open before the knowledge was lost is over: the client begins anew with this stream.
    fn forget_all_but(&mut self, stream: u32) {
        self.open = [stream, 0, 0, 0, 0];
        self.more_open = 0;
        self.is_answered = false;
        self.is_known = true;
    }

    /// The middle of a large segment was not captured, but its end shows the empty DATA frame that ends an open stream: the position
    /// is known again.
    fn ends_visibly(&mut self, input: &Input<'_>) -> bool {
        let Some(last) = input.excerpt.last::<HEADER>() else { return false };
        let [.., kind, flags, a, b, c, d] = last;
        let stream = u32::from_be_bytes([a, b, c, d]);
        let ends = !input.is_from_client()
            && measure(&last) == Measure::Octets(HEADER as u64)
            && kind == DATA
            && flags & END_STREAM != 0
            && self.open.contains(&stream)
            && self.more_open == 0;
        if ends {
            self.close_stream(stream, true);
            self.framers.of(input.direction).restart();
        }
        ends
    }

    fn take_client(&mut self, frame: &Record<'_>, message: &mut Message) -> Weight {
        let stream = stream_of(frame);
        match frame.header_octet(3) {
            HEADERS if stream & 1 == 1 && stream > self.highest => {
                self.open_stream(stream);
                message.request_stream = message.request_stream.or(Some(stream));
                let method = fields::method(block_of(frame));
                if message.idempotent.is_none() {
                    // RFC 9110 section 9.2.2.
                    message.idempotent = method.map(|method| method == "GET");
                }
                Weight::Request
            }
            RST_STREAM => {
                self.close_stream(stream, false);
                Weight::Cancel
            }
            // Trailers and bodies.
            HEADERS | DATA | CONTINUATION => Weight::Body,
            _ => take_control(frame, message),
        }
    }

    fn take_server(&mut self, frame: &Record<'_>, message: &mut Message) -> Weight {
        let stream = stream_of(frame);
        let ends = frame.header_octet(4) & END_STREAM != 0;
        match frame.header_octet(3) {
            HEADERS => {
                let status = fields::status(block_of(frame));
                self.is_answered = self.has_open();
                if ends {
                    self.close_stream(stream, true);
                }
                if message.status.is_none() {
                    message.status = status;
                }
                // Without a status it may be trailers; without an interim status (1xx) it is the answer.
                Weight::Response
            }
            DATA => {
                self.is_answered = self.has_open();
                if ends {
                    self.close_stream(stream, true);
                }
                Weight::Body
            }
            RST_STREAM => {
                self.close_stream(stream, false);
                Weight::Cancel
            }
            PUSH_PROMISE | CONTINUATION => Weight::Body,
            _ => take_control(frame, message),
        }
    }
}

/// Frames of the connection, alike in both directions.
fn take_control(frame: &Record<'_>, message: &mut Message) -> Weight {
    let is_ack = frame.header_octet(4) & ACK != 0;
    match frame.header_octet(3) {
        GOAWAY => {
            message.announces_close = true;
            message.goaway_last_stream = be(frame.body, 0, 4).and_then(|last| u32::try_from(last & 0x7fff_ffff).ok());
            Weight::Goaway
        }
        SETTINGS if !is_ack => Weight::Setting,
        PING if !is_ack => Weight::Ping,
        _ => Weight::Acknowledgement,
    }
}

fn describe(message: &mut Message, weight: Weight, frame: &Record<'_>) {
    let text = &mut message.label;
    text.clear();
    match weight {
        Weight::Request => {
            label::push_str(text, fields::method(block_of(frame)).unwrap_or("HEADERS"));
            label::push_str(text, " (stream ");
            label::push_number(text, u64::from(stream_of(frame)));
            label::push_str(text, ")");
        }
        Weight::Response => match message.status {
            Some(status) => label::push_number(text, u64::from(status)),
            None => label::push_str(text, "HEADERS"),
        },
        Weight::Goaway => {
            label::push_str(text, "GOAWAY");
            if let Some(code) = be(frame.body, 4, 4) {
                label::push_str(text, " error ");
                label::push_number(text, code);
            }
        }
        _ => label::push_str(
            text,
            match (frame.header_octet(3), frame.header_octet(4) & ACK != 0) {
                (DATA, _) => "DATA",
                (HEADERS | CONTINUATION, _) => "HEADERS",
                (RST_STREAM, _) => "RST_STREAM",
                (SETTINGS, false) => "SETTINGS",
                (SETTINGS, true) => "SETTINGS ACK",
                (PUSH_PROMISE, _) => "PUSH_PROMISE",
                (PING, false) => "PING",
                (PING, true) => "PING ACK",
                (WINDOW_UPDATE, _) => "WINDOW_UPDATE",
                _ => "",
            },
        ),
    }
}

fn stream_of(frame: &Record<'_>) -> u32 {
    be(frame.header(), 5, 4).and_then(|stream| u32::try_from(stream & 0x7fff_ffff).ok()).unwrap_or_default()
}

/// A HEADERS frame's block: behind the pad length and the priority (RFC 9113 section 6.2).
fn block_of<'a>(frame: &Record<'a>) -> &'a [u8] {
    let flags = frame.header_octet(4);
    let skip = usize::from(flags & PADDED != 0).saturating_add(if flags & HAS_PRIORITY != 0 { 5 } else { 0 });
    frame.body.get(skip..).unwrap_or_default()
}

/// A frame header, with the lengths and stream numbers that RFC 9113 section 6 asks for.
fn measure(header: &[u8]) -> Measure {
    let Some(length) = be(header, 0, 3) else { return Measure::More };
    let Some(stream) = be(header, 5, 4) else { return Measure::More };
    let kind = header.get(3).copied().unwrap_or_default();
    let flags = header.get(4).copied().unwrap_or_default();
    let on_stream = stream != 0;
    let fits = match kind {
        DATA | CONTINUATION => on_stream,
        HEADERS | PUSH_PROMISE => on_stream && length > 0,
        PRIORITY => on_stream && length == 5,
        RST_STREAM => on_stream && length == 4,
        SETTINGS => !on_stream && length % 6 == 0 && (flags & ACK == 0 || length == 0),
        PING => !on_stream && length == 8,
        GOAWAY => !on_stream && length >= 8,
        WINDOW_UPDATE => length == 4,
        _ => kind <= HIGHEST_TYPE,
    };
    if fits && stream <= 0x7fff_ffff && length <= LONGEST_FRAME {
        Measure::Octets(length.saturating_add(HEADER as u64))
    } else {
        Measure::Invalid
    }
}

#[cfg(test)]
mod tests;

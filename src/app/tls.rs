//! TLS of any version, by its record headers: what is handshake, what is application data, and what is the last word.
//!
//! What is inside the records stays unknown, so that nothing here is ever a recognised request. Farewells are told by their size: an
//! alert of TLS 1.2 and below has a record type of its own, one of TLS 1.3 is an application-data record of exactly 24 octets (header 5,
//! level and description 2, inner type 1, authentication tag 16).
//! Source: RFC 8446 sections 5 and 6, RFC 5246 section 6.2, RFC 6520 (heartbeat).

mod hello;

use super::framing::{Framers, Measure, Record, be};
use super::label;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// Record header: type, version, length (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// 2^14 octets of plaintext and at most 2048 of expansion (RFC 5246 section 6.2.3).
const LONGEST_RECORD: u64 = (1 << 14) + 2048;
/// A TLS 1.3 alert, header included.
const ALERT_13: u64 = 24;
/// Finished in TLS 1.3, header included, with a hash of 32 or 48 octets (RFC 8446 section 4.4.4).
const FINISHED_13: [u64; 2] = [58, 74];
/// Drafts of TLS 1.3 call themselves 0x7f00 and their number (draft-ietf-tls-tls13-28 section 4.2.1.1).
const DRAFT_13: u16 = 0x7f;
/// An application-data record below this carries no request of any protocol that browsers or pools speak: 64 octets are an HTTP/2 GOAWAY,
/// not a HEADERS frame; the bound is that of a farewell told by its position.
const SMALL_RECORD: u64 = 64;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Which record protection is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Version {
    #[default]
    Unknown,
    UpTo12,
    V13,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    framers: Framers,
    version: Version,
    client_encrypts: bool,
    server_encrypts: bool,
    /// The first protected record of the client was seen: its Finished in TLS 1.3.
    client_finished: bool,
    /// The client sent application data.
    client_spoke: bool,
}

/// What the records of one segment were.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    setup: bool,
    data: bool,
    large_data: bool,
    heartbeat: bool,
    last_is_farewell: bool,
}

impl Reader for Tls {
    const PROTOCOL: Protocol = Protocol::Tls;

    /// A record header alone is 26 bits; what begins a connection must also be a hello, what is met in the middle must end with the
    /// segment or be followed by another header.
    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let Measure::Octets(whole) = measure(octets) else { return None };
        let kind = octets.first().copied()?;
        let message = octets.get(HEADER).copied();
        let hello = if input.is_from_client() { 1 } else { 2 };
        let is_hello = kind == HANDSHAKE && message == Some(hello) && be(octets, HEADER + 1, 3).is_none_or(|length| length < 1 << 17);
        let length = u64::from(input.excerpt.length);
        let fits = whole == length
            || u32::try_from(whole)
                .is_ok_and(|at| at < input.excerpt.length && matches!(measure(input.excerpt.visible(at)), Measure::Octets(_)))
            || (whole > length && kind == APPLICATION_DATA && octets.get(1..3) == Some(&[3, 3]));
        (is_hello || (fits && input.starts_turn && kind != HEARTBEAT)).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let excerpt = &input.excerpt;
        let mut message = Message { protocol: Protocol::Tls, ..Message::default() };
        let framer = self.framers.of(input.direction);
        if !input.in_order || framer.is_lost() {
            framer.restart();
        }
        let continues = !framer.is_at_boundary();
        let mut seen = Seen::default();
        let mut at = 0;
        while let Some(record) = self.framers.of(input.direction).next(excerpt, &mut at, measure) {
            seen.last_is_farewell = false;
            self.take(input, &record, &mut seen, &mut message);
        }
        let framer = self.framers.of(input.direction);
        let found_nothing = !(seen.setup || seen.data || seen.heartbeat || seen.last_is_farewell);
        if framer.is_lost() && found_nothing && !continues {
            note.is_lost = !excerpt.visible(0).is_empty();
        }
        if !input.in_order {
            framer.lose();
        }
        message.what = seen.what(input.is_from_client(), continues);
        message.announces_close = seen.last_is_farewell;
        if message.label.is_empty() {
            label::push_str(
                &mut message.label,
                match message.what {
                    What::Farewell => "TLS close_notify",
                    What::Encrypted => "TLS application data",
                    What::Setup => "TLS handshake",
                    What::Heartbeat => "TLS heartbeat",
                    _ => "",
                },
            );
        }
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        None
    }
}

impl Tls {
    fn take(&mut self, input: &Input<'_>, record: &Record<'_>, seen: &mut Seen, message: &mut Message) {
        let from_client = input.is_from_client();
        let encrypts = if from_client { &mut self.client_encrypts } else { &mut self.server_encrypts };
        match record.header_octet(0) {
            CHANGE_CIPHER_SPEC => {
                *encrypts = true;
                seen.setup = true;
            }
            HANDSHAKE => {
                seen.setup = true;
                if *encrypts && self.version != Version::V13 {
                    self.version = Version::UpTo12;
                } else {
                    self.take_handshake(from_client, record.body, message);
                }
            }
            ALERT => {
                if record.octets != 7 {
                    self.version = Version::UpTo12;
                }
                take_alert(record, *encrypts, seen, message);
            }
            HEARTBEAT => seen.heartbeat = true,
            _ => self.take_data(from_client, record.octets, seen),
        }
    }

    fn take_handshake(&mut self, from_client: bool, body: &[u8], message: &mut Message) {
        let name = match (from_client, body.first()) {
            (true, Some(1)) => {
                // A second handshake on the connection starts over (a ClientHello in the clear after data: another TLS inside a tunnel).
                *self = Self { framers: self.framers, ..Self::default() };
                label::push(&mut message.host, hello::server_name(body).unwrap_or_default());
                "TLS ClientHello"
            }
            (false, Some(2)) => {
                self.version = match hello::chosen_version(body) {
                    Some(version) if version == 0x0304 || version >> 8 == DRAFT_13 => Version::V13,
                    Some(_) => Version::UpTo12,
                    None => Version::Unknown,
                };
                "TLS ServerHello"
            }
            _ => return,
        };
        if message.label.is_empty() {
            label::push_str(&mut message.label, name);
            if !message.host.is_empty() {
                label::push_str(&mut message.label, " ");
                label::push_str(&mut message.label, &message.host);
            }
        }
    }

    fn take_data(&mut self, from_client: bool, octets: u64, seen: &mut Seen) {
        if octets == ALERT_13 && self.version != Version::UpTo12 {
            seen.last_is_farewell = true;
            return;
        }
        let is_13 = self.version == Version::V13;
        if from_client && is_13 && !self.client_finished && (self.client_encrypts || FINISHED_13.contains(&octets)) {
            self.client_finished = true;
            seen.setup = true;
            return;
        }
        if !from_client && is_13 && !self.client_spoke {
            // Encrypted handshake messages and session tickets.
            seen.setup = true;
            return;
        }
        self.client_spoke |= from_client;
        seen.data = true;
        seen.large_data |= octets >= SMALL_RECORD;
    }
}

/// Alerts: RFC 8446 section 6. In the clear, a warning other than close_notify (unrecognized_name, no_renegotiation) ends nothing.
fn take_alert(record: &Record<'_>, encrypts: bool, seen: &mut Seen, message: &mut Message) {
    let is_clear = !encrypts && record.octets == 7;
    match record.body {
        [1, 0, ..] if is_clear => seen.last_is_farewell = true,
        [level, description, ..] if is_clear => {
            if *level == 2 {
                seen.last_is_farewell = true;
            } else {
                seen.setup = true;
            }
            if message.label.is_empty() {
                label::push_str(&mut message.label, "TLS alert ");
                label::push_number(&mut message.label, u64::from(*description));
            }
        }
        _ => seen.last_is_farewell = true,
    }
}

impl Seen {
    fn what(self, from_client: bool, continues: bool) -> What {
        match self {
            // What a client adds before its close_notify is HTTP/2's GOAWAY and the like; a server's may be the answer.
            Self { last_is_farewell: true, data, large_data, .. } if !data || (from_client && !large_data) => What::Farewell,
            Self { data: true, .. } => What::Encrypted,
            Self { heartbeat: true, setup: false, .. } => What::Heartbeat,
            Self { setup: true, .. } => What::Setup,
            _ if continues => What::Continuation,
            _ => What::Unknown,
        }
    }
}

/// Content type 20 to 24, version 3.0 to 3.4, a length within bounds.
fn measure(header: &[u8]) -> Measure {
    let fits = |at: usize, test: fn(u8) -> bool| header.get(at).is_none_or(|octet| test(*octet));
    if !fits(0, |kind| (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind)) || !fits(1, |major| major == 3) || !fits(2, |minor| minor <= 4) {
        return Measure::Invalid;
    }
    match be(header, 3, 2) {
        None => Measure::More,
        Some(length @ 1..=LONGEST_RECORD) => Measure::Octets(length.saturating_add(HEADER as u64)),
        Some(_) => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests;

//! PostgreSQL, protocol 3: queries until ReadyForQuery, transactions, and the last words of either side.
//!
//! SQL text is never shown. Source: PostgreSQL documentation, «Frontend/Backend Protocol», «Message Formats» and «Error and Notice
//! Message Fields»; appendix «PostgreSQL Error Codes».

use super::fingerprint::Fingerprint;
use super::framing::{Framers, Measure, Record, be, fills};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader, Successor};
use super::{Message, Protocol, What};

/// Codes in place of a version: protocol 3.0 and 3.2, cancel, SSL and GSSAPI encryption.
const STARTUP: u64 = 0x0003_0000;
const STARTUP_32: u64 = 0x0003_0002;
const CANCEL: u64 = 80_877_102;
const SSL: u64 = 80_877_103;
const GSS: u64 = 80_877_104;
/// MAX_STARTUP_PACKET_LENGTH of the server.
const LONGEST_STARTUP: u64 = 10_000;
/// A message may have 1 GiB (MaxAllocSize of the server).
const LONGEST_MESSAGE: u64 = 1 << 30;

const CLIENT_TYPES: &[u8] = b"QPBEDCFHSXdcfp";
const SERVER_TYPES: &[u8] = b"123ACDEGHIKNRSTVWZcdnstv";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Running,
    Startup,
    /// Encryption was asked for; one octet answers.
    EncryptionAsked,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct PostgreSql {
    framers: Framers,
    ledger: Ledger,
    phase: Phase,
    in_transaction: Option<bool>,
}

impl Reader for PostgreSql {
    const PROTOCOL: Protocol = Protocol::PostgreSql;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        if input.is_from_client() {
            let begins = be(octets, 0, 4) == Some(u64::from(input.excerpt.length))
                && match be(octets, 4, 4) {
                    Some(STARTUP | STARTUP_32) => octets.get(8).is_some_and(|octet| octet.is_ascii_alphabetic() || *octet == b'_'),
                    Some(CANCEL) => input.excerpt.length >= 16,
                    Some(SSL | GSS) => input.excerpt.length == 8,
                    _ => false,
                };
            if begins {
                return Some(Self { phase: Phase::Startup, ..Self::default() });
            }
            let is_telling = octets.first().is_some_and(|kind| b"QPBESX".contains(kind));
            return (is_telling && input.starts_turn && fills(input, |header| measure(header, CLIENT_TYPES))).then(Self::default);
        }
        let ready = input.excerpt.last::<6>().is_some_and(|last| matches!(last, [b'Z', 0, 0, 0, 5, b'I' | b'T' | b'E']));
        (ready && matches!(measure(octets.get(..5)?, SERVER_TYPES), Measure::Octets(_))).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::PostgreSql, ..Message::default() };
        if self.phase == Phase::EncryptionAsked && !input.is_from_client() {
            self.read_encryption_answer(input, &mut message, note);
            return message;
        }
        let Self { framers, ledger, phase, in_transaction } = self;
        let is_startup = *phase == Phase::Startup && input.is_from_client();
        let walked = framers.walk(
            input,
            |header| if is_startup { measure_startup(header) } else { measure(header, types(input)) },
            |record| {
                if is_startup {
                    take_startup(record, ledger, phase, &mut message);
                } else if input.is_from_client() {
                    take_client(record, ledger, &mut message);
                } else {
                    *phase = Phase::Running;
                    take_server(record, ledger, in_transaction, &mut message);
                }
            },
        );
        if walked.is_lost && !self.ends_ready(input) {
            self.ledger.lose();
        }
        walked.conclude(input, &mut message, note);
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        self.ledger.outstanding()
    }

    fn answered(&self) -> Option<bool> {
        self.ledger.answered()
    }

    fn in_transaction(&self) -> Option<bool> {
        self.in_transaction
    }
}

impl PostgreSql {
    fn read_encryption_answer(&mut self, input: &Input<'_>, message: &mut Message, note: &mut Note) {
        message.what = What::Setup;
        match (input.head(), input.excerpt.length) {
            ([b'S' | b'G', ..], 1) => note.handover = Some((Successor::Anything, 1)),
            ([b'N', ..], 1) => self.phase = Phase::Startup,
            _ => {
                self.phase = Phase::Running;
                message.what = What::Unknown;
                note.is_lost = true;
            }
        }
        self.ledger.complete();
    }

    /// A long answer whose middle was not captured ends with ReadyForQuery: the position is known again.
    fn ends_ready(&mut self, input: &Input<'_>) -> bool {
        let Some([b'Z', 0, 0, 0, 5, status]) = input.excerpt.last::<6>() else { return false };
        if input.is_from_client() || !matches!(status, b'I' | b'T' | b'E') {
            return false;
        }
        self.ledger.complete();
        self.in_transaction = Some(status != b'I');
        self.framers.of(input.direction).restart();
        input.in_order
    }
}

fn types(input: &Input<'_>) -> &'static [u8] {
    if input.is_from_client() { CLIENT_TYPES } else { SERVER_TYPES }
}

fn take_startup(record: &Record<'_>, ledger: &mut Ledger, phase: &mut Phase, message: &mut Message) {
    let (what, name, next) = match be(record.header(), 4, 4) {
        Some(CANCEL) => (What::Farewell, "CancelRequest", Phase::Startup),
        Some(SSL) => (What::Setup, "SSLRequest", Phase::EncryptionAsked),
        Some(GSS) => (What::Setup, "GSSENCRequest", Phase::EncryptionAsked),
        _ => (What::Setup, "StartupMessage", Phase::Running),
    };
    *phase = next;
    message.what = what;
    message.label = label::text(name);
    if what == What::Setup {
        ledger.request();
    }
}

fn take_client(record: &Record<'_>, ledger: &mut Ledger, message: &mut Message) {
    let kind = record.header_octet(0);
    let (what, name) = match kind {
        b'Q' => (What::Request, "Query"),
        b'P' => (What::Request, "Parse"),
        b'B' => (What::Request, "Bind"),
        b'E' => (What::Request, "Execute"),
        b'D' => (What::Request, "Describe"),
        b'C' => (What::Request, "Close"),
        b'F' => (What::Request, "FunctionCall"),
        b'S' => (What::Request, "Sync"),
        b'H' => (What::Request, "Flush"),
        b'X' => (What::Farewell, "Terminate"),
        b'p' => (What::Setup, "authentication"),
        _ => (What::Continuation, "CopyData"),
    };
    if matches!(kind, b'Q' | b'F' | b'S') {
        ledger.request();
    }
    message.announces_close |= kind == b'X';
    if message.label.is_empty() {
        message.what = what;
        message.label = label::text(name);
        if what == What::Request {
            message.fingerprint = Fingerprint::of_command(record.body);
        }
    }
}

fn take_server(record: &Record<'_>, ledger: &mut Ledger, in_transaction: &mut Option<bool>, message: &mut Message) {
    let kind = record.header_octet(0);
    let is_owed = ledger.pending() > 0;
    ledger.answer();
    let mut what = if is_owed { What::Response } else { What::Unknown };
    let mut name = "";
    match kind {
        b'Z' => {
            ledger.complete();
            *in_transaction = match record.body.first() {
                Some(b'I') => Some(false),
                Some(b'T' | b'E') => Some(true),
                _ => None,
            };
        }
        b'R' => (what, name) = (What::Setup, "authentication"),
        b'N' => name = "NoticeResponse",
        b'A' => name = "NotificationResponse",
        b'S' => name = "ParameterStatus",
        b'E' => {
            let code = field(record.body, b'C').unwrap_or_default();
            let is_fatal = [b'V', b'S'].iter().any(|tag| matches!(field(record.body, *tag), Some(b"FATAL" | b"PANIC")));
            if is_fatal {
                // The server closes behind it. Where a query was waiting, it is its answer; else it answers nothing (57P05, 57P01).
                what = if is_owed { What::Response } else { What::Farewell };
                message.announces_close = true;
                ledger.clear();
            }
            if message.label.is_empty() {
                label::push_str(&mut message.label, if is_fatal { "FATAL " } else { "ERROR " });
                label::push(&mut message.label, code.get(..5).unwrap_or_default());
                message.what = what;
            }
        }
        _ => {}
    }
    if message.what == What::Unknown {
        message.what = what;
    }
    if message.label.is_empty() {
        label::push_str(&mut message.label, name);
    }
}

/// A field of an error: tag octet, text, NUL; a NUL in place of a tag ends the list.
fn field(body: &[u8], wanted: u8) -> Option<&[u8]> {
    for part in body.split(|octet| *octet == 0) {
        let (tag, text) = part.split_first()?;
        if *tag == wanted {
            return Some(text);
        }
    }
    None
}

fn measure(header: &[u8], types: &[u8]) -> Measure {
    if header.first().is_some_and(|kind| !types.contains(kind)) {
        return Measure::Invalid;
    }
    match be(header, 1, 4) {
        None => Measure::More,
        Some(length @ 4..=LONGEST_MESSAGE) => Measure::Octets(length.saturating_add(1)),
        Some(_) => Measure::Invalid,
    }
}

fn measure_startup(header: &[u8]) -> Measure {
    match (be(header, 0, 4), be(header, 4, 4)) {
        (Some(length), _) if !(8..=LONGEST_STARTUP).contains(&length) => Measure::Invalid,
        (Some(length), Some(STARTUP | STARTUP_32 | CANCEL | SSL | GSS)) => Measure::Octets(length),
        (_, Some(_)) => Measure::Invalid,
        _ => Measure::More,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn said(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
    }

    fn startup() -> Vec<u8> {
        let body = b"\x00\x03\x00\x00user\0alice\0database\0shop\0\0";
        [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
    }

    fn logged_in() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.client(&startup());
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::PostgreSql, What::Setup, "StartupMessage"));
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&said(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])).what, What::Setup);
        let password = talk.client(&said(b'p', b"md5c0ffee\0"));
        assert_eq!((password.what, password.label.as_str(), password.fingerprint), (What::Setup, "authentication", 0));
        talk.server(&[said(b'R', &[0; 4]), said(b'S', b"server_version\x0016.1\0"), said(b'Z', b"I")].concat());
        assert_eq!((talk.outstanding(), talk.dialogue.in_transaction()), (Some(false), Some(false)));
        talk
    }

    #[test]
    fn postgresql_query_is_outstanding_until_ready_and_shows_no_sql() {
        let mut talk = logged_in();
        let message = talk.client(&said(b'Q', b"select 'secret'\0"));
        assert_eq!((message.what, message.label.as_str()), (What::Request, "Query"));
        assert_eq!(talk.server(&said(b'T', &[0; 20])).what, What::Response);
        assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
        talk.server(&[said(b'D', &[0; 9]), said(b'C', b"SELECT 1\0"), said(b'Z', b"I")].concat());
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn postgresql_transaction_is_followed() {
        let mut talk = logged_in();
        for (sql, status, expected) in [(&b"begin\0"[..], b"T", true), (b"bad\0", b"E", true), (b"rollback\0", b"I", false)] {
            talk.client(&said(b'Q', sql));
            talk.server(&[said(b'C', b"x\0"), said(b'Z', status)].concat());
            assert_eq!(talk.dialogue.in_transaction(), Some(expected));
        }
    }

    #[test]
    fn postgresql_extended_query_is_owed_one_ready() {
        let mut talk = logged_in();
        let message = talk.client(&[said(b'P', b"\0select $1\0\0\0"), said(b'B', &[0; 8]), said(b'E', &[0; 5]), said(b'S', b"")].concat());
        assert_eq!((message.what, message.label.as_str()), (What::Request, "Parse"));
        talk.server(&[said(b'1', b""), said(b'2', b""), said(b'C', b"SELECT 1\0"), said(b'Z', b"I")].concat());
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn postgresql_terminate_and_cancel_are_farewells() {
        let mut talk = logged_in();
        assert_eq!(talk.client(&said(b'X', b"")).what, What::Farewell);
        let cancel = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(Conversation::new().client(&cancel).what, What::Farewell);
    }

    #[test]
    fn postgresql_fatal_without_a_query_is_a_farewell() {
        let fatal = said(b'E', b"SFATAL\0VFATAL\0C57P05\0Mterminating connection due to idle-session timeout\0\0");
        let mut talk = logged_in();
        let message = talk.server(&fatal);
        assert_eq!((message.what, message.label.as_str(), message.announces_close), (What::Farewell, "FATAL 57P05", true));
        let mut talk = logged_in();
        talk.client(&said(b'Q', b"select 1\0"));
        assert_eq!(talk.server(&fatal).what, What::Response);
        let mut talk = logged_in();
        talk.client(&said(b'Q', b"bad\0"));
        let message = talk.server(&[said(b'E', b"SERROR\0VERROR\0C42601\0Msyntax error\0\0"), said(b'Z', b"I")].concat());
        assert_eq!((message.what, message.announces_close, message.label.as_str()), (What::Response, false, "ERROR 42601"));
    }

    #[test]
    fn postgresql_encryption_leads_to_tls() {
        let mut talk = Conversation::new();
        assert_eq!(talk.client(&[0, 0, 0, 8, 4, 210, 22, 47]).label.as_str(), "SSLRequest");
        assert_eq!(talk.server(b"S").what, What::Setup);
        talk.client(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
        assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
        let mut talk = Conversation::new();
        talk.client(&[0, 0, 0, 8, 4, 210, 22, 47]);
        talk.server(b"N");
        assert_eq!(talk.client(&startup()).label.as_str(), "StartupMessage");
    }

    #[test]
    fn postgresql_long_answer_with_a_hidden_middle_is_seen_to_end() {
        let mut talk = logged_in();
        talk.client(&said(b'Q', b"select 1\0"));
        let mut answer = vec![];
        for _ in 0..100 {
            answer.extend(said(b'D', &[0; 50]));
        }
        answer.extend(said(b'Z', b"T"));
        talk.server(&answer);
        assert_eq!((talk.outstanding(), talk.dialogue.in_transaction()), (Some(false), Some(true)));
    }

    #[test]
    fn postgresql_met_in_the_middle_needs_messages_that_fit() {
        assert_eq!(Conversation::new().client(&said(b'Q', b"select 1\0")).what, What::Request);
        assert_eq!(Conversation::cut(40).client(&said(b'Q', &[b'x'; 90])).what, What::Request);
        assert_eq!(Conversation::new().client(b"QUIT\r\n").protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().client(b"Pleased to meet you\r\n").protocol, Protocol::Unknown);
    }
}

//! DNS over TCP: queries and responses behind a length of two octets.
//!
//! Source: RFC 1035 section 4, RFC 7766 (TCP), RFC 5936 (zone transfers: one query, several messages).

use super::fingerprint::Fingerprint;
use super::framing::{Framers, Measure, Record, be};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// Header of a message (RFC 1035 section 4.1.1).
const HEADER: u64 = 12;
/// A name has at most so many labels (255 octets, each at least 2).
const MOST_LABELS: usize = 127;
/// Octets of a header and a question with the longest name (RFC 1035 section 2.3.4).
const LONGEST_QUESTION: usize = 12 + 259;
/// Opcodes: RFC 1035 section 4.1.1, RFC 1996, RFC 2136.
const QUERY: u64 = 0;
const NOTIFY: u64 = 4;
const UPDATE: u64 = 5;
const IXFR: u64 = 251;
const AXFR: u64 = 252;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Dns {
    framers: Framers,
    ledger: Ledger,
    /// The last query asks for a zone: its answer's end is not visible in a header.
    is_transfer: bool,
}

impl Reader for Dns {
    const PROTOCOL: Protocol = Protocol::Dns;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let body = input.head().get(2..)?;
        let whole = be(input.head(), 0, 2)?.checked_add(2)?;
        let flags = be(body, 2, 2)?;
        let is_response = flags & 0x8000 != 0;
        let opcode = opcode_of(flags);
        let counts = [be(body, 4, 2)?, be(body, 6, 2)?, be(body, 8, 2)?, be(body, 10, 2)?];
        let is_sound = is_response != input.is_from_client()
            && flags & 0x40 == 0
            && matches!(opcode, QUERY | NOTIFY | UPDATE)
            && (is_response || (code_of(flags) == 0 && (opcode != QUERY || counts.get(1..3) == Some(&[0, 0]))))
            && counts.first() == Some(&1)
            && counts.iter().all(|count| *count < 1024);
        // A question in full says more than any length; a cut one needs the length.
        let is_cut = body.len() < LONGEST_QUESTION && !input.excerpt.is_whole();
        let has_question = question(body).is_some() || (is_cut && whole == u64::from(input.excerpt.length));
        (is_sound && has_question && input.starts_turn).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Dns, ..Message::default() };
        let Self { framers, ledger, is_transfer } = self;
        let walked = framers.walk(input, measure, |record| {
            if input.is_from_client() {
                take_query(record, ledger, is_transfer, &mut message);
            } else {
                take_response(record, ledger, *is_transfer, &mut message);
            }
        });
        if walked.is_lost {
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
}

fn take_query(record: &Record<'_>, ledger: &mut Ledger, is_transfer: &mut bool, message: &mut Message) {
    ledger.request();
    let asked = question(record.body);
    *is_transfer = matches!(asked, Some((_, AXFR | IXFR)));
    if !message.label.is_empty() {
        return;
    }
    message.what = What::Request;
    message.idempotent = be(record.body, 2, 2).map(|flags| opcode_of(flags) == QUERY);
    message.label = label::text("query ");
    if let Some((name, kind)) = asked {
        match type_name(kind) {
            Some(text) => label::push_str(&mut message.label, text),
            None => label::push_number(&mut message.label, kind),
        }
        label::push_str(&mut message.label, " ");
        push_name(&mut message.label, name);
        // Without the id, which differs in a retry.
        message.fingerprint = Fingerprint::new().field(name).field(&kind.to_be_bytes()).finish();
    }
}

fn take_response(record: &Record<'_>, ledger: &mut Ledger, is_transfer: bool, message: &mut Message) {
    ledger.answer();
    if is_transfer {
        ledger.lose();
    } else {
        ledger.complete();
    }
    if message.label.is_empty() {
        message.what = What::Response;
        let code = be(record.body, 2, 2).map(code_of);
        message.label = label::text(match code {
            Some(0) => "answer",
            Some(2) => "SERVFAIL",
            Some(3) => "NXDOMAIN",
            Some(5) => "REFUSED",
            _ => "response",
        });
    }
}

/// Kind of query; 0 is the standard one.
fn opcode_of(flags: u64) -> u64 {
    (flags >> 11) & 0xf
}

/// Response code.
fn code_of(flags: u64) -> u64 {
    flags & 0xf
}

/// The first question: its name as on the wire and its type.
fn question(body: &[u8]) -> Option<(&[u8], u64)> {
    let rest = body.get(12..)?;
    let mut at = 0_usize;
    for _ in 0..MOST_LABELS {
        let length = usize::from(*rest.get(at)?);
        at = at.checked_add(1)?;
        if length == 0 {
            return Some((rest.get(..at)?, be(rest, at, 2)?));
        }
        // No compression in a question, no label above 63 octets.
        if length > 63 {
            return None;
        }
        at = at.checked_add(length)?;
    }
    None
}

fn push_name<const N: usize>(text: &mut arrayvec::ArrayString<N>, name: &[u8]) {
    let mut rest = name;
    while let Some((length, more)) = rest.split_first() {
        let length = usize::from(*length);
        if length == 0 {
            if name.len() == 1 {
                label::push_str(text, ".");
            }
            return;
        }
        if rest.len() < name.len() {
            label::push_str(text, ".");
        }
        label::push(text, more.get(..length).unwrap_or(more));
        rest = more.get(length..).unwrap_or_default();
    }
}

fn type_name(kind: u64) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        65 => "HTTPS",
        IXFR => "IXFR",
        AXFR => "AXFR",
        255 => "ANY",
        _ => return None,
    })
}

fn measure(header: &[u8]) -> Measure {
    match be(header, 0, 2) {
        None => Measure::More,
        Some(length) if length >= HEADER => Measure::Octets(length.saturating_add(2)),
        Some(_) => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn dns(id: u8, flags: u16, question: &[u8], rest: &[u8]) -> Vec<u8> {
        let body = [&[0, id][..], &flags.to_be_bytes(), &[0, 1, 0, 0, 0, 0, 0, 0], question, rest].concat();
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    const A: &[u8] = b"\x07example\x03org\x00\x00\x01\x00\x01";

    #[test]
    fn dns_query_is_answered_by_its_response() {
        let mut talk = Conversation::new();
        let message = talk.client(&dns(1, 0x0100, A, &[]));
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::Dns, What::Request, "query A example.org"));
        assert_eq!((talk.outstanding(), message.idempotent), (Some(true), Some(true)));
        let answer = talk.server(&dns(1, 0x8180, A, &[0; 16]));
        assert_eq!((answer.what, answer.label.as_str(), talk.outstanding()), (What::Response, "answer", Some(false)));
    }

    #[test]
    fn dns_retry_with_another_id_has_the_same_fingerprint() {
        let of = |id| Conversation::new().client(&dns(id, 0x0100, A, &[])).fingerprint;
        assert_eq!(of(1), of(2));
    }

    #[test]
    fn dns_zone_transfer_is_not_judged_once_it_runs() {
        let mut talk = Conversation::new();
        talk.client(&dns(1, 0, b"\x07example\x03org\x00\x00\xfc\x00\x01", &[]));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&dns(1, 0x8400, b"\x07example\x03org\x00\x00\xfc\x00\x01", &[0; 90]));
        assert_eq!(talk.outstanding(), None);
    }

    #[test]
    fn dns_neighbours_are_not_recognised() {
        let mut longer = dns(1, 0x0100, A, &[]);
        longer.push(0);
        assert_eq!(Conversation::new().client(&longer).protocol, Protocol::Dns, "the next query may follow");
        assert_eq!(Conversation::cut(20).client(&longer).protocol, Protocol::Unknown);
        assert_eq!(Conversation::cut(20).client(&dns(1, 0x0100, A, &[])).protocol, Protocol::Dns);
        assert_eq!(Conversation::new().client(&dns(1, 0x8180, A, &[])).protocol, Protocol::Unknown, "a client asks");
        assert_eq!(Conversation::new().client(&dns(1, 0x0100, &[200; 17], &[])).protocol, Protocol::Unknown);
    }
}

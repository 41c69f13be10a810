//! LDAP: operations until their final response, unbind, and the notice of disconnection.
//!
//! Names and filters are not shown. Behind SASL with a security layer the framing is another one: nothing is claimed there.
//! Source: RFC 4511 sections 4, 4.4.1, 5.1; X.690 section 8.1.3 (lengths).

use super::fingerprint::Fingerprint;
use super::framing::{Framers, Measure, Record, be, fills};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// A message above 16 MiB is none (OpenLDAP's sockbuf_max_incoming_auth is 4 MiB).
const LONGEST_MESSAGE: u64 = 16 << 20;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Ldap {
    framers: Framers,
    ledger: Ledger,
}

impl Reader for Ldap {
    const PROTOCOL: Protocol = Protocol::Ldap;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let length_len = match octets.get(1)? {
            0..=0x7f => 0_usize,
            long @ 0x81..=0x84 => usize::from(long & 0x0f),
            _ => return None,
        };
        let (_, tag) = operation(octets.get(length_len.checked_add(2)?..)?)?;
        let (what, _) = describe(tag)?;
        let is_request = !matches!(what, What::Response);
        let is_telling = input.starts_turn && is_request == input.is_from_client();
        (octets.first() == Some(&SEQUENCE) && is_telling && fills(input, measure)).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Ldap, ..Message::default() };
        let Self { framers, ledger } = self;
        let walked = framers.walk(input, measure, |record| take(record, input.is_from_client(), ledger, &mut message));
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

fn take(record: &Record<'_>, from_client: bool, ledger: &mut Ledger, message: &mut Message) {
    let Some((id, tag)) = operation(record.body) else {
        ledger.lose();
        return;
    };
    let Some((mut what, name)) = describe(tag) else { return };
    if from_client {
        match what {
            What::Farewell => {
                message.announces_close = true;
                ledger.clear();
            }
            // Abandon has no response, and takes away that of another operation.
            _ if tag == 0x50 => ledger.complete(),
            _ => ledger.request(),
        }
    } else if tag == 0x78 && id == 0 {
        // Notice of disconnection, the only unsolicited notification.
        what = What::Farewell;
        message.announces_close = true;
        ledger.clear();
    } else {
        ledger.answer();
        // Entries, references and intermediate responses go before the final one.
        if !matches!(tag, 0x64 | 0x73 | 0x79) {
            ledger.complete();
        }
    }
    if message.label.is_empty() {
        message.what = what;
        message.label = label::text(name);
        if what == What::Request {
            // Without the message id (at most 6 octets), which differs in a retry.
            let id_len = usize::from(record.body.get(1).copied().unwrap_or_default()).saturating_add(2);
            message.fingerprint = Fingerprint::of_command(record.body.get(id_len..).unwrap_or_default());
            message.idempotent = matches!(tag, 0x63 | 0x6e).then_some(true);
        }
    }
}

/// Message id and tag of the operation.
fn operation(body: &[u8]) -> Option<(u64, u8)> {
    let [INTEGER, length @ 1..=4, ..] = body else { return None };
    let length = usize::from(*length);
    Some((be(body, 2, length)?, *body.get(length.checked_add(2)?)?))
}

fn describe(tag: u8) -> Option<(What, &'static str)> {
    Some(match tag {
        0x60 => (What::Setup, "BindRequest"),
        0x42 => (What::Farewell, "UnbindRequest"),
        0x63 => (What::Request, "SearchRequest"),
        0x66 => (What::Request, "ModifyRequest"),
        0x68 => (What::Request, "AddRequest"),
        0x4a => (What::Request, "DelRequest"),
        0x6c => (What::Request, "ModifyDNRequest"),
        0x6e => (What::Request, "CompareRequest"),
        0x50 => (What::Continuation, "AbandonRequest"),
        0x77 => (What::Request, "ExtendedRequest"),
        0x61 => (What::Response, "BindResponse"),
        0x64 => (What::Response, "SearchResultEntry"),
        0x65 => (What::Response, "SearchResultDone"),
        0x67 => (What::Response, "ModifyResponse"),
        0x69 => (What::Response, "AddResponse"),
        0x6b => (What::Response, "DelResponse"),
        0x6d => (What::Response, "ModifyDNResponse"),
        0x6f => (What::Response, "CompareResponse"),
        0x73 => (What::Response, "SearchResultReference"),
        0x78 => (What::Response, "ExtendedResponse"),
        0x79 => (What::Response, "IntermediateResponse"),
        _ => return None,
    })
}

fn measure(header: &[u8]) -> Measure {
    match header {
        [] | [SEQUENCE] => Measure::More,
        // An unbind request is the shortest message: 5 octets.
        [SEQUENCE, short @ 5..=0x7f, ..] => Measure::Octets(u64::from(*short).saturating_add(2)),
        [SEQUENCE, long @ 0x81..=0x84, ..] => {
            let width = usize::from(long & 0x0f);
            match be(header, 2, width) {
                None => Measure::More,
                Some(length @ 5..=LONGEST_MESSAGE) => Measure::Octets(length.saturating_add(width as u64).saturating_add(2)),
                Some(_) => Measure::Invalid,
            }
        }
        _ => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn ldap(id: u8, tag: u8, body: &[u8]) -> Vec<u8> {
        let operation = [&[2, 1, id, tag, u8::try_from(body.len()).unwrap()][..], body].concat();
        [&[0x30, 0x84, 0, 0, 0, u8::try_from(operation.len()).unwrap()][..], &operation].concat()
    }

    #[test]
    fn ldap_search_is_outstanding_until_it_is_done() {
        let mut talk = Conversation::new();
        let message = talk.client(&ldap(1, 0x60, b"\x02\x01\x03\x04\x00\x80\x06secret"));
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::Ldap, What::Setup, "BindRequest"));
        talk.server(&ldap(1, 0x61, &[10, 1, 0, 4, 0, 4, 0]));
        assert_eq!(talk.outstanding(), Some(false));
        let message = talk.client(&ldap(2, 0x63, &[4; 20]));
        assert_eq!((message.what, message.label.as_str()), (What::Request, "SearchRequest"));
        talk.server(&ldap(2, 0x64, &[4; 20]));
        assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
        talk.server(&ldap(2, 0x65, &[10, 1, 0, 4, 0, 4, 0]));
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn ldap_unbind_and_the_notice_of_disconnection_are_farewells() {
        let unbind = [0x30, 5, 2, 1, 3, 0x42, 0];
        assert_eq!(Conversation::new().client(&unbind).what, What::Farewell);
        let mut talk = Conversation::new();
        talk.client(&ldap(1, 0x63, &[4; 20]));
        let notice = talk.server(&ldap(0, 0x78, &[10, 1, 52, 4, 0, 4, 0]));
        assert_eq!((notice.what, notice.announces_close), (What::Farewell, true));
    }

    #[test]
    fn ldap_neighbours_are_not_recognised() {
        assert_eq!(Conversation::new().client(&[0x30, 5, 2, 1, 3, 0x41, 0]).protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().client(&[0x30, 6, 2, 1, 3, 0x42, 0]).protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().server(&[0x30, 5, 2, 1, 3, 0x42, 0]).protocol, Protocol::Unknown, "a server does not unbind");
    }
}

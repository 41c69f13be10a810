//! Redis (and what speaks its protocol): commands and their replies, pipelines, subscriptions, MULTI.
//!
//! Only the command's name is ever shown. Source: Redis documentation, «Redis serialization protocol specification», «Pub/Sub»,
//! «Transactions».

mod resp;

use self::resp::{Event, Resp};
use super::fingerprint::Fingerprint;
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// The longest command name that is shown (`UNSUBSCRIBE` and module commands such as `JSON.ARRAPPEND`).
const LONGEST_NAME: usize = 20;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Redis {
    client: Resp,
    server: Resp,
    ledger: Ledger,
    in_transaction: Option<bool>,
}

impl Reader for Redis {
    const PROTOCOL: Protocol = Protocol::Redis;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        // A plain line proves the protocol only where it is typical; a server's reply (`+OK`) never does.
        let known =
            input.is_from_client() && (command_name(octets).is_some_and(|_| octets.first() == Some(&b'*')) || octets == b"PING\r\n");
        (known && input.starts_turn).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Redis, ..Message::default() };
        let from_client = input.is_from_client();
        let position = if from_client { &mut self.client } else { &mut self.server };
        if !input.in_order {
            position.lose();
        } else if position.is_lost() && input.starts_turn {
            position.restart();
        }
        let continues = !position.is_lost() && !position.is_between_values();
        let mut found = false;
        let mut at = 0;
        loop {
            let position = if from_client { &mut self.client } else { &mut self.server };
            let Some(event) = position.next(&input.excerpt, &mut at, from_client) else { break };
            found = true;
            match event {
                Event::Begin(_, begin) if from_client => self.take_command(input.excerpt.visible(begin), &mut message),
                Event::Begin(kind, _) => {
                    if message.what == What::Unknown {
                        message.what = if self.ledger.pending() > 0 { What::Response } else { What::Unknown };
                        message.label = label::text(if kind == b'-' { "error" } else { "" });
                    }
                    if kind != b'>' {
                        self.ledger.answer();
                    }
                }
                // A push answers nothing; what a subscriber of RESP2 gets finds nothing pending.
                Event::End(kind) if !from_client && kind != b'>' => self.ledger.complete(),
                Event::End(_) => {}
            }
        }
        let position = if from_client { &self.client } else { &self.server };
        if position.is_lost() {
            self.ledger.lose();
        }
        if message.what == What::Unknown && continues {
            message.what = What::Continuation;
        } else if !found {
            note.is_lost = position.is_lost() && !input.head().is_empty();
        }
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

impl Redis {
    fn take_command(&mut self, octets: &[u8], message: &mut Message) {
        let name = command_name(octets).unwrap_or(b"command");
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        let is_quit = is(b"QUIT");
        if is(b"MULTI") {
            self.in_transaction = Some(true);
        } else if is(b"EXEC") || is(b"DISCARD") {
            self.in_transaction = Some(false);
        }
        if is_quit {
            message.announces_close = true;
        } else {
            self.ledger.request();
        }
        if message.label.is_empty() {
            message.what = if is_quit { What::Farewell } else { What::Request };
            for octet in name {
                label::push(&mut message.label, &[octet.to_ascii_uppercase()]);
            }
            message.fingerprint = if is_quit { 0 } else { Fingerprint::of_command(octets) };
        }
    }
}

/// The command's name: the first bulk string of an array, or the first word of a plain line; letters, digits and what modules use.
fn command_name(octets: &[u8]) -> Option<&[u8]> {
    let text = if octets.first() == Some(&b'*') {
        let rest = after_number(octets.get(1..)?)?;
        if rest.first() != Some(&b'$') {
            return None;
        }
        after_number(rest.get(1..)?)?
    } else {
        octets
    };
    let end =
        text.iter().take(LONGEST_NAME).position(|octet| !octet.is_ascii_alphanumeric() && !b"._-".contains(octet)).unwrap_or(LONGEST_NAME);
    let name = text.get(..end)?;
    let ends_well = text.get(end).is_some_and(|octet| matches!(octet, b'\r' | b' ' | b'\n'));
    (ends_well && name.first().is_some_and(u8::is_ascii_alphabetic)).then_some(name)
}

/// What stands behind a number and its line end.
fn after_number(octets: &[u8]) -> Option<&[u8]> {
    let digits = octets.iter().take(10).take_while(|octet| octet.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    octets.get(digits..)?.strip_prefix(b"\r\n")
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    const GET: &[u8] = b"*2\r\n$3\r\nget\r\n$7\r\nsession\r\n";

    #[test]
    fn redis_command_shows_its_name_only() {
        let mut talk = Conversation::new();
        let message = talk.client(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::Redis, What::Request, "AUTH"));
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(b"+OK\r\n").what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn redis_reply_over_several_segments_ends_with_its_last_element() {
        let mut talk = Conversation::new();
        talk.client(GET);
        talk.server(b"*2\r\n$3\r\nabc\r\n*2\r\n:1\r\n$10\r\n01234");
        assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
        assert_eq!(talk.server(b"56789\r").what, What::Continuation);
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"\n");
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn redis_pipeline_is_owed_one_reply_each() {
        let mut talk = Conversation::new();
        talk.client(&[GET, GET, GET].concat());
        talk.server(b"$-1\r\n$0\r\n\r\n");
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"-ERR no\r\n");
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn redis_bulk_larger_than_the_excerpt_is_passed_over() {
        let mut talk = Conversation::new();
        talk.client(GET);
        talk.server(&[&b"$5000\r\n"[..], &[b'*'; 5000], b"\r\n"].concat());
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn redis_quit_is_a_farewell_and_ping_is_a_request() {
        let mut talk = Conversation::new();
        assert_eq!(talk.client(b"PING\r\n").what, What::Request);
        talk.server(b"+PONG\r\n");
        assert_eq!(talk.client(b"QUIT\r\n").what, What::Farewell);
        assert_eq!(Conversation::new().client(b"*1\r\n$4\r\nQUIT\r\n").what, What::Farewell);
    }

    #[test]
    fn redis_transaction_is_followed() {
        let mut talk = Conversation::new();
        talk.client(b"*1\r\n$5\r\nMULTI\r\n");
        assert_eq!(talk.dialogue.in_transaction(), Some(true));
        talk.client(b"*1\r\n$4\r\nEXEC\r\n");
        assert_eq!(talk.dialogue.in_transaction(), Some(false));
    }

    #[test]
    fn redis_pushed_messages_answer_nothing() {
        let mut talk = Conversation::new();
        talk.client(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
        talk.server(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        assert_eq!(talk.server(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n").what, What::Unknown);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn redis_hostile_lengths_lose_the_position_only() {
        let mut talk = Conversation::new();
        talk.client(GET);
        talk.server(b"*4294967295\r\n");
        assert_eq!(talk.outstanding(), None);
        talk.client(GET);
        talk.server(b"$99999999999999999999\r\n");
        assert_eq!(talk.outstanding(), None);
    }

    #[test]
    fn redis_neighbours_are_not_recognised() {
        for octets in [&b"QUIT\r\n"[..], b"*1\r\n", b"*x\r\n$4\r\n", b"* OK IMAP4rev1\r\n", b"*1\r\n$4\r\n\x00\x01\x02\x03\r\n"] {
            assert_ne!(Conversation::new().client(octets).protocol, Protocol::Redis, "{}", String::from_utf8_lossy(octets));
        }
        assert_eq!(
            Conversation::cut(40).client(&[&b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$900\r\n"[..], &[b'x'; 900]].concat()).what,
            What::Request
        );
    }
}

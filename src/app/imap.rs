//! IMAP: tagged commands until their tagged reply, IDLE, LOGOUT and BYE.
//!
//! Source: RFC 9051 sections 6, 7; RFC 2177 (IDLE).

use super::fingerprint::Fingerprint;
use super::label;
use super::ledger::Ledger;
use super::lines::{lines, starts_with_verb};
use super::reader::{Input, Note, Reader, Successor};
use super::{Message, Protocol, What};

/// Commands, and whether they belong to the login.
const COMMANDS: &[(&str, What)] = &[
    ("CAPABILITY", What::Setup),
    ("STARTTLS", What::Setup),
    ("AUTHENTICATE", What::Setup),
    ("LOGIN", What::Setup),
    ("ID", What::Setup),
    ("ENABLE", What::Setup),
    ("NAMESPACE", What::Request),
    ("SELECT", What::Request),
    ("EXAMINE", What::Request),
    ("CREATE", What::Request),
    ("DELETE", What::Request),
    ("RENAME", What::Request),
    ("SUBSCRIBE", What::Request),
    ("UNSUBSCRIBE", What::Request),
    ("LIST", What::Request),
    ("LSUB", What::Request),
    ("STATUS", What::Request),
    ("APPEND", What::Request),
    ("CHECK", What::Request),
    ("CLOSE", What::Request),
    ("UNSELECT", What::Request),
    ("EXPUNGE", What::Request),
    ("SEARCH", What::Request),
    ("SORT", What::Request),
    ("THREAD", What::Request),
    ("FETCH", What::Request),
    ("STORE", What::Request),
    ("COPY", What::Request),
    ("MOVE", What::Request),
    ("UID", What::Request),
    ("GETQUOTAROOT", What::Request),
    ("NOOP", What::Request),
    ("IDLE", What::Request),
    ("LOGOUT", What::Farewell),
];

/// The longest tag that is taken for one; clients use three to eight characters.
const LONGEST_TAG: usize = 16;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Imap {
    ledger: Ledger,
    /// IDLE was sent: the server's «+» is all that it owes until DONE.
    is_idling: bool,
    wants_encryption: bool,
}

impl Reader for Imap {
    const PROTOCOL: Protocol = Protocol::Imap;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let known = if input.is_from_client() {
            input.starts_turn
                && matches!(command(octets), Some((name, _)) if matches!(name, "CAPABILITY" | "LOGIN" | "STARTTLS" | "AUTHENTICATE"))
        } else {
            input.is_first && input.speaks_first && [&b"* OK"[..], b"* PREAUTH", b"* BYE"].iter().any(|begin| octets.starts_with(begin))
        };
        known.then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Imap, ..Message::default() };
        if !input.in_order {
            self.ledger.lose();
        }
        if input.is_from_client() {
            self.read_client(input, &mut message, note);
        } else {
            self.read_server(input, &mut message, note);
        }
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        self.ledger.outstanding()
    }
}

impl Imap {
    fn read_client(&mut self, input: &Input<'_>, message: &mut Message, note: &mut Note) {
        let octets = input.head();
        if octets.first().is_some_and(|octet| !octet.is_ascii_graphic()) {
            note.is_lost = true;
            return;
        }
        for line in octets.split(|octet| *octet == b'\n') {
            if self.is_idling && starts_with_verb(line, "DONE") {
                self.is_idling = false;
                self.ledger.request();
                message.what = What::Request;
                message.label = label::text("DONE");
                continue;
            }
            let Some((name, what)) = command(line) else { continue };
            self.is_idling = name == "IDLE";
            self.wants_encryption = name == "STARTTLS";
            message.announces_close |= what == What::Farewell;
            if what != What::Farewell {
                self.ledger.request();
            }
            if message.label.is_empty() {
                message.what = what;
                message.label = label::text(name);
                // Without the tag, which differs in a retry.
                let rest = line.iter().position(|octet| *octet == b' ').and_then(|space| line.get(space..));
                message.fingerprint = if what == What::Request { Fingerprint::of_command(rest.unwrap_or_default()) } else { 0 };
            }
        }
        if message.label.is_empty() && !octets.is_empty() {
            // Literals and the answers to challenges.
            message.what = What::Continuation;
        }
    }

    fn read_server(&mut self, input: &Input<'_>, message: &mut Message, note: &mut Note) {
        let octets = input.head();
        if octets.first().is_some_and(|octet| !octet.is_ascii_graphic()) && input.starts_turn {
            note.is_lost = true;
            return;
        }
        let is_owed = self.ledger.pending() > 0;
        message.what = if is_owed { What::Response } else { What::Unknown };
        self.ledger.answer();
        let mut at = 0_usize;
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            at = at.saturating_add(line.len());
            if line.starts_with(b"* BYE") {
                message.what = What::Farewell;
                message.announces_close = true;
                message.label = label::text("BYE");
                self.ledger.clear();
            } else if line.starts_with(b"* OK") && input.speaks_first && input.is_first {
                message.what = What::Setup;
                message.label = label::text("greeting");
                label::push(&mut message.product, lines(line).next().and_then(|line| line.get(5..)).unwrap_or_default());
            } else if line.starts_with(b"+") && self.is_idling {
                self.ledger.complete();
            } else if let Some(status) = tagged_status(line) {
                self.ledger.complete();
                if message.label.is_empty() {
                    message.label = label::text(status);
                }
                if self.wants_encryption && status == "OK" {
                    note.handover = u32::try_from(at).ok().map(|at| (Successor::Anything, at));
                    return;
                }
            }
        }
        if !input.excerpt.is_whole() {
            let tail =
                input.excerpt.visible(input.excerpt.length.saturating_sub(u32::try_from(input.excerpt.tail.len()).unwrap_or_default()));
            if tail.split(|octet| *octet == b'\n').skip(1).any(|line| tagged_status(line).is_some()) {
                self.ledger.complete();
            } else {
                self.ledger.lose();
            }
        }
    }
}

/// The command of a line `tag SP command`.
fn command(line: &[u8]) -> Option<(&'static str, What)> {
    let space = line.iter().take(LONGEST_TAG).position(|octet| *octet == b' ')?;
    let (tag, rest) = line.split_at_checked(space)?;
    let rest = rest.get(1..)?;
    if tag.is_empty() || !tag.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_')) {
        return None;
    }
    COMMANDS.iter().find(|(name, _)| starts_with_verb(rest, name)).copied()
}

/// The status of a line `tag SP (OK / NO / BAD)`.
fn tagged_status(line: &[u8]) -> Option<&'static str> {
    let space = line.iter().take(LONGEST_TAG).position(|octet| *octet == b' ')?;
    let tag = line.get(..space)?;
    let rest = line.get(space.checked_add(1)?..)?;
    let is_tag = !tag.is_empty() && tag.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'));
    is_tag.then(|| ["OK", "NO", "BAD"].into_iter().find(|status| starts_with_verb(rest, status))).flatten()
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn greeted() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.server(b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n");
        assert_eq!((message.protocol, message.what), (Protocol::Imap, What::Setup));
        let message = talk.client(b"a1 LOGIN alice secret\r\n");
        assert_eq!((message.what, message.label.as_str(), message.fingerprint), (What::Setup, "LOGIN", 0));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"a1 OK Logged in\r\n");
        assert_eq!(talk.outstanding(), Some(false));
        talk
    }

    #[test]
    fn imap_command_is_outstanding_until_its_tagged_reply() {
        let mut talk = greeted();
        assert_eq!(talk.client(b"a2 SELECT INBOX\r\n").what, What::Request);
        assert_eq!(talk.server(b"* 3 EXISTS\r\n* OK [UNSEEN 1]\r\n").what, What::Response);
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"a2 OK [READ-WRITE] Select completed.\r\n");
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn imap_idle_owes_nothing_until_done() {
        let mut talk = greeted();
        talk.client(b"a3 IDLE\r\n");
        talk.server(b"+ idling\r\n");
        assert_eq!(talk.outstanding(), Some(false));
        talk.server(b"* 4 EXISTS\r\n");
        talk.client(b"DONE\r\n");
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(b"a3 OK Idle completed.\r\n");
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn imap_logout_and_bye_are_farewells() {
        let mut talk = greeted();
        assert_eq!(talk.client(b"a9 LOGOUT\r\n").what, What::Farewell);
        let mut talk = greeted();
        let message = talk.server(b"* BYE Disconnected for inactivity.\r\n");
        assert_eq!((message.what, message.announces_close), (What::Farewell, true));
    }

    #[test]
    fn imap_starttls_leads_to_tls() {
        let mut talk = Conversation::new();
        talk.server(b"* OK ready\r\n");
        talk.client(b"a1 STARTTLS\r\n");
        talk.server(b"a1 OK Begin TLS negotiation now.\r\n");
        talk.client(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
        assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
    }
}

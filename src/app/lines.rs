//! Protocols of commands and replies with three digits, one line each: SMTP and FTP share their grammar, and differ in their verbs.
//!
//! Only known verbs are shown: what a client writes at the wrong moment may be its password.
//! Source: RFC 5321 sections 4.1, 4.2 (SMTP), RFC 4954 (AUTH), RFC 3207 (STARTTLS), RFC 2920 (PIPELINING); RFC 959 sections 4.1, 4.2 (FTP),
//! RFC 4217 (AUTH TLS).

use super::fingerprint::Fingerprint;
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Successor};
use super::{Message, Protocol, What};

/// A verb and what it is.
pub(super) type Verb = (&'static str, What);

/// What one of the protocols is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grammar {
    /// The protocol.
    pub protocol: Protocol,
    /// The verbs.
    pub verbs: &'static [Verb],
    /// The command that turns encryption on, and the reply that grants it.
    pub encryption: (&'static str, u16),
    /// The word in a greeting that tells the protocol.
    pub greeting: &'static [u8],
    /// Verbs that prove the protocol when they begin a connection.
    pub openings: &'static [&'static str],
    /// Replies that prove the protocol wherever a turn of the server begins with them.
    pub proofs: &'static [u16],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Commands,
    /// The client sends a mail until a line with a single dot.
    Mail,
    /// The client answers a challenge.
    Challenge,
}

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    ledger: Ledger,
    mode: Mode,
    is_greeted: bool,
    /// The server is in the middle of a reply of several lines.
    is_inside_reply: bool,
    wants_encryption: bool,
}

impl Lines {
    /// A greeting that names the protocol, or an opening command.
    pub fn recognise(input: &Input<'_>, grammar: &Grammar) -> Option<Self> {
        let octets = input.head();
        let known = if input.is_from_client() {
            input.starts_turn && grammar.openings.iter().any(|verb| starts_with_verb(octets, verb))
        } else {
            // The other octets of a server's turn are not worth the search for the end of a line.
            if !matches!(octets.first(), Some(b'1'..=b'5')) {
                return None;
            }
            let line = lines(octets).next().unwrap_or(octets);
            let names = |word: &[u8]| line.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
            match reply_code(line) {
                Some((220, _)) => input.is_first && input.speaks_first && names(grammar.greeting),
                Some((code, _)) => input.starts_turn && grammar.proofs.contains(&code) && octets.len() > line.len(),
                None => false,
            }
        };
        known.then(Self::default)
    }

    /// Reads the next segment.
    pub fn read(&mut self, input: &Input<'_>, grammar: &Grammar, note: &mut Note) -> Message {
        let mut message = Message { protocol: grammar.protocol, ..Message::default() };
        if !input.in_order {
            self.ledger.lose();
        }
        if input.is_from_client() {
            self.read_client(input, grammar, &mut message, note);
        } else {
            self.read_server(input, grammar, &mut message, note);
        }
        message
    }

    /// Whether a reply is owed.
    pub fn outstanding(&self) -> Option<bool> {
        self.ledger.outstanding()
    }

    fn read_client(&mut self, input: &Input<'_>, grammar: &Grammar, message: &mut Message, note: &mut Note) {
        let octets = input.head();
        if self.mode == Mode::Mail {
            message.what = What::Continuation;
            match input.excerpt.last::<5>() {
                Some(last) if last == *b"\r\n.\r\n" => self.end_mail(),
                None if octets == b".\r\n" => self.end_mail(),
                None if !input.excerpt.is_whole() => self.ledger.lose(),
                _ => {}
            }
            return;
        }
        if self.mode == Mode::Challenge {
            // The verb is known; the rest is a secret.
            self.mode = Mode::Commands;
            self.ledger.request();
            message.what = What::Setup;
            message.label = label::text("credentials");
            return;
        }
        if octets.first().is_some_and(|octet| !octet.is_ascii_graphic()) {
            note.is_lost = true;
            return;
        }
        let mut found = false;
        for line in lines(octets).chain(std::iter::once(octets).filter(|_| !octets.contains(&b'\n') && !input.excerpt.is_whole())) {
            found = true;
            self.take_command(line, grammar, message);
        }
        if !found && !octets.is_empty() {
            message.what = What::Continuation;
        }
    }

    fn end_mail(&mut self) {
        self.mode = Mode::Commands;
        self.ledger.request();
    }

    fn take_command(&mut self, line: &[u8], grammar: &Grammar, message: &mut Message) {
        let known = grammar.verbs.iter().find(|(verb, _)| starts_with_verb(line, verb));
        let (name, what) = known.copied().unwrap_or(("", What::Unknown));
        self.wants_encryption = starts_with_verb(line, grammar.encryption.0);
        if what == What::Farewell {
            message.announces_close = true;
        } else {
            self.ledger.request();
        }
        if message.label.is_empty() {
            message.what = what;
            message.label = label::text(name);
            message.fingerprint = if what == What::Request { Fingerprint::of_command(line) } else { 0 };
        }
    }

    fn read_server(&mut self, input: &Input<'_>, grammar: &Grammar, message: &mut Message, note: &mut Note) {
        let octets = input.head();
        if !self.is_inside_reply && octets.len() >= 4 && reply_code(octets).is_none() {
            note.is_lost = true;
            return;
        }
        message.what = if self.is_inside_reply { What::Continuation } else { What::Unknown };
        let mut at = 0_usize;
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            at = at.saturating_add(line.len());
            let Some((code, is_last)) = reply_code(line) else { continue };
            self.is_inside_reply = !is_last;
            self.describe(code, line, message);
            self.ledger.answer();
            // 1yz is preliminary: another reply follows (RFC 959 section 4.2).
            if !is_last || code < 200 {
                continue;
            }
            self.ledger.complete();
            self.mode = match code {
                354 => Mode::Mail,
                334 => Mode::Challenge,
                _ => Mode::Commands,
            };
            if self.wants_encryption && code == grammar.encryption.1 {
                note.handover = u32::try_from(at).ok().map(|at| (Successor::Anything, at));
                return;
            }
        }
        if !input.excerpt.is_whole() && self.is_inside_reply {
            self.is_inside_reply = false;
            self.ledger.lose();
        }
    }

    fn describe(&mut self, code: u16, line: &[u8], message: &mut Message) {
        let is_owed = self.ledger.pending() > 0;
        let is_greeting = !self.is_greeted && !is_owed;
        self.is_greeted = true;
        let leaves = matches!(code, 221 | 421);
        message.announces_close |= leaves;
        if !message.label.is_empty() {
            return;
        }
        label::push_number(&mut message.label, u64::from(code));
        message.what = match code {
            // «Service closing»: 221 answers QUIT, 421 answers nothing unless a command waits.
            221 => What::Farewell,
            421 if !is_owed => What::Farewell,
            _ if is_greeting => What::Setup,
            _ if is_owed => What::Response,
            _ => What::Unknown,
        };
        if is_greeting && code == 220 {
            label::push(&mut message.product, line.get(4..).unwrap_or_default().trim_ascii());
        }
    }
}

/// The complete lines at the beginning of these octets, without their ends.
pub(super) fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut from = 0_usize;
    memchr::memchr_iter(b'\n', octets).filter_map(move |end| {
        let line = octets.get(from..end)?;
        from = end.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// The line begins with the verb, in any case, and something that ends a word follows.
pub(super) fn starts_with_verb(line: &[u8], verb: &str) -> bool {
    line.get(..verb.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(verb.as_bytes()))
        && line.get(verb.len()).is_none_or(|next| matches!(next, b' ' | b'\r' | b'\n' | b':'))
}

/// The code of a reply line, and whether it is the reply's last line.
fn reply_code(line: &[u8]) -> Option<(u16, bool)> {
    let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = line else { return None };
    let is_last = match rest.first() {
        Some(b'-') => false,
        None | Some(b' ' | b'\r' | b'\n') => true,
        Some(_) => return None,
    };
    let code = [a, b, c].iter().fold(0_u16, |sum, digit| sum.wrapping_mul(10).wrapping_add(u16::from(**digit & 0x0f)));
    Some((code, is_last))
}

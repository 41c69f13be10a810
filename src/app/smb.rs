//! SMB 1 to 3 over NetBIOS sessions or directly over TCP: requests and responses by the flag in their header.
//!
//! Source: RFC 1002 section 4.3 (session packets), MS-SMB2 sections 2.1, 2.2.1, 2.2.41, 3.3.4.2 (interim responses), MS-CIFS section
//! 2.2.3.1.

use super::framing::{Framers, Measure, Record, be, le};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// NetBIOS session packets: message, request, positive and negative response, retarget, keep-alive.
const SESSION_MESSAGE: u8 = 0x00;
const SESSION_REQUEST: u8 = 0x81;
const SESSION_RETARGET: u8 = 0x84;
const SESSION_KEEP_ALIVE: u8 = 0x85;

const FLAG_RESPONSE: u64 = 0x1;
const FLAG_ASYNC: u64 = 0x2;
const STATUS_PENDING: u64 = 0x103;

const NEGOTIATE: u64 = 0x00;
const SESSION_SETUP: u64 = 0x01;
const LOGOFF: u64 = 0x02;
const CANCEL: u64 = 0x0c;
const ECHO: u64 = 0x0d;
const OPLOCK_BREAK: u64 = 0x12;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Smb {
    framers: Framers,
    ledger: Ledger,
    is_encrypted: bool,
}

impl Reader for Smb {
    const PROTOCOL: Protocol = Protocol::Smb;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let is_magic = matches!(octets.get(4..8)?, [0xff | 0xfe, b'S', b'M', b'B']);
        let is_right = if octets.get(4) == Some(&0xfe) {
            be(octets, 8, 2) == Some(0x4000) && le(octets, 20, 4).is_none_or(|flags| (flags & FLAG_RESPONSE == 0) == input.is_from_client())
        } else {
            octets.get(13).is_none_or(|flags| (flags & 0x80 == 0) == input.is_from_client())
        };
        (octets.first() == Some(&SESSION_MESSAGE) && is_magic && is_right).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Smb, ..Message::default() };
        let Self { framers, ledger, is_encrypted } = self;
        let walked = framers.walk(input, measure, |packet| take(packet, input.is_from_client(), ledger, is_encrypted, &mut message));
        if walked.is_lost {
            self.ledger.lose();
        }
        walked.conclude(input, &mut message, note);
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        if self.is_encrypted { None } else { self.ledger.outstanding() }
    }

    fn answered(&self) -> Option<bool> {
        self.ledger.answered()
    }
}

fn take(packet: &Record<'_>, from_client: bool, ledger: &mut Ledger, is_encrypted: &mut bool, message: &mut Message) {
    let body = packet.body;
    let (what, name) = match (packet.header_octet(0), body) {
        (SESSION_KEEP_ALIVE, _) => (What::Heartbeat, "session keep-alive"),
        (SESSION_MESSAGE, [0xfe, b'S', b'M', b'B', ..]) => take_smb2(body, from_client, ledger),
        (SESSION_MESSAGE, [0xff, b'S', b'M', b'B', command, ..]) => take_smb1(*command, from_client, ledger),
        (SESSION_MESSAGE, [0xfd, b'S', b'M', b'B', ..]) => {
            *is_encrypted = true;
            (What::Encrypted, "encrypted")
        }
        (SESSION_MESSAGE, _) => {
            ledger.lose();
            (What::Unknown, "")
        }
        _ => (What::Setup, "session setup"),
    };
    if message.label.is_empty() {
        message.what = what;
        message.label = label::text(name);
    }
}

fn take_smb2(body: &[u8], from_client: bool, ledger: &mut Ledger) -> (What, &'static str) {
    let (Some(command), Some(status), Some(flags)) = (le(body, 12, 2), le(body, 8, 4), le(body, 16, 4)) else {
        ledger.lose();
        return (What::Unknown, "");
    };
    let name = smb2_name(command);
    if flags & FLAG_RESPONSE == 0 {
        return match command {
            CANCEL => (What::Continuation, name),
            _ if !from_client => (What::Unknown, name),
            NEGOTIATE | SESSION_SETUP => {
                ledger.request();
                (What::Setup, name)
            }
            ECHO => {
                ledger.request();
                (What::Heartbeat, name)
            }
            _ => {
                ledger.request();
                (What::Request, name)
            }
        };
    }
    // A break that nobody asked for carries no request's number.
    if command == OPLOCK_BREAK && le(body, 24, 8) == Some(u64::MAX) {
        return (What::Unknown, name);
    }
    ledger.answer();
    // An interim response ends the waiting (change notifications wait for days); the final one then answers nothing that is counted.
    if flags & FLAG_ASYNC == 0 || status == STATUS_PENDING {
        ledger.complete();
    }
    match command {
        NEGOTIATE | SESSION_SETUP => (What::Setup, name),
        ECHO => (What::Heartbeat, name),
        _ => (What::Response, name),
    }
}

fn take_smb1(command: u8, from_client: bool, ledger: &mut Ledger) -> (What, &'static str) {
    if from_client {
        ledger.request();
    } else {
        ledger.answer();
        ledger.complete();
    }
    match command {
        0x72 => (What::Setup, "SMB1 negotiate"),
        0x73 => (What::Setup, "SMB1 session setup"),
        0x2b => (What::Heartbeat, "SMB1 echo"),
        _ if from_client => (What::Request, "SMB1 request"),
        _ => (What::Response, "SMB1 response"),
    }
}

fn smb2_name(command: u64) -> &'static str {
    match command {
        NEGOTIATE => "NEGOTIATE",
        SESSION_SETUP => "SESSION_SETUP",
        LOGOFF => "LOGOFF",
        0x03 => "TREE_CONNECT",
        0x04 => "TREE_DISCONNECT",
        0x05 => "CREATE",
        0x06 => "CLOSE",
        0x07 => "FLUSH",
        0x08 => "READ",
        0x09 => "WRITE",
        0x0a => "LOCK",
        0x0b => "IOCTL",
        CANCEL => "CANCEL",
        ECHO => "ECHO",
        0x0e => "QUERY_DIRECTORY",
        0x0f => "CHANGE_NOTIFY",
        0x10 => "QUERY_INFO",
        0x11 => "SET_INFO",
        OPLOCK_BREAK => "OPLOCK_BREAK",
        _ => "SMB2",
    }
}

/// Type and length; the length has 24 bits without NetBIOS (MS-SMB2 section 2.1), 17 with it.
fn measure(header: &[u8]) -> Measure {
    let kind = header.first().copied().unwrap_or_default();
    if !matches!(kind, SESSION_MESSAGE | SESSION_REQUEST..=SESSION_KEEP_ALIVE) {
        return Measure::Invalid;
    }
    match be(header, 1, 3) {
        None => Measure::More,
        Some(length) if (kind == SESSION_MESSAGE) == (length >= 32) || (SESSION_REQUEST..=SESSION_RETARGET).contains(&kind) => {
            Measure::Octets(length.saturating_add(4))
        }
        Some(_) => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn smb2(command: u8, flags: u8, status: u32) -> Vec<u8> {
        let mut body = vec![0; 64];
        body[..4].copy_from_slice(b"\xfeSMB");
        body[4] = 64;
        body[8..12].copy_from_slice(&status.to_le_bytes());
        body[12] = command;
        body[16] = flags;
        [&[0, 0, 0, 64][..], &body].concat()
    }

    #[test]
    fn smb2_request_is_answered_by_its_response() {
        let mut talk = Conversation::new();
        let message = talk.client(&smb2(0, 0, 0));
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::Smb, What::Setup, "NEGOTIATE"));
        talk.server(&smb2(0, 1, 0));
        assert_eq!(talk.client(&smb2(8, 0, 0)).what, What::Request);
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&smb2(8, 1, 0)).what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn smb2_change_notification_is_not_waited_for() {
        let mut talk = Conversation::new();
        talk.client(&smb2(15, 0, 0));
        talk.server(&smb2(15, 3, 0x103));
        assert_eq!(talk.outstanding(), Some(false));
        talk.client(&smb2(8, 0, 0));
        talk.server(&smb2(15, 3, 0));
        assert_eq!(talk.outstanding(), Some(true), "the late answer is not that of the read");
    }

    #[test]
    fn smb_heartbeats_are_told() {
        let mut talk = Conversation::new();
        talk.client(&smb2(8, 0, 0));
        assert_eq!(talk.client(&[0x85, 0, 0, 0]).what, What::Heartbeat);
        assert_eq!(talk.client(&smb2(13, 0, 0)).what, What::Heartbeat);
    }

    #[test]
    fn smb2_response_from_a_client_is_not_recognised() {
        assert_eq!(Conversation::new().client(&smb2(8, 1, 0)).protocol, Protocol::Unknown);
    }
}

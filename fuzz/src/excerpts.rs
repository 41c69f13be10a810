//! Payload excerpts → protocols. The first octet chooses a beginning that makes one reader start and how much of each payload was captured;
//! then messages, each behind an octet that says from whom, in order or not, and its length.

use afterfin::app::{Dialogue, Excerpt, Protocol, What};
use afterfin::endpoint::Direction;
use afterfin::segment::{EXCERPT_HEAD, EXCERPT_TAIL};

/// Beginnings; `true`: of the client.
pub const OPENINGS: [(bool, &[u8]); 26] = [
    (true, b""),
    (true, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (true, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
    (false, b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"),
    (false, b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n"),
    (true, b"CONNECT h:1 HTTP/1.1\r\n\r\n"),
    (true, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (true, &[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
    (true, &[23, 3, 3, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    (true, b"\0\0\0\x10\0\x03\0\0user\0a\0\0"),
    (true, &[0, 0, 0, 8, 4, 210, 22, 47]),
    (false, b"\x0a\0\0\0\x0a8.0.36\0xx"),
    (true, b"*1\r\n$4\r\nPING\r\n"),
    (true, b"\0\0\0\x0b\0\x12\0\x03\0\0\0\x01\0\x01a"),
    (true, b"AMQP\0\0\x09\x01"),
    (true, b"AMQP\0\x01\0\0"),
    (false, b"220 mx ESMTP\r\n"),
    (false, b"220 FTP\r\n"),
    (false, b"* OK IMAP\r\n"),
    (true, b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a"),
    (true, &[0x30, 5, 2, 1, 3, 0x42, 0]),
    (true, b"\0\x1d\0\x01\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01"),
    (false, b"SSH-2.0-x\r\n"),
    (true, b"\0\0\0\x40\xfeSMB\x40\0\0\0\0\0\0\0\0\0\0\0"),
    (true, b"\0\0\0\x20\xffSMB\x72\0\0\0\0\0\0\0\0\0"),
    (true, b"Q\0\0\0\x0dSELECT 1\0"),
];

/// Octets captured of each payload.
const SNAPS: [usize; 9] = [usize::MAX, 0, 1, 5, 40, 100, 511, 513, 600];

/// Reads the dialogue.
pub fn run(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let (opens, opening) = OPENINGS[usize::from(*choice) % OPENINGS.len()];
    let snap = SNAPS[usize::from(*choice) / OPENINGS.len() % SNAPS.len()];
    let mut dialogue = Dialogue::default();
    let mut last = None;
    say(&mut dialogue, &mut last, opens, opening, true, snap);
    while let Some(([how, length], after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(*length) | (usize::from(how & 0x0f) << 8);
        let (payload, after) = after.split_at(length.min(after.len()));
        rest = after;
        say(&mut dialogue, &mut last, how & 0x80 == 0, payload, how & 0x40 == 0, snap);
    }
}

fn say(dialogue: &mut Dialogue, last: &mut Option<bool>, from_client: bool, octets: &[u8], in_order: bool, snap: usize) {
    let starts_turn = last.replace(from_client) != Some(from_client);
    let direction = if from_client { Direction::ClientToServer } else { Direction::ServerToClient };
    let captured = &octets[..octets.len().min(snap)];
    let head = &captured[..captured.len().min(EXCERPT_HEAD)];
    let whole = captured.len() == octets.len() && captured.len() > EXCERPT_HEAD;
    let tail = if whole { &captured[EXCERPT_HEAD.max(captured.len() - EXCERPT_TAIL)..] } else { &[] };
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    let message = dialogue.read(direction, Excerpt { head, tail, length }, starts_turn, in_order);
    for text in [message.label.as_str(), message.product.as_str(), message.host.as_str()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert!(message.what != What::Request || message.protocol != Protocol::Unknown);
    assert!(dialogue.answered().is_none() || dialogue.response_outstanding() != Some(false));
    let _ = (dialogue.in_transaction(), dialogue.ends_at_close(), dialogue.protocol());
}

//! WebSocket, from its upgrade on: the closing handshake and the pings. Messages are nobody's request.
//!
//! Source: RFC 6455 sections 5.2, 5.5 and 7.4.

use super::framing::{Framers, Measure, Record, be};
use super::label;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
/// RSV2 and RSV3, which no registered extension uses; RSV1 is permessage-deflate (RFC 7692).
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;
/// A control frame's longest body (RFC 6455 section 5.5).
const LONGEST_CONTROL: u64 = 125;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct WebSocket {
    framers: Framers,
}

impl Reader for WebSocket {
    const PROTOCOL: Protocol = Protocol::WebSocket;

    /// Never by its frames alone (two octets prove nothing): HTTP hands over to it.
    fn recognise(_input: &Input<'_>) -> Option<Self> {
        None
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::WebSocket, ..Message::default() };
        let from_client = input.is_from_client();
        let mut has_data = false;
        let walked = self.framers.walk(
            input,
            |header| measure(header, from_client),
            |frame| {
                let kind = frame.header_octet(0) & 0x0f;
                has_data |= matches!(kind, TEXT | BINARY | CONTINUATION);
                let (what, name) = match kind {
                    CLOSE => (What::Farewell, "WebSocket close"),
                    PING => (What::Heartbeat, "WebSocket ping"),
                    PONG => (What::Heartbeat, "WebSocket pong"),
                    TEXT => (What::Unknown, "WebSocket text"),
                    BINARY => (What::Unknown, "WebSocket binary"),
                    _ => (What::Continuation, "WebSocket continuation"),
                };
                message.announces_close |= kind == CLOSE;
                // Data is more than what stands beside it; else the last frame counts.
                if !has_data || message.label.is_empty() || matches!(kind, TEXT | BINARY) {
                    message.what = what;
                    message.label = label::text(name);
                    if let (CLOSE, Some(code)) = (kind, close_code(frame, from_client)) {
                        label::push_str(&mut message.label, " ");
                        label::push_number(&mut message.label, code);
                    }
                }
            },
        );
        walked.conclude(input, &mut message, note);
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        None
    }
}

/// The status code of a close frame; a client's is masked (RFC 6455 section 5.3).
fn close_code(frame: &Record<'_>, masked: bool) -> Option<u64> {
    if masked { Some(be(frame.body, 4, 2)? ^ be(frame.body, 0, 2)?) } else { be(frame.body, 0, 2) }
}

fn measure(header: &[u8], from_client: bool) -> Measure {
    let [first, second, ..] = header else {
        return if header.first().is_some_and(|first| first & RESERVED != 0) { Measure::Invalid } else { Measure::More };
    };
    let kind = first & 0x0f;
    let mask: u64 = if second & MASKED == 0 { 0 } else { 4 };
    let (length, header_len) = match second & 0x7f {
        126 => (be(header, 2, 2), 4),
        127 => (be(header, 2, 8), 10),
        short => (Some(u64::from(short)), 2),
    };
    let Some(length) = length else { return Measure::More };
    let is_control = matches!(kind, CLOSE | PING | PONG);
    let fits = first & RESERVED == 0
        && (mask > 0) == from_client
        && length < 1 << 63
        && (if is_control { first & FIN != 0 && length <= LONGEST_CONTROL } else { matches!(kind, CONTINUATION | TEXT | BINARY) });
    if fits { Measure::Octets(length.saturating_add(header_len).saturating_add(mask)) } else { Measure::Invalid }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn upgraded() -> Conversation {
        let mut talk = Conversation::new();
        talk.client(b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        let message = talk.server(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        assert_eq!((message.what, message.status), (What::Response, Some(101)));
        talk
    }

    // The examples of RFC 6455 section 5.7.
    const HELLO_MASKED: &[u8] = &[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    const HELLO: &[u8] = &[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];

    #[test]
    fn websocket_messages_are_no_requests() {
        let mut talk = upgraded();
        assert_eq!((talk.dialogue.protocol(), talk.outstanding()), (Protocol::WebSocket, None));
        let message = talk.client(HELLO_MASKED);
        assert_eq!((message.what, message.label.as_str()), (What::Unknown, "WebSocket text"));
        assert_eq!(talk.server(HELLO).label.as_str(), "WebSocket text");
    }

    #[test]
    fn websocket_close_and_pings_are_told() {
        let mut talk = upgraded();
        assert_eq!(talk.server(&[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).what, What::Heartbeat);
        assert_eq!(talk.client(&[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).what, What::Heartbeat);
        let close = talk.server(&[0x88, 0x02, 0x03, 0xe9]);
        assert_eq!((close.what, close.label.as_str(), close.announces_close), (What::Farewell, "WebSocket close 1001", true));
        let close = talk.client(&[0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe8 ^ 2]);
        assert_eq!((close.what, close.label.as_str()), (What::Farewell, "WebSocket close 1000"));
    }

    #[test]
    fn websocket_frame_that_fits_neither_side_is_unknown() {
        let mut talk = upgraded();
        assert_eq!(talk.client(HELLO).what, What::Unknown, "a client masks");
        let mut talk = upgraded();
        assert_eq!(talk.server(&[0x88, 0x7e, 0, 200]).what, What::Unknown, "a close frame is short");
    }

    #[test]
    fn websocket_long_message_continues() {
        let mut talk = upgraded();
        talk.server(&[&[0x82, 0x7e, 0x01, 0x00][..], &[0; 100]].concat());
        assert_eq!(talk.server(&[0x88; 156]).what, What::Continuation);
        assert_eq!(talk.server(&[0x88, 0]).what, What::Farewell);
    }
}

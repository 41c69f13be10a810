use super::*;
use crate::export::anonymize::Key;
use crate::segment::{EXCERPT_HEAD, EXCERPT_TAIL};

fn anonymizer() -> Anonymizer {
    Anonymizer::new(&Key::of_content(b"a key for tests").unwrap())
}

/// A connection whose payloads are masked one after another, each from its first octet to its last.
struct Talk {
    speech: Speech,
    anonymizer: Anonymizer,
    last: Option<Direction>,
}

impl Talk {
    fn new() -> Self {
        Self { speech: Speech::default(), anonymizer: anonymizer(), last: None }
    }

    fn say(&mut self, direction: Direction, octets: &[u8]) -> Vec<u8> {
        let starts_turn = self.last != Some(direction);
        self.last = Some(direction);
        let fresh = Fresh { skip: 0, direction, starts_turn, in_order: true };
        self.speech.mask(&whole(octets), Some(fresh), &mut self.anonymizer)
    }

    fn client(&mut self, octets: &[u8]) -> Vec<u8> {
        self.say(Direction::ClientToServer, octets)
    }

    fn server(&mut self, octets: &[u8]) -> Vec<u8> {
        self.say(Direction::ServerToClient, octets)
    }
}

fn whole(octets: &[u8]) -> Payload<'_> {
    let head = octets.len().min(EXCERPT_HEAD);
    Payload { octets, length: u32::try_from(octets.len()).unwrap(), head, tail: (octets.len() - head).min(EXCERPT_TAIL) }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn request_keeps_its_framing_and_loses_its_content() {
    let mut talk = Talk::new();
    let request = b"POST /pay?card=4711 HTTP/1.1\r\nHost: shop.example\r\nCookie: session=abcdef\r\nConnection: keep-alive, secret\r\nContent-Length: 6\r\n\r\n123456";
    let masked = talk.client(request);
    assert_eq!(masked.len(), request.len());
    let shown = text(&masked);
    let lines: Vec<&str> = shown.split("\r\n").collect();
    assert!(lines[0].starts_with("POST /") && lines[0].ends_with(" HTTP/1.1") && lines[0].contains('?'), "{shown}");
    assert!(lines[1].starts_with("Host: "), "{shown}");
    assert_eq!(lines[2], "xxxxxx: xxxxxxxxxxxxxx");
    assert_eq!(lines[3], "Connection: keep-alive, xxxxxx");
    assert_eq!(lines[4], "Content-Length: 6");
    assert_eq!(&masked[masked.len() - 6..], [0; 6]);
    for secret in ["pay", "card", "4711", "shop", "example", "session", "secret"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn response_in_chunks_over_segments_ends_where_it_ended() {
    let mut talk = Talk::new();
    talk.client(b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let first =
        talk.server(b"HTTP/1.1 200 OK\r\nServer: nginx\r\nKeep-Alive: timeout=5, max=9\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nsecr");
    assert!(text(&first).starts_with(
        "HTTP/1.1 200 OK\r\nxxxxxx: xxxxx\r\nKeep-Alive: timeout=5, max=9\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\0\0\0\0"
    ));
    assert_eq!(talk.server(b"ets!\r\n0\r\n\r\n"), b"\0\0\0\0\r\n0\r\n\r\n");
    assert_eq!(talk.speech.original.response_outstanding(), Some(false));
    assert_eq!(talk.speech.masked.response_outstanding(), Some(false));
}

#[test]
fn body_that_looks_like_a_request_is_not_taken_for_one() {
    let mut talk = Talk::new();
    let masked = talk.client(b"POST /a HTTP/1.1\r\nContent-Length: 24\r\n\r\nGET /secret HTTP/1.1\r\n\r\n");
    assert_eq!(&masked[masked.len() - 24..], [0; 24]);
}

#[test]
fn retransmission_looks_like_what_it_repeats() {
    let mut talk = Talk::new();
    let request = b"GET /api HTTP/1.1\r\nHost: a.example\r\n\r\n";
    let first = talk.client(request);
    let again = talk.speech.mask(&whole(request), None, &mut talk.anonymizer);
    assert_eq!(first, again);
    let other = talk.speech.mask(&whole(b"never seen before"), None, &mut talk.anonymizer);
    assert_eq!(other, [0; 17]);
}

#[test]
fn request_of_an_unknown_protocol_stays_itself_and_different_from_others() {
    let [a, again, b] = [&b"QUERY alpha"[..], b"QUERY alpha", b"QUERY omega"].map(|octets| Talk::new().client(octets));
    assert_eq!(a, again);
    assert_ne!(a, b);
    assert!(!text(&a).contains("QUERY") && a.iter().all(u8::is_ascii_lowercase), "{}", text(&a));
}

#[test]
fn http2_keeps_its_frames_and_what_they_open_and_end() {
    let mut talk = Talk::new();
    let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    hello.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    talk.client(&hello);
    talk.server(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut request = vec![0, 0, 10, 1, 5, 0, 0, 0, 1, 0x82, 0x84];
    request.extend(b"\x41\x06secret"); // :authority, not Huffman-coded
    let masked = talk.client(&request);
    assert!(!text(&masked).contains("secret"), "{masked:?}");
    assert_eq!(talk.speech.masked.response_outstanding(), Some(true));
    let answer = talk.server(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]);
    assert_eq!(&answer[..9], [0, 0, 1, 1, 5, 0, 0, 0, 1]);
    assert_eq!(talk.speech.masked.response_outstanding(), Some(false));
}

#[test]
fn payload_that_was_cut_stays_cut() {
    let mut talk = Talk::new();
    let request = b"GET /api/orders/4711 HT";
    let payload = Payload { octets: request, length: 400, head: request.len(), tail: 0 };
    let fresh = Fresh { skip: 0, direction: Direction::ClientToServer, starts_turn: true, in_order: true };
    let masked = talk.speech.mask(&payload, Some(fresh), &mut talk.anonymizer);
    assert_eq!(masked.len(), request.len());
    assert!(text(&masked).starts_with("GET /") && text(&masked).ends_with(" HT"), "{}", text(&masked));
}

use crate::app::conversation::Conversation;
use crate::app::{Protocol, What};
use crate::endpoint::Direction;

const GET: &[u8] = b"GET /api/orders?token=secret HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer s3cr3t\r\n\r\n";

#[test]
fn http1_request_is_described_without_its_query() {
    let message = Conversation::new().client(GET);
    assert_eq!((message.protocol, message.what, message.idempotent), (Protocol::Http1, What::Request, Some(true)));
    assert_eq!((message.label.as_str(), message.host.as_str()), ("GET /api/orders", "shop.example"));
    assert_ne!(message.fingerprint, 0);
}

#[test]
fn http1_fingerprint_tells_query_and_host_apart_and_is_stable() {
    let of = |octets: &[u8]| Conversation::new().client(octets).fingerprint;
    let first = of(b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(first, of(b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\nX-Retry: 1\r\n\r\n"));
    assert_ne!(first, of(b"GET /a?x=2 HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_ne!(first, of(b"GET /a?x=1 HTTP/1.1\r\nHost: i\r\n\r\n"));
    assert_ne!(first, of(b"PUT /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"));
}

#[test]
fn http1_response_with_a_length_is_outstanding_until_its_last_octet() {
    let mut talk = Conversation::new();
    assert_eq!(talk.outstanding(), None);
    talk.client(GET);
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(false)));
    let message =
        talk.server(b"HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nContent-Length: 10\r\nKeep-Alive: timeout=5, max=99\r\n\r\n12345");
    assert_eq!((message.what, message.status, message.label.as_str()), (What::Response, Some(200), "200"));
    assert_eq!((message.keep_alive_timeout, message.keep_alive_max, message.announces_close), (Some(5), Some(99), false));
    assert_eq!(message.product.as_str(), "nginx/1.24.0");
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
    assert_eq!(talk.server(b"67890").what, What::Continuation);
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(false), None));
}

#[test]
fn http1_response_without_a_body_completes_at_once() {
    for (request, response) in [
        (&b"GET /x HTTP/1.1\r\n\r\n"[..], &b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"[..]),
        (b"GET /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"HEAD /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        (b"GET /x HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let mut talk = Conversation::new();
        talk.client(request);
        talk.server(response);
        assert_eq!(talk.outstanding(), Some(false), "{}", String::from_utf8_lossy(response));
    }
}

#[test]
fn http1_chunked_response_ends_with_its_last_chunk_even_when_split() {
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_eq!(talk.outstanding(), Some(true));
    talk.server(b"0\r");
    talk.server(b"\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_chunked_response_with_a_zero_inside_goes_on() {
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcde\n\r\n");
    assert_eq!(talk.outstanding(), Some(true));
    talk.server(b"0\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_chunked_response_whose_segments_are_cut_is_not_judged() {
    let mut talk = Conversation::cut(60);
    talk.client(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.server(&[&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &[b'x'; 900]].concat());
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (None, Some(true)));
    talk.client(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(true), "the next request settles the one before");
    talk.server(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_interim_response_completes_nothing() {
    let mut talk = Conversation::new();
    talk.client(b"POST /x HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(talk.server(b"HTTP/1.1 100 Continue\r\n\r\n").what, What::Response);
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(false)));
    assert_eq!(talk.client(b"GET ").what, What::Continuation);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_body_that_only_the_close_ends_stays_outstanding_but_answered() {
    let mut talk = Conversation::new();
    talk.client(b"GET /x HTTP/1.0\r\n\r\n");
    let message = talk.server(b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nbody");
    assert!(message.announces_close);
    talk.server(b"more");
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
}

#[test]
fn http1_pipelined_requests_are_owed_one_answer_each() {
    let mut talk = Conversation::new();
    talk.client(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(talk.outstanding(), Some(true));
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_request_in_a_body_of_known_length_is_no_request() {
    let mut talk = Conversation::new();
    talk.client(b"POST /x HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
    assert_eq!(talk.client(b"GET /smuggled HTTP/1.1\r\n").what, What::Continuation);
}

#[test]
fn http1_headers_over_two_segments_keep_the_framing() {
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n");
    assert_eq!(talk.outstanding(), Some(true));
    talk.server(b"X-A: b\r\n\r\nab");
    assert_eq!(talk.outstanding(), Some(true));
    talk.server(b"c");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_connection_close_is_announced_by_either_side() {
    let mut talk = Conversation::new();
    assert!(talk.client(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").announces_close);
    assert!(talk.server(b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n").announces_close);
    let mut talk = Conversation::new();
    assert!(!talk.client(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").announces_close);
}

#[test]
fn http1_timeout_response_before_any_request_is_a_farewell() {
    let timeout = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
    assert_eq!(Conversation::new().server(timeout).what, What::Farewell);
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.server(timeout).what, What::Farewell);
    let mut talk = Conversation::new();
    talk.client(GET);
    assert_eq!(talk.server(timeout).what, What::Response, "an answer to a request is none");
}

#[test]
fn http1_request_cut_at_forty_octets_is_recognised() {
    let message = Conversation::cut(40).client(b"GET /a/rather/long/path/that/does/not/end HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((message.what, message.label.as_str()), (What::Request, "GET /a/rather/long/path/that/does/not/en"));
    assert_eq!(Conversation::cut(0).client(GET).what, What::Unknown);
}

#[test]
fn http1_request_after_a_hole_settles_what_was_missed() {
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.say(Direction::ServerToClient, b"the end of a response whose beginning was not captured", false);
    assert_eq!(talk.client(GET).what, What::Request);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http1_request_that_fills_a_hole_is_recognised() {
    let mut talk = Conversation::new();
    talk.client(GET);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    talk.say(Direction::ClientToServer, b"rest of the body", false);
    assert_eq!(talk.say(Direction::ClientToServer, b"POST /x HTTP/1.1\r\nContent-Length: 16\r\n\r\n", false).what, What::Request);
    assert_eq!(talk.outstanding(), Some(true));
}

#[test]
fn http1_tunnel_shows_what_is_inside() {
    let mut talk = Conversation::new();
    assert_eq!(talk.client(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").label.as_str(), "CONNECT example.org:443");
    talk.server(b"HTTP/1.1 200 Connection established\r\n\r\n");
    assert_eq!(talk.dialogue.protocol(), Protocol::Unknown);
    talk.client(&[22, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
    assert_eq!(talk.dialogue.protocol(), Protocol::Tls);
}

#[test]
fn http1_neighbours_are_not_recognised() {
    for octets in
        [&b"OPTIONS rtsp://h/x RTSP/1.0\r\n"[..], b"get key\r\n", b"GET key\r\n", b"GETX", b"HELO example.org\r\n", b"\x00\x00\x00\x00"]
    {
        let mut talk = Conversation::new();
        assert_ne!(talk.client(octets).protocol, Protocol::Http1, "{}", String::from_utf8_lossy(octets));
    }
    assert_ne!(Conversation::new().server(GET).what, What::Request, "a server sends no requests");
}

#[test]
fn http1_body_of_a_cut_post_is_its_continuation_and_the_next_request_is_seen() {
    let mut talk = Conversation::new();
    let long = [&b"POST /x HTTP/1.1\r\nHost: h\r\nCookie: "[..], &[b'c'; 900], b"\r\nContent-Length: 9\r\n\r\n"].concat();
    assert_eq!(talk.client(&long).what, What::Request);
    assert_eq!(talk.client(b"body-body").what, What::Continuation);
    talk.server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(talk.client(GET).what, What::Request);
    assert_eq!(talk.outstanding(), Some(true));
}

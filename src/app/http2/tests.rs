use super::PREFACE;
use crate::app::conversation::Conversation;
use crate::app::{Protocol, What};
use crate::endpoint::Direction;

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
}

fn begun() -> Conversation {
    let mut talk = Conversation::new();
    let message = talk.client(&[&PREFACE[..], &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]), &frame(8, 0, 0, &[0, 1, 0, 0])].concat());
    assert_eq!((message.protocol, message.what), (Protocol::Http2, What::Setup));
    assert_eq!(talk.server(&[frame(4, 0, 0, &[]), frame(4, 1, 0, &[])].concat()).what, What::Setup);
    assert_eq!(talk.client(&frame(4, 1, 0, &[])).what, What::Farewell, "SETTINGS ACK asks for nothing");
    assert_eq!(talk.outstanding(), Some(false));
    talk
}

#[test]
fn http2_request_is_outstanding_until_the_stream_ends() {
    let mut talk = begun();
    let message = talk.client(&frame(1, 5, 1, &[0x82, 0x86, 0x84]));
    assert_eq!((message.what, message.label.as_str(), message.idempotent), (What::Request, "GET (stream 1)", Some(true)));
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(false)));
    let message = talk.server(&[frame(1, 4, 1, &[0x88]), frame(0, 0, 1, &[0; 10])].concat());
    assert_eq!((message.what, message.status), (What::Response, Some(200)));
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(true), Some(true)));
    assert_eq!(talk.server(&frame(0, 1, 1, &[])).what, What::Continuation);
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (Some(false), None));
}

#[test]
fn http2_trailers_and_old_streams_open_no_request() {
    let mut talk = begun();
    assert_eq!(talk.client(&frame(1, 4, 3, &[0x83])).what, What::Request);
    assert_eq!(talk.client(&frame(1, 5, 3, &[0x82])).what, What::Continuation);
    assert_eq!(talk.client(&frame(1, 5, 1, &[0x82])).what, What::Continuation);
    assert_eq!(talk.client(&frame(1, 5, 4, &[0x82])).what, What::Continuation, "even streams are the server's");
}

#[test]
fn http2_many_streams_are_counted() {
    let mut talk = begun();
    for stream in 0..20 {
        talk.client(&frame(1, 5, stream * 2 + 1, &[0x82]));
    }
    for stream in 0..20 {
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&frame(1, 5, stream * 2 + 1, &[0x88]));
    }
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http2_cancelled_stream_is_not_outstanding() {
    let mut talk = begun();
    talk.client(&frame(1, 5, 1, &[0x82]));
    assert_eq!(talk.client(&frame(3, 0, 1, &[0, 0, 0, 8])).what, What::Farewell);
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http2_goaway_is_a_farewell_with_its_last_stream() {
    let mut talk = begun();
    let message = talk.server(&[frame(6, 0, 0, &[0; 8]), frame(7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 11])].concat());
    assert_eq!((message.what, message.announces_close, message.goaway_last_stream), (What::Farewell, true, Some(5)));
    assert_eq!(message.label.as_str(), "GOAWAY error 11");
}

#[test]
fn http2_response_with_goaway_behind_it_stays_a_response() {
    let mut talk = begun();
    talk.client(&frame(1, 5, 1, &[0x82]));
    let message = talk.server(&[frame(1, 5, 1, &[0x88]), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])].concat());
    assert_eq!((message.what, message.announces_close, message.goaway_last_stream), (What::Response, true, Some(1)));
}

#[test]
fn http2_ping_is_a_heartbeat_and_its_answer_asks_for_nothing() {
    let mut talk = begun();
    assert_eq!(talk.client(&frame(6, 0, 0, &[0; 8])).what, What::Heartbeat);
    assert_eq!(talk.server(&frame(6, 1, 0, &[0; 8])).what, What::Farewell);
}

#[test]
fn http2_large_segment_that_ends_with_the_streams_end_is_followed() {
    let mut talk = begun();
    talk.client(&frame(1, 5, 1, &[0x82]));
    let mut answer = frame(1, 4, 1, &[0x88]);
    for _ in 0..3 {
        answer.extend(frame(0, 0, 1, &[0x55; 16_000]));
    }
    answer.extend(frame(0, 1, 1, &[]));
    talk.server(&answer);
    assert_eq!(talk.outstanding(), Some(false));
    talk.client(&frame(1, 5, 3, &[0x82]));
    assert_eq!(talk.outstanding(), Some(true));
}

#[test]
fn http2_cut_segments_end_the_knowledge_until_the_next_request() {
    let mut talk = Conversation::cut(40);
    talk.client(&[&PREFACE[..], &frame(4, 0, 0, &[])].concat());
    talk.server(&frame(4, 0, 0, &[]));
    talk.client(&frame(1, 5, 1, &[0x82]));
    talk.server(&[frame(1, 4, 1, &[0x88; 30]), frame(0, 0, 1, &[0; 100]), frame(0, 1, 1, &[])].concat());
    assert_eq!(talk.outstanding(), None);
    assert_eq!(talk.client(&frame(1, 5, 3, &[0x82])).what, What::Request);
}

#[test]
fn http2_upgrade_from_http1_owes_the_answer_to_the_first_request() {
    let mut talk = Conversation::new();
    talk.client(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
    let switching = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    talk.server(&[&switching[..], &frame(4, 0, 0, &[])].concat());
    assert_eq!((talk.dialogue.protocol(), talk.outstanding()), (Protocol::Http2, Some(true)));
    talk.client(&[&PREFACE[..], &frame(4, 0, 0, &[])].concat());
    talk.server(&frame(1, 5, 1, &[0x88]));
    assert_eq!(talk.outstanding(), Some(false));
}

#[test]
fn http2_met_in_the_middle_needs_frames_that_fit_the_segment() {
    let mut talk = Conversation::new();
    let message = talk.client(&frame(1, 5, 7, &[0x82, 0x86]));
    assert_eq!((message.protocol, message.what), (Protocol::Http2, What::Request));
    let mut longer = frame(1, 5, 7, &[0x82, 0x86]);
    longer.push(0);
    assert_eq!(Conversation::new().client(&longer).protocol, Protocol::Unknown);
    assert_eq!(Conversation::new().client(&[0; 9]).protocol, Protocol::Unknown);
}

#[test]
fn http2_frames_behind_a_hole_are_not_believed() {
    let mut talk = begun();
    assert_eq!(talk.say(Direction::ClientToServer, &frame(1, 5, 1, &[0x82]), false).what, What::Unknown);
    assert_eq!(talk.outstanding(), None);
}

use crate::app::conversation::Conversation;
use crate::app::{Protocol, What};

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(22, &[&[kind][..], &length[1..], body].concat())
}

/// A ClientHello with one cipher suite and these extensions.
fn client_hello(extensions: &[u8]) -> Vec<u8> {
    let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    handshake(1, &[&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &length, extensions].concat())
}

fn sni(name: &[u8]) -> Vec<u8> {
    let len = u16::try_from(name.len()).unwrap();
    [&[0, 0][..], &(len + 5).to_be_bytes(), &(len + 3).to_be_bytes(), &[0], &len.to_be_bytes(), name].concat()
}

fn server_hello(version: Option<u16>) -> Vec<u8> {
    let extensions = version.map_or(vec![], |version| [&[0, 43, 0, 2][..], &version.to_be_bytes()].concat());
    let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    handshake(2, &[&[3, 3][..], &[9; 32], &[0, 0x13, 1, 0], &length, &extensions].concat())
}

fn established_13() -> Conversation {
    let mut talk = Conversation::new();
    talk.client(&client_hello(&sni(b"example.org")));
    talk.server(&[server_hello(Some(0x0304)), record(20, &[1]), record(23, &[0; 800])].concat());
    assert_eq!(talk.client(&[record(20, &[1]), record(23, &[0; 53])].concat()).what, What::Setup);
    talk
}

fn established_12() -> Conversation {
    let mut talk = Conversation::new();
    talk.client(&client_hello(&sni(b"example.org")));
    talk.server(&[server_hello(None), handshake(11, &[0; 300]), handshake(14, &[])].concat());
    talk.client(&[handshake(16, &[0; 60]), record(20, &[1]), record(22, &[0; 40])].concat());
    assert_eq!(talk.server(&[record(20, &[1]), record(22, &[0; 40])].concat()).what, What::Setup);
    talk
}

#[test]
fn tls_client_hello_gives_the_server_name() {
    let message = Conversation::new().client(&client_hello(&[&[0, 10, 0, 4, 0, 2, 0, 29][..], &sni(b"example.org")].concat()));
    assert_eq!((message.protocol, message.what, message.fingerprint), (Protocol::Tls, What::Setup, 0));
    assert_eq!((message.label.as_str(), message.host.as_str()), ("TLS ClientHello example.org", "example.org"));
}

#[test]
fn tls_client_hello_cut_at_forty_octets_is_still_one() {
    let message = Conversation::cut(40).client(&client_hello(&sni(b"example.org")));
    assert_eq!((message.protocol, message.what, message.host.as_str()), (Protocol::Tls, What::Setup, ""));
}

#[test]
fn tls_server_name_with_control_characters_is_not_shown() {
    assert_eq!(Conversation::new().client(&client_hello(&sni(b"ex\x1b[31m"))).host.as_str(), "");
}

#[test]
fn tls13_application_data_is_encrypted_and_never_a_request() {
    let mut talk = established_13();
    assert_eq!(talk.server(&record(23, &[0; 250])).what, What::Setup, "session tickets");
    assert_eq!(talk.client(&record(23, &[0; 200])).what, What::Encrypted);
    assert_eq!(talk.server(&record(23, &[0; 500])).what, What::Encrypted);
    assert_eq!((talk.outstanding(), talk.dialogue.answered()), (None, None));
}

#[test]
fn tls13_close_notify_is_told_by_twenty_four_octets() {
    let mut talk = established_13();
    talk.client(&record(23, &[0; 200]));
    talk.server(&record(23, &[0; 200]));
    assert_eq!(talk.client(&record(23, &[0; 18])).what, What::Encrypted);
    assert_eq!(talk.client(&record(23, &[0; 20])).what, What::Encrypted);
    let last = talk.client(&record(23, &[0; 19]));
    assert_eq!((last.what, last.announces_close), (What::Farewell, true));
    assert_eq!(talk.server(&[record(23, &[0; 900]), record(23, &[0; 19])].concat()).what, What::Encrypted, "the answer goes before");
}

#[test]
fn tls13_goaway_with_close_notify_is_a_farewell_but_a_request_is_not() {
    let mut talk = established_13();
    talk.client(&record(23, &[0; 200]));
    assert_eq!(talk.client(&[record(23, &[0; 34]), record(23, &[0; 19])].concat()).what, What::Farewell);
    let both = talk.client(&[record(23, &[0; 100]), record(23, &[0; 19])].concat());
    assert_eq!((both.what, both.announces_close), (What::Encrypted, true));
}

#[test]
fn tls12_alert_of_any_size_is_a_farewell_and_small_data_is_none() {
    let mut talk = established_12();
    talk.client(&record(23, &[0; 100]));
    talk.server(&record(23, &[0; 100]));
    assert_eq!(talk.server(&record(23, &[0; 19])).what, What::Encrypted, "24 octets mean nothing before TLS 1.3");
    assert_eq!(talk.server(&record(21, &[0; 26])).what, What::Farewell);
    assert_eq!(talk.client(&record(21, &[0; 48])).what, What::Farewell);
}

#[test]
fn tls_alerts_in_the_clear_are_read() {
    let mut talk = Conversation::new();
    talk.client(&client_hello(&sni(b"example.org")));
    let warning = talk.server(&record(21, &[1, 112]));
    assert_eq!((warning.what, warning.label.as_str()), (What::Setup, "TLS alert 112"));
    let fatal = talk.server(&record(21, &[2, 40]));
    assert_eq!((fatal.what, fatal.label.as_str()), (What::Farewell, "TLS alert 40"));
}

#[test]
fn tls_record_over_many_segments_continues_and_its_end_is_found() {
    let mut talk = established_13();
    talk.client(&record(23, &[0; 200]));
    let large = record(23, &[0; 5000]);
    let answer = [&large[..], &record(23, &[0; 19])].concat();
    assert_eq!(talk.server(&answer[..1400]).what, What::Encrypted);
    assert_eq!(talk.server(&answer[1400..5007]).what, What::Continuation);
    assert_eq!(talk.server(&answer[5007..]).what, What::Farewell, "even with its header split");
}

#[test]
fn tls_met_in_the_middle_is_recognised_by_its_records() {
    assert_eq!(Conversation::new().client(&record(23, &[0; 100])).what, What::Encrypted);
    assert_eq!(Conversation::cut(40).client(&record(23, &[0; 100])).what, What::Encrypted);
    assert_eq!(Conversation::new().server(&record(21, &[0; 26])).what, What::Farewell);
    let mut shortened = record(23, &[0; 100]);
    shortened.push(0);
    assert_eq!(Conversation::new().client(&shortened).what, What::Unknown);
}

#[test]
fn tls_that_loses_its_records_does_not_invent_a_farewell() {
    let mut talk = established_13();
    talk.client(&record(23, &[0; 200]));
    assert_eq!(talk.say(crate::endpoint::Direction::ServerToClient, &[0xaa; 24], false).what, What::Unknown);
}

//! Who is the client where no SYN was captured: a guess by what was seen of the hosts, by their ports, by what the first octets say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use afterfin::report::RoleBasis;
use script::Script;

/// The port that was taken for the client's, and why; `lines` come after the two hosts A and B.
fn client(a: u16, b: u16, lines: &str) -> (u16, RoleBasis) {
    let report = Script::new(&format!("host A 10.0.0.1:{a}\nhost B 10.0.0.2:{b}\n{lines}")).report();
    let row = report.connections.last().unwrap();
    (row.client.port, row.role_basis)
}

const OPAQUE: &str = "0 A>B PSH,ACK len=30\n0.1 B>A PSH,ACK len=40\n0.1 A>B ACK\n";

#[test]
fn client_is_guessed_by_well_known_ports_then_by_the_lower_one() {
    for (a, b, expected) in [
        (40_000, 443, 40_000),
        (2_000, 8_080, 2_000), // a known port is a server's although it is the higher one
        (8_080, 2_000, 2_000),
        (700, 8_080, 8_080), // a system port before a known one
        (1_023, 1_433, 1_433),
        (1_024, 1_433, 1_024), // 1,024 is no system port
        (40_000, 50_000, 50_000),
        (50_000, 40_000, 50_000),
        (8_080, 5_432, 8_080), // both known: the lower one
    ] {
        assert_eq!(client(a, b, OPAQUE), (expected, RoleBasis::Guess), "{a} {b}");
    }
}

#[test]
fn first_octets_of_http_correct_a_guess_and_others_do_not() {
    let request = "0 A>B PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n0.1 B>A ACK\n";
    let response = "0 A>B PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"\n0.1 B>A ACK\n";
    // by its port A would be the server, and is not: it asks
    assert_eq!(client(40_000, 50_000, request).0, 40_000);
    assert_eq!(client(50_000, 40_000, request).0, 50_000, "near miss: the guess was right");
    // by its port A would be the client, and is not: it answers
    assert_eq!(client(50_000, 40_000, response).0, 40_000);
    assert_eq!(client(40_000, 50_000, response).0, 50_000, "near miss: the guess was right");
    assert_eq!(client(50_000, 40_000, OPAQUE).0, 50_000);
    for method in ["POST /", "HEAD /", "PUT /", "DELETE /", "OPTIONS *", "PATCH /"] {
        let request = format!("0 A>B PSH,ACK \"{method}a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n0.1 B>A ACK\n");
        assert_eq!(client(40_000, 50_000, &request).0, 40_000, "{method}");
    }
}

#[test]
fn answered_request_settles_the_roles_before_later_octets() {
    // the first turn was A's: a line that looks like a response changes nothing any more
    let lines = "0 A>B PSH,ACK len=30\n0.1 B>A PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"\n";
    assert_eq!(client(40_000, 50_000, lines).0, 50_000);
}

#[test]
fn syn_or_syn_ack_seen_later_replaces_a_guess() {
    let (port, basis) = client(8_080, 40_000, "0 A>B SYN\n0.01 B>A SYN,ACK\n0.02 A>B ACK\n");
    assert_eq!((port, basis), (8_080, RoleBasis::Syn));
    let (port, basis) = client(8_080, 40_000, "0 A>B SYN uncaptured\n0.01 B>A SYN,ACK\n0.02 A>B ACK\n");
    assert_eq!((port, basis), (8_080, RoleBasis::SynAck));
    let (port, basis) = client(8_080, 40_000, "0 A>B ACK seq=1001 ack=5001\n0.001 B>A SYN,ACK seq=5000 ack=1001\n");
    assert_eq!((port, basis), (8_080, RoleBasis::SynAck), "it stands behind a segment by which the roles were guessed");
}

#[test]
fn server_of_an_earlier_connection_is_the_server_of_one_that_was_under_way() {
    let lines = "host C 10.0.0.3:41000\n0 C>B SYN\n0.01 B>C SYN,ACK\n0.02 C>B ACK\n1 A>B PSH,ACK len=30\n1.1 B>A PSH,ACK len=40\n";
    // without the connection of C, A would be the server by its port
    assert_eq!(client(40_000, 50_000, lines), (40_000, RoleBasis::Guess));
    assert_eq!(client(40_000, 50_000, OPAQUE), (50_000, RoleBasis::Guess));
}

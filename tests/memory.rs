//! What is kept of connections: those that are over are reduced to their facts, a limit gives up what matters least, and neither that nor the
//! number of threads changes what is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use afterfin::options::AnalysisOptions;
use afterfin::render::Style;
use afterfin::report::{ConnectionRow, Kind, Report, StateView};

use script::{Script, report_of};

const HOSTS: &str = "host C 10.0.0.1:40000 ts=1000\nhost S 10.0.0.2:80 ts=5000\nhost D 10.0.9.1:50000\nhost T 10.0.9.2:9000\n";

/// A connection that both sides close.
const CLOSED: &str = "\
0.000000 C>S SYN mss=1460 wscale=7 sack
0.000400 S>C SYN,ACK mss=1460 wscale=7 sack
0.000450 C>S ACK
0.001000 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: shop.example\\r\\n\\r\\n\"
0.010000 S>C PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello\"
0.010040 C>S ACK
2.500000 C>S PSH,ACK \"GET /b HTTP/1.1\\r\\nHost: shop.example\\r\\n\\r\\n\"
2.510000 S>C PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello\"
2.510040 C>S ACK
7.000000 S>C FIN,ACK
7.000100 C>S ACK
7.000200 C>S FIN,ACK
7.000600 S>C ACK
";

fn report(text: &str) -> Report {
    Script::new(&format!("{HOSTS}{text}")).report()
}

fn row(report: &Report, stream: u64) -> &ConnectionRow {
    report.connections.iter().find(|row| row.stream == stream).expect("the connection has a row")
}

#[test]
fn connection_that_is_over_keeps_its_row() {
    let to_the_end = report(CLOSED);
    let over = report(&format!("{CLOSED}200.000000 D>T SYN\n"));
    let (before, after) = (row(&to_the_end, 0), row(&over, 0));
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert_eq!((after.state, after.idle_gap_count, after.requests), (StateView::Closed, 2, 2));
    assert_eq!(to_the_end.cost.dead_held, over.cost.dead_held);
    assert_eq!(to_the_end.timeouts.len(), over.timeouts.len());
}

#[test]
fn every_crafted_connection_that_both_sides_closed_keeps_its_row_when_the_capture_goes_on() {
    let mut compared = 0;
    for name in script::crafted_names() {
        let text = std::fs::read_to_string(script::crafted_directory().join(&name).with_extension("script")).unwrap();
        let addresses = ["10.0.99.1:1", "10.0.99.2:1"];
        let longer = format!("host ALONE {}\nhost OTHER {}\n{text}\n+400 ALONE>OTHER SYN\n", addresses[0], addresses[1]);
        let (Ok(short), Ok(long)) = (Script::try_new(&text), Script::try_new(&longer)) else { continue };
        let (short, long) = (short.report(), long.report());
        for before in short.connections.iter().filter(|row| row.state == StateView::Closed) {
            let mut after = row(&long, before.stream).clone();
            after.findings.clone_from(&before.findings); // what is found about the others may differ, and with it the numbers
            assert_eq!(format!("{before:?}"), format!("{after:?}"), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared} connections were compared");
}

#[test]
fn straggler_of_a_connection_that_is_over_is_counted_and_begins_nothing() {
    let straggler = "200.100000 S>C FIN,ACK seq=+0\n";
    let late = report(&format!("{CLOSED}200.000000 D>T SYN\n{straggler}"));
    let followed = report(&format!("{CLOSED}{straggler}"));
    let silences = |report: &Report| (row(report, 0).wire_gap_count, row(report, 0).wire_gap_longest);
    assert_eq!(silences(&late), silences(&followed), "the silence before it counts as if the connection had been followed");
    assert_eq!(silences(&late).0, silences(&report(CLOSED)).0 + 1);
    assert_eq!(late.connections_total, 2);
    let (row, before) = (row(&late, 0), report(CLOSED));
    assert_eq!(row.server_to_client.segments, before.connections[0].server_to_client.segments + 1);
    assert_eq!((row.state, row.incarnations), (StateView::Closed, 1));
}

#[test]
fn same_ports_after_a_connection_is_over_begin_another_one() {
    let again = "\
200.000000 D>T SYN
300.000000 C>S SYN seq=900000000
300.000400 S>C SYN,ACK seq=800000000 ack=900000001
300.000450 C>S ACK seq=900000001 ack=800000001
";
    let report = report(&format!("{CLOSED}{again}"));
    assert_eq!(report.connections_total, 3);
    assert_eq!(row(&report, 2).client_to_server.syn, 1);
    assert_eq!(row(&report, 0).state, StateView::Closed);
}

#[test]
fn numbers_of_another_incarnation_go_on_in_a_connection_that_is_over() {
    let again = "\
200.000000 D>T SYN
300.000000 C>S PSH,ACK seq=900000001 ack=800000001 \"GET /c HTTP/1.1\\r\\nHost: shop.example\\r\\n\\r\\n\"
300.001000 S>C PSH,ACK seq=800000001 ack=900000041 \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello\"
";
    let longer = report(&format!("{CLOSED}{again}"));
    let row = row(&longer, 0);
    assert_eq!((longer.connections_total, row.incarnations), (2, 2));
    let first = &report(CLOSED).connections[0];
    assert!(row.server_to_client.unique_octets > first.server_to_client.unique_octets, "octets of both incarnations count");
    assert_eq!(row.handshake, first.handshake, "the handshake of the first incarnation");
}

/// The script's frames; each of those named `many` as often as wanted, 1 ms apart, from another address each time.
fn multiplied(text: &str, times: u32) -> Vec<u8> {
    let mut script = Script::new(&format!("{HOSTS}host X 10.1.0.1:4000\n{text}"));
    let many: Vec<_> = script.packets.iter().filter(|packet| packet.name.as_deref() == Some("many")).cloned().collect();
    let at = script.packets.iter().position(|packet| packet.name.as_deref() == Some("many")).unwrap();
    script.packets.retain(|packet| packet.name.as_deref() != Some("many"));
    let copies = (0..times).flat_map(|number| {
        many.iter().cloned().map(move |mut packet| {
            packet.time += i64::from(number) * 1_000_000;
            for end in [&mut packet.source, &mut packet.destination] {
                if end.port() == 4000 {
                    end.set_ip(std::net::Ipv4Addr::from(0x0a01_0001 + number).into());
                }
            }
            packet
        })
    });
    let copies: Vec<_> = copies.collect();
    script.packets.splice(at..at, copies);
    script.bytes()
}

/// An idle connection that a request finds closed, amid SYNs of so many endpoints.
fn flood(syns: u32) -> Vec<u8> {
    let text = "\
0.000000 C>S SYN mss=1460
0.000400 S>C SYN,ACK mss=1460
0.000450 C>S ACK
0.001000 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: shop.example\\r\\n\\r\\n\"
0.010000 S>C PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello\"
0.010040 C>S ACK
1.000000 X>T SYN name=many
300.000000 S>C FIN,ACK
300.000100 C>S ACK
310.000000 C>S PSH,ACK \"GET /late HTTP/1.1\\r\\nHost: shop.example\\r\\n\\r\\n\"
310.000300 S>C RST
";
    multiplied(text, syns)
}

#[test]
fn limit_gives_up_attempts_and_never_an_idle_connection() {
    let bytes = flood(2000);
    let limited = AnalysisOptions { max_memory: 1 << 20, ..AnalysisOptions::default() };
    let (all, few) = (report_of(bytes.clone(), &AnalysisOptions::default()), report_of(bytes, &limited));
    assert_eq!((all.connections_total, few.connections_total), (2001, 2001));
    assert!(all.capture.trust.iter().all(|trust| trust.what != "memory-limit"));
    let said = few.capture.trust.iter().find(|trust| trust.what == "memory-limit").expect("the report says what was given up");
    assert!(said.detail.contains("1 MiB") && said.detail.contains("connections that had ended or never came about"), "{}", said.detail);
    for report in [&all, &few] {
        let finding =
            report.findings.iter().find(|finding| finding.kind == Kind::StaleReuse).expect("the idle connection is followed to the end");
        assert_eq!(finding.stream, Some(0));
    }
    assert!(few.connections.len() < all.connections.len(), "what is given up twice has no row any more");
    assert_eq!(few.connections[0].stream, 0);
}

#[test]
fn what_cannot_be_given_up_leaves_no_room_for_others() {
    let bytes = multiplied("1.000000 X>T PSH,ACK seq=1 ack=1 \"x\" name=many\n1.000500 T>X PSH,ACK seq=1 ack=2 \"y\" name=many\n", 400);
    let limited = AnalysisOptions { max_memory: 1 << 20, ..AnalysisOptions::default() };
    let report = report_of(bytes, &limited);
    let said = report.capture.trust.iter().find(|trust| trust.what == "memory-limit").expect("the report says so");
    assert!(report.connections_total < 400 && said.detail.contains("were not followed"), "{}", said.detail);
    assert_eq!(report.capture.tcp_segments, 800, "every segment is counted all the same");
}

#[test]
fn report_is_the_same_with_any_number_of_threads() {
    let of = |bytes: Vec<u8>, threads: u16| {
        let report = report_of(bytes, &AnalysisOptions { threads, ..AnalysisOptions::default() });
        let mut octets = Vec::new();
        afterfin::render::json::report(&report, &Style::default(), &mut octets).unwrap();
        octets
    };
    let lab = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lab");
    let captures = std::fs::read_dir(lab).unwrap().map(|entry| entry.unwrap().path());
    let captures = captures.filter(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    let recorded = captures.take(12).map(|path| std::fs::read(path).unwrap());
    let crafted = script::crafted_names().into_iter().map(|name| Script::crafted(&name).bytes());
    let mut compared = 0;
    for bytes in recorded.chain(crafted) {
        let one = of(bytes.clone(), 1);
        for threads in [2, 8] {
            assert!(of(bytes.clone(), threads) == one);
        }
        compared += 1;
    }
    assert!(compared > 50, "{compared} captures were compared");
}

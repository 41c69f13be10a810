//! Conversations that differ in one thing from one that is a finding or another fact: what tells them apart must be that thing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use afterfin::report::{EntryKind, Kind, Report, StateView};
use script::Script;

const HOSTS: &str = "host C 10.0.0.1:40000\nhost S 10.0.0.2:80\nhost D 10.0.0.3:41000\n";
const OPEN: &str = "0 C>S SYN\n0.0004 S>C SYN,ACK\n0.0005 C>S ACK\n";
const ANSWERED: &str = "0.001 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n0.002 S>C ACK\n\
    0.01 S>C PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"\n0.011 C>S ACK\n";

fn report(lines: &str) -> Report {
    Script::new(&format!("{HOSTS}{lines}")).report()
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

/// A request that acknowledges all payload, and no FIN.
fn request(at: &str) -> String {
    format!("{at} C>S PSH,ACK ack=5039 \"GET /late HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"")
}

// ---- the order of a close and a request ---------------------------------------------------------------------------------------

#[test]
fn request_crosses_a_fin_up_to_a_quarter_of_a_second_and_no_longer() {
    // no acknowledgement tells; the round trip is short, so that the bound is 250 ms
    let cause = |late: &str| {
        let report = report(&format!("{OPEN}{ANSWERED}10.0000 S>C FIN,ACK\n{}\n{late}1 S>C RST\n", request(late)));
        report.findings[0].cause.clone().unwrap()
    };
    assert_eq!(cause("10.2500"), "close-race");
    assert_eq!(cause("10.2502"), "fin-lost");
}

#[test]
fn request_crosses_an_abort_up_to_a_quarter_of_a_second_and_no_longer() {
    let after = |late: &str| kinds(&report(&format!("{OPEN}{ANSWERED}10.0000 S>C RST,ACK\n{}\n{late}0001 S>C RST\n", request(late))));
    assert!(after("10.2500").contains(&Kind::CloseRace));
    assert!(!after("10.2502").contains(&Kind::CloseRace));
}

#[test]
fn fin_that_does_not_acknowledge_the_request_is_no_refusal_to_answer_it() {
    let close = |ack: &str| {
        let lines = format!(
            "{OPEN}{ANSWERED}10 C>S PSH,ACK \"GET /late HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n12 S>C FIN,ACK {ack}\n12.01 C>S ACK\n"
        );
        kinds(&report(&lines)).contains(&Kind::ClosedWithoutResponse)
    };
    assert!(close(""), "it acknowledges the whole request");
    assert!(!close("ack=1029"), "it acknowledges what came before: the server may never have had the request");
}

#[test]
fn two_resets_with_one_number_are_no_trace_of_an_uncaptured_fin() {
    let lines = |second: u32| format!("{OPEN}{ANSWERED}{}\n60.0004 S>C RST seq=5039\n60.0005 S>C RST seq={second}\n", request("60"));
    assert_eq!(kinds(&report(&lines(5_040))), [Kind::CloseRace], "one number apart: a FIN stands between them");
    assert_eq!(kinds(&report(&lines(5_039))), [Kind::StateLost]);
    let unseen_fin = |lines: String| report(&lines).findings.iter().any(|finding| finding.headline.contains("the capture does not show"));
    assert!(unseen_fin(lines(5_040)));
    // a socket that is gone answers without ACK; others do not tell of a FIN
    assert!(!unseen_fin(lines(5_040).replace("RST seq", "RST,ACK win=0 seq")));
    assert!(!unseen_fin(lines(5_040).replace("RST seq=5040", "RST,ACK win=0 seq=5040")));
}

#[test]
fn server_that_closes_soon_after_an_answer_has_not_refused_the_connection() {
    let lost = |words: &str| {
        let lines = format!(
            "{OPEN}{words}0.01 S>C PSH,ACK len=40\n0.011 C>S ACK\n0.5 S>C FIN,ACK\n0.51 C>S ACK\n20 C>S PSH,ACK len=30\n20.001 S>C RST\n"
        );
        kinds(&report(&lines)).contains(&Kind::StaleReuse)
    };
    assert!(lost("0.001 C>S PSH,ACK len=30\n"));
    assert!(!lost(""), "a greeting and a close, before the client's first word: the server takes no more connections");
}

// ---- who gave up, and how ------------------------------------------------------------------------------------------------------

#[test]
fn client_that_leaves_an_unacknowledged_request_has_not_abandoned_an_answer() {
    let leaves = |acknowledged: &str| {
        kinds(&report(&format!("{OPEN}0.001 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n{acknowledged}30 C>S FIN,ACK\n")))
    };
    assert!(leaves("0.002 S>C ACK\n").contains(&Kind::AbandonedResponse));
    assert!(!leaves("").contains(&Kind::AbandonedResponse));
}

#[test]
fn single_probe_proves_nothing_unless_its_sender_gave_up() {
    let after_probe = |lines: &str| {
        let report = report(&format!("{OPEN}{ANSWERED}60 C>S ACK seq=nxt-1\n{lines}"));
        kinds(&report).contains(&Kind::KeepaliveUnanswered)
    };
    assert!(after_probe("75 C>S RST,ACK\n"), "an abort by the prober");
    assert!(!after_probe("75 C>S RST,ACK win=0\n"), "no socket's abort: anybody may have sent it");
    assert!(!after_probe("75 S>C RST,ACK\n"), "an abort by the other side answers it");
    assert!(!after_probe(""), "the capture ends");
    assert!(after_probe("75 C>S ACK seq=nxt-1\n90 C>S ACK seq=nxt-1\n"), "three in vain");
}

#[test]
fn reset_with_options_is_an_abort_and_one_without_window_and_options_may_be_anybodys() {
    let evidence = |attributes: &str| {
        let report = report(&format!(
            "{OPEN}{ANSWERED}10 C>S PSH,ACK \"GET /late HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n10.001 S>C RST,ACK {attributes}\n"
        ));
        let finding = &report.findings[0];
        finding.evidence.iter().map(|evidence| evidence.says.clone()).find(|says| says.contains("RST")).unwrap()
    };
    assert!(evidence("").contains("abort"), "{}", evidence(""));
    assert!(evidence("win=0 ts=7/8").contains("abort"), "{}", evidence("win=0 ts=7/8"));
    assert!(!evidence("win=0").contains("abort"), "{}", evidence("win=0"));
}

// ---- connections that do not come about ----------------------------------------------------------------------------------------

#[test]
fn syn_is_unanswered_once_its_first_repetition_is_due_and_the_server_stands() {
    const STANDS: &str = "0 D>S PSH,ACK len=20\n0.1 S>D PSH,ACK len=30\n";
    let fails = |lines: &str| kinds(&report(lines)).contains(&Kind::ConnectFailed);
    // the capture goes on with another connection
    assert!(fails(&format!("{STANDS}5 C>S SYN\n6 D>S PSH,ACK len=9\n")));
    assert!(!fails(&format!("{STANDS}5 C>S SYN\n5.9 D>S PSH,ACK len=9\n")), "an answer may still come");
    assert!(fails(&format!("{STANDS}5 C>S SYN\n5.2 C>S SYN seq=1000\n")), "it was sent again");
    assert!(fails(&format!("{STANDS}5 C>S SYN\n5.0002 S>C RST,ACK win=0\n")), "refused by a server that others talk to");
    assert!(!fails("5 C>S SYN\n5.0002 S>C RST,ACK win=0\n"), "nobody is known to listen there");
}

#[test]
fn syn_that_only_an_old_acknowledgement_answers_has_failed_once_its_repetition_is_due() {
    let challenged = |end: &str| {
        let lines = format!("{OPEN}{ANSWERED}60 C>S SYN seq=700000\n60.001 S>C ACK seq=5039 ack=1029\n{end} D>S PSH,ACK len=9\n");
        let report = report(&lines);
        report.findings.iter().any(|finding| finding.kind == Kind::ConnectFailed && finding.headline.contains("old incarnation"))
    };
    assert!(challenged("61"));
    assert!(!challenged("60.9"));
}

#[test]
fn reset_that_answers_no_syn_refuses_none() {
    let state = |isn: u32, lines: &str| {
        let text = format!("host C 10.0.0.1:40000 isn={isn}\nhost S 10.0.0.2:80\n0 C>S SYN\n{lines}");
        Script::new(&text).report().connections[0].state
    };
    assert_eq!(state(1_000, "0.001 S>C RST,ACK win=0\n"), StateView::Reset);
    // without an acknowledgement it tells nothing of the SYN (RFC 9293 section 3.10.7.3), wherever the SYN's number lies
    for isn in [1_000, 3_000_000_000] {
        assert_eq!(state(isn, "0.001 S>C RST seq=0\n"), StateView::Open, "{isn}");
    }
}

// ---- incarnations ----------------------------------------------------------------------------------------------------------------

#[test]
fn syn_with_the_same_number_reopens_only_what_was_closed() {
    let incarnations = |close: &str| {
        let report = report(&format!("{OPEN}{ANSWERED}{close}30 C>S SYN seq=1000\n30.001 S>C SYN,ACK seq=90000 ack=1001\n"));
        report.connections.iter().map(|row| row.incarnations).collect::<Vec<_>>()
    };
    assert_eq!(incarnations("10 S>C FIN,ACK\n10.01 C>S FIN,ACK\n10.02 S>C ACK\n")[0], 2);
    assert_eq!(incarnations("")[0], 1, "a SYN sent again");
}

#[test]
fn syn_ack_near_numbers_seen_before_is_late_and_one_far_away_begins_a_connection() {
    let connections = |seq: u32| {
        report(&format!("0 S>C PSH,ACK seq=6001 len=20\n0.001 S>C SYN,ACK seq={seq} ack=1001\n0.002 C>S ACK\n")).connections_total
    };
    assert_eq!(connections(5_000), 1);
    assert_eq!(connections(2_000_005_000), 2);
    assert_eq!(connections(4_000_005_000), 2, "behind as well as before");
}

// ---- keepalive probes, duplicates, octets after a close ---------------------------------------------------------------------------

#[test]
fn octet_that_was_not_captured_is_no_probe_of_a_side_that_had_spoken() {
    let inferred = |first: &str| {
        let lines = format!("{first}0.1 S>C ACK\n30 C>S ACK\n30.05 C>S PSH,ACK len=1 uncaptured\n30.1 S>C ACK\n");
        report(&lines).connections[0].client_to_server.keepalive_probes_inferred
    };
    assert_eq!(inferred("0 C>S PSH,ACK len=10\n"), 0);
    assert_eq!(inferred("0 C>S ACK\n"), 1, "of a side that had said nothing it may be one");
}

#[test]
fn segment_at_another_interface_is_a_sight_and_after_a_while_at_the_same_one_a_repetition() {
    let counts = |again: &str| {
        let report = report(&format!(
            "0 C>S SYN @if0\n0.001 S>C SYN,ACK @if0\n0.002 C>S ACK @if0\n0.01 C>S PSH,ACK len=30 @if0\n{again}\n0.2 S>C ACK @if0\n"
        ));
        let side = &report.connections[0].client_to_server;
        (side.duplicates, side.retransmissions)
    };
    assert_eq!(counts("0.012 again"), (1, 0), "at once: the same frame");
    assert_eq!(counts("0.060 again"), (0, 1), "50 ms later at the same interface: sent again");
    assert_eq!(counts("0.060 again @if1"), (1, 0), "50 ms later at another one: the same segment under way");
}

#[test]
fn octets_beyond_the_own_fin_are_no_payload_after_the_other_ones() {
    let counted = |own_fin: &str| {
        let report = report(&format!("{OPEN}{ANSWERED}10 S>C FIN,ACK\n{own_fin}10.5 C>S PSH,ACK len=20\n"));
        report.connections[0].after_close.is_some()
    };
    assert!(counted(""));
    assert!(!counted("10.1 C>S FIN,ACK\n"), "that FIN was not the client's own, or these octets are not");
}

// ---- timelines -------------------------------------------------------------------------------------------------------------------

#[test]
fn long_timeline_says_once_and_in_its_place_how_much_it_leaves_out() {
    use std::fmt::Write as _;
    let mut lines = format!("{HOSTS}{OPEN}");
    for number in 1..=400 {
        let _ = writeln!(lines, "{number} C>S PSH,ACK \"GET /{number} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"");
        let _ = writeln!(lines, "{number}.01 S>C PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"");
    }
    // the timeline that stands beside a finding is short, the one that was asked for is whole
    lines += "410 S>C FIN,ACK\n411 C>S ACK\n420 C>S PSH,ACK \"GET /late HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n420.001 S>C RST\n";
    let mut report = Script::new(&lines).report();
    let timeline = report.groups.remove(0).timeline.unwrap();
    assert!(timeline.omitted > 0);
    let notes: Vec<usize> =
        timeline.entries.iter().enumerate().filter(|(_, entry)| entry.text.ends_with("not shown")).map(|(at, _)| at).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let (before, after) = (&timeline.entries[notes[0] - 1], &timeline.entries[notes[0] + 1]);
    assert!(notes[0] > 1 && (after.at - before.at).nanos() > 10_000_000_000, "what is left out lies between: {before:?} {after:?}");
    assert!(
        timeline.entries.iter().any(|entry| entry.kind == EntryKind::Request && entry.text.starts_with("GET /400")),
        "the end is there"
    );
}

// ---- waits ------------------------------------------------------------------------------------------------------------------------

#[test]
fn wait_counts_from_the_threshold_on() {
    let kinds = |close: &str| {
        kinds(&report(&format!("{OPEN}0.001 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n0.001 S>C ACK\n{close}")))
    };
    assert!(kinds("1.001 C>S FIN,ACK\n").contains(&Kind::AbandonedResponse), "one second");
    assert!(!kinds("1.000 C>S FIN,ACK\n").contains(&Kind::AbandonedResponse), "a millisecond less");
}

#[test]
fn server_that_closes_before_it_had_the_request_has_not_kept_it_waiting() {
    let lines = |acknowledged: &str, ack: &str| {
        format!(
            "{OPEN}0.001 C>S PSH,ACK \"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n{acknowledged}60 S>C FIN,ACK {ack}\n60.001 C>S ACK\n"
        )
    };
    assert!(kinds(&report(&lines("0.002 S>C ACK\n", ""))).contains(&Kind::IdleDuringResponse));
    assert!(!kinds(&report(&lines("", "ack=1001"))).contains(&Kind::IdleDuringResponse));
}

// ---- numbers of connections, and ICMP ----------------------------------------------------------------------------------------------

#[test]
fn connection_behind_a_number_that_only_an_icmp_error_has_keeps_its_own() {
    let lines =
        format!("0 D>S SYN name=x uncaptured\n0.0001 S>D ICMP type=3 code=1 of=x\n{}", format!("{OPEN}{ANSWERED}").replace("\n0", "\n+0"));
    let lines =
        format!("{lines}10 S>C FIN,ACK\n10.01 C>S ACK\n20 C>S PSH,ACK \"GET /late HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n20.001 S>C RST\n");
    let options = afterfin::options::AnalysisOptions { timelines: [0, 1].into(), ..Default::default() };
    let report = script::report_of(Script::new(&format!("{HOSTS}{lines}")).bytes(), &options);
    assert!(report.findings.iter().filter_map(|finding| finding.stream).all(|stream| stream == 1), "{:?}", report.findings);
    assert_eq!(report.findings[0].stream, Some(1));
    assert_eq!(report.timelines.iter().map(|timeline| timeline.stream).collect::<Vec<_>>(), [1], "nothing is known of number 0");
}

#[test]
fn older_incarnation_takes_its_late_syn_for_two_minutes_and_no_longer() {
    let connections = |at: &str| {
        let lines =
            format!("{OPEN}{ANSWERED}10 C>S SYN seq=700000\n10.001 S>C SYN,ACK seq=800000\n10.002 C>S ACK\n{at} C>S SYN seq=1000\n");
        report(&lines).connections_total
    };
    assert_eq!(connections("100"), 2);
    assert_eq!(connections("200"), 3, "no segment lives so long (RFC 9293 section 3.4.1)");
}

// ---- one direction, octets that repeat -----------------------------------------------------------------------------------------------

#[test]
fn one_sided_capture_counts_a_request_where_the_other_side_was_acknowledged_in_between() {
    let requests =
        |second: &str| report(&format!("0 C>S PSH,ACK len=30 ack=5000\n1 C>S PSH,ACK len=30 ack={second}\n")).connections[0].requests;
    assert_eq!(requests("5000"), 1, "the same turn goes on");
    assert_eq!(requests("5001"), 2, "the server had said something");
}

#[test]
fn probe_and_repetition_after_the_other_sides_fin_are_no_payload_after_it() {
    let after =
        |lines: &str| report(&format!("{OPEN}{ANSWERED}10 S>C FIN,ACK\n10.01 C>S ACK\n{lines}")).connections[0].after_close.is_some();
    assert!(after("20 C>S PSH,ACK len=5\n"));
    assert!(!after("20 C>S ACK seq=nxt-1 len=1\n"), "a probe with an octet of garbage");
    assert!(!after("20 C>S PSH,ACK seq=1001 len=28\n"), "the request again");
}

#[test]
fn burst_of_segments_that_was_captured_twice_is_counted_once() {
    let sent = "0.000 C>S PSH,ACK len=100 name=a\n0.001 C>S PSH,ACK len=100 name=b\n0.002 C>S PSH,ACK len=100 name=c\n";
    let again = "+0.00001 again a\n+0.00001 again b\n+0.00001 again c\n";
    let report = report(&format!("{sent}{again}"));
    let side = &report.connections[0].client_to_server;
    assert_eq!((side.segments, side.duplicates, side.retransmissions, side.unique_octets), (6, 3, 0, 300));
}

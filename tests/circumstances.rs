//! What the circumstances of a lost request add to its finding: other connections to the same server, the usual answer time, ICMP errors, the
//! end of the capture.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::fmt::Write as _;

use afterfin::report::{Confidence, Finding, Kind, Report, RstOrigin};
use script::Script;

const GET: &str = "\"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"";
const OK: &str = "\"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"";
const HOSTS: &str = "host C 10.0.0.1:40000\nhost S 10.0.0.2:80\nhost D 10.0.0.3:41000\nhost E 10.0.0.4:42000\nhost F 10.0.0.5:43000\n";

fn report(lines: &str) -> Report {
    Script::new(&format!("{HOSTS}{lines}")).report()
}

/// A connection of `who` that opens at `at` with one answered request; segments of the two directions are `delay` apart.
fn opened(who: char, at: f64, delay: f64) -> String {
    let mut lines = String::new();
    let mut line = |after: f64, text: String| writeln!(lines, "{:.4} {text}", at + after * delay).unwrap();
    line(0.0, format!("{who}>S SYN"));
    line(1.0, format!("S>{who} SYN,ACK"));
    line(1.1, format!("{who}>S ACK"));
    line(2.0, format!("{who}>S PSH,ACK {GET}"));
    line(3.0, format!("S>{who} ACK"));
    line(3.1, format!("S>{who} PSH,ACK {OK}"));
    line(4.1, format!("{who}>S ACK"));
    lines
}

fn of(report: &Report, kind: Kind) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.kind == kind).collect()
}

#[test]
fn several_connections_forgotten_at_one_moment_are_a_restart() {
    let restart = |clients: &[(char, f64)]| {
        let mut lines: String = clients.iter().map(|(who, _)| opened(*who, 0.0, 0.001)).collect();
        for (who, at) in clients {
            let _ = write!(lines, "{at:.4} {who}>S PSH,ACK {GET}\n{:.4} S>{who} RST\n", at + 0.0004);
        }
        // the frames of a file come in the order of time
        let report = report(&sorted(&lines));
        let found = of(&report, Kind::StateLost);
        assert_eq!(found.len(), clients.len());
        found.iter().filter(|finding| finding.candidates.iter().any(|text| text.contains("the server was restarted"))).count()
    };
    assert_eq!(restart(&[('C', 60.0), ('D', 60.2), ('E', 60.4)]), 3);
    assert_eq!(restart(&[('C', 60.0), ('D', 60.2)]), 0, "two are no event");
    assert_eq!(restart(&[('C', 60.0), ('D', 90.0), ('E', 120.0)]), 0, "half a minute apart");
}

/// Lines by their time, those of one time in their order.
fn sorted(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().collect();
    let time = |line: &str| line.split(' ').next().unwrap().parse::<f64>().unwrap();
    lines.sort_by(|one, two| time(one).total_cmp(&time(two)));
    lines.join("\n")
}

#[test]
fn silence_is_surer_a_drop_where_the_server_talks_to_others() {
    const SILENT: &str = "400 C>S PSH,ACK \"GET /b HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\" name=r\n400.2 resend r\n400.6 resend r\n401.4 resend r\n403 resend r\n406 resend r\n";
    let drop = |others: &str| {
        let lines = sorted(&format!("{}{}{}{SILENT}{others}", opened('C', 0.0, 0.001), opened('D', 1.0, 0.001), opened('E', 2.0, 0.001)));
        let report = report(&lines);
        let finding = of(&report, Kind::SilentDrop)[0];
        (finding.confidence, finding.candidates.iter().any(|text| text.contains("down or unreachable")))
    };
    assert!(drop("").1, "nothing is heard of the server any more");
    let talks = |who: char, at: u32| format!("{at} {who}>S PSH,ACK {GET}\n{at}.01 S>{who} PSH,ACK {OK}\n");
    assert_eq!(drop(&talks('D', 402)), (Confidence::Likely, false));
    assert!(drop(&talks('D', 300)).1, "that was before");
    // whoever spoke last and next to last, the silent connection's own server is alive
    assert_eq!(drop(&format!("{}{}", talks('D', 402), talks('E', 404))), (Confidence::Likely, false));
}

#[test]
fn reset_far_earlier_than_the_server_ever_answers_is_not_the_servers() {
    let origin = |delay: f64, answer: f64, idle: f64| {
        let at = 5.0 * delay + idle;
        let lines = format!("{}{at:.4} C>S PSH,ACK {GET}\n{:.4} S>C RST\n", opened('C', 0.0, delay), at + answer);
        let report = report(&lines);
        let rst = report.findings[0].rst.clone().unwrap();
        (rst.origin, rst.origin_basis.contains("never answers in less than"))
    };
    assert_eq!(origin(0.06, 0.001, 60.0), (RstOrigin::Other, true));
    assert!(!origin(0.06, 0.06, 60.0).1, "as late as every answer");
    assert!(!origin(0.06, 0.031, 60.0).1, "more than half of the usual time: it may vary");
    assert!(!origin(0.001, 0.0002, 60.0).1, "a server so near may be as quick as that");
}

#[test]
fn request_swallowed_at_the_end_of_the_capture_is_only_possible() {
    let confidence = |end: &str| {
        let lines = format!(
            "{}10 S>C FIN,ACK\n10.01 C>S ACK\n20 C>S PSH,ACK \"GET /b HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n20.001 S>C ACK\n{end} D>S SYN\n",
            opened('C', 0.0, 0.001)
        );
        let report = report(&lines);
        of(&report, Kind::SwallowedRequest)[0].confidence
    };
    assert_eq!(confidence("21.001"), Confidence::Certain);
    assert_eq!(confidence("20.9"), Confidence::Possible, "an RST may have followed");
}

#[test]
fn octets_that_cross_a_close_are_refused_only_by_a_reset() {
    // the rest of a body, without an idle gap before it
    let kinds = |after: &str| {
        let lines = format!(
            "{}0.1 C>S PSH,ACK \"POST /a HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 100\\r\\n\\r\\n\"\n0.11 S>C PSH,ACK \"HTTP/1.1 413 Too Large\\r\\nContent-Length: 0\\r\\n\\r\\n\"\n0.12 S>C FIN,ACK\n0.1201 C>S PSH,ACK len=100 ack=5039\n{after}",
            opened('C', 0.0, 0.001)
        );
        let report = report(&lines);
        report.findings.iter().any(|finding| finding.kind == Kind::CloseRace)
    };
    assert!(kinds("0.1205 S>C RST\n"));
    assert!(!kinds("0.1205 S>C ACK\n"), "they were taken");
    assert!(!kinds(""), "nobody knows");
}

#[test]
fn icmp_errors_about_failed_connects_are_told() {
    let candidates = |icmp: &str| {
        let report = report(&format!("{}5 C>S SYN name=s\n{icmp}6 C>S SYN seq=1000\n8 C>S SYN seq=1000\n", opened('D', 0.0, 0.001)));
        of(&report, Kind::ConnectFailed)[0].candidates.join("; ")
    };
    assert!(candidates("5.001 S>C ICMP type=3 code=1 of=s\n").contains("ICMP errors came back for 1 connect"));
    assert!(!candidates("").contains("ICMP"));
}

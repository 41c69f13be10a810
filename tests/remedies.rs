//! What to change, and to what: the sentence, both timers, the directive of the product that the capture shows; and that the directive heals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use afterfin::endpoint::Endpoint;
use afterfin::options::{AnalysisOptions, Assumption};
use afterfin::report::{Confidence, Finding, Hop, Kind, Report, Severity};
use afterfin::time::Span;
use script::Script;

/// The report on a recording of the lab and what its callers got.
fn recorded(stem: &str) -> (Report, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab").join(format!("{stem}-proxy.pcap"));
    let truth: serde_json::Value = serde_json::from_slice(&fs::read(path.with_extension("truth.json")).unwrap()).unwrap();
    let got = truth["config"]["callers_got"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
    (script::report_of(fs::read(path).unwrap(), &AnalysisOptions::default()), got)
}

fn failed(callers: &[String]) -> usize {
    callers.iter().filter(|got| !got.rsplit_once(',').unwrap().1.contains("200")).count()
}

fn mismatch(report: &Report) -> Option<&Finding> {
    report.findings.iter().find(|finding| finding.kind == Kind::TimeoutMismatch)
}

fn hop<'r>(report: &'r Report, server: &str) -> &'r Hop {
    report.chain.iter().find(|hop| hop.server.to_string() == server).unwrap()
}

#[test]
fn nginx_before_nginx_is_named_with_both_timers_and_the_directive_of_either_heals() {
    for (seconds, server, lower) in [("5", 5.0, 4), ("7_3", 7.3, 6), ("15", 15.0, 14)] {
        let (report, callers) = recorded(&format!("timers-nginx-nginx-{seconds}s"));
        assert!(failed(&callers) >= 2, "{callers:?}");
        let finding = mismatch(&report).unwrap();
        assert_eq!((finding.severity, finding.server.to_string().as_str()), (Severity::Error, "10.9.2.2:80"));
        let hop = hop(&report, "10.9.2.2:80");
        assert!((hop.server_timer.unwrap().seconds() - server).abs() < 0.1, "{hop:?}");
        assert!((hop.client_timer.unwrap().seconds() - 20.0).abs() < 0.1 && !hop.client_at_least, "{hop:?}");
        assert_eq!(hop.client_seen_at.map(|server| server.to_string()).as_deref(), Some("10.9.2.3:80"));
        assert_eq!(hop.in_order, Some(false));
        let first = &report.verdict[0];
        assert!(first.contains("keeps connections for 20 s (n = 4), measured on its connections to 10.9.2.3:80"), "{first}");
        assert!(first.contains(&format!("raise the server's keep-alive above 21 s, or lower the proxy's below {lower} s")), "{first}");
        let advice = finding.advice.join("\n");
        assert!(advice.contains("nginx: `keepalive_timeout 21s;` (http, server or location)"), "{advice}");
        assert!(
            advice.contains(&format!("nginx (by the errors that it answers itself): `keepalive_timeout {lower}s;` (in the upstream")),
            "{advice}"
        );
        for after in ["server-raised", "proxy-lowered"] {
            let (report, callers) = recorded(&format!("timers-nginx-nginx-{seconds}s-{after}"));
            assert_eq!(failed(&callers), 0, "{seconds} {after}: {callers:?}");
            assert!(mismatch(&report).is_none() && report.cost.requests_lost == 0, "{seconds} {after}: {:?}", report.findings);
        }
    }
}

#[test]
fn nginx_behind_haproxy_is_named_and_the_directives_heal() {
    for (seconds, server, raise) in [("5", 5.0, 6), ("7_3", 7.3, 9), ("15", 15.0, 16)] {
        let (report, callers) = recorded(&format!("timers-haproxy-nginx-{seconds}s"));
        assert!(failed(&callers) >= 2, "{callers:?}");
        let finding = mismatch(&report).unwrap();
        let hop = hop(&report, "10.9.2.2:80");
        assert!((hop.server_timer.unwrap().seconds() - server).abs() < 0.1, "{hop:?}");
        assert!(hop.client_at_least, "HAProxy has no timer that could be seen: {hop:?}");
        let advice = finding.advice.join("\n");
        assert!(advice.contains(&format!("nginx: `keepalive_timeout {raise}s;` (http")), "{advice}");
        assert!(
            advice.contains("HAProxy (probably: it turns field names into lower case") && advice.contains("`pool-purge-delay "),
            "{advice}"
        );
        let (report, callers) = recorded(&format!("timers-haproxy-nginx-{seconds}s-server-raised"));
        assert_eq!(failed(&callers), 0, "{callers:?}");
        assert!(mismatch(&report).is_none() && report.cost.requests_lost == 0, "{:?}", report.findings);
    }
    for after in ["5s-purge-quarter", "7_3s-purge-quarter", "15s-purge-quarter", "7_3s-no-pool"] {
        let (report, callers) = recorded(&format!("timers-haproxy-nginx-{after}"));
        assert_eq!(failed(&callers), 0, "{callers:?}");
        assert!(mismatch(&report).is_none(), "{after}: {:?}", report.findings);
    }
}

/// Connections of one client, one after the other: a request, then `idle` seconds, then the server's FIN or another request.
struct Play {
    text: String,
    client: &'static str,
    at: u32,
    number: u32,
}

impl Play {
    fn new() -> Self {
        Self { text: String::new(), client: "10.0.0.5", at: 0, number: 0 }
    }

    fn connection(&mut self, server: &str, fields: &str, rest: &[(u32, &str, &str)]) {
        self.number += 1;
        let (n, at, client) = (self.number, self.at, self.client);
        let mut line = |text: String| self.text.push_str(&(text + "\n"));
        line(format!("host C{n} {client}:{}", 40_000 + n));
        line(format!("host S{n} {server}"));
        line(format!("{at}.000 C{n}>S{n} SYN"));
        line(format!("{at}.001 S{n}>C{n} SYN,ACK"));
        line(format!("{at}.002 C{n}>S{n} ACK"));
        line(format!("{at}.003 C{n}>S{n} PSH,ACK \"GET /{n} HTTP/1.1\\r\\nHost: a.example\\r\\n{fields}\\r\\n\""));
        line(format!("{at}.004 S{n}>C{n} PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok\""));
        for (after, who, what) in rest {
            let way = if *who == "C" { format!("C{n}>S{n}") } else { format!("S{n}>C{n}") };
            line(format!("{}.0{}0 {way} {what}", at + after, if *who == "C" { 5 } else { 4 }));
            self.at = at + after + 1;
        }
    }

    /// The server closes after so long, the client follows.
    fn server_closes(&mut self, server: &str, fields: &str, idle: u32) {
        self.connection(server, fields, &[(0, "S", "ACK"), (idle, "S", "FIN,ACK"), (idle, "C", "FIN,ACK")]);
    }

    /// The client closes after so long, the server follows.
    fn client_closes(&mut self, server: &str, fields: &str, idle: u32) {
        self.connection(server, fields, &[(idle, "C", "FIN,ACK"), (idle + 1, "S", "FIN,ACK")]);
    }

    /// The server closes after so long, and the client sends another request long after.
    fn stale(&mut self, server: &str, fields: &str, idle: u32, again: u32) {
        let request = "PSH,ACK \"GET /again HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n\"";
        self.connection(server, fields, &[(idle, "S", "FIN,ACK"), (idle, "C", "ACK"), (again, "C", request), (again + 1, "S", "RST")]);
    }

    fn report(&self, assume: &[(&str, i64)]) -> Report {
        let mut text = String::from("start 1790000000\n");
        let _ = write!(text, "{}", self.text);
        let of = |(who, seconds): &(&str, i64)| Assumption { who: (*who).to_owned(), timeout: Span::from_secs(*seconds) };
        let options = AnalysisOptions { assume: assume.iter().map(of).collect(), ..AnalysisOptions::default() };
        script::report_of(Script::new(&text).bytes(), &options)
    }
}

const HERE: &str = "10.0.1.9:80";
const THERE: &str = "10.0.1.10:80";

fn play_with_losses(fields: &str) -> Play {
    let mut play = Play::new();
    for _ in 0..3 {
        play.server_closes(HERE, fields, 10);
    }
    play.stale(HERE, fields, 10, 15);
    play
}

#[test]
fn client_is_told_by_its_user_agent_and_gets_its_own_directive() {
    let cases = [
        ("okhttp/4.12.0", "OkHttp (by its User-Agent okhttp/4.12.0): `new ConnectionPool(5, 9, TimeUnit.SECONDS)`"),
        ("Go-http-client/1.1", "Go net/http (by its User-Agent Go-http-client/1.1): `&http.Transport{ IdleConnTimeout: 9 * time.Second }`"),
        ("Java-http-client/17.0.2", "`-Djdk.httpclient.keepalive.timeout=9`"),
        ("Java/17.0.2", "`-Dhttp.keepAlive.time.server=9`"),
        ("Apache-HttpClient/5.2.1 (Java/17.0.8)", "Apache HttpClient 5 (by its User-Agent Apache-HttpClient/5.2.1)"),
        ("python-requests/2.31.0", "Python requests / urllib3 (by"),
        ("axios/1.6.7", "`new http.Agent({ keepAlive: true, timeout: 9000 })`"),
        ("undici", "`new Agent({ keepAliveTimeout: 9000, keepAliveMaxTimeout: 9000 })`"),
        ("curl/8.5.0", "`curl_easy_setopt(handle, CURLOPT_MAXAGE_CONN, 9L);`"),
    ];
    for (agent, expected) in cases {
        let report = play_with_losses(&format!("User-Agent: {agent}\\r\\n")).report(&[]);
        let advice = mismatch(&report).unwrap().advice.join("\n");
        assert!(advice.contains(expected), "{agent}: {advice}");
    }
}

#[test]
fn unknown_client_gets_a_short_list_and_nothing_of_its_user_agent() {
    let report = play_with_losses("User-Agent: secret-tool/1.0 token=4711\\r\\n").report(&[]);
    let advice = mismatch(&report).unwrap().advice.join("\n");
    assert!(!advice.contains("secret") && !advice.contains("4711"), "{advice}");
    assert!(advice.contains("If the client is one of these: nginx: `keepalive_timeout 9s;`") && advice.contains("HAProxy: `"), "{advice}");
    assert!(advice.contains("If 10.0.1.9:80 is one of these: nginx: `keepalive_timeout 16s;`"), "{advice}");
}

#[test]
fn timer_of_a_client_on_another_server_is_its_hypothesis_until_a_longer_gap_contradicts_it() {
    let play = |idle_there| {
        let mut play = play_with_losses("");
        for _ in 0..3 {
            play.client_closes(THERE, "", idle_there);
        }
        play
    };
    let report = play(60).report(&[]);
    let here = hop(&report, HERE);
    assert!((here.client_timer.unwrap().seconds() - 60.0).abs() < 0.1, "{here:?}");
    assert_eq!(here.client_seen_at, Some(Endpoint::v4([10, 0, 1, 10], 80).into()));
    assert!(mismatch(&report).unwrap().advice[0].contains("to more than 61 s"), "{:?}", mismatch(&report).unwrap().advice);
    let reasons = mismatch(&report).unwrap().reasons.join("; ");
    assert!(reasons.contains("on its connections to 10.0.1.10:80"), "{reasons}");
    let contradicted = play(12).report(&[]);
    let here = hop(&contradicted, HERE);
    assert!(here.client_seen_at.is_none() && here.client_at_least, "a connection was used after 15 s here: {here:?}");
}

#[test]
fn one_close_by_the_server_is_a_warning_only_where_the_client_keeps_connections_longer_elsewhere() {
    let again = "PSH,ACK \"GET /again HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n\"";
    let answer = "PSH,ACK \"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok\"";
    let of_client = |idle_there: Option<u32>| {
        let mut play = Play::new();
        play.client = "10.0.0.6";
        for _ in 0..4 {
            play.server_closes(HERE, "", 10);
        }
        play.client = "10.0.0.5";
        play.connection(HERE, "", &[(3, "C", again), (4, "S", answer), (14, "S", "FIN,ACK"), (14, "C", "FIN,ACK")]);
        for _ in 0..3 {
            if let Some(idle) = idle_there {
                play.client_closes(THERE, "", idle);
            }
        }
        play.report(&[])
    };
    let report = of_client(Some(60));
    let finding = mismatch(&report).unwrap();
    assert_eq!((finding.severity, finding.client.ip.to_string().as_str()), (Severity::Warning, "10.0.0.5"));
    assert!(finding.headline.contains("10 s, the client keeps 60 s: nothing lost yet"), "{}", finding.headline);
    assert!(mismatch(&of_client(None)).is_none() && mismatch(&of_client(Some(10))).is_none());
}

#[test]
fn what_the_user_knows_of_the_client_is_used_and_named_as_such() {
    let report = play_with_losses("").report(&[("client", 300)]);
    let finding = mismatch(&report).unwrap();
    assert!(report.verdict[0].contains("keeps connections for 300 s (as assumed)"), "{:?}", report.verdict);
    assert!(finding.advice[0].contains("to more than 301 s"), "{:?}", finding.advice);
    assert_eq!(finding.confidence, Confidence::Likely);
}

/// What the program prints about a recording of the lab.
fn printed(capture: &str, format: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab").join(capture);
    let output = Command::new(env!("CARGO_BIN_EXE_afterfin")).args(["report", "--format", format]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().replace('\\', "")
}

#[test]
fn every_cost_is_in_every_format() {
    let cases: [(&str, &[&str]); 3] = [
        (
            "timers-nginx-nginx-5s-proxy.pcap",
            &["4 requests lost: 0 sent again, 4 surfaced to a caller", "sockets in TIME_WAIT at the client 10.9.1.2"],
        ),
        (
            "http-apache-client.pcap",
            &["2 requests lost: 1 sent again", "2 connections held for 7.012 s in all", "in TIME_WAIT at the server 10.9.0.2"],
        ),
        (
            "churn-close-each-client.pcap",
            &["handshakes that keep-alive would have saved", "in TIME_WAIT at the client 10.9.0.1 at one time, over the capture ["],
        ),
    ];
    for (capture, parts) in cases {
        for format in ["text", "markdown", "html"] {
            let text = printed(capture, format).split_whitespace().collect::<Vec<_>>().join(" ");
            for part in parts {
                assert!(text.contains(part), "{capture}, {format}: {part} is missing");
            }
        }
    }
    let json: serde_json::Value = serde_json::from_str(&printed("churn-close-each-client.pcap", "json")).unwrap();
    let cost = &json["cost"];
    assert!(cost["handshakes_avoidable"].as_u64().unwrap() >= 20, "{cost}");
    assert_eq!(cost["time_wait_hosts"][0]["peak"], cost["time_wait_peak"]);
    assert!(cost["ports"][0]["peak"].as_u64().unwrap() > 0 && cost["ports"][0]["server"]["port"] == 80, "{cost}");
}

#[test]
fn the_one_sentence_comes_first_with_both_timers_and_both_remedies() {
    for (capture, beginning) in [
        (
            "http-apache-client.pcap",
            "10.9.0.2:80 closes after 5 s (n = 4), the client 10.9.0.1 keeps connections for at least 10 s: raise the server's keep-alive above 11 s, or lower the client's below 4 s.",
        ),
        (
            "timers-nginx-nginx-5s-proxy.pcap",
            "10.9.2.2:80 closes after 5 s (n = 3), the proxy 10.9.2.1 keeps connections for 20 s (n = 4), measured on its connections to 10.9.2.3:80: raise the server's keep-alive above 21 s, or lower the proxy's below 4 s.",
        ),
        (
            "t06-redis-client.pcap",
            "10.9.0.2:6379 closes after 2.71 s (seen twice), the client 10.9.0.1 keeps connections for at least 5 s: raise",
        ),
        (
            "keepalive-mixed-client.pcap",
            "Something between 10.9.1.2 and 10.9.3.2:80 forgets silent connections after more than 2 s and at most 4.2 s; the client 10.9.1.2 keeps connections for at least 9 s: let it give them up",
        ),
        ("keepalive-too-slow-client.pcap", "The client probes after 6.03 s, the connection is forgotten after 4.2 s or less."),
        (
            "table-expired-drop-client.pcap",
            "Unless the server was down at that time, something between 10.9.1.2 and 10.9.3.2:80 forgets silent connections after",
        ),
    ] {
        let text = printed(capture, "text").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.starts_with(beginning), "{capture}: {}", text.get(..300).unwrap_or(&text));
    }
}

#[test]
fn keepalive_of_a_side_and_limits_have_their_rows() {
    let rows = |capture: &str, lines: &[&str]| {
        let text = printed(capture, "text").split_whitespace().collect::<Vec<_>>().join(" ");
        for line in lines {
            assert!(text.contains(line), "{capture}: {line} is missing\n{text}");
        }
    };
    let keepalive =
        ["client TCP keepalive time 6.026 s", "client TCP keepalive interval 1.02 s", "client TCP keepalive probes 3 measured 3"];
    rows("keepalive-too-slow-client.pcap", &keepalive);
    rows("limit-nginx-keepalive-requests-client.pcap", &["server request limit 3 measured 5"]);
    rows("http-node-client.pcap", &["server idle 6.005 s (spread 5.7 ms), announced 5 s measured 4", "announces 5 s, closes later"]);
    rows("limit-age-idle-client.pcap", &["server age limit"]);
    rows("mass-close-nginx-reload-client.pcap", &["mass-close"]);
    let reload = printed("mass-close-nginx-reload-client.pcap", "json");
    let reload: serde_json::Value = serde_json::from_str(&reload).unwrap();
    assert!(reload["timeouts"].as_array().unwrap().iter().all(|row| row["what"] != "idle"), "a reload is no timer: {}", reload["timeouts"]);
}

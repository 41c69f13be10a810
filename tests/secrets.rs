//! What a report never shows: queries, credentials, payload that was not asked for. In every format, for every subcommand that has it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use script::Script;

/// A lost request whose head is full of what is nobody else's business, and whose body bites.
const SCRIPT: &str = r#"
host C 10.0.0.1:40000 ts=1000
host S 10.0.0.2:80 ts=5000
0.000000 C>S SYN mss=1460 wscale=7 sack
0.000400 S>C SYN,ACK mss=1460 wscale=7 sack
0.000450 C>S ACK
0.001000 C>S PSH,ACK "GET /login?token=QUERYONE HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Basic AUTHONE\r\n\r\n"
0.010000 S>C PSH,ACK "HTTP/1.1 200 OK\r\nSet-Cookie: sid=COOKIEONE\r\nContent-Length: 8\r\n\r\nBODYBODY"
0.010040 C>S ACK
10.000000 S>C FIN,ACK
10.040000 C>S ACK
12.000000 C>S PSH,ACK "POST /pay?card=QUERYTWO HTTP/1.1\r\nHost: shop.example\r\ncookie: sid=COOKIETWO; x=y\r\nProxy-Authorization: Bearer AUTHTWO\r\nContent-Length: 36\r\n\r\n<b>PAYLOAD`|=1\x1b[31m</script>\r\n```\r\n" name=late
12.000300 S>C RST
"#;

/// Formats of the report that carry text, and whether they have a place for payload.
const FORMATS: [(&str, bool); 7] =
    [("text", true), ("json", true), ("ndjson", true), ("csv", false), ("html", true), ("markdown", true), ("svg", false)];

const NEVER: [&str; 6] = ["QUERYONE", "QUERYTWO", "AUTHONE", "AUTHTWO", "COOKIEONE", "COOKIETWO"];

fn capture() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.pcap");
    std::fs::write(&path, Script::new(SCRIPT).bytes()).unwrap();
    (directory, path)
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.args(arguments).env("AFTERFIN_CONFIG", "").stdin(Stdio::null()).output().unwrap()
}

/// Standard output; a secret in hexadecimal digits is a secret too.
fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn hex(word: &str, separator: &str) -> String {
    word.bytes().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(separator)
}

fn assert_without(words: &[&str], text: &str, what: &str) {
    for word in words {
        for form in [(*word).to_owned(), hex(word, ""), hex(word, " ")] {
            assert!(!text.contains(&form), "{form} in {what}");
        }
    }
}

#[test]
fn report_in_every_format_has_no_query_no_credentials_and_no_payload() {
    let (_directory, path) = capture();
    let path = path.to_str().unwrap();
    for (format, _) in FORMATS {
        let report = text(&["report", "--format", format, path]);
        assert!(format == "svg" || report.contains("/pay"), "{format}: the test looks for what is there");
        assert_without(&NEVER, &report, format);
        assert_without(&["PAYLOAD", "BODYBODY"], &report, format);
    }
    for (subcommand, formats) in
        [("timeline", &["text", "json", "ndjson", "markdown", "svg"][..]), ("connections", &["text", "json", "ndjson", "csv"])]
    {
        for format in formats {
            let stream: &[&str] = if subcommand == "timeline" { &["--stream", "0"] } else { &[] };
            let shown = text(&[&[subcommand, "--format", format, path], stream].concat());
            assert_without(&NEVER, &shown, &format!("{subcommand} as {format}"));
            assert_without(&["PAYLOAD", "BODYBODY"], &shown, &format!("{subcommand} as {format}"));
        }
    }
}

#[test]
fn payload_on_demand_is_shown_escaped_and_without_secrets() {
    let (_directory, path) = capture();
    let path = path.to_str().unwrap();
    for (format, _) in FORMATS.into_iter().filter(|(_, has_payload)| *has_payload) {
        let report = text(&["report", "--format", format, "--show-payload", path]);
        assert!(report.contains("50 4f 53 54 20 2f 70 61") || report.contains(&hex("POST /pay?*******", "")), "{format}: {report}");
        assert_without(&NEVER, &report, format);
        assert!(!report.contains('\u{1b}'), "{format}");
        if format == "html" {
            let page = report.split_once("</script>").unwrap().0;
            assert!(!page.contains("<b>") && !page.contains("</script"), "markup of the payload is text");
        }
        if format == "markdown" {
            assert!(!report.lines().any(|line| line.starts_with("```\r")), "no block ends early");
        }
    }
}

#[test]
fn payload_on_demand_is_bounded_and_only_of_evidence() {
    let (directory, path) = capture();
    let body = "Z".repeat(900);
    let long = SCRIPT.replace("BODYBODY", &body).replace("<b>PAYLOAD", &format!("{body}<b>PAYLOAD"));
    std::fs::write(&path, Script::new(&long).bytes()).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text(&["--format", "json", "--show-payload", path.to_str().unwrap()])).unwrap();
    let mut seen = 0;
    for evidence in report["findings"].as_array().unwrap().iter().flat_map(|finding| finding["evidence"].as_array().unwrap()) {
        let Some(payload) = evidence.get("payload") else { continue };
        assert_eq!(payload["hex"].as_str().unwrap().len(), 512);
        assert!(payload["octets"].as_u64().unwrap() > 900);
        assert_ne!(evidence["frame"], 5, "a frame that is no evidence");
        seen += 1;
    }
    assert!(seen > 0);
    drop(directory);
}

#[test]
fn payload_where_there_is_no_place_for_it_is_refused() {
    let (_directory, path) = capture();
    let path = path.to_str().unwrap();
    for (arguments, says) in [
        (&["--show-payload", "--format", "csv", path][..], "--show-payload: csv has no place for payload; these have: text, json"),
        (
            &["--show-payload", "-"],
            "standard input can be read only once, and --show-payload reads its input twice: save it to a file first",
        ),
        (&["--show-payload", "--anonymize", path], "the argument '--show-payload' cannot be used with '--anonymize'"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said.starts_with(&format!("afterfin: {says}")) && said.lines().count() == 1, "{said}");
    }
}

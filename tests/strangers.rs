//! Words of strangers, from the octets of a capture to every output: what bites in a terminal, a browser, a ticket or a spreadsheet, octets
//! that are no text, and words of a megabyte, at every place where a capture's words enter (names of addresses, of interfaces and of files,
//! filters, request targets, hosts, products).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod capture_bytes;
mod script;

use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::render::{FORMATS, Style};
use afterfin::report::{Kind, Report};
use capture_bytes::Order;
use pulldown_cmark::{Event, Options, Parser, Tag};
use script::Script;

/// What bites, and where.
const BITES: [(&str, &[u8]); 10] = [
    ("a terminal: colour, title, link, cursor", b"\x1b[31m\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\x\x9b2J\x08\x7f"),
    ("a reader: bidirectional and invisible", "\u{202e}drawkcab\u{2066}\u{2069}\u{200b}\u{feff}\u{e0041}".as_bytes()),
    ("a browser", b"\"><img/src=x/onerror=alert(1)><script>alert(2)</script></title></style>--><svg/onload=alert(3)>'`"),
    ("a drawing", b"</text></svg>]]><foreignObject><!ENTITY%x;>&lt;"),
    ("a ticket", b"[x](javascript:alert(4))![i](http://evil.example/i.png)**`|`~~~<b>https://evil.example@everyone#1"),
    ("a spreadsheet", b"=cmd|'/C calc'!A0"),
    ("a spreadsheet in disguise", b"@SUM(1+1)*cmd|'/C calc'!A0"),
    ("a line: breaks and ends", b"a\r\nb\0c\tFINDING\x0b\x0c\xc2\x85\xe2\x80\xa8"),
    ("no text: UTF-8 cut, too long, surrogates, beyond", b"\xff\xfe\xc3\x28\xe2\x82\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xf8"),
    ("a template", b"{{7*7}}{% include \"/etc/passwd\" %}${jndi:ldap://x}%n%s"),
];

/// A request on a connection that the server had closed, with `word` in its target, host and product.
fn conversation(port: u16, word: &[u8]) -> Vec<u8> {
    let mut hex = String::new();
    for octet in word {
        write!(hex, "\\x{octet:02x}").unwrap();
    }
    let script = format!(
        "host C 10.0.0.1:{port}\nhost S 10.0.0.2:80\n\
         0 C>S SYN\n0.0004 S>C SYN,ACK\n0.0005 C>S ACK\n\
         0.001 C>S PSH,ACK \"GET /{hex} HTTP/1.1\\r\\nHost: {hex}\\r\\nUser-Agent: {hex}\\r\\n\\r\\n\"\n\
         0.01 S>C PSH,ACK \"HTTP/1.1 200 {hex}\\r\\nServer: {hex}\\r\\nKeep-Alive: timeout={hex}\\r\\nContent-Length: 0\\r\\n\\r\\n\"\n\
         0.011 C>S ACK\n10.01 S>C FIN,ACK\n10.05 C>S ACK\n\
         47 C>S PSH,ACK \"GET /{hex} HTTP/1.1\\r\\nHost: {hex}\\r\\n\\r\\n\"\n47.0004 S>C RST\n"
    );
    Script::new(&script).bytes()
}

/// The records of a little-endian pcap file of microseconds.
fn records(mut octets: &[u8]) -> Vec<(u64, &[u8])> {
    let mut records = Vec::new();
    octets = &octets[24..];
    while let Some((header, rest)) = octets.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        let (frame, rest) = rest.split_at(word(8) as usize);
        records.push((u64::from(word(0)) * 1_000_000 + u64::from(word(4)), frame));
        octets = rest;
    }
    records
}

/// A name resolution block that gives both addresses a name.
fn names(word: &[u8]) -> Vec<u8> {
    let order = Order::Little;
    let named = |last: u8| capture_bytes::option(order, 1, &[&[10, 0, 0, last][..], word, &[0]].concat());
    capture_bytes::block(order, 4, &[named(1), named(2), vec![0; 4]].concat())
}

/// The conversation as pcapng, with `word` wherever the container has room for one.
fn container(word: &[u8], conversation: &[u8]) -> Vec<u8> {
    let order = Order::Little;
    let filter = [&[0][..], word].concat();
    let interface = [capture_bytes::option(order, 2, word), capture_bytes::option(order, 11, &filter)];
    let mut file = [capture_bytes::section(order), capture_bytes::interface(order, 1, &interface), names(word)].concat();
    for (time, frame) in records(conversation) {
        file.extend(capture_bytes::enhanced(order, 0, time, frame));
    }
    file.extend(b"what no block begins with: the input has a problem");
    file
}

fn analysed(name: &str, octets: Vec<u8>) -> Report {
    let source = Source::Stream(name.into(), Box::new(std::io::Cursor::new(octets)));
    // a second input, so that file names stand beside frames
    let second = Source::Stream(name.into(), Box::new(std::io::Cursor::new(conversation(40_001, b"x"))));
    let capture = Capture::open(vec![source, second], &CaptureOptions::default()).unwrap();
    let options = AnalysisOptions { timelines: [0, 1].into(), ..AnalysisOptions::default() };
    afterfin::analyzer::analyze(capture, &options, &AtomicBool::new(false), &mut |_, _| {})
}

/// Every output of a report, by its name.
fn outputs(report: &Report) -> Vec<(String, String)> {
    let mut outputs = Vec::new();
    for format in FORMATS.iter().filter(|format| !matches!(format.name, "parquet" | "png")) {
        for (subject, renderer) in [("report", format.report), ("connections", format.connections), ("timeline", format.timeline)] {
            for colour in [false, true] {
                let Some(renderer) = renderer else { continue };
                let mut out = Vec::new();
                renderer(report, &Style { colour, ..Style::default() }, &mut out).unwrap();
                let text = String::from_utf8(out).expect("every text format is UTF-8");
                outputs.push((format!("{} {subject}", format.name), if colour { without_colour(&text) } else { text }));
            }
        }
    }
    outputs
}

/// Without the program's own colours: `ESC [ digits and semicolons m`.
fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let (codes, after) = after.split_once('m').expect("a colour ends");
        assert!(codes.chars().all(|c| c.is_ascii_digit() || c == ';'), "no colour of ours: {codes:?}");
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// What no output may carry raw.
fn assert_inert(what: &str, name: &str, text: &str) {
    let csv = name.starts_with("csv");
    let obeyed = |c: &char| {
        (c.is_control() && *c != '\n' && !(csv && *c == '\r'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    assert_eq!(text.chars().find(obeyed), None, "{what} came through in {name}");
    match name.split(' ').next().unwrap() {
        "json" => drop(serde_json::from_str::<serde_json::Value>(text).expect("JSON")),
        "ndjson" => text.lines().for_each(|line| assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].is_string())),
        "csv" => {
            for row in csv::Reader::from_reader(text.as_bytes()).records() {
                let row = row.unwrap();
                let formula = |cell: &&str| cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
                assert_eq!(row.iter().find(formula), None, "{what} in {name}");
            }
        }
        "html" | "svg" => {
            let lower = text.to_ascii_lowercase();
            for markup in ["<img", "<script>alert", "<svg/", "<foreignobject", "</text></svg>]", "<!entity", "<b>"] {
                assert!(!lower.contains(markup), "{what}: {markup} in {name}");
            }
            if name.starts_with("svg") {
                resvg::usvg::Tree::from_str(text, &resvg::usvg::Options::default()).expect("well-formed");
            }
        }
        "markdown" => {
            for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_GFM) {
                let markup = matches!(&event, Event::Start(Tag::Link { .. } | Tag::Image { .. }))
                    || matches!(&event, Event::Html(html) | Event::InlineHtml(html) if html.contains("<b>") || html.contains("img") || html.contains("script"));
                assert!(!markup, "{what}: {event:?} in {name}");
            }
        }
        _ => {}
    }
}

#[test]
fn words_that_bite_reach_no_output_from_any_place_of_a_capture() {
    for (what, word) in BITES {
        let file_name = format!("dir/{}", String::from_utf8_lossy(word));
        let report = analysed(&file_name, container(word, &conversation(40_000, word)));
        assert_eq!(report.connections_total, 2, "{what}");
        assert!(report.findings.iter().any(|finding| finding.kind == Kind::StaleReuse), "{what}: {:?}", report.findings);
        assert_eq!(report.names.len(), 2, "{what}");
        assert!(report.inputs.iter().any(|input| !input.problems.is_empty()), "{what}: the damage is told");
        for (name, text) in outputs(&report) {
            assert_inert(what, &name, &text);
        }
    }
}

#[test]
fn words_of_a_megabyte_are_cut_in_every_output() {
    // as long as an option or a record of names can be, and many of them to a megabyte; a header line over many segments
    const LONG: usize = 65_000;
    let harmless = outputs(&analysed("x", container(b"x", &conversation(40_001, b"x"))));
    for unit in [&b"\x1b[31m"[..], b"<b>", b"=\xff"] {
        let word = unit.repeat(LONG / unit.len());
        let mut file = container(&word, &conversation(40_000, &word[..1_400]));
        let more: Vec<u8> = (0..16).flat_map(|_| names(&word)).collect();
        assert!(more.len() > 2_000_000);
        file.splice(28..28, more); // behind the section header
        let report = analysed("x", file);
        for name in report.names.values() {
            assert!(name.len() <= 3 * 256, "{} octets of a name are kept", name.len());
        }
        for ((name, text), (_, plain)) in outputs(&report).iter().zip(&harmless) {
            assert_inert("a megabyte", name, text);
            assert!(text.len() < plain.len() + 100_000, "{name}: {} octets, {} without", text.len(), plain.len());
        }
    }
}

//! HTML, Markdown, SVG and PNG on reports made by hand and on fixtures: golden outputs that people can read, and hostile strings that
//! come out inert.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod support;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::export::{Anonymizer, Key};
use afterfin::options::AnalysisOptions;
use afterfin::render::{Renderer, Style, csv, html, markdown, png, svg};
use afterfin::report::Report;
use pulldown_cmark::{Event, Options, Parser, Tag};

/// What an attacker would send: markup of every format, a formula, control characters, and what ends a code block or a script.
const BITES: &str = "\"><img src=x onerror=alert(1)><script>alert(2)</script></script></style></title></text></svg>-->]]>&lt;b>'`\n```\n~~~\n# heading\n* item\n| a | b |\n[x](javascript:alert(3)) ![i](http://evil.example/i.png) https://evil.example www.evil.example @everyone #1 {code}{noformat}\x1b]0;t\x07\x1b[31m\u{202e}\u{200b}\0";

fn bytes(renderer: Renderer, report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    renderer(report, &Style::default(), &mut out).unwrap();
    out
}

fn text(renderer: Renderer, report: &Report) -> String {
    String::from_utf8(bytes(renderer, report)).unwrap()
}

/// The report on a fixture, as the command line makes it.
fn analysed(name: &str, timelines: &[u64]) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let file = std::fs::File::open(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let capture = Capture::open(vec![Source::Stream(name, Box::new(file))], &CaptureOptions::default()).unwrap();
    let options = AnalysisOptions { timelines: timelines.iter().copied().collect(), ..AnalysisOptions::default() };
    afterfin::analyzer::analyze(capture, &options, &AtomicBool::new(false), &mut |_, _| {})
}

/// The hand-made report with strings that bite wherever the capture's words go.
fn biting_report() -> Report {
    let mut report = support::hostile_report();
    let bite = || BITES.to_owned();
    let input = &mut report.inputs[0];
    input.name = format!("dir/{BITES}");
    input.problems = vec![bite()];
    input.sha256 = Some(bite());
    report.capture.skipped = [(bite(), 1)].into();
    report.capture.malformed = [(bite(), 1)].into();
    report.capture.trust[0].detail = bite();
    report.verdict = vec![bite(), bite()];
    for finding in &mut report.findings {
        finding.headline = bite();
        finding.request = format!("={BITES}");
        finding.cause = Some(bite());
        finding.candidates = vec![bite()];
        finding.retry_says = bite();
        finding.messages = vec![bite()];
        finding.reasons = vec![bite()];
        finding.advice = vec![bite()];
        finding.wireshark_filter = bite();
        finding.evidence.iter_mut().for_each(|evidence| evidence.says = bite());
        if let Some(rst) = &mut finding.rst {
            rst.origin_basis = bite();
        }
    }
    let timelines = report.timelines.iter_mut().chain(&mut report.finding_timelines);
    for timeline in timelines.chain(report.groups[0].timeline.as_mut()) {
        for entry in &mut timeline.entries {
            entry.text = bite();
            entry.note = bite();
        }
    }
    report.groups[0].summary = bite();
    report.groups[0].advice = vec![bite()];
    for timeout in &mut report.timeouts {
        timeout.host = Some(bite());
        timeout.known = vec![bite()];
    }
    report.chain[0].says = bite();
    for row in &mut report.connections {
        row.host = bite();
        row.vantages = vec![bite()];
    }
    for ip in ["10.0.0.5", "10.0.1.9"] {
        report.names.insert(ip.parse().unwrap(), bite());
    }
    report
}

/// No character that a terminal obeys or that a reader cannot see.
fn assert_visible(what: &str, text: &str) {
    let bad: Vec<_> = text.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200b}')).collect();
    assert!(bad.is_empty(), "{what}: {bad:?}");
}

/// Every element and attribute of a page or drawing, without what stands in style and script elements.
fn tags(markup: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = markup;
    while let Some((_, after)) = rest.split_once('<') {
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let end = end.expect("every tag ends");
        let tag = &after[..end];
        tags.push(tag);
        rest = &after[end + 1..];
        for raw in ["style", "script"] {
            if tag == raw || tag.starts_with(&format!("{raw} ")) {
                rest = &rest[rest.find(&format!("</{raw}>")).expect("it ends")..];
            }
        }
    }
    tags
}

fn assert_inert(what: &str, markup: &str) {
    for tag in tags(markup) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        assert!(
            !matches!(name, "img" | "iframe" | "object" | "embed" | "link" | "base" | "b" | "foreignObject" | "image"),
            "{what}: <{tag}>"
        );
        for attribute in tag.split('"').step_by(2) {
            let attribute = attribute.trim_start();
            assert!(!attribute.starts_with("on") && !attribute.contains(" on"), "{what}: <{tag}>");
        }
    }
}

#[test]
fn html_with_hostile_strings_is_inert() {
    let page = text(html::report, &biting_report());
    assert_visible("html", &page);
    assert_inert("html", &page);
    let plain = text(html::report, &support::report());
    let of = |page: &str, tag: &str| page.matches(tag).count();
    for tag in ["<script", "</script>", "<style", "</style>", "<title>", "</svg>", "<!--"] {
        assert_eq!(of(&page, tag) >= 1, of(&plain, tag) >= 1, "{tag}");
    }
    assert_eq!((of(&page, "<script"), of(&page, "</script>"), of(&page, "<style")), (2, 2, 1));
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["s"].as_array().unwrap().len(), 6);
}

#[test]
fn html_policy_names_what_the_page_runs() {
    use base64::Engine;
    use sha2::Digest;
    let page = text(html::report, &support::report());
    let hash = |tag: &str, end: &str| {
        let body = page.split_once(tag).unwrap().1.split_once(end).unwrap().0;
        format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(body.as_bytes())))
    };
    let policy = page.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0.replace("&#39;", "'");
    assert!(policy.contains(&format!("script-src {}", hash("<script>", "</script>"))), "{policy}");
    assert!(policy.contains(&format!("style-src {}", hash("<style>", "</style>"))), "{policy}");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!page.contains(" style=\""), "a style attribute would be refused");
    for reference in ["src=\"", "url(http", "@import", "href=\"http"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn html_says_what_it_leaves_out() {
    let mut report = support::report();
    report.findings = (1..=500).map(|number| support::stale_reuse(number, number as u64)).collect();
    report.groups[0].findings = (0..500).collect();
    report.groups = vec![report.groups[0].clone(); 70];
    report.connections = (0..100_050).map(support::connection).collect();
    report.connections[100_049].findings = vec![1];
    report.connections_total = 100_050;
    let page = text(html::report, &report);
    assert_eq!(page.matches("<article").count(), 300);
    assert!(page.contains("440 findings of this pair without a card"), "of the first pair");
    assert!(page.contains("10 more pairs of hosts with 5,000 findings are not on this page"));
    assert!(page.contains("This page carries 100,000 of 100,050 connections, those with findings first"));
    assert!(page.contains("\"100049\":[1]"), "a row with a finding is never left out for one without");
}

#[test]
fn markdown_with_hostile_strings_is_inert() {
    let report = biting_report();
    for renderer in [markdown::report as Renderer, markdown::timelines] {
        let text = text(renderer, &report);
        assert_visible("markdown", &text);
        let options = Options::ENABLE_TABLES | Options::ENABLE_GFM | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
        let mut prose = text.clone();
        let mut columns = Vec::new();
        for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Link { .. } | Tag::Image { .. }) => panic!("a link: {}", &text[range]),
                Event::Html(html) | Event::InlineHtml(html) => {
                    let shown = html.trim();
                    assert!(
                        shown == "</details>" || shown.starts_with("<details><summary>F") || shown.starts_with("<details><summary>The"),
                        "{shown}"
                    );
                    assert_eq!(shown.matches('<').count(), if shown == "</details>" { 1 } else { 3 }, "{shown}");
                }
                Event::Start(Tag::Table(alignment)) => columns.push(alignment.len()),
                // What stands in code is left alone by the platforms: out of the way of what follows.
                Event::Code(_) | Event::Start(Tag::CodeBlock(_)) => prose.replace_range(range.clone(), &" ".repeat(range.len())),
                _ => {}
            }
        }
        assert!(columns.iter().all(|count| [4, 7].contains(count)), "{columns:?}");
        for reference in ["https://", "www.evil", "@everyone", "#1", "{code", "{noformat"] {
            let found = prose.match_indices(reference).find(|(at, _)| !prose[..*at].ends_with('\\'));
            assert!(found.is_none(), "{reference} in {}", &prose[found.unwrap().0.saturating_sub(60)..]);
        }
    }
}

#[test]
fn markdown_stays_within_a_comment() {
    let mut report = support::report();
    let mut finding = support::stale_reuse(1, 1);
    finding.headline = "x".repeat(3_000);
    report.findings = vec![finding; 60];
    report.groups[0].findings = (0..60).collect();
    report.groups[0].summary = "y".repeat(3_000);
    report.groups = vec![report.groups[0].clone(); 30];
    let text = text(markdown::report, &report);
    assert!(text.chars().count() < 32_767, "{}", text.chars().count());
    assert!(text.contains("left out to stay within the size of a comment"), "{text}");
}

#[test]
fn svg_with_hostile_strings_is_inert() {
    let mut report = biting_report();
    for renderer in [svg::report as Renderer, svg::timelines] {
        let drawing = text(renderer, &report);
        assert_visible("svg", &drawing);
        assert_inert("svg", &drawing);
        assert!(!drawing.contains("<script"));
        assert_eq!(drawing.matches("</svg>").count(), 1);
        resvg::usvg::Tree::from_str(&drawing, &resvg::usvg::Options::default()).expect("well-formed");
    }
    report.timelines.push(report.timelines[0].clone());
    assert_inert("lanes", &text(svg::timelines, &report));
}

#[test]
fn csv_with_hostile_strings_has_no_formula() {
    let mut report = biting_report();
    report.connections.iter_mut().for_each(|row| row.host = format!("@{BITES}"));
    for renderer in [csv::findings as Renderer, csv::connections] {
        let table = text(renderer, &report);
        assert_visible("csv", &table.replace("\r\n", "\n"));
        for row in ::csv::Reader::from_reader(table.as_bytes()).records() {
            for cell in &row.unwrap() {
                assert!(cell.parse::<f64>().is_ok() || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
            }
        }
    }
}

#[test]
fn anonymised_report_names_no_original_address_in_any_format() {
    let mut report = analysed("lab/t01-blind-10s-client.pcap", &[1, 2]);
    let original = text(html::report, &report);
    assert!(original.contains("10.9.0.") && original.contains("GET /second"), "the test looks for what is there");
    Anonymizer::new(&Key::of_content(b"a key for tests").unwrap()).report(&mut report);
    for (name, renderer) in [
        ("html", html::report as Renderer),
        ("markdown", markdown::report),
        ("timeline", markdown::timelines),
        ("picture", svg::report),
        ("lanes", svg::timelines),
    ] {
        let text = text(renderer, &report);
        for secret in ["10.9.0.", "GET /second", "t01-blind"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
}

#[test]
fn png_is_an_image_of_its_drawing_and_always_the_same() {
    let mut report = support::report();
    report.timelines = vec![support::timeline()];
    for renderer in [png::report as Renderer, png::timelines] {
        let image = bytes(renderer, &report);
        assert!(image.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(u32::from_be_bytes(image[16..20].try_into().unwrap()), 2 * 1016, "twice the width of the drawing");
        assert_eq!(image, bytes(renderer, &report));
    }
}

#[test]
fn png_of_hostile_strings_and_of_many_lanes_is_written() {
    let mut report = biting_report();
    assert!(bytes(png::timelines, &report).len() > 1_000);
    report.timelines = vec![report.timelines[0].clone(); 12];
    assert!(bytes(png::timelines, &report).len() > 1_000);
}

#[test]
fn markdown_report_of_an_incident() {
    insta::assert_snapshot!(text(markdown::report, &support::report()));
}

#[test]
fn markdown_report_of_a_lab_capture() {
    insta::assert_snapshot!(text(markdown::report, &analysed("lab/t01-blind-10s-client.pcap", &[])));
}

#[test]
fn markdown_timeline_of_one_connection() {
    insta::assert_snapshot!(text(markdown::timelines, &analysed("lab/t01-blind-10s-client.pcap", &[2])));
}

#[test]
fn svg_picture_of_a_lab_capture() {
    insta::assert_snapshot!(readable(&text(svg::report, &analysed("lab/t01-blind-10s-client.pcap", &[]))));
}

#[test]
fn svg_timeline_of_one_connection() {
    insta::assert_snapshot!(readable(&text(svg::timelines, &analysed("lab/t01-blind-10s-client.pcap", &[2]))));
}

#[test]
fn svg_lanes_of_several_connections() {
    insta::assert_snapshot!(readable(&text(svg::timelines, &analysed("lab/t01-blind-10s-client.pcap", &[0, 1, 2]))));
}

#[test]
fn html_page_of_a_lab_capture() {
    let page = text(html::report, &analysed("lab/t01-blind-10s-client.pcap", &[]));
    // The style, the script and the drawings have tests of their own.
    let mut shown = String::new();
    let mut rest = page.as_str();
    for (begin, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let (before, after) = rest.split_once(begin).unwrap();
        shown.push_str(before);
        rest = after.split_once(end).unwrap().1;
    }
    shown.push_str(rest);
    let shown: Vec<&str> = shown
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("<svg class=\"plot") && !line.contains("Content-Security-Policy"))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// One element a line, so that a change is a line of the diff.
fn readable(drawing: &str) -> String {
    let (head, rest) = drawing.split_once("<style>").unwrap();
    let rest = rest.split_once("</style>").unwrap().1;
    format!("{head}{rest}").replace("><", ">\n<")
}

/// With AFTERFIN_HAND_MADE_PAGES set, writes the hand-made pages there for the browser test.
#[test]
fn hand_made_pages_are_inert() {
    for (name, report) in [("hostile", biting_report()), ("incident", support::report())] {
        let page = bytes(html::report, &report);
        if let Some(directory) = std::env::var_os("AFTERFIN_HAND_MADE_PAGES") {
            std::fs::write(Path::new(&directory).join(name).with_extension("html"), &page).unwrap();
        }
        assert_inert(name, &String::from_utf8(page).unwrap());
    }
}

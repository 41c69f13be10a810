//! The renderers on reports made by hand: snapshots that people can read, and the properties that hold for all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod support;

use afterfin::render::{FORMATS, Style, csv, json, ndjson, text};
use afterfin::report::{FrameRef, Input, Report, Severity, TimelineEntry};
use chrono::FixedOffset;
use unicode_width::UnicodeWidthStr;

type Renderer = fn(&Report, &Style, &mut dyn std::io::Write) -> std::io::Result<()>;

fn rendered(renderer: Renderer, report: &Report, style: &Style) -> String {
    let mut out = Vec::new();
    renderer(report, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_report_of_an_incident() {
    insta::assert_snapshot!(rendered(text::report, &support::report(), &Style::default()));
}

#[test]
fn text_report_without_findings() {
    let mut report = support::report();
    report.findings.clear();
    report.groups.clear();
    report.timeouts.clear();
    report.chain.clear();
    report.cost = afterfin::report::Cost::default();
    report.complete = true;
    report.inputs[0].problems.clear();
    report.verdict = vec!["No connection was used after its close.".into()];
    for row in &mut report.connections {
        row.findings.clear();
    }
    insta::assert_snapshot!(rendered(text::report, &report, &Style::default()));
}

#[test]
fn text_report_on_a_narrow_terminal() {
    insta::assert_snapshot!(rendered(text::report, &support::report(), &Style { width: 60, ..Style::default() }));
}

#[test]
fn text_report_in_another_zone_with_two_files() {
    let mut report = support::report();
    report.inputs.push(Input { name: "/var/tmp/second.pcapng".into(), format: "pcapng", complete: true, ..Input::default() });
    report.findings[0].frame = Some(FrameRef { file: 1, frame: 7 });
    let text = rendered(text::report, &report, &Style { zone: FixedOffset::east_opt(7200).unwrap(), ..Style::default() });
    assert!(text.contains("frame 7 in second.pcapng · 14:00:48.220"), "{text}");
    assert!(text.contains("frame 108 in incident.pcap"), "{text}");
    assert!(text.contains("14:00:00.002 to 14:01:01.002"), "{text}");
    assert!(text.contains("UTC+02:00"), "{text}");
}

#[test]
fn text_report_of_many_findings_and_connections_is_shortened() {
    let mut report = support::report();
    report.findings = (1..=42).map(|number| support::stale_reuse(number, number as u64)).collect();
    report.findings.push(support::mismatch(43));
    report.groups[0].findings = (0..43).collect();
    report.groups = vec![report.groups[0].clone(); 15];
    report.connections = (0..100).map(support::connection).collect();
    report.connections[77].findings = vec![1, 2, 3, 4];
    report.connections_total = 100;
    let text = rendered(text::report, &report, &Style::default());
    assert!(text.contains("… and 35 more, see --format json"), "{text}");
    assert!(text.contains("F43  warning  timeout-mismatch"), "one of each kind is shown: {text}");
    assert!(text.contains("… and 3 more pairs of hosts with 129 findings, see --format json"), "{text}");
    assert!(text.contains("F1 F2 F3 …"), "{text}");
    assert!(text.contains("… and 80 connections not shown"), "{text}");
}

#[test]
fn text_never_exceeds_the_width() {
    for report in [support::report(), support::hostile_report()] {
        for width in [40, 60, 80, 99, 100, 140] {
            let style = Style { width, ..Style::default() };
            for renderer in [text::report as Renderer, text::connections, text::timelines] {
                let text = rendered(renderer, &report, &style);
                let long: Vec<_> = text.lines().filter(|line| line.width() > width).collect();
                assert!(long.is_empty(), "at {width}: {long:#?}");
            }
        }
    }
}

#[test]
fn text_colour_changes_nothing_but_colour() {
    let plain = rendered(text::report, &support::report(), &Style::default());
    let coloured = rendered(text::report, &support::report(), &Style { colour: true, ..Style::default() });
    assert!(coloured.contains("\x1b[1;31m"));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
    assert!(!plain.contains('\x1b'));
}

#[test]
fn timeline_of_one_connection() {
    let mut report = support::report();
    report.timelines = vec![support::timeline()];
    report.timelines[0].omitted = 12_000;
    insta::assert_snapshot!(rendered(text::timelines, &report, &Style::default()));
}

#[test]
fn timeline_counts_what_happens_again_and_again() {
    let mut report = support::report();
    let mut again = report.groups[0].timeline.clone().unwrap();
    let rst = again.entries.last().unwrap().clone();
    let last = rst.at + afterfin::time::Span::from_secs(5);
    again.entries.extend((1..=5).map(|second| TimelineEntry { at: rst.at + afterfin::time::Span::from_secs(second), ..rst.clone() }));
    report.groups[0].timeline = Some(again.clone());
    report.timelines = vec![again];
    let text = rendered(text::report, &report, &Style::default());
    assert!(text.contains(&format!("… the same 5 more times, the last at {}", afterfin::render::format::offset_seconds(last))), "{text}");
    assert_eq!(text.matches("RST by the server (no such connection)").count(), 1, "{text}");
    let every = rendered(text::timelines, &report, &Style::default());
    assert_eq!(every.matches("RST by the server (no such connection)").count(), 6, "{every}");
}

#[test]
fn connections_table_is_aligned_over_its_parts() {
    let mut report = support::report();
    report.connections = (0..2_500).map(support::connection).collect();
    report.connections[2_400].client = support::endpoint("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 41234);
    let text = rendered(text::connections, &report, &Style { width: 140, ..Style::default() });
    assert_eq!(text.lines().filter(|line| line.contains("longest idle")).count(), 1, "one header");
    let columns: std::collections::BTreeSet<_> =
        text.lines().filter(|line| line.contains("236 B")).filter_map(|line| line.find("12:00:01.002")).collect();
    assert_eq!(columns.len(), 1, "{columns:?}");
    assert_eq!(text.lines().filter(|line| line.contains("236 B")).count(), 2_500);
}

#[test]
fn hostile_strings_reach_no_output_raw() {
    let report = support::hostile_report();
    // Parquet and PNG are no text; what a PNG draws is the SVG's.
    for format in FORMATS.iter().filter(|format| !matches!(format.name, "parquet" | "png")) {
        for renderer in [format.report, format.connections, format.timeline].into_iter().flatten() {
            let text = rendered(renderer, &report, &Style::default());
            let bad: Vec<_> = text.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
            assert!(bad.is_empty(), "{}: {bad:?}", format.name);
        }
    }
    let json = rendered(json::report, &report, &Style::default());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["findings"][0]["request"], "GET /\\u{1b}[31m\\u{202e}evil\\u{a}");
}

#[test]
fn json_report_of_an_incident() {
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let json = rendered(json::report, &support::report(), &Style::default());
    assert!(json.contains(&version));
    insta::assert_snapshot!(json.replace(&version, "\"version\":\"…\""));
}

#[test]
fn json_numbers_are_exact_decimals() {
    let mut report = support::report();
    report.cost.dead_held = afterfin::time::Span(9_007_199_254_740_993_001);
    let json = rendered(json::report, &report, &Style::default());
    assert!(json.contains(r#""dead_held_seconds":9007199254.740993001"#), "{json}");
}

#[test]
fn ndjson_lines_are_objects_with_their_type() {
    let text = rendered(ndjson::report, &support::report(), &Style::default());
    let types: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types.iter().filter(|name| *name == "finding").count(), 2);
    assert_eq!(types.iter().filter(|name| *name == "connection").count(), 6);
    let finding: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(finding["idle_seconds"].as_f64(), Some(47.2054));
}

#[test]
fn csv_of_findings_and_connections() {
    let mut report = support::report();
    report.findings[1].headline = "=HYPERLINK(\"http://evil\")".into();
    report.findings[0].request = "@cmd".into();
    report.findings[0].since_close = Some(afterfin::time::Span::from_millis(-5));
    insta::assert_snapshot!(rendered(csv::findings, &report, &Style::default()));
    report.connections.truncate(2);
    insta::assert_snapshot!(rendered(csv::connections, &report, &Style::default()));
}

#[test]
fn selection_keeps_the_identifiers() {
    let mut report = support::report();
    let selection = afterfin::options::Selection { kinds: ["timeout-mismatch".to_owned()].into(), ..Default::default() };
    afterfin::render::select::narrow(&mut report, &selection);
    assert_eq!(report.findings.iter().map(|finding| finding.number).collect::<Vec<_>>(), [2]);
    assert_eq!(report.groups[0].findings, [0]);
    assert_eq!(report.groups[0].kinds.len(), 1);
    assert!(report.groups[0].timeline.is_none(), "its connection has no finding that is shown");
    assert_eq!(report.left_out.findings, 1);
    assert_eq!(report.connections_total, 24, "no connection was left out");
}

#[test]
fn selection_by_connection_severity_and_time() {
    let narrowed = |selection| {
        let mut report = support::report();
        afterfin::render::select::narrow(&mut report, &selection);
        report
    };
    let base = afterfin::options::Selection::default;
    let one = narrowed(afterfin::options::Selection { streams: [12].into(), ..base() });
    assert_eq!((one.connections.len(), one.findings.len(), one.connections_total), (1, 1, 1));
    let port = narrowed(afterfin::options::Selection { ports: vec![443], ..base() });
    assert_eq!((port.connections.len(), port.findings.len(), port.groups.len()), (0, 0, 0));
    let severe = narrowed(afterfin::options::Selection { min_severity: Severity::Error as u8, ..base() });
    assert_eq!(severe.findings.len(), 1);
    let late = narrowed(afterfin::options::Selection { from: Some(support::OPENED + afterfin::time::Span::from_secs(47)), ..base() });
    assert_eq!(late.connections.iter().map(|row| row.stream).collect::<Vec<_>>(), [12]);
    let early = narrowed(afterfin::options::Selection { to: Some(support::OPENED + afterfin::time::Span::from_secs(47)), ..base() });
    assert_eq!(early.findings.len(), 1, "the finding about many connections has no time and stays");
}

#[test]
fn ndjson_of_an_incident() {
    insta::assert_snapshot!(rendered(ndjson::report, &support::report(), &Style::default()));
}

#[test]
fn wireshark_profile_of_an_incident() {
    let files = afterfin::export::profile(&support::report());
    insta::assert_snapshot!(files.iter().flat_map(|(name, text)| ["== ", name, "\n", text]).collect::<String>());
}

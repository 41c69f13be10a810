//! A report whose words and figures are arbitrary → each renderer. The first octet chooses the format and the subject.

use std::sync::OnceLock;

use afterfin::options::AnalysisOptions;
use afterfin::render::{FORMATS, Style};
use afterfin::report::Report;
use afterfin::time::{Span, Timestamp};
use arbitrary::{Result, Unstructured};

use super::input;

/// Has findings, groups, timers, a picture and timelines.
const BASE: &[u8] = include_bytes!("../../fixtures/lab/t01-blind-10s-client.pcap");

/// What bites in one format or another.
const BITES: [&str; 14] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "]]>",
    "--></style>",
    "=cmd|' /C calc'!A0",
    "```\n# heading\n| a | b |",
    "[x](javascript:alert(3))",
    "\u{1b}]0;t\u{7}\u{1b}[31m",
    "\u{202e}\u{2066}\u{200b}",
    "\0\r\n\t",
    "&lt;&#x3c;\"'",
    "e\u{301}\u{1f468}\u{200d}\u{1f469}漢字",
    "{{ '' }} {% raw %}",
    "",
];

fn base() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| {
        let options = AnalysisOptions { timelines: [0, 1].into(), ..AnalysisOptions::default() };
        input::report(BASE, &options).expect("the fixture is a capture")
    })
}

/// Renders and looks whether anything raw came through.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut report = base().clone();
    let _ = change(&mut report, &mut Unstructured::new(rest));
    // Parquet is no text, and not built in here.
    let formats: Vec<_> = FORMATS.iter().filter(|format| format.name != "parquet").collect();
    let format = formats[usize::from(*choice) % formats.len()];
    let subjects = [format.report, format.connections, format.timeline];
    let Some(renderer) = subjects[usize::from(*choice) / formats.len() % 3].or(format.report) else { return };
    let width = usize::from(*choice) / (formats.len() * 3) * 20 + 10;
    let mut out = Vec::new();
    renderer(&report, &Style { width, ..Style::default() }, &mut out).expect("writing to memory succeeds");
    if format.name == "png" {
        assert!(out.starts_with(b"\x89PNG"));
        return;
    }
    let text = String::from_utf8(out).expect("text formats are UTF-8");
    let raw = text.chars().find(|c| {
        (c.is_control() && *c != '\n' && !(*c == '\r' && format.name == "csv"))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}')
    });
    assert!(raw.is_none(), "{}: {raw:?} came through", format.name);
    match format.name {
        "json" => drop(serde_json::from_str::<serde_json::Value>(&text).expect("JSON")),
        "ndjson" => text.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"))),
        "html" | "svg" => assert!(!text.contains("<img src=x") && !text.contains("<script>alert"), "markup came through"),
        _ => {}
    }
}

fn words(u: &mut Unstructured<'_>, into: &mut String) -> Result<()> {
    match u.arbitrary::<u8>()? {
        0..=99 => {}
        choice @ 100..=199 => BITES[usize::from(choice) % BITES.len()].clone_into(into),
        200..=239 => u.arbitrary::<&str>()?.clone_into(into),
        choice => *into = BITES[usize::from(choice) % BITES.len()].repeat(usize::from(u.arbitrary::<u8>()?)),
    }
    Ok(())
}

fn span(u: &mut Unstructured<'_>, into: &mut Option<Span>) -> Result<()> {
    match u.arbitrary::<u8>()? & 7 {
        0..=4 => {}
        5 => *into = None,
        _ => *into = Some(Span(u.arbitrary()?)),
    }
    Ok(())
}

fn time(u: &mut Unstructured<'_>, into: &mut Timestamp) -> Result<()> {
    if u.arbitrary::<u8>()?.is_multiple_of(8) {
        *into = Timestamp(u.arbitrary()?);
    }
    Ok(())
}

fn count(u: &mut Unstructured<'_>, into: &mut u64) -> Result<()> {
    if u.arbitrary::<u8>()?.is_multiple_of(8) {
        *into = u.arbitrary()?;
    }
    Ok(())
}

/// Changes words, times and figures all over, for as long as there are octets.
fn change(report: &mut Report, u: &mut Unstructured<'_>) -> Result<()> {
    for input in &mut report.inputs {
        words(u, &mut input.name)?;
        count(u, &mut input.octets)?;
        let mut problem = String::new();
        words(u, &mut problem)?;
        input.problems.push(problem);
    }
    for sentence in &mut report.verdict {
        words(u, sentence)?;
    }
    for finding in &mut report.findings {
        for text in [&mut finding.headline, &mut finding.request, &mut finding.retry_says, &mut finding.wireshark_filter] {
            words(u, text)?;
        }
        for text in finding.messages.iter_mut().chain(&mut finding.reasons).chain(&mut finding.advice).chain(&mut finding.candidates) {
            words(u, text)?;
        }
        for value in [&mut finding.idle, &mut finding.wire_idle, &mut finding.since_close] {
            span(u, value)?;
        }
        for evidence in &mut finding.evidence {
            words(u, &mut evidence.says)?;
            time(u, &mut evidence.time)?;
            count(u, &mut evidence.frame.frame)?;
        }
        if let Some(at) = &mut finding.time {
            time(u, at)?;
        }
        count(u, &mut finding.count)?;
    }
    for timeout in &mut report.timeouts {
        for value in [&mut timeout.value, &mut timeout.low, &mut timeout.high, &mut timeout.spread, &mut timeout.announced] {
            span(u, value)?;
        }
        timeout.known.iter_mut().try_for_each(|text| words(u, text))?;
        count(u, &mut timeout.samples)?;
    }
    for hop in &mut report.chain {
        words(u, &mut hop.says)?;
        for value in [&mut hop.client_timer, &mut hop.server_timer, &mut hop.path_low, &mut hop.path_high] {
            span(u, value)?;
        }
    }
    for row in &mut report.connections {
        words(u, &mut row.host)?;
        time(u, &mut row.first)?;
        time(u, &mut row.last)?;
        count(u, &mut row.requests)?;
        count(u, &mut row.client_to_server.payload_octets)?;
        span(u, &mut row.idle_gap_longest)?;
        row.vantages.iter_mut().try_for_each(|text| words(u, text))?;
    }
    let groups = report.groups.iter_mut().filter_map(|group| group.timeline.as_mut());
    for timeline in report.timelines.iter_mut().chain(&mut report.finding_timelines).chain(groups) {
        time(u, &mut timeline.opened)?;
        for entry in &mut timeline.entries {
            words(u, &mut entry.text)?;
            words(u, &mut entry.note)?;
            span(u, &mut entry.span)?;
            let mut at = Some(entry.at);
            span(u, &mut at)?;
            entry.at = at.unwrap_or(Span::ZERO);
        }
    }
    for dot in &mut report.picture.dots {
        let mut idle = Some(dot.idle);
        span(u, &mut idle)?;
        dot.idle = idle.unwrap_or(Span::ZERO);
    }
    for (lower, number) in &mut report.picture.closes {
        let mut bound = Some(*lower);
        span(u, &mut bound)?;
        *lower = bound.unwrap_or(Span::ZERO);
        count(u, number)?;
    }
    for address in [report.chain.first().map(|hop| hop.client), report.connections.first().map(|row| row.server.ip)].into_iter().flatten() {
        let mut name = String::new();
        words(u, &mut name)?;
        report.names.insert(address, name);
    }
    Ok(())
}

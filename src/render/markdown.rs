//! The report for tickets: GitHub, GitLab, and Jira, whose editor reads Markdown when it is pasted.
//!
//! Short first, without any HTML: verdict, what to change, one timeline and one table per pair. The rest is folded in `details`
//! elements; where they are not known (Jira) their tags stand as text and everything stays readable. The whole is kept below the
//! 32,767 characters of a Jira comment (GitHub takes 65,536): what does not fit is left out, and said. Prose goes through
//! [`markdown`], quoted words through [`markdown_code`].

use std::fmt::Write as _;
use std::io::{self, Write};

use super::format::{clock, count, counted, date_and_clock, duration, escape, markdown, markdown_advice, markdown_code, zone_name};
use super::svg::picture;
use super::text::timeline_block;
use super::wording::{Words, base_name, counts_by_severity, timer_name, timer_value};
use super::{Format, Style};
use crate::report::{Finding, Group, Outcome, Report, Retried, Timeline};
use crate::time::Span;

/// This format's row in the registry.
pub const FORMAT: Format =
    Format { name: "markdown", extensions: &["md", "markdown"], report: Some(report), connections: None, timeline: Some(timelines) };

/// Characters of a comment in Jira, less some for the closing words.
const ROOM: usize = 32_000;
/// Pairs of hosts.
const GROUPS: usize = 8;
/// Findings of a pair in its table.
const FINDINGS: usize = 10;
/// Findings of a pair with their evidence.
const DETAILED: usize = 4;
/// Lines of evidence of a finding.
const EVIDENCE: usize = 8;
/// Timers.
const TIMERS: usize = 12;
/// Columns of a timeline, so that it does not scroll in a comment.
const BLOCK_WIDTH: usize = 92;
/// Lines of a timeline: its end tells the story.
const BLOCK_LINES: usize = 40;

/// Writes the report.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let words = Words::of(report, style.zone);
    let mut page = Paper::default();
    page.push(&head(report, &words));
    for group in report.groups.iter().take(GROUPS) {
        page.push(&short_group(group, report, style, &words)?);
    }
    if let Some(more) = report.groups.len().checked_sub(GROUPS).filter(|more| *more > 0) {
        page.push(&format!(
            "… and {}; the JSON report has them all.\n\n",
            counted(more as u64, "more pair of hosts", "more pairs of hosts")
        ));
    }
    page.push(&timers(report, &words));
    for finding in report.groups.iter().take(GROUPS).flat_map(|group| group.findings.iter().take(DETAILED)) {
        if let Some(finding) = report.findings.get(*finding) {
            page.push(&folded(&format!("{}: evidence", heading(finding)), &details(finding, &words)));
        }
    }
    page.push(&folded("The capture", &capture(report, &words)));
    page.end(out)
}

/// Writes the timelines that were asked for.
pub fn timelines(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let words = Words::of(report, style.zone);
    let mut page = Paper::default();
    for timeline in &report.timelines {
        let ends = format!("{} → {}", words.endpoint(timeline.client), words.endpoint(timeline.server));
        page.push(&format!("### Connection {}: {}\n\n", timeline.stream, markdown(&ends)));
        page.push(&block(&cut(&timeline_block(report, timeline, &narrow(style))?, usize::MAX)));
        for finding in report.findings.iter().filter(|finding| finding.stream == Some(timeline.stream)) {
            page.push(&finding_summary(finding, &words));
            page.push("\n");
        }
    }
    page.end(out)
}

/// One finding as it is pasted into a ticket: what, the facts, what to change, how to find it.
pub fn finding_summary(finding: &Finding, words: &Words<'_>) -> String {
    let mut text = format!("**{}: {}**\n\n", finding_title(finding), markdown(&finding.headline));
    text.push_str(&details(finding, words));
    for advice in &finding.advice {
        let _ = writeln!(text, "\nWhat to change: {}", markdown_advice(advice));
    }
    text
}

/// What is written so far; sections that do not fit are left out and counted.
#[derive(Default)]
struct Paper {
    text: String,
    characters: usize,
    left_out: u64,
}

impl Paper {
    fn push(&mut self, section: &str) {
        let length = section.chars().count();
        if self.characters.saturating_add(length) > ROOM {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.characters = self.characters.saturating_add(length);
        self.text.push_str(section);
    }

    fn end(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.left_out > 0 {
            let sections = counted(self.left_out, "section is", "sections are");
            let _ = writeln!(self.text, "{sections} left out to stay within the size of a comment; the HTML report has everything.");
        }
        out.write_all(self.text.trim_end().as_bytes())?;
        out.write_all(b"\n")
    }
}

fn head(report: &Report, words: &Words<'_>) -> String {
    let names: Vec<String> = report.inputs.iter().take(3).map(|input| markdown_code(base_name(&input.name))).collect();
    let more = report.inputs.len().saturating_sub(3);
    let more = if more > 0 { format!(" and {} more", count(more as u64)) } else { String::new() };
    let mut text = format!("## afterfin: {}{more}\n\n", if names.is_empty() { "no input".to_owned() } else { names.join(", ") });
    for (place, sentence) in report.verdict.iter().enumerate() {
        let sentence = markdown(sentence);
        let strong = if place == 0 { "**" } else { "" };
        let _ = writeln!(text, "{strong}{sentence}{strong}");
    }
    text.push('\n');
    if !report.complete {
        text.push_str("Not all of the input was read: this is about the part that was.\n\n");
    }
    for part in words.cost_parts(&report.cost) {
        let _ = writeln!(text, "- {}", markdown(&part));
    }
    let _ = writeln!(text, "- {}", markdown(&picture::in_words(report)));
    let counts = counts_by_severity(&report.findings);
    if !counts.is_empty() {
        let _ = writeln!(text, "- Findings: {counts}");
    }
    if let (Some(first), Some(last)) = (report.capture.first, report.capture.last) {
        let period = format!("{} {}", date_and_clock(first, words.zone), zone_name(words.zone));
        let _ = writeln!(text, "- Captured from {period} for {}", duration(last.since(first)));
    }
    text.push('\n');
    text
}

fn short_group(group: &Group, report: &Report, style: &Style, words: &Words<'_>) -> io::Result<String> {
    let pair = format!("{} → {}", words.host(group.client), words.endpoint(group.server));
    let mut text = format!("### {}\n\n{}\n\n", markdown(&pair), markdown(&group.summary));
    if !group.advice.is_empty() {
        text.push_str("What to change:\n\n");
        for advice in &group.advice {
            let _ = writeln!(text, "- {}", markdown_advice(advice));
        }
        text.push('\n');
    }
    if let Some(timeline) = &group.timeline {
        text.push_str(&timeline_text(report, timeline, style)?);
    }
    text.push_str("| | Finding | When | Idle | Since the close | Outcome | Sent again |\n|---|---|---|---|---|---|---|\n");
    let findings: Vec<&Finding> = group.findings.iter().filter_map(|place| report.findings.get(*place)).collect();
    for finding in findings.iter().take(FINDINGS) {
        text.push_str(&table_row(finding, words));
    }
    text.push('\n');
    if let Some(more) = findings.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
        let _ = writeln!(text, "… and {} more.\n", count(more as u64));
    }
    Ok(text)
}

fn table_row(finding: &Finding, words: &Words<'_>) -> String {
    let span = |value: Option<Span>| value.map_or_else(String::new, duration);
    let frame = finding.frame.map_or_else(String::new, |at| format!(", frame {}", words.frame(at, None)));
    let when = finding.time.map_or_else(String::new, |time| format!("{}{frame}", clock(time, words.zone)));
    let outcome = finding.outcome.map_or("", Outcome::as_str);
    let retried = finding.next.as_ref().map_or("", |next| match next.retried {
        Retried::Yes => "yes",
        Retried::Probably => "probably",
        Retried::No => "no",
        Retried::Unknown => "unknown",
    });
    let what = format!("{} ({}, {})", finding.kind.as_str(), finding.severity.as_str(), finding.confidence.as_str());
    let cells = [
        format!("F{}", finding.number),
        what,
        markdown(&when),
        span(finding.idle),
        span(finding.since_close),
        outcome.into(),
        retried.into(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn timeline_text(report: &Report, timeline: &Timeline, style: &Style) -> io::Result<String> {
    let text = timeline_block(report, timeline, &narrow(style))?;
    Ok(block(&cut(&text, BLOCK_LINES)))
}

fn narrow(style: &Style) -> Style {
    Style { width: BLOCK_WIDTH, colour: false, ..*style }
}

/// The first line and the last ones of a text.
fn cut(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let Some(more) = all.len().checked_sub(lines).filter(|more| *more > 0) else { return text.to_owned() };
    let head = all.first().copied().unwrap_or_default();
    let tail = all.get(more.saturating_add(1)..).unwrap_or_default().join("\n");
    format!("{head}\n  … {} before\n{tail}\n", counted(more as u64, "line", "lines"))
}

/// A block of text as it is. Nothing in it ends the block: backticks and Jira's braces are replaced by what looks like them.
fn block(text: &str) -> String {
    format!("```text\n{}\n```\n\n", text.trim_end().replace('`', "'").replace("{code", "{ code").replace("{noformat", "{ noformat"))
}

fn folded(summary: &str, text: &str) -> String {
    // The empty line lets the Markdown inside be read as such.
    format!("<details><summary>{summary}</summary>\n\n{}\n\n</details>\n\n", text.trim_end())
}

/// `F1 stale-reuse`: fixed words only, for a summary element.
fn heading(finding: &Finding) -> String {
    format!("F{} {}", finding.number, finding.kind.as_str())
}

fn finding_title(finding: &Finding) -> String {
    format!("{} ({}, {})", heading(finding), finding.severity.as_str(), finding.confidence.as_str())
}

fn details(finding: &Finding, words: &Words<'_>) -> String {
    let mut text = String::new();
    let endpoints = if finding.client_port_known { words.endpoint(finding.client) } else { words.host(finding.client.ip) };
    let next = finding.next.as_ref().map_or_else(String::new, |next| words.next(next, finding.frame));
    let facts = [
        ("Connection", format!("{endpoints} → {}, {}", words.endpoint(finding.server), words.place(finding))),
        ("Idle", words.times(finding)),
        ("Outcome", words.outcome(finding)),
        ("May it be sent again", words.retry(finding)),
        ("What happened next", next),
        ("You probably saw", finding.messages.join(" · ")),
        ("Could be", finding.candidates.join("; ")),
        ("Why this sure", finding.reasons.join("; ")),
    ];
    if !finding.request.is_empty() {
        let _ = writeln!(text, "- Request: {}", markdown_code(&finding.request));
    }
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "- {name}: {}", markdown(value));
    }
    if !finding.evidence.is_empty() {
        text.push_str("\n| Frame | Time | From | What it shows |\n|---:|---|---|---|\n");
        for evidence in finding.evidence.iter().take(EVIDENCE) {
            let frame = markdown(&words.frame(evidence.frame, finding.frame));
            let sender = evidence.direction.sender().as_str();
            let time = clock(evidence.time, words.zone);
            let _ = writeln!(text, "| {frame} | {time} | {sender} | {} |", markdown(&evidence.says));
        }
    }
    for (title, lines) in words.payloads(finding, EVIDENCE) {
        let _ = write!(text, "\n{}:\n\n{}", markdown(&title), block(&lines.join("\n")));
    }
    if !finding.wireshark_filter.is_empty() {
        let _ = write!(text, "\nIn Wireshark:\n\n{}", block(&escape(&finding.wireshark_filter)));
    }
    text
}

fn timers(report: &Report, words: &Words<'_>) -> String {
    if report.timeouts.is_empty() && report.chain.is_empty() {
        return String::new();
    }
    let mut text = "### Timers\n\n".to_owned();
    for hop in report.chain.iter().filter(|hop| !hop.says.is_empty()).take(TIMERS) {
        let _ = writeln!(text, "- {}", markdown(&hop.says));
    }
    if !report.timeouts.is_empty() {
        if !report.chain.is_empty() {
            text.push('\n');
        }
        text.push_str("| Server | Client | Timer | Value | State | Samples | Hints |\n|---|---|---|---|---|---:|---|\n");
    }
    for timeout in report.timeouts.iter().take(TIMERS) {
        let host = timeout.host.as_deref().map_or_else(String::new, |host| format!(" {}", markdown_code(host)));
        let _ = writeln!(
            text,
            "| {}{host} | {} | {} | {} | {} | {} | {} |",
            markdown(&words.endpoint(timeout.server)),
            timeout.client.map_or_else(|| "any".to_owned(), |ip| markdown(&words.host(ip))),
            timer_name(timeout),
            timer_value(timeout),
            timeout.state.as_str(),
            count(timeout.samples),
            markdown(&timeout.known.join("; "))
        );
    }
    if let Some(more) = report.timeouts.len().checked_sub(TIMERS).filter(|more| *more > 0) {
        let _ = writeln!(text, "\n… and {} more.", count(more as u64));
    }
    text.push('\n');
    text
}

fn capture(report: &Report, words: &Words<'_>) -> String {
    let lines: Vec<String> = words.capture_lines(report).iter().map(|line| format!("- {}", markdown(line))).collect();
    lines.join("\n")
}

//! A finding → its card.

use std::io;

use crate::render::format::{clock, escape, html_advice, unbroken, xml};
use crate::render::svg::canvas::{Canvas, GUTTER, RIGHT, WIDTH};
use crate::render::svg::strip;
use crate::render::text::timeline_block;
use crate::render::wording::{Words, says_the_same};
use crate::render::{Style, markdown};
use crate::report::{Finding, Report, Severity, Timeline};

/// Lines of evidence of a card.
const EVIDENCE: usize = 20;
/// Columns of the timeline as a list.
const LIST_WIDTH: usize = 100;

/// What the template shows of a finding.
pub struct Card {
    pub id: String,
    pub severity: &'static str,
    pub mark: &'static str,
    pub kind: &'static str,
    pub confidence: String,
    pub place: String,
    pub headline: String,
    pub facts: Vec<Fact>,
    pub strip: Option<Strip>,
    pub see: Option<String>,
    /// As HTML.
    pub advice: Vec<String>,
    pub evidence: Vec<EvidenceRow>,
    pub evidence_omitted: usize,
    /// Title and lines of each payload.
    pub payloads: Vec<(String, String)>,
    pub filter: String,
    pub markdown: String,
}

/// A fact and its name.
pub struct Fact {
    pub name: &'static str,
    pub value: String,
}

/// A timeline, drawn and as a list.
pub struct Strip {
    pub svg: String,
    pub list: String,
}

/// One frame of evidence.
pub struct EvidenceRow {
    pub frame: String,
    pub time: String,
    pub sender: &'static str,
    pub says: String,
}

impl Card {
    /// The card of a finding; `known` is the advice that its group gives already.
    pub fn of(finding: &Finding, known: &[String], words: &Words<'_>) -> Self {
        let next = finding.next.as_ref().map_or_else(String::new, |next| words.next(next, finding.frame));
        let caused_by = finding.consequence_of.map_or_else(String::new, |cause| format!("F{cause}, and counted there"));
        let request = if finding.headline.contains(&finding.request) { String::new() } else { escape(&finding.request).into_owned() };
        let facts = [
            ("Request", request),
            ("Idle", words.times(finding)),
            ("Outcome", words.outcome(finding)),
            ("Send again?", words.retry(finding)),
            ("Then", next),
            ("You probably saw", escape(&finding.messages.join(" · ")).into_owned()),
            ("Could be", escape(&finding.candidates.join("; ")).into_owned()),
            ("Why this sure", escape(&finding.reasons.join("; ")).into_owned()),
            ("Caused by", caused_by),
        ];
        let row = |evidence: &crate::report::Evidence| EvidenceRow {
            frame: words.frame(evidence.frame, finding.frame),
            time: clock(evidence.time, words.zone),
            sender: evidence.direction.sender().as_str(),
            says: escape(&evidence.says).into_owned(),
        };
        Self {
            id: format!("F{}", finding.number),
            severity: finding.severity.as_str(),
            mark: match finding.severity {
                Severity::Error => "✕",
                Severity::Warning => "▲",
                Severity::Info => "●",
            },
            kind: finding.kind.as_str(),
            confidence: finding.confidence.as_str().to_owned(),
            place: words.place(finding),
            headline: unbroken(&escape(&finding.headline)),
            facts: facts
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| Fact { name, value: unbroken(&value) })
                .collect(),
            strip: None,
            see: None,
            advice: finding
                .advice
                .iter()
                .filter(|line| !known.iter().any(|known| says_the_same(known, line)))
                .map(|line| html_advice(line))
                .collect(),
            evidence: finding.evidence.iter().take(EVIDENCE).map(row).collect(),
            evidence_omitted: finding.evidence.len().saturating_sub(EVIDENCE),
            payloads: words.payloads(finding, EVIDENCE).into_iter().map(|(title, lines)| (title, lines.join("\n"))).collect(),
            filter: escape(&finding.wireshark_filter).into_owned(),
            markdown: markdown::finding_summary(finding, words),
        }
    }
}

impl Strip {
    /// Draws a timeline.
    pub fn of(timeline: &Timeline, report: &Report, style: &Style, words: &Words<'_>) -> io::Result<Self> {
        let name = format!("Timeline of connection {}: arrow keys walk through its events, plus and minus zoom", timeline.stream);
        let style = Style { width: LIST_WIDTH, colour: false, ..*style };
        Ok(Self { svg: embed(&strip::draw(timeline, words), "plot zoom", &name), list: timeline_block(report, timeline, &style)? })
    }
}

/// A drawing as an element of the page, which its script lays out.
pub fn embed(canvas: &Canvas, class: &str, name: &str) -> String {
    format!(
        r#"<svg class="{class}" viewBox="0 0 {WIDTH} {:.0}" data-gutter="{GUTTER}" data-right="{RIGHT}" data-above="{}" data-below="{}" role="group" tabindex="0" aria-label="{}">{}</svg>"#,
        canvas.height,
        strip::FIRST_ABOVE,
        strip::FIRST_BELOW,
        xml(name),
        canvas.body
    )
}

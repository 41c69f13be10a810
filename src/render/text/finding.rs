//! One finding, compactly: what, how sure, the times, what became of the request, whether it may be sent again, the frames.

use std::io;

use super::page::{Ink, Page, wrap};
use crate::endpoint::Direction;
use crate::render::format::{counted, duration, text_advice};
use crate::render::wording::says_the_same;
use crate::report::Finding;
use crate::time::Span;

/// Evidence lines of one finding that are shown.
const EVIDENCE_SHOWN: usize = 6;
/// Columns of the labels.
const LABEL: usize = 10;

/// Writes one finding; `known` is the advice that was given already.
pub fn write(page: &mut Page<'_>, finding: &Finding, known: &[String]) -> io::Result<()> {
    write_head(page, finding)?;
    if !finding.headline.contains(&finding.request) {
        labelled(page, "request", &page.safe(&finding.request))?;
    }
    labelled(page, "idle", &page.words.times(finding))?;
    labelled(page, "outcome", &page.words.outcome(finding))?;
    labelled(page, "retry", &page.words.retry(finding))?;
    labelled(page, "next", &finding.next.as_ref().map_or_else(String::new, |next| page.words.next(next, finding.frame)))?;
    if !finding.messages.is_empty() {
        labelled(page, "you saw", &format!("probably {}", page.safe(&finding.messages.join(" · "))))?;
    }
    labelled(page, "could be", &page.safe(&finding.candidates.join("; ")))?;
    labelled(page, "why", &page.safe(&finding.reasons.join("; ")))?;
    if let Some(cause) = finding.consequence_of {
        labelled(page, "caused by", &format!("F{cause}"))?;
    }
    write_evidence(page, finding)?;
    write_payloads(page, finding)?;
    labelled(page, "filter", &page.safe(&finding.wireshark_filter))?;
    for advice in finding.advice.iter().filter(|advice| !known.iter().any(|known| says_the_same(known, advice))) {
        labelled(page, "advice", &page.safe(&text_advice(advice)))?;
    }
    Ok(())
}

/// Writes one finding of a kind that was shown in full: its numbers, and how to find it in Wireshark.
pub fn write_short(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    write_head(page, finding)?;
    let mut parts = Vec::new();
    parts.extend(finding.idle.map(|idle| format!("idle {}", duration(idle))));
    parts.extend(finding.wire_idle.map(|idle| format!("wire idle {}", duration(idle))));
    parts.extend(finding.since_close.map(|since| {
        let when = if since < Span::ZERO { "before" } else { "after" };
        format!("{} {when} the close", duration(since.abs()))
    }));
    parts.extend(finding.outcome.map(|outcome| outcome.as_str().to_owned()));
    parts.extend(finding.rst.as_ref().map(|rst| format!("{}-shaped RST", rst.shape.as_str())));
    parts.extend(finding.retry.map(|retry| format!("retry {}", retry.as_str())));
    parts.extend(finding.next.as_ref().map(|next| page.words.next(next, finding.frame)));
    parts.extend(finding.consequence_of.map(|cause| format!("caused by F{cause}")));
    let frames: Vec<_> = finding.evidence.iter().take(EVIDENCE_SHOWN).map(|evidence| page.frame(evidence.frame, finding.frame)).collect();
    let more = if finding.evidence.len() > EVIDENCE_SHOWN { " …" } else { "" };
    parts.push(format!("frames {}{more}", frames.join(", ")));
    page.wrapped("      ", "      ", &parts.join(" · "), Ink::Plain)?;
    page.wrapped("      ", "      ", &page.safe(&finding.wireshark_filter), Ink::Dim)
}

/// Number, severity, kind, confidence, place; headline.
fn write_head(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    let what = format!("F{}  {}  {}, {}", finding.number, finding.severity.as_str(), finding.kind.as_str(), finding.confidence.as_str());
    let link = finding.frame.and_then(|frame| page.words.link(frame));
    page.linked_ends("  ", (&what, Ink::of(finding.severity)), (&page.words.place(finding), Ink::Dim), link)?;
    page.wrapped("      ", "      ", &page.safe(&finding.headline), Ink::Bold)
}

/// A fact beside its label; nothing if there is no fact.
fn labelled(page: &mut Page<'_>, label: &str, text: &str) -> io::Result<()> {
    let indent = LABEL + 6;
    for (place, line) in wrap(text, page.width.saturating_sub(indent)).iter().enumerate() {
        let shown = if place == 0 { label } else { "" };
        page.line(&format!("      {}{line}", page.paint(&format!("{shown:LABEL$}"), Ink::Dim)))?;
    }
    Ok(())
}

/// One line per frame, with its direction as in `client → server`: `frame 108 ← FIN, sequence 4711`.
fn write_evidence(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    for (place, evidence) in finding.evidence.iter().take(EVIDENCE_SHOWN).enumerate() {
        let label = if place == 0 { "evidence" } else { "" };
        let arrow = match evidence.direction {
            Direction::ClientToServer => "→",
            Direction::ServerToClient => "←",
        };
        let text = format!("frame {} {arrow} {}", page.frame(evidence.frame, finding.frame), page.safe(&evidence.says));
        labelled(page, label, &text)?;
    }
    match finding.evidence.len().checked_sub(EVIDENCE_SHOWN) {
        Some(more) if more > 0 => labelled(page, "", &format!("… and {}", counted(more as u64, "more frame", "more frames"))),
        _ => Ok(()),
    }
}

/// The payload of the evidence, where it was asked for.
fn write_payloads(page: &mut Page<'_>, finding: &Finding) -> io::Result<()> {
    for (title, lines) in page.words.payloads(finding, EVIDENCE_SHOWN) {
        page.line(&format!("      {title}"))?;
        for line in lines {
            page.line(&format!("        {line}"))?;
        }
    }
    Ok(())
}

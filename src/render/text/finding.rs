//! One finding, compactly: what, how sure, the times, what became of the request, whether it may be sent again, the frames.

use std::io;

use super::page::{Ink, Page, wrap};
use crate::endpoint::{Direction, Role};
use crate::render::format::{clock, counted, duration};
use crate::report::{Finding, FrameRef, How, Next, Outcome, Retried, Retry, RstOrigin, RstShape, RstView};
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
    labelled(page, "idle", &times(page, finding))?;
    labelled(page, "outcome", &outcome(page, finding))?;
    labelled(page, "retry", &retry(page, finding))?;
    labelled(page, "next", &finding.next.as_ref().map_or_else(String::new, |next| what_next(page, next, finding.frame)))?;
    labelled(page, "could be", &page.safe(&finding.candidates.join("; ")))?;
    labelled(page, "why", &page.safe(&finding.reasons.join("; ")))?;
    if let Some(cause) = finding.consequence_of {
        labelled(page, "caused by", &format!("F{cause}"))?;
    }
    write_evidence(page, finding)?;
    labelled(page, "filter", &page.safe(&finding.wireshark_filter))?;
    for advice in finding.advice.iter().filter(|advice| !known.iter().any(|known| says_the_same(known, advice))) {
        labelled(page, "advice", &page.safe(advice))?;
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
    parts.extend(finding.next.as_ref().map(|next| what_next(page, next, finding.frame)));
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
    page.ends("  ", (&what, Ink::of(finding.severity)), (&place(page, finding), Ink::Dim))?;
    page.wrapped("      ", "      ", &page.safe(&finding.headline), Ink::Bold)
}

/// Whether two pieces of advice differ in nothing but their numbers.
fn says_the_same(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        text.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit())).map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (words(one), words(other));
    !one.is_empty() && one == other
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

/// `#1 · frame 27 · 07:52:48.620`, or of how many cases it speaks.
fn place(page: &Page<'_>, finding: &Finding) -> String {
    let mut parts = Vec::new();
    match finding.stream {
        Some(stream) => parts.push(format!("#{stream}")),
        None if finding.client_port_known => {}
        None => parts.push(format!("{} → {}", page.host(finding.client.ip), page.endpoint(finding.server))),
    }
    if finding.count > 1 {
        parts.push(counted(finding.count, "case", "cases"));
    }
    parts.extend(finding.frame.map(|frame| format!("frame {}", page.frame(frame, None))));
    parts.extend(finding.time.map(|time| clock(time, page.zone)));
    parts.join(" · ")
}

/// `10.5 s; on the wire 492 ms; 492 ms after the server's FIN (frame 25), which the client had acknowledged`.
fn times(page: &Page<'_>, finding: &Finding) -> String {
    let mut parts = Vec::new();
    parts.extend(finding.idle.map(|idle| format!("{} since the last payload", duration(idle))));
    parts.extend(finding.wire_idle.map(|idle| format!("{} since the last segment", duration(idle))));
    if let Some(since) = finding.since_close {
        let when = if since < Span::ZERO { "before" } else { "after" };
        let who = finding.closed_by.map_or("the", |role| match role {
            Role::Client => "the client's",
            Role::Server => "the server's",
        });
        let how = finding.close.map_or_else(
            || "close".to_owned(),
            |close| {
                let how = match close.how {
                    How::Fin => "FIN",
                    How::Rst => "RST",
                };
                let knew = if close.acknowledged_before { ", which was acknowledged before" } else { "" };
                format!("{how} (frame {}){knew}", page.frame(close.frame, finding.frame))
            },
        );
        parts.push(format!("{} {when} {who} {how}", duration(since.abs())));
    }
    parts.join("; ")
}

/// What became of the request, and the RST that says so.
fn outcome(page: &Page<'_>, finding: &Finding) -> String {
    let text = match finding.outcome {
        None => "",
        Some(Outcome::Reset) => "reset",
        Some(Outcome::Timeout) => "retransmitted to the end, never acknowledged",
        Some(Outcome::Acknowledged) => "acknowledged, never answered",
        Some(Outcome::Answered) => "answered after all",
        Some(Outcome::Unknown) => "unknown: the capture ends first",
    };
    match (&finding.rst, text) {
        (None, text) => text.to_owned(),
        (Some(rst), "") => rst_text(page, rst, finding.frame),
        (Some(rst), text) => format!("{text}: {}", rst_text(page, rst, finding.frame)),
    }
}

/// `reply-shaped RST, no live socket there (frame 28), from the peer itself (TTL 64 as before)`.
fn rst_text(page: &Page<'_>, rst: &RstView, beside: Option<FrameRef>) -> String {
    let shape = match rst.shape {
        RstShape::Reply => "reply-shaped RST, no live socket there",
        RstShape::Abort => "abort-shaped RST, a live socket gave up",
        RstShape::Refused => "RST in answer to a SYN",
        RstShape::Other => "RST of neither shape",
    };
    let origin = match rst.origin {
        RstOrigin::Peer => ", from the peer itself",
        RstOrigin::Other => ", from another device",
        RstOrigin::Unknown => ", sender unknown",
    };
    let basis = if rst.origin_basis.is_empty() { String::new() } else { format!(" ({})", page.safe(&rst.origin_basis)) };
    format!("{shape} (frame {}){origin}{basis}", page.frame(rst.frame, beside))
}

/// The verdict and what the packets show for it.
fn retry(page: &Page<'_>, finding: &Finding) -> String {
    let Some(retry) = finding.retry else { return String::new() };
    let verdict = match retry {
        Retry::Safe => "safe",
        Retry::IdempotentOnly => "only if doing it twice does no harm",
        Retry::Unsafe => "not safe",
    };
    if finding.retry_says.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", page.safe(&finding.retry_says)) }
}

/// Whether it was sent again, and what a proxy's caller got.
fn what_next(page: &Page<'_>, next: &Next, beside: Option<FrameRef>) -> String {
    let mut parts = Vec::new();
    match next.retried {
        Retried::Yes => parts.push(format!("sent again{}", retry_place(page, next, beside))),
        Retried::Probably => parts.push(format!("probably sent again{}", retry_place(page, next, beside))),
        Retried::No => parts.push("not sent again in this capture".to_owned()),
        Retried::Unknown => parts.push("whether it was sent again cannot be told".to_owned()),
    }
    if let Some(surfaced) = &next.surfaced {
        let what = surfaced.status.map_or_else(|| "a close without a response".to_owned(), |status| format!("status {status}"));
        parts.push(format!("the caller got {what} (#{}, frame {})", surfaced.stream, page.frame(surfaced.frame, beside)));
    }
    parts.join("; ")
}

fn retry_place(page: &Page<'_>, next: &Next, beside: Option<FrameRef>) -> String {
    [
        next.stream.map(|stream| format!(" on #{stream}")),
        next.frame.map(|frame| format!(" (frame {})", page.frame(frame, beside))),
        next.after.map(|after| format!(" after {}", duration(after))),
        next.answered.map(|answered| if answered { ", answered" } else { ", not answered" }.to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect()
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

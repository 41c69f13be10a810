//! Findings and samples → the picture: idle time before each request against what became of it.

use crate::observe::answered::AnsweredRequests;
use crate::report::{Dot, Finding, Picture};
use crate::time::Span;

/// Lost requests that get a dot each.
const LOST_DOTS: usize = 2_000;

/// The lost requests first, then the answered ones; and how long connections were idle when their server closed them.
pub fn picture(findings: &[Finding], answered: &AnsweredRequests, closes: Vec<(Span, u64)>) -> Picture {
    let mut dots: Vec<Dot> = findings
        .iter()
        .filter(|finding| finding.kind.is_request_loss() && finding.consequence_of.is_none())
        .filter_map(|finding| Some(Dot { idle: finding.idle?, lost: Some(finding.kind), stream: finding.stream?, frame: finding.frame? }))
        .collect();
    let lost_omitted = dots.len().saturating_sub(LOST_DOTS) as u64;
    dots.truncate(LOST_DOTS);
    let kept = answered.kept();
    let dots_omitted = answered.count().saturating_sub(kept.len() as u64).saturating_add(lost_omitted);
    dots.extend(kept.iter().map(|sample| Dot { idle: sample.idle, lost: None, stream: sample.stream, frame: sample.frame.into() }));
    Picture { dots, dots_omitted, closes }
}

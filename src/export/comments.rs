//! What stands beside an evidence frame in Wireshark.

use std::collections::BTreeMap;

use crate::report::{Finding, FrameRef, Input};

/// Comments of one frame; a frame that a thousand findings name needs no thousand comments.
const MOST_COMMENTS: usize = 16;

/// `F3 (stale-reuse): …`, the finding in one line.
pub fn headline(finding: &Finding) -> String {
    format!("F{} ({}): {}", finding.number, finding.kind.as_str(), finding.headline)
}

/// Adds the comments of a finding: what each frame shows, and on the frame that the finding is about, the finding itself.
pub fn add(finding: &Finding, comments: &mut BTreeMap<FrameRef, Vec<String>>) {
    let mut put = |frame: FrameRef, text: String| {
        let list = comments.entry(frame).or_default();
        if list.len() < MOST_COMMENTS && !list.contains(&text) {
            list.push(text);
        }
    };
    if let Some(frame) = finding.frame {
        put(frame, headline(finding));
    }
    for evidence in &finding.evidence {
        put(evidence.frame, format!("F{}: {}", finding.number, evidence.says));
    }
}

/// The comment on the section: what made the file, of what, about what. Without names if the capture is anonymised: the hash is enough to find the
/// original again for whoever has it.
pub fn section(inputs: &[Input], headlines: &[String], is_anonymised: bool, remarks: &[String]) -> String {
    const MOST_HEADLINES: usize = 100;
    let mut lines = vec![format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))];
    for (number, input) in inputs.iter().enumerate() {
        let name = if is_anonymised { format!("input {}", number.saturating_add(1)) } else { input.name.clone() };
        let hash = input.sha256.as_deref().map_or_else(|| "SHA-256 not known".to_owned(), |hash| format!("SHA-256 {hash}"));
        lines.push(format!("from {name}, {} frames, {hash}", input.frames));
    }
    lines.extend(remarks.iter().cloned());
    lines.extend(headlines.iter().take(MOST_HEADLINES).cloned());
    if headlines.len() > MOST_HEADLINES {
        lines.push(format!("… and {} more findings", headlines.len().saturating_sub(MOST_HEADLINES)));
    }
    lines.join("\n")
}

//! A loss on a proxy's front leg whose cause is in the same capture is its consequence: linked, and counted once.

use std::collections::BTreeMap;

use crate::report::{Finding, Kind};

/// Links findings of closes without an answer to the loss that surfaced in them.
pub fn link(findings: &mut [Finding]) {
    let mut causes: BTreeMap<u64, (usize, i64)> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.kind.is_request_loss()) {
        let Some(surfaced) = finding.next.as_ref().and_then(|next| next.surfaced.as_ref()) else { continue };
        let time = finding.time.map_or(0, |time| time.nanos());
        let entry = causes.entry(surfaced.stream).or_insert((finding.number, time));
        if time < entry.1 {
            *entry = (finding.number, time);
        }
    }
    for finding in findings.iter_mut().filter(|finding| finding.kind == Kind::ClosedWithoutResponse) {
        let Some((cause, _)) = finding.stream.and_then(|stream| causes.get(&stream)).copied() else { continue };
        if cause != finding.number {
            finding.consequence_of = Some(cause);
            finding.reasons.push(format!("the cause is F{cause}: the proxy lost its request to the server behind it"));
        }
    }
}

//! One incident, several findings: a loss on a proxy's front leg is the consequence of the one behind it, and a loss seen before and after
//! address translation is one loss. Linked, and counted once.

use std::collections::BTreeMap;

use super::context::Context;
use crate::observe::legs::Relation;
use crate::report::{Finding, Kind};
use crate::time::{Span, Timestamp};

/// The same loss on two legs is seen within this.
const SAME_LOSS: Span = Span::from_secs(1);

/// Links findings that are another sight of the same loss on the other leg of a translated connection.
pub fn link_legs(findings: &mut [Finding], context: &Context<'_>) {
    let mut seen: BTreeMap<(u64, Kind), Vec<(usize, Timestamp)>> = BTreeMap::new();
    for finding in findings.iter_mut() {
        let (Some(stream), Some(time)) = (finding.stream, finding.time) else { continue };
        let legs = context.connection(stream).map_or(&[][..], |(at, _)| context.legs(at));
        let first = legs
            .iter()
            .filter(|(_, relation)| *relation == Relation::Nat)
            .filter_map(|(other, _)| seen.get(&(context.connections.seen(*other)?.stream(), finding.kind)))
            .flatten()
            .find(|(_, earlier)| time.since(*earlier).abs() <= SAME_LOSS);
        if let Some((number, _)) = first {
            finding.consequence_of = Some(*number);
            finding.reasons.push(format!("the same as F{number}, seen on the other leg of the connection"));
        }
        seen.entry((stream, finding.kind)).or_default().push((finding.number, time));
    }
}

/// Links findings of closes without an answer to the loss that surfaced in them.
pub fn link(findings: &mut [Finding]) {
    let mut causes: BTreeMap<u64, (usize, i64)> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.kind.is_request_loss()) {
        let Some(surfaced) = finding.next.as_ref().and_then(|next| next.surfaced.as_ref()) else { continue };
        let time = finding.time.map_or(0, Timestamp::nanos);
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

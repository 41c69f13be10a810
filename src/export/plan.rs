//! Which frames are evidence: out of findings, connection numbers, or what a selection shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use super::comments;
use crate::capture::Capture;
use crate::decode::{DecodeOptions, Decoded, Decoder};
use crate::options::AnalysisOptions;
use crate::report::{Finding, FrameRef, Report};
use crate::tcp::Tracker;

/// What the user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Numbers of findings (1 for F1).
    pub findings: BTreeSet<usize>,
    /// Numbers of connections.
    pub streams: BTreeSet<u64>,
}

/// Which frames are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Connections whose frames are written.
    pub streams: BTreeSet<u64>,
    /// What is written beside each evidence frame.
    pub comments: BTreeMap<FrameRef, Vec<String>>,
    /// Evidence of findings about many connections: the connections of these frames belong to the plan, and are not known yet.
    pub unresolved: BTreeSet<FrameRef>,
    /// The findings, one line each, for the comment on the section.
    pub headlines: Vec<String>,
}

/// Makes the plan. The connections of a finding are its own, and those it names: where the request was sent again, and where a proxy's caller
/// saw the outcome. Findings about the chosen connections lend them their comments.
pub fn plan(report: &Report, chosen: &Chosen) -> Plan {
    let mut plan = Plan { streams: chosen.streams.clone(), ..Plan::default() };
    for finding in &report.findings {
        let is_chosen = chosen.findings.contains(&finding.number);
        if !is_chosen && !finding.stream.is_some_and(|stream| chosen.streams.contains(&stream)) {
            continue;
        }
        if is_chosen {
            plan.add_connections(finding);
        }
        comments::add(finding, &mut plan.comments);
        plan.headlines.push(comments::headline(finding));
    }
    plan
}

impl Plan {
    fn add_connections(&mut self, finding: &Finding) {
        let next = finding.next.as_ref();
        let named =
            [finding.stream, next.and_then(|next| next.stream), next.and_then(|next| next.surfaced.as_ref()).map(|seen| seen.stream)];
        self.streams.extend(named.into_iter().flatten());
        if finding.stream.is_none() {
            self.unresolved.extend(finding.evidence.iter().map(|evidence| evidence.frame));
        }
    }
}

/// Reads the capture once to learn the connections of the frames that the plan does not know yet.
pub fn resolve(plan: &mut Plan, mut capture: Capture, options: &AnalysisOptions, interrupted: &AtomicBool) {
    let mut decoder = Decoder::new(DecodeOptions { separate: options.separate });
    let mut tracker = Tracker::new(options.thresholds);
    while !plan.unresolved.is_empty() && !interrupted.load(Ordering::Relaxed) {
        let Some(frame) = capture.next_frame() else { break };
        while let Some(earlier) = decoder.before(&frame) {
            let id = FrameRef::from(earlier.frame);
            let connection = tracker.push(&earlier).connection;
            if plan.unresolved.remove(&id) {
                plan.streams.extend(tracker.connection(connection).map(|connection| connection.stream));
            }
        }
        let id = FrameRef::from(frame.id);
        let connection = match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                let connection = tracker.push(&segment).connection;
                while let Some(further) = decoder.more(&frame) {
                    tracker.push(&further);
                }
                Some(connection)
            }
            Decoded::IcmpQuote(quote) => tracker.icmp(&quote),
            Decoded::ShortHeader { src, dst, tenant } => {
                tracker.reserve(src, dst, tenant);
                None
            }
            Decoded::Waits | Decoded::Skipped(_) => continue, // a fragment may turn out to be a segment
            Decoded::Malformed(_) => None,
        };
        if plan.unresolved.remove(&id)
            && let Some(connection) = connection
        {
            plan.streams.extend(tracker.connection(connection).map(|connection| connection.stream));
        }
    }
    plan.unresolved.clear();
}

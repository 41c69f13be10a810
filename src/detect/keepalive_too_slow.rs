//! `keepalive-too-slow`: TCP keepalive probes that start after the connection is already forgotten.

use super::context::Context;
use super::{KindPage, advice, draft, wording};
use crate::endpoint::{Direction, Endpoint, Role};
use crate::infer::timers::{ProbeTimers, ServerKnowledge};
use crate::observe::samples::ProbeSamples;
use crate::report::{Confidence, Finding, Kind, Severity};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::KeepaliveTooSlow,
    title: "TCP keepalive probes start later than the timeout that kills the connection",
    seen: "One side sends keepalive probes after a silence that was measured, and connections to the same server were found forgotten after a shorter silence.",
    why: "The probes are meant to keep the connection alive in the tables on the way, and come too late: they find it dead, or a request does.",
    not_a_problem: "Probes that are only meant to find dead peers may be slow. An idle timer of a server or an application proxy is not reset by probes at any rate.",
    fix: "Start probes at less than half of the shortest timeout on the way: TCP_KEEPIDLE for one socket, net.ipv4.tcp_keepalive_time for those that use the default. Or give idle connections up before.",
    basis: "RFC 1122 section 4.2.3.6, RFC 5382 REQ-5. Linux' default of 7200 s is longer than nearly every table on the way (350 s AWS NLB, 240 s Azure, 900 s IPVS).",
};

/// Judges the probes of one side.
pub fn judge(
    server: Endpoint,
    side: Role,
    known: &ServerKnowledge,
    timers: &ProbeTimers,
    seen: &ProbeSamples,
    context: &Context<'_>,
) -> Option<Finding> {
    let (timer, failed, (stream, mark)) = (timers.idle.as_ref()?, known.shortest_failed?, seen.first?);
    if timer.value < failed {
        return None;
    }
    let client = context.client_of(stream)?;
    let mut finding = draft::blank(Kind::KeepaliveTooSlow, client, server, None);
    finding.severity = Severity::Warning;
    finding.headline = wording::headline(&format!(
        "The {} probes after {}, the connection is forgotten after {} or less",
        side.as_str(),
        wording::span(timer.value),
        wording::span(failed)
    ));
    finding.cause = Some("keepalive-too-slow".to_string());
    finding.wire_idle = Some(failed);
    let direction = if side == Role::Client { Direction::ClientToServer } else { Direction::ServerToClient };
    draft::evidence(&mut finding, mark, direction, format!("keepalive probe; such start after {} of silence", wording::span(timer.value)));
    finding.wireshark_filter = wording::filter_of_server(server);
    finding.advice.push(advice::probes_before(known.survived_wire.unwrap_or(failed).min(failed)));
    if !timer.is_measured() {
        draft::lower(&mut finding, Confidence::Likely, "fewer than three probes show when they start");
    }
    draft::lower(&mut finding, Confidence::Likely, "what forgets the connections cannot be told from one side alone");
    Some(finding)
}

//! `keepalive-unanswered`: TCP keepalive probes without any answer.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::endpoint::Side;
use crate::report::{Confidence, Finding, Kind, RstShape, Severity};
use crate::tcp::Connection;

/// Consecutive probes without any segment of the other side after them (semantics, «Findings»).
const PROBES: u32 = 2;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::KeepaliveUnanswered,
    title: "TCP keepalive probes were not answered",
    seen: "At least two consecutive keepalive probes (no payload or one octet, one number before the next) with no segment of the other side after them, or one probe followed by the prober's own abort. Both directions were captured.",
    why: "The connection was dead before the first of these probes: the peer's host is gone, or a device between forgot the connection and drops silently. No request was lost yet; the probes found it first.",
    not_a_problem: "A single probe at the end of a capture proves nothing. Probes that draw an RST have done their work: the connection was dead and is now known to be.",
    fix: "The probes work as they should. Find what drops the connection: its timeout lies below the idle time before the first probe. Start probes at less than half of that, or give idle connections up earlier.",
    basis: "RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6. Linux: tcp_keepalive_time 7200 s, tcp_keepalive_intvl 75 s, tcp_keepalive_probes 9. Recorded with SO_KEEPALIVE against a packet filter.",
};

/// Judges one side's probes at the end of a connection.
pub fn judge(connection: &Connection, side: Side, context: &Context<'_>) -> Option<Finding> {
    let half = connection.half(side);
    let gave_up = connection
        .reset
        .filter(|(by, reset)| *by == side && reset.shape == RstShape::Abort)
        .map(|(_, reset)| reset.mark)
        .filter(|mark| half.last_pending_probe.is_some_and(|probe| probe.time <= mark.time));
    let enough = half.probes_pending >= PROBES || (half.probes_pending >= 1 && gave_up.is_some());
    if !enough || connection.one_sided() {
        return None;
    }
    let (first, last) = (half.first_pending_probe?, half.last_pending_probe?);
    let (client, server) = draft::ends(connection);
    let mut finding = draft::blank(Kind::KeepaliveUnanswered, client, server, Some(connection.stream));
    let who = connection.role(side);
    finding.severity = Severity::Warning;
    finding.frame = Some(first.frame.into());
    finding.time = Some(first.time);
    finding.idle = connection.last_real.map(|real| first.time.since(real.time));
    finding.wire_idle = connection.half(side.other()).last.map(|heard| first.time.since(heard.time));
    finding.cause = Some("peer-unreachable-while-idle".to_string());
    let probes = half.probes_pending;
    let end = if gave_up.is_some() { "then it gave up" } else { "to the end of the capture" };
    finding.headline =
        wording::headline(&format!("{} of the {} unanswered, {end}", wording::count(u64::from(probes), "keepalive probe"), who.as_str()));
    draft::evidence(&mut finding, first, connection.direction(side), "keepalive probe, not answered".to_string());
    if last.frame != first.frame {
        let says = format!("keepalive probe number {probes} without an answer");
        draft::evidence(&mut finding, last, connection.direction(side), says);
    }
    if let Some(mark) = gave_up {
        draft::evidence(&mut finding, mark, connection.direction(side), "gives up (RST)".to_string());
    }
    if let Some(heard) = connection.half(side.other()).last {
        let says = format!("last sign of the {}", who.other().as_str());
        draft::evidence(&mut finding, heard, connection.direction(side.other()), says);
    }
    finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
    finding.advice.push(format!(
        "The connection died before the first of these probes, {} after the last sign of the {}: find what drops it, and start probes earlier.",
        finding.wire_idle.map_or_else(|| "some time".to_string(), wording::span),
        who.other().as_str()
    ));
    if context.server_alive_elsewhere(server, connection.stream, first.time) {
        finding.candidates.push("a device between forgot the connection: the server carries other connections meanwhile".to_string());
    } else {
        finding.candidates.push("the other host is down or unreachable".to_string());
        finding.candidates.push("a device between forgot the connection".to_string());
        draft::lower(&mut finding, Confidence::Likely, "no other connection shows whether the other host was alive");
    }
    Some(finding)
}

//! `silent-drop`: after an idle gap nothing came back.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::observe::Case;
use crate::report::{Confidence, Finding, Kind, Outcome};

/// So many retransmissions of the first octet, without any sign of the server, are no ordinary loss (semantics, «Findings»).
const RETRANSMISSIONS: u32 = 2;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::SilentDrop,
    title: "after an idle gap a request was retransmitted again and again, and nothing came back",
    seen: "A request follows an idle gap, with nothing outstanding before it. Its first octet is retransmitted at least twice, at growing intervals, and until the last of these the server neither acknowledges it nor sends anything new. The capture covers both directions of the connection.",
    why: "A firewall, NAT or load balancer forgot the idle connection and drops what belongs to it without a word. The client waits for its own timeout or for the end of all retransmissions (about 15 minutes with Linux' defaults), and no log shows anything but a timeout.",
    not_a_problem: "A host that is down looks the same: the confidence is only `likely` when another connection to the same server carries traffic during or after the silence, else `possible`. Loss that recovers, and a path that drops only large segments, are not reported.",
    fix: "Send TCP keepalive probes from less than half of the device's timeout on, or give up idle connections earlier. TCP_USER_TIMEOUT (or a lower tcp_retries2) makes the failure fast. Some devices can be told to send an RST when they expire an entry.",
    basis: "RFC 6298 (retransmission timer), RFC 9293 section 3.8.3. Recorded with a packet filter that drops from a moment on, and with a DNAT router whose conntrack entry expired.",
};

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    // Later segments arrive and only the request's first one does not: too large for the way, or lost, but nobody forgot the connection.
    let one_segment_only = request.asked_again.is_some_and(|ack| request.last_retransmission.is_some_and(|last| ack.frame < last.frame));
    let silent =
        !one_segment_only && request.acked.is_none() && request.other_payload.is_none() && !request.resets.iter().any(Option::is_some);
    // Octets of the server that were acknowledged and not captured: its way back leads past the capture.
    if case.server_octets_missed
        || !request.after_idle_gap
        || !request.all_acknowledged_before
        || request.retransmissions < RETRANSMISSIONS
        || !silent
        || case.one_sided
    {
        return None;
    }
    let mut finding = draft::for_case(Kind::SilentDrop, case, context);
    finding.outcome = Some(Outcome::Timeout);
    draft::with_request_evidence(&mut finding, case);
    finding.cause = Some("idle-flow-dropped-silently".to_string());
    let subject = wording::subject(&request.label());
    let idle = wording::span(request.idle.unwrap_or_default());
    finding.headline =
        wording::headline(&format!("{subject} after {idle} idle: {} retransmissions, no sign of life", request.retransmissions));
    finding.candidates.push("a firewall, NAT or load balancer forgot the idle connection and drops its packets".to_string());
    if context.server_alive_elsewhere(case.server, case.stream, request.mark.time) {
        draft::lower(
            &mut finding,
            Confidence::Likely,
            "another connection to the same server carries traffic meanwhile or afterwards; a capture at the server would make it certain",
        );
    } else {
        finding.candidates.push("the server's host is down or unreachable".to_string());
        let refused = context.unanswered_since(case.server, request.mark.time);
        if refused > 0 {
            finding.reasons.push(format!(
                "{} to it got no answer either: rather the host than the connection",
                wording::count(refused, "new connection")
            ));
        }
        draft::lower(
            &mut finding,
            Confidence::Possible,
            "no other connection shows that the server was alive; a capture at the server would tell",
        );
    }
    Some(finding)
}

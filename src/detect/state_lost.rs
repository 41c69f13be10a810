//! `state-lost`: the other end had no such connection, and no close explains it.

use super::context::Context;
use super::draft;
use super::{KindPage, origin, wording};
use crate::endpoint::Direction;
use crate::observe::Case;
use crate::report::{Confidence, Finding, FrameRef, Kind, RstOrigin, RstShape, RstView};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::StateLost,
    title: "the other end had no such connection, and no close explains it",
    seen: "After an idle gap (or as the first thing that the capture shows of the connection) a request is answered by a reply-shaped RST: no ACK flag, the request's acknowledgement number as its sequence number, window 0, no options. That is how a TCP answers for which the connection does not exist. No FIN or RST before it explains why.",
    why: "Somebody forgot the connection while it was idle: a load balancer or NAT whose table entry expired (the packet then reaches another server, or the device answers itself), a server that was restarted, or a close whose FIN never reached the client. The request is lost, and neither side's log says why.",
    not_a_problem: "An RST after the client's own FIN, an answer to a SYN, and an RST outside the window are something else and are not reported.",
    fix: "Find the shortest table on the way and keep below it: give up idle connections earlier, or send TCP keepalive probes at less than half of its timeout. Where a load balancer with direct server return is in the path, raise its idle timeout above the client's. A retry is safe: nothing was delivered.",
    basis: "RFC 9293 section 3.10.7.1 (reset generation). Linux tcp_v4_send_reset makes this shape. Recorded with a DSR load balancer that maps an idle flow to another server, and with a DNAT router that rejects with tcp-reset. The cause cannot be told from the client's side alone, so the candidates are listed.",
};

/// Judges a request.
pub fn judge(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    if !(request.after_idle_gap || request.first_ever) || request.acked.is_some() {
        return None;
    }
    let Some(reset) = request.reply_reset() else { return from_another_address(case, context) };
    let mut finding = draft::for_case(Kind::StateLost, case, context);
    if let Some(before) = request.rst_before {
        draft::with_rst_close(&mut finding, case, &before);
        draft::evidence(
            &mut finding,
            before.mark,
            Direction::ServerToClient,
            format!("RST, {}: the server closes", wording::shape(before.shape)),
        );
    }
    draft::with_request_evidence(&mut finding, case);
    let subject = wording::subject(&request.label());
    finding.headline = match request.idle {
        Some(idle) => wording::headline(&format!("{subject} after {} idle met no such connection (RST)", wording::span(idle))),
        None => wording::headline(&format!("{subject} met no such connection (RST)")),
    };
    if reset.shape == RstShape::Other {
        draft::lower(&mut finding, Confidence::Likely, "the RST has an unusual shape for a reply");
    }
    candidates(&mut finding, case, context);
    Some(finding)
}

/// The answer came from an address that the client does not know (catalogue S-22): its kernel ignores it and goes on retransmitting.
fn from_another_address(case: &Case, context: &Context<'_>) -> Option<Finding> {
    let request = &case.request;
    let stray = context.foreign.stray_reset(case)?;
    let mut finding = draft::for_case(Kind::StateLost, case, context);
    draft::with_request_evidence(&mut finding, case);
    let says = format!("RST with the request's acknowledgement number, from {}: the client does not know that address", stray.from);
    draft::evidence(&mut finding, stray.mark, Direction::ServerToClient, says);
    finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
    let subject = wording::subject(&request.label());
    finding.headline = wording::headline(&format!("{subject} was answered by an RST from {}", stray.from));
    finding.cause = Some("dsr-rst-unnated".to_string());
    let origin_basis = format!("it came from {} instead of {}", stray.from, case.server);
    let rst = RstView { frame: stray.mark.frame.into(), shape: stray.shape, origin: RstOrigin::Other, origin_basis };
    finding.rst = Some(rst);
    finding.candidates.push("a load balancer sent the request to another server, whose RST nobody translated back".to_string());
    Some(finding)
}

/// The request went to a server that did not have the connection.
fn remapped(finding: &mut Finding) {
    finding.cause = Some("lb-flow-expired-remapped".to_string());
    finding.candidates.push("a load balancer forgot the connection and gave the request to another server, which answered".to_string());
}

fn candidates(finding: &mut Finding, case: &Case, context: &Context<'_>) {
    let request = &case.request;
    let time = request.mark.time;
    if request.rst_before.is_some() {
        finding.cause = Some("no-state-at-peer".to_string());
        finding.candidates.push("the server had reset the connection and that RST was lost on the way".to_string());
        return;
    }
    if let Some(old) = context.foreign.continued(case).and_then(|at| context.connections.seen(at)) {
        let old = old.facts();
        finding.cause = Some("nat-mapping-changed".to_string());
        let port = old.client_endpoint();
        finding
            .candidates
            .push(format!("a NAT between forgot the connection and gave it another port: before, it came from {port} (#{})", old.stream));
        draft::evidence(finding, old.last, Direction::ClientToServer, format!("the last segment of the same connection from {port}"));
        finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
        finding.reasons.push("both its numbers continue that connection".to_string());
        return;
    }
    if let Some(change) = context.remapping_at(case) {
        remapped(finding);
        let frame = FrameRef::from(change.mark.frame).frame;
        finding.reasons.push(format!("the request went to another next hop than the segments before it (frame {frame})"));
        return;
    }
    if let Some(mark) = request.goes_on.filter(|_| origin::server_goes_on(case)) {
        remapped(finding);
        let says = "the server that had the connection goes on with it: the RST was not its own".to_string();
        draft::evidence(finding, mark, Direction::ServerToClient, says);
        finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
        finding.reasons.push("the server still had the connection after the RST: another one sent that".to_string());
        return;
    }
    if context.looks_like_restart(case.server, time) {
        finding.cause = Some("peer-lost-state".to_string());
        finding.candidates.push("the server was restarted: several connections to it were lost at the same moment".to_string());
    }
    if finding.rst.as_ref().is_some_and(|rst| rst.origin == RstOrigin::Other) {
        finding.cause.get_or_insert_with(|| "lb-or-nat-flow-expired-rst".to_string());
        finding.candidates.push("another device answered: its hop count differs from the server's".to_string());
    }
    if let Some(idle) = request.wire_idle.filter(|_| request.after_idle_gap) {
        let survived = context.timers.of(case.server).and_then(|known| known.longest_survived).filter(|survived| *survived < idle);
        let bracket = match survived {
            Some(survived) => format!("its timeout lies between {} and {}", wording::span(survived), wording::span(idle)),
            None => format!("its timeout is {} or less", wording::span(idle)),
        };
        finding.candidates.push(format!("a load balancer, NAT or firewall forgot the connection ({bracket})"));
        finding.candidates.push("another server got the packet and never saw the handshake".to_string());
    }
    if !case.handshake_seen {
        finding.candidates.push("the server closed before the capture began".to_string());
    }
    finding.candidates.push("the server's FIN was lost before it reached this capture".to_string());
    finding.cause.get_or_insert_with(|| "no-state-at-peer".to_string());
    draft::lower(
        finding,
        Confidence::Likely,
        "who lost the connection cannot be told from this side alone; a capture at the server for the same time would tell",
    );
}

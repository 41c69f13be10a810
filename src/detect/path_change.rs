//! `path-change`: after an idle gap the segments of one connection go to another next hop.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::endpoint::{Direction, Role};
use crate::observe::Case;
use crate::observe::Watch;
use crate::observe::path::{Hop, HopChange};
use crate::report::{Confidence, Finding, Kind, Severity};
use crate::segment::LinkAddress;
use crate::tcp::Connection;
use crate::tcp::half::Mark;
use crate::time::Span;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::PathChange,
    title: "after an idle gap the segments of one connection went to another next hop",
    seen: "Within one 4-tuple the segments of one side went to one link address (or left by one interface, or went into one tunnel) before an idle gap and to another after it, and never to the first again.",
    why: "A load balancer that only passes packets on (direct server return, ECMP, Maglev) had forgotten the connection and chose a server anew. That one has no such connection and answers with an RST: the request is lost, and the first server never hears of it. Seen at the load balancer, this is the proof that a capture at the client cannot give.",
    not_a_problem: "A router that took over for another one moves every connection in the same way: nothing is reported where one of them moved without an idle gap, or where nothing went to the old hop any more and no request was lost. A client that moved itself (it speaks from the new address, and the server's segments follow it) is none either. Paths that are balanced segment by segment, and the several sights of one segment on the way through a router or a bridge, are no change.",
    fix: "Raise the load balancer's idle timeout above the client's (`ipvsadm --set`, the idle timeout of the target group), or let the client give up idle connections, or send TCP keepalive probes, at less than half of it. Consistent hashing and a synchronised connection table keep a mapping that was forgotten the same.",
    basis: "IPVS with sloppy_tcp, Maglev and ECMP choose a server for any segment of a connection that they do not know; Cilium and kube-router have reports of it. Recorded with a load balancer that forgets after 3 s, in front of two nginx with direct server return.",
};

/// Judges the hops of a connection.
pub fn judge(at: usize, connection: &Connection, context: &Context<'_>) -> Vec<Finding> {
    let Some(watch) = context.observer.watch(at) else { return Vec::new() };
    let changes = watch.path.changes().filter(|change| context.is_remapping(change));
    let told = changes.filter(|change| connection.role(change.side) == Role::Client || !follows_the_client(change, watch, context));
    told.filter_map(|change| finding(&change, &watch.cases, connection, context)).collect()
}

fn finding(change: &HopChange, cases: &[Case], connection: &Connection, context: &Context<'_>) -> Option<Finding> {
    let case = cases.iter().find(|case| change.begins_with(case.request.mark));
    if !is_telling(change, case, context) {
        return None;
    }
    let hops = &context.observer.hops;
    let ((old, old_sender), (new, new_sender)) = (hops.get(change.from)?, hops.get(change.to)?);
    let (client, server) = draft::ends(connection);
    let role = connection.role(change.side);
    let direction = connection.direction(change.side);
    let mut finding = draft::blank(Kind::PathChange, client, server, Some(connection.stream));
    finding.severity = Severity::Warning;
    finding.frame = Some(change.mark.frame.into());
    finding.time = Some(change.mark.time);
    finding.wire_idle = Some(change.silence);
    finding.headline = wording::headline(&format!(
        "After {} of silence the {}'s segments went to another next hop",
        wording::span(change.silence),
        role.as_str()
    ));
    let says = format!("the first to {}; those before went to {}", describe(new, old, new_sender), describe(old, new, old_sender));
    draft::evidence(&mut finding, change.mark, direction, says);
    if role == Role::Client {
        finding.cause = Some("lb-flow-expired-remapped".to_string());
        finding.candidates.push("a load balancer had forgotten the connection and chose another server for it".to_string());
        if let Some(case) = case {
            with_request(&mut finding, case);
        }
        let before = Span(change.silence.nanos() / 2);
        finding.advice.push(format!(
            "What forwards to {server} forgets a connection that is silent for {} or less: raise that above the client's idle timeout, or let the client give up idle connections or send TCP keepalive probes from {} of silence on.",
            wording::span(change.silence),
            wording::span(before)
        ));
    } else {
        finding.candidates.push("the way back to the client changed while the connection was silent".to_string());
    }
    if context.observer.hops.last_used(change.from).is_some_and(|last| last > change.mark.time) {
        finding.reasons.push("the old next hop is used by others meanwhile or afterwards".to_string());
    } else {
        let reason = "nothing else went to the old next hop afterwards: a router that took over may look the same";
        draft::lower(&mut finding, Confidence::Likely, reason);
    }
    Some(finding)
}

/// What became of the request that took the new hop.
fn with_request(finding: &mut Finding, case: &Case) {
    let request = &case.request;
    finding.idle = request.idle;
    finding.request = request.label().to_string();
    let label = wording::request(&request.label());
    draft::evidence(finding, request.mark, Direction::ClientToServer, format!("{label}, {} octets", request.octets));
    let mut add = |mark: Option<Mark>, direction: Direction, says: &str| {
        if let Some(mark) = mark {
            draft::evidence(finding, mark, direction, says.to_string());
        }
    };
    let reset = request.reply_reset().map(|reset| reset.mark);
    add(reset, Direction::ServerToClient, "RST, as a reply: no such connection there");
    let unaccepted = "RST with the number of the request's first octet: what it answers had not accepted any of the request";
    add(request.unaccepted, Direction::ClientToServer, unaccepted);
    finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
}

/// The client (or the gateway before it) speaks from the new hop itself: it moved, and the server's segments follow it.
fn follows_the_client(change: &HopChange, watch: &Watch, context: &Context<'_>) -> bool {
    let new = context.observer.hops.get(change.to).and_then(|(hop, _)| hop.link);
    new.is_some() && new == watch.path.latest_source(change.side.other())
}

/// A router that takes over moves everything: then nothing goes to the old hop any more, and no request is lost.
fn is_telling(change: &HopChange, case: Option<&Case>, context: &Context<'_>) -> bool {
    let old_in_use = context.observer.hops.last_used(change.from).is_some_and(|last| last > change.mark.time);
    let lost = |case: &Case| {
        let request = &case.request;
        let unheard = request.retransmissions >= 2 && request.acked.is_none();
        request.response.is_none() && (request.reply_reset().is_some() || request.unaccepted.is_some() || unheard)
    };
    old_in_use || case.is_some_and(lost)
}

/// The hop in those words in which it differs from the other one.
fn describe(hop: &Hop, other: &Hop, sender: Option<LinkAddress>) -> String {
    if hop.link != other.link
        && let Some(link) = hop.link
    {
        return format!("link address {}", wording::link(link));
    }
    if hop.outer != other.outer {
        return format!("another tunnel endpoint ({:08x})", hop.outer);
    }
    match sender {
        Some(sender) => format!("the interface with address {}", wording::link(sender)),
        None => "another interface".to_string(),
    }
}

//! `timeout-mismatch`: timers in the wrong order, the root cause under which the single losses stand.

use super::context::Context;
use super::{KindPage, advice, draft, hops, wording};
use crate::endpoint::{Direction, Endpoint};
use crate::infer::ChainHop;
use crate::infer::chain::SideTimer;
use crate::report::{Confidence, Evidence, Finding, Kind, Severity, TimerState};
use crate::time::Span;

/// Without a loss, so many closes by the server on idle connections of this client speak for a client that keeps them longer.
const NOTICED_FROM: u64 = 3;
/// So many lost requests are shown as evidence.
const SHOWN_LOSSES: usize = 3;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::TimeoutMismatch,
    title: "the client keeps idle connections longer than the server (or a device between) does",
    seen: "Per client host and server endpoint: the server's idle timer, measured on its closes of idle connections, is shorter than the client's, measured on the client's own closes (to this server, or to another one of the same kind) or, where it never closes first, at least the longest time after which it used a connection again or let the server close it. Or a device between forgets silent connections earlier than the client gives them up.",
    why: "Whoever reuses a connection has to let go of it first. In the wrong order every idle connection ends by the server's close, and a request that is sent at that moment, or by a client that does not look, is lost: stale-reuse, close-race, swallowed-request, state-lost and silent-drop are its consequences.",
    not_a_problem: "A client that never uses a connection twice cannot lose a request so. A client that notices every close in time has lost nothing in this capture; the race remains.",
    fix: "Raise the server's keep-alive timeout above the client's, or lower the client's below the server's, by a margin of a round trip and the granularity of both timers (a second or more). Which of both is a question of who is easier to change: the first costs the server idle sockets, the second costs handshakes. With a device between, keep both below its timeout, or send TCP keepalive probes from less than half of it on.",
    basis: "RFC 9112 section 9.3 and 9.5. The vendors of load balancers state the same order: AWS (targets above 60 s), Google Cloud (backends above 600 s), OCI (backends at 310 s or more). Recorded with HAProxy and nginx pools of 60 s before servers of 2 s, and with an nginx pool of 1 s before a server of 3 s, where nothing is reported.",
};

/// Judges a hop; `losses` are the lost requests of this client at this server.
pub fn judge(hop: &ChainHop, losses: &[&Finding], context: &Context<'_>) -> Option<Finding> {
    server_closes(hop, losses).or_else(|| device_forgets(hop, losses, context))
}

/// Whether a lost request is a consequence of the server's close.
const fn by_close(kind: Kind) -> bool {
    matches!(kind, Kind::StaleReuse | Kind::CloseRace | Kind::SwallowedRequest)
}

fn server_closes(hop: &ChainHop, losses: &[&Finding]) -> Option<Finding> {
    let server = hop.server_timer?;
    let lost: Vec<&Finding> = losses.iter().copied().filter(|loss| by_close(loss.kind) && loss.severity == Severity::Error).collect();
    let held = hop.client_keeps()?;
    let met = held + hop.margin() >= server.value;
    let out_of_order = hop.in_order() == Some(false);
    let noticed = hop.closed_by_server.saturating_sub(lost.len() as u64);
    let sure = server.state == TimerState::Measured || server.samples == 0;
    let longer_elsewhere = hop.elsewhere.is_some_and(|seen| seen.timer.value > server.value + hop.margin()) && hop.closed_by_server > 0;
    let unhurt = out_of_order && sure && (hop.client_timer.is_some() || longer_elsewhere || hop.closed_by_server >= NOTICED_FROM);
    if !(unhurt || (met && !lost.is_empty())) {
        return None;
    }
    let mut finding = begin(hop, &lost);
    let keeps = match (hop.client_timer, hop.elsewhere) {
        (Some(timer), _) => wording::span(timer.value),
        (None, Some(_)) => wording::span(held),
        (None, None) => format!("{} or more", wording::span(held)),
    };
    let what = match lost.len() {
        0 => "nothing lost yet".to_string(),
        n => format!("{} lost", wording::count(n as u64, "request")),
    };
    finding.headline = wording::headline(&format!(
        "The server closes after {}, the {} keeps {keeps}: {what}",
        wording::span(server.value),
        hops::role(hop)
    ));
    finding.cause = Some("server-closes-first".to_string());
    finding.idle = hop.kept();
    finding.reasons.push(basis("server", server));
    if let Some(timer) = hop.client_timer {
        finding.reasons.push(basis(hops::role(hop), timer));
    } else if let Some(seen) = hop.elsewhere {
        let there = format!("{}, on its connections to {}", basis(hops::role(hop), seen.timer), seen.server);
        finding.reasons.push(format!("{there}: taken for likely here, where the server closes first"));
    }
    if lost.is_empty() {
        let closes = match noticed {
            0 => "no idle connection was closed by the server".to_string(),
            1 => "1 close was noticed in time".to_string(),
            n => format!("{n} closes were noticed in time"),
        };
        finding.reasons.push(format!("it has not hurt in this capture: {closes}"));
    } else if noticed > 0 {
        finding.reasons.push(format!("{} by the server cost nothing", wording::count(noticed, "further close")));
    }
    confidence(&mut finding, server, hop.client_timer);
    evidence(&mut finding, hop, &lost);
    finding.advice = advice::for_hop(hop);
    (!finding.evidence.is_empty()).then_some(finding)
}

fn device_forgets(hop: &ChainHop, losses: &[&Finding], context: &Context<'_>) -> Option<Finding> {
    let high = hop.path.1?;
    let forgotten = |loss: &&&Finding| {
        matches!(loss.kind, Kind::StateLost | Kind::SilentDrop)
            && loss.severity == Severity::Error
            && loss.cause.as_deref() != Some("peer-lost-state")
            && loss.idle.is_some_and(|idle| idle >= context.thresholds.idle_gap)
    };
    let lost: Vec<&Finding> = losses.iter().filter(forgotten).copied().collect();
    // Without anything that survived there is no bracket, and where no other connection shows that the server was alive it may have been
    // down: the single findings list what it can have been.
    let low = hop.path.0.filter(|low| *low < high)?;
    if !lost.iter().any(|loss| loss.confidence >= Confidence::Likely) {
        return None;
    }
    let mut finding = begin(hop, &lost);
    let after = format!("between {} and {}", wording::span(low), wording::span(high));
    let requests = wording::count(lost.len() as u64, "request");
    finding.headline = wording::headline(&format!("Silent connections are forgotten after {after}: {requests} lost"));
    finding.cause = Some("flow-expired-between".to_string());
    finding.idle = lost.iter().filter_map(|loss| loss.idle).max();
    finding.confidence = Confidence::Likely;
    finding
        .reasons
        .push("who forgets cannot be told from one side alone; a capture at the server for the same time would tell".to_string());
    evidence(&mut finding, hop, &lost);
    finding.advice = advice::for_path(hop);
    (!finding.evidence.is_empty()).then_some(finding)
}

fn begin(hop: &ChainHop, lost: &[&Finding]) -> Finding {
    let mut finding = draft::blank(Kind::TimeoutMismatch, Endpoint::new(hop.client, 0), hop.server, None);
    finding.severity = if lost.is_empty() { Severity::Warning } else { Severity::Error };
    finding.wireshark_filter = wording::filter_of_pair(hop.client, hop.server);
    finding
}

fn basis(who: &str, timer: SideTimer) -> String {
    if timer.samples == 0 {
        return format!("the {who}'s timeout of {} is what the user says", wording::span(timer.value));
    }
    let state = if timer.state == TimerState::Measured { "measured" } else { "seen" };
    let spread = if timer.spread > Span::ZERO { format!(", spread {}", wording::span(timer.spread)) } else { String::new() };
    format!("the {who}'s timer of {} is {state} on {}{spread}", wording::span(timer.value), wording::count(timer.samples, "close"))
}

fn confidence(finding: &mut Finding, server: SideTimer, client: Option<SideTimer>) {
    let assumed = server.samples == 0 || client.is_some_and(|timer| timer.samples == 0);
    if assumed {
        draft::lower(finding, Confidence::Likely, "one of the two timers is assumed, not seen");
    } else if server.state != TimerState::Measured {
        draft::lower(finding, Confidence::Likely, "fewer than three closes show the server's timer; more of them would make it certain");
    }
}

/// The lost requests, then what shows the timers.
fn evidence(finding: &mut Finding, hop: &ChainHop, lost: &[&Finding]) {
    for loss in lost.iter().take(SHOWN_LOSSES) {
        if let (Some(frame), Some(time)) = (loss.frame, loss.time) {
            let idle = loss.idle.map(|idle| format!(" after {} idle", wording::span(idle))).unwrap_or_default();
            let says = format!("{}{idle}: {}", wording::request(&loss.request), loss.kind.as_str());
            finding.evidence.push(Evidence { frame, time, direction: Direction::ClientToServer, says });
        }
    }
    if let Some((_, mark)) = hop.first_closed_by_server {
        draft::evidence(finding, mark, Direction::ServerToClient, "the server closes an idle connection before the client".to_string());
    }
    if let Some(gap) = hop.reused {
        let says = format!("the {} uses a connection again after {} idle", hops::role(hop), wording::span(gap.idle));
        draft::evidence(finding, gap.mark, Direction::ClientToServer, says);
    }
    if finding.evidence.is_empty()
        && let Some(gap) = hop.held
    {
        let says = format!("the {} kept a connection for {} idle", hops::role(hop), wording::span(gap.idle));
        draft::evidence(finding, gap.mark, Direction::ServerToClient, says);
    }
    finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
}

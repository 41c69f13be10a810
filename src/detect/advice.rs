//! What to change. One rule: whoever reuses must let go first, with a margin of a round trip and the timers' granularity.

use super::context::Context;
use super::wording;
use crate::observe::Case;
use crate::report::{Kind, TimerState};
use crate::time::Span;

/// Timers tick this coarsely, on top of the round trip (catalogue S-02: 1 to 5 s is what cloud vendors ask for).
const MARGIN_AT_LEAST: Span = Span::from_secs(1);

/// Advice for a lost request.
pub fn for_request(kind: Kind, case: &Case, context: &Context<'_>) -> Vec<String> {
    match kind {
        Kind::StaleReuse | Kind::SwallowedRequest => stale(case, context),
        Kind::CloseRace => race(case, context),
        Kind::StateLost | Kind::SilentDrop => forgotten(case, context),
        Kind::ClosedWithoutResponse => vec![
            "Look for the cause in the server's own log at this time: a worker that died, a read timeout, a proxy whose upstream failed."
                .to_string(),
        ],
        _ => Vec::new(),
    }
}

fn margin(case: &Case) -> Span {
    let twice = case.rtt.map_or(Span::ZERO, |rtt| Span(rtt.nanos().saturating_mul(2)));
    MARGIN_AT_LEAST.max(twice)
}

fn order(case: &Case, context: &Context<'_>) -> Vec<String> {
    let server = case.server;
    let Some(timer) = context.timers.server_timer(server) else {
        return vec![format!(
            "Let the client give up idle connections to {server} before the server does: its idle timeout below the server's keep-alive timeout, by {} or more.",
            wording::span(margin(case))
        )];
    };
    let value = wording::span(timer.value);
    let known = match timer.state {
        TimerState::Measured => format!("measured, n = {}", timer.samples),
        _ => format!("seen {}", wording::count(timer.samples, "time")),
    };
    let lower = timer.value - margin(case);
    let kept = case.request.idle.unwrap_or(Span::ZERO);
    let client_side = if lower > Span::ZERO {
        format!("keep idle connections for less than {} at {}", wording::span(lower), case.client.ip())
    } else {
        format!("do not keep idle connections to {server} at {} at all", case.client.ip())
    };
    vec![format!(
        "{server} closes idle connections after {value} ({known}), the client still used one after {}: {client_side}, or raise the server's keep-alive timeout above {}.",
        wording::span(kept),
        wording::span(kept + margin(case)),
    )]
}

fn stale(case: &Case, context: &Context<'_>) -> Vec<String> {
    let mut advice = order(case, context);
    advice.push(
        "The FIN had arrived: a client that looks for it before it reuses a connection (readability check, validation after inactivity) loses nothing here."
            .to_string(),
    );
    advice
}

fn race(case: &Case, context: &Context<'_>) -> Vec<String> {
    let mut advice = order(case, context);
    advice.push("No check by the client can remove a race; only the order of the timers can, or a retry on a new connection.".to_string());
    advice
}

fn forgotten(case: &Case, context: &Context<'_>) -> Vec<String> {
    let idle = case.request.wire_idle.or(case.request.idle).unwrap_or(Span::ZERO);
    let survived = context.timers.of(case.server).and_then(|known| known.longest_survived).filter(|survived| *survived < idle);
    let bracket =
        survived.map_or_else(String::new, |survived| format!(" (between {} and {})", wording::span(survived), wording::span(idle)));
    let half = Span(survived.unwrap_or(idle).nanos() / 2);
    vec![
        format!(
            "Something between {} and {} forgets silent connections{bracket}: let the client give them up earlier, or send TCP keepalive probes from {} of silence on.",
            case.client.ip(),
            case.server,
            wording::span(half)
        ),
        "A capture at the server for the same time settles who lost the connection.".to_string(),
    ]
}

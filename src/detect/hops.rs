//! The hops of the path and their timers in words.

use std::fmt::Write as _;

use super::wording;
use crate::infer::ChainHop;
use crate::infer::chain::SideTimer;
use crate::report::{Hop, TimerState};
use crate::time::{NANOS_PER_SECOND, Span};

/// The report shows so many hops; those out of order first.
const SHOWN: usize = 64;

/// The hops as the report shows them, front first.
pub fn rows(hops: &[ChainHop]) -> Vec<Hop> {
    let mut order: Vec<usize> = (0..hops.len()).collect();
    order.sort_by_key(|at| hops.get(*at).map(|hop| (hop.in_order() != Some(false), *at)));
    order.truncate(SHOWN);
    order.sort_unstable();
    order.into_iter().filter_map(|at| hops.get(at)).map(row).collect()
}

fn row(hop: &ChainHop) -> Hop {
    Hop {
        client: hop.client,
        server: hop.server.into(),
        client_timer: hop.client_keeps(),
        client_at_least: hop.client_timer.is_none() && hop.elsewhere.is_none() && hop.held.is_some(),
        client_seen_at: hop.elsewhere.map(|seen| seen.server.into()),
        server_timer: hop.server_timer.map(|timer| timer.value),
        path_low: hop.path.1.and(hop.path.0),
        path_high: hop.path.1,
        in_order: hop.in_order(),
        says: says(hop),
    }
}

/// `the proxy 10.0.0.5`, `the client 10.0.0.5`.
pub fn client(hop: &ChainHop) -> String {
    format!("the {} {}", role(hop), hop.client)
}

/// `proxy` or `client`.
pub const fn role(hop: &ChainHop) -> &'static str {
    if hop.client_is_proxy { "proxy" } else { "client" }
}

/// The one sentence: both timers, their order, and what to change.
pub fn says(hop: &ChainHop) -> String {
    let text = match (hop.in_order(), hop.server_timer) {
        (Some(false), Some(server)) => out_of_order(hop, server),
        (Some(true), _) => in_order(hop),
        (_, Some(server)) => unknown_order(hop, server),
        (_, None) => match (hop.client_timer, hop.held) {
            (Some(timer), _) => format!("{} closes idle connections to {} after {}", client(hop), hop.server, with_basis(timer)),
            (None, Some(held)) => format!(
                "{} keeps connections to {} for at least {}, and the server had not closed any before",
                client(hop),
                hop.server,
                wording::span(held.idle)
            ),
            (None, None) => String::new(),
        },
    };
    let Some(path) = path(hop) else { return sentence(&text) };
    match hop.in_order() {
        Some(false) => sentence(&format!("{text}; {path}")),
        _ if hop.server_timer.is_some() => sentence(&format!("{path}; {text}")),
        _ => sentence(&path),
    }
}

/// What a device between allows, what the client does, and what to change.
pub fn path(hop: &ChainHop) -> Option<String> {
    let (Some(low), Some(high)) = hop.path else { return None };
    if low >= high {
        return None;
    }
    let mut text = format!(
        "something between {} and {} forgets silent connections after more than {} and at most {}",
        hop.client,
        hop.server,
        wording::span(low),
        wording::span(high)
    );
    if hop.client_keeps().is_some_and(|keeps| keeps >= high) {
        let _ = write!(
            text,
            "; {}: let it give them up after less than {}, or send TCP keepalive probes from {} on",
            keeps(hop),
            wording::span(whole_down(low)),
            wording::span(whole_down(Span(low.nanos() / 2)))
        );
    }
    Some(text)
}

fn server(hop: &ChainHop) -> String {
    match &hop.host {
        Some(host) => format!("{} ({})", hop.server, clean(host)),
        None => hop.server.to_string(),
    }
}

fn out_of_order(hop: &ChainHop, timer: SideTimer) -> String {
    let mut text = format!("{} closes after {}, {}", server(hop), with_basis(timer), keeps(hop));
    let remedies = remedies(hop);
    if !remedies.is_empty() {
        text.push_str(": ");
        text.push_str(&remedies);
    }
    text
}

/// `raise the server's keep-alive above 300 s, or lower the proxy's below 9 s`.
pub fn remedies(hop: &ChainHop) -> String {
    let raise = hop.raise_to().map(|value| format!("raise the server's keep-alive above {}", wording::span(whole_up(value))));
    let lower = hop.lower_to().map(|value| format!("lower the {}'s below {}", role(hop), wording::span(whole_below(value))));
    [raise, lower].into_iter().flatten().collect::<Vec<_>>().join(", or ")
}

fn keeps(hop: &ChainHop) -> String {
    match (hop.client_timer, hop.held) {
        (Some(timer), _) => format!("{} keeps connections for {}", client(hop), with_basis(timer)),
        (None, _) if hop.elsewhere.is_some() => format!("{} keeps connections {}", client(hop), elsewhere(hop)),
        (None, Some(held)) => format!("{} keeps connections for at least {}", client(hop), wording::span(held.idle)),
        (None, None) => format!("how long {} keeps connections is not seen", client(hop)),
    }
}

fn in_order(hop: &ChainHop) -> String {
    let first = hop.client_timer.map_or_else(String::new, with_basis);
    let then = match hop.server_timer {
        Some(timer) => format!("which closes after {}", with_basis(timer)),
        None => "which never closed one first".to_string(),
    };
    format!("{} closes idle connections after {first}, before {}, {then}: in order", client(hop), server(hop))
}

fn unknown_order(hop: &ChainHop, timer: SideTimer) -> String {
    let mut reuse = match hop.reused {
        Some(gap) => format!("{} used one after {} at most", client(hop), wording::span(gap.idle)),
        None => format!("{} was not seen to use one again after an idle gap", client(hop)),
    };
    if let Some(seen) = hop.elsewhere {
        let order = if seen.timer.value + hop.rtt < timer.value { "in order" } else { "the wrong order" };
        let _ = write!(reuse, ", and keeps them {}: {order}, if its timer is the same here", elsewhere(hop));
    }
    format!("{} closes after {}, {reuse}", server(hop), with_basis(timer))
}

/// `for 20 s (n = 4) as on its connections to 10.0.0.3:80`.
fn elsewhere(hop: &ChainHop) -> String {
    hop.elsewhere.map_or_else(String::new, |seen| format!("for {}, measured on its connections to {}", with_basis(seen.timer), seen.server))
}

/// `10 s (n = 41)`.
pub fn with_basis(timer: SideTimer) -> String {
    let value = wording::span(timer.value);
    match (timer.samples, timer.state) {
        (0, _) => format!("{value} (as assumed)"),
        (n, TimerState::Measured) => format!("{value} (n = {n})"),
        (1, _) => format!("{value} (seen once)"),
        (2, _) => format!("{value} (seen twice)"),
        (n, _) => format!("{value} (seen {})", wording::count(n, "time")),
    }
}

/// Up to the next whole second; a tenth of a second above one is within the margin.
pub fn whole_up(value: Span) -> Span {
    let seconds = value.nanos().saturating_add(NANOS_PER_SECOND / 10 * 9) / NANOS_PER_SECOND;
    Span::from_secs(seconds)
}

/// Down to the whole second, below two seconds to a tenth.
pub fn whole_down(value: Span) -> Span {
    let unit = if value >= Span::from_secs(2) { NANOS_PER_SECOND } else { NANOS_PER_SECOND / 10 };
    Span(value.nanos() / unit * unit)
}

/// The whole second to stay at or below; a tenth of a second below one is within the margin.
pub fn whole_below(value: Span) -> Span {
    if value >= Span::from_secs(2) { whole_down(value + Span(NANOS_PER_SECOND / 10)) } else { whole_down(value) }
}

/// A host name out of a capture, without what a terminal or a page could take for its own.
fn clean(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')).collect()
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_out_of_a_capture_keeps_what_a_host_name_has() {
        assert_eq!(clean("shop-1.example_x:8080"), "shop-1.example_x:8080");
        assert_eq!(clean("[2001:db8::1]"), "[2001:db8::1]");
        assert_eq!(clean("a b<i>`\u{1b}\u{202e}é$(x)"), "abix");
    }
}

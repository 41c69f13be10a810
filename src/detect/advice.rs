//! What to change. One rule: whoever reuses must let go first, with a margin of a round trip and the timers' granularity. The directives
//! are data (`infer::products`); here they are put into sentences.

use super::context::Context;
use super::{hops, wording};
use crate::infer::ChainHop;
use crate::infer::known_timeouts;
use crate::infer::maker;
use crate::infer::products::{self, Product, Setting};
use crate::observe::Case;
use crate::report::{ALTERNATIVE, ALTERNATIVES, Kind};
use crate::time::Span;

/// Advice for a lost request.
pub fn for_request(kind: Kind, case: &Case, context: &Context<'_>) -> Vec<String> {
    let order = || context.hop(case.client.ip(), case.server).map(for_hop).filter(|lines| !lines.is_empty());
    match kind {
        Kind::StaleReuse | Kind::SwallowedRequest => {
            let mut advice = order().unwrap_or_else(|| vec![generic(case)]);
            advice.push(
                "The FIN had arrived: a client that looks for it before it reuses a connection (readability check, validation after inactivity) loses nothing here."
                    .to_string(),
            );
            advice
        }
        Kind::CloseRace => {
            let mut advice = order().unwrap_or_else(|| vec![generic(case)]);
            advice.push(
                "No check by the client can remove a race; only the order of the timers can, or a retry on a new connection.".to_string(),
            );
            advice
        }
        Kind::StateLost | Kind::SilentDrop => forgotten(case, context),
        Kind::ClosedWithoutResponse => vec![
            "Look for the cause in the server's own log at this time: a worker that died, a read timeout, a proxy whose upstream failed."
                .to_string(),
        ],
        _ => Vec::new(),
    }
}

fn generic(case: &Case) -> String {
    let twice = case.rtt.map_or(Span::ZERO, |rtt| Span(rtt.nanos().saturating_mul(2)));
    format!(
        "Let the client give up idle connections to {} before the server does: its idle timeout below the server's keep-alive timeout, by {} or more.",
        case.server,
        wording::span(Span::from_secs(1).max(twice))
    )
}

/// Both ways to put a hop in order, as they can be pasted, what they cost, and why the margin.
pub fn for_hop(hop: &ChainHop) -> Vec<String> {
    let (Some(server), Some(raise), Some(lower)) = (hop.server_timer, hop.raise_to(), hop.lower_to()) else { return Vec::new() };
    let (raise, lower) = (hops::whole_up(raise), hops::whole_below(lower));
    let mut lines = Vec::new();
    accepting(&mut lines, hop, server.value, raise);
    reusing(&mut lines, hop, lower);
    lines.push(format!(
        "The margin is {}: the round trip is {}, and timers fire up to a second late or early{}.",
        wording::span(hop.margin()),
        wording::span(hop.rtt),
        match hop.server_timer.map(|timer| timer.spread).filter(|spread| *spread > Span::ZERO) {
            Some(spread) => format!(" (the server's scatters by {})", wording::span(spread)),
            None => String::new(),
        }
    ));
    if hop.client_timer.is_none() {
        lines.push(match hop.elsewhere {
            Some(seen) => format!(
                "That the {} keeps connections for {} is measured on those to {}; if its setting for {} is another one, give it with --assume {}=TIME.",
                hops::role(hop),
                wording::span(seen.timer.value),
                seen.server,
                hop.server,
                hop.client
            ),
            None => format!(
                "How long the {} would have kept connections is not seen, only that it is {} or more: if you know its setting, give it with --assume {}=TIME.",
                hops::role(hop),
                wording::span(hop.client_keeps().unwrap_or_default()),
                hop.client
            ),
        });
    }
    lines
}

fn accepting(lines: &mut Vec<String>, hop: &ChainHop, now: Span, raise: Span) {
    let value = wording::span(raise);
    let unseen = match (hop.client_timer, hop.elsewhere) {
        (Some(_), _) | (None, Some(_)) => String::new(),
        (None, None) => format!(" (and above the {}'s own setting, which is not seen)", hops::role(hop)),
    };
    let line = format!("Raise the keep-alive of {} from {} to more than {value}{unseen}", hop.server, wording::span(now));
    match products::named(&hop.server_product)
        .or_else(|| maker::of_protocol(hop.protocol))
        .map(|product| (product, product.directive(Setting::Accepting, raise)))
    {
        Some((product, Some(directive))) => lines.push(format!("{line}. {}: {directive}. It costs: {}.", product.name, product.cost)),
        Some((product, None)) => {
            lines.push(format!("{line} ({}; afterfin has no directive for it). It costs: {}.", product.name, product.cost));
        }
        None => {
            lines.push(format!("{line}; which product it is, the capture does not show. It costs idle sockets at the server."));
            let likely = maker::likely(hop.protocol, false, true);
            lines.extend(alternatives(&format!("If {} is", hop.server), &likely, Setting::Accepting, raise));
        }
    }
}

fn reusing(lines: &mut Vec<String>, hop: &ChainHop, lower: Span) {
    if lower < Span::from_millis(200) {
        lines.push(format!("Or let {} keep no idle connections to {} at all.", hops::client(hop), hop.server));
        return;
    }
    let line = format!("Or let {} keep idle connections to {} for no more than {}", hops::client(hop), hop.server, wording::span(lower));
    let maker = hop.client_maker.as_ref().filter(|maker| maker.product.has(Setting::Reusing));
    match maker.map(|maker| (maker, maker.product.directive(Setting::Reusing, lower))) {
        Some((maker, Some(directive))) => {
            lines.push(format!("{line}. {} ({}): {directive}. It costs a handshake more often.", maker.product.name, maker.basis));
        }
        Some((maker, None)) => lines.push(format!(
            "{line} ({}, {}: its setting takes no value that small, so do not keep any). It costs a handshake more often.",
            maker.product.name, maker.basis
        )),
        None if let Some(product) = maker::of_protocol(hop.protocol) => lines.push(match product.directive(Setting::Reusing, lower) {
            Some(directive) => format!("{line}. Clients of {}: {directive}. It costs a handshake more often.", product.name),
            None => format!("{line}. It costs a handshake more often."),
        }),
        None => {
            lines.push(format!("{line}; which product it is, the capture does not show. It costs a handshake more often."));
            let mut likely = maker::likely(hop.protocol, hop.client_is_proxy, false);
            // Whoever runs one product as the server often runs the same as the proxy.
            likely.sort_by_key(|product| products::named(&hop.server_product) != Some(*product));
            lines.extend(alternatives(&format!("If the {} is", hops::role(hop)), &likely, Setting::Reusing, lower));
        }
    }
}

/// `If the proxy is one of these: nginx: … · HAProxy: …` (renderers fold it, see `report::Finding::advice`).
fn alternatives(lead: &str, likely: &[&Product], setting: Setting, value: Span) -> Option<String> {
    let directive = |product: &&Product| product.directive(setting, value).map(|directive| format!("{}: {directive}", product.name));
    let known: Vec<String> = likely.iter().filter_map(directive).collect();
    (!known.is_empty()).then(|| format!("{lead}{ALTERNATIVES}{}", known.join(ALTERNATIVE)))
}

/// Advice for a device between that forgets silent connections.
pub fn for_path(hop: &ChainHop) -> Vec<String> {
    let (low, Some(high)) = hop.path else { return Vec::new() };
    let keeps = hop.client_keeps().unwrap_or(high).max(high) + hop.margin();
    let raise = hops::whole_up(keeps);
    let bound = low.filter(|low| *low < high).unwrap_or(high);
    let mut lines = vec![
        format!(
            "Let {} give up idle connections to {} after less than {}.",
            hops::client(hop),
            hop.server,
            wording::span(hops::whole_down(bound))
        ),
        probes_before(bound),
    ];
    let hints = known_timeouts::within(low, high);
    let devices = products::between(&hints);
    let directive =
        |product: &&Product| product.directive(Setting::Between, raise).map(|directive| format!("{}: {directive}", product.name));
    let known: Vec<String> = devices.iter().filter_map(directive).collect();
    let which = if known.is_empty() {
        "; which device it is, the capture does not show".to_string()
    } else {
        format!(", if it is{ALTERNATIVES}{}", known.join(ALTERNATIVE))
    };
    lines.push(format!("Or raise the timeout of its table above {}{which}.", wording::span(raise)));
    lines
}

/// Start probes at less than half of a timeout.
pub fn probes_before(timeout: Span) -> String {
    let half = hops::whole_down(Span(timeout.nanos() / 2));
    let directive = products::titled("Linux TCP keepalive")
        .and_then(|product| Some(format!(" Linux: {}.", product.directive(Setting::Reusing, half)?)));
    format!(
        "Send TCP keepalive probes from {} of silence on: less than half of what the path allows, so that one lost probe does no harm.{}",
        wording::span(half),
        directive.filter(|_| half >= Span::from_secs(1)).unwrap_or_default()
    )
}

fn forgotten(case: &Case, context: &Context<'_>) -> Vec<String> {
    let idle = case.request.wire_idle.or(case.request.idle).unwrap_or(Span::ZERO);
    let survived = context.timers.of(case.server).and_then(|known| known.survived_wire).filter(|survived| *survived < idle);
    let bracket =
        survived.map_or_else(String::new, |survived| format!(" (between {} and {})", wording::span(survived), wording::span(idle)));
    vec![
        format!(
            "Something between {} and {} forgets silent connections{bracket}: let the client give them up earlier.",
            case.client.ip(),
            case.server
        ),
        probes_before(survived.unwrap_or(idle)),
        "A capture at the server for the same time settles who lost the connection.".to_string(),
    ]
}

//! `idle-during-response`: closed by a timer while a response was outstanding.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::infer::known_timeouts::{KnownTimeout, all};
use crate::observe::WaitingClose;
use crate::observe::case::server_octets_missed;
use crate::report::{Confidence, Finding, Kind, Severity};
use crate::tcp::Connection;
use crate::time::Span;

/// Timers fire this much late, as measured on idle timers of the same programs.
const LATE: Span = Span::from_millis(150);
/// So many known timeouts are named.
const CANDIDATES: usize = 3;
/// As many equal waits at one server are a timer.
const SAME_WAITS: usize = 3;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::IdleDuringResponse,
    title: "the server's side closed by a timer while it still owed (a part of) a response",
    seen: "A request was outstanding, by the framing of its protocol, and nothing moved for a while: then the server's side closed. Either a part of the answer had come (a stream of events, a body whose end was missing), or the wait is as long as a known timeout, or as long as on other connections to the same server.",
    why: "This is a read timeout of the server or of a proxy or load balancer before it, not a keep-alive timeout: the connection was not idle, it waited. It hits long polling, event streams and slow queries, and raising keep-alive timeouts does not help.",
    not_a_problem: "A response without a length ends with the server's FIN; that is no timer. A server that closes without an answer at no particular time is reported as closed-without-response.",
    fix: "Raise the read timeout that matches (proxy_read_timeout, `timeout server`, the load balancer's idle timeout), or let the server send something before it runs out: a comment line in an event stream, a WebSocket ping, a heartbeat.",
    basis: "nginx proxy_read_timeout 60 s, Envoy's stream_idle_timeout 300 s, AWS ALB's idle timeout 60 s.",
};

/// Judges the close of a waiting connection.
pub fn judge(close: &WaitingClose, connection: &Connection, context: &Context<'_>) -> Option<Finding> {
    let by_server = close.side != connection.client;
    if !by_server || close.ends_at_close || !close.acknowledged || connection.one_sided() || server_octets_missed(connection) {
        return None;
    }
    let known = known_timeouts(close.waited);
    let equal = context.equal_waits(connection.server_endpoint(), close.waited);
    let is_timer = !known.is_empty() || equal >= SAME_WAITS;
    let cut_off = close.begun && close.framed;
    if !is_timer && !cut_off {
        return None;
    }
    let mut finding = draft::for_waiting(Kind::IdleDuringResponse, close, connection);
    finding.severity = Severity::Warning;
    finding.cause = Some("response-timeout".to_string());
    let subject = wording::subject(&close.label);
    let part = if close.begun { "cut off" } else { "not answered" };
    finding.headline =
        wording::headline(&format!("{subject} {part}: the server's side closed after {} of silence", wording::span(close.waited)));
    for row in &known {
        finding.candidates.push(format!("{} {}: {} s by default", row.product, row.setting, row.text));
    }
    if equal >= SAME_WAITS {
        finding.reasons.push(format!("{equal} connections to this server were closed after the same wait"));
    } else {
        let confidence = if known.is_empty() { Confidence::Possible } else { Confidence::Likely };
        draft::lower(&mut finding, confidence, "one such close does not prove a timer; more of them after the same wait would");
    }
    finding.advice.push(format!(
        "Raise the read timeout at {} above {}, or let the server send something before: keep-alive timeouts have no part in this.",
        connection.server_endpoint(),
        wording::span(close.waited)
    ));
    if !close.framed {
        draft::lower(
            &mut finding,
            Confidence::Possible,
            "the connection is encrypted: that an answer was owed is inferred from who spoke last",
        );
    }
    Some(finding)
}

/// The known timeouts that the wait matches, those whose source was read first.
fn known_timeouts(waited: Span) -> Vec<&'static KnownTimeout> {
    let mut rows: Vec<&KnownTimeout> =
        all().iter().filter(|row| row.default.is_some_and(|default| fires(default, waited)) && is_wait(row)).collect();
    rows.sort_by_key(|row| !row.verified);
    rows.truncate(CANDIDATES);
    rows
}

fn fires(default: Span, waited: Span) -> bool {
    let late = waited - default;
    late >= Span::ZERO - Span::from_millis(10) && late <= LATE.max(Span(waited.nanos() / 500))
}

/// Whether a timer of the table runs while a response is owed: what waits for a response, and what knows no requests at all and closes both
/// sides. Timers between requests, and tables that forget without a word, do not end such a wait.
fn is_wait(row: &KnownTimeout) -> bool {
    let says = |words: &[&str]| words.iter().any(|word| row.setting.contains(word));
    let closes =
        ["FIN", "RST", "close", "504", "524"].iter().any(|word| row.action.contains(word)) && !row.action.starts_with("silent forget");
    let waits = says(&["read", "Read", "response", "stream_idle", "route", "ProxyTimeout", "TimeOut"]) || row.note.contains("in-request");
    let blind = match row.role {
        "l4-lb" | "l4-proxy" => true,
        "l7-lb" => says(&["idle_timeout", "IdleTimeout"]),
        _ => false,
    };
    closes && (waits || blind) && !says(&["connect", "keepalive", "KeepAlive", "linger"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(millis: i64) -> Vec<&'static str> {
        known_timeouts(Span::from_millis(millis)).iter().map(|row| row.product).collect()
    }

    #[test]
    fn known_timeout_matches_a_timer_that_fires_late_not_one_that_fires_early() {
        assert!(products(60_060).contains(&"nginx"));
        assert_eq!(products(59_900), [""; 0]);
        assert_eq!(products(60_400), [""; 0]);
        assert_eq!(products(2_800), [""; 0]);
    }

    #[test]
    fn long_timer_may_fire_later_than_a_short_one() {
        assert_eq!(products(300_550), products(300_020), "two in a thousand");
        assert_eq!(products(300_700), [""; 0]);
        assert_eq!(products(299_995), products(300_020), "the clocks of two machines differ by some milliseconds");
        assert_eq!(products(299_980), [""; 0]);
    }

    #[test]
    fn timers_between_requests_are_no_read_timeouts() {
        assert_eq!(products(75_010), [""; 0], "nginx keepalive_timeout");
        assert_eq!(products(5_010), [""; 0], "Apache KeepAliveTimeout");
        assert_eq!(products(900_010), [""; 0], "IPVS forgets without a word");
        assert_eq!(products(300_020), ["Envoy/Istio", "F5 BIG-IP"]);
    }
}

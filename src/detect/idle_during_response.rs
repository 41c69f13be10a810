//! `idle-during-response`: closed by a timer while a response was outstanding.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::observe::WaitingClose;
use crate::observe::case::server_octets_missed;
use crate::report::{Confidence, Finding, Kind, Severity};
use crate::tcp::Connection;
use crate::time::Span;

/// Read timeouts that servers and proxies come with, in seconds: Envoy's route timeout 15, gunicorn and Google's load balancers 30, HAProxy's
/// example 50, nginx, Apache, AWS ALB and uwsgi 60, Cloudflare 100 and 120, Azure 230 and 240, Envoy's stream idle timeout, Apache's older
/// default and OCI 300, AWS NLB 350.
const KNOWN_TIMEOUTS: [i64; 12] = [15, 30, 50, 60, 100, 120, 180, 230, 240, 300, 350, 600];
/// Timers fire this much late, as measured on idle timers of the same programs.
const LATE: Span = Span::from_millis(150);
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
    let known = known_timeout(close.waited);
    let equal = context.equal_waits(connection.server_endpoint(), close.waited);
    let is_timer = known.is_some() || equal >= SAME_WAITS;
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
    if let Some(seconds) = known {
        finding.candidates.push(format!("a read timeout of {seconds} s, a common default"));
    }
    if equal >= SAME_WAITS {
        finding.reasons.push(format!("{equal} connections to this server were closed after the same wait"));
    } else {
        let confidence = if known.is_some() { Confidence::Likely } else { Confidence::Possible };
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

/// The known timeout that the wait matches.
fn known_timeout(waited: Span) -> Option<i64> {
    KNOWN_TIMEOUTS.into_iter().find(|seconds| {
        let late = waited - Span::from_secs(*seconds);
        late >= Span::ZERO - Span::from_millis(10) && late <= LATE.max(Span(waited.nanos() / 500))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_timeout_matches_a_timer_that_fires_late_not_one_that_fires_early() {
        assert_eq!(known_timeout(Span::from_millis(60_060)), Some(60));
        assert_eq!(known_timeout(Span::from_millis(59_900)), None);
        assert_eq!(known_timeout(Span::from_millis(60_400)), None);
        assert_eq!(known_timeout(Span::from_millis(2_800)), None);
    }
}

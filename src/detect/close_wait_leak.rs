//! `close-wait-leak`: one side closed, the other acknowledged it and stayed.

use super::context::Context;
use super::draft;
use super::{KindPage, wording};
use crate::endpoint::Role;
use crate::observe::HalfClosedSpan;
use crate::report::{CloseView, Confidence, Finding, How, Kind, Severity, StateView};
use crate::tcp::Connection;
use crate::time::Span;

/// Kept half closed for so long, it is a leak whatever follows (semantics; Linux' tcp_fin_timeout is 60 s).
const KEPT_LONG: Span = Span::from_secs(60);

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::CloseWaitLeak,
    title: "one side closed, the other acknowledged it and kept the connection",
    seen: "A FIN was acknowledged, and for five seconds or more the other side neither sent anything nor closed: its socket stays in CLOSE_WAIT.",
    why: "The application does not look at its idle connections. Each of them is one on which the next request will be lost, and sockets pile up. A pool that keeps closed connections is the precursor of stale reuse.",
    not_a_problem: "A side that goes on sending its response after the other's FIN uses a half-closed connection as intended, also after a pause (events to a client that only listens). A connection that is closed within a minute, unused, is only worth a note.",
    fix: "Let the pool watch its idle connections for readability and close those at their end, or give connections up before the peer does.",
    basis: "RFC 9293 section 3.3.2 (CLOSE-WAIT). Linux forgets its own half (FIN_WAIT2) after 60 s, conntrack an entry in CLOSE_WAIT after 60 s. Recorded with a client that keeps sockets long after the server's FIN.",
};

/// Times further back than this say that the clock was set, or that frames are out of order (semantics, «at the close»).
const ORDER_TRUSTED: Span = Span::from_millis(5);

/// Whether the side that stayed may have closed where the capture does not show it: before it began, or in a frame that it missed.
fn may_have_closed(connection: &Connection, span: &HalfClosedSpan) -> bool {
    let keeper = connection.half(span.closer.other());
    if keeper.fin.is_some() || span.used {
        return false;
    }
    let after_syn = || keeper.base.filter(|_| keeper.base_is_syn).and_then(|isn| keeper.known_position(isn.add(1)));
    let sent = keeper.data_end.or_else(after_syn);
    let missed = connection.half(span.closer).acked.zip(sent).is_some_and(|(acked, sent)| acked > sent);
    !span.seen_open || missed
}

/// Judges the half-closed span of a connection.
pub fn judge(connection: &Connection, span: &HalfClosedSpan, context: &Context<'_>) -> Option<Finding> {
    let until = span.ended.map_or(context.end, |(mark, _)| mark.time).min(context.recorded_until(span.fin.time));
    let kept = until.since(span.fin.time);
    let stepped_since = connection.clock_back_at.is_some_and(|time| time >= span.fin.time && connection.clock_back > ORDER_TRUSTED);
    let clock_stepped = stepped_since || connection.clock_back >= context.thresholds.close_wait;
    if kept < context.thresholds.close_wait || clock_stepped || span.outstanding || may_have_closed(connection, span) {
        return None;
    }
    // The client shut down writing and reads on, the server goes on talking to it: half closed on purpose.
    let half_close = span.used && span.closer == connection.client && connection.reset.is_none_or(|(by, _)| by != span.closer);
    if half_close {
        return None;
    }
    let reset_by_closer = span.ended_by == Some(span.closer);
    let still_open = span.ended.is_none() && connection.state_view() == StateView::HalfClosed;
    let (client, server) = draft::ends(connection);
    let mut finding = draft::blank(Kind::CloseWaitLeak, client, server, Some(connection.stream));
    let closer = connection.role(span.closer);
    let keeper = closer.other();
    finding.closed_by = Some(closer);
    finding.frame = Some(span.fin.frame.into());
    finding.time = Some(span.fin.time);
    finding.close = Some(CloseView { how: How::Fin, frame: span.fin.frame.into(), time: span.fin.time, acknowledged_before: true });
    let serious = span.used || kept >= KEPT_LONG || still_open;
    finding.severity = if serious { Severity::Warning } else { Severity::Info };
    let how_it_ended = match span.ended {
        None => "still so when the capture ends".to_string(),
        Some((_, None)) => "then used again".to_string(),
        Some((_, Some(_))) if reset_by_closer => format!("then reset by the {}", closer.as_str()),
        Some((_, Some(_))) => "then closed".to_string(),
    };
    finding.headline = wording::headline(&format!(
        "The {} kept a connection {} after the {}'s FIN, {how_it_ended}",
        keeper.as_str(),
        wording::span(kept),
        closer.as_str()
    ));
    draft::evidence(&mut finding, span.fin, connection.direction(span.closer), format!("FIN: the {} closes", closer.as_str()));
    draft::evidence(&mut finding, span.acknowledged, connection.direction(span.closer.other()), "acknowledges the FIN".to_string());
    if let (Some((mark, how)), Some(side)) = (span.ended, span.ended_by) {
        let says = match how {
            None => "new payload".to_string(),
            Some(how) => format!("{}, {} after the FIN", how.as_str().to_uppercase(), wording::span(kept)),
        };
        draft::evidence(&mut finding, mark, connection.direction(side), says);
    }
    finding.cause = Some("fin-ignored-by-client".to_string()).filter(|_| keeper == Role::Client);
    finding.since_close = Some(kept);
    finding.advice.push(format!(
        "Let the {} look for the end of the stream on idle connections and close them; until then each is one on which a request will be lost.",
        keeper.as_str()
    ));
    if connection.handshake.completed.is_none() {
        draft::lower(&mut finding, Confidence::Likely, "the connection began before the capture");
    }
    Some(finding)
}

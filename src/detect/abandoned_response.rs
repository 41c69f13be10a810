//! `abandoned-response`: the client left while a response was outstanding.

use super::draft;
use super::{KindPage, wording};
use crate::observe::WaitingClose;
use crate::observe::case::server_octets_missed;
use crate::report::{Confidence, Finding, How, Kind, Severity};
use crate::tcp::Connection;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::AbandonedResponse,
    title: "the client gave up while a response was outstanding",
    seen: "The server had taken a request and owed (a part of) the answer. No octet had moved for a second or more when the client closed or reset the connection.",
    why: "The client's own timeout ran out: to its user this is an error, and the server goes on with work that nobody waits for. In a proxy it is the read timeout that becomes a 504. It is no idle connection that died: a shorter or longer keep-alive timeout changes nothing.",
    not_a_problem: "A client that aborts a download while octets flow, one that shuts down writing behind its request and then reads the answer, and one whose request was never acknowledged (see silent-drop) are not reported. A user who closed the page looks the same as a timeout.",
    fix: "Find out why the server was slow, or let the client wait longer: its timeout must be longer than the slowest answer that is still of use, and longer than the timeout of the server behind it. Where answers come seldom (long polling, events), let the server send something now and then.",
    basis: "RFC 9110 section 15.6.5 (504). nginx proxy_read_timeout 60 s, HAProxy `timeout server`, Envoy's route timeout 15 s.",
};

/// Judges the close of a waiting connection.
pub fn judge(close: &WaitingClose, connection: &Connection) -> Option<Finding> {
    let half_close = close.how == How::Fin && close.answered_after && !close.refused_after;
    let by_client = close.side == connection.client;
    if !by_client || half_close || !close.acknowledged || connection.one_sided() || server_octets_missed(connection) {
        return None;
    }
    let mut finding = draft::for_waiting(Kind::AbandonedResponse, close, connection);
    finding.severity = Severity::Warning;
    finding.cause = Some("client-gave-up".to_string());
    let subject = wording::subject(&close.label);
    let part = if close.begun { "part of the answer" } else { "no answer" };
    finding.headline = wording::headline(&format!("{subject}: {part}, the client left after {} of silence", wording::span(close.waited)));
    finding.advice.push(format!(
        "The client waited {} and left: look for what kept {} busy, or raise the client's response timeout.",
        wording::span(close.waited),
        connection.server_endpoint()
    ));
    if close.ends_at_close && close.begun {
        draft::lower(&mut finding, Confidence::Possible, "only the close tells the end of such an answer: it may have been whole");
    }
    if !close.framed {
        draft::lower(
            &mut finding,
            Confidence::Possible,
            "the connection is encrypted: that an answer was owed is inferred from who spoke last",
        );
    }
    Some(finding)
}

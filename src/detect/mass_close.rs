//! `mass-close`: many connections closed at the same moment.

use super::context::Context;
use super::{KindPage, draft, wording};
use crate::endpoint::{Direction, Endpoint};
use crate::observe::closes::MassClose;
use crate::report::{Finding, Kind, Severity};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::MassClose,
    title: "the server closed many connections at the same moment",
    seen: "Within half a second the server closed at least five connections whose idle times have nothing in common: no timer explains them, nor would four or five different ones.",
    why: "A reload, a restart, a scale-down or a deployment closes idle connections early. Requests that are under way at that moment race with the closes; they are few, but they come with every deployment.",
    not_a_problem: "Closes of connections that nobody uses at that moment cost nothing but new handshakes. A server that drains, and closes each connection behind its next answer over seconds or minutes, is not reported: nothing tells such closes from those of requests that end on their own, and none of them loses a request.",
    fix: "Nothing about timeouts. Let the server announce the end before it closes (`Connection: close`, GOAWAY), drain before it stops, and let clients retry once on a new connection.",
    basis: "nginx closes idle keep-alive connections on reload; Kubernetes removes endpoints while requests are under way. RFC 9112 section 9.6.",
};

/// Judges one event.
pub fn judge(server: Endpoint, event: &MassClose, context: &Context<'_>) -> Option<Finding> {
    let client = context.client_of(event.first.stream)?;
    let mut finding = draft::blank(Kind::MassClose, client, server, None);
    finding.severity = Severity::Info;
    finding.count = event.count;
    finding.headline = wording::headline(&format!(
        "The server closed {} within {}",
        wording::count(event.count, "connection"),
        wording::span(event.last.mark.time.since(event.first.mark.time).abs())
    ));
    finding.cause = Some("reload-or-shutdown".to_string());
    finding.reasons.push(format!(
        "their idle times lie between {} and {}: no timer explains them",
        wording::span(event.shortest),
        wording::span(event.longest)
    ));
    for (close, which) in [(event.first, "first"), (event.last, "last")] {
        let says = format!("the {which} of these closes, after {} idle", wording::span(close.idle));
        draft::evidence(&mut finding, close.mark, Direction::ServerToClient, says);
    }
    finding.wireshark_filter = wording::filter_of_server(server);
    finding.advice.push(format!("Look for a reload, restart or scale-down of {server} at this time; these closes are no idle timeout."));
    Some(finding)
}

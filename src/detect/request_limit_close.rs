//! `request-limit-close`: the server closes after a constant number of requests.

use super::context::Context;
use super::{KindPage, draft, wording};
use crate::endpoint::{Direction, Endpoint};
use crate::infer::timers::ServerKnowledge;
use crate::report::{Finding, Kind, Severity};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::RequestLimitClose,
    title: "the server closes connections after a constant number of requests",
    seen: "On at least three connections the server closed right after a response (within 50 ms), each time after the same number of requests, and no connection carried more. The client had not asked for the close.",
    why: "It looks like a close out of nothing and is easily mistaken for an idle timeout. A client that ignores `Connection: close` on the last response, or pipelines, loses its next request.",
    not_a_problem: "The limit is meant to free memory now and then. A client that honours `Connection: close` (or GOAWAY) only pays a handshake.",
    fix: "Raise the limit if handshakes matter: nginx keepalive_requests (1000; 100 before 1.19.10), Apache MaxKeepAliveRequests (100), Tomcat maxKeepAliveRequests (100). See that the client honours `Connection: close`.",
    basis: "RFC 9112 section 9.6. Sources of nginx, Apache httpd and Tomcat for the defaults (afterfin explain timeouts).",
};

/// Judges a server.
pub fn judge(server: Endpoint, known: &ServerKnowledge, context: &Context<'_>) -> Option<Finding> {
    let limit = known.count_limit?;
    let client = context.client_of(limit.example.stream)?;
    let mut finding = draft::blank(Kind::RequestLimitClose, client, server, None);
    finding.severity = Severity::Info;
    finding.count = limit.connections;
    finding.headline = wording::headline(&format!(
        "The server closed {} after exactly {} requests",
        wording::count(limit.connections, "connection"),
        limit.requests
    ));
    finding.cause = Some("request-limit".to_string());
    let says = format!("the server closes {} after its response to request number {}", wording::span(limit.example.idle), limit.requests);
    draft::evidence(&mut finding, limit.example.mark, Direction::ServerToClient, says);
    finding.wireshark_filter = wording::filter_of_server(server);
    finding.advice.push(format!(
        "These closes are no idle timeout. Where {} requests per connection are too few, raise the server's limit ({}).",
        limit.requests,
        crate::infer::products::named(&known.product).map_or(
            "keepalive_requests, MaxKeepAliveRequests or the like",
            |product| match product.name {
                "nginx" => "nginx: keepalive_requests",
                "Apache httpd" => "Apache: MaxKeepAliveRequests",
                "Tomcat" => "Tomcat: maxKeepAliveRequests",
                _ => "see the product's manual",
            }
        )
    ));
    Some(finding)
}

//! `age-limit-close`: the server closes connections at a constant age.

use super::context::Context;
use super::{KindPage, draft, wording};
use crate::endpoint::{Direction, Endpoint};
use crate::infer::timers::ServerKnowledge;
use crate::observe::samples::IMMEDIATE;
use crate::report::{Finding, Kind, Severity};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::AgeLimitClose,
    title: "the server closes connections at a constant age, whatever their traffic",
    seen: "At least three connections were closed by the server at the same time since their SYN, while the idle times before these closes are scattered (or they come right after a response, each time after another number of requests), and no connection was answered at a greater age.",
    why: "A limit on the age looks like an idle timeout that fails to repeat. Requests that are sent at that moment race with the close, however busy the connection is.",
    not_a_problem: "The limit spreads load and lets servers be replaced. A server that says so on its last response (`Connection: close`, GOAWAY) loses nothing.",
    fix: "Let the client give connections up at a lower age (maxLifetime, time to live), or raise the server's limit: nginx keepalive_time (1 h), gRPC MaxConnectionAge, AWS ALB client_keep_alive (1 h).",
    basis: "nginx ngx_http_core_module (keepalive_time, since 1.19.10), gRPC keepalive guide, AWS documentation (afterfin explain timeouts).",
};

/// Judges a server.
pub fn judge(server: Endpoint, known: &ServerKnowledge, context: &Context<'_>) -> Option<Finding> {
    let limit = known.age_limit?;
    let client = context.client_of(limit.example.stream)?;
    let mut finding = draft::blank(Kind::AgeLimitClose, client, server, None);
    finding.severity = Severity::Info;
    finding.count = limit.samples;
    finding.headline = wording::headline(&format!(
        "The server closed {} at an age of {}",
        wording::count(limit.samples, "connection"),
        wording::span(limit.age)
    ));
    finding.cause = Some("age-limit".to_string());
    let spread = wording::span(limit.spread);
    finding.reasons.push(if limit.idle.1 <= IMMEDIATE {
        let (least, most) = limit.requests;
        format!("these closes come right after a response, after {least} to {most} requests; the ages lie within {spread}")
    } else {
        let (shortest, longest) = (wording::span(limit.idle.0), wording::span(limit.idle.1));
        format!("the idle times before these closes lie between {shortest} and {longest}, the ages within {spread}")
    });
    let age = limit.example.age.unwrap_or(limit.age);
    let says = format!("the server closes, {} after the SYN and {} idle", wording::span(age), wording::span(limit.example.idle));
    draft::evidence(&mut finding, limit.example.mark, Direction::ServerToClient, says);
    finding.wireshark_filter = wording::filter_of_server(server);
    finding.advice.push(format!(
        "These closes are no idle timeout. Let clients give connections to {server} up before they are {} old, or raise the server's limit on the age.",
        wording::span(limit.age)
    ));
    Some(finding)
}

//! `connection-churn`: a connection for every request, to a server that would keep it.

use std::net::IpAddr;

use super::{KindPage, draft, wording};
use crate::endpoint::{Direction, Endpoint};
use crate::infer::churn;
use crate::observe::samples::ClientSamples;
use crate::report::{Finding, Kind, Severity};

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::ConnectionChurn,
    title: "a client opens a connection for every request to a server that would keep it",
    seen: "A client host opened at least twenty connections for one request each, two seconds or less apart on average, and closed each right after the response, although the server had not announced a close.",
    why: "Each costs a handshake (with TLS two and more round trips), leaves a socket in TIME_WAIT for a minute at the client, and takes a port of its range: some 28,000 of them for one destination, 470 connections a second for Linux' defaults.",
    not_a_problem: "Health checks and jobs that run now and then do so on purpose.",
    fix: "Let the client keep connections: share one client or pool instead of making one per request, enable keep-alive, read responses to their end, raise the pool's limit of idle connections per host.",
    basis: "RFC 9112 section 9.3. Linux: net.ipv4.ip_local_port_range 32768 to 60999, TCP_TIMEWAIT_LEN 60 s.",
};

/// Judges a client at a server.
pub fn judge(client: IpAddr, server: Endpoint, pair: &ClientSamples) -> Option<Finding> {
    let (_, mark) = pair.first_single.filter(|_| churn::is_churn(pair))?;
    let mut finding = draft::blank(Kind::ConnectionChurn, Endpoint::new(client, 0), server, None);
    finding.severity = Severity::Info;
    finding.headline = wording::headline(&format!(
        "{} for one request each, {} avoidable",
        wording::count(pair.single, "connection"),
        wording::count(pair.avoidable, "handshake")
    ));
    finding.cause = Some("no-keep-alive".to_string());
    let says = "the client closes right after the only response; the server had not announced a close".to_string();
    draft::evidence(&mut finding, mark, Direction::ClientToServer, says);
    finding.wireshark_filter = wording::filter_of_pair(client, server);
    finding.advice.push(format!(
        "Let {client} keep its connections to {server} and use them again: one shared client or pool, responses read to their end, idle connections kept for less than the server's keep-alive timeout."
    ));
    Some(finding)
}

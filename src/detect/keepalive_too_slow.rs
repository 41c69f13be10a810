//! `keepalive-too-slow`: TCP keepalive probes that start after the connection is already forgotten.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::Context;
use super::{KindPage, advice, draft, wording};
use crate::endpoint::{Direction, Endpoint, Role};
use crate::infer::timers::{ProbeTimers, ServerKnowledge};
use crate::observe::samples::ProbeSamples;
use crate::report::{Confidence, Finding, Kind, Severity};
use crate::tcp::half::Mark;
use crate::time::Span;

/// So many probes without an answer are no lost segment (semantics, `keepalive-unanswered`).
const PROBES: u32 = 2;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::KeepaliveTooSlow,
    title: "TCP keepalive probes start later than the timeout that kills the connection",
    seen: "One side sends keepalive probes after a silence that was measured (or several probes of one connection went unanswered from the first on, while the server's host was alive), and connections to the same server were found forgotten after a shorter silence.",
    why: "The probes are meant to keep the connection alive in the tables on the way, and come too late: they find it dead, or a request does.",
    not_a_problem: "Probes that are only meant to find dead peers may be slow. An idle timer of a server or an application proxy is not reset by probes at any rate.",
    fix: "Start probes at less than half of the shortest timeout on the way: TCP_KEEPIDLE for one socket, net.ipv4.tcp_keepalive_time for those that use the default. Or give idle connections up before.",
    basis: "RFC 1122 section 4.2.3.6, RFC 5382 REQ-5. Linux' default of 7200 s is longer than nearly every table on the way (350 s AWS NLB, 240 s Azure, 900 s IPVS).",
};

/// A train of probes: the silence before it, its connection, its first probe.
type Train = (Span, u64, Mark);

/// Trains of probes that were never answered, though the server's host was alive: the first probe came too late.
#[derive(Debug, Default)]
pub struct LateProbes(BTreeMap<(Endpoint, Role, IpAddr), Vec<Train>>);

impl LateProbes {
    /// Looks through all connections.
    pub fn gather(context: &Context<'_>) -> Self {
        let mut late = Self::default();
        for (_, connection) in context.connections.followed().filter(|(_, connection)| !connection.one_sided()) {
            for side in [connection.client, connection.client.other()] {
                let half = connection.half(side);
                let (Some(first), Some(heard)) = (half.first_pending_probe, connection.half(side.other()).last) else { continue };
                let server = connection.server_endpoint();
                // A host that is down answers no probe either, however early.
                if half.probes_pending >= PROBES && context.server_alive_elsewhere(server, connection.stream, first.time) {
                    let key = (server, connection.role(side), connection.client_endpoint().ip());
                    late.0.entry(key).or_default().push((first.time.since(heard.time), connection.stream, first));
                }
            }
        }
        late
    }

    /// The earliest train of `side` that began after `failed` or more of silence.
    fn earliest(&self, server: Endpoint, side: Role, client: Option<IpAddr>, failed: Span) -> Option<Train> {
        let of_client = |at: &&(Endpoint, Role, IpAddr)| at.0 == server && at.1 == side && client.is_none_or(|client| client == at.2);
        let trains = self.0.iter().filter(|(at, _)| of_client(at)).flat_map(|(_, trains)| trains);
        trains.filter(|(silence, ..)| *silence >= failed).min_by_key(|(silence, _, first)| (*silence, first.time, first.frame)).copied()
    }
}

/// Judges the probes of one side: of `client`, or of the server towards all of its clients.
pub fn judge(
    server: Endpoint,
    (side, client): (Role, Option<IpAddr>),
    known: &ServerKnowledge,
    timers: &ProbeTimers,
    seen: &ProbeSamples,
    (late, context): (&LateProbes, &Context<'_>),
) -> Option<Finding> {
    let failed = known.shortest_failed?;
    let usual = timers.idle.as_ref().filter(|timer| timer.value >= failed).map(|timer| (timer.value, timer.is_measured()));
    // Where connections have probes of their own each, no usual time shows: then those that found the connection dead speak.
    let ((starts, measured), (stream, mark)) = match (usual, late.earliest(server, side, client, failed)) {
        (Some(usual), _) => (usual, seen.first?),
        (None, Some((silence, stream, mark))) => ((silence, true), (stream, mark)),
        (None, None) => return None,
    };
    let client = context.client_of(stream)?;
    let mut finding = draft::blank(Kind::KeepaliveTooSlow, client, server, None);
    finding.severity = Severity::Warning;
    finding.headline = wording::headline(&format!(
        "The {} probes after {}, the connection is forgotten after {} or less",
        side.as_str(),
        wording::span(starts),
        wording::span(failed)
    ));
    finding.cause = Some("keepalive-too-slow".to_string());
    finding.wire_idle = Some(failed);
    let direction = if side == Role::Client { Direction::ClientToServer } else { Direction::ServerToClient };
    draft::evidence(&mut finding, mark, direction, format!("keepalive probe; such start after {} of silence", wording::span(starts)));
    finding.wireshark_filter = wording::filter_of_server(server);
    finding.advice.push(advice::probes_before(known.survived_wire.unwrap_or(failed).min(failed)));
    if !measured {
        draft::lower(&mut finding, Confidence::Likely, "fewer than three probes show when they start");
    }
    draft::lower(&mut finding, Confidence::Likely, "what forgets the connections cannot be told from one side alone");
    Some(finding)
}

//! `connect-failed`: new connections that were refused, not answered, or answered by the incarnation before.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::context::Context;
use super::draft;
use super::{KindPage, messages, wording};
use crate::app::Protocol;
use crate::endpoint::{Direction, Endpoint};
use crate::report::{Evidence, Finding, HandshakeView, Kind, Severity};
use crate::tcp::Connection;
use crate::tcp::facts::Seen;
use crate::tcp::half::Mark;
use crate::time::Span;

/// The first SYN is sent again after this (RFC 6298 section 2): before that, silence is no answer.
const FIRST_RETRANSMISSION: Span = Span::from_secs(1);
/// So many frames are named as examples.
const EXAMPLES: usize = 4;

/// The page of this kind.
pub const PAGE: KindPage = KindPage {
    kind: Kind::ConnectFailed,
    title: "new connections to a server that otherwise works were refused or not answered",
    seen: "A SYN was answered by an RST, by nothing at all, or by an ACK with the numbers of an earlier connection on the same ports (a challenge ACK), while other connections of the capture to the same endpoint stand.",
    why: "It tells what else went wrong in the same minutes: a server that restarts, a backlog that is full, ports that are used again too early. A challenge ACK costs a round trip or a second, not a request: the client resets the remains of the old connection and tries again.",
    not_a_problem: "It is not a connection that died of idleness. To endpoints without any standing connection nothing is said unless `--kind connect-failed` asks for it: port scans, health checks and servers that are off look like that.",
    fix: "Refused: nothing listens at that moment (restart, crash, wrong port). Not answered: a full backlog (`ss -lnt`, `nstat -az TcpExtListenDrops`), a packet filter, a host that is down. Challenge ACK: let the client take a wider range of ports, or keep connections instead of opening many.",
    basis: "RFC 9293 section 3.10.7, RFC 5961 section 4 (challenge ACK), RFC 6298 (a SYN is sent again after 1 s, 2 s, 4 s).",
};

#[derive(Default)]
struct Failures {
    refused: u64,
    unanswered: u64,
    challenged: u64,
    examples: Vec<(Mark, Direction, &'static str)>,
    icmp: u64,
}

/// One finding per client host and server.
pub fn judge(context: &Context<'_>) -> Vec<Finding> {
    let standing: BTreeSet<Endpoint> =
        context.connections.all().filter(|(_, seen)| stands(*seen)).map(|(_, seen)| seen.server_endpoint()).collect();
    let asked = context.asked.contains(Kind::ConnectFailed.as_str());
    let mut failures: BTreeMap<(IpAddr, Endpoint), Failures> = BTreeMap::new();
    for (at, connection) in context.connections.followed() {
        let server = connection.server_endpoint();
        if !asked && !standing.contains(&server) {
            continue;
        }
        let Some(example) = failure(at, connection, context) else { continue };
        let entry = failures.entry((connection.client_endpoint().ip(), server)).or_default();
        entry.add(example);
        entry.icmp += u64::from(connection.icmp_errors > 0);
    }
    failures.into_iter().map(|((client, server), failures)| failures.finding(client, server)).collect()
}

fn stands(seen: Seen<'_>) -> bool {
    match seen {
        Seen::Followed(connection) => connection.handshake.completed.is_some() || connection.server_half().data_end.is_some(),
        Seen::Ended(ended) => ended.facts.completed || ended.facts.server_half().has_payload,
    }
}

/// What failed, if the connection did not come about (or only after a challenge ACK).
fn failure(at: usize, connection: &Connection, context: &Context<'_>) -> Option<(Mark, Direction, Failure)> {
    let (side, syn, _) = connection.handshake.syn?;
    // The client answers a challenge with an RST and sends its SYN again. The RST may have been kept back by a packet filter on its host, or
    // not be captured: then it tells that nothing else ever answers. A late segment of the old connection is no challenge: a SYN-ACK follows.
    let waited = context.recorded_until(syn.time).since(syn.time);
    let again = connection.handshake.syn_count > 1;
    let reacts = again && connection.half(side).counts.rst > 0;
    let in_vain = connection.handshake.completed.is_none() && connection.handshake.syn_ack.is_none();
    let counts = &connection.half(side).counts;
    let only_opens = counts.segments == u64::from(counts.syn) + u64::from(counts.rst);
    let stuck = in_vain && only_opens && (again || waited >= FIRST_RETRANSMISSION);
    if let Some(mark) = context.observer.watch(at).and_then(|watch| watch.challenged).filter(|_| reacts || stuck) {
        return Some((mark, Direction::ServerToClient, Failure::Challenged));
    }
    match connection.handshake_view() {
        HandshakeView::Refused if connection.half(side).data_end.is_none() => {
            let mark = connection.reset.map_or(syn, |(_, reset)| reset.mark);
            Some((mark, Direction::ServerToClient, Failure::Refused))
        }
        HandshakeView::Unanswered => {
            let counts = &connection.half(side).counts;
            let only_syns = counts.segments == u64::from(counts.syn);
            (only_syns && (again || waited >= FIRST_RETRANSMISSION)).then_some((syn, Direction::ClientToServer, Failure::Unanswered))
        }
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Failure {
    Refused,
    Unanswered,
    Challenged,
}

impl Failures {
    fn add(&mut self, (mark, direction, failure): (Mark, Direction, Failure)) {
        let (count, says) = match failure {
            Failure::Refused => (&mut self.refused, "the SYN is refused by an RST"),
            Failure::Unanswered => (&mut self.unanswered, "SYN without an answer"),
            Failure::Challenged => (&mut self.challenged, "an ACK with old numbers instead of a SYN-ACK (challenge ACK)"),
        };
        *count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push((mark, direction, says));
        }
    }

    fn finding(self, client: IpAddr, server: Endpoint) -> Finding {
        let mut finding = draft::blank(Kind::ConnectFailed, Endpoint::new(client, 0), server, None);
        finding.severity = Severity::Info;
        finding.messages = messages::probable(messages::Seen::NoConnection, Protocol::Unknown);
        finding.count = self.refused + self.unanswered + self.challenged;
        let parts = [(self.refused, "refused"), (self.unanswered, "not answered"), (self.challenged, "answered by the old incarnation")];
        let parts: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        finding.headline = wording::headline(&format!("{}: {}", wording::count(finding.count, "failed connect"), parts.join(", ")));
        finding.wireshark_filter = wording::filter_of_pair(client, server);
        for (mark, direction, says) in self.examples {
            finding.evidence.push(Evidence { frame: mark.frame.into(), time: mark.time, direction, says: says.to_string() });
        }
        if self.icmp > 0 {
            finding.candidates.push(format!("ICMP errors came back for {}", wording::count(self.icmp, "connect")));
        }
        if self.refused > 0 {
            finding.candidates.push("refused: nothing listened at that moment (a restart, a crash)".to_string());
        }
        if self.unanswered > 0 {
            finding.candidates.push("not answered: a full backlog, a packet filter, or a host that was down".to_string());
        }
        if self.challenged > 0 {
            finding
                .candidates
                .push("old incarnation: the ports were used again before the server had forgotten them; a delay, not a loss".to_string());
        }
        finding
    }
}

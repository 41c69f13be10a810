//! What it cost: requests, connections held dead, handshakes, sockets in TIME_WAIT, ports.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::context::Context;
use crate::endpoint::{Endpoint, Role};
use crate::infer::churn;
use crate::report::{Cost, Finding, How, PortsInUse, Retried, Severity, StateView, TimeWait};
use crate::tcp::facts::Facts;
use crate::time::{Span, Timestamp};

/// A socket whose side closed first stays for so long (Linux: TCP_TIMEWAIT_LEN, include/net/tcp.h).
const TIME_WAIT: Span = Span::from_secs(60);

/// So many hosts, and so many pairs of client host and server endpoint, are shown.
const SHOWN: usize = 8;

/// So many intervals of the capture are shown.
const MOMENTS: i64 = 48;

/// What the findings and the connections cost.
pub fn cost(findings: &[Finding], context: &Context<'_>) -> Cost {
    let mut cost = Cost::default();
    for finding in findings.iter().filter(|finding| is_loss(finding)) {
        cost.requests_lost += finding.count;
        let next = finding.next.as_ref();
        cost.retried += u64::from(next.is_some_and(|next| matches!(next.retried, Retried::Yes | Retried::Probably)));
        cost.surfaced += u64::from(next.is_some_and(|next| next.surfaced.is_some()));
    }
    let mut use_of = Use::default();
    for (at, seen) in context.connections.all() {
        let watched = || {
            let span = context.observer.watch(at)?.half_closed.as_deref()?;
            Some((span.fin.time, span.ended.map_or(context.end, |(mark, _)| mark.time)))
        };
        if let Some((closed, ended)) = seen.half_closed().or_else(watched) {
            let until = ended.min(context.recorded_until(closed));
            cost.dead_held = cost.dead_held + until.since(closed).max(Span::ZERO);
            cost.dead_connections += 1;
        }
        use_of.add(&seen.facts(), context.end);
    }
    let pairs = context.observer.across.samples.servers.values().flat_map(|seen| seen.clients.values());
    cost.handshakes_avoidable = pairs.filter(|pair| churn::is_churn(pair)).map(|pair| pair.avoidable).sum();
    cost.time_wait = time_wait(use_of.by_host, use_of.first.unwrap_or_default(), context.end);
    cost.ports = ports(use_of.by_pair);
    cost
}

/// A request lost, each incident once.
pub fn is_loss(finding: &Finding) -> bool {
    finding.kind.is_request_loss() && finding.severity == Severity::Error && finding.consequence_of.is_none()
}

/// When a connection's first closer entered TIME_WAIT, its address and its side.
fn entered_time_wait(connection: &Facts) -> Option<(Timestamp, Endpoint, Role)> {
    let close = connection.close.filter(|close| close.how == How::Fin)?;
    let [low, high] = &connection.halves;
    let last = low.closed?.max(high.closed?);
    (connection.state == StateView::Closed).then_some((last, connection.key.endpoint(close.side), connection.role(close.side)))
}

/// The times during which sockets were in use.
#[derive(Debug, Default)]
struct Use {
    /// When the first connection began.
    first: Option<Timestamp>,
    /// When sockets entered TIME_WAIT, by host and side.
    by_host: BTreeMap<(IpAddr, Role), Vec<Timestamp>>,
    /// From when until when a port of a client host was in use towards a destination.
    by_pair: Vec<(IpAddr, Endpoint, Timestamp, Timestamp)>,
}

impl Use {
    fn add(&mut self, connection: &Facts, end: Timestamp) {
        let began = connection.first.time;
        self.first = Some(self.first.map_or(began, |first| first.min(began)));
        let over = matches!(connection.state, StateView::Closed | StateView::Reset);
        let mut until = if over { connection.latest } else { end };
        let client = connection.client_endpoint();
        if let Some((time, endpoint, role)) = entered_time_wait(connection) {
            self.by_host.entry((endpoint.ip(), role)).or_default().push(time);
            if endpoint == client {
                until = time + TIME_WAIT;
            }
        }
        self.by_pair.push((client.ip(), connection.server_endpoint(), began, until));
    }
}

fn time_wait(by_host: BTreeMap<(IpAddr, Role), Vec<Timestamp>>, first: Timestamp, end: Timestamp) -> Vec<TimeWait> {
    let mut hosts: Vec<(u64, IpAddr, Role, Vec<Timestamp>)> = by_host
        .into_iter()
        .map(|((host, role), mut times)| {
            times.sort_unstable();
            (most_at_once(times.iter().map(|time| (*time, *time + TIME_WAIT))), host, role, times)
        })
        .collect();
    hosts.sort_by_key(|(peak, host, role, _)| (Reverse(*peak), *host, *role));
    hosts.truncate(SHOWN);
    let waits = hosts.into_iter().map(|(peak, host, side, times)| TimeWait { host, side, peak, over_time: over_time(&times, first, end) });
    waits.collect()
}

/// How many of the sockets that entered TIME_WAIT at these times are in it, at evenly spaced moments of the capture.
fn over_time(times: &[Timestamp], first: Timestamp, end: Timestamp) -> Vec<(Timestamp, u64)> {
    let length = end.since(first).max(Span::ZERO);
    (0..=MOMENTS)
        .map(|moment| {
            let time = first + Span(length.nanos() / MOMENTS * moment);
            let entered = times.partition_point(|entered| *entered <= time);
            let left = times.partition_point(|entered| *entered + TIME_WAIT <= time);
            (time, entered.saturating_sub(left) as u64)
        })
        .collect()
}

/// The most ports that a client host had in use towards one destination, TIME_WAIT included.
fn ports(mut by_pair: Vec<(IpAddr, Endpoint, Timestamp, Timestamp)>) -> Vec<PortsInUse> {
    by_pair.sort_unstable();
    let mut ports: Vec<PortsInUse> = by_pair
        .chunk_by(|(client, server, ..), (other_client, other_server, ..)| (client, server) == (other_client, other_server))
        .filter_map(|spans| {
            let (client, server, ..) = *spans.first()?;
            Some(PortsInUse { client, server: server.into(), peak: most_at_once(spans.iter().map(|(.., begin, end)| (*begin, *end))) })
        })
        .collect();
    ports.sort_by_key(|ports| (Reverse(ports.peak), ports.client, ports.server));
    ports.truncate(SHOWN);
    ports
}

/// The largest number of spans that overlap; they come in the order of their beginnings.
fn most_at_once(spans: impl Iterator<Item = (Timestamp, Timestamp)> + Clone) -> u64 {
    let mut ends: Vec<Timestamp> = spans.clone().map(|(_, end)| end).collect();
    ends.sort_unstable();
    let mut ends = ends.into_iter().peekable();
    let (mut now, mut peak) = (0_u64, 0_u64);
    for (begin, _) in spans {
        while ends.next_if(|end| *end < begin).is_some() {
            now = now.saturating_sub(1);
        }
        now += 1;
        peak = peak.max(now);
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peak(spans: &[(i64, i64)]) -> u64 {
        most_at_once(spans.iter().map(|(begin, end)| (Timestamp(*begin), Timestamp(*end))))
    }

    #[test]
    fn spans_count_while_they_overlap() {
        assert_eq!(peak(&[]), 0);
        assert_eq!(peak(&[(0, 10), (5, 15), (20, 30)]), 2);
        assert_eq!(peak(&[(0, 100), (1, 2), (3, 4), (5, 6)]), 2);
    }
}

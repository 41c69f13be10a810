//! Idle timers per server endpoint and client host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cluster::{densest, width};
use crate::endpoint::Endpoint;
use crate::observe::samples::{Closes, Samples, ServerSamples};
use crate::report::{Timeout, TimerKind, TimerSide, TimerState};
use crate::time::Span;

/// A close so soon after the last payload is no idle timeout (catalogue D6: a close after a count of requests follows within 50 ms).
const SHORTEST_TIMER: Span = Span::from_millis(200);
/// Samples that make a timer `measured` (semantics, «Timeouts»).
const MEASURED_FROM: usize = 3;
/// A gap survived by so much more than a timer contradicts it.
const CONTRADICTION: Span = Span::from_secs(1);
/// A request this close to the server's timeout met it.
const AT_TIMEOUT: Span = Span::from_millis(100);

/// The idle timer of one server endpoint or of one client host towards it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTimer {
    /// Median.
    pub value: Span,
    /// Interquartile range.
    pub spread: Span,
    /// Samples in the cluster.
    pub samples: usize,
    /// Measured or suggested.
    pub state: TimerState,
    /// All samples (connection, idle), for leaving one out.
    all: Vec<(u64, Span)>,
}

/// What is known of one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ServerKnowledge {
    /// The server's own idle timer.
    pub server: Option<ServerTimer>,
    /// Clients' idle timers, by host.
    pub clients: BTreeMap<IpAddr, ServerTimer>,
    /// The longest gap after which a request was answered, by client host.
    pub survived: BTreeMap<IpAddr, Span>,
    /// The longest such gap of any client.
    pub longest_survived: Option<Span>,
    /// The shortest gap after which a request met no state or silence.
    pub shortest_failed: Option<Span>,
    /// `Keep-Alive: timeout=`.
    pub announced: Option<u32>,
    /// What the server says it is.
    pub product: String,
}

/// All timers.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    /// By server endpoint.
    pub servers: BTreeMap<Endpoint, ServerKnowledge>,
}

impl Timers {
    /// Infers the timers from the samples.
    pub fn infer(samples: &Samples) -> Self {
        let servers = samples.servers.iter().map(|(endpoint, samples)| (*endpoint, knowledge(samples))).collect();
        Self { servers }
    }

    /// What is known of `server`.
    pub fn of(&self, server: Endpoint) -> Option<&ServerKnowledge> {
        self.servers.get(&server)
    }

    /// The server's idle timer.
    pub fn server_timer(&self, server: Endpoint) -> Option<&ServerTimer> {
        self.of(server).and_then(|known| known.server.as_ref())
    }

    /// Whether `idle` is the server's measured timeout, by the samples of other connections than `stream`.
    pub fn is_at_timeout(&self, server: Endpoint, idle: Span, stream: u64, rtt: Option<Span>) -> bool {
        let Some(timer) = self.server_timer(server) else { return false };
        let mut others: Vec<Span> = timer.all.iter().filter(|(other, _)| *other != stream).map(|(_, idle)| *idle).collect();
        others.sort_unstable();
        let Some(cluster) = densest(&others).filter(|cluster| cluster.samples >= MEASURED_FROM) else { return false };
        let tolerance = AT_TIMEOUT.max(cluster.spread).max(Span(cluster.median.nanos() / 100 * 3)).max(rtt.unwrap_or(Span::ZERO));
        (idle - cluster.median).abs() <= tolerance
    }

    /// The rows of the report's table of timers.
    pub fn rows(&self) -> Vec<Timeout> {
        let mut rows = Vec::new();
        for (endpoint, known) in &self.servers {
            if let Some(timer) = &known.server {
                let mut row = timer.row(*endpoint, None, TimerSide::Server);
                row.announced = known.announced.map(|seconds| Span::from_secs(i64::from(seconds)));
                row.low = known.longest_survived;
                rows.push(row);
            }
            for (client, timer) in &known.clients {
                rows.push(timer.row(*endpoint, Some(*client), TimerSide::Client));
            }
            if let Some(high) = known.shortest_failed {
                rows.push(Timeout {
                    server: (*endpoint).into(),
                    client: None,
                    host: None,
                    side: TimerSide::Path,
                    what: TimerKind::Idle,
                    announced: None,
                    state: TimerState::Bracket,
                    value: None,
                    count: None,
                    low: known.longest_survived.filter(|low| *low < high),
                    high: Some(high),
                    samples: 1,
                    spread: None,
                    known: Vec::new(),
                });
            }
        }
        rows
    }
}

impl ServerTimer {
    fn row(&self, server: Endpoint, client: Option<IpAddr>, side: TimerSide) -> Timeout {
        Timeout {
            server: server.into(),
            client,
            host: None,
            side,
            what: TimerKind::Idle,
            announced: None,
            state: self.state,
            value: Some(self.value),
            count: None,
            low: None,
            high: None,
            samples: self.samples as u64,
            spread: Some(self.spread),
            known: Vec::new(),
        }
    }
}

fn knowledge(samples: &ServerSamples) -> ServerKnowledge {
    let longest_survived = samples.longest_survived();
    let server = timer(samples.by_server.list.iter().map(|close| (close.stream, close.idle)), longest_survived);
    let mut clients = BTreeMap::new();
    for host in hosts(&samples.by_client) {
        let own = samples.by_client.list.iter().filter(|close| close.client == host).map(|close| (close.stream, close.idle));
        let survived = samples.survived.get(&host).map(|(span, _)| *span);
        if let Some(timer) = timer(own, survived) {
            clients.insert(host, timer);
        }
    }
    ServerKnowledge {
        server,
        clients,
        survived: samples.survived.iter().map(|(host, (span, _))| (*host, *span)).collect(),
        longest_survived,
        shortest_failed: samples.failed.iter().map(|(span, _)| *span).min(),
        announced: samples.announced,
        product: samples.product.clone(),
    }
}

fn hosts(closes: &Closes) -> Vec<IpAddr> {
    let mut hosts: Vec<IpAddr> = closes.list.iter().map(|close| close.client).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn timer(samples: impl Iterator<Item = (u64, Span)>, survived: Option<Span>) -> Option<ServerTimer> {
    let all: Vec<(u64, Span)> = samples.filter(|(_, idle)| *idle >= SHORTEST_TIMER).collect();
    let mut sorted: Vec<Span> = all.iter().map(|(_, idle)| *idle).collect();
    sorted.sort_unstable();
    let cluster = densest(&sorted)?;
    if survived.is_some_and(|survived| survived > cluster.median + CONTRADICTION) || cluster.spread > width(cluster.median) {
        return None;
    }
    let state = if cluster.samples >= MEASURED_FROM { TimerState::Measured } else { TimerState::Suggested };
    Some(ServerTimer { value: cluster.median, spread: cluster.spread, samples: cluster.samples, state, all })
}

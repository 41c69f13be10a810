//! The hops that requests take, client → proxy → server, as far as the capture shows them, each with the timers of both sides and the one
//! rule: whoever reuses a connection lets go of it first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::elsewhere::{ClientTimers, Elsewhere};
use super::maker::{self, Agents, Maker};
use super::timers::{ServerKnowledge, Timer, Timers};
use crate::app::Protocol;
use crate::endpoint::Endpoint;
use crate::observe::legs::{Legs, Relation};
use crate::observe::samples::{ClientSamples, Samples, SeenGap, ServerSamples};
use crate::options::Assumption;
use crate::report::TimerState;
use crate::tcp::Connections;
use crate::tcp::half::Mark;
use crate::time::Span;

/// Timers tick this coarsely, on top of the round trip (catalogue S-02: 1 to 5 s is what the vendors of load balancers ask for).
const GRANULARITY: Span = Span::from_secs(1);
/// A timer is known to within so much, or 3 % (the accuracy that the lab's recordings are held to).
const AS_MEASURED: Span = Span::from_millis(100);
/// So many pairs of connections on which the same requests went on make a proxy of two addresses: one may be a coincidence.
const LINK_FROM: usize = 2;
/// A path of proxies longer than this is a loop.
const LONGEST_PATH: u32 = 8;

/// One side's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideTimer {
    /// The value.
    pub value: Span,
    /// Interquartile range.
    pub spread: Span,
    /// Samples behind it; 0 if the user said so.
    pub samples: u64,
    /// How well it is known.
    pub state: TimerState,
}

impl SideTimer {
    /// What a hop needs of a timer.
    pub const fn of(timer: &Timer) -> Self {
        Self { value: timer.value, spread: timer.spread, samples: timer.samples, state: timer.state }
    }
}

/// One hop: a client host and the server endpoint that it talks to.
#[derive(Clone, Debug)]
pub struct ChainHop {
    /// Who reuses.
    pub client: IpAddr,
    /// Whom it talks to.
    pub server: Endpoint,
    /// The host name whose timer `server_timer` is, where several behind the address differ.
    pub host: Option<Arc<str>>,
    /// The client's idle timer.
    pub client_timer: Option<SideTimer>,
    /// Where it is not seen here: the client's timer on its connections to another server.
    pub elsewhere: Option<Elsewhere>,
    /// The longest idle time that the client let pass without closing: a lower bound of its timer.
    pub held: Option<SeenGap>,
    /// The longest gap after which it sent a request.
    pub reused: Option<SeenGap>,
    /// The server's idle timer.
    pub server_timer: Option<SideTimer>,
    /// The longest gap after which the server answered this client.
    pub survived: Option<Span>,
    /// A table between them: the longest silence survived and the shortest that failed.
    pub path: (Option<Span>, Option<Span>),
    /// Idle connections of this client that the server closed first.
    pub closed_by_server: u64,
    /// The first of them.
    pub first_closed_by_server: Option<(u64, Mark)>,
    /// Connections that the client used more than once.
    pub reused_connections: u64,
    /// Round trip at the vantage.
    pub rtt: Span,
    /// The client is itself a server on the hop before.
    pub client_is_proxy: bool,
    /// Which product the client is.
    pub client_maker: Option<Maker>,
    /// What they speak.
    pub protocol: Protocol,
    /// What the server calls itself.
    pub server_product: Arc<str>,
    /// Its connections are another hop's, seen behind address translation.
    pub translated: bool,
    /// Hops before it.
    pub depth: u32,
}

impl ChainHop {
    /// How much earlier the client has to let go: a round trip each way, what the timers were seen to scatter, and their granularity.
    pub fn margin(&self) -> Span {
        let twice = Span(self.rtt.nanos().saturating_mul(2));
        GRANULARITY.max(twice).max(self.scatter())
    }

    fn scatter(&self) -> Span {
        let spread = |timer: &Option<SideTimer>| timer.map_or(Span::ZERO, |timer| timer.spread);
        spread(&self.client_timer) + spread(&self.server_timer)
    }

    /// What is known of the time for which the client keeps an idle connection: its timer; or its timer on another server, but no less
    /// than the longest that it kept one here; or that alone.
    pub fn client_keeps(&self) -> Option<Span> {
        match self.client_timer {
            Some(timer) => Some(timer.value),
            None => self.elsewhere.map(|seen| seen.timer.value).max(self.kept()),
        }
    }

    /// The longest that the client is known to have kept, or to keep, an idle connection to this very server.
    pub fn kept(&self) -> Option<Span> {
        self.client_timer.map(|timer| timer.value).or(self.held.map(|gap| gap.idle))
    }

    /// Whoever reuses lets go first; `None`: the capture does not show both sides.
    pub fn in_order(&self) -> Option<bool> {
        let slack = self.rtt + self.scatter();
        match (self.client_timer, self.server_timer) {
            (Some(client), Some(server)) => Some(client.value + slack < server.value),
            (Some(_), None) => (self.closed_by_server == 0).then_some(true),
            (None, Some(server)) => {
                // Where the server closed first, the timer that it used then may differ from the median by what timers differ.
                let near = if self.closed_by_server > 0 { AS_MEASURED.max(Span(server.value.nanos() / 100 * 3)) } else { Span::ZERO };
                let beyond = self.held.is_some_and(|gap| gap.idle + slack.max(near) >= server.value);
                (beyond && self.reused_connections > 0).then_some(false)
            }
            (None, None) => None,
        }
    }

    /// The value above which the server's timer is safe.
    pub fn raise_to(&self) -> Option<Span> {
        self.client_keeps().map(|keeps| keeps + self.margin())
    }

    /// The value below which the client's timer is safe.
    pub fn lower_to(&self) -> Option<Span> {
        let server = self.server_timer?.value;
        Some((server - self.margin()).max(Span(server.nanos() / 2)))
    }
}

/// The hops of which anything is known, front first.
pub fn hops(samples: &Samples, timers: &Timers, legs: &Legs, connections: &Connections, assumptions: &[Assumption]) -> Vec<ChainHop> {
    let servers: BTreeMap<IpAddr, Vec<Endpoint>> = samples.servers.keys().fold(BTreeMap::new(), |mut by_ip, endpoint| {
        by_ip.entry(endpoint.ip()).or_insert_with(Vec::new).push(*endpoint);
        by_ip
    });
    let mut fronts: BTreeMap<IpAddr, BTreeSet<Endpoint>> = BTreeMap::new();
    let clients: BTreeSet<IpAddr> = samples.servers.values().flat_map(|seen| seen.clients.keys().copied()).collect();
    for client in clients {
        if let Some(own) = servers.get(&client) {
            fronts.entry(client).or_default().extend(own);
        }
    }
    let (proxied, translated) = links(legs, connections);
    for ((front, sender), pairs) in proxied {
        if pairs >= LINK_FROM {
            fronts.entry(sender).or_default().insert(front);
        }
    }
    let mut hops: Vec<ChainHop> = Vec::with_capacity(samples.servers.values().map(|seen| seen.clients.len()).sum());
    let mut agents = Agents::default();
    for (server, seen) in &samples.servers {
        let Some(known) = timers.of(*server) else { continue };
        let host = known.hosts.iter().min_by_key(|(_, timer)| timer.value).map(|(host, _)| Arc::from(host.as_str()));
        let names = (host, Arc::from(known.product.as_str()));
        for (client, pair) in &seen.clients {
            let own: Vec<Endpoint> = fronts.get(client).into_iter().flatten().copied().filter(|front| front != server).collect();
            hops.push(hop((*client, pair), (*server, known, &names), &own, (samples, &mut agents), assumptions));
        }
    }
    let client_timers = ClientTimers::gather(timers);
    for hop in hops.iter_mut().filter(|hop| hop.client_timer.is_none()) {
        hop.elsewhere = client_timers.of(hop.client, hop.server, hop.protocol, hop.held.map(|gap| gap.idle));
    }
    for hop in &mut hops {
        hop.translated = translated.contains(&(hop.client, hop.server));
    }
    let depths = depths(&hops, &fronts);
    for (hop, depth) in hops.iter_mut().zip(depths) {
        hop.depth = depth;
    }
    hops.retain(|hop| hop.client_timer.is_some() || hop.held.is_some() || hop.server_timer.is_some() || hop.path.1.is_some());
    hops.sort_by_key(|hop| (hop.depth, hop.server, hop.client));
    hops
}

/// The host name behind a server whose timer is the shortest, and what the server calls itself: of all of its hops.
type Names = (Option<Arc<str>>, Arc<str>);

fn hop(
    (client, pair): (IpAddr, &ClientSamples),
    (server, known, (host, product)): (Endpoint, &ServerKnowledge, &Names),
    fronts: &[Endpoint],
    (samples, agents): (&Samples, &mut Agents),
    assumptions: &[Assumption],
) -> ChainHop {
    let of_client = known.clients.get(&client);
    let measured_client = of_client.and_then(|pair| pair.timer.as_ref()).map(SideTimer::of);
    let measured_server = known.server.as_ref().map(SideTimer::of);
    let taken: Vec<&ServerSamples> = fronts.iter().filter_map(|front| samples.servers.get(front)).collect();
    let client_maker = if taken.is_empty() {
        agents.of_client(pair)
    } else {
        samples.servers.get(&server).and_then(|behind| maker::of_proxy(pair, &taken, behind))
    };
    ChainHop {
        client,
        server,
        host: host.clone(),
        client_timer: known_or_assumed(measured_client, assumptions, "client", || vec![client.to_string()]),
        elsewhere: None,
        held: pair.held,
        reused: pair.reused,
        server_timer: known_or_assumed(measured_server, assumptions, "server", || vec![server.to_string(), server.ip().to_string()]),
        survived: pair.survived.map(|gap| gap.idle),
        path: (known.survived_wire, known.shortest_failed),
        closed_by_server: pair.closed_by_server,
        first_closed_by_server: pair.first_closed_by_server,
        reused_connections: pair.reused_connections,
        rtt: pair.rtt.unwrap_or(Span::ZERO),
        client_is_proxy: !fronts.is_empty(),
        client_maker,
        protocol: known.protocol,
        server_product: Arc::clone(product),
        translated: false,
        depth: 0,
    }
}

/// A measured timer stays; what the user knows stands where the capture shows less.
fn known_or_assumed(
    seen: Option<SideTimer>,
    assumptions: &[Assumption],
    role: &str,
    names: impl FnOnce() -> Vec<String>,
) -> Option<SideTimer> {
    if assumptions.is_empty() || seen.is_some_and(|timer| timer.state == TimerState::Measured) {
        return seen;
    }
    let names = names();
    let by_name = assumptions.iter().find(|assumption| names.contains(&assumption.who));
    let assumed = by_name.or_else(|| assumptions.iter().find(|assumption| assumption.who == role));
    assumed.map(|assumption| SideTimer { value: assumption.timeout, spread: Span::ZERO, samples: 0, state: TimerState::Suggested }).or(seen)
}

/// The endpoint that takes requests and the host that sends them on → pairs of connections.
type Proxied = BTreeMap<(Endpoint, IpAddr), usize>;

/// The addresses of proxies (the endpoint that takes requests, the host that sends them on; how many pairs of connections), and the pairs of
/// client host and server endpoint that are another one's second leg behind address translation.
fn links(legs: &Legs, connections: &Connections) -> (Proxied, BTreeSet<(IpAddr, Endpoint)>) {
    let (mut proxied, mut translated) = (Proxied::new(), BTreeSet::new());
    for link in &legs.links {
        let (Some(first), Some(second)) = (connections.seen(link.first), connections.seen(link.second)) else { continue };
        let (client, server) = (second.client_endpoint().ip(), second.server_endpoint());
        match link.relation {
            Relation::Proxy => *proxied.entry((first.server_endpoint(), client)).or_default() += 1,
            Relation::Nat if (first.client_endpoint().ip(), first.server_endpoint()) != (client, server) => {
                translated.insert((client, server));
            }
            Relation::Nat => {}
        }
    }
    (proxied, translated)
}

/// How many hops lie before each.
fn depths(hops: &[ChainHop], fronts: &BTreeMap<IpAddr, BTreeSet<Endpoint>>) -> Vec<u32> {
    let mut by_server: BTreeMap<Endpoint, u32> = BTreeMap::new();
    for _ in 0..LONGEST_PATH {
        let mut changed = false;
        for hop in hops {
            let depth = depth_of(hop, fronts, &by_server);
            let known = by_server.entry(hop.server).or_insert(0);
            if depth > *known {
                *known = depth;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    hops.iter().map(|hop| depth_of(hop, fronts, &by_server).min(LONGEST_PATH)).collect()
}

fn depth_of(hop: &ChainHop, fronts: &BTreeMap<IpAddr, BTreeSet<Endpoint>>, by_server: &BTreeMap<Endpoint, u32>) -> u32 {
    let before = fronts.get(&hop.client).into_iter().flatten().filter(|front| **front != hop.server);
    before.map(|front| by_server.get(front).map_or(1, |depth| depth.saturating_add(1))).max().unwrap_or(0).min(LONGEST_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;
    use crate::time::Timestamp;

    #[allow(clippy::cast_possible_truncation)] // small numbers of a test
    fn span(seconds: f64) -> Span {
        Span((seconds * 1e9) as i64)
    }

    #[allow(clippy::unnecessary_wraps)] // as the field has it
    fn timer(seconds: f64, samples: u64) -> Option<SideTimer> {
        Some(SideTimer { value: span(seconds), spread: Span::ZERO, samples, state: TimerState::Measured })
    }

    #[allow(clippy::unnecessary_wraps)] // as the field has it
    fn gap(seconds: f64) -> Option<SeenGap> {
        Some(SeenGap { idle: span(seconds), stream: 0, mark: Mark { frame: FrameId::new(0, 1), time: Timestamp(0) } })
    }

    fn hop() -> ChainHop {
        ChainHop {
            client: IpAddr::from([10, 0, 0, 5]),
            server: Endpoint::v4([10, 0, 1, 9], 80),
            host: None,
            client_timer: None,
            elsewhere: None,
            held: None,
            reused: None,
            server_timer: None,
            survived: None,
            path: (None, None),
            closed_by_server: 0,
            first_closed_by_server: None,
            reused_connections: 3,
            rtt: Span::from_millis(2),
            client_is_proxy: false,
            client_maker: None,
            protocol: Protocol::Http1,
            server_product: Arc::default(),
            translated: false,
            depth: 0,
        }
    }

    #[test]
    fn order_follows_the_rule_that_whoever_reuses_lets_go_first() {
        let cases = [
            (timer(1.0, 5), timer(3.0, 5), None, 0, Some(true)),
            (timer(60.0, 5), timer(10.0, 5), None, 0, Some(false)),
            (timer(10.0, 5), timer(10.0, 5), None, 0, Some(false)),
            (timer(1.0, 5), None, None, 0, Some(true)),
            (None, timer(10.0, 41), gap(298.0), 0, Some(false)),
            (None, timer(10.0, 41), gap(10.0), 5, Some(false)),
            (None, timer(10.0, 41), gap(4.0), 0, None),
            (None, None, gap(40.0), 0, None),
        ];
        for (client_timer, server_timer, held, closed_by_server, expected) in cases {
            let hop = ChainHop { client_timer, held, server_timer, closed_by_server, ..hop() };
            assert_eq!(hop.in_order(), expected, "{hop:?}");
        }
    }

    #[test]
    fn client_that_never_reuses_is_not_out_of_order() {
        let hop = ChainHop { server_timer: timer(10.0, 9), held: gap(10.0), closed_by_server: 9, reused_connections: 0, ..hop() };
        assert_eq!(hop.in_order(), None);
    }

    #[test]
    fn values_to_set_keep_the_margin() {
        let long = ChainHop { server_timer: timer(10.0, 41), held: gap(298.0), ..hop() };
        assert_eq!((long.raise_to(), long.lower_to()), (Some(Span::from_secs(299)), Some(Span::from_secs(9))));
        let far = ChainHop { rtt: Span::from_secs(2), ..long };
        assert_eq!((far.margin(), far.lower_to()), (Span::from_secs(4), Some(Span::from_secs(6))));
        let short = ChainHop { server_timer: timer(1.5, 3), held: gap(4.0), ..hop() };
        assert_eq!(short.lower_to(), Some(Span::from_millis(750)));
    }

    #[test]
    fn assumption_stands_where_nothing_was_measured() {
        let assume = [
            Assumption { who: "client".into(), timeout: Span::from_secs(300) },
            Assumption { who: "10.0.0.5".into(), timeout: Span::from_secs(60) },
        ];
        let of = |seen, name: &str| known_or_assumed(seen, &assume, "client", || vec![name.to_string()]).map(|timer| timer.value);
        assert_eq!(of(None, "10.0.0.9"), Some(Span::from_secs(300)));
        assert_eq!(of(None, "10.0.0.5"), Some(Span::from_secs(60)));
        assert_eq!(of(timer(7.0, 4), "10.0.0.5"), Some(Span::from_secs(7)));
    }
}

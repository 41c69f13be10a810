//! What `infer` measures timers with, by server endpoint, client host and host name: idle times and what ended them, gaps survived,
//! keepalive probes, counts and ages. Everything is bounded; counts go on when the lists are full.

use std::collections::BTreeMap;
use std::net::IpAddr;

use arrayvec::ArrayString;
use hashbrown::HashMap;

use super::closes::{CloseFacts, Closes};
use super::distribution::Distribution;
use super::told::{Answered, Teller};
use crate::app::{Hand, Protocol};
use crate::endpoint::{Endpoint, Side};
use crate::tcp::half::Mark;
use crate::time::{Span, Timestamp};

/// So many server endpoints are told apart.
const KEPT_SERVERS: usize = 65_536;
/// So many pairs of client host and server endpoint are told apart.
const KEPT_CLIENTS: usize = 131_072;
/// So many host names are told apart behind one endpoint.
const KEPT_HOSTS: usize = 64;
/// So many host names are remembered.
const KEPT_NAMES: usize = 16_384;
/// So many different counts of requests before a close are told apart.
const KEPT_COUNTS: usize = 32;
/// So many closes right after a response are kept whole.
const KEPT_IMMEDIATE: usize = 64;
/// So many names of one client are told apart.
const KEPT_AGENTS: usize = 4;
/// So many failed gaps are kept per endpoint.
const KEPT_FAILED: usize = 64;
/// A close so soon after a response was not caused by idleness (catalogue D6).
pub const IMMEDIATE: Span = Span::from_millis(50);

/// The name of a host behind an address: an index into [`Samples::names`], 0 for none.
pub type HostId = u32;

/// Where a gap was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenGap {
    /// How long.
    pub idle: Span,
    /// Connection.
    pub stream: u64,
    /// The segment that ended it.
    pub mark: Mark,
}

/// Closes right after a response, by the number of requests before them.
#[derive(Clone, Debug, Default)]
pub struct ImmediateCloses {
    /// Number of requests → how many closes, and the first of them.
    pub by_requests: BTreeMap<u32, (u64, CloseFacts)>,
    /// The first of them, whole.
    pub facts: Vec<CloseFacts>,
    /// All of them.
    pub count: u64,
}

/// Keepalive probes of one side.
#[derive(Clone, Debug, Default)]
pub struct ProbeSamples {
    /// Silence before the first probe of a train.
    pub idle: Distribution,
    /// Time between unanswered probes.
    pub interval: Distribution,
    /// Unanswered probes before the prober gave up → how often.
    pub gave_up_after: BTreeMap<u32, u64>,
    /// The first probe seen.
    pub first: Option<(u64, Mark)>,
}

/// What was seen of one host name behind an endpoint.
#[derive(Clone, Debug, Default)]
pub struct HostSamples {
    /// Idle times before closes by the server.
    pub idle: Distribution,
    /// Gaps after which a request was answered.
    pub survived: Distribution,
}

/// What was seen of one client host at one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ClientSamples {
    /// Closes by the client while nothing was outstanding, once there is one.
    pub closes: Option<Box<Closes>>,
    /// The longest gap after which a request was answered.
    pub survived: Option<SeenGap>,
    /// The longest gap after which a request was sent at all.
    pub reused: Option<SeenGap>,
    /// The longest idle time at the end of which the client still had not closed (it sent a request, or the server closed).
    pub held: Option<SeenGap>,
    /// Idle connections of this client that the server closed first.
    pub closed_by_server: u64,
    /// The first of them.
    pub first_closed_by_server: Option<(u64, Mark)>,
    /// Connections.
    pub connections: u64,
    /// Connections that carried more than one request.
    pub reused_connections: u64,
    /// Connections that the client closed right after their only response, though the server would have kept them.
    pub single: u64,
    /// Of these, followed by another connection soon after.
    pub avoidable: u64,
    /// The last such close, until another connection follows.
    pub last_single: Option<Timestamp>,
    /// The first of them.
    pub first_single: Option<(u64, Mark)>,
    /// First and last connection.
    pub first_opened: Option<Timestamp>,
    /// See `first_opened`.
    pub last_opened: Option<Timestamp>,
    /// Largest round trip at the vantage.
    pub rtt: Option<Span>,
    /// Keepalive probes of this client, once there is one.
    pub probes: Option<Box<ProbeSamples>>,
    /// How it writes.
    pub hand: Hand,
    /// What it says it is, each once.
    pub agents: Vec<ArrayString<32>>,
}

/// What was seen of one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ServerSamples {
    /// Closes by the server while nothing was outstanding.
    pub by_server: Closes,
    /// Closes by the server right after a response.
    pub immediate: ImmediateCloses,
    /// By host name, where the client says it.
    pub hosts: BTreeMap<HostId, HostSamples>,
    /// By client host; filled by [`Samples::finish`]. Boxed: most servers have few clients, and a map makes room for eleven at once.
    pub clients: BTreeMap<IpAddr, Box<ClientSamples>>,
    /// Gaps after which a request was answered.
    pub survived: Distribution,
    /// The longest silence of the wire after which a request was answered: what tables on the way allow.
    pub survived_wire: Option<Span>,
    /// Silences of the wire after which a request met no state or silence, and their connections.
    pub failed: Vec<(Span, u64)>,
    /// `Keep-Alive: timeout=` as last announced.
    pub announced: Option<u32>,
    /// What the server says it is.
    pub product: String,
    /// How it writes.
    pub hand: Hand,
    /// What it speaks.
    pub protocol: Protocol,
    /// The most requests that a connection carried.
    pub most_requests: u32,
    /// The greatest age at which a connection was answered.
    pub oldest: Span,
    /// Keepalive probes of the server.
    pub probes: ProbeSamples,
}

/// Where the samples of one connection are kept: looked up once, not with every segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    server: Option<u32>,
    client: Option<u32>,
    /// The side that was the client then: a guess may change.
    client_side: Option<Side>,
}

impl Place {
    /// Forgets what was looked up for other roles.
    fn follow(&mut self, teller: &Teller) {
        if self.client_side != Some(teller.client) {
            *self = Self { client_side: Some(teller.client), ..Self::default() };
        }
    }
}

/// All samples.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// By server endpoint, in order; filled by [`Self::finish`].
    pub servers: BTreeMap<Endpoint, ServerSamples>,
    /// Host names by their number less one.
    pub names: Vec<ArrayString<48>>,
    numbers: BTreeMap<ArrayString<48>, HostId>,
    seen_servers: Vec<(Endpoint, ServerSamples)>,
    #[allow(clippy::vec_box)] // the boxes themselves are put in order at the end
    seen_clients: Vec<(u32, IpAddr, Box<ClientSamples>)>,
    server_numbers: HashMap<Endpoint, u32, ahash::RandomState>,
    client_numbers: HashMap<(u32, IpAddr), u32, ahash::RandomState>,
}

impl Samples {
    /// The samples of a connection's server; `None` when too many were seen.
    pub fn server(&mut self, place: &mut Place, teller: &Teller) -> Option<&mut ServerSamples> {
        let number = self.server_number(place, teller)?;
        self.seen_servers.get_mut(number as usize).map(|(_, samples)| samples)
    }

    /// The samples of a connection's client at its server; `None` when too many were seen.
    pub fn client(&mut self, place: &mut Place, teller: &Teller) -> Option<&mut ClientSamples> {
        let number = self.client_number(place, teller)?;
        self.seen_clients.get_mut(number as usize).map(|(.., samples)| &mut **samples)
    }

    fn client_number(&mut self, place: &mut Place, teller: &Teller) -> Option<u32> {
        let server = self.server_number(place, teller)?;
        if place.client.is_some() {
            return place.client;
        }
        let client = teller.client_endpoint().ip();
        if let Some(known) = self.client_numbers.get(&(server, client)) {
            place.client = Some(*known);
            return place.client;
        }
        let number = u32::try_from(self.seen_clients.len()).ok().filter(|_| self.seen_clients.len() < KEPT_CLIENTS)?;
        self.seen_clients.push((server, client, Box::default()));
        self.client_numbers.insert((server, client), number);
        place.client = Some(number);
        place.client
    }

    fn server_number(&mut self, place: &mut Place, teller: &Teller) -> Option<u32> {
        place.follow(teller);
        if place.server.is_some() {
            return place.server;
        }
        let server = teller.server_endpoint();
        if let Some(known) = self.server_numbers.get(&server) {
            place.server = Some(*known);
            return place.server;
        }
        let number = u32::try_from(self.seen_servers.len()).ok().filter(|_| self.seen_servers.len() < KEPT_SERVERS)?;
        self.seen_servers.push((server, ServerSamples::default()));
        self.server_numbers.insert(server, number);
        place.server = Some(number);
        place.server
    }

    /// The number of a host name.
    pub fn host(&mut self, name: &ArrayString<48>) -> HostId {
        if let Some(known) = self.numbers.get(name) {
            return *known;
        }
        let Some(number) = u32::try_from(self.names.len() + 1).ok().filter(|_| self.names.len() < KEPT_NAMES) else { return 0 };
        self.names.push(*name);
        self.numbers.insert(*name, number);
        number
    }

    /// The name with this number.
    pub fn name(&self, host: HostId) -> Option<&str> {
        self.names.get(usize::try_from(host).ok()?.checked_sub(1)?).map(ArrayString::as_str)
    }

    /// The server closed a connection while nothing was outstanding.
    pub fn server_close(&mut self, place: &mut Place, teller: &Teller, host: HostId, close: CloseFacts, asked_for: bool) {
        let Some(samples) = self.server(place, teller) else { return };
        samples.close(host, close, asked_for);
        if close.idle > IMMEDIATE
            && let Some(pair) = self.client(place, teller)
        {
            pair.closed_by_server += 1;
            pair.first_closed_by_server.get_or_insert((close.stream, close.mark));
            longest(&mut pair.held, SeenGap { idle: close.idle, stream: close.stream, mark: close.mark });
        }
    }

    /// The client closed a connection while nothing was outstanding.
    pub fn client_close(&mut self, place: &mut Place, teller: &Teller, close: CloseFacts) {
        if let Some(pair) = self.client(place, teller)
            && close.idle > IMMEDIATE
        {
            pair.closes.get_or_insert_with(Box::default).add(close);
        }
    }

    /// A request after an idle gap was answered.
    pub fn survived(&mut self, place: &mut Place, teller: &Teller, host: HostId, gap: SeenGap, wire_idle: Option<Span>) {
        let Some(samples) = self.server(place, teller) else { return };
        samples.survived.add(gap.stream, gap.idle);
        samples.survived_wire = samples.survived_wire.max(wire_idle);
        if let Some(of_host) = samples.host(host) {
            of_host.survived.add(gap.stream, gap.idle);
        }
        if let Some(pair) = self.client(place, teller) {
            longest(&mut pair.survived, gap);
        }
    }

    /// A request was sent after an idle gap.
    pub fn reused(&mut self, place: &mut Place, teller: &Teller, gap: SeenGap) {
        if let Some(pair) = self.client(place, teller) {
            longest(&mut pair.reused, gap);
            longest(&mut pair.held, gap);
        }
    }

    /// A request after an idle gap met no state or silence.
    pub fn failed(&mut self, place: &mut Place, teller: &Teller, wire_idle: Span) {
        if let Some(samples) = self.server(place, teller)
            && samples.failed.len() < KEPT_FAILED
        {
            samples.failed.push((wire_idle, teller.stream));
        }
    }

    /// What the server says of itself.
    pub fn announced(&mut self, place: &mut Place, teller: &Teller, answer: &Answered) {
        if answer.keep_alive_timeout.is_none() && answer.product.is_empty() && answer.hand == Hand::Unknown {
            return;
        }
        if let Some(samples) = self.server(place, teller) {
            samples.announced = answer.keep_alive_timeout.or(samples.announced);
            samples.hand = samples.hand.and(answer.hand);
            if samples.product.is_empty() {
                samples.product.push_str(&answer.product);
            }
        }
    }

    /// What a client says of itself in the first request of a connection.
    pub fn introduced(&mut self, place: &mut Place, teller: &Teller, product: &ArrayString<32>, hand: Hand) {
        let Some(pair) = self.client(place, teller) else { return };
        pair.hand = pair.hand.and(hand);
        if !product.is_empty() && pair.agents.len() < KEPT_AGENTS && !pair.agents.contains(product) {
            pair.agents.reserve_exact(1); // most have one
            pair.agents.push(*product);
        }
    }

    /// The capture ends: judges the closes of the last moments and puts everything in order.
    pub fn finish(&mut self) {
        for (server, client, mut pair) in std::mem::take(&mut self.seen_clients) {
            if let Some(closes) = pair.closes.as_deref_mut() {
                closes.flush();
            }
            if let Some((_, samples)) = self.seen_servers.get_mut(server as usize) {
                samples.clients.insert(client, pair);
            }
        }
        for (endpoint, mut samples) in std::mem::take(&mut self.seen_servers) {
            samples.by_server.flush();
            self.servers.insert(endpoint, samples);
        }
        self.server_numbers = HashMap::default();
        self.client_numbers = HashMap::default();
    }
}

impl ServerSamples {
    /// The server closed a connection while nothing was outstanding.
    pub fn close(&mut self, host: HostId, close: CloseFacts, asked_for: bool) {
        if close.idle > IMMEDIATE {
            self.by_server.add(close);
            if let Some(of_host) = self.host(host) {
                of_host.idle.add(close.stream, close.idle);
            }
        } else if !asked_for {
            self.immediate.add(close);
        }
    }

    fn host(&mut self, host: HostId) -> Option<&mut HostSamples> {
        if host == 0 || (self.hosts.len() >= KEPT_HOSTS && !self.hosts.contains_key(&host)) {
            return None;
        }
        Some(self.hosts.entry(host).or_default())
    }
}

impl ImmediateCloses {
    /// Takes in a close right after a response.
    pub fn add(&mut self, close: CloseFacts) {
        self.count += 1;
        if self.facts.len() < KEPT_IMMEDIATE {
            self.facts.push(close);
        }
        if self.by_requests.len() < KEPT_COUNTS || self.by_requests.contains_key(&close.requests) {
            self.by_requests.entry(close.requests).or_insert((0, close)).0 += 1;
        }
    }
}

fn longest(known: &mut Option<SeenGap>, gap: SeenGap) {
    if known.is_none_or(|known| gap.idle > known.idle) {
        *known = Some(gap);
    }
}

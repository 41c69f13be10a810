//! Idle times and what ended them, by server endpoint and client host: what `infer` measures timers with. Bounded per endpoint; counts go
//! on when the lists are full.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::endpoint::Endpoint;
use crate::time::Span;

/// So many closes are kept per server endpoint.
const KEPT_CLOSES: usize = 4096;
/// So many server endpoints and pairs are kept.
const KEPT_ENDPOINTS: usize = 65_536;

/// One close of an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleClose {
    /// Connection.
    pub stream: u64,
    /// Client host.
    pub client: IpAddr,
    /// Application idle before it.
    pub idle: Span,
    /// It was an RST.
    pub by_rst: bool,
}

/// Closes by one side of the connections to one server.
#[derive(Clone, Debug, Default)]
pub struct Closes {
    /// The first so many.
    pub list: Vec<IdleClose>,
    /// All of them.
    pub count: u64,
}

impl Closes {
    fn add(&mut self, close: IdleClose) {
        self.count += 1;
        if self.list.len() < KEPT_CLOSES {
            self.list.push(close);
        }
    }
}

/// What was seen of one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ServerSamples {
    /// Closes by the server while nothing was outstanding.
    pub by_server: Closes,
    /// Closes by clients while nothing was outstanding.
    pub by_client: Closes,
    /// The longest gap after which a request was answered, by client host.
    pub survived: BTreeMap<IpAddr, (Span, u64)>,
    /// Gaps after which a request met no state or silence.
    pub failed: Vec<(Span, u64)>,
    /// `Keep-Alive: timeout=` as last announced.
    pub announced: Option<u32>,
    /// What the server says it is.
    pub product: String,
}

impl ServerSamples {
    /// The longest gap survived by any client's connection.
    pub fn longest_survived(&self) -> Option<Span> {
        self.survived.values().map(|(span, _)| *span).max()
    }
}

/// All samples.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// By server endpoint, in order.
    pub servers: BTreeMap<Endpoint, ServerSamples>,
}

impl Samples {
    fn of(&mut self, server: Endpoint) -> Option<&mut ServerSamples> {
        if self.servers.len() >= KEPT_ENDPOINTS && !self.servers.contains_key(&server) {
            return None;
        }
        Some(self.servers.entry(server).or_default())
    }

    /// The server closed an idle connection.
    pub fn server_close(&mut self, server: Endpoint, close: IdleClose) {
        if let Some(samples) = self.of(server) {
            samples.by_server.add(close);
        }
    }

    /// The client closed an idle connection.
    pub fn client_close(&mut self, server: Endpoint, close: IdleClose) {
        if let Some(samples) = self.of(server) {
            samples.by_client.add(close);
        }
    }

    /// A request after an idle gap was answered.
    pub fn survived(&mut self, server: Endpoint, client: IpAddr, idle: Span, stream: u64) {
        if let Some(samples) = self.of(server) {
            if samples.survived.len() >= KEPT_CLOSES && !samples.survived.contains_key(&client) {
                return;
            }
            let longest = samples.survived.entry(client).or_insert((idle, stream));
            if idle > longest.0 {
                *longest = (idle, stream);
            }
        }
    }

    /// A request after an idle gap met no state or silence.
    pub fn failed(&mut self, server: Endpoint, idle: Span, stream: u64) {
        if let Some(samples) = self.of(server)
            && samples.failed.len() < KEPT_CLOSES
        {
            samples.failed.push((idle, stream));
        }
    }

    /// What the server says of itself.
    pub fn announced(&mut self, server: Endpoint, timeout: Option<u32>, product: &str) {
        if timeout.is_none() && product.is_empty() {
            return;
        }
        if let Some(samples) = self.of(server) {
            samples.announced = timeout.or(samples.announced);
            if samples.product.is_empty() {
                samples.product.push_str(product);
            }
        }
    }
}

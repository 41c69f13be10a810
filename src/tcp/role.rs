//! Who is the client when no SYN was captured: a guess, and shown as one.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::endpoint::{Endpoint, Side};
use crate::frame::Order;

/// Ports above 1023 on which servers listen so commonly that the other side is taken for the client
/// (IANA service registry, and the defaults of the products in the table of known timeouts).
const KNOWN_SERVER_PORTS: [u16; 40] = [
    1433, 1521, 1883, 2049, 2181, 2375, 2379, 3000, 3128, 3306, 3389, 4222, 4317, 5000, 5044, 5060, 5222, 5432, 5601, 5671, 5672, 5900,
    6379, 6443, 7000, 7001, 8000, 8008, 8080, 8081, 8088, 8443, 8883, 8888, 9000, 9042, 9092, 9200, 11211, 27017,
];
/// So many servers are remembered.
pub const REMEMBERED_SERVERS: usize = 65_536;

/// Servers, and where the first segment stands that showed each to be one.
pub type ServerPlaces = HashMap<Endpoint, Order, ahash::RandomState>;

/// Endpoints that were seen to accept connections.
#[derive(Debug)]
pub enum KnownServers {
    /// Learnt while the segments pass.
    Learnt(HashSet<Endpoint, ahash::RandomState>),
    /// Known from the whole capture, of which only some connections are followed here; and where these stand now.
    Given(Arc<ServerPlaces>, Order),
}

impl Default for KnownServers {
    fn default() -> Self {
        Self::Learnt(HashSet::default())
    }
}

impl KnownServers {
    /// A SYN or SYN-ACK showed that `endpoint` is a server.
    pub fn learn(&mut self, endpoint: Endpoint) {
        if let Self::Learnt(servers) = self
            && servers.len() < REMEMBERED_SERVERS
        {
            servers.insert(endpoint);
        }
    }

    fn contains(&self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Learnt(servers) => servers.contains(endpoint),
            Self::Given(places, now) => places.get(endpoint).is_some_and(|first| first < now),
        }
    }

    /// The side that is probably the client: the other one is a known server, has a known port, or the lower port.
    pub fn guess_client(&self, low: Endpoint, high: Endpoint) -> Side {
        let by_history = (self.contains(&low), self.contains(&high));
        let by_port = (is_service(low.port()), is_service(high.port()));
        let by_range = (low.port() < 1024, high.port() < 1024);
        for (low_is_server, high_is_server) in [by_history, by_range, by_port] {
            match (low_is_server, high_is_server) {
                (true, false) => return Side::High,
                (false, true) => return Side::Low,
                _ => {}
            }
        }
        if low.port() <= high.port() { Side::High } else { Side::Low }
    }
}

fn is_service(port: u16) -> bool {
    port < 1024 || KNOWN_SERVER_PORTS.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ports_are_sorted() {
        assert!(KNOWN_SERVER_PORTS.is_sorted());
    }

    #[test]
    fn low_port_is_the_server() {
        let (web, client) = (Endpoint::v4([10, 0, 0, 1], 80), Endpoint::v4([10, 0, 0, 2], 8080));
        assert_eq!(KnownServers::default().guess_client(web, client), Side::High);
    }

    #[test]
    fn history_beats_the_port() {
        let (web, client) = (Endpoint::v4([10, 0, 0, 1], 80), Endpoint::v4([10, 0, 0, 2], 45_000));
        let mut known = KnownServers::default();
        known.learn(client);
        assert_eq!(known.guess_client(web, client), Side::Low);
    }
}

//! Which connections carry a request on: a proxy takes a request on one connection and sends it on another, often from another address.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::endpoint::Endpoint;
use crate::tcp::half::Position;
use crate::time::{Span, Timestamp};

/// A proxy sends a request on within this (it may wait for a connection of its own first).
const SENT_ON_WITHIN: Span = Span::from_millis(200);
/// So many requests are remembered for it.
const REMEMBERED: usize = 64;
/// So many links are told apart.
const KEPT_LINKS: usize = 4096;

/// A recognised request as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest {
    /// Names what it asks for, 0: nothing to compare.
    pub label: u64,
    /// Client host.
    pub client: IpAddr,
    /// Server.
    pub server: Endpoint,
    /// When.
    pub time: Timestamp,
    /// Its first sequence number: address translation keeps it, a proxy has its own.
    pub start: Position,
}

/// Servers whose requests another host sends on.
#[derive(Clone, Debug, Default)]
pub struct Links {
    recent: VecDeque<SentRequest>,
    /// (endpoint that takes the requests, host that sends them on) → how often.
    pub seen: BTreeMap<(Endpoint, IpAddr), u64>,
}

impl Links {
    /// A request was sent.
    pub fn request(&mut self, request: SentRequest) {
        if request.label == 0 {
            return;
        }
        while self.recent.front().is_some_and(|old| request.time.since(old.time) > SENT_ON_WITHIN) || self.recent.len() >= REMEMBERED {
            self.recent.pop_front();
        }
        let same_number = |front: &SentRequest| front.start & 0xffff_ffff == request.start & 0xffff_ffff;
        let translated = self.recent.iter().any(|front| front.label == request.label && same_number(front));
        let front = self.recent.iter().rev().filter(|_| !translated).find(|front| {
            front.label == request.label
                && front.client != request.client
                && front.server != request.server
                && request.time.since(front.time) >= Span::ZERO
        });
        if let Some(front) = front {
            let link = (front.server, request.client);
            if self.seen.len() < KEPT_LINKS || self.seen.contains_key(&link) {
                *self.seen.entry(link).or_default() += 1;
            }
        }
        self.recent.push_back(request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client: u8, server: u8, at_millis: i64, start: Position) -> SentRequest {
        SentRequest {
            label: 7,
            client: IpAddr::from([10, 0, 0, client]),
            server: Endpoint::v4([10, 0, 0, server], 80),
            time: Timestamp(at_millis * 1_000_000),
            start,
        }
    }

    #[test]
    fn request_sent_on_from_another_address_is_a_link() {
        let mut links = Links::default();
        links.request(request(1, 2, 0, 100));
        links.request(request(3, 4, 5, 900));
        assert_eq!(links.seen.keys().copied().collect::<Vec<_>>(), [(Endpoint::v4([10, 0, 0, 2], 80), IpAddr::from([10, 0, 0, 3]))]);
    }

    #[test]
    fn translated_address_another_client_and_a_late_request_are_no_links() {
        let mut links = Links::default();
        links.request(request(1, 2, 0, 100));
        links.request(request(5, 2, 0, 700));
        links.request(request(3, 4, 1, 100));
        links.request(request(3, 4, 900, 800));
        assert!(links.seen.is_empty(), "{:?}", links.seen);
    }
}

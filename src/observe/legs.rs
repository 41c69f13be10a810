//! Legs: the same connection seen under another 4-tuple (NAT), and the two connections of a proxied request.
//!
//! NAT keeps sequence numbers and timestamps: a SYN with the same initial sequence number and timestamp value under another 4-tuple, within
//! moments, is the same SYN. A proxy opens its own connection: the same request begins on it while the caller's request is open. Both are
//! links, not merges: each leg keeps its number and its facts. Everything is bounded.
//!
//! A capture of two interfaces has their frames in blocks, out of time order by up to a second: an answered request stays known for so long,
//! and is a front leg for what began before its answer.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::tcp::half::Mark;
use crate::time::{Span, Timestamp};

/// A translated SYN is forwarded within this.
const FORWARDED_WITHIN: Span = Span::from_secs(1);
/// So many SYNs are remembered.
const REMEMBERED_SYNS: usize = 8192;
/// So many requests are open under one label at most; more are not linked (which one is meant could not be told anyway).
const OPEN_UNDER_ONE_LABEL: usize = 64;
/// So many labels are watched.
const OPEN_LABELS: usize = 16_384;
/// Frames of two interfaces are out of order by so much at most: the longest that dumpcap and tcpdump keep a block (1 s).
const OUT_OF_ORDER: Span = Span::from_secs(1);
/// So many answered requests are remembered meanwhile.
const REMEMBERED_ANSWERED: usize = 65_536;
/// So many emptied lists are kept for use.
const SPARE_LISTS: usize = 64;
/// So many links are kept.
const KEPT_LINKS: usize = 1 << 20;

/// How two connections belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The same connection before and after address translation.
    Nat,
    /// A proxy's front and back connection.
    Proxy,
}

impl Relation {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Proxy => "proxy",
        }
    }
}

/// Whose request a proxy passes on, as far as the capture shows the proxy's other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// It cannot be told: several open requests ask for the same.
    #[default]
    Unknown,
    /// No open request of another host asks for the same.
    Nobody,
    /// This host's.
    Host(IpAddr),
}

impl Caller {
    /// Whether two requests may have been sent for the same caller.
    pub fn may_be(self, other: Self) -> bool {
        match (self, other) {
            (Self::Host(one), Self::Host(two)) => one == two,
            // The proxy's callers are in the capture, and none asks: a health check, or another client behind the same address.
            (Self::Host(_), Self::Nobody) => false,
            _ => true,
        }
    }
}

/// Two connections that belong together, by index; `first` was seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The connection seen first (the front leg of a proxy).
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How.
    pub relation: Relation,
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    connection: usize,
    mark: Mark,
    client: Endpoint,
    server: Endpoint,
    /// When the request was answered.
    answered: Option<Timestamp>,
}

/// Initial sequence number and timestamp value of a SYN.
type SynNumbers = (u32, Option<u32>);

/// Looks for legs while the stream passes.
#[derive(Debug, Default)]
pub struct Legs {
    syns: HashMap<SynNumbers, Opening, ahash::RandomState>,
    order: VecDeque<SynNumbers>,
    open: HashMap<u64, Vec<Opening>, ahash::RandomState>,
    /// Answered requests that are still known: when, which label, which connection.
    answered: VecDeque<(Timestamp, u64, usize)>,
    /// Emptied lists, to be used again: no allocation per request.
    spare: Vec<Vec<Opening>>,
    /// The links, in the order in which they were seen; each once.
    pub links: Vec<Link>,
}

impl Legs {
    /// A SYN opened a connection.
    pub fn syn(&mut self, isn: u32, timestamp: Option<u32>, connection: usize, mark: Mark, client: Endpoint, server: Endpoint) {
        let key = (isn, timestamp);
        if let Some(Opening { connection: first, mark: seen, client: other_client, server: other_server, .. }) =
            self.syns.get(&key).copied()
        {
            let near = mark.time.since(seen.time).abs() <= FORWARDED_WITHIN;
            // Without a timestamp the number alone must do: then one endpoint at least is the same.
            let same_end = client == other_client || server == other_server || client.port() == other_client.port();
            if near && first != connection && (timestamp.is_some() || same_end) {
                self.link(Link { first, second: connection, relation: Relation::Nat });
                return;
            }
        }
        if self.syns.insert(key, Opening { connection, mark, client, server, answered: None }).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > REMEMBERED_SYNS
            && let Some(oldest) = self.order.pop_front()
        {
            self.syns.remove(&oldest);
        }
    }

    /// A request began; `label` names what it asks for (0: cannot be told).
    pub fn request(&mut self, label: u64, connection: usize, mark: Mark, client: Endpoint, server: Endpoint) -> Caller {
        if label == 0 {
            return Caller::Unknown;
        }
        let new = Opening { connection, mark, client, server, answered: None };
        let spare = &mut self.spare;
        let full = self.open.len() >= OPEN_LABELS;
        let list = match self.open.entry(label) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => return Caller::Nobody,
            Entry::Vacant(place) => place.insert(spare.pop().unwrap_or_default()),
        };
        let around = Around::of(&new, list);
        if let Some(own) = around.own {
            list.remove(own);
        }
        if list.len() < OPEN_UNDER_ONE_LABEL {
            list.push(new);
        }
        let (front, caller) = around.front();
        if let Some(front) = front {
            self.link(Link { first: front, second: connection, relation: Relation::Proxy });
        } else if let Some((_, back)) = around.back {
            self.link(Link { first: connection, second: back, relation: Relation::Proxy });
        }
        caller
    }

    /// The request of `connection` under `label` is answered.
    pub fn answered(&mut self, label: u64, connection: usize, time: Timestamp) {
        let open = self.open.get_mut(&label).and_then(|list| list.iter_mut().find(|open| open.connection == connection));
        if let Some(open) = open.filter(|open| open.answered.is_none()) {
            open.answered = Some(time);
            self.answered.push_back((time, label, connection));
        }
        while let Some((since, label, connection)) = self.answered.front().copied()
            && (time.since(since) > OUT_OF_ORDER || self.answered.len() > REMEMBERED_ANSWERED)
        {
            self.answered.pop_front();
            self.forget(label, |open| open.connection == connection && open.answered == Some(since));
        }
    }

    /// Nothing more will come of the request of `connection` under `label`; an answered one stays known for a moment.
    pub fn given_up(&mut self, label: u64, connection: usize) {
        self.forget(label, |open| open.connection == connection && open.answered.is_none());
    }

    fn forget(&mut self, label: u64, is_it: impl Fn(&Opening) -> bool) {
        if let Some(list) = self.open.get_mut(&label) {
            if let Some(at) = list.iter().position(is_it) {
                list.swap_remove(at);
            }
            if list.is_empty()
                && let Some(list) = self.open.remove(&label)
                && self.spare.len() < SPARE_LISTS
            {
                self.spare.push(list);
            }
        }
    }

    fn link(&mut self, link: Link) {
        let known = self.links.iter().rev().take(256).any(|other| *other == link);
        if !known && self.links.len() < KEPT_LINKS {
            self.links.push(link);
        }
    }
}

/// When and in which frame a request began: the order in which requests are compared.
type Began = (Timestamp, FrameId);

/// What a list of open requests says about a new one under the same label; one pass over it, because it may be long and is read with every
/// request.
#[derive(Debug, Default)]
struct Around {
    /// Where the list has an earlier request of the same connection.
    own: Option<usize>,
    /// The latest open request to the host that sends the new one, its connection and its client: what the new one was made for.
    host_front: Option<(Began, usize, Endpoint)>,
    /// Such requests come from several hosts.
    several_hosts: bool,
    /// The first unanswered request of another host, and whether there is a second.
    other: Option<(usize, Endpoint)>,
    several_others: bool,
    /// The earliest request that was made for the new one, read before it though it was sent after it: of the host that the new one goes to.
    back: Option<(Began, usize)>,
}

impl Around {
    fn of(new: &Opening, list: &[Opening]) -> Self {
        let mut around = Self::default();
        for (at, open) in list.iter().enumerate() {
            if open.connection == new.connection {
                around.own = Some(at);
                continue;
            }
            let began = (open.mark.time, open.mark.frame);
            if open.client.is_on_host_of(&new.server) {
                let delay = open.mark.time.since(new.mark.time);
                if delay >= Span::ZERO && delay <= OUT_OF_ORDER && around.back.is_none_or(|(known, _)| began < known) {
                    around.back = Some((began, open.connection));
                }
            }
            let was_open = open.answered.is_none_or(|answered| open.mark.time <= new.mark.time && answered >= new.mark.time);
            if !was_open || open.client.is_on_host_of(&new.client) {
                continue;
            }
            if open.server.is_on_host_of(&new.client) {
                around.several_hosts |= around.host_front.is_some_and(|(.., client)| !client.is_on_host_of(&open.client));
                if around.host_front.is_none_or(|(known, ..)| began >= known) {
                    around.host_front = Some((began, open.connection, open.client));
                }
            }
            if open.answered.is_none() {
                around.several_others |= around.other.is_some();
                around.other = around.other.or(Some((open.connection, open.client)));
            }
        }
        around
    }

    /// The open request that the new one was made for: the one to its host, or the only one there is to another server.
    fn front(&self) -> (Option<usize>, Caller) {
        match (self.host_front, self.other) {
            (Some((_, connection, client)), _) => {
                (Some(connection), if self.several_hosts { Caller::Unknown } else { Caller::Host(client.ip()) })
            }
            (None, Some(_)) if self.several_others => (None, Caller::Unknown),
            (None, Some((connection, client))) => (Some(connection), Caller::Host(client.ip())),
            (None, None) => (None, Caller::Nobody),
        }
    }
}

/// A number for a label, 0 for an empty one: to link a proxy's front and back request (FNV-1a).
pub fn label_hash(label: &str) -> u64 {
    if label.is_empty() {
        return 0;
    }
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn mark(frame: u64) -> Mark {
        Mark { frame: FrameId::new(0, frame), time: Timestamp::new(0, i64::try_from(frame).unwrap_or(0) * 1000) }
    }

    fn end(host: u8, port: u16) -> Endpoint {
        Endpoint::v4([10, 0, 0, host], port)
    }

    #[test]
    fn translated_syn_links_two_connections_once() {
        let mut legs = Legs::default();
        legs.syn(1000, Some(7), 0, mark(1), end(1, 4000), end(2, 80));
        legs.syn(1000, Some(7), 1, mark(2), end(1, 4000), end(3, 8080));
        legs.syn(1000, Some(7), 1, mark(3), end(1, 4000), end(3, 8080));
        assert_eq!(legs.links, [Link { first: 0, second: 1, relation: Relation::Nat }]);
    }

    #[test]
    fn same_number_of_two_hosts_without_timestamps_is_no_leg() {
        let mut legs = Legs::default();
        legs.syn(0, None, 0, mark(1), end(1, 4000), end(2, 80));
        legs.syn(0, None, 1, mark(2), end(5, 4001), end(6, 81));
        assert_eq!(legs.links, []);
    }

    #[test]
    fn proxied_request_links_front_and_back() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(1), end(1, 4000), end(2, 80));
        legs.request(9, 1, mark(2), end(2, 5000), end(3, 80));
        assert_eq!(legs.links, [Link { first: 0, second: 1, relation: Relation::Proxy }]);
    }

    #[test]
    fn caller_is_known_while_one_host_asks_and_unknown_while_several_do() {
        let mut legs = Legs::default();
        assert_eq!(legs.request(9, 0, mark(1), end(1, 4000), end(2, 80)), Caller::Nobody);
        assert_eq!(legs.request(9, 1, mark(2), end(2, 5000), end(3, 80)), Caller::Host(end(1, 0).ip()));
        legs.request(9, 2, mark(3), end(7, 4000), end(2, 80));
        assert_eq!(legs.request(9, 3, mark(4), end(2, 5001), end(3, 80)), Caller::Unknown);
        assert_eq!(legs.request(0, 4, mark(5), end(2, 5002), end(3, 80)), Caller::Unknown);
    }

    #[test]
    fn answered_request_is_no_front() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(1), end(1, 4000), end(2, 80));
        legs.answered(9, 0, mark(2).time);
        legs.request(9, 1, mark(3), end(2, 5000), end(3, 80));
        assert_eq!(legs.links, []);
    }

    #[test]
    fn request_sent_on_before_the_answer_but_read_after_it_is_linked() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(1), end(1, 4000), end(2, 80));
        legs.answered(9, 0, mark(5).time);
        legs.given_up(9, 0);
        legs.request(9, 1, mark(3), end(2, 5000), end(3, 80));
        assert_eq!(legs.links, [Link { first: 0, second: 1, relation: Relation::Proxy }]);
    }

    #[test]
    fn request_sent_on_but_read_before_its_front_is_linked_in_the_order_of_time() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(3), end(2, 5000), end(3, 80));
        legs.answered(9, 0, mark(4).time);
        legs.request(9, 1, mark(1), end(1, 4000), end(2, 80));
        assert_eq!(legs.links, [Link { first: 1, second: 0, relation: Relation::Proxy }]);
    }

    #[test]
    fn request_of_the_proxy_itself_before_is_no_back_leg() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(1), end(2, 5000), end(3, 80));
        legs.answered(9, 0, mark(2).time);
        legs.request(9, 1, mark(3), end(1, 4000), end(2, 80));
        assert_eq!(legs.links, []);
    }

    #[test]
    fn answered_requests_are_forgotten_after_a_moment() {
        let mut legs = Legs::default();
        for number in 0..10_u64 {
            let at = Mark { frame: FrameId::new(0, number), time: Timestamp::new(i64::try_from(number).unwrap() * 2, 0) };
            legs.request(number + 1, 0, at, end(1, 4000), end(2, 80));
            legs.answered(number + 1, 0, at.time);
        }
        assert_eq!((legs.open.len(), legs.answered.len()), (1, 1));
    }

    #[test]
    fn second_request_of_the_same_client_is_no_back_leg() {
        let mut legs = Legs::default();
        legs.request(9, 0, mark(1), end(1, 4000), end(2, 80));
        legs.request(9, 1, mark(2), end(1, 4001), end(2, 80));
        assert_eq!(legs.links, []);
    }
}

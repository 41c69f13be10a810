//! What the detectors may look at besides their case: the timers, the other connections, the end of the capture.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::foreign::Foreign;
use crate::endpoint::Endpoint;
use crate::infer::{ChainHop, Timers};
use crate::observe::legs::Relation;
use crate::observe::path::HopChange;
use crate::observe::{Case, Observer};
use crate::options::Thresholds;
use crate::report::{HandshakeView, How};
use crate::tcp::Connections;
use crate::tcp::facts::Seen;
use crate::time::{Span, Timestamp};

/// Connections to one server that die within this of each other died of one event (a restart).
const SAME_MOMENT: Span = Span::from_secs(1);
/// Waits that differ by no more than this are equal, or by 1 %.
const SAME_WAIT: Span = Span::from_millis(200);
/// So many connections that die together speak for a restart (catalogue S-13).
const RESTART_FROM: usize = 3;

/// So many legs of one connection are shown.
const KEPT_LEGS: usize = 16;

/// The surroundings of a case.
#[derive(Debug)]
pub struct Context<'a> {
    /// Every connection.
    pub connections: &'a Connections,
    /// What was observed.
    pub observer: &'a Observer,
    /// Which timers are at work.
    pub timers: &'a Timers,
    /// The hops of the path.
    pub hops: &'a [ChainHop],
    /// Thresholds.
    pub thresholds: Thresholds,
    /// Time of the last frame.
    pub end: Timestamp,
    /// Where the recording stood still (or two were joined): the last time before and the first after each.
    pub pauses: Vec<(Timestamp, Timestamp)>,
    /// Kinds that the user names.
    pub asked: BTreeSet<String>,
    /// What other 4-tuples say.
    pub foreign: Foreign,
    /// Hops that connections left for another without an idle gap: a router took over.
    failovers: BTreeSet<(u16, u16)>,
    /// Waits after which servers closed with an answer outstanding, sorted.
    waits: BTreeMap<Endpoint, Vec<Span>>,
    servers: BTreeMap<Endpoint, ServerActivity>,
    legs: BTreeMap<usize, Vec<(usize, Relation)>>,
    by_pair: BTreeMap<(IpAddr, Endpoint), usize>,
}

/// When one server endpoint was last heard, and when its connections were reset without a close.
#[derive(Debug, Default)]
struct ServerActivity {
    /// The two latest times and their connections.
    latest: [Option<(Timestamp, u64)>; 2],
    /// Times of reply RSTs.
    lost: Vec<Timestamp>,
    /// Times of SYNs that were never answered.
    unanswered: Vec<Timestamp>,
}

impl<'a> Context<'a> {
    /// Gathers what the detectors need.
    pub fn new(
        connections: &'a Connections,
        observer: &'a Observer,
        timers: &'a Timers,
        hops: &'a [ChainHop],
        thresholds: Thresholds,
        end: Timestamp,
    ) -> Self {
        let mut servers: BTreeMap<Endpoint, ServerActivity> = BTreeMap::new();
        for (at, seen) in connections.all() {
            let heard = match seen {
                Seen::Followed(connection) => {
                    Some(connection.server_half()).filter(|half| half.data_end.is_some()).and_then(|half| Some(half.last?.time))
                }
                Seen::Ended(ended) => Some(ended.facts.server_half()).filter(|half| half.has_payload).and_then(|half| half.last),
            };
            let lost = observer.watch(at).map_or(&[][..], |watch| &watch.cases).iter().filter_map(|case| {
                let reset = case.request.reply_reset()?;
                (case.fin.is_none() && case.close.is_none_or(|close| close.how == How::Rst)).then_some(reset.mark.time)
            });
            let lost: Vec<Timestamp> = lost.collect();
            let unanswered = seen.followed().filter(|c| c.handshake_view() == HandshakeView::Unanswered).and_then(|c| c.handshake.syn);
            if heard.is_none() && lost.is_empty() && unanswered.is_none() {
                continue;
            }
            let activity = servers.entry(seen.server_endpoint()).or_default();
            activity.lost.extend(lost);
            activity.unanswered.extend(unanswered.map(|(_, syn, _)| syn.time));
            if let Some(heard) = heard {
                activity.hear(heard, seen.stream());
            }
        }
        for activity in servers.values_mut() {
            activity.lost.sort_unstable();
            activity.unanswered.sort_unstable();
        }
        let legs = legs(connections, observer);
        let foreign = Foreign::gather(connections, observer);
        let (failovers, waits) = (failovers(connections, observer, thresholds.idle_gap), waits(connections, observer));
        let (pauses, asked) = (Vec::new(), BTreeSet::new());
        let by_pair = hops.iter().enumerate().map(|(at, hop)| ((hop.client, hop.server), at)).collect();
        Self { connections, observer, timers, hops, thresholds, end, pauses, asked, foreign, failovers, waits, servers, legs, by_pair }
    }

    /// The hop between a client host and a server endpoint.
    pub fn hop(&self, client: IpAddr, server: Endpoint) -> Option<&'a ChainHop> {
        self.hops.get(*self.by_pair.get(&(client, server))?)
    }

    /// The client's endpoint of a connection, by its number.
    pub fn client_of(&self, stream: u64) -> Option<Endpoint> {
        self.connection(stream).map(|(_, seen)| seen.client_endpoint())
    }

    /// The connections that belong together with the one at index `at`.
    pub fn legs(&self, at: usize) -> &[(usize, Relation)] {
        self.legs.get(&at).map_or(&[], Vec::as_slice)
    }

    /// The connection with this number, and its index. Numbers run with the index unless ICMP errors took some.
    pub fn connection(&self, stream: u64) -> Option<(usize, Seen<'a>)> {
        let guess = usize::try_from(stream).ok()?;
        match self.connections.seen(guess) {
            Some(seen) if seen.stream() == stream => Some((guess, seen)),
            _ => self.connections.all().find(|(_, seen)| seen.stream() == stream),
        }
    }

    /// Until when the recording that shows `time` went on: nothing is known beyond.
    pub fn recorded_until(&self, time: Timestamp) -> Timestamp {
        self.pauses.iter().map(|(before, _)| *before).find(|before| *before >= time).map_or(self.end, |before| before.min(self.end))
    }

    /// Whether a change of hop followed a silence, and was not a router that took over for another one.
    pub fn is_remapping(&self, change: &HopChange) -> bool {
        change.silence >= self.thresholds.idle_gap && !self.failovers.contains(&(change.from, change.to))
    }

    /// The change at which the request of `case` went to another next hop than the segments before it.
    pub fn remapping_at(&self, case: &Case) -> Option<HopChange> {
        let connection = self.connections.get(case.connection)?;
        let mut changes = self.observer.watch(case.connection)?.path.changes();
        changes.find(|change| change.side == connection.client && change.begins_with(case.request.mark) && self.is_remapping(change))
    }

    /// How many connections to `server` were closed by it after such a wait for an answer.
    pub fn equal_waits(&self, server: Endpoint, wait: Span) -> usize {
        let same = |other: &&Span| (**other - wait).abs() <= SAME_WAIT.max(Span(wait.nanos() / 100));
        self.waits.get(&server).map_or(0, |waits| waits.iter().filter(same).count())
    }

    /// Whether the server carried traffic of another connection than `stream` at or after `since`.
    pub fn server_alive_elsewhere(&self, server: Endpoint, stream: u64, since: Timestamp) -> bool {
        self.servers
            .get(&server)
            .is_some_and(|activity| activity.latest.iter().flatten().any(|(time, other)| *other != stream && *time >= since))
    }

    /// How many new connections to the server got no answer, from `since` on.
    pub fn unanswered_since(&self, server: Endpoint, since: Timestamp) -> u64 {
        let later = |activity: &ServerActivity| activity.unanswered.len() - activity.unanswered.partition_point(|time| *time < since);
        self.servers.get(&server).map_or(0, |activity| later(activity) as u64)
    }

    /// Whether several connections to the server died at the same moment as the one reset at `time`.
    pub fn looks_like_restart(&self, server: Endpoint, time: Timestamp) -> bool {
        self.servers
            .get(&server)
            .is_some_and(|activity| activity.lost.iter().filter(|other| other.since(time).abs() <= SAME_MOMENT).count() >= RESTART_FROM)
    }
}

fn failovers(connections: &Connections, observer: &Observer, idle_gap: Span) -> BTreeSet<(u16, u16)> {
    let changes = (0..connections.len()).filter_map(|at| observer.watch(at)).flat_map(|watch| watch.path.changes());
    changes.filter(|change| change.silence < idle_gap).map(|change| (change.from, change.to)).collect()
}

fn waits(connections: &Connections, observer: &Observer) -> BTreeMap<Endpoint, Vec<Span>> {
    let mut waits: BTreeMap<Endpoint, Vec<Span>> = BTreeMap::new();
    for (at, connection) in connections.followed() {
        let Some(close) = observer.watch(at).and_then(|watch| watch.waiting_close.as_deref()) else { continue };
        if close.side != connection.client {
            waits.entry(connection.server_endpoint()).or_default().push(close.waited);
        }
    }
    waits
}

/// The links, both ways. A translated SYN must be answered by the same SYN-ACK number, where both are known.
fn legs(connections: &Connections, observer: &Observer) -> BTreeMap<usize, Vec<(usize, Relation)>> {
    let mut legs: BTreeMap<usize, Vec<(usize, Relation)>> = BTreeMap::new();
    for link in &observer.across.legs.links {
        let (Some(first), Some(second)) = (connections.seen(link.first), connections.seen(link.second)) else { continue };
        let isns = (first.syn_ack(), second.syn_ack());
        if link.relation == Relation::Nat && matches!(isns, (Some(a), Some(b)) if a != b) {
            continue;
        }
        for (from, to) in [(link.first, link.second), (link.second, link.first)] {
            let list = legs.entry(from).or_default();
            if list.len() < KEPT_LEGS && !list.contains(&(to, link.relation)) {
                list.push((to, link.relation));
            }
        }
    }
    legs
}

impl ServerActivity {
    fn hear(&mut self, time: Timestamp, stream: u64) {
        let [first, second] = &mut self.latest;
        if first.is_none_or(|(known, _)| time > known) {
            *second = *first;
            *first = Some((time, stream));
        } else if second.is_none_or(|(known, _)| time > known) {
            *second = Some((time, stream));
        }
    }
}

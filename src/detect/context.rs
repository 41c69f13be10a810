//! What the detectors may look at besides their case: the timers, the other connections, the end of the capture.

use std::collections::BTreeMap;

use crate::endpoint::Endpoint;
use crate::infer::Timers;
use crate::observe::Observer;
use crate::observe::legs::Relation;
use crate::options::Thresholds;
use crate::report::How;
use crate::tcp::Connection;
use crate::time::{Span, Timestamp};

/// Connections to one server that die within this of each other died of one event (a restart).
const SAME_MOMENT: Span = Span::from_secs(1);
/// So many connections that die together speak for a restart (catalogue S-13).
const RESTART_FROM: usize = 3;

/// So many legs of one connection are shown.
const KEPT_LEGS: usize = 16;

/// The surroundings of a case.
#[derive(Debug)]
pub struct Context<'a> {
    /// Every connection.
    pub connections: &'a [Connection],
    /// What was observed.
    pub observer: &'a Observer,
    /// Which timers are at work.
    pub timers: &'a Timers,
    /// Thresholds.
    pub thresholds: Thresholds,
    /// Time of the last frame.
    pub end: Timestamp,
    /// Where the recording stood still (or two were joined): the last time before and the first after each.
    pub pauses: Vec<(Timestamp, Timestamp)>,
    servers: BTreeMap<Endpoint, ServerActivity>,
    legs: BTreeMap<usize, Vec<(usize, Relation)>>,
}

/// When one server endpoint was last heard, and when its connections were reset without a close.
#[derive(Debug, Default)]
struct ServerActivity {
    /// The two latest times and their connections.
    latest: [Option<(Timestamp, u64)>; 2],
    /// Times of reply RSTs.
    lost: Vec<Timestamp>,
}

impl<'a> Context<'a> {
    /// Gathers what the detectors need.
    pub fn new(connections: &'a [Connection], observer: &'a Observer, timers: &'a Timers, thresholds: Thresholds, end: Timestamp) -> Self {
        let mut servers: BTreeMap<Endpoint, ServerActivity> = BTreeMap::new();
        for (at, connection) in connections.iter().enumerate() {
            let heard = connection.server_half().last.filter(|_| connection.server_half().data_end.is_some());
            let lost = observer.watch(at).map_or(&[][..], |watch| &watch.cases).iter().filter_map(|case| {
                let reset = case.request.reply_reset()?;
                (case.fin.is_none() && case.close.is_none_or(|close| close.how == How::Rst)).then_some(reset.mark.time)
            });
            let lost: Vec<Timestamp> = lost.collect();
            if heard.is_none() && lost.is_empty() {
                continue;
            }
            let activity = servers.entry(connection.server_endpoint()).or_default();
            activity.lost.extend(lost);
            if let Some(heard) = heard {
                activity.hear(heard.time, connection.stream);
            }
        }
        for activity in servers.values_mut() {
            activity.lost.sort_unstable();
        }
        let legs = legs(connections, observer);
        Self { connections, observer, timers, thresholds, end, pauses: Vec::new(), servers, legs }
    }

    /// The connections that belong together with the one at index `at`.
    pub fn legs(&self, at: usize) -> &[(usize, Relation)] {
        self.legs.get(&at).map_or(&[], Vec::as_slice)
    }

    /// The connection with this number, and its index. Numbers run with the index unless ICMP errors took some.
    pub fn connection(&self, stream: u64) -> Option<(usize, &'a Connection)> {
        let guess = usize::try_from(stream).ok()?;
        match self.connections.get(guess) {
            Some(connection) if connection.stream == stream => Some((guess, connection)),
            _ => self.connections.iter().enumerate().find(|(_, connection)| connection.stream == stream),
        }
    }

    /// Until when the recording that shows `time` went on: nothing is known beyond.
    pub fn recorded_until(&self, time: Timestamp) -> Timestamp {
        self.pauses.iter().map(|(before, _)| *before).find(|before| *before >= time).map_or(self.end, |before| before.min(self.end))
    }

    /// Whether the server carried traffic of another connection than `stream` at or after `since`.
    pub fn server_alive_elsewhere(&self, server: Endpoint, stream: u64, since: Timestamp) -> bool {
        self.servers
            .get(&server)
            .is_some_and(|activity| activity.latest.iter().flatten().any(|(time, other)| *other != stream && *time >= since))
    }

    /// Whether several connections to the server died at the same moment as the one reset at `time`.
    pub fn looks_like_restart(&self, server: Endpoint, time: Timestamp) -> bool {
        self.servers
            .get(&server)
            .is_some_and(|activity| activity.lost.iter().filter(|other| other.since(time).abs() <= SAME_MOMENT).count() >= RESTART_FROM)
    }
}

/// The links, both ways. A translated SYN must be answered by the same SYN-ACK number, where both are known.
fn legs(connections: &[Connection], observer: &Observer) -> BTreeMap<usize, Vec<(usize, Relation)>> {
    let mut legs: BTreeMap<usize, Vec<(usize, Relation)>> = BTreeMap::new();
    for link in &observer.legs.links {
        let (Some(first), Some(second)) = (connections.get(link.first), connections.get(link.second)) else { continue };
        let isn = |connection: &Connection| connection.handshake.syn_ack.map(|(_, _, isn)| isn);
        if link.relation == Relation::Nat && matches!((isn(first), isn(second)), (Some(a), Some(b)) if a != b) {
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

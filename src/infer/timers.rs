//! Timers per server endpoint, host name behind it, and client host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cluster::{densest, width};
use super::limits::{AgeLimit, CountLimit, age_limit, count_limit};
use crate::app::Protocol;
use crate::endpoint::Endpoint;
use crate::observe::distribution::Distribution;
use crate::observe::samples::{ClientSamples, ProbeSamples, Samples, ServerSamples};
use crate::report::TimerState;
use crate::time::Span;

/// A close so soon after the last payload is no idle timeout.
const SHORTEST_TIMER: Span = Span::from_millis(200);
/// Samples that make a timer `measured` (semantics, «Timeouts»).
const MEASURED_FROM: u64 = 3;
/// A gap survived by so much more than a timer contradicts it.
const CONTRADICTION: Span = Span::from_secs(1);
/// Closes outnumber the gaps that contradict them so many times where the timer is suggested all the same.
const OUTNUMBERED: u64 = 2;
/// A request this close to the server's timeout met it.
const AT_TIMEOUT: Span = Span::from_millis(100);

/// A timer as its samples show it.
#[derive(Clone, Debug)]
pub struct Timer {
    /// Median.
    pub value: Span,
    /// Interquartile range.
    pub spread: Span,
    /// Samples in the cluster.
    pub samples: u64,
    /// Measured or suggested.
    pub state: TimerState,
    /// All samples, for leaving one out.
    all: Distribution,
}

/// The idle timer of one server endpoint.
pub type ServerTimer = Timer;

/// TCP keepalive of one side.
#[derive(Clone, Debug, Default)]
pub struct ProbeTimers {
    /// Silence before the first probe.
    pub idle: Option<Timer>,
    /// Time between unanswered probes.
    pub interval: Option<Timer>,
    /// Unanswered probes before it gave up, and how often that was seen.
    pub count: Option<(u32, u64)>,
}

/// What is known of one client host at one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ClientKnowledge {
    /// The client's own idle timer.
    pub timer: Option<Timer>,
    /// TCP keepalive, where the client probed.
    pub probes: Option<Box<ProbeTimers>>,
}

/// What is known of one server endpoint.
#[derive(Clone, Debug, Default)]
pub struct ServerKnowledge {
    /// The server's own idle timer; where its hosts differ, that of the shortest.
    pub server: Option<Timer>,
    /// Idle timers by host name, where they differ.
    pub hosts: BTreeMap<String, Timer>,
    /// Clients of which a timer is known, by host.
    pub clients: BTreeMap<IpAddr, Box<ClientKnowledge>>,
    /// The longest gap after which a request was answered.
    pub longest_survived: Option<Span>,
    /// The longest silence of the wire after which a request was answered.
    pub survived_wire: Option<Span>,
    /// The shortest silence of the wire after which a request met no state or silence, among those longer than what survived.
    pub shortest_failed: Option<Span>,
    /// How many such requests there were.
    pub failed: u64,
    /// `Keep-Alive: timeout=`.
    pub announced: Option<u32>,
    /// What the server says it is.
    pub product: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Closes were RSTs.
    pub closes_by_rst: bool,
    /// A limit on the number of requests.
    pub count_limit: Option<CountLimit>,
    /// A limit on the age.
    pub age_limit: Option<AgeLimit>,
    /// TCP keepalive.
    pub probes: ProbeTimers,
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
        let servers = samples.servers.iter().map(|(endpoint, seen)| (*endpoint, server(seen, samples))).collect();
        Self { servers }
    }

    /// What is known of `server`.
    pub fn of(&self, server: Endpoint) -> Option<&ServerKnowledge> {
        self.servers.get(&server)
    }

    /// The server's idle timer.
    pub fn server_timer(&self, server: Endpoint) -> Option<&Timer> {
        self.of(server).and_then(|known| known.server.as_ref())
    }

    /// Whether `idle` is the server's measured timeout, by the samples of other connections than `stream`.
    pub fn is_at_timeout(&self, server: Endpoint, idle: Span, stream: u64, rtt: Option<Span>) -> bool {
        let Some(known) = self.of(server) else { return false };
        known.server.iter().chain(known.hosts.values()).any(|timer| {
            let others = long_enough(&timer.all.points(Some(stream)));
            let Some(cluster) = densest(&others).filter(|cluster| cluster.samples >= MEASURED_FROM) else { return false };
            let tolerance = AT_TIMEOUT.max(cluster.spread).max(Span(cluster.median.nanos() / 100 * 3)).max(rtt.unwrap_or(Span::ZERO));
            (idle - cluster.median).abs() <= tolerance
        })
    }
}

impl Timer {
    /// At least three samples that cluster.
    pub const fn is_measured(&self) -> bool {
        matches!(self.state, TimerState::Measured)
    }
}

fn long_enough(points: &[(Span, u64)]) -> Vec<(Span, u64)> {
    points.iter().copied().filter(|(value, _)| *value >= SHORTEST_TIMER).collect()
}

/// The timer of a server: as [`idle_timer`], and where a survived gap contradicts it, it is at most suggested, and only if the closes
/// that show it outnumber such gaps by far: connections in another mode may be exempt (Redis: subscribers).
fn server_timer(all: &Distribution, survived: &Distribution) -> Option<Timer> {
    let sound = idle_timer(all, survived.longest());
    if sound.is_some() {
        return sound;
    }
    let mut timer = idle_timer(all, None).filter(|timer| timer.samples >= 2)?;
    let contradicts = |value: Span| value > timer.value + CONTRADICTION;
    let against: u64 = survived.points(None).iter().filter(|(value, _)| contradicts(*value)).map(|(_, count)| count).sum();
    timer.state = TimerState::Suggested;
    (against.saturating_mul(OUTNUMBERED) <= timer.samples).then_some(timer)
}

/// The timer that idle times before closes show. Closes after less than a gap that was survived (by more than the tolerance) were not
/// its doing: they are left out, and if most of the samples are such, there is no timer.
pub fn idle_timer(all: &Distribution, survived: Option<Span>) -> Option<Timer> {
    let mut points = long_enough(&all.points(None));
    let before: u64 = points.iter().map(|(_, count)| count).sum();
    if let Some(survived) = survived {
        points.retain(|(value, _)| *value + CONTRADICTION >= survived);
    }
    let left: u64 = points.iter().map(|(_, count)| count).sum();
    let cluster = densest(&points).filter(super::cluster::Cluster::is_sharp)?;
    if cluster.samples < MEASURED_FROM && before > left {
        return None;
    }
    // Far fewer in the cluster than beside it: a coincidence of scattered closes, no timer.
    let share = cluster.samples * 4 >= left;
    let state = if cluster.samples >= MEASURED_FROM && share { TimerState::Measured } else { TimerState::Suggested };
    if state == TimerState::Suggested && left > cluster.samples * 2 {
        return None;
    }
    Some(Timer { value: cluster.median, spread: cluster.spread, samples: cluster.samples, state, all: all.clone() })
}

fn server(seen: &ServerSamples, samples: &Samples) -> ServerKnowledge {
    let age_limit = age_limit(seen);
    let overall = server_timer(&seen.by_server.idle, &seen.survived);
    let hosts = differing_hosts(seen, samples, overall.as_ref());
    let shortest = hosts.values().min_by_key(|timer| timer.value).cloned();
    let by_age = |timer: &Timer| age_limit.is_some_and(|limit| limit.samples > timer.samples);
    let survived_wire = seen.survived_wire;
    let failed: Vec<Span> = seen.failed.iter().map(|(idle, _)| *idle).collect();
    ServerKnowledge {
        server: shortest.or(overall).filter(|timer| !by_age(timer)),
        hosts,
        clients: seen.clients.iter().filter_map(|(host, pair)| Some((*host, client(pair)?))).collect(),
        longest_survived: seen.survived.longest(),
        survived_wire,
        shortest_failed: failed.iter().copied().filter(|idle| survived_wire.is_none_or(|survived| survived < *idle)).min(),
        failed: failed.len() as u64,
        announced: seen.announced,
        product: seen.product.clone(),
        protocol: seen.protocol,
        closes_by_rst: seen.by_server.resets * 2 > seen.by_server.idle.count(),
        count_limit: count_limit(seen),
        age_limit,
        probes: probes(&seen.probes),
    }
}

/// The timers of the hosts behind one address: only where at least two differ, or one host's gap contradicts the timer of another.
fn differing_hosts(seen: &ServerSamples, samples: &Samples, overall: Option<&Timer>) -> BTreeMap<String, Timer> {
    if seen.hosts.len() < 2 {
        return BTreeMap::new();
    }
    let mut timers = BTreeMap::new();
    for (host, of_host) in &seen.hosts {
        let timer = server_timer(&of_host.idle, &of_host.survived).filter(Timer::is_measured);
        if let (Some(name), Some(timer)) = (samples.name(*host), timer) {
            timers.insert(name.to_string(), timer);
        }
    }
    let shortest = timers.values().map(|timer| timer.value).min();
    let longest = timers.values().map(|timer| timer.value).max();
    let differ = matches!((shortest, longest), (Some(low), Some(high)) if high - low > width(low));
    if differ || (overall.is_none_or(|timer| !timer.is_measured()) && !timers.is_empty()) { timers } else { BTreeMap::new() }
}

fn client(pair: &ClientSamples) -> Option<Box<ClientKnowledge>> {
    let held = pair.held.map(|gap| gap.idle);
    let timer = pair.closes.as_deref().and_then(|closes| idle_timer(&closes.idle, held));
    let probes = pair.probes.as_deref().map(|seen| Box::new(probes(seen)));
    (timer.is_some() || probes.is_some()).then(|| Box::new(ClientKnowledge { timer, probes }))
}

fn probes(seen: &ProbeSamples) -> ProbeTimers {
    ProbeTimers {
        idle: idle_timer(&seen.idle, None),
        interval: idle_timer(&seen.interval, None),
        count: seen.gave_up_after.iter().max_by_key(|(probes, times)| (**times, **probes)).map(|(probes, times)| (*probes, *times)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation)] // small numbers of a test
    fn span(seconds: f64) -> Span {
        Span((seconds * 1e9) as i64)
    }

    fn times(list: &[f64]) -> Distribution {
        let mut all = Distribution::default();
        list.iter().enumerate().for_each(|(stream, s)| all.add(stream as u64, span(*s)));
        all
    }

    fn found(list: &[f64], survived: Option<f64>) -> Option<(i64, TimerState)> {
        idle_timer(&times(list), survived.map(span)).map(|timer| (timer.value.nanos() / 1_000_000, timer.state))
    }

    #[test]
    fn three_samples_that_cluster_are_measured_and_fewer_suggested() {
        assert_eq!(found(&[10.0, 10.01, 10.02], None), Some((10_010, TimerState::Measured)));
        assert_eq!(found(&[10.0, 10.01], None), Some((10_000, TimerState::Suggested)));
        assert_eq!(found(&[], None), None);
    }

    #[test]
    fn survived_gap_up_to_a_second_longer_is_no_contradiction_and_a_longer_one_is() {
        assert_eq!(found(&[10.0, 10.01, 10.02], Some(10.9)), Some((10_010, TimerState::Measured)));
        assert_eq!(found(&[10.0, 10.01, 10.02], Some(11.1)), None);
    }

    #[test]
    fn contradicted_server_timer_is_suggested_at_most_and_only_against_few_gaps() {
        let contradicted = |gaps: &[f64]| server_timer(&times(&[10.0, 10.01, 10.02, 10.0]), &times(gaps)).map(|timer| timer.state);
        assert_eq!(contradicted(&[9.0]), Some(TimerState::Measured));
        assert_eq!(contradicted(&[15.0]), Some(TimerState::Suggested));
        assert_eq!(contradicted(&[15.0, 16.0, 17.0]), None);
    }

    #[test]
    fn early_closes_of_another_cause_do_not_hide_the_timer_behind_a_survived_gap() {
        let list = [1.0, 1.1, 1.2, 1.0, 30.0, 30.1, 30.0, 30.1];
        assert_eq!(found(&list, Some(29.5)), Some((30_000, TimerState::Measured)));
    }

    #[test]
    fn two_closes_among_shorter_ones_that_a_survived_gap_excludes_are_no_timer() {
        assert_eq!(found(&[10.0, 10.01], Some(9.0)), Some((10_000, TimerState::Suggested)));
        assert_eq!(found(&[2.0, 10.0, 10.01], Some(9.0)), None, "what closed after 2 s may have closed these as well");
    }

    #[test]
    fn server_that_resets_most_of_its_idle_connections_closes_by_rst() {
        let closes_by_rst = |resets: u64| {
            let mut seen = ServerSamples::default();
            for stream in 0..4 {
                seen.by_server.idle.add(stream, span(10.0));
            }
            seen.by_server.resets = resets;
            server(&seen, &Samples::default()).closes_by_rst
        };
        assert_eq!([0, 2, 3, 4].map(closes_by_rst), [false, false, true, true]);
    }

    #[test]
    fn scattered_closes_are_no_timer() {
        assert_eq!(found(&[1.0, 3.0, 5.5, 8.0, 11.0, 14.5, 18.0], None), None);
    }

    #[test]
    fn closes_right_after_a_response_are_no_timer() {
        assert_eq!(found(&[0.06, 0.07, 0.09, 0.1], None), None);
    }
}

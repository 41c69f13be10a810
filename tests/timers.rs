//! Timers, limits and their order, from many connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod traffic;

use std::net::IpAddr;

use afterfin::endpoint::Endpoint;
use afterfin::observe::samples::Samples;
use afterfin::options::Assumption;
use afterfin::report::{Finding, Kind, Severity, TimerState};
use traffic::{End, Outcome, Plan, Random, SECOND, client, play, seconds, span};

const SERVER: Endpoint = Endpoint::v4([10, 0, 0, 9], 80);

fn plan(i: usize, gaps: &[f64], end: End) -> Plan {
    let gaps = gaps.iter().map(|gap| seconds(*gap)).collect();
    Plan { begin: i64::try_from(i).unwrap() * 7 * SECOND, client: client(i), server: SERVER, host: "shop.example", gaps, end }
}

fn of(findings: &[Finding], kind: Kind) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn near(outcome: &Outcome, server: Endpoint, expected: f64) {
    let timer = outcome.timers.server_timer(server).unwrap_or_else(|| panic!("no timer of {server}"));
    assert_eq!(timer.state, TimerState::Measured, "{server}");
    let tolerance = (expected * 0.03).max(0.1);
    assert!((timer.value.seconds() - expected).abs() <= tolerance, "{server}: {} instead of {expected}", timer.value);
}

/// The largest number of anything that is kept for one server endpoint or one pair.
fn kept(samples: &Samples) -> usize {
    let of_server = |seen: &afterfin::observe::samples::ServerSamples| {
        let hosts = seen.hosts.values().map(|host| host.idle.points(None).len().max(host.survived.points(None).len()));
        let clients = seen.clients.values().filter_map(|pair| pair.closes.as_deref());
        let clients = clients.map(|closes| closes.facts.len().max(closes.idle.points(None).len()));
        let own = [seen.by_server.facts.len(), seen.by_server.idle.points(None).len(), seen.survived.points(None).len(), seen.failed.len()];
        own.into_iter().chain(hosts).chain(clients).max().unwrap_or_default()
    };
    samples.servers.values().map(of_server).max().unwrap_or_default()
}

#[test]
fn two_hundred_thousand_connections_give_the_timers_of_three_servers_and_of_three_hosts_in_bounded_room() {
    const CONNECTIONS: usize = 200_000;
    const HOSTS: [(&str, f64); 3] = [("a.example", 5.0), ("b.example", 15.0), ("c.example", 40.0)];
    let (short, long, shared) = (Endpoint::v4([10, 0, 0, 1], 80), Endpoint::v4([10, 0, 0, 2], 8080), Endpoint::v4([10, 0, 0, 3], 443));
    let mut random = Random(6);
    let plans = (0..CONNECTIONS).map(|i| {
        let (server, host, timer, scatter) = match i % 5 {
            0 => (short, "short.example", 7.3, 0.01),
            1 => (long, "long.example", 63.5, 0.01),
            other => (shared, HOSTS[other - 2].0, HOSTS[other - 2].1, 0.01),
        };
        let idle = random.between(seconds(timer * (1.0 - scatter)), seconds(timer * (1.0 + scatter)));
        let gap = random.between(SECOND, seconds(timer * 0.9));
        // One in twenty ends otherwise: closed by the client at any time.
        let end = if random.next().is_multiple_of(20) { End::Client(random.between(SECOND / 10, idle)) } else { End::Server(idle) };
        Plan { begin: i64::try_from(i).unwrap() * 5_000_000, client: client(i), server, host, gaps: vec![gap], end }
    });
    let outcome = play(plans, Vec::new());
    assert_eq!(outcome.tracker.connections().len(), CONNECTIONS);
    near(&outcome, short, 7.3);
    near(&outcome, long, 63.5);
    let hosts = &outcome.timers.of(shared).unwrap().hosts;
    assert_eq!(hosts.len(), 3, "{:?}", hosts.keys());
    for (host, timer) in HOSTS {
        let found = &hosts[host];
        assert!((found.value.seconds() - timer).abs() <= (timer * 0.03).max(0.1), "{host}: {}", found.value);
        assert!(found.is_measured() && found.samples > 30_000, "{host}: {} samples", found.samples);
    }
    let samples = &outcome.observer.across.samples;
    assert!(kept(samples) < 2000, "{}", kept(samples));
    assert_eq!((samples.servers.len(), samples.names.len()), (3, 5));
    let events = samples.servers.values().map(|seen| seen.by_server.events.len()).sum::<usize>();
    assert_eq!(events, 0, "no reload took place");
}

#[test]
fn survived_gap_contradicts_a_timer_only_beyond_a_second() {
    let closes = |longest: f64| {
        let mut plans: Vec<Plan> = (0..40).map(|i| plan(i, &[3.0], End::Server(seconds(10.0)))).collect();
        plans.push(plan(40, &[longest], End::Open));
        play(plans, Vec::new()).timers.server_timer(SERVER).map(|timer| timer.state)
    };
    assert_eq!(closes(10.9), Some(TimerState::Measured));
    assert_ne!(closes(11.2), Some(TimerState::Measured));
}

#[test]
fn client_that_keeps_connections_longer_is_a_mismatch_with_its_losses() {
    let mut plans: Vec<Plan> = (0..5).map(|i| plan(i, &[3.0], End::Server(seconds(10.0)))).collect();
    plans.push(plan(5, &[3.0], End::Stale(seconds(10.0), seconds(298.0))));
    let outcome = play(plans, Vec::new());
    let findings = outcome.findings();
    let found = of(&findings, Kind::TimeoutMismatch);
    assert_eq!(found.len(), 1, "{findings:?}");
    assert_eq!(found[0].severity, Severity::Error);
    assert!(found[0].headline.contains("298 s") && found[0].headline.contains("1 request lost"), "{}", found[0].headline);
    assert!(found[0].advice[0].contains("299 s"), "{:?}", found[0].advice);
}

#[test]
fn mismatch_that_has_not_hurt_yet_is_a_warning_and_says_so() {
    let outcome = play((0..5).map(|i| plan(i, &[3.0], End::Server(seconds(10.0)))), Vec::new());
    let findings = outcome.findings();
    let found = of(&findings, Kind::TimeoutMismatch);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    assert!(found[0].reasons.iter().any(|reason| reason == "it has not hurt in this capture: 5 closes were noticed in time"));
}

#[test]
fn client_that_lets_go_first_or_never_reuses_is_no_mismatch() {
    let good = play((0..6).map(|i| plan(i, &[0.5], End::Client(seconds(4.0)))), Vec::new());
    assert!(good.findings().is_empty(), "{:?}", good.findings());
    assert_eq!(good.hops[0].in_order(), Some(true));
    assert!(good.timers.server_timer(SERVER).is_none(), "no timer of a server that never closed");
    let once = play((0..6).map(|i| plan(i, &[], End::Server(seconds(10.0)))), Vec::new());
    assert!(of(&once.findings(), Kind::TimeoutMismatch).is_empty());
}

#[test]
fn assumed_timer_of_the_client_is_judged_like_a_seen_one() {
    let plans = || (0..4).map(|i| plan(i, &[], End::Server(seconds(10.0))));
    let assume = |who: &str, timeout| vec![Assumption { who: who.to_string(), timeout: span(timeout) }];
    let long = play(plans(), assume("client", 300.0)).findings();
    assert_eq!(of(&long, Kind::TimeoutMismatch).len(), 1, "{long:?}");
    assert!(of(&play(plans(), assume("10.1.0.1", 5.0)).findings(), Kind::TimeoutMismatch).is_empty());
}

#[test]
fn limit_on_requests_is_found_and_gives_no_idle_timer() {
    let outcome = play((0..4).map(|i| plan(i, &[0.3, 2.0, 0.2, 1.5], End::Server(2_000_000))), Vec::new());
    let findings = outcome.findings();
    let found = of(&findings, Kind::RequestLimitClose);
    assert_eq!((found.len(), found[0].count), (1, 4));
    assert!(found[0].headline.contains("exactly 5 requests"), "{}", found[0].headline);
    assert!(outcome.timers.server_timer(SERVER).is_none());
}

#[test]
fn limit_on_the_age_is_found_and_gives_no_idle_timer() {
    let ends = [(&[9.0, 14.0][..], 36.9), (&[20.0, 20.0, 8.0], 11.9), (&[5.0], 54.9), (&[30.0, 2.5], 27.4), (&[11.0, 31.0], 17.9)];
    let outcome = play(ends.iter().enumerate().map(|(i, (gaps, last))| plan(i, gaps, End::Server(seconds(*last)))), Vec::new());
    let findings = outcome.findings();
    assert_eq!(of(&findings, Kind::AgeLimitClose).len(), 1, "{findings:?}");
    assert!(outcome.timers.server_timer(SERVER).is_none());
}

#[test]
fn reload_is_a_mass_close_and_gives_no_idle_timer() {
    let plans = (0..12_usize).map(|i| {
        let begin = i64::try_from(i).unwrap() * 4 * SECOND;
        Plan { begin, ..plan(i, &[], End::Server(60 * SECOND - begin)) }
    });
    let outcome = play(plans, Vec::new());
    let findings = outcome.findings();
    let found = of(&findings, Kind::MassClose);
    assert_eq!((found.len(), found[0].count), (1, 12), "{findings:?}");
    assert!(outcome.timers.server_timer(SERVER).is_none());
}

#[test]
fn connection_per_request_is_churn_and_a_health_check_is_not() {
    let churn = |every: f64| {
        let plans = (0..40).map(|i| Plan { begin: seconds(every * i as f64), ..plan(i, &[], End::Client(1_000_000)) });
        of(&play(plans, Vec::new()).findings(), Kind::ConnectionChurn).len()
    };
    assert_eq!(churn(0.1), 1);
    assert_eq!(churn(5.0), 0);
}

#[test]
fn proxy_is_told_by_the_requests_that_it_sends_on_and_stands_behind_its_front() {
    let (front, back) = (Endpoint::v4([10, 2, 0, 2], 8080), Endpoint::v4([10, 3, 0, 2], 80));
    let plans = (0..3_u16).flat_map(|i| {
        let begin = i64::from(i) * 30 * SECOND;
        let sender = Endpoint::v4([10, 3, 0, 1], 50_000 + i);
        let of =
            |begin, client, server, end| Plan { begin, client, server, host: "a.example", gaps: vec![seconds(4.0), seconds(5.0)], end };
        let caller = Endpoint::v4([10, 2, 0, 1], 40_000 + i);
        [of(begin, caller, front, End::Client(seconds(8.0))), of(begin + 500_000, sender, back, End::Server(seconds(9.0)))]
    });
    let outcome = play(plans, Vec::new());
    let hop = |server: Endpoint| outcome.hops.iter().find(|hop| hop.server == server).unwrap();
    assert!(!hop(front).client_is_proxy && hop(back).client_is_proxy);
    assert_eq!((hop(front).depth, hop(back).depth), (0, 1));
    assert_eq!(hop(back).client, IpAddr::from([10, 3, 0, 1]));
}

/// Connections over which a table of the path forgets flows between 20 and 50 s, and one that is probed after `idle` seconds.
fn forgetful_path(idle: f64) -> Outcome {
    let mut plans: Vec<Plan> = (0..4).map(|i| plan(i, &[2.0, 20.0], End::Client(seconds(3.0)))).collect();
    plans.extend((4..7).map(|i| plan(i, &[2.0], End::Forgotten(seconds(50.0)))));
    let probes = End::Probes { idle: seconds(idle), interval: seconds(5.0), unanswered: 3 };
    plans.extend((7..10).map(|i| plan(i, &[2.0], probes)));
    play(plans, Vec::new())
}

#[test]
fn keepalive_of_a_side_is_measured_as_idle_interval_and_count() {
    let outcome = forgetful_path(60.0);
    let probes = outcome.timers.of(SERVER).unwrap().clients[&client(0).ip()].probes.as_deref().unwrap();
    let value = |timer: &Option<afterfin::infer::timers::Timer>| timer.as_ref().unwrap().value.seconds();
    assert!((value(&probes.idle) - 60.0).abs() < 0.1 && (value(&probes.interval) - 5.0).abs() < 0.1, "{probes:?}");
    assert_eq!(probes.count, Some((3, 3)));
    let idle = outcome.timers.of(SERVER).unwrap().clients[&client(0).ip()].timer.as_ref().map(|timer| timer.value.seconds());
    assert!(idle.is_none_or(|idle| idle < 4.0), "giving up a dead peer is no idle timer: {idle:?}");
}

#[test]
fn probes_that_start_after_the_path_forgets_are_too_slow_and_earlier_ones_are_not() {
    let late = forgetful_path(60.0).findings();
    let found = of(&late, Kind::KeepaliveTooSlow);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Warning), "{late:?}");
    assert!(found[0].advice[0].contains("from 10 s of silence on"), "{:?}", found[0].advice);
    assert!(of(&forgetful_path(15.0).findings(), Kind::KeepaliveTooSlow).is_empty());
}

#[test]
fn device_that_forgets_is_bracketed_and_a_mismatch_and_without_a_survived_gap_it_is_not() {
    let findings = forgetful_path(15.0).findings();
    let found = of(&findings, Kind::TimeoutMismatch);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Error), "{findings:?}");
    assert!(found[0].headline.contains("between 20 s and 50 s: 3 requests lost"), "{}", found[0].headline);
    let alone = play((0..3).map(|i| plan(i, &[], End::Forgotten(seconds(50.0)))), Vec::new()).findings();
    assert!(of(&alone, Kind::TimeoutMismatch).is_empty(), "{alone:?}");
}

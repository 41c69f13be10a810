//! Timers, hops and cost.

use std::net::IpAddr;

use serde::Serialize;

use super::{EndpointJson, Seconds, Sentences, Time};
use crate::render::format::Escaped;
use crate::report::{Cost, Hop, Timeout};
use crate::time::Timestamp;

/// One timer.
#[derive(Serialize)]
pub struct TimeoutView<'a> {
    server: EndpointJson,
    client: Option<IpAddr>,
    side: &'static str,
    what: &'static str,
    announced_seconds: Option<Seconds>,
    state: &'static str,
    seconds: Option<Seconds>,
    low_seconds: Option<Seconds>,
    high_seconds: Option<Seconds>,
    samples: u64,
    spread_seconds: Option<Seconds>,
    known: Sentences<'a>,
    host: Option<Escaped<'a>>,
    count: Option<u64>,
}

impl<'a> TimeoutView<'a> {
    /// The view of a timer.
    pub fn of(timeout: &'a Timeout) -> Self {
        Self {
            server: EndpointJson::of(timeout.server),
            client: timeout.client,
            side: timeout.side.as_str(),
            what: timeout.what.as_str(),
            announced_seconds: timeout.announced.map(Seconds),
            state: timeout.state.as_str(),
            seconds: timeout.value.map(Seconds),
            low_seconds: timeout.low.map(Seconds),
            high_seconds: timeout.high.map(Seconds),
            samples: timeout.samples,
            spread_seconds: timeout.spread.map(Seconds),
            known: Sentences(&timeout.known),
            host: timeout.host.as_deref().map(Escaped),
            count: timeout.count,
        }
    }
}

/// One hop of the chain.
#[derive(Serialize)]
pub struct HopView<'a> {
    client: IpAddr,
    server: EndpointJson,
    client_seconds: Option<Seconds>,
    client_at_least: bool,
    client_seen_at: Option<EndpointJson>,
    server_seconds: Option<Seconds>,
    path_low_seconds: Option<Seconds>,
    path_high_seconds: Option<Seconds>,
    in_order: Option<bool>,
    says: Escaped<'a>,
}

impl<'a> HopView<'a> {
    /// The view of a hop.
    pub fn of(hop: &'a Hop) -> Self {
        Self {
            client: hop.client,
            server: EndpointJson::of(hop.server),
            client_seconds: hop.client_timer.map(Seconds),
            client_at_least: hop.client_at_least,
            client_seen_at: hop.client_seen_at.map(EndpointJson::of),
            server_seconds: hop.server_timer.map(Seconds),
            path_low_seconds: hop.path_low.map(Seconds),
            path_high_seconds: hop.path_high.map(Seconds),
            in_order: hop.in_order,
            says: Escaped(&hop.says),
        }
    }
}

/// Sockets in TIME_WAIT at one time.
#[derive(Serialize)]
struct TimeWaitView {
    time: Time,
    sockets: u64,
}

/// What it cost.
#[derive(Serialize)]
pub struct CostView {
    requests_lost: u64,
    retried: u64,
    surfaced: u64,
    dead_held_seconds: Seconds,
    handshakes_avoidable: u64,
    time_wait_peak: u64,
    time_wait_host: Option<IpAddr>,
    time_wait: Vec<TimeWaitView>,
    ports_peak: u64,
    ports_peak_client: Option<IpAddr>,
    ports_peak_server: Option<EndpointJson>,
    dead_connections: u64,
    time_wait_hosts: Vec<TimeWaitHostView>,
    ports: Vec<PortsView>,
}

/// Sockets in TIME_WAIT at one host.
#[derive(Serialize)]
struct TimeWaitHostView {
    host: IpAddr,
    side: &'static str,
    peak: u64,
    over_time: Vec<TimeWaitView>,
}

/// Ports in use between a client host and a server endpoint.
#[derive(Serialize)]
struct PortsView {
    client: IpAddr,
    server: EndpointJson,
    peak: u64,
}

fn over_time(points: &[(Timestamp, u64)]) -> Vec<TimeWaitView> {
    points.iter().map(|(time, sockets)| TimeWaitView { time: Time(*time), sockets: *sockets }).collect()
}

impl CostView {
    /// The view of the cost.
    pub fn of(cost: &Cost) -> Self {
        let (most, ports) = (cost.time_wait.first(), cost.ports.first());
        Self {
            requests_lost: cost.requests_lost,
            retried: cost.retried,
            surfaced: cost.surfaced,
            dead_held_seconds: Seconds(cost.dead_held),
            handshakes_avoidable: cost.handshakes_avoidable,
            time_wait_peak: most.map_or(0, |most| most.peak),
            time_wait_host: most.map(|most| most.host),
            time_wait: most.map(|most| over_time(&most.over_time)).unwrap_or_default(),
            ports_peak: ports.map_or(0, |ports| ports.peak),
            ports_peak_client: ports.map(|ports| ports.client),
            ports_peak_server: ports.map(|ports| EndpointJson::of(ports.server)),
            dead_connections: cost.dead_connections,
            time_wait_hosts: cost
                .time_wait
                .iter()
                .map(|at| TimeWaitHostView { host: at.host, side: at.side.as_str(), peak: at.peak, over_time: over_time(&at.over_time) })
                .collect(),
            ports: cost
                .ports
                .iter()
                .map(|used| PortsView { client: used.client, server: EndpointJson::of(used.server), peak: used.peak })
                .collect(),
        }
    }
}

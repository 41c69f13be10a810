//! Timers → the rows of the report's table.

use std::net::IpAddr;

use super::known_timeouts::{self, Sight};
use super::timers::{ProbeTimers, ServerKnowledge, Timer, Timers};
use crate::endpoint::Endpoint;
use crate::report::{Timeout, TimerKind, TimerSide, TimerState};
use crate::time::Span;

/// An announced timeout (`Keep-Alive: timeout=`, whole seconds) that differs by more than this from what was measured is worth a word.
const ANNOUNCED_DIFFERS: Span = Span::from_millis(500);

/// The table of timers, server by server.
pub fn rows(timers: &Timers) -> Vec<Timeout> {
    let mut rows = Vec::new();
    for (endpoint, known) in &timers.servers {
        server_rows(*endpoint, known, &mut rows);
        for (client, pair) in &known.clients {
            if let Some(timer) = &pair.timer {
                let mut row = of_timer(*endpoint, Some(*client), TimerSide::Client, TimerKind::Idle, timer);
                row.known = hints(timer.value, timer.spread, TimerSide::Client, *endpoint, known);
                rows.push(row);
            }
            if let Some(probes) = &pair.probes {
                probe_rows(*endpoint, Some(*client), TimerSide::Client, probes, known, &mut rows);
            }
        }
        path_row(*endpoint, known, &mut rows);
    }
    rows
}

fn server_rows(endpoint: Endpoint, known: &ServerKnowledge, rows: &mut Vec<Timeout>) {
    let announced = known.announced.map(|seconds| Span::from_secs(i64::from(seconds)));
    let idle = |timer: &Timer, host: Option<&String>| {
        let mut row = of_timer(endpoint, None, TimerSide::Server, TimerKind::Idle, timer);
        row.host = host.cloned();
        row.announced = announced;
        row.low = known.longest_survived.filter(|_| host.is_none());
        row.known = hints(timer.value, timer.spread, TimerSide::Server, endpoint, known);
        if let Some(announced) = announced.filter(|announced| (*announced - timer.value).abs() > ANNOUNCED_DIFFERS) {
            row.known.push(format!(
                "announces {} s, closes {}",
                announced.seconds(),
                if announced < timer.value { "later" } else { "earlier" }
            ));
        }
        row
    };
    if known.hosts.is_empty() {
        rows.extend(known.server.iter().map(|timer| idle(timer, None)));
    } else {
        rows.extend(known.hosts.iter().map(|(host, timer)| idle(timer, Some(host))));
    }
    if let Some(limit) = &known.count_limit {
        let mut row = blank(endpoint, None, TimerSide::Server, TimerKind::Requests, TimerState::Measured);
        row.count = Some(u64::from(limit.requests));
        row.samples = limit.connections;
        rows.push(row);
    }
    if let Some(limit) = &known.age_limit {
        let mut row = blank(endpoint, None, TimerSide::Server, TimerKind::Age, TimerState::Measured);
        row.value = Some(limit.age);
        row.spread = Some(limit.spread);
        row.samples = limit.samples;
        rows.push(row);
    }
    probe_rows(endpoint, None, TimerSide::Server, &known.probes, known, rows);
}

fn path_row(endpoint: Endpoint, known: &ServerKnowledge, rows: &mut Vec<Timeout>) {
    let Some(high) = known.shortest_failed else { return };
    let mut row = blank(endpoint, None, TimerSide::Path, TimerKind::Idle, TimerState::Bracket);
    row.low = known.survived_wire;
    row.high = Some(high);
    row.samples = known.failed;
    row.known = known_timeouts::within(row.low, high);
    rows.push(row);
}

fn probe_rows(
    endpoint: Endpoint,
    client: Option<IpAddr>,
    side: TimerSide,
    probes: &ProbeTimers,
    known: &ServerKnowledge,
    rows: &mut Vec<Timeout>,
) {
    for (timer, what) in [(&probes.idle, TimerKind::KeepaliveIdle), (&probes.interval, TimerKind::KeepaliveInterval)] {
        if let Some(timer) = timer {
            let mut row = of_timer(endpoint, client, side, what, timer);
            row.known = known_timeouts::matching(&Sight::of_probes(timer.value, timer.spread, what, endpoint.port(), known.protocol));
            rows.push(row);
        }
    }
    if let Some((count, times)) = probes.count {
        let state = if times >= 3 { TimerState::Measured } else { TimerState::Suggested };
        let mut row = blank(endpoint, client, side, TimerKind::KeepaliveCount, state);
        row.count = Some(u64::from(count));
        row.samples = times;
        rows.push(row);
    }
}

/// Known defaults that match a timer.
pub fn hints(value: Span, spread: Span, side: TimerSide, server: Endpoint, known: &ServerKnowledge) -> Vec<String> {
    known_timeouts::matching(&Sight {
        value,
        spread,
        side,
        what: TimerKind::Idle,
        port: server.port(),
        protocol: known.protocol,
        product: if side == TimerSide::Server { &known.product } else { "" },
        by_rst: side == TimerSide::Server && known.closes_by_rst,
    })
}

fn of_timer(server: Endpoint, client: Option<IpAddr>, side: TimerSide, what: TimerKind, timer: &Timer) -> Timeout {
    let mut row = blank(server, client, side, what, timer.state);
    row.value = Some(timer.value);
    row.samples = timer.samples;
    row.spread = Some(timer.spread);
    row
}

fn blank(server: Endpoint, client: Option<IpAddr>, side: TimerSide, what: TimerKind, state: TimerState) -> Timeout {
    Timeout {
        server: server.into(),
        client,
        host: None,
        side,
        what,
        announced: None,
        state,
        value: None,
        count: None,
        low: None,
        high: None,
        samples: 0,
        spread: None,
        known: Vec::new(),
    }
}

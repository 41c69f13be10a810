//! Timers that the capture shows, the chain of hops, and what it cost.

use std::io;

use super::page::{Ink, Page};
use super::table::{Column, Table};
use crate::render::format::{count, counted, duration};
use crate::report::{Report, Timeout, TimerKind, TimerSide, TimerState};
use crate::time::{Span, Timestamp};

/// Timers that are shown.
const TIMERS_SHOWN: usize = 30;

/// Fewer ports than this towards one destination are not worth a line: a twenty-eighth of Linux' default range.
const PORTS_FROM: u64 = 1000;

/// Fewer sockets in TIME_WAIT than this are not drawn over time.
const DRAWN_FROM: u64 = 20;

const COLUMNS: [Column; 7] = [
    Column { title: "server", figures: false, expendable: 0 },
    Column { title: "client", figures: false, expendable: 0 },
    Column { title: "timer", figures: false, expendable: 0 },
    Column { title: "value", figures: false, expendable: 0 },
    Column { title: "state", figures: false, expendable: 2 },
    Column { title: "samples", figures: true, expendable: 1 },
    Column { title: "hints", figures: false, expendable: 0 },
];

/// Writes the sections that have anything to say.
pub fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if !report.timeouts.is_empty() || !report.chain.is_empty() {
        page.heading("Timers")?;
        write_timers(page, &report.timeouts)?;
        for hop in report.chain.iter().filter(|hop| !hop.says.is_empty()) {
            let ink = if hop.in_order == Some(false) { Ink::Yellow } else { Ink::Plain };
            page.wrapped("  · ", "    ", &page.safe(&hop.says), ink)?;
        }
    }
    write_cost(page, report)
}

fn write_timers(page: &mut Page<'_>, timeouts: &[Timeout]) -> io::Result<()> {
    if timeouts.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&COLUMNS);
    for timeout in timeouts.iter().take(TIMERS_SHOWN) {
        let server = page.endpoint(timeout.server);
        let host = timeout.host.as_deref().map_or_else(String::new, |host| format!(" [{}]", page.safe(host)));
        table.row(vec![
            format!("{server}{host}"),
            timeout.client.map_or_else(|| "any".to_owned(), |ip| page.host(ip)),
            name(timeout).to_owned(),
            value(timeout),
            match timeout.state {
                TimerState::Measured => "measured",
                TimerState::Suggested => "suggested",
                TimerState::Bracket => "bracket",
            }
            .to_owned(),
            count(timeout.samples),
            page.safe(&timeout.known.join("; ")).into_owned(),
        ]);
    }
    table.write(page)?;
    if let Some(more) = timeouts.len().checked_sub(TIMERS_SHOWN).filter(|more| *more > 0) {
        page.line(&format!("  … and {} more, see --format json", count(more as u64)))?;
    }
    Ok(())
}

/// `server idle`, `client TCP keepalive interval`.
const fn name(timeout: &Timeout) -> &'static str {
    match (timeout.side, timeout.what) {
        (TimerSide::Server, TimerKind::Idle) => "server idle",
        (TimerSide::Client, TimerKind::Idle) => "client idle",
        (TimerSide::Path, TimerKind::Idle) => "idle of a device between",
        (TimerSide::Server, TimerKind::Age) => "server age limit",
        (TimerSide::Client, TimerKind::Age) => "client age limit",
        (TimerSide::Path, TimerKind::Age) => "age limit of a device between",
        (TimerSide::Server, TimerKind::Requests) => "server request limit",
        (TimerSide::Client, TimerKind::Requests) => "client request limit",
        (TimerSide::Path, TimerKind::Requests) => "request limit of a device between",
        (TimerSide::Server, TimerKind::KeepaliveIdle) => "server TCP keepalive time",
        (TimerSide::Client, TimerKind::KeepaliveIdle) => "client TCP keepalive time",
        (TimerSide::Path, TimerKind::KeepaliveIdle) => "TCP keepalive time of a device between",
        (TimerSide::Server, TimerKind::KeepaliveInterval) => "server TCP keepalive interval",
        (TimerSide::Client, TimerKind::KeepaliveInterval) => "client TCP keepalive interval",
        (TimerSide::Path, TimerKind::KeepaliveInterval) => "TCP keepalive interval of a device between",
        (TimerSide::Server, TimerKind::KeepaliveCount) => "server TCP keepalive probes",
        (TimerSide::Client, TimerKind::KeepaliveCount) => "client TCP keepalive probes",
        (TimerSide::Path, TimerKind::KeepaliveCount) => "TCP keepalive probes of a device between",
    }
}

/// `10.003 s ± 5 ms`, `over 30 s, up to 60 s`, with what the server announced.
fn value(timeout: &Timeout) -> String {
    let text = match (timeout.value, timeout.count, timeout.low, timeout.high) {
        (Some(value), ..) => match timeout.spread.filter(|spread| *spread > Span::ZERO) {
            Some(spread) => format!("{} (spread {})", duration(value), duration(spread)),
            None => duration(value),
        },
        (None, Some(number), ..) => count(number),
        (None, None, Some(low), Some(high)) => format!("over {}, up to {}", duration(low), duration(high)),
        (None, None, Some(low), None) => format!("over {}", duration(low)),
        (None, None, None, Some(high)) => format!("up to {}", duration(high)),
        (None, None, None, None) => "?".to_owned(),
    };
    match timeout.announced {
        Some(announced) => format!("{text}, announced {}", duration(announced)),
        None => text,
    }
}

/// Counts over time in one line.
fn sparkline(points: &[(Timestamp, u64)]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = points.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let bar = |count: u64| BARS.get(usize::try_from(count.saturating_mul(8).div_ceil(most)).unwrap_or_default()).copied().unwrap_or('█');
    let line: String = points.iter().map(|(_, count)| bar(*count)).collect();
    format!("[{}]", line.replace(' ', "·"))
}

fn write_cost(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let cost = &report.cost;
    let mut parts = Vec::new();
    if cost.requests_lost > 0 {
        parts.push(format!(
            "{} lost: {} sent again, {} surfaced to a caller",
            counted(cost.requests_lost, "request", "requests"),
            count(cost.retried),
            count(cost.surfaced)
        ));
    }
    if cost.dead_held > Span::ZERO {
        parts.push(format!("connections held for {} after the other side had closed them", duration(cost.dead_held)));
    }
    if cost.handshakes_avoidable > 0 {
        parts.push(format!("{} that keep-alive would have saved", counted(cost.handshakes_avoidable, "handshake", "handshakes")));
    }
    if cost.time_wait_peak > 0 {
        let host = cost.time_wait_host.map_or_else(|| "one host".to_owned(), |host| page.host(host));
        let over_time =
            if cost.time_wait_peak >= DRAWN_FROM { format!(", over the capture {}", sparkline(&cost.time_wait)) } else { String::new() };
        parts.push(format!("up to {} in TIME_WAIT at {host} at one time{over_time}", counted(cost.time_wait_peak, "socket", "sockets")));
    }
    if let (Some(client), Some(server)) = (cost.ports_peak_client, cost.ports_peak_server)
        && cost.ports_peak >= PORTS_FROM
    {
        parts.push(format!(
            "up to {} of {} in use towards {}, TIME_WAIT included (Linux has 28,232 for one destination)",
            counted(cost.ports_peak, "port", "ports"),
            page.host(client),
            page.endpoint(server)
        ));
    }
    if parts.is_empty() {
        return Ok(());
    }
    page.heading("Cost")?;
    for part in parts {
        page.wrapped("  · ", "    ", &part, Ink::Plain)?;
    }
    Ok(())
}

//! Timers that the capture shows, the chain of hops, and what it cost.

use std::io;

use super::page::{Ink, Page};
use super::table::{Column, Table};
use crate::render::format::count;
use crate::render::wording::{timer_name, timer_value};
use crate::report::{Report, Timeout, TimerState};

/// Timers that are shown.
const TIMERS_SHOWN: usize = 30;

const COLUMNS: [Column; 6] = [
    Column { title: "server", figures: false, expendable: 0 },
    Column { title: "client", figures: false, expendable: 0 },
    Column { title: "timer", figures: false, expendable: 0 },
    Column { title: "value", figures: false, expendable: 0 },
    Column { title: "state", figures: false, expendable: 2 },
    Column { title: "samples", figures: true, expendable: 1 },
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
            timer_name(timeout).to_owned(),
            timer_value(timeout),
            match timeout.state {
                TimerState::Measured => "measured",
                TimerState::Suggested => "suggested",
                TimerState::Bracket => "bracket",
            }
            .to_owned(),
            count(timeout.samples),
        ]);
    }
    table.write(page)?;
    for timeout in timeouts.iter().take(TIMERS_SHOWN).filter(|timeout| !timeout.known.is_empty()) {
        let text = format!("{} {}: {}", page.endpoint(timeout.server), timer_name(timeout), page.safe(&timeout.known.join("; ")));
        page.wrapped("  · ", "    ", &text, Ink::Dim)?;
    }
    if let Some(more) = timeouts.len().checked_sub(TIMERS_SHOWN).filter(|more| *more > 0) {
        page.line(&format!("  … and {} more, see --format json", count(more as u64)))?;
    }
    Ok(())
}

fn write_cost(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let parts = page.words.cost_parts(&report.cost);
    if parts.is_empty() {
        return Ok(());
    }
    page.heading("Cost")?;
    for part in parts {
        page.wrapped("  · ", "    ", &part, Ink::Plain)?;
    }
    Ok(())
}

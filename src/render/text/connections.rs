//! The table of connections: in the report those that matter, alone all of them.

use std::cmp::Reverse;
use std::io;

use super::page::{Ink, Page};
use super::table::{Column, Table};
use crate::endpoint::Role;
use crate::render::format::{clock, count, counted, date_and_clock, duration, octets, zone_name};
use crate::report::{ConnectionRow, EndpointView, HandshakeView, How, Report, StateView};

/// Rows of the table in the report.
const ROWS_SHOWN: usize = 20;
/// Rows that are laid out at a time when all are shown.
const ROWS_AT_A_TIME: usize = 1_000;
/// Findings named in one row.
const FINDINGS_NAMED: usize = 3;
const COLUMNS: [Column; 10] = [
    Column { title: "#", figures: true, expendable: 0 },
    Column { title: "client", figures: false, expendable: 0 },
    Column { title: "server", figures: false, expendable: 0 },
    Column { title: "opened", figures: false, expendable: 1 },
    Column { title: "lasted", figures: true, expendable: 3 },
    Column { title: "requests", figures: true, expendable: 4 },
    Column { title: "octets", figures: true, expendable: 5 },
    Column { title: "longest idle", figures: true, expendable: 2 },
    Column { title: "end", figures: false, expendable: 0 },
    Column { title: "findings", figures: false, expendable: 0 },
];

/// Writes the section of the report: connections with findings first, then the longest.
pub fn write_some(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if report.connections.is_empty() {
        return Ok(());
    }
    page.heading(&format!("Connections: {}", count(report.connections_total.max(report.connections.len() as u64))))?;
    let mut rows: Vec<&ConnectionRow> = report.connections.iter().collect();
    rows.sort_by_key(|row| (row.findings.is_empty(), Reverse(row.last.since(row.first)), row.stream));
    rows.truncate(ROWS_SHOWN);
    rows.sort_by_key(|row| row.stream);
    let (mut table, named) = table_for(page, || rows.iter().copied());
    for row in &rows {
        table.row(cells(page, row, named));
    }
    table.write(page)?;
    let hidden = report.connections_total.saturating_sub(rows.len() as u64);
    if hidden > 0 {
        let text = format!(
            "… and {} not shown (those with findings come first, then the longest); afterfin connections lists them all",
            counted(hidden, "connection", "connections")
        );
        page.wrapped("  ", "  ", &text, Ink::Plain)?;
    }
    Ok(())
}

/// Writes every row, in columns that stand under each other to the end, without laying out all of them at once.
pub fn write_all(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let (mut table, named) = table_for(page, || report.connections.iter());
    for rows in report.connections.chunks(ROWS_AT_A_TIME) {
        for row in rows {
            table.row(cells(page, row, named));
        }
        table.write(page)?;
    }
    if report.connections.is_empty() {
        page.line("No connections.")?;
    }
    if let Some(first) = report.connections.first() {
        page.blank()?;
        let zone = zone_name(page.zone);
        let text = format!(
            "{}; #{} opened {} {zone}",
            counted(report.connections.len() as u64, "connection", "connections"),
            first.stream,
            date_and_clock(first.first, page.zone)
        );
        page.wrapped("  ", "  ", &text, Ink::Plain)?;
    }
    Ok(())
}

/// A table with room for the rows, and whether it has room for the names of addresses too.
fn table_for<'r, R: Iterator<Item = &'r ConnectionRow>>(page: &Page<'_>, rows: impl Fn() -> R) -> (Table, bool) {
    for named in [true, false] {
        let mut table = Table::new(&COLUMNS);
        rows().for_each(|row| table.measure(&cells(page, row, named)));
        if !named || table.fits(page.width) {
            return (table, named);
        }
    }
    (Table::new(&COLUMNS), false)
}

fn cells(page: &Page<'_>, row: &ConnectionRow, named: bool) -> Vec<String> {
    let sum = row.client_to_server.unique_octets.saturating_add(row.server_to_client.unique_octets);
    let endpoint = |endpoint: EndpointView| if named { page.endpoint(endpoint) } else { endpoint.to_string() };
    vec![
        row.stream.to_string(),
        endpoint(row.client),
        endpoint(row.server),
        clock(row.first, page.zone),
        duration(row.last.since(row.first)),
        count(row.requests),
        octets(sum),
        row.idle_gap_longest.map_or_else(|| "-".to_owned(), duration),
        end(row),
        findings(row),
    ]
}

/// `open`, `FIN by server`, `RST by client`, `refused`.
fn end(row: &ConnectionRow) -> String {
    let Some(close) = row.first_close else {
        return match (row.handshake, row.state) {
            (HandshakeView::Refused, _) => "refused",
            (HandshakeView::Unanswered, _) => "unanswered",
            (_, StateView::Open) => "open",
            (_, StateView::HalfClosed) => "half-closed",
            (_, StateView::Closed) => "closed",
            (_, StateView::Reset) => "reset",
        }
        .to_owned();
    };
    let how = match close.how {
        How::Fin => "FIN",
        How::Rst => "RST",
    };
    let by = match close.by {
        Role::Client => "client",
        Role::Server => "server",
    };
    let then = if close.how == How::Fin && row.state == StateView::Reset { ", RST" } else { "" };
    format!("{how} {by}{then}")
}

/// `F1, F2 …`.
fn findings(row: &ConnectionRow) -> String {
    let mut text: Vec<_> = row.findings.iter().take(FINDINGS_NAMED).map(|number| format!("F{number}")).collect();
    if row.findings.len() > FINDINGS_NAMED {
        text.push("…".to_owned());
    }
    text.join(" ")
}

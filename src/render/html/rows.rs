//! The table of connections as the page carries it: columns of numbers and lists of the words they point to, as small as JSON gets.
//! The script sorts, filters and pages it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::endpoint::Role;
use crate::render::format::{escape, json_in_html};
use crate::render::wording::Words;
use crate::report::{ConnectionRow, How, Report, StateView};
use crate::time::{Span, Timestamp};

/// Connections that a page carries: some 5 MB, which browsers open at once. Beyond, those with findings come first.
pub const CARRIED: usize = 100_000;

/// A column's key in the data, and its title.
pub const COLUMNS: [(&str, &str, bool); 11] = [
    ("s", "#", true),
    ("f", "Findings", false),
    ("c", "Client", false),
    ("v", "Server", false),
    ("p", "Protocol", false),
    ("o", "Opened", false),
    ("d", "Lasted", true),
    ("r", "Requests", true),
    ("b", "Payload", true),
    ("g", "Longest idle", true),
    ("e", "End", false),
];

/// What the script reads. Spans are microseconds; connection numbers are differences to the one before; a missing gap is −1.
#[derive(Debug, Default, Serialize)]
struct Columns {
    base: i64,
    hosts: Vec<String>,
    servers: Vec<String>,
    protocols: Vec<String>,
    ends: Vec<String>,
    s: Vec<u64>,
    c: Vec<usize>,
    cp: Vec<u16>,
    v: Vec<usize>,
    p: Vec<usize>,
    o: Vec<i64>,
    d: Vec<i64>,
    r: Vec<u64>,
    b: Vec<u64>,
    g: Vec<i64>,
    e: Vec<usize>,
    f: BTreeMap<u64, Vec<usize>>,
}

/// A list of words, each once, by the order of first use.
#[derive(Debug, Default)]
struct Dictionary {
    places: BTreeMap<String, usize>,
    words: Vec<String>,
}

impl Dictionary {
    fn place(&mut self, word: String) -> usize {
        if let Some(place) = self.places.get(&word) {
            return *place;
        }
        let place = self.words.len();
        self.words.push(word.clone());
        self.places.insert(word, place);
        place
    }
}

/// The rows that the page carries: all, or as many as it may, those with findings first.
pub fn carried(report: &Report) -> Vec<&ConnectionRow> {
    if report.connections.len() <= CARRIED {
        return report.connections.iter().collect();
    }
    let mut rows: Vec<&ConnectionRow> = report.connections.iter().collect();
    rows.sort_by_key(|row| (row.findings.is_empty(), row.stream));
    rows.truncate(CARRIED);
    rows.sort_by_key(|row| row.stream);
    rows
}

/// The rows as JSON that may stand in a script element.
pub fn data(rows: &[&ConnectionRow], words: &Words<'_>) -> serde_json::Result<String> {
    let first = rows.iter().map(|row| row.first).min().unwrap_or_default();
    // Milliseconds of the zone's own clock, so that the script needs to know nothing of zones.
    let base = first.nanos().div_euclid(1_000_000);
    let origin = Timestamp(base.saturating_mul(1_000_000));
    let mut columns =
        Columns { base: base.saturating_add(i64::from(words.zone.local_minus_utc()).saturating_mul(1_000)), ..Columns::default() };
    let (mut hosts, mut servers, mut protocols, mut ends) =
        (Dictionary::default(), Dictionary::default(), Dictionary::default(), Dictionary::default());
    let mut before = 0;
    for row in rows {
        columns.s.push(row.stream.saturating_sub(before));
        before = row.stream;
        columns.c.push(hosts.place(row.client.ip.to_string()));
        columns.cp.push(row.client.port);
        columns.v.push(servers.place(words.endpoint(row.server)));
        columns.p.push(protocols.place(escape(row.protocol).into_owned()));
        columns.o.push(micros(row.first.since(origin)));
        columns.d.push(micros(row.last.since(row.first)));
        columns.r.push(row.requests);
        columns.b.push(row.client_to_server.unique_octets.saturating_add(row.server_to_client.unique_octets));
        columns.g.push(row.idle_gap_longest.map_or(-1, micros));
        columns.e.push(ends.place(end(row)));
        if !row.findings.is_empty() {
            columns.f.insert(row.stream, row.findings.clone());
        }
    }
    (columns.hosts, columns.servers, columns.protocols, columns.ends) = (hosts.words, servers.words, protocols.words, ends.words);
    Ok(json_in_html(&serde_json::to_string(&columns)?))
}

const fn micros(span: Span) -> i64 {
    span.nanos() / 1_000
}

/// Where the connection stands, and who closed first.
fn end(row: &ConnectionRow) -> String {
    let first = match row.first_close.map(|close| (close.by, close.how)) {
        None => "",
        Some((Role::Client, How::Fin)) => "FIN client",
        Some((Role::Server, How::Fin)) => "FIN server",
        Some((Role::Client, How::Rst)) => "RST client",
        Some((Role::Server, How::Rst)) => "RST server",
    };
    match (row.state, first) {
        (state, "") => state.as_str().to_owned(),
        (StateView::HalfClosed, first) => format!("{first}, half-closed"),
        (StateView::Reset, first) if !first.starts_with("RST") => format!("{first}, reset"),
        (_, first) => first.to_owned(),
    }
}

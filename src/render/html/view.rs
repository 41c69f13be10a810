//! The report → what the template shows: strings, ready and harmless; the template escapes them for HTML.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;

use askama::Template;

use super::card::{Card, Strip, embed};
use super::{policy, rows};
use crate::render::Style;
use crate::render::format::{count, counted, duration, escape, html_advice, unbroken, zone_name};
use crate::render::svg::lanes::{self, Lane};
use crate::render::svg::{canvas, picture};
use crate::render::wording::{Words, base_name, counts_by_severity, left_out_line, timer_name, timer_value};
use crate::report::{ConnectionRow, Group, Hop, Report, Timeline};
use crate::time::Span;

const CSS: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Cards of a group that are open, at least one of each kind; the others are folded.
const OPEN_CARDS: usize = 4;
/// Cards of a group.
const CARDS: usize = 60;
/// Cards of the page.
const ALL_CARDS: usize = 300;
/// Groups with cards.
const GROUPS: usize = 60;
/// Lanes of a group.
const LANES: usize = 60;
/// Lanes of a group that stand open; more are folded.
const OPEN_LANES: usize = 24;
/// Hops of the chain.
const HOPS: usize = 12;
/// Timers.
const TIMERS: usize = 100;

/// The document.
#[derive(Template)]
#[template(path = "report.html")]
pub struct Document<'a> {
    pub page: &'a Page,
}

/// What the template shows.
pub struct Page {
    pub policy: String,
    pub css: &'static str,
    pub script: &'static str,
    pub definitions: &'static str,
    pub version: &'static str,
    pub title: String,
    pub eyebrow: String,
    pub headline: String,
    pub verdict: Vec<String>,
    pub complete: bool,
    pub left_out: Option<String>,
    pub figures: Vec<Figure>,
    pub picture: String,
    pub picture_words: String,
    pub picture_omitted: Option<String>,
    pub hops: Vec<HopView>,
    pub hops_omitted: usize,
    pub counts: String,
    pub groups: Vec<GroupView>,
    pub findings_not_shown: Option<String>,
    pub timers: Vec<TimerRow>,
    pub timers_omitted: usize,
    pub columns: Vec<Column>,
    pub connections_total: String,
    pub connections_omitted: Option<String>,
    pub rows_embedded: usize,
    pub data: String,
    pub capture: Vec<String>,
    pub cost: Vec<String>,
    pub zone: String,
}

/// A number of the first screen.
pub struct Figure {
    pub name: &'static str,
    pub value: String,
    pub bad: bool,
}

/// One hop.
pub struct HopView {
    pub class: &'static str,
    pub client: String,
    pub client_timer: String,
    pub path: Option<String>,
    pub server: String,
    pub server_timer: String,
    pub order: &'static str,
    pub says: String,
}

/// A client host and a server endpoint.
pub struct GroupView {
    pub client: String,
    pub server: String,
    pub kinds: Vec<String>,
    pub summary: String,
    /// As HTML.
    pub advice: Vec<String>,
    pub lanes: Option<Lanes>,
    pub cards: Vec<Card>,
    pub more: Vec<Card>,
    pub more_title: String,
    pub not_shown: Option<String>,
}

/// The connections of a group side by side.
pub struct Lanes {
    pub svg: String,
    pub open: bool,
    pub note: String,
}

/// A row of the table of timers.
pub struct TimerRow {
    pub server: String,
    pub client: String,
    pub name: &'static str,
    pub value: String,
    pub state: &'static str,
    pub samples: String,
    pub hints: String,
}

/// A column of the table of connections.
pub struct Column {
    pub key: &'static str,
    pub title: &'static str,
    pub figures: bool,
}

fn safe(text: &str) -> String {
    escape(text).into_owned()
}

impl Page {
    /// The view of a report.
    pub fn of(report: &Report, style: &Style) -> io::Result<Self> {
        let words = Words::of(report, style.zone);
        let mut cards = Cards::new(report, style, words);
        let groups = report.groups.iter().take(GROUPS).map(|group| cards.group(group)).collect::<io::Result<Vec<_>>>()?;
        let carried = rows::carried(report);
        let names: Vec<String> = report.inputs.iter().take(3).map(|input| safe(base_name(&input.name))).collect();
        let more = report.inputs.len().saturating_sub(3);
        let names = if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") };
        let period = report.capture.first.zip(report.capture.last).map(|(first, last)| words.period(first, last));
        let mut verdict = report.verdict.iter().map(|sentence| safe(sentence));
        let omitted = report.connections_total.saturating_sub(carried.len() as u64);
        Ok(Self {
            policy: policy::policy(CSS, SCRIPT),
            css: CSS,
            script: SCRIPT,
            definitions: canvas::DEFINITIONS,
            version: env!("CARGO_PKG_VERSION"),
            title: title(&names),
            eyebrow: [Some(names), period].into_iter().flatten().collect::<Vec<_>>().join(" · "),
            headline: verdict.next().map_or_else(|| "Nothing to report.".to_owned(), |sentence| unbroken(&sentence)),
            verdict: verdict.map(|sentence| unbroken(&sentence)).collect(),
            complete: report.complete,
            left_out: left_out_line(report),
            figures: figures(report),
            picture: embed(&picture::draw(report, &words), "plot", &format!("The picture: {}", picture::in_words(report))),
            picture_words: picture::in_words(report),
            picture_omitted: (report.picture.dots_omitted > 0)
                .then(|| format!("{} have no dot of their own.", counted(report.picture.dots_omitted, "request", "requests"))),
            hops: report.chain.iter().take(HOPS).map(|hop| HopView::of(hop, &words)).collect(),
            hops_omitted: report.chain.len().saturating_sub(HOPS),
            counts: counts_by_severity(&report.findings),
            groups,
            findings_not_shown: cards.not_shown(),
            timers: timers(report, &words),
            timers_omitted: report.timeouts.len().saturating_sub(TIMERS),
            columns: rows::COLUMNS.map(|(key, title, figures)| Column { key, title, figures }).into(),
            connections_total: count(report.connections_total),
            connections_omitted: (omitted > 0 && !carried.is_empty()).then(|| {
                format!(
                    "This page carries {} of {} connections, those with findings first; --format csv and ndjson have them all.",
                    count(carried.len() as u64),
                    count(report.connections_total)
                )
            }),
            rows_embedded: carried.len(),
            data: rows::data(&carried, &words)?,
            capture: words.capture_lines(report).iter().map(|line| unbroken(line)).collect(),
            cost: words.cost_parts(&report.cost).iter().map(|part| unbroken(part)).collect(),
            zone: zone_name(style.zone),
        })
    }
}

/// The title of a window: what does not fit is cut.
fn title(names: &str) -> String {
    const ROOM: usize = 60;
    let mut title: String = format!("afterfin: {names}").chars().take(ROOM).collect();
    if names.chars().count().saturating_add("afterfin: ".len()) > ROOM {
        title.push('…');
    }
    title
}

fn figures(report: &Report) -> Vec<Figure> {
    let cost = &report.cost;
    let figure = |name, value: u64, bad| Figure { name, value: count(value), bad: bad && value > 0 };
    let mut figures = vec![figure("requests lost", cost.requests_lost, true)];
    if cost.requests_lost > 0 {
        figures.push(figure("sent again", cost.retried, false));
        figures.push(figure("surfaced to a caller", cost.surfaced, true));
    }
    if cost.dead_held > Span::ZERO {
        figures.push(Figure { name: "dead connections held", value: duration(cost.dead_held), bad: false });
    }
    figures.push(figure("findings", report.findings.len() as u64, false));
    figures.push(figure("connections", report.capture.connections, false));
    figures.push(figure("frames", report.capture.frames, false));
    figures
}

impl HopView {
    fn of(hop: &Hop, words: &Words<'_>) -> Self {
        let (class, order) = match hop.in_order {
            Some(true) => ("right", "✓ In order."),
            Some(false) => ("wrong", "✕ In the wrong order."),
            None => ("unknown", "? Not known."),
        };
        let client_timer = match (hop.client_timer, hop.client_at_least) {
            (Some(timer), _) if let Some(server) = hop.client_seen_at => {
                format!("lets go after {}, as on {}", duration(timer), words.endpoint(server))
            }
            (None, _) => "not seen".to_owned(),
            (Some(timer), true) => format!("keeps for {} or more", duration(timer)),
            (Some(timer), false) => format!("lets go after {}", duration(timer)),
        };
        let path = match (hop.path_low, hop.path_high) {
            (None, None) => None,
            (Some(low), None) => Some(format!("forgets after more than {}", duration(low))),
            (None, Some(high)) => Some(format!("forgets within {}", duration(high))),
            (Some(low), Some(high)) => Some(format!("forgets after {} to {}", duration(low), duration(high))),
        };
        Self {
            class,
            client: words.host(hop.client),
            client_timer,
            path,
            server: words.endpoint(hop.server),
            server_timer: hop.server_timer.map_or_else(|| "not seen".to_owned(), |timer| format!("closes after {}", duration(timer))),
            order,
            says: safe(&hop.says),
        }
    }
}

fn timers(report: &Report, words: &Words<'_>) -> Vec<TimerRow> {
    let row = |timeout: &crate::report::Timeout| TimerRow {
        server: match &timeout.host {
            Some(host) => format!("{} [{}]", words.endpoint(timeout.server), escape(host)),
            None => words.endpoint(timeout.server),
        },
        client: timeout.client.map_or_else(|| "any".to_owned(), |ip| words.host(ip)),
        name: timer_name(timeout),
        value: unbroken(&timer_value(timeout)),
        state: timeout.state.as_str(),
        samples: count(timeout.samples),
        hints: safe(&timeout.known.join("; ")),
    };
    report.timeouts.iter().take(TIMERS).map(row).collect()
}

/// Makes the cards, each timeline once.
struct Cards<'a> {
    report: &'a Report,
    style: &'a Style,
    words: Words<'a>,
    timelines: BTreeMap<u64, &'a Timeline>,
    drawn: BTreeMap<u64, usize>,
    rows: BTreeMap<(std::net::IpAddr, crate::report::EndpointView), Vec<&'a ConnectionRow>>,
    made: usize,
}

impl<'a> Cards<'a> {
    fn new(report: &'a Report, style: &'a Style, words: Words<'a>) -> Self {
        let of_groups = report.groups.iter().filter_map(|group| group.timeline.as_ref());
        let timelines = of_groups.chain(&report.finding_timelines).map(|timeline| (timeline.stream, timeline)).collect();
        let pairs: BTreeSet<_> = report.groups.iter().take(GROUPS).map(|group| (group.client, group.server)).collect();
        let mut rows: BTreeMap<_, Vec<&ConnectionRow>> = BTreeMap::new();
        for row in report.connections.iter().filter(|row| pairs.contains(&(row.client.ip, row.server))) {
            rows.entry((row.client.ip, row.server)).or_default().push(row);
        }
        Self { report, style, words, timelines, drawn: BTreeMap::new(), rows, made: 0 }
    }

    fn group(&mut self, group: &Group) -> io::Result<GroupView> {
        let findings: Vec<_> = group.findings.iter().filter_map(|place| self.report.findings.get(*place)).collect();
        let mut kinds = BTreeSet::new();
        let room = CARDS.min(ALL_CARDS.saturating_sub(self.made));
        let mut first = Vec::new();
        let mut others = Vec::new();
        let telling = group.timeline.as_ref().map(|timeline| timeline.stream);
        for finding in &findings {
            let is_new = kinds.insert(finding.kind);
            if is_new || first.len() < OPEN_CARDS { first.push(*finding) } else { others.push(*finding) }
        }
        // The connection that tells most stands before its like.
        first.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.stream != telling || telling.is_none(), finding.number));
        first.truncate(room);
        others.truncate(room.saturating_sub(first.len()));
        let mut cards = Vec::new();
        for finding in &first {
            cards.push(self.card(finding, &group.advice)?);
        }
        let mut more = Vec::new();
        for finding in &others {
            more.push(self.card(finding, &group.advice)?);
        }
        self.made = self.made.saturating_add(cards.len()).saturating_add(more.len());
        let left = findings.len().saturating_sub(cards.len()).saturating_sub(more.len());
        Ok(GroupView {
            client: self.words.host(group.client),
            server: self.words.endpoint(group.server),
            kinds: group.kinds.iter().map(|(kind, number)| format!("{} × {}", count(*number), kind.as_str())).collect(),
            summary: safe(&group.summary),
            advice: group.advice.iter().map(|line| html_advice(line)).collect(),
            lanes: self.lanes(group),
            cards,
            more_title: counted(more.len() as u64, "more finding", "more findings"),
            more,
            not_shown: (left > 0).then(|| {
                format!("{} of this pair without a card; --format csv and json have them all.", counted(left as u64, "finding", "findings"))
            }),
        })
    }

    fn card(&mut self, finding: &crate::report::Finding, known: &[String]) -> io::Result<Card> {
        let mut card = Card::of(finding, known, &self.words);
        let Some(stream) = finding.stream else { return Ok(card) };
        match (self.drawn.get(&stream), self.timelines.get(&stream)) {
            (Some(other), _) => card.see = Some(format!("Its timeline stands at F{other}.")),
            (None, Some(timeline)) => {
                card.strip = Some(Strip::of(timeline, self.report, self.style, &self.words)?);
                self.drawn.insert(stream, finding.number);
            }
            (None, None) => card.see = Some(format!("afterfin timeline --stream {stream} draws this connection.")),
        }
        Ok(card)
    }

    /// The lanes of a pair: connections with findings first, then by number.
    fn lanes(&self, group: &Group) -> Option<Lanes> {
        let rows = self.rows.get(&(group.client, group.server)).filter(|rows| rows.len() > 1)?;
        let mut chosen = rows.clone();
        chosen.sort_by_key(|row| (row.findings.is_empty(), row.stream));
        chosen.truncate(LANES);
        chosen.sort_by_key(|row| (row.first, row.stream));
        let lanes: Vec<Lane> = chosen.iter().map(|row| Lane::of_row(row, self.report)).collect();
        let more = rows.len().saturating_sub(lanes.len());
        let mut note = "Time is to scale; of each connection the longest silences are shown.".to_owned();
        if more > 0 {
            let _ = write!(note, " {} not drawn.", counted(more as u64, "connection is", "connections are"));
        }
        let name = format!("{} connections side by side: arrow keys walk through them, plus and minus zoom", lanes.len());
        Some(Lanes { svg: embed(&lanes::draw(&lanes, &self.words), "plot zoom", &name), open: lanes.len() <= OPEN_LANES, note })
    }

    /// What the page leaves out of the findings.
    fn not_shown(&self) -> Option<String> {
        let pairs = self.report.groups.len().saturating_sub(GROUPS);
        let findings: usize = self.report.groups.iter().skip(GROUPS).map(|group| group.findings.len()).sum();
        (pairs > 0).then(|| {
            format!(
                "{} with {} are not on this page; --format csv and json have them all.",
                counted(pairs as u64, "more pair of hosts", "more pairs of hosts"),
                counted(findings as u64, "finding", "findings")
            )
        })
    }
}

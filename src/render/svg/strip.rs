//! One connection's life from left to right: the client above, the server below, silence as bands between. Time is not to scale: every
//! event gets room, and a long silence more of it; `data-v` has the place to scale for the script that zooms.

use super::axis::spread;
use super::canvas::{Anchor, Canvas, GUTTER, WIDTH, fitted, mark, text_width, x_of};
use crate::endpoint::Direction;
use crate::render::format::{clock, count, duration, offset_seconds};
use crate::render::wording::Words;
use crate::report::{EntryKind, Timeline, TimelineEntry};
use crate::time::Span;

/// Where the client's line runs.
const CLIENT: f64 = 62.0;
/// Where the server's line runs.
const SERVER: f64 = 118.0;
/// Where the offsets stand.
const TICKS: f64 = 176.0;
/// Entries that are drawn from the beginning …
const FIRST_DRAWN: usize = 60;
/// … and from the end of a long connection.
const LAST_DRAWN: usize = 140;
/// Where the first row of labels above the client's line stands; a second is 15 px higher.
pub const FIRST_ABOVE: f64 = CLIENT - 13.0;
/// Where the first row of labels below the server's line stands; a second is 15 px lower.
pub const FIRST_BELOW: f64 = SERVER + 21.0;
/// Room for the label of an event.
const LABEL_ROOM: f64 = 168.0;
/// Entries of the list below the drawing.
const LISTED: usize = 400;

/// Draws the strip.
pub fn draw(timeline: &Timeline, words: &Words<'_>) -> Canvas {
    let entries = drawn(&timeline.entries);
    let places = places(&entries);
    let mut canvas = Canvas::new(TICKS + 8.0);
    canvas.text("lanename", GUTTER - 16.0, CLIENT + 4.0, Anchor::End, "client");
    canvas.text("lanename", GUTTER - 16.0, SERVER + 4.0, Anchor::End, "server");
    for (entry, place) in entries.iter().zip(&places).filter(|(entry, _)| entry.kind == EntryKind::Gap) {
        draw_gap(&mut canvas, entry, place);
    }
    life(&mut canvas, CLIENT, Direction::ClientToServer, &entries, &places);
    life(&mut canvas, SERVER, Direction::ServerToClient, &entries, &places);
    let labels = labels(&entries, &places);
    for ((entry, place), label) in entries.iter().zip(&places).zip(&labels).filter(|((entry, _), _)| entry.kind != EntryKind::Gap) {
        draw_event(&mut canvas, entry, place, label, timeline, words);
    }
    let left_out = timeline.entries.len().saturating_sub(entries.len()) as u64;
    if left_out.saturating_add(timeline.omitted) > 0 {
        let text = format!("{} events between are not drawn", count(left_out.saturating_add(timeline.omitted)));
        canvas.text("tick", 0.0, 12.0, Anchor::Start, &text);
    }
    canvas
}

/// Draws the strip and below it the list of everything, for a drawing that stands alone.
pub fn draw_with_list(timeline: &Timeline, words: &Words<'_>) -> Canvas {
    let mut canvas = draw(timeline, words);
    let mut y = canvas.height + 34.0;
    for entry in timeline.entries.iter().take(LISTED) {
        let class = class(entry);
        let gap = entry.kind == EntryKind::Gap;
        if !gap {
            canvas.text("offset", 92.0, y, Anchor::End, &offset_seconds(entry.at));
        }
        let place = [entry.finding.map(|number| format!("F{number}")), entry.frame.map(|at| format!("frame {}", words.frame(at, None)))];
        let place = place.into_iter().flatten().collect::<Vec<_>>().join("  ");
        let room = WIDTH - 124.0 - if gap { 20.0 } else { text_width(&place) + 16.0 };
        let text = if entry.note.is_empty() { said(entry) } else { format!("{}: {}", said(entry), entry.note) };
        let x = if gap { 124.0 } else { 108.0 };
        canvas.text(&format!("item {class}"), x, y, Anchor::Start, &fitted(&text, room));
        if !gap {
            canvas.text("offset", WIDTH, y, Anchor::End, &place);
        }
        y += 21.0;
    }
    if let Some(more) = timeline.entries.len().checked_sub(LISTED).filter(|more| *more > 0) {
        canvas.text("offset", 108.0, y, Anchor::Start, &format!("… {} more", count(more as u64)));
        y += 21.0;
    }
    canvas.height = y - 10.0;
    canvas
}

/// The first and the last entries of a long connection.
fn drawn(entries: &[TimelineEntry]) -> Vec<&TimelineEntry> {
    if entries.len() <= FIRST_DRAWN + LAST_DRAWN {
        return entries.iter().collect();
    }
    let last = entries.len().saturating_sub(LAST_DRAWN);
    entries.iter().take(FIRST_DRAWN).chain(entries.iter().skip(last)).collect()
}

/// Where an entry begins and ends: with room for all (`u`) and to scale (`v`).
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    u: (f64, f64),
    v: (f64, f64),
}

fn places(entries: &[&TimelineEntry]) -> Vec<Place> {
    let mut points: Vec<(Span, usize, bool)> = Vec::with_capacity(entries.len() * 2);
    for (at, entry) in entries.iter().enumerate() {
        points.push((entry.at, at, false));
        if let Some(span) = entry.span {
            points.push((entry.at + span, at, true));
        }
    }
    points.sort_by_key(|point| point.0);
    let times: Vec<Span> = points.iter().map(|point| point.0).collect();
    let (first, last) = (times.first().copied().unwrap_or_default(), times.last().copied().unwrap_or_default());
    let whole = (last - first).nanos().max(1) as f64;
    let mut places = vec![Place::default(); entries.len()];
    for ((time, at, is_end), u) in points.into_iter().zip(spread(&times)) {
        let v = (time - first).nanos() as f64 / whole;
        let Some(place) = places.get_mut(at) else { continue };
        if is_end {
            (place.u.1, place.v.1) = (u, v);
        } else {
            *place = Place { u: (u, u), v: (v, v) };
        }
    }
    places
}

fn draw_gap(canvas: &mut Canvas, entry: &TimelineEntry, place: &Place) {
    let dead = entry.note.starts_with("closed");
    let class = if dead { "ev gap dead" } else { "ev gap" };
    canvas.raw(format_args!(
        r#"<g class="{class}" role="img" tabindex="-1" data-u0="{:.5}" data-u1="{:.5}" data-v0="{:.5}" data-v1="{:.5}">"#,
        place.u.0, place.u.1, place.v.0, place.v.1
    ));
    canvas.tip(&[
        said(entry),
        entry.note.clone(),
        format!("from {} to {}", offset(entry.at), offset(entry.at + entry.span.unwrap_or_default())),
    ]);
    let (x, width) = (x_of(place.u.0), x_of(place.u.1) - x_of(place.u.0));
    let fill = if dead { r#" fill="url(#hatch)""# } else { "" };
    canvas.raw(format_args!(r#"<rect{fill} x="{x:.1}" y="{CLIENT:.1}" width="{:.1}" height="{:.1}"/>"#, width.max(0.0), SERVER - CLIENT));
    let text = entry.span.map_or_else(String::new, duration);
    let hidden = if text_width(&text) + 6.0 > width { " hid" } else { "" };
    canvas.text(&format!("gaptext{hidden}"), x + width / 2.0, f64::midpoint(CLIENT, SERVER) + 4.0, Anchor::Middle, &text);
    canvas.close();
}

/// A side's line: full while it lives, dotted once it has closed or learned that the other end is gone.
fn life(canvas: &mut Canvas, y: f64, side: Direction, entries: &[&TimelineEntry], places: &[Place]) {
    let ends = |entry: &TimelineEntry| match entry.kind {
        EntryKind::Fin => entry.direction == Some(side),
        EntryKind::Rst => true,
        _ => false,
    };
    let end = entries.iter().zip(places).find(|(entry, _)| ends(entry)).map(|(_, place)| *place);
    let end = end.unwrap_or(Place { u: (1.0, 1.0), v: (1.0, 1.0) });
    for (class, (u0, u1), (v0, v1)) in [("life", (0.0, end.u.0), (0.0, end.v.0)), ("life gone", (end.u.0, 1.0), (end.v.0, 1.0))] {
        if u1 > u0 {
            canvas.raw(format_args!(
                r#"<line class="{class}" data-u0="{u0:.5}" data-u1="{u1:.5}" data-v0="{v0:.5}" data-v1="{v1:.5}" x1="{:.1}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}"/>"#,
                x_of(u0),
                x_of(u1)
            ));
        }
    }
}

/// The label of an event: which row, how far beside its event, or hidden because there is no room.
#[derive(Clone, Debug, Default)]
struct Label {
    text: String,
    row: Option<usize>,
    shift: f64,
    tick: bool,
    priority: u8,
}

/// Gives room to labels and offsets, the important first. The script does the same when it zooms.
fn labels(entries: &[&TimelineEntry], places: &[Place]) -> Vec<Label> {
    let mut labels: Vec<Label> = entries
        .iter()
        .map(|entry| Label { text: fitted(&label(entry), LABEL_ROOM), priority: priority(entry), ..Label::default() })
        .collect();
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|at| labels.get(*at).map_or(9, |label| label.priority));
    let mut rows: [Vec<(f64, f64)>; 5] = Default::default();
    for at in order {
        let (Some(entry), Some(place), Some(label)) = (entries.get(at), places.get(at), labels.get_mut(at)) else { continue };
        if entry.kind == EntryKind::Gap {
            continue;
        }
        let x = x_of(place.u.0);
        let width = text_width(&label.text);
        let left = (x - width / 2.0).min(WIDTH - width).max(0.0);
        label.shift = left + width / 2.0 - x;
        let first = if is_below(entry) { 2 } else { 0 };
        if !label.text.is_empty() {
            for row in [first, first + 1] {
                if let Some(taken) = rows.get_mut(row)
                    && label.row.is_none()
                    && is_free(taken, left, left + width)
                {
                    taken.push((left, left + width));
                    label.row = Some(row - first);
                }
            }
        }
        let half = text_width(&offset(entry.at)) / 2.0;
        if let Some(taken) = rows.last_mut()
            && is_free(taken, x - half, x + half)
        {
            taken.push((x - half, x + half));
            label.tick = true;
        }
    }
    labels
}

fn is_free(taken: &[(f64, f64)], from: f64, to: f64) -> bool {
    taken.iter().all(|(begin, end)| to + 8.0 < *begin || from - 8.0 > *end)
}

fn is_below(entry: &TimelineEntry) -> bool {
    entry.direction == Some(Direction::ServerToClient)
}

const fn priority(entry: &TimelineEntry) -> u8 {
    match (entry.finding, entry.kind) {
        (Some(_), EntryKind::Request) => 0,
        (_, EntryKind::Fin | EntryKind::Rst) => 1,
        (Some(_), _) | (_, EntryKind::Icmp) => 2,
        (_, EntryKind::Request) => 3,
        (_, EntryKind::Farewell | EntryKind::Keepalive) => 4,
        _ => 5,
    }
}

/// A word or two beside the mark.
fn label(entry: &TimelineEntry) -> String {
    match entry.kind {
        EntryKind::Fin => "FIN".to_owned(),
        EntryKind::Rst => "RST".to_owned(),
        EntryKind::Request => entry.text.split(" → ").next().unwrap_or_default().to_owned(),
        EntryKind::Keepalive => entry.text.split(" by ").next().unwrap_or_default().to_owned(),
        EntryKind::Farewell => "last word".to_owned(),
        EntryKind::Icmp => "ICMP".to_owned(),
        EntryKind::Retransmission => "sent again".to_owned(),
        EntryKind::Handshake => "open".to_owned(),
        EntryKind::End => "end of capture".to_owned(),
        EntryKind::Response | EntryKind::Note | EntryKind::Gap => String::new(),
    }
}

fn draw_event(canvas: &mut Canvas, entry: &TimelineEntry, place: &Place, label: &Label, timeline: &Timeline, words: &Words<'_>) {
    let class = class(entry);
    let finding = entry.finding.map_or_else(String::new, |number| format!(r#" data-f="F{number}""#));
    let (v, rank) = (place.v.0, label.priority);
    canvas.open_at(
        &format!("ev {class}"),
        place.u.0,
        format_args!(r#" data-v="{v:.7}" data-p="{rank}" role="img" tabindex="-1"{finding}"#),
    );
    let when = format!("{} · {}", offset(entry.at), clock(timeline.opened + entry.at, words.zone));
    let frame = entry.frame.map_or_else(String::new, |at| format!(" · frame {}", words.frame(at, None)));
    let number = entry.finding.map_or_else(String::new, |number| format!(" · F{number}"));
    canvas.tip(&[said(entry), entry.note.clone(), format!("{when}{frame}{number}")]);
    let below = is_below(entry);
    let (from, to) = if below { (SERVER, CLIENT) } else { (CLIENT, SERVER) };
    let step = if below { -1.0 } else { 1.0 };
    let travels = !matches!(entry.kind, EntryKind::Handshake | EntryKind::Note | EntryKind::End | EntryKind::Icmp);
    if travels {
        let (tip, barb) = (to - step * 1.5, to - step * 8.0);
        canvas
            .raw(format_args!(r#"<path class="arrow" d="M0 {from:.1}V{:.1}M-3.5 {barb:.1}L0 {tip:.1}L3.5 {barb:.1}"/>"#, to - step * 2.0));
    } else {
        canvas.raw(format_args!(r#"<path class="stem" d="M0 {CLIENT:.1}V{SERVER:.1}"/>"#));
    }
    canvas.raw(format_args!(r#"<path class="mark" transform="translate(0 {from:.1})" d="{}"/>"#, shape(entry.kind)));
    canvas.raw(format_args!(r#"<rect class="hit" x="-9" y="{:.1}" width="18" height="{:.1}"/>"#, CLIENT - 10.0, SERVER - CLIENT + 20.0));
    if !label.text.is_empty() {
        let row = label.row.unwrap_or_default() as f64;
        let y = if below { FIRST_BELOW + 15.0 * row } else { FIRST_ABOVE - 15.0 * row };
        let hidden = if label.row.is_some() { "" } else { " hid" };
        canvas.text(&format!("lb{hidden}"), label.shift, y, Anchor::Middle, &label.text);
    }
    canvas.text(if label.tick { "tick" } else { "tick hid" }, 0.0, TICKS, Anchor::Middle, &offset(entry.at));
    canvas.close();
}

const fn shape(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Request | EntryKind::Response | EntryKind::Gap => mark::CIRCLE,
        EntryKind::Fin | EntryKind::Farewell => mark::SQUARE,
        EntryKind::Rst => mark::CROSS,
        EntryKind::Keepalive => mark::DIAMOND,
        EntryKind::Retransmission => mark::RING,
        EntryKind::Icmp => mark::TRIANGLE,
        EntryKind::Handshake | EntryKind::Note | EntryKind::End => mark::BAR,
    }
}

/// The classes of an entry: its kind, and whether it is evidence of a finding.
fn class(entry: &TimelineEntry) -> String {
    let late = if entry.finding.is_some() && entry.kind == EntryKind::Request { " late" } else { "" };
    format!("k-{}{late}", entry.kind.as_str())
}

/// What an entry says; a gap without words of its own says how long it was.
pub fn said(entry: &TimelineEntry) -> String {
    match (entry.text.as_str(), entry.span) {
        ("", Some(span)) => format!("idle {}", duration(span)),
        (text, _) => text.to_owned(),
    }
}

/// `+10.011 s`.
fn offset(at: Span) -> String {
    if at == Span::ZERO { "0 s".to_owned() } else { format!("+{}", duration(at)) }
}

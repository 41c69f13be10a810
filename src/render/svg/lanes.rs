//! Connections of a pair side by side, to scale: who opened, who idled, who closed, which request was lost.

use super::axis::linear_marks;
use super::canvas::{Anchor, Canvas, GUTTER, fitted, mark, text_width};
use crate::endpoint::{Direction, Role};
use crate::render::format::{clock, duration, escape};
use crate::render::wording::Words;
use crate::report::{ConnectionRow, EndpointView, EntryKind, GapEnd, How, Report, Timeline};
use crate::time::{Span, Timestamp};

/// Height of a lane.
const ROW: f64 = 20.0;
/// Above the first lane.
const TOP: f64 = 8.0;
/// Ticks of one lane; a busy connection has a line of them anyway.
const REQUESTS: usize = 200;

/// One connection's lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    stream: u64,
    client: EndpointView,
    opened: Timestamp,
    ended: Timestamp,
    close: Option<(Role, How, Timestamp)>,
    gaps: Vec<(Timestamp, Span)>,
    requests: Vec<Timestamp>,
    late: Vec<(usize, Timestamp)>,
}

impl Lane {
    /// The lane of a row of the table: its longest gaps, its first close, its findings.
    pub fn of_row(row: &ConnectionRow, report: &Report) -> Self {
        let idle = |gap: &&crate::report::Gap| !gap.waiting && gap.ended_by != GapEnd::End;
        Self {
            stream: row.stream,
            client: row.client,
            opened: row.first,
            ended: row.last,
            close: row.first_close.map(|close| (close.by, close.how, close.time)),
            gaps: row.idle_gaps.iter().filter(idle).map(|gap| (gap.start_time, gap.length)).collect(),
            requests: Vec::new(),
            late: late(row.stream, report),
        }
    }

    /// The lane of a timeline, with every request.
    pub fn of_timeline(timeline: &Timeline, report: &Report) -> Self {
        let time = |at: Span| timeline.opened + at;
        let of = |kind: EntryKind| timeline.entries.iter().filter(move |entry| entry.kind == kind);
        let closes = timeline.entries.iter().filter_map(|entry| match (entry.kind, entry.direction?) {
            (EntryKind::Fin, by) => Some((by.sender(), How::Fin, time(entry.at))),
            (EntryKind::Rst, by) => Some((by.sender(), How::Rst, time(entry.at))),
            _ => None,
        });
        let ended = timeline.entries.iter().map(|entry| entry.at + entry.span.unwrap_or_default()).max().unwrap_or_default();
        Self {
            stream: timeline.stream,
            client: timeline.client,
            opened: timeline.opened,
            ended: time(ended),
            close: closes.min_by_key(|close| close.2),
            gaps: of(EntryKind::Gap).filter_map(|entry| Some((time(entry.at), entry.span?))).collect(),
            requests: of(EntryKind::Request)
                .filter(|entry| entry.direction != Some(Direction::ServerToClient))
                .take(REQUESTS)
                .map(|entry| time(entry.at))
                .collect(),
            late: late(timeline.stream, report),
        }
    }
}

fn late(stream: u64, report: &Report) -> Vec<(usize, Timestamp)> {
    let lost = report.findings.iter().filter(|finding| finding.stream == Some(stream) && finding.kind.is_request_loss());
    lost.filter_map(|finding| Some((finding.number, finding.time?))).collect()
}

/// Draws the lanes.
pub fn draw(lanes: &[Lane], words: &Words<'_>) -> Canvas {
    let first = lanes.iter().map(|lane| lane.opened).min().unwrap_or_default();
    let last = lanes.iter().map(|lane| lane.ended).max().unwrap_or_default();
    let scale = Scale { first, whole: last.since(first).nanos().max(1) as f64 };
    let bottom = TOP + ROW * lanes.len() as f64;
    let mut canvas = Canvas::new(bottom + 26.0);
    let marks = linear_marks(last.since(first), 8);
    for (u, word) in &marks {
        canvas.open_at("axis", *u, format_args!(""));
        canvas.raw(format_args!(r#"<line class="grid" y1="{TOP:.1}" y2="{:.1}"/>"#, bottom + 4.0));
        canvas.text("tick", 0.0, bottom + 18.0, Anchor::Middle, word);
        canvas.close();
    }
    let several_hosts = lanes.iter().any(|lane| lanes.first().is_some_and(|other| other.client.ip != lane.client.ip));
    for (number, lane) in lanes.iter().enumerate() {
        draw_lane(&mut canvas, lane, TOP + ROW * number as f64, &scale, several_hosts, words);
    }
    canvas
}

struct Scale {
    first: Timestamp,
    whole: f64,
}

impl Scale {
    fn place(&self, time: Timestamp) -> f64 {
        (time.since(self.first).nanos() as f64 / self.whole).clamp(0.0, 1.0)
    }
}

fn draw_lane(canvas: &mut Canvas, lane: &Lane, y: f64, scale: &Scale, with_host: bool, words: &Words<'_>) {
    let middle = y + ROW / 2.0;
    let name = if with_host { format!("#{} {}", lane.stream, lane.client.ip) } else { format!("#{} :{}", lane.stream, lane.client.port) };
    canvas.raw(format_args!(r#"<g class="ev lane" role="img" tabindex="-1">"#));
    canvas.tip(&describe(lane, words));
    canvas.text("lanename", GUTTER - 12.0, middle + 4.0, Anchor::End, &fitted(&escape(&name), GUTTER - 14.0));
    canvas.raw(format_args!(r#"<rect class="hit full" x="{GUTTER:.1}" y="{y:.1}" width="820" height="{ROW:.1}"/>"#));
    let (opened, ended) = (scale.place(lane.opened), scale.place(lane.ended));
    let closed = lane.close.map_or(ended, |(_, _, time)| scale.place(time));
    canvas.band("lane-life", (opened, closed), (middle - 4.0, 8.0), format_args!(r#" data-least="1.5""#));
    for (start, length) in lane.gaps.iter().filter(|(start, _)| scale.place(*start) < closed) {
        let to = scale.place(*start + *length).min(closed);
        canvas.band("lane-gap", (scale.place(*start), to), (middle - 2.5, 5.0), format_args!(""));
    }
    if ended > closed {
        canvas.band("lane-dead", (closed, ended), (middle - 4.0, 8.0), format_args!(r#" fill="url(#hatch)""#));
    }
    canvas.close();
    for time in &lane.requests {
        canvas.open_at("lane-request", scale.place(*time), format_args!(""));
        canvas.raw(format_args!(r#"<path d="M0 {:.1}v12"/>"#, middle - 6.0));
        canvas.close();
    }
    if let Some((by, how, time)) = lane.close {
        let class = match by {
            Role::Client => "lane-close client",
            Role::Server => "lane-close server",
        };
        let shape = match how {
            How::Fin => mark::SQUARE,
            How::Rst => mark::CROSS,
        };
        canvas.open_at(class, scale.place(time), format_args!(""));
        canvas.raw(format_args!(r#"<path transform="translate(0 {middle:.1})" d="{shape}"/>"#));
        canvas.close();
    }
    for (number, time) in &lane.late {
        let u = scale.place(*time);
        canvas.open_at("ev lane-late", u, format_args!(r#" role="img" tabindex="-1" data-f="F{number}""#));
        canvas.tip(&[format!("F{number}: this request was lost"), clock(*time, words.zone)]);
        canvas.raw(format_args!(r#"<path transform="translate(0 {middle:.1})" d="{}"/>"#, mark::CIRCLE));
        let label = format!("F{number}");
        let (x, anchor) = if u > 0.9 { (-9.0, Anchor::End) } else { (9.0, Anchor::Start) };
        if text_width(&label) < 60.0 {
            canvas.text("latename", x, middle + 4.0, anchor, &label);
        }
        canvas.close();
    }
}

/// A lane in words.
fn describe(lane: &Lane, words: &Words<'_>) -> Vec<String> {
    let mut lines = vec![
        format!("#{} from {}", lane.stream, words.endpoint(lane.client)),
        format!("opened {}, seen for {}", clock(lane.opened, words.zone), duration(lane.ended.since(lane.opened))),
    ];
    if let Some(longest) = lane.gaps.iter().map(|gap| gap.1).max() {
        lines.push(format!("longest idle {}", duration(longest)));
    }
    match lane.close {
        Some((by, how, time)) => {
            let how = match how {
                How::Fin => "closed",
                How::Rst => "reset",
            };
            lines.push(format!("first {how} by the {} after {}", by.as_str(), duration(time.since(lane.opened))));
        }
        None => lines.push("not closed in this capture".to_owned()),
    }
    lines.extend(lane.late.iter().map(|(number, _)| format!("F{number}: a request was lost")));
    lines
}

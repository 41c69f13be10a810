//! The picture: one dot per request, idle time before it (logarithmic) against what became of it, with the timers as lines.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::axis::LogScale;
use super::canvas::{Anchor, Canvas, GUTTER, WIDTH, mark, text_width, x_of};
use crate::render::format::{count, counted, duration};
use crate::render::wording::Words;
use crate::report::{Dot, Kind, Report, TimerKind, TimerSide};
use crate::time::Span;

/// Timers that get a line; more would hide the dots.
const TIMERS: usize = 6;
/// Dots that stand beside each other, in pixels.
const DOT_STEP: f64 = 7.0;
/// Dots on top of each other before they cover one another.
const STACK: usize = 12;
/// The same for lost requests, whose crosses are larger.
const LOST_STEP: f64 = 10.0;
/// See `STACK`.
const LOST_STACK: usize = 6;
/// Rows of timer labels above the dots.
const LABEL_ROWS: usize = 3;

/// Draws it; `None` of its parts is missing when there is nothing to show, the rows just are empty.
pub fn draw(report: &Report, words: &Words<'_>) -> Canvas {
    let picture = &report.picture;
    let timers = timers(report, words);
    let spans = picture.dots.iter().map(|dot| dot.idle).chain(picture.closes.iter().map(|(low, _)| *low));
    let scale = LogScale::over(spans.chain(timers.iter().flat_map(|timer| [timer.from, timer.to])));
    let mut lost: BTreeMap<Kind, Vec<&Dot>> = BTreeMap::new();
    for dot in &picture.dots {
        if let Some(kind) = dot.lost {
            lost.entry(kind).or_default().push(dot);
        }
    }
    let answered: Vec<&Dot> = picture.dots.iter().filter(|dot| dot.lost.is_none()).collect();
    let (labels, label_rows) = label_places(&timers, scale);
    let top = 10.0 + 15.0 * label_rows as f64;
    let mut canvas = Canvas::default();
    let mut y = top;
    let mut rows = Canvas::default();
    let shown_answered = answered.len() as u64;
    y = row(
        &mut rows,
        "answered",
        shown_answered.saturating_add(picture.dots_omitted),
        &answered,
        (STACK, DOT_STEP),
        y,
        scale,
        report,
        words,
    );
    for (kind, dots) in &lost {
        y = row(&mut rows, short_name(*kind), dots.len() as u64, dots, (LOST_STACK, LOST_STEP), y, scale, report, words);
    }
    if !picture.closes.is_empty() {
        y = closes(&mut rows, &picture.closes, y, scale);
    }
    for (u, word) in scale.marks() {
        canvas.open_at("axis", u, format_args!(""));
        canvas.raw(format_args!(r#"<line class="grid" y1="{top:.1}" y2="{:.1}"/>"#, y + 4.0));
        canvas.text("tick", 0.0, y + 18.0, Anchor::Middle, word);
        canvas.close();
    }
    draw_timers(&mut canvas, &timers, &labels, scale, top, y);
    canvas.body.push_str(&rows.body);
    canvas.text("tick", GUTTER - 14.0, y + 18.0, Anchor::End, "idle before");
    canvas.height = y + 26.0;
    canvas
}

/// What a lost request is called at the left edge.
pub const fn short_name(kind: Kind) -> &'static str {
    match kind {
        Kind::StaleReuse => "stale reuse",
        Kind::CloseRace => "close race",
        Kind::SwallowedRequest => "swallowed",
        Kind::StateLost => "state lost",
        Kind::SilentDrop => "silent drop",
        Kind::ClosedWithoutResponse => "no response",
        _ => kind.as_str(),
    }
}

/// One row of dots; gives the place of the next.
#[allow(clippy::too_many_arguments)] // one row's facts, used twice, side by side above
fn row(
    canvas: &mut Canvas,
    name: &str,
    total: u64,
    dots: &[&Dot],
    (stack, step): (usize, f64),
    y: f64,
    scale: LogScale,
    report: &Report,
    words: &Words<'_>,
) -> f64 {
    let mut stacks: BTreeMap<i64, usize> = BTreeMap::new();
    let placed: Vec<(&Dot, f64, usize)> = dots
        .iter()
        .map(|dot| {
            let u = scale.place(dot.idle);
            #[allow(clippy::cast_possible_truncation)] // a place on the page
            let column = (x_of(u) / step).round() as i64;
            let level = stacks.entry(column).or_default();
            let own = (*level).min(stack);
            *level += 1;
            (*dot, u, own)
        })
        .collect();
    let highest = placed.iter().map(|(.., level)| *level).max().unwrap_or_default();
    let height = (24.0 + highest as f64 * (step - 0.6)).max(36.0);
    let floor = y + height - 11.0;
    canvas.text("rowname", GUTTER - 14.0, floor - 6.0, Anchor::End, name);
    canvas.text("rowcount", GUTTER - 14.0, floor + 7.0, Anchor::End, &noun(total, "request", "requests"));
    canvas.across("row", y + height);
    for (dot, u, level) in placed {
        draw_dot(canvas, dot, u, floor - level as f64 * (step - 0.6), report, words);
    }
    y + height
}

/// A count with its noun where the room at the left edge takes both.
fn noun(number: u64, one: &str, many: &str) -> String {
    let both = counted(number, one, many);
    if text_width(&both) > GUTTER - 8.0 { count(number) } else { both }
}

fn draw_dot(canvas: &mut Canvas, dot: &Dot, u: f64, y: f64, report: &Report, words: &Words<'_>) {
    let place = format!("#{}, frame {}", dot.stream, words.frame(dot.frame, None));
    let idle = format!("{} idle before the request", duration(dot.idle));
    let Some(kind) = dot.lost else {
        canvas.open_at("ok", u, format_args!(""));
        canvas.tip(&[idle, format!("answered · {place}")]);
        canvas.raw(format_args!(r#"<circle cy="{y:.1}" r="2.6"/>"#));
        canvas.close();
        return;
    };
    let finding = report.findings.iter().find(|finding| finding.stream == Some(dot.stream) && finding.frame == Some(dot.frame));
    let link = finding.map_or_else(String::new, |finding| format!(r#" data-f="F{}""#, finding.number));
    canvas.open_at("ev lost", u, format_args!(r#" role="img" tabindex="-1"{link}"#));
    let number = finding.map_or_else(String::new, |finding| format!("F{} · ", finding.number));
    canvas.tip(&[idle, format!("{number}{} · {place}", kind.as_str())]);
    canvas.raw(format_args!(r#"<path class="cross" transform="translate(0 {y:.1})" d="{}"/>"#, mark::CROSS));
    canvas.close();
}

/// Bars: how long connections were idle when their server closed them.
fn closes(canvas: &mut Canvas, closes: &[(Span, u64)], y: f64, scale: LogScale) -> f64 {
    const HEIGHT: f64 = 46.0;
    let most = closes.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let total = closes.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let floor = y + HEIGHT - 2.0;
    canvas.text("rowname", GUTTER - 14.0, floor - 14.0, Anchor::End, "server closed");
    canvas.text("rowcount", GUTTER - 14.0, floor - 1.0, Anchor::End, &noun(total, "connection", "connections"));
    for (low, number) in closes {
        let height = ((*number as f64).ln_1p() / (most as f64).ln_1p() * (HEIGHT - 14.0)).max(2.0);
        // A bucket is a tenth of a decade wide.
        #[allow(clippy::cast_possible_truncation)] // far inside the range
        let high = Span::from_nanos((low.nanos() as f64 * 10_f64.powf(0.1)) as i64);
        let class = "bar";
        canvas.raw(format_args!(r#"<g class="ok">"#));
        canvas.tip(&[
            format!("{} closed by their server", counted(*number, "connection", "connections")),
            format!("after {} to {} idle", duration(*low), duration(high)),
        ]);
        canvas.band(class, (scale.place(*low), scale.place(high)), (floor - height, height), format_args!(r#" data-least="3""#));
        canvas.close();
    }
    canvas.across("row", y + HEIGHT);
    y + HEIGHT
}

/// A timer as the picture shows it.
struct TimerLine {
    from: Span,
    to: Span,
    side: TimerSide,
    label: String,
    tip: String,
}

/// Idle timers: those of servers with findings first.
fn timers(report: &Report, words: &Words<'_>) -> Vec<TimerLine> {
    let mut lines: Vec<TimerLine> = Vec::new();
    let troubled = |server| report.groups.iter().any(|group| group.server == server);
    let mut timeouts: Vec<_> = report.timeouts.iter().filter(|timeout| timeout.what == TimerKind::Idle).collect();
    timeouts.sort_by_key(|timeout| (!troubled(timeout.server), timeout.value.is_none()));
    for timeout in timeouts {
        let (from, to, says) = match (timeout.value, timeout.low, timeout.high) {
            (Some(value), ..) => (value, value, duration(value)),
            (None, Some(low), Some(high)) => (low, high, format!("{} to {}", duration(low), duration(high))),
            _ => continue,
        };
        let label = match timeout.side {
            TimerSide::Server => format!("server closes: {says}"),
            TimerSide::Client => format!("client closes: {says}"),
            TimerSide::Path => format!("path forgets: {says}"),
        };
        if lines.len() < TIMERS && !lines.iter().any(|known| known.label == label) {
            let tip = format!(
                "{}, {} ({})",
                words.endpoint(timeout.server),
                counted(timeout.samples, "sample", "samples"),
                timeout.state.as_str()
            );
            lines.push(TimerLine { from, to, side: timeout.side, label, tip });
        }
    }
    lines.sort_by_key(|line| line.from);
    lines
}

/// For each timer the row of its label (the first that has room) and whether it stands to the left of its line; and how many rows. Where no
/// row has room, the line has no label: its tip and the table of timers name it.
fn label_places(timers: &[TimerLine], scale: LogScale) -> (Vec<Option<(usize, bool)>>, usize) {
    let mut ends = [0.0_f64; LABEL_ROWS];
    let mut used = 0;
    let mut places = Vec::new();
    for timer in timers {
        let (x, width) = (x_of(scale.place(timer.from)), text_width(&timer.label));
        let left = x + width + 8.0 > WIDTH;
        let begins = if left { x - width - 6.0 } else { x };
        let room = ends.iter_mut().enumerate().find(|(_, end)| **end <= begins);
        places.push(room.map(|(row, end)| {
            *end = begins + width + 12.0;
            used = used.max(row + 1);
            (row, left)
        }));
    }
    (places, used)
}

/// Lines through the rows, each with its label above.
fn draw_timers(canvas: &mut Canvas, timers: &[TimerLine], labels: &[Option<(usize, bool)>], scale: LogScale, top: f64, bottom: f64) {
    for (timer, label) in timers.iter().zip(labels) {
        let (u, to) = (scale.place(timer.from), scale.place(timer.to));
        let y = 12.0 + 15.0 * label.map_or(LABEL_ROWS - 1, |(row, _)| row) as f64;
        if to > u {
            canvas.band("timer-band", (u, to), (top, bottom - top), format_args!(""));
        }
        let class = match timer.side {
            TimerSide::Server => "timer server",
            TimerSide::Client => "timer client",
            TimerSide::Path => "timer path",
        };
        canvas.open_at(class, u, format_args!(""));
        canvas.tip(&[timer.label.clone(), timer.tip.clone()]);
        canvas.raw(format_args!(r#"<line y1="{:.1}" y2="{bottom:.1}"/>"#, y - 8.0));
        if let Some((_, left)) = label {
            let (dx, anchor) = if *left { (-6.0, Anchor::End) } else { (6.0, Anchor::Start) };
            canvas.text("timername", dx, y, anchor, &timer.label);
        }
        canvas.close();
    }
}

/// The picture in words (a pause is 1 ms or more, the shortest that is sampled), for those who do not see it and for formats that do not draw it.
pub fn in_words(report: &Report) -> String {
    let picture = &report.picture;
    let lost = picture.dots.iter().filter(|dot| dot.lost.is_some());
    let answered = picture.dots.iter().filter(|dot| dot.lost.is_none());
    let longest = answered.clone().map(|dot| dot.idle).max();
    let shortest = lost.clone().map(|dot| dot.idle).min();
    let all = (answered.count() as u64).saturating_add(picture.dots_omitted);
    let requests = counted(all, "request after a pause was", "requests after a pause were");
    let mut text = if all == 0 { "No request after a pause was answered".to_owned() } else { format!("{requests} answered") };
    if let Some(longest) = longest {
        let which = if all == 1 { "" } else { "the latest of them " };
        let _ = write!(text, ", {which}after {} idle", duration(longest));
    }
    let lost = lost.count() as u64;
    match shortest {
        Some(shortest) if lost == 1 => drop(write!(text, "; 1 was lost, after {} idle.", duration(shortest))),
        Some(shortest) => drop(write!(text, "; {} were lost, the earliest after {} idle.", count(lost), duration(shortest))),
        None => text.push_str("; none was lost."),
    }
    text
}

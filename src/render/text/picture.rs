//! The picture in characters: the idle gap before each request on a logarithmic scale against what became of it, the closes by servers
//! below, and the timers as lines through everything. A request right of a server's line is one that came too late.

use std::io;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::page::{Ink, Page};
use crate::render::format::{counted, duration};
use crate::report::{Dot, Kind, Picture, Report, TimerKind, TimerSide};
use crate::time::{NANOS_PER_SECOND, Span};

/// Columns of the names at the left.
const NAMES: usize = 25;
/// A page narrower than this has no room for it.
const NARROWEST: usize = 60;
/// Fewer requests than this are told better by the timelines, unless one was lost.
const REQUESTS_FROM: usize = 8;
/// So many timers are drawn.
const LINES: usize = 5;
/// The kinds of losses, in the order of the rows.
const LOSSES: [Kind; 6] =
    [Kind::StaleReuse, Kind::CloseRace, Kind::SwallowedRequest, Kind::StateLost, Kind::SilentDrop, Kind::ClosedWithoutResponse];
/// Eighths of a bar.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The scale: `low` at column 0, `high` at the last.
struct Scale {
    low: f64,
    high: f64,
    columns: usize,
}

/// A timer as a line.
struct Line {
    column: usize,
    glyph: char,
    says: String,
}

/// Writes the picture, if there is anything that it shows better than the timelines.
pub fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let picture = &report.picture;
    let lost = picture.dots.iter().any(|dot| dot.lost.is_some());
    if page.width < NARROWEST || !(lost || picture.dots.len() >= REQUESTS_FROM) {
        return Ok(());
    }
    let Some(scale) = Scale::of(picture, report, page.width.saturating_sub(NAMES + 3)) else { return Ok(()) };
    let lines = lines(page, report, &scale);
    page.heading("Idle gap before each request, and what became of it")?;
    let answered: Vec<&Dot> = picture.dots.iter().filter(|dot| dot.lost.is_none()).collect();
    if !answered.is_empty() {
        strip(page, "answered", &dots(&answered, &scale), &lines, Ink::Plain)?;
    }
    for kind in LOSSES {
        let of_kind: Vec<&Dot> = picture.dots.iter().filter(|dot| dot.lost == Some(kind)).collect();
        if !of_kind.is_empty() {
            strip(page, &format!("lost: {}", kind.as_str()), &dots(&of_kind, &scale), &lines, Ink::Red)?;
        }
    }
    if !picture.closes.is_empty() {
        strip(page, "closed by the server", &bars(&picture.closes, &scale), &lines, Ink::Cyan)?;
    }
    axis(page, &scale)?;
    for line in &lines {
        let text = label(line, page.width);
        page.line(&page.paint(&text, Ink::Cyan))?;
    }
    page.wrapped("  ", "  ", &format!("· one request, • 2 to 4, ● 5 or more{}", omitted(picture)), Ink::Dim)
}

/// A timer's name at the foot of its line: right of it, or left where there is more room, cut where there is none.
fn label(line: &Line, width: usize) -> String {
    let before = NAMES + 1 + line.column;
    let (right, left) = (width.saturating_sub(before + 2), before.saturating_sub(1));
    if line.says.width() <= right || right >= left {
        return format!("{}{} {}", " ".repeat(before), line.glyph, cut(&line.says, right));
    }
    let says = cut(&line.says, left);
    format!("{}{says} {}", " ".repeat(left.saturating_sub(says.width())), line.glyph)
}

/// As many columns of a text as there is room for.
fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.width().unwrap_or(0) + 1 > room {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

fn omitted(picture: &Picture) -> String {
    match picture.dots_omitted {
        0 => String::new(),
        n => format!("; {} not drawn", counted(n, "request is", "requests are")),
    }
}

impl Scale {
    /// From the shortest to the longest time that is drawn, with a little room; at least a decade.
    fn of(picture: &Picture, report: &Report, columns: usize) -> Option<Self> {
        let drawn = picture
            .dots
            .iter()
            .map(|dot| dot.idle)
            .chain(picture.closes.iter().map(|(low, _)| *low))
            .chain(timers(report).map(|(value, _)| value));
        let times: Vec<f64> = drawn.map(Span::seconds).filter(|seconds| *seconds > 0.0).map(f64::log10).collect();
        let low = times.iter().copied().reduce(f64::min)? - 0.05;
        let high = times.iter().copied().reduce(f64::max)? + 0.1;
        let missing = (1.0 - (high - low)).max(0.0) / 2.0;
        Some(Self { low: low - missing, high: high + missing, columns })
    }

    #[allow(clippy::cast_possible_truncation)] // clamped to the columns
    fn column(&self, time: Span) -> Option<usize> {
        let seconds = time.seconds();
        if seconds <= 0.0 {
            return None;
        }
        let place = (seconds.log10() - self.low) / (self.high - self.low);
        let column = (place.clamp(0.0, 1.0) * self.columns.saturating_sub(1) as f64).round();
        Some(column as usize)
    }
}

/// Idle timers, servers' first, those with the most samples first.
fn timers(report: &Report) -> impl Iterator<Item = (Span, TimerSide)> + '_ {
    report.timeouts.iter().filter(|timer| timer.what == TimerKind::Idle).filter_map(|timer| Some((timer.value?, timer.side)))
}

fn lines(page: &Page<'_>, report: &Report, scale: &Scale) -> Vec<Line> {
    let mut idle: Vec<_> = report.timeouts.iter().filter(|timer| timer.what == TimerKind::Idle && timer.value.is_some()).collect();
    idle.sort_by_key(|timer| (timer.side != TimerSide::Server, std::cmp::Reverse(timer.samples), timer.server));
    idle.into_iter()
        .take(LINES)
        .filter_map(|timer| {
            let value = timer.value?;
            let (glyph, who) = match (timer.side, timer.client) {
                (TimerSide::Client, Some(client)) => ('┊', format!("{client} closes")),
                _ => match &timer.host {
                    Some(host) => ('│', format!("{} ({}) closes", timer.server, page.safe(host))),
                    None => ('│', format!("{} closes", timer.server)),
                },
            };
            Some(Line { column: scale.column(value)?, glyph, says: format!("{who}, {}", duration(value)) })
        })
        .collect()
}

/// One dot per request; where several share a column, a heavier one.
fn dots(list: &[&Dot], scale: &Scale) -> Vec<char> {
    let mut counts = vec![0_u64; scale.columns];
    for dot in list {
        if let Some(count) = scale.column(dot.idle).and_then(|column| counts.get_mut(column)) {
            *count = count.saturating_add(1);
        }
    }
    let glyph = |count: u64| match count {
        0 => ' ',
        1 => '·',
        2..=4 => '•',
        _ => '●',
    };
    counts.into_iter().map(glyph).collect()
}

fn bars(buckets: &[(Span, u64)], scale: &Scale) -> Vec<char> {
    let mut counts = vec![0_u64; scale.columns];
    for (low, count) in buckets {
        if let Some(sum) = scale.column(*low).and_then(|column| counts.get_mut(column)) {
            *sum = sum.saturating_add(*count);
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default().max(1);
    let glyph = |count: u64| match count {
        0 => ' ',
        count => {
            let eighth = count.saturating_mul(8).div_ceil(most).clamp(1, 8);
            BARS.get(usize::try_from(eighth - 1).unwrap_or_default()).copied().unwrap_or('█')
        }
    };
    counts.into_iter().map(glyph).collect()
}

/// A row: its name, and its cells with the timers' lines behind them.
fn strip(page: &mut Page<'_>, name: &str, cells: &[char], lines: &[Line], ink: Ink) -> io::Result<()> {
    let mut text = String::new();
    let mut run = String::new();
    let mut run_is_line = false;
    let used = cells
        .iter()
        .rposition(|cell| *cell != ' ')
        .into_iter()
        .chain(lines.iter().map(|line| line.column))
        .max()
        .map_or(0, |last| last + 1);
    for (column, cell) in cells.iter().enumerate().take(used) {
        let line = lines.iter().find(|line| line.column == column).filter(|_| *cell == ' ');
        if line.is_some() != run_is_line {
            text.push_str(&page.paint(&std::mem::take(&mut run), if run_is_line { Ink::Cyan } else { ink }));
            run_is_line = line.is_some();
        }
        run.push(line.map_or(*cell, |line| line.glyph));
    }
    text.push_str(&page.paint(&run, if run_is_line { Ink::Cyan } else { ink }));
    page.line(&format!("{name:>NAMES$} {text}"))
}

/// The axis with a tick at 1, 3 and 10 of each decade that lies on it.
fn axis(page: &mut Page<'_>, scale: &Scale) -> io::Result<()> {
    let mut rule = vec!['─'; scale.columns];
    let mut labels = String::new();
    for decade in -3..8_i32 {
        for factor in [1_i64, 3] {
            let nanos = 10_f64.powi(decade) * factor as f64 * NANOS_PER_SECOND as f64;
            let log = (nanos / NANOS_PER_SECOND as f64).log10();
            #[allow(clippy::cast_possible_truncation)] // below 10¹⁸
            let time = Span(nanos.round() as i64);
            let Some(column) = scale.column(time).filter(|_| log >= scale.low && log <= scale.high) else { continue };
            if let Some(cell) = rule.get_mut(column) {
                *cell = '┴';
            }
            let label = duration(time);
            if labels.width() < column && column.saturating_add(label.width()) <= scale.columns {
                labels.push_str(&" ".repeat(column.saturating_sub(labels.width())));
                labels.push_str(&label);
            }
        }
    }
    let space = " ".repeat(NAMES + 1);
    page.line(&format!("{space}{}", rule.into_iter().collect::<String>()))?;
    page.line(&format!("{space}{labels}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Style;
    use crate::report::{EndpointView, FrameRef, Timeout, TimerState};

    fn dot(millis: i64, lost: Option<Kind>) -> Dot {
        Dot { idle: Span::from_millis(millis), lost, stream: 0, frame: FrameRef { file: 0, frame: 1 } }
    }

    fn report() -> Report {
        let mut report = Report::default();
        report.picture.dots = vec![dot(1000, None), dot(5000, None), dot(37_000, Some(Kind::StaleReuse))];
        report.picture.closes = vec![(Span::from_secs(10), 41)];
        report.timeouts = vec![Timeout {
            server: EndpointView { ip: std::net::IpAddr::from([10, 0, 0, 9]), port: 80 },
            client: None,
            host: None,
            side: TimerSide::Server,
            what: TimerKind::Idle,
            announced: None,
            state: TimerState::Measured,
            value: Some(Span::from_secs(10)),
            count: None,
            low: None,
            high: None,
            samples: 41,
            spread: None,
            known: Vec::new(),
        }];
        report
    }

    fn drawn(report: &Report, width: usize) -> String {
        let mut out = Vec::new();
        let style = Style { width, ..Style::default() };
        write(&mut Page::new(&mut out, &style, report), report).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lost_request_stands_right_of_the_timer_and_answered_ones_left() {
        let text = drawn(&report(), 100);
        let column = |row: &str, glyph: char| {
            let line = text.lines().find(|line| line.trim_start().starts_with(row)).unwrap();
            line.chars().collect::<Vec<_>>().iter().rposition(|c| *c == glyph).unwrap()
        };
        let timer = column("answered", '│');
        assert!(column("answered", '·') < timer, "{text}");
        assert!(column("lost: stale-reuse", '·') > timer, "{text}");
        assert_eq!(column("closed by the server", '█'), timer, "{text}");
        assert!(text.contains("10.0.0.9:80 closes, 10 s"), "{text}");
    }

    #[test]
    fn nothing_is_drawn_on_a_narrow_page_or_of_a_few_answered_requests() {
        assert_eq!(drawn(&report(), 50), "");
        let mut few = report();
        few.picture.dots.retain(|dot| dot.lost.is_none());
        assert_eq!(drawn(&few, 100), "");
        assert_eq!(drawn(&Report::default(), 100), "");
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        for width in [60, 80, 100, 160] {
            let mut report = report();
            report.timeouts[0].host = Some("a-name-that-is-longer-than-the-page-is-wide.".repeat(4));
            let text = drawn(&report, width);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
        }
    }
}

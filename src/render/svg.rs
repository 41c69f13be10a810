//! Drawings as SVG: the picture, a connection's timeline, the connections of a pair side by side.
//!
//! The same drawings stand in the HTML report, where its style sheet colours them and its script lays them out anew for the width at
//! hand: what has a place on the horizontal axis carries it as `data-u` (0 to 1). On their own they carry a style of their own and a
//! title. Everything foreign goes through [`xml`]; sizes are in CSS pixels.

pub mod axis;
pub mod canvas;
pub mod lanes;
pub mod picture;
pub mod strip;

use std::fmt::Write as _;
use std::io::{self, Write};

use super::format::{date_and_clock, xml, zone_name};
use super::wording::Words;
use super::{Format, Style};
use crate::report::{Report, Timeline};
use canvas::{Canvas, WIDTH, text_width};
use lanes::Lane;

/// This format's row in the registry.
pub const FORMAT: Format = Format { name: "svg", extensions: &["svg"], report: Some(report), connections: None, timeline: Some(timelines) };

/// The colours of a drawing that stands alone; plain enough for every renderer of SVG.
const STYLE: &str = include_str!("svg/standalone.css");
/// Space around a drawing that stands alone.
const MARGIN: f64 = 28.0;
/// Lanes of a drawing.
const LANES: usize = 200;

/// Writes the picture of all requests.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let words = Words::of(report, style.zone);
    let title = "Idle time before each request, and what became of it";
    let drawing = picture::draw(report, &words);
    standalone(out, title, &report.verdict.join(" "), &drawing)
}

/// Writes the timeline that was asked for, or several side by side.
pub fn timelines(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let words = Words::of(report, style.zone);
    if let [timeline] = report.timelines.as_slice() {
        let title = format!("Connection #{}: {} → {}", timeline.stream, words.endpoint(timeline.client), words.endpoint(timeline.server));
        return standalone(out, &title, &opened(timeline, &words), &strip::draw_with_list(timeline, &words));
    }
    let lanes: Vec<Lane> = report.timelines.iter().take(LANES).map(|timeline| Lane::of_timeline(timeline, report)).collect();
    let left_out = report.timelines.len().saturating_sub(lanes.len());
    let mut note = "Time runs from left to right, to scale.".to_owned();
    if left_out > 0 {
        let _ = write!(note, " {left_out} more are not drawn.");
    }
    standalone(out, &format!("{} connections side by side", report.timelines.len()), &note, &lanes::draw(&lanes, &words))
}

fn opened(timeline: &Timeline, words: &Words<'_>) -> String {
    let file = timeline.entries.iter().find_map(|entry| entry.frame).and_then(|at| words.file_name(at));
    let file = file.map_or_else(String::new, |name| format!(", in {name}"));
    format!("opened {} {}{file}", date_and_clock(timeline.opened, words.zone), zone_name(words.zone))
}

/// Wraps a drawing with its title into a document.
fn standalone(out: &mut dyn Write, title: &str, note: &str, drawing: &Canvas) -> io::Result<()> {
    let notes: Vec<String> = wrap(note, WIDTH);
    let head = 34.0 + 18.0 * notes.len() as f64;
    let (width, height) = (WIDTH + 2.0 * MARGIN, drawing.height + head + 2.0 * MARGIN);
    write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="Roboto, Helvetica, Arial, sans-serif">"#
    )?;
    write!(out, "<title>{}</title><style>{STYLE}</style>{}", xml(title), canvas::DEFINITIONS)?;
    write!(out, r#"<rect class="paper" width="{width:.0}" height="{height:.0}"/><g transform="translate({MARGIN} {MARGIN})">"#)?;
    write!(out, r#"<text class="title" y="17">{}</text>"#, xml(title))?;
    for (row, line) in notes.iter().enumerate() {
        write!(out, r#"<text class="note" y="{:.0}">{}</text>"#, 38.0 + 18.0 * row as f64, xml(line))?;
    }
    writeln!(out, r#"<g transform="translate(0 {head:.0})">{}</g></g></svg>"#, drawing.body)
}

/// Breaks a paragraph where a line is full.
fn wrap(text: &str, width: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in super::format::escape(text).split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && text_width(line) + text_width(word) * 1.05 + 4.0 > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

//! Where a drawing is made: elements appended to a string, every text escaped, every number with one decimal.

use std::fmt::Write;

use crate::render::format::xml;

/// Width of every drawing; a script may lay it out anew for another width.
pub const WIDTH: f64 = 960.0;
/// Room at the left for names.
pub const GUTTER: f64 = 112.0;
/// Room at the right, so that the last mark is whole.
pub const RIGHT: f64 = 28.0;

/// Patterns and markers that the drawings refer to; once per document.
pub const DEFINITIONS: &str = r#"<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-paper" width="6" height="6"/><rect class="hatch-line" width="1.6" height="6"/></pattern></defs>"#;

/// A drawing in the making.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    /// Elements.
    pub body: String,
    /// Height of the drawing.
    pub height: f64,
}

/// Where text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins here.
    Start,
    /// It is centred here.
    Middle,
    /// It ends here.
    End,
}

impl Anchor {
    const fn attribute(self) -> &'static str {
        match self {
            Self::Start => "",
            Self::Middle => r#" text-anchor="middle""#,
            Self::End => r#" text-anchor="end""#,
        }
    }
}

/// The place of a share `u` of the horizontal axis.
pub fn x_of(u: f64) -> f64 {
    GUTTER + u * (WIDTH - GUTTER - RIGHT)
}

/// About how wide a text is at 12 px in the fonts that a reader may have: a little too wide rather than too narrow.
pub fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | 'I' | ' ' | 't' | 'f' | 'r' => 3.9,
            'm' | 'w' | 'M' | 'W' | '→' => 10.2,
            'A'..='Z' => 8.2,
            c if c.is_ascii() => 6.8,
            _ => 9.0,
        })
        .sum()
}

/// The text, cut with an ellipsis where it is longer than the room.
pub fn fitted(text: &str, room: f64) -> String {
    if text_width(text) <= room {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = text_width("…");
    for c in text.chars() {
        used += text_width(c.encode_utf8(&mut [0; 4]));
        if used > room {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

impl Canvas {
    /// An empty drawing.
    pub fn new(height: f64) -> Self {
        Self { body: String::new(), height }
    }

    /// Appends markup that is made of fixed words and numbers.
    pub fn raw(&mut self, markup: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(markup);
    }

    /// Text at a place.
    pub fn text(&mut self, class: &str, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.raw(format_args!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}"{}>{}</text>"#, anchor.attribute(), xml(text)));
    }

    /// A line across the axis, from the gutter to the right edge.
    pub fn across(&mut self, class: &str, y: f64) {
        let (from, to) = (GUTTER, WIDTH - RIGHT);
        self.raw(format_args!(r#"<line class="{class} full" x1="{from:.1}" y1="{y:.1}" x2="{to:.1}" y2="{y:.1}"/>"#));
    }

    /// Opens a group at a share of the axis; its elements count from there.
    pub fn open_at(&mut self, class: &str, u: f64, more: std::fmt::Arguments<'_>) {
        self.raw(format_args!(r#"<g class="{class}" data-u="{u:.5}"{more} transform="translate({:.1} 0)">"#, x_of(u)));
    }

    /// Closes a group.
    pub fn close(&mut self) {
        self.body.push_str("</g>");
    }

    /// What a reader is told about the group: shown under the pointer, read aloud.
    pub fn tip(&mut self, lines: &[String]) {
        let lines: Vec<String> = lines.iter().filter(|line| !line.is_empty()).map(|line| xml(line)).collect();
        self.raw(format_args!("<title>{}</title>", lines.join("\n")));
    }

    /// A band between two shares of the axis.
    pub fn band(&mut self, class: &str, (from, to): (f64, f64), (y, height): (f64, f64), more: std::fmt::Arguments<'_>) {
        let (x, width) = (x_of(from), x_of(to) - x_of(from));
        self.raw(format_args!(
            r#"<rect class="{class}" data-u0="{from:.5}" data-u1="{to:.5}"{more} x="{x:.1}" y="{y:.1}" width="{:.1}" height="{height:.1}"/>"#,
            width.max(0.0)
        ));
    }
}

/// Marks by shape as well as by colour: each kind of event has its own.
pub mod mark {
    /// A filled circle's path, or an open one by its class.
    pub const CIRCLE: &str = "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z";
    /// A cross: something was torn down.
    pub const CROSS: &str = "M-5 -5L5 5M-5 5L5 -5";
    /// A square: something was closed in order.
    pub const SQUARE: &str = "M-4.5 -4.5h9v9h-9z";
    /// A diamond: probes.
    pub const DIAMOND: &str = "M0 -5L5 0L0 5L-5 0z";
    /// A triangle: a message from the way.
    pub const TRIANGLE: &str = "M0 -5.5L5.2 4H-5.2z";
    /// A bar: beginning and end.
    pub const BAR: &str = "M-1.5 -6h3v12h-3z";
    /// A ring: sent again.
    pub const RING: &str = "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fitted_cuts_with_an_ellipsis() {
        assert_eq!(fitted("GET /", 100.0), "GET /");
        let cut = fitted("GET /a/very/long/path/that/does/not/end", 80.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 80.0, "{cut}");
    }

    #[test]
    fn tip_and_text_are_inert() {
        let mut canvas = Canvas::new(10.0);
        canvas.text("x", 0.0, 0.0, Anchor::Start, "</text><script>");
        canvas.tip(&["a & b".to_owned(), String::new(), "<c>".to_owned()]);
        assert_eq!(
            canvas.body,
            "<text class=\"x\" x=\"0.0\" y=\"0.0\">&lt;/text&gt;&lt;script&gt;</text><title>a &amp; b\n&lt;c&gt;</title>"
        );
    }
}

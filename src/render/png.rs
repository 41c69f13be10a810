//! Drawings as PNG, at twice their size for sharp screens: the SVG of [`svg`], rasterised by resvg.
//!
//! The fonts are in the binary (`png/fonts`), so that the same drawing gives the same octets on every machine; a character that they
//! lack (Chinese, Arabic …) is drawn as an empty box, where an SVG takes the reader's fonts.

use std::io::{self, Write};
use std::sync::Arc;

use resvg::{tiny_skia, usvg};

use super::{Format, Renderer, Style, svg};
use crate::report::Report;

/// This format's row in the registry.
pub const FORMAT: Format = Format { name: "png", extensions: &["png"], report: Some(report), connections: None, timeline: Some(timelines) };

const FONTS: [&[u8]; 2] = [include_bytes!("png/fonts/Roboto-Regular.ttf"), include_bytes!("png/fonts/Roboto-Bold.ttf")];
/// Pixels per CSS pixel.
const SCALE: f32 = 2.0;
/// The longest side of an image: what browsers and trackers still show.
const LONGEST: f32 = 16_384.0;

/// Writes the picture of all requests.
pub fn report(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    rasterise(svg::report, report, style, out)
}

/// Writes the timeline that was asked for, or several side by side.
pub fn timelines(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    rasterise(svg::timelines, report, style, out)
}

fn rasterise(drawing: Renderer, report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut markup = Vec::new();
    drawing(report, style, &mut markup)?;
    let mut fonts = usvg::fontdb::Database::new();
    for font in FONTS {
        fonts.load_font_data(font.to_vec());
    }
    fonts.set_sans_serif_family("Roboto");
    let options = usvg::Options { font_family: "Roboto".to_owned(), fontdb: Arc::new(fonts), ..usvg::Options::default() };
    let tree = usvg::Tree::from_data(&markup, &options).map_err(io::Error::other)?;
    let size = tree.size();
    let scale = SCALE.min(LONGEST / size.height().max(size.width()).max(1.0));
    let size = size.to_int_size().scale_by(scale).ok_or_else(|| io::Error::other("the drawing has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| io::Error::other("the drawing is too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    out.write_all(&pixels.encode_png().map_err(io::Error::other)?)
}

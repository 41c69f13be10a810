//! The only escaping and the only unit functions: every renderer, and the command line's messages, get them from here.
//!
//! Nothing that came out of a capture is trusted. A character that a terminal obeys or that a reader cannot see (controls, bidi
//! overrides, zero-width characters) is written as `\u{…}`, in every output format alike: JSON's own escapes would come back as the
//! raw character in `jq -r`. The list follows Unicode's `Bidi_Control` and `Default_Ignorable_Code_Point` (UAX #9, UAX #44).

mod markup;

pub use markup::{html_advice, html_prose, json_in_html, markdown, markdown_advice, markdown_code, markdown_prose, text_advice, xml};

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, FixedOffset, SecondsFormat, Timelike};

use crate::time::{NANOS_PER_SECOND, Span, Timestamp};

/// A foreign string that is escaped wherever it is displayed or serialised.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&escape(self.0))
    }
}

impl serde::Serialize for Escaped<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&escape(self.0))
    }
}

/// Makes a foreign string harmless: what a terminal obeys or a reader cannot see becomes `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Whether a character is obeyed by a terminal or invisible to a reader.
const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A cell of a spreadsheet that no spreadsheet takes for a formula: what begins with `=`, `+`, `-`, `@`, a tab or a carriage return
/// gets an apostrophe before it (OWASP, «CSV injection»), and what is left is escaped.
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let safe = escape(text);
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { Cow::Owned(format!("'{safe}")) } else { safe }
}

/// Octets as a table of sixteen to a line, hexadecimal and as plain ASCII with a dot for all that is not:
/// `0000  47 45 54 20 2f 61 20 48 54 54 50 2f 31 2e 31 0d  GET /a HTTP/1.1.`.
pub fn hex_lines(octets: &[u8]) -> Vec<String> {
    let line = |(number, octets): (usize, &[u8])| {
        let digits: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{:04x}  {:47}  {}", number.saturating_mul(16), digits.join(" "), plain_ascii(octets))
    };
    octets.chunks(16).enumerate().map(line).collect()
}

/// Octets as hexadecimal digits.
pub fn hex(octets: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0f)]).collect()
}

/// Octets as printable ASCII, with a dot for each that is not.
pub fn plain_ascii(octets: &[u8]) -> String {
    octets.iter().map(|octet| if matches!(octet, b' '..=b'~') { char::from(*octet) } else { '.' }).collect()
}

/// A text that a terminal shows as a link (OSC 8); `url` has to be printable ASCII.
pub fn hyperlink(text: &str, url: &str) -> String {
    if url.bytes().all(|octet| octet.is_ascii_graphic()) { format!("\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\") } else { text.to_owned() }
}

/// RFC 3339 in UTC with nanoseconds: `2026-11-24T07:03:48.000000000Z`.
pub fn rfc3339(time: Timestamp) -> String {
    DateTime::from_timestamp_nanos(time.nanos()).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// The time of day in a zone, to the millisecond (cut, not rounded): `07:03:48.123`.
pub fn clock(time: Timestamp, zone: FixedOffset) -> String {
    let local = DateTime::from_timestamp_nanos(time.nanos()).with_timezone(&zone);
    format!("{:02}:{:02}:{:02}.{:03}", local.hour(), local.minute(), local.second(), local.nanosecond() / 1_000_000)
}

/// Date and time of day in a zone, to the millisecond: `2026-11-24 07:03:48.123`.
pub fn date_and_clock(time: Timestamp, zone: FixedOffset) -> String {
    format!("{} {}", date(time, zone), clock(time, zone))
}

/// The date in a zone: `2026-11-24`.
pub fn date(time: Timestamp, zone: FixedOffset) -> String {
    DateTime::from_timestamp_nanos(time.nanos()).with_timezone(&zone).format("%Y-%m-%d").to_string()
}

/// The name of a zone: `UTC`, or `UTC+02:00`.
pub fn zone_name(zone: FixedOffset) -> String {
    if zone.local_minus_utc() == 0 { "UTC".to_owned() } else { format!("UTC{zone}") }
}

/// Decimal seconds, exact to the nanosecond, without trailing zeros: `10.003`, `0.000049`, `-1.5`, `0`.
pub fn decimal_seconds(span: Span) -> String {
    let (sign, nanos) = (if span.nanos() < 0 { "-" } else { "" }, span.nanos().unsigned_abs());
    let per_second = NANOS_PER_SECOND.unsigned_abs();
    let text = format!("{sign}{}.{:09}", nanos / per_second, nanos % per_second);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds with six decimals for an aligned column: `47.218500`.
pub fn offset_seconds(span: Span) -> String {
    let (sign, micros) = (if span.nanos() < 0 { "-" } else { "" }, span.nanos().unsigned_abs() / 1_000);
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// A span for people, in the largest unit that keeps it readable: `49 µs`, `11.9 ms`, `10.003 s`, `5 min 12 s`, `2 h 5 min`.
pub fn duration(span: Span) -> String {
    let (sign, nanos) = (if span.nanos() < 0 { "-" } else { "" }, span.nanos().unsigned_abs());
    let text = match nanos {
        0 => "0 s".to_owned(),
        1..=999 => format!("{nanos} ns"),
        1_000..=999_499 => format!("{} µs", rounded(nanos, 1_000)),
        999_500..=99_949_999 => format!("{} ms", tenths(nanos, 1_000_000)),
        99_950_000..=999_499_999 => format!("{} ms", rounded(nanos, 1_000_000)),
        999_500_000..=119_999_499_999 => {
            let millis = rounded(nanos, 1_000_000);
            trim_zeros(&format!("{}.{:03}", millis / 1_000, millis % 1_000)) + " s"
        }
        _ => long_duration(rounded(nanos, 1_000_000_000)),
    };
    format!("{sign}{text}")
}

/// Minutes, hours and days: the two largest units.
fn long_duration(seconds: u64) -> String {
    let (large, small) = match seconds {
        0..=3_599 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..=86_399 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    };
    if small.0 == 0 { format!("{} {}", large.0, large.1) } else { format!("{} {} {} {}", large.0, large.1, small.0, small.1) }
}

/// `value / unit`, rounded half up.
const fn rounded(value: u64, unit: u64) -> u64 {
    value.saturating_add(unit / 2) / unit
}

/// `value / unit` with one decimal, or none when it is 0.
fn tenths(value: u64, unit: u64) -> String {
    let tenths = rounded(value, unit / 10);
    trim_zeros(&format!("{}.{}", tenths / 10, tenths % 10))
}

fn trim_zeros(decimal: &str) -> String {
    decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Units that belong to the number before them.
const UNITS: [&str; 13] = ["ns", "µs", "ms", "s", "min", "h", "d", "%", "B", "KiB", "MiB", "GiB", "TiB"];

/// Whether a word is a unit, punctuation behind it apart.
pub fn is_unit(word: &str) -> bool {
    UNITS.contains(&word.trim_end_matches(['.', ',', ';', ':', ')']))
}

/// A text whose numbers stay on one line with their units: a no-break space stands between them.
pub fn unbroken(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (place, word) in text.split(' ').enumerate() {
        if place > 0 {
            out.push(if is_unit(word) && out.ends_with(|c: char| c.is_ascii_digit()) { '\u{a0}' } else { ' ' });
        }
        out.push_str(word);
    }
    out
}

/// A count for people, thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 finding`, `2 findings`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Octets for people, in binary units: `512 B`, `1.5 KiB`, `2 GiB`.
pub fn octets(number: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    UNITS.iter().find(|(unit, _)| number >= *unit).map_or_else(
        || format!("{number} B"),
        |(unit, name)| format!("{} {name}", trim_zeros(&format!("{:.1}", number as f64 / *unit as f64))),
    )
}

#[cfg(test)]
mod tests;

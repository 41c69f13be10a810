//! Values as people type them: spans and sizes with their unit, offsets, times. Each error is a clause that says what is expected.

use std::net::IpAddr;

use chrono::{DateTime, FixedOffset, NaiveTime, Timelike};

use crate::options::Assumption;
use crate::time::{Span, Timestamp};

/// A bound of `--from` and `--to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBound {
    /// A point in time.
    At(Timestamp),
    /// A time of day on the capture's first day, in the zone of the report.
    OfDay(Span),
}

/// Reads `1s`, `500ms`, `1.5s`, `2m`, `250us`, `1h`; a bare number is refused, because nobody agrees on its unit.
pub fn span(text: &str) -> Result<Span, String> {
    const UNITS: [(&str, u32, i64); 8] = [
        ("ns", 0, 1),
        ("us", 3, 1_000),
        ("µs", 3, 1_000),
        ("ms", 6, 1_000_000),
        ("min", 9, 60_000_000_000),
        ("s", 9, 1_000_000_000),
        ("m", 9, 60_000_000_000),
        ("h", 9, 3_600_000_000_000),
    ];
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    if unit.is_empty() && is_decimal(digits) {
        return Err(format!("a time needs a unit: {text}s or {text}ms"));
    }
    let known = UNITS.iter().find(|(name, ..)| *name == unit);
    let Some((_, decimals, nanos)) = known.filter(|_| is_decimal(digits.trim_end())) else {
        return Err("a time is a number and a unit: 500ms, 1s, 2m, 1h".to_owned());
    };
    decimal(digits.trim_end(), *decimals, *nanos).map(Span::from_nanos).ok_or_else(|| "that time is too long".to_owned())
}

/// Digits with at most one point between them.
fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// `text × unit`, exact: the fraction is read to the unit's own decimals.
fn decimal(text: &str, decimals: u32, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut part = 0_i64;
    let mut scale = unit;
    for digit in fraction.bytes().take(decimals as usize + 3) {
        scale /= 10;
        part = part.checked_add(scale.checked_mul(i64::from(digit.wrapping_sub(b'0')))?)?;
    }
    whole.checked_add(part)
}

/// Reads `512MiB`, `2GiB`, `2G`; a bare number is refused.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let Ok(number) = digits.trim_end().parse::<u64>() else {
        return Err("a size is a number and a unit: 512MiB, 2GiB".to_owned());
    };
    let factor: u64 = match unit.as_str() {
        "" => return Err(format!("a size needs a unit: {text}MiB or {text}GiB")),
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("a size is a number and a unit: 512MiB, 2GiB".to_owned()),
    };
    number.checked_mul(factor).ok_or_else(|| "that size is too large".to_owned())
}

/// Reads `+02:00`, `-05:30`, `UTC` or `Z`.
pub fn zone(text: &str) -> Result<FixedOffset, String> {
    let wrong = || "a zone is an offset from UTC: +02:00, -05:30, or UTC".to_owned();
    if matches!(text, "UTC" | "utc" | "Z" | "z") {
        return FixedOffset::east_opt(0).ok_or_else(wrong);
    }
    text.parse::<FixedOffset>().map_err(|_| wrong())
}

/// Reads RFC 3339, or a time of day.
pub fn time_bound(text: &str) -> Result<TimeBound, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        let nanos = time.timestamp_nanos_opt().ok_or_else(|| "that time is outside the years 1677 to 2262".to_owned())?;
        return Ok(TimeBound::At(Timestamp(nanos)));
    }
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    let Some(time) = formats.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok()) else {
        return Err("a time is RFC 3339 (2026-11-24T07:03:48Z) or HH:MM:SS on the capture's first day".to_owned());
    };
    let seconds = Span::from_secs(i64::from(time.num_seconds_from_midnight()));
    Ok(TimeBound::OfDay(seconds + Span::from_nanos(i64::from(time.nanosecond()))))
}

impl TimeBound {
    /// The point in time, once the capture's first time is known; `None` if the capture has no time at all.
    pub fn resolve(self, first: Option<Timestamp>, zone: FixedOffset) -> Option<Timestamp> {
        let span = match self {
            Self::At(time) => return Some(time),
            Self::OfDay(span) => span,
        };
        let first = DateTime::from_timestamp_nanos(first?.nanos()).with_timezone(&zone);
        let midnight = first.date_naive().and_time(NaiveTime::MIN).and_local_timezone(zone).single()?;
        Some(Timestamp(midnight.timestamp_nanos_opt()?) + span)
    }
}

/// Reads `client=300s`, `server=10s`, `10.0.0.5=60s`.
pub fn assumption(text: &str) -> Result<Assumption, String> {
    let wrong = || "an assumption is WHO=TIME, WHO being client, server or an address: client=300s".to_owned();
    let (who, time) = text.split_once('=').ok_or_else(wrong)?;
    if !matches!(who, "client" | "server") && who.parse::<IpAddr>().is_err() {
        return Err(wrong());
    }
    Ok(Assumption { who: who.to_owned(), timeout: span(time)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_with_unit_is_exact() {
        let cases = [
            ("1s", 1_000_000_000),
            ("500ms", 500_000_000),
            ("1.5s", 1_500_000_000),
            ("0.000000001s", 1),
            ("2m", 120_000_000_000),
            ("2min", 120_000_000_000),
            ("1.5m", 90_000_000_000),
            ("1h", 3_600_000_000_000),
            ("250us", 250_000),
            ("250 µs", 250_000),
            ("7ns", 7),
        ];
        for (text, nanos) in cases {
            assert_eq!(span(text), Ok(Span(nanos)), "{text}");
        }
    }

    #[test]
    fn span_without_unit_says_so() {
        assert_eq!(span("5"), Err("a time needs a unit: 5s or 5ms".to_owned()));
        assert_eq!(span("1.5"), Err("a time needs a unit: 1.5s or 1.5ms".to_owned()));
    }

    #[test]
    fn span_nonsense_is_refused() {
        for text in ["", "s", "-1s", "1..5s", "1 fortnight", ".5s", "1,5s", "99999999999h", "٣s"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn size_with_unit_and_without() {
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("1gb"), Ok(1_000_000_000));
        assert_eq!(size("100"), Err("a size needs a unit: 100MiB or 100GiB".to_owned()));
        assert!(size("99999999999TiB").is_err());
        assert!(size("many").is_err());
    }

    #[test]
    fn zone_is_an_offset() {
        assert_eq!(zone("+02:00").unwrap().local_minus_utc(), 7_200);
        assert_eq!(zone("-05:30").unwrap().local_minus_utc(), -19_800);
        assert_eq!(zone("UTC").unwrap().local_minus_utc(), 0);
        assert!(zone("Europe/Berlin").is_err());
    }

    #[test]
    fn time_bound_of_day_is_on_the_first_day_in_the_zone() {
        let first = Timestamp::new(1_795_420_349, 0); // 2026-11-23T07:52:29Z
        let utc = FixedOffset::east_opt(0).unwrap();
        let east = FixedOffset::east_opt(7_200).unwrap();
        let bound = time_bound("10:00:00.5").unwrap();
        assert_eq!(bound.resolve(Some(first), utc), Some(Timestamp::new(1_795_428_000, 500_000_000)));
        assert_eq!(bound.resolve(Some(first), east), Some(Timestamp::new(1_795_428_000 - 7_200, 500_000_000)));
        assert_eq!(bound.resolve(None, utc), None);
    }

    #[test]
    fn time_bound_rfc3339_is_absolute() {
        assert_eq!(time_bound("2026-11-23T09:12:29Z"), Ok(TimeBound::At(Timestamp::new(1_795_425_149, 0))));
        assert!(time_bound("yesterday").is_err());
    }

    #[test]
    fn assumption_names_a_side_or_an_address() {
        assert_eq!(assumption("client=300s").unwrap().timeout, Span::from_secs(300));
        assert_eq!(assumption("2001:db8::1=1m").unwrap().who, "2001:db8::1");
        assert!(assumption("proxy=1s").is_err());
        assert_eq!(assumption("client=300").unwrap_err(), "a time needs a unit: 300s or 300ms");
    }
}

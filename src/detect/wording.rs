//! How findings say things: times with a unit, requests, shapes of RSTs, Wireshark filters.

use std::net::IpAddr;

use crate::endpoint::Endpoint;
use crate::report::RstShape;
use crate::segment::LinkAddress;
use crate::time::Span;

/// A headline is at most so long (design: subject, fact, number).
pub const HEADLINE_CHARS: usize = 80;

/// `37.2 s`, `40 ms`, `21 µs`: three significant digits, the unit that fits.
pub fn span(span: Span) -> String {
    let nanos = span.nanos().unsigned_abs();
    let sign = if span.nanos() < 0 { "−" } else { "" };
    let (value, unit) = match nanos {
        0..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{sign}{text} {unit}")
}

/// A request as a subject; `a request` where it is not recognised.
pub fn request(label: &str) -> String {
    if label.is_empty() { "a request".to_string() } else { label.to_string() }
}

/// What an RST's shape says.
pub const fn shape(shape: RstShape) -> &'static str {
    match shape {
        RstShape::Reply => "as a reply: no such connection there",
        RstShape::Abort => "as an abort: a live socket gave up",
        RstShape::Refused => "as a refusal: nothing listens there",
        RstShape::Other => "of unusual shape",
    }
}

/// `02:42:ac:11:00:02`.
pub fn link(address: LinkAddress) -> String {
    let octets = address.bits().to_be_bytes();
    let shown = octets.get(2..).unwrap_or_default();
    shown.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(":")
}

/// Cuts a headline to its length.
pub fn headline(text: &str) -> String {
    if text.chars().count() <= HEADLINE_CHARS {
        return text.to_string();
    }
    let mut cut: String = text.chars().take(HEADLINE_CHARS - 1).collect();
    cut.push('…');
    cut
}

/// The subject of a headline: the request, cut so that the fact behind it stays.
pub fn subject(label: &str) -> String {
    const SUBJECT_CHARS: usize = 28;
    if label.is_empty() {
        return "Request".to_string();
    }
    if label.chars().count() <= SUBJECT_CHARS {
        return label.to_string();
    }
    let mut cut: String = label.chars().take(SUBJECT_CHARS - 1).collect();
    cut.push('…');
    cut
}

/// A display filter for the connection's 4-tuple.
pub fn wireshark_filter(a: Endpoint, b: Endpoint) -> String {
    let family = |ip: IpAddr| if ip.is_ipv4() { "ip.addr" } else { "ipv6.addr" };
    format!("{} == {} && {} == {} && tcp.port == {} && tcp.port == {}", family(a.ip()), a.ip(), family(b.ip()), b.ip(), a.port(), b.port())
}

/// A display filter for everything between a host and a server endpoint.
pub fn filter_of_pair(client: IpAddr, server: Endpoint) -> String {
    let family = if server.ip().is_ipv4() { "ip.addr" } else { "ipv6.addr" };
    format!("{family} == {client} && {}", filter_of_server(server))
}

/// A display filter for everything of a server endpoint.
pub fn filter_of_server(server: Endpoint) -> String {
    let family = if server.ip().is_ipv4() { "ip.addr" } else { "ipv6.addr" };
    format!("{family} == {} && tcp.port == {}", server.ip(), server.port())
}

/// `1 request`, `3 requests`.
pub fn count(number: u64, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_has_three_digits_and_a_unit() {
        assert_eq!(span(Span(37_202_000_000)), "37.2 s");
        assert_eq!(span(Span(40_000_000)), "40 ms");
        assert_eq!(span(Span(21_000)), "21 µs");
        assert_eq!(span(Span(2_001_812_000)), "2 s");
        assert_eq!(span(Span(-1_500_000)), "−1.5 ms");
        assert_eq!(span(Span::from_secs(908)), "908 s");
    }

    #[test]
    fn subject_is_the_label_or_its_beginning() {
        assert_eq!(subject(""), "Request");
        assert_eq!(subject("GET /a/b/c/d/e/f/g/h/i/j/k/l"), "GET /a/b/c/d/e/f/g/h/i/j/k/l", "28 characters fit");
        assert_eq!(subject("GET /a/b/c/d/e/f/g/h/i/j/k/lm"), "GET /a/b/c/d/e/f/g/h/i/j/k/…");
    }

    #[test]
    fn headline_is_cut() {
        assert_eq!(headline(&"x".repeat(200)).chars().count(), HEADLINE_CHARS);
    }
}

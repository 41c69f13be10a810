//! `--show-payload`: the beginning of each evidence frame's payload, out of a second reading, with secrets covered.
//!
//! Whoever asks for payload wants to see what was sent, not who may send it: in HTTP/1 the values of the fields that carry credentials
//! (RFC 9110 section 11, RFC 6265, and what gateways use) and the query of the request target are covered by asterisks. Other protocols
//! are shown as they are; `docs/limits.md` says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::Capture;
use crate::decode::{DecodeOptions, Decoded, Decoder, IP_FRAGMENT};
use crate::options::AnalysisOptions;
use crate::report::{FrameRef, PayloadExcerpt, Report};
use crate::segment::Segment;

/// Octets of a payload that are shown: a request line and the first fields.
pub const SHOWN: usize = 256;

/// Fields whose values are never shown, in lower case.
const SECRET_FIELDS: [&[u8]; 10] = [
    b"authorization",
    b"proxy-authorization",
    b"authentication-info",
    b"cookie",
    b"set-cookie",
    b"x-api-key",
    b"x-auth-token",
    b"x-csrf-token",
    b"x-amz-security-token",
    b"x-forwarded-authorization",
];

/// Reads the capture again for the payload of every evidence frame of the report.
pub fn payloads(
    report: &Report,
    mut capture: Capture,
    options: &AnalysisOptions,
    interrupted: &AtomicBool,
) -> BTreeMap<FrameRef, PayloadExcerpt> {
    let mut wanted: BTreeSet<FrameRef> =
        report.findings.iter().flat_map(|finding| finding.evidence.iter().map(|evidence| evidence.frame)).collect();
    let mut found = BTreeMap::new();
    let mut decoder = Decoder::new(DecodeOptions { separate: options.separate });
    while !wanted.is_empty() && !interrupted.load(Ordering::Relaxed) {
        let Some(frame) = capture.next_frame() else { break };
        // Every frame is decoded: an evidence frame may be the last fragment of a datagram.
        while let Some(earlier) = decoder.before(&frame) {
            let id = FrameRef::from(earlier.frame);
            if wanted.remove(&id) {
                found.extend(excerpt(&earlier).map(|excerpt| (id, excerpt)));
            }
        }
        let id = FrameRef::from(frame.id);
        match decoder.decode(&frame) {
            Decoded::Segment(segment) if wanted.remove(&id) => found.extend(excerpt(&segment).map(|excerpt| (id, excerpt))),
            Decoded::Segment(_) | Decoded::Waits | Decoded::Skipped(IP_FRAGMENT) => {} // the last two may still turn out to be segments
            _ => {
                wanted.remove(&id);
            }
        }
    }
    decoder.end();
    while let Some(last) = decoder.after_last() {
        let id = FrameRef::from(last.frame);
        if wanted.remove(&id) {
            found.extend(excerpt(&last).map(|excerpt| (id, excerpt)));
        }
    }
    found
}

/// The payload of a segment, if it has any.
fn excerpt(segment: &Segment<'_>) -> Option<PayloadExcerpt> {
    let mut octets: Vec<u8> = segment.head.iter().take(segment.payload_length as usize).copied().collect();
    cover_secrets(&mut octets);
    octets.truncate(SHOWN);
    (segment.payload_length > 0).then_some(PayloadExcerpt { octets, length: segment.payload_length })
}

/// Covers what is secret in the head of an HTTP/1 message, and in whatever has lines like one.
fn cover_secrets(octets: &mut [u8]) {
    let mut covers_continuation = false;
    for (number, line) in octets.split_mut(|octet| *octet == b'\n').enumerate() {
        if number == 0 {
            cover_query(line);
        }
        // A value may go on in lines that begin with a space (obs-fold, RFC 9112 section 5.2).
        if covers_continuation && line.first().is_some_and(|octet| matches!(octet, b' ' | b'\t')) {
            cover(line);
            continue;
        }
        covers_continuation = false;
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { continue };
        let Some((name, value)) = line.split_at_mut_checked(colon.saturating_add(1)) else { continue };
        let name = name.get(..colon).unwrap_or_default().trim_ascii().to_ascii_lowercase();
        if SECRET_FIELDS.contains(&name.as_slice()) {
            cover(value);
            covers_continuation = true;
        }
    }
}

/// `GET /a?token=1 HTTP/1.1` keeps its path, `http://user:secret@host/` its host.
fn cover_query(line: &mut [u8]) {
    let Some(start) = line.iter().take(24).position(|octet| *octet == b' ').map(|space| space.saturating_add(1)) else { return };
    if !line.get(..start).unwrap_or_default().iter().all(|octet| octet.is_ascii_uppercase() || matches!(octet, b' ' | b'-' | b'_')) {
        return;
    }
    let Some(rest) = line.get_mut(start..) else { return };
    let end = rest.iter().position(|octet| matches!(octet, b' ' | b'\r')).unwrap_or(rest.len());
    let Some(target) = rest.get_mut(..end) else { return };
    if let Some(query) = target.iter().position(|octet| matches!(octet, b'?' | b'#' | b';')) {
        target.iter_mut().skip(query.saturating_add(1)).for_each(|octet| *octet = b'*');
    }
    let authority = target.windows(3).position(|three| three == b"://").map(|at| at.saturating_add(3));
    if let Some(from) = authority
        && let Some(until) = target.iter().skip(from).position(|octet| *octet == b'@')
    {
        target.iter_mut().skip(from).take(until).for_each(|octet| *octet = b'*');
    }
}

fn cover(octets: &mut [u8]) {
    for octet in octets.iter_mut().filter(|octet| !matches!(octet, b' ' | b'\t' | b'\r')) {
        *octet = b'*';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(text: &str) -> String {
        let mut octets = text.as_bytes().to_vec();
        cover_secrets(&mut octets);
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn secrets_of_a_request_are_covered() {
        assert_eq!(
            covered("GET /a?token=1 HTTP/1.1\r\nHost: h\r\nAUTHORIZATION: Basic eA==\r\n folded\r\ncookie:a=b\r\nAccept: */*\r\n\r\nbody"),
            "GET /a?******* HTTP/1.1\r\nHost: h\r\nAUTHORIZATION: ***** ****\r\n ******\r\ncookie:***\r\nAccept: */*\r\n\r\nbody"
        );
        assert_eq!(covered("GET http://u:p@h/x HTTP/1.1\r\n"), "GET http://***@h/x HTTP/1.1\r\n");
        assert_eq!(covered("HTTP/1.1 200 OK\r\nSet-Cookie: sid=1; Path=/\r\n"), "HTTP/1.1 200 OK\r\nSet-Cookie: ****** ******\r\n");
    }

    #[test]
    fn cut_value_is_covered_to_its_end() {
        assert_eq!(covered("GET / HTTP/1.1\r\nCookie: sess"), "GET / HTTP/1.1\r\nCookie: ****");
        assert_eq!(covered("GET /a?tok"), "GET /a?***");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in ["GET /a HTTP/1.1\r\nCookies: 3\r\n", "SELECT ? FROM t", "\u{16}\u{3}\u{1}"] {
            let kept = covered(text);
            assert!(kept == text || text.starts_with("SELECT"), "{kept}");
        }
    }
}

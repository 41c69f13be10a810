//! The start line and the header fields of an HTTP/1 message, out of a beginning that may be cut anywhere.
//!
//! A lenient scan instead of httparse: that parser gives header fields for complete blocks only, while an excerpt of at most 512
//! octets cuts most blocks; and it refuses messages that servers out there accept, while a request that a server answered is a
//! request. Source: RFC 9112 sections 2 to 6, RFC 9110 sections 7.2, 9 and 10.2.4, RFC 2068 section 19.7.1.1 (Keep-Alive).

use crate::app::hand::FieldNames;

/// The longest method name that is taken for one; the longest registered ones have 18 octets (`UPDATEREDIRECTREF` 17).
const LONGEST_METHOD: usize = 20;

/// Methods that are believed without a version behind the target: RFC 9110, RFC 5789, and of WebDAV, versioning and caches what is seen.
const KNOWN_METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"MERGE",
    b"PURGE",
];

/// A request line, as far as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The target; cut where the excerpt is.
    pub target: &'a [u8],
    /// `HTTP/1.0`; `None` where the line is cut before the version.
    pub is_http10: Option<bool>,
}

/// The request line at the beginning of these octets: method, target and version; or, where the octets end before the version, a known
/// method and a target that begins as one.
pub(super) fn request_line(octets: &[u8]) -> Option<RequestLine<'_>> {
    let method_len = octets.iter().take(LONGEST_METHOD).position(|octet| *octet == b' ')?;
    let method = octets.get(..method_len)?;
    if method.len() < 3 || !method.iter().all(|octet| octet.is_ascii_uppercase() || matches!(octet, b'-' | b'_')) {
        return None;
    }
    let rest = octets.get(method_len.checked_add(1)?..)?;
    let target_len = target_length(rest);
    let target = rest.get(..target_len)?;
    if target.is_empty() || !begins_like_target(target, method) {
        return None;
    }
    let after = rest.get(target_len..)?;
    let version = after.get(..after.len().min(9))?;
    let is_http10 = match version {
        b" HTTP/1.0" => Some(true),
        b" HTTP/1.1" => Some(false),
        cut if cut.len() < 9 && b" HTTP/1.".starts_with(cut.get(..cut.len().min(8))?) && KNOWN_METHODS.contains(&method) => None,
        _ => return None,
    };
    Some(RequestLine { method, target, is_http10 })
}

/// The target ends before the version; a client that does not encode its spaces is answered by many servers all the same.
fn target_length(rest: &[u8]) -> usize {
    let line_len = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
    let line = rest.get(..line_len).unwrap_or(rest);
    let version = [&b" HTTP/1.1"[..], b" HTTP/1.0"].iter().find_map(|version| line.strip_suffix(*version));
    version.map_or_else(|| rest.iter().position(|octet| !octet.is_ascii_graphic() && *octet < 0x80).unwrap_or(rest.len()), <[u8]>::len)
}

/// Origin form, absolute form, asterisk form, or (for CONNECT) authority form: RFC 9112 section 3.2.
fn begins_like_target(target: &[u8], method: &[u8]) -> bool {
    let scheme = |name: &[u8]| {
        let len = name.len().min(target.len());
        target.get(..len).zip(name.get(..len)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    match target.first() {
        Some(b'/') => true,
        Some(b'*') => target.len() == 1,
        Some(_) => {
            (target.len() >= 2 && (scheme(b"http://") || scheme(b"https://")))
                || (method == b"CONNECT" && target.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._:[]%@".contains(octet)))
        }
        None => false,
    }
}

/// The status of a status line: `HTTP/1.x SP 3DIGIT`, and whether it is HTTP/1.0.
pub(super) fn status_line(octets: &[u8]) -> Option<(u16, bool)> {
    let rest = octets.strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = rest.split_first()?;
    let [b' ', digits @ ..] = rest else { return None };
    let digits = digits.get(..3)?;
    if !matches!(minor, b'0' | b'1') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0_u16, |sum, digit| sum.wrapping_mul(10).wrapping_add(u16::from(digit & 0x0f)));
    (100..=999).contains(&status).then_some((status, *minor == b'0'))
}

/// What the header fields say, as far as they were captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    /// Offset of the first octet behind the empty line.
    pub end: Option<usize>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Transfer-Encoding: chunked`.
    pub is_chunked: bool,
    /// `Connection: close`.
    pub close: bool,
    /// `Connection: keep-alive`.
    pub keep_alive: bool,
    /// `Keep-Alive: timeout=`.
    pub timeout: Option<u32>,
    /// `Keep-Alive: max=`.
    pub max: Option<u32>,
    /// `Server`.
    pub server: &'a [u8],
    /// `Host`.
    pub host: &'a [u8],
    /// `User-Agent`.
    pub agent: &'a [u8],
    /// What the names themselves show.
    pub names: FieldNames,
    /// `Upgrade: websocket`.
    pub upgrade_websocket: bool,
    /// `Upgrade: h2c`.
    pub upgrade_h2c: bool,
}

/// Scans the lines behind the start line (`from` lies anywhere before the first header line).
pub(super) fn fields(octets: &[u8], from: usize) -> Fields<'_> {
    let mut found = Fields::default();
    let mut at = from;
    while let Some(rest) = octets.get(at..) {
        // A line without its end may be cut in the middle of a number.
        let Some(line_len) = memchr::memchr(b'\n', rest) else { break };
        let line = rest.get(..line_len).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        at = at.saturating_add(line_len).saturating_add(1);
        if line.is_empty() {
            found.end = Some(at);
            break;
        }
        if let Some(colon) = memchr::memchr(b':', line) {
            let name = line.get(..colon).unwrap_or_default();
            let value = line.get(colon.saturating_add(1)..).unwrap_or_default().trim_ascii();
            found.take(name, value);
        }
    }
    found
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        self.names.add(name);
        match name.len() {
            4 if is(b"host") => self.host = value,
            6 if is(b"server") => self.server = value,
            7 if is(b"upgrade") => {
                self.upgrade_websocket |= has_token(value, b"websocket");
                self.upgrade_h2c |= has_token(value, b"h2c");
            }
            10 if is(b"connection") => {
                self.close |= has_token(value, b"close");
                self.keep_alive |= has_token(value, b"keep-alive");
            }
            10 if is(b"user-agent") => self.agent = value,
            10 if is(b"keep-alive") => {
                self.timeout = parameter(value, b"timeout").or(self.timeout);
                self.max = parameter(value, b"max").or(self.max);
            }
            14 if is(b"content-length") => self.content_length = number(value),
            17 if is(b"transfer-encoding") => self.is_chunked |= has_token(value, b"chunked"),
            _ => {}
        }
    }
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|octet| *octet == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

fn parameter(value: &[u8], name: &[u8]) -> Option<u32> {
    value.split(|octet| matches!(octet, b',' | b';')).find_map(|part| {
        let part = part.trim_ascii();
        let equals = part.iter().position(|octet| *octet == b'=')?;
        let (key, rest) = part.split_at_checked(equals)?;
        if !key.trim_ascii().eq_ignore_ascii_case(name) {
            return None;
        }
        number(rest.get(1..)?.trim_ascii()).and_then(|n| u32::try_from(n).ok())
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(
        0_u64,
        |sum, digit| {
            if digit.is_ascii_digit() { sum.checked_mul(10)?.checked_add(u64::from(digit & 0x0f)) } else { None }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_line_in_full_is_taken_apart() {
        let line = request_line(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n").unwrap();
        assert_eq!((line.method, line.target, line.is_http10), (&b"GET"[..], &b"/a?b=c"[..], Some(false)));
        assert_eq!(request_line(b"BREW /pot HTTP/1.0\r\n").unwrap().is_http10, Some(true));
    }

    #[test]
    fn request_line_with_a_space_in_its_target_is_one() {
        assert_eq!(request_line(b"GET /a b HTTP/1.1\r\n").unwrap().target, b"/a b");
        assert_eq!(request_line(b"GET /a b\r\n"), None);
    }

    #[test]
    fn request_line_cut_before_its_version_needs_a_known_method() {
        assert!(request_line(b"POST /api/v1/orders/4711/positions/99").is_some());
        assert!(request_line(b"GET /x HTT").is_some());
        assert!(request_line(b"BREW /pot").is_none());
        assert!(request_line(b"GET ").is_none());
        assert!(request_line(b"GET key1 key2").is_none());
        assert!(request_line(b"GET /x FTP").is_none());
    }

    #[test]
    fn request_line_of_neighbours_is_refused() {
        for other in [
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
            b"OPTIONS rtsp://host/x RTSP/1.0\r\n",
            b"INVITE sip:bob@example.org SIP/2.0\r\n",
            b"get /x HTTP/1.1\r\n",
        ] {
            assert_eq!(request_line(other), None, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn status_line_needs_three_digits() {
        assert_eq!(status_line(b"HTTP/1.1 200 OK\r\n"), Some((200, false)));
        assert_eq!(status_line(b"HTTP/1.0 404"), Some((404, true)));
        assert_eq!(status_line(b"HTTP/1.1 20"), None);
        assert_eq!(status_line(b"HTTP/1.1 2x0 OK"), None);
        assert_eq!(status_line(b"HTTP/2.0 200"), None);
    }

    #[test]
    fn fields_of_a_response_are_found_whatever_their_case() {
        let octets = b"HTTP/1.1 200 OK\r\nserver: nginx/1.24\r\nCONTENT-LENGTH: 12\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5, max=100\r\n\r\nhello";
        let found = fields(octets, 17);
        assert_eq!(found.server, b"nginx/1.24");
        assert_eq!((found.content_length, found.timeout, found.max, found.keep_alive), (Some(12), Some(5), Some(100), true));
        assert_eq!(found.end, Some(octets.len() - 5));
    }

    #[test]
    fn fields_cut_within_a_number_do_not_believe_it() {
        let found = fields(b"HTTP/1.1 200 OK\r\nContent-Length: 12", 17);
        assert_eq!((found.content_length, found.end), (None, None));
    }

    #[test]
    fn content_length_that_overflows_is_no_length() {
        assert_eq!(fields(b"Content-Length: 99999999999999999999999\r\n\r\n", 0).content_length, None);
        assert_eq!(fields(b"Content-Length: -1\r\n\r\n", 0).content_length, None);
    }
}

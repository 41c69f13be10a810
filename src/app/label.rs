//! Short texts for people out of untrusted octets: ASCII without control characters, cut, never a secret.

use arrayvec::ArrayString;

/// Stands for an octet that is no printable ASCII.
const REPLACEMENT: char = '\u{fffd}';
/// Stands for a part that was left out.
const ELLIPSIS: char = '…';
/// A path segment this long that mixes letters and digits is taken for a token (API keys and session ids begin at 128 bit, which
/// is 32 hexadecimal digits), unless it has the shape of a UUID (36 characters).
const TOKEN_LENGTH: usize = 32;

/// Appends text as far as it fits.
pub(super) fn push_str<const N: usize>(text: &mut ArrayString<N>, more: &str) {
    for c in more.chars() {
        if text.try_push(c).is_err() {
            return;
        }
    }
}

/// Appends octets as far as they fit; what is not printable ASCII is replaced.
pub(super) fn push<const N: usize>(text: &mut ArrayString<N>, octets: &[u8]) {
    for octet in octets {
        let c = if octet.is_ascii_graphic() || *octet == b' ' { char::from(*octet) } else { REPLACEMENT };
        if text.try_push(c).is_err() {
            return;
        }
    }
}

/// Appends a number.
pub(super) fn push_number<const N: usize>(text: &mut ArrayString<N>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0_usize;
    for slot in digits.iter_mut().rev() {
        *slot = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        used = used.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    push(text, digits.get(digits.len().saturating_sub(used)..).unwrap_or_default());
}

/// A text of these words.
pub(super) fn text<const N: usize>(words: &str) -> ArrayString<N> {
    let mut text = ArrayString::new();
    push_str(&mut text, words);
    text
}

/// Appends a request target's path: without scheme, authority, query, fragment and path parameters, tokens left out.
pub(super) fn push_path<const N: usize>(text: &mut ArrayString<N>, target: &[u8]) {
    let path = path_of(target);
    let mut first = true;
    for segment in path.split(|octet| *octet == b'/') {
        if !first {
            push(text, b"/");
        }
        first = false;
        if is_token(segment) {
            push_str(text, ELLIPSIS.encode_utf8(&mut [0; 4]));
        } else {
            push(text, segment);
        }
    }
}

/// The path of a request target in origin, absolute, authority or asterisk form (RFC 9112 section 3.2). An authority form (CONNECT)
/// has no path; it is the host and port.
fn path_of(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return before_query(target);
    }
    let after_scheme = target.windows(3).position(|w| w == b"://").and_then(|at| target.get(at.saturating_add(3)..));
    if let Some(rest) = after_scheme {
        return rest.iter().position(|octet| *octet == b'/').map_or(b"/", |slash| before_query(rest.get(slash..).unwrap_or_default()));
    }
    let userinfo = target.iter().rposition(|octet| *octet == b'@').map_or(0, |at| at.saturating_add(1));
    before_query(target.get(userinfo..).unwrap_or_default())
}

fn before_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|octet| matches!(octet, b'?' | b'#' | b';')).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

fn is_token(segment: &[u8]) -> bool {
    let has = |test: fn(&u8) -> bool| segment.iter().any(test);
    segment.len() >= TOKEN_LENGTH && has(u8::is_ascii_alphabetic) && has(u8::is_ascii_digit) && !is_uuid(segment)
}

fn is_uuid(segment: &[u8]) -> bool {
    segment.len() == 36
        && segment
            .iter()
            .enumerate()
            .all(|(at, octet)| if matches!(at, 8 | 13 | 18 | 23) { *octet == b'-' } else { octet.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &[u8]) -> String {
        let mut text = ArrayString::<56>::new();
        push_path(&mut text, target);
        text.to_string()
    }

    #[test]
    fn path_of_every_target_form_has_no_secret_part() {
        assert_eq!(path(b"/api/orders?token=abc#x"), "/api/orders");
        assert_eq!(path(b"http://user:secret@host/x?y"), "/x");
        assert_eq!(path(b"http://user:secret@host?y"), "/");
        assert_eq!(path(b"user:secret@host:443"), "host:443");
        assert_eq!(path(b"user:se?cret@host:443"), "host:443");
        assert_eq!(path(b"*"), "*");
        assert_eq!(path(b"/app;jsessionid=1234"), "/app");
    }

    #[test]
    fn path_with_a_token_segment_leaves_it_out_but_keeps_a_uuid() {
        assert_eq!(path(b"/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage"), "/…/sendMessage");
        assert_eq!(path(b"/o/123e4567-e89b-12d3-a456-426614174000"), "/o/123e4567-e89b-12d3-a456-426614174000");
    }

    #[test]
    fn text_with_control_characters_is_cleaned_and_cut() {
        let mut cleaned = ArrayString::<12>::new();
        push(&mut cleaned, b"a\x1b[2Jb\ncdefgh");
        assert_eq!(cleaned.as_str(), "a\u{fffd}[2Jb\u{fffd}c");
        let mut text = ArrayString::<8>::new();
        push_number(&mut text, 0);
        push_number(&mut text, 1_234_567);
        assert_eq!(text.as_str(), "01234567");
    }
}

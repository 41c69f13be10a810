//! How a speaker of HTTP/1 writes. A gateway passes on what others say of themselves (`Server`, `User-Agent`), but it cannot hide its own
//! hand: the case of the field names, the fields that it adds, the text of its error pages.
//!
//! Sources: HAProxy writes field names in lower case since 2.0 (documentation of `h1-case-adjust`), its default error pages and its plain
//! `option httpchk` request are in its configuration manual and `src/http.c`; Envoy's `x-envoy-` fields are in its documentation of
//! HTTP header manipulation, its local replies begin `upstream connect error`.

use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

use super::label;

/// How one side of an HTTP/1 connection writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(into = "ArrayString<16>")]
pub enum Hand {
    /// Nothing seen.
    #[default]
    Unknown,
    /// Every field name in lower case.
    LowerCase,
    /// Field names with capitals.
    Capitals,
    /// Something that only this product writes.
    Product(&'static str),
}

impl Hand {
    /// What is known after another message of the same side: a product once, capitals once, else lower case.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Product(name), _) | (_, Self::Product(name)) => Self::Product(name),
            (Self::Capitals, _) | (_, Self::Capitals) => Self::Capitals,
            (Self::LowerCase, _) | (_, Self::LowerCase) => Self::LowerCase,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }

    /// The product.
    pub const fn product(self) -> Option<&'static str> {
        match self {
            Self::Product(name) => Some(name),
            _ => None,
        }
    }
}

/// Their words where a hand is written down.
const LOWER_CASE: &str = "lower";
const CAPITALS: &str = "capitals";

impl From<Hand> for ArrayString<16> {
    fn from(hand: Hand) -> Self {
        let word = match hand {
            Hand::Unknown => "",
            Hand::LowerCase => LOWER_CASE,
            Hand::Capitals => CAPITALS,
            Hand::Product(name) => name,
        };
        Self::from(word).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Hand {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ArrayString::<16>::deserialize(deserializer).map(Self::from)
    }
}

impl From<ArrayString<16>> for Hand {
    fn from(word: ArrayString<16>) -> Self {
        let products = GATEWAYS.iter().map(|(.., name)| *name).chain([HAPROXY]);
        match word.as_str() {
            LOWER_CASE => Self::LowerCase,
            CAPITALS => Self::Capitals,
            name => products.into_iter().find(|known| *known == name).map_or(Self::Unknown, Self::Product),
        }
    }
}

/// What field names have shown so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldNames {
    lower: bool,
    capitals: bool,
    envoy: bool,
}

impl FieldNames {
    /// With one more name.
    pub fn add(&mut self, name: &[u8]) {
        match name.first() {
            Some(first) if first.is_ascii_uppercase() => self.capitals = true,
            Some(b'x') if name.starts_with(b"x-envoy-") => self.envoy = true,
            Some(first) if first.is_ascii_lowercase() => self.lower = true,
            _ => {}
        }
    }

    /// No field was seen.
    pub const fn is_empty(self) -> bool {
        !(self.lower || self.capitals || self.envoy)
    }

    /// Whose hand it is.
    pub const fn hand(self) -> Hand {
        match self {
            Self { envoy: true, .. } => Hand::Product("Envoy"),
            Self { capitals: true, .. } => Hand::Capitals,
            Self { lower: true, .. } => Hand::LowerCase,
            Self { .. } => Hand::Unknown,
        }
    }
}

/// HAProxy's name.
const HAPROXY: &str = "HAProxy";

/// The first words of HAProxy's own pages, by status.
const HAPROXY_PAGES: [(u16, &[u8]); 8] = [
    (400, b"<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request."),
    (403, b"<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules."),
    (408, b"<html><body><h1>408 Request Time-out</h1>\nYour browser didn't send a complete request in time."),
    (429, b"<html><body><h1>429 Too Many Requests</h1>\nYou have sent too many requests in a given amount of time."),
    (500, b"<html><body><h1>500 Internal Server Error</h1>\nAn internal server error occurred."),
    (502, b"<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response."),
    (503, b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request."),
    (504, b"<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time."),
];

/// What gateways call themselves, whether they write field names with capitals, and their name.
const GATEWAYS: [(&[u8], bool, &str); 6] = [
    (b"nginx", true, "nginx"),
    (b"openresty", true, "nginx"),
    (b"Apache/", true, "Apache httpd"),
    (b"awselb", true, "awselb"),
    (b"envoy", false, "Envoy"),
    (b"istio-envoy", false, "istio"),
];

/// Whose hand a response shows; `server` is its `Server` field, `body` are the octets behind its fields, as far as they were captured.
/// A gateway that answers in the place of its upstream (502, 504) says its own name, and a second one that passes that on leaves a trace:
/// it adds its `Server`, or changes the case.
pub(super) fn of_response(status: u16, server: &[u8], names: FieldNames, body: &[u8]) -> Hand {
    if server.is_empty() && HAPROXY_PAGES.iter().any(|(of, page)| *of == status && body.starts_with(page)) {
        return Hand::Product(HAPROXY);
    }
    if matches!(status, 502 | 504) {
        let capitals = names.hand() == Hand::Capitals;
        let own = GATEWAYS.iter().find(|(word, with_capitals, _)| server.starts_with(word) && *with_capitals == capitals);
        if let Some((_, _, name)) = own {
            return Hand::Product(name);
        }
    }
    if status == 503 && body.starts_with(b"upstream connect error or disconnect/reset before headers") {
        return Hand::Product("Envoy");
    }
    names.hand()
}

/// Whose hand a request shows: HAProxy's plain health check is `OPTIONS /` in HTTP/1.0 without any field.
pub(super) fn of_request(method: &[u8], target: &[u8], is_http10: bool, names: FieldNames, is_whole: bool) -> Hand {
    if method == b"OPTIONS" && target == b"/" && is_http10 && is_whole && names.is_empty() {
        return Hand::Product(HAPROXY);
    }
    names.hand()
}

/// The product token of a `User-Agent` (RFC 9110 section 10.1.5), `okhttp/4.12.0`: its name, and its version where that looks like one.
/// Nothing else of the field is kept. Where the first product is only the language, the second is taken; browsers have no token of their own.
pub(super) fn agent<const N: usize>(field: &[u8]) -> ArrayString<N> {
    let mut products = field.split(|octet| *octet == b' ').filter(|word| word.first().is_some_and(u8::is_ascii_alphabetic));
    let first = products.next().unwrap_or_default();
    let is_language = |token: &[u8]| name_and_version(token).0.eq_ignore_ascii_case(b"python");
    let token = if is_language(first) { products.next().unwrap_or(first) } else { first };
    let (name, version) = name_and_version(token);
    let mut text = ArrayString::new();
    if name.eq_ignore_ascii_case(b"mozilla") || !name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(octet)) {
        return text;
    }
    label::push(&mut text, name);
    let figures = |octet: &u8| octet.is_ascii_digit() || *octet == b'.' || *octet == b'_';
    let version = version.split(|octet| !figures(octet)).next().unwrap_or_default();
    if !version.is_empty() {
        label::push(&mut text, b"/");
        label::push(&mut text, version);
    }
    text
}

fn name_and_version(token: &[u8]) -> (&[u8], &[u8]) {
    let slash = token.iter().position(|octet| *octet == b'/').unwrap_or(token.len());
    (token.get(..slash).unwrap_or(token), token.get(slash.saturating_add(1)..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_is_the_product_and_its_version_and_nothing_else() {
        let cases: [(&[u8], &str); 12] = [
            (b"okhttp/4.12.0", "okhttp/4.12.0"),
            (b"Apache-HttpClient/5.2.1 (Java/17.0.8)", "Apache-HttpClient/5.2.1"),
            (b"Python/3.11 aiohttp/3.9.1", "aiohttp/3.9.1"),
            (b"Java/17.0.2", "Java/17.0.2"),
            (b"node", "node"),
            (b"Mozilla/5.0 (X11; Linux x86_64)", ""),
            (b"app/1.2-secret=4711", "app/1.2"),
            (b"app/Bearer-4711", "app"),
            (b"key=4711", ""),
            (b"\x1b[2J", ""),
            (b"curl/8.5.0", "curl/8.5.0"),
            (b"", ""),
        ];
        for (field, expected) in cases {
            assert_eq!(agent::<32>(field).as_str(), expected, "{}", String::from_utf8_lossy(field));
        }
        assert_eq!(agent::<8>(b"Apache-HttpClient/5").len(), 8);
    }

    #[test]
    fn page_of_haproxy_is_told_by_its_words_and_status() {
        let page = b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n";
        assert_eq!(of_response(503, b"", FieldNames::default(), page), Hand::Product("HAProxy"));
        assert_eq!(of_response(502, b"", FieldNames::default(), page), Hand::Unknown);
        assert_eq!(of_response(503, b"nginx", FieldNames::default(), page), Hand::Unknown, "passed on by nginx");
        let other = b"<html><body><h1>503 Service Unavailable</h1>\nTry later.</body></html>";
        assert_eq!(of_response(503, b"", FieldNames::default(), other), Hand::Unknown);
    }

    #[test]
    fn gateway_that_answers_itself_says_its_name_and_one_that_passes_an_answer_on_does_not() {
        let (mut capitals, mut lower) = (FieldNames::default(), FieldNames::default());
        capitals.add(b"Server");
        lower.add(b"server");
        assert_eq!(of_response(502, b"nginx/1.22.1", capitals, b""), Hand::Product("nginx"));
        assert_eq!(of_response(404, b"nginx/1.22.1", capitals, b""), Hand::Capitals, "may be passed on");
        assert_eq!(of_response(502, b"nginx/1.22.1", lower, b""), Hand::LowerCase, "passed on by HAProxy");
        assert_eq!(of_response(504, b"envoy", lower, b""), Hand::Product("Envoy"));
    }

    #[test]
    fn field_names_tell_the_hand() {
        let hand = |names: &[&[u8]]| {
            let mut seen = FieldNames::default();
            for name in names {
                seen.add(name);
            }
            seen.hand()
        };
        assert_eq!(hand(&[b"host", b"content-length"]), Hand::LowerCase);
        assert_eq!(hand(&[b"host", b"X-Forwarded-For"]), Hand::Capitals);
        assert_eq!(hand(&[b"host", b"x-envoy-expected-rq-timeout-ms"]), Hand::Product("Envoy"));
        assert_eq!(hand(&[]), Hand::Unknown);
        assert_eq!(Hand::LowerCase.and(Hand::Capitals), Hand::Capitals);
        assert_eq!(Hand::Capitals.and(Hand::Product("Envoy")), Hand::Product("Envoy"));
    }

    #[test]
    fn plain_health_check_is_haproxys_and_one_with_fields_is_anybodys() {
        assert_eq!(of_request(b"OPTIONS", b"/", true, FieldNames::default(), true), Hand::Product("HAProxy"));
        assert_eq!(of_request(b"OPTIONS", b"/", true, FieldNames::default(), false), Hand::Unknown);
        let mut names = FieldNames::default();
        names.add(b"Host");
        assert_eq!(of_request(b"OPTIONS", b"/", true, names, true), Hand::Capitals);
    }
}

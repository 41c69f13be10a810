//! What people saw: error texts of clients and proxies, and which packets are behind them.
//!
//! A text says little of its cause, but it does say what the kernel gave to the program: the end of the stream (a FIN came), a reset (an
//! RST came and no FIN before it), or nothing until a timer ran out. That holds for programs on Linux; other stacks may report a reset
//! where a FIN came first.
//! Source: the programs' own sources and manuals, reports of their users, and the errno values of Linux (measured with FIN, RST and silence).

use crate::app::Protocol;
use crate::observe::Case;
use crate::report::Kind;

/// So many texts stand beside a finding.
const SHOWN: usize = 4;
/// A search of fewer letters would find everything.
const SHORTEST_SEARCH: usize = 2;

/// What the program's kernel gave to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The end of the stream: a FIN, whatever came after it.
    EndOfStream,
    /// A reset, and no FIN before it.
    Reset,
    /// Nothing, until retransmissions or probes were given up.
    Silence,
    /// A connection that stands, and no answer in time.
    NoAnswer,
    /// No connection.
    NoConnection,
}

/// One text and what is behind it.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Who says so.
    pub product: &'static str,
    /// The text, as far as it is always the same.
    pub text: &'static str,
    /// What the kernel gave to the program; several where the text does not tell.
    pub seen: &'static [Seen],
    /// Only with this protocol; `None`: any, HTTP above all.
    pub protocol: Option<Protocol>,
    /// What else is to be known.
    pub note: &'static str,
}

use Seen::{EndOfStream, NoAnswer, NoConnection, Reset, Silence};

const fn http(product: &'static str, text: &'static str, seen: &'static [Seen], note: &'static str) -> Message {
    Message { product, text, seen, protocol: None, note }
}

const fn of(protocol: Protocol, product: &'static str, text: &'static str, seen: &'static [Seen], note: &'static str) -> Message {
    Message { product, text, seen, protocol: Some(protocol), note }
}

/// The table, the most telling of each first.
const MESSAGES: &[Message] = &[
    http("nginx", "upstream prematurely closed connection while reading response header from upstream", &[EndOfStream], ""),
    http("nginx", "recv() failed (104: Connection reset by peer) while reading response header from upstream", &[Reset], ""),
    http("nginx", "upstream timed out (110: Connection timed out) while reading response header from upstream", &[NoAnswer, Silence], ""),
    http("nginx", "upstream timed out (110: Connection timed out) while connecting to upstream", &[NoConnection], ""),
    http("nginx", "connect() failed (111: Connection refused) while connecting to upstream", &[NoConnection], ""),
    http(
        "HAProxy",
        "502 with termination state SH--",
        &[EndOfStream, Reset],
        "On a reused server connection HAProxy writes no 502: it closes the client's connection without a word.",
    ),
    http("HAProxy", "504 with termination state sH--", &[NoAnswer, Silence], ""),
    http("HAProxy", "termination state SD--", &[EndOfStream, Reset], "The close came in the middle of a response."),
    http("HAProxy", "termination state SC-- or sC--", &[NoConnection], ""),
    http("HAProxy", "termination state CD-- or cD--", &[NoAnswer], "The client's side left or timed out."),
    http(
        "Envoy, Istio",
        "upstream connect error or disconnect/reset before headers. reset reason: connection termination (503, UC)",
        &[EndOfStream],
        "",
    ),
    http(
        "Envoy, Istio",
        "upstream connect error or disconnect/reset before headers. reset reason: connection reset, remote reset (503, UC, UR)",
        &[Reset],
        "",
    ),
    http(
        "Envoy, Istio",
        "upstream connect error or disconnect/reset before headers. reset reason: connection timeout, connection failure (503, UF)",
        &[NoConnection],
        "",
    ),
    http("Envoy, Istio", "upstream request timeout (504, UT)", &[NoAnswer, Silence], ""),
    http(
        "AWS ALB",
        "502 Bad Gateway with target_status_code - and response_processing_time -1",
        &[EndOfStream, Reset],
        "The target closes earlier than the load balancer's idle timeout of 60 s.",
    ),
    http(
        "Google Cloud",
        "502 backend_connection_closed_before_data_sent_to_client",
        &[EndOfStream, Reset],
        "The backend's keep-alive timeout has to be longer than 600 s.",
    ),
    http("Cloudflare", "520 web server returns an unknown error", &[EndOfStream, Reset], ""),
    http("Cloudflare", "524 a timeout occurred", &[NoAnswer], ""),
    http("Go net/http", "http: server closed idle connection", &[EndOfStream], ""),
    http("Go net/http", "EOF, unexpected EOF, readLoopPeekFailLocked", &[EndOfStream], "A POST is not retried by the library."),
    http("Go", "read: connection reset by peer", &[Reset], ""),
    http("Go", "i/o timeout, context deadline exceeded (Client.Timeout exceeded while awaiting headers)", &[NoAnswer, Silence], ""),
    http("Java, Apache HttpClient", "NoHttpResponseException: the target server failed to respond", &[EndOfStream], ""),
    http("Java", "java.net.SocketException: Connection reset", &[Reset], ""),
    http("Java", "java.net.SocketTimeoutException: Read timed out", &[NoAnswer, Silence], ""),
    http("Java, java.net.http", "HTTP/1.1 header parser received no bytes", &[EndOfStream], ""),
    http("OkHttp", "unexpected end of stream on Connection", &[EndOfStream], ""),
    http("Reactor Netty, Spring WebClient", "Connection prematurely closed BEFORE response", &[EndOfStream], ""),
    http("Rust, hyper and reqwest", "IncompleteMessage: connection closed before message completed", &[EndOfStream], ""),
    http("Python, requests and urllib3", "RemoteDisconnected('Remote end closed connection without response')", &[EndOfStream], ""),
    http("Python", "ConnectionResetError: [Errno 104] Connection reset by peer", &[Reset], ""),
    http("Python", "BrokenPipeError: [Errno 32] Broken pipe", &[EndOfStream, Reset], "A second write, after the RST had come."),
    http("Python, httpx", "RemoteProtocolError: Server disconnected without sending a response", &[EndOfStream], ""),
    http("Python, aiohttp", "ServerDisconnectedError: Server disconnected", &[EndOfStream], ""),
    http("Node.js", "socket hang up (ECONNRESET)", &[EndOfStream, Reset], "Node reports both with ECONNRESET."),
    http("curl", "(52) Empty reply from server", &[EndOfStream], ""),
    http("curl", "(56) Recv failure: Connection reset by peer", &[Reset], ""),
    http("curl", "(28) Operation timed out", &[NoAnswer, Silence, NoConnection], ""),
    http("Linux", "ECONNRESET (104): Connection reset by peer", &[Reset], ""),
    http(
        "Linux",
        "ETIMEDOUT (110): Connection timed out",
        &[Silence, NoConnection],
        "After about 15 minutes of retransmissions, or when keepalive probes were not answered.",
    ),
    http("Linux", "ECONNREFUSED (111): Connection refused", &[NoConnection], ""),
    http("Linux", "EHOSTUNREACH (113): No route to host", &[Silence, NoConnection], "An ICMP error came back; the capture may show it."),
    http("Linux", "EPIPE (32): Broken pipe", &[EndOfStream, Reset], ""),
    of(Protocol::MySql, "MySQL", "Error 2006: MySQL server has gone away", &[EndOfStream, Reset], ""),
    of(Protocol::MySql, "MySQL", "Error 2013: Lost connection to MySQL server during query", &[EndOfStream, Reset, Silence], ""),
    of(
        Protocol::MySql,
        "MySQL Connector/J",
        "Communications link failure. The last packet successfully received from the server was",
        &[EndOfStream, Reset, Silence],
        "",
    ),
    of(
        Protocol::MySql,
        "HikariCP",
        "Failed to validate connection (possibly consider using a shorter maxLifetime value)",
        &[EndOfStream, Reset, Silence],
        "",
    ),
    of(Protocol::PostgreSql, "PostgreSQL, libpq", "server closed the connection unexpectedly", &[EndOfStream, Reset], ""),
    of(Protocol::PostgreSql, "PostgreSQL", "FATAL: terminating connection due to idle-session timeout (57P05)", &[EndOfStream], ""),
    of(Protocol::PostgreSql, "PostgreSQL JDBC", "An I/O error occurred while sending to the backend", &[EndOfStream, Reset], ""),
    of(Protocol::Redis, "Redis clients", "Connection closed by server, Broken pipe", &[EndOfStream, Reset], ""),
    of(
        Protocol::Kafka,
        "librdkafka",
        "1 request(s) timed out: disconnect",
        &[Silence],
        "A load balancer that forgets after some minutes, such as Azure's after 240 s.",
    ),
    of(
        Protocol::Kafka,
        "Kafka clients",
        "Disconnected while requests are in flight",
        &[EndOfStream, Reset],
        "The broker's connections.max.idle.ms is 600 s.",
    ),
    of(Protocol::Amqp, "RabbitMQ clients", "missed heartbeats from client, timeout", &[Silence, EndOfStream], ""),
    of(Protocol::Smtp, "Postfix", "lost connection with host while sending", &[EndOfStream, Reset], ""),
];

impl Seen {
    /// What the packets show, in one sentence.
    pub const fn says(self) -> &'static str {
        match self {
            Self::EndOfStream => "a FIN was delivered to the program, whatever came after it",
            Self::Reset => "an RST was delivered, and no FIN before it",
            Self::Silence => "nothing came back: retransmissions or keepalive probes were given up",
            Self::NoAnswer => "the connection stood, and no answer came in time",
            Self::NoConnection => "no connection came about",
        }
    }

    /// The kinds of findings that look like this to the program.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::EndOfStream => &[Kind::StaleReuse, Kind::CloseRace, Kind::SwallowedRequest, Kind::ClosedWithoutResponse],
            Self::Reset => &[Kind::StateLost, Kind::CloseRace, Kind::ClosedWithoutResponse],
            Self::Silence => &[Kind::SilentDrop, Kind::KeepaliveUnanswered],
            Self::NoAnswer => &[Kind::AbandonedResponse, Kind::IdleDuringResponse],
            Self::NoConnection => &[Kind::ConnectFailed],
        }
    }
}

/// What the client of a lost request saw.
pub fn seen_by_client(kind: Kind, case: &Case) -> Seen {
    match kind {
        Kind::SilentDrop => Silence,
        Kind::StateLost if case.request.reply_reset().is_none() => Silence,
        Kind::StateLost => Reset,
        Kind::CloseRace | Kind::ClosedWithoutResponse if case.fin.is_none() && !case.request.has_race_fingerprint() => Reset,
        _ => EndOfStream,
    }
}

/// The texts that such an end probably left in a log.
pub fn probable(seen: Seen, protocol: Protocol) -> Vec<String> {
    let specific = MESSAGES.iter().filter(|message| message.protocol == Some(protocol));
    let general = MESSAGES.iter().filter(|message| message.protocol.is_none());
    let fits = |message: &&Message| message.seen.contains(&seen);
    // The operating system's own words are in the others; a text that says nothing else comes before one that says several things.
    let mut list: Vec<&Message> = specific.chain(general).filter(fits).collect();
    list.sort_by_key(|message| (message.protocol.is_none(), message.seen.len()));
    let mut makers: Vec<&str> = Vec::new();
    list.retain(|message| {
        let maker = message.product.split([' ', ',']).next().unwrap_or_default();
        let is_new = !makers.contains(&maker);
        makers.push(maker);
        is_new
    });
    list.into_iter().take(SHOWN).map(|message| format!("{}: {}", message.product, message.text)).collect()
}

/// The rows that a text from a log may be: the text contains the row's words or the other way round, letter case and punctuation apart.
pub fn find(text: &str) -> Vec<&'static Message> {
    let asked = words(text);
    if asked.iter().map(String::len).sum::<usize>() < SHORTEST_SEARCH {
        return Vec::new();
    }
    let found: Vec<&Message> = MESSAGES.iter().filter(|message| matches(message, &asked)).collect();
    // Letter case tells HAProxy's SH from its sH: who wrote a text exactly means that one.
    let exact = |message: &&&Message| message.text.contains(text.trim());
    if found.iter().any(|message| exact(&message)) { found.into_iter().filter(|message| exact(&message)).collect() } else { found }
}

fn matches(message: &Message, asked: &[String]) -> bool {
    let known = words(&format!("{} {}", message.product, message.text));
    let text = words(message.text);
    let contains = |whole: &[String], part: &[String]| !part.is_empty() && whole.windows(part.len()).any(|window| window == part);
    // All that was asked is in the row, or a line of a log has all the row's text in it.
    asked.iter().all(|word| known.contains(word)) || contains(asked, &text)
}

/// Words without punctuation, in lower case.
fn words(text: &str) -> Vec<String> {
    let letters = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == '/';
    let trimmed = text.split(|c: char| !letters(c)).map(|word| word.trim_matches(['-', '/', '_']).to_lowercase());
    trimmed.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&'static str> {
        find(text).into_iter().map(|message| message.product).collect()
    }

    #[test]
    fn text_of_a_log_is_found_by_a_part_of_it_and_within_a_line() {
        assert_eq!(found("upstream prematurely closed"), ["nginx"]);
        assert_eq!(found("Upstream PREMATURELY closed connection"), ["nginx"]);
        assert_eq!(found("ECONNRESET"), ["Node.js", "Linux"]);
        assert_eq!(found("NoHttpResponseException"), ["Java, Apache HttpClient"]);
        assert!(found("UC").iter().all(|product| *product == "Envoy, Istio"));
        assert_eq!(find("SH--").iter().map(|message| message.text).collect::<Vec<_>>(), ["502 with termination state SH--"]);
        let line = "2026/01/02 03:04:05 [error] 7#7: *9 upstream prematurely closed connection while reading response header from upstream, client: 10.0.0.1";
        assert_eq!(found(line), ["nginx"]);
    }

    #[test]
    fn text_that_nobody_writes_is_not_found() {
        assert_eq!(found("xyzzy"), [""; 0]);
        assert_eq!(found(""), [""; 0]);
        assert_eq!(found("--"), [""; 0]);
    }

    #[test]
    fn texts_of_the_protocol_come_first_and_fit_what_was_seen() {
        let redis = probable(EndOfStream, Protocol::Redis);
        assert!(redis.first().is_some_and(|text| text.starts_with("Redis")), "{redis:?}");
        assert!(probable(Reset, Protocol::Http1).iter().all(|text| !text.contains("prematurely")));
        for seen in [EndOfStream, Reset, Silence, NoAnswer, NoConnection] {
            assert!(!probable(seen, Protocol::Unknown).is_empty() && !seen.kinds().is_empty());
        }
    }
}

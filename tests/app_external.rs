//! Compares what the payload readers recognise with tshark's dissectors, on captures recorded by others.
//!
//! The captures are not part of the repository: the test looks for them under AFTERFIN_SHARED (default `../shared`), and says so and
//! passes where they, or tshark, are absent. The payloads come from tshark itself, so that only the readers are on trial.

#![allow(clippy::print_stdout, reason = "the figures are what one runs it for")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use afterfin::app::{Dialogue, Excerpt, Message, Protocol, What};
use afterfin::endpoint::Direction;

/// What tshark says about the frames; each dissector looks at single segments, as the readers do.
const FIELDS: &[&str] = &[
    "frame.number",
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.flags.syn",
    "tcp.flags.ack",
    "tcp.seq_raw",
    "tcp.payload",
    "http.request.method",
    "http.response.code",
    "smtp.req.command",
    "ftp.request.command",
    "mysql.command",
    "dns.flags.response",
    "tls.record.content_type",
    "http2.type",
    "pgsql.type",
    "ldap.messageID",
    "mqtt.msgtype",
    "smb2.cmd",
    "smb.cmd",
    "amqp.type",
    "kafka.correlation_id",
    "websocket.opcode",
];
const PREFERENCES: &[&str] =
    &["tcp.desegment_tcp_streams:FALSE", "http.desegment_headers:FALSE", "http.desegment_body:FALSE", "tls.desegment_ssl_records:FALSE"];
/// Larger captures only repeat what the smaller ones show, and cost minutes.
const LARGEST: u64 = 100_000;
/// So many captures of a kind, evenly spread over the list: tshark takes half a second for each.
const MOST_CAPTURES: usize = 60;

/// One payload segment and what tshark says about it.
struct Row {
    frame: u64,
    stream: u64,
    ports: (u16, u16),
    is_syn: bool,
    has_ack: bool,
    seq: u32,
    payload: Vec<u8>,
    says: HashMap<&'static str, String>,
}

fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("AFTERFIN_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let third_party = root.join("captures/third-party");
    (third_party.join("MANIFEST.tsv").exists() && Command::new("tshark").arg("-v").output().is_ok()).then_some(third_party)
}

/// The captures whose path contains one of these words.
fn captures(third_party: &Path, words: &[&str]) -> Vec<PathBuf> {
    let manifest = std::fs::read_to_string(third_party.join("MANIFEST.tsv")).unwrap();
    let small = |line: &str| line.split('\t').nth(2).and_then(|size| size.parse::<u64>().ok()).is_some_and(|size| size <= LARGEST);
    let found: Vec<PathBuf> = manifest
        .lines()
        .filter(|line| !line.starts_with('#') && small(line))
        .filter_map(|line| line.split('\t').next())
        .filter(|path| words.iter().any(|word| path.to_ascii_lowercase().contains(word)))
        .map(|path| third_party.join("captures").join(path))
        .collect();
    spread(found)
}

/// The captures recorded in the lab, which have responses of every length.
fn lab(third_party: &Path) -> Vec<PathBuf> {
    let lab = std::fs::read_dir(third_party.with_file_name("lab")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = lab.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")).collect();
    found.sort();
    spread(found)
}

fn spread(captures: Vec<PathBuf>) -> Vec<PathBuf> {
    let step = captures.len().div_ceil(MOST_CAPTURES).max(1);
    captures.into_iter().step_by(step).collect()
}

fn rows(capture: &Path) -> Vec<Row> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", "tcp && !icmp && !icmpv6", "-T", "fields", "-E", "occurrence=a"]);
    for preference in PREFERENCES {
        command.args(["-o", preference]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let values: Vec<&str> = line.split('\t').collect();
    let value = |name: &str| FIELDS.iter().position(|field| *field == name).and_then(|at| values.get(at)).copied().unwrap_or_default();
    let octets = value("tcp.payload");
    Some(Row {
        frame: value("frame.number").parse().ok()?,
        // Several TCP headers in one frame (tunnels) do not parse, and are left out.
        stream: value("tcp.stream").parse().ok()?,
        ports: (value("tcp.srcport").parse().ok()?, value("tcp.dstport").parse().ok()?),
        is_syn: value("tcp.flags.syn") == "1",
        has_ack: value("tcp.flags.ack") == "1",
        seq: value("tcp.seq_raw").parse().ok()?,
        payload: (0..octets.len() / 2).filter_map(|at| u8::from_str_radix(octets.get(2 * at..2 * at + 2)?, 16).ok()).collect(),
        says: FIELDS[8..].iter().map(|field| (*field, value(field).to_owned())).filter(|(_, value)| !value.is_empty()).collect(),
    })
}

/// A connection as far as the test needs it.
#[derive(Default)]
struct Stream {
    dialogue: Dialogue,
    client_port: Option<u16>,
    next: HashMap<u16, u32>,
    last: Option<Direction>,
}

/// Feeds the new payload of every stream to its dialogue; `snap`: octets of a payload that were captured.
fn read(rows: &[Row], snap: usize) -> Vec<(&Row, Direction, Message)> {
    let mut streams: HashMap<u64, Stream> = HashMap::new();
    let mut read = Vec::new();
    for row in rows {
        let stream = streams.entry(row.stream).or_default();
        if row.is_syn {
            stream.client_port.get_or_insert(if row.has_ack { row.ports.1 } else { row.ports.0 });
            stream.next.insert(row.ports.0, row.seq.wrapping_add(1));
        }
        let length = u32::try_from(row.payload.len()).unwrap();
        if length == 0 {
            continue;
        }
        let expected = *stream.next.entry(row.ports.0).or_insert(row.seq);
        let ahead = row.seq.wrapping_sub(expected);
        if ahead >= 1 << 31 {
            continue;
        }
        stream.next.insert(row.ports.0, row.seq.wrapping_add(length));
        let client = *stream.client_port.get_or_insert(row.ports.0.max(row.ports.1));
        let direction = if row.ports.0 == client { Direction::ClientToServer } else { Direction::ServerToClient };
        let captured = &row.payload[..row.payload.len().min(snap)];
        let head = &captured[..captured.len().min(512)];
        let tail = if captured.len() == row.payload.len() { &captured[head.len().max(captured.len().saturating_sub(32))..] } else { &[] };
        let starts_turn = stream.last != Some(direction);
        stream.last = Some(direction);
        read.push((row, direction, stream.dialogue.read(direction, Excerpt { head, tail, length }, starts_turn, ahead == 0)));
    }
    read
}

/// How often both agree, and the frames where only one of them sees it.
#[derive(Default)]
struct Agreement {
    both: usize,
    only_tshark: Vec<String>,
    only_us: Vec<String>,
}

impl Agreement {
    fn add(&mut self, capture: &Path, row: &Row, direction: Direction, tshark: bool, message: &Message, ours: bool) {
        let place = || {
            let head = String::from_utf8_lossy(&row.payload[..row.payload.len().min(60)]).into_owned();
            format!("{} frame {} {direction:?} {message:?} {head:?}", capture.display(), row.frame)
        };
        match (tshark, ours) {
            (true, true) => self.both += 1,
            (true, false) => self.only_tshark.push(place()),
            (false, true) => self.only_us.push(place()),
            (false, false) => {}
        }
    }

    fn print(&self, what: &str) {
        println!("{what}: both {}, only tshark {}, only afterfin {}", self.both, self.only_tshark.len(), self.only_us.len());
        for line in &self.only_tshark {
            println!("  only tshark: {line}");
        }
        for line in &self.only_us {
            println!("  only afterfin: {line}");
        }
    }

    /// At least `least` agreements, and at most so many per hundred of them on one side only; else what is wrong.
    fn check(&self, what: &str, least: usize, percent_missed: usize, percent_more: usize) -> Result<(), String> {
        self.print(what);
        let (both, missed, more) = (self.both, self.only_tshark.len(), self.only_us.len());
        let is_sound = both >= least && missed * 100 <= both * percent_missed && more * 100 <= both * percent_more;
        if is_sound { Ok(()) } else { Err(format!("{what}: {both} agreements, {missed} missed, {more} invented")) }
    }
}

#[test]
fn third_party_http_requests_and_responses_are_recognised_at_tsharks_frames() {
    let Some(third_party) = shared() else {
        println!("no shared captures or no tshark: nothing compared");
        return;
    };
    let mut requests = Agreement::default();
    let mut responses = Agreement::default();
    let mut cut_requests = Agreement::default();
    for capture in captures(&third_party, &["http", "web", "get", "proxy"]).into_iter().chain(lab(&third_party)) {
        let rows = rows(&capture);
        for (snap, requests) in [(65_535, &mut requests), (40, &mut cut_requests)] {
            for (row, direction, message) in read(&rows, snap) {
                let is = |what: What| message.protocol == Protocol::Http1 && message.what == what;
                requests.add(&capture, row, direction, row.says.contains_key("http.request.method"), &message, is(What::Request));
                if snap > 40 {
                    let ours = is(What::Response) || (is(What::Farewell) && message.status.is_some());
                    responses.add(&capture, row, direction, row.says.contains_key("http.response.code"), &message, ours);
                }
            }
        }
    }
    // tshark goes by ports where another protocol has been seen, and does not know every method: some more are right.
    requests.check("HTTP/1 requests", 50, 5, 8).unwrap();
    responses.check("HTTP/1 responses", 50, 5, 8).unwrap();
    cut_requests.check("HTTP/1 requests cut at 40 octets", 50, 5, 8).unwrap();
}

#[test]
fn third_party_tls_records_are_recognised_at_tsharks_frames() {
    let Some(third_party) = shared() else {
        println!("no shared captures or no tshark: nothing compared");
        return;
    };
    let mut data = Agreement::default();
    for capture in captures(&third_party, &["tls", "ssl", "https"]) {
        for (row, direction, message) in read(&rows(&capture), 65_535) {
            let Some(kinds) = row.says.get("tls.record.content_type") else { continue };
            let tshark = kinds.split(',').all(|kind| kind == "23");
            let ours = message.protocol == Protocol::Tls
                && matches!(message.what, What::Encrypted | What::Farewell | What::Setup | What::Continuation);
            data.add(&capture, row, direction, tshark || ours, &message, ours);
            assert_ne!(message.what, What::Request, "{} frame {}", capture.display(), row.frame);
        }
    }
    data.check("TLS records", 200, 5, 0).unwrap();
}

#[test]
fn third_party_commands_are_recognised_at_tsharks_frames() {
    let Some(third_party) = shared() else {
        println!("no shared captures or no tshark: nothing compared");
        return;
    };
    let mut failures = Vec::new();
    for (words, fields, protocol, least) in [
        (&["smtp"][..], &["smtp.req.command"][..], Protocol::Smtp, 50),
        (&["ftp"], &["ftp.request.command"], Protocol::Ftp, 20),
        (&["mysql"], &["mysql.command"], Protocol::MySql, 3),
        (&["dns"], &["dns.flags.response"], Protocol::Dns, 5),
        (&["http2", "h2"], &["http2.type"], Protocol::Http2, 15),
        (&["postgres", "pgsql"], &["pgsql.type"], Protocol::PostgreSql, 20),
        (&["ldap"], &["ldap.messageID"], Protocol::Ldap, 20),
        (&["mqtt"], &["mqtt.msgtype"], Protocol::Mqtt, 5),
        (&["smb"], &["smb2.cmd", "smb.cmd"], Protocol::Smb, 10),
        (&["amqp", "rabbit"], &["amqp.type"], Protocol::Amqp, 0),
        (&["kafka"], &["kafka.correlation_id"], Protocol::Kafka, 1),
        (&["websocket", "ws"], &["websocket.opcode"], Protocol::WebSocket, 5),
    ] {
        let mut commands = Agreement::default();
        for capture in captures(&third_party, words) {
            for (row, direction, message) in read(&rows(&capture), 65_535) {
                // What tshark shows of these is the client's side only.
                let is_of_client = matches!(protocol, Protocol::Smtp | Protocol::Ftp | Protocol::MySql);
                if is_of_client && direction == Direction::ServerToClient {
                    continue;
                }
                let ours = message.protocol == protocol
                    && match message.what {
                        What::Unknown | What::Continuation => !message.label.is_empty(),
                        What::Setup => protocol != Protocol::MySql,
                        _ => true,
                    };
                commands.add(&capture, row, direction, fields.iter().any(|field| row.says.contains_key(field)), &message, ours);
            }
        }
        failures.extend(commands.check(&fields.join(" or "), least, 30, 25).err());
    }
    assert!(failures.is_empty(), "{failures:?}");
}

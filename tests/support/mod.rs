//! A report made by hand: every field of the model in use, a pool that outlives its server, and foreign strings that bite.
#![allow(dead_code)] // each test file uses its part

use std::collections::BTreeMap;
use std::net::IpAddr;

use afterfin::endpoint::{Direction, Role};
use afterfin::report::*;
use afterfin::time::{Span, Timestamp};

/// 2026-11-23T12:00:01.002Z.
pub const OPENED: Timestamp = Timestamp::new(1_795_435_201, 2_000_000);
/// A string that a terminal would obey, a bidi override and a line break.
pub const HOSTILE: &str = "GET /\x1b[31m\u{202e}evil\n";

/// An address and a port.
pub fn endpoint(ip: &str, port: u16) -> EndpointView {
    EndpointView { ip: ip.parse().unwrap(), port }
}

/// A frame of the first file.
pub fn frame(number: u64) -> FrameRef {
    FrameRef { file: 0, frame: number }
}

/// Microseconds.
pub fn micros(micros: i64) -> Span {
    Span::from_nanos(micros * 1_000)
}

fn entry(at: i64, number: u64, kind: EntryKind, direction: Option<Direction>, text: &str, note: &str) -> TimelineEntry {
    TimelineEntry {
        at: micros(at),
        frame: (number > 0).then(|| frame(number)),
        kind,
        direction,
        text: text.into(),
        note: note.into(),
        span: None,
        finding: None,
    }
}

/// The connection of the example: reused 37 s after the server had closed.
pub fn timeline() -> Timeline {
    use Direction::{ClientToServer as C, ServerToClient as S};
    let gap =
        |at, seconds: i64, note| TimelineEntry { span: Some(Span::from_millis(seconds)), ..entry(at, 0, EntryKind::Gap, None, "", note) };
    Timeline {
        stream: 12,
        client: endpoint("10.0.0.5", 41234),
        server: endpoint("10.0.1.9", 80),
        opened: OPENED,
        entries: vec![
            entry(0, 101, EntryKind::Handshake, Some(C), "handshake, 0.8 ms", ""),
            entry(1_200, 104, EntryKind::Request, Some(C), "GET /api/orders → 200, 11.9 ms", ""),
            gap(13_100, 10_003, ""),
            entry(10_016_300, 108, EntryKind::Fin, Some(S), "server closes (FIN), acknowledged by the client 40 ms later", ""),
            gap(10_056_300, 37_162, "closed, and still in the client's pool"),
            TimelineEntry {
                finding: Some(1),
                ..entry(47_218_500, 120, EntryKind::Request, Some(C), "POST /api/pay", "37.2 s after the server had closed")
            },
            entry(
                47_218_600,
                121,
                EntryKind::Rst,
                Some(S),
                "RST by the server (no such connection); the request is lost, not retried in this capture",
                "",
            ),
        ],
        omitted: 0,
    }
}

/// The finding about the example's late request.
pub fn stale_reuse(number: usize, stream: u64) -> Finding {
    Finding {
        number,
        kind: Kind::StaleReuse,
        severity: Severity::Error,
        confidence: Confidence::Certain,
        headline: "POST /api/pay sent 37.2 s after the server had closed".into(),
        stream: Some(stream),
        client: endpoint("10.0.0.5", 41234),
        client_port_known: true,
        server: endpoint("10.0.1.9", 80),
        frame: Some(frame(120)),
        time: Some(OPENED + micros(47_218_500)),
        closed_by: Some(Role::Server),
        close: Some(CloseView { how: How::Fin, frame: frame(108), time: OPENED + micros(10_016_300), acknowledged_before: true }),
        idle: Some(micros(47_205_400)),
        wire_idle: Some(micros(37_162_200)),
        since_close: Some(micros(37_202_200)),
        request: "POST /api/pay".into(),
        cause: Some("no-state-at-peer".into()),
        candidates: vec![],
        outcome: Some(Outcome::Reset),
        rst: Some(RstView {
            frame: frame(121),
            shape: RstShape::Reply,
            origin: RstOrigin::Peer,
            origin_basis: "TTL 64 as before, 100 µs".into(),
        }),
        next: Some(Next { retried: Retried::No, stream: None, frame: None, after: None, answered: None, surfaced: None }),
        retry: Some(Retry::Safe),
        retry_says: "no octet of the request was acknowledged".into(),
        messages: vec!["nginx: upstream prematurely closed connection".into()],
        reasons: vec!["both directions were captured, and the acknowledgement number covers the FIN".into()],
        advice: vec!["Let the client's pool drop connections that were idle for 8 s".into()],
        evidence: vec![
            Evidence {
                frame: frame(108),
                time: OPENED + micros(10_016_300),
                direction: Direction::ServerToClient,
                says: "FIN, sequence 4711".into(),
            },
            Evidence {
                frame: frame(120),
                time: OPENED + micros(47_218_500),
                direction: Direction::ClientToServer,
                says: "59 octets, acknowledgement 4712".into(),
            },
            Evidence {
                frame: frame(121),
                time: OPENED + micros(47_218_600),
                direction: Direction::ServerToClient,
                says: "RST, sequence 4712, window 0".into(),
            },
        ],
        wireshark_filter: "tcp.stream == 12 && frame.number >= 108".into(),
        consequence_of: None,
        count: 1,
    }
}

/// A finding about many connections, with everything that may be absent absent.
pub fn mismatch(number: usize) -> Finding {
    Finding {
        kind: Kind::TimeoutMismatch,
        severity: Severity::Warning,
        confidence: Confidence::Likely,
        headline: "the client keeps connections for at least 47.2 s, the server for 10 s".into(),
        stream: None,
        client: endpoint("10.0.0.5", 0),
        client_port_known: false,
        frame: None,
        time: None,
        closed_by: None,
        close: None,
        idle: None,
        wire_idle: None,
        since_close: None,
        request: String::new(),
        cause: None,
        candidates: vec!["a load balancer between".into()],
        outcome: None,
        rst: None,
        next: None,
        retry: None,
        retry_says: String::new(),
        messages: Vec::new(),
        count: 42,
        wireshark_filter: "ip.addr == 10.0.1.9 && tcp.port == 80".into(),
        ..stale_reuse(number, 0)
    }
}

/// A row of the table of connections.
pub fn connection(stream: u64) -> ConnectionRow {
    let counts = DirectionCounts { segments: 9, payload_octets: 118, unique_octets: 118, syn: 1, ..DirectionCounts::default() };
    ConnectionRow {
        stream,
        client: endpoint("10.0.0.5", 41234),
        server: endpoint("10.0.1.9", 80),
        role_basis: RoleBasis::Syn,
        first: OPENED,
        last: OPENED + Span::from_secs(40 + i64::try_from(stream % 7).unwrap()),
        first_frame: frame(101 + stream),
        handshake: HandshakeView::Complete,
        rtt: Some(micros(800)),
        one_sided: false,
        requests: 2,
        protocol: "http1",
        host: "api.example".into(),
        client_to_server: counts,
        server_to_client: DirectionCounts { fin: 1, rst: 1, duplicates: 1, ..counts },
        first_fin: None,
        first_close: None,
        after_close: None,
        wire_gap_count: 0,
        wire_gap_longest: None,
        state: StateView::Open,
        incarnations: 1,
        legs: vec![],
        vantages: vec![],
        idle_gap_count: 0,
        idle_gap_longest: None,
        idle_gaps: vec![],
        findings: vec![],
    }
}

/// The connection of the example.
pub fn lost_connection() -> ConnectionRow {
    let fin = ClosePoint { by: Role::Server, how: How::Fin, frame: frame(108), time: OPENED + micros(10_016_300) };
    ConnectionRow {
        last: OPENED + micros(47_218_600),
        first_fin: Some(fin),
        first_close: Some(fin),
        after_close: Some(AfterClose { segments: 1, first_frame: frame(120), close_acknowledged: true }),
        wire_gap_count: 2,
        wire_gap_longest: Some(micros(37_162_200)),
        state: StateView::Reset,
        legs: vec![Leg { stream: 3, relation: "proxy", basis: "the same request 1 ms earlier".into() }],
        vantages: vec!["eth0".into()],
        idle_gap_count: 1,
        idle_gap_longest: Some(micros(47_205_400)),
        idle_gaps: vec![
            Gap {
                start: frame(105),
                end: Some(frame(120)),
                start_time: OPENED + micros(13_100),
                length: micros(47_205_400),
                after: Role::Server,
                waiting: false,
                probes: 0,
                ended_by: GapEnd::Request,
            },
            Gap {
                start: frame(120),
                end: None,
                start_time: OPENED + micros(47_218_500),
                length: micros(1_500_000),
                after: Role::Client,
                waiting: true,
                probes: 2,
                ended_by: GapEnd::End,
            },
        ],
        findings: vec![1],
        ..connection(12)
    }
}

/// The whole report.
pub fn report() -> Report {
    let server = endpoint("10.0.1.9", 80);
    let client: IpAddr = "10.0.0.5".parse().unwrap();
    let mut connections = vec![connection(3), lost_connection()];
    connections.extend((20..24).map(connection));
    Report {
        thresholds: afterfin::options::Thresholds::default(),
        payloads: BTreeMap::new(),
        inputs: vec![Input {
            link: None,
            name: "incident.pcap".into(),
            sha256: None,
            format: "pcap",
            compression: Some("gzip"),
            frames: 140,
            octets: 12_345,
            first: Some(OPENED - Span::from_secs(1)),
            last: Some(OPENED + Span::from_secs(60)),
            complete: false,
            problems: vec!["record at octet 12300 claims 4294967280 octets, 45 are left; the 140 frames before it were analysed".into()],
        }],
        capture: CaptureFacts {
            frames: 140,
            tcp_segments: 120,
            connections: 24,
            duplicates: 1,
            skipped: BTreeMap::from([("ARP".into(), 10), ("UDP".into(), 9)]),
            malformed: BTreeMap::from([("TCP header cut".into(), 1)]),
            trust: vec![Trust { what: "mid-connection", detail: "2 connections were open when the capture began".into() }],
            points: vec![
                CapturePoint { vantage: "interface 0, ethernet".into(), files: vec![0] },
                CapturePoint { vantage: "interface 1, ethernet".into(), files: vec![0] },
            ],
            pairs: vec![PointPair {
                first: 0,
                second: 1,
                client: PointDelay { segments: 40, delay: Some(Span(14_300_000)), hop_change: Some(-1) },
                server: PointDelay { segments: 38, delay: Some(Span(-10_100_000)), hop_change: Some(1) },
            }],
            first: Some(OPENED - Span::from_secs(1)),
            last: Some(OPENED + Span::from_secs(60)),
        },
        verdict: vec![
            "10.0.0.5 reused connections to 10.0.1.9:80 that the server had closed: 1 request was lost and not sent again.".into(),
            "The server lets go after 10 s without a request, the client not before 47.2 s.".into(),
        ],
        findings: vec![stale_reuse(1, 12), mismatch(2)],
        groups: vec![Group {
            client,
            server,
            findings: vec![0, 1],
            kinds: vec![(Kind::StaleReuse, 1), (Kind::TimeoutMismatch, 1)],
            summary: "1 of 31 requests came after the server's idle timeout of 10 s and was lost.".into(),
            advice: vec![
                "Let the client's pool drop connections that were idle for 8 s".into(),
                "or raise keepalive_timeout of the server above 60 s".into(),
            ],
            timeline: Some(timeline()),
        }],
        timeouts: vec![
            Timeout {
                server,
                client: None,
                host: None,
                side: TimerSide::Server,
                what: TimerKind::Idle,
                announced: Some(Span::from_secs(10)),
                state: TimerState::Measured,
                value: Some(Span::from_millis(10_003)),
                count: None,
                low: None,
                high: None,
                samples: 41,
                spread: Some(micros(8_000)),
                known: vec!["nginx keepalive_timeout 10s".into()],
            },
            Timeout {
                server,
                client: Some(client),
                host: Some("api.example".into()),
                side: TimerSide::Path,
                what: TimerKind::Idle,
                announced: None,
                state: TimerState::Bracket,
                value: None,
                count: None,
                low: Some(Span::from_secs(300)),
                high: Some(Span::from_secs(350)),
                samples: 2,
                spread: None,
                known: vec![],
            },
        ],
        chain: vec![Hop {
            client,
            server,
            client_timer: Some(micros(47_205_400)),
            client_at_least: true,
            client_seen_at: None,
            server_timer: Some(Span::from_millis(10_003)),
            path_low: None,
            path_high: None,
            in_order: Some(false),
            says: "10.0.0.5 keeps connections for at least 47.2 s, 10.0.1.9:80 for 10 s: in the wrong order".into(),
        }],
        cost: Cost {
            requests_lost: 1,
            retried: 0,
            surfaced: 0,
            dead_held: micros(37_202_200),
            handshakes_avoidable: 0,
            dead_connections: 1,
            time_wait: vec![TimeWait { host: "10.0.0.5".parse().unwrap(), side: Role::Client, peak: 3, over_time: vec![(OPENED, 3)] }],
            ..Cost::default()
        },
        picture: Picture {
            dots: vec![Dot { idle: micros(47_205_400), lost: Some(Kind::StaleReuse), stream: 12, frame: frame(120) }],
            dots_omitted: 30,
            closes: vec![(Span::from_secs(10), 41)],
        },
        connections,
        connections_total: 24,
        timelines: vec![],
        finding_timelines: vec![timeline()],
        names: BTreeMap::from([(server.ip, "api-1".into())]),
        left_out: LeftOut::default(),
        complete: false,
    }
}

/// The same with strings of an attacker wherever the capture's words go.
pub fn hostile_report() -> Report {
    let mut report = report();
    let bad = || HOSTILE.to_owned();
    report.inputs[0].name = bad();
    report.inputs[0].problems = vec![bad()];
    report.capture.skipped = BTreeMap::from([(bad(), 1)]);
    report.capture.malformed = BTreeMap::from([(bad(), 1)]);
    report.capture.trust[0].detail = bad();
    report.verdict = vec![bad()];
    for finding in &mut report.findings {
        finding.headline = bad();
        finding.request = bad();
        finding.cause = Some(bad());
        finding.candidates = vec![bad()];
        finding.retry_says = bad();
        finding.messages = vec![bad()];
        finding.reasons = vec![bad()];
        finding.advice = vec![bad()];
        finding.wireshark_filter = bad();
        finding.evidence[0].says = bad();
        if let Some(rst) = &mut finding.rst {
            rst.origin_basis = bad();
        }
    }
    let group = &mut report.groups[0];
    group.summary = bad();
    group.advice = vec![format!("{HOSTILE} again")];
    let mut timeline = timeline();
    for entry in &mut timeline.entries {
        entry.text = bad();
        entry.note = bad();
    }
    group.timeline = Some(timeline.clone());
    report.timelines = vec![timeline.clone()];
    report.finding_timelines = vec![timeline];
    for timeout in &mut report.timeouts {
        timeout.host = Some(bad());
        timeout.known = vec![bad()];
    }
    report.chain[0].says = bad();
    for row in &mut report.connections {
        row.host = bad();
        row.vantages = vec![bad()];
        for leg in &mut row.legs {
            leg.basis = bad();
        }
    }
    report.names.insert("10.0.0.5".parse().unwrap(), bad());
    report
}

//! How a report's facts are said, the same words and numbers in every format for people: places, frames, times, outcomes, timers.
//!
//! Foreign text is made harmless here by [`escape`]; markup is each format's own concern, on top.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::FixedOffset;

use super::format::{clock, count, counted, date, date_and_clock, duration, escape, hex_lines, octets, zone_name};
use crate::endpoint::Role;
use crate::options::Thresholds;
use crate::report::{
    Cost, EndpointView, Finding, FrameRef, How, Input, Next, Outcome, PayloadExcerpt, PointDelay, PointPair, Report, Retried, Retry,
    RstOrigin, RstShape, RstView, Severity, Timeout, TimerKind, TimerSide,
};
use crate::time::{Span, Timestamp};

/// Fewer ports than this towards one destination are not worth a line: a twenty-eighth of Linux' default range.
const PORTS_FROM: u64 = 1000;

/// Ports of Linux for one destination (`net.ipv4.ip_local_port_range`, 32768 to 60999).
const PORTS_OF_LINUX: u64 = 28_232;

/// Hosts with sockets in TIME_WAIT, and pairs of host and destination with ports in use, that get a line.
const COSTS_SHOWN: usize = 3;
/// So many pairs of capture points are told one by one.
const PAIRS_TOLD: usize = 6;
/// Clocks whose difference is less are taken for one: the way need not be as long in both directions.
const CLOCK_DIFFERENCE_FROM: Span = Span::from_millis(1);

/// Fewer sockets in TIME_WAIT than this are not drawn over time.
const DRAWN_FROM: u64 = 20;

/// What the words about one report need to know.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    names: &'a BTreeMap<IpAddr, String>,
    inputs: &'a [Input],
    payloads: &'a BTreeMap<FrameRef, PayloadExcerpt>,
    /// Zone of the times.
    pub zone: FixedOffset,
}

impl<'a> Words<'a> {
    /// The words for a report.
    pub fn of(report: &'a Report, zone: FixedOffset) -> Self {
        Self { names: &report.names, inputs: &report.inputs, payloads: &report.payloads, zone }
    }

    /// What it cost, one part per line; empty if it cost nothing.
    pub fn cost_parts(&self, cost: &Cost) -> Vec<String> {
        let mut parts = Vec::new();
        if cost.requests_lost > 0 {
            parts.push(format!(
                "{} lost: {} sent again, {} surfaced to a caller",
                counted(cost.requests_lost, "request", "requests"),
                count(cost.retried),
                count(cost.surfaced)
            ));
        }
        if cost.dead_held > Span::ZERO {
            parts.push(format!(
                "{} held for {} in all after the other side had closed",
                counted(cost.dead_connections, "connection", "connections"),
                duration(cost.dead_held)
            ));
        }
        if cost.handshakes_avoidable > 0 {
            parts.push(format!("{} that keep-alive would have saved", counted(cost.handshakes_avoidable, "handshake", "handshakes")));
        }
        for at in cost.time_wait.iter().filter(|at| at.peak > 0).take(COSTS_SHOWN) {
            let drawn = at.peak >= DRAWN_FROM;
            let over_time = if drawn { format!(", over the capture {}", sparkline(&at.over_time)) } else { String::new() };
            parts.push(format!(
                "up to {} in TIME_WAIT at the {} {} at one time{over_time}",
                counted(at.peak, "socket", "sockets"),
                at.side.as_str(),
                self.host(at.host)
            ));
        }
        for used in cost.ports.iter().filter(|used| used.peak >= PORTS_FROM).take(COSTS_SHOWN) {
            parts.push(format!(
                "up to {} of {} in use towards {}, TIME_WAIT included: {} of the 28,232 that Linux has for one destination",
                counted(used.peak, "port", "ports"),
                self.host(used.client),
                self.endpoint(used.server),
                percent(used.peak, PORTS_OF_LINUX)
            ));
        }
        parts
    }

    /// `incident.pcap: pcap (gzip), 140 frames, 12.1 KiB, 2026-11-24 07:03:48.123 to 07:04:10.000 UTC (21.877 s)`.
    pub fn input_line(&self, input: &Input) -> String {
        let format = match (input.format, input.compression) {
            ("" | "unknown", _) => "not read".to_owned(),
            (format, None) => format.to_owned(),
            (format, Some(compression)) => format!("{format} ({compression})"),
        };
        let mut parts = vec![format!("{}: {format}", escape(&input.name)), counted(input.frames, "frame", "frames"), octets(input.octets)];
        if let (Some(first), Some(last)) = (input.first, input.last) {
            parts.push(format!("{} ({})", self.period(first, last), duration(last.since(first))));
        }
        parts.join(", ")
    }

    /// `2026-11-24 07:03:48.123 to 07:04:10.000 UTC`.
    pub fn period(&self, first: Timestamp, last: Timestamp) -> String {
        let end = if date(first, self.zone) == date(last, self.zone) { clock(last, self.zone) } else { date_and_clock(last, self.zone) };
        format!("{} to {end} {}", date_and_clock(first, self.zone), zone_name(self.zone))
    }

    /// What was read and how far it can be trusted, line by line.
    pub fn capture_lines(&self, report: &Report) -> Vec<String> {
        const INPUTS: usize = 20;
        const PROBLEMS: usize = 3;
        let mut lines = Vec::new();
        for input in report.inputs.iter().take(INPUTS) {
            lines.push(self.input_line(input));
            if let Some(hash) = &input.sha256 {
                lines.push(format!("SHA-256 of {}: {}", escape(base_name(&input.name)), escape(hash)));
            }
            lines.extend(input.problems.iter().take(PROBLEMS).map(|problem| escape(problem).into_owned()));
        }
        if let Some(more) = report.inputs.len().checked_sub(INPUTS).filter(|more| *more > 0) {
            lines.push(format!("… and {} more", counted(more as u64, "file", "files")));
        }
        lines.push(frames_line(report));
        lines.extend(report.capture.trust.iter().map(|trust| escape(&trust.detail).into_owned()));
        lines.extend(thresholds_line(report));
        lines.extend(point_lines(report));
        lines.extend(left_out_line(report));
        lines
    }

    /// The payload of the first frames of evidence, where it was asked for: a title, and lines of hexadecimal digits and plain ASCII. A
    /// finding about many connections only repeats what the findings about each of them show.
    pub fn payloads(&self, finding: &Finding, frames: usize) -> Vec<(String, Vec<String>)> {
        let mut shown = Vec::new();
        for at in finding.evidence.iter().take(frames).map(|evidence| evidence.frame).filter(|_| finding.stream.is_some()) {
            if !shown.contains(&at) && self.payloads.contains_key(&at) {
                shown.push(at);
            }
        }
        shown.into_iter().filter_map(|at| self.payloads.get(&at).map(|excerpt| self.payload(at, finding.frame, excerpt))).collect()
    }

    fn payload(&self, at: FrameRef, beside: Option<FrameRef>, excerpt: &PayloadExcerpt) -> (String, Vec<String>) {
        let shown = excerpt.octets.len() as u64;
        let of_all = if shown < u64::from(excerpt.length) { format!("first {} of ", count(shown)) } else { String::new() };
        let title = format!("Payload of frame {}, {of_all}{}", self.frame(at, beside), counted(excerpt.length.into(), "octet", "octets"));
        (title, hex_lines(&excerpt.octets))
    }

    /// URL of the file of a frame, where the output may carry links.
    pub fn link(&self, at: FrameRef) -> Option<&'a str> {
        self.inputs.get(at.file as usize)?.link.as_deref()
    }

    /// An address, and its name if it has one.
    pub fn host(&self, ip: IpAddr) -> String {
        self.with_name(ip.to_string(), ip)
    }

    /// An endpoint, and its address' name if it has one.
    pub fn endpoint(&self, endpoint: EndpointView) -> String {
        self.with_name(endpoint.to_string(), endpoint.ip)
    }

    fn with_name(&self, text: String, ip: IpAddr) -> String {
        match self.names.get(&ip) {
            Some(name) => format!("{text} ({})", escape(name)),
            None => text,
        }
    }

    /// The number of a frame, with its file where that is not the one that the reader has in mind already.
    pub fn frame(&self, at: FrameRef, beside: Option<FrameRef>) -> String {
        match self.file_name(at) {
            Some(name) if beside.is_none_or(|beside| beside.file != at.file) => format!("{} in {name}", at.frame),
            _ => at.frame.to_string(),
        }
    }

    /// The file of a frame, where there are several.
    pub fn file_name(&self, at: FrameRef) -> Option<Cow<'a, str>> {
        let input = self.inputs.get(at.file as usize).filter(|_| self.inputs.len() > 1)?;
        Some(escape(base_name(&input.name)))
    }

    /// `#1 · frame 27 · 07:52:48.620`, or of how many cases it speaks.
    pub fn place(&self, finding: &Finding) -> String {
        let mut parts = Vec::new();
        match finding.stream {
            Some(stream) => parts.push(format!("#{stream}")),
            None if finding.client_port_known => {}
            None => parts.push(format!("{} → {}", self.host(finding.client.ip), self.endpoint(finding.server))),
        }
        if finding.count > 1 {
            parts.push(counted(finding.count, "case", "cases"));
        }
        parts.extend(finding.frame.map(|frame| format!("frame {}", self.frame(frame, None))));
        parts.extend(finding.time.map(|time| clock(time, self.zone)));
        parts.join(" · ")
    }

    /// `10.5 s; on the wire 492 ms; 492 ms after the server's FIN (frame 25), which the client had acknowledged`.
    pub fn times(&self, finding: &Finding) -> String {
        let mut parts = Vec::new();
        parts.extend(finding.idle.map(|idle| format!("{} since the last payload", duration(idle))));
        parts.extend(finding.wire_idle.map(|idle| format!("{} since the last segment", duration(idle))));
        if let Some(since) = finding.since_close {
            let when = if since < Span::ZERO { "before" } else { "after" };
            let who = finding.closed_by.map_or("the", |role| match role {
                Role::Client => "the client's",
                Role::Server => "the server's",
            });
            let how = finding.close.map_or_else(
                || "close".to_owned(),
                |close| {
                    let how = match close.how {
                        How::Fin => "FIN",
                        How::Rst => "RST",
                    };
                    let knew = if close.acknowledged_before { ", which was acknowledged before" } else { "" };
                    format!("{how} (frame {}){knew}", self.frame(close.frame, finding.frame))
                },
            );
            parts.push(format!("{} {when} {who} {how}", duration(since.abs())));
        }
        parts.join("; ")
    }

    /// What became of the request, and the RST that says so.
    pub fn outcome(&self, finding: &Finding) -> String {
        let text = match finding.outcome {
            None => "",
            Some(Outcome::Reset) => "reset",
            Some(Outcome::Timeout) => "retransmitted to the end, never acknowledged",
            Some(Outcome::Acknowledged) => "acknowledged, never answered",
            Some(Outcome::Answered) => "answered after all",
            Some(Outcome::Unknown) => "unknown: the capture ends first",
        };
        match (&finding.rst, text) {
            (None, text) => text.to_owned(),
            (Some(rst), "") => self.rst(rst, finding.frame),
            (Some(rst), text) => format!("{text}: {}", self.rst(rst, finding.frame)),
        }
    }

    /// `reply-shaped RST, no live socket there (frame 28), from the peer itself (TTL 64 as before)`.
    fn rst(&self, rst: &RstView, beside: Option<FrameRef>) -> String {
        let shape = match rst.shape {
            RstShape::Reply => "reply-shaped RST, no live socket there",
            RstShape::Abort => "abort-shaped RST, a live socket gave up",
            RstShape::Refused => "RST in answer to a SYN",
            RstShape::Other => "RST of neither shape",
        };
        let origin = match rst.origin {
            RstOrigin::Peer => ", from the peer itself",
            RstOrigin::Other => ", from another device",
            RstOrigin::Unknown => ", sender unknown",
        };
        let basis = if rst.origin_basis.is_empty() { String::new() } else { format!(" ({})", escape(&rst.origin_basis)) };
        format!("{shape} (frame {}){origin}{basis}", self.frame(rst.frame, beside))
    }

    /// The verdict and what the packets show for it.
    pub fn retry(&self, finding: &Finding) -> String {
        let Some(retry) = finding.retry else { return String::new() };
        let verdict = match retry {
            Retry::Safe => "safe",
            Retry::IdempotentOnly => "only if doing it twice does no harm",
            Retry::Unsafe => "not safe",
        };
        if finding.retry_says.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", escape(&finding.retry_says)) }
    }

    /// Whether it was sent again, and what a proxy's caller got.
    pub fn next(&self, next: &Next, beside: Option<FrameRef>) -> String {
        let mut parts = Vec::new();
        match next.retried {
            Retried::Yes => parts.push(format!("sent again{}", self.retry_place(next, beside))),
            Retried::Probably => parts.push(format!("probably sent again{}", self.retry_place(next, beside))),
            Retried::No => parts.push("not sent again in this capture".to_owned()),
            Retried::Unknown => parts.push("whether it was sent again cannot be told".to_owned()),
        }
        if let Some(surfaced) = &next.surfaced {
            let what = surfaced.status.map_or_else(|| "a close without a response".to_owned(), |status| format!("status {status}"));
            parts.push(format!("the caller got {what} (#{}, frame {})", surfaced.stream, self.frame(surfaced.frame, beside)));
        }
        parts.join("; ")
    }

    fn retry_place(&self, next: &Next, beside: Option<FrameRef>) -> String {
        [
            next.stream.map(|stream| format!(" on #{stream}")),
            next.frame.map(|frame| format!(" (frame {})", self.frame(frame, beside))),
            next.after.map(|after| format!(" after {}", duration(after))),
            next.answered.map(|answered| if answered { ", answered" } else { ", not answered" }.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// `server idle`, `client TCP keepalive interval`.
pub const fn timer_name(timeout: &Timeout) -> &'static str {
    match (timeout.side, timeout.what) {
        (TimerSide::Server, TimerKind::Idle) => "server idle",
        (TimerSide::Client, TimerKind::Idle) => "client idle",
        (TimerSide::Path, TimerKind::Idle) => "idle of a device between",
        (TimerSide::Server, TimerKind::Age) => "server age limit",
        (TimerSide::Client, TimerKind::Age) => "client age limit",
        (TimerSide::Path, TimerKind::Age) => "age limit of a device between",
        (TimerSide::Server, TimerKind::Requests) => "server request limit",
        (TimerSide::Client, TimerKind::Requests) => "client request limit",
        (TimerSide::Path, TimerKind::Requests) => "request limit of a device between",
        (TimerSide::Server, TimerKind::KeepaliveIdle) => "server TCP keepalive time",
        (TimerSide::Client, TimerKind::KeepaliveIdle) => "client TCP keepalive time",
        (TimerSide::Path, TimerKind::KeepaliveIdle) => "TCP keepalive time of a device between",
        (TimerSide::Server, TimerKind::KeepaliveInterval) => "server TCP keepalive interval",
        (TimerSide::Client, TimerKind::KeepaliveInterval) => "client TCP keepalive interval",
        (TimerSide::Path, TimerKind::KeepaliveInterval) => "TCP keepalive interval of a device between",
        (TimerSide::Server, TimerKind::KeepaliveCount) => "server TCP keepalive probes",
        (TimerSide::Client, TimerKind::KeepaliveCount) => "client TCP keepalive probes",
        (TimerSide::Path, TimerKind::KeepaliveCount) => "TCP keepalive probes of a device between",
    }
}

/// `10.003 s ± 5 ms`, `over 30 s, up to 60 s`, with what the server announced.
pub fn timer_value(timeout: &Timeout) -> String {
    let text = match (timeout.value, timeout.count, timeout.low, timeout.high) {
        (Some(value), ..) => match timeout.spread.filter(|spread| *spread > Span::ZERO) {
            Some(spread) => format!("{} (spread {})", duration(value), duration(spread)),
            None => duration(value),
        },
        (None, Some(number), ..) => count(number),
        (None, None, Some(low), Some(high)) => format!("over {}, up to {}", duration(low), duration(high)),
        (None, None, Some(low), None) => format!("over {}", duration(low)),
        (None, None, None, Some(high)) => format!("up to {}", duration(high)),
        (None, None, None, None) => "?".to_owned(),
    };
    match timeout.announced {
        Some(announced) => format!("{text}, announced {}", duration(announced)),
        None => text,
    }
}

/// `4 %`, `0.4 %`.
fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1000) / whole.max(1);
    if tenths >= 100 { format!("{} %", tenths / 10) } else { format!("{}.{} %", tenths / 10, tenths % 10) }
}

/// Counts over time in one line.
fn sparkline(points: &[(Timestamp, u64)]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = points.iter().map(|(_, count)| *count).max().unwrap_or_default().max(1);
    let bar = |count: u64| BARS.get(usize::try_from(count.saturating_mul(8).div_ceil(most)).unwrap_or_default()).copied().unwrap_or('█');
    let line: String = points.iter().map(|(_, count)| bar(*count)).collect();
    format!("[{}]", line.replace(' ', "·"))
}

/// `140 frames: 120 TCP segments in 24 connections; 19 skipped (ARP 10, UDP 9)`.
pub fn frames_line(report: &Report) -> String {
    let facts = &report.capture;
    let mut parts = vec![format!(
        "{}: {} in {}",
        counted(facts.frames, "frame", "frames"),
        counted(facts.tcp_segments, "TCP segment", "TCP segments"),
        counted(facts.connections, "connection", "connections")
    )];
    if facts.duplicates > 0 {
        parts.push(format!("{} seen more than once", count(facts.duplicates)));
    }
    parts.extend(reasons("skipped", &facts.skipped));
    parts.extend(reasons("malformed", &facts.malformed));
    parts.join("; ")
}

/// `12 skipped (ARP 10, UDP 2)`.
fn reasons(what: &str, counts: &BTreeMap<String, u64>) -> Option<String> {
    let total = counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let listed: Vec<_> = counts.iter().map(|(reason, number)| format!("{} {}", escape(reason), count(*number))).collect();
    (total > 0).then(|| format!("{} {what} ({})", count(total), listed.join(", ")))
}

/// The thresholds that are not the default, if there are any.
pub fn thresholds_line(report: &Report) -> Option<String> {
    let others: Vec<String> = report
        .thresholds
        .named()
        .into_iter()
        .zip(Thresholds::default().named())
        .filter(|((_, span), (_, default))| span != default)
        .map(|((name, span), (_, default))| format!("{name} {} (default {})", duration(span), duration(default)))
        .collect();
    (!others.is_empty()).then(|| format!("Thresholds that are not the default: {}", others.join(", ")))
}

/// What a selection leaves out, if it does.
pub fn left_out_line(report: &Report) -> Option<String> {
    let left_out = report.left_out;
    (left_out.findings > 0 || left_out.connections > 0).then(|| {
        format!(
            "The selection leaves out {} and {}; the verdict, the timers and the cost are of the whole capture.",
            counted(left_out.findings, "finding", "findings"),
            counted(left_out.connections, "connection", "connections")
        )
    })
}

/// `2 errors, 1 warning`; empty if there is nothing.
pub fn counts_by_severity(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let parts = [
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Info), "for information", "for information"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(number, ..)| *number > 0).map(|(number, one, many)| counted(*number, one, many)).collect();
    parts.join(", ")
}

/// Whether two pieces of advice differ in nothing but their numbers.
pub fn says_the_same(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        text.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit())).map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (words(one), words(other));
    !one.is_empty() && one == other
}

/// The last part of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// Which files and interfaces saw the same segments, and what lies between them, one pair per line.
pub fn point_lines(report: &Report) -> Vec<String> {
    let pairs = &report.capture.pairs;
    let mut lines: Vec<String> = pairs.iter().take(PAIRS_TOLD).map(|pair| pair_line(pair, report)).collect();
    if let Some(more) = pairs.len().checked_sub(PAIRS_TOLD).filter(|more| *more > 0) {
        lines.push(format!("… and {} of capture points", counted(more as u64, "more pair", "more pairs")));
    }
    lines
}

fn pair_line(pair: &PointPair, report: &Report) -> String {
    let both = pair.client.segments.saturating_add(pair.server.segments);
    let mut line = format!(
        "{} and {} are two capture points of the same traffic: {} seen at both",
        point_name(pair.first, report),
        point_name(pair.second, report),
        counted(both, "segment was", "segments were")
    );
    let ways = [("the clients'", &pair.client), ("the servers'", &pair.server)];
    let said: Vec<String> = ways.into_iter().filter_map(|(whose, way)| way_text(whose, way)).collect();
    if !said.is_empty() {
        line.push_str("; ");
        line.push_str(&said.join(", "));
    }
    if let (Some(path), Some(clocks)) = (pair.path(), pair.clock_difference())
        && clocks.abs() >= CLOCK_DIFFERENCE_FROM
    {
        let ahead = if clocks > Span::ZERO { "second" } else { "first" };
        let (path, clocks) = (duration(path.abs()), duration(clocks.abs()));
        for part in ["; so the way takes about ", &path, " and the clock of the ", ahead, " is about ", &clocks, " ahead"] {
            line.push_str(part);
        }
    }
    line
}

/// `the clients' come to the second 12.3 ms after the first with a TTL lower by 1`.
fn way_text(whose: &str, way: &PointDelay) -> Option<String> {
    let delay = way.delay?;
    let order = if delay < Span::ZERO { "before" } else { "after" };
    let hops = match way.hop_change {
        None | Some(0) => String::new(),
        Some(change) => format!(" with a TTL {} by {}", if change < 0 { "lower" } else { "higher" }, change.unsigned_abs()),
    };
    Some(format!("{whose} come to the second {} {order} the first{hops}", duration(delay.abs())))
}

/// The files of a capture point where there are several; its interface where that alone tells it from another one.
fn point_name(number: usize, report: &Report) -> String {
    let Some(point) = report.capture.points.get(number) else { return "another point".to_owned() };
    let vantage = escape(&point.vantage);
    let first = point.files.first().and_then(|file| report.inputs.get(usize::try_from(*file).ok()?));
    let Some(first) = first.filter(|_| report.inputs.len() > 1) else { return vantage.into_owned() };
    let mut name = escape(base_name(&first.name)).into_owned();
    if let Some(more) = point.files.len().checked_sub(1).filter(|more| *more > 0) {
        name.push_str(" and ");
        name.push_str(&counted(more as u64, "more file", "more files"));
    }
    let is_shared = |other: &crate::report::CapturePoint| other != point && other.files.iter().any(|file| point.files.contains(file));
    if report.capture.points.iter().any(is_shared) { format!("{name} ({vantage})") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_name_is_the_last_part() {
        assert_eq!(base_name("/tmp/a.pcap"), "a.pcap");
        assert_eq!(base_name("<stdin>"), "<stdin>");
    }
}

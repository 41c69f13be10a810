//! The event log of a connection → the entries of its timeline.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::context::Context;
use super::wording;
use crate::endpoint::{Direction, Side};
use crate::observe::legs::Relation;
use crate::observe::log::{Event, Log, What};
use crate::report::{EntryKind, Finding, FrameRef, GapEnd, RstShape, Timeline, TimelineEntry};
use crate::segment::IcmpError;
use crate::tcp::Connection;
use crate::tcp::facts::Seen;
use crate::time::{Span, Timestamp};

/// The timeline of connection `stream`, if its log was kept.
pub fn of_stream(stream: u64, context: &Context<'_>, findings: &[Finding]) -> Option<Timeline> {
    let (at, seen) = context.connection(stream)?;
    let connection = seen.followed()?;
    let log = context.observer.watch(at)?.log.as_deref()?;
    let mut builder = Builder::new(connection, log, findings, context.end);
    builder.legs = context
        .legs(at)
        .iter()
        .filter_map(|(other, relation)| context.connections.seen(*other).map(|other| leg(other, *relation)))
        .collect();
    Some(builder.build())
}

struct Builder<'a> {
    connection: &'a Connection,
    log: &'a Log,
    /// The loss on another connection that this frame tells the caller.
    surfaced: BTreeMap<FrameRef, &'a Finding>,
    /// Finding and note by evidence frame.
    notes: BTreeMap<FrameRef, (usize, &'a Finding)>,
    end: Timestamp,
    entries: Vec<TimelineEntry>,
    closed: Option<(Side, Timestamp)>,
    pending_request: Option<(usize, Timestamp)>,
    syn: Option<Event>,
    syn_ack: Option<Event>,
    /// The other connections that it belongs together with.
    legs: Vec<String>,
}

impl<'a> Builder<'a> {
    fn new(connection: &'a Connection, log: &'a Log, findings: &'a [Finding], end: Timestamp) -> Self {
        let mut notes = BTreeMap::new();
        let mut surfaced = BTreeMap::new();
        for finding in findings {
            let Some(error) = finding.next.as_ref().and_then(|next| next.surfaced.as_ref()) else { continue };
            if error.stream == connection.stream {
                surfaced.entry(error.frame).or_insert(finding);
            }
        }
        for finding in findings.iter().filter(|finding| finding.stream == Some(connection.stream)) {
            for evidence in &finding.evidence {
                notes.entry(evidence.frame).or_insert((finding.number, finding));
            }
        }
        Self {
            connection,
            log,
            notes,
            surfaced,
            end,
            entries: Vec::new(),
            closed: None,
            pending_request: None,
            syn: None,
            syn_ack: None,
            legs: Vec::new(),
        }
    }

    fn build(mut self) -> Timeline {
        for text in std::mem::take(&mut self.legs) {
            let frame = Some(FrameRef::from(self.connection.first.frame));
            let (kind, at, direction, span, finding) = (EntryKind::Note, Span::ZERO, None, None, None);
            self.entries.push(TimelineEntry { at, frame, kind, direction, text, note: String::new(), span, finding });
        }
        let omitted_after = self.log.omitted_after();
        for (at, event) in self.log.events().enumerate() {
            if at == omitted_after && self.log.omitted > 0 {
                let text = format!("… {} not shown", wording::count(self.log.omitted, "event"));
                self.push(event, EntryKind::Note, None, text, String::new());
            }
            self.event(event);
        }
        self.flush_handshake();
        self.finish();
        Timeline {
            stream: self.connection.stream,
            client: self.connection.client_endpoint().into(),
            server: self.connection.server_endpoint().into(),
            opened: self.connection.first.time,
            entries: self.entries,
            omitted: self.log.omitted,
        }
    }

    fn event(&mut self, event: &Event) {
        match event.what {
            What::Syn => self.syn = Some(*event),
            What::SynAck => self.syn_ack = Some(*event),
            What::Established => self.established(event),
            _ => {
                self.flush_handshake();
                self.later_event(event);
            }
        }
    }

    fn later_event(&mut self, event: &Event) {
        let direction = self.connection.direction(event.side);
        let who = direction.sender().as_str();
        match event.what {
            What::Turn { status, octets } => self.turn(event, direction, status, octets),
            What::Farewell => {
                let label = if event.label.is_empty() { "last word".to_string() } else { event.label.to_string() };
                self.push(event, EntryKind::Farewell, Some(direction), format!("{label} by the {who} (asks for nothing)"), String::new());
            }
            What::Probes { count, answered } => {
                let over = event.last.since(event.mark.time);
                let span = if count > 1 { format!(" within {}", wording::span(over)) } else { String::new() };
                let result = match answered {
                    0 => "no answer",
                    n if n >= count => "answered",
                    _ => "partly answered",
                };
                let text = format!("{} by the {who}{span}, {result}", wording::count(u64::from(count), "TCP keepalive probe"));
                self.push(event, EntryKind::Keepalive, Some(direction), text, String::new());
                self.set_span(over);
            }
            What::Retransmissions(times) => {
                let over = event.last.since(event.mark.time);
                let span = if times > 1 { format!(" within {}", wording::span(over)) } else { String::new() };
                let text = format!("{} by the {who}{span}", wording::count(u64::from(times), "retransmission"));
                self.push(event, EntryKind::Retransmission, Some(direction), text, String::new());
                self.set_span(over);
            }
            What::Fin { acknowledged } => self.fin(event, direction, acknowledged.map(|mark| mark.time.since(event.mark.time))),
            What::Rst { shape, valid } => self.rst(event, direction, shape, valid),
            What::Gap(gap) => {
                let mut text = format!("{} {}", if gap.waiting { "waiting" } else { "idle" }, seconds(gap.length));
                if gap.probes > 0 {
                    let _ = write!(text, ", {}", wording::count(u64::from(gap.probes), "keepalive probe")); // writing to a string does not fail
                }
                let note = match self.closed {
                    Some((side, _)) if gap.ended_by != GapEnd::End || self.connection.half(side.other()).fin.is_none() => {
                        let keeper = self.connection.role(side.other()).as_str();
                        if gap.ended_by == GapEnd::End {
                            format!("closed, and kept by the {keeper} to the end of the capture")
                        } else {
                            format!("closed, and still kept by the {keeper}")
                        }
                    }
                    _ if gap.ended_by == GapEnd::End => "to the end of the capture".to_string(),
                    _ => String::new(),
                };
                self.push(event, EntryKind::Gap, None, text, note);
                self.set_span(gap.length);
                if let Some(entry) = self.entries.last_mut() {
                    entry.finding = None;
                }
            }
            What::Icmp(error) => self.push(event, EntryKind::Icmp, None, icmp(error), String::new()),
            What::Incomplete(octets) => {
                let text = format!("an IP datagram of the {who} that never became whole: fragments are missing");
                let note = format!("{} of its payload captured; not delivered", wording::count(u64::from(octets), "octet"));
                self.push(event, EntryKind::Note, Some(direction), text, note);
            }
            What::Restart => {
                let text = "a new incarnation of this 4-tuple (its SYN was not captured)".to_string();
                self.push(event, EntryKind::Note, None, text, String::new());
                self.closed = None;
            }
            What::Syn | What::SynAck | What::Established => {}
        }
    }

    fn established(&mut self, event: &Event) {
        let first = self.syn.take().or(self.syn_ack);
        self.syn_ack = None;
        let text = match first {
            Some(syn) => format!("handshake, {}", wording::span(event.mark.time.since(syn.mark.time))),
            None => "handshake completed".to_string(),
        };
        self.push(&first.unwrap_or(*event), EntryKind::Handshake, None, text, String::new());
    }

    fn flush_handshake(&mut self) {
        match (self.syn.take(), self.syn_ack.take()) {
            (Some(syn), None) => self.push(&syn, EntryKind::Handshake, None, "SYN".to_string(), String::new()),
            (first, Some(syn_ack)) => {
                let event = first.unwrap_or(syn_ack);
                self.push(&event, EntryKind::Handshake, None, "SYN and SYN-ACK, the ACK was not captured".to_string(), String::new());
            }
            (None, None) => {}
        }
    }

    fn turn(&mut self, event: &Event, direction: Direction, status: Option<u16>, octets: u64) {
        let size = wording::count(octets, "octet");
        if direction == Direction::ClientToServer {
            let label = if event.label.is_empty() { format!("{size} from the client") } else { event.label.to_string() };
            let late = self.closed.filter(|(side, _)| *side != event.side).map(|(side, time)| {
                format!("{} after the {} had closed", wording::span(event.mark.time.since(time)), self.connection.role(side).as_str())
            });
            self.push(event, EntryKind::Request, Some(direction), label, late.unwrap_or_default());
            self.pending_request = Some((self.entries.len() - 1, event.mark.time));
            return;
        }
        let mut answer = match status {
            Some(status) => status.to_string(),
            None if event.label.is_empty() => size,
            None => event.label.to_string(),
        };
        answer.push_str(&self.cause_elsewhere(event));
        if let Some((at, asked)) = self.pending_request.take()
            && at + 1 == self.entries.len()
            && let Some(entry) = self.entries.get_mut(at)
            && !self.notes.contains_key(&FrameRef::from(event.mark.frame))
        {
            entry.text = format!("{} → {answer}, {}", entry.text, wording::span(event.mark.time.since(asked)));
            return;
        }
        let text = if status.is_some() || !event.label.is_empty() { answer } else { format!("{answer} from the server") };
        self.push(event, EntryKind::Response, Some(direction), text, String::new());
    }

    fn fin(&mut self, event: &Event, direction: Direction, acknowledged: Option<Span>) {
        let who = direction.sender();
        let mut text = format!("{} closes (FIN)", who.as_str());
        match acknowledged {
            Some(after) if after.nanos() >= 0 => {
                let _ = write!(text, ", acknowledged by the {} {} later", who.other().as_str(), wording::span(after)); // writing to a string does not fail
            }
            _ => text.push_str(", not acknowledged"),
        }
        text.push_str(&self.cause_elsewhere(event));
        self.push(event, EntryKind::Fin, Some(direction), text, String::new());
        self.closed = self.closed.or(Some((event.side, event.mark.time)));
    }

    /// `: this was the RST of frame 807 (#3, F1)` where the frame tells a caller of a loss behind the proxy.
    fn cause_elsewhere(&self, event: &Event) -> String {
        let Some(finding) = self.surfaced.get(&FrameRef::from(event.mark.frame)) else { return String::new() };
        let stream = finding.stream.unwrap_or_default();
        let lost = match (&finding.rst, finding.frame) {
            (Some(rst), _) => format!("the RST of frame {}", rst.frame.frame),
            (None, Some(frame)) => format!("the lost request of frame {}", frame.frame),
            (None, None) => return String::new(),
        };
        format!(" (this was {lost} on #{stream}, F{})", finding.number)
    }

    fn rst(&mut self, event: &Event, direction: Direction, shape: RstShape, valid: bool) {
        let who = direction.sender().as_str();
        let meaning = match shape {
            RstShape::Reply => " (no such connection)",
            RstShape::Abort => " (abort)",
            RstShape::Refused => " (refused)",
            RstShape::Other => "",
        };
        let mut text = format!("RST by the {who}{meaning}");
        if !valid {
            text.push_str(", outside the window: changes nothing");
        }
        let fate = self
            .notes
            .get(&FrameRef::from(event.mark.frame))
            .filter(|(_, finding)| finding.kind.is_request_loss() && direction == Direction::ServerToClient)
            .map(|(_, finding)| {
                let retried = match finding.next.as_ref().map(|next| next.retried) {
                    Some(crate::report::Retried::No) => ", not retried in this capture".to_string(),
                    Some(crate::report::Retried::Yes) => {
                        let stream = finding.next.as_ref().and_then(|next| next.stream).unwrap_or_default();
                        format!(", retried on #{stream}")
                    }
                    _ => String::new(),
                };
                let surfaced = finding.next.as_ref().and_then(|next| next.surfaced.as_ref()).map(|surfaced| {
                    let what = surfaced.status.map_or_else(|| "a close without a word".to_string(), |status| format!("the {status}"));
                    format!("; the caller got {what} of frame {} (#{})", surfaced.frame.frame, surfaced.stream)
                });
                format!("; the request is lost{retried}{}", surfaced.unwrap_or_default())
            });
        text.push_str(&fate.unwrap_or_default());
        self.push(event, EntryKind::Rst, Some(direction), text, String::new());
    }

    fn push(&mut self, event: &Event, kind: EntryKind, direction: Option<Direction>, text: String, note: String) {
        let frame = FrameRef::from(event.mark.frame);
        self.entries.push(TimelineEntry {
            at: event.mark.time.since(self.connection.first.time),
            frame: Some(frame),
            kind,
            direction,
            text,
            note,
            span: None,
            finding: self.notes.get(&frame).map(|(number, _)| *number),
        });
    }

    fn set_span(&mut self, span: Span) {
        if let Some(entry) = self.entries.last_mut() {
            entry.span = Some(span);
        }
    }

    fn finish(&mut self) {
        use crate::report::StateView;
        if matches!(self.connection.state_view(), StateView::Open | StateView::HalfClosed) {
            self.entries.push(TimelineEntry {
                at: self.end.since(self.connection.first.time),
                frame: None,
                kind: EntryKind::End,
                direction: None,
                text: format!("the capture ends, the connection is {}", self.connection.state_view().as_str()),
                note: String::new(),
                span: None,
                finding: None,
            });
        }
    }
}

/// Names the other leg of a connection, and what says that it is one.
fn leg(other: Seen<'_>, relation: Relation) -> String {
    let (stream, client, server) = (other.stream(), other.client_endpoint(), other.server_endpoint());
    match relation {
        Relation::Nat => format!("the same connection as {stream} ({client} to {server}): the same sequence numbers under another 4-tuple"),
        Relation::Proxy => format!("one request with connection {stream} ({client} to {server}): sent on while the caller waited"),
    }
}

/// Seconds with milliseconds, as the offsets of the timeline have them.
fn seconds(span: Span) -> String {
    format!("{:.3} s", span.seconds())
}

fn icmp(error: IcmpError) -> String {
    match error {
        IcmpError::Unreachable(code) => format!("ICMP: destination unreachable (code {code})"),
        IcmpError::PacketTooBig(0) => "ICMP: fragmentation needed".to_string(),
        IcmpError::PacketTooBig(mtu) => format!("ICMP: packet too big, the next hop takes {mtu} octets"),
        IcmpError::TimeExceeded => "ICMP: time to live exceeded on the way".to_string(),
        IcmpError::Other(kind, code) => format!("ICMP error type {kind}, code {code}"),
    }
}

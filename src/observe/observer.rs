//! Reads the tracker's steps and keeps what the end needs.

use super::across::Across;
use super::case::Case;
use super::half_closed::{self, HalfClosedSpan};
use super::legs::label_hash;
use super::log::{Event, Log, What as Logged};
use super::path::{Hops, PathWatch};
use super::points::Points;
use super::request::Request;
use super::sampler;
use super::sights;
use super::told::{Answered, Requested, Teller, Told};
use super::waiting;
use super::watch::{Watch, Watches};
use crate::app::{Label, What};
use crate::options::AnalysisOptions;
use crate::report::{HandshakeView, How};
use crate::tcp::half::Mark;
use crate::tcp::step::{Handshake, NewPayload};
use crate::tcp::{Connection, Connections, Step};
use crate::time::{Span, Timestamp};

/// So many cases of one connection are kept.
const KEPT_CASES: usize = 8;
/// The statuses with which a proxy tells its caller that its upstream failed (RFC 9110 section 15.6).
const UPSTREAM_FAILURES: [u16; 3] = [502, 503, 504];
/// A segment of the server so long after its RST is not one that the RST overtook.
const WELL_AFTER: Span = Span::from_millis(50);
/// So many spare allocations of a kind are kept.
const KEPT_SPARE: usize = 256;
/// The event logs of connections without a case are kept for the first so many, for groups that have no case.
const KEPT_PLAIN_LOGS: usize = 2048;

/// When a side closed and when the other one did, if it acknowledged that before.
#[derive(Clone, Copy, Debug)]
pub struct HalfClosedTimes(pub Option<(Timestamp, Timestamp)>);

/// Observes every connection.
#[derive(Debug)]
pub struct Observer {
    idle_gap: Span,
    pub(super) options: AnalysisOptions,
    pub(super) watches: Watches,
    /// Allocations of requests and logs that are over, to be used again: no allocation per request.
    #[allow(clippy::vec_box)] // the boxes themselves go to the connections and come back
    spare_requests: Vec<Box<Request>>,
    #[allow(clippy::vec_box)]
    pub(super) spare_logs: Vec<Box<Log>>,
    /// The hops of the capture.
    pub hops: Hops,
    /// Places that saw the same segments.
    pub points: Points,
    /// What spans connections.
    pub across: Across,
}

impl Observer {
    /// An observer that has seen nothing.
    pub fn new(options: &AnalysisOptions) -> Self {
        Self {
            idle_gap: options.thresholds.idle_gap,
            options: options.clone(),
            watches: Watches::default(),
            spare_requests: Vec::new(),
            spare_logs: Vec::new(),
            hops: Hops::default(),
            points: Points::default(),
            across: Across::new(options.thresholds.retry_window),
        }
    }

    /// An observer of some connections of a capture: what spans connections is only told, and the hops and places that others have shown are known.
    pub fn of_some(options: &AnalysisOptions, hops: Hops, points: Points) -> Self {
        Self { hops, points, across: Across::for_later(), ..Self::new(options) }
    }

    /// A connection was observed elsewhere.
    pub fn put(&mut self, at: usize, watch: Box<Watch>) {
        self.watches.put(at, watch);
    }

    /// What a connection has to do with others, and what that says of its cases.
    pub fn take_in(&mut self, teller: &Teller, told: &Told) {
        let fate = self.across.take(teller, told);
        if let Told::Concluded { case: Some(case), .. } = told
            && let Some(watch) = self.watches.get_mut(teller.at)
        {
            watch.decide(*case, fate);
        }
    }

    /// No segment of the connection is left, but the end of the capture is not known here.
    pub fn conclude_part(&mut self, at: usize, connection: &Connection) {
        if self.watches.get(at).is_some_and(|watch| !watch.finished) {
            self.conclude(at, connection);
        }
        if !self.is_log_wanted(at, connection)
            && let Some(watch) = self.watches.get_mut(at)
        {
            watch.log = None;
        }
    }

    /// The hops and places, for the next observer of some connections.
    pub fn into_places(self) -> (Hops, Points) {
        (self.hops, self.points)
    }

    /// What is kept of a connection, to be put in elsewhere.
    pub fn take(&mut self, at: usize) -> Option<Box<Watch>> {
        self.watches.take(at)
    }

    /// What is kept of the connection with this index.
    pub fn watch(&self, at: usize) -> Option<&Watch> {
        self.watches.get(at)
    }

    /// Reads here and there in what is kept of a connection; see [`Connection::touch`].
    #[inline]
    pub fn touch(&self, at: usize) -> u64 {
        self.watches.get(at).map_or(0, |watch| watch.path.touch() ^ u64::from(watch.responses) ^ u64::from(watch.pending.is_some()))
    }

    /// Takes in one step. `connection` is the step's; `replaced` the one that held the 4-tuple before.
    pub fn observe(&mut self, step: &Step, connection: &Connection, replaced: Option<&Connection>) {
        if let (Some(at), Some(old)) = (step.replaced, replaced) {
            self.finish(at, old, step.mark.time);
        }
        self.watches.begin(step.connection);
        if let Some(watch) = self.watches.get_mut(step.connection) {
            if step.restarted {
                watch.path = PathWatch::default();
            }
            sights::see(&mut watch.sights, step, connection);
            if !step.of_older_incarnation && !step.has_rst {
                // An RST may come from another device by another way; it is no segment of the connection.
                // Octets that are sent again were waited for: the silence before them is no idle gap.
                let gap = if step.retransmission.is_some() { Span(i64::MAX) } else { self.idle_gap };
                watch.path.see(&mut self.hops, &step.vantage, step.side, step.mark, gap);
            } else if step.of_older_incarnation
                && step.side != connection.client
                && !step.has_rst
                && step.payload_length == 0
                && connection.handshake.syn_ack.is_none()
            {
                watch.challenged.get_or_insert(step.mark);
            }
        }
        if let Some(seen) = &step.seen_before {
            self.points.seen(seen, step.mark.frame, step.side == connection.client);
        }
        if step.duplicate || step.of_older_incarnation || self.is_acknowledgement_only(step, connection) {
            return;
        }
        if step.handshake == Handshake::Syn
            && let Some((side, first, isn)) = connection.handshake.syn
            && side == step.side
            && first.frame == step.mark.frame
        {
            let told = Told::Syn { isn: isn.0, timestamp: step.timestamp_value, mark: step.mark };
            self.across.tell(&Teller::of(step.connection, connection), told);
        }
        if step.restarted {
            self.conclude(step.connection, connection.past.as_deref().unwrap_or(connection));
            if let Some(watch) = self.watches.get_mut(step.connection) {
                watch.half_closed = None;
                watch.responses = 0;
                watch.longest_survived = None;
            }
        }
        self.log(step, connection);
        if let Some(watch) = self.watches.get_mut(step.connection) {
            half_closed::step(&mut watch.half_closed, step, connection);
            waiting::step(&mut watch.waiting_close, watch.pending.as_deref(), watch.responses, step, connection, self.idle_gap);
        }
        if let Some(watch) = self.watches.get_mut(step.connection) {
            let (across, teller) = (&mut self.across, Teller::of(step.connection, connection));
            sampler::step(&mut watch.sampled, step, connection, self.idle_gap, &mut |told| {
                across.tell(&teller, told);
            });
        }
        if step.side == connection.client {
            self.client_step(step, connection);
        } else {
            self.server_step(step, connection);
        }
        self.settle(step.connection, connection);
    }

    /// Takes in an acknowledgement and nothing else, of a connection that nobody has closed: every other part of the observation would find
    /// nothing in it, and half of all segments are such. False: it must be looked at in full.
    fn is_acknowledgement_only(&mut self, step: &Step, connection: &Connection) -> bool {
        if !step.is_plain_acknowledgement() || connection.first_fin.is_some() || connection.reset.is_some() {
            return false;
        }
        let Some(watch) = self.watches.get_mut(step.connection) else { return false };
        let Some(request) = watch.pending.as_deref_mut() else { return true };
        if request.first_reset().is_some() {
            return false;
        }
        if step.side != connection.client {
            request.hear(step, None);
        }
        true
    }

    /// Both sides have closed and know it: nothing can be found about this connection any more, its log and its spare request go.
    fn settle(&mut self, at: usize, connection: &Connection) {
        let over = connection.halves.iter().all(|half| half.effective_fin().is_some_and(|fin| fin.acknowledged.is_some()));
        if !over || self.is_log_wanted(at, connection) {
            return;
        }
        let unanswered = self.watches.get(at).is_some_and(|watch| watch.pending.as_deref().is_some_and(|r| r.response.is_none()));
        if let Some(watch) = self.watches.get_mut(at)
            && !unanswered
        {
            recycle(&mut self.spare_logs, watch.log.take());
            recycle(&mut self.spare_requests, watch.pending.take());
        }
    }

    /// Whether the log of a connection is needed for the report: it was asked for, it has a case, or it is one of the first that show an idle
    /// close or keepalive probes.
    fn is_log_wanted(&self, at: usize, connection: &Connection) -> bool {
        let notable = connection.close.is_some_and(|close| close.idle.is_some_and(|idle| idle >= self.idle_gap))
            || connection.halves.iter().any(|half| half.counts.keepalive_probes > 1);
        let long_half_closed = |watch: &Watch| watch.half_closed.as_deref().is_some_and(|span| self.is_long(span));
        self.options.timelines.contains(&connection.stream)
            || self.watches.get(at).is_some_and(|watch| !watch.cases.is_empty() || long_half_closed(watch))
            || (notable && at < KEPT_PLAIN_LOGS)
    }

    /// The capture ends at `end`.
    pub fn finish_all(&mut self, connections: &Connections, end: Timestamp) {
        for (at, connection) in connections.followed() {
            self.finish(at, connection, end);
        }
        self.across.finish();
    }

    /// The connection is over. If nothing that was observed of it can matter any more, that goes; it returns when the other side had
    /// acknowledged its first FIN and when it closed as well. `None`: the connection is needed to the end.
    pub fn release(&mut self, at: usize, connection: &Connection) -> Option<HalfClosedTimes> {
        let watch = self.watches.get(at)?;
        let attempt = matches!(connection.handshake_view(), HandshakeView::Refused | HandshakeView::Unanswered);
        let needed = watch.pending.is_some()
            || !watch.cases.is_empty()
            || watch.log.is_some()
            || watch.waiting_close.is_some()
            || watch.challenged.is_some()
            || watch.path.changes().next().is_some()
            || connection.halves.iter().any(|half| half.probes_pending > 0)
            || self.is_log_wanted(at, connection)
            || attempt;
        if needed {
            return None;
        }
        self.end(at)
    }

    /// Memory is short, and the connection is over or never came about. `None`: there is a case about it, so that it stays; else its timeline
    /// and, where its handshake failed, that it did are lost.
    pub fn release_early(&mut self, at: usize) -> Option<HalfClosedTimes> {
        let watch = self.watches.get(at)?;
        let needed = watch.pending.as_deref().is_some_and(|request| request.response.is_none())
            || !watch.cases.is_empty()
            || watch.waiting_close.is_some()
            || watch.half_closed.as_deref().is_some_and(|span| self.is_long(span));
        if needed { None } else { self.end(at) }
    }

    fn end(&mut self, at: usize) -> Option<HalfClosedTimes> {
        let half_closed = match self.watches.get(at)?.half_closed.as_deref() {
            None => HalfClosedTimes(None),
            Some(span) => HalfClosedTimes(Some((span.fin.time, span.ended?.0.time))),
        };
        self.watches.end(at);
        self.across.forget(at);
        Some(half_closed)
    }

    /// Whether a side stayed after the other had closed for so long, or used the connection then, that it may be a finding.
    fn is_long(&self, span: &HalfClosedSpan) -> bool {
        let kept = |(mark, _): (Mark, _)| mark.time.since(span.fin.time) >= self.options.thresholds.close_wait;
        span.used || span.ended.is_none_or(kept)
    }

    fn finish(&mut self, at: usize, connection: &Connection, end: Timestamp) {
        if self.watches.get(at).is_none_or(|watch| watch.finished) {
            return;
        }
        if let Some(gap) = connection.final_gap(end, self.idle_gap) {
            let event = Event { mark: gap.start, side: gap.after, last: end, what: Logged::Gap(gap), label: Label::new_const() };
            self.note(at, connection, event);
        }
        self.conclude(at, connection);
        let wanted = self.is_log_wanted(at, connection);
        if let Some(watch) = self.watches.get_mut(at) {
            watch.finished = true;
            if !wanted {
                recycle(&mut self.spare_logs, watch.log.take());
            }
        }
    }

    // ---- the client's segments ------------------------------------------------------------------------------------

    fn client_step(&mut self, step: &Step, connection: &Connection) {
        let Some(watch) = self.watches.get_mut(step.connection) else { return };
        if let Some(request) = watch.pending.as_deref_mut() {
            let closes = step.fin || step.reset.is_some_and(|reset| reset.valid);
            if closes && request.own_close.is_none() {
                request.own_close = Some((if step.fin { How::Fin } else { How::Rst }, step.mark));
            }
            request.leaving |= step.has_fin && step.payload_length > 0;
            if step.reset.is_some_and(|reset| reset.position == Some(request.start)) {
                request.unaccepted.get_or_insert(step.mark);
            }
            if let Some(position) = step.retransmission
                && step.payload_length > 0
                && position <= request.start
                && position.saturating_add(i64::from(step.payload_length)) > request.start
            {
                request.retransmissions = request.retransmissions.saturating_add(1);
                request.last_retransmission = Some(step.mark);
            }
            if step.fills_hole && step.position.is_some_and(|position| position <= request.start) {
                request.hole = false;
            }
            if let Some(payload) = &step.payload
                && !payload.starts_turn
            {
                if payload.message.what == What::Farewell && request.own_farewell.is_none() {
                    request.own_farewell = Some((step.mark, request.octets));
                }
                request.octets = request.octets.saturating_add(u32::try_from(payload.end - payload.start).unwrap_or(0));
            }
        }
        let twice_resent =
            watch.pending.as_deref().is_some_and(|r| r.retransmissions >= 2 && r.acked.is_none() && r.response.is_none() && !r.suspected);
        if twice_resent {
            self.suspect(step.connection, connection, step.mark);
        }
        if let Some(payload) = &step.payload
            && payload.starts_turn
            && payload.message.what != What::Farewell
        {
            self.conclude(step.connection, connection);
            self.begin_request(step, connection, payload);
        }
    }

    fn begin_request(&mut self, step: &Step, connection: &Connection, payload: &NewPayload) {
        let client = connection.client_half();
        let server = connection.server_half();
        let Some(watch) = self.watches.get_mut(step.connection) else { return };
        let own_close_before = client.effective_fin().is_some_and(|fin| fin.mark.frame != step.mark.frame)
            || connection.reset.is_some_and(|(side, _)| side == connection.client);
        let rst_before = connection.reset.filter(|(side, _)| *side != connection.client).map(|(_, reset)| reset);
        let known_answer = server.acked_with_payload.is_some_and(|acked| acked > payload.start);
        let mut request = Request {
            mark: step.mark,
            start: payload.start,
            end: payload.end,
            ack: step.ack,
            acked_before: client.acked,
            hole: payload.hole,
            after_idle_gap: step.idle.is_some_and(|idle| idle >= self.idle_gap),
            recognised: payload.message.what == What::Request,
            first_ever: payload.first_ever,
            all_acknowledged_before: payload.all_acknowledged_before,
            answered_before: watch.responses > 0,
            first_words: connection.requests <= 1 && connection.handshake.completed.is_some() && !payload.hole,
            idle: step.idle,
            wire_idle: step.wire_idle,
            message: payload.message,
            fingerprint: payload.fingerprint,
            octets: u32::try_from(payload.end - payload.start).unwrap_or(u32::MAX),
            acked: None,
            acked_after_fin: false,
            retransmissions: 0,
            last_retransmission: None,
            other_payload: None,
            response: None,
            status: None,
            resets: [None, None],
            rst_before,
            own_close: None,
            own_farewell: None,
            own_close_before,
            leaving: step.has_fin,
            goes_on: None,
            unaccepted: None,
            asked_again: None,
            ip_id: client.path.last_ip_id,
            in_transaction: connection.dialogue.in_transaction(),
            last_stream: watch.last_stream,
            incarnation: connection.incarnations,
            suspected: false,
        };
        if known_answer {
            request.response = Some(step.mark);
        }
        if server.acked.is_some_and(|acked| acked > payload.start) {
            // The acknowledgement stands before the request in the file (reordered, or the first transmission was not captured).
            request.acked = Some(step.mark);
            request.acked_after_fin = server.effective_fin().is_some_and(|fin| fin.ack.is_none_or(|ack| ack <= payload.start));
        }
        if step.fin {
            request.own_close = Some((How::Fin, step.mark));
        }
        let after_fin = server.effective_fin().is_some() && connection.exists();
        let asks = (payload.message.what == What::Request).then(|| label_hash(&payload.message.label));
        let told = Requested { asks, fingerprint: payload.fingerprint, mark: step.mark };
        self.across.tell(&Teller::of(step.connection, connection), Told::Requested(told));
        watch.pending = Some(match self.spare_requests.pop() {
            Some(mut slot) => {
                *slot = request;
                slot
            }
            None => Box::new(request),
        });
        if after_fin && !own_close_before {
            self.suspect(step.connection, connection, step.mark);
        }
    }

    // ---- the server's segments ------------------------------------------------------------------------------------

    fn server_step(&mut self, step: &Step, connection: &Connection) {
        let server_fin = connection.server_half().effective_fin().map(|fin| fin.mark.frame);
        let mut suspicious = false;
        let mut answered = None;
        let mut surfaced = None;
        let Some(watch) = self.watches.get_mut(step.connection) else { return };
        if let Some(request) = watch.pending.as_deref_mut() {
            let covers = step.ack.is_some_and(|ack| ack > request.start);
            if let Some(reset) = step.reset {
                if reset.valid || (reset.position.is_some() && reset.position == request.ack) {
                    match &mut request.resets {
                        [slot @ None, _] | [_, slot @ None] => *slot = Some(reset),
                        _ => {}
                    }
                }
                suspicious = request.response.is_none();
            } else {
                if request
                    .first_reset()
                    .is_some_and(|reset| step.mark.time.since(reset.mark.time) > WELL_AFTER.max(connection.rtt().unwrap_or_default()))
                {
                    request.goes_on.get_or_insert(step.mark);
                }
                request.hear(step, server_fin);
                let payload_again = step.payload_length > 0 && (step.fills_hole || step.retransmission.is_some());
                if let Some(payload) = &step.payload {
                    if covers && request.response.is_none() && !waiting::owes_all(connection) {
                        request.response = Some(step.mark);
                        request.status = payload.message.status;
                        let message = &payload.message;
                        answered = Some(Answered {
                            label: label_hash(&request.message.label),
                            time: step.mark.time,
                            idle: request.idle,
                            request: request.mark,
                            after_idle_gap: request.after_idle_gap,
                            wire_idle: request.wire_idle,
                            keep_alive_timeout: message.keep_alive_timeout,
                            product: message.product,
                            hand: message.hand,
                        });
                        if let Some(status) = payload.message.status.filter(|status| UPSTREAM_FAILURES.contains(status)) {
                            surfaced = Some((request.mark, Some(status), request.message.label));
                        }
                    } else if !covers && request.other_payload.is_none() {
                        request.other_payload = Some(step.mark);
                    }
                } else if payload_again && covers && request.response.is_none() {
                    request.response = Some(step.mark);
                }
                if step.fin && request.response.is_none() {
                    suspicious = true;
                    if covers || request.acked.is_some() {
                        surfaced = Some((request.mark, None, request.message.label));
                    }
                }
            }
        }
        if let Some(last) = step.payload.and_then(|payload| payload.message.goaway_last_stream) {
            watch.last_stream = Some(last);
            if let Some(request) = watch.pending.as_deref_mut() {
                request.last_stream = Some(last);
            }
        }
        let teller = Teller::of(step.connection, connection);
        if let Some(answer) = answered {
            watch.responses = watch.responses.saturating_add(1);
            if let Some(idle) = answer.idle.filter(|_| answer.after_idle_gap) {
                watch.longest_survived = watch.longest_survived.max(Some(idle));
            }
            self.across.tell(&teller, Told::Answered(answer));
        }
        if let Some((request, status, label)) = surfaced {
            self.across.tell(&teller, Told::Surfaced { request, mark: step.mark, status, label: label_hash(&label) });
        }
        if suspicious {
            self.suspect(step.connection, connection, step.mark);
        }
    }

    fn suspect(&mut self, at: usize, connection: &Connection, noticed: Mark) {
        let Some(request) = self.watches.get_mut(at).and_then(|watch| watch.pending.as_deref_mut()) else { return };
        if request.suspected || request.response.is_some() {
            return;
        }
        request.suspected = true;
        let encrypted = request.message.what == What::Encrypted;
        let fingerprint = if encrypted { 0 } else { request.fingerprint };
        self.across.tell(&Teller::of(at, connection), Told::Suspected { fingerprint, encrypted, sent: request.mark, noticed });
    }

    /// The pending request's fate is sealed: a new turn begins, or nothing more will come.
    fn conclude(&mut self, at: usize, connection: &Connection) {
        let Some(watch) = self.watches.get_mut(at) else { return };
        let Some(request) = watch.pending.as_deref() else { return };
        let label = label_hash(&request.message.label);
        let (mut failed, mut case) = (None, None);
        if request.response.is_none() {
            let server = connection.server_half();
            let interesting = server.effective_fin().is_some()
                || request.resets.iter().any(Option::is_some)
                || request.retransmissions >= 2
                || request.own_close.is_some()
                || request.unaccepted.is_some()
                || request.rst_before.is_some();
            if interesting && watch.cases.len() < KEPT_CASES {
                case = u32::try_from(watch.cases.len()).ok();
                watch.cases.push(Case::close(at, request.clone(), connection, watch.longest_survived));
            }
            let silent = request.retransmissions >= 2 && request.resets.iter().all(Option::is_none);
            // A FIN that comes after the RST that answered the request (another server's own timer) does not explain it.
            let reset = request.first_reset().map(|reset| reset.mark.frame);
            let no_fin = server.effective_fin().is_none_or(|fin| reset.is_some_and(|reset| reset < fin.mark.frame));
            let forgotten = no_fin && request.rst_before.is_none() && request.acked.is_none();
            if let Some(idle) = request.wire_idle
                && request.after_idle_gap
                && forgotten
                && (silent || request.reply_reset().is_some())
            {
                failed = Some(idle);
            }
        }
        let fate = self.across.tell(&Teller::of(at, connection), Told::Concluded { label, failed, case });
        if case.is_some()
            && let Some(case) = watch.cases.last_mut()
        {
            case.fate = fate;
        }
        recycle(&mut self.spare_requests, watch.pending.take());
    }
}

/// Keeps an allocation for use, unless there are enough.
fn recycle<T>(spare: &mut Vec<Box<T>>, used: Option<Box<T>>) {
    if let Some(used) = used
        && spare.len() < KEPT_SPARE
    {
        spare.push(used);
    }
}

//! A finding in the making: what every kind has in common is filled in from the case, the detector adds what is its own.

use super::context::Context;
use super::{advice, messages, origin, wording};
use crate::app::What;
use crate::endpoint::{Direction, Endpoint};
use crate::observe::retry::Recognition;
use crate::observe::{Case, WaitingClose};
use crate::report::{CloseView, Confidence, Evidence, Finding, How, Kind, Next, Outcome, Retried, Retry, RstShape, Severity, Surfaced};
use crate::tcp::Connection;
use crate::tcp::half::Mark;
use crate::time::Span;

/// A caller learns of the loss within this (a proxy's own timeouts end later, but then it is no consequence of the loss).
const SURFACES_WITHIN: Span = Span::from_secs(10);
/// A proxy's error may stand this much before the request in the file (two interfaces).
const SURFACES_BEFORE: Span = Span::from_millis(5);

/// Begins a finding about one request.
pub fn for_case(kind: Kind, case: &Case, context: &Context<'_>) -> Finding {
    let request = &case.request;
    let mut finding = blank(kind, case.client, case.server, Some(case.stream));
    finding.severity = Severity::Error;
    finding.frame = Some(request.mark.frame.into());
    finding.time = Some(request.mark.time);
    finding.idle = request.idle;
    finding.wire_idle = request.wire_idle;
    finding.request = request.label().to_string();
    finding.closed_by = case
        .close
        .map(|close| if close.side == server_side(case, context) { crate::endpoint::Role::Server } else { crate::endpoint::Role::Client });
    finding.outcome = Some(outcome(case));
    finding.rst = answering_reset(case).map(|reset| origin::view(reset, case, context));
    let (retry, says) = retry_verdict(case);
    finding.retry = Some(retry);
    finding.retry_says = says;
    finding.next = Some(next(case, context));
    finding.messages = messages::probable(messages::seen_by_client(kind, case), request.message.protocol);
    let (confidence, reasons) = confidence(case);
    finding.confidence = confidence;
    finding.reasons = reasons;
    finding.advice = advice::for_request(kind, case, context);
    finding
}

/// Begins a finding about a close while a response was outstanding.
pub fn for_waiting(kind: Kind, close: &WaitingClose, connection: &Connection) -> Finding {
    let (client, server) = ends(connection);
    let mut finding = blank(kind, client, server, Some(connection.stream));
    finding.frame = Some(close.mark.frame.into());
    finding.time = Some(close.mark.time);
    finding.idle = Some(close.waited);
    finding.request = close.label.to_string();
    finding.closed_by = Some(connection.role(close.side));
    finding.close = Some(CloseView { how: close.how, frame: close.mark.frame.into(), time: close.mark.time, acknowledged_before: false });
    let what = wording::request(&close.label);
    evidence(&mut finding, close.request, Direction::ClientToServer, format!("{what}: an answer is owed"));
    let says = format!("{} after {} without any payload", close.how.as_str().to_uppercase(), wording::span(close.waited));
    evidence(&mut finding, close.mark, connection.direction(close.side), says);
    finding.messages = messages::probable(messages::Seen::NoAnswer, connection.dialogue.protocol());
    if connection.handshake.completed.is_none() {
        lower(&mut finding, Confidence::Likely, "the connection began before the capture");
    }
    finding
}

/// A finding with nothing but its subject.
pub fn blank(kind: Kind, client: Endpoint, server: Endpoint, stream: Option<u64>) -> Finding {
    Finding {
        number: 0,
        kind,
        severity: Severity::Warning,
        confidence: Confidence::Certain,
        headline: String::new(),
        stream,
        client: client.into(),
        client_port_known: stream.is_some(),
        server: server.into(),
        frame: None,
        time: None,
        closed_by: None,
        close: None,
        idle: None,
        wire_idle: None,
        since_close: None,
        request: String::new(),
        cause: None,
        candidates: Vec::new(),
        outcome: None,
        rst: None,
        next: None,
        retry: None,
        retry_says: String::new(),
        messages: Vec::new(),
        reasons: Vec::new(),
        advice: Vec::new(),
        evidence: Vec::new(),
        wireshark_filter: wording::wireshark_filter(client, server),
        consequence_of: None,
        count: 1,
    }
}

fn server_side(case: &Case, context: &Context<'_>) -> crate::endpoint::Side {
    context.connections.get(case.connection).map_or(crate::endpoint::Side::High, |connection| connection.client.other())
}

/// The RST of the server that tells the request's fate.
pub fn answering_reset(case: &Case) -> Option<&crate::tcp::reset::Reset> {
    case.request.reply_reset().or_else(|| case.request.first_reset())
}

/// Notes the server's FIN as the close that the finding is about, with its evidence.
pub fn with_fin(finding: &mut Finding, case: &Case) {
    let Some(fin) = case.fin else { return };
    finding.since_close = case.since_fin();
    finding.close =
        Some(CloseView { how: How::Fin, frame: fin.mark.frame.into(), time: fin.mark.time, acknowledged_before: case.client_knew() });
    evidence(finding, fin.mark, Direction::ServerToClient, "FIN: the server closes".to_string());
    if let Some(acknowledged) = fin.acknowledged.filter(|mark| mark.frame <= case.request.mark.frame) {
        let after = wording::span(acknowledged.time.since(fin.mark.time));
        evidence(finding, acknowledged, Direction::ClientToServer, format!("the client's kernel acknowledges the FIN {after} later"));
    }
}

/// Notes an RST of the server as the close that the finding is about, with its evidence.
pub fn with_rst_close(finding: &mut Finding, case: &Case, reset: &crate::tcp::reset::Reset) {
    finding.since_close = Some(case.request.mark.time.since(reset.mark.time));
    finding.close = Some(CloseView { how: How::Rst, frame: reset.mark.frame.into(), time: reset.mark.time, acknowledged_before: false });
}

/// Adds the request, its acknowledgement, retransmissions and RSTs as evidence, and puts everything in order.
pub fn with_request_evidence(finding: &mut Finding, case: &Case) {
    let request = &case.request;
    let what = if request.label().is_empty() { "new payload".to_string() } else { wording::request(&request.label()) };
    let idle = request.idle.map(|idle| format!(" after {} idle", wording::span(idle))).unwrap_or_default();
    evidence(finding, request.mark, Direction::ClientToServer, format!("{what}, {} octets{idle}", request.octets));
    if let Some(acked) = request.acked.filter(|mark| mark.frame != request.mark.frame) {
        evidence(finding, acked, Direction::ServerToClient, "acknowledges the request".to_string());
    }
    if let Some(last) = request.last_retransmission {
        let times = request.retransmissions;
        evidence(finding, last, Direction::ClientToServer, format!("retransmission number {times} of the request, the last one seen"));
    }
    for reset in request.resets.iter().flatten() {
        let says = format!("RST, {}, sequence {}, TTL {}", wording::shape(reset.shape), reset.seq, reset.ttl);
        evidence(finding, reset.mark, Direction::ServerToClient, says);
    }
    if let Some((how, mark)) = request.own_close {
        evidence(finding, mark, Direction::ClientToServer, format!("the client closes ({})", how.as_str().to_uppercase()));
    }
    finding.evidence.sort_by_key(|evidence| (evidence.frame, evidence.time));
    finding.evidence.dedup_by(|a, b| a.frame == b.frame && a.says == b.says);
}

/// Adds one frame of evidence.
pub fn evidence(finding: &mut Finding, mark: Mark, direction: Direction, says: String) {
    finding.evidence.push(Evidence { frame: mark.frame.into(), time: mark.time, direction, says });
}

/// Lowers the confidence, with the reason.
pub fn lower(finding: &mut Finding, to: Confidence, reason: impl Into<String>) {
    finding.confidence = finding.confidence.min(to);
    finding.reasons.push(reason.into());
}

fn outcome(case: &Case) -> Outcome {
    let request = &case.request;
    let reset = answering_reset(case).is_some();
    if reset {
        Outcome::Reset
    } else if request.acked.is_some() {
        Outcome::Acknowledged
    } else if request.retransmissions >= 2 {
        Outcome::Timeout
    } else {
        Outcome::Unknown
    }
}

fn confidence(case: &Case) -> (Confidence, Vec<String>) {
    let mut confidence = Confidence::Certain;
    let mut reasons = Vec::new();
    let mut lower = |to: Confidence, reason: &str| {
        confidence = confidence.min(to);
        reasons.push(reason.to_string());
    };
    if case.one_sided {
        lower(Confidence::Likely, "only one direction was captured; a capture of both would raise the confidence");
    }
    if !case.handshake_seen {
        lower(Confidence::Likely, "the connection began before the capture; one that shows the handshake would raise the confidence");
    }
    if case.request.hole {
        lower(Confidence::Possible, "the first transmission of the request was not captured whole");
    }
    if case.order_untrusted {
        lower(Confidence::Likely, "frames of this connection are out of time order; only acknowledgement numbers were believed");
    }
    (confidence, reasons)
}

/// Catalogue section 8, in words that claim no more than the packets show.
fn retry_verdict(case: &Case) -> (Retry, String) {
    let request = &case.request;
    let replied = request.resets.iter().flatten().any(|reset| reset.shape == RstShape::Reply);
    let acknowledged = request.acked.is_some();
    let aborted_with_ack = request
        .resets
        .iter()
        .flatten()
        .any(|reset| matches!(reset.shape, RstShape::Abort | RstShape::Other) && reset.ack.is_some_and(|ack| ack > request.start));
    if request.message.request_stream.zip(request.last_stream).is_some_and(|(stream, last)| stream > last) {
        return (Retry::Safe, "the server's GOAWAY names an earlier stream as its last: it has not processed this one".into());
    }
    if request.other_payload.is_some() || request.response.is_some() {
        return (Retry::Unsafe, "octets of a response were seen: it may have been executed".into());
    }
    if acknowledged && request.acked_after_fin && !aborted_with_ack {
        let says = "acknowledged after the server had closed: most servers discard it, one that only half-closed may have processed it";
        return (Retry::IdempotentOnly, says.into());
    }
    if acknowledged || aborted_with_ack {
        return (Retry::Unsafe, "the server's TCP took the octets: it may have been executed".into());
    }
    if replied && request.in_transaction == Some(true) {
        let says =
            "these octets were never delivered, but they belong to a transaction that is lost with the connection: do all of it again";
        return (Retry::IdempotentOnly, says.into());
    }
    if replied && !case.one_sided {
        return (Retry::Safe, "on the packets the server's TCP never delivered these octets".into());
    }
    (Retry::IdempotentOnly, "the capture does not show whether the octets were delivered".into())
}

fn next(case: &Case, context: &Context<'_>) -> Next {
    let request = &case.request;
    let mut next = Next { retried: Retried::Unknown, stream: None, frame: None, after: None, answered: None, surfaced: None };
    let suspect = case.fate.suspect.and_then(|at| context.observer.across.retries.get(at));
    if let Some(suspect) = suspect {
        if let Some(retry) = suspect.retry {
            next.retried = if retry.by == Recognition::SameRequest { Retried::Yes } else { Retried::Probably };
            next.stream = Some(retry.stream);
            next.frame = Some(retry.mark.frame.into());
            next.after = Some(retry.mark.time.since(request.mark.time));
            next.answered = Some(retry.answered);
        } else if suspect.is_readable() {
            next.retried = Retried::No;
        }
    }
    next.surfaced = surfaced(case, context);
    next
}

/// The error that a proxy gave to its own caller: a request on another connection that was open when this one was sent, failed right
/// after, and asked for the same.
fn surfaced(case: &Case, context: &Context<'_>) -> Option<Surfaced> {
    let request = &case.request;
    let label = crate::observe::legs::label_hash(&request.label());
    context
        .observer
        .across
        .retries
        .surfaced
        .iter()
        .filter(|error| {
            let same = error.label != 0 && error.label == label;
            let unreadable_here = request.message.what == What::Encrypted && error.server.ip() == case.client.ip();
            error.stream != case.stream
                && (same || unreadable_here)
                && error.request.time <= request.mark.time + SURFACES_BEFORE
                && error.mark.time >= request.mark.time - SURFACES_BEFORE
                && error.mark.time.since(request.mark.time) <= SURFACES_WITHIN
        })
        .min_by_key(|error| (error.mark.time, error.mark.frame))
        .map(|error| Surfaced { stream: error.stream, frame: error.mark.frame.into(), status: error.status })
}

/// The endpoints of a connection, client first.
pub fn ends(connection: &Connection) -> (Endpoint, Endpoint) {
    (connection.client_endpoint(), connection.server_endpoint())
}

//! Steps of one connection → what it tells for the samples.

use super::closes::CloseFacts;
use super::told::Told;
use crate::app::{Hand, Protocol, What};
use crate::report::{How, RstShape};
use crate::tcp::step::{Handshake, NewPayload};
use crate::tcp::{Connection, Step};
use crate::time::{Span, Timestamp};

/// A client that closes within this of its only response did not mean to use the connection again.
const CLOSED_AT_ONCE: Span = Span::from_secs(1);
/// Inside TLS, fewer turns than this before a close are no limit on requests: two of them are the handshake, and no product's limit is that low.
const ENCRYPTED_REQUESTS_FROM: u32 = 10;

/// What sampling remembers of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampled {
    /// The client said that it closes after this exchange.
    client_announced_close: bool,
    /// The server said so.
    server_announced_close: bool,
    /// The last keepalive probe, by side.
    last_probe: [Option<Timestamp>; 2],
    /// Responses begun.
    answered: bool,
    /// Told that it is used again.
    counted: bool,
}

/// Takes in one step; `tell` gets what it says to other connections.
pub fn step(sampled: &mut Sampled, step: &Step, connection: &Connection, idle_gap: Span, tell: &mut impl FnMut(Told)) {
    if step.restarted {
        *sampled = Sampled::default();
        tell(Told::Restarted);
    }
    if step.opened && step.handshake == Handshake::Syn {
        tell(Told::Opened(step.mark));
    }
    if step.probe {
        probe(sampled, step, connection, tell);
    }
    if let Some(payload) = &step.payload {
        spoke(sampled, step, connection, payload, idle_gap, tell);
    }
    let pending = connection.half(step.side).probes_pending;
    if step.reset.is_some_and(|reset| reset.shape == RstShape::Abort) && pending > 0 {
        tell(Told::GaveUpProbing { side: step.side, pending });
    }
    closed(sampled, step, connection, tell);
}

fn spoke(sampled: &mut Sampled, step: &Step, connection: &Connection, payload: &NewPayload, idle_gap: Span, tell: &mut impl FnMut(Told)) {
    let message = &payload.message;
    if step.side != connection.client {
        sampled.server_announced_close |= message.announces_close;
        sampled.answered = true;
        if payload.starts_turn {
            tell(Told::Responding {
                requests: connection.requests,
                age: connection.handshake.syn.map(|(_, syn, _)| step.mark.time.since(syn.time)),
                protocol: connection.dialogue.protocol(),
            });
        }
        return;
    }
    if !message.host.is_empty() {
        tell(Told::Host(message.host));
    }
    if !payload.starts_turn || message.what == What::Farewell {
        return;
    }
    sampled.client_announced_close = message.announces_close;
    if connection.requests <= 1 && !(message.product.is_empty() && message.hand == Hand::Unknown) {
        tell(Told::Introduced { product: message.product, hand: message.hand });
    }
    if connection.requests > 1 && sampled.answered && !sampled.counted {
        sampled.counted = true;
        tell(Told::Reused);
    }
    if let Some(idle) = step.idle.filter(|idle| *idle >= idle_gap && sampled.answered && !step.has_fin) {
        tell(Told::ReusedAfter { idle, mark: step.mark });
    }
}

fn closed(sampled: &Sampled, step: &Step, connection: &Connection, tell: &mut impl FnMut(Told)) {
    let Some(close) = connection.close.filter(|close| close.mark.frame == step.mark.frame && close.side == step.side) else { return };
    let (Some(idle), false, true) = (close.idle, close.outstanding, connection.turn.is_some()) else { return };
    let gave_up_probing = close.how == How::Rst && connection.half(step.side).probes_pending > 0;
    if gave_up_probing {
        return;
    }
    let facts = CloseFacts {
        stream: connection.stream,
        idle,
        age: connection.handshake.syn.map(|(_, syn, _)| close.mark.time.since(syn.time)),
        requests: connection.requests,
        mark: close.mark,
        by_rst: close.how == How::Rst,
    };
    let asked_for = sampled.client_announced_close;
    let alone = connection.requests == 1
        && sampled.answered
        && !sampled.server_announced_close
        && !asked_for
        && idle <= CLOSED_AT_ONCE
        && facts.age.is_some();
    // Turns are requests where HTTP is spoken; inside TLS some of them are the handshake, and elsewhere the last one may be a QUIT.
    let counts = match connection.dialogue.protocol() {
        Protocol::Http1 | Protocol::Http2 => true,
        Protocol::Tls => facts.requests >= ENCRYPTED_REQUESTS_FROM,
        _ => false,
    };
    tell(Told::Closed { side: step.side, close: facts, rtt: connection.rtt(), asked_for: asked_for || !counts, alone });
}

fn probe(sampled: &mut Sampled, step: &Step, connection: &Connection, tell: &mut impl FnMut(Told)) {
    let pending = connection.half(step.side).probes_pending;
    let before = sampled.last_probe.get_mut(step.side.index()).and_then(|slot| slot.replace(step.mark.time));
    tell(Told::Probed {
        side: step.side,
        mark: step.mark,
        idle: step.wire_idle.filter(|_| pending <= 1),
        interval: before.filter(|_| pending > 1).map(|before| step.mark.time.since(before)),
    });
}

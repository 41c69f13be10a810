//! Steps of one connection → samples.

use super::closes::CloseFacts;
use super::samples::{HostId, Place, ProbeSamples, Samples, SeenGap};
use crate::app::{Protocol, What};
use crate::endpoint::Side;
use crate::report::{How, RstShape};
use crate::tcp::step::{Handshake, NewPayload};
use crate::tcp::{Connection, Step};
use crate::time::{Span, Timestamp};

/// A client that closes within this of its only response did not mean to use the connection again.
const CLOSED_AT_ONCE: Span = Span::from_secs(1);
/// A connection opened within this of such a close would have been saved: the shortest default of common servers (Apache, Node: 5 s).
const WOULD_HAVE_KEPT: Span = Span::from_secs(5);

/// Inside TLS, fewer turns than this before a close are no limit on requests: two of them are the handshake, and no product's limit is that low.
const ENCRYPTED_REQUESTS_FROM: u32 = 10;

/// What sampling remembers of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampled {
    /// The host that the client asked for last.
    pub host: HostId,
    /// Where the samples are kept.
    pub place: Place,
    /// The client said that it closes after this exchange.
    client_announced_close: bool,
    /// The server said so.
    server_announced_close: bool,
    /// The last keepalive probe, by side.
    last_probe: [Option<Timestamp>; 2],
    /// Responses begun.
    answered: bool,
    /// Counted among the client's reused connections.
    counted: bool,
}

/// Takes in one step.
pub fn step(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection, idle_gap: Span) {
    if step.restarted {
        *sampled = Sampled { place: sampled.place, ..Sampled::default() };
    }
    if step.opened && step.handshake == Handshake::Syn {
        opened(samples, sampled, step, connection);
    }
    if step.probe {
        probe(samples, sampled, step, connection);
    }
    if let Some(payload) = &step.payload {
        spoke(samples, sampled, step, connection, payload, idle_gap);
    }
    if step.reset.is_some_and(|reset| reset.shape == RstShape::Abort) {
        gave_up(samples, sampled, step, connection);
    }
    closed(samples, sampled, step, connection);
}

fn opened(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection) {
    let Some(pair) = samples.client(&mut sampled.place, connection) else { return };
    pair.connections += 1;
    pair.first_opened.get_or_insert(step.mark.time);
    pair.last_opened = Some(step.mark.time);
    let close = pair.last_single.take();
    pair.avoidable += u64::from(close.is_some_and(|close| step.mark.time.since(close) <= WOULD_HAVE_KEPT));
}

fn spoke(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection, payload: &NewPayload, idle_gap: Span) {
    let message = &payload.message;
    if step.side != connection.client {
        sampled.server_announced_close |= message.announces_close;
        sampled.answered = true;
        if payload.starts_turn
            && let Some(known) = samples.server(&mut sampled.place, connection)
        {
            known.most_requests = known.most_requests.max(connection.requests);
            if let Some((_, syn, _)) = connection.handshake.syn {
                known.oldest = known.oldest.max(step.mark.time.since(syn.time));
            }
            known.protocol = connection.dialogue.protocol();
        }
        return;
    }
    if !message.host.is_empty() {
        sampled.host = samples.host(&message.host);
    }
    if !payload.starts_turn || message.what == What::Farewell {
        return;
    }
    sampled.client_announced_close = message.announces_close;
    if connection.requests <= 1 {
        samples.introduced(&mut sampled.place, connection, message);
    }
    if connection.requests > 1 && sampled.answered && !sampled.counted {
        sampled.counted = true;
        if let Some(pair) = samples.client(&mut sampled.place, connection) {
            pair.reused_connections += 1;
        }
    }
    if let Some(idle) = step.idle.filter(|idle| *idle >= idle_gap && sampled.answered && !step.has_fin) {
        samples.reused(&mut sampled.place, connection, SeenGap { idle, stream: connection.stream, mark: step.mark });
    }
}

fn closed(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection) {
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
    if let (Some(rtt), Some(pair)) = (connection.rtt(), samples.client(&mut sampled.place, connection)) {
        pair.rtt = pair.rtt.max(Some(rtt));
    }
    let asked_for = sampled.client_announced_close;
    if step.side == connection.client {
        samples.client_close(&mut sampled.place, connection, facts);
        let alone = connection.requests == 1 && sampled.answered && !sampled.server_announced_close && !asked_for;
        if alone
            && idle <= CLOSED_AT_ONCE
            && facts.age.is_some()
            && let Some(pair) = samples.client(&mut sampled.place, connection)
        {
            pair.single += 1;
            pair.last_single = Some(close.mark.time);
            pair.first_single.get_or_insert((connection.stream, close.mark));
        }
    } else {
        // Turns are requests where HTTP is spoken; inside TLS some of them are the handshake, and elsewhere the last one may be a QUIT.
        let counts = match connection.dialogue.protocol() {
            Protocol::Http1 | Protocol::Http2 => true,
            Protocol::Tls => facts.requests >= ENCRYPTED_REQUESTS_FROM,
            _ => false,
        };
        samples.server_close(&mut sampled.place, connection, sampled.host, facts, asked_for || !counts);
    }
}

fn of_side<'s>(samples: &'s mut Samples, sampled: &mut Sampled, side: Side, connection: &Connection) -> Option<&'s mut ProbeSamples> {
    if side == connection.client {
        samples.client(&mut sampled.place, connection).map(|pair| &mut **pair.probes.get_or_insert_with(Box::default))
    } else {
        samples.server(&mut sampled.place, connection).map(|known| &mut known.probes)
    }
}

fn probe(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection) {
    let pending = connection.half(step.side).probes_pending;
    let before = sampled.last_probe.get_mut(step.side.index()).and_then(|slot| slot.replace(step.mark.time));
    let stream = connection.stream;
    let Some(probes) = of_side(samples, sampled, step.side, connection) else { return };
    probes.first.get_or_insert((stream, step.mark));
    if pending <= 1 {
        if let Some(idle) = step.wire_idle {
            probes.idle.add(stream, idle);
        }
    } else if let Some(before) = before {
        probes.interval.add(stream, step.mark.time.since(before));
    }
}

/// The prober aborted with probes unanswered.
fn gave_up(samples: &mut Samples, sampled: &mut Sampled, step: &Step, connection: &Connection) {
    let pending = connection.half(step.side).probes_pending;
    if pending == 0 {
        return;
    }
    if let Some(probes) = of_side(samples, sampled, step.side, connection)
        && (probes.gave_up_after.len() < 32 || probes.gave_up_after.contains_key(&pending))
    {
        *probes.gave_up_after.entry(pending).or_default() += 1;
    }
}

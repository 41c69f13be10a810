//! What other 4-tuples say about a request: an RST from another address that carries its number, a connection that went on from another
//! port.
//!
//! A 4-tuple is what the network makes of a connection; where a device between rewrites addresses and forgets, the numbers of TCP still
//! tell what belongs together: a sequence and an acknowledgement number that both continue another connection's are no chance.

use std::collections::BTreeMap;

use crate::endpoint::{Endpoint, Side};
use crate::observe::{Case, Observer};
use crate::report::RstShape;
use crate::tcp::facts::number;
use crate::tcp::half::Mark;
use crate::tcp::{Connection, Connections};

/// An RST that belongs to no connection of its own addresses.
#[derive(Clone, Copy, Debug)]
pub struct StrayReset {
    /// Where.
    pub mark: Mark,
    /// Who sent it.
    pub from: Endpoint,
    /// Its shape.
    pub shape: RstShape,
}

/// The index over all connections.
#[derive(Debug, Default)]
pub struct Foreign {
    /// Connections that consist of one side's RSTs, by the receiver and the number.
    resets: BTreeMap<(Endpoint, u32), StrayReset>,
    /// Connections by their server and both sides' next numbers.
    next: BTreeMap<(Endpoint, u32, u32), usize>,
}

impl Foreign {
    /// Looks through all connections; the second index only where a connection was met in the middle.
    pub fn gather(connections: &Connections, observer: &Observer) -> Self {
        let mut foreign = Self::default();
        let met_in_the_middle = |at: usize| observer.watch(at).is_some_and(|watch| watch.cases.iter().any(|case| case.request.first_ever));
        let wanted = (0..connections.len()).any(met_in_the_middle);
        for (_, connection) in connections.followed() {
            for side in [Side::Low, Side::High] {
                foreign.resets.extend(stray_reset(connection, side));
            }
        }
        for (at, seen) in connections.all().filter(|_| wanted) {
            let facts = seen.facts();
            if let (Some(sent), Some(heard)) = (facts.client_half().next, facts.server_half().next) {
                foreign.next.entry((facts.server_endpoint(), sent.0, heard.0)).or_insert(at);
            }
        }
        foreign
    }

    /// The RST from another address that answers the request by its numbers.
    pub fn stray_reset(&self, case: &Case) -> Option<&StrayReset> {
        let stray = self.resets.get(&(case.client, number(case.request.ack?).0))?;
        (stray.mark.time >= case.request.mark.time && stray.from != case.server).then_some(stray)
    }

    /// The connection that the request, met in the middle on a 4-tuple of its own, continues by both numbers.
    pub fn continued(&self, case: &Case) -> Option<usize> {
        if !case.request.first_ever || case.handshake_seen {
            return None;
        }
        let at = self.next.get(&(case.server, number(case.request.start).0, number(case.request.ack?).0)).copied()?;
        (at != case.connection).then_some(at)
    }
}

fn stray_reset(connection: &Connection, side: Side) -> Option<((Endpoint, u32), StrayReset)> {
    let half = connection.half(side);
    let alone = half.counts.rst > 0 && half.counts.segments == u64::from(half.counts.rst);
    if !alone || connection.half(side.other()).counts.segments > 0 {
        return None;
    }
    let (_, reset) = connection.reset.filter(|(by, _)| *by == side)?;
    let from = connection.key.endpoint(side);
    Some(((connection.key.endpoint(side.other()), reset.seq.0), StrayReset { mark: reset.mark, from, shape: reset.shape }))
}

//! The event log of one connection, for its timeline: the first and the last events, bounded; what lies between is counted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::app::Label;
use crate::endpoint::Side;
use crate::report::RstShape;
use crate::segment::IcmpError;
use crate::tcp::half::Mark;
use crate::tcp::step::IdleGap;
use crate::time::Timestamp;

/// So many of the first events are kept …
const FIRST_EVENTS: usize = 48;
/// … and so many of the last.
const LAST_EVENTS: usize = 64;
/// A log that was asked for in full holds at most so many.
const FULL_EVENTS: usize = 200_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// SYN.
    Syn,
    /// SYN-ACK.
    SynAck,
    /// The handshake is complete.
    Established,
    /// A turn: its first segment; `last` is its latest octet, `octets` its size.
    Turn {
        /// HTTP status or the like.
        status: Option<u16>,
        /// New payload octets.
        octets: u64,
    },
    /// A last word that asks for nothing.
    Farewell,
    /// Keepalive probes in a row, and how many of them were answered.
    Probes {
        /// How many.
        count: u32,
        /// Of these, answered.
        answered: u32,
    },
    /// Payload sent again, how often in a row.
    Retransmissions(u32),
    /// FIN; and when it was acknowledged.
    Fin {
        /// When it was acknowledged.
        acknowledged: Option<Mark>,
    },
    /// RST.
    Rst {
        /// Its shape.
        shape: RstShape,
        /// It ends the connection.
        valid: bool,
    },
    /// An idle gap.
    Gap(IdleGap),
    /// An ICMP error about the connection.
    Icmp(IcmpError),
    /// A datagram in fragments that never became whole, and its payload octets that were captured.
    Incomplete(u32),
    /// A new incarnation whose SYN was not captured.
    Restart,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where it began.
    pub mark: Mark,
    /// Who.
    pub side: Side,
    /// When the last frame that belongs to it came.
    pub last: Timestamp,
    /// What.
    pub what: What,
    /// What the payload says.
    pub label: Label,
}

/// The events of one connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Log {
    first: Vec<Event>,
    last: VecDeque<Event>,
    /// Events that are in neither list.
    pub omitted: u64,
    full: bool,
}

impl Log {
    /// A log that keeps (nearly) everything, for a timeline that was asked for.
    pub fn full() -> Self {
        Self { full: true, ..Self::default() }
    }

    /// Begins anew in the same allocation.
    pub fn begin(&mut self, full: bool) {
        self.first.clear();
        self.last.clear();
        self.omitted = 0;
        self.full = full;
    }

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        let limit = if self.full { FULL_EVENTS } else { FIRST_EVENTS };
        if self.first.len() < limit {
            self.first.push(event);
            return;
        }
        if self.last.len() == LAST_EVENTS {
            self.last.pop_front();
            self.omitted += 1;
        }
        self.last.push_back(event);
    }

    /// Adds an event that is told late, where its time puts it; among the events that were not kept it is none either.
    pub fn insert(&mut self, event: Event) {
        let is_later = |known: &Event| known.mark.time > event.mark.time;
        let place = self.last.iter().position(is_later);
        let in_last = self.last.front().is_some_and(|front| !is_later(front));
        if self.last.is_empty() || (!in_last && self.omitted == 0) {
            let at = self.first.iter().position(is_later).unwrap_or(self.first.len());
            self.first.insert(at, event);
        } else if in_last {
            self.last.insert(place.unwrap_or(self.last.len()), event);
        } else if let Some(at) = self.first.iter().position(is_later) {
            self.first.insert(at, event);
        } else {
            self.omitted += 1;
        }
        let limit = if self.full { FULL_EVENTS } else { FIRST_EVENTS };
        if self.first.len() > limit
            && let Some(moved) = self.first.pop()
        {
            if self.omitted == 0 {
                self.last.push_front(moved);
            } else {
                self.omitted += 1;
            }
        }
        if self.last.len() > LAST_EVENTS {
            self.last.pop_front();
            self.omitted += 1;
        }
    }

    /// The latest event.
    pub fn latest_mut(&mut self) -> Option<&mut Event> {
        self.last.back_mut().or_else(|| self.first.last_mut())
    }

    /// The latest FIN of `side`, to note its acknowledgement.
    pub fn latest_fin_mut(&mut self, side: Side) -> Option<&mut Event> {
        let is_fin = |event: &&mut Event| event.side == side && matches!(event.what, What::Fin { .. });
        let Self { first, last, .. } = self;
        last.iter_mut().rev().chain(first.iter_mut().rev()).take(8).find(is_fin)
    }

    /// All kept events in order; the count of those left out belongs after the first list.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.first.iter().chain(self.last.iter())
    }

    /// After how many events the omitted ones lie.
    pub fn omitted_after(&self) -> usize {
        self.first.len()
    }
}

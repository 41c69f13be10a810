//! Everything that is kept per connection, in the order of the first segments, in chunks: growing never copies what is there, nor asks for
//! twice the room.

use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::facts::{Ended, Seen};
use crate::endpoint::FlowKey;
use crate::time::Timestamp;

/// Items per chunk.
const CHUNK: usize = 256;
/// So many allocations of connections that are over are kept for new ones.
const KEPT_SPARE: usize = 256;

/// What a connection that is followed takes, with its part of the flow table, of what is observed and of the samples: measured on connections
/// with ten exchanges, and on SYNs alone (2.9 kB).
const FOLLOWED_OCTETS: u64 = 4096;
/// What is left of one that is over takes.
const ENDED_OCTETS: u64 = 704;
/// What the number of a connection takes, whatever is left of it.
const NUMBER_OCTETS: u64 = 48;

/// What is kept of one connection.
#[derive(Debug, Serialize, Deserialize)]
pub enum Slot {
    /// All of it.
    Followed(Box<Connection>),
    /// Its facts.
    Ended(Box<Ended>),
    /// Nothing is left but its number.
    Forgotten,
}

impl Slot {
    /// Gives it the number `stream`.
    pub fn set_stream(&mut self, stream: u64) {
        match self {
            Self::Followed(connection) => connection.stream = stream,
            Self::Ended(ended) => ended.facts.stream = stream,
            Self::Forgotten => {}
        }
    }

    /// Its number.
    pub fn stream(&self) -> Option<u64> {
        match self {
            Self::Followed(connection) => Some(connection.stream),
            Self::Ended(ended) => Some(ended.facts.stream),
            Self::Forgotten => None,
        }
    }

    /// Its 4-tuple.
    pub fn key(&self) -> Option<FlowKey> {
        match self {
            Self::Followed(connection) => Some(connection.key),
            Self::Ended(ended) => Some(ended.facts.key),
            Self::Forgotten => None,
        }
    }
}

/// Every connection by index, followed or over.
#[derive(Debug, Default)]
pub struct Connections {
    slots: Chunks<Slot>,
    #[allow(clippy::vec_box)] // the boxes themselves go to new connections
    spare: Vec<Box<Connection>>,
    followed: usize,
    ended: usize,
}

impl Connections {
    /// Adds a connection and returns its index.
    pub fn push(&mut self, connection: Connection) -> usize {
        let place = match self.spare.pop() {
            Some(mut spare) => {
                *spare = connection;
                spare
            }
            None => Box::new(connection),
        };
        self.followed += 1;
        self.slots.push(Slot::Followed(place))
    }

    /// Adds a connection that was followed elsewhere.
    pub fn push_slot(&mut self, slot: Slot) -> usize {
        match &slot {
            Slot::Followed(_) => self.followed += 1,
            Slot::Ended(_) => self.ended += 1,
            Slot::Forgotten => {}
        }
        self.slots.push(slot)
    }

    /// Everything that is kept of them, in their order.
    pub fn into_slots(self) -> impl Iterator<Item = Slot> {
        self.slots.into_items()
    }

    /// How many octets are kept of all connections, about: as measured, with what is observed of them.
    pub fn octets(&self) -> u64 {
        let of = |number: usize, each: u64| (number as u64).saturating_mul(each);
        of(self.followed, FOLLOWED_OCTETS).saturating_add(of(self.ended, ENDED_OCTETS)).saturating_add(of(self.len(), NUMBER_OCTETS))
    }

    /// The part of those that are over.
    pub(super) fn ended_octets(&self) -> u64 {
        (self.ended as u64).saturating_mul(ENDED_OCTETS)
    }

    /// How many are forgotten.
    pub const fn forgotten(&self) -> usize {
        self.len().saturating_sub(self.followed).saturating_sub(self.ended)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// One that is followed, by index.
    pub fn get(&self, at: usize) -> Option<&Connection> {
        match self.slots.get(at)? {
            Slot::Followed(connection) => Some(connection),
            Slot::Ended(_) | Slot::Forgotten => None,
        }
    }

    /// One that is followed, by index, to change.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Connection> {
        match self.slots.get_mut(at)? {
            Slot::Followed(connection) => Some(connection),
            Slot::Ended(_) | Slot::Forgotten => None,
        }
    }

    /// One that is over, by index, to change.
    pub(super) fn ended_mut(&mut self, at: usize) -> Option<&mut Ended> {
        match self.slots.get_mut(at)? {
            Slot::Followed(_) | Slot::Forgotten => None,
            Slot::Ended(ended) => Some(ended),
        }
    }

    /// The 4-tuple of one, by index.
    pub(super) fn key(&self, at: usize) -> Option<&FlowKey> {
        Some(match self.slots.get(at)? {
            Slot::Followed(connection) => &connection.key,
            Slot::Ended(ended) => &ended.facts.key,
            Slot::Forgotten => return None,
        })
    }

    /// One by index, followed or over.
    pub fn seen(&self, at: usize) -> Option<Seen<'_>> {
        self.slots.get(at).and_then(seen)
    }

    /// All that are not forgotten, in order, with their indices.
    pub fn all(&self) -> impl Iterator<Item = (usize, Seen<'_>)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, seen(slot)?)))
    }

    /// Those that are followed, in order, with their indices.
    pub fn followed(&self) -> impl Iterator<Item = (usize, &Connection)> {
        self.slots.iter().enumerate().filter_map(|(at, slot)| match slot {
            Slot::Followed(connection) => Some((at, &**connection)),
            Slot::Ended(_) | Slot::Forgotten => None,
        })
    }

    /// The connection is over: what the report needs of it stays.
    pub(super) fn end(&mut self, at: usize, half_closed: Option<(Timestamp, Timestamp)>) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        let Slot::Followed(connection) = slot else { return };
        let ended = Ended::of(connection, half_closed);
        if let Slot::Followed(connection) = std::mem::replace(slot, Slot::Ended(Box::new(ended)))
            && self.spare.len() < KEPT_SPARE
        {
            self.spare.push(connection);
        }
        (self.followed, self.ended) = (self.followed.saturating_sub(1), self.ended.saturating_add(1));
    }

    /// What is left of a connection that is over goes as well; false: it is none.
    pub(super) fn forget(&mut self, at: usize) -> bool {
        let Some(slot @ Slot::Ended(_)) = self.slots.get_mut(at) else { return false };
        *slot = Slot::Forgotten;
        self.ended = self.ended.saturating_sub(1);
        true
    }

    /// A new incarnation begins in a connection that was over.
    pub(super) fn revive(&mut self, at: usize) {
        let Some(slot) = self.slots.get_mut(at) else { return };
        if let Slot::Ended(ended) = slot {
            *slot = Slot::Followed(Box::new(Connection::revived(ended)));
            (self.followed, self.ended) = (self.followed.saturating_add(1), self.ended.saturating_sub(1));
        }
    }
}

fn seen(slot: &Slot) -> Option<Seen<'_>> {
    Some(match slot {
        Slot::Followed(connection) => Seen::Followed(connection),
        Slot::Ended(ended) => Seen::Ended(ended),
        Slot::Forgotten => return None,
    })
}

/// Items by index.
#[derive(Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// Adds an item and returns its index.
    pub fn push(&mut self, item: T) -> usize {
        let at = self.len;
        if at.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(item);
            self.len += 1;
        }
        at
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One by index.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// One by index, to change.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// All in order, to keep.
    pub fn into_items(self) -> impl Iterator<Item = T> {
        self.chunks.into_iter().flatten()
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoint, FlowKey, Side};
    use crate::frame::FrameId;
    use crate::report::RoleBasis;
    use crate::tcp::half::Mark;
    use crate::time::Timestamp;

    #[test]
    fn index_goes_on_over_chunks() {
        let (key, _) = FlowKey::of(Endpoint::v4([10, 0, 0, 1], 1), Endpoint::v4([10, 0, 0, 2], 2), 0);
        let first = Mark { frame: FrameId::new(0, 1), time: Timestamp::default() };
        let mut all = Connections::default();
        for stream in 0..=CHUNK as u64 {
            all.push(Connection::new(stream, key, Side::Low, RoleBasis::Syn, first));
        }
        assert_eq!(all.get(CHUNK).map(|connection| connection.stream), Some(CHUNK as u64));
        assert_eq!(all.get(CHUNK + 1).map(|connection| connection.stream), None);
        assert_eq!(all.all().count(), all.len());
    }
}

//! Everything that is kept per connection, in the order of the first segments, in chunks: growing never copies what is there, nor asks for
//! twice the room.

use super::connection::Connection;

/// Items per chunk (some 400 kB of connections).
const CHUNK: usize = 256;

/// Every connection by index.
pub type Connections = Chunks<Connection>;

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
        assert_eq!(all.iter().count(), all.len());
    }
}

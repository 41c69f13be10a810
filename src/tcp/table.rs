//! The flow table: 4-tuple → the connection that holds it now. Seeded hash, connections in a slab; the order of the output comes
//! from the slab, never from the table.

use ahash::RandomState;
use hashbrown::HashTable;

use super::connection::Connection;
use super::slab::Connections;
use crate::endpoint::FlowKey;

/// All connections, and which one holds which 4-tuple.
#[derive(Debug, Default)]
pub struct FlowTable {
    index: HashTable<u32>,
    seed: RandomState,
    slab: Connections,
}

impl FlowTable {
    /// The connection that holds `key`.
    pub fn find(&self, key: &FlowKey) -> Option<usize> {
        let hash = self.seed.hash_one(key);
        self.index.find(hash, |&at| self.slab.key(at as usize) == Some(key)).map(|&at| at as usize)
    }

    /// Adds a connection; it takes over its 4-tuple. Returns its index. At 2³² connections the table is full and the newest
    /// is not indexed.
    pub fn insert(&mut self, connection: Connection) -> usize {
        let key = connection.key;
        let at = self.slab.push(connection);
        let Ok(index) = u32::try_from(at) else { return at };
        let hash = self.seed.hash_one(key);
        let (slab, seed) = (&self.slab, &self.seed);
        let same = |&other: &u32| slab.key(other as usize) == Some(&key);
        if let Some(entry) = self.index.find_mut(hash, same) {
            *entry = index;
        } else {
            let rehash = |&other: &u32| slab.key(other as usize).map_or(0, |key| seed.hash_one(key));
            self.index.insert_unique(hash, index, rehash);
        }
        at
    }

    /// Takes the connection out of the table that has nothing left but its number.
    pub fn forget(&mut self, at: usize) -> bool {
        // Looked up before its key goes; another connection may hold the 4-tuple by now.
        let holds = self.slab.key(at).is_some_and(|key| self.find(key) == Some(at));
        if holds && let Some(key) = self.slab.key(at) {
            let hash = self.seed.hash_one(key);
            if let Ok(entry) = self.index.find_entry(hash, |&other| other as usize == at) {
                entry.remove();
            }
        }
        self.slab.forget(at)
    }

    /// Adds a connection that does not take over its 4-tuple. Returns its index.
    pub fn insert_apart(&mut self, connection: Connection) -> usize {
        self.slab.push(connection)
    }

    /// A connection by index.
    pub fn get(&self, at: usize) -> Option<&Connection> {
        self.slab.get(at)
    }

    /// A connection by index, to change.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Connection> {
        self.slab.get_mut(at)
    }

    /// Every connection, to end one or to begin it again.
    pub(super) const fn connections_mut(&mut self) -> &mut Connections {
        &mut self.slab
    }

    /// Every connection, to keep.
    pub fn into_connections(self) -> Connections {
        self.slab
    }

    /// Every connection in the order of its first frame.
    pub const fn connections(&self) -> &Connections {
        &self.slab
    }
}

//! Reassembly of IP datagrams in a bounded pool.
//!
//! The segment appears with the fragment that completes its datagram, as with Wireshark. What never completes is counted, so that the report
//! can say so. Every fragment costs time linear in its own length: a bitmap of eight-octet blocks says what is there.
//!
//! Overlaps: of IPv4 the octets that came first stay (RFC 791 leaves it open; any fixed rule will do); an IPv6 datagram with an overlap that is
//! no plain repetition is discarded (RFC 5722). A datagram that waits for longer than [`MAX_AGE`] by the capture's own clock is given up
//! (RFC 8200 section 4.5: 60 seconds).

use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::decode::stacks::fixed_hasher;
use crate::decode::walk::mix;
use crate::time::{Span, Timestamp};

/// Datagrams that wait at the same time; the oldest goes first.
const MAX_DATAGRAMS: usize = 1024;
/// Octets that all of them hold together.
const MAX_OCTETS: usize = 16 << 20;
/// The longest time between a datagram's first and last fragment.
const MAX_AGE: Span = Span::from_secs(60);
/// The largest datagram (RFC 791: total length is 16 bits).
const MAX_LENGTH: usize = 65_535;
/// Fragment offsets count in units of so many octets.
const BLOCK: usize = 8;

/// What fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DatagramKey {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub identification: u32,
    /// The IPv4 protocol; of IPv6, the fragment header's own number.
    pub protocol: u8,
}

impl DatagramKey {
    /// A number for the datagram.
    pub fn number(&self) -> u64 {
        let fold = |hash: u64, address: IpAddr| match address {
            IpAddr::V4(address) => mix(hash, u64::from(address.to_bits())),
            IpAddr::V6(address) => address
                .octets()
                .chunks(8)
                .fold(hash, |hash, part| mix(hash, part.iter().fold(0, |word, octet| (word << 8) | u64::from(*octet)))),
        };
        let hash = fold(fold(u64::from(self.protocol), self.src), self.dst);
        mix(hash, u64::from(self.identification))
    }
}

/// One fragment's place in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FragmentHeader {
    pub key: DatagramKey,
    /// Octets before this fragment.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// What the datagram carries, as this fragment tells.
    pub protocol: u8,
}

/// A datagram that is complete.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// What it carries, as its first fragment tells.
    pub protocol: u8,
    /// Its payload.
    pub octets: Vec<u8>,
}

#[derive(Debug)]
struct Partial {
    octets: Vec<u8>,
    /// A bit for each block that is there.
    blocks: Vec<u64>,
    blocks_there: usize,
    /// Known once the last fragment came.
    length: Option<usize>,
    /// What the first fragment says.
    protocol: Option<u8>,
    first_seen: Timestamp,
    /// Place in the order of arrival.
    arrival: u64,
    /// An IPv6 overlap: everything that comes is discarded.
    is_poisoned: bool,
}

/// The datagrams of which fragments are missing.
#[derive(Debug)]
pub(crate) struct Fragments {
    partial: HashMap<DatagramKey, Partial, RandomState>,
    /// Keys in the order of arrival; entries whose datagram completed stay until they reach the front.
    order: std::collections::VecDeque<(u64, DatagramKey)>,
    octets: usize,
    arrivals: u64,
    given_up: u64,
}

impl Fragments {
    /// An empty pool; nothing is allocated until a fragment comes.
    pub fn new() -> Self {
        Self {
            partial: HashMap::with_hasher(fixed_hasher()),
            order: std::collections::VecDeque::new(),
            octets: 0,
            arrivals: 0,
            given_up: 0,
        }
    }

    /// TCP datagrams whose first fragment came and that were never completed: those given up and those that still wait.
    pub fn incomplete(&self) -> u64 {
        let waiting = self.partial.values().filter(|partial| partial.protocol == Some(6)).count();
        self.given_up.saturating_add(waiting as u64)
    }

    /// Takes a fragment; gives the datagram if it is now complete.
    pub fn add(&mut self, header: &FragmentHeader, payload: &[u8], time: Timestamp) -> Option<Datagram> {
        self.give_up_older_than(time);
        let offset = header.offset as usize;
        // a fragment that is not the last carries whole blocks; what is beyond them is noise, as for Linux
        let payload = if header.more { payload.get(..payload.len() / BLOCK * BLOCK)? } else { payload };
        let end = offset.checked_add(payload.len()).filter(|end| *end <= MAX_LENGTH)?;
        if payload.is_empty() {
            return None;
        }
        self.make_room(payload.len().saturating_add(offset));
        let (arrivals, order) = (&mut self.arrivals, &mut self.order);
        let partial = self.partial.entry(header.key).or_insert_with(|| {
            *arrivals = arrivals.wrapping_add(1);
            order.push_back((*arrivals, header.key));
            Partial::new(time, *arrivals)
        });
        let before = partial.octets.capacity();
        let is_complete = partial.place(header, offset, end, payload);
        self.octets = self.octets.saturating_sub(before).saturating_add(partial.octets.capacity());
        if !is_complete {
            return None;
        }
        let mut partial = self.partial.remove(&header.key)?;
        self.octets = self.octets.saturating_sub(partial.octets.capacity());
        partial.octets.truncate(partial.length?);
        Some(Datagram { protocol: partial.protocol?, octets: partial.octets })
    }

    /// Gives up the oldest datagrams until `octets` more find room.
    fn make_room(&mut self, octets: usize) {
        while self.partial.len() >= MAX_DATAGRAMS || self.octets.saturating_add(octets) > MAX_OCTETS {
            let Some((arrival, key)) = self.order.pop_front() else { return };
            self.give_up(arrival, &key);
        }
        // completed datagrams leave their place in the order behind: it must not outgrow the pool
        if self.order.len() > MAX_DATAGRAMS.saturating_mul(4) {
            let partial = &self.partial;
            self.order.retain(|(arrival, key)| partial.get(key).is_some_and(|partial| partial.arrival == *arrival));
        }
    }

    fn give_up_older_than(&mut self, now: Timestamp) {
        while let Some((arrival, key)) = self.order.front().copied() {
            let first_seen = self.partial.get(&key).filter(|partial| partial.arrival == arrival).map(|partial| partial.first_seen);
            if first_seen.is_some_and(|first_seen| now.since(first_seen) <= MAX_AGE) {
                return;
            }
            self.order.pop_front();
            self.give_up(arrival, &key);
        }
    }

    fn give_up(&mut self, arrival: u64, key: &DatagramKey) {
        if self.partial.get(key).is_none_or(|partial| partial.arrival != arrival) {
            return;
        }
        if let Some(partial) = self.partial.remove(key) {
            self.octets = self.octets.saturating_sub(partial.octets.capacity());
            self.given_up = self.given_up.saturating_add(u64::from(partial.protocol == Some(6)));
        }
    }
}

impl Partial {
    fn new(first_seen: Timestamp, arrival: u64) -> Self {
        Self {
            octets: Vec::new(),
            blocks: Vec::new(),
            blocks_there: 0,
            length: None,
            protocol: None,
            first_seen,
            arrival,
            is_poisoned: false,
        }
    }

    /// Places the octets `offset..end`; true if nothing is missing any more.
    fn place(&mut self, header: &FragmentHeader, offset: usize, end: usize, payload: &[u8]) -> bool {
        if self.is_poisoned || self.length.is_some_and(|length| end > length) {
            return false;
        }
        if !header.more {
            if self.octets.len() > end || self.length.is_some_and(|length| length != end) {
                return false; // two ends: the first one said or shown stays
            }
            self.length = Some(end);
        }
        if offset == 0 && self.protocol.is_none() {
            self.protocol = Some(header.protocol);
        }
        if self.octets.len() < end {
            self.octets.resize(end, 0);
            self.blocks.resize(end.div_ceil(BLOCK).div_ceil(64), 0);
        }
        let is_ipv6 = header.key.src.is_ipv6();
        for (index, block) in payload.chunks(BLOCK).enumerate() {
            let place = (offset / BLOCK).saturating_add(index);
            let start = place.saturating_mul(BLOCK);
            let (Some(word), Some(there)) =
                (self.blocks.get_mut(place / 64), self.octets.get_mut(start..start.saturating_add(block.len())))
            else {
                return false;
            };
            let bit = 1u64 << (place % 64);
            if *word & bit == 0 {
                *word |= bit;
                self.blocks_there = self.blocks_there.saturating_add(1);
                there.copy_from_slice(block);
            } else if is_ipv6 && *there != *block {
                self.is_poisoned = true;
                return false;
            }
        }
        self.protocol.is_some() && self.length.is_some_and(|length| self.blocks_there == length.div_ceil(BLOCK))
    }
}

#[cfg(test)]
mod tests {
    use super::{DatagramKey, FragmentHeader, Fragments, MAX_DATAGRAMS, MAX_OCTETS};
    use crate::time::Timestamp;

    fn header(identification: u32, offset: u32, more: bool) -> FragmentHeader {
        let key = DatagramKey { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), identification, protocol: 6 };
        FragmentHeader { key, offset, more, protocol: 6 }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::new(seconds, 0)
    }

    #[test]
    fn fragments_in_any_order_complete_with_the_last_to_come() {
        let mut pool = Fragments::new();
        assert!(pool.add(&header(1, 16, false), &[3; 5], at(0)).is_none());
        assert!(pool.add(&header(1, 0, true), &[1; 8], at(0)).is_none());
        let datagram = pool.add(&header(1, 8, true), &[2; 8], at(1)).unwrap();
        assert_eq!(datagram.octets, [&[1; 8][..], &[2; 8], &[3; 5]].concat());
        assert_eq!((pool.incomplete(), pool.octets, pool.partial.len()), (0, 0, 0));
    }

    #[test]
    fn overlap_of_ipv4_keeps_what_came_first() {
        let mut pool = Fragments::new();
        assert!(pool.add(&header(1, 8, true), &[2; 16], at(0)).is_none());
        assert!(pool.add(&header(1, 0, true), &[1; 16], at(0)).is_none());
        let datagram = pool.add(&header(1, 16, false), &[3; 12], at(0)).unwrap();
        assert_eq!(datagram.octets, [&[1; 8][..], &[2; 16], &[3; 4]].concat());
    }

    #[test]
    fn overlap_of_ipv6_discards_the_datagram_but_a_repetition_does_not() {
        let v6 = |offset, more| {
            let mut header = header(1, offset, more);
            (header.key.src, header.key.dst) = ([1; 16].into(), [2; 16].into());
            header
        };
        let mut pool = Fragments::new();
        assert!(pool.add(&v6(0, true), &[1; 16], at(0)).is_none());
        assert!(pool.add(&v6(0, true), &[1; 16], at(0)).is_none());
        assert!(pool.add(&v6(16, false), &[2; 4], at(0)).is_some());
        assert!(pool.add(&v6(0, true), &[1; 16], at(0)).is_none());
        assert!(pool.add(&v6(8, true), &[9; 16], at(0)).is_none());
        assert!(pool.add(&v6(16, false), &[2; 4], at(0)).is_none());
        assert_eq!(pool.incomplete(), 1);
    }

    #[test]
    fn datagram_without_its_last_fragment_is_counted_when_it_gets_old() {
        let mut pool = Fragments::new();
        assert!(pool.add(&header(1, 0, true), &[1; 8], at(0)).is_none());
        assert_eq!(pool.incomplete(), 1);
        assert!(pool.add(&header(2, 8, false), &[1; 8], at(61)).is_none());
        assert_eq!((pool.incomplete(), pool.partial.len()), (1, 1));
        assert!(pool.add(&header(1, 8, false), &[1; 8], at(61)).is_none(), "the first fragment is gone");
    }

    #[test]
    fn pool_is_bounded_in_datagrams_and_octets() {
        let mut pool = Fragments::new();
        for identification in 0..5000 {
            pool.add(&header(identification, 0, true), &[0; 8], at(0));
        }
        assert_eq!((pool.partial.len(), pool.incomplete()), (MAX_DATAGRAMS, 5000));
        assert!(pool.order.len() <= MAX_DATAGRAMS * 4 + 1);
        for identification in 0..5000 {
            pool.add(&header(identification, 65_000, true), &[0; 520], at(0));
        }
        assert!(pool.octets <= MAX_OCTETS);
        for identification in 5000..15_000 {
            pool.add(&header(identification, 8, false), &[0; 8], at(0));
            assert!(pool.add(&header(identification, 0, true), &[0; 8], at(0)).is_some());
        }
        assert!(pool.order.len() <= MAX_DATAGRAMS * 4 + 1);
    }

    #[test]
    fn fragment_beyond_the_largest_datagram_is_ignored() {
        let mut pool = Fragments::new();
        assert!(pool.add(&header(1, 65_528, false), &[0; 8], at(0)).is_none());
        assert!(pool.partial.is_empty());
    }

    #[test]
    fn fragment_with_another_end_is_ignored() {
        let mut pool = Fragments::new();
        assert!(pool.add(&header(1, 8, false), &[2; 8], at(0)).is_none());
        assert!(pool.add(&header(1, 16, false), &[2; 8], at(0)).is_none());
        assert_eq!(pool.add(&header(1, 0, true), &[1; 8], at(0)).unwrap().octets.len(), 16);
    }
}

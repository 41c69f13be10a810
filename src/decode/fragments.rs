//! Reassembly of IP datagrams in a bounded pool.
//!
//! The segment appears with the fragment that completes its datagram, as with Wireshark. What never completes was never delivered: it is no
//! segment, but its first fragment names the connection, and is handed out as evidence when the datagram is given up. Every fragment costs time linear in its own length: a bitmap of eight-octet blocks says what is there.
//!
//! Overlaps: of IPv4 the octets that came first stay (RFC 791 leaves it open; any fixed rule will do); an IPv6 datagram with an overlap that is
//! no plain repetition is discarded (RFC 5722). A datagram that waits for longer than [`MAX_AGE`] by the capture's own clock is given up
//! (RFC 8200 section 4.5: 60 seconds).

use std::collections::VecDeque;
use std::net::IpAddr;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::decode::stacks::fixed_hasher;
use crate::decode::walk::mix;
use crate::endpoint::Endpoint;
use crate::frame::FrameId;
use crate::segment::IncompleteDatagram;
use crate::seq::SeqNumber;
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
/// The IP protocol number of TCP.
pub(crate) const TCP: u8 = 6;
/// Octets of a TCP header without options.
const TCP_HEADER: usize = 20;

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

/// Where a fragment was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub frame: FrameId,
    pub time: Timestamp,
    /// As in [`crate::segment::Segment::tenant`].
    pub tenant: u32,
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
    /// What the first fragment says, and where it was captured.
    first: Option<(u8, Origin)>,
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
    order: VecDeque<(u64, DatagramKey)>,
    octets: usize,
    arrivals: u64,
    given_up: u64,
    /// Of those given up, what has not been fetched yet.
    evidence: VecDeque<IncompleteDatagram>,
}

impl Fragments {
    /// An empty pool; nothing is allocated until a fragment comes.
    pub fn new() -> Self {
        Self {
            partial: HashMap::with_hasher(fixed_hasher()),
            order: VecDeque::new(),
            octets: 0,
            arrivals: 0,
            given_up: 0,
            evidence: VecDeque::new(),
        }
    }

    /// TCP datagrams whose first fragment came and that were never completed: those given up and those that still wait.
    pub fn incomplete(&self) -> u64 {
        let waiting = self.partial.values().filter(|partial| partial.is_tcp()).count();
        self.given_up.saturating_add(waiting as u64)
    }

    /// The next datagram that was given up, if its first fragment carries TCP.
    pub fn next_incomplete(&mut self) -> Option<IncompleteDatagram> {
        self.evidence.pop_front()
    }

    /// Gives up everything that still waits: the capture ends.
    pub fn end(&mut self) {
        while let Some((arrival, key)) = self.order.pop_front() {
            self.give_up(arrival, &key);
        }
    }

    /// Takes a fragment; gives the datagram if it is now complete.
    pub fn add(&mut self, header: &FragmentHeader, payload: &[u8], origin: Origin) -> Option<Datagram> {
        self.give_up_older_than(origin.time);
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
            Partial::new(origin.time, *arrivals)
        });
        let before = partial.octets.capacity();
        let is_complete = partial.place(header, offset, end, payload, origin);
        self.octets = self.octets.saturating_sub(before).saturating_add(partial.octets.capacity());
        if !is_complete {
            return None;
        }
        let mut partial = self.partial.remove(&header.key)?;
        self.octets = self.octets.saturating_sub(partial.octets.capacity());
        partial.octets.truncate(partial.length?);
        let (protocol, _) = partial.first?;
        Some(Datagram { protocol, octets: partial.octets })
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

    /// Takes a datagram out that has its first fragment: others know what became of it. False if it is not there.
    pub fn take_first(&mut self, key: &DatagramKey) -> bool {
        let Some(partial) = self.partial.remove(key) else { return false };
        self.octets = self.octets.saturating_sub(partial.octets.capacity());
        partial.is_tcp()
    }

    fn give_up(&mut self, arrival: u64, key: &DatagramKey) {
        if self.partial.get(key).is_none_or(|partial| partial.arrival != arrival) {
            return;
        }
        if let Some(partial) = self.partial.remove(key) {
            self.octets = self.octets.saturating_sub(partial.octets.capacity());
            self.given_up = self.given_up.saturating_add(u64::from(partial.is_tcp()));
            if self.evidence.len() < MAX_DATAGRAMS {
                self.evidence.extend(partial.evidence(key));
            }
        }
    }
}

impl Partial {
    fn new(first_seen: Timestamp, arrival: u64) -> Self {
        Self { octets: Vec::new(), blocks: Vec::new(), blocks_there: 0, length: None, first: None, first_seen, arrival, is_poisoned: false }
    }

    fn is_tcp(&self) -> bool {
        self.first.is_some_and(|(protocol, _)| protocol == TCP)
    }

    /// What the first fragment tells of the segment. A fragment that is not the last has at least eight octets: ports and sequence number.
    fn evidence(&self, key: &DatagramKey) -> Option<IncompleteDatagram> {
        let (_, origin) = self.first.filter(|_| self.is_tcp())?;
        let [s0, s1, d0, d1, a, b, c, d] = *self.octets.first_chunk()?;
        let there = self.octets_from_the_beginning();
        let header = self.octets.get(12).filter(|_| there > 12).map_or(0, |octet| usize::from(octet >> 4).saturating_mul(4));
        Some(IncompleteDatagram {
            frame: origin.frame,
            time: origin.time,
            src: Endpoint::new(key.src, u16::from_be_bytes([s0, s1])),
            dst: Endpoint::new(key.dst, u16::from_be_bytes([d0, d1])),
            tenant: origin.tenant,
            seq: SeqNumber(u32::from_be_bytes([a, b, c, d])),
            octets: u32::try_from(there.saturating_sub(header.max(TCP_HEADER))).unwrap_or(u32::MAX),
        })
    }

    /// Octets before the first hole.
    fn octets_from_the_beginning(&self) -> usize {
        let whole = self.blocks.iter().take_while(|word| **word == u64::MAX).count();
        let more = self.blocks.get(whole).map_or(0, |word| word.trailing_ones() as usize);
        whole.saturating_mul(64).saturating_add(more).saturating_mul(BLOCK).min(self.octets.len())
    }

    /// Places the octets `offset..end`; true if nothing is missing any more.
    fn place(&mut self, header: &FragmentHeader, offset: usize, end: usize, payload: &[u8], origin: Origin) -> bool {
        if self.is_poisoned || self.length.is_some_and(|length| end > length) {
            return false;
        }
        if !header.more {
            if self.octets.len() > end || self.length.is_some_and(|length| length != end) {
                return false; // two ends: the first one said or shown stays
            }
            self.length = Some(end);
        }
        if offset == 0 && self.first.is_none() {
            self.first = Some((header.protocol, origin));
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
        self.first.is_some() && self.length.is_some_and(|length| self.blocks_there == length.div_ceil(BLOCK))
    }
}

#[cfg(test)]
mod tests {
    use super::{DatagramKey, FragmentHeader, Fragments, MAX_DATAGRAMS, MAX_OCTETS, Origin};
    use crate::frame::FrameId;
    use crate::time::Timestamp;

    fn header(identification: u32, offset: u32, more: bool) -> FragmentHeader {
        let key = DatagramKey { src: [10, 0, 0, 1].into(), dst: [10, 0, 0, 2].into(), identification, protocol: 6 };
        FragmentHeader { key, offset, more, protocol: 6 }
    }

    fn at(seconds: i64) -> Origin {
        Origin { frame: FrameId::new(0, 7), time: Timestamp::new(seconds, 0), tenant: 0 }
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
    fn datagram_given_up_tells_what_its_first_fragment_says() {
        let mut pool = Fragments::new();
        let mut segment = vec![0, 80, 1, 187, 0, 0, 0, 9, 0, 0, 0, 0, 0x60, 0x18, 1, 0, 0, 0, 0, 0];
        segment.extend([7; 60]);
        assert!(pool.add(&header(1, 0, true), &segment, at(0)).is_none());
        assert!(pool.add(&header(1, 160, true), &[7; 80], at(1)).is_none(), "a hole between them");
        assert!(pool.add(&header(2, 8, true), &[7; 80], at(1)).is_none(), "no first fragment: nobody knows whose it was");
        assert_eq!(pool.next_incomplete(), None, "it may still come");
        pool.end();
        let seen = pool.next_incomplete().unwrap();
        assert_eq!((seen.src.to_string(), seen.dst.to_string()), ("10.0.0.1:80".into(), "10.0.0.2:443".into()));
        assert_eq!((seen.seq.0, seen.octets, seen.frame.number(), seen.time), (9, 56, 7, Timestamp::new(0, 0)));
        assert_eq!((pool.next_incomplete(), pool.incomplete(), pool.partial.len()), (None, 1, 0));
    }

    #[test]
    fn pool_is_bounded_in_datagrams_and_octets() {
        let mut pool = Fragments::new();
        for identification in 0..5000 {
            pool.add(&header(identification, 0, true), &[0; 8], at(0));
        }
        assert_eq!((pool.partial.len(), pool.incomplete(), pool.evidence.len()), (MAX_DATAGRAMS, 5000, MAX_DATAGRAMS));
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

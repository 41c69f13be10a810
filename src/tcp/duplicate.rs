//! Duplicate observations: the same segment captured again (`-i any` on a bridge or router, two interfaces, inside and outside
//! of a tunnel). Counted, kept as evidence about the path, never taken for a retransmission.
//!
//! Same direction, sequence, acknowledgement, flags, length, window, timestamp value and IP-ID: within [`SAME_VANTAGE`] at the same
//! vantage; at another vantage at any distance if an IP-ID or a timestamp value tells the copies of a retransmission apart, else
//! within the same bound. The history is bounded: the last few segments, more of them once a second vantage was seen, or from the start where
//! several files overlap in time: their clocks may differ by more than a handshake takes.

use std::hash::{Hash, Hasher};

use super::step::{Place, SeenBefore, Sight as SightPlace};
use crate::endpoint::Side;
use crate::segment::{Segment, Vantage};
use crate::time::{Span, Timestamp};

/// Copies at one vantage are so close: 10 µs on bridges as measured, milliseconds on loaded switches.
const SAME_VANTAGE: Span = Span::from_millis(5);
const SHORT_HISTORY: u8 = 4;
const LONG_HISTORY: usize = 128;

#[derive(Clone, Copy, Debug, Default)]
struct Sight {
    signature: u64,
    time: Timestamp,
    vantage: u32,
    interface: u32,
    file: u32,
    stack: u16,
    ttl: u8,
    distinctive: bool,
}

impl Sight {
    fn of(segment: &Segment<'_>, side: Side) -> Self {
        Self {
            signature: signature(segment, side),
            vantage: fold(&segment.vantage),
            interface: segment.vantage.interface,
            file: segment.frame.file(),
            stack: segment.vantage.stack,
            ttl: segment.ttl,
            distinctive: segment.ip_id.is_some_and(|id| id != 0) || segment.options.timestamp.is_some(),
            time: segment.time,
        }
    }

    const fn place(&self) -> SightPlace {
        SightPlace { place: Place { interface: self.interface, stack: self.stack }, file: self.file }
    }
}

/// Another sight of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Duplicate {
    /// Where it was seen before, if that was another place.
    pub elsewhere: Option<SeenBefore>,
}

/// The segments of one connection that were seen last.
#[derive(Clone, Debug, Default)]
pub struct RecentSights {
    short: [Sight; SHORT_HISTORY as usize],
    next: u8,
    used: u8,
    first_vantages: [Option<u32>; 2],
    long: Option<Box<LongHistory>>,
}

/// Grows with the connection: where inputs overlap every connection has one, and most are short.
#[derive(Clone, Debug)]
struct LongHistory {
    /// At most [`LONG_HISTORY`].
    sights: Vec<Sight>,
    /// The oldest, once there are so many.
    next: usize,
}

impl RecentSights {
    /// See [`super::connection::Connection::touch`].
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.short.iter().fold(u64::from(self.used), |sum, sight| sum ^ sight.signature)
    }

    /// Whether `segment` was seen before; remembers it if not. `overlapping` says that several files show the same time.
    pub fn duplicate(&mut self, segment: &Segment<'_>, side: Side, overlapping: bool) -> Option<Duplicate> {
        let sight = Sight::of(segment, side);
        let Some(old) = self.known(&sight) else {
            self.remember(sight, side, overlapping);
            return None;
        };
        let (first, second) = (old.place(), sight.place());
        let hop_change = i16::from(sight.ttl).saturating_sub(i16::from(old.ttl));
        let elsewhere = (first.place != second.place).then(|| SeenBefore { first, second, delay: sight.time.since(old.time), hop_change });
        Some(Duplicate { elsewhere })
    }

    fn known(&self, sight: &Sight) -> Option<Sight> {
        let short = self.short.iter().take(usize::from(self.used)).find(|old| is_same(old, sight));
        short.or_else(|| self.long.as_deref()?.sights.iter().find(|old| is_same(old, sight))).copied()
    }

    fn remember(&mut self, sight: Sight, side: Side, overlapping: bool) {
        if let Some(slot) = self.first_vantages.get_mut(side.index()) {
            let first = *slot.get_or_insert(sight.vantage);
            if (overlapping || first != sight.vantage) && self.long.is_none() {
                let sights = self.short.iter().take(usize::from(self.used)).copied().collect();
                self.long = Some(Box::new(LongHistory { sights, next: 0 }));
            }
        }
        if let Some(long) = self.long.as_deref_mut() {
            if long.sights.len() < LONG_HISTORY {
                long.sights.push(sight);
            } else if let Some(slot) = long.sights.get_mut(long.next) {
                *slot = sight;
                long.next = (long.next + 1) % LONG_HISTORY;
            }
            return;
        }
        if let Some(slot) = self.short.get_mut(usize::from(self.next)) {
            *slot = sight;
        }
        self.next = (self.next + 1) % SHORT_HISTORY;
        self.used = (self.used + 1).min(SHORT_HISTORY);
    }
}

fn is_same(old: &Sight, new: &Sight) -> bool {
    if old.signature != new.signature {
        return false;
    }
    let near = new.time.since(old.time).abs() <= SAME_VANTAGE;
    near || (old.vantage != new.vantage && new.distinctive)
}

fn signature(segment: &Segment<'_>, side: Side) -> u64 {
    let mut hasher = WordHasher::default();
    (side.index(), segment.seq, segment.ack, segment.flags, segment.payload_length, segment.window).hash(&mut hasher);
    (segment.options.timestamp.map(|(value, _)| value), segment.ip_id).hash(&mut hasher);
    hasher.finish() | 1 // 0 is the empty slot
}

#[allow(clippy::cast_possible_truncation)] // folding is meant
fn fold(vantage: &Vantage) -> u32 {
    let mut hasher = WordHasher::default();
    vantage.hash(&mut hasher);
    let hash = hasher.finish();
    (hash ^ (hash >> 32)) as u32
}

/// A multiplicative hash over words (the constant is that of Fibonacci hashing, 2⁶⁴/φ): stable between runs. Collisions need equal
/// words within one connection's last segments, so an attacker gains nothing but a miscounted duplicate of his own traffic.
#[derive(Default)]
struct WordHasher(u64);

impl WordHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for WordHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }
    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }
    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }
    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

//! Next hops: which link address, interface or tunnel endpoint the segments of one direction go to, and when that changes for good.
//!
//! One segment may be seen on several hops (both sides of a router, a bridge, inside and outside a tunnel): a hop is new only if the
//! direction never used it before, and it replaces another one only if that is not used again before the next silence.

use hashbrown::HashMap;

use serde::{Deserialize, Serialize};

use crate::endpoint::Side;
use crate::segment::{LinkAddress, Vantage};
use crate::tcp::half::Mark;
use crate::time::{Span, Timestamp};

/// So many hops of one direction are told apart; a direction with more (balancing by packet) says nothing.
const HOPS: usize = 4;
/// Sights of one segment on several hops lie within this.
const SAME_SEGMENT: Span = Span::from_millis(50);
/// So many hops of the whole capture are told apart.
const KEPT_HOPS: usize = 65_535;

/// Where a segment goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hop {
    /// Interface of the capture (and of the kernel, where it tells).
    pub interface: u32,
    /// Link address of the receiver, where the link type has it.
    pub link: Option<LinkAddress>,
    /// Hash of the outermost tunnel's addresses, 0 without a tunnel.
    pub outer: u32,
}

/// A hop of the capture.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct KnownHop {
    hop: Hop,
    /// The first frame that went there, and the link address that it came from.
    first: Mark,
    sender: Option<LinkAddress>,
    last: Timestamp,
}

/// One direction of one connection left a hop for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopChange {
    /// The sender.
    pub side: Side,
    /// The hop that it left.
    pub from: u16,
    /// The hop that it goes to.
    pub to: u16,
    /// The first frame on the new hop.
    pub mark: Mark,
    /// The last time that the connection used the old hop.
    pub left: Timestamp,
    /// Silence of that side before it.
    pub silence: Span,
}

impl HopChange {
    /// Whether the segment first seen at `mark` is the one that went to the new hop: later sights of one segment follow at once.
    pub fn begins_with(&self, mark: Mark) -> bool {
        let after = self.mark.time.since(mark.time);
        after >= Span::ZERO && after <= SAME_SEGMENT
    }
}

/// The hops of one direction, allocated once there is a second one.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Several {
    hops: [(u16, Timestamp); HOPS],
    count: usize,
    /// There were more than fit: nothing is said.
    overflowed: bool,
    /// The latest new hop, its first frame, when the segments after the silence began, and the silence.
    new: u16,
    mark: Mark,
    since: Timestamp,
    silence: Span,
    /// A change that lasted until the next silence.
    lasted: Option<Lasting>,
}

/// A change without its side.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Lasting {
    from: u16,
    left: Timestamp,
    to: u16,
    mark: Mark,
    silence: Span,
}

/// What one side's segments did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct SidePath {
    first: Option<u16>,
    /// Link address that its latest frame came from.
    source: Option<LinkAddress>,
    last: Timestamp,
    /// The latest silence, and the segment that ended it.
    silence: Span,
    began: Timestamp,
    several: Option<Box<Several>>,
}

/// The hops of one connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PathWatch {
    sides: [SidePath; 2],
}

/// Every hop of the capture.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hops {
    known: Vec<KnownHop>,
    #[serde(skip)]
    numbers: HashMap<Hop, u16, ahash::RandomState>,
}

impl Hops {
    /// The number of the hop that `vantage` shows; `None` once too many are known.
    fn number(&mut self, vantage: &Vantage, guess: u16, mark: Mark) -> Option<u16> {
        let hop = Hop { interface: vantage.interface, link: vantage.link_destination, outer: vantage.outer };
        let now = KnownHop { hop, first: mark, sender: vantage.link_source, last: mark.time };
        if let Some(known) = self.known.get_mut(usize::from(guess))
            && known.hop == hop
        {
            known.join(&now);
            return Some(guess);
        }
        self.add(now)
    }

    /// The number of a hop that was seen; `None` once too many are known.
    fn add(&mut self, seen: KnownHop) -> Option<u16> {
        if let Some(number) = self.numbers.get(&seen.hop).copied() {
            if let Some(known) = self.known.get_mut(usize::from(number)) {
                known.join(&seen);
            }
            return Some(number);
        }
        let number = u16::try_from(self.known.len()).ok().filter(|_| self.known.len() < KEPT_HOPS)?;
        self.numbers.insert(seen.hop, number);
        self.known.push(seen);
        Some(number)
    }

    /// Takes in the hops that were seen elsewhere; returns the numbers here of the numbers there.
    pub fn join(&mut self, other: Self) -> Vec<u16> {
        other.known.into_iter().map(|hop| self.add(hop).unwrap_or(u16::MAX)).collect()
    }

    /// The hop with this number, and the link address that was first seen to send to it.
    pub fn get(&self, number: u16) -> Option<(&Hop, Option<LinkAddress>)> {
        self.known.get(usize::from(number)).map(|known| (&known.hop, known.sender))
    }

    /// Until when frames were captured at an interface.
    pub fn interface_last_used(&self, interface: u32) -> Option<Timestamp> {
        self.known.iter().filter(|known| known.hop.interface == interface).map(|known| known.last).max()
    }

    /// When a frame last went to the hop.
    pub fn last_used(&self, number: u16) -> Option<Timestamp> {
        self.known.get(usize::from(number)).map(|known| known.last)
    }
}

impl KnownHop {
    /// The same hop was seen again, or elsewhere.
    #[inline]
    fn join(&mut self, other: &Self) {
        self.last = self.last.max(other.last);
        if (other.first.time, other.first.frame) < (self.first.time, self.first.frame) {
            (self.first, self.sender) = (other.first, other.sender);
        }
    }
}

impl PathWatch {
    /// The hops have other numbers.
    pub fn renumber(&mut self, numbers: &[u16]) {
        let number = |old: &mut u16| *old = numbers.get(usize::from(*old)).copied().unwrap_or(u16::MAX);
        for side in &mut self.sides {
            side.first.iter_mut().for_each(number);
            let Some(several) = side.several.as_deref_mut() else { continue };
            several.hops.iter_mut().for_each(|(hop, _)| number(hop));
            number(&mut several.new);
            if let Some(lasted) = &mut several.lasted {
                number(&mut lasted.from);
                number(&mut lasted.to);
            }
        }
    }

    /// See [`super::Observer::touch`].
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.sides.iter().fold(0, |sum, side| sum ^ side.last.0.cast_unsigned())
    }

    /// Takes in a frame of `side`, duplicate observations included. A silence of that side of at least `gap` is remembered.
    pub fn see(&mut self, hops: &mut Hops, vantage: &Vantage, side: Side, mark: Mark, gap: Span) {
        let Some(path) = self.sides.get_mut(side.index()) else { return };
        let guess = path.several.as_ref().map_or(path.first, |several| several.hops.get(1).map(|(hop, _)| *hop));
        let Some(hop) = hops.number(vantage, guess.unwrap_or_default(), mark) else { return };
        path.source = vantage.link_source;
        let Some(first) = path.first else {
            *path = SidePath { first: Some(hop), source: vantage.link_source, last: mark.time, began: mark.time, ..SidePath::default() };
            return;
        };
        let before = path.last;
        let silence = mark.time.since(before);
        if silence >= gap {
            path.silence = silence;
            path.began = mark.time;
            if let Some(several) = path.several.as_deref_mut() {
                several.lasted = several.lasted.or(several.latest().filter(|change| change.silence > Span::ZERO));
            }
        }
        path.last = path.last.max(mark.time);
        if path.several.is_none() && hop == first {
            return;
        }
        let several = path.several.get_or_insert_with(|| {
            let mut hops = [(u16::MAX, Timestamp::default()); HOPS];
            if let Some(slot) = hops.first_mut() {
                *slot = (first, before);
            }
            Box::new(Several { hops, count: 1, overflowed: false, new: first, mark, since: mark.time, silence: Span::ZERO, lasted: None })
        });
        several.see(hop, mark, (path.began, path.silence));
    }

    /// The link address that the latest frame of `side` came from.
    pub fn latest_source(&self, side: Side) -> Option<LinkAddress> {
        self.sides.get(side.index())?.source
    }

    /// The changes, at most one of each side: the old hop was not used again by that side, at least until its next silence.
    pub fn changes(&self) -> impl Iterator<Item = HopChange> {
        [Side::Low, Side::High].into_iter().filter_map(|side| {
            let several = self.sides.get(side.index())?.several.as_deref()?;
            let change = several.lasted.or_else(|| several.latest()).filter(|_| !several.overflowed)?;
            let Lasting { from, left, to, mark, silence } = change;
            Some(HopChange { side, from, to, mark, left, silence })
        })
    }
}

impl Several {
    fn see(&mut self, hop: u16, mark: Mark, (began, silence): (Timestamp, Span)) {
        if let Some((_, last)) = self.hops.iter_mut().take(self.count).find(|(known, _)| *known == hop) {
            *last = (*last).max(mark.time);
            return;
        }
        let Some(slot) = self.hops.get_mut(self.count) else {
            self.overflowed = true;
            return;
        };
        *slot = (hop, mark.time);
        self.count += 1;
        let right_after = silence > Span::ZERO && mark.time.since(began) <= SAME_SEGMENT;
        (self.new, self.mark) = (hop, mark);
        (self.since, self.silence) = if right_after { (began, silence) } else { (mark.time, Span::ZERO) };
    }

    /// The latest change, if the old hop was used up to it and not since.
    fn latest(&self) -> Option<Lasting> {
        let old = self.hops.iter().take(self.count).filter(|(hop, last)| *hop != self.new && *last < self.since);
        let (from, left) = old.max_by_key(|(_, last)| *last).copied()?;
        Some(Lasting { from, left, to: self.new, mark: self.mark, silence: self.silence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;

    const GAP: Span = Span::from_secs(1);

    /// Times in milliseconds and the interface of each frame.
    fn changes(frames: &[(i64, u32)]) -> Vec<(i64, i64)> {
        let (mut hops, mut path) = (Hops::default(), PathWatch::default());
        for (at, (millis, interface)) in frames.iter().enumerate() {
            let time = Timestamp::default() + Span::from_millis(*millis);
            let mark = Mark { frame: FrameId::new(0, at as u64 + 1), time };
            let vantage = Vantage { interface: *interface, ..Vantage::default() };
            path.see(&mut hops, &vantage, Side::Low, mark, GAP);
        }
        let millis = |span: Span| span.nanos() / 1_000_000;
        path.changes().map(|change| (millis(change.mark.time.since(Timestamp::default())), millis(change.silence))).collect()
    }

    #[test]
    fn path_of_one_sight_that_changes_after_a_silence_is_a_change() {
        assert_eq!(changes(&[(0, 1), (10, 1), (5_010, 2), (5_020, 2)]), [(5_010, 5_000)]);
    }

    #[test]
    fn path_through_a_router_changes_where_the_second_sight_does() {
        assert_eq!(changes(&[(0, 2), (0, 3), (10, 2), (10, 3), (5_010, 2), (5_011, 4), (6_500, 2), (6_500, 4)]), [(5_011, 5_000)]);
        assert_eq!(changes(&[(0, 2), (0, 3), (10, 2), (10, 3), (5_010, 2), (5_011, 3)]), []);
    }

    #[test]
    fn path_that_goes_back_or_balances_is_no_change() {
        assert_eq!(changes(&[(0, 1), (10, 2), (5_010, 1), (5_020, 2)]), []);
        assert_eq!(changes(&[(0, 1), (5_010, 2), (5_020, 1)]), []);
        assert_eq!(changes(&[(0, 1), (5_010, 2), (9_000, 1)]), [(5_010, 5_010)]);
        assert_eq!(changes(&[(0, 1), (10, 2), (20, 3), (30, 4), (40, 5), (5_000, 6)]), []);
    }

    #[test]
    fn path_that_changes_without_a_silence_is_told_apart() {
        assert_eq!(changes(&[(0, 1), (10, 1), (20, 2), (30, 2)]), [(20, 0)]);
    }
}

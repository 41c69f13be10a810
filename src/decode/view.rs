//! The octets that are left of a frame, and how many there were on the wire.
//!
//! Both lengths travel together because the snap length cuts the one and not the other: payload lengths come from the wire,
//! reading is limited by what was captured. Every read is checked; nothing here can panic.

/// What is left of a frame after the headers read so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Captured octets.
    pub octets: &'a [u8],
    /// Octets on the wire, as the innermost length field read so far (or the capture record) claims.
    pub wire: u32,
    /// A carrier's own length field set `wire`: nothing inside can be longer.
    pub bounded: bool,
}

impl<'a> View<'a> {
    /// A view of `captured` octets that were `wire` octets on the wire; a claim below what was captured is corrected.
    #[inline]
    pub fn new(captured: &'a [u8], wire: u32) -> Self {
        let length = u32::try_from(captured.len()).unwrap_or(u32::MAX);
        Self { octets: captured, wire: wire.max(length), bounded: false }
    }

    /// A view of octets that are all there.
    pub fn whole(octets: &'a [u8]) -> Self {
        Self::new(octets, 0)
    }

    /// Whether the capture kept less than there was on the wire.
    pub fn is_cut(&self) -> bool {
        (self.octets.len() as u64) < u64::from(self.wire)
    }

    /// The octet at `at`.
    #[inline]
    pub fn u8(&self, at: usize) -> Option<u8> {
        self.octets.get(at).copied()
    }

    /// `N` octets from `at` on.
    #[inline]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.octets.get(at..)?.first_chunk::<N>().copied()
    }

    /// A 16-bit number in network order.
    #[inline]
    pub fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// A 24-bit number in network order.
    pub fn be24(&self, at: usize) -> Option<u32> {
        let [a, b, c] = self.array(at)?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// A 32-bit number in network order.
    #[inline]
    pub fn be32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// A 16-bit number, least significant octet first.
    pub fn le16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// A 32-bit number, least significant octet first.
    pub fn le32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The view after `octets` octets; `None` if fewer were captured.
    #[inline]
    pub fn skip(&self, octets: usize) -> Option<Self> {
        let rest = self.octets.get(octets..)?;
        Some(Self { octets: rest, wire: self.wire.saturating_sub(u32::try_from(octets).ok()?), ..*self })
    }

    /// The view narrowed to `length` octets on the wire, as a length field claims: padding and check sequences after them go. A claim
    /// beyond the record's own length is believed, because editors and offloads falsify the record rather than the header; one beyond what a
    /// carrier says it carries is not.
    #[inline]
    #[must_use]
    pub fn narrow(&self, length: u32) -> Self {
        let length = if self.bounded { length.min(self.wire) } else { length };
        let octets = self.octets.get(..length as usize).unwrap_or(self.octets);
        Self { octets, wire: length, ..*self }
    }

    /// The view narrowed to at most `length` octets on the wire.
    #[must_use]
    pub fn narrow_within(&self, length: u32) -> Self {
        self.narrow(length.min(self.wire))
    }

    /// The view narrowed to what a carrier says it carries, which bounds what is inside.
    #[must_use]
    pub fn carried(&self, length: u32) -> Self {
        Self { bounded: true, ..self.narrow_within(length) }
    }

    /// The view without its last `octets` octets on the wire (a frame check sequence).
    #[must_use]
    pub fn without_trailer(&self, octets: u32) -> Self {
        self.narrow(self.wire.saturating_sub(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::View;

    #[test]
    fn view_narrowed_beyond_the_record_believes_the_header() {
        let view = View::new(&[1, 2, 3, 4], 4).narrow(100);
        assert_eq!((view.octets.len(), view.wire, view.is_cut()), (4, 100, true));
    }

    #[test]
    fn view_carried_bounds_what_is_inside() {
        let view = View::new(&[1, 2, 3, 4], 4).carried(3).skip(1).unwrap().narrow(100);
        assert_eq!((view.octets, view.wire), (&[2, 3][..], 2));
    }

    #[test]
    fn view_without_trailer_drops_only_what_was_captured_of_it() {
        let whole = View::new(&[1, 2, 3, 4, 5, 6], 6).without_trailer(4);
        assert_eq!((whole.octets, whole.wire), (&[1, 2][..], 2));
        let cut = View::new(&[1, 2], 6).without_trailer(4);
        assert_eq!((cut.octets, cut.wire), (&[1, 2][..], 2));
    }

    #[test]
    fn view_read_past_the_end_gives_nothing() {
        let view = View::whole(&[1, 2, 3]);
        assert_eq!(view.be16(2), None);
        assert_eq!(view.be24(0), Some(0x01_02_03));
        assert_eq!(view.u8(usize::MAX), None);
        assert!(view.skip(4).is_none());
        assert!(view.skip(3).is_some_and(|rest| rest.octets.is_empty()));
    }
}

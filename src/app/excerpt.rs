//! The captured part of one segment's payload: what is visible of it, octet by octet.
//!
//! A payload has up to three stretches: its beginning (`head`), a middle that nobody sees, and its end (`tail`). Readers ask by
//! offset on the wire, so that none of them can mistake the tail for what follows the head.

/// The captured part of one segment's payload.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// The first captured octets.
    pub head: &'a [u8],
    /// The last octets, if captured and beyond `head`.
    pub tail: &'a [u8],
    /// Octets on the wire.
    pub length: u32,
}

impl<'a> Excerpt<'a> {
    /// The octet at this offset of the payload, if it was captured.
    pub fn octet(&self, at: u32) -> Option<u8> {
        self.visible(at).first().copied()
    }

    /// The octets from this offset on, as far as they are visible without a break; empty where nothing was captured.
    pub fn visible(&self, at: u32) -> &'a [u8] {
        let length = self.length as usize;
        let at = at as usize;
        let head = self.head.get(..length).unwrap_or(self.head);
        if let Some(rest) = head.get(at..)
            && !rest.is_empty()
        {
            return rest;
        }
        let Some(tail_start) = length.checked_sub(self.tail.len()) else { return &[] };
        at.checked_sub(tail_start).and_then(|skip| self.tail.get(skip..)).unwrap_or_default()
    }

    /// The whole payload was captured in `head`.
    pub fn is_whole(&self) -> bool {
        self.head.len() >= self.length as usize
    }

    /// The last `N` octets of the payload, if they were captured in one piece.
    pub fn last<const N: usize>(&self) -> Option<[u8; N]> {
        let from = if self.is_whole() { self.head.get(..self.length as usize).unwrap_or(self.head) } else { self.tail };
        let start = from.len().checked_sub(N)?;
        from.get(start..)?.try_into().ok()
    }

    /// What is left of the payload behind its first `octets`.
    #[must_use]
    pub fn skip(&self, octets: u32) -> Self {
        let octets = octets.min(self.length);
        let length = self.length.saturating_sub(octets);
        let head = self.head.get(octets as usize..).unwrap_or_default();
        let tail_room = (length as usize).min(self.tail.len());
        let tail = self.tail.get(self.tail.len().saturating_sub(tail_room)..).unwrap_or_default();
        Self { head, tail, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpt_with_a_hidden_middle_shows_both_ends_only() {
        let excerpt = Excerpt { head: b"abcd", tail: b"yz", length: 26 };
        assert_eq!(excerpt.visible(2), b"cd");
        assert_eq!(excerpt.visible(4), b"");
        assert_eq!(excerpt.visible(24), b"yz");
        assert_eq!(excerpt.octet(25), Some(b'z'));
        assert_eq!(excerpt.octet(26), None);
        assert_eq!(excerpt.last::<2>(), Some(*b"yz"));
        assert_eq!(excerpt.last::<3>(), None);
    }

    #[test]
    fn excerpt_skipped_into_its_tail_keeps_the_tail_in_place() {
        let excerpt = Excerpt { head: b"abcd", tail: b"wxyz", length: 26 }.skip(24);
        assert_eq!(excerpt.length, 2);
        assert_eq!(excerpt.visible(0), b"yz");
    }

    #[test]
    fn excerpt_with_more_head_than_length_trusts_the_length() {
        let excerpt = Excerpt { head: b"abcdef", tail: b"", length: 3 };
        assert_eq!(excerpt.visible(0), b"abc");
        assert_eq!(excerpt.last::<3>(), Some(*b"abc"));
    }
}

//! A window over a stream of octets: one reused buffer, filled with plain `read(2)` calls as far as the next record needs it.
//!
//! A read happens only when the octets at hand do not hold the next record, and whatever it brings is used at once: a live pipe
//! flows frame by frame. The buffer grows with the octets that have really arrived, never because a length field says so.

use std::io::{self, BufRead, Read};

/// Of one input. 256 KiB: measured, larger buffers leave the second-level cache and are slower, smaller ones cost system calls.
pub(super) const BUFFER_OCTETS: usize = 256 * 1024;

/// Largest step by which the buffer grows.
const GROWTH_OCTETS: usize = 4 * 1024 * 1024;

/// A source of octets with the part of it that is in memory.
pub(super) struct OctetStream {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `buffer[0]` in the stream.
    base: u64,
    ended: bool,
    failure: Option<String>,
}

impl OctetStream {
    /// Wraps a source with an empty buffer of `octets`.
    pub(super) fn new(source: Box<dyn Read + Send>, octets: usize) -> Self {
        Self { source, buffer: vec![0; octets], start: 0, end: 0, base: 0, ended: false, failure: None }
    }

    /// Offset in the stream of the next octet.
    pub(super) fn offset(&self) -> u64 {
        self.base.saturating_add(self.start as u64)
    }

    /// What is in memory and not consumed.
    #[inline]
    pub(super) fn window(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The next `N` octets without consuming them; `None` when the stream ends before.
    #[inline]
    pub(super) fn peek<const N: usize>(&mut self) -> Option<&[u8; N]> {
        if self.end.saturating_sub(self.start) < N && !self.fill(N) {
            return None;
        }
        self.window().first_chunk::<N>()
    }

    /// Makes the next `octets` available; false when the stream ends before.
    #[inline]
    pub(super) fn need(&mut self, octets: usize) -> bool {
        self.end.saturating_sub(self.start) >= octets || self.fill(octets)
    }

    /// Steps over octets in the window and says where they begin; see [`Self::slice`].
    #[inline]
    pub(super) fn step(&mut self, octets: usize) -> usize {
        let at = self.start;
        self.start = at.saturating_add(octets).min(self.end);
        at
    }

    /// Octets that were consumed since the last call that may fill: position as [`Self::step`] gave it.
    #[inline]
    pub(super) fn slice(&self, at: usize, octets: usize) -> &[u8] {
        self.buffer.get(at..at.saturating_add(octets)).unwrap_or_default()
    }

    /// Steps over any number of octets without keeping them; gives the number really there.
    pub(super) fn skip(&mut self, octets: u64) -> u64 {
        let mut left = octets;
        loop {
            let at_hand = self.end.saturating_sub(self.start);
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(at_hand);
            self.step(step);
            left = left.saturating_sub(step as u64);
            if left == 0 || !self.fill(1) {
                return octets.saturating_sub(left);
            }
        }
    }

    /// Why the source failed, if it did not simply end.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    #[cold]
    #[inline(never)]
    fn fill(&mut self, octets: usize) -> bool {
        if self.ended {
            return false;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.base = self.base.saturating_add(self.start as u64);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        while self.end < octets {
            if self.end == self.buffer.len() {
                let step = self.buffer.len().clamp(1, GROWTH_OCTETS);
                self.buffer.resize(self.buffer.len().saturating_add(step), 0);
            }
            match self.source.read(self.buffer.get_mut(self.end..).unwrap_or_default()) {
                Ok(0) => {
                    self.ended = true;
                    return false;
                }
                Ok(octets) => self.end = self.end.saturating_add(octets).min(self.buffer.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error.to_string());
                    self.ended = true;
                    return false;
                }
            }
        }
        true
    }
}

/// For decoders, which take a stream apart octet by octet.
impl Read for OctetStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let octets = from.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..octets), from.get(..octets)) {
            to.copy_from_slice(from);
        }
        self.consume(octets);
        Ok(octets)
    }
}

impl BufRead for OctetStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.need(1)
            && let Some(failure) = &self.failure
        {
            return Err(io::Error::other(failure.clone()));
        }
        Ok(self.window())
    }

    fn consume(&mut self, octets: usize) {
        Self::step(self, octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one octet per read, as the slowest pipe does.
    struct Drip(Vec<u8>);

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() || into.is_empty() {
                return Ok(0);
            }
            into[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn window_grows_beyond_the_first_buffer_only_with_octets_that_arrive() {
        let mut stream = OctetStream::new(Box::new(Drip((0..100).collect())), 4);
        assert_eq!(stream.peek::<3>(), Some(&[0, 1, 2]));
        stream.step(3);
        assert!(stream.need(90));
        assert!(!stream.need(1_400_000_000));
        assert!(stream.buffer.len() < 300, "{} octets reserved", stream.buffer.len());
        assert_eq!(stream.window().len(), 97);
        assert_eq!(stream.offset(), 3);
    }

    #[test]
    fn skip_beyond_the_end_tells_what_was_there() {
        let mut stream = OctetStream::new(Box::new(Drip(vec![7; 50])), 8);
        assert_eq!(stream.skip(20), 20);
        assert_eq!(stream.offset(), 20);
        assert_eq!(stream.skip(4_000_000_000), 30);
        assert_eq!(stream.offset(), 50);
        assert_eq!(stream.failure(), None);
    }

    #[test]
    fn read_asks_for_no_more_when_the_octets_at_hand_suffice() {
        struct Once(bool);
        impl Read for Once {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0, "a second read would block");
                self.0 = true;
                into[..5].copy_from_slice(b"abcde");
                Ok(5)
            }
        }
        let mut stream = OctetStream::new(Box::new(Once(false)), 64);
        assert!(stream.need(2));
        let at = stream.step(2);
        assert!(stream.need(3));
        assert_eq!(stream.slice(at, 2), b"ab");
        assert_eq!(stream.window(), b"cde");
    }
}

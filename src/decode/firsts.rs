//! First fragments of TCP datagrams, while no later fragment was seen in the capture.
//!
//! A capture filter by port (`tcp port 80`) keeps the first fragment of a datagram and leaves out the others, which have no ports. Then a datagram
//! never becomes whole here, although its receiver got it, and the first fragment is all there is of the segment. It is held back for a moment,
//! because the next segments of its connection tell how long it was: the sender goes on where it ended, the receiver acknowledges its end.
//! Those of its connection that tell nothing wait behind it, so that the order stays as captured. A later fragment of any datagram shows that
//! no filter is at work: from then on first fragments only wait for the rest of their datagram (`fragments`).

use std::collections::VecDeque;

use crate::decode::fragments::DatagramKey;
use crate::endpoint::Endpoint;
use crate::segment::Segment;
use crate::seq::SeqNumber;
use crate::time::{Span, Timestamp};

/// Connections whose first fragments are held back at the same time; the oldest goes first.
const MAX_CONNECTIONS: usize = 64;
/// Segments of one connection that are held back.
const MAX_SEGMENTS: usize = 32;
/// Segments that are ready; only a reader that never asks for them leaves so many.
const MAX_READY: usize = MAX_CONNECTIONS * (MAX_SEGMENTS + 1);
/// So long at most, by the capture's own clock: an answer takes a round trip and a delayed acknowledgement (500 ms at most, RFC 9293
/// section 3.8.6.3).
const MAX_AGE: Span = Span::from_secs(1);
/// The largest payload that is believed: the MTU of networks with jumbo frames. A longer way to the next number is a hole in the capture.
const MAX_PAYLOAD: u32 = 9000;

/// A segment that was copied out of its frame.
#[derive(Debug)]
struct Copy {
    segment: Segment<'static>,
    head: Vec<u8>,
    tail: Vec<u8>,
    /// The datagram of which it is the first fragment.
    first_of: Option<DatagramKey>,
    /// Another one told how long it is.
    is_measured: bool,
}

impl Copy {
    fn new(segment: &Segment<'_>, first_of: Option<DatagramKey>) -> Self {
        let Segment { frame, time, time_unknown, src, dst, tenant, seq, ack, flags, window, options, payload_length, .. } = *segment;
        let Segment { ttl, ip_id, discarded, vantage, head, tail, .. } = *segment;
        #[rustfmt::skip]
        let without_octets = Segment {
            frame, time, time_unknown, src, dst, tenant, seq, ack, flags, window, options, payload_length, ttl, ip_id, discarded, vantage,
            head: &[], tail: &[],
        };
        Self { segment: without_octets, head: head.to_vec(), tail: tail.to_vec(), first_of, is_measured: false }
    }

    fn segment(&self) -> Segment<'_> {
        Segment { head: &self.head, tail: &self.tail, ..self.segment }
    }
}

/// One connection's segments from a first fragment on.
#[derive(Debug)]
struct Queue {
    src: Endpoint,
    dst: Endpoint,
    tenant: u32,
    /// Where the fragment's payload begins.
    start: SeqNumber,
    has_fin: bool,
    /// When the fragment was captured.
    since: Timestamp,
    segments: Vec<Copy>,
}

/// What a segment of the connection tells of the first fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nothing: it waits behind it.
    Nothing,
    /// The first fragment comes before it; with the number after the last octet of its payload, if that is known.
    End(Option<SeqNumber>),
}

impl Queue {
    fn is_of(&self, segment: &Segment<'_>) -> bool {
        let (src, dst) = (segment.src, segment.dst);
        self.tenant == segment.tenant && ((self.src, self.dst) == (src, dst) || (self.src, self.dst) == (dst, src))
    }

    fn told_by(&self, next: &Segment<'_>, is_first_fragment: bool) -> Told {
        if next.flags.syn() || next.discarded {
            return Told::End(None);
        }
        if next.src == self.src {
            return match next.payload_start().distance_from(self.start) {
                0 if is_first_fragment => Told::Nothing, // the same once more
                0 if self.has_fin && next.flags.fin() => Told::End(Some(next.payload_end())),
                ..=0 => Told::End(None),
                // what follows a FIN stands after it, a FIN sent again at its number
                _ if self.has_fin && !next.flags.fin() => Told::End(Some(next.payload_start().sub(1))),
                _ if self.has_fin => Told::End(Some(next.payload_end())),
                _ => Told::End(Some(next.payload_start())),
            };
        }
        if next.flags.ack() && next.ack.after(self.start) {
            return Told::End(Some(if self.has_fin { next.ack.sub(1) } else { next.ack }));
        }
        if next.flags.rst() || is_first_fragment { Told::End(None) } else { Told::Nothing }
    }
}

/// The first fragments that are held back, and what waits behind them.
#[derive(Debug, Default)]
pub(crate) struct Firsts {
    queues: VecDeque<Queue>,
    /// What comes next, in order.
    ready: VecDeque<Copy>,
    /// What came last: lent out.
    current: Option<Copy>,
    /// The datagram of the first fragment that came last.
    last_taken: Option<DatagramKey>,
    later_seen: bool,
    taken: u64,
    measured: u64,
}

impl Firsts {
    /// Nothing is held back or ready.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.ready.is_empty()
    }

    /// A later fragment was captured: no filter leaves them out.
    pub const fn later_seen(&self) -> bool {
        self.later_seen
    }

    /// Segments that were made of a first fragment, and those of them whose length others told.
    pub const fn counts(&self) -> (u64, u64) {
        (self.taken, self.measured)
    }

    /// Holds back a first fragment.
    pub fn hold(&mut self, segment: &Segment<'_>, key: DatagramKey) {
        let copy = Copy::new(segment, Some(key));
        if let Some(at) = self.queues.iter().position(|queue| queue.is_of(segment)) {
            match self.queues.get_mut(at).filter(|queue| queue.segments.len() < MAX_SEGMENTS) {
                Some(queue) => return queue.segments.push(copy),
                None => self.release(at, None),
            }
        } else if self.queues.len() >= MAX_CONNECTIONS {
            self.release(0, None);
        }
        self.queues.push_back(Queue {
            src: segment.src,
            dst: segment.dst,
            tenant: segment.tenant,
            start: segment.payload_start(),
            has_fin: segment.flags.fin(),
            since: segment.time,
            segments: vec![copy],
        });
    }

    /// Lets go what has waited for too long.
    pub fn age(&mut self, now: Timestamp) {
        while self.queues.front().is_some_and(|queue| now.since(queue.since) > MAX_AGE) {
            self.release(0, None);
        }
    }

    /// The next segment, `key` where it is a first fragment: true if it waits behind one (as a first fragment, it will be held back).
    pub fn meet(&mut self, segment: &Segment<'_>, key: Option<DatagramKey>) -> bool {
        let Some(at) = self.queues.iter().position(|queue| queue.is_of(segment)) else { return false };
        let Some(queue) = self.queues.get_mut(at) else { return false };
        match queue.told_by(segment, key.is_some()) {
            Told::Nothing if queue.segments.len() < MAX_SEGMENTS => {
                if key.is_none() {
                    queue.segments.push(Copy::new(segment, None));
                }
                key.is_none()
            }
            told => {
                self.release(at, if let Told::End(end) = told { end } else { None });
                false
            }
        }
    }

    /// A later fragment came: the first ones go on waiting for their datagrams, what waits behind them does not.
    pub fn see_later(&mut self) {
        self.later_seen = true;
        let waiting = self.queues.drain(..).flat_map(|queue| queue.segments).filter(|copy| copy.first_of.is_none());
        self.ready.extend(waiting);
    }

    /// The capture ends.
    pub fn end(&mut self) {
        while !self.queues.is_empty() {
            self.release(0, None);
        }
    }

    fn release(&mut self, at: usize, end: Option<SeqNumber>) {
        let Some(mut queue) = self.queues.remove(at) else { return };
        let length = end.and_then(|end| u32::try_from(end.distance_from(queue.start)).ok()).filter(|length| *length <= MAX_PAYLOAD);
        for copy in queue.segments.iter_mut().filter(|copy| copy.first_of.is_some()) {
            if let Some(length) = length.filter(|length| *length > copy.segment.payload_length) {
                copy.segment.payload_length = length;
                copy.tail.clear(); // the end was not captured
                copy.is_measured = true;
            }
        }
        self.ready.extend(queue.segments);
        while self.ready.len() > MAX_READY {
            self.ready.pop_front();
        }
    }

    /// The next segment that is ready. `is_there` takes a first fragment out of the pool, and says whether it was still there.
    pub fn next(&mut self, is_there: &mut dyn FnMut(&DatagramKey) -> bool) -> Option<Segment<'_>> {
        loop {
            let copy = self.ready.pop_front()?;
            // the same datagram seen again has left the pool already
            if copy.first_of.is_none_or(|key| self.last_taken == Some(key) || is_there(&key)) {
                self.last_taken = copy.first_of.or(self.last_taken);
                self.taken = self.taken.saturating_add(u64::from(copy.first_of.is_some()));
                self.measured = self.measured.saturating_add(u64::from(copy.is_measured));
                return self.current.insert(copy).segment().into();
            }
        }
    }
}

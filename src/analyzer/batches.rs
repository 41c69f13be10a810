//! Batches: what reading and decoding find, some of it at a time, for what follows the connections; in one thread or in two.
//!
//! A capture of many connections touches another one with nearly every segment, and the processor would wait for the memory of each. A batch tells
//! which connections come next, so that a few of them are fetched at the same time.
//!
//! With two threads, one fills batches while the other empties them, and their memory goes to and fro. The order is that of the frames, so the
//! report is the same. Batches of some thousand items are large enough that waking a thread (some 5 µs) costs nanoseconds per segment,
//! and small enough that those on the way stay in the caches. On a machine that is busy both threads wait for the processor, and the work is
//! the same: that is why there are two halves and not a thread per connection or file.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::PROGRESS_EVERY;
use super::intake::{Intake, Sink};
use crate::endpoint::Endpoint;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::tcp::Expected;

/// Items of one batch that goes to another thread.
const ITEMS: usize = 1024;
/// Items of one batch that stays in the thread: it stays in the first-level cache.
const ITEMS_OF_ONE_THREAD: usize = 64;
/// So many items are told ahead: more outgrow what the processor fetches at one time.
const AHEAD: usize = 16;
/// Payload octets after which a batch is full.
const OCTETS: usize = 1 << 18;
/// Batches on the way: one that is filled, one that is emptied, and some in between for when a thread has to wait.
const BATCHES: usize = 6;

/// What a frame says of TCP, as plain data; a segment's payload is in the batch.
enum Item {
    Segment { segment: Segment<'static>, head: u16, tail: u8 },
    Quote(IcmpQuote),
    ShortHeader { src: Endpoint, dst: Endpoint, tenant: u32 },
    Overlap,
    Incomplete(IncompleteDatagram),
}

/// Items in order, and the payload octets of the segments one after the other.
struct Batch {
    limit: usize,
    items: Vec<Item>,
    octets: Vec<u8>,
    /// How far the input was read: octets, and their total if it is known.
    progress: (u64, Option<u64>),
}

impl Batch {
    const fn of(limit: usize) -> Self {
        Self { limit, items: Vec::new(), octets: Vec::new(), progress: (0, None) }
    }

    fn is_full(&self) -> bool {
        self.items.len() >= self.limit || self.octets.len() >= OCTETS
    }

    /// Gives everything to `sink` and becomes empty.
    fn empty_into(&mut self, sink: &mut impl Sink) {
        let mut rest = self.octets.as_slice();
        let mut take = |length: usize| {
            let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = left;
            taken
        };
        for some in self.items.chunks(AHEAD) {
            let mut expected = [Expected::default(); AHEAD];
            for (item, expected) in some.iter().zip(&mut expected) {
                if let Item::Segment { segment, .. } = item {
                    *expected = sink.expect(segment);
                }
            }
            for (item, expected) in some.iter().zip(expected) {
                match item {
                    Item::Segment { segment, head, tail } => {
                        let (head, tail) = (take(usize::from(*head)), take(usize::from(*tail)));
                        sink.segment(&Segment { head, tail, ..*segment }, expected);
                    }
                    Item::Quote(quote) => sink.quote(quote),
                    Item::ShortHeader { src, dst, tenant } => sink.short_header(*src, *dst, *tenant),
                    Item::Overlap => sink.overlap(),
                    Item::Incomplete(datagram) => sink.incomplete(datagram),
                }
            }
        }
        self.items.clear();
        self.octets.clear();
    }
}

impl Sink for Batch {
    fn expect(&mut self, _: &Segment<'_>) -> Expected {
        Expected::default()
    }

    #[inline]
    fn segment(&mut self, segment: &Segment<'_>, _: Expected) {
        // Neither is longer than the excerpts of `segment.rs`, which fit many times.
        let (head, tail) = (u16::try_from(segment.head.len()).unwrap_or(0), u8::try_from(segment.tail.len()).unwrap_or(0));
        self.octets.extend_from_slice(segment.head.get(..usize::from(head)).unwrap_or_default());
        self.octets.extend_from_slice(segment.tail.get(..usize::from(tail)).unwrap_or_default());
        self.items.push(Item::Segment { segment: Segment { head: &[], tail: &[], ..*segment }, head, tail });
    }

    fn quote(&mut self, quote: &IcmpQuote) {
        self.items.push(Item::Quote(*quote));
    }

    fn short_header(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
        self.items.push(Item::ShortHeader { src, dst, tenant });
    }

    fn overlap(&mut self) {
        self.items.push(Item::Overlap);
    }

    fn incomplete(&mut self, datagram: &IncompleteDatagram) {
        self.items.push(Item::Incomplete(*datagram));
    }
}

/// Reads everything and gives it to `sink`, in this thread; true if it was interrupted.
pub(super) fn read(
    intake: &mut Intake,
    sink: &mut impl Sink,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> bool {
    let mut batch = Batch::of(ITEMS_OF_ONE_THREAD);
    loop {
        let stopped = interrupted.load(Ordering::Relaxed);
        let more = !stopped && intake.next(&mut batch);
        if !more || batch.is_full() {
            batch.empty_into(sink);
        }
        if !more {
            return stopped;
        }
        if intake.account.frames.is_multiple_of(PROGRESS_EVERY) {
            let (done, total) = intake.capture.progress();
            progress(done, total);
        }
    }
}

/// The same with a second thread that reads. `None`: no thread could be started, and nothing was read.
pub(super) fn read_in_two(
    intake: &mut Intake,
    sink: &mut impl Sink,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Option<bool> {
    let (full_to, full) = sync_channel(BATCHES);
    let (empty_to, empty) = channel();
    thread::scope(|scope| {
        let fill = move || fill(intake, &full_to, &empty, interrupted);
        let reading = thread::Builder::new().name("reading".to_owned()).spawn_scoped(scope, fill).ok()?;
        for mut batch in full {
            batch.empty_into(sink);
            progress(batch.progress.0, batch.progress.1);
            // The other thread may be at its end already; then nobody needs the memory.
            let _ = empty_to.send(batch);
        }
        Some(reading.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// Reads until the end or an interrupt; true: it was interrupted.
fn fill(intake: &mut Intake, full: &SyncSender<Batch>, empty: &Receiver<Batch>, interrupted: &AtomicBool) -> bool {
    let mut batch = Batch::of(ITEMS);
    loop {
        let stopped = interrupted.load(Ordering::Relaxed);
        let more = !stopped && intake.next(&mut batch);
        if !more || batch.is_full() || intake.account.frames.is_multiple_of(PROGRESS_EVERY) {
            batch.progress = intake.capture.progress();
            let next = empty.try_recv().unwrap_or_else(|_| Batch::of(ITEMS));
            if full.send(std::mem::replace(&mut batch, next)).is_err() {
                return stopped; // whoever takes the batches is gone: it panicked, and that is told there
            }
        }
        if !more {
            return stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;
    use crate::segment::{EXCERPT_HEAD, EXCERPT_TAIL, Flags, TcpOptions, Vantage};
    use crate::seq::SeqNumber;
    use crate::time::Timestamp;

    #[derive(Default)]
    struct Seen(Vec<(u64, Vec<u8>, Vec<u8>)>);

    impl Sink for Seen {
        fn expect(&mut self, _: &Segment<'_>) -> Expected {
            Expected::default()
        }
        fn segment(&mut self, segment: &Segment<'_>, _: Expected) {
            self.0.push((segment.frame.number(), segment.head.to_vec(), segment.tail.to_vec()));
        }
        fn quote(&mut self, quote: &IcmpQuote) {
            self.0.push((quote.frame.number(), Vec::new(), Vec::new()));
        }
        fn short_header(&mut self, _: Endpoint, _: Endpoint, tenant: u32) {
            self.0.push((u64::from(tenant), Vec::new(), Vec::new()));
        }
        fn overlap(&mut self) {}
        fn incomplete(&mut self, datagram: &IncompleteDatagram) {
            self.0.push((datagram.frame.number(), Vec::new(), Vec::new()));
        }
    }

    fn segment<'a>(number: u64, head: &'a [u8], tail: &'a [u8]) -> Segment<'a> {
        Segment {
            frame: FrameId::new(0, number),
            time: Timestamp(0),
            time_unknown: false,
            src: Endpoint::v4([10, 0, 0, 1], 40_000),
            dst: Endpoint::v4([10, 0, 0, 2], 80),
            tenant: 0,
            seq: SeqNumber(1),
            ack: SeqNumber(1),
            flags: Flags::ACK,
            window: 100,
            options: TcpOptions::default(),
            payload_length: 0,
            ttl: 64,
            ip_id: None,
            discarded: false,
            vantage: Vantage::default(),
            head,
            tail,
        }
    }

    #[test]
    fn batch_gives_back_what_it_took_in_order_with_the_longest_excerpts() {
        let (head, tail) = (vec![7; EXCERPT_HEAD], vec![9; EXCERPT_TAIL]);
        let mut batch = Batch::of(ITEMS);
        batch.segment(&segment(1, b"GET / HTTP/1.1", b""), Expected::default());
        batch.short_header(Endpoint::v4([10, 0, 0, 1], 1), Endpoint::v4([10, 0, 0, 2], 2), 5);
        batch.segment(&segment(2, &head, &tail), Expected::default());
        batch.segment(&segment(3, b"", b""), Expected::default());
        let mut seen = Seen::default();
        batch.empty_into(&mut seen);
        assert_eq!(seen.0, [(1, b"GET / HTTP/1.1".to_vec(), vec![]), (5, vec![], vec![]), (2, head, tail), (3, vec![], vec![])]);
        assert!(batch.items.is_empty() && batch.octets.is_empty());
    }

    #[test]
    fn batch_is_full_by_items_or_by_octets() {
        let head = [0; EXCERPT_HEAD];
        let mut batch = Batch::of(ITEMS);
        while !batch.is_full() {
            batch.segment(&segment(1, &head, b""), Expected::default());
        }
        assert!(batch.items.len() < ITEMS && batch.octets.len() >= OCTETS);
        batch.empty_into(&mut Seen::default());
        while !batch.is_full() {
            batch.segment(&segment(1, b"", b""), Expected::default());
        }
        assert_eq!(batch.items.len(), ITEMS);
    }
}

//! A thread that reads (and decompresses) ahead and hands full buffers over a bounded channel.
//!
//! It serves two ends: decompression runs beside the analysis, and an input that may stall (a pipe, a FIFO) can be left when the user
//! interrupts. What a read brings is handed over at once; a few buffers travel to and fro, so memory is bounded whatever the
//! compression ratio is.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Octets of one buffer.
const CHUNK_OCTETS: usize = 256 * 1024;
/// Full buffers that may wait.
const CHUNKS_AHEAD: usize = 3;
/// How often a stalled input looks whether the user has interrupted.
const LOOK_UP: Duration = Duration::from_millis(100);

/// What the thread hands over: a buffer with so many octets (none at the proper end), or why it ends early.
type Chunk = Result<(Vec<u8>, usize), io::Error>;

/// The reading end.
pub(super) struct Pump {
    full: Receiver<Chunk>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    control: Arc<PumpControl>,
}

/// Says to the two ends what is wanted.
#[derive(Debug, Default)]
pub(super) struct PumpControl {
    /// Nobody wants more octets.
    discard: AtomicBool,
    /// Wait for the thread's end when the reading end is dropped.
    wait: bool,
    /// The user has interrupted: give what is there and end.
    stop: Arc<AtomicBool>,
}

impl PumpControl {
    /// Makes the control of a pump that ends when `stop` becomes true; `wait` says that its source has an end and is hashed.
    pub(super) fn new(stop: Arc<AtomicBool>, wait: bool) -> Arc<Self> {
        Arc::new(Self { discard: AtomicBool::new(false), wait, stop })
    }
}

impl Pump {
    /// Starts a thread that reads what `make` makes there (a decoder, or the source itself).
    pub(super) fn start<M>(make: M, control: Arc<PumpControl>) -> io::Result<Self>
    where
        M: FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
    {
        let (give, full) = sync_channel(CHUNKS_AHEAD);
        let (empty, take) = channel();
        let thread_control = Arc::clone(&control);
        thread::Builder::new().name("input".into()).spawn(move || match make() {
            Ok(source) => work(source, &give, &take, &thread_control),
            Err(error) => drop(give.send(Err(error))),
        })?;
        Ok(Self { full, empty, current: Vec::new(), start: 0, end: 0, ended: false, control })
    }

    fn next_chunk(&mut self) -> io::Result<bool> {
        let used = std::mem::take(&mut self.current);
        if !used.is_empty() {
            // The thread may have ended; then the buffer is simply freed.
            let _ = self.empty.send(used);
        }
        (self.start, self.end) = (0, 0);
        loop {
            match self.full.recv_timeout(LOOK_UP) {
                Ok(Ok((chunk, octets))) => {
                    (self.current, self.end) = (chunk, octets);
                    self.ended = octets == 0;
                    return Ok(!self.ended);
                }
                Ok(Err(error)) => {
                    self.ended = true;
                    return Err(error);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.ended = true;
                    return Err(io::Error::other("the decoder has failed"));
                }
                Err(RecvTimeoutError::Timeout) if self.control.stop.load(Ordering::Relaxed) => return Ok(false),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Waits until the thread has let go of its source where that has an end (a file is then read on for its hash); a source that
/// may stall is left alone.
impl Drop for Pump {
    fn drop(&mut self) {
        self.control.discard.store(true, Ordering::Relaxed);
        if self.control.wait {
            while self.full.recv().is_ok() {}
        }
    }
}

impl Read for Pump {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && (self.ended || !self.next_chunk()?) {
            return Ok(0);
        }
        let from = self.current.get(self.start..self.end).unwrap_or_default();
        let octets = from.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..octets), from.get(..octets)) {
            to.copy_from_slice(from);
        }
        self.start = self.start.saturating_add(octets);
        Ok(octets)
    }
}

/// The thread: reads until the end, an error, or until nobody listens.
fn work(mut source: Box<dyn Read>, give: &SyncSender<Chunk>, take: &Receiver<Vec<u8>>, control: &PumpControl) {
    loop {
        let mut chunk = take.try_recv().unwrap_or_else(|_| vec![0; CHUNK_OCTETS]);
        let read = loop {
            match source.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        if control.discard.load(Ordering::Relaxed) {
            return;
        }
        let last = !matches!(read, Ok(1..));
        if give.send(read.map(|octets| (chunk, octets))).is_err() || last {
            return;
        }
    }
}

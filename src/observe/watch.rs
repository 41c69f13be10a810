//! What is kept of each connection that is followed.

use serde::{Deserialize, Serialize};

use super::case::Case;
use super::half_closed::HalfClosedSpan;
use super::log::Log;
use super::path::PathWatch;
use super::request::Request;
use super::sampler::Sampled;
use super::sights::Sights;
use super::told::Fate;
use super::waiting::WaitingClose;
use crate::tcp::Chunks;
use crate::tcp::half::Mark;
use crate::time::Span;

/// So many spare allocations are kept.
const KEPT_SPARE: usize = 256;

/// What is kept of one connection. Written down, it is over: what the end of the analysis does not ask for is left out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    #[serde(skip)]
    pub(super) pending: Option<Box<Request>>,
    /// Requests whose fate may become a finding.
    pub cases: Vec<Case>,
    /// Events.
    pub log: Option<Box<Log>>,
    /// Half closed.
    pub half_closed: Option<Box<HalfClosedSpan>>,
    /// Answers seen.
    #[serde(skip)]
    pub responses: u32,
    /// Longest gap after which a request was answered.
    #[serde(skip)]
    pub longest_survived: Option<Span>,
    /// The next hops of each direction.
    pub path: PathWatch,
    /// The capture points that saw it, where there are several.
    pub sights: Option<Box<Sights>>,
    /// Closed while an answer was outstanding and nothing moved.
    pub waiting_close: Option<Box<WaitingClose>>,
    /// A SYN was answered by the incarnation before (a challenge ACK).
    pub challenged: Option<Mark>,
    /// HTTP/2: the last stream id of the server's GOAWAY.
    #[serde(skip)]
    pub(super) last_stream: Option<u32>,
    /// What sampling remembers.
    #[serde(skip)]
    pub sampled: Sampled,
    pub(super) finished: bool,
}

impl Watch {
    /// Its connection has index `at` and number `stream`.
    pub fn belongs_to(&mut self, at: usize, stream: u64) {
        for case in &mut self.cases {
            (case.connection, case.stream) = (at, stream);
        }
    }

    /// What others had to do with the request of a case.
    pub fn decide(&mut self, case: u32, fate: Fate) {
        if let Some(case) = usize::try_from(case).ok().and_then(|at| self.cases.get_mut(at)) {
            case.fate = fate;
        }
    }
}

/// What is kept of each connection that is followed.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_connection: Chunks<Option<Box<Watch>>>,
    #[allow(clippy::vec_box)] // the boxes themselves go to new connections
    spare: Vec<Box<Watch>>,
}

impl Watches {
    /// One by the connection's index.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&Watch> {
        self.by_connection.get(at)?.as_deref()
    }

    /// One by the connection's index, to change.
    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Watch> {
        self.by_connection.get_mut(at)?.as_deref_mut()
    }

    /// Makes sure that there is one.
    #[inline]
    pub(super) fn begin(&mut self, at: usize) {
        if self.get(at).is_none() {
            self.add(at);
        }
    }

    #[cold]
    fn add(&mut self, at: usize) {
        while self.by_connection.len() <= at {
            self.by_connection.push(None);
        }
        let watch = self.spare.pop().unwrap_or_default();
        if let Some(slot) = self.by_connection.get_mut(at) {
            *slot = Some(watch);
        }
    }

    /// Takes one out.
    pub(super) fn take(&mut self, at: usize) -> Option<Box<Watch>> {
        self.by_connection.get_mut(at)?.take()
    }

    /// Puts one that was kept elsewhere in.
    pub(super) fn put(&mut self, at: usize, watch: Box<Watch>) {
        while self.by_connection.len() <= at {
            self.by_connection.push(None);
        }
        if let Some(slot) = self.by_connection.get_mut(at) {
            *slot = Some(watch);
        }
    }

    pub(super) fn end(&mut self, at: usize) {
        if let Some(mut watch) = self.by_connection.get_mut(at).and_then(Option::take)
            && self.spare.len() < KEPT_SPARE
        {
            *watch = Watch::default();
            self.spare.push(watch);
        }
    }
}

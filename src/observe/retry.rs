//! Requests that look lost, watched for what happened next: the same request on another connection of the same host, and the
//! answer that a proxy gave to its own caller.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use crate::endpoint::Endpoint;
use crate::tcp::half::Mark;
use crate::time::Span;

/// So many suspects are watched at one time; older ones are no longer looked for.
const WATCHED: usize = 16_384;
/// So many errors that callers saw are kept.
const KEPT_SURFACED: usize = 65_536;
/// "Right after" for a new connection that cannot be read (TLS).
const RIGHT_AFTER: Span = Span::from_secs(1);

/// How a retry was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// The same request.
    SameRequest,
    /// A new connection to the same server right after; its content cannot be read.
    NewConnection,
}

/// The retry of a suspect.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// How it was recognised.
    pub by: Recognition,
    /// Connection.
    pub stream: u64,
    /// Its first frame.
    pub mark: Mark,
    /// It was answered.
    pub answered: bool,
}

/// A request that looks lost.
#[derive(Clone, Debug)]
pub struct Suspect {
    stream: u64,
    client: IpAddr,
    server: Endpoint,
    fingerprint: u64,
    encrypted: bool,
    sent: Mark,
    noticed: Mark,
    /// What happened next.
    pub retry: Option<Retry>,
}

/// What a caller saw: an error status, or a close without an answer.
#[derive(Clone, Copy, Debug)]
pub struct SurfacedError {
    /// Connection.
    pub stream: u64,
    /// Who answered.
    pub server: Endpoint,
    /// The request's first frame.
    pub request: Mark,
    /// The response or the close.
    pub mark: Mark,
    /// Status; `None`: a close.
    pub status: Option<u16>,
    /// Hash of the request's label, 0 if there is none.
    pub label: u64,
}

/// The watch.
#[derive(Debug, Default)]
pub struct RetryWatch {
    suspects: Vec<Suspect>,
    by_request: HashMap<(IpAddr, u64), VecDeque<usize>, ahash::RandomState>,
    by_server: HashMap<(IpAddr, Endpoint), VecDeque<usize>, ahash::RandomState>,
    watched: VecDeque<usize>,
    /// Errors that callers saw.
    pub surfaced: Vec<SurfacedError>,
}

/// What names a suspect.
#[derive(Clone, Copy, Debug)]
pub struct SuspectRequest {
    /// Its connection.
    pub stream: u64,
    /// Client host.
    pub client: IpAddr,
    /// Server.
    pub server: Endpoint,
    /// Fingerprint, 0 if there is none.
    pub fingerprint: u64,
    /// Its content cannot be read.
    pub encrypted: bool,
    /// When it was sent.
    pub sent: Mark,
    /// When it began to look lost.
    pub noticed: Mark,
}

impl RetryWatch {
    /// Begins to watch for a retry; returns the suspect's index.
    pub fn suspect(&mut self, request: SuspectRequest) -> usize {
        let at = self.suspects.len();
        if request.fingerprint != 0 {
            self.by_request.entry((request.client, request.fingerprint)).or_default().push_back(at);
        } else {
            self.by_server.entry((request.client, request.server)).or_default().push_back(at);
        }
        self.suspects.push(Suspect {
            stream: request.stream,
            client: request.client,
            server: request.server,
            fingerprint: request.fingerprint,
            encrypted: request.encrypted,
            sent: request.sent,
            noticed: request.noticed,
            retry: None,
        });
        self.watched.push_back(at);
        if self.watched.len() > WATCHED
            && let Some(oldest) = self.watched.pop_front()
        {
            self.forget(oldest);
        }
        at
    }

    fn forget(&mut self, at: usize) {
        let Some(suspect) = self.suspects.get(at) else { return };
        if suspect.fingerprint != 0 {
            let key = (suspect.client, suspect.fingerprint);
            if let Some(list) = self.by_request.get_mut(&key) {
                list.retain(|other| *other != at);
                if list.is_empty() {
                    self.by_request.remove(&key);
                }
            }
        } else {
            let key = (suspect.client, suspect.server);
            if let Some(list) = self.by_server.get_mut(&key) {
                list.retain(|other| *other != at);
                if list.is_empty() {
                    self.by_server.remove(&key);
                }
            }
        }
    }

    /// A request was sent: is it the retry of a suspect? Returns the suspect's index.
    pub fn request(&mut self, client: IpAddr, fingerprint: u64, stream: u64, mark: Mark, window: Span) -> Option<usize> {
        if fingerprint == 0 || self.by_request.is_empty() {
            return None;
        }
        let list = self.by_request.get(&(client, fingerprint))?;
        let at = list.iter().copied().find(|at| {
            self.suspects.get(*at).is_some_and(|s| {
                s.stream != stream && s.retry.is_none() && mark.time >= s.sent.time && mark.time.since(s.noticed.time) <= window
            })
        })?;
        if let Some(suspect) = self.suspects.get_mut(at) {
            suspect.retry = Some(Retry { by: Recognition::SameRequest, stream, mark, answered: false });
        }
        self.forget(at);
        Some(at)
    }

    /// A connection was opened: right after the loss of a request that cannot be read, it is probably its retry.
    pub fn opened(&mut self, client: IpAddr, server: Endpoint, stream: u64, mark: Mark) -> Option<usize> {
        if self.by_server.is_empty() {
            return None;
        }
        let list = self.by_server.get(&(client, server))?;
        let at = list.iter().copied().find(|at| {
            self.suspects.get(*at).is_some_and(|s| {
                s.stream != stream && s.retry.is_none() && mark.time >= s.sent.time && mark.time.since(s.noticed.time) <= RIGHT_AFTER
            })
        })?;
        if let Some(suspect) = self.suspects.get_mut(at) {
            suspect.retry = Some(Retry { by: Recognition::NewConnection, stream, mark, answered: false });
        }
        self.forget(at);
        Some(at)
    }

    /// The retry of `suspect` was answered.
    pub fn answered(&mut self, suspect: usize) {
        if let Some(retry) = self.suspects.get_mut(suspect).and_then(|s| s.retry.as_mut()) {
            retry.answered = true;
        }
    }

    /// What became of a suspect.
    pub fn get(&self, suspect: usize) -> Option<&Suspect> {
        self.suspects.get(suspect)
    }

    /// A caller saw an error.
    pub fn surface(&mut self, error: SurfacedError) {
        if self.surfaced.len() < KEPT_SURFACED {
            self.surfaced.push(error);
        }
    }
}

impl Suspect {
    /// Whether its content can be compared at all.
    pub const fn is_readable(&self) -> bool {
        self.fingerprint != 0 && !self.encrypted
    }
}

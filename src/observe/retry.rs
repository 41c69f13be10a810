//! Requests that look lost, watched for what happened next: the same request on another connection of the same host, and the
//! answer that a proxy gave to its own caller.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::legs::Caller;
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
    caller: Caller,
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
    /// Whose request it passed on.
    pub caller: Caller,
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

/// A request that may be the retry of a suspect.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest {
    /// Client host.
    pub client: IpAddr,
    /// Whose request it passes on.
    pub caller: Caller,
    /// Fingerprint, 0 if there is none.
    pub fingerprint: u64,
    /// Its connection.
    pub stream: u64,
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
            caller: request.caller,
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
    pub fn request(&mut self, sent: SentRequest, mark: Mark, window: Span) -> Option<usize> {
        let SentRequest { client, caller, fingerprint, stream } = sent;
        if fingerprint == 0 || self.by_request.is_empty() {
            return None;
        }
        let list = self.by_request.get(&(client, fingerprint))?;
        let at = list.iter().copied().find(|at| {
            self.suspects.get(*at).is_some_and(|s| {
                let in_time = mark.time >= s.sent.time && mark.time.since(s.noticed.time) <= window;
                s.stream != stream && s.retry.is_none() && in_time && s.caller.may_be(caller)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameId;
    use crate::time::Timestamp;

    const WINDOW: Span = Span::from_secs(10);

    fn host(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn mark(millis: i64) -> Mark {
        Mark { frame: FrameId::new(0, u64::try_from(millis).unwrap_or(0)), time: Timestamp(millis * 1_000_000) }
    }

    fn lost(caller: Caller) -> RetryWatch {
        let mut watch = RetryWatch::default();
        let server = Endpoint::v4([10, 0, 0, 9], 80);
        let (sent, noticed) = (mark(1000), mark(1001));
        watch.suspect(SuspectRequest { stream: 1, client: host(2), caller, server, fingerprint: 7, encrypted: false, sent, noticed });
        watch
    }

    fn again(watch: &mut RetryWatch, stream: u64, caller: Caller, millis: i64) -> bool {
        watch.request(SentRequest { client: host(2), caller, fingerprint: 7, stream }, mark(millis), WINDOW).is_some()
    }

    #[test]
    fn retry_is_taken_once() {
        let mut watch = lost(Caller::Nobody);
        assert!(again(&mut watch, 2, Caller::Nobody, 1100));
        assert!(!again(&mut watch, 3, Caller::Nobody, 1200));
    }

    #[test]
    fn same_request_on_the_same_connection_or_too_late_is_no_retry() {
        assert!(!again(&mut lost(Caller::Nobody), 1, Caller::Nobody, 1100));
        assert!(!again(&mut lost(Caller::Nobody), 2, Caller::Nobody, 11_100));
    }

    #[test]
    fn same_request_for_another_caller_or_for_none_is_no_retry() {
        let caller = Caller::Host(host(1));
        assert!(again(&mut lost(caller), 2, caller, 1100));
        assert!(again(&mut lost(caller), 2, Caller::Unknown, 1100), "several callers ask for the same: it may be");
        assert!(!again(&mut lost(caller), 2, Caller::Host(host(3)), 1100));
        assert!(!again(&mut lost(caller), 2, Caller::Nobody, 1100), "a health check of the proxy");
    }
}

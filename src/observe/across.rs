//! Everything that spans connections: takes in what each tells of itself, in the order of the segments.

use arrayvec::ArrayString;
use hashbrown::HashMap;

use super::answered::AnsweredRequests;
use super::closes::CloseFacts;
use super::legs::{Caller, Legs};
use super::retry::{RetryWatch, SentRequest, SurfacedError, SuspectRequest};
use super::samples::{HostId, Place, ProbeSamples, Samples, SeenGap};
use super::told::{Answered, Fate, Heard, Requested, Teller, Told};
use crate::endpoint::Side;
use crate::tcp::Chunks;
use crate::time::{Span, Timestamp};

/// A connection opened within this of such a close would have been saved: the shortest default of common servers (Apache, Node: 5 s).
const WOULD_HAVE_KEPT: Span = Span::from_secs(5);
/// So many different numbers of unanswered probes before giving up are told apart.
const KEPT_GIVE_UPS: usize = 32;

/// What ties one connection to the others.
#[derive(Clone, Copy, Debug, Default)]
struct Tie {
    /// The host that the client asked for last.
    host: HostId,
    /// Where its samples are kept.
    place: Place,
    /// The suspect whose retry the connection was opened for.
    opened_for: Option<usize>,
    request: RequestTie,
}

/// What ties the pending request to others.
#[derive(Clone, Copy, Debug, Default)]
struct RequestTie {
    caller: Caller,
    suspect: Option<usize>,
    retry_of: Option<usize>,
}

/// What is told and is to be taken in later, where all connections are.
#[derive(Debug, Default)]
struct Later {
    heard: Vec<Heard>,
    /// The host that each connection named last: it is told again only when it changes.
    hosts: HashMap<usize, ArrayString<48>, ahash::RandomState>,
}

/// What spans connections.
#[derive(Debug, Default)]
pub struct Across {
    later: Option<Box<Later>>,
    retry_window: Span,
    ties: Chunks<Tie>,
    /// Idle times.
    pub samples: Samples,
    /// What happened next.
    pub retries: RetryWatch,
    /// Connections that belong together.
    pub legs: Legs,
    /// A sample of the requests that were answered.
    pub answered: AnsweredRequests,
}

impl Across {
    /// Nothing was told yet.
    pub fn new(retry_window: Span) -> Self {
        Self { retry_window, ..Self::default() }
    }

    /// What is told is only kept, to be asked for with [`Across::heard`].
    pub fn for_later() -> Self {
        Self { later: Some(Box::default()), ..Self::default() }
    }

    /// What was told since the last time, in order.
    pub fn heard(&mut self) -> impl Iterator<Item = Heard> {
        self.later.iter_mut().flat_map(|later| later.heard.drain(..))
    }

    /// A connection tells something. What is known of its request when it is concluded comes back, unless it is kept for later.
    #[inline]
    pub(super) fn tell(&mut self, teller: &Teller, told: Told) -> Fate {
        match &mut self.later {
            None => self.take(teller, &told),
            Some(later) => {
                later.tell(teller, told);
                Fate::default()
            }
        }
    }

    /// The capture ends.
    pub fn finish(&mut self) {
        self.samples.finish();
    }

    /// Nothing more is told of a connection, unless it begins anew.
    pub(super) fn forget(&mut self, at: usize) {
        if let Some(tie) = self.ties.get_mut(at) {
            *tie = Tie::default();
        }
    }

    /// Takes in what a connection tells. For [`Told::Concluded`], what others had to do with the request.
    pub fn take(&mut self, teller: &Teller, told: &Told) -> Fate {
        while self.ties.len() <= teller.at {
            self.ties.push(Tie::default());
        }
        let Self { retry_window, ties, samples, retries, legs, answered, later: _ } = self;
        let Some(tie) = ties.get_mut(teller.at) else { return Fate::default() };
        match told {
            Told::Opened(mark) => {
                tie.opened_for = retries.opened(teller.client_endpoint().ip(), teller.server_endpoint(), teller.stream, *mark);
                opened(samples, tie, teller, mark.time);
            }
            Told::Syn { isn, timestamp, mark } => {
                legs.syn(*isn, *timestamp, teller.at, *mark, teller.client_endpoint(), teller.server_endpoint());
            }
            Told::Restarted => *tie = Tie { place: tie.place, ..Tie::default() },
            Told::Host(name) => tie.host = samples.host(name),
            Told::Introduced { product, hand } => samples.introduced(&mut tie.place, teller, product, *hand),
            Told::Reused => {
                if let Some(pair) = samples.client(&mut tie.place, teller) {
                    pair.reused_connections += 1;
                }
            }
            Told::ReusedAfter { idle, mark } => {
                samples.reused(&mut tie.place, teller, SeenGap { idle: *idle, stream: teller.stream, mark: *mark });
            }
            Told::Requested(request) => requested(legs, retries, tie, teller, request, *retry_window),
            Told::Responding { requests, age, protocol } => {
                if let Some(known) = samples.server(&mut tie.place, teller) {
                    known.most_requests = known.most_requests.max(*requests);
                    known.oldest = age.map_or(known.oldest, |age| known.oldest.max(age));
                    known.protocol = *protocol;
                }
            }
            Told::Answered(answer) => {
                answered.request(answer.idle, answer.request.frame, teller.stream);
                legs.answered(answer.label, teller.at, answer.time);
                self::answered(samples, retries, tie, teller, answer);
            }
            Told::Surfaced { request, mark, status, label } => retries.surface(SurfacedError {
                stream: teller.stream,
                server: teller.server_endpoint(),
                request: *request,
                mark: *mark,
                status: *status,
                label: *label,
            }),
            Told::Suspected { fingerprint, encrypted, sent, noticed } => {
                tie.request.suspect = Some(retries.suspect(SuspectRequest {
                    stream: teller.stream,
                    client: teller.client_endpoint().ip(),
                    caller: tie.request.caller,
                    server: teller.server_endpoint(),
                    fingerprint: *fingerprint,
                    encrypted: *encrypted,
                    sent: *sent,
                    noticed: *noticed,
                }));
            }
            Told::Concluded { label, failed, .. } => {
                legs.given_up(*label, teller.at);
                if let Some(wire_idle) = failed {
                    samples.failed(&mut tie.place, teller, *wire_idle);
                }
                return Fate { suspect: std::mem::take(&mut tie.request).suspect };
            }
            Told::Probed { side, mark, idle, interval } => {
                let Some(probes) = probes_of(samples, tie, teller, *side) else { return Fate::default() };
                probes.first.get_or_insert((teller.stream, *mark));
                if let Some(idle) = idle {
                    probes.idle.add(teller.stream, *idle);
                }
                if let Some(interval) = interval {
                    probes.interval.add(teller.stream, *interval);
                }
            }
            Told::GaveUpProbing { side, pending } => {
                if let Some(probes) = probes_of(samples, tie, teller, *side)
                    && (probes.gave_up_after.len() < KEPT_GIVE_UPS || probes.gave_up_after.contains_key(pending))
                {
                    *probes.gave_up_after.entry(*pending).or_default() += 1;
                }
            }
            Told::Closed { .. } => closed(samples, tie, teller, told),
        }
        Fate::default()
    }
}

impl Later {
    fn tell(&mut self, teller: &Teller, told: Told) {
        match &told {
            Told::Host(name) if self.hosts.insert(teller.at, *name) == Some(*name) => return,
            Told::Restarted => {
                self.hosts.remove(&teller.at);
            }
            _ => {}
        }
        self.heard.push(Heard { at: teller.at, client: teller.client, told });
    }
}

fn opened(samples: &mut Samples, tie: &mut Tie, teller: &Teller, time: Timestamp) {
    let Some(pair) = samples.client(&mut tie.place, teller) else { return };
    pair.connections += 1;
    pair.first_opened.get_or_insert(time);
    pair.last_opened = Some(time);
    let close = pair.last_single.take();
    pair.avoidable += u64::from(close.is_some_and(|close| time.since(close) <= WOULD_HAVE_KEPT));
}

fn requested(legs: &mut Legs, retries: &mut RetryWatch, tie: &mut Tie, teller: &Teller, request: &Requested, window: Span) {
    let Requested { asks, fingerprint, mark } = *request;
    let (client, server) = (teller.client_endpoint(), teller.server_endpoint());
    let caller = asks.map_or(Caller::Unknown, |label| legs.request(label, teller.at, mark, client, server));
    let sent = SentRequest { client: client.ip(), caller, fingerprint, stream: teller.stream };
    let retry_of = retries.request(sent, mark, window).or(tie.opened_for.take());
    tie.request = RequestTie { caller, suspect: None, retry_of };
}

fn answered(samples: &mut Samples, retries: &mut RetryWatch, tie: &mut Tie, teller: &Teller, answer: &Answered) {
    samples.announced(&mut tie.place, teller, answer);
    if let Some(idle) = answer.idle.filter(|_| answer.after_idle_gap) {
        let gap = SeenGap { idle, stream: teller.stream, mark: answer.request };
        samples.survived(&mut tie.place, teller, tie.host, gap, answer.wire_idle);
    }
    if let Some(suspect) = tie.request.retry_of {
        retries.answered(suspect);
    }
}

fn closed(samples: &mut Samples, tie: &mut Tie, teller: &Teller, told: &Told) {
    let Told::Closed { side, close, rtt, asked_for, alone } = told else { return };
    let close = CloseFacts { stream: teller.stream, ..*close };
    if let (Some(rtt), Some(pair)) = (rtt, samples.client(&mut tie.place, teller)) {
        pair.rtt = pair.rtt.max(Some(*rtt));
    }
    if *side != teller.client {
        samples.server_close(&mut tie.place, teller, tie.host, close, *asked_for);
        return;
    }
    samples.client_close(&mut tie.place, teller, close);
    if *alone && let Some(pair) = samples.client(&mut tie.place, teller) {
        pair.single += 1;
        pair.last_single = Some(close.mark.time);
        pair.first_single.get_or_insert((teller.stream, close.mark));
    }
}

fn probes_of<'s>(samples: &'s mut Samples, tie: &mut Tie, teller: &Teller, side: Side) -> Option<&'s mut ProbeSamples> {
    if side == teller.client {
        samples.client(&mut tie.place, teller).map(|pair| &mut **pair.probes.get_or_insert_with(Box::default))
    } else {
        samples.server(&mut tie.place, teller).map(|known| &mut known.probes)
    }
}

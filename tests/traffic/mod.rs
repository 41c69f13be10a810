//! Many connections as segments, in the order of time, straight into tracker and observer: no files, no packets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code)] // tests, and what they share

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use afterfin::detect::context::Context;
use afterfin::detect::detect;
use afterfin::endpoint::Endpoint;
use afterfin::frame::FrameId;
use afterfin::infer::{ChainHop, Timers, chain};
use afterfin::observe::Observer;
use afterfin::options::{AnalysisOptions, Assumption};
use afterfin::report::Finding;
use afterfin::segment::{Flags, Segment, TcpOptions, Vantage};
use afterfin::seq::SeqNumber;
use afterfin::tcp::Tracker;
use afterfin::time::{Span, Timestamp};

pub const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;
/// Half a round trip, and the server's time to answer.
const HOP: i64 = MILLISECOND;
/// A day in 2026, so that times look like those of a capture.
const EPOCH: i64 = 1_790_000_000 * SECOND;

/// Who ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server's FIN, this long after the last response; the client closes at once.
    Server(i64),
    /// The client's FIN, this long after the last response.
    Client(i64),
    /// The server closes after so long, and the client sends one more request so long after the last response: an RST.
    Stale(i64, i64),
    /// No close: a request so long after the last response meets an RST, as of a table that forgot.
    Forgotten(i64),
    /// The client probes after so long a silence; the first probe is answered, then so many at this interval are not, and it gives up.
    Probes { idle: i64, interval: i64, unanswered: u32 },
    /// Nobody.
    Open,
}

/// One connection: a request at once, one more after each idle gap, then its end.
#[derive(Clone, Debug)]
pub struct Plan {
    pub begin: i64,
    pub client: Endpoint,
    pub server: Endpoint,
    pub host: &'static str,
    pub gaps: Vec<i64>,
    pub end: End,
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high` nanoseconds.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.next() % u64::try_from(high - low + 1).unwrap()).unwrap()
    }
}

#[derive(Clone, Copy)]
enum Frame {
    Syn,
    SynAck,
    Established,
    Request,
    Response,
    ServerFin,
    ClientFinAfter,
    ServerLastAck,
    ClientAck,
    LateRequest,
    Reset,
    Probe(u32),
    ProbeAnswer,
    GiveUp,
    ClientFin,
    ServerFinAfter,
    ClientLastAck,
}

struct Going {
    plan: Plan,
    frame: Frame,
    gap: usize,
    client_next: u32,
    server_next: u32,
}

/// What came out.
pub struct Outcome {
    pub tracker: Tracker,
    pub observer: Observer,
    pub timers: Timers,
    pub hops: Vec<ChainHop>,
    pub end: Timestamp,
    options: AnalysisOptions,
}

impl Outcome {
    pub fn findings(&self) -> Vec<Finding> {
        let context = Context::new(self.tracker.connections(), &self.observer, &self.timers, &self.hops, self.options.thresholds, self.end);
        detect(&context)
    }
}

/// Plays the connections.
pub fn play(plans: impl IntoIterator<Item = Plan>, assume: Vec<Assumption>) -> Outcome {
    let options = AnalysisOptions { assume, ..AnalysisOptions::default() };
    let (mut tracker, mut observer) = (Tracker::new(options.thresholds), Observer::new(&options));
    let mut going: Vec<Going> = Vec::new();
    let mut queue = BinaryHeap::new();
    for plan in plans {
        queue.push(Reverse((plan.begin, going.len())));
        let number = u32::try_from(going.len()).unwrap().wrapping_mul(7919) % 1_000_000_000;
        going.push(Going { plan, frame: Frame::Syn, gap: 0, client_next: 1000 + number, server_next: 5000 + number });
    }
    let (mut number, mut end) = (0, Timestamp(EPOCH));
    while let Some(Reverse((time, at))) = queue.pop() {
        number += 1;
        end = Timestamp(EPOCH + time);
        let next = going[at].send(end, FrameId::new(0, number), &mut |segment| {
            let step = tracker.push(segment);
            let connection = tracker.connection(step.connection).unwrap();
            let replaced = step.replaced.and_then(|at| tracker.connection(at));
            observer.observe(&step, connection, replaced);
        });
        if let Some(after) = next {
            queue.push(Reverse((time + after, at)));
        }
    }
    observer.finish_all(tracker.connections(), end);
    let timers = Timers::infer(&observer.across.samples);
    let hops = chain::hops(&observer.across.samples, &timers, &observer.across.legs, tracker.connections(), &options.assume);
    Outcome { tracker, observer, timers, hops, end, options }
}

impl Going {
    /// Sends the frame that is due; returns after how long the next one is.
    fn send(&mut self, time: Timestamp, frame: FrameId, push: &mut dyn FnMut(&Segment<'_>)) -> Option<i64> {
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", self.plan.host);
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (from_client, flags, payload): (bool, u16, &[u8]) = match self.frame {
            Frame::Syn => (true, 0x02, b""),
            Frame::SynAck => (false, 0x12, b""),
            Frame::Established | Frame::ClientAck | Frame::ClientLastAck | Frame::Probe(_) => (true, 0x10, b""),
            Frame::Request | Frame::LateRequest => (true, 0x18, request.as_bytes()),
            Frame::Response => (false, 0x18, response),
            Frame::ServerFin | Frame::ServerFinAfter => (false, 0x11, b""),
            Frame::ClientFinAfter | Frame::ClientFin => (true, 0x11, b""),
            Frame::ServerLastAck | Frame::ProbeAnswer => (false, 0x10, b""),
            Frame::Reset => (false, 0x04, b""),
            Frame::GiveUp => (true, 0x14, b""),
        };
        let (src, dst) = if from_client { (self.plan.client, self.plan.server) } else { (self.plan.server, self.plan.client) };
        let (seq, ack) = if from_client { (self.client_next, self.server_next) } else { (self.server_next, self.client_next) };
        let seq = if matches!(self.frame, Frame::Probe(_)) { seq.wrapping_sub(1) } else { seq };
        let length = u32::try_from(payload.len()).unwrap();
        let segment = Segment {
            frame,
            time,
            time_unknown: false,
            discarded: false,
            src,
            dst,
            tenant: 0,
            seq: SeqNumber(seq),
            ack: SeqNumber(if flags & 0x10 == 0 { 0 } else { ack }),
            flags: Flags(flags),
            window: if flags == 0x04 { 0 } else { 64_000 },
            options: TcpOptions::default(),
            payload_length: length,
            ttl: 64,
            ip_id: Some(0),
            vantage: Vantage::default(),
            head: payload,
            tail: &[],
        };
        push(&segment);
        let used = length + u32::from(flags & 0x03 != 0);
        if from_client {
            self.client_next = self.client_next.wrapping_add(used);
        } else {
            self.server_next = self.server_next.wrapping_add(used);
        }
        let (next, after) = self.following()?;
        self.frame = next;
        Some(after)
    }

    fn following(&mut self) -> Option<(Frame, i64)> {
        Some(match self.frame {
            Frame::Syn => (Frame::SynAck, 2 * HOP),
            Frame::SynAck => (Frame::Established, HOP / 10),
            Frame::Established => (Frame::Request, HOP / 10),
            Frame::Request => (Frame::Response, 2 * HOP),
            Frame::Response => {
                if let Some(gap) = self.plan.gaps.get(self.gap) {
                    self.gap += 1;
                    return Some((Frame::Request, *gap));
                }
                match self.plan.end {
                    End::Server(idle) | End::Stale(idle, _) => (Frame::ServerFin, idle),
                    End::Client(idle) => (Frame::ClientFin, idle),
                    End::Forgotten(late) => (Frame::LateRequest, late),
                    End::Probes { idle, .. } => (Frame::Probe(0), idle),
                    End::Open => return None,
                }
            }
            Frame::ServerFin => match self.plan.end {
                End::Stale(..) => (Frame::ClientAck, 2 * HOP),
                _ => (Frame::ClientFinAfter, HOP),
            },
            Frame::ClientFinAfter => (Frame::ServerLastAck, 2 * HOP),
            Frame::ClientAck => match self.plan.end {
                End::Stale(closed, late) => (Frame::LateRequest, late - closed - 2 * HOP),
                _ => return None,
            },
            Frame::LateRequest => (Frame::Reset, 2 * HOP),
            Frame::Probe(0) => (Frame::ProbeAnswer, 2 * HOP),
            Frame::Probe(sent) => match self.plan.end {
                End::Probes { interval, unanswered, .. } if sent < unanswered => (Frame::Probe(sent + 1), interval),
                End::Probes { interval, .. } => (Frame::GiveUp, interval),
                _ => return None,
            },
            Frame::ProbeAnswer => match self.plan.end {
                End::Probes { idle, .. } => (Frame::Probe(1), idle),
                _ => return None,
            },
            Frame::ClientFin => (Frame::ServerFinAfter, 2 * HOP),
            Frame::ServerFinAfter => (Frame::ClientLastAck, HOP / 10),
            Frame::ServerLastAck | Frame::Reset | Frame::GiveUp | Frame::ClientLastAck => return None,
        })
    }
}

/// Seconds with decimals.
#[allow(clippy::cast_possible_truncation)] // small numbers of a test
pub fn seconds(value: f64) -> i64 {
    (value * SECOND as f64) as i64
}

/// A client's endpoint: the `i`-th of many.
pub fn client(i: usize) -> Endpoint {
    let (host, port) = (i / 50_000, i % 50_000);
    Endpoint::v4([10, 1, 0, u8::try_from(host + 1).unwrap()], u16::try_from(10_000 + port).unwrap())
}

pub fn span(value: f64) -> Span {
    Span(seconds(value))
}

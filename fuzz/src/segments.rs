//! Sequences of segments → tracker → observer → inference → detectors. The first octet chooses thresholds and how many connections; then each
//! event is a segment near what the connection expects, because only those go deep.

use afterfin::detect::context::Context;
use afterfin::detect::{cost, detect, groups, hops, timeline, verdict};
use afterfin::endpoint::{Endpoint, Side};
use afterfin::frame::FrameId;
use afterfin::infer::{Timers, chain, rows};
use afterfin::observe::Observer;
use afterfin::options::{AnalysisOptions, Assumption};
use afterfin::segment::{Flags, IcmpError, IcmpQuote, LinkAddress, Segment, TcpOptions, Vantage};
use afterfin::seq::SeqNumber;
use afterfin::tcp::{Connection, Tracker};
use afterfin::time::{Span, Timestamp};
use arbitrary::{Result, Unstructured};

const PAYLOADS: [&[u8]; 12] = [
    b"",
    b"x",
    b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5, max=3\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    &[23, 3, 3, 0, 3, 1, 2, 3],
    &[21, 3, 3, 0, 2, 1, 0],
    b"*1\r\n$4\r\nPING\r\n",
    b"+PONG\r\n",
    b"QUIT\r\n",
    &[0; 64],
];

const WAITS: [i64; 12] = [
    0,
    1_000,
    20_000,
    1_000_000,
    6_000_000,
    40_000_000,
    260_000_000,
    1_000_000_000,
    5_003_000_000,
    60_000_000_000,
    7_200_000_000_000,
    500_000_000_000_000,
];

/// What the fuzzer knows of one 4-tuple: the next number of each side.
#[derive(Clone, Copy)]
struct Flow {
    next: [u32; 2],
}

/// Plays the events and makes everything that a report is made of.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut options = AnalysisOptions::default();
    if choice & 0x80 != 0 {
        options.thresholds.idle_gap = Span::from_millis(10);
        options.assume = vec![Assumption { who: "client".into(), timeout: Span::from_secs(4) }];
    }
    options.timelines = [0, 1].into();
    let mut flows = [Flow { next: [0xffff_ff00, 5_000] }; 6];
    let many = 1 + usize::from(choice & 0x7f) % flows.len();
    let (mut tracker, mut observer) = (Tracker::new(options.thresholds), Observer::new(&options));
    let mut u = Unstructured::new(rest);
    let (mut time, mut number) = (Timestamp::new(1_790_000_000, 0), 0);
    let (mut first, mut last) = (time, time);
    while !u.is_empty() && number < 4_000 {
        number += 1;
        if play(&mut u, &mut flows, many, &mut time, number, &mut tracker, &mut observer).is_err() {
            break;
        }
        (first, last) = (first.min(time), last.max(time));
    }
    observer.finish_all(tracker.connections(), last);
    let timers = Timers::infer(&observer.across.samples);
    let hops = chain::hops(&observer.across.samples, &timers, &observer.across.legs, tracker.connections(), &options.assume);
    let context = Context::new(tracker.connections(), &observer, &timers, &hops, options.thresholds, last);
    let findings = detect(&context);
    for (at, finding) in findings.iter().enumerate() {
        assert_eq!(finding.number, at + 1);
        assert!(
            !finding.evidence.is_empty() && finding.evidence.iter().all(|evidence| (1..=number).contains(&evidence.frame.frame)),
            "{finding:?}"
        );
        assert!(finding.consequence_of.is_none_or(|of| of >= 1 && of <= findings.len() && of != finding.number), "{finding:?}");
    }
    let _ = groups::groups(&findings, &context);
    let cost = cost::cost(&findings, &context);
    assert!(cost.retried <= cost.requests_lost && cost.dead_held >= Span::ZERO, "{cost:?}");
    let _ = verdict::sentences(&findings, &cost, &context);
    let _ = (rows::rows(&timers), hops::rows(&hops), timeline::of_stream(0, &context, &findings));
    let counted: u64 = tracker
        .connections()
        .followed()
        .map(|(_, connection)| connection.halves.iter().map(|half| half.counts.segments).sum::<u64>())
        .sum();
    assert!(counted <= number);
    for (_, connection) in tracker.connections().followed() {
        check(connection);
        if first == Timestamp::new(1_790_000_000, 0) {
            check_gaps(connection, last, &options);
        }
    }
}

fn play(
    u: &mut Unstructured<'_>,
    flows: &mut [Flow],
    many: usize,
    time: &mut Timestamp,
    number: u64,
    tracker: &mut Tracker,
    observer: &mut Observer,
) -> Result<()> {
    let what: u8 = u.arbitrary()?;
    let kind: u8 = u.arbitrary()?;
    let at = usize::from(what & 7) % many;
    let from_client = what & 8 == 0;
    let wait = WAITS[usize::from(what >> 4) % WAITS.len()];
    *time = if what >> 4 == 15 { *time - Span(2_000_000) } else { *time + Span(wait) };
    // two pairs share a server: pools and NAT-like legs
    let client = Endpoint::v4([10, 0, 0, 1 + u8::try_from(at / 2).unwrap_or(0)], 40_000 + u16::try_from(at).unwrap_or(0));
    let server = Endpoint::v4([10, 0, 1, 1 + u8::try_from(at / 4).unwrap_or(0)], 80);
    let (src, dst) = if from_client { (client, server) } else { (server, client) };
    let side = usize::from(!from_client);
    let flow = &mut flows[at];
    let flags: u16 = match kind & 15 {
        0..=6 => 0x18,
        7 | 8 => 0x10,
        9 => 0x02,
        10 => 0x12,
        11 => 0x11,
        12 => 0x04,
        13 => 0x14,
        14 => {
            let error = match u.int_in_range(0..=3)? {
                0 => IcmpError::Unreachable(u.arbitrary()?),
                1 => IcmpError::PacketTooBig(1_400),
                2 => IcmpError::TimeExceeded,
                _ => IcmpError::Other(5, 0),
            };
            let seq = SeqNumber(flow.next[side]);
            let quote = IcmpQuote { frame: FrameId::new(0, number), time: *time, from: dst.ip(), error, src, dst, tenant: 0, seq };
            if let Some(at) = tracker.icmp(&quote)
                && let Some(connection) = tracker.connection(at)
            {
                observer.icmp(at, &quote, connection);
            }
            return Ok(());
        }
        _ => u16::from(u.arbitrary::<u8>()?),
    };
    let offset = |u: &mut Unstructured<'_>, choice: u8| -> Result<u32> {
        Ok(match choice {
            0..=4 => 0,
            5 => u32::MAX,
            6 => i32::from(u.arbitrary::<i16>()?).cast_unsigned(),
            _ => u.arbitrary()?,
        })
    };
    let more: u8 = u.arbitrary()?;
    let seq = flow.next[side].wrapping_add(offset(u, kind >> 5)?);
    let ack = if flags & 0x10 == 0 { 0 } else { flow.next[1 - side].wrapping_add(offset(u, more & 7)?) };
    let payload = PAYLOADS[usize::from(more >> 3) % PAYLOADS.len()];
    let payload = if flags & 0x08 != 0 || (kind & 16 != 0) { payload } else { b"" };
    let length = u32::try_from(payload.len()).unwrap_or(0);
    let strange: u8 = if more == 255 { u.arbitrary()? } else { 0 };
    let stamp = (strange & 1 != 0).then_some((u32::try_from(number).unwrap_or(0), 1));
    let segment = Segment {
        frame: FrameId::new(0, number),
        time: *time,
        time_unknown: strange & 2 != 0,
        src,
        dst,
        tenant: 0,
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        flags: Flags(flags),
        window: if flags == 0x04 || strange & 4 != 0 { 0 } else { 500 },
        options: TcpOptions { timestamp: stamp, ..TcpOptions::default() },
        payload_length: if strange & 8 == 0 { length } else { length.saturating_add(u.arbitrary::<u32>()? & 0xf_ffff) },
        ttl: if strange & 16 == 0 { 64 } else { 63 },
        ip_id: (strange & 32 == 0).then_some(u16::try_from(number & 0xffff).unwrap_or(0)),
        discarded: strange & 64 != 0,
        vantage: Vantage {
            interface: u32::from(strange & 128 != 0),
            link_destination: (strange & 128 != 0).then_some(LinkAddress::new(&[u.arbitrary()?])),
            ..Vantage::default()
        },
        head: payload,
        tail: &[],
    };
    if !segment.discarded && seq == flow.next[side] {
        flow.next[side] = segment.end().0;
    }
    let step = tracker.push(&segment);
    let connection = tracker.connection(step.connection).expect("the connection of a step");
    let replaced = step.replaced.and_then(|at| tracker.connection(at));
    observer.observe(&step, connection, replaced);
    Ok(())
}

/// What must hold of every connection whatever came.
fn check(connection: &Connection) {
    for side in [Side::Low, Side::High] {
        let half = connection.half(side);
        let counts = &half.counts;
        assert!(counts.duplicates <= counts.segments);
        assert!(half.coverage.octets() <= counts.payload_octets, "{connection:?}");
        if let (Some(data_end), Some(next)) = (half.data_end, half.snd_nxt) {
            assert!(data_end <= next, "{connection:?}");
        }
        assert!(half.fin.is_none_or(|fin| fin.acknowledged.is_none_or(|mark| mark.frame >= fin.mark.frame)), "{connection:?}");
    }
    assert!(connection.first.frame <= connection.last.frame && connection.latest >= connection.first.time);
    assert!(connection.past.as_ref().is_none_or(|past| past.past.is_none()), "incarnations do not pile up");
    assert!(connection.vantages.len() <= 8);
}

/// Idle gaps lie within the life of a connection and do not overlap, as long as the clock does not run back.
fn check_gaps(connection: &Connection, end: Timestamp, options: &AnalysisOptions) {
    let Some(list) = &connection.gaps else { return };
    assert!(list.longest.len() <= 9 && list.longest.len() as u64 <= list.count);
    for gap in &list.longest {
        assert!(gap.length >= options.thresholds.idle_gap && gap.start.time <= end, "{gap:?}");
        assert!(gap.end.is_none_or(|mark| mark.frame > gap.start.frame), "{gap:?}");
    }
    if connection.clock_back == Span::ZERO {
        let mut gaps: Vec<_> = list.longest.iter().map(|gap| (gap.start.time, gap.start.time + gap.length)).collect();
        gaps.sort_unstable();
        assert!(gaps.windows(2).all(|pair| pair[0].1 <= pair[1].0), "gaps overlap: {connection:?}");
    }
}

//! Random TCP conversations: two hosts, a path that loses and reorders, a capture that misses and repeats. The same seed makes the same packets.
//!
//! The hosts behave like real ones where it matters to an observer (sequence numbers, acknowledgements, retransmissions); beyond that they do what
//! real ones do rarely: probe in mid-idle, close a window, half close, abort, speak after the other has closed, use the 4-tuple again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::script::{Content, Packet, Tcp};

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const PSH: u16 = 0x08;
const ACK: u16 = 0x10;

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// A segment is captured so much later than it was sent, at most.
const LATEST: i64 = 3 * MILLISECOND;

/// Idle times that happen: thinking, keep-alive timers, tables that expire.
const PAUSES: [i64; 8] =
    [200 * MILLISECOND, 900 * MILLISECOND, SECOND, 1_100 * MILLISECOND, 5 * SECOND, 61 * SECOND, 350 * SECOND, 4000 * SECOND];

/// `SplitMix64` (Steele, Lea, Flood 2014): small, seeded, good enough for a generator.
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + i64::try_from(self.below(u64::try_from(high - low).unwrap_or(1))).unwrap_or(0)
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }
}

/// One conversation: all incarnations of one 4-tuple.
pub struct Conversation {
    /// What makes it again.
    pub seed: u64,
    /// The endpoint that opens it; unique in its batch.
    pub client: SocketAddr,
    /// In the order of capture times.
    pub packets: Vec<Packet>,
}

#[derive(Clone, Copy, Default)]
struct Side {
    initial: u32,
    snd_nxt: u32,
    /// What this side has acknowledged of the other.
    rcv_nxt: u32,
    window: u16,
    id: u16,
    fin_sent: bool,
    echo: u32,
}

/// How unreliable the path and the capture are, in percent.
#[derive(Clone, Copy, Default)]
struct Weather {
    lost: u64,
    missed: u64,
    repeated: u64,
    late: u64,
}

struct Simulation {
    random: Random,
    now: i64,
    rtt: i64,
    addresses: [SocketAddr; 2],
    sides: [Side; 2],
    timestamps: bool,
    zero_id: bool,
    weather: Weather,
    packets: Vec<Packet>,
    hidden_side: Option<usize>,
    skip: usize,
    /// Where the incarnations of each side began.
    used: [Vec<u32>; 2],
}

/// How a segment travels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// As the weather has it.
    Ordinary,
    /// In its place, though it may be missed or repeated: a handshake that overtakes itself says nothing certain.
    InOrder,
    /// Captured once: its meaning hangs on what was captured around it.
    Once,
    /// Not captured.
    Unseen,
}

/// How a 4-tuple is used again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// With numbers far from all before, as RFC 6528 has it.
    Far,
    /// The client begins a little beyond its last number, as systems without RFC 6528 do.
    Near,
    /// The client begins at its old number, as some small stacks always do.
    SameNumber,
    /// The SYN was not captured.
    SynUnseen,
    /// Neither the SYN nor the SYN-ACK was captured.
    HandshakeUnseen,
    /// The server still has the old connection: it answers the SYN with a challenge ACK (RFC 5961 section 4), is reset, and the SYN comes again.
    Challenged,
    /// Segments of the old connection arrive after the new SYN.
    Overtaken,
}

impl Conversation {
    /// The conversation of a seed; `start` is the time of its first packet, `place` its place in the batch (its addresses).
    pub fn new(seed: u64, place: u16, start: i64) -> Self {
        let mut simulation = Simulation::new(seed, place, start);
        simulation.live();
        let [client, _] = simulation.addresses;
        let mut packets = simulation.packets;
        packets.sort_by_key(|packet| packet.time);
        packets.drain(..simulation.skip.min(packets.len().saturating_sub(2)));
        Self { seed, client, packets }
    }
}

impl Simulation {
    fn new(seed: u64, place: u16, start: i64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(1));
        let [high, low] = place.to_be_bytes();
        let client_port = u16::try_from(random.between(32_768, 60_999)).unwrap_or(40_000);
        let server_port = random.pick(&[80_u16, 443, 5432, 6379, 8080, 7777, 9092]);
        let addresses = if random.percent(12) {
            let client = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, place);
            [(IpAddr::V6(client), client_port), (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1)), server_port)]
        } else {
            [(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), client_port), (IpAddr::V4(Ipv4Addr::new(10, 2, 0, 1)), server_port)]
        };
        let weather = if random.percent(40) {
            Weather::default()
        } else {
            Weather { lost: random.below(12), missed: random.below(6), repeated: random.below(8), late: random.below(6) }
        };
        let hidden_side = random.percent(8).then(|| usize::from(random.percent(50)));
        let skip = if random.percent(12) { usize::try_from(random.below(9)).unwrap_or(0) } else { 0 };
        let rtt = random.pick(&[40 * MICROSECOND, 300 * MICROSECOND, 2 * MILLISECOND, 40 * MILLISECOND, 150 * MILLISECOND]);
        let timestamps = random.percent(60);
        let zero_id = random.percent(20);
        Self {
            random,
            now: start,
            rtt,
            addresses: addresses.map(SocketAddr::from),
            sides: [Side::default(); 2],
            timestamps,
            zero_id,
            weather,
            packets: Vec::new(),
            hidden_side,
            skip,
            used: [Vec::new(), Vec::new()],
        }
    }

    fn live(&mut self) {
        let incarnations = if self.random.percent(20) { 2 + self.random.below(2) } else { 1 };
        for incarnation in 0..incarnations {
            if self.open(incarnation > 0) {
                self.talk();
                self.end();
            }
            self.now += self.random.pick(&[2 * LATEST, 50 * MILLISECOND, SECOND, 61 * SECOND]);
        }
    }

    /// A sequence number; often one that the conversation will pass the wrap with, or 0 itself.
    fn initial(&mut self) -> u32 {
        let any = u32::try_from(self.random.below(1 << 32)).unwrap_or(0);
        match self.random.below(10) {
            0 => 0,
            1 => u32::MAX,
            2 | 3 => u32::MAX - any % 5000,
            _ => any,
        }
    }

    fn reuse(&mut self) -> Reuse {
        match self.random.below(100) {
            0..12 => Reuse::Near,
            12..26 => Reuse::SameNumber,
            26..34 => Reuse::SynUnseen,
            34..42 => Reuse::HandshakeUnseen,
            42..50 => Reuse::Challenged,
            50..58 => Reuse::Overtaken,
            _ => Reuse::Far,
        }
    }

    /// The handshake, in one of its forms; whether a connection came of it.
    fn open(&mut self, again: bool) -> bool {
        let before = self.sides;
        let reuse = if again { self.reuse() } else { Reuse::Far };
        for (side, last) in before.into_iter().enumerate() {
            let id = if self.zero_id { 0 } else { last.id.max(1).wrapping_add(1) };
            self.sides[side] =
                Side { initial: self.initial(), window: self.random.pick(&[502_u16, 8192, 64_240, 65_535]), id, ..Side::default() };
            // A new incarnation begins elsewhere in sequence space than all before it, as RFC 6528 has it.
            while self.used[side].iter().any(|used| self.sides[side].initial.wrapping_sub(*used).wrapping_add(1 << 20) < 1 << 21) {
                self.sides[side].initial = self.sides[side].initial.wrapping_add(1 << 27);
            }
            match reuse {
                Reuse::Near if side == 0 => self.sides[0].initial = last.snd_nxt.wrapping_add(1 + u32::from(last.id) * 16),
                Reuse::SameNumber if side == 0 => self.sides[0].initial = last.initial,
                _ => {}
            }
            let initial = self.sides[side].initial;
            self.used[side].push(initial);
            self.sides[side].snd_nxt = self.sides[side].initial;
        }
        let care = if again { Care::Once } else { Care::InOrder };
        let data = if self.random.percent(3) { self.random.between(1, 500) } else { 0 };
        let unseen = matches!(reuse, Reuse::SynUnseen | Reuse::HandshakeUnseen);
        let syn = self.send(0, SYN, 0, data, if unseen { Care::Unseen } else { care });
        match reuse {
            Reuse::Challenged => self.challenge(before, &syn),
            Reuse::Overtaken => self.overtaken(),
            _ => {}
        }
        if !unseen && self.random.percent(6) {
            self.now += SECOND;
            self.again(&syn, Care::Once);
        }
        match self.random.below(100) {
            0..3 => return false, // never answered
            3..6 => {
                self.pass();
                self.sides[1].rcv_nxt = self.sides[0].snd_nxt;
                self.raw(1, RST | ACK, 0, self.sides[1].rcv_nxt, 0, 0, Care::Ordinary);
                return false;
            }
            _ => {}
        }
        self.pass();
        // A server that does not take the data acknowledges the SYN alone, and the client sends it again.
        let taken = data == 0 || self.random.percent(50);
        self.sides[1].rcv_nxt = if taken { self.sides[0].snd_nxt } else { self.sides[0].initial.wrapping_add(1) };
        let syn_ack = self.send(1, SYN | ACK, 0, 0, if reuse == Reuse::HandshakeUnseen { Care::Unseen } else { care });
        self.pass();
        self.sides[0].rcv_nxt = self.sides[1].snd_nxt;
        if reuse != Reuse::HandshakeUnseen && self.random.percent(4) {
            self.again(&syn_ack, Care::Ordinary);
        }
        if !taken {
            self.sides[0].snd_nxt = self.sides[0].initial.wrapping_add(1);
        }
        self.acknowledge(0);
        true
    }

    /// The old connection answers the SYN, and is reset for it.
    fn challenge(&mut self, old: [Side; 2], syn: &Packet) {
        self.pass();
        self.raw(1, ACK, old[1].snd_nxt, old[1].rcv_nxt, 0, old[1].window, Care::Once);
        self.pass();
        self.raw(0, RST, old[1].rcv_nxt, 0, 0, 0, Care::Once);
        self.now += SECOND;
        self.again(syn, Care::Once);
    }

    /// Some of the last segments of the old connection are captured once more, late.
    fn overtaken(&mut self) {
        let is_segment = |packet: &&Packet| matches!(&packet.content, Content::Tcp(tcp) if tcp.flags & (SYN | RST) == 0);
        let late: Vec<Packet> = self.packets.iter().rev().skip(1).filter(is_segment).take(1 + self.packets.len() % 3).cloned().collect();
        for mut packet in late {
            self.now += self.random.between(6, 20) * MILLISECOND;
            packet.time = self.now;
            self.packets.push(packet);
        }
    }

    fn talk(&mut self) {
        for _ in 0..self.random.below(9) {
            match self.random.below(100) {
                0..50 => self.exchange(),
                50..72 => self.now += self.random.pick(&PAUSES),
                72..84 => self.keepalive(),
                84..90 => self.zero_window(),
                90..94 => self.single_octet(),
                94..97 => self.stray_reset(),
                _ => self.acknowledge_again(),
            }
        }
    }

    fn exchange(&mut self) {
        self.write(0);
        self.now += self.random.between(0, 30 * MILLISECOND);
        self.write(1);
        self.now += self.random.between(0, 300 * MILLISECOND);
    }

    /// A turn of one side: some segments, each perhaps lost and sent again, acknowledged by the other side.
    fn write(&mut self, side: usize) {
        for _ in 0..=self.random.below(4) {
            let length = self.random.pick(&[1_i64, 24, 80, 517, 1448, 1448]);
            let sent = self.send(side, PSH | ACK, 0, length, Care::Ordinary);
            if self.random.percent(self.weather.lost) {
                for _ in 0..=self.random.below(2) {
                    self.now += 210 * MILLISECOND;
                    self.again(&sent, Care::Ordinary);
                }
            }
            if self.random.percent(60) {
                self.receive(1 - side);
            }
        }
        self.receive(1 - side);
    }

    /// One side has received everything and says so.
    fn receive(&mut self, side: usize) {
        self.pass();
        self.sides[side].rcv_nxt = self.sides[1 - side].snd_nxt;
        self.acknowledge(side);
    }

    fn acknowledge(&mut self, side: usize) {
        self.send(side, ACK, 0, 0, Care::Ordinary);
    }

    fn acknowledge_again(&mut self) {
        let side = usize::from(self.random.percent(50));
        for _ in 0..3 {
            self.acknowledge(side);
            self.now += 20 * MICROSECOND;
        }
    }

    fn keepalive(&mut self) {
        let side = usize::from(self.random.percent(50));
        self.settle();
        let octets = i64::from(self.random.percent(15));
        let answered = self.random.percent(70);
        for _ in 0..=self.random.below(3) {
            self.now += self.random.pick(&[SECOND, 15 * SECOND, 75 * SECOND]);
            let seq = self.sides[side].snd_nxt.wrapping_sub(1);
            self.raw(side, ACK, seq, self.sides[side].rcv_nxt, octets, self.sides[side].window, Care::Once);
            if answered {
                self.pass();
                let window = self.random_window(1 - side);
                self.raw(1 - side, ACK, self.sides[1 - side].snd_nxt, seq.wrapping_add(1), 0, window, Care::Once);
            }
        }
    }

    /// Both sides have acknowledged everything, and it was captured.
    fn settle(&mut self) {
        self.now += 2 * LATEST;
        for side in [0, 1] {
            self.pass();
            self.sides[side].rcv_nxt = self.sides[1 - side].snd_nxt;
            self.send(side, ACK, 0, 0, Care::Once);
        }
    }

    fn random_window(&mut self, side: usize) -> u16 {
        let change = u16::try_from(self.random.below(3)).unwrap_or(0);
        self.sides[side].window.saturating_sub(change).max(1)
    }

    fn zero_window(&mut self) {
        let side = usize::from(self.random.percent(50));
        self.settle();
        let other = self.sides[1 - side];
        self.raw(1 - side, ACK, other.snd_nxt, other.rcv_nxt, 0, 0, Care::Once);
        for _ in 0..=self.random.below(3) {
            self.now += 400 * MILLISECOND;
            let own = self.sides[side];
            self.raw(side, ACK, own.snd_nxt.wrapping_sub(1), own.rcv_nxt, 0, own.window, Care::Once);
            self.pass();
            self.raw(1 - side, ACK, other.snd_nxt, other.rcv_nxt, 0, 0, Care::Once);
        }
        self.now += 100 * MILLISECOND;
        self.raw(1 - side, ACK, other.snd_nxt, other.rcv_nxt, 0, other.window, Care::Once);
    }

    /// One octet that is lost and sent again: it looks like a probe.
    fn single_octet(&mut self) {
        let side = usize::from(self.random.percent(50));
        self.settle();
        let octet = self.send(side, PSH | ACK, 0, 1, Care::Once);
        self.now += 220 * MILLISECOND;
        self.again(&octet, Care::Once);
        self.receive(1 - side);
    }

    /// An RST that no receiver would believe.
    fn stray_reset(&mut self) {
        let side = usize::from(self.random.percent(50));
        let far = self.sides[side].snd_nxt.wrapping_add(0x2000_0000);
        self.raw(side, RST, far, 0, 0, 0, Care::Ordinary);
    }

    fn end(&mut self) {
        let side = usize::from(self.random.percent(60));
        match self.random.below(100) {
            0..12 => {} // the capture ends with it open
            12..50 => self.close_in_order(side),
            50..58 => self.close_at_once(),
            58..70 => self.half_close(side),
            70..80 => self.abort(side),
            80..94 => self.stale_reuse(side),
            _ => {
                self.close_in_order(side);
                self.raw(1 - side, RST | ACK, self.sides[1 - side].snd_nxt, self.sides[1 - side].rcv_nxt, 0, 0, Care::Ordinary);
            }
        }
    }

    fn fin(&mut self, side: usize) {
        let length = if self.random.percent(20) { self.random.between(1, 900) } else { 0 };
        let fin = self.send(side, FIN | ACK, 0, length, Care::Ordinary);
        self.sides[side].fin_sent = true;
        if self.random.percent(10) {
            self.now += 7 * MILLISECOND;
            self.again(&fin, Care::Ordinary);
        }
    }

    fn close_in_order(&mut self, side: usize) {
        self.fin(side);
        self.receive(1 - side);
        if self.random.percent(30) {
            self.now += self.random.pick(&PAUSES);
        }
        self.fin(1 - side);
        self.receive(side);
    }

    fn close_at_once(&mut self) {
        self.fin(0);
        self.fin(1);
        self.receive(1);
        self.receive(0);
    }

    /// The other side goes on speaking for a while.
    fn half_close(&mut self, side: usize) {
        self.fin(side);
        self.receive(1 - side);
        for _ in 0..=self.random.below(3) {
            self.now += self.random.between(0, 2 * SECOND);
            self.write(1 - side);
        }
        self.fin(1 - side);
        self.receive(side);
    }

    fn abort(&mut self, side: usize) {
        let own = self.sides[side];
        self.raw(side, RST | ACK, own.snd_nxt, own.rcv_nxt, 0, own.window, Care::Ordinary);
        if self.random.percent(40) {
            self.now += self.random.between(0, 2 * SECOND);
            let late = self.send(1 - side, PSH | ACK, 0, 100, Care::Ordinary);
            self.pass();
            self.raw(side, RST, acknowledged(&late), 0, 0, 0, Care::Ordinary);
        }
    }

    /// The close is acknowledged, or crosses the request; then the request is reset.
    fn stale_reuse(&mut self, closer: usize) {
        self.fin(closer);
        if self.random.percent(70) {
            self.receive(1 - closer);
            self.now += self.random.pick(&PAUSES);
        }
        let late = self.send(1 - closer, PSH | ACK, 0, 200, Care::Ordinary);
        self.pass();
        self.raw(closer, RST, acknowledged(&late), 0, 0, 0, Care::Ordinary);
    }

    /// Half a round trip.
    fn pass(&mut self) {
        self.now += self.rtt / 2 + self.random.between(1, 30) * MICROSECOND;
    }

    /// The next segment of a side, as its numbers have it.
    fn send(&mut self, side: usize, flags: u16, back: u32, length: i64, care: Care) -> Packet {
        let own = self.sides[side];
        let seq = own.snd_nxt.wrapping_sub(back);
        let marks = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.sides[side].snd_nxt = seq.wrapping_add(u32::try_from(length).unwrap_or(0)).wrapping_add(marks);
        let ack = if flags & ACK == 0 { 0 } else { own.rcv_nxt };
        self.raw(side, flags, seq, ack, length, own.window, care)
    }

    #[allow(clippy::too_many_arguments)] // the fields of a header
    fn raw(&mut self, side: usize, flags: u16, seq: u32, ack: u32, length: i64, window: u16, care: Care) -> Packet {
        self.now += self.random.between(1, 10) * MICROSECOND;
        let bare = flags & RST != 0 && flags & ACK == 0;
        let stamp = u32::try_from(self.now / MILLISECOND % (1 << 32)).unwrap_or(0);
        let timestamps = (self.timestamps && !bare).then_some((stamp, self.sides[side].echo));
        if timestamps.is_some() {
            self.sides[1 - side].echo = stamp;
        }
        let payload = (0..length).map(|at| b'a' + u8::try_from((i64::from(seq) + at) % 26).unwrap_or(0)).collect();
        let tcp = Tcp { seq, ack, flags, window, timestamps, payload, mss: (flags & SYN != 0).then_some(1460), ..Tcp::default() };
        let packet = Packet {
            time: self.now,
            source: self.addresses[side],
            destination: self.addresses[1 - side],
            source_mac: [2, 0, 0, 0, 0, u8::from(side == 1)],
            destination_mac: [2, 0, 0, 0, 0, u8::from(side == 0)],
            ttl: 64,
            id: self.take_id(side),
            content: Content::Tcp(tcp),
            vlan: None,
            vxlan: None,
            pad: 0,
            ip_length: None,
            snap: None,
            fragment: None,
            record_cut: false,
            interface: None,
            name: None,
        };
        self.capture(&packet, side, care);
        packet
    }

    fn take_id(&mut self, side: usize) -> u16 {
        if self.zero_id {
            return 0;
        }
        self.sides[side].id = self.sides[side].id.wrapping_add(1).max(1);
        self.sides[side].id
    }

    /// The segment once more: a retransmission.
    fn again(&mut self, packet: &Packet, care: Care) {
        let side = usize::from(packet.source == self.addresses[1]);
        let mut packet = packet.clone();
        self.now += self.random.between(6, 20) * MILLISECOND;
        packet.time = self.now;
        packet.id = self.take_id(side);
        if let Content::Tcp(tcp) = &mut packet.content
            && let Some((stamp, _)) = &mut tcp.timestamps
        {
            *stamp = u32::try_from(self.now / MILLISECOND % (1 << 32)).unwrap_or(0);
        }
        self.capture(&packet, side, care);
    }

    fn capture(&mut self, packet: &Packet, side: usize, care: Care) {
        if self.hidden_side == Some(side) || care == Care::Unseen {
            return;
        }
        if care == Care::Once {
            self.packets.push(packet.clone());
            return;
        }
        if self.random.percent(self.weather.missed) {
            return;
        }
        let mut packet = packet.clone();
        if self.random.percent(self.weather.late) && care != Care::InOrder {
            packet.time += self.random.between(0, LATEST);
        }
        self.packets.push(packet.clone());
        if self.random.percent(self.weather.repeated) {
            packet.time += self.random.between(1, 50) * MICROSECOND;
            self.packets.push(packet);
        }
    }
}

fn acknowledged(packet: &Packet) -> u32 {
    let Content::Tcp(tcp) = &packet.content else { return 0 };
    tcp.ack
}

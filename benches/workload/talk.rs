//! The course of one connection, as a list of packets: what a capture beside the server sees.

use super::packet::{ACK, Content, Ends, FIN, PSH, Packet, RST, SEGMENT_OCTETS, SYN, hello_octets};
use super::random::Random;

const MILLISECOND: u64 = 1000;
/// Smallest retransmission timeout of Linux (`TCP_RTO_MIN`).
const RTO: u64 = 200 * MILLISECOND;
/// An acknowledgement waits so long for something to travel with (`TCP_DELACK_MIN` of Linux).
const DELAYED_ACK: u64 = 40 * MILLISECOND;

/// One side's numbers.
#[derive(Clone, Copy, Default)]
struct Half {
    next: u32,
    /// What it has acknowledged of the other side.
    acked: u32,
    /// Milliseconds when it sent last.
    sent: u32,
}

/// A connection while it is told.
pub struct Talk<'a> {
    pub random: &'a mut Random,
    /// Microseconds.
    pub now: u64,
    pub ends: Ends,
    pub round_trip: u64,
    pub tls: bool,
    client: Half,
    server: Half,
    packets: Vec<Packet>,
}

impl<'a> Talk<'a> {
    pub fn new(random: &'a mut Random, now: u64, ends: Ends, tls: bool) -> Self {
        // From the same rack to another continent, about as many in each octave.
        let octave = random.between(0, 9);
        let round_trip = (200 << octave) + random.between(0, 200 << octave);
        let number = random.next();
        let client = Half { next: number as u32, acked: 0, sent: 0 };
        let server = Half { next: (number >> 32) as u32, acked: 0, sent: 0 };
        Self { random, now, ends, round_trip, tls, client, server, packets: Vec::with_capacity(32) }
    }

    pub fn packets(self) -> Vec<Packet> {
        self.packets
    }

    fn half(&mut self, client: bool) -> &mut Half {
        if client { &mut self.client } else { &mut self.server }
    }

    /// A packet of one side at the present time; `seq` as given, the numbers do not move.
    fn packet(&mut self, from_client: bool, flags: u8, seq: u32, content: Content, octets: u32, message: u32) -> Packet {
        let echo = self.half(!from_client).sent;
        let now = self.now;
        let half = self.half(from_client);
        half.sent = (now / MILLISECOND) as u32;
        let ack = half.acked;
        Packet { time: now, ends: self.ends, from_client, flags, seq, ack, content, payload_octets: octets, message_octets: message, echo }
    }

    fn send(&mut self, from_client: bool, flags: u8, content: Content, octets: u32, message: u32) -> Packet {
        let seq = self.half(from_client).next;
        let packet = self.packet(from_client, flags, seq, content, octets, message);
        self.packets.push(packet);
        let counted = octets + u32::from(flags & (SYN | FIN) != 0);
        let half = self.half(from_client);
        half.next = seq.wrapping_add(counted);
        packet
    }

    /// An acknowledgement of everything that the other side has sent.
    fn acknowledge(&mut self, from_client: bool) {
        self.half(from_client).acked = self.half(!from_client).next;
        self.send(from_client, ACK, Content::Filler, 0, 0);
    }

    pub fn wait(&mut self, time: u64) {
        self.now += time;
    }

    /// A connection attempt: so many SYNs without an answer.
    pub fn knock(&mut self, times: u32) {
        for attempt in 0..times {
            if attempt > 0 {
                self.wait((1000 * MILLISECOND) << (attempt - 1));
            }
            let seq = self.client.next;
            let packet = self.packet(true, SYN, seq, Content::Filler, 0, 0);
            self.packets.push(packet);
        }
        self.client.next = self.client.next.wrapping_add(1);
    }

    /// The answer of a port where nobody listens.
    pub fn refuse(&mut self) {
        self.wait(30);
        self.server.next = 0;
        self.server.acked = self.client.next;
        self.send(false, RST | ACK, Content::Filler, 0, 0);
    }

    pub fn handshake(&mut self) {
        self.send(true, SYN, Content::Filler, 0, 0);
        self.wait(40);
        self.server.acked = self.client.next;
        self.send(false, SYN | ACK, Content::Filler, 0, 0);
        self.wait(self.round_trip);
        self.acknowledge(true);
        if self.tls {
            self.wait(50);
            let hello = hello_octets(self.ends.host);
            self.message(true, Content::TlsHello, hello);
            self.wait(900);
            self.message(false, Content::TlsHandshake, 2900);
            self.wait(300);
            self.message(true, Content::TlsHandshake, 64);
        }
    }

    /// A request, the server's work, its response.
    pub fn exchange(&mut self, request: u32, work: u64, response: u32) {
        let (asked, answered) = if self.tls { (Content::TlsData, Content::TlsData) } else { (Content::HttpRequest, Content::HttpResponse) };
        self.message(true, asked, request);
        if work > DELAYED_ACK {
            self.wait(DELAYED_ACK);
            self.acknowledge(false);
        }
        self.wait(work);
        self.message(false, answered, response);
        if !self.tls || response > SEGMENT_OCTETS {
            self.acknowledge(true);
        }
    }

    /// A message in segments; the other side acknowledges every second one. Of a few, a segment is lost.
    fn message(&mut self, from_client: bool, content: Content, octets: u32) {
        let segments = octets.div_ceil(SEGMENT_OCTETS);
        let lost = if self.random.per_mille(15 * u64::from(segments.min(8))) { Some(self.random.next() as u32 % segments) } else { None };
        let captured_anyway = self.random.per_mille(500);
        let mut hole = None;
        self.half(from_client).acked = self.half(!from_client).next;
        for segment in 0..segments {
            let length = SEGMENT_OCTETS.min(octets - segment * SEGMENT_OCTETS);
            let part = if segment == 0 { content } else { Content::Filler };
            let flags = if segment + 1 == segments { ACK | PSH } else { ACK };
            let packet = self.send(from_client, flags, part, length, octets);
            if lost == Some(segment) {
                hole = Some(packet);
                if !captured_anyway {
                    self.packets.pop();
                }
            } else if let Some(first) = hole {
                // A duplicate acknowledgement: everything up to the hole.
                self.wait(30);
                self.half(!from_client).acked = first.seq;
                self.send(!from_client, ACK, Content::Filler, 0, 0);
            } else if segment % 2 == 1 && segment + 1 < segments {
                self.wait(if from_client { 30 } else { self.round_trip });
                self.acknowledge(!from_client);
            }
            self.wait(12);
        }
        if let Some(again) = hole {
            self.wait(self.round_trip + RTO);
            let mut packet = self.packet(from_client, again.flags, again.seq, again.content, again.payload_octets, again.message_octets);
            packet.ack = again.ack;
            self.packets.push(packet);
            self.wait(30);
            self.acknowledge(!from_client);
        } else if !from_client {
            self.wait(self.round_trip);
        }
    }

    /// Silence, with keepalive probes of the server at an interval if it sends any (RFC 9293 section 3.8.4).
    pub fn idle(&mut self, silence: u64, probes_every: Option<u64>) {
        let end = self.now + silence;
        while let Some(interval) = probes_every
            && self.now + interval + self.round_trip < end
        {
            self.wait(interval);
            let seq = self.server.next.wrapping_sub(1);
            let probe = self.packet(false, ACK, seq, Content::Filler, 0, 0);
            self.packets.push(probe);
            self.wait(self.round_trip);
            self.acknowledge(true);
        }
        self.now = self.now.max(end);
    }

    /// FIN of one side, FIN of the other, the last acknowledgement.
    pub fn close(&mut self, client_first: bool) {
        self.fin(client_first);
        self.wait(if client_first { 60 } else { self.round_trip });
        self.half(!client_first).acked = self.half(client_first).next;
        self.fin(!client_first);
        self.wait(if client_first { self.round_trip } else { 40 });
        self.acknowledge(client_first);
    }

    fn fin(&mut self, from_client: bool) {
        self.half(from_client).acked = self.half(!from_client).next;
        self.send(from_client, FIN | ACK, Content::Filler, 0, 0);
    }

    /// The client aborts.
    pub fn abort(&mut self) {
        self.send(true, RST | ACK, Content::Filler, 0, 0);
    }

    /// The server closes, the client only acknowledges, uses the connection once more after `pause`, and meets an RST.
    pub fn stale_request(&mut self, pause: u64, request: u32) {
        self.fin(false);
        self.wait(self.round_trip);
        self.acknowledge(true);
        self.wait(pause);
        self.rejected_request(request);
    }

    /// A request that an RST answers, as of a side that no longer knows the connection.
    pub fn rejected_request(&mut self, request: u32) {
        let content = if self.tls { Content::TlsData } else { Content::HttpRequest };
        let packet = self.send(true, ACK | PSH, content, request, request);
        self.wait(35);
        self.server.next = packet.ack;
        self.send(false, RST, Content::Filler, 0, 0);
    }
}

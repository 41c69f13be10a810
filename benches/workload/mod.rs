//! Workloads for measurements, made by a small deterministic generator: the same octets from the same numbers on every machine.
//!
//! * *web*: full frames of connections to web servers: handshakes, exchanges (HTTP/1.1 and TLS), idle gaps, keepalive probes, losses, ends by
//!   FIN, RST and idle timeouts, now and then a request on a closed connection; about 26 packets of 430 octets for each connection;
//! * *small*: the same, cut at 96 octets, as `tcpdump -s 96` does;
//! * *many*: connections rather than packets: scans, short connections, a few long-lived ones; about 5 packets of 95 octets for each.
//!
//! One connection in ten is IPv6. Packets come in the order of time, and memory holds only those of connections that are alive.

#![allow(dead_code, clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::panic)] // shared by benches, an example and tests

mod container;
mod packet;
mod random;
mod talk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use container::Container;
use packet::{Ends, Octets, Packet};
use random::Random;
use talk::Talk;

const MILLISECOND: u64 = 1000;
const SECOND: u64 = 1_000_000;
/// No cut: the snap length that tcpdump writes by default.
pub const WHOLE: usize = 262_144;
/// The idle timeouts of the servers: nginx 75 s, Apache 5 s, Node.js 5 s, Jetty 30 s, gunicorn 2 s, a load balancer's 60 s.
const TIMEOUTS: [u64; 6] = [75, 5, 5, 30, 2, 60];

/// Which mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Web,
    Small,
    Many,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub connections: u64,
    pub packets: u64,
    /// Of the frames, as kept.
    pub octets: u64,
}

/// A workload: its mix and the number of connections.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub kind: Kind,
    pub connections: u64,
    pub snap_length: usize,
}

impl Workload {
    pub const fn new(kind: Kind, connections: u64) -> Self {
        let snap_length = if matches!(kind, Kind::Small) { 96 } else { WHOLE };
        Self { kind, connections, snap_length }
    }

    /// Writes the capture.
    pub fn write(&self, container: Container, sink: &mut dyn Write) -> io::Result<Totals> {
        container.begin(self.snap_length, sink)?;
        let mut totals = Totals { connections: self.connections, ..Totals::default() };
        let mut octets = Octets::default();
        let mut frame = Vec::new();
        let mut alive = Alive::default();
        let mut random = Random::new(match self.kind {
            Kind::Web => 1,
            Kind::Small => 2,
            Kind::Many => 3,
        });
        let mut emit = |packet: &Packet| {
            frame.clear();
            octets.write(packet, &mut frame);
            totals.packets += 1;
            totals.octets += frame.len().min(self.snap_length) as u64;
            container.packet(packet.time, &frame, self.snap_length, sink)
        };
        let mut now = 0;
        for number in 0..self.connections {
            // So many connections begin in a second: 160 of a busy site, 640 where scans are among them.
            now += random.between(0, 2 * if self.kind == Kind::Many { SECOND / 640 } else { SECOND / 160 });
            alive.until(now, &mut emit)?;
            let packets = if self.kind == Kind::Many { many(number, now, &mut random) } else { web(number, now, &mut random) };
            alive.begin(packets);
        }
        alive.until(u64::MAX, &mut emit)?;
        Ok(totals)
    }

    /// The capture in memory.
    pub fn octets(&self, container: Container) -> (Vec<u8>, Totals) {
        let mut octets = Vec::new();
        let totals = self.write(container, &mut octets).unwrap_or_else(|error| panic!("memory takes what is written to it: {error}"));
        (octets, totals)
    }
}

/// The connections that are alive, by the time of their next packet.
#[derive(Default)]
struct Alive {
    next: BinaryHeap<Reverse<(u64, usize)>>,
    /// Packets that are still to come, last one first.
    packets: Vec<Vec<Packet>>,
    free: Vec<usize>,
}

impl Alive {
    fn begin(&mut self, mut packets: Vec<Packet>) {
        packets.reverse();
        let Some(first) = packets.last().map(|packet| packet.time) else { return };
        let at = self.free.pop().unwrap_or_else(|| {
            self.packets.push(Vec::new());
            self.packets.len() - 1
        });
        self.packets[at] = packets;
        self.next.push(Reverse((first, at)));
    }

    /// Emits every packet before `end`.
    fn until(&mut self, end: u64, emit: &mut impl FnMut(&Packet) -> io::Result<()>) -> io::Result<()> {
        while let Some(Reverse((time, at))) = self.next.pop() {
            if time >= end {
                self.next.push(Reverse((time, at)));
                break;
            }
            if let Some(packet) = self.packets[at].pop() {
                emit(&packet)?;
            }
            match self.packets[at].last() {
                Some(packet) => self.next.push(Reverse((packet.time, at))),
                None => self.free.push(at),
            }
        }
        Ok(())
    }
}

/// A client and a server of a site; the same client comes back from another port.
fn ends(number: u64, clients: u64, servers: u64, random: &mut Random) -> Ends {
    let port = 32_768 + (number % 28_232) as u16;
    let (client, server) = (random.between(0, clients) as u32, random.between(0, servers) as u32);
    let server_port = [80, 443, 8080][(server % 3) as usize];
    let (client, at) = if random.per_mille(100) { v6(client, server) } else { v4(client, server) };
    Ends { client: (client, port), server: (at, server_port), host: server as usize }
}

fn v4(client: u32, server: u32) -> (IpAddr, IpAddr) {
    (Ipv4Addr::from_bits(0x0a00_0000 + client).into(), Ipv4Addr::from_bits(0xc0a8_0000 + server).into())
}

/// Documentation addresses (RFC 3849).
fn v6(client: u32, server: u32) -> (IpAddr, IpAddr) {
    let address = |network: u128, host: u32| IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8 << 96) + (network << 64) + u128::from(host)));
    (address(1, client), address(2, server))
}

/// A connection to a web server.
fn web(number: u64, now: u64, random: &mut Random) -> Vec<Packet> {
    let ends = ends(number, 2000, 48, random);
    let timeout = TIMEOUTS[ends.server.1 as usize % TIMEOUTS.len()] * SECOND;
    let probes_every = if random.per_mille(300) { Some(15 * SECOND) } else { None };
    let mut talk = Talk::new(random, now, ends, ends.server.1 == 443);
    talk.handshake();
    loop {
        let request = talk.random.between(280, 760) as u32;
        let response = match talk.random.between(0, 20) {
            0..13 => talk.random.between(180, 760),
            13..19 => talk.random.between(760, 3300),
            _ => talk.random.between(3300, 12_000),
        } as u32;
        let work = talk.random.between(300, 4 * MILLISECOND) << talk.random.between(0, 7);
        talk.exchange(request, work, response);
        match talk.random.between(0, 100) {
            // goes on at once, or after the time that a page takes to load, or a person to read it
            0..53 => {
                let pause = talk.random.between(300, 30 * MILLISECOND);
                talk.wait(pause);
            }
            53..76 => {
                let pause = talk.random.between(100 * MILLISECOND, 3 * SECOND);
                talk.idle(pause, None);
            }
            76..86 => {
                let pause = talk.random.between(3 * SECOND, 90 * SECOND);
                if pause >= timeout {
                    talk.idle(timeout, probes_every);
                    if talk.random.per_mille(30) {
                        talk.stale_request(pause - timeout, request);
                    } else {
                        talk.close(false);
                    }
                    break;
                }
                talk.idle(pause, probes_every);
                // a device on the way has forgotten it
                if pause > 20 * SECOND && talk.random.per_mille(100) {
                    talk.rejected_request(request);
                    break;
                }
            }
            86..93 => {
                let pause = talk.random.between(MILLISECOND, 2 * SECOND);
                talk.wait(pause);
                talk.close(true);
                break;
            }
            93..95 => {
                talk.wait(50);
                talk.close(false);
                break;
            }
            95..98 => {
                talk.abort();
                break;
            }
            // the capture ends before it does
            _ => break,
        }
    }
    talk.packets()
}

/// A scan's attempt, a short connection, or a long-lived one.
fn many(number: u64, now: u64, random: &mut Random) -> Vec<Packet> {
    let part = random.between(0, 1000);
    let mut ends = ends(number, 20_000, 500, random);
    if part < 610 {
        // a few scanners walk through the addresses, a port each time
        let (client, server) = if ends.client.0.is_ipv6() { v6(1 << 20, number as u32) } else { v4(1 << 20, number as u32) };
        ends.client.0 = client;
        ends.server = (server, [22, 23, 80, 443, 445, 3389, 5900, 8080][(number % 8) as usize]);
    }
    let mut talk = Talk::new(random, now, ends, false);
    match part {
        0..330 => talk.knock(1),
        330..400 => talk.knock(3),
        400..610 => {
            talk.knock(1);
            talk.refuse();
        }
        610..980 => {
            talk.handshake();
            let (request, response) = (talk.random.between(80, 140), talk.random.between(90, 260));
            talk.exchange(request as u32, MILLISECOND, response as u32);
            let client_first = talk.random.per_mille(600);
            talk.close(client_first);
        }
        _ => {
            talk.handshake();
            for _ in 0..talk.random.between(1, 9) {
                let (request, response) = (talk.random.between(60, 140), talk.random.between(60, 240));
                talk.exchange(request as u32, MILLISECOND, response as u32);
                let pause = talk.random.between(20 * SECOND, 400 * SECOND);
                talk.idle(pause, Some(75 * SECOND));
            }
            if talk.random.per_mille(500) {
                talk.close(true);
            }
        }
    }
    talk.packets()
}

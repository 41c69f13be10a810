//! One packet of a workload, and its octets: Ethernet, IPv4 or IPv6, TCP, payload.

use std::net::IpAddr;

use super::random::Random;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
/// So much payload fits a segment with timestamps on an Ethernet link (1500 − 20 − 32).
pub const SEGMENT_OCTETS: u32 = 1448;

/// What a payload begins with; the rest is filler.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    HttpRequest,
    HttpResponse,
    TlsHello,
    TlsHandshake,
    TlsData,
    /// From the middle of a message.
    Filler,
}

/// The two ends of a connection.
#[derive(Clone, Copy)]
pub struct Ends {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    /// Which of the hosts it talks to.
    pub host: usize,
}

/// One packet, before it has octets. Times are microseconds since the workload began.
#[derive(Clone, Copy)]
pub struct Packet {
    pub time: u64,
    pub ends: Ends,
    pub from_client: bool,
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub content: Content,
    pub payload_octets: u32,
    /// Of the whole message that begins here.
    pub message_octets: u32,
    /// Milliseconds at the other side when it sent what this one has seen last.
    pub echo: u32,
}

/// Names of the virtual hosts, in the requests and in TLS server names.
pub const HOSTS: [&str; 6] = ["shop.example", "api.example", "static.example", "login.example", "search.example", "feed.example"];

/// Bodies of text are made of these: five bits each, so that they compress about as well as text does.
const LETTERS: &[u8; 32] = b"etaoin shrdlucmfwyp0123456789<>/";

/// Writes packets as octets; keeps what all of them share.
#[derive(Default)]
pub struct Octets {
    payload: Vec<u8>,
    identification: u16,
}

impl Octets {
    /// The frame's octets, appended to `frame`.
    pub fn write(&mut self, packet: &Packet, frame: &mut Vec<u8>) {
        self.fill(packet);
        let (source, destination) =
            if packet.from_client { (packet.ends.client, packet.ends.server) } else { (packet.ends.server, packet.ends.client) };
        let segment_octets = 20 + options_octets(packet.flags) + self.payload.len();
        let version: u8 = if source.0.is_ipv6() { 6 } else { 4 };
        frame.extend(if packet.from_client { [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1] } else { [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2] });
        frame.extend(if version == 4 { [0x08, 0x00] } else { [0x86, 0xdd] });
        let ttl = if packet.from_client { 57 } else { 64 };
        match (source.0, destination.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                self.identification = self.identification.wrapping_add(1);
                let start = frame.len();
                frame.extend([0x45, 0]);
                frame.extend(((20 + segment_octets) as u16).to_be_bytes());
                frame.extend(self.identification.to_be_bytes());
                frame.extend([0x40, 0, ttl, 6, 0, 0]);
                frame.extend(from.octets());
                frame.extend(to.octets());
                let sum = fold(sum(&frame[start..]));
                frame[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame.extend([0x60, 0, 0, 0]);
                frame.extend((segment_octets as u16).to_be_bytes());
                frame.extend([6, ttl]);
                frame.extend(from.octets());
                frame.extend(to.octets());
            }
            _ => unreachable!("both ends of a connection speak one version"),
        }
        let addresses = frame.len() - if version == 4 { 8 } else { 32 };
        let tcp = frame.len();
        frame.extend(source.1.to_be_bytes());
        frame.extend(destination.1.to_be_bytes());
        frame.extend(packet.seq.to_be_bytes());
        frame.extend((if packet.flags & ACK == 0 { 0 } else { packet.ack }).to_be_bytes());
        frame.extend([((20 + options_octets(packet.flags)) / 4 * 16) as u8, packet.flags]);
        frame.extend((if packet.flags & SYN == 0 { 502_u16 } else { 64_240 }).to_be_bytes());
        frame.extend([0, 0, 0, 0]);
        options(packet, frame);
        frame.extend(&self.payload);
        let sum = fold(sum(&frame[addresses..tcp]) + sum(&frame[tcp..]) + 6 + segment_octets as u64);
        frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
    }

    /// Makes the packet's payload.
    fn fill(&mut self, packet: &Packet) {
        let octets = packet.payload_octets as usize;
        let host = HOSTS[packet.ends.host % HOSTS.len()];
        self.payload.clear();
        let head = match packet.content {
            Content::HttpRequest => format!(
                "GET /{host}/item/{}?page=2 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\nConnection: keep-alive\r\nX-Trace: ",
                packet.seq
            )
            .into_bytes(),
            Content::HttpResponse => response(packet.message_octets as usize),
            Content::TlsHello => hello(host),
            Content::TlsHandshake => record(0x16, packet.message_octets),
            Content::TlsData => record(0x17, packet.message_octets),
            Content::Filler => Vec::new(),
        };
        self.payload.extend(head.iter().take(octets));
        // By the place in the stream: a segment that is sent again has the same octets.
        let mut random = Random::new(u64::from(packet.seq) << 16 | u64::from(packet.ends.client.1));
        let text = packet.ends.server.1 != 443;
        while self.payload.len() < octets {
            let drawn = random.next().to_le_bytes();
            let left = (octets - self.payload.len()).min(drawn.len());
            if text {
                self.payload.extend(drawn.iter().take(left).map(|octet| LETTERS[usize::from(octet & 31)]));
            } else {
                self.payload.extend(&drawn[..left]); // encrypted: does not compress
            }
        }
        if packet.content == Content::HttpRequest && octets > 4 {
            self.payload[octets - 4..].copy_from_slice(b"\r\n\r\n");
        }
    }
}

/// The head of a response of `octets` in all; the declared length makes up for its own digits.
fn response(octets: usize) -> Vec<u8> {
    let head = |body: usize| format!("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: {body:06}\r\n\r\n");
    head(octets.saturating_sub(head(0).len())).into_bytes()
}

/// Octets of the ClientHello that names this host.
pub fn hello_octets(host: usize) -> u32 {
    hello(HOSTS[host % HOSTS.len()]).len() as u32
}

/// The header of a TLS record that is the whole message.
fn record(content_type: u8, message_octets: u32) -> Vec<u8> {
    let [high, low] = (message_octets.saturating_sub(5) as u16).to_be_bytes();
    vec![content_type, 3, 3, high, low]
}

/// A ClientHello with a server name (RFC 8446 section 4.1.2, RFC 6066 section 3).
fn hello(host: &str) -> Vec<u8> {
    let prefixed = |octets: &[u8]| [&(octets.len() as u16).to_be_bytes()[..], octets].concat();
    let name = [&[0][..], &prefixed(host.as_bytes())].concat();
    let extensions = [&[0, 0][..], &prefixed(&prefixed(&name))].concat();
    let body = [&[3, 3][..], &[0x5a; 32], &[0, 0, 2, 0x13, 0x01, 1, 0], &prefixed(&extensions)].concat();
    let message = [&[1, 0][..], &prefixed(&body)].concat();
    [&[0x16, 3, 1][..], &prefixed(&message)].concat()
}

/// Octets of TCP options: all of them in a SYN, timestamps in the rest, none in an RST.
const fn options_octets(flags: u8) -> usize {
    if flags & SYN != 0 {
        20
    } else if flags & RST != 0 {
        0
    } else {
        12
    }
}

fn options(packet: &Packet, frame: &mut Vec<u8>) {
    let timestamps = |frame: &mut Vec<u8>| {
        let now = (packet.time / 1000) as u32;
        frame.extend([8, 10]);
        frame.extend(now.to_be_bytes());
        frame.extend((if packet.flags & ACK == 0 { 0 } else { packet.echo }).to_be_bytes());
    };
    match options_octets(packet.flags) {
        20 => {
            frame.extend([2, 4, 5, 0xb4, 4, 2]);
            timestamps(frame);
            frame.extend([1, 3, 3, 7]);
        }
        12 => {
            frame.extend([1, 1]);
            timestamps(frame);
        }
        _ => {}
    }
}

/// The sum of 16-bit words, not yet folded (RFC 1071).
fn sum(octets: &[u8]) -> u64 {
    octets.chunks(2).map(|word| u64::from(word[0]) << 8 | word.get(1).copied().map_or(0, u64::from)).sum()
}

const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

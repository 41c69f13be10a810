//! Statements → packets: keeps each side's numbers, so that a script writes only what matters to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::parse::{Action, Attributes, Host, Line, Number, Program, Time, Timestamps};

const FIN: u16 = 0x01;
const SYN: u16 = 0x02;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;

/// How far a new incarnation's initial sequence number lies beyond the one before.
const INCARNATION_STEP: u32 = 100_000;

/// One frame of the capture, before it is written as octets.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Nanoseconds since 1970.
    pub time: i64,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub source_mac: [u8; 6],
    pub destination_mac: [u8; 6],
    pub ttl: u8,
    pub id: u16,
    pub content: Content,
    pub vlan: Option<u16>,
    pub vxlan: Option<u32>,
    /// Octets of zeros after the IP packet (link padding).
    pub pad: usize,
    /// What the IP header claims instead of its true length.
    pub ip_length: Option<u16>,
    pub snap: Option<usize>,
    /// The octets of the IP payload that this fragment has; the last one goes to the end.
    pub fragment: Option<(usize, Option<usize>)>,
    /// The record claims no more octets than were kept.
    pub record_cut: bool,
    pub interface: Option<u32>,
    pub name: Option<String>,
}

/// What the IP packet carries.
#[derive(Clone, Debug)]
pub enum Content {
    Tcp(Tcp),
    /// An ICMP error about the packet.
    Icmp {
        kind: u8,
        code: u8,
        mtu: u16,
        about: Box<Packet>,
    },
}

/// A TCP segment.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    pub seq: u32,
    pub ack: u32,
    pub flags: u16,
    pub window: u16,
    pub urgent: u16,
    pub mss: Option<u16>,
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    pub sack_blocks: Vec<(u32, u32)>,
    pub timestamps: Option<(u32, u32)>,
    pub options: Vec<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

/// What one side of a connection has sent and received.
#[derive(Clone, Copy, Debug)]
struct Side {
    initial: u32,
    snd_nxt: u32,
    rcv_nxt: u32,
    syn_sent: bool,
    last_ack: u32,
    echo: u32,
}

/// A packet and the line that made it, for `again` and `resend`.
#[derive(Clone)]
struct Made {
    packet: Packet,
    from: usize,
    to: usize,
}

struct Player<'a> {
    program: &'a Program,
    sides: BTreeMap<(usize, usize), Side>,
    incarnations: BTreeMap<(usize, usize), u32>,
    next_id: Vec<u16>,
    made: Vec<Made>,
    now: i64,
}

/// Plays the script; an error names the line.
pub fn play(program: &Program) -> Result<Vec<Packet>, String> {
    let next_id = program.hosts.iter().map(|host| host.id).collect();
    let mut player = Player { program, sides: BTreeMap::new(), incarnations: BTreeMap::new(), next_id, made: Vec::new(), now: 0 };
    let mut packets = Vec::new();
    for line in &program.lines {
        let packet = player.line(line).map_err(|error| format!("line {}: {error}", line.number))?;
        if !line.with.uncaptured {
            packets.push(packet);
        }
    }
    Ok(packets)
}

impl Player<'_> {
    fn line(&mut self, line: &Line) -> Result<Packet, String> {
        self.now = match line.time {
            Time::At(time) => time,
            Time::After(span) => self.now + span,
        };
        let made = match &line.action {
            Action::Send { from, to, flags } => self.send(*from, *to, *flags, &line.with),
            Action::Icmp { from, to } => self.icmp(*from, *to, &line.with)?,
            Action::Again(name) => self.again(name.as_deref(), &line.with)?,
            Action::Resend(name) => self.resend(name.as_deref(), &line.with)?,
        };
        self.made.push(made.clone());
        Ok(made.packet)
    }

    fn host(&self, index: usize) -> &Host {
        &self.program.hosts[index]
    }

    fn side(&mut self, of: usize, peer: usize) -> &mut Side {
        let (own, other) = (self.host(of).isn, self.host(peer).isn);
        let first = Side {
            initial: own,
            snd_nxt: own.wrapping_add(1),
            rcv_nxt: other.wrapping_add(1),
            syn_sent: false,
            last_ack: other.wrapping_add(1),
            echo: 0,
        };
        self.sides.entry((of, peer)).or_insert(first)
    }

    fn send(&mut self, from: usize, to: usize, flags: u16, with: &Attributes) -> Made {
        let seq = self.sequence(from, to, flags, with);
        let own = *self.side(from, to);
        let peer = *self.side(to, from);
        let ack = match with.ack {
            Some(Number::Absolute(number)) => number,
            Some(Number::FromNext(offset)) => moved(own.rcv_nxt, offset),
            Some(Number::FromInitial(offset)) => moved(peer.initial, offset),
            None if flags & ACK == 0 => 0,
            None => own.rcv_nxt,
        };
        let reply_rst = flags & RST != 0 && flags & ACK == 0;
        let host = self.host(from);
        let timestamps = match with.timestamps {
            Some(Timestamps::Value(value, echo)) => Some((value, echo)),
            Some(Timestamps::None) => None,
            None => host.timestamps.filter(|_| !reply_rst).map(|base| (base.wrapping_add(milliseconds(self.now)), own.echo)),
        };
        let tcp = Tcp {
            seq,
            ack,
            flags,
            window: with.window.unwrap_or(if reply_rst { 0 } else { host.window }),
            urgent: with.urgent.unwrap_or(0),
            mss: with.mss,
            window_scale: with.window_scale,
            sack_permitted: with.sack_permitted,
            sack_blocks: with.sack_blocks.clone(),
            timestamps,
            options: with.options.clone(),
            payload: payload(seq.wrapping_add(u32::from(flags & SYN != 0)), with),
        };
        self.sent(from, to, &tcp, with.undelivered);
        // Linux sends the SYN-ACK and the RST of a closed port with an IP-ID of 0.
        let linux_zero = reply_rst || flags & (SYN | ACK) == SYN | ACK;
        let id = if linux_zero { 0 } else { self.take_id(from) };
        let packet = self.packet(from, to, id, Content::Tcp(tcp), with);
        Made { packet, from, to }
    }

    fn sequence(&mut self, from: usize, to: usize, flags: u16, with: &Attributes) -> u32 {
        let (own, peer) = (*self.side(from, to), *self.side(to, from));
        if flags & SYN == 0 {
            return match with.seq {
                Some(Number::Absolute(number)) => number,
                Some(Number::FromNext(offset)) => moved(own.snd_nxt, offset),
                Some(Number::FromInitial(offset)) => moved(own.initial, offset),
                None if flags & RST != 0 && flags & ACK == 0 => peer.last_ack,
                None => own.snd_nxt,
            };
        }
        let pair = (from.min(to), from.max(to));
        let written = match with.seq {
            Some(Number::Absolute(number)) => Some(number),
            Some(Number::FromNext(offset)) => Some(moved(own.snd_nxt, offset)),
            Some(Number::FromInitial(offset)) => Some(moved(own.initial, offset)),
            None => None,
        };
        let opens = flags & ACK == 0;
        if opens && own.syn_sent && written.is_none_or(|number| number != own.initial) {
            *self.incarnations.entry(pair).or_insert(0) += 1;
        }
        let step = INCARNATION_STEP.wrapping_mul(self.incarnations.get(&pair).copied().unwrap_or(0));
        written.unwrap_or_else(|| self.host(from).isn.wrapping_add(step))
    }

    /// Moves both sides' numbers on. An RST moves nothing.
    fn sent(&mut self, from: usize, to: usize, tcp: &Tcp, undelivered: bool) {
        let length = u32::try_from(tcp.payload.len()).unwrap_or(u32::MAX);
        let marks = u32::from(tcp.flags & SYN != 0) + u32::from(tcp.flags & FIN != 0);
        let end = tcp.seq.wrapping_add(length).wrapping_add(marks);
        let own = self.side(from, to);
        if tcp.flags & RST != 0 {
            return;
        }
        if tcp.flags & SYN != 0 {
            own.initial = tcp.seq;
            own.syn_sent = true;
            own.snd_nxt = end;
        } else if after(end, own.snd_nxt) {
            own.snd_nxt = end;
        }
        if tcp.flags & ACK != 0 {
            own.last_ack = tcp.ack;
        }
        if undelivered {
            return;
        }
        let peer = self.side(to, from);
        if tcp.flags & SYN != 0 || (!after(tcp.seq, peer.rcv_nxt) && after(end, peer.rcv_nxt)) {
            peer.rcv_nxt = end;
        }
        if let Some((value, _)) = tcp.timestamps {
            peer.echo = value;
        }
    }

    fn take_id(&mut self, host: usize) -> u16 {
        let constant_zero = self.host(host).id == 0;
        let id = self.next_id[host];
        if !constant_zero {
            self.next_id[host] = if id == u16::MAX { 1 } else { id + 1 };
        }
        id
    }

    fn packet(&self, from: usize, to: usize, id: u16, content: Content, with: &Attributes) -> Packet {
        let (source, destination) = (self.host(from), self.host(to));
        let mut packet = Packet {
            time: self.program.start * 1_000_000_000 + self.now,
            source: source.address,
            destination: destination.address,
            source_mac: source.mac,
            destination_mac: destination.mac,
            ttl: source.ttl,
            id,
            content,
            vlan: None,
            vxlan: None,
            pad: 0,
            ip_length: None,
            snap: self.program.snap,
            fragment: None,
            record_cut: false,
            interface: None,
            name: None,
        };
        self.adorn(&mut packet, with);
        packet
    }

    /// What an attribute says about the frame itself holds for new and repeated frames alike.
    fn adorn(&self, packet: &mut Packet, with: &Attributes) {
        packet.time = self.program.start * 1_000_000_000 + self.now;
        packet.ttl = with.ttl.unwrap_or(packet.ttl);
        packet.id = with.id.unwrap_or(packet.id);
        if let Some((from, to)) = with.translated {
            let (source, destination) = (self.host(from), self.host(to));
            (packet.source, packet.destination) = (source.address, destination.address);
            (packet.source_mac, packet.destination_mac) = (source.mac, destination.mac);
        }
        packet.source_mac = with.source_mac.unwrap_or(packet.source_mac);
        packet.destination_mac = with.destination_mac.unwrap_or(packet.destination_mac);
        packet.vlan = with.vlan.or(packet.vlan);
        packet.vxlan = with.vxlan.or(packet.vxlan);
        packet.pad = with.pad.unwrap_or(packet.pad);
        packet.ip_length = with.ip_length.or(packet.ip_length);
        packet.snap = with.snap.or(packet.snap);
        packet.fragment = with.fragment.or(packet.fragment);
        packet.record_cut |= with.record_cut;
        packet.interface = with.interface.or(packet.interface);
        packet.name.clone_from(&with.name);
    }

    fn find(&self, name: Option<&str>) -> Result<Made, String> {
        let found = match name {
            Some(name) => self.made.iter().rfind(|made| made.packet.name.as_deref() == Some(name)),
            None => self.made.last(),
        };
        found.cloned().ok_or_else(|| format!("no frame {} before this line", name.unwrap_or("at all")))
    }

    fn again(&mut self, name: Option<&str>, with: &Attributes) -> Result<Made, String> {
        let mut made = self.find(name)?;
        self.adorn(&mut made.packet, with);
        Ok(made)
    }

    fn resend(&mut self, name: Option<&str>, with: &Attributes) -> Result<Made, String> {
        let mut made = self.find(name)?;
        let Content::Tcp(mut tcp) = made.packet.content.clone() else { return Err("only a segment can be sent again".into()) };
        let own = *self.side(made.from, made.to);
        if tcp.flags & ACK != 0 {
            tcp.ack = match with.ack {
                Some(Number::Absolute(number)) => number,
                Some(Number::FromNext(offset)) => moved(own.rcv_nxt, offset),
                _ => own.rcv_nxt,
            };
        }
        tcp.window = with.window.unwrap_or(tcp.window);
        match (with.timestamps, tcp.timestamps, self.host(made.from).timestamps) {
            (Some(Timestamps::Value(value, echo)), ..) => tcp.timestamps = Some((value, echo)),
            (None, Some(_), Some(base)) => tcp.timestamps = Some((base.wrapping_add(milliseconds(self.now)), own.echo)),
            _ => {}
        }
        self.sent(made.from, made.to, &tcp, with.undelivered);
        made.packet.content = Content::Tcp(tcp);
        made.packet.id = self.take_id(made.from);
        self.adorn(&mut made.packet, with);
        Ok(made)
    }

    fn icmp(&mut self, from: usize, to: usize, with: &Attributes) -> Result<Made, String> {
        let about = self.find(with.of.as_deref())?.packet;
        let (kind, code) = (with.icmp_type.ok_or("ICMP wants type=")?, with.icmp_code.unwrap_or(0));
        let content = Content::Icmp { kind, code, mtu: with.mtu.unwrap_or(0), about: Box::new(about) };
        let id = self.take_id(from);
        let packet = self.packet(from, to, id, content, with);
        Ok(Made { packet, from, to })
    }
}

fn payload(first: u32, with: &Attributes) -> Vec<u8> {
    let mut octets = with.payload.clone().unwrap_or_default();
    let wanted = with.length.unwrap_or(octets.len());
    // The pattern goes by sequence number, so that overlapping and repeated segments agree.
    while octets.len() < wanted {
        let position = first.wrapping_add(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        octets.push(b'a' + u8::try_from(position % 26).unwrap_or(0));
    }
    octets
}

/// Milliseconds since the start, as a timestamp clock counts them.
fn milliseconds(nanoseconds: i64) -> u32 {
    u32::try_from(nanoseconds / 1_000_000 % (1 << 32)).unwrap_or(0)
}

fn moved(number: u32, offset: i64) -> u32 {
    let offset = u32::try_from(offset.rem_euclid(1 << 32)).unwrap_or(0);
    number.wrapping_add(offset)
}

/// `a` lies after `b` in sequence space.
fn after(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

//! [`Frame`] → [`Segment`]: link layers, tunnels, IP, fragments, TCP. Pure; the only room that names `etherparse`.
//!
//! One loop (`walk`) reads a header per step; `link` and `tunnel` hold one file per link type and per encapsulation. Headers are read leniently:
//! twenty octets of TCP header make a segment, whatever the snap length cut after them, and payload lengths come from the IP header.

use crate::decode::firsts::Firsts;
use crate::decode::fragments::{DatagramKey, Fragments, Origin, TCP};
use crate::decode::last_times::LastTimes;
use crate::decode::link::LinkReader;
use crate::decode::parts::{Aggregate, Parts};
use crate::decode::plain::Plain;
use crate::decode::stacks::{Stacks, SubInterfaces};
use crate::decode::tcp::Tcp;
use crate::decode::view::View;
use crate::decode::walk::{Arrived, End, Ip, Next, Walk, fold32, mix};
use crate::endpoint::Endpoint;
use crate::frame::{Frame, FrameId};
use crate::options::Separate;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment, Vantage};
use crate::time::Timestamp;

mod firsts;
mod fragments;
mod icmp;
mod ip4;
mod ip6;
mod last_times;
mod link;
mod names;
mod parts;
mod plain;
mod protocol;
mod stacks;
mod tcp;
mod tunnel;
mod view;
mod walk;

pub use names::Names;

/// How to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// What becomes part of a connection's identity.
    pub separate: Separate,
}

/// What one frame was. Every frame is exactly one of these: the sums are printed.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// An ICMP error that quotes a TCP segment; counted as skipped (`icmp error`).
    IcmpQuote(IcmpQuote),
    /// A TCP header whose length field is below 20; counted as malformed ([`SHORT_HEADER`]). It is no segment, but its 4-tuple is known.
    ShortHeader {
        /// The sender.
        src: Endpoint,
        /// The receiver.
        dst: Endpoint,
        /// As in [`Segment::tenant`].
        tenant: u32,
    },
    /// A segment that waits behind a first fragment of its connection: [`Decoder::before`] gives it when a later frame is met.
    Waits,
    /// Sound, but not TCP, or of a kind that is not read; the reason is a short fixed text, e.g. `udp`, `arp`, `link type 147`.
    Skipped(&'static str),
    /// Should have been readable but is not; the reason says layer and what is wrong, e.g. `ipv4: header length below 20`.
    Malformed(&'static str),
}

/// The reason under which a fragment counts as skipped that completes no datagram.
pub const IP_FRAGMENT: &str = "ip fragment";

/// The segments of which only the first fragment was captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstFragments {
    /// All of them.
    pub segments: u64,
    /// Those whose length the numbers of later segments told.
    pub measured: u64,
    /// Later fragments were captured, but not before these.
    pub later_seen: bool,
}

/// The reason under which a [`Decoded::ShortHeader`] counts as malformed.
pub const SHORT_HEADER: &str = tcp::LENGTH_BELOW_20;

/// Decodes frames; keeps the bounded state that decoding needs (fragments, the table of encapsulation stacks).
#[derive(Debug)]
pub struct Decoder {
    options: DecodeOptions,
    /// The link type read last and its reader.
    link: (u16, Option<&'static LinkReader>),
    stacks: Stacks,
    sub_interfaces: SubInterfaces,
    fragments: Fragments,
    firsts: Firsts,
    /// The frame that was met, and whether its segment waits.
    met: Option<(FrameId, bool)>,
    /// The datagram that the last frame completed, and the one inside it that was then complete.
    assembled: [Vec<u8>; 2],
    /// What the last frame was a fragment of.
    datagram: Option<u64>,
    last_times: LastTimes,
    parts: Parts,
    sampled: u64,
}

impl Decoder {
    /// A decoder without any state yet.
    pub fn new(options: DecodeOptions) -> Self {
        Self {
            options,
            link: (1, link::reader(1)),
            stacks: Stacks::new(),
            sub_interfaces: SubInterfaces::new(),
            fragments: Fragments::new(),
            firsts: Firsts::default(),
            met: None,
            assembled: [Vec::new(), Vec::new()],
            datagram: None,
            last_times: LastTimes::default(),
            parts: Parts::new(),
            sampled: 0,
        }
    }

    /// Decodes one frame. A reassembled datagram borrows from the decoder. Of a frame with several packets it gives the first segment, and
    /// [`Decoder::more`] the others.
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Decoded<'a> {
        let Self { options, link, stacks, sub_interfaces, fragments, firsts, met, assembled, datagram, last_times, parts, sampled } = self;
        *datagram = None;
        if met.take() == Some((frame.id, true)) {
            return Decoded::Waits;
        }
        parts.cursor.frame = None;
        let time = last_times.take(frame);
        if link.0 != frame.link_type.0 {
            *link = (frame.link_type.0, link::reader(frame.link_type.0));
        }
        let Some(reader) = link.1 else { return Decoded::Skipped("link type not read") };
        if options.separate == Separate::default()
            && frame.fcs_octets == 0
            && let Some(plain) = Plain::of(frame.link_type.0, frame.captured)
            && let Ok(tcp) = tcp::read(plain.tcp)
        {
            let vantage = Vantage {
                interface: vantage_interface(sub_interfaces.number(plain.sub_interface), frame.interface),
                stack: stacks.plain(reader.name),
                link_source: plain.link_source,
                link_destination: plain.link_destination,
                outer: 0,
            };
            return Decoded::Segment(segment(frame, time, 0, plain.ip, tcp, vantage));
        }
        let view = View::new(frame.captured, frame.wire_length).without_trailer(u32::from(frame.fcs_octets));
        let mut walk = Walk::default();
        let arrived = match arrive(reader, frame.link_type.0, view, &mut walk) {
            Ok(Arrived::Fragment(view)) => {
                *datagram = walk.fragment.map(|header| header.key.number());
                let interface = vantage_interface(sub_interfaces.number(walk.sub_interface), frame.interface);
                let origin = |walk: &Walk<'_>| Origin { frame: frame.id, time, tenant: tenant(options.separate, walk, interface) };
                if let Some((key, first)) = first_fragment(frame, time, &walk, view, options.separate, stacks, (reader.name, interface)) {
                    if !firsts.later_seen() {
                        firsts.hold(&first, key);
                    }
                } else if walk.fragment.is_some_and(|header| header.offset > 0) {
                    firsts.see_later();
                }
                complete(view, &mut walk, fragments, assembled, &origin)
            }
            arrived => arrived,
        };
        let arrived = match arrived {
            Ok(arrived) => arrived,
            Err(End::Skipped(reason)) => return Decoded::Skipped(reason),
            Err(End::Malformed(reason)) => return Decoded::Malformed(reason),
        };
        let interface = vantage_interface(sub_interfaces.number(walk.sub_interface), frame.interface);
        if let Arrived::Parts(aggregate, view) = arrived {
            parts.begin(frame.id, aggregate, view, &walk);
            (parts.link, parts.interface) = (reader.name, interface);
            return next_part(frame, time, options.separate, stacks, parts, sampled);
        }
        finish(frame, time, &walk, arrived, options.separate, stacks, (reader.name, interface))
    }

    /// The segments that come before those of this frame, until there is none more: ask before the frame is decoded. They were captured earlier,
    /// each in its own frame; what they are was not known then. While nobody asks, a first fragment is no segment.
    ///
    /// A first fragment whose datagram cannot become whole, because a capture filter leaves the later ones out, is a segment with as many octets as
    /// the numbers of others tell, or its own. [`Decoder::decode`] says [`Decoded::Skipped`] of its frame.
    #[inline]
    pub fn before(&mut self, frame: &Frame<'_>) -> Option<Segment<'_>> {
        if self.firsts.is_empty() { None } else { self.look_ahead(frame) }
    }

    /// What [`Decoder::before`] has not given yet; ask at the end of the capture, after [`Decoder::end`].
    pub fn after_last(&mut self) -> Option<Segment<'_>> {
        let fragments = &mut self.fragments;
        self.firsts.next(&mut |key| fragments.take_first(key))
    }

    #[cold]
    fn look_ahead(&mut self, frame: &Frame<'_>) -> Option<Segment<'_>> {
        if self.met.is_none_or(|(met, _)| met != frame.id) {
            let waits = self.meet(frame);
            self.met = Some((frame.id, waits));
        }
        self.after_last()
    }

    /// Looks whether the frame tells something of the first fragments that are held back; true if its own segment waits behind one.
    fn meet(&mut self, frame: &Frame<'_>) -> bool {
        let Self { options, stacks, sub_interfaces, firsts, last_times, .. } = self;
        let time = last_times.of(frame);
        firsts.age(time);
        let Some(reader) = link::reader(frame.link_type.0) else { return false };
        let view = View::new(frame.captured, frame.wire_length).without_trailer(u32::from(frame.fcs_octets));
        let mut walk = Walk::default();
        let Ok(arrived) = arrive(reader, frame.link_type.0, view, &mut walk) else { return false };
        let interface = vantage_interface(sub_interfaces.number(walk.sub_interface), frame.interface);
        let place = (reader.name, interface);
        match arrived {
            Arrived::Fragment(view) => {
                if let Some((key, first)) = first_fragment(frame, time, &walk, view, options.separate, stacks, place) {
                    firsts.meet(&first, Some(key));
                } else if walk.fragment.is_some_and(|header| header.offset > 0) {
                    firsts.see_later();
                }
                false
            }
            Arrived::Tcp(_) => match finish(frame, time, &walk, arrived, options.separate, stacks, place) {
                Decoded::Segment(segment) => firsts.meet(&segment, None),
                _ => false,
            },
            Arrived::Quote(_) | Arrived::Parts(..) => false,
        }
    }

    /// A further segment of the frame that was decoded last, until there is none: frames of an 802.11 aggregate, sFlow samples.
    #[inline]
    pub fn more<'a>(&'a mut self, frame: &Frame<'_>) -> Option<Segment<'a>> {
        if self.parts.cursor.frame != Some(frame.id) {
            return None;
        }
        let time = self.last_times.of(frame);
        match next_part(frame, time, self.options.separate, &mut self.stacks, &mut self.parts, &mut self.sampled) {
            Decoded::Segment(segment) => Some(segment),
            _ => None,
        }
    }

    /// How many of the segments were sFlow samples: a part of the traffic only, with the times of the datagrams that carried them.
    pub fn sampled(&self) -> u64 {
        self.sampled
    }

    /// The encapsulation stacks seen so far, by [`Vantage::stack`], written from the outside in:
    /// `ethernet`, `ethernet/vlan 100`, `ethernet/ipv4/udp/vxlan 42/ethernet`. Number 0 is any link type without encapsulation; it has the
    /// name of the first one that was seen.
    pub fn stacks(&self) -> &[String] {
        self.stacks.names()
    }

    /// The datagram of which the frame decoded last was a fragment, by a number; fragments of one datagram have the same.
    pub fn datagram(&self) -> Option<u64> {
        self.datagram
    }

    /// The names of where segments were captured so far.
    pub fn names(&self) -> Names {
        Names { stacks: self.stacks.names().to_vec(), sub_interfaces: self.sub_interfaces.names().to_vec() }
    }

    /// The kernel's interface of a [`Vantage::interface`], by its name or index; empty where the capture does not tell it.
    #[inline]
    pub fn sub_interface(&self, interface: u32) -> &str {
        match interface >> 16 {
            0 => "",
            number => self.sub_interfaces.name(u16::try_from(number).unwrap_or_default()),
        }
    }

    /// A TCP datagram in fragments that was given up, until there is none more: too old, pushed out, or the end of the capture.
    pub fn next_incomplete(&mut self) -> Option<IncompleteDatagram> {
        self.fragments.next_incomplete()
    }

    /// The capture ends: ask for [`Decoder::after_last`], then call [`Decoder::give_up`].
    pub fn end(&mut self) {
        self.firsts.end();
    }

    /// Datagrams that still wait for fragments are given up.
    pub fn give_up(&mut self) {
        self.fragments.end();
    }

    /// How many of the segments were a first fragment (see [`Decoder::before`]), of how many of these others told the length, and whether a later
    /// fragment was captured after all.
    pub fn first_fragments(&self) -> FirstFragments {
        let (segments, measured) = self.firsts.counts();
        FirstFragments { segments, measured, later_seen: self.firsts.later_seen() }
    }

    /// TCP datagrams whose first fragment was captured and that never became complete: those given up (see `fragments` for the limits) and
    /// those that still wait. Ask at the end of the capture.
    pub fn incomplete_fragments(&self) -> u64 {
        self.fragments.incomplete()
    }
}

/// The kernel's interface above the capture interface.
#[inline]
fn vantage_interface(sub_interface: u16, interface: u32) -> u32 {
    (u32::from(sub_interface) << 16) | interface.min(0xffff)
}

/// Puts a segment together.
#[inline]
fn segment<'a>(frame: &Frame<'_>, time: Timestamp, tenant: u32, ip: Ip<'_>, tcp: Tcp<'a>, vantage: Vantage) -> Segment<'a> {
    let (source_port, destination_port) = tcp.ports();
    let (src, dst) = ip.endpoints(source_port, destination_port);
    Segment {
        frame: frame.id,
        time,
        time_unknown: frame.time.is_none(),
        src,
        dst,
        tenant,
        seq: tcp.seq(),
        ack: tcp.ack(),
        flags: tcp.flags(),
        window: tcp.window(),
        options: tcp.options(),
        payload_length: tcp.payload_length(),
        ttl: ip.ttl(),
        ip_id: ip.id(),
        discarded: tcp.is_beyond_segment(),
        vantage,
        head: tcp.head(),
        tail: tcp.tail(),
    }
}

/// Where the walk was captured.
fn vantage(walk: &Walk<'_>, stacks: &mut Stacks, (link, interface): (&'static str, u32)) -> Vantage {
    Vantage {
        interface,
        stack: stacks.number(link, &walk.layers),
        link_source: walk.link_source,
        link_destination: walk.link_destination,
        outer: walk.outer,
    }
}

/// What a walk that arrived gives.
fn finish<'a>(
    frame: &Frame<'_>,
    time: Timestamp,
    walk: &Walk<'a>,
    arrived: Arrived<'a>,
    separate: Separate,
    stacks: &mut Stacks,
    (link, interface): (&'static str, u32),
) -> Decoded<'a> {
    let tenant = tenant(separate, walk, interface);
    match arrived {
        Arrived::Tcp(view) => {
            let Some(ip) = walk.ip else { return Decoded::Malformed("tcp: no ip header") };
            let tcp = match tcp::read(view) {
                Ok(tcp) => tcp,
                Err(End::Skipped(reason)) => return Decoded::Skipped(reason),
                Err(End::Malformed(reason)) if reason == SHORT_HEADER => {
                    let (src, dst) = ip.endpoints(view.be16(0).unwrap_or(0), view.be16(2).unwrap_or(0));
                    return Decoded::ShortHeader { src, dst, tenant };
                }
                Err(End::Malformed(reason)) => return Decoded::Malformed(reason),
            };
            let vantage = vantage(walk, stacks, (link, interface));
            Decoded::Segment(segment(frame, time, tenant, ip, tcp, vantage))
        }
        Arrived::Quote(quote) => {
            let Some(ip) = walk.ip else { return Decoded::Malformed("icmp: no ip header") };
            let (src, dst) = quote.endpoints();
            let (from, _) = ip.addresses();
            Decoded::IcmpQuote(IcmpQuote { frame: frame.id, time, from, error: quote.error, src, dst, tenant, seq: quote.seq() })
        }
        Arrived::Fragment(..) => Decoded::Skipped(IP_FRAGMENT),
        Arrived::Parts(..) => Decoded::Skipped("nested too deep"),
    }
}

/// The segment whose datagram's first fragment is at `view`: enough of it to be one, and more of the datagram to come.
#[cold]
fn first_fragment<'a>(
    frame: &Frame<'_>,
    time: Timestamp,
    walk: &Walk<'_>,
    view: View<'a>,
    separate: Separate,
    stacks: &mut Stacks,
    (link, interface): (&'static str, u32),
) -> Option<(DatagramKey, Segment<'a>)> {
    let header = walk.fragment.filter(|header| header.offset == 0 && header.more && header.protocol == TCP)?;
    let tcp = tcp::read(view).ok().filter(|tcp| !tcp.is_beyond_segment())?;
    let vantage = vantage(walk, stacks, (link, interface));
    Some((header.key, segment(frame, time, tenant(separate, walk, interface), walk.ip?, tcp, vantage)))
}

/// The next segment among the packets of a frame; if there is none, what the first of them was.
#[cold]
fn next_part<'a>(
    frame: &Frame<'_>,
    time: Timestamp,
    separate: Separate,
    stacks: &mut Stacks,
    parts: &'a mut Parts,
    sampled: &mut u64,
) -> Decoded<'a> {
    let Parts { octets, cursor, before, link, interface } = parts;
    let octets: &'a [u8] = octets;
    let is_sample = matches!(cursor.aggregate, Aggregate::Sflow(_));
    let mut other = None;
    while let Some((next, view)) = cursor.next(octets) {
        let mut walk = Walk::clone(before);
        let decoded = match walk.run(next, view) {
            Ok(arrived) => finish(frame, time, &walk, arrived, separate, stacks, (*link, *interface)),
            Err(End::Skipped(reason)) => Decoded::Skipped(reason),
            Err(End::Malformed(reason)) => Decoded::Malformed(reason),
        };
        if matches!(decoded, Decoded::Segment(_)) {
            *sampled = sampled.saturating_add(u64::from(is_sample));
            return decoded;
        }
        other = other.or(Some(decoded));
    }
    cursor.frame = None;
    match other {
        _ if is_sample => Decoded::Skipped("sflow"),
        Some(decoded) => decoded,
        None => Decoded::Malformed("802.11: header cut short"),
    }
}

/// Walks from the link header inwards.
#[inline]
fn arrive<'a>(reader: &LinkReader, number: u16, view: View<'a>, walk: &mut Walk<'a>) -> Result<Arrived<'a>, End> {
    let (next, view) = (reader.read)(number, view, walk)?;
    walk.run(next, view)
}

/// Puts a fragment into the pool and walks on inside the datagram that it completes, twice if a tunnel was itself in fragments.
#[cold]
fn complete<'a>(
    view: View<'a>,
    walk: &mut Walk<'a>,
    fragments: &mut Fragments,
    assembled: &'a mut [Vec<u8>; 2],
    origin: &dyn Fn(&Walk<'_>) -> Origin,
) -> Result<Arrived<'a>, End> {
    let [outer, inner] = assembled;
    let arrived = reassemble(view, walk, fragments, outer, origin)?;
    let Arrived::Fragment(view) = arrived else { return Ok(arrived) };
    reassemble(view, walk, fragments, inner, origin)
}

/// Walks on inside the datagram that the fragment at `view` completes.
fn reassemble<'a>(
    view: View<'_>,
    walk: &mut Walk<'a>,
    fragments: &mut Fragments,
    assembled: &'a mut Vec<u8>,
    origin: &dyn Fn(&Walk<'_>) -> Origin,
) -> Result<Arrived<'a>, End> {
    let missing = End::Skipped(IP_FRAGMENT);
    let header = walk.fragment.take().ok_or(missing)?;
    let datagram = fragments.add(&header, view.octets, origin(walk)).ok_or(missing)?;
    *assembled = datagram.octets;
    walk.run(Next::Protocol(datagram.protocol), View::whole(assembled))
}

/// What separates overlapping tenants: 0, or a hash of what the user asked for. Both directions of a connection cross the same VLANs,
/// networks and interfaces, so nothing in it depends on the direction.
fn tenant(separate: Separate, walk: &Walk<'_>, interface: u32) -> u32 {
    if separate == Separate::default() {
        return 0;
    }
    let mut hash = 0;
    for layer in &walk.layers {
        if let Some(vlan) = layer.vlan().filter(|_| separate.vlan) {
            hash = mix(hash, (1 << 32) | u64::from(vlan));
        }
        if let Some(network) = layer.network().filter(|_| separate.vni) {
            hash = mix(hash, (2 << 32) | u64::from(network));
        }
    }
    if separate.interface {
        hash = mix(hash, (3 << 32) | u64::from(interface));
    }
    fold32(hash)
}

#[cfg(test)]
mod tests;

//! What was observed of one side of a connection, in the variable names of RFC 9293 section 3.3.1.
//!
//! Sequence numbers are unwrapped into 64-bit [`Position`]s, so that comparisons are plain and a connection may carry more than
//! 4 GiB. The position of a number is the one nearest to the highest seen (RFC 9293 section 3.4: within half the space).

use serde::{Deserialize, Serialize};

use super::coverage::Coverage;
use super::facts::HalfFacts;
use crate::frame::FrameId;
use crate::segment::{LinkAddress, Segment};
use crate::seq::SeqNumber;
use crate::time::{Span, Timestamp};

/// An unwrapped sequence number of one direction.
pub type Position = i64;

/// A frame and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which frame.
    pub frame: FrameId,
    /// When.
    pub time: Timestamp,
}

impl Mark {
    /// Where `segment` stands.
    pub const fn of(segment: &Segment<'_>) -> Self {
        Self { frame: segment.frame, time: segment.time }
    }
}

/// The first FIN of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fin {
    /// First transmission.
    pub mark: Mark,
    /// The number that the FIN itself occupies.
    pub position: Position,
    /// The acknowledgement number that it carried, as a position of the other side.
    pub ack: Option<Position>,
    /// The first segment of the other side that acknowledged it.
    pub acknowledged: Option<Mark>,
}

/// Counts of one side; every frame, duplicate observations included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames.
    pub segments: u64,
    /// Of these, further sights of a segment already seen.
    pub duplicates: u64,
    /// Payload octets, retransmissions included.
    pub payload_octets: u64,
    /// Segments with SYN.
    pub syn: u32,
    /// Segments with FIN.
    pub fin: u32,
    /// Segments with RST.
    pub rst: u32,
    /// Segments that repeat payload, a SYN or a FIN.
    pub retransmissions: u32,
    /// TCP keepalive probes.
    pub keepalive_probes: u32,
    /// Probes labelled by their answer, where the capture began in mid-idle.
    pub keepalive_probes_inferred: u32,
    /// RSTs that change nothing (outside the window, of an older incarnation).
    pub invalid_rst: u32,
    /// Datagrams in fragments that never became whole; no segments, in none of the other counts.
    pub incomplete_datagrams: u32,
}

impl Counts {
    /// Counts a frame; of a discarded one nothing but that it was there.
    pub(super) fn add(&mut self, segment: &Segment<'_>) {
        self.segments += 1;
        if segment.discarded {
            return;
        }
        self.payload_octets += u64::from(segment.payload_length);
        self.syn += u32::from(segment.flags.syn() && !segment.flags.rst());
        self.fin += u32::from(segment.flags.fin() && !segment.flags.rst());
        self.rst += u32::from(segment.flags.rst());
    }
}

/// The hop count and IP-ID habits of one side, to tell an RST of another device.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct PathBaseline {
    /// Time to live of the earlier segments.
    pub ttl: u8,
    /// How many had it in a row (0: none seen yet).
    pub ttl_count: u16,
    /// It changed at least once.
    pub ttl_varies: bool,
    /// The last IP-ID.
    pub last_ip_id: Option<u16>,
    /// Segments whose IP-ID was 0, and others (saturating).
    pub zero_ip_ids: u16,
    /// See `zero_ip_ids`.
    pub other_ip_ids: u16,
    /// Link address of the frames' sender, and the interface where it was seen.
    pub link_source: Option<LinkAddress>,
    /// See `link_source`.
    pub interface: u32,
    /// One of both changed at least once.
    pub link_varies: bool,
}

impl PathBaseline {
    fn learn(&mut self, segment: &Segment<'_>) {
        if self.ttl_count == 0 {
            self.ttl = segment.ttl;
            self.link_source = segment.vantage.link_source;
            self.interface = segment.vantage.interface;
        }
        self.link_varies |= segment.vantage.interface != self.interface || segment.vantage.link_source != self.link_source;
        if segment.ttl == self.ttl {
            self.ttl_count = self.ttl_count.saturating_add(1);
        } else {
            self.ttl_varies = true;
        }
        match segment.ip_id {
            Some(0) => self.zero_ip_ids = self.zero_ip_ids.saturating_add(1),
            Some(_) => self.other_ip_ids = self.other_ip_ids.saturating_add(1),
            None => {}
        }
        self.last_ip_id = segment.ip_id;
    }
}

/// What was observed of one side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HalfConnection {
    /// Counts.
    pub counts: Counts,
    reference: Option<(SeqNumber, Position)>,
    /// The initial sequence number (of a SYN), or the one before the first number seen: Wireshark's base for telling a new connection.
    pub base: Option<SeqNumber>,
    /// The base came from a SYN.
    pub base_is_syn: bool,
    /// A segment of this side told its numbers, in this incarnation or in one before it inside the connection: they are not only derived.
    pub(super) has_spoken: bool,
    /// SND.NXT: just after the highest number sent, SYN and FIN included.
    pub snd_nxt: Option<Position>,
    /// Just after the highest payload octet sent.
    pub data_end: Option<Position>,
    /// The highest acknowledgement number that this side sent: the other side's SND.UNA.
    pub acked: Option<Position>,
    /// The same, of segments that carried payload: what they may be answers to.
    pub acked_with_payload: Option<Position>,
    /// Window field of the last segment.
    pub window: Option<u16>,
    /// The first FIN.
    pub fin: Option<Fin>,
    /// New payload came beyond the FIN: it was not this side's own.
    pub fin_disowned: bool,
    /// The shortest time in which this side acknowledged a payload, at one interface.
    pub fastest_answer: Option<Span>,
    /// Octets seen.
    pub coverage: Coverage,
    /// The last frame.
    pub last: Option<Mark>,
    /// TTL, IP-ID, link address.
    pub path: PathBaseline,
    /// Consecutive keepalive probes since the other side's last segment.
    pub probes_pending: u32,
    /// The first of these.
    pub first_pending_probe: Option<Mark>,
    /// The last of these.
    pub last_pending_probe: Option<Mark>,
    /// The last new payload whose acknowledgement is awaited: its end, time and interface (for the round trip).
    pub(super) awaited: Option<(Position, Timestamp, u32)>,
    /// The last segment was a pure ACK that may have been a probe: the capture had shown no payload of this side before.
    pub(super) maybe_probe: bool,
}

impl HalfConnection {
    /// One side of a new incarnation inside a connection that was over: numbering starts over, counts and coverage go on.
    pub(super) fn revived(facts: &HalfFacts) -> Self {
        Self {
            counts: facts.counts,
            base: facts.base,
            base_is_syn: facts.base_is_syn,
            has_spoken: facts.has_spoken,
            coverage: Coverage::after(facts.unique_octets),
            ..Self::default()
        }
    }

    /// See [`super::connection::Connection::touch`].
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        let ends = self.snd_nxt.unwrap_or_default() ^ self.acked.unwrap_or_default();
        ends.cast_unsigned() ^ self.counts.segments ^ u64::from(self.path.ttl) ^ u64::from(self.probes_pending)
    }

    /// The position of `seq`; the first number asked for becomes the reference.
    pub fn position(&mut self, seq: SeqNumber) -> Position {
        if let Some(position) = self.known_position(seq) {
            return position;
        }
        // 2³² leaves room below: positions stay positive for 4 GiB of reordering before the first number seen.
        let position = (1 << 32) | i64::from(seq.0);
        self.reference = Some((seq, position));
        position
    }

    /// The position of `seq`, if anything of this side's numbering is known.
    pub fn known_position(&self, seq: SeqNumber) -> Option<Position> {
        let (reference, position) = self.reference?;
        Some(position.saturating_add(i64::from(seq.distance_from(reference))))
    }

    /// Counts a frame of this side; of a discarded one nothing but that it was there.
    pub fn count(&mut self, segment: &Segment<'_>) {
        self.last = Some(Mark::of(segment));
        self.counts.add(segment);
    }

    /// Takes in what a segment (no RST, no duplicate observation) sent, at `position`.
    pub fn advance(&mut self, segment: &Segment<'_>, position: Position) {
        let length = i64::from(segment.sequence_length());
        let end = position.saturating_add(length);
        if self.snd_nxt.is_none_or(|nxt| end > nxt) {
            self.snd_nxt = Some(end);
            self.reference = Some((segment.end(), end));
        }
        if segment.payload_length > 0 {
            let start = position.saturating_add(i64::from(segment.flags.syn()));
            let data_end = start.saturating_add(i64::from(segment.payload_length));
            self.coverage.add(start, data_end);
            if self.data_end.is_none_or(|known| data_end > known) {
                self.data_end = Some(data_end);
            }
        }
        self.window = Some(segment.window);
        self.path.learn(segment);
    }

    /// Takes in an acknowledgement number that this side sent.
    pub fn acknowledge(&mut self, ack: Position, with_payload: bool) {
        if self.acked.is_none_or(|known| ack > known) {
            self.acked = Some(ack);
        }
        if with_payload && self.acked_with_payload.is_none_or(|known| ack > known) {
            self.acked_with_payload = Some(ack);
        }
    }

    /// The FIN that closes this direction, unless it turned out not to be this side's own.
    pub fn effective_fin(&self) -> Option<&Fin> {
        if self.fin_disowned { None } else { self.fin.as_ref() }
    }

    /// A new incarnation whose SYN was not captured: numbering starts over, counts and coverage go on.
    pub fn restart(&mut self) {
        self.snd_nxt = None;
        self.data_end = None;
        self.acked = None;
        self.acked_with_payload = None;
        self.window = None;
        self.fin = None;
        self.fin_disowned = false;
        self.probes_pending = 0;
        self.awaited = None;
        self.maybe_probe = false;
    }

    /// The other side was heard: no probe is pending any more.
    pub(super) const fn heard_from_peer(&mut self) {
        self.probes_pending = 0;
        self.first_pending_probe = None;
        self.last_pending_probe = None;
    }
}

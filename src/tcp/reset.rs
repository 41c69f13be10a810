//! RST segments: their shape says who makes such a one, their number whether they count (RFC 9293 section 3.10.7.4, RFC 5961 section 3).

use serde::{Deserialize, Serialize};

use super::half::{HalfConnection, Mark, Position};
use crate::report::RstShape;
use crate::segment::{Segment, TcpOptions, Vantage};
use crate::seq::SeqNumber;

/// An RST as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Where.
    pub mark: Mark,
    /// What it looks like.
    pub shape: RstShape,
    /// Its sequence number.
    pub seq: SeqNumber,
    /// As a position of its sender, if that numbering is known.
    pub position: Option<Position>,
    /// Its acknowledgement number as a position of the receiver, if it has one.
    pub ack: Option<Position>,
    /// It ends the connection.
    pub valid: bool,
    /// Time to live.
    pub ttl: u8,
    /// IPv4 identification.
    pub ip_id: Option<u16>,
    /// Where it was captured.
    pub vantage: Vantage,
}

/// The shape of an RST. `answers_syn`: nothing but a SYN of the other side was seen so far.
pub fn shape(segment: &Segment<'_>, answers_syn: bool) -> RstShape {
    let bare = segment.window == 0 && !has_options(&segment.options);
    if answers_syn {
        RstShape::Refused
    } else if !segment.flags.ack() {
        if bare { RstShape::Reply } else { RstShape::Other }
    } else if bare {
        RstShape::Other
    } else {
        RstShape::Abort
    }
}

fn has_options(options: &TcpOptions) -> bool {
    options.octets > 0
}

/// Whether an RST at `position` of `sender` is one that the receiver accepts. Its RCV.NXT lies between the highest number it
/// acknowledged and the highest that was sent; one octet of slack, as RFC 5961 allows for a lost FIN.
pub fn is_valid(position: Option<Position>, sender: &HalfConnection, receiver: &HalfConnection) -> bool {
    let Some(position) = position else { return true };
    let (Some(low), Some(high)) = (receiver.acked.or(sender.snd_nxt), sender.snd_nxt.or(receiver.acked)) else { return true };
    let (low, high) = (low.min(high), low.max(high));
    position >= low.saturating_sub(1) && position <= high.saturating_add(1)
}

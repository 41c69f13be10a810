//! Encapsulation: one file per tunnel, reached by IP protocol, `EtherType` or UDP port.
//!
//! A UDP port alone proves nothing, so a tunnel over UDP is followed only if its own header and the first octets inside are plausible;
//! else the datagram is skipped as `udp`. ESP and WireGuard stay closed: what is encrypted is not guessed.

mod capwap;
pub(crate) mod erspan;
pub(crate) mod etherip;
mod geneve;
pub(crate) mod gre;
mod gtp;
pub(crate) mod l2tp;
mod lisp;
pub(crate) mod macsec;
pub(crate) mod mpls;
pub(crate) mod nsh;
pub(crate) mod pppoe;
mod sflow;
mod teredo;
pub(crate) mod trill;
mod tzsp;
pub(crate) mod udp;
mod vxlan;

use crate::decode::view::View;
use crate::decode::walk::Next;

/// The IP version in the first octet, with a header length that can be; `None` if it is no IP packet.
pub(crate) fn ip_version(view: View<'_>) -> Option<Next> {
    match view.u8(0)? {
        0x45..=0x4f => Some(Next::Ip4),
        0x60..=0x6f => Some(Next::Ip6),
        _ => None,
    }
}

//! What an IP protocol number announces (<https://www.iana.org/assignments/protocol-numbers>).

use crate::decode::stacks::Layer;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};
use crate::decode::{ip6, tunnel};

/// Reads the payload of an IP packet, or of an extension header, that is announced as `number`.
pub(crate) fn read<'a>(number: u8, view: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let is_ipv6 = walk.ip.is_some_and(|ip| ip.is_v6());
    match number {
        6 => Ok((Next::Tcp, view)),
        17 => tunnel::udp::read(view, walk),
        1 => Ok((Next::Icmp4, view)),
        58 => Ok((Next::Icmp6, view)),
        4 => Ok((Next::Ip4, view)),
        41 => Ok((Next::Ip6, view)),
        47 => Ok((Next::Gre, view)),
        51 => {
            walk.push(Layer::Ah)?;
            ip6::authentication(view)
        }
        97 => tunnel::etherip::read(view, walk),
        115 => tunnel::l2tp::read_over_ip(view, walk),
        137 => {
            walk.leave_ip()?;
            Ok((Next::Mpls, view))
        }
        0 | 43 | 60 | 135 | 139 | 140 if is_ipv6 => ip6::extension(view),
        44 if is_ipv6 => ip6::fragment(view, walk),
        143 if is_ipv6 => {
            walk.leave_ip()?; // SRv6: an Ethernet frame behind the routing header (RFC 8986 section 4.9)
            Ok((Next::Ethernet, view))
        }
        other => Err(End::Skipped(name(other))),
    }
}

/// The reason for skipping protocol `number`.
fn name(number: u8) -> &'static str {
    match number {
        2 => "igmp",
        33 => "dccp",
        46 => "rsvp",
        50 => "esp",
        59 => "ipv6 no next header",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        132 => "sctp",
        136 => "udp-lite",
        _ => "ip protocol not read",
    }
}

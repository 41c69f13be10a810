//! UDP (RFC 768), as far as tunnels need it.

use crate::decode::tunnel::{capwap, geneve, gre, gtp, l2tp, lisp, mpls, sflow, teredo, tzsp, vxlan};
use crate::decode::view::View;
use crate::decode::walk::{End, Read, Walk};

/// Reads one kind of tunnel; `None` if the octets do not look like it.
type TunnelReader = for<'a> fn(View<'a>, &mut Walk) -> Option<Read<'a>>;

/// The reader of the tunnel on `port`. Numbers are IANA's, but for 8472 (OTV, and Linux' VXLAN before it had a number of its own).
fn tunnel(port: u16) -> Option<TunnelReader> {
    Some(match port {
        1701 => l2tp::read_over_udp,
        2152 | 3386 => gtp::read,
        3544 => teredo::read,
        4341 => lisp::read,
        4754 => gre::read_over_udp,
        4789 => vxlan::read,
        4790 => vxlan::read_gpe,
        5247 => capwap::read,
        6081 => geneve::read,
        6343 => sflow::read,
        6635 => mpls::read_over_udp,
        8472 => vxlan::read_otv,
        37008 => tzsp::read,
        _ => return None,
    })
}

/// Reads a UDP header; what is inside is followed if a port (either of them, as with Wireshark) is that of a tunnel.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let skipped = End::Skipped("udp");
    let [source, destination] = [view.be16(0).ok_or(skipped)?, view.be16(2).ok_or(skipped)?];
    let length = u32::from(view.be16(4).ok_or(skipped)?);
    let payload = view.skip(8).ok_or(skipped)?;
    let payload = if length > 8 { payload.narrow_within(length.saturating_sub(8)) } else { payload };
    let (low, high) = (source.min(destination), source.max(destination));
    for port in [low, high] {
        if let Some(reader) = tunnel(port)
            && let Some(read) = reader(payload, walk)
        {
            return read;
        }
    }
    Err(skipped)
}

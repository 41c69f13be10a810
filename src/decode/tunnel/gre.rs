//! GRE: version 0 (RFC 2784, RFC 2890) with NVGRE (RFC 7637) and ERSPAN inside, version 1 (PPTP, RFC 2637) and MikroTik's EoIP.

use crate::decode::link::ethernet;
use crate::decode::stacks::Layer;
use crate::decode::tunnel::{erspan, ip_version};
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

const CUT: End = End::Malformed("gre: header cut short");
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;
/// RFC 1701 source routes: at most so many entries are skipped.
const MAX_ROUTES: usize = 16;

const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN_1_2: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;
const WCCP: u16 = 0x883e;

/// Reads a GRE header.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let (flags, protocol) = (view.be16(0).ok_or(CUT)?, view.be16(2).ok_or(CUT)?);
    match flags & VERSION {
        0 => version_0(flags, protocol, view, walk),
        1 if protocol == 0x6400 => {
            walk.enter(Layer::Eoip)?;
            let length = u32::from(view.be16(4).ok_or(CUT)?);
            Ok((Next::Ethernet, view.skip(8).ok_or(CUT)?.narrow_within(length)))
        }
        1 => pptp(flags, protocol, view, walk),
        _ => Err(End::Skipped("gre version not read")),
    }
}

/// Reads GRE in UDP (RFC 8086) if the reserved bits are 0 and the protocol is one that is read.
pub(crate) fn read_over_udp<'a>(view: View<'a>, walk: &mut Walk) -> Option<Read<'a>> {
    let (flags, protocol) = (view.be16(0)?, view.be16(2)?);
    let is_plausible = matches!(flags & 0x0fff, 0) && matches!(protocol, 0x0800 | 0x86dd | TRANSPARENT_ETHERNET | 0x8847);
    is_plausible.then(|| {
        walk.enter(Layer::GreInUdp)?;
        read(view, walk)
    })
}

fn version_0<'a>(flags: u16, protocol: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let mut at: usize = 4;
    if flags & (CHECKSUM | ROUTING) != 0 {
        at = at.saturating_add(4);
    }
    let mut key = None;
    if flags & KEY != 0 {
        key = Some(view.be32(at).ok_or(CUT)?);
        at = at.saturating_add(4);
    }
    if flags & SEQUENCE != 0 {
        at = at.saturating_add(4);
    }
    if flags & ROUTING != 0 {
        at = after_routes(view, at)?;
    }
    let payload = view.skip(at).ok_or(CUT)?;
    match protocol {
        ERSPAN_1_2 => erspan::read_1_or_2(payload, flags & SEQUENCE != 0, walk),
        ERSPAN_3 => erspan::read_3(payload, walk),
        TRANSPARENT_ETHERNET => {
            walk.enter(key.map_or(Layer::Gre, |key| Layer::Nvgre(key >> 8)))?;
            Ok((Next::Ethernet, payload))
        }
        WCCP => {
            walk.enter(Layer::Gre)?;
            // version 2 puts four octets of redirection before the packet
            if ip_version(payload).is_some() { Ok((Next::Ip, payload)) } else { Ok((Next::Ip, payload.skip(4).ok_or(CUT)?)) }
        }
        // Aruba's access points: the low bits number the radio and the kind of 802.11 frames
        0x8200..=0x83ff | 0x9000..=0x90ff => {
            walk.enter(Layer::Gre)?;
            if ethernet::is_plausible(payload) && payload.be16(12) == Some(0x0800) {
                return Ok((Next::Ethernet, payload));
            }
            Ok((Next::Ieee80211 { padded: false, swapped: false }, payload))
        }
        0 => Err(End::Skipped("gre keepalive")),
        other => {
            walk.enter(Layer::Gre)?;
            Ok((Next::EtherType(other), payload))
        }
    }
}

/// Source routes end with an entry of address family 0 and length 0 (RFC 1701).
fn after_routes(view: View<'_>, mut at: usize) -> Result<usize, End> {
    for _ in 0..MAX_ROUTES {
        let (family, length) = (view.be16(at).ok_or(CUT)?, view.u8(at.saturating_add(3)).ok_or(CUT)?);
        at = at.saturating_add(4).saturating_add(usize::from(length));
        if family == 0 && length == 0 {
            return Ok(at);
        }
    }
    Err(End::Malformed("gre: source route without end"))
}

fn pptp<'a>(flags: u16, protocol: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let length = u32::from(view.be16(4).ok_or(CUT)?);
    let mut at: usize = 8;
    if flags & SEQUENCE == 0 {
        return Err(End::Skipped("pptp acknowledgement"));
    }
    at = at.saturating_add(4);
    if flags & ACKNOWLEDGEMENT != 0 {
        at = at.saturating_add(4);
    }
    let payload = view.skip(at).ok_or(CUT)?.narrow_within(length);
    if protocol != 0x880b {
        return Err(End::Skipped("gre protocol not read"));
    }
    walk.enter(Layer::Pptp)?;
    Ok((Next::Ppp, payload))
}

//! The IPv4 header (RFC 791).

use std::net::IpAddr;

use etherparse::Ipv4HeaderSlice;

use crate::decode::fragments::{DatagramKey, FragmentHeader};
use crate::decode::view::View;
use crate::decode::walk::{End, Ip, Next, Read, Walk};

/// Reads an IPv4 header and narrows the view to the packet.
#[inline]
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(view.octets) else { return Err(End::Malformed(refusal(view))) };
    let header_length = header.slice().len();
    let total = u32::from(header.total_len());
    let packet = if total >= header_length as u32 {
        view.narrow(total)
    } else if total == 0 {
        view // segmentation offload: the card fills the length in; what the record holds is the packet
    } else {
        return Err(End::Malformed("ipv4: total length below header length"));
    };
    let payload = packet.skip(header_length).ok_or(End::Malformed("ipv4: header cut short"))?;
    if walk.ip.is_some() {
        walk.leave_ip()?;
    }
    let [a, b, c, d] = header.source();
    let src = IpAddr::from([a, b, c, d]);
    let dst = IpAddr::from(header.destination());
    walk.ip = Some(Ip { src, dst, ttl: header.ttl(), id: Some(header.identification()) });
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        return fragment(&header, src, dst, payload, walk);
    }
    Ok((if protocol == 6 { Next::Tcp } else { Next::Protocol(protocol) }, payload))
}

/// A fragment goes to the pool if all of it was captured. Of a cut one, as with Wireshark, the first is read as if it were the whole.
#[cold]
fn fragment<'a>(header: &Ipv4HeaderSlice<'_>, src: IpAddr, dst: IpAddr, payload: View<'a>, walk: &mut Walk) -> Read<'a> {
    let offset = u32::from(header.fragments_offset().value()).saturating_mul(8);
    let protocol = header.protocol().0;
    if payload.is_cut() {
        return if offset == 0 { Ok((Next::Protocol(protocol), payload)) } else { Err(End::Skipped("ip fragment")) };
    }
    let key = DatagramKey { src, dst, identification: u32::from(header.identification()), protocol };
    walk.fragment = Some(FragmentHeader { key, offset, more: header.more_fragments(), protocol });
    Ok((Next::Fragment, payload))
}

/// Which rule a refused header broke.
#[cold]
fn refusal(view: View<'_>) -> &'static str {
    match view.u8(0) {
        Some(first) if first >> 4 != 4 => "ipv4: version is not 4",
        Some(first) if first & 0x0f < 5 => "ipv4: header length below 20",
        _ if view.is_cut() => "ipv4: header cut by the snap length",
        _ => "ipv4: header cut short",
    }
}

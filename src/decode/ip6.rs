//! The IPv6 header and its extension headers (RFC 8200).

use etherparse::Ipv6HeaderSlice;

use crate::decode::IP_FRAGMENT;
use crate::decode::fragments::{DatagramKey, FragmentHeader};
use crate::decode::view::View;
use crate::decode::walk::{End, Ip, Next, Read, Walk};

/// Hop-by-hop option that carries the length of a jumbogram (RFC 2675 section 2).
const JUMBO_OPTION: u8 = 0xc2;

/// Reads an IPv6 header and narrows the view to the packet.
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(view.octets) else {
        return Err(End::Malformed(match view.u8(0) {
            Some(first) if first >> 4 != 6 => "ipv6: version is not 6",
            _ if view.is_cut() => "ipv6: header cut by the snap length",
            _ => "ipv6: header cut short",
        }));
    };
    let payload = view.skip(40).ok_or(End::Malformed("ipv6: header cut short"))?;
    let next = header.next_header().0;
    let payload = match u32::from(header.payload_length()) {
        0 => jumbo_length(next, payload).map_or(payload, |length| payload.narrow(length)), // else offload: the record's length
        length => payload.narrow(length),
    };
    if walk.ip.is_some() {
        walk.leave_ip()?;
    }
    walk.ip = Some(Ip::V6(view.octets.first_chunk().ok_or(End::Malformed("ipv6: header cut short"))?));
    Ok((Next::Protocol(next), payload))
}

/// The length in a jumbogram's hop-by-hop header, if it begins with that option (RFC 2675 asks for nothing else in practice).
fn jumbo_length(next: u8, payload: View<'_>) -> Option<u32> {
    (next == 0 && payload.be16(2) == Some(u16::from_be_bytes([JUMBO_OPTION, 4]))).then(|| payload.be32(4)).flatten()
}

/// Skips an extension header of the common shape: next header, length in units of 8 octets without the first 8.
pub(crate) fn extension(view: View<'_>) -> Read<'_> {
    let cut = End::Malformed("ipv6: extension header cut short");
    let next = view.u8(0).ok_or(cut)?;
    let length = usize::from(view.u8(1).ok_or(cut)?).saturating_add(1).saturating_mul(8);
    Ok((Next::Protocol(next), view.skip(length).ok_or(cut)?))
}

/// Skips an authentication header: length in units of 4 octets without the first 8 (RFC 4302 section 2.2).
pub(crate) fn authentication(view: View<'_>) -> Read<'_> {
    let cut = End::Malformed("ah: header cut short");
    let next = view.u8(0).ok_or(cut)?;
    let length = usize::from(view.u8(1).ok_or(cut)?).saturating_add(2).saturating_mul(4);
    Ok((Next::Protocol(next), view.skip(length).ok_or(cut)?))
}

/// Reads a fragment header (RFC 8200 section 4.5). An atomic fragment (RFC 6946) is the whole packet.
pub(crate) fn fragment<'a>(view: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let cut = End::Malformed("ipv6: fragment header cut short");
    let protocol = view.u8(0).ok_or(cut)?;
    let place = view.be16(2).ok_or(cut)?;
    let identification = view.be32(4).ok_or(cut)?;
    let payload = view.skip(8).ok_or(cut)?;
    let (offset, more) = (u32::from(place & 0xfff8), place & 1 != 0);
    if offset == 0 && (!more || payload.is_cut()) {
        return Ok((Next::Protocol(protocol), payload));
    }
    let Some(ip) = walk.ip.filter(|_| !payload.is_cut()) else { return Err(End::Skipped(IP_FRAGMENT)) };
    let (src, dst) = ip.addresses();
    let key = DatagramKey { src, dst, identification, protocol: 44 };
    walk.fragment = Some(FragmentHeader { key, offset, more, protocol });
    Ok((Next::Fragment, payload))
}

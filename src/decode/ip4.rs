//! The IPv4 header (RFC 791).

use etherparse::Ipv4HeaderSlice;

use crate::decode::IP_FRAGMENT;
use crate::decode::fragments::{DatagramKey, FragmentHeader};
use crate::decode::view::View;
use crate::decode::walk::{End, Ip, Next, Read, Walk};

/// Octets of a header without options.
const HEADER: usize = 20;
/// Loose and strict source routes (RFC 791 section 3.1).
const SOURCE_ROUTES: [u8; 2] = [131, 137];

/// Reads an IPv4 header and narrows the view to the packet.
#[inline]
pub(crate) fn read<'a>(view: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let Ok(header) = Ipv4HeaderSlice::from_slice(view.octets) else { return Err(End::Malformed(refusal(view))) };
    let header_length = header.slice().len();
    let total = u32::from(header.total_len());
    let packet = if total as usize >= header_length {
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
    let fixed = view.octets.first_chunk().ok_or(End::Malformed("ipv4: header cut short"))?;
    walk.ip = Some(Ip::V4(fixed, if header_length == HEADER { None } else { final_destination(&header) }));
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        return fragment(&header, payload, walk);
    }
    Ok((if protocol == 6 { Next::Tcp } else { Next::Protocol(protocol) }, payload))
}

/// The destination of the segment, which is the last address of a source route that is not used up: the header's own is the next hop.
#[cold]
fn final_destination(header: &Ipv4HeaderSlice<'_>) -> Option<[u8; 4]> {
    let mut rest = header.options();
    while let Some((&kind, after_kind)) = rest.split_first() {
        let length = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(after_kind.first().copied().unwrap_or(0)),
        };
        let (Some(option), Some(after)) = (rest.get(..length), rest.get(length..)) else { break };
        if SOURCE_ROUTES.contains(&kind)
            && let [_, _, pointer, addresses @ ..] = option
            && usize::from(*pointer) < length
            && let Some(last) = addresses.last_chunk()
        {
            return Some(*last);
        }
        if length == 0 {
            break;
        }
        rest = after;
    }
    None
}

/// A fragment goes to the pool if all of it was captured. Of a cut one, as with Wireshark, the first is read as if it were the whole.
#[cold]
fn fragment<'a>(header: &Ipv4HeaderSlice<'_>, payload: View<'a>, walk: &mut Walk<'a>) -> Read<'a> {
    let offset = u32::from(header.fragments_offset().value()).saturating_mul(8);
    let protocol = header.protocol().0;
    if payload.is_cut() {
        return if offset == 0 { Ok((Next::Protocol(protocol), payload)) } else { Err(End::Skipped(IP_FRAGMENT)) };
    }
    let (src, dst) = (header.source_addr().into(), header.destination_addr().into());
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

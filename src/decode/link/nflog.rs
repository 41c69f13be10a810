//! Linux netfilter log (NFLOG): attributes, one of which is the packet.

use crate::decode::link::LinkReader;
use crate::decode::stacks::SubInterface;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// Netfilter log.
pub(crate) const READER: LinkReader = LinkReader { name: "nflog", numbers: &[239], read };

/// Attribute numbers of <linux/netfilter/nfnetlink_log.h>.
const IN_DEVICE: u16 = 4;
const OUT_DEVICE: u16 = 5;
const HARDWARE_ADDRESS: u16 = 8;
const PAYLOAD: u16 = 9;
/// No kernel writes more attributes than this.
const MAX_ATTRIBUTES: usize = 64;

/// Family, version and resource, then attributes in the byte order of the machine that captured, each padded to four octets.
fn read<'a>(_: u16, view: View<'a>, walk: &mut Walk) -> Read<'a> {
    let cut = End::Malformed("nflog: header cut short");
    let family = view.u8(0).ok_or(cut)?;
    let mut rest = view.skip(4).ok_or(cut)?;
    // a length below 256 in the wrong order is at least 256: the first attribute, the packet header of 8 octets, tells
    let is_little = rest.le16(0).is_some_and(|length| length < 256) || rest.be16(0).is_some_and(|length| length >= 256);
    let number = |view: View<'_>, at| if is_little { view.le16(at) } else { view.be16(at) };
    for _ in 0..MAX_ATTRIBUTES {
        let (Some(length), Some(kind)) = (number(rest, 0), number(rest, 2)) else { return Err(cut) };
        let length = usize::from(length);
        if length < 4 {
            return Err(End::Malformed("nflog: attribute length below 4"));
        }
        match kind & 0x7fff {
            PAYLOAD => {
                let payload = rest.skip(4).ok_or(cut)?.narrow_within(u32::try_from(length.saturating_sub(4)).unwrap_or(u32::MAX));
                return match family {
                    2 | 10 => Ok((Next::Ip, payload)),
                    _ => Err(End::Skipped("nflog family not read")),
                };
            }
            IN_DEVICE | OUT_DEVICE => walk.sub_interface = rest.be32(4).map(SubInterface::Index),
            HARDWARE_ADDRESS => {
                let octets = usize::from(rest.be16(4).unwrap_or(0)).min(8);
                walk.link_addresses(rest.octets.get(8..).and_then(|address| address.get(..octets)).unwrap_or_default(), &[]);
            }
            _ => {}
        }
        rest = rest.skip(length.next_multiple_of(4)).ok_or(cut)?;
    }
    Err(End::Malformed("nflog: no payload"))
}

//! Captures of Juniper routers: a magic number, optional extensions, a cookie of the interface card, then the frame.
//!
//! The layout is the one that tcpdump documents; a frame without link header is told by a flag.

use crate::decode::link::LinkReader;
use crate::decode::view::View;
use crate::decode::walk::{End, Next, Read, Walk};

/// The Juniper link types that carry IP.
pub(crate) const READER: LinkReader = LinkReader {
    name: "juniper",
    numbers: &[MLPPP, MLFR, ES, GGSN, MFR, ATM2, SERVICES, ATM1, MONITOR, PPPOE, PPPOE_ATM, ETHER, PPP, FRELAY, CHDLC],
    read,
};

const MLPPP: u16 = 130;
const MLFR: u16 = 131;
const ES: u16 = 132;
const GGSN: u16 = 133;
const MFR: u16 = 134;
const ATM2: u16 = 135;
const SERVICES: u16 = 136;
const ATM1: u16 = 137;
const MONITOR: u16 = 164;
const PPPOE: u16 = 167;
const PPPOE_ATM: u16 = 168;
const ETHER: u16 = 178;
const PPP: u16 = 179;
const FRELAY: u16 = 180;
const CHDLC: u16 = 181;

const MAGIC: u32 = 0x004d_4743;
const FLAG_NO_LINK_HEADER: u8 = 0x02;
const FLAG_EXTENSIONS: u8 = 0x80;
/// First octet of the cookies of link service and adaptive service cards.
const LINK_SERVICE: u8 = 0x54;
const ADAPTIVE_SERVICE: u8 = 0x47;

const CUT: End = End::Malformed("juniper: header cut short");

fn read<'a>(number: u16, view: View<'a>, _: &mut Walk) -> Read<'a> {
    if view.be24(0).ok_or(CUT)? != MAGIC {
        return Err(End::Malformed("juniper: no magic number"));
    }
    let flags = view.u8(3).ok_or(CUT)?;
    let mut header: usize = 4;
    if flags & FLAG_EXTENSIONS != 0 {
        header = header.saturating_add(2).saturating_add(usize::from(view.be16(4).ok_or(CUT)?));
    }
    let frame = view.skip(header).ok_or(CUT)?;
    if flags & FLAG_NO_LINK_HEADER != 0 {
        return packet(frame.skip(4).ok_or(CUT)?); // four octets of protocol family
    }
    match number {
        PPPOE | ETHER => Ok((Next::Ethernet, frame)),
        PPP => Ok((Next::Ppp, frame)),
        FRELAY => Ok((Next::FrameRelay, frame)),
        CHDLC => Ok((Next::CiscoHdlc, frame)),
        PPPOE_ATM => Ok((Next::EtherType(frame.be16(0).ok_or(CUT)?), frame.skip(2).ok_or(CUT)?)),
        ES => encryption_service(frame),
        _ => with_cookie(number, frame),
    }
}

/// A cookie of the card's own length; the two service cards' cookies tell themselves.
fn with_cookie(number: u16, frame: View<'_>) -> Read<'_> {
    let own: usize = match number {
        ATM1 | MFR => 4,
        MLPPP | MLFR => 2,
        _ => 8,
    };
    let first = frame.u8(0).ok_or(CUT)?;
    let length: usize = match first {
        LINK_SERVICE => own.min(6).saturating_add(2),
        ADAPTIVE_SERVICE => 8,
        _ if number == MFR && first & 0xc0 == 0xc0 => 0, // child links carry no cookie
        _ => own,
    };
    let payload = frame.skip(length).ok_or(CUT)?;
    match number {
        GGSN => match frame.u8(2).ok_or(CUT)? {
            2 => Ok((Next::Ip4, payload)),
            6 => Ok((Next::Ip6, payload)),
            _ => Err(End::Skipped("juniper protocol not read")),
        },
        MLPPP if first != ADAPTIVE_SERVICE => Ok((Next::Ppp, payload)),
        MLFR | MFR if first != ADAPTIVE_SERVICE => multilink_frame_relay(payload),
        ATM1 | ATM2 => atm(payload),
        _ => packet(payload),
    }
}

/// Two octets of protocol: an OSI NLPID pair, or IP after all.
fn multilink_frame_relay(payload: View<'_>) -> Read<'_> {
    match payload.be16(0).ok_or(CUT)? {
        0x03cc => Ok((Next::Ip4, payload.skip(2).ok_or(CUT)?)),
        0x038e => Ok((Next::Ip6, payload.skip(2).ok_or(CUT)?)),
        _ => packet(payload),
    }
}

/// LLC, Cisco's NLPID, PPP over ATM, or IP alone, told by the first octets as tcpdump does.
fn atm(payload: View<'_>) -> Read<'_> {
    match payload.be24(0).ok_or(CUT)? {
        0xfe_fe03 | 0xaa_aa03 => Ok((Next::LlcOverAtm, payload)),
        first if first >> 16 == 0x03 => Ok((Next::Nlpid, payload.skip(1).ok_or(CUT)?)),
        first if matches!(first >> 8, 0x0021 | 0x0057 | 0x0281) => Ok((Next::Ppp, payload)),
        _ => packet(payload),
    }
}

/// The encryption card puts sixteen octets before packets that it does not rewrite.
fn encryption_service(frame: View<'_>) -> Read<'_> {
    let length = match frame.u8(3).ok_or(CUT)? {
        1 | 2 => 0,
        3..=5 => 16,
        _ => return Err(End::Skipped("juniper protocol not read")),
    };
    packet(frame.skip(length).ok_or(CUT)?)
}

/// No field tells: the version does.
fn packet(view: View<'_>) -> Read<'_> {
    match view.u8(0).map(|octet| octet >> 4) {
        Some(4) => Ok((Next::Ip4, view)),
        Some(6) => Ok((Next::Ip6, view)),
        Some(_) => Err(End::Skipped("juniper protocol not read")),
        None => Err(CUT),
    }
}

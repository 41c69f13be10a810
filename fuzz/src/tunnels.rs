//! Encapsulations with right lengths: layers are put together from the outside in, and only then some octets change. The first octet
//! chooses how many layers; random octets would hardly ever pass the lengths of two of them.

use afterfin::options::Separate;
use arbitrary::{Result, Unstructured};

use super::links;

/// Builds a few frames and decodes them.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mut octets = Vec::new();
    let mut u = Unstructured::new(rest);
    while !u.is_empty() && octets.len() < 16_384 {
        let Ok(mut frame) = frame(&mut u, 1 + choice % 8) else { break };
        if choice & 0x40 != 0
            && let (Ok(at), Ok(change)) = (u.choose_index(frame.len().max(1)), u.arbitrary::<u8>())
            && let Some(octet) = frame.get_mut(at)
        {
            *octet ^= change;
        }
        frame.truncate(0x3fff);
        octets.extend(u16::try_from(frame.len()).unwrap_or(0).to_be_bytes());
        octets.extend(frame);
    }
    let separate = Separate { vlan: choice & 8 != 0, vni: choice & 16 != 0, interface: choice & 32 != 0 };
    links::frames(if choice & 0x80 == 0 { 1 } else { 101 }, separate, 0, &octets);
}

/// From the inside out: a TCP segment, then layers around it; what each is said to carry fits.
fn frame(u: &mut Unstructured<'_>, layers: u8) -> Result<Vec<u8>> {
    let mut inner = tcp(u)?;
    let (mut ether_type, mut protocol) = (0x0800_u16, 6_u8);
    inner = ip(u, protocol, &inner, &mut ether_type)?;
    for _ in 0..layers {
        let is_ip4 = ether_type == 0x0800;
        (inner, protocol) = match u.int_in_range(0..=17)? {
            0 => {
                inner = [&u.arbitrary::<[u8; 2]>()?[..], &ether_type.to_be_bytes(), &inner].concat();
                ether_type = *u.choose(&[0x8100, 0x88a8, 0x9100])?;
                continue;
            }
            1 => {
                inner = [&[0, 0, 16 | u.int_in_range(0..=1)?, 64][..], &inner].concat();
                ether_type = 0x8847;
                continue;
            }
            2 => {
                let length = length(inner.len() + 2);
                inner = [&[0x11, 0, 0, 1][..], &length, if is_ip4 { &[0, 0x21] } else { &[0, 0x57] }, &inner].concat();
                ether_type = 0x8864;
                continue;
            }
            3 => (gre(u, ether_type, &inner)?, 47),
            4 => (inner, if is_ip4 { 4 } else { 41 }),
            5 => (udp(4789, &[&[8, 0, 0, 0, 0, 0, u.arbitrary()?, 0][..], &ethernet(ether_type, &inner)].concat()), 17),
            6 => {
                let options = u.int_in_range(0..=2)?;
                let head = [&[options, 0, 0x65, 0x58, 0, 0, u.arbitrary()?, 0][..], &vec![0; usize::from(options) * 4]].concat();
                (udp(6081, &[head, ethernet(ether_type, &inner)].concat()), 17)
            }
            7 => (udp(2152, &[&[0x30, 255][..], &length(inner.len()), &u.arbitrary::<[u8; 4]>()?, &inner].concat()), 17),
            8 => (udp(3544, &inner), 17),
            9 => (udp(37008, &[&[1, 0, 0, 1, 1][..], &ethernet(ether_type, &inner)].concat()), 17),
            10 => (udp(4341, &[&[0; 8][..], &inner].concat()), 17),
            11 => (udp(1701, &[&[0, 2, 0, 1, 0, 1][..], if is_ip4 { &[0, 0x21] } else { &[0, 0x57] }, &inner].concat()), 17),
            12 => (gre(u, 0x6558, &ethernet(ether_type, &inner))?, 47),
            13 => {
                let erspan = [&u.arbitrary::<[u8; 8]>()?[..], &ethernet(ether_type, &inner)].concat();
                (gre(u, 0x88be, &erspan)?, 47)
            }
            14 => (udp(6343, &sflow(u, &ethernet(ether_type, &inner))?), 17),
            15 => (udp(4790, &[&[0x0c, 0, 0, if is_ip4 { 1 } else { 2 }, 0, 0, 0, 0][..], &inner].concat()), 17),
            16 => (icmp(u, &inner)?, if is_ip4 { 1 } else { 58 }),
            _ => ([&[0x30, 0][..], &ethernet(ether_type, &inner)].concat(), 97),
        };
        inner = ip(u, protocol, &inner, &mut ether_type)?;
    }
    Ok(ethernet(ether_type, &inner))
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

fn ethernet(ether_type: u16, inner: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ether_type.to_be_bytes(), inner].concat()
}

fn tcp(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let words: u8 = u.int_in_range(4..=15)?;
    let options: Vec<u8> = (0..usize::from(words.saturating_sub(5)) * 4).map(|_| u.arbitrary()).collect::<Result<_>>()?;
    let payload = vec![b'x'; u.int_in_range(0..=600)?];
    let head = [&[0, 80, 0x9c, 0x40][..], &u.arbitrary::<[u8; 8]>()?, &[words << 4, u.arbitrary()?, 1, 0, 0, 0, 0, 0]].concat();
    Ok([head, options, payload].concat())
}

/// IPv4 or IPv6, some of them fragments, some with extension headers.
fn ip(u: &mut Unstructured<'_>, protocol: u8, inner: &[u8], ether_type: &mut u16) -> Result<Vec<u8>> {
    let fragment: u16 = *u.choose(&[0, 0, 0, 0x2000, 0x4000, 3, 0x2003])?;
    if u.ratio(2, 3)? {
        *ether_type = 0x0800;
        let total = length(20 + inner.len());
        let [f1, f0] = fragment.to_be_bytes();
        return Ok(
            [&[0x45, 0, total[0], total[1], 0, u.arbitrary()?, f1, f0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2][..], inner].concat()
        );
    }
    *ether_type = 0x86dd;
    let (next, extension): (u8, Vec<u8>) = match u.int_in_range(0..=3)? {
        0 => (protocol, Vec::new()),
        1 => (0, vec![protocol, 0, 1, 4, 0, 0, 0, 0]),
        2 => (44, [&[protocol, 0][..], &(fragment << 3).to_be_bytes(), &[0, 0, 0, u.arbitrary()?]].concat()),
        _ => (60, vec![60, 0, 1, 4, 0, 0, 0, 0, protocol, 0, 1, 4, 0, 0, 0, 0]),
    };
    let total = length(extension.len() + inner.len());
    let mut address = [0; 32];
    (address[0], address[16], address[31]) = (0xfd, 0xfd, 1);
    Ok([&[0x60, 0, 0, 0, total[0], total[1], next, 64][..], &address, &extension, inner].concat())
}

fn udp(port: u16, inner: &[u8]) -> Vec<u8> {
    [&[0xc0, 0][..], &port.to_be_bytes(), &length(8 + inner.len()), &[0, 0], inner].concat()
}

fn gre(u: &mut Unstructured<'_>, ether_type: u16, inner: &[u8]) -> Result<Vec<u8>> {
    let flags = *u.choose(&[0_u8, 0x10, 0x20, 0x30, 0x80, 0xb0])?;
    let words = [0x80, 0x20, 0x10].iter().filter(|bit| flags & **bit != 0).count();
    Ok([&[flags, 0][..], &ether_type.to_be_bytes(), &vec![0; words * 4], inner].concat())
}

fn icmp(u: &mut Unstructured<'_>, inner: &[u8]) -> Result<Vec<u8>> {
    Ok([&[*u.choose(&[3_u8, 1, 2, 11, 12, 5])?, u.int_in_range(0..=15)?, 0, 0, 0, 0, 5, 0][..], inner].concat())
}

/// Version 5, one flow sample with one raw header.
fn sflow(u: &mut Unstructured<'_>, inner: &[u8]) -> Result<Vec<u8>> {
    let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes();
    let padding = vec![0; inner.len().wrapping_neg() & 3];
    let header = [&word(1)[..], &word(inner.len()), &word(0), &word(inner.len()), inner, &padding].concat();
    let records: u8 = u.int_in_range(1..=3)?;
    let record = [&word(1)[..], &word(header.len()), &header].concat().repeat(usize::from(records));
    let sample = [&word(1)[..], &word(0), &word(1), &word(1), &word(0), &word(0), &word(1), &word(usize::from(records)), &record].concat();
    Ok([&word(5)[..], &word(1), &[10, 0, 0, 9], &word(0), &word(1), &word(1), &word(1), &word(1), &word(sample.len()), &sample].concat())
}

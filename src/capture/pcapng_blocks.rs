//! The rare blocks of pcapng (interface description, interface statistics, name resolution), read leniently: an option that lies
//! about its length ends the options, a name that is not UTF-8 is shown as well as possible, and nothing here loses a frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Interface;
use crate::time::{NANOS_PER_SECOND, Timestamp};

/// Option codes of the interface description block.
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_FILTER: u16 = 11;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
/// Option codes of the interface statistics block.
const ISB_ENDTIME: u16 = 3;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;
/// Record types of the name resolution block.
const NRB_IPV4: u16 = 1;
const NRB_IPV6: u16 = 2;

/// Octets of a filter that are kept: filters of some thousand addresses exist.
const MAX_FILTER_OCTETS: usize = 4096;
/// Octets of a name that are kept: as many as a host's name has (RFC 1035 section 2.3.4); an interface's has 15 on Linux, some 60 on Windows.
const MAX_NAME_OCTETS: usize = 255;
/// Names of addresses kept of one file: Wireshark writes all that it resolved, some thousand at most.
const MAX_NAMES: usize = 65_536;
/// Different interfaces kept of one file, over all sections; later ones share the last entry.
const MAX_INTERFACES: usize = 65_536;

/// How an interface tells time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    offset_nanos: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// A tick is so many nanoseconds.
    Nanos(u64),
    /// So many ticks are a nanosecond.
    PerNano(u64),
    /// So many bits are the fraction of a second.
    Binary(u8),
}

impl Default for Clock {
    /// Microseconds since 1970, the format's default.
    fn default() -> Self {
        Self { unit: Unit::Nanos(1_000), offset_nanos: 0 }
    }
}

impl Clock {
    /// Makes a clock of the options `if_tsresol` and `if_tsoffset`.
    fn new(resolution: u8, offset_seconds: i64) -> Self {
        let exponent = resolution & 0x7f;
        let unit = if resolution & 0x80 != 0 {
            Unit::Binary(exponent)
        } else if exponent <= 9 {
            Unit::Nanos(10u64.pow(9u32.saturating_sub(u32::from(exponent))))
        } else {
            // A second of more than 2^64 ticks: every count is within the first nanosecond; 0 says so.
            Unit::PerNano(10u64.checked_pow(u32::from(exponent).saturating_sub(9)).unwrap_or(0))
        };
        Self { unit, offset_nanos: offset_seconds.saturating_mul(NANOS_PER_SECOND) }
    }

    /// The time of a tick count; beyond the years of [`Timestamp`] it saturates.
    #[inline]
    pub(super) fn time(self, ticks: u64) -> Timestamp {
        let nanos = match self.unit {
            Unit::Nanos(nanos) => ticks.saturating_mul(nanos),
            Unit::PerNano(ticks_per_nano) => ticks.checked_div(ticks_per_nano).unwrap_or(0),
            Unit::Binary(bits) => {
                let scaled = u128::from(ticks).saturating_mul(NANOS_PER_SECOND.unsigned_abs().into());
                u64::try_from(scaled.checked_shr(u32::from(bits)).unwrap_or(0)).unwrap_or(u64::MAX)
            }
        };
        Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(self.offset_nanos))
    }
}

/// What the packet blocks of a section need of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectionInterface {
    /// Index into the input's interfaces.
    pub(super) index: u32,
    /// Link type.
    pub(super) link_type: u16,
    /// Octets of frame check sequence.
    pub(super) fcs_octets: u8,
    /// Largest frame kept; 0 says that there is no limit.
    pub(super) snap_length: u32,
    /// Its clock.
    pub(super) clock: Clock,
    /// Frames dropped in earlier sections by the same interface: each section counts anew.
    pub(super) drops_before: u64,
}

/// The options of a block: code and value, until the end mark or the first lie about a length.
pub(super) struct Options<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Options<'a> {
    /// Begins at the first option.
    pub(super) fn new(rest: &'a [u8], big_endian: bool) -> Self {
        Self { rest, big_endian }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, rest) = self.rest.split_first_chunk::<2>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let half = |octets: [u8; 2]| if self.big_endian { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) };
        let (code, length) = (half(*code), usize::from(half(*length)));
        let value = rest.get(..length)?;
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    }
}

/// Reads an interface description block (from its first octet, without the repeated length) and finds or makes its entry: an
/// interface that a later section describes again at the same place is the same interface.
pub(super) fn add_interface(position: usize, block: &[u8], big_endian: bool, interfaces: &mut Vec<Interface>) -> SectionInterface {
    let half = block.get(8..).and_then(|rest| rest.first_chunk::<2>()).copied().unwrap_or_default();
    let word = block.get(12..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    let (link_type, snap_length) = if big_endian {
        (u16::from_be_bytes(half), u32::from_be_bytes(word))
    } else {
        (u16::from_le_bytes(half), u32::from_le_bytes(word))
    };
    let mut described = Interface { link_type, ..Interface::default() };
    let (mut resolution, mut offset_seconds, mut fcs_octets, mut description) = (6, 0, 0, None);
    for (code, value) in Options::new(block.get(16..).unwrap_or_default(), big_endian) {
        match code {
            IF_NAME => described.name = Some(text(value, MAX_NAME_OCTETS)),
            IF_DESCRIPTION => description = Some(text(value, MAX_NAME_OCTETS)),
            // The first octet says of what kind: 0 is text, 1 is compiled.
            IF_FILTER if value.first() == Some(&0) => described.filter = value.get(1..).map(|filter| text(filter, MAX_FILTER_OCTETS)),
            IF_TSRESOL => resolution = value.first().copied().unwrap_or(6),
            IF_TSOFFSET => {
                offset_seconds = value
                    .first_chunk::<8>()
                    .map_or(0, |octets| if big_endian { i64::from_be_bytes(*octets) } else { i64::from_le_bytes(*octets) });
            }
            // The draft says bits and gives the example 4; Wireshark takes octets. Read both.
            IF_FCSLEN => fcs_octets = value.first().map_or(0, |&length| if length >= 8 { length / 8 } else { length }),
            _ => {}
        }
    }
    described.name = described.name.or(description).filter(|name| !name.is_empty());
    described.filter = described.filter.filter(|filter| !filter.is_empty());
    // Two interfaces of one section may look alike (two merged captures of an eth0), so the position counts.
    let same =
        |known: &Interface| (&known.name, &known.filter, known.link_type) == (&described.name, &described.filter, described.link_type);
    let found = interfaces.get(position).filter(|known| same(known)).map(|_| position);
    let index = found.unwrap_or_else(|| {
        if interfaces.len() < MAX_INTERFACES {
            interfaces.push(described);
        }
        interfaces.len().saturating_sub(1)
    });
    let drops_before = interfaces.get(index).and_then(|known| known.dropped).unwrap_or(0);
    SectionInterface {
        index: u32::try_from(index).unwrap_or(u32::MAX),
        link_type,
        fcs_octets,
        snap_length,
        clock: Clock::new(resolution, offset_seconds),
        drops_before,
    }
}

/// When the capture ended on an interface, of an interface statistics block, in the ticks of its clock: two words as in a packet block.
pub(super) fn interface_end(block: &[u8], big_endian: bool) -> Option<u64> {
    let (_, value) = Options::new(block.get(20..).unwrap_or_default(), big_endian).find(|(code, _)| *code == ISB_ENDTIME)?;
    let (high, low) = value.first_chunk::<8>()?.split_first_chunk::<4>()?;
    let word = |octets: [u8; 4]| u64::from(if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) });
    Some((word(*high) << 32) | word(*low.first_chunk::<4>()?))
}

/// Frames dropped by the interface and by the kernel, of an interface statistics block; the counts are since the capture's begin.
pub(super) fn interface_drops(block: &[u8], big_endian: bool) -> Option<u64> {
    let mut drops: Option<u64> = None;
    for (code, value) in Options::new(block.get(20..).unwrap_or_default(), big_endian) {
        if let (ISB_IFDROP | ISB_OSDROP, Some(octets)) = (code, value.first_chunk::<8>()) {
            let count = if big_endian { u64::from_be_bytes(*octets) } else { u64::from_le_bytes(*octets) };
            drops = Some(drops.unwrap_or(0).saturating_add(count));
        }
    }
    drops
}

/// Names of addresses, in the order of the file, a bounded number of them.
#[derive(Debug, Default)]
pub(super) struct Names(pub(super) Vec<(IpAddr, String)>);

impl Names {
    /// Reads the records of a name resolution block.
    pub(super) fn add(&mut self, records: &[u8], big_endian: bool) {
        // A record has the layout of an option: type, length, value, padding, and 0 as its end.
        for (kind, value) in Options::new(records, big_endian) {
            if self.0.len() >= MAX_NAMES {
                return;
            }
            let entry = match kind {
                NRB_IPV4 => value.split_first_chunk::<4>().map(|(ip, names)| (IpAddr::V4(Ipv4Addr::from(*ip)), names)),
                NRB_IPV6 => value.split_first_chunk::<16>().map(|(ip, names)| (IpAddr::V6(Ipv6Addr::from(*ip)), names)),
                _ => None,
            };
            let Some((address, names)) = entry else { continue };
            // Several names may follow each other, each ended by a zero octet; the first is the one that tools show.
            if let Some(name) = names.split(|&octet| octet == 0).next().filter(|name| !name.is_empty()) {
                self.0.push((address, text(name, MAX_NAME_OCTETS)));
            }
        }
    }
}

/// At most so many octets as text, with a mark where more was there.
fn text(octets: &[u8], most: usize) -> String {
    match octets.get(..most) {
        Some(kept) if kept.len() < octets.len() => String::from_utf8_lossy(kept).into_owned() + "…",
        _ => String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned(),
    }
}

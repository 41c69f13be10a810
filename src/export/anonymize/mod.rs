//! Pseudonyms: the same thing gets the same one, in captures and in reports, as long as the key is the same.
//!
//! IP addresses keep their common prefixes (`ipcrypt-pfx`, <https://datatracker.ietf.org/doc/draft-denis-ipcrypt/>, by the crate `ipcrypt-rs`), so
//! that a network stays a network. Link addresses, names and paths get pseudonyms of the same length. `docs/extract.md` says what remains visible.

mod checksum;
mod frame;
mod key;
mod options;
mod payload;
mod rebuild;
mod report;
mod words;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipcrypt_rs::IpcryptPfx;

pub(in crate::export) use self::frame::Headers;
pub use self::key::Key;
use self::key::Scrambler;
pub(in crate::export) use self::payload::{Fresh, Payload, Speech};
pub(in crate::export) use self::rebuild::{LINK_TYPE_ETHERNET, LINK_TYPE_RAW, on_ethernet, rebuild_quote, rebuild_segment};

/// So many pseudonyms of one kind are remembered; more are computed anew each time, and the mapping lacks them.
const MAX_REMEMBERED: usize = 1 << 20;

/// What was replaced by what: the secret that undoes the work. Collected always, written only when the user asks for it.
#[derive(Debug, Default)]
pub struct Mapping {
    /// IP addresses.
    pub addresses: BTreeMap<IpAddr, IpAddr>,
    /// Link addresses.
    pub link_addresses: BTreeMap<[u8; 6], [u8; 6]>,
    /// Words of host names and paths.
    pub words: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Makes pseudonyms.
pub struct Anonymizer {
    addresses: IpcryptPfx,
    links: Scrambler,
    words: Scrambler,
    filling: Scrambler,
    mapping: Mapping,
}

impl std::fmt::Debug for Anonymizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anonymizer").field("mapping", &self.mapping).finish_non_exhaustive()
    }
}

impl Anonymizer {
    /// The pseudonyms of a key.
    pub fn new(key: &Key) -> Self {
        let mut addresses = key.derive("addresses");
        // The two halves must differ, else the crate refuses the key; that they do not is as likely as guessing it.
        if addresses.get(..16) == addresses.get(16..) {
            addresses = key.derive("addresses, again");
        }
        Self {
            addresses: IpcryptPfx::new(addresses),
            links: Scrambler::new(key, "link addresses"),
            words: Scrambler::new(key, "words"),
            filling: Scrambler::new(key, "filling"),
            mapping: Mapping::default(),
        }
    }

    /// What was replaced by what so far.
    pub const fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The pseudonym of an IP address, of the same family.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        if let Some(known) = self.mapping.addresses.get(&address) {
            return *known;
        }
        let pseudonym = match (address, self.addresses.encrypt_ipaddr(address)) {
            // The crate takes an IPv4-mapped result for an IPv4 address; on the wire it stays an IPv6 one.
            (IpAddr::V6(_), IpAddr::V4(mapped)) => IpAddr::V6(mapped.to_ipv6_mapped()),
            (_, pseudonym) => pseudonym,
        };
        if self.mapping.addresses.len() < MAX_REMEMBERED {
            self.mapping.addresses.insert(address, pseudonym);
        }
        pseudonym
    }

    /// The pseudonym of an IPv4 address as octets.
    fn address4(&mut self, octets: [u8; 4]) -> [u8; 4] {
        match self.address(IpAddr::V4(Ipv4Addr::from(octets))) {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(_) => [0; 4],
        }
    }

    /// The pseudonym of an IPv6 address as octets.
    fn address6(&mut self, octets: [u8; 16]) -> [u8; 16] {
        match self.address(IpAddr::V6(Ipv6Addr::from_octets(octets))) {
            IpAddr::V6(address) => address.octets(),
            IpAddr::V4(_) => [0; 16],
        }
    }

    /// The pseudonym of a 48-bit link address: the group bit stays, the bit for «locally administered» is set. No address at all and the
    /// broadcast address stay what they are.
    pub fn link_address(&mut self, address: [u8; 6]) -> [u8; 6] {
        if address == [0; 6] || address == [0xff; 6] {
            return address;
        }
        if let Some(known) = self.mapping.link_addresses.get(&address) {
            return *known;
        }
        let mut pseudonym = [0; 6];
        self.links.fill(&[&address], &mut pseudonym);
        let ([octet, ..], [first, ..]) = (&mut pseudonym, &address);
        *octet = (*octet & 0xfc) | 0x02 | (first & 0x01);
        if self.mapping.link_addresses.len() < MAX_REMEMBERED {
            self.mapping.link_addresses.insert(address, pseudonym);
        }
        pseudonym
    }
}

#[cfg(test)]
mod tests;

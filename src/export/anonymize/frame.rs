//! A frame's headers, written anew without what could name somebody.
//!
//! Nothing is copied unless it is known to be harmless: the new frame begins as zeros, and each layer writes the fields that it
//! understands, with pseudonyms in place of addresses. A frame with a layer that is not understood here is refused; it is then rebuilt from what
//! the analysis knows of it (`rebuild`), never copied. Followed are what captures of servers, routers, overlays, mobile cores and wireless
//! networks have: Ethernet, Linux cooked, raw IP, loopback, PPP, Cisco HDLC, 802.11 behind the headers of its drivers; VLAN, QinQ, MPLS,
//! LLC, PPPoE (`link`); IP in IP, GRE, EoIP, PPTP, ERSPAN, EtherIP, VXLAN, Geneve, GTP, L2TP, LISP, TZSP (`tunnel`); IPv4, IPv6, AH, TCP and
//! the segments that ICMP errors quote. Lengths stay as they were.

mod link;
mod tunnel;

use super::checksum::Sum;
use super::{Anonymizer, options};

/// At most so many headers; `decode` has the same limit for encapsulation.
const MAX_HEADERS: usize = 32;

/// Where a TCP payload lies within its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) struct Place {
    /// First octet of the TCP header.
    pub header: usize,
    /// First octet of the payload.
    pub payload: usize,
    /// Behind the last captured octet of it.
    pub end: usize,
    /// Its octets on the wire.
    pub wire_length: u64,
}

/// Headers that were rewritten; the payload is still to come.
#[derive(Debug)]
pub(in crate::export) struct Headers {
    out: Vec<u8>,
    checks: Vec<Check>,
    /// The TCP payload; `None` for an ICMP error.
    pub place: Option<Place>,
    /// Numbers by which the caller makes sure that both readings of the frame agree: ports and sequence number.
    pub ports: (u16, u16),
    /// See `ports`.
    pub seq: u32,
}

/// A checksum to be made right, once everything inside is in its place.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// Of so many octets, at this offset within them.
    Plain { from: usize, to: usize, field: usize },
    /// With a pseudo header of the IP header at `ip`, whose payload has `length` octets on the wire.
    Pseudo { ip: usize, is_ipv6: bool, protocol: u8, from: usize, to: usize, field: usize, length: u64 },
}

/// What follows a header.
#[derive(Clone, Copy, Debug)]
enum Next {
    Ethernet,
    EtherType(u16),
    Llc,
    Ppp,
    /// 802.11; `padded`: the driver aligned what follows the header to four octets.
    Wireless {
        padded: bool,
    },
    Ip,
    Protocol {
        number: u8,
        ip: usize,
        is_ipv6: bool,
    },
    Done,
}

struct Walk<'a, 'k> {
    source: &'a [u8],
    out: Vec<u8>,
    checks: Vec<Check>,
    anonymizer: &'k mut Anonymizer,
    at: usize,
    /// Behind the last captured octet of the innermost packet.
    end: usize,
    /// Where the innermost packet ends on the wire.
    wire_end: u64,
    place: Option<Place>,
    ports: (u16, u16),
    seq: u32,
    in_quote: bool,
}

impl Headers {
    /// Rewrites the headers of a frame; `None` if it has a layer that is not understood.
    pub(in crate::export) fn rewrite(link_type: u16, captured: &[u8], wire_length: u32, anonymizer: &mut Anonymizer) -> Option<Self> {
        let mut walk = Walk {
            source: captured,
            out: vec![0; captured.len()],
            checks: Vec::new(),
            anonymizer,
            at: 0,
            end: captured.len(),
            wire_end: u64::from(wire_length),
            place: None,
            ports: (0, 0),
            seq: 0,
            in_quote: false,
        };
        let mut next = walk.link(link_type)?;
        for _ in 0..MAX_HEADERS {
            next = match next {
                Next::Ethernet => walk.ethernet()?,
                Next::EtherType(number) => walk.ether_type(number)?,
                Next::Llc => walk.llc()?,
                Next::Ppp => walk.ppp()?,
                Next::Wireless { padded } => walk.wireless(padded)?,
                Next::Ip => walk.ip()?,
                Next::Protocol { number, ip, is_ipv6 } => walk.protocol(number, ip, is_ipv6)?,
                Next::Done => {
                    let Walk { out, checks, place, ports, seq, .. } = walk;
                    return Some(Self { out, checks, place, ports, seq });
                }
            };
        }
        None
    }

    /// Puts a payload in its place and makes every checksum right. Octets that were not captured count as zeros, as removed ones do.
    pub(in crate::export) fn finish(mut self, payload: &[u8]) -> Vec<u8> {
        if let Some(place) = self.place
            && let Some(room) = self.out.get_mut(place.payload..place.end)
        {
            for (octet, masked) in room.iter_mut().zip(payload) {
                *octet = *masked;
            }
        }
        for check in self.checks.iter().rev() {
            let (sum, field) = check.sum(&self.out);
            let octets = match sum {
                0 if matches!(check, Check::Pseudo { protocol: 17, .. }) => [0xff, 0xff], // RFC 768: 0 means «no checksum»
                sum => sum.to_be_bytes(),
            };
            if let Some(place) = self.out.get_mut(field..field.saturating_add(2)) {
                place.copy_from_slice(&octets);
            }
        }
        self.out
    }
}

impl Check {
    /// The checksum and the place of its field, which holds zeros until then.
    fn sum(&self, octets: &[u8]) -> (u16, usize) {
        let part = |from: usize, to: usize| octets.get(from..to).unwrap_or_default();
        match *self {
            Self::Plain { from, to, field } => (Sum::default().add(part(from, to)).finish(), field),
            Self::Pseudo { ip, is_ipv6, protocol, from, to, field, length } => {
                let addresses = if is_ipv6 {
                    part(ip.saturating_add(8), ip.saturating_add(40))
                } else {
                    part(ip.saturating_add(12), ip.saturating_add(20))
                };
                let sum = Sum::default().add(addresses).add(&length.to_be_bytes()).add(&[0, protocol]).add(part(from, to));
                (sum.finish(), field)
            }
        }
    }
}

impl Walk<'_, '_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.source.get(..self.end)?.get(at..)?.first_chunk::<N>().copied()
    }

    fn be16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    fn put(&mut self, at: usize, octets: &[u8]) -> Option<()> {
        self.out.get_mut(at..at.checked_add(octets.len())?)?.copy_from_slice(octets);
        Some(())
    }

    /// Copies octets as they are.
    fn keep(&mut self, at: usize, length: usize) -> Option<()> {
        let end = at.checked_add(length)?;
        let from = self.source.get(..self.end)?.get(at..end)?;
        self.out.get_mut(at..end)?.copy_from_slice(from);
        Some(())
    }

    /// Copies the next octets and steps over them.
    fn pass(&mut self, length: usize) -> Option<()> {
        self.keep(self.at, length)?;
        self.at = self.at.checked_add(length)?;
        Some(())
    }

    fn link_address(&mut self, at: usize) -> Option<()> {
        let pseudonym = self.anonymizer.link_address(self.array(at)?);
        self.put(at, &pseudonym)
    }

    fn address4(&mut self, at: usize) -> Option<()> {
        let pseudonym = self.anonymizer.address4(self.array(at)?);
        self.put(at, &pseudonym)
    }

    fn address6(&mut self, at: usize) -> Option<()> {
        let pseudonym = self.anonymizer.address6(self.array(at)?);
        self.put(at, &pseudonym)
    }

    fn ip(&mut self) -> Option<Next> {
        match self.array::<1>(self.at)? {
            [0x45..=0x4f] => self.ip4(),
            [0x60..=0x6f] => self.ip6(),
            _ => None,
        }
    }

    fn narrow(&mut self, wire_end: u64) {
        self.wire_end = wire_end;
        self.end = self.end.min(usize::try_from(wire_end).unwrap_or(usize::MAX));
    }

    fn ip4(&mut self) -> Option<Next> {
        let at = self.at;
        let header = self.array::<20>(at)?;
        let [first, .., place_high, place_low, _, protocol, _, _, _, _, _, _, _, _, _, _] = header;
        let header_length = usize::from(first & 0x0f).checked_mul(4)?;
        let total = usize::from(self.be16(at.checked_add(2)?)?);
        match total {
            0 => {} // segmentation offload: the packet is what the record holds
            total if total < header_length => return None,
            total => self.narrow((at as u64).checked_add(total as u64)?),
        }
        if u16::from_be_bytes([place_high, place_low]) & 0x3fff != 0 && !self.in_quote {
            return None; // a fragment
        }
        let payload = at.checked_add(header_length)?;
        self.keep(at, 10)?;
        self.address4(at.checked_add(12)?)?;
        self.address4(at.checked_add(16)?)?;
        self.put(at.checked_add(20)?, &vec![1; header_length.checked_sub(20)?])?; // options can hold addresses: no operation
        self.checks.push(Check::Plain { from: at, to: payload, field: at.checked_add(10)? });
        self.at = payload;
        Some(Next::Protocol { number: protocol, ip: at, is_ipv6: false })
    }

    fn ip6(&mut self) -> Option<Next> {
        let at = self.at;
        let header = self.array::<8>(at)?;
        let [first, second, _, _, length_high, length_low, next, hops] = header;
        let payload = at.checked_add(40)?;
        match (u16::from_be_bytes([length_high, length_low]), next) {
            (0, 0) => return None, // a jumbogram
            (0, _) => {}
            (length, _) => self.narrow((payload as u64).checked_add(u64::from(length))?),
        }
        // the flow label is a hash of addresses and ports: it goes
        self.put(at, &[first, second & 0xf0, 0, 0, length_high, length_low, next, hops])?;
        self.address6(at.checked_add(8)?)?;
        self.address6(at.checked_add(24)?)?;
        self.at = payload;
        Some(Next::Protocol { number: next, ip: at, is_ipv6: true })
    }

    fn protocol(&mut self, number: u8, ip: usize, is_ipv6: bool) -> Option<Next> {
        match number {
            6 => self.tcp(ip, is_ipv6),
            17 if !self.in_quote => self.udp(ip, is_ipv6),
            1 if !is_ipv6 => self.icmp(ip, is_ipv6),
            58 if is_ipv6 => self.icmp(ip, is_ipv6),
            4 | 41 if !self.in_quote => Some(Next::Ip),
            47 if !self.in_quote => self.gre(),
            51 if !self.in_quote => self.authentication(ip, is_ipv6),
            97 if !self.in_quote => {
                self.pass(2)?; // EtherIP (RFC 3378): version and reserved bits
                Some(Next::Ethernet)
            }
            115 if !self.in_quote => {
                self.pass(4)?;
                self.l2tp_3()
            }
            137 if !self.in_quote => self.labels(),
            0 | 60 if is_ipv6 => {
                // hop-by-hop and destination options: the header stays, its content becomes padding (Pad1 is an octet of zeros)
                let [next, length] = self.array(self.at)?;
                let octets = usize::from(length).checked_add(1)?.checked_mul(8)?;
                self.source.get(..self.end)?.get(self.at..self.at.checked_add(octets)?)?;
                self.keep(self.at, 2)?;
                self.at = self.at.checked_add(octets)?;
                Some(Next::Protocol { number: next, ip, is_ipv6 })
            }
            44 if is_ipv6 => {
                let [next, _, high, low] = self.array(self.at)?;
                if u16::from_be_bytes([high, low]) & 0xfff9 != 0 {
                    return None; // a fragment
                }
                self.pass(8)?;
                Some(Next::Protocol { number: next, ip, is_ipv6 })
            }
            _ => None,
        }
    }

    fn tcp(&mut self, ip: usize, is_ipv6: bool) -> Option<Next> {
        let at = self.at;
        let fixed = self.source.get(..self.end)?.get(at..)?;
        let fixed = fixed.get(..20).unwrap_or(fixed).len();
        if fixed < if self.in_quote { 8 } else { 20 } {
            return None;
        }
        self.keep(at, fixed)?;
        self.ports = (self.be16(at)?, self.be16(at.checked_add(2)?)?);
        self.seq = self.array(at.checked_add(4)?).map(u32::from_be_bytes)?;
        if fixed == 20 {
            let field = at.checked_add(16)?;
            self.put(field, &[0, 0])?;
            let [offset] = self.array::<1>(at.checked_add(12)?)?;
            let payload = at.checked_add(usize::from(offset >> 4).checked_mul(4)?.max(20))?;
            let first = at.checked_add(20)?;
            let cut = payload.min(self.end);
            let (from, into) = (self.source.get(first..cut)?, self.out.get_mut(first..cut)?);
            options::copy(from, into);
            let wire_length = self.wire_end.saturating_sub(payload as u64);
            if !self.in_quote {
                self.place = Some(Place { header: at, payload: cut, end: self.end, wire_length });
                let length = self.wire_end.saturating_sub(at as u64);
                self.checks.push(Check::Pseudo { ip, is_ipv6, protocol: 6, from: at, to: self.end, field, length });
            }
        } else if fixed > 16 {
            let rest = self.out.get_mut(at.checked_add(16)?..at.checked_add(fixed)?)?;
            rest.fill(0);
        }
        Some(Next::Done)
    }

    /// IP Authentication Header (RFC 4302): the value is a keyed hash over what is no longer there, so it goes.
    fn authentication(&mut self, ip: usize, is_ipv6: bool) -> Option<Next> {
        let [next, length] = self.array(self.at)?;
        let octets = usize::from(length).checked_add(2)?.checked_mul(4)?;
        self.source.get(..self.end)?.get(self.at..self.at.checked_add(octets.max(12))?)?;
        self.keep(self.at, 12)?;
        self.at = self.at.checked_add(octets)?;
        Some(Next::Protocol { number: next, ip, is_ipv6 })
    }

    fn icmp(&mut self, ip: usize, is_ipv6: bool) -> Option<Next> {
        let at = self.at;
        let [kind] = self.array::<1>(at)?;
        let is_error = if is_ipv6 { (1..=4).contains(&kind) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) };
        if self.in_quote || !is_error {
            return None;
        }
        self.pass(8)?;
        let field = at.checked_add(2)?;
        self.put(field, &[0, 0])?;
        if kind == 5 && !is_ipv6 {
            self.address4(at.checked_add(4)?)?; // a redirect names the gateway
        }
        self.checks.push(if is_ipv6 {
            let length = self.wire_end.saturating_sub(at as u64);
            Check::Pseudo { ip, is_ipv6, protocol: 58, from: at, to: self.end, field, length }
        } else {
            Check::Plain { from: at, to: self.end, field }
        });
        self.in_quote = true;
        Some(Next::Ip)
    }
}

#[cfg(test)]
mod tests;

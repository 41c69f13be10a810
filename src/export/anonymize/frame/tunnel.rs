//! Tunnels, written anew: numbers of tunnels and networks stay, what else a header can hold becomes zeros.

use super::{Check, MAX_HEADERS, Next, Walk};

/// UDP ports of the tunnels that are followed: L2TP, GTP, LISP, GRE, VXLAN and its generic extension, Geneve, MPLS, Linux' old VXLAN, TZSP.
const TUNNELS: [u16; 11] = [1701, 2152, 3386, 4341, 4754, 4789, 4790, 6081, 6635, 8472, 37008];

impl Walk<'_, '_> {
    pub(super) fn udp(&mut self, ip: usize, is_ipv6: bool) -> Option<Next> {
        let at = self.at;
        let [source, destination, length, sum] = [0, 2, 4, 6].map(|offset| self.be16(at.saturating_add(offset)));
        let (low, high) = (source?.min(destination?), source?.max(destination?));
        let length = length?;
        if length > 8 {
            self.narrow((at as u64).checked_add(u64::from(length))?.min(self.wire_end));
        }
        self.keep(at, 6)?;
        let tunnel = [low, high].into_iter().find(|port| TUNNELS.contains(port))?;
        if sum? != 0 {
            let length = self.wire_end.saturating_sub(at as u64);
            self.checks.push(Check::Pseudo { ip, is_ipv6, protocol: 17, from: at, to: self.end, field: at.checked_add(6)?, length });
        }
        self.at = at.checked_add(8)?;
        match tunnel {
            1701 => self.l2tp(),
            2152 | 3386 => self.gtp(),
            4341 => {
                self.pass(8)?;
                Some(Next::Ip)
            }
            4754 => self.gre(),
            4790 => self.vxlan_generic(),
            6081 => self.geneve(),
            6635 => self.labels(),
            37008 => self.tzsp(),
            _ => {
                self.pass(8)?;
                Some(Next::Ethernet)
            }
        }
    }

    /// Geneve (RFC 8926): options stay zeros, which is options without content.
    fn geneve(&mut self) -> Option<Next> {
        let [first, _, high, low] = self.array(self.at)?;
        self.pass(8)?;
        self.at = self.at.checked_add(usize::from(first & 0x3f).checked_mul(4)?)?;
        Some(Next::EtherType(u16::from_be_bytes([high, low])))
    }

    /// VXLAN-GPE: without the flag for it, there is no next protocol and an Ethernet frame follows.
    fn vxlan_generic(&mut self) -> Option<Next> {
        let [flags, _, _, protocol] = self.array(self.at)?;
        self.pass(8)?;
        match protocol {
            _ if flags & 0x04 == 0 => Some(Next::Ethernet),
            1 | 2 => Some(Next::Ip),
            3 => Some(Next::Ethernet),
            5 => self.labels(),
            _ => None,
        }
    }

    /// The user plane of GTP. Version 1 (3GPP TS 29.281): the tunnel's number stays, extension headers keep their lengths. Version 0 (TS 09.60)
    /// has the subscriber's number in its tunnel identifier, which goes.
    fn gtp(&mut self) -> Option<Next> {
        const G_PDU: u8 = 255;
        let [flags, kind, high, low] = self.array(self.at)?;
        if kind != G_PDU || flags & 0x10 == 0 {
            return None;
        }
        let header = match flags >> 5 {
            0 => 20,
            1 => 8,
            _ => return None,
        };
        self.keep(self.at, if header == 20 { 12 } else { 8 })?;
        self.source.get(..self.end)?.get(self.at..self.at.checked_add(header)?)?;
        self.at = self.at.checked_add(header)?;
        self.narrow((self.at as u64).checked_add(u64::from(u16::from_be_bytes([high, low])))?.min(self.wire_end));
        if header == 8 && flags & 0x07 != 0 {
            let [.., kind] = self.array::<4>(self.at)?;
            self.pass(4)?;
            self.extensions(if flags & 0x04 == 0 { 0 } else { kind })?;
        }
        Some(Next::Ip)
    }

    fn extensions(&mut self, mut kind: u8) -> Option<()> {
        for _ in 0..MAX_HEADERS {
            if kind == 0 {
                return Some(());
            }
            let [length] = self.array::<1>(self.at)?;
            let octets = usize::from(length).checked_mul(4)?;
            let last = self.at.checked_add(octets.checked_sub(1)?)?;
            [kind] = self.array::<1>(last)?;
            self.keep(self.at, 1)?;
            self.keep(last, 1)?;
            self.at = last.checked_add(1)?;
        }
        None
    }

    /// L2TP in UDP: version 2 (RFC 2661) carries PPP, version 3 (RFC 3931) an Ethernet or PPP frame.
    fn l2tp(&mut self) -> Option<Next> {
        let at = self.at;
        let flags = self.be16(at)?;
        match flags & 0x800f {
            2 => {}
            3 => {
                self.pass(8)?;
                return self.l2tp_3();
            }
            _ => return None,
        }
        let mut length = 6_usize;
        if flags & 0x4000 != 0 {
            let all = self.be16(at.checked_add(2)?)?;
            self.narrow((at as u64).checked_add(u64::from(all))?.min(self.wire_end));
            length = 8;
        }
        if flags & 0x0800 != 0 {
            length = length.checked_add(4)?;
        }
        self.pass(length)?;
        if flags & 0x0200 != 0 {
            let offset = usize::from(self.be16(self.at)?);
            self.pass(2)?;
            self.at = self.at.checked_add(offset)?; // the octets of an offset have no meaning
        }
        Some(Next::Ppp)
    }

    /// Cookie and sublayer are agreed upon elsewhere, so each length of them is tried, as `decode` does. The cookie is a secret of the two ends
    /// and goes.
    pub(super) fn l2tp_3(&mut self) -> Option<Next> {
        for skip in [0, 4, 8, 12] {
            let at = self.at.checked_add(skip)?;
            let tagged = if self.be16(at.checked_add(12)?) == Some(0x8100) { 4 } else { 0 };
            let number = self.be16(at.checked_add(12)?.checked_add(tagged)?);
            let version = |at: usize| self.array::<1>(at).map(|[octet]| octet >> 4);
            let inner = version(at.checked_add(14)?.checked_add(tagged)?);
            let is_ethernet = matches!((number, inner), (Some(0x0800), Some(4)) | (Some(0x86dd), Some(6)));
            let header = (self.array(at).map(u32::from_be_bytes), version(at.checked_add(4)?));
            let is_ppp = matches!(header, (Some(0xff03_0021), Some(4)) | (Some(0xff03_0057), Some(6)));
            if is_ethernet || is_ppp {
                self.at = at;
                return Some(if is_ethernet { Next::Ethernet } else { Next::Ppp });
            }
        }
        None
    }

    /// TaZmen Sniffer Protocol: tags describe the radio and the sensor; they keep their lengths.
    fn tzsp(&mut self) -> Option<Next> {
        const MAX_TAGS: usize = 64;
        let [version, kind, high, low] = self.array(self.at)?;
        if version != 1 || kind > 1 {
            return None;
        }
        self.pass(4)?;
        for _ in 0..MAX_TAGS {
            match self.array::<1>(self.at)? {
                [0] => self.pass(1)?,
                [1] => {
                    self.pass(1)?;
                    return match u16::from_be_bytes([high, low]) {
                        1 => Some(Next::Ethernet),
                        0x12 => Some(Next::Wireless { padded: false }),
                        _ => None,
                    };
                }
                _ => {
                    let [_, length] = self.array(self.at)?;
                    self.pass(2)?;
                    self.at = self.at.checked_add(usize::from(length))?;
                }
            }
        }
        None
    }

    pub(super) fn gre(&mut self) -> Option<Next> {
        let at = self.at;
        let (flags, protocol) = (self.be16(at)?, self.be16(at.checked_add(2)?)?);
        match (flags & 0x0007, protocol) {
            (0, _) => {}
            (1, 0x6400) => {
                // MikroTik's EoIP: length and the tunnel's number
                let length = self.be16(at.checked_add(4)?)?;
                self.pass(8)?;
                self.narrow((self.at as u64).checked_add(u64::from(length))?.min(self.wire_end));
                return Some(Next::Ethernet);
            }
            (1, 0x880b) if flags & 0x1000 != 0 => {
                // PPTP (RFC 2637): length and call, sequence, perhaps an acknowledgement
                let length = self.be16(at.checked_add(4)?)?;
                self.pass(if flags & 0x0080 == 0 { 12 } else { 16 })?;
                self.narrow((self.at as u64).checked_add(u64::from(length))?.min(self.wire_end));
                return Some(Next::Ppp);
            }
            _ => return None,
        }
        if flags & 0x4000 != 0 {
            return None; // source routes
        }
        let optional = [0x8000, 0x2000, 0x1000].into_iter().filter(|flag| flags & flag != 0).count();
        self.pass(optional.checked_mul(4)?.checked_add(4)?)?;
        if flags & 0x8000 != 0 {
            let field = at.checked_add(4)?;
            self.put(field, &[0, 0])?;
            self.checks.push(Check::Plain { from: at, to: self.end, field });
        }
        match protocol {
            0x88be => {
                if flags & 0x1000 != 0 {
                    self.pass(8)?;
                }
                Some(Next::Ethernet)
            }
            other => Some(Next::EtherType(other)),
        }
    }
}

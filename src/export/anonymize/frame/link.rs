//! Links and what lies between a link and IP, written anew: addresses become pseudonyms, numbers stay.

use super::{MAX_HEADERS, Next, Walk};

/// EtherTypes of VLAN tags.
const VLAN_TAGS: [u16; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
const ETHER_IP4: u16 = 0x0800;
const ETHER_IP6: u16 = 0x86dd;
/// Octets of the Prism header of linux-wlan.
const PRISM_HEADER: usize = 144;
/// A longer radiotap or PPI header is not believed.
const LONGEST_DRIVER_HEADER: usize = 512;

impl Walk<'_, '_> {
    pub(super) fn link(&mut self, link_type: u16) -> Option<Next> {
        match link_type {
            1 => Some(Next::Ethernet),
            12 | 14 | 101 | 228 | 229 => Some(Next::Ip),
            9 | 50 => Some(self.serial()),
            104 => {
                self.pass(2)?;
                let number = self.be16(self.at)?;
                self.pass(2)?;
                Some(Next::EtherType(number))
            }
            105 => Some(Next::Wireless { padded: false }),
            119 | 163 => self.prism(),
            127 => self.radiotap(),
            192 => self.per_packet(),
            0 | 108 => {
                self.pass(4)?;
                Some(Next::Ip)
            }
            113 => self.cooked(6, 4, 14, 16),
            276 => self.cooked(12, 10, 0, 20),
            _ => None,
        }
    }

    /// Linux cooked captures: everything but the address is a small number. The reading of `decode` decides what the protocol means;
    /// only EtherTypes are followed here.
    fn cooked(&mut self, address: usize, length: usize, protocol: usize, header: usize) -> Option<Next> {
        self.keep(0, header)?;
        // version 2 has its length in one octet behind the packet type
        let octets = if header == 20 { usize::from(*self.source.get(length.checked_add(1)?)?) } else { usize::from(self.be16(length)?) };
        self.put(address, &[0; 8])?;
        match octets {
            0 => {}
            // Longer addresses (InfiniBand) are cut to the field; the first six octets stand for them.
            6..=20 => self.link_address(address)?,
            _ => return None,
        }
        self.at = header;
        self.be16(protocol).filter(|number| *number >= 0x600).map(Next::EtherType)
    }

    pub(super) fn ethernet(&mut self) -> Option<Next> {
        let at = self.at;
        self.link_address(at)?;
        self.link_address(at.checked_add(6)?)?;
        self.at = at.checked_add(12)?;
        let number = self.be16(self.at)?;
        self.pass(2)?;
        Some(self.length_or_type(number))
    }

    /// IEEE 802.3: up to 1500 it is the length of an LLC frame.
    fn length_or_type(&mut self, number: u16) -> Next {
        if number > 1500 {
            return Next::EtherType(number);
        }
        self.narrow((self.at as u64).saturating_add(u64::from(number)).min(self.wire_end));
        Next::Llc
    }

    pub(super) fn ether_type(&mut self, number: u16) -> Option<Next> {
        match number {
            ETHER_IP4 | ETHER_IP6 => Some(Next::Ip),
            0x6558 => Some(Next::Ethernet),
            0x8847 | 0x8848 => self.labels(),
            0x8864 => {
                self.pass(6)?;
                Some(Next::Ppp)
            }
            tag if VLAN_TAGS.contains(&tag) => {
                let inner = self.be16(self.at.checked_add(2)?)?;
                self.pass(4)?;
                Some(self.length_or_type(inner))
            }
            // IEEE 802.1BR, Cisco's VN-Tag, IEEE 802.1CB: numbers of ports and sequences
            0x893f => self.tag(6),
            0x8926 | 0xf1c1 => self.tag(4),
            0x8909 => {
                // Cisco's metadata: version, length in units of eight octets with the type behind it, options with numbers of groups
                let [_, length] = self.array(self.at)?;
                self.tag(usize::from(length).max(1).checked_mul(8)?.checked_sub(2)?)
            }
            0x88e7 => {
                // Provider backbone (IEEE 802.1ah): a tag, then a frame
                self.pass(4)?;
                Some(Next::Ethernet)
            }
            _ => None,
        }
    }

    /// A tag of so many octets, and the type of what follows.
    fn tag(&mut self, octets: usize) -> Option<Next> {
        self.pass(octets)?;
        let number = self.be16(self.at)?;
        self.pass(2)?;
        Some(self.length_or_type(number))
    }

    pub(super) fn labels(&mut self) -> Option<Next> {
        for _ in 0..MAX_HEADERS {
            let [.., last, _] = self.array::<4>(self.at)?;
            self.pass(4)?;
            if last & 1 == 1 {
                return self.under_labels();
            }
        }
        None
    }

    /// IP, or an Ethernet frame with or without a control word before it (RFC 4448), as far as its type tells that it is one.
    fn under_labels(&mut self) -> Option<Next> {
        let is_ip_frame = |at: Option<usize>| at.and_then(|at| self.be16(at)).is_some_and(|number| matches!(number, ETHER_IP4 | ETHER_IP6));
        match self.array::<1>(self.at)? {
            [0x45..=0x4f | 0x60..=0x6f] => Some(Next::Ip),
            [0] if is_ip_frame(self.at.checked_add(16)) => {
                self.pass(4)?;
                Some(Next::Ethernet)
            }
            _ if is_ip_frame(self.at.checked_add(12)) => Some(Next::Ethernet),
            _ => None,
        }
    }

    /// IEEE 802.2 LLC with SNAP, or with IP right behind it.
    pub(super) fn llc(&mut self) -> Option<Next> {
        match self.array::<3>(self.at)? {
            [0x06, 0x06, 0x03] => {
                self.pass(3)?;
                Some(Next::Ip)
            }
            [0xaa | 0xab, 0xaa | 0xab, 0x03] => {
                let [.., a, b, c, high, low] = self.array::<8>(self.at)?;
                self.pass(8)?;
                matches!([a, b, c], [0, 0, 0 | 0xf8] | [8, 0, 7]).then(|| Next::EtherType(u16::from_be_bytes([high, low])))
            }
            _ => None,
        }
    }

    /// PPP in HDLC-like framing, or Cisco HDLC, which its first octet tells.
    fn serial(&mut self) -> Next {
        match self.array::<4>(self.at) {
            Some([0x0f | 0x8f, _, high, low]) if self.pass(4).is_some() => Next::EtherType(u16::from_be_bytes([high, low])),
            _ => Next::Ppp,
        }
    }

    /// Address and control where they were not compressed away, then the protocol of one or two octets (RFC 1661, RFC 1662).
    pub(super) fn ppp(&mut self) -> Option<Next> {
        if self.be16(self.at)? == 0xff03 {
            self.pass(2)?;
        }
        let [first] = self.array::<1>(self.at)?;
        let number = if first & 1 == 1 { u16::from(first) } else { self.be16(self.at)? };
        self.pass(if first & 1 == 1 { 1 } else { 2 })?;
        match number {
            0x0021 | 0x0057 => Some(Next::Ip),
            0x0281 | 0x0283 => self.labels(),
            _ => None,
        }
    }

    /// The header of a radiotap capture is numbers, but for what vendors put in it.
    fn radiotap(&mut self) -> Option<Next> {
        const EXTENDED: u32 = 1 << 31;
        const VENDOR: u32 = 1 << 30;
        let length = usize::from(self.array(2).map(u16::from_le_bytes)?);
        let mut at = 4_usize;
        let present = self.array(at).map(u32::from_le_bytes)?;
        let mut word = present;
        loop {
            at = at.checked_add(4)?;
            if word & VENDOR != 0 || at > length || length > LONGEST_DRIVER_HEADER {
                return None;
            }
            if word & EXTENDED == 0 {
                break;
            }
            word = self.array(at).map(u32::from_le_bytes)?;
        }
        // The flags, which only the timestamp (aligned to eight octets) can precede, tell padding and check sequence.
        if present & 1 != 0 {
            at = at.checked_next_multiple_of(8)?.checked_add(8)?;
        }
        let flags = if present & 2 == 0 { 0 } else { self.array::<1>(at).map(|[flags]| flags)? };
        self.pass(length)?;
        Some(Next::Wireless { padded: flags & 0x20 != 0 })
    }

    /// An AVS header is numbers; a Prism header has the name of the device in sixteen octets.
    fn prism(&mut self) -> Option<Next> {
        let is_avs = self.array(0).map(u32::from_be_bytes)? & 0xffff_f000 == 0x8021_1000;
        if is_avs {
            let length = usize::try_from(self.array(4).map(u32::from_be_bytes)?).ok()?;
            self.pass(Some(length).filter(|length| *length <= LONGEST_DRIVER_HEADER)?)?;
        } else {
            self.pass(PRISM_HEADER)?;
            self.put(8, &[0; 16])?;
        }
        Some(Next::Wireless { padded: false })
    }

    /// Per-Packet Information: of its fields only the one that every driver writes stays; others can tell where it was captured.
    fn per_packet(&mut self) -> Option<Next> {
        let length = usize::from(self.array(2).map(u16::from_le_bytes)?);
        if self.array(4).map(u32::from_le_bytes)? != 105 || !(8..=LONGEST_DRIVER_HEADER).contains(&length) {
            return None;
        }
        self.keep(0, 8)?;
        if length >= 32 && self.array(8).map(u16::from_le_bytes)? == 2 {
            self.keep(8, 24)?;
        }
        self.source.get(..length)?;
        self.at = length;
        Some(Next::Wireless { padded: false })
    }

    /// An 802.11 data frame: up to four addresses, sequence, QoS and HT control. Aggregates are not followed.
    pub(super) fn wireless(&mut self, padded: bool) -> Option<Next> {
        let at = self.at;
        let [control, flags] = self.array(at)?;
        let is_data = (control >> 2) & 3 == 2 && control & 0x40 == 0;
        if !is_data || flags & 0x40 != 0 {
            return None;
        }
        self.keep(at, 4)?;
        for offset in [4, 10, 16] {
            self.link_address(at.checked_add(offset)?)?;
        }
        self.keep(at.checked_add(22)?, 2)?;
        let mut length = 24_usize;
        if flags & 3 == 3 {
            self.link_address(at.checked_add(length)?)?;
            length = 30;
        }
        if control & 0x80 != 0 {
            let octets = if flags & 0x80 != 0 { 6 } else { 2 };
            if self.array::<1>(at.checked_add(length)?)?.first().is_some_and(|qos| qos & 0x80 != 0) {
                return None;
            }
            self.keep(at.checked_add(length)?, octets)?;
            length = length.checked_add(octets)?;
        }
        if padded {
            length = length.next_multiple_of(4);
        }
        self.at = at.checked_add(length)?;
        Some(Next::Llc)
    }
}

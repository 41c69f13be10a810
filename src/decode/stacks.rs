//! The names of what lies between the capture point and a segment: encapsulation stacks and the kernel's interfaces.
//!
//! Both are interned into small bounded tables, so that a segment carries two numbers and nothing is allocated per packet.

use std::fmt;

use ahash::RandomState;
use arrayvec::ArrayVec;
use hashbrown::HashMap;

use crate::decode::walk::MAX_LAYERS;

/// The tables hold so many entries; what comes after them is `other`. 4096 is every VLAN identifier once.
const MAX_ENTRIES: usize = 4096;

/// One encapsulation layer, with the identifier that separates tenants where it has one. Identifiers that differ between the two
/// directions of a connection (MPLS labels, GTP tunnel endpoints, GRE keys) are left out: the stack names a vantage, not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layer {
    Ethernet,
    Vlan(u16),
    ProviderBackbone(u32),
    Ipv4,
    Ipv6,
    Ieee80211,
    Pppoe,
    Mpls,
    Gre,
    Pptp,
    Nvgre(u32),
    Eoip,
    Erspan(u8),
    Vxlan(u32),
    VxlanGpe(u32),
    Otv(u32),
    Geneve(u32),
    Gtp,
    Teredo,
    L2tp,
    L2tpV3,
    EtherIp,
    Lisp,
    Capwap,
    Tzsp,
    MplsInUdp,
    GreInUdp,
    Ah,
    MacSec,
    Nsh,
    Sflow,
    Trill,
    FabricPath,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ethernet => f.write_str("ethernet"),
            Self::Vlan(id) => write!(f, "vlan {id}"),
            Self::ProviderBackbone(id) => write!(f, "802.1ah {id}"),
            Self::Ipv4 => f.write_str("ipv4"),
            Self::Ipv6 => f.write_str("ipv6"),
            Self::Ieee80211 => f.write_str("802.11"),
            Self::Pppoe => f.write_str("pppoe"),
            Self::Mpls => f.write_str("mpls"),
            Self::Gre => f.write_str("gre"),
            Self::Pptp => f.write_str("gre/ppp"),
            Self::Nvgre(id) => write!(f, "nvgre {id}"),
            Self::Eoip => f.write_str("eoip"),
            Self::Erspan(version) => write!(f, "gre/erspan {version}"),
            Self::Vxlan(id) => write!(f, "udp/vxlan {id}"),
            Self::VxlanGpe(id) => write!(f, "udp/vxlan-gpe {id}"),
            Self::Otv(id) => write!(f, "udp/otv {id}"),
            Self::Geneve(id) => write!(f, "udp/geneve {id}"),
            Self::Gtp => f.write_str("udp/gtp-u"),
            Self::Teredo => f.write_str("udp/teredo"),
            Self::L2tp => f.write_str("udp/l2tp/ppp"),
            Self::L2tpV3 => f.write_str("l2tpv3"),
            Self::EtherIp => f.write_str("etherip"),
            Self::Lisp => f.write_str("udp/lisp"),
            Self::Capwap => f.write_str("udp/capwap"),
            Self::Tzsp => f.write_str("udp/tzsp"),
            Self::MplsInUdp | Self::GreInUdp => f.write_str("udp"),
            Self::Ah => f.write_str("ah"),
            Self::MacSec => f.write_str("macsec"),
            Self::Nsh => f.write_str("nsh"),
            Self::Sflow => f.write_str("udp/sflow"),
            Self::Trill => f.write_str("trill"),
            Self::FabricPath => f.write_str("fabricpath"),
        }
    }
}

impl Layer {
    /// The VLAN identifier, if the layer is a VLAN tag.
    pub fn vlan(self) -> Option<u16> {
        match self {
            Self::Vlan(id) => Some(id),
            _ => None,
        }
    }

    /// The network identifier of an overlay or of a provider backbone.
    pub fn network(self) -> Option<u32> {
        match self {
            Self::Vxlan(id) | Self::VxlanGpe(id) | Self::Otv(id) | Self::Geneve(id) | Self::Nvgre(id) | Self::ProviderBackbone(id) => {
                Some(id)
            }
            _ => None,
        }
    }
}

type Layers = ArrayVec<Layer, MAX_LAYERS>;

/// The encapsulation stacks seen so far.
#[derive(Debug)]
pub(crate) struct Stacks {
    names: Vec<String>,
    numbers: HashMap<(&'static str, Layers), u16, RandomState>,
    last: Option<(&'static str, Layers, u16)>,
}

impl Stacks {
    /// A table with entry 0, the plain link type, whose name is not known yet.
    pub fn new() -> Self {
        Self { names: vec![String::new()], numbers: HashMap::with_hasher(fixed_hasher()), last: None }
    }

    /// The number of `link` without layers, which is 0.
    #[inline]
    pub fn plain(&mut self, link: &'static str) -> u16 {
        if let Some(name) = self.names.first_mut().filter(|name| name.is_empty()) {
            name.push_str(link);
        }
        0
    }

    /// The number of the stack of `layers` on `link`: 0 without layers.
    #[inline]
    pub fn number(&mut self, link: &'static str, layers: &Layers) -> u16 {
        if layers.is_empty() {
            return self.plain(link);
        }
        if let Some((last_link, last_layers, number)) = &self.last
            && *last_link == link
            && last_layers == layers
        {
            return *number;
        }
        let number = self.look_up(link, layers);
        self.last = Some((link, layers.clone(), number));
        number
    }

    fn look_up(&mut self, link: &'static str, layers: &Layers) -> u16 {
        let key = (link, layers.clone());
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let next = self.names.len();
        if next > MAX_ENTRIES {
            return number_of(next.saturating_sub(1));
        }
        if next == MAX_ENTRIES {
            self.names.push("other".into());
            return number_of(next);
        }
        let mut name = String::from(link);
        for layer in layers {
            name.push('/');
            name.push_str(&layer.to_string());
        }
        self.names.push(name);
        self.numbers.insert(key, number_of(next));
        number_of(next)
    }

    /// The names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The kernel's interface of a frame that was captured on all interfaces at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SubInterface {
    /// Linux interface index (SLL2, NFLOG).
    Index(u32),
    /// Interface name, padded with zeros (PKTAP).
    Name([u8; 24]),
}

impl fmt::Display for SubInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "ifindex {index}"),
            Self::Name(octets) => octets
                .iter()
                .take_while(|octet| **octet != 0)
                .try_for_each(|octet| write!(f, "{}", if octet.is_ascii_graphic() { char::from(*octet) } else { '?' })),
        }
    }
}

/// The kernel's interfaces seen so far, numbered from 1 in the order of their first frames; 0 is none.
#[derive(Debug)]
pub(crate) struct SubInterfaces {
    names: Vec<String>,
    numbers: HashMap<SubInterface, u16, RandomState>,
    last: Option<(SubInterface, u16)>,
}

impl SubInterfaces {
    /// An empty table.
    pub fn new() -> Self {
        Self { names: vec![String::new()], numbers: HashMap::with_hasher(fixed_hasher()), last: None }
    }

    /// The number of `interface`.
    pub fn number(&mut self, interface: Option<SubInterface>) -> u16 {
        let Some(interface) = interface else { return 0 };
        if let Some((last, number)) = self.last
            && last == interface
        {
            return number;
        }
        let number = self.look_up(interface);
        self.last = Some((interface, number));
        number
    }

    fn look_up(&mut self, interface: SubInterface) -> u16 {
        if let Some(number) = self.numbers.get(&interface) {
            return *number;
        }
        let next = self.names.len();
        if next > MAX_ENTRIES {
            return number_of(next.saturating_sub(1));
        }
        if next == MAX_ENTRIES {
            self.names.push("other".into());
            return number_of(next);
        }
        self.names.push(interface.to_string());
        self.numbers.insert(interface, number_of(next));
        number_of(next)
    }

    /// The names, by number; that of 0 is empty.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of number `number`; empty for 0.
    pub fn name(&self, number: u16) -> &str {
        self.names.get(usize::from(number)).map_or("", String::as_str)
    }
}

fn number_of(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// A hasher with fixed keys: no table depends on the machine or the run.
pub(crate) fn fixed_hasher() -> RandomState {
    RandomState::with_seeds(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89)
}

#[cfg(test)]
mod tests {
    use super::{Layer, Layers, MAX_ENTRIES, Stacks, SubInterface, SubInterfaces};

    fn vlan(id: u16) -> Layers {
        [Layer::Vlan(id)].into_iter().collect()
    }

    #[test]
    fn stacks_without_layers_are_number_0() {
        let mut stacks = Stacks::new();
        assert_eq!(stacks.number("ethernet", &vlan(7)), 1);
        assert_eq!(stacks.number("ethernet", &Layers::new()), 0);
        assert_eq!(stacks.number("ethernet", &vlan(7)), 1);
        assert_eq!(stacks.number("sll", &vlan(7)), 2);
        assert_eq!(stacks.names(), ["ethernet", "ethernet/vlan 7", "sll/vlan 7"]);
    }

    #[test]
    fn stacks_beyond_the_table_are_other() {
        let mut stacks = Stacks::new();
        for id in 0..6000 {
            stacks.number("ethernet", &vlan(id));
        }
        assert_eq!(stacks.names().len(), MAX_ENTRIES + 1);
        let number = stacks.number("ethernet", &vlan(5999));
        assert_eq!(stacks.names()[usize::from(number)], "other");
        assert_eq!(stacks.number("ethernet", &vlan(0)), 1);
    }

    #[test]
    fn sub_interfaces_are_numbered_in_order_and_named_without_control_characters() {
        let mut table = SubInterfaces::new();
        let mut name = [0; 24];
        name[..4].copy_from_slice(b"e\x1bn0");
        assert_eq!(table.number(None), 0);
        assert_eq!(table.number(Some(SubInterface::Index(70_000))), 1);
        assert_eq!(table.number(Some(SubInterface::Name(name))), 2);
        assert_eq!(table.number(Some(SubInterface::Index(70_000))), 1);
        assert_eq!((table.name(0), table.name(1), table.name(2)), ("", "ifindex 70000", "e?n0"));
    }
}

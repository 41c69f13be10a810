//! Endpoints and the unordered pair that names a connection.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Address and port of one side, in 20 octets: the flow table holds millions of them.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Endpoint {
    is_ipv6: bool,
    octets: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// An IPv4 endpoint.
    pub const fn v4(address: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = address;
        Self { is_ipv6: false, octets: [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], port }
    }

    /// An IPv6 endpoint. An IPv4-mapped address stays an IPv6 one: it was on the wire as such.
    pub const fn v6(address: [u8; 16], port: u16) -> Self {
        Self { is_ipv6: true, octets: address, port }
    }

    /// An endpoint of either family.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        match address {
            IpAddr::V4(a) => Self::v4(a.octets(), port),
            IpAddr::V6(a) => Self::v6(a.octets(), port),
        }
    }

    /// The address.
    pub const fn ip(&self) -> IpAddr {
        let [a, b, c, d, ..] = self.octets;
        if self.is_ipv6 { IpAddr::V6(Ipv6Addr::from_octets(self.octets)) } else { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) }
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether `other` has the same address: without making one of each, which costs more than to compare them.
    #[inline]
    pub const fn is_on_host_of(&self, other: &Self) -> bool {
        self.is_ipv6 == other.is_ipv6 && u128::from_be_bytes(self.octets) == u128::from_be_bytes(other.octets)
    }
}

/// Compared and hashed as numbers: as arrays of octets they cost a call each, with every segment.
impl Endpoint {
    const fn words(&self) -> (bool, u128, u16) {
        (self.is_ipv6, u128::from_be_bytes(self.octets), self.port)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.words() == other.words()
    }
}

impl Eq for Endpoint {}

impl PartialOrd for Endpoint {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// IPv4 before IPv6, then by address, then by port.
impl Ord for Endpoint {
    fn cmp(&self, other: &Self) -> Ordering {
        self.words().cmp(&other.words())
    }
}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (is_ipv6, address, port) = self.words();
        state.write_u128(address);
        state.write_u32(u32::from(port) << 1 | u32::from(is_ipv6));
    }
}

impl fmt::Display for Endpoint {
    /// `10.0.0.5:80` or `[2001:db8::1]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            IpAddr::V4(a) => write!(f, "{a}:{}", self.port),
            IpAddr::V6(a) => write!(f, "[{a}]:{}", self.port),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The unordered pair of endpoints (and the tenant, 0 unless the user separates VLANs, VNIs or interfaces).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    tenant: u32,
}

/// Which endpoint of a [`FlowKey`] a segment came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The lower endpoint of the key.
    Low,
    /// The higher endpoint of the key.
    High,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }

    /// 0 for low, 1 for high.
    pub const fn index(self) -> usize {
        match self {
            Self::Low => 0,
            Self::High => 1,
        }
    }
}

impl FlowKey {
    /// The key of a segment from `src` to `dst`, and the side that sent it.
    pub fn of(src: Endpoint, dst: Endpoint, tenant: u32) -> (Self, Side) {
        if src <= dst { (Self { low: src, high: dst, tenant }, Side::Low) } else { (Self { low: dst, high: src, tenant }, Side::High) }
    }

    /// The endpoint on `side`.
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Low => self.low,
            Side::High => self.high,
        }
    }

    /// The tenant; 0 unless the user separates VLANs, VNIs or interfaces.
    pub const fn tenant(&self) -> u32 {
        self.tenant
    }
}

/// The direction of a segment once the roles are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client to the server.
    ClientToServer,
    /// From the server to the client.
    ServerToClient,
}

impl Direction {
    /// The opposite direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::ClientToServer => Self::ServerToClient,
            Self::ServerToClient => Self::ClientToServer,
        }
    }

    /// The sender's role.
    pub const fn sender(self) -> Role {
        match self {
            Self::ClientToServer => Role::Client,
            Self::ServerToClient => Role::Server,
        }
    }
}

/// Client (sent the SYN, or is believed to have) or server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The side that opened the connection.
    Client,
    /// The side that accepted it.
    Server,
}

impl Role {
    /// The other role.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// `client` or `server`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_same_both_ways() {
        let (a, b) = (Endpoint::v4([10, 0, 0, 1], 80), Endpoint::v4([10, 0, 0, 2], 5000));
        let (forward, from_a) = FlowKey::of(a, b, 0);
        let (back, from_b) = FlowKey::of(b, a, 0);
        assert_eq!(forward, back);
        assert_eq!((from_a, from_b), (Side::Low, Side::High));
        assert_eq!(forward.endpoint(Side::High), b);
    }

    #[test]
    fn mapped_address_is_not_the_ipv4_one() {
        let mapped: Ipv6Addr = "::ffff:10.0.0.1".parse().unwrap();
        assert_ne!(Endpoint::new(IpAddr::V6(mapped), 80), Endpoint::v4([10, 0, 0, 1], 80));
        assert_eq!(Endpoint::v6(mapped.octets(), 80).to_string(), "[::ffff:10.0.0.1]:80");
    }
}

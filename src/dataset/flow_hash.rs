//! Version 1 of the flow hash: the number by which a job on many machines brings the segments of one connection together.
//!
//! It is fixed for ever: the same on every machine, in every run, for both directions, whatever the vantage. `docs/cluster.md` defines it in words and
//! has the test vectors; a change of anything here needs a new version there. Equal hashes may still be different flows: who tracks connections
//! compares the endpoints.
//!
//! Source of the mixing step: the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014; the
//! constants are those of Stafford's variant 13).

use std::net::IpAddr;

use crate::endpoint::Endpoint;

/// The name and version of the hash, as the schema's metadata tell it.
pub const FLOW_HASH: &str = "splitmix64/1";

/// The first 64 bits of the fraction of π: a number that nobody chose.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
/// The increment of SplitMix64, 2⁶⁴ divided by the golden ratio.
const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// An address as the two halves of an IPv6 address; IPv4 is mapped into `::ffff:0:0/96` (RFC 4291 section 2.5.5.2).
#[inline]
pub const fn words(address: IpAddr) -> (u64, u64) {
    match address {
        IpAddr::V4(address) => (0, 0xffff_0000_0000 | address.to_bits() as u64),
        IpAddr::V6(address) => split(address.to_bits()),
    }
}

/// The two halves of a number.
#[allow(clippy::cast_possible_truncation)] // the halves
const fn split(bits: u128) -> (u64, u64) {
    ((bits >> 64) as u64, bits as u64)
}

/// The hash of the flow between two endpoints, in whichever order they are given.
#[inline]
pub fn flow_hash(one: Endpoint, other: Endpoint, tenant: u32) -> u64 {
    let place = |endpoint: Endpoint| {
        let (high, low) = words(endpoint.ip());
        (high, low, endpoint.port())
    };
    let (one, other) = (place(one), place(other));
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let ports = u64::from(tenant) << 32 | u64::from(low.2) << 16 | u64::from(high.2);
    [low.0, low.1, high.0, high.1, ports].into_iter().fold(SEED, mix)
}

/// Takes one word into the state.
#[inline]
const fn mix(state: u64, word: u64) -> u64 {
    let mut z = state.wrapping_add(word).wrapping_add(INCREMENT);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Endpoint::new(address.ip(), address.port())
    }

    #[test]
    fn flow_hash_test_vectors_of_the_contract() {
        let page = include_str!("../../docs/cluster.md");
        let mut vectors = 0;
        for line in page.lines().filter(|line| line.starts_with("| `") && line.contains("| `0x")) {
            let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let (one, other, tenant) = (endpoint(cells[1]), endpoint(cells[2]), cells[3].parse().unwrap());
            let hash = flow_hash(one, other, tenant);
            assert_eq!(format!("{hash:#018x}"), cells[4], "{line}");
            assert_eq!(hash.cast_signed().to_string(), cells[5], "{line}");
            assert_eq!(flow_hash(other, one, tenant), hash, "both directions: {line}");
            vectors += 1;
        }
        assert!(vectors >= 8, "{vectors} vectors in docs/cluster.md");
    }

    #[test]
    fn flow_hash_tells_ports_addresses_and_tenants_apart() {
        let (a, b) = (endpoint("10.0.0.1:40000"), endpoint("10.0.0.2:80"));
        let hash = flow_hash(a, b, 0);
        assert_ne!(flow_hash(a, b, 1), hash);
        assert_ne!(flow_hash(endpoint("10.0.0.1:80"), endpoint("10.0.0.2:40000"), 0), hash, "the ports changed sides");
        assert_ne!(flow_hash(endpoint("10.0.0.2:40000"), endpoint("10.0.0.1:80"), 0), hash, "the addresses changed sides");
        assert_eq!(flow_hash(a, a, 0), flow_hash(a, a, 0));
    }

    /// Pearson's chi-squared of how `hashes` fall into partitions, by remainder or by the high bits. For k partitions its mean is k − 1 and its
    /// standard deviation √(2(k − 1)).
    fn chi_squared(hashes: &[u64], partitions: u32, place: impl Fn(u64) -> usize) -> f64 {
        let mut counts = vec![0_u32; partitions as usize];
        for hash in hashes {
            counts[place(*hash)] += 1;
        }
        let expected = hashes.len() as f64 / f64::from(partitions);
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    }

    #[test]
    fn flow_hash_spreads_neighbouring_addresses_and_ports_evenly() {
        let server = endpoint("10.0.1.1:443");
        let of = |address: u32, port: u16| flow_hash(Endpoint::v4(address.to_be_bytes(), port), server, 0);
        let by_port: Vec<u64> = (0..=u16::MAX).map(|port| of(0x0a00_0005, port)).collect();
        let by_address: Vec<u64> = (0..65_536).map(|address| of(0x0a00_0000 + address, 40_000)).collect();
        let by_network: Vec<u64> = (0..65_536).map(|network| of(network << 8 | 1, 40_000)).collect();
        let by_tenant: Vec<u64> = (0..65_536).map(|tenant| flow_hash(endpoint("10.0.0.5:40000"), server, tenant)).collect();
        for (name, hashes) in [("port", by_port), ("address", by_address), ("network", by_network), ("tenant", by_tenant)] {
            for partitions in [2_u32, 7, 8, 64, 1000, 1024] {
                let limit = f64::from(partitions - 1) + 5.0 * (2.0 * f64::from(partitions - 1)).sqrt();
                let remainder = chi_squared(&hashes, partitions, |hash| usize::try_from(hash % u64::from(partitions)).unwrap());
                let high =
                    chi_squared(&hashes, partitions, |hash| usize::try_from((u128::from(hash) * u128::from(partitions)) >> 64).unwrap());
                assert!(remainder < limit && high < limit, "{name}, {partitions} partitions: {remainder} {high}, limit {limit}");
            }
            let distinct: std::collections::BTreeSet<u64> = hashes.iter().copied().collect();
            assert_eq!(distinct.len(), hashes.len(), "{name}");
        }
    }
}

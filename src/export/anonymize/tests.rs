use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn anonymizer() -> Anonymizer {
    Anonymizer::new(&Key::of_content(b"a key for tests").unwrap())
}

/// Leading bits in which two addresses agree.
fn common_prefix(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => panic!("the family changed: {a} {b}"),
    }
}

proptest! {
    #[test]
    fn addresses_keep_exactly_their_common_prefix(a: u32, shared in 0_u32..=32, b: u32) {
        let mask = u32::MAX.checked_shl(32 - shared).unwrap_or(0);
        let [a, b] = [a, (a & mask) | (b & !mask)].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
        let mut anonymizer = anonymizer();
        prop_assert_eq!(common_prefix(anonymizer.address(a), anonymizer.address(b)), common_prefix(a, b));
    }

    #[test]
    fn addresses_of_ipv6_keep_exactly_their_common_prefix(a: u128, shared in 0_u32..=128, b: u128) {
        let mask = u128::MAX.checked_shl(128 - shared).unwrap_or(0);
        let [a, b] = [a, (a & mask) | (b & !mask)].map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits)));
        let mut anonymizer = anonymizer();
        prop_assert_eq!(common_prefix(anonymizer.address(a), anonymizer.address(b)), common_prefix(a, b));
    }

    /// Words of one length and class (digits, small letters …): whatever differs stays different.
    #[test]
    fn words_that_differ_stay_different(a in "[a-z]{1,6}", b in "[a-z]{1,6}") {
        let mut anonymizer = anonymizer();
        prop_assert_eq!(a == b, anonymizer.word(a.as_bytes()) == anonymizer.word(b.as_bytes()));
    }

    #[test]
    fn names_and_targets_keep_their_length(text: Vec<u8>) {
        let mut anonymizer = anonymizer();
        prop_assert_eq!(anonymizer.name(&text).len(), text.len());
        prop_assert_eq!(anonymizer.target(&text).len(), text.len());
    }
}

#[test]
fn addresses_follow_the_published_vectors() {
    // draft-denis-ipcrypt, test vectors of ipcrypt-pfx: this key, 0.0.0.0 → 151.82.155.134.
    let key: [u8; 32] = std::array::from_fn(|at| {
        let hex = "0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301";
        u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()
    });
    assert_eq!(IpcryptPfx::new(key).encrypt_ipaddr("0.0.0.0".parse().unwrap()).to_string(), "151.82.155.134");
}

#[test]
fn address_of_another_key_is_another() {
    let address = "10.0.0.5".parse().unwrap();
    assert_ne!(anonymizer().address(address), Anonymizer::new(&Key::of_content(b"another").unwrap()).address(address));
    assert_eq!(anonymizer().address(address), anonymizer().address(address));
}

#[test]
fn mapped_address_stays_of_its_family() {
    assert!(anonymizer().address("::ffff:10.0.0.1".parse().unwrap()).is_ipv6());
}

#[test]
fn link_address_keeps_the_group_bit_and_becomes_locally_administered() {
    let mut anonymizer = anonymizer();
    assert_eq!(anonymizer.link_address([0x00, 0x1b, 0x21, 1, 2, 3])[0] & 3, 2);
    assert_eq!(anonymizer.link_address([0x01, 0x00, 0x5e, 1, 2, 3])[0] & 3, 3);
    assert_eq!(anonymizer.link_address([0xff; 6]), [0xff; 6]);
    assert_eq!(anonymizer.link_address([0; 6]), [0; 6]);
}

#[test]
fn target_keeps_its_form_and_repeats_its_words() {
    let mut anonymizer = anonymizer();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    let target = text(anonymizer.target(b"/api/orders/api?token=secret"));
    let parts: Vec<&str> = target.split(['/', '?']).collect();
    assert_eq!(parts.len(), 5);
    assert_eq!(parts[1], parts[3]);
    assert!(!target.contains("api") && !target.contains("secret") && target.is_ascii(), "{target}");
    assert_eq!(anonymizer.target(b"*"), b"*");
    assert_eq!(anonymizer.target(b"/"), b"/");
    let absolute = text(anonymizer.target(b"http://shop.example.org:8080/a"));
    assert!(absolute.starts_with("http://") && absolute.contains(":8080/") && !absolute.contains("shop"), "{absolute}");
}

#[test]
fn name_that_is_an_address_is_hidden_and_keeps_its_port() {
    let mut anonymizer = anonymizer();
    for name in ["10.0.0.5:8080", "[2001:db8::1]:8080", "shop.example.org:8080"] {
        let pseudonym = String::from_utf8(anonymizer.name(name.as_bytes())).unwrap();
        assert!(pseudonym.ends_with(":8080"), "{pseudonym}");
        assert!(!pseudonym.trim_end_matches(":8080").contains(|c: char| c.is_ascii_digit()), "{pseudonym}");
    }
}

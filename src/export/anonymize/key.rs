//! The secret that decides every pseudonym, and the keyed functions that are derived from it.
//!
//! One key gives the same pseudonyms in every run, so that a report and a capture that were made with it fit together. Each purpose (addresses,
//! names, link addresses, filling) has a key of its own, derived by hashing, so that nothing learned of one says anything about another.

use sha2::{Digest, Sha256};

/// Octets of a key.
const OCTETS: usize = 32;
/// Octets that one call of the keyed function gives.
const BLOCK: usize = 32;

/// The secret.
#[derive(Clone)]
pub struct Key([u8; OCTETS]);

impl std::fmt::Debug for Key {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A key from the operating system's random source; nobody can make its pseudonyms again.
    pub fn random() -> Result<Self, String> {
        let mut octets = [0; OCTETS];
        getrandom::fill(&mut octets).map_err(|error| format!("the operating system gives no random octets: {error}"))?;
        Ok(Self(octets))
    }

    /// A key from the content of a file: 64 hexadecimal digits or exactly 32 octets are the key itself, any other content is hashed
    /// with SHA-256. Nothing but white space is an error.
    pub fn of_content(content: &[u8]) -> Result<Self, String> {
        if let Some(octets) = hexadecimal(content.trim_ascii()) {
            return Ok(Self(octets));
        }
        if let Ok(octets) = <[u8; OCTETS]>::try_from(content) {
            return Ok(Self(octets));
        }
        if content.trim_ascii().is_empty() {
            return Err("the key file is empty; 32 random octets make a good key: head -c 32 /dev/urandom".to_owned());
        }
        Ok(Self(Sha256::digest(content).into()))
    }

    /// The key for one purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; OCTETS] {
        let mut hash = Sha256::new_with_prefix(self.0);
        hash.update(purpose.as_bytes());
        hash.finalize().into()
    }
}

fn hexadecimal(digits: &[u8]) -> Option<[u8; OCTETS]> {
    if digits.len() != OCTETS.saturating_mul(2) {
        return None;
    }
    let mut octets = [0; OCTETS];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?, 16).ok()?;
    }
    Some(octets)
}

/// A keyed function from octets to octets that look random: the nested construction of NMAC (Bellare, Canetti, Krawczyk, CRYPTO '96) over
/// SHA-256.
#[derive(Clone)]
pub(super) struct Scrambler {
    inner: Sha256,
    outer: Sha256,
}

impl std::fmt::Debug for Scrambler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrambler(…)")
    }
}

impl Scrambler {
    /// The function of a key for one purpose.
    pub fn new(key: &Key, purpose: &str) -> Self {
        let key = Key(key.derive(purpose));
        Self { inner: Sha256::new_with_prefix(key.derive("inner")), outer: Sha256::new_with_prefix(key.derive("outer")) }
    }

    /// 32 octets that depend on all of the parts, their order and their boundaries.
    pub fn block(&self, parts: &[&[u8]]) -> [u8; BLOCK] {
        let mut inner = self.inner.clone();
        for part in parts {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part);
        }
        let mut outer = self.outer.clone();
        outer.update(inner.finalize());
        outer.finalize().into()
    }

    /// As many octets as `into` has.
    pub fn fill(&self, parts: &[&[u8]], into: &mut [u8]) {
        let seed = self.block(parts);
        for (number, chunk) in into.chunks_mut(BLOCK).enumerate() {
            let block = self.block(&[&seed, &(number as u64).to_be_bytes()]);
            for (octet, random) in chunk.iter_mut().zip(block) {
                *octet = random;
            }
        }
    }

    /// As [`Self::fill`], lower-case letters.
    pub fn fill_letters(&self, parts: &[&[u8]], into: &mut [u8]) {
        self.fill(parts, into);
        for octet in into {
            *octet = letter(*octet);
        }
    }
}

/// A letter of an octet's value modulo 26.
pub(super) const fn letter(value: u8) -> u8 {
    b'a'.wrapping_add(value % 26)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_hexadecimal_digits_is_the_key_of_its_octets() {
        let text = "00".repeat(31) + "ff\n";
        let mut octets = [0; 32];
        octets[31] = 0xff;
        assert_eq!(Key::of_content(text.as_bytes()).unwrap().0, octets);
        assert_eq!(Key::of_content(&octets).unwrap().0, octets);
    }

    #[test]
    fn key_of_any_other_content_is_its_hash_and_never_of_nothing() {
        let expected: [u8; 32] = Sha256::digest(b"correct horse").into();
        assert_eq!(Key::of_content(b"correct horse").unwrap().0, expected);
        assert!(Key::of_content(b" \n").is_err());
        assert_ne!(Key::random().unwrap().0, Key::random().unwrap().0);
    }

    #[test]
    fn scrambler_keeps_purposes_keys_and_boundaries_apart() {
        let key = Key::of_content(b"a").unwrap();
        let one = Scrambler::new(&key, "one");
        assert_eq!(one.block(&[b"ab", b"c"]), Scrambler::new(&key, "one").block(&[b"ab", b"c"]));
        assert_ne!(one.block(&[b"ab", b"c"]), one.block(&[b"a", b"bc"]));
        assert_ne!(one.block(&[b"x"]), Scrambler::new(&key, "two").block(&[b"x"]));
        assert_ne!(one.block(&[b"x"]), Scrambler::new(&Key::of_content(b"b").unwrap(), "one").block(&[b"x"]));
    }

    #[test]
    fn key_is_never_shown() {
        let key = Key::of_content(&[b'k'; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}

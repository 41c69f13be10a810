//! The Content-Security-Policy of a page that loads nothing: exactly its own style and its own script may run, named by their hashes
//! (CSP Level 3, section 2.3.1), and no request may leave.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// The policy for a page with this one style element and this one script element.
pub fn policy(style: &str, script: &str) -> String {
    format!("default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'", source(style), source(script))
}

fn source(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_names_the_hashes() {
        // The example of CSP Level 2, section 7.15.2: alert('Hello, world.');
        assert_eq!(source("alert('Hello, world.');"), "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
        assert!(policy("a", "b").starts_with("default-src 'none'; style-src 'sha256-"));
    }
}

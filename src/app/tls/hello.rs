//! ClientHello and ServerHello, as far as the excerpt shows them: the server name and the version that was agreed on.
//!
//! Read by hand instead of with tls-parser: that crate refuses a message whose end is missing, which a ClientHello with a
//! post-quantum key share (some 1,800 octets) always is in an excerpt, and collects cipher suites and extensions on the heap.
//! Source: RFC 8446 sections 4.1.2, 4.1.3, 4.2.1; RFC 6066 section 3.

use crate::app::framing::be;

/// Extension: server_name (RFC 6066).
const SERVER_NAME: u64 = 0;
/// Extension: supported_versions (RFC 8446 section 4.2.1).
const SUPPORTED_VERSIONS: u64 = 43;
/// Handshake header (4), legacy version (2), random (32).
const FIXED: usize = 38;
/// More extensions than this are not looked at; real hellos have at most some twenty.
const MOST_EXTENSIONS: usize = 64;

/// The host name of a ClientHello's server_name extension; cut where the excerpt is.
pub(super) fn server_name(hello: &[u8]) -> Option<&[u8]> {
    let session_id = usize::try_from(be(hello, FIXED, 1)?).ok()?;
    let ciphers_at = FIXED.checked_add(1)?.checked_add(session_id)?;
    let ciphers = usize::try_from(be(hello, ciphers_at, 2)?).ok()?;
    let compression_at = ciphers_at.checked_add(2)?.checked_add(ciphers)?;
    let compression = usize::try_from(be(hello, compression_at, 1)?).ok()?;
    let extensions_at = compression_at.checked_add(1)?.checked_add(compression)?.checked_add(2)?;
    let extension = find_extension(hello, extensions_at, SERVER_NAME)?;
    // ServerNameList length (2), NameType host_name = 0 (1), length (2).
    if be(extension, 2, 1)? != 0 {
        return None;
    }
    let length = usize::try_from(be(extension, 3, 2)?).ok()?;
    let rest = extension.get(5..)?;
    let name = rest.get(..length).unwrap_or(rest);
    (!name.is_empty() && name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(octet))).then_some(name)
}

/// The version that a ServerHello chose, as on the wire (0x0304 is TLS 1.3); `None` where the excerpt ends before it is certain.
pub(super) fn chosen_version(hello: &[u8]) -> Option<u16> {
    let legacy = u16::try_from(be(hello, 4, 2)?).ok()?;
    if legacy >> 8 == 0x7f {
        // Drafts up to 21 put their number here, and have no session id.
        return Some(legacy);
    }
    let length = usize::try_from(be(hello, 1, 3)?).ok()?;
    let session_id = usize::try_from(be(hello, FIXED, 1)?).ok()?;
    // Session id, cipher suite (2), compression method (1), extensions' length (2).
    let extensions_at = FIXED.checked_add(1)?.checked_add(session_id)?.checked_add(5)?;
    if let Some(extension) = find_extension(hello, extensions_at, SUPPORTED_VERSIONS) {
        return u16::try_from(be(extension, 0, 2)?).ok();
    }
    (legacy < 0x0303 || hello.len() >= length.checked_add(4)?).then_some(legacy)
}

fn find_extension(hello: &[u8], mut at: usize, wanted: u64) -> Option<&[u8]> {
    for _ in 0..MOST_EXTENSIONS {
        let kind = be(hello, at, 2)?;
        let length = usize::try_from(be(hello, at.checked_add(2)?, 2)?).ok()?;
        at = at.checked_add(4)?;
        if kind == wanted {
            let rest = hello.get(at..)?;
            return Some(rest.get(..length).unwrap_or(rest));
        }
        at = at.checked_add(length)?;
    }
    None
}

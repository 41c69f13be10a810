//! TCP options without what could name somebody: what the analysis needs stays, everything else becomes padding.

/// Padding.
const NOP: u8 = 1;
/// Fast Open: the cookie goes, the option stays (RFC 7413).
const FAST_OPEN: u8 = 34;

/// Copies the options that are known to carry numbers only (maximum segment size, window scale, selective acknowledgements,
/// timestamps). Others, such as Multipath TCP with its keys and addresses (RFC 8684), signatures and experiments, are overwritten
/// with padding of the same length. A length that lies ends the copying: the rest is padding.
pub(super) fn copy(from: &[u8], into: &mut [u8]) {
    into.fill(NOP);
    let mut at = 0_usize;
    while let Some(kind) = from.get(at).copied() {
        if kind <= NOP {
            if let Some(octet) = into.get_mut(at) {
                *octet = kind;
            }
            if kind == 0 {
                // End of options: what follows is filling by definition.
                into.get_mut(at..).unwrap_or_default().fill(0);
                return;
            }
            at = at.saturating_add(1);
            continue;
        }
        let length = from.get(at.saturating_add(1)).map_or(0, |length| usize::from(*length));
        let end = at.saturating_add(length);
        let (Some(option), Some(place)) = (from.get(at..end).filter(|_| length >= 2), into.get_mut(at..end)) else { return };
        match (kind, length) {
            (2, 4) | (3, 3) | (4, 2) | (5, 10 | 18 | 26 | 34) | (8, 10) => place.copy_from_slice(option),
            (FAST_OPEN, _) => {
                place.fill(0);
                for (octet, original) in place.iter_mut().zip(option.iter().take(2)) {
                    *octet = *original;
                }
            }
            _ => {}
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::copy;

    fn copied(from: &[u8]) -> Vec<u8> {
        let mut into = vec![9; from.len()];
        copy(from, &mut into);
        into
    }

    #[test]
    fn options_with_numbers_only_stay() {
        let syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(copied(&syn), syn);
    }

    #[test]
    fn options_with_keys_or_cookies_become_padding() {
        let multipath = [30, 12, 0, 0x81, 1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 3, 7];
        assert_eq!(copied(&multipath), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 7]);
        assert_eq!(copied(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8]), [34, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn options_behind_a_length_that_lies_or_the_end_are_not_copied() {
        assert_eq!(copied(&[3, 3, 7, 8, 99, 5, 6]), [3, 3, 7, 1, 1, 1, 1]);
        assert_eq!(copied(&[5, 0, 7]), [1, 1, 1]);
        assert_eq!(copied(&[1, 0, 77, 88]), [1, 0, 0, 0]);
        assert_eq!(copied(&[2]), [1]);
    }
}

//! Connections for one request each, to a server that would keep them.

use crate::observe::samples::ClientSamples;
use crate::time::Span;

/// Fewer handshakes than this are not worth a finding.
const HANDSHAKES_FROM: u64 = 20;
/// Rarer than this on average it is a health check or a job, not churn.
const EVERY: Span = Span::from_secs(2);

/// Whether the connections of a client at a server are churn.
pub fn is_churn(pair: &ClientSamples) -> bool {
    let (Some(first), Some(last)) = (pair.first_opened, pair.last_opened) else { return false };
    let alone = pair.single.saturating_mul(10) >= pair.connections.saturating_mul(9);
    let often = last.since(first).nanos() <= EVERY.nanos().saturating_mul(i64::try_from(pair.connections).unwrap_or(i64::MAX));
    pair.avoidable >= HANDSHAKES_FROM && alone && often
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn pair(connections: u64, single: u64, avoidable: u64, seconds: i64) -> ClientSamples {
        let (first_opened, last_opened) = (Some(Timestamp(0)), Some(Timestamp::new(seconds, 0)));
        ClientSamples { connections, single, avoidable, first_opened, last_opened, ..ClientSamples::default() }
    }

    #[test]
    fn many_single_connections_in_a_row_are_churn() {
        assert!(is_churn(&pair(100, 98, 90, 60)));
        assert!(!is_churn(&pair(100, 60, 55, 60)), "the others are used again");
        assert!(!is_churn(&pair(100, 98, 90, 1000)), "a health check every ten seconds");
        assert!(!is_churn(&pair(15, 15, 14, 10)), "too few to matter");
    }
}

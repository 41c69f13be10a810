//! Who sent an RST (catalogue D2 to D4): hop count, IP-ID regime and answer time against the same side's earlier segments.

use crate::observe::Case;
use crate::report::{RstOrigin, RstShape, RstView};
use crate::tcp::reset::Reset;

/// A time to live is a baseline after so many equal ones.
const BASELINE_FROM: u16 = 3;
/// So many hops nearer cannot be a changed route alone.
const FOREIGN_HOPS: i16 = 3;

/// The RST as the report shows it.
pub fn view(reset: &Reset, case: &Case) -> RstView {
    let (origin, origin_basis) = origin(reset, case);
    RstView { frame: reset.mark.frame.into(), shape: reset.shape, origin, origin_basis }
}

fn origin(reset: &Reset, case: &Case) -> (RstOrigin, String) {
    let path = &case.server_path;
    let mut facts = Vec::new();
    let mut foreign = false;
    let mut same_path = false;
    if path.ttl_count >= BASELINE_FROM && !path.ttl_varies {
        let nearer = i16::from(reset.ttl) - i16::from(path.ttl);
        facts.push(format!("TTL {} against {} on {} earlier segments", reset.ttl, path.ttl, path.ttl_count));
        foreign |= nearer.abs() >= FOREIGN_HOPS;
        same_path = nearer == 0;
        if nearer != 0 && !foreign {
            facts.push("a difference this small is no proof".into());
        }
    }
    let answer = reset.mark.time.since(case.request.mark.time);
    if let Some(rtt) = case.rtt.filter(|_| reset.position == case.request.ack && answer.nanos() > 0) {
        let too_fast = answer.nanos() * 2 < rtt.nanos() && rtt.nanos() > 1_000_000;
        if too_fast && case.fin.is_none() {
            facts.push(format!("answered after {:.3} ms, the round trip is {:.3} ms", answer.seconds() * 1e3, rtt.seconds() * 1e3));
        }
    }
    let continues_ip_id = match (reset.ip_id, path.last_ip_id) {
        (Some(now), Some(before)) => before != 0 && now.wrapping_sub(before) <= 16,
        _ => false,
    };
    if reset.shape == RstShape::Abort && continues_ip_id {
        facts.push("the IP identification continues the connection's own".into());
    }
    let knows_the_connection = case.fin.is_some() && reset.shape == RstShape::Reply;
    let origin = if foreign {
        RstOrigin::Other
    } else if same_path && (knows_the_connection || (reset.shape == RstShape::Abort && continues_ip_id)) {
        RstOrigin::Peer
    } else {
        RstOrigin::Unknown
    };
    (origin, facts.join("; "))
}

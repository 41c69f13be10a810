//! Who sent an RST (catalogue D2 to D4): hop count, link address, IP-ID regime, answer time, and whether the server goes on after it.
//!
//! Each is held against the same side's earlier segments. Equal values prove little (two servers behind one address are equally far);
//! unequal ones tell another device. The measured values are always given.

use super::wording;
use crate::observe::Case;
use crate::report::{FrameRef, RstOrigin, RstShape, RstView};
use crate::tcp::reset::Reset;
use crate::time::Span;

/// A time to live is a baseline after so many equal ones.
const BASELINE_FROM: u16 = 3;
/// So many hops nearer cannot be a changed route alone (catalogue D4).
const FOREIGN_HOPS: i16 = 3;
/// What stacks begin with: Linux and BSD 64, Windows 128, network devices 255.
const INITIAL_TTLS: [u8; 3] = [64, 128, 255];
/// More hops than this between two ends are rare: the initial value is the next above.
const MOST_HOPS: u8 = 32;
/// Answer times below this are scheduling, not distance.
const SHORTEST_FLOOR: Span = Span::from_millis(2);
/// An abort goes on with the connection's own IP-ID sequence, give or take segments that were not captured.
const IP_ID_STEP: u16 = 16;

/// The RST as the report shows it.
pub fn view(reset: &Reset, case: &Case) -> RstView {
    let (origin, facts) = Signs::of(reset, case).conclude(reset);
    RstView { frame: reset.mark.frame.into(), shape: reset.shape, origin, origin_basis: facts.join("; ") }
}

/// Whether the server goes on with the connection after the RST that answered: then another one sent that.
pub fn server_goes_on(case: &Case) -> bool {
    let reset = case.request.reply_reset().or_else(|| case.request.first_reset());
    let closed_before = |reset: &Reset| case.fin.is_some_and(|fin| fin.mark.frame < reset.mark.frame);
    case.request.goes_on.is_some() && reset.is_some_and(|reset| !closed_before(reset))
}

#[derive(Default)]
struct Signs {
    facts: Vec<String>,
    foreign: bool,
    same_path: bool,
    knows_the_connection: bool,
}

impl Signs {
    fn of(reset: &Reset, case: &Case) -> Self {
        let mut signs = Self::default();
        signs.goes_on(reset, case);
        signs.hops(reset, case);
        signs.link(reset, case);
        signs.answer_time(reset, case);
        signs.identification(reset, case);
        signs
    }

    fn conclude(self, reset: &Reset) -> (RstOrigin, Vec<String>) {
        let origin = if self.foreign {
            RstOrigin::Other
        } else if self.same_path && self.knows_the_connection && matches!(reset.shape, RstShape::Reply | RstShape::Abort) {
            RstOrigin::Peer
        } else {
            RstOrigin::Unknown
        };
        (origin, self.facts)
    }

    fn goes_on(&mut self, reset: &Reset, case: &Case) {
        let closed_before = case.fin.is_some_and(|fin| fin.mark.frame < reset.mark.frame);
        self.knows_the_connection |= closed_before && reset.shape == RstShape::Reply;
        if let Some(mark) = case.request.goes_on.filter(|_| server_goes_on(case)) {
            let later = wording::span(mark.time.since(reset.mark.time));
            self.facts.push(format!("the server goes on with the connection {later} later (frame {})", FrameRef::from(mark.frame).frame));
            self.foreign = true;
        }
    }

    fn hops(&mut self, reset: &Reset, case: &Case) {
        let path = &case.server_path;
        if path.ttl_count < BASELINE_FROM || path.ttl_varies {
            return;
        }
        let nearer = i16::from(reset.ttl) - i16::from(path.ttl);
        self.facts.push(format!("TTL {} against {} on {} earlier segments", reset.ttl, path.ttl, path.ttl_count));
        let undiminished = nearer > 0 && INITIAL_TTLS.contains(&reset.ttl) && reset.ttl - path.ttl <= MOST_HOPS;
        self.same_path = nearer == 0;
        if undiminished {
            self.facts.push("no router has counted it down, as it has those: sent from the capture's own link".into());
            self.foreign = true;
        } else if nearer.abs() >= FOREIGN_HOPS {
            self.foreign = true;
        } else if nearer != 0 {
            self.facts.push("a difference this small is no proof".into());
        }
    }

    fn link(&mut self, reset: &Reset, case: &Case) {
        let path = &case.server_path;
        if path.ttl_count < BASELINE_FROM || path.link_varies {
            return;
        }
        if path.interface != reset.vantage.interface {
            self.facts.push("it came in by another interface than the others".into());
            self.foreign = true;
            return;
        }
        let (Some(known), Some(now)) = (path.link_source, reset.vantage.link_source) else { return };
        if known != now {
            self.facts.push(format!("it came from link address {}, the others from {}", wording::link(now), wording::link(known)));
            self.foreign = true;
        }
    }

    fn answer_time(&mut self, reset: &Reset, case: &Case) {
        let answer = reset.mark.time.since(case.request.mark.time);
        let quiet_before = |floor: Span| case.request.wire_idle.is_some_and(|idle| idle > floor);
        let Some(floor) = case.server_floor.filter(|floor| *floor >= SHORTEST_FLOOR && quiet_before(*floor)) else { return };
        let answers = reset.position.is_some() && reset.position == case.request.ack;
        if answers && case.fin.is_none() && answer > Span::ZERO && Span(answer.nanos().saturating_mul(2)) < floor {
            let (answer, floor) = (wording::span(answer), wording::span(floor));
            self.facts.push(format!("it came {answer} after the request, the server never answers in less than {floor}"));
            self.foreign = true;
        }
    }

    fn identification(&mut self, reset: &Reset, case: &Case) {
        let path = &case.server_path;
        if let (Some(now), Some(before)) = (reset.ip_id, path.last_ip_id)
            && reset.shape == RstShape::Abort
            && before != 0
            && now.wrapping_sub(before) <= IP_ID_STEP
        {
            self.facts.push("the IP identification continues the connection's own".into());
            self.knows_the_connection = true;
        }
        if reset.ip_id.is_some_and(|id| id != 0 && Some(id) == case.request.ip_id && Some(id) != path.last_ip_id) {
            self.facts.push("its IP identification is a copy of the request's".into());
            self.foreign = true;
        }
    }
}

//! Who sent an RST (catalogue D2 to D4): hop count, link address, IP-ID regime, answer time, whether the server goes on after it,
//! and whether a second capture point saw it.
//!
//! Each is held against the same side's earlier segments. Equal values prove little (two servers behind one address are equally far);
//! unequal ones tell another device. The measured values are always given.

use super::context::Context;
use super::wording;
use crate::observe::Case;
use crate::observe::legs::Relation;
use crate::observe::sights::Place;
use crate::report::{FrameRef, RstOrigin, RstShape, RstView};
use crate::tcp::Connection;
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
pub fn view(reset: &Reset, case: &Case, context: &Context<'_>) -> RstView {
    let (origin, facts) = Signs::of(reset, case, context).conclude(reset);
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
    /// A point nearer to the server saw it as well.
    seen_beyond: bool,
    same_path: bool,
    knows_the_connection: bool,
}

impl Signs {
    fn of(reset: &Reset, case: &Case, context: &Context<'_>) -> Self {
        let mut signs = Self::default();
        signs.goes_on(reset, case);
        signs.second_point(reset, case, context);
        signs.other_leg(reset, case, context);
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

    /// The same connection at another interface or in another file.
    fn second_point(&mut self, reset: &Reset, case: &Case, context: &Context<'_>) {
        let Some(connection) = context.connections.get(case.connection) else { return };
        let Some(points) = context.observer.watch(case.connection).and_then(|watch| watch.sights.as_deref()) else { return };
        for point in points.others(connection.client.other(), reset.vantage.interface) {
            if point.saw_reset {
                self.facts.push("the other capture point saw it too".into());
                self.seen_beyond = true;
            } else if Self::was_recording(point.interface, reset, context) {
                let shown = wording::count(u64::from(point.segments), "segment");
                match point.place {
                    Place::NearerSender => {
                        self.facts.push(format!(
                            "the capture point nearer to the server did not see it, but {shown} of the server: it was sent between the two"
                        ));
                        self.foreign = true;
                    }
                    Place::NearerReceiver => self.facts.push("the capture point nearer to the client did not see it".into()),
                    Place::Unknown => self.facts.push(format!("the other capture point did not see it, but {shown} of the server")),
                }
            }
        }
    }

    /// The same connection behind address translation: the leg whose SYN came later is the one nearer to the server.
    fn other_leg(&mut self, reset: &Reset, case: &Case, context: &Context<'_>) {
        let opened = |connection: &Connection| connection.handshake.syn.map(|(_, mark, _)| (mark.time, mark.frame));
        let Some(own) = context.connections.get(case.connection).and_then(opened) else { return };
        let legs = context.legs(case.connection).iter().filter(|(_, relation)| *relation == Relation::Nat);
        for other in legs.filter_map(|(at, _)| context.connections.get(*at)).filter(|other| opened(other) > Some(own)) {
            let server = other.server_half();
            let stream = other.stream;
            if server.counts.rst > 0 {
                self.facts.push(format!("it is on the connection's other leg too (#{stream})"));
                self.seen_beyond = true;
            } else if server.counts.segments >= u64::from(BASELINE_FROM) && Self::was_recording(server.path.interface, reset, context) {
                self.facts.push(format!("on the connection's other leg, nearer to the server (#{stream}), there is no RST"));
                self.foreign = true;
            }
        }
    }

    /// Whether frames were captured at `interface` up to the RST and beyond.
    fn was_recording(interface: u32, reset: &Reset, context: &Context<'_>) -> bool {
        context.observer.hops.interface_last_used(interface).is_some_and(|last| last >= reset.mark.time)
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
        if path.interface != reset.vantage.interface && self.seen_beyond {
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

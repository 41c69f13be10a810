//! Capture points of one connection: where its segments are seen a second time (two interfaces of a router, two files), and where an RST is
//! seen or missing. An RST that a point nearer to the server never saw was not sent by the server (catalogue D4, section 9: two-point
//! captures are the strongest evidence there is).

use arrayvec::ArrayVec;

use serde::{Deserialize, Serialize};

use crate::endpoint::Side;
use crate::tcp::{Connection, Step};

/// So many points are told apart; more say nothing.
const POINTS: usize = 4;
/// A point shows a direction once so many of its segments passed there.
const SHOWN_FROM: u32 = 3;

/// What one interface saw of a connection, by side.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct PointSights {
    interface: u32,
    /// Segments without RST, and how many of them were seen here before anywhere else.
    segments: [u32; 2],
    first: [u32; 2],
    resets: [u32; 2],
}

/// The points that saw a connection.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sights {
    sights: ArrayVec<PointSights, POINTS>,
    too_many: bool,
}

/// Where a point lies, seen from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between that one and the sender.
    NearerSender,
    /// Between that one and the receiver.
    NearerReceiver,
    /// The order of the sights does not tell (the clocks of the points differ).
    Unknown,
}

/// A point other than the one where an RST was seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherPoint {
    /// Its interface.
    pub interface: u32,
    /// Segments of the RST's side that it saw.
    pub segments: u32,
    /// It saw the RST as well.
    pub saw_reset: bool,
    /// Where it lies.
    pub place: Place,
}

/// Takes in one step, duplicate observations included. Nothing is kept until a segment is seen at a second interface.
pub(super) fn see(points: &mut Option<Box<Sights>>, step: &Step, connection: &Connection) {
    if step.restarted {
        *points = None;
    }
    let interface = step.vantage.interface;
    if points.is_none() && !(step.duplicate && interface != connection.half(step.side).path.interface) {
        return;
    }
    points.get_or_insert_default().see(interface, step.side, step.duplicate, step.has_rst);
}

impl Sights {
    fn see(&mut self, interface: u32, side: Side, again: bool, reset: bool) {
        if !self.sights.iter().any(|sights| sights.interface == interface) {
            self.too_many |= self.sights.try_push(PointSights { interface, ..PointSights::default() }).is_err();
        }
        let Some(sights) = self.sights.iter_mut().find(|sights| sights.interface == interface) else { return };
        let add = |counts: &mut [u32; 2], one: bool| {
            if let Some(count) = counts.get_mut(side.index()) {
                *count = count.saturating_add(u32::from(one));
            }
        };
        add(&mut sights.resets, reset);
        add(&mut sights.segments, !reset);
        add(&mut sights.first, !reset && !again);
    }

    /// The other points that show segments of `sender`, whose RST was seen at `interface`.
    pub fn others(&self, sender: Side, interface: u32) -> impl Iterator<Item = OtherPoint> {
        let here = self.sights.iter().find(|sights| sights.interface == interface && !self.too_many).copied();
        let of = |counts: &[u32; 2], side: Side| counts.get(side.index()).copied().unwrap_or_default();
        here.into_iter().flat_map(move |here| {
            let there = self.sights.iter().filter(move |there| there.interface != interface && of(&there.segments, sender) >= SHOWN_FROM);
            there.map(move |there| {
                let comes_first = |side: Side| of(&there.first, side).cmp(&of(&here.first, side));
                let place = match (comes_first(sender), comes_first(sender.other())) {
                    (std::cmp::Ordering::Greater, std::cmp::Ordering::Less) => Place::NearerSender,
                    (std::cmp::Ordering::Less, std::cmp::Ordering::Greater) => Place::NearerReceiver,
                    _ => Place::Unknown,
                };
                let saw_reset = of(&there.resets, sender) >= of(&here.resets, sender).max(1);
                OtherPoint { interface: there.interface, segments: of(&there.segments, sender), saw_reset, place }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interface, side and whether it is a second sight, of segments without RST.
    fn points(sights: &[(u32, Side, bool)]) -> Sights {
        let mut points = Sights::default();
        for (interface, side, again) in sights {
            points.see(*interface, *side, *again, false);
        }
        points
    }

    fn router() -> Sights {
        let exchange = [(0, Side::Low, false), (1, Side::Low, true), (1, Side::High, false), (0, Side::High, true)];
        points(&exchange.repeat(3))
    }

    #[test]
    fn point_that_sees_the_senders_segments_first_and_the_receivers_last_is_nearer_the_sender() {
        let mut points = router();
        points.see(0, Side::High, false, true);
        let other = OtherPoint { interface: 1, segments: 3, saw_reset: false, place: Place::NearerSender };
        assert_eq!(points.others(Side::High, 0).collect::<Vec<_>>(), [other]);
        points.see(1, Side::High, true, true);
        assert!(points.others(Side::High, 0).all(|point| point.saw_reset));
        assert!(points.others(Side::High, 1).all(|point| point.place == Place::NearerReceiver));
    }

    #[test]
    fn points_whose_clocks_differ_are_in_no_order() {
        let skewed = [(0, Side::Low, false), (1, Side::Low, true), (0, Side::High, false), (1, Side::High, true)];
        assert!(points(&skewed.repeat(3)).others(Side::High, 0).all(|point| point.place == Place::Unknown));
    }

    #[test]
    fn point_that_saw_hardly_a_segment_says_nothing() {
        let mut points = points(&[(0, Side::Low, false), (1, Side::Low, true), (1, Side::High, false), (0, Side::High, true)]);
        points.see(0, Side::High, false, true);
        assert_eq!(points.others(Side::High, 0).count(), 0);
    }
}

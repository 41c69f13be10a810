//! Capture points: which interfaces and files saw the same segments.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::observe::points::{Points, Way};
use crate::report::{CapturePoint, PointDelay, PointPair};
use crate::segment::Vantage;
use crate::taken::Taken;
use crate::tcp::step::Place;
use crate::time::Span;

/// The places, and the pairs of them: those with the most segments first, each with the place nearer to the clients first.
///
/// The order is that of the interfaces and of what lies between, in words: the numbers of encapsulations and of the kernel's interfaces only say
/// which was met first.
pub fn points(seen: &Points, taken: &Taken) -> (Vec<CapturePoint>, Vec<PointPair>) {
    let mut places: Vec<(u32, String, Place, Vec<u32>)> = seen
        .places()
        .map(|(place, files)| {
            let vantage = Vantage { interface: place.interface, stack: place.stack, ..Vantage::default() };
            let files: Vec<u32> = files.iter().copied().collect();
            (place.interface & 0xffff, taken.names.describe(&vantage, &taken.summary.interfaces), place, files)
        })
        .collect();
    places.sort();
    let numbers: BTreeMap<Place, usize> = places.iter().enumerate().map(|(number, (_, _, place, _))| (*place, number)).collect();
    let number = |place: Place| numbers.get(&place).copied().unwrap_or(0);
    let mut pairs: Vec<PointPair> = seen
        .pairs()
        .map(|(first, second, pair)| {
            let (first, second) = (number(first), number(second));
            let pair = if first <= second {
                PointPair { first, second, client: delay(&pair.client), server: delay(&pair.server) }
            } else {
                let (client, server) = (pair.client.turned(), pair.server.turned());
                PointPair { first: second, second: first, client: delay(&client), server: delay(&server) }
            };
            if pair.first_is_nearer_to_clients() == Some(false) { turned(&pair) } else { pair }
        })
        .collect();
    pairs.sort_by_key(|pair| (Reverse(pair.client.segments.saturating_add(pair.server.segments)), pair.first, pair.second));
    let points = places.into_iter().map(|(_, vantage, _, files)| CapturePoint { vantage, files }).collect();
    (points, pairs)
}

fn delay(way: &Way) -> PointDelay {
    PointDelay { segments: way.segments(), delay: way.delay(), hop_change: way.hop_change() }
}

/// The same pair, seen from its other end.
fn turned(pair: &PointPair) -> PointPair {
    let turn = |way: PointDelay| PointDelay {
        segments: way.segments,
        delay: way.delay.map(|delay| Span::ZERO - delay),
        hop_change: way.hop_change.map(i16::saturating_neg),
    };
    PointPair { first: pair.second, second: pair.first, client: turn(pair.client), server: turn(pair.server) }
}

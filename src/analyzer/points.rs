//! Capture points: which interfaces and files saw the same segments.

use std::cmp::Reverse;

use crate::capture::Interface;
use crate::decode::Decoder;
use crate::observe::points::{Points, Way};
use crate::report::{CapturePoint, PointDelay, PointPair};
use crate::segment::Vantage;
use crate::tcp::step::Place;
use crate::time::Span;

/// The places, in a fixed order.
pub fn points(seen: &Points, decoder: &Decoder, interfaces: &[Interface]) -> Vec<CapturePoint> {
    seen.places()
        .map(|(place, files)| {
            let vantage = Vantage { interface: place.interface, stack: place.stack, ..Vantage::default() };
            let mut files = files.to_vec();
            files.sort_unstable();
            CapturePoint { vantage: decoder.describe(&vantage, interfaces), files }
        })
        .collect()
}

/// The pairs of places, those with the most segments first; each with the place nearer to the clients first.
pub fn pairs(seen: &Points) -> Vec<PointPair> {
    let places: Vec<Place> = seen.places().map(|(place, _)| place).collect();
    let number = |place: Place| places.binary_search(&place).unwrap_or(0);
    let mut pairs: Vec<PointPair> = seen
        .pairs()
        .map(|(first, second, pair)| {
            let pair = PointPair { first: number(first), second: number(second), client: delay(&pair.client), server: delay(&pair.server) };
            if pair.first_is_nearer_to_clients() == Some(false) { turned(&pair) } else { pair }
        })
        .collect();
    pairs.sort_by_key(|pair| (Reverse(pair.client.segments.saturating_add(pair.server.segments)), pair.first, pair.second));
    pairs
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

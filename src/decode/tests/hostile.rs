//! Whatever the octets are, decoding ends and does not panic; the shortcut gives what the walk gives.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{DecodeOptions, Decoder, ETHERNET, Outcome, decode, ethernet, frame, ip4, packet4, packet6, tcp, udp};
use crate::decode::link::REGISTRY;
use crate::frame::Frame;
use crate::options::Separate;

/// Frames that lead deep into the decoder, for random changes.
fn seeds() -> Vec<(u16, Vec<u8>)> {
    let inner = ethernet(0x0800, &packet4());
    let mut seeds = vec![
        (ETHERNET, ethernet(0x0800, &packet4())),
        (ETHERNET, ethernet(0x86dd, &packet6())),
        (ETHERNET, ethernet(0x8847, &[&[0, 1, 1, 64][..], &inner].concat())),
        (ETHERNET, ethernet(0x0800, &ip4(47, &[&[0xb0, 0, 0x65, 0x58][..], &[0; 12], &inner].concat()))),
        (ETHERNET, ethernet(0x0800, &ip4(1, &[&[3, 1, 0, 0, 0, 0, 0, 0][..], &packet4()].concat()))),
        (276, [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &packet4()].concat()),
        (113, [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0][..], &packet4()].concat()),
    ];
    for port in [1701, 2152, 3386, 3544, 4341, 4754, 4789, 4790, 5247, 6081, 6635, 8472, 37008] {
        seeds.push((ETHERNET, ethernet(0x0800, &ip4(17, &udp(port, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &inner].concat())))));
    }
    let sample = [
        &[0, 0, 0, 1, 0, 0, 0, 112][..],
        &[0; 28],
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 72, 0, 0, 0, 11],
        &[0; 8],
        &[0, 0, 0, 56],
        &packet4(),
    ];
    let datagram = [&[0, 0, 0, 5, 0, 0, 0, 1][..], &[0; 16], &[0, 0, 0, 2], &sample.concat(), &sample.concat()].concat();
    seeds.push((ETHERNET, ethernet(0x0800, &ip4(17, &udp(6343, &datagram)))));
    let subframe = [&[0; 12][..], &[0, 64, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet4(), &[0; 2]].concat();
    seeds.push((105, [&[0x88, 1][..], &[0; 22], &[0x80, 0], &subframe, &subframe].concat()));
    seeds.extend(REGISTRY.iter().flat_map(|reader| reader.numbers).map(|number| (*number, packet4())));
    seeds
}

/// The decoder with the shortcut, and one that may not take it; what tenants do to a segment is taken out.
fn both_ways(frame: &Frame<'_>) -> (Outcome, Outcome) {
    let shortcut = decode(&mut Decoder::new(DecodeOptions::default()), frame);
    let separate = Separate { interface: true, ..Separate::default() };
    let mut walk = decode(&mut Decoder::new(DecodeOptions { separate }), frame);
    match &mut walk {
        Outcome::Segment(seen) => seen.tenant = 0,
        Outcome::Quote(quote) => quote.tenant = 0,
        _ => {}
    }
    (shortcut, walk)
}

proptest! {
    #[test]
    fn random_octets_of_every_link_type_never_panic(octets in vec(any::<u8>(), 0..300), wire in any::<u32>(), fcs in any::<u8>()) {
        let mut decoder = Decoder::new(DecodeOptions::default());
        for number in REGISTRY.iter().flat_map(|reader| reader.numbers) {
            let mut frame = frame(*number, &octets);
            (frame.wire_length, frame.fcs_octets) = (wire, fcs);
            decode(&mut decoder, &frame);
        }
    }

    #[test]
    fn changed_and_cut_frames_never_panic_and_the_shortcut_agrees_with_the_walk(
        which in 0..seeds().len(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (link_type, mut octets) = seeds().swap_remove(which);
        for (place, value) in &changes {
            *place.get_mut(&mut octets) = *value;
        }
        let wire = u32::try_from(octets.len()).unwrap();
        octets.truncate(octets.len() - cut.index(octets.len()) / 2);
        let mut frame = frame(link_type, &octets);
        frame.wire_length = wire;
        let (shortcut, walk) = both_ways(&frame);
        prop_assert_eq!(shortcut, walk);
        let mut decoder = Decoder::new(DecodeOptions::default());
        decode(&mut decoder, &frame);
        let further = std::iter::from_fn(|| decoder.more(&frame).map(|_| ())).take(octets.len()).count();
        prop_assert!(further <= octets.len() / 8);
    }

    #[test]
    fn fragments_in_any_order_and_number_never_panic(
        pieces in vec((0u16..0x2000, any::<bool>(), 0usize..200, 0u8..4), 1..60),
    ) {
        let mut decoder = Decoder::new(DecodeOptions::default());
        for (offset, more, length, identification) in pieces {
            let mut packet = ip4(6, &tcp(&vec![7; length]));
            packet[5] = identification;
            packet[6..8].copy_from_slice(&(offset | if more { 0x2000 } else { 0 }).to_be_bytes());
            decode(&mut decoder, &frame(ETHERNET, &ethernet(0x0800, &packet)));
        }
    }
}

#[test]
fn empty_frames_are_malformed_or_skipped() {
    for number in REGISTRY.iter().flat_map(|reader| reader.numbers) {
        let result = super::outcome(*number, &[]);
        assert!(matches!(result, Outcome::Malformed(_) | Outcome::Skipped(_)), "{number}: {result:?}");
    }
}

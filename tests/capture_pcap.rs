//! Classic pcap: byte orders, resolutions, relatives, leniency, damage.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

mod capture_bytes;

use capture_bytes::{Order, damage, pcap, read, record, try_read, usual_pcap, usual_record};

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

#[test]
fn pcap_both_orders_and_resolutions_give_the_same_frame() {
    for order in [Order::Little, Order::Big] {
        for (magic, fraction) in [(MICRO, 123_456), (NANO, 123_456_000)] {
            let file = [pcap(order, magic, (2, 4), 65_535, 113), record(order, (1_700_000_000, fraction), 3, 60, b"abc")].concat();
            let (frames, summary) = read(file);
            assert_eq!(frames.len(), 1, "{order:?} {magic:x}");
            assert_eq!(frames[0].nanos, Some(1_700_000_000_123_456_000));
            assert_eq!((frames[0].link_type, frames[0].wire_length, &frames[0].captured[..]), (113, 60, &b"abc"[..]));
            let input = &summary.inputs[0];
            assert_eq!((input.format, input.frames, input.complete, input.octets), ("pcap", 1, true, 43));
            assert_eq!(input.frames_cut_by_snap_length, 1);
            assert_eq!(summary.warnings, []);
        }
    }
}

#[test]
fn pcap_modified_magic_has_longer_record_headers() {
    for order in [Order::Little, Order::Big] {
        let with_extra = |octets: &[u8]| record(order, (7, 8), 2, 2, &[&[0xee; 8], octets].concat());
        let (frames, summary) = read([pcap(order, MODIFIED, (2, 4), 0, 1), with_extra(b"ab"), with_extra(b"cd")].concat());
        assert_eq!(frames.iter().map(|frame| &frame.captured[..]).collect::<Vec<_>>(), [b"ab", b"cd"]);
        assert_eq!(frames[1].nanos, Some(7_000_008_000));
        assert!(summary.inputs[0].complete);
    }
}

#[test]
fn pcap_what_wireshark_reads_leniently_is_read() {
    let little = Order::Little;
    let file = [
        pcap(little, MICRO, (2, 4), 0, 1),               // snap length 0
        record(little, (5, 3_500_000), 3, 3, b"abc"),    // fraction beyond one second
        record(little, (5, 0), 3, 2, b"def"),            // more captured than there was
        record(little, (5, 0), 3, 0, b"ghi"),            // nothing on the wire
        record(little, (u32::MAX, 999_999), 0, 60, b""), // after 2038, and empty
        record(little, (0, 0), 1, 1, b"z"),              // 1970, clock back
    ]
    .concat();
    let (frames, summary) = read(file);
    assert_eq!(
        frames.iter().map(|frame| frame.nanos.unwrap()).collect::<Vec<_>>(),
        [8_500_000_000, 5_000_000_000, 5_000_000_000, 4_294_967_295_999_999_000, 0]
    );
    assert_eq!(frames.iter().map(|frame| frame.wire_length).collect::<Vec<_>>(), [3, 2, 0, 60, 1]);
    assert_eq!(summary.inputs[0].first.unwrap().nanos(), 0);
    assert_eq!(summary.inputs[0].last.unwrap().nanos(), 4_294_967_295_999_999_000);
    assert!(summary.inputs[0].complete && summary.warnings.is_empty());

    let above_snap_length = [pcap(little, MICRO, (2, 4), 2, 1), usual_record(1, 0, b"abcdef")].concat();
    assert_eq!(read(above_snap_length).0[0].captured, b"abcdef");
}

#[test]
fn pcap_old_versions_have_their_lengths_exchanged() {
    let little = Order::Little;
    let old = [pcap(little, MICRO, (2, 2), 100, 1), record(little, (1, 0), 60, 3, b"abc")].concat();
    assert_eq!((read(old.clone()).0[0].wire_length, &read(old).0[0].captured[..]), (60, &b"abc"[..]));
    // Version 2.3 has them in either order.
    let mixed =
        [pcap(little, MICRO, (2, 3), 100, 1), record(little, (1, 0), 60, 3, b"abc"), record(little, (1, 0), 3, 60, b"def")].concat();
    let (frames, _) = read(mixed);
    assert_eq!(frames.iter().map(|frame| (frame.wire_length, &frame.captured[..])).collect::<Vec<_>>(), [(60, &b"abc"[..]), (60, b"def")]);
}

#[test]
fn pcap_fcs_bits_of_the_link_type_word_are_octets_in_pairs() {
    let fcs = |network| read([pcap(Order::Big, MICRO, (2, 4), 100, network), record(Order::Big, (1, 0), 1, 1, b"a")].concat()).0.remove(0);
    assert_eq!((fcs(0x2400_0001).fcs_octets, fcs(0x2400_0001).link_type), (4, 1));
    assert_eq!(fcs(0x1400_0001).fcs_octets, 2);
    // Without the bit that says so, the length means nothing.
    assert_eq!(fcs(0x2000_0001).fcs_octets, 0);
}

#[test]
fn pcap_header_that_cannot_be_trusted_is_an_error() {
    let error = |octets: Vec<u8>| try_read(octets).unwrap_err();
    assert_eq!(error(pcap(Order::Little, MICRO, (2, 4), 0, 0x0001_0001)), "x: the link type word 0x00010001 has reserved bits set");
    assert_eq!(error(pcap(Order::Little, MICRO, (9, 1), 0, 1)), "x: pcap version 9.1 is unknown (2.4 is usual)");
    assert_eq!(error(usual_pcap()[..10].to_vec()), "x: the pcap file header needs 24 octets, there are 10");
}

#[test]
fn pcap_without_a_record_is_complete_and_empty() {
    let (frames, summary) = read(usual_pcap());
    assert_eq!((frames.len(), summary.inputs[0].complete, summary.warnings.len()), (0, true, 0));
    assert_eq!((summary.inputs[0].first, summary.interfaces.len()), (None, 1));
}

#[test]
fn pcap_cut_at_every_octet_gives_the_frames_before_the_cut() {
    let file = [usual_pcap(), usual_record(1, 0, b"abc"), usual_record(2, 0, b"defg")].concat();
    let (first_end, second_end) = (24 + 19, 24 + 19 + 20);
    for cut in 25..file.len() {
        let whole = usize::from(cut >= first_end);
        match try_read(file[..cut].to_vec()) {
            Ok((frames, summary)) => {
                assert_eq!(frames.len(), whole, "cut at {cut}");
                if cut == first_end {
                    assert!(summary.inputs[0].complete);
                } else {
                    assert!(damage(&summary).ends_with("; the 1 frame before it was analysed"), "{:?}", summary.warnings);
                }
            }
            Err(error) => assert!(cut < first_end && error.ends_with("; no frame came before it"), "cut at {cut}: {error}"),
        }
    }
    assert_eq!(file.len(), second_end);
    let (_, summary) = read(file[..second_end - 2].to_vec());
    assert_eq!(damage(&summary), "record at octet 43 claims 20 octets, the file has 18 left; the 1 frame before it was analysed");
}

#[test]
fn pcap_length_beyond_any_frame_is_damage_and_takes_no_memory() {
    let little = Order::Little;
    let file = [usual_pcap(), usual_record(1, 0, b"abc"), record(little, (2, 0), 1_400_000_000, 60, &[0; 300])].concat();
    let (frames, summary) = read(file);
    assert_eq!(frames.len(), 1);
    assert_eq!(
        damage(&summary),
        "record at octet 43 claims a frame of 1400000000 octets, more than the 16777216 that any frame has; the 1 frame before it was analysed"
    );
}

#[test]
fn pcap_frame_of_nine_megabytes_is_read() {
    let large = vec![0x5a; 9_000_000];
    let (frames, summary) = read([usual_pcap(), usual_record(1, 0, &large), usual_record(2, 0, b"x")].concat());
    assert_eq!(frames.iter().map(|frame| frame.captured.len()).collect::<Vec<_>>(), [9_000_000, 1]);
    assert!(summary.inputs[0].complete);
}

#[test]
fn pcap_files_put_together_with_cat_are_all_read() {
    let other_link = pcap(Order::Little, MICRO, (2, 4), 100, 276);
    let file =
        [usual_pcap(), usual_record(1, 0, b"a"), other_link, usual_record(2, 0, b"b"), usual_pcap(), usual_record(3, 0, b"c")].concat();
    let (frames, summary) = read(file);
    assert_eq!(
        frames.iter().map(|frame| (frame.number, frame.link_type, frame.interface)).collect::<Vec<_>>(),
        [(1, 1, 0), (2, 276, 1), (3, 1, 0)]
    );
    assert_eq!(summary.warnings.len(), 1);
    assert!(!summary.warnings[0].lost_input && summary.inputs[0].complete);
    assert!(summary.warnings[0].text.starts_with("2 more pcap files follow behind the first, from octet 41 on"), "{:?}", summary.warnings);
}

#[test]
fn pcap_of_a_million_headers_ends() {
    let (frames, summary) = read(usual_pcap().repeat(1_000_000));
    assert_eq!((frames.len(), summary.inputs[0].complete), (0, true));
}

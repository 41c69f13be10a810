//! pcapng: blocks, clocks, sections, leniency, damage.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

mod capture_bytes;

use capture_bytes::{Order, block, damage, enhanced, interface, option, read, section, simple, statistics, try_read};

const LITTLE: Order = Order::Little;

/// Section and interface, as nearly every file begins; 28 and 20 octets.
fn begin(order: Order, options: &[Vec<u8>]) -> Vec<u8> {
    [section(order), interface(order, 1, options)].concat()
}

#[test]
fn pcapng_clock_of_every_resolution_tells_nanoseconds() {
    let time = |options: &[Vec<u8>], ticks| read([begin(LITTLE, options), enhanced(LITTLE, 0, ticks, b"a")].concat()).0[0].nanos.unwrap();
    let resolution = |octet: u8| vec![option(LITTLE, 9, &[octet])];
    assert_eq!(time(&[], 1_500_000_000_123_456), 1_500_000_000_123_456_000);
    assert_eq!(time(&resolution(0), 15), 15_000_000_000);
    assert_eq!(time(&resolution(9), 1_500_000_000_123_456_789), 1_500_000_000_123_456_789);
    assert_eq!(time(&resolution(12), 1_500_000_123_456_789_012), 1_500_000_123_456_789);
    assert_eq!(time(&resolution(20), 1_500_000_123_456_789_012), 15_000_001);
    assert_eq!(time(&resolution(127), u64::MAX), 0);
    assert_eq!(time(&resolution(0x8a), (1_500_000_000 << 10) + 513), 1_500_000_000_500_976_562);
    assert_eq!(time(&resolution(0xc0), u64::MAX), 999_999_999);
    assert_eq!(time(&resolution(0xff), u64::MAX), 0);
    // Too large for the years up to 2262: saturates.
    assert_eq!(time(&resolution(0), u64::MAX), i64::MAX);
    assert_eq!(time(&[], u64::MAX), i64::MAX);
    let offset = |seconds: i64| vec![option(LITTLE, 14, &seconds.to_le_bytes())];
    assert_eq!(time(&offset(-100), 500_000_000), 400_000_000_000);
    assert_eq!(time(&offset(i64::MIN), 0), i64::MIN);
}

#[test]
fn pcapng_sections_of_different_byte_order_have_their_own_interfaces() {
    let file = [
        section(LITTLE),
        interface(LITTLE, 1, &[option(LITTLE, 2, b"eth0"), option(LITTLE, 11, b"\0port 80")]),
        interface(LITTLE, 276, &[option(LITTLE, 2, b"any")]),
        enhanced(LITTLE, 1, 1_000_000, b"abc"),
        section(Order::Big),
        interface(Order::Big, 113, &[option(Order::Big, 9, &[9])]),
        enhanced(Order::Big, 0, 2_000_000_000, b"defgh"),
        section(LITTLE),
        interface(LITTLE, 1, &[option(LITTLE, 2, b"eth0"), option(LITTLE, 11, b"\0port 80")]),
        enhanced(LITTLE, 0, 3_000_000, b"i"),
    ]
    .concat();
    let (frames, summary) = read(file);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.number, frame.nanos.unwrap(), frame.link_type, frame.interface)).collect();
    // The third section describes the interface of the first once more.
    assert_eq!(seen, [(1, 1_000_000_000, 276, 1), (2, 2_000_000_000, 113, 2), (3, 3_000_000_000, 1, 0)]);
    assert_eq!(summary.interfaces.len(), 3);
    assert_eq!(summary.interfaces[0].name.as_deref(), Some("eth0"));
    assert_eq!(summary.interfaces[0].filter.as_deref(), Some("port 80"));
    assert_eq!((summary.inputs[0].format, summary.inputs[0].complete), ("pcapng", true));
}

#[test]
fn pcapng_two_interfaces_that_look_alike_in_one_section_stay_two() {
    let eth0 = interface(LITTLE, 1, &[option(LITTLE, 2, b"eth0")]);
    let (frames, summary) =
        read([section(LITTLE), eth0.clone(), eth0, enhanced(LITTLE, 0, 1, b"a"), enhanced(LITTLE, 1, 2, b"b")].concat());
    assert_eq!(frames.iter().map(|frame| frame.interface).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(summary.interfaces.len(), 2);
}

#[test]
fn pcapng_reserved_fields_and_names_that_are_not_text_lose_nothing() {
    let mut odd = interface(LITTLE, 1, &[option(LITTLE, 2, b"e\xff0"), option(LITTLE, 3, b"\x80"), option(LITTLE, 12, b"\xfe")]);
    odd[10] = 77; // reserved
    let lying_option = interface(LITTLE, 1, &[option(LITTLE, 2, b"eth1"), vec![9, 0, 0xff, 0x7f]]);
    let (frames, summary) = read([section(LITTLE), odd, lying_option, enhanced(LITTLE, 0, 5, b"a"), enhanced(LITTLE, 1, 6, b"b")].concat());
    assert_eq!(frames.iter().map(|frame| frame.nanos).collect::<Vec<_>>(), [Some(5_000), Some(6_000)]);
    assert_eq!(summary.interfaces[0].name.as_deref(), Some("e\u{fffd}0"));
    assert_eq!(summary.warnings, []);
}

#[test]
fn pcapng_statistics_tell_dropped_frames_whenever_they_come() {
    let drops = |interface, received: u64, dropped: u64, by_kernel: u64| {
        let counts = [(4, received), (5, dropped), (7, by_kernel)];
        statistics(LITTLE, interface, &counts.map(|(code, count)| option(LITTLE, code, &LITTLE.long(count))))
    };
    let file = [
        section(LITTLE),
        drops(0, 9, 1, 0), // before its interface
        interface(LITTLE, 1, &[]),
        interface(LITTLE, 1, &[]),
        drops(0, 90, 3, 2), // counts are since the begin
        drops(77, 1, 1, 1), // of no interface
        enhanced(LITTLE, 0, 1, b"a"),
        section(LITTLE),
        interface(LITTLE, 1, &[]),
        drops(0, 10, 4, 0), // counts anew
    ]
    .concat();
    let (frames, summary) = read(file);
    assert_eq!(frames.len(), 1);
    assert_eq!(summary.interfaces.iter().map(|interface| interface.dropped).collect::<Vec<_>>(), [Some(9), None]);
    let early = [section(LITTLE), drops(0, 9, 1, 0), interface(LITTLE, 1, &[]), enhanced(LITTLE, 0, 1, b"a")].concat();
    assert_eq!(read(early).1.interfaces[0].dropped, Some(1));
}

#[test]
fn pcapng_simple_and_obsolete_packets_are_frames() {
    let mut snapped = interface(LITTLE, 1, &[]);
    snapped[12] = 4; // snap length
    let obsolete =
        block(LITTLE, 2, &[&[0, 0, 3, 0][..], &LITTLE.word(0), &LITTLE.word(7), &LITTLE.word(2), &LITTLE.word(9), b"xy"].concat());
    let (frames, summary) = read([section(LITTLE), snapped, simple(LITTLE, 60, b"abcdefgh"), obsolete, simple(LITTLE, 3, b"abc")].concat());
    let seen: Vec<_> = frames.iter().map(|frame| (frame.nanos, frame.wire_length, &frame.captured[..])).collect();
    assert_eq!(seen, [(None, 60, &b"abcd"[..]), (Some(7_000), 9, b"xy"), (None, 3, b"abc")]);
    assert!(summary.inputs[0].complete);
}

#[test]
fn pcapng_fcs_length_is_read_in_octets_and_in_bits() {
    let fcs = |value: u8| read([begin(LITTLE, &[option(LITTLE, 13, &[value])]), enhanced(LITTLE, 0, 1, b"a")].concat()).0[0].fcs_octets;
    assert_eq!([fcs(0), fcs(4), fcs(16), fcs(32)], [0, 4, 2, 4]);
}

#[test]
fn pcapng_blocks_that_wireshark_numbers_are_numbered_and_unknown_ones_not() {
    let custom = |kind| block(LITTLE, kind, &[&LITTLE.word(32_473)[..], b"data"].concat());
    let file = [
        begin(LITTLE, &[]),
        block(LITTLE, 10, b"TLSK\x04\0\0\0keys"), // decryption secrets
        enhanced(LITTLE, 0, 1, b"a"),
        custom(0x0bad),
        custom(0x4000_0bad),
        block(LITTLE, 9, b"__REALTIME_TIMESTAMP=1\n"),
        enhanced(LITTLE, 0, 2, b"b"),
        block(LITTLE, 0x12_3456, &[1; 999]),
        enhanced(LITTLE, 0, 3, b"c"),
    ]
    .concat();
    let (frames, summary) = read(file);
    assert_eq!(frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [1, 5, 6]);
    assert_eq!((summary.inputs[0].frames, summary.inputs[0].complete), (3, true));
}

#[test]
fn pcapng_names_of_addresses_are_collected() {
    let records = [
        option(LITTLE, 1, b"\x0a\0\0\x01db.example\0second.example\0"),
        option(LITTLE, 2, &[&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], b"six\0"].concat()),
        option(LITTLE, 1, b"\x0a\0"), // too short for an address
        option(LITTLE, 3, b"\0\x01\x02\x03\x04\x05mac\0"),
        vec![0; 4],
    ];
    let (_, summary) = read([begin(LITTLE, &[]), block(LITTLE, 4, &records.concat()), enhanced(LITTLE, 0, 1, b"a")].concat());
    let names: Vec<_> = summary.names.iter().map(|(ip, name)| (ip.to_string(), name.as_str())).collect();
    assert_eq!(names, [("10.0.0.1".to_owned(), "db.example"), ("2001:db8::7".to_owned(), "six")]);
}

/// Reads a good frame, then the octets.
fn after_one_frame(octets: &[u8]) -> String {
    let (frames, summary) = read([&begin(LITTLE, &[])[..], &enhanced(LITTLE, 0, 1, b"abcd"), octets].concat());
    assert_eq!(frames.len(), 1);
    damage(&summary).strip_suffix("; the 1 frame before it was analysed").unwrap().to_owned()
}

#[test]
fn pcapng_damage_names_the_place_and_the_claim() {
    let at = 28 + 20 + 36;
    let good = enhanced(LITTLE, 0, 2, b"efgh");
    let with = |change: fn(&mut Vec<u8>)| {
        let mut changed = good.clone();
        change(&mut changed);
        after_one_frame(&changed)
    };
    assert_eq!(with(|block| block.truncate(30)), format!("block at octet {at} claims 36 octets, the file has 30 left"));
    assert_eq!(with(|block| block.truncate(5)), format!("block at octet {at} is cut: its header needs 8 octets, the file has 5 left"));
    assert_eq!(with(|block| block[4] = 0), format!("block at octet {at} claims 0 octets, fewer than the 32 that its type needs"));
    assert_eq!(with(|block| block[7] = 0xf0), format!("block at octet {at} claims 4026531876 octets, the file has 36 left"));
    assert_eq!(with(|block| block[32] = 40), format!("block at octet {at} claims 36 octets at its begin and 40 at its end"));
    assert_eq!(with(|block| block[8] = 3), format!("packet block at octet {at} names interface 3, its section has described 1"));
    assert_eq!(with(|block| block[20] = 5), format!("packet block at octet {at} has 36 octets and claims a frame of 5"));
    assert_eq!(after_one_frame(&[0; 64]), format!("block at octet {at} claims 0 octets, fewer than the 12 that its type needs"));
    assert_eq!(
        after_one_frame(&[0x77, 0, 0, 0, 0xf0, 0xff, 0xff, 0xff, 1]),
        format!("block at octet {at} claims 4294967280 octets, the file has 9 left")
    );
    let mut version_two = section(LITTLE);
    version_two[12] = 2;
    assert_eq!(after_one_frame(&version_two), format!("section header at octet {at} has version 2.0, 1.0 is known"));
    let garbage_in_section = [b"\x0a\x0d\x0d\x0a\x1c\0\0\0garbage!".as_slice(), &[0; 12]].concat();
    assert_eq!(after_one_frame(&garbage_in_section), format!("section header at octet {at} has no byte-order magic (0x67617262)"));
}

#[test]
fn pcapng_section_header_amid_garbage_is_not_searched_for() {
    let text = after_one_frame(&[&b"garbage!"[..], &begin(LITTLE, &[]), &enhanced(LITTLE, 0, 2, b"lost")].concat());
    assert!(text.starts_with("block at octet 84 claims 560293729 octets"), "{text}");
}

#[test]
fn pcapng_lie_far_larger_than_the_file_takes_no_memory() {
    let mut lie = enhanced(LITTLE, 0, 2, &vec![0; 200_000]);
    lie[7] = 0x7f;
    assert!(after_one_frame(&lie).ends_with("more than the 17825792 that any packet block has"));
}

#[test]
fn pcapng_length_that_is_no_multiple_of_four_is_rounded_up() {
    let mut odd = enhanced(LITTLE, 0, 2, b"a");
    (odd[4], odd[32]) = (33, 33);
    let (frames, summary) = read([begin(LITTLE, &[]), odd, enhanced(LITTLE, 0, 3, b"b")].concat());
    assert_eq!(frames.len(), 2);
    assert!(summary.inputs[0].complete);
}

#[test]
fn pcapng_without_any_frame_but_damage_is_an_error() {
    let error = try_read([begin(LITTLE, &[]), vec![6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat()).unwrap_err();
    assert_eq!(error, "x: block at octet 48 claims 4294967295 octets, the file has 8 left; no frame came before it");
    let simple_before_interface = try_read([section(LITTLE), simple(LITTLE, 1, b"a")].concat()).unwrap_err();
    assert!(simple_before_interface.contains("names interface 0, its section has described 0"), "{simple_before_interface}");
}

#[test]
fn pcapng_section_and_interface_alone_are_complete_and_empty() {
    let (frames, summary) = read(begin(Order::Big, &[]));
    assert_eq!((frames.len(), summary.inputs[0].complete, summary.interfaces.len()), (0, true, 1));
}

use super::*;

#[test]
fn escape_plain_text_is_borrowed() {
    assert!(matches!(escape("GET /api/orders?ä=→"), Cow::Borrowed(_)));
}

#[test]
fn escape_controls_and_invisible_characters_become_visible() {
    assert_eq!(escape("a\x1b]0;title\x07b"), "a\\u{1b}]0;title\\u{7}b");
    assert_eq!(escape("line\nbreak\ttab"), "line\\u{a}break\\u{9}tab");
    assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
    assert_eq!(escape("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
    assert_eq!(escape("zero\u{200b}width\u{feff}"), "zero\\u{200b}width\\u{feff}");
    assert_eq!(escape("\u{2066}iso\u{2069}"), "\\u{2066}iso\\u{2069}");
    assert_eq!(escape("\u{e0041}"), "\\u{e0041}");
}

#[test]
fn csv_cell_formula_gets_an_apostrophe() {
    for formula in ["=1+1", "+1", "-1", "@SUM(A1)"] {
        assert_eq!(csv_cell(formula), format!("'{formula}"));
    }
    assert_eq!(csv_cell("\t=1"), "'\\u{9}=1");
    assert_eq!(csv_cell("\r=1"), "'\\u{d}=1");
    assert_eq!(csv_cell("GET /a=b"), "GET /a=b");
}

#[test]
fn decimal_seconds_is_exact() {
    let cases = [
        (0, "0"),
        (1, "0.000000001"),
        (49_000, "0.000049"),
        (10_003_000_000, "10.003"),
        (100_000_000_000, "100"),
        (-1_500_000_000, "-1.5"),
        (i64::MAX, "9223372036.854775807"),
        (i64::MIN, "-9223372036.854775808"),
    ];
    for (nanos, text) in cases {
        assert_eq!(decimal_seconds(Span(nanos)), text);
    }
}

#[test]
fn duration_units_follow_the_size() {
    let cases = [
        (0, "0 s"),
        (21, "21 ns"),
        (49_000, "49 µs"),
        (999_499, "999 µs"),
        (999_500, "1 ms"),
        (800_000, "800 µs"),
        (11_900_000, "11.9 ms"),
        (99_949_999, "99.9 ms"),
        (99_950_000, "100 ms"),
        (250_000_000, "250 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1 s"),
        (10_003_000_000, "10.003 s"),
        (119_999_499_999, "119.999 s"),
        (119_999_500_000, "2 min"),
        (312_000_000_000, "5 min 12 s"),
        (7_500_000_000_000, "2 h 5 min"),
        (90_000_000_000_000, "1 d 1 h"),
        (-1_500_000_000, "-1.5 s"),
        (100_000_000_000, "100 s"),
    ];
    for (nanos, text) in cases {
        assert_eq!(duration(Span(nanos)), text, "{nanos}");
    }
}

#[test]
fn offset_seconds_has_six_decimals() {
    assert_eq!(offset_seconds(Span(47_218_500_999)), "47.218500");
    assert_eq!(offset_seconds(Span(-1_000)), "-0.000001");
}

#[test]
fn times_are_utc_with_nanoseconds_and_zones_on_demand() {
    let time = Timestamp::new(1_795_420_349, 15_599_001);
    assert_eq!(rfc3339(time), "2026-11-23T07:52:29.015599001Z");
    let east = FixedOffset::east_opt(2 * 3600).unwrap();
    assert_eq!(clock(time, east), "09:52:29.015");
    assert_eq!(zone_name(east), "UTC+02:00");
    assert_eq!(rfc3339(Timestamp(i64::MIN)), "1677-09-21T00:12:43.145224192Z");
}

#[test]
fn count_groups_thousands() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1_000), "1,000");
    assert_eq!(count(1_234_567), "1,234,567");
    assert_eq!(counted(1, "finding", "findings"), "1 finding");
}

#[test]
fn octets_use_binary_units() {
    assert_eq!(octets(512), "512 B");
    assert_eq!(octets(1_536), "1.5 KiB");
    assert_eq!(octets(2 << 30), "2 GiB");
}

#[test]
fn hex_lines_show_only_plain_ascii() {
    let lines = hex_lines(b"GET /\x1b[31m<b>\xff\r\n");
    assert_eq!(lines, ["0000  47 45 54 20 2f 1b 5b 33 31 6d 3c 62 3e ff 0d 0a  GET /.[31m<b>..."],);
    assert_eq!(hex_lines(b"0123456789abcdefg")[1], format!("0010  67{}  g", " ".repeat(45)));
}

#[test]
fn hyperlink_with_an_octet_that_a_terminal_obeys_is_none() {
    assert_eq!(hyperlink("a", "file:///a"), "\x1b]8;;file:///a\x1b\\a\x1b]8;;\x1b\\");
    assert_eq!(hyperlink("a", "file:///\x1b\\"), "a");
}

#[test]
fn unbroken_joins_a_number_with_its_unit_and_nothing_else() {
    assert_eq!(unbroken("closes after 10 s: 3 of 12 min, as is"), "closes after 10\u{a0}s: 3 of 12\u{a0}min, as is");
    assert_eq!(unbroken(" 1  s"), " 1  s");
}

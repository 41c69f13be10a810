//! What is no pcap and no pcapng: other capture formats by their first octets, with the command that converts them, and the
//! usual mistakes (text, an archive, an empty file). Source of the magics: the formats' own descriptions, as `file(1)` lists them.

/// A format that is recognised to say what to do about it.
struct Foreign {
    at: usize,
    magic: &'static [u8],
    name: &'static str,
    way_out: WayOut,
}

#[derive(Clone, Copy)]
enum WayOut {
    /// Wireshark's editcap reads it.
    Editcap,
    /// A program for it.
    Tool(&'static str),
}

const fn editcap(magic: &'static [u8], name: &'static str) -> Foreign {
    Foreign { at: 0, magic, name, way_out: WayOut::Editcap }
}

const fn tool(at: usize, magic: &'static [u8], name: &'static str, advice: &'static str) -> Foreign {
    Foreign { at, magic, name, way_out: WayOut::Tool(advice) }
}

const FORMATS: &[Foreign] = &[
    editcap(b"snoop\0\0\0", "a snoop capture"),
    editcap(b"RTSS", "a Microsoft Network Monitor 1 capture"),
    editcap(b"GMBU", "a Microsoft Network Monitor 2 capture"),
    editcap(b"XCP\0", "a NetXray or Sniffer (Windows) capture"),
    editcap(b"VL\0\0", "an old NetXray capture"),
    editcap(b"TRSNIFF data    \x1a", "a Sniffer (DOS) capture"),
    editcap(b"iptrace 1.0", "an AIX iptrace capture"),
    editcap(b"iptrace 2.0", "an AIX iptrace capture"),
    editcap(b"\x54\x52\x00\x64\x00", "an HP-UX nettl trace"),
    editcap(b"\x7fver", "an EtherPeek or OmniPeek capture"),
    editcap(b"\x05VNF", "a Visual Networks capture"),
    editcap(b"ObserverPktBuffe", "a Network Instruments Observer capture"),
    editcap(b"btsnoop\0", "a Bluetooth HCI (btsnoop) capture"),
    editcap(&[0xac, 0x01, 0x00, 0x1c], "an Ixia capture"),
    editcap(&[0xab, 0x01, 0x00, 0x1c], "an Ixia capture"),
    editcap(b"\x00\x00\x02\x00\x12\x05\x00\x10", "a K12 capture"),
    editcap(&[0x01, 0x10, 0x4c, 0x00], "a LANalyzer capture"),
    tool(0x48, &[0x02, 0x00, 0x02, 0xc0], "a Windows event trace (ETL)", "convert it with: etl2pcapng in.etl out.pcapng"),
    tool(0, b"MDMP", "a Windows minidump", "name a capture"),
    tool(0, b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    tool(0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    tool(0, b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    tool(257, b"ustar", "a tar archive", "unpack it first: tar -xf, then name the captures"),
    tool(0, &[0x1f, 0x9d], "compressed with compress (.Z)", "unpack it first: uncompress"),
    tool(0, &[0x5d, 0x00, 0x00], "compressed with lzma", "unpack it first: xz --format=lzma -d"),
    tool(0, b"\x7fELF", "a program", "name a capture"),
];

/// Octets of a file's head that suffice for [`describe`].
pub(super) const HEAD_OCTETS: usize = 512;

/// Says what a file is that is no capture, and the way out; one sentence without the file's name.
pub(super) fn describe(head: &[u8]) -> String {
    if head.is_empty() {
        return "is empty: not one octet to read".into();
    }
    for format in FORMATS {
        if head.get(format.at..).is_some_and(|rest| rest.starts_with(format.magic)) {
            return match format.way_out {
                WayOut::Editcap => format!("is {}, which is not read; convert it with: editcap -F pcapng in out", format.name),
                WayOut::Tool(advice) => format!("is {}, not a pcap or pcapng capture; {advice}", format.name),
            };
        }
    }
    if is_erf(head) {
        return "is an Endace ERF capture, which is not read; convert it with: editcap -F pcapng in out".into();
    }
    if is_text(head) {
        return if is_hex_dump(head) {
            "is a hex dump, not a capture; convert it with: text2pcap in out (after xxd or hexdump of a capture: xxd -r in out)".into()
        } else {
            "is text, not a pcap or pcapng capture".into()
        };
    }
    let first: Vec<String> = head.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!(
        "is no pcap or pcapng capture (it begins with {}); if Wireshark opens it, convert it with: editcap -F pcapng in out",
        first.join(" ")
    )
}

/// ERF has no magic: two records must follow each other with known types, plausible lengths and times in order (Endace's
/// «ERF types» reference: time, type, flags, record length, loss counter, wire length).
fn is_erf(head: &[u8]) -> bool {
    let record = |at: usize| {
        let fields = head.get(at..)?.first_chunk::<16>()?;
        let (time, rest) = fields.split_first_chunk::<8>()?;
        let (&[kind, _, high, low], _) = rest.split_first_chunk::<4>()?;
        let length = u16::from_be_bytes([high, low]);
        let plausible = matches!(kind & 0x7f, 1..=48) && length >= 16;
        plausible.then_some((u64::from_le_bytes(*time), usize::from(length)))
    };
    let Some((first, length)) = record(0) else { return false };
    record(length).is_some_and(|(second, _)| second >= first && (second >> 32).abs_diff(first >> 32) < 86_400)
}

fn is_text(head: &[u8]) -> bool {
    let known = |&octet: &u8| matches!(octet, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..);
    head.iter().all(known) && (std::str::from_utf8(head).is_ok() || head.iter().filter(|octet| octet.is_ascii()).count() > head.len() / 2)
}

/// A first line of an offset and octets, as hexdump, xxd, od and tcpdump -x write.
fn is_hex_dump(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return false };
    let mut words = line.split_whitespace();
    let hexadecimal = |word: &str, lengths: std::ops::RangeInclusive<usize>| {
        let digits = word.trim_start_matches("0x").trim_end_matches(':');
        lengths.contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_hexdigit())
    };
    words.next().is_some_and(|offset| hexadecimal(offset, 4..=16))
        && words.by_ref().take(4).filter(|word| hexadecimal(word, 2..=4)).count() == 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], expect: &str) {
        let text = describe(head);
        assert!(text.contains(expect), "{text:?} lacks {expect:?}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn describe_other_capture_formats_names_them_and_the_command() {
        check(b"snoop\0\0\0\0\0\0\x02\0\0\0\x04", "snoop capture, which is not read; convert it with: editcap -F pcapng in out");
        check(b"GMBU\x03\x02", "Microsoft Network Monitor 2");
        check(b"XCP\x00002.002", "NetXray");
        let mut etl = vec![0; 0x60];
        etl[0x48..0x4c].copy_from_slice(&[2, 0, 2, 0xc0]);
        check(&etl, "etl2pcapng");
    }

    #[test]
    fn describe_erf_needs_two_records_that_fit() {
        let record = |second: u8| {
            let mut octets = vec![0, 0, 0, 0, second, 0x5c, 0x60, 0x50, 2, 4, 0, 80, 0, 0, 0, 60];
            octets.resize(80, 0x55);
            octets
        };
        check(&[record(0), record(1)].concat(), "Endace ERF");
        check(&[record(1), record(0)].concat(), "no pcap or pcapng");
    }

    #[test]
    fn describe_text_archives_and_nothing() {
        check(b"", "empty");
        check(b"Monday, 12 o'clock\nthe server fails\n", "is text");
        check("Größe: 3 µs\n".as_bytes(), "is text");
        check(b"0000   00 1b 21 3c 9d f8 00 1b  ..!<....\n", "text2pcap");
        check(b"00000000: d4c3 b2a1 0200 0400 0000 0000 0000 0000  ................\n", "xxd -r");
        check(b"PK\x03\x04\x14\0", "ZIP");
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9], "begins with 01 02 03 04 05 06 07 08)");
    }
}

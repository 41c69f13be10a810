//! Random captures written by the `pcap-file` crate, which knows nothing of our reader: read whole they are the same, cut or changed
//! anywhere they give what came before and never a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

mod capture_bytes;

use std::borrow::Cow;
use std::time::Duration;

use capture_bytes::{read, try_read};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution};
use pcap_file::{DataLink, Endianness};
use proptest::prelude::*;

/// Time in nanoseconds, octets, and how many more were on the wire.
type Made = (u64, Vec<u8>, u32);

fn frames() -> impl Strategy<Value = Vec<Made>> {
    prop::collection::vec((0..4_000_000_000_000_000_000_u64, prop::collection::vec(any::<u8>(), 0..90), 0..2_000_u32), 0..20)
}

fn endianness() -> impl Strategy<Value = Endianness> {
    prop_oneof![Just(Endianness::Little), Just(Endianness::Big)]
}

fn wire_length(octets: &[u8], more: u32) -> u32 {
    u32::try_from(octets.len()).unwrap() + more
}

fn pcap(frames: &[Made], endianness: Endianness, nanoseconds: bool) -> Vec<u8> {
    let ts_resolution = if nanoseconds { PcapTsResolution::NanoSecond } else { PcapTsResolution::MicroSecond };
    let header = PcapHeader { endianness, ts_resolution, datalink: DataLink::ETHERNET, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
    for (nanos, octets, more) in frames {
        writer.write_packet(&PcapPacket::new(Duration::from_nanos(*nanos), wire_length(octets, *more), octets).unwrap()).unwrap();
    }
    writer.into_inner()
}

fn pcapng(frames: &[Made], endianness: Endianness) -> Vec<u8> {
    let mut writer = PcapNgWriter::with_endianness(Vec::new(), endianness).unwrap();
    let mut interface = InterfaceDescriptionBlock::new(DataLink::ETHERNET, 0);
    interface.options.push(InterfaceDescriptionOption::IfName("eth0".into()));
    interface.options.push(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::new(false, 9).unwrap()));
    writer.write_pcapng_block(interface).unwrap();
    for (nanos, octets, more) in frames {
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(*nanos),
            original_len: wire_length(octets, *more),
            data: Cow::Borrowed(octets),
            options: vec![EnhancedPacketOption::Flags(1)],
        };
        writer.write_pcapng_block(block).unwrap();
    }
    writer.into_inner()
}

fn check(file: &[u8], made: &[Made], unit: u64) {
    let (frames, summary) = read(file.to_vec());
    assert!(summary.inputs[0].complete && summary.warnings.is_empty());
    assert_eq!(frames.len(), made.len());
    for (frame, (nanos, octets, more)) in frames.iter().zip(made) {
        assert_eq!(frame.nanos, Some(i64::try_from(nanos / unit * unit).unwrap()));
        assert_eq!((&frame.captured, frame.wire_length, frame.link_type), (octets, wire_length(octets, *more), 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn written_by_a_peer_is_read_the_same(made in frames(), endianness in endianness()) {
        check(&pcap(&made, endianness, true), &made, 1);
        check(&pcap(&made, endianness, false), &made, 1_000);
        check(&pcapng(&made, endianness), &made, 1);
    }

    #[test]
    fn cut_anywhere_gives_the_frames_before(made in frames(), endianness in endianness(), cut in any::<prop::sample::Index>()) {
        for file in [pcap(&made, endianness, true), pcapng(&made, endianness)] {
            let (whole, _) = read(file.clone());
            let cut = cut.index(file.len());
            if let Ok((frames, summary)) = try_read(file[..cut].to_vec()) {
                prop_assert!(whole.starts_with(&frames));
                prop_assert_eq!(summary.inputs[0].complete, summary.warnings.is_empty());
            }
        }
    }

    #[test]
    fn changed_anywhere_never_panics_and_keeps_the_frames_before(
        made in frames(),
        endianness in endianness(),
        at in any::<prop::sample::Index>(),
        with in any::<[u8; 4]>(),
    ) {
        for file in [pcap(&made, endianness, true), pcapng(&made, endianness)] {
            let (whole, _) = read(file.clone());
            let at = at.index(file.len());
            let mut changed = file;
            let end = changed.len().min(at + 4);
            changed[at..end].copy_from_slice(&with[..end - at]);
            if let Ok((frames, _)) = try_read(changed) {
                // Frames that end before the change, but for the headers that all depend on.
                let mut end = 200;
                for (frame, before) in frames.iter().zip(&whole) {
                    end += before.captured.len() + 60;
                    prop_assert!(end > at || at < 200 || frame == before);
                }
            }
        }
    }
}

//! Compressed captures, made with the formats' own tools (`fixtures/formats/make.sh`): whole, cut, damaged, twice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

mod capture_bytes;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use afterfin::capture::{Capture, CaptureOptions, Source, Summary};
use capture_bytes::{Kept, damage, read, read_all, try_read, usual_pcap, usual_record};
use sha2::Digest;

const COMPRESSED: [(&str, &str); 5] = [("gz", "gzip"), ("zst", "zstd"), ("lz4", "lz4"), ("bz2", "bzip2"), ("xz", "xz")];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats").join(name)
}

fn octets(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

fn open(path: &Path, hash: bool) -> (Vec<Kept>, Summary) {
    read_all(Capture::open(vec![Source::Path(path.to_owned())], &CaptureOptions { hash }).unwrap())
}

#[test]
fn containers_of_one_capture_give_the_same_frames() {
    let (plain, _) = open(&fixture("plain.pcap"), false);
    assert_eq!(plain.len(), 21);
    for name in ["nanoseconds.pcap", "modified.pcap", "plain.pcapng"] {
        assert_eq!(open(&fixture(name), false).0, plain, "{name}");
    }
}

#[test]
fn compressed_of_two_members_gives_the_same_frames_from_file_and_stream() {
    let (plain, _) = open(&fixture("plain.pcap"), false);
    for (suffix, format) in COMPRESSED {
        let name = format!("plain.pcap.{suffix}");
        for (frames, summary) in [open(&fixture(&name), false), read(octets(&name))] {
            assert_eq!(frames, plain, "{name}");
            let input = &summary.inputs[0];
            assert_eq!((input.format, input.compression, input.complete, input.octets), ("pcap", Some(format), true, 1810));
            assert_eq!(summary.warnings, [], "{name}");
        }
    }
}

#[test]
fn compressed_and_cut_gives_a_part_or_an_error_and_always_says_so() {
    let (plain, _) = open(&fixture("plain.pcap"), false);
    for (suffix, format) in COMPRESSED {
        let whole = octets(&format!("plain.pcap.{suffix}"));
        for cut in [whole.len() - 1, whole.len() * 3 / 4, whole.len() / 4, 20, 7] {
            match try_read(whole[..cut].to_vec()) {
                Ok((frames, summary)) => {
                    assert!(plain.starts_with(&frames), "{suffix} cut at {cut}");
                    let text = damage(&summary);
                    assert!(text.contains(&format!("{format} data cannot be unpacked beyond octet")), "{suffix} cut at {cut}: {text}");
                }
                Err(error) => assert!(cut < whole.len() - 1 && !error.contains('\n'), "{suffix} cut at {cut}: {error}"),
            }
        }
    }
}

#[test]
fn compressed_with_changed_octets_never_panics_and_never_ends_in_silence() {
    let (plain, _) = open(&fixture("plain.pcap"), false);
    for (suffix, _) in COMPRESSED {
        let whole = octets(&format!("plain.pcap.{suffix}"));
        for at in (6..whole.len()).step_by(13) {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            // Some octets carry no meaning (a time, a name); then all frames are there.
            if let Ok((frames, summary)) = try_read(changed) {
                assert!(frames == plain || !summary.warnings.is_empty(), "{suffix} at {at}");
            }
        }
    }
}

#[test]
fn compressed_with_padding_is_whole_and_with_foreign_octets_is_not() {
    for (suffix, _) in COMPRESSED {
        let whole = octets(&format!("plain.pcap.{suffix}"));
        let (frames, summary) = read([&whole[..], b"this is no compressed data"].concat());
        assert_eq!(frames.len(), 21, "{suffix}");
        assert!(damage(&summary).ends_with("the 21 frames before it were analysed"), "{:?}", summary.warnings);
        if matches!(suffix, "gz" | "bz2" | "lz4" | "xz") {
            assert_eq!(read([&whole[..], &[0; 512]].concat()).1.warnings, [], "{suffix}");
        }
    }
}

#[test]
fn compressed_skippable_frames_are_stepped_over() {
    let skippable = [&[0x5e, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"extra"].concat();
    for suffix in ["zst", "lz4"] {
        let whole = octets(&format!("plain.pcap.{suffix}"));
        let (frames, summary) = read([&whole[..], &skippable].concat());
        assert_eq!((frames.len(), summary.warnings.len()), (21, 0), "{suffix}");
    }
    let (frames, _) = read([&skippable[..], &octets("plain.pcap.zst")].concat());
    assert_eq!(frames.len(), 21);
}

#[test]
fn compressed_twice_is_an_error_that_says_how_often() {
    let error = try_read(octets("twice.pcap.gz.gz")).unwrap_err();
    assert_eq!(error, "x: is compressed twice (gzip in gzip); unpack it once, then it can be read");
}

#[test]
fn compressed_text_and_foreign_captures_are_named() {
    let mut text = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    text.write_all(b"12:00:00 the server fails\n").unwrap();
    assert_eq!(try_read(text.finish().unwrap()).unwrap_err(), "x: is text, not a pcap or pcapng capture");
    let snoop = "x: is a snoop capture, which is not read; convert it with: editcap -F pcapng in out";
    assert_eq!(try_read(octets("foreign.snoop")).unwrap_err(), snoop);
    let netmon = "x: is a Microsoft Network Monitor 2 capture, which is not read; convert it with: editcap -F pcapng in out";
    assert_eq!(try_read(octets("foreign.netmon")).unwrap_err(), netmon);
    assert_eq!(try_read(Vec::new()).unwrap_err(), "x: is empty: not one octet to read");
    assert_eq!(try_read(vec![0x1f, 0x8b, 8]).unwrap_err().lines().count(), 1);
}

#[test]
fn compressed_bomb_is_a_stream_like_any_other() {
    // One frame of 4 MiB of zeros, a thousand times: 4 GB would not fit; a tenth of it passes here.
    let record = usual_record(1, 0, &vec![0; 4 << 20]);
    let mut bomb = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    bomb.write_all(&usual_pcap()).unwrap();
    for _ in 0..100 {
        bomb.write_all(&record).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let mut capture = Capture::open(vec![capture_bytes::stream("x", bomb)], &CaptureOptions::default()).unwrap();
    let mut frames = 0;
    while capture.next_frame().is_some() {
        frames += 1;
    }
    assert_eq!((frames, capture.finish().inputs[0].complete), (100, true));
}

#[test]
fn hash_is_of_the_stored_octets_compressed_damaged_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, octets).unwrap();
        open(&path, true).1.inputs[0].sha256.clone().unwrap()
    };
    // sha256sum of the fixtures.
    let plain = octets("plain.pcap");
    let known = "8eda9dcbb981e833d51aa17ecd9b67bfe44a44f172155b1c9f7f7ca3363acb73";
    assert_eq!(hash("plain", &plain), known);
    let gzip = octets("plain.pcap.gz");
    assert_eq!(hash("gzip", &gzip), "643f6da3c586d1e931d2d17b00f1bc66984825044962e07621a20fdaef05043b");
    // A record that lies ends the reading, not the hash; compared with the hash of the same octets by another way.
    let mut damaged = plain.clone();
    damaged[24 + 11] = 0x7f;
    damaged.splice(24..24, usual_record(1, 0, b"good"));
    damaged.extend(vec![7; 600_000]);
    let expected: Vec<String> = sha2::Sha256::digest(&damaged).iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(hash("damaged", &damaged), expected.concat());
    assert_eq!(open(&fixture("plain.pcap"), false).1.inputs[0].sha256, None);
}

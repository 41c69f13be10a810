//! Writes the seeds of the corpora, from the fixtures: `cargo run --manifest-path fuzz/Cargo.toml --example seeds -- FIXTURES INTO`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::decode::{DecodeOptions, Decoded, Decoder};
use afterfin_fuzz::links::LINK_TYPES;
use afterfin_fuzz::rows::Sound;

/// A fixture beyond this makes the fuzzers slow.
const LARGEST: u64 = 12_000;

fn captures(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            captures(&path, found)?;
        } else if path.to_string_lossy().contains(".pcap") && fs::metadata(&path)?.len() <= LARGEST {
            found.push(path);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [fixtures, into] = arguments.as_slice() else { panic!("usage: seeds FIXTURES INTO") };
    let mut number = 0;
    let mut put = |target: &str, octets: Vec<u8>| -> io::Result<()> {
        let directory = Path::new(into).join(target);
        fs::create_dir_all(&directory)?;
        number += 1;
        fs::write(directory.join(format!("seed-{number:05}")), octets)
    };
    rows(Path::new(fixtures), &mut put)?;
    let mut paths = Vec::new();
    captures(Path::new(fixtures), &mut paths)?;
    for (at, path) in paths.into_iter().enumerate() {
        let choice = |mask: usize| u8::try_from(at & mask).unwrap_or(0);
        let octets = fs::read(&path)?;
        let name = path.to_string_lossy().into_owned();
        let compressed = !(name.ends_with("pcap") || name.ends_with("pcapng"));
        put(if compressed { "decompressors" } else { "containers" }, [&[0x1c * u8::from(!compressed)][..], &octets].concat())?;
        if compressed {
            continue;
        }
        put("analysis", [&[8 | 0x30][..], &octets].concat())?;
        put("evidence", [&[choice(7)][..], &octets].concat())?;
        put("decompressors", [&[0x80 | choice(3), 0, 30, 0][..], &octets].concat())?;
        links_and_excerpts(&path, &mut put)?;
    }
    for size in [1, 16, 64, 256, 1024] {
        for target in ["segments", "tunnels", "reports"] {
            // pseudorandom octets: these targets make something of any
            let mut state = size as u64;
            let octets = (0..size).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            });
            put(target, octets.collect())?;
        }
    }
    Ok(())
}

/// Something small and sound of each kind, and changes of something larger: the places are those of all of it, the changes small and large.
fn rows(fixtures: &Path, put: &mut dyn FnMut(&str, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let sound = Sound::of(&[&fs::read(fixtures.join("crafted/quiet-refused.pcap"))?]);
    for (choice, octets) in [(0, &sound.rows), (1, &sound.account), (2, &sound.partial), (3, &sound.rows)] {
        put("rows", [&[choice][..], octets].concat())?;
    }
    for choice in [4, 5, 6, 7, 14] {
        put("rows", vec![choice])?;
        for place in (0..40_000_u32).step_by(2_003) {
            let [_, place @ ..] = place.to_be_bytes();
            put("rows", [&[choice][..], &place, &[1 << (place[2] % 8)]].concat())?;
        }
    }
    Ok(())
}

/// The first frames by link type, and what two sides said.
fn links_and_excerpts(path: &Path, put: &mut dyn FnMut(&str, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let Ok(mut capture) = Capture::open(vec![Source::Path(path.to_owned())], &CaptureOptions::default()) else { return Ok(()) };
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut links: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut said = vec![0];
    while let Some(frame) = capture.next_frame() {
        if let Some(at) = LINK_TYPES.iter().position(|number| *number == frame.link_type.0) {
            let octets = links.entry(at).or_insert_with(|| vec![u8::try_from(at).unwrap_or(0), 0]);
            if octets.len() < 3_000 {
                let kept = frame.captured.len().min(0x3fff);
                octets.extend(u16::try_from(kept).unwrap_or(0).to_be_bytes());
                octets.extend(&frame.captured[..kept]);
            }
        }
        if let Decoded::Segment(segment) = decoder.decode(&frame)
            && !segment.head.is_empty()
            && said.len() < 3_000
        {
            let [_, _, high, low] = u32::try_from(segment.head.len()).unwrap_or(0).to_be_bytes();
            let from_server = segment.src.port() < segment.dst.port();
            said.extend([high | (u8::from(from_server) << 7), low]);
            said.extend(segment.head);
        }
    }
    for octets in links.into_values() {
        put("links", octets)?;
    }
    if said.len() > 1 { put("excerpts", said) } else { Ok(()) }
}

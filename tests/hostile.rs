//! What strangers may send: the corpora of the fuzzers, everything that ever broke something, and every fixture cut and changed, through the
//! fuzz targets as plain tests. `AFTERFIN_CASES` asks for more random cases than a quick run has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share
#![allow(clippy::doc_markdown, dead_code)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::render::{Style, json};
use afterfin::report::Report;
use proptest::prelude::*;
use targets::input::{self, Drops};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// Every small capture among the fixtures, uncompressed.
fn captures() -> &'static [(String, Vec<u8>)] {
    static CAPTURES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    CAPTURES.get_or_init(|| {
        let directories = ["lab", "crafted", "formats"].map(|name| root().join("fixtures").join(name));
        let paths = directories.iter().flat_map(|directory| files(directory));
        let is_capture = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng");
        let small = paths.filter(is_capture).filter(|path| fs::metadata(path).unwrap().len() < 40_000);
        small.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
    })
}

fn cases(quick: u32) -> ProptestConfig {
    let asked = std::env::var("AFTERFIN_CASES").ok().and_then(|number| number.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(quick), failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn corpora_and_finds_of_the_fuzzers_break_nothing() {
    for (target, run) in targets::TARGETS {
        let corpus = files(&root().join("fuzz/corpus").join(target));
        assert!(!corpus.is_empty(), "fuzz/corpus/{target} is empty");
        let finds = files(&root().join("fixtures/hostile").join(target));
        for path in corpus.iter().chain(&finds) {
            let octets = fs::read(path).unwrap();
            // the input's name stands in the output of a test that fails
            println!("{}", path.display());
            run(&octets);
        }
    }
}

#[test]
fn target_of_no_octets_and_of_every_first_octet_is_quiet() {
    for (_, run) in targets::TARGETS {
        run(&[]);
        for choice in (0..=255_u8).step_by(5) {
            run(&[choice]);
            run(&[choice, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
}

fn rendered(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    json::FORMAT.report.unwrap()(report, &Style::default(), &mut out).unwrap();
    out
}

/// Where one outcome differs from another.
fn apart(outcome: &Result<Vec<u8>, String>, other: &Result<Vec<u8>, String>) -> String {
    let octets = |outcome: &Result<Vec<u8>, String>| outcome.clone().unwrap_or_else(String::into_bytes);
    let (outcome, other) = (octets(outcome), octets(other));
    let at = outcome.iter().zip(&other).take_while(|(one, two)| one == two).count().saturating_sub(100);
    String::from_utf8_lossy(&outcome[at..outcome.len().min(at + 400)]).into_owned()
}

/// A fixture by its index, with so many octets changed.
fn changed(at: usize, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut octets = captures()[at].1.clone();
    for (index, change) in changes {
        let place = index.index(octets.len());
        octets[place] ^= change;
    }
    octets
}

fn any_capture() -> impl Strategy<Value = usize> {
    0..captures().len()
}

proptest! {
    #![proptest_config(cases(120))]

    #[test]
    fn prefix_of_any_fixture_gives_a_report_that_adds_up(at in any_capture(), end in any::<prop::sample::Index>(), choice: u8) {
        let (_, octets) = &captures()[at];
        targets::analysis::run(&[&[choice][..], &octets[..end.index(octets.len() + 1)]].concat());
    }

    #[test]
    fn flipped_octets_of_any_fixture_give_a_report_that_adds_up(
        at in any_capture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        choice: u8,
    ) {
        targets::analysis::run(&[&[choice][..], &changed(at, &changes)].concat());
    }

    #[test]
    fn flipped_octets_of_any_fixture_give_evidence_that_reads_again(
        at in any_capture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        choice: u8,
    ) {
        targets::evidence::run(&[&[choice][..], &changed(at, &changes)].concat());
    }

    #[test]
    fn report_is_the_same_for_any_size_of_reads(at in any_capture(), size in 1..5_000_usize, compressed in prop::option::of(0..4_u8)) {
        let (name, octets) = &captures()[at];
        let options = AnalysisOptions::default();
        let whole = input::report(octets, &options).unwrap();
        let stored = compressed.map_or_else(|| octets.clone(), |format| targets::decompressors::compress(format, octets));
        let capture = input::open(&stored, size).unwrap();
        let mut pieces = afterfin::analyzer::analyze(capture, &options, &std::sync::atomic::AtomicBool::new(false), &mut |_, _| {});
        for input in &mut pieces.inputs {
            input.compression = None;
        }
        prop_assert!(rendered(&pieces) == rendered(&whole), "{name}");
    }

    #[test]
    fn damaged_compressed_data_gives_the_same_report_for_any_size_of_reads(
        at in any_capture(),
        format in 0..5_u8,
        place in any::<prop::sample::Index>(),
        change in prop::option::of(1..=255_u8),
        sizes in prop::collection::vec(1..3_000_usize, 2),
    ) {
        let (name, octets) = &captures()[at];
        let mut stored = match format {
            4 => fs::read(root().join("fixtures/formats/plain.pcap.xz")).unwrap(), // there is no encoder at hand
            _ => targets::decompressors::compress(format, octets),
        };
        let place = place.index(stored.len());
        match change {
            Some(change) => stored[place] ^= change,
            None => stored.truncate(place),
        }
        let outcome = |size: usize| {
            let capture = input::open(&stored, size).map_err(|error| error.to_string())?;
            let options = AnalysisOptions::default();
            Ok::<_, String>(rendered(&afterfin::analyzer::analyze(capture, &options, &std::sync::atomic::AtomicBool::new(false), &mut |_, _| {})))
        };
        let whole = outcome(usize::MAX);
        for size in sizes {
            let pieces = outcome(size);
            prop_assert!(pieces == whole, "{name}, format {format}, reads of {size}: {}\n{}", apart(&pieces, &whole), apart(&whole, &pieces));
        }
    }

    #[test]
    fn findings_are_the_same_for_any_split_into_files(at in any_capture(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..5)) {
        let (name, octets) = &captures()[at];
        let Some(parts) = split(octets, &cuts) else { return Ok(()) };
        let options = AnalysisOptions::default();
        let whole = input::report(octets, &options).unwrap();
        let sources = parts.iter().enumerate().map(|(number, part)| {
            Source::Stream(format!("part {number}"), Box::new(Drops::new(part, usize::MAX)))
        });
        let capture = Capture::open(sources.collect(), &CaptureOptions::default()).unwrap();
        let pieces = afterfin::analyzer::analyze(capture, &options, &std::sync::atomic::AtomicBool::new(false), &mut |_, _| {});
        input::check(&pieces);
        let said = |report: &Report| -> Vec<_> {
            report.findings.iter().map(|finding| (finding.kind, finding.stream, finding.headline.clone(), finding.time)).collect()
        };
        prop_assert_eq!(said(&pieces), said(&whole), "{}", name);
        prop_assert_eq!(&pieces.verdict, &whole.verdict, "{}", name);
        prop_assert_eq!(&pieces.timeouts, &whole.timeouts, "{}", name);
    }

    #[test]
    fn segments_in_any_order_keep_what_the_tracker_promises(octets in prop::collection::vec(any::<u8>(), 1..2_000)) {
        targets::segments::run(&octets);
    }

    #[test]
    #[cfg(feature = "arrow")]
    fn rows_account_and_partial_report_that_were_changed_are_read_or_refused(
        choice in prop::sample::select(&[4_u8, 5, 6, 7, 7, 14, 14]),
        changes in prop::collection::vec(any::<u8>(), 4..24),
    ) {
        targets::rows::run(&[&[choice][..], &changes].concat());
    }

    #[test]
    fn encapsulations_of_any_depth_are_decoded_or_named(octets in prop::collection::vec(any::<u8>(), 1..1_500)) {
        targets::tunnels::run(&octets);
    }

    #[test]
    fn report_of_any_words_and_figures_is_rendered_without_raw_octets(octets in prop::collection::vec(any::<u8>(), 1..1_500)) {
        // the picture as PNG takes long without optimisation; its drawing is the SVG
        if octets[0] % 8 != 7 {
            targets::reports::run(&octets);
        }
    }
}

/// A little-endian pcap file in several, each with the header; frames whose clock runs back are left together, because files are merged by
/// time. `None` for what is no such file.
fn split(octets: &[u8], cuts: &[prop::sample::Index]) -> Option<Vec<Vec<u8>>> {
    if !octets.starts_with(&[0xd4, 0xc3, 0xb2, 0xa1]) {
        return None;
    }
    let word = |at: usize| octets.get(at..at + 4).map(|octets| u32::from_le_bytes(octets.try_into().unwrap()));
    let (mut ends, mut at, mut latest) = (vec![], 24, (0, 0));
    while let (Some(seconds), Some(fraction), Some(length)) = (word(at), word(at + 4), word(at + 8)) {
        // a tie may be put in either order
        if (seconds, fraction) <= latest {
            ends.pop();
        }
        latest = latest.max((seconds, fraction));
        at += 16 + length as usize;
        ends.push(at);
    }
    let mut places: Vec<usize> = cuts.iter().filter(|_| !ends.is_empty()).map(|cut| ends[cut.index(ends.len())]).collect();
    places.extend([24, octets.len()]);
    places.sort_unstable();
    places.dedup();
    Some(places.windows(2).map(|pair| [&octets[..24], &octets[pair[0]..pair[1]]].concat()).collect())
}

//! `extract`, as it is and under pseudonyms: what is written is read again, whole, and has as many frames. The first octet chooses the options.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use afterfin::export::{self, Anonymizer, Chosen, Key, Options};
use afterfin::options::AnalysisOptions;

use super::input;

/// Extracts everything that the capture has, and reads it.
pub fn run(data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else { return };
    let analysis = AnalysisOptions::default();
    let Some(mut report) = input::report(octets, &analysis) else { return };
    let anonymizer = (choice & 1 != 0).then(|| Anonymizer::new(&Key::of_content(b"the key of the fuzzer").expect("a key")));
    let mut options = Options { around: (choice & 2 != 0).then_some(usize::from(choice >> 4)), headers_only: choice & 4 != 0, anonymizer };
    let findings = report.findings.iter().map(|finding| finding.number).collect();
    let streams = if choice & 8 == 0 { report.connections.iter().map(|row| row.stream).collect() } else { BTreeSet::new() };
    let chosen = Chosen { findings, streams };
    let mut plan = export::plan(&report, &chosen);
    let never = AtomicBool::new(false);
    let open = || input::open(octets, usize::MAX).expect("it was opened before");
    export::resolve(&mut plan, open(), &analysis, &never);
    if let Some(anonymizer) = &mut options.anonymizer {
        anonymizer.report(&mut report);
        plan = export::Plan { streams: plan.streams, ..export::plan(&report, &chosen) };
    }
    let mut written = Vec::new();
    let extraction =
        export::write(open(), &report, &plan, &analysis, &mut options, &mut written, &never).expect("writing to memory succeeds");
    let (frames, summary) = input::read(input::open(&written, usize::MAX).expect("what was written is a capture"));
    assert!(summary.inputs[0].complete && summary.warnings.is_empty(), "{:?}", summary.warnings);
    assert_eq!(summary.inputs[0].frames.min(20_000), extraction.frames.min(20_000));
    assert!(frames.iter().all(|frame| frame.5.len() <= frame.4 as usize), "captured more than was on the wire");
    let again = input::report(&written, &analysis).expect("it can be analysed");
    input::check(&again);
    if let Some(anonymizer) = &options.anonymizer {
        let mapping = anonymizer.mapping();
        let pseudonyms: BTreeSet<_> = mapping.addresses.values().collect();
        assert_eq!(pseudonyms.len(), mapping.addresses.len(), "two addresses have one pseudonym");
    }
}

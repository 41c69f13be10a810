//! What a job on many machines hands on → what reads it. The first octet chooses the reader (rows, account, partial report, `reduce` with `merge` after
//! it) and whether the rest is read as it is or says which octets of something sound to change: only that goes deep.

use std::borrow::Cow;
use std::io::{Cursor, Write};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::{self, JobInputs};
use afterfin::capture::Source;
use afterfin::dataset::{Dropped, Inputs, Places, Stream};
use afterfin::options::AnalysisOptions;
use afterfin::partial::Partial;
use afterfin::render::{Style, text};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use job::Job;

#[path = "../../tests/job/mod.rs"]
mod job;

/// Two captures: fragments that never became whole, ICMP errors, a connection that ended in silence.
const CAPTURES: [&[u8]; 2] = [
    include_bytes!("../../fixtures/crafted/fact-fragments-incomplete.pcap"),
    include_bytes!("../../fixtures/lab/t05-silent-drop-client.pcap"),
];
/// Octets of the SHA-256 with which a partial report ends.
const DIGEST: usize = 32;

/// Something sound of each kind.
pub struct Sound {
    /// All rows of the job, sorted.
    pub rows: Vec<u8>,
    /// Its account.
    pub account: Vec<u8>,
    /// The partial report of all rows.
    pub partial: Vec<u8>,
    inputs: JobInputs,
}

impl Sound {
    /// Of captures.
    pub fn of(captures: &[&[u8]]) -> Self {
        let source = |octets: &&[u8]| Source::Stream("input".into(), Box::new(Cursor::new(octets.to_vec())));
        let job = Job::of(captures.iter().map(source).collect());
        let account = job.account();
        let inputs = JobInputs::read(&account).expect("the account is sound");
        let (rows, mut partial) = (job::whole(&job.rows), Vec::new());
        reduce(&rows, &inputs, &mut partial).expect("the rows are sound");
        Self { rows, account, partial, inputs }
    }
}

fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| Sound::of(&CAPTURES))
}

/// Reads everything that there is to read.
pub fn run(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let sound = sound();
    let octets = |sound: &[u8]| if choice & 4 == 0 { Cow::Borrowed(rest) } else { Cow::Owned(changed(sound, rest)) };
    match choice & 3 {
        0 => drop(read_rows(&octets(&sound.rows))),
        1 => read_account(&octets(&sound.account)),
        2 => {
            let mut octets = octets(&sound.partial).into_owned();
            if choice & 8 != 0 {
                sign(&mut octets);
            }
            read_partial(&octets, sound);
        }
        _ => {
            let mut partial = Vec::new();
            if reduce(&octets(&sound.rows), &sound.inputs, &mut partial).is_ok() {
                merge(&partial, &sound.inputs);
            }
        }
    }
}

/// Changes octets: three octets of the rest are a place, one is what is changed there.
fn changed(sound: &[u8], changes: &[u8]) -> Vec<u8> {
    let mut octets = sound.to_vec();
    for change in changes.chunks_exact(4) {
        let place = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let place = place % octets.len();
        octets[place] ^= change[3];
    }
    octets
}

/// Makes the digest of a partial report fit, as whoever means ill would.
fn sign(octets: &mut [u8]) {
    // a frame: its kind, a length of four octets, the content; the beginning is a line
    let mut at = 19;
    while let Some(length) = octets.get(at + 1..at + 5) {
        let next = at + 5 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if next >= octets.len() {
            break;
        }
        at = next;
    }
    if at < octets.len().saturating_sub(DIGEST) {
        let digest = Sha256::digest(&octets[..at]);
        let from = octets.len() - DIGEST;
        octets[from..].copy_from_slice(&digest);
    }
}

fn read_rows(octets: &[u8]) -> Option<u64> {
    let mut stream = Stream::open(octets).ok()?;
    let mut places = Places::default();
    let mut read = 0;
    while let Some(batch) = stream.next_batch().ok()? {
        for row in batch.rows(&mut places).ok()? {
            read += u64::from(row.is_ok());
        }
    }
    assert!(stream.is_complete().is_some(), "it ended without an end row");
    assert!(read <= stream.rows());
    Some(read)
}

fn read_account(octets: &[u8]) {
    let Ok(inputs) = Inputs::read(octets) else { return };
    assert!(!inputs.is_empty() && inputs.servers().len() <= 65_536);
    let taken = inputs.taken(&Dropped::default(), inputs.names(), Vec::new());
    assert_eq!(taken.summary.inputs.len(), inputs.len());
}

fn reduce(rows: &[u8], inputs: &JobInputs, partial: &mut Vec<u8>) -> Result<(), analyzer::ReduceError> {
    analyzer::reduce(rows, inputs, &AnalysisOptions::default(), partial, &AtomicBool::new(false))
}

fn as_file(octets: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("there is room for a temporary file");
    file.write_all(octets).expect("there is room for a temporary file");
    file
}

fn read_partial(octets: &[u8], sound: &Sound) {
    let file = as_file(octets);
    let Ok(partial) = Partial::open(file.path(), &mut drop) else { return };
    for mut events in partial.events() {
        while events.next_event().expect("every event was read before").is_some() {}
    }
    merge(octets, &sound.inputs);
}

/// What is whole may be of other inputs, or too little.
fn merge(partial: &[u8], inputs: &JobInputs) {
    let file = as_file(partial);
    let Ok(report) = analyzer::merge(inputs, &[file.path().to_owned()], &AnalysisOptions::default()) else { return };
    let render = text::FORMAT.report.expect("reports are written as text");
    render(&report, &Style::default(), &mut Vec::new()).expect("writing to memory succeeds");
}

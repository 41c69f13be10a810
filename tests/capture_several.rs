//! Several inputs read as one, and inputs that grow, stall or vanish.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)] // helpers of tests may fail loudly

mod capture_bytes;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use afterfin::capture::{Capture, CaptureOptions, Source, Summary, expand};
use capture_bytes::{Kept, Order, enhanced, interface, option, read_all, section, simple, stream, usual_pcap, usual_record};

/// A file with a frame at every second given.
fn file(octets: &[u8], seconds: &[u32]) -> Vec<u8> {
    let records: Vec<u8> = seconds.iter().flat_map(|&second| usual_record(second, 0, &[octets, &second.to_le_bytes()].concat())).collect();
    [usual_pcap(), records].concat()
}

fn save(folder: &Path, name: &str, octets: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, octets).unwrap();
    path
}

fn open(paths: &[PathBuf]) -> (Vec<Kept>, Summary) {
    let sources = paths.iter().cloned().map(Source::Path).collect();
    read_all(Capture::open(sources, &CaptureOptions::default()).unwrap())
}

/// File, number and second of every frame.
fn order(frames: &[Kept]) -> Vec<(u32, u64, i64)> {
    frames.iter().map(|frame| (frame.file, frame.number, frame.nanos.unwrap_or(-1) / 1_000_000_000)).collect()
}

fn names(summary: &Summary) -> Vec<&str> {
    summary.inputs.iter().map(|input| Path::new(&input.name).file_name().unwrap().to_str().unwrap()).collect()
}

#[test]
fn rotation_in_any_order_is_read_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let a = save(folder.path(), "z-first", &file(b"a", &[1, 2]));
    let b = save(folder.path(), "b", &file(b"b", &[3, 4]));
    let c = save(folder.path(), "a-last", &file(b"c", &[5, 6]));
    let empty = save(folder.path(), "empty", &usual_pcap());
    for paths in [[&a, &b, &c, &empty], [&c, &empty, &a, &b], [&b, &c, &empty, &a]] {
        let (frames, summary) = open(&paths.map(Clone::clone));
        assert_eq!(order(&frames), [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 4), (2, 1, 5), (2, 2, 6)]);
        assert_eq!(names(&summary), ["z-first", "b", "a-last", "empty"]);
        assert!(summary.inputs.iter().all(|input| input.complete));
        assert_eq!((summary.warnings.len(), summary.notes.len(), summary.duplicate_frames), (0, 0, 0));
    }
}

#[test]
fn overlapping_files_are_merged_by_time_and_ties_by_argument() {
    let folder = tempfile::tempdir().unwrap();
    let a = save(folder.path(), "a", &file(b"a", &[10, 20, 30]));
    let b = save(folder.path(), "b", &file(b"b", &[10, 15, 30, 40]));
    let (frames, summary) = open(&[b.clone(), a.clone()]);
    assert_eq!(order(&frames), [(0, 1, 10), (1, 1, 10), (0, 2, 15), (1, 2, 20), (0, 3, 30), (1, 3, 30), (0, 4, 40)]);
    assert_eq!(names(&summary), ["b", "a"]);
    assert_eq!(summary.interfaces.iter().map(|interface| interface.file).collect::<Vec<_>>(), [0, 1]);
    assert!(summary.notes[0].ends_with("overlap by 20.000 s and were merged by time"), "{:?}", summary.notes);
    assert_eq!(names(&open(&[a, b]).1), ["a", "b"]);
}

#[test]
fn frames_of_one_file_are_never_put_in_another_order() {
    let (frames, _) = capture_bytes::read(file(b"a", &[10, 5, 20, 1]));
    assert_eq!(order(&frames), [(0, 1, 10), (0, 2, 5), (0, 3, 20), (0, 4, 1)]);
    let folder = tempfile::tempdir().unwrap();
    let back = save(folder.path(), "back", &file(b"a", &[10, 5, 20, 1]));
    let other = save(folder.path(), "other", &file(b"b", &[8, 12]));
    let (frames, _) = open(&[back, other]);
    assert_eq!(order(&frames), [(0, 1, 8), (1, 1, 10), (1, 2, 5), (0, 2, 12), (1, 3, 20), (1, 4, 1)]);
}

#[test]
fn same_frame_in_two_files_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    // The second file begins with the last three frames of the first; one frame is in the first file twice.
    let a = save(folder.path(), "a", &file(b"x", &[1, 2, 3, 3, 4]));
    let b = save(folder.path(), "b", &file(b"x", &[3, 3, 4, 5]));
    let (frames, summary) = open(&[a.clone(), b.clone()]);
    assert_eq!(order(&frames), [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 3), (0, 5, 4), (1, 4, 5)]);
    assert_eq!(summary.duplicate_frames, 3);
    assert_eq!((summary.inputs[0].frames, summary.inputs[1].frames), (5, 4));
    assert!(summary.notes.last().unwrap().starts_with("3 frames are in two files"), "{:?}", summary.notes);
    // Named twice.
    let (frames, summary) = open(&[a.clone(), a]);
    assert_eq!((frames.len(), summary.duplicate_frames), (5, 5));
    // Other octets at the same times: two capture points, nothing is left out.
    let c = save(folder.path(), "c", &file(b"y", &[3, 3, 4, 5]));
    assert_eq!(open(&[b, c]).1.duplicate_frames, 0);
}

#[test]
fn rotation_with_a_missing_file_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |from: u32| file(b"a", &(from..from + 60).collect::<Vec<_>>());
    let paths = [0, 60, 180].map(|from| save(folder.path(), &format!("{from}"), &at(from)));
    let (_, summary) = open(&paths);
    assert_eq!(summary.notes.len(), 1, "{:?}", summary.notes);
    assert!(summary.notes[0].starts_with("61.000 s without a frame between "), "{:?}", summary.notes);
}

#[test]
fn rotation_of_thousands_of_files_opens_them_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..3_000).rev().map(|at| save(folder.path(), &format!("{at}"), &file(b"a", &[at, at + 1]))).collect();
    let (frames, summary) = open(&paths);
    // The last frame of a file is the first of the next one.
    assert_eq!((frames.len(), summary.duplicate_frames), (3_001, 2_999));
    assert!(frames.windows(2).all(|pair| pair[0].nanos < pair[1].nanos));
    assert!(summary.inputs.iter().all(|input| input.complete && input.frames == 2));
}

#[test]
fn more_overlapping_files_than_can_be_open_are_still_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..400_u32).map(|at| save(folder.path(), &format!("{at}"), &file(&at.to_le_bytes(), &[1, 2, 3]))).collect();
    let (frames, summary) = open(&paths);
    assert_eq!((frames.len(), summary.duplicate_frames), (1_200, 0));
    assert!(summary.notes.last().unwrap().starts_with("more files overlap than can be open together"), "{:?}", summary.notes);
    assert!(summary.inputs.iter().all(|input| input.complete));
}

#[test]
fn compressed_files_and_streams_take_part_in_the_merge() {
    let folder = tempfile::tempdir().unwrap();
    let compressed = zstd::stream::encode_all(&file(b"a", &[1, 3, 5])[..], 1).unwrap();
    let sources = vec![stream("pipe", file(b"b", &[2, 4])), Source::Path(save(folder.path(), "a", &compressed))];
    let (frames, summary) = read_all(Capture::open(sources, &CaptureOptions { hash: true }).unwrap());
    assert_eq!(order(&frames), [(0, 1, 1), (1, 1, 2), (0, 2, 3), (1, 2, 4), (0, 3, 5)]);
    assert!(summary.inputs.iter().all(|input| input.complete && input.sha256.is_some()));
    assert_eq!(summary.inputs[0].compression, Some("zstd"));
}

#[test]
fn frames_without_time_come_last_and_in_their_order() {
    let little = Order::Little;
    let timeless = [section(little), interface(little, 1, &[]), simple(little, 1, b"p"), simple(little, 1, b"q")].concat();
    let sources = vec![stream("timeless", timeless), stream("timed", file(b"a", &[1, 2]))];
    let (frames, summary) = read_all(Capture::open(sources, &CaptureOptions::default()).unwrap());
    assert_eq!(frames.iter().map(|frame| frame.nanos.is_some()).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(summary.inputs[1].first, None);
}

#[test]
fn interfaces_of_merged_files_keep_their_own_names_and_drops() {
    let little = Order::Little;
    let made = |name: &[u8], ticks: u64, drops: u64| {
        let counts = capture_bytes::statistics(little, 0, &[option(little, 5, &little.long(drops))]);
        let described = interface(little, 1, &[option(little, 2, name)]);
        [section(little), described, enhanced(little, 0, ticks, name), enhanced(little, 0, ticks + 10, name), counts].concat()
    };
    let sources = vec![stream("one", made(b"eth0", 5, 3)), stream("two", made(b"eth1", 6, 4))];
    let (frames, summary) = read_all(Capture::open(sources, &CaptureOptions::default()).unwrap());
    for frame in frames {
        assert_eq!(summary.interfaces[frame.interface as usize].name.as_ref().unwrap().as_bytes(), frame.captured);
    }
    assert_eq!(summary.interfaces.iter().map(|interface| interface.dropped).collect::<Vec<_>>(), [Some(3), Some(4)]);
}

#[test]
fn inputs_that_cannot_be_read_are_warnings_beside_one_that_can() {
    let folder = tempfile::tempdir().unwrap();
    let good = save(folder.path(), "good", &file(b"a", &[1]));
    let text = save(folder.path(), "text", b"not a capture\n");
    let (frames, summary) = open(&[folder.path().join("missing"), text.clone(), good, folder.path().to_owned()]);
    assert_eq!(frames.len(), 1);
    let told: Vec<_> = summary.warnings.iter().map(|warning| (warning.file, warning.text.as_str(), warning.lost_input)).collect();
    assert_eq!(
        told,
        [
            (1, "no such file", true),
            (2, "is text, not a pcap or pcapng capture", true),
            (3, "is a directory: name the captures in it, or use --recursive", true)
        ]
    );
    assert_eq!(names(&summary)[..3], ["good", "missing", "text"]);
    assert_eq!((summary.inputs[1].format, summary.inputs[1].complete), ("unknown", false));
    // Alone, each is an error.
    let alone = Capture::open(vec![Source::Path(text.clone())], &CaptureOptions::default()).err().unwrap();
    assert_eq!(alone.0, format!("{}: is text, not a pcap or pcapng capture", text.display()));
    let both = vec![Source::Path(text.clone()), Source::Path(text)];
    assert!(Capture::open(both, &CaptureOptions::default()).err().unwrap().0.ends_with("(and no other of the 2 inputs can be read)"));
}

#[test]
fn file_that_vanishes_between_the_first_look_and_its_turn_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let a = save(folder.path(), "a", &file(b"a", &[1]));
    let b = save(folder.path(), "b", &file(b"b", &[2]));
    let mut capture = Capture::open(vec![Source::Path(a), Source::Path(b.clone())], &CaptureOptions::default()).unwrap();
    fs::remove_file(b).unwrap();
    assert!(capture.next_frame().is_some() && capture.next_frame().is_none());
    let summary = capture.finish();
    assert_eq!((summary.warnings[0].file, summary.warnings[0].text.as_str()), (1, "no such file when its turn came"));
    assert!(!summary.inputs[1].complete);
}

/// A pipe whose writer is the test.
struct Pipe(Receiver<Vec<u8>>);

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Ok(octets) = self.0.recv() else { return Ok(0) };
        into[..octets.len()].copy_from_slice(&octets);
        Ok(octets.len())
    }
}

#[test]
fn live_pipe_gives_every_frame_as_soon_as_it_is_written() {
    let (write, end) = channel();
    write.send([usual_pcap(), usual_record(1, 0, b"first")].concat()).unwrap();
    let mut capture = Capture::open(vec![Source::Stream("live".into(), Box::new(Pipe(end)))], &CaptureOptions::default()).unwrap();
    assert_eq!(capture.next_frame().unwrap().captured, b"first");
    for second in 2..20 {
        // Nothing more is written before the frame has been read.
        write.send(usual_record(second, 0, &[7; 60])).unwrap();
        assert_eq!(capture.next_frame().unwrap().time.unwrap().nanos(), i64::from(second) * 1_000_000_000);
    }
    drop(write);
    assert!(capture.next_frame().is_none());
    assert!(capture.finish().inputs[0].complete);
}

#[test]
fn stalled_pipe_ends_when_the_user_interrupts() {
    let (write, end) = channel();
    write.send([file(b"a", &[1, 2]), vec![1, 2, 3]].concat()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sources = vec![Source::Stream("stalled".into(), Box::new(Pipe(end)))];
    let mut capture = Capture::open_until(sources, &CaptureOptions { hash: true }, Arc::clone(&stop)).unwrap();
    assert!(capture.next_frame().is_some() && capture.next_frame().is_some());
    stop.store(true, Ordering::Relaxed);
    assert!(capture.next_frame().is_none());
    let summary = capture.finish();
    assert_eq!((summary.inputs[0].complete, summary.inputs[0].frames, summary.warnings.len()), (false, 2, 0));
    assert_eq!(summary.inputs[0].sha256, None);
    drop(write);
}

#[test]
fn finish_before_the_end_leaves_inputs_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [1, 5, 9].map(|at| save(folder.path(), &format!("{at}"), &file(b"a", &[at, at + 1, at + 2])));
    let sources = paths.iter().cloned().map(Source::Path).collect();
    let mut capture = Capture::open(sources, &CaptureOptions::default()).unwrap();
    assert_eq!(capture.progress().1, Some(3 * (24 + 3 * 21)));
    for _ in 0..4 {
        assert!(capture.next_frame().is_some());
    }
    let summary = capture.finish();
    let seen: Vec<_> = summary.inputs.iter().map(|input| (input.complete, input.frames)).collect();
    assert_eq!(seen, [(true, 3), (false, 1), (false, 0)]);
}

#[test]
fn expand_finds_captures_by_content_in_the_order_of_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("sub")).unwrap();
    fs::create_dir(root.join("none")).unwrap();
    let b = save(root, "b.dump", &file(b"a", &[1]));
    let a = save(root, "a", &zstd::stream::encode_all(&file(b"a", &[2])[..], 1).unwrap());
    save(root, "notes.pcap", b"text in spite of its name");
    save(root, "log.zst", &zstd::stream::encode_all(&b"a log"[..], 1).unwrap());
    let c = save(&root.join("sub"), "c", &file(b"a", &[3]));
    assert_eq!(expand(&[root.to_owned()], true).unwrap(), [a, b.clone(), c]);
    assert_eq!(expand(&[b.clone(), "-".into()], false).unwrap(), [b, "-".into()]);
    assert!(expand(&[root.to_owned()], false).unwrap_err().0.ends_with("use --recursive"));
    assert!(expand(&[root.join("none")], true).unwrap_err().0.ends_with("holds no capture"));
}

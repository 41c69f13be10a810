//! Runs that go wrong from outside: full disks, closed pipes, signals, inputs that change while they are read. No test waits longer than a
//! bound, and none sleeps to be sure: each waits for something that the program does.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use afterfin::capture::{Capture, CaptureOptions, Source, Summary};
use serde_json::Value;

/// Far longer than any of these runs takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Octets of a pcap file header.
const HEADER: usize = 24;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/t01-blind-10s-client.pcap")
}

fn afterfin(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    afterfin(arguments).output().unwrap()
}

/// Through bash, for its redirections and limits.
fn bash(script: &str) -> Output {
    Command::new("bash").args(["-c", script]).stdin(Stdio::null()).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn kill(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// The end of a child, or a failure after [`PATIENCE`].
fn end_of(mut child: Child) -> ExitStatus {
    let id = child.id();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(child.wait().unwrap()));
    told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        panic!("the program does not end")
    })
}

/// The fixture's records so many times over: a capture of one long life.
fn long_capture(times: usize) -> Vec<u8> {
    let octets = fs::read(fixture()).unwrap();
    let (header, records) = octets.split_at(HEADER);
    [header, &records.repeat(times)].concat()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn report_onto_a_full_device_is_one_line_and_status_2() {
    let program = env!("CARGO_BIN_EXE_afterfin");
    let input = fixture();
    for subject in ["report", "connections", "timeline --stream 0"] {
        let output = bash(&format!("'{program}' {subject} '{}' >/dev/full", input.display()));
        assert_eq!(output.status.code(), Some(2), "{subject}");
        let said = text(&output.stderr);
        assert!(said.starts_with("afterfin: standard output cannot be written: ") && said.lines().count() == 1, "{said}");
    }
    let output = run(&[input.to_str().unwrap(), "--format", "json", "-o", "/dev/full"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("afterfin: /dev/full: cannot be written: "), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), 1);
}

#[test]
fn report_onto_a_full_disk_keeps_the_older_one_and_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("report.html");
    fs::write(&out, "an older report").unwrap();
    // the shell's limit on file sizes makes every write beyond it fail
    let script =
        format!("ulimit -f 1; trap '' XFSZ; exec '{}' '{}' -o '{}'", env!("CARGO_BIN_EXE_afterfin"), fixture().display(), out.display());
    let output = bash(&script);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("report.html: cannot be written: "), "{}", text(&output.stderr));
    assert_eq!(fs::read(&out).unwrap(), b"an older report");
    assert_eq!(names(place.path()), ["report.html"]);
}

#[test]
fn standard_error_that_is_closed_or_full_changes_nothing() {
    let program = env!("CARGO_BIN_EXE_afterfin");
    let place = tempfile::tempdir().unwrap();
    let cut = place.path().join("cut.pcap");
    fs::write(&cut, &fs::read(fixture()).unwrap()[..2_000]).unwrap();
    let expected = bash(&format!("'{program}' '{}' 2>/dev/null", cut.display()));
    assert_eq!(expected.status.code(), Some(2));
    for error in ["2>/dev/full", "2>&-"] {
        let output = bash(&format!("'{program}' '{}' {error}", cut.display()));
        assert_eq!((output.status.code(), &output.stdout), (Some(2), &expected.stdout), "{error}");
    }
}

#[test]
fn closed_pipe_is_quiet_and_keeps_the_status_of_the_findings() {
    let program = env!("CARGO_BIN_EXE_afterfin");
    let place = tempfile::tempdir().unwrap();
    let input = place.path().join("long.pcap");
    fs::write(&input, long_capture(40)).unwrap();
    for (more, status) in [("", "0"), ("--fail-on error", "1")] {
        let output = bash(&format!(
            "set +e; '{program}' '{}' --format json {more} | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}",
            input.display()
        ));
        assert_eq!((text(&output.stdout).trim(), text(&output.stderr).as_str()), (status, ""), "{more}");
    }
}

#[test]
fn second_signal_ends_a_report_that_nobody_takes() {
    for signal in ["-INT", "-TERM"] {
        let mut child = afterfin(&["--format", "json", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let capture = long_capture(300);
        stdin.write_all(&capture).unwrap();
        kill(&child, signal);
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("interrupted"), "{said}");
        // It writes a report that is larger than a pipe, and nobody reads: only the second signal can end it.
        let report = child.stdout.take().unwrap();
        kill(&child, signal);
        let status = end_of(child);
        assert_eq!(status.code(), Some(2), "{signal}");
        drop((report, stdin));
    }
}

#[test]
fn interrupted_extract_writes_no_evidence() {
    let place = tempfile::tempdir().unwrap();
    let (input, out) = (place.path().join("in.pcap"), place.path().join("out.pcapng"));
    fs::write(&input, long_capture(20_000)).unwrap();
    let mut child = afterfin(&["extract", "--all", input.to_str().unwrap(), "-o", out.to_str().unwrap()]).spawn().unwrap();
    // It has opened its input, so its handlers stand.
    let descriptors = PathBuf::from(format!("/proc/{}/fd", child.id()));
    if descriptors.is_dir() {
        let reads = || {
            let links =
                fs::read_dir(&descriptors).map(|entries| entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect());
            links.is_ok_and(|links: Vec<PathBuf>| links.contains(&input.canonicalize().unwrap()))
        };
        while child.try_wait().unwrap().is_none() && !reads() {
            thread::yield_now();
        }
        kill(&child, "-TERM");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("interrupted: no evidence was written"), "{}", text(&output.stderr));
        assert_eq!(names(place.path()), ["in.pcap"]);
    } else {
        kill(&child, "-TERM");
        child.wait().unwrap();
    }
}

/// Reads `first` frames, lets something happen to the file, and reads on.
fn read_while(path: &Path, first: usize, happens: impl FnOnce()) -> (usize, Summary) {
    let mut capture = Capture::open(vec![Source::Path(path.to_owned())], &CaptureOptions::default()).unwrap();
    let mut frames = 0;
    while frames < first && capture.next_frame().is_some() {
        frames += 1;
    }
    happens();
    while capture.next_frame().is_some() {
        frames += 1;
    }
    (frames, capture.finish())
}

#[test]
fn input_that_vanishes_while_it_is_read_is_read_whole() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("in.pcap");
    fs::write(&path, long_capture(500)).unwrap();
    let (frames, summary) = read_while(&path, 100, || fs::remove_file(&path).unwrap());
    assert_eq!(frames, 39 * 500);
    assert!(summary.inputs[0].complete && summary.warnings.is_empty(), "{summary:?}");
}

#[test]
fn input_that_is_truncated_while_it_is_read_is_incomplete_and_says_where() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("in.pcap");
    let whole = long_capture(500);
    fs::write(&path, &whole).unwrap();
    let cut = whole.len() as u64 * 9 / 10 + 20;
    let (frames, summary) = read_while(&path, 100, || OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap());
    assert!((39 * 440..39 * 460).contains(&frames), "{frames}");
    assert!(!summary.inputs[0].complete);
    assert!(summary.warnings[0].lost_input && summary.warnings[0].text.contains(&frames.to_string()), "{summary:?}");
}

#[test]
fn input_that_grows_while_it_is_read_is_read_as_far_as_it_has_come() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("in.pcap");
    fs::write(&path, long_capture(500)).unwrap();
    let more = long_capture(10).split_off(HEADER);
    let half = more.len() / 2 + 5;
    let append = |octets: &[u8]| OpenOptions::new().append(true).open(&path).unwrap().write_all(octets).unwrap();
    let (frames, summary) = read_while(&path, 100, || append(&more));
    assert_eq!(frames, 39 * 510);
    assert!(summary.inputs[0].complete, "{summary:?}");
    // a record that is still being written is told as such, and what came before it counts
    let (frames, summary) = read_while(&path, 100, || append(&more[..half]));
    assert!(frames > 39 * 510 && !summary.inputs[0].complete, "{frames} {summary:?}");
}

#[test]
fn hash_that_extract_compares_tells_an_input_that_changed_between_its_readings() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("in.pcap");
    fs::copy(fixture(), &path).unwrap();
    let open = || Capture::open(vec![Source::Path(path.clone())], &CaptureOptions { hash: true }).unwrap();
    let read = |mut capture: Capture| {
        while capture.next_frame().is_some() {}
        capture.finish()
    };
    let before = read(open()).inputs[0].sha256.clone();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(3_000).unwrap();
    assert_ne!(before, read(open()).inputs[0].sha256);
}

#[test]
fn existing_evidence_is_kept_without_force_and_replaced_whole_with_it() {
    let place = tempfile::tempdir().unwrap();
    let (input, out) = (fixture(), place.path().join("evidence.pcapng"));
    fs::write(&out, "precious").unwrap();
    let arguments = ["extract", input.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let refused = run(&arguments);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("exists; --force overwrites it"), "{}", text(&refused.stderr));
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    let forced = run(&[&arguments[..], &["--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", text(&forced.stderr));
    assert!(fs::read(&out).unwrap().starts_with(&[10, 13, 13, 10]));
    assert_eq!(names(place.path()), ["evidence.pcapng"]);
}

#[test]
fn inputs_are_never_written_to_nor_made() {
    let place = tempfile::tempdir().unwrap();
    let input = place.path().join("in.pcap");
    fs::copy(fixture(), &input).unwrap();
    let state = || {
        let metadata = fs::metadata(&input).unwrap();
        (metadata.modified().unwrap(), metadata.permissions(), fs::read(&input).unwrap())
    };
    let before = state();
    let name = input.to_str().unwrap();
    let out = place.path().join("out.pcapng").to_str().unwrap().to_owned();
    for arguments in [&[name][..], &["connections", name], &["timeline", "--stream", "0", name], &["extract", name, "-o", &out]] {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
    for arguments in [&[name, "-o", name, "--format", "json"][..], &["extract", name, "-o", name, "--force"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(state() == before);
    let absent = place.path().join("absent.pcap");
    assert_eq!(run(&[absent.to_str().unwrap()]).status.code(), Some(2));
    assert!(!absent.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn inputs_are_opened_read_only() {
    let input = fixture().canonicalize().unwrap();
    let mut capture = Capture::open(vec![Source::Path(input.clone())], &CaptureOptions::default()).unwrap();
    assert!(capture.next_frame().is_some());
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if fs::read_link(entry.path()).is_ok_and(|target| target == input) {
            let about = fs::read_to_string(Path::new("/proc/self/fdinfo").join(entry.file_name())).unwrap();
            let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim().to_owned();
            found.insert(entry.file_name(), u32::from_str_radix(&flags, 8).unwrap());
        }
    }
    assert!(!found.is_empty(), "the input is open");
    // the access mode is in the two lowest bits, and O_RDONLY is 0 (fcntl.h)
    assert!(found.values().all(|flags| flags % 4 == 0), "{found:?}");
    drop(capture);
}

fn fifo(place: &Path) -> PathBuf {
    let fifo = place.join("live");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fifo
}

/// What a program that was told to end writes to its standard output.
fn last_words(child: &mut Child) -> Vec<u8> {
    let mut stdout = child.stdout.take().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut report = Vec::new();
        stdout.read_to_end(&mut report).unwrap();
        tell.send(report)
    });
    told.recv_timeout(PATIENCE).expect("the program ends although its input stalls")
}

#[test]
fn fifo_that_stalls_can_be_interrupted_before_its_first_octet_and_later() {
    let whole = fs::read(fixture()).unwrap();
    for octets in [0, 3, 24, 600] {
        let place = tempfile::tempdir().unwrap();
        let fifo = fifo(place.path());
        let mut child = afterfin(&["--format", "json", fifo.to_str().unwrap()]).spawn().unwrap();
        // The opening of a FIFO for writing ends when the program has opened it for reading.
        let mut writer = File::options().write(true).open(&fifo).unwrap();
        writer.write_all(&whole[..octets]).unwrap();
        kill(&child, "-INT");
        let report = last_words(&mut child);
        assert_eq!(end_of(child).code(), Some(2));
        if !report.is_empty() {
            let report: Value = serde_json::from_slice(&report).unwrap();
            assert_eq!(report["complete"], false);
        }
        drop(writer);
    }
}

#[test]
#[cfg(target_os = "linux")] // proc(5)
#[allow(clippy::disallowed_methods)] // patience has an end
fn fifo_that_nobody_writes_to_can_be_interrupted() {
    let place = tempfile::tempdir().unwrap();
    let mut child = afterfin(&["--format", "json", fifo(place.path()).to_str().unwrap()]).spawn().unwrap();
    // by then the program listens to signals and waits in the opening of the FIFO, or is about to
    let tasks = format!("/proc/{}/task", child.id());
    let waits = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "input");
    let began = Instant::now();
    while !fs::read_dir(&tasks).unwrap().any(|task| waits(task.unwrap())) {
        assert!(began.elapsed() < PATIENCE, "the program never begins to read");
        thread::yield_now();
    }
    kill(&child, "-INT");
    assert_eq!(last_words(&mut child), b"");
    assert_eq!(end_of(child).code(), Some(2));
}

#[test]
fn directory_with_a_fifo_in_it_is_read_without_waiting() {
    let place = tempfile::tempdir().unwrap();
    fifo(place.path());
    fs::copy(fixture(), place.path().join("incident.pcap")).unwrap();
    let mut child = afterfin(&["--format", "json", "--recursive", place.path().to_str().unwrap()]).spawn().unwrap();
    let report: Value = serde_json::from_slice(&last_words(&mut child)).unwrap();
    assert_eq!(end_of(child).code(), Some(0));
    assert_eq!(report["inputs"].as_array().unwrap().len(), 1);
}

//! A job on many machines, without the machines: what `merge` makes of partial reports is the report of one process, octet for octet, and nothing is
//! made of anything that is not whole. The contract is `docs/cluster.md`; `tests/cluster` does the same on a real cluster.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod job;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::{self, JobInputs};
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::render::{FORMATS, Style};
use afterfin::report::Report;
use arrow_array::{Array, Int32Array, RecordBatch, StringArray};
use job::{Job, int32, stream, strings, taken, whole, with_column};
use tempfile::TempDir;

/// Several connections, findings, keep-alive probes.
const FIXTURE: &str = "lab/t06-tuple-reuse-client.pcap";
/// Partitions of a job.
const PARTITIONS: [i64; 3] = [1, 3, 16];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn sources(paths: &[PathBuf]) -> Vec<Source> {
    paths.iter().cloned().map(Source::Path).collect()
}

/// Writes partial reports into `place`.
fn reduced(job: &Job, of: i64, place: &Path) -> Vec<PathBuf> {
    let inputs = JobInputs::read(&job.account()).unwrap();
    let write = |(number, rows): (usize, Vec<u8>)| {
        let path = place.join(format!("{of}-{number}.partial"));
        let file = fs::File::create(&path).unwrap();
        analyzer::reduce(&rows[..], &inputs, &AnalysisOptions::default(), file, &AtomicBool::new(false)).unwrap();
        path
    };
    job.parts(of).into_iter().enumerate().map(write).collect()
}

fn merged(job: &Job, partials: &[PathBuf]) -> Result<Report, String> {
    let inputs = JobInputs::read(&job.account()).unwrap();
    analyzer::merge(&inputs, partials, &AnalysisOptions::default()).map_err(|error| error.to_string())
}

fn rendered(report: &Report) -> [String; 2] {
    ["text", "json"].map(|name| {
        let format = FORMATS.iter().find(|format| format.name == name).unwrap();
        let mut out = Vec::new();
        format.report.unwrap()(report, &Style::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    })
}

/// The lines in which two texts differ first.
fn apart(one: &str, other: &str) -> String {
    let pair = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
    pair.map_or_else(|| "one goes on".to_owned(), |(at, (one, other))| format!("line {}:\n{one}\n{other}", at + 1))
}

/// Compares the report of one process with what is merged, for these numbers of partitions.
fn assert_same(what: &str, paths: &[PathBuf], partitions: &[i64]) {
    let Ok(capture) = Capture::open(sources(paths), &CaptureOptions::default()) else { return };
    let report = analyzer::analyze(capture, &AnalysisOptions::default(), &AtomicBool::new(false), &mut |_, _| {});
    let expected = rendered(&report);
    let job = Job::of(sources(paths));
    let place = TempDir::new().unwrap();
    for of in partitions.iter().copied() {
        let mut partials = reduced(&job, of, place.path());
        // in another order than that of the rows
        partials.reverse();
        partials.rotate_left(usize::try_from(of / 3).unwrap());
        let found = rendered(&merged(&job, &partials).unwrap_or_else(|error| panic!("{what}: {error}")));
        for (expected, found) in expected.iter().zip(&found) {
            assert!(expected == found, "{what}, {of} partitions, {}", apart(expected, found));
        }
        for partial in &partials {
            fs::remove_file(partial).unwrap();
        }
    }
}

/// The records of a little-endian pcap file, each with its header.
fn records(file: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut rest) = (Vec::new(), &file[24..]);
    while !rest.is_empty() {
        let length = 16 + u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        found.push(&rest[..length]);
        rest = &rest[length..];
    }
    found
}

/// Writes some of a capture's records into a file of their own.
fn piece(place: &Path, name: &str, file: &[u8], records: &[&[u8]]) -> PathBuf {
    let path = place.join(name);
    fs::write(&path, [&file[..24], &records.concat()].concat()).unwrap();
    path
}

/// The capture in so many files, each of which has `shared` records of the next one.
fn pieces(place: &Path, file: &[u8], many: usize, shared: usize) -> Vec<PathBuf> {
    let records = records(file);
    let each = records.len().div_ceil(many);
    let end = |number: usize| ((number + 1) * each + shared).min(records.len());
    (0..many).map(|number| piece(place, &format!("piece-{shared}-{number}.pcap"), file, &records[number * each..end(number)])).collect()
}

/// The same traffic a hop further and 350 µs later: other link addresses, a smaller TTL. IPv4 over Ethernet, microseconds.
fn further_point(file: &[u8]) -> Vec<u8> {
    let mut moved = file[..24].to_vec();
    for record in records(file) {
        let mut record = record.to_vec();
        let time = u64::from(u32::from_le_bytes(record[..4].try_into().unwrap())) * 1_000_000
            + u64::from(u32::from_le_bytes(record[4..8].try_into().unwrap()))
            + 350;
        record[..4].copy_from_slice(&u32::try_from(time / 1_000_000).unwrap().to_le_bytes());
        record[4..8].copy_from_slice(&u32::try_from(time % 1_000_000).unwrap().to_le_bytes());
        record[16..28].copy_from_slice(&[2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2]);
        record[16 + 14 + 8] -= 1;
        moved.extend(record);
    }
    moved
}

/// Every capture below so many octets in a directory of the fixtures, by itself.
fn assert_same_for_each(directory: &str, largest: u64) -> usize {
    let mut paths: Vec<PathBuf> = fs::read_dir(fixture(directory)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().contains(".pcap") && fs::metadata(path).unwrap().len() < largest);
    paths.sort();
    for path in &paths {
        assert_same(&path.display().to_string(), std::slice::from_ref(path), &[3]);
    }
    paths.len()
}

#[test]
fn crafted_capture_and_every_container_give_the_report_of_one_process() {
    assert!(assert_same_for_each("crafted", 5_000) + assert_same_for_each("formats", 20_000) > 120);
}

#[test]
fn lab_capture_gives_the_report_of_one_process() {
    assert!(assert_same_for_each("lab", 7_000) > 30);
    assert_same("probes", &[fixture("lab/keepalive-mixed-client.pcap")], &PARTITIONS);
}

#[test]
fn overlapping_inputs_and_shared_frames_are_merged_as_one_process_does() {
    let place = TempDir::new().unwrap();
    let file = fs::read(fixture(FIXTURE)).unwrap();
    let mut paths = pieces(place.path(), &file, 4, 6);
    paths.rotate_left(2);
    assert_same("pieces that share frames", &paths, &PARTITIONS);
    let other = fixture("lab/t03-blindproxy-multi.pcapng");
    paths.insert(1, other.clone());
    paths.push(fixture("lab/t08-good-pool.pcap"));
    paths.push(fixture("crafted/fact-fragments-incomplete.pcap"));
    assert_same("other captures between them", &paths, &PARTITIONS);
    let twice = place.path().join("twice.pcapng");
    fs::copy(&other, &twice).unwrap();
    assert_same("the same capture twice", &[twice, other], &PARTITIONS);
    let records = records(&file);
    let every = |remainder: usize| -> Vec<&[u8]> { records.iter().copied().skip(remainder).step_by(2).collect() };
    let alternate = [0, 1].map(|at| piece(place.path(), &format!("every-{at}.pcap"), &file, &every(at)));
    assert_same("every other frame", &alternate, &PARTITIONS);
}

#[test]
fn rotation_in_any_order_is_merged_as_one_process_does() {
    let place = TempDir::new().unwrap();
    let paths = pieces(place.path(), &fs::read(fixture(FIXTURE)).unwrap(), 5, 0);
    assert_same("in order", &paths, &PARTITIONS);
    assert_same("in another order", &[3, 0, 4, 2, 1].map(|at: usize| paths[at].clone()), &PARTITIONS);
}

#[test]
fn two_capture_points_are_merged_as_one_process_does() {
    let place = TempDir::new().unwrap();
    for name in [FIXTURE, "lab/t05-silent-drop-client.pcap"] {
        let near = fixture(name);
        let file = fs::read(&near).unwrap();
        let far = place.path().join("far.pcap");
        fs::write(&far, further_point(&file)).unwrap();
        assert_same(name, &[far.clone(), near], &[1, 3]);
        let mut paths = pieces(place.path(), &file, 2, 3);
        paths.insert(1, far);
        assert_same(name, &paths, &[16]);
    }
}

/// What the program did.
struct Run(Output);

impl Run {
    fn status(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn said(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// It failed with this text, and nothing came out.
    #[track_caller]
    fn assert_failed(&self, text: &str) {
        assert_eq!(self.status(), Some(2), "{text}: {}", self.said());
        assert!(self.0.stdout.is_empty(), "{text}: {} octets came out", self.0.stdout.len());
        assert!(self.said().starts_with("afterfin: ") && self.said().contains(text), "{text}: {}", self.said());
    }
}

/// Runs the program; standard input is these octets.
fn run(arguments: &[&str], files: &[PathBuf], stdin: &[u8]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.env("AFTERFIN_CONFIG", "").args(arguments).args(files);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // it reads all of its input before it writes, or has failed
    let _ = child.stdin.take().unwrap().write_all(stdin);
    Run(child.wait_with_output().unwrap())
}

/// A job whose account lies in a file.
struct OnDisk {
    place: TempDir,
    job: Job,
    account: String,
}

impl OnDisk {
    fn of(paths: &[PathBuf]) -> Self {
        let (place, job) = (TempDir::new().unwrap(), Job::of(sources(paths)));
        let account = place.path().join("account").to_str().unwrap().to_owned();
        fs::write(&account, job.account()).unwrap();
        Self { place, job, account }
    }

    fn with_account(&self, facts: &RecordBatch) -> String {
        let path = self.place.path().join("another").to_str().unwrap().to_owned();
        fs::write(&path, whole(facts)).unwrap();
        path
    }

    fn write(&self, name: &str, octets: &[u8]) -> PathBuf {
        let path = self.place.path().join(name);
        fs::write(&path, octets).unwrap();
        path
    }

    fn reduce(&self, rows: &[u8]) -> Run {
        run(&["reduce", "--inputs", &self.account], &[], rows)
    }

    fn merge(&self, partials: &[PathBuf]) -> Run {
        run(&["merge", "--format", "json", "--inputs", &self.account], partials, &[])
    }

    /// Partial reports, made by the program.
    fn partials(&self, of: i64) -> Vec<PathBuf> {
        let parts = self.job.parts(of).into_iter().enumerate();
        parts
            .map(|(number, rows)| {
                let run = self.reduce(&rows);
                assert_eq!(run.status(), Some(0), "{}", run.said());
                self.write(&format!("{of}-{number}"), &run.0.stdout)
            })
            .collect()
    }
}

fn two_captures() -> [PathBuf; 2] {
    [fixture("lab/t05-silent-drop-client.pcap"), fixture(FIXTURE)]
}

#[test]
fn commands_give_report_messages_and_exit_status_of_one_process() {
    let place = TempDir::new().unwrap();
    let (cut, text, absent) = (place.path().join("cut.pcap"), place.path().join("text"), place.path().join("absent.pcap"));
    let octets = fs::read(fixture("lab/t08-good-pool.pcap")).unwrap();
    fs::write(&cut, &octets[..octets.len() - 7]).unwrap();
    fs::write(&text, "this is no capture\n").unwrap();
    let [one, two] = two_captures();
    let sets = [
        (vec![one.clone(), two.clone()], [1, 0]),
        (vec![two.clone(), text.clone(), one.clone()], [2, 2]),
        (vec![one, absent, cut, text, two], [2, 2]),
        (vec![fixture("crafted/stale-reuse.pcap")], [1, 0]),
    ];
    for (paths, statuses) in sets {
        let streams: Vec<Vec<u8>> = (0..)
            .zip(&paths)
            .map(|(number, path)| {
                let run = run(&["segments", "--one-of-many", "--first-file", &u32::to_string(&number)], std::slice::from_ref(path), &[]);
                assert!(run.status().is_some_and(|status| status == 0 || status == 2));
                run.0.stdout
            })
            .collect();
        let on_disk = OnDisk { job: Job::of_streams(&streams), ..OnDisk::of(&paths) };
        fs::write(&on_disk.account, on_disk.job.account()).unwrap();
        let mut partials = on_disk.partials(3);
        partials.reverse();
        for ((format, options), status) in [("json", &["--fail-on", "error"][..]), ("text", &[])].into_iter().zip(statuses) {
            let arguments = [&["--format", format], options].concat();
            let expected = run(&[&["report"], &arguments[..]].concat(), &paths, &[]);
            let found = run(&[&["merge", "--inputs", &on_disk.account], &arguments[..]].concat(), &partials, &[]);
            assert!(found.0.stdout == expected.0.stdout, "{paths:?}: {}", found.said());
            assert_eq!(found.said(), expected.said());
            assert_eq!([found.status(), expected.status()], [Some(status); 2], "{paths:?}: {}", found.said());
        }
    }
}

#[test]
fn job_of_no_readable_input_fails_as_one_process_does() {
    let absent = [PathBuf::from("/nonexistent/a.pcap")];
    let on_disk = OnDisk::of(&absent);
    let report = run(&["report"], &absent, &[]);
    report.assert_failed("/nonexistent/a.pcap");
    on_disk
        .reduce(&whole(&on_disk.job.rows))
        .assert_failed("is no account of the inputs: the account of the inputs: /nonexistent/a.pcap: ");
}

#[test]
fn partition_without_rows_and_one_with_all_rows_are_partial_reports() {
    let on_disk = OnDisk::of(&[fixture("crafted/stale-reuse.pcap")]);
    assert_eq!(on_disk.job.parts(16).iter().filter(|part| job::batches(part).len() > 1).count(), 1, "all rows are of one flow");
    let empty = on_disk.reduce(&whole(&taken(&on_disk.job.rows, &[])));
    assert_eq!(empty.status(), Some(0), "{}", empty.said());
    let empty = on_disk.write("empty", &empty.0.stdout);
    let all = on_disk.partials(1);
    let expected = on_disk.merge(&all);
    assert_eq!(expected.status(), Some(0));
    let with_empty = on_disk.merge(&[empty.clone(), all[0].clone(), empty]);
    assert!(with_empty.0.stdout == expected.0.stdout && with_empty.status() == Some(0), "{}", with_empty.said());
}

#[test]
fn rows_that_are_not_whole_or_not_in_order_make_no_partial_report() {
    let on_disk = OnDisk::of(&two_captures());
    let rows = &on_disk.job.rows;
    let (count, sound) = (rows.num_rows(), whole(rows));
    on_disk
        .reduce(&stream(rows, None))
        .assert_failed(&format!("the stream ends after {count} rows without its end row: whoever wrote it did not finish"));
    on_disk.reduce(&stream(rows, Some(count + 1))).assert_failed(&format!("the end row tells {} rows, {count} came", count + 1));
    on_disk.reduce(&stream(rows, Some(count - 1))).assert_failed(&format!("the end row tells {} rows, {count} came", count - 1));
    on_disk.reduce(&[]).assert_failed("the stream is damaged or cut: it stops without its end marker");
    on_disk.reduce(&sound[..sound.len() - 8]).assert_failed("the stream is damaged or cut: it stops without its end marker");
    on_disk.reduce(b"rows, sorted").assert_failed("the stream is damaged or cut: ");
    for twentieth in 1..20 {
        let octets = &sound[..sound.len() * twentieth / 20];
        on_disk.reduce(octets).assert_failed("the stream is damaged or cut: it stops within a message");
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.swap(3, 4);
    on_disk
        .reduce(&whole(&taken(rows, &order)))
        .assert_failed("row 5 stands before its predecessor: sort the rows by flow_hash, order_ns, file, frame, part");
    order.swap(3, 4);
    order.reverse();
    on_disk.reduce(&whole(&taken(rows, &order))).assert_failed("row 2 stands before its predecessor");
}

#[test]
fn rows_that_are_not_of_these_inputs_make_no_partial_report() {
    let on_disk = OnDisk::of(&two_captures());
    let (rows, facts) = (&on_disk.job.rows, &on_disk.job.facts);
    on_disk.reduce(&whole(facts)).assert_failed("row 1 belongs to no flow: rows with flow_hash 0 make the account, --inputs");
    let both = arrow_select::concat::concat_batches(&rows.schema(), [&taken(rows, &[0, 1]), &taken(facts, &[0])]).unwrap();
    on_disk.reduce(&whole(&both)).assert_failed("row 3 belongs to no flow");
    let servers: Vec<usize> = (0..facts.num_rows()).filter(|at| int32(facts, "kind").value(*at) == 10).collect();
    on_disk.reduce(&whole(&taken(facts, &servers))).assert_failed("row 1 belongs to no flow");
    let files: Int32Array = int32(rows, "file").iter().map(|file| file.map(|file| file + 1)).collect();
    on_disk.reduce(&whole(&with_column(rows, "file", Arc::new(files)))).assert_failed("the account of the inputs: input 2 is missing");
}

#[test]
fn account_that_is_not_that_of_all_inputs_is_refused() {
    let mut paths = two_captures().to_vec();
    paths.push(fixture("lab/t08-good-pool.pcap"));
    let on_disk = OnDisk::of(&paths);
    let (rows, facts) = (whole(&on_disk.job.rows), &on_disk.job.facts);
    let partials = on_disk.partials(1);
    let without = |file: i32| -> Vec<usize> { (0..facts.num_rows()).filter(|at| int32(facts, "file").value(*at) != file).collect() };
    let refused = |facts: &RecordBatch, text: &str| {
        let account = on_disk.with_account(facts);
        run(&["reduce", "--inputs", &account], &[], &rows).assert_failed(text);
        run(&["merge", "--inputs", &account], &partials, &[]).assert_failed(text);
    };
    refused(&taken(facts, &without(1)), "is no account of the inputs: the account of the inputs: input 1 is missing");
    refused(&taken(facts, &[]), "the account of the inputs: there is no input in it");
    let twice: Vec<usize> = (0..facts.num_rows()).chain(0..facts.num_rows()).collect();
    refused(&taken(facts, &twice), "is in it more than once");
    refused(&on_disk.job.rows, "the account of the inputs: a row in it belongs to a flow");
    let items = strings(facts, "item");
    let changed = |wanted: &str, file: i32, to: &str| -> RecordBatch {
        let texts = strings(facts, "text").iter().enumerate().map(|(at, text)| {
            let is_it = items.is_valid(at) && items.value(at) == wanted && int32(facts, "file").value(at) == file;
            if is_it { Some(to) } else { text }
        });
        with_column(facts, "text", Arc::new(texts.collect::<StringArray>()))
    };
    let version = env!("CARGO_PKG_VERSION");
    refused(&changed("version", 2, "0.0.9"), &format!("t08-good-pool.pcap) was read by version 0.0.9, this is {version}"));
    refused(&changed("options", 1, "--headers-only"), "was read with other options than");
    // the last input is not missed in the account, but its rows are of no input
    let account = on_disk.with_account(&taken(facts, &without(2)));
    run(&["reduce", "--inputs", &account], &[], &rows).assert_failed("the account of the inputs: input 2 is missing");
    run(&["merge", "--inputs", &account], &partials, &[]).assert_failed("it was made with other --inputs than these");
    fs::write(&account, stream(facts, None)).unwrap();
    run(&["reduce", "--inputs", &account], &[], &rows).assert_failed("without its end row: whoever wrote it did not finish");
    fs::write(&account, &on_disk.job.account()[..5_000]).unwrap();
    run(&["reduce", "--inputs", &account], &[], &rows).assert_failed("is no account of the inputs: the stream is damaged or cut");
    run(&["reduce", "--inputs", "/nonexistent/account"], &[], &rows).assert_failed("/nonexistent/account: cannot be read: ");
}

#[test]
fn partial_reports_that_are_not_all_of_one_job_make_no_report() {
    let on_disk = OnDisk::of(&two_captures());
    let partials = on_disk.partials(3);
    let rows = on_disk.job.rows.num_rows();
    let part = |at: i64| on_disk.job.part(at, 3).num_rows();
    let missing = format!("the partial reports were made of {} rows, the inputs have {rows}: a partial report is missing", rows - part(1));
    on_disk.merge(&[partials[0].clone(), partials[2].clone()]).assert_failed(&missing);
    let twice = on_disk.write("twice", &fs::read(&partials[1]).unwrap());
    let given = [partials.clone(), vec![twice.clone()]].concat();
    on_disk.merge(&given).assert_failed(&format!("{} and {} are the same partial report", partials[1].display(), twice.display()));
    let half = on_disk.partials(2);
    let mixed = [partials.clone(), half[..1].to_vec()].concat();
    let more = format!(
        "the partial reports were made of {} rows, the inputs have {rows}: the rows of a part are in more than one",
        rows + on_disk.job.part(0, 2).num_rows()
    );
    on_disk.merge(&mixed).assert_failed(&more);

    let other = OnDisk::of(&two_captures()[..1]);
    let foreign = other.partials(1);
    on_disk
        .merge(&[&partials[..], &foreign[..]].concat())
        .assert_failed(&format!("{}: it was made with other --inputs than these", foreign[0].display()));
    let reduced = run(&["reduce", "--idle-gap", "3s", "--inputs", &on_disk.account], &[], &whole(&on_disk.job.rows));
    assert_eq!(reduced.status(), Some(0), "{}", reduced.said());
    let thresholds = on_disk.write("thresholds", &reduced.0.stdout);
    let text = format!("{}: it was made with other thresholds than these: give reduce and merge the same options", thresholds.display());
    on_disk.merge(std::slice::from_ref(&thresholds)).assert_failed(&text);
    let merged = run(&["merge", "--idle-gap", "3s", "--format", "json", "--inputs", &on_disk.account], &[thresholds], &[]);
    let report = run(&["report", "--idle-gap", "3s", "--format", "json"], &two_captures(), &[]);
    assert!(merged.0.stdout == report.0.stdout && merged.status() == Some(0), "{}", merged.said());

    let sound = fs::read(&partials[0]).unwrap();
    let rest = &partials[1..];
    let with = |octets: &[u8], text: &str| {
        let path = on_disk.write("odd", octets);
        on_disk.merge(&[std::slice::from_ref(&path), rest].concat()).assert_failed(&format!("{}: {text}", path.display()));
    };
    for more in [&b"\n"[..], &sound[19..], &[5, 0, 0, 0, 0], &[0; 4_000]] {
        with(&[&sound[..], more].concat(), &format!("it is damaged at octet {}: something follows its end", sound.len()));
    }
    with(b"", "it ends at octet 0 without its end: whoever wrote it did not finish");
    with(&fs::read(fixture(FIXTURE)).unwrap(), "it is no partial report: it does not begin with \"afterfin.partial/1\"");
    with(&on_disk.job.account(), "it is no partial report");
    with(&sound[..sound.len() / 2], "it ends at octet ");
    on_disk.merge(&[on_disk.place.path().to_owned()]).assert_failed(": ");
    on_disk.merge(&[on_disk.place.path().join("absent")]).assert_failed("absent: ");
}

#[test]
fn partial_report_that_is_cut_or_changed_anywhere_is_none() {
    let job = Job::of(sources(&two_captures()));
    let place = TempDir::new().unwrap();
    let mut partials = reduced(&job, 3, place.path());
    let sound = fs::read(&partials[0]).unwrap();
    assert!(merged(&job, &partials).is_ok());
    partials[0] = place.path().join("odd");
    let refused = |octets: &[u8], what: String| -> String {
        fs::write(&partials[0], octets).unwrap();
        merged(&job, &partials).err().unwrap_or_else(|| panic!("{what} of {} octets made a report", sound.len()))
    };
    for twentieth in 0..20 {
        let length = sound.len() * twentieth / 20;
        let error = refused(&sound[..length], format!("the first {length}"));
        assert!(error.contains(&format!("it ends at octet {length} without its end")), "{error}");
    }
    let last = refused(&sound[..sound.len() - 1], "all but the last".to_owned());
    assert!(last.contains("without its end"), "{last}");
    let step = (sound.len() / 400).max(1);
    let places = (0..200).chain((200..sound.len()).step_by(step)).chain(sound.len() - 60..sound.len());
    for (number, at) in places.enumerate() {
        let mut octets = sound.clone();
        octets[at] ^= 1 << (number % 8);
        let error = refused(&octets, format!("octet {at} changed"));
        assert!(error.contains("odd: "), "{at}: {error}");
    }
}

#[test]
fn partial_report_in_a_file_does_not_overwrite_and_is_whole_or_absent() {
    let on_disk = OnDisk::of(&two_captures()[..1]);
    let path = on_disk.place.path().join("out.partial");
    let file = path.to_str().unwrap();
    let sound = whole(&on_disk.job.rows);
    let to_file =
        |options: &[&str], rows: &[u8]| run(&[&["reduce", "--inputs", &on_disk.account, "-o", file], options].concat(), &[], rows);
    to_file(&[], &stream(&on_disk.job.rows, None)).assert_failed("without its end row");
    assert!(!path.exists());
    let run = to_file(&[], &sound);
    assert!(run.status() == Some(0) && run.0.stdout.is_empty(), "{}", run.said());
    let written = fs::read(&path).unwrap();
    assert!(written == on_disk.reduce(&sound).0.stdout, "the same as on standard output");
    fs::write(&path, "mine").unwrap();
    to_file(&[], &sound).assert_failed("out.partial: exists; --force overwrites it");
    to_file(&["--force"], &stream(&on_disk.job.rows, None)).assert_failed("without its end row");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(to_file(&["--force"], &sound).status(), Some(0));
    assert!(fs::read(&path).unwrap() == written);
    let over_the_account = ["reduce", "--inputs", &on_disk.account, "--force", "-o", &on_disk.account];
    self::run(&over_the_account, &[], &sound).assert_failed("is an input, and inputs are never written to");
    let left: Vec<_> = fs::read_dir(on_disk.place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

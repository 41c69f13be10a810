//! Segments as rows: nothing is lost on the way there and back, nothing that is cut passes for whole, no file is overwritten unasked. The contract is
//! `docs/cluster.md`.

#![cfg(feature = "arrow")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

#[path = "../benches/workload/mod.rs"]
mod workload;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::analyze;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::dataset::{self, Account, BATCH_ROWS, Content, DatasetError, Places, RowKind, Settings, Stream};
use afterfin::decode::{DecodeOptions, Decoded, Decoder};
use afterfin::options::{AnalysisOptions, Separate};
use afterfin::segment::{Segment, Vantage};
use workload::{Container, Kind, Workload};

const FIXTURE: &str = "fixtures/lab/t01-blind-10s-client.pcap";

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every capture of the fixtures that can be read.
fn fixtures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["crafted", "formats", "lab"] {
        for entry in fs::read_dir(package().join("fixtures").join(directory)).unwrap() {
            found.push(entry.unwrap().path());
        }
    }
    found.retain(|path| open(std::slice::from_ref(path)).is_some());
    found.sort();
    assert!(found.len() > 200, "{}", found.len());
    found
}

fn open(paths: &[PathBuf]) -> Option<Capture> {
    let sources = paths.iter().cloned().map(Source::Path).collect();
    Capture::open(sources, &CaptureOptions::default()).ok()
}

fn of_octets(octets: Vec<u8>) -> Capture {
    let source = Source::Stream("made".to_owned(), Box::new(Cursor::new(octets)));
    Capture::open(vec![source], &CaptureOptions::default()).unwrap()
}

fn written(capture: Capture, settings: Settings) -> (Vec<u8>, Account) {
    let mut octets = Vec::new();
    let account = dataset::write_stream(capture, settings, &mut octets, &AtomicBool::new(false), &mut |_, _| {}).unwrap();
    (octets, account)
}

/// Reads a stream to its end; gives rows, without facts and with, and whether it says that it is complete.
fn read(octets: &[u8]) -> Result<(u64, bool), DatasetError> {
    let mut stream = Stream::open(octets)?;
    let mut places = Places::default();
    while let Some(batch) = stream.next_batch()? {
        for row in batch.rows(&mut places)? {
            row?;
        }
    }
    Ok((stream.rows(), stream.is_complete().unwrap()))
}

/// Everything of a segment; where it was captured by name.
fn canonical(segment: &Segment<'_>, stack: &str, sub_interface: &str) -> String {
    let vantage = Vantage { interface: segment.vantage.interface & 0xffff, stack: 0, ..segment.vantage };
    format!("{:?} {stack} {sub_interface}", Segment { vantage, ..*segment })
}

/// The names of encapsulation and kernel's interface, by their numbers.
type Named = BTreeMap<(u16, u32), (String, String)>;

/// Adds segments with the names of where they were captured.
fn name(decoder: &Decoder, segments: &mut Vec<(Vantage, String)>, found: &mut Vec<String>, places: &mut Named) {
    for (vantage, text) in segments.drain(..) {
        let stack = if vantage.stack == 0 { "" } else { &decoder.stacks()[usize::from(vantage.stack)] };
        let sub_interface = decoder.sub_interface(vantage.interface);
        places.insert((vantage.stack, vantage.interface >> 16), (stack.to_owned(), sub_interface.to_owned()));
        found.push(format!("{text}{stack} {sub_interface}").replace("  ", " "));
    }
}

/// What decoding gives that belongs to a flow, in its order.
fn decoded(mut capture: Capture, separate: Separate) -> Vec<String> {
    let mut decoder = Decoder::new(DecodeOptions { separate });
    let mut found = Vec::new();
    let mut places = Named::new();
    while let Some(frame) = capture.next_frame() {
        let mut of_frame = Vec::new();
        while let Some(earlier) = decoder.before(&frame) {
            of_frame.push((earlier.vantage, canonical(&earlier, "", "")));
        }
        name(&decoder, &mut of_frame, &mut found, &mut places);
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                of_frame.push((segment.vantage, canonical(&segment, "", "")));
                while let Some(further) = decoder.more(&frame) {
                    of_frame.push((further.vantage, canonical(&further, "", "")));
                }
            }
            Decoded::IcmpQuote(quote) => found.push(format!("{quote:?}")),
            Decoded::ShortHeader { src, dst, tenant } => found.push(format!("{:?} {src} {dst} {tenant}", frame.id)),
            Decoded::Waits | Decoded::Skipped(_) | Decoded::Malformed(_) => {}
        }
        name(&decoder, &mut of_frame, &mut found, &mut places);
        while let Some(datagram) = decoder.next_incomplete() {
            found.push(format!("{datagram:?}"));
        }
    }
    decoder.end();
    let mut last = Vec::new();
    while let Some(earlier) = decoder.after_last() {
        last.push((earlier.vantage, canonical(&earlier, "", "")));
    }
    name(&decoder, &mut last, &mut found, &mut places);
    decoder.give_up();
    while let Some(datagram) = decoder.next_incomplete() {
        found.push(format!("{datagram:?}"));
    }
    let names: BTreeSet<_> = places.values().collect();
    assert_eq!(names.len(), places.len(), "a place has one number and one name");
    found
}

/// The same out of rows.
fn read_back(octets: &[u8]) -> Vec<String> {
    let mut stream = Stream::open(octets).unwrap();
    let mut places = Places::default();
    let mut found = Vec::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        let mut vantages = Vec::new();
        let begin = found.len();
        for row in batch.rows(&mut places).unwrap() {
            match row.unwrap().content {
                Content::Segment(segment) => {
                    vantages.push((found.len(), segment.vantage));
                    found.push(canonical(&segment, "", ""));
                }
                Content::IcmpQuote(quote) => found.push(format!("{quote:?}")),
                Content::IncompleteDatagram(datagram) => found.push(format!("{datagram:?}")),
                Content::ShortHeader { frame, src, dst, tenant, .. } => found.push(format!("{frame:?} {src} {dst} {tenant}")),
                Content::Fact(_) | Content::OtherFrame { .. } | Content::Server { .. } => {}
            }
        }
        assert!(found.len() >= begin);
        for (at, vantage) in vantages {
            let (stack, sub_interface) = (places.stack(vantage.stack), places.sub_interface(vantage.interface));
            found[at] = format!("{}{stack} {sub_interface}", found[at]).replace("  ", " ");
        }
    }
    found
}

#[test]
fn segment_of_every_fixture_is_the_same_after_it_was_a_row() {
    let everything = Separate { vlan: true, vni: true, interface: true };
    let mut segments = 0;
    let mut kinds = BTreeSet::new();
    for path in fixtures() {
        for separate in [Separate::default(), everything] {
            let settings = Settings { separate, ..Settings::default() };
            let (octets, account) = written(open(std::slice::from_ref(&path)).unwrap(), settings);
            let (before, after) = (decoded(open(std::slice::from_ref(&path)).unwrap(), separate), read_back(&octets));
            assert_eq!(before.len(), after.len(), "{}", path.display());
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(before, after, "{}", path.display());
                kinds.insert(before.split([' ', '(']).next().unwrap().to_owned());
            }
            segments += account.segments;
        }
    }
    assert!(segments > 20_000, "{segments}");
    assert!(kinds.contains("Segment") && kinds.contains("IncompleteDatagram"), "{kinds:?}");
}

/// An Ethernet frame with an IPv4 packet of `protocol` from 10.0.0.1 to 10.0.0.2.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    let header = [0x45, 0, high, low, 0, 7, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&ethernet[..], &header, payload].concat()
}

/// A pcap file with a frame each second.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for (second, frame) in (1_700_000_000_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap();
        file.extend([second, 0, length, length].into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    file
}

#[test]
fn icmp_error_and_damaged_header_are_the_same_after_they_were_rows() {
    let quoted = &ipv4(6, &[0x9c, 0x40, 0, 80, 0xff, 0, 0, 9])[14..];
    let errors = [[3, 1, 0, 0], [3, 4, 0x05, 0xdc], [11, 0, 0, 0], [12, 3, 0, 0], [3, 13, 0, 0]];
    let mut frames: Vec<_> =
        errors.iter().map(|[kind, code, mtu @ ..]| ipv4(1, &[&[*kind, *code, 0, 0, 0, 0], &mtu[..], quoted].concat())).collect();
    frames.push(ipv4(6, &[0x9c, 0x40, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x40, 2, 1, 0, 0, 0, 0, 0]));
    frames.push(ipv4(17, &[0; 8]));
    let file = pcap(&frames);
    let (octets, account) = written(of_octets(file.clone()), Settings::default());
    let before = decoded(of_octets(file), Separate::default());
    assert_eq!(before, read_back(&octets));
    for part in ["Unreachable(1)", "PacketTooBig(1500)", "TimeExceeded", "Other(12, 3)", "Unreachable(13)", "10.0.0.1:40000"] {
        assert!(before.iter().any(|text| text.contains(part)), "{part}: {before:?}");
    }
    assert_eq!(account.frames[&(0, "skipped", "icmp error")], 5);
    assert_eq!(account.frames[&(0, "skipped", "udp")], 1);
    assert_eq!(account.frames[&(0, "malformed", "tcp: header length below 20")], 1);
}

#[test]
fn every_frame_is_in_the_account_and_the_report_counts_the_same() {
    for path in fixtures() {
        let (_, account) = written(open(std::slice::from_ref(&path)).unwrap(), Settings::default());
        let report =
            analyze(open(std::slice::from_ref(&path)).unwrap(), &AnalysisOptions::default(), &AtomicBool::new(false), &mut |_, _| {});
        let sum = |what: &str| account.frames.iter().filter(|((_, known, _), _)| *known == what).map(|(_, count)| count).sum::<u64>();
        let name = path.display();
        assert_eq!(sum("segment") + sum("skipped") + sum("malformed"), report.capture.frames, "{name}");
        assert_eq!(account.summary.inputs[0].frames, report.capture.frames, "{name}");
        assert_eq!(account.segments, report.capture.tcp_segments, "{name}");
        for ((_, what, reason), count) in account.frames.iter().filter(|((_, what, _), _)| *what != "segment") {
            let counts = if *what == "skipped" { &report.capture.skipped } else { &report.capture.malformed };
            assert_eq!(counts.get(*reason), Some(count), "{name}: {what} {reason}");
        }
        assert_eq!(account.is_complete(), report.complete, "{name}");
    }
}

#[test]
fn flow_has_one_hash_in_both_directions_at_every_capture_point_and_its_rows_are_in_order() {
    let paths: Vec<PathBuf> =
        fixtures().into_iter().filter(|path| path.parent().is_some_and(|directory| directory.ends_with("lab"))).collect();
    for path in &paths {
        let (octets, _) = written(open(std::slice::from_ref(path)).unwrap(), Settings::default());
        let mut stream = Stream::open(&octets[..]).unwrap();
        let mut places = Places::default();
        let mut hashes: BTreeMap<_, i64> = BTreeMap::new();
        let mut last: BTreeMap<i64, _> = BTreeMap::new();
        while let Some(batch) = stream.next_batch().unwrap() {
            for row in batch.rows(&mut places).unwrap() {
                let row = row.unwrap();
                let Content::Segment(segment) = row.content else { continue };
                let mut ends = [segment.src, segment.dst];
                ends.sort();
                assert_eq!(*hashes.entry(ends).or_insert(row.flow_hash), row.flow_hash);
                let place = (row.order, segment.frame, row.part);
                let before = last.insert(row.flow_hash, place);
                assert!(before.is_none_or(|before| before < place), "{}: {before:?} {place:?}", path.display());
                assert!(row.order >= segment.time);
            }
        }
        let distinct: BTreeSet<_> = hashes.values().collect();
        assert_eq!(distinct.len(), hashes.len());
    }
}

#[test]
fn rows_of_several_inputs_sorted_by_their_place_are_in_the_order_of_the_report() {
    let lab = package().join("fixtures/lab");
    let paths = ["t08-good-pool.pcap", "t01-blind-10s-client.pcap", "t03-blindproxy-multi.pcapng"].map(|name| lab.join(name));
    let (octets, account) = written(open(&paths).unwrap(), Settings { first_file: 7, ..Settings::default() });
    let mut stream = Stream::open(&octets[..]).unwrap();
    let mut places = Places::default();
    let mut found = Vec::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        for row in batch.rows(&mut places).unwrap() {
            let row = row.unwrap();
            if let Content::Segment(segment) = row.content {
                found.push((row.order, segment.frame.file(), segment.frame.number(), row.part));
            }
        }
    }
    assert_eq!(found.len() as u64, account.segments);
    assert!(found.is_sorted());
    let files: BTreeSet<u32> = found.iter().map(|(_, file, ..)| *file).collect();
    assert_eq!(files.into_iter().collect::<Vec<_>>(), [7, 8, 9]);
}

#[test]
fn stream_that_is_cut_anywhere_is_never_whole() {
    let (octets, _) = written(open(&[package().join(FIXTURE)]).unwrap(), Settings::default());
    let (rows, complete) = read(&octets).unwrap();
    assert!(rows > 20 && complete);
    let last_messages = octets.len() - 10_000; // the schema's columns take most of a message
    for length in (0..last_messages).step_by(97).chain((last_messages..octets.len()).step_by(4)) {
        assert!(read(&octets[..length]).is_err(), "cut at {length} of {}", octets.len());
    }
}

#[test]
fn stream_without_its_end_row_or_with_more_after_it_is_refused() {
    use arrow_array::RecordBatch;
    use arrow_ipc::reader::StreamReader;
    use arrow_ipc::writer::StreamWriter;

    let (octets, _) = written(open(&[package().join(FIXTURE)]).unwrap(), Settings::default());
    let reader = StreamReader::try_new(&octets[..], None).unwrap();
    let schema = reader.schema();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    let write = |schema: &arrow_schema::Schema, batches: &[RecordBatch]| {
        let mut octets = Vec::new();
        let mut writer = StreamWriter::try_new(&mut octets, schema).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.finish().unwrap();
        drop(writer);
        octets
    };
    let count = batches.len();
    assert!(read(&write(&schema, &batches)).is_ok());
    // what a feeder leaves that dies between two batches, but with the marker of a proper end
    let dead = write(&schema, &batches[..count - 1]);
    assert!(matches!(read(&dead), Err(DatasetError::NoEnd(rows)) if rows > 20));
    assert!(matches!(read(&write(&schema, &batches[1..])), Err(DatasetError::Count { .. })), "a batch was lost");
    let twice: Vec<RecordBatch> = batches.iter().chain(&batches).cloned().collect();
    assert!(matches!(read(&write(&schema, &twice)), Err(DatasetError::AfterEnd)));
    let other = schema.as_ref().clone().with_metadata(HashMap::from([("afterfin.schema".to_owned(), "afterfin.segments/2".to_owned())]));
    assert!(matches!(read(&write(&other, &[])), Err(DatasetError::Schema(version)) if version == "afterfin.segments/2"));
    let bare = schema.as_ref().clone().with_metadata(HashMap::<String, String>::new());
    assert!(matches!(read(&write(&bare, &[])), Err(DatasetError::Schema(_))));
    let columns: Vec<usize> = (0..schema.fields().len() - 4).collect();
    let few: Vec<RecordBatch> = batches.iter().map(|batch| batch.project(&columns).unwrap()).collect();
    assert!(matches!(read(&write(few[0].schema().as_ref(), &few)), Err(DatasetError::Column("item", _))));
}

#[test]
fn octets_that_were_changed_make_an_error_or_other_rows_but_no_panic() {
    let (octets, _) = written(open(&[package().join(FIXTURE)]).unwrap(), Settings::default());
    let mut refused = 0;
    let mut changed = octets.clone();
    for (at, original) in octets.iter().enumerate().step_by(29) {
        for octet in [0, 1, 0x7f, 0xff] {
            changed[at] = octet;
            refused += u32::from(read(&changed).is_err());
        }
        changed[at] = *original;
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn batches_are_bounded_and_memory_does_not_follow_the_capture() {
    let (capture, totals) = Workload::new(Kind::Web, 1000).octets(Container::Pcap);
    let (octets, account) = written(of_octets(capture), Settings::default());
    assert_eq!(account.segments, totals.packets);
    let mut stream = Stream::open(&octets[..]).unwrap();
    let (mut batches, mut largest, mut places) = (0, 0, Places::default());
    while let Some(batch) = stream.next_batch().unwrap() {
        batches += 1;
        largest = largest.max(batch.rows(&mut places).unwrap().count());
    }
    assert!(batches > 3 && largest == BATCH_ROWS, "{batches} {largest}");
}

#[test]
fn interrupted_reading_ends_with_rows_that_say_so() {
    let mut octets = Vec::new();
    let capture = open(&[package().join(FIXTURE)]).unwrap();
    let account = dataset::write_stream(capture, Settings::default(), &mut octets, &AtomicBool::new(true), &mut |_, _| {}).unwrap();
    assert!(account.stopped);
    let (_, complete) = read(&octets).unwrap();
    assert!(!complete);
}

#[test]
fn headers_only_leaves_payload_out_and_nothing_else() {
    let of = |headers_only| written(open(&[package().join(FIXTURE)]).unwrap(), Settings { headers_only, ..Settings::default() }).0;
    let (with, without) = (of(false), of(true));
    assert!(with.windows(5).any(|window| window == b"GET /"));
    assert!(!without.windows(5).any(|window| window == b"GET /"));
    let (with, without) = (read_back(&with), read_back(&without));
    let blank = |text: &String| text.split("head: ").next().unwrap().to_owned();
    assert_eq!(with.iter().map(blank).collect::<Vec<_>>(), without.iter().map(blank).collect::<Vec<_>>());
}

fn afterfin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(package()).stdin(Stdio::null()).env("AFTERFIN_CONFIG", "");
    command
}

fn run(arguments: &[&str]) -> Output {
    afterfin().args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What the rows tell of the inputs: by item, its words and number.
fn inputs(octets: &[u8]) -> BTreeMap<(i32, String), (Option<String>, Option<i64>)> {
    let mut stream = Stream::open(octets).unwrap();
    let mut places = Places::default();
    let mut found = BTreeMap::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        for row in batch.rows(&mut places).unwrap() {
            if let Content::Fact(fact) = row.unwrap().content
                && fact.kind == RowKind::Input
            {
                found.insert((fact.file, fact.item.to_owned()), (fact.text.map(str::to_owned), fact.number));
            }
        }
    }
    found
}

#[test]
fn damaged_capture_in_the_middle_of_the_list_gives_what_was_read_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (capture, totals) = Workload::new(Kind::Web, 40).octets(Container::Pcap);
    fs::write(path("b.pcap"), &capture[..capture.len() * 2 / 3]).unwrap();
    for (name, fixture) in [("a.pcap", FIXTURE), ("c.pcap", "fixtures/lab/t08-good-pool.pcap")] {
        fs::copy(package().join(fixture), path(name)).unwrap();
    }
    let output = afterfin().arg("segments").arg("--hash").args(["a.pcap", "b.pcap", "c.pcap"].map(path)).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("b.pcap: "));
    let (_, complete) = read(&output.stdout).unwrap();
    assert!(!complete);
    let inputs = inputs(&output.stdout);
    let of = |file: i32, item: &str| inputs.get(&(file, item.to_owned())).cloned();
    let damaged = (0..3).find(|file| of(*file, "name").unwrap().0.unwrap().ends_with("b.pcap")).unwrap();
    for file in 0..3 {
        let sound = file != damaged;
        assert_eq!(of(file, "complete"), Some((None, Some(i64::from(sound)))));
        assert_eq!(of(file, "problem").is_none(), sound);
        assert!(of(file, "sha256").is_some());
        let frames = of(file, "frames").unwrap().1.unwrap();
        assert!(frames > 0 && (sound || frames < i64::try_from(totals.packets).unwrap()));
    }
    let unreadable = run(&["segments", "Cargo.toml"]);
    assert_eq!((unreadable.status.code(), unreadable.stdout.len()), (Some(2), 0), "not even a schema: no stream at all");
}

#[test]
fn standard_output_that_is_closed_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("web.pcap");
    fs::write(&capture, Workload::new(Kind::Web, 1000).octets(Container::Pcap).0).unwrap();
    let mut child = afterfin().arg("segments").arg(&capture).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut head = [0; 1000];
    pipe.read_exact(&mut head).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stderr.is_empty());
}

#[test]
fn standard_input_and_compressed_files_give_the_same_rows() {
    let plain = read_back(&run(&["segments", "fixtures/formats/plain.pcap"]).stdout);
    assert!(!plain.is_empty());
    assert_eq!(read_back(&run(&["segments", "fixtures/formats/plain.pcap.zst"]).stdout), plain);
    let stdin = fs::File::open(package().join("fixtures/formats/plain.pcap.gz")).unwrap();
    let output = afterfin().args(["segments", "-"]).stdin(stdin).output().unwrap();
    assert_eq!(read_back(&output.stdout), plain);
    assert_eq!(inputs(&output.stdout)[&(0, "name".to_owned())].0.as_deref(), Some("<stdin>"));
}

#[test]
fn output_file_appears_whole_and_is_never_overwritten_unasked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rows.arrows");
    let write = |more: &[&str]| afterfin().args(["segments", FIXTURE, "-o"]).arg(&file).args(more).output().unwrap();
    let output = write(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{}", stderr(&output));
    assert_eq!(fs::read(&file).unwrap(), run(&["segments", FIXTURE]).stdout);
    fs::write(&file, "precious").unwrap();
    let refused = write(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).ends_with("rows.arrows: exists; --force overwrites it\n"));
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert_eq!(write(&["--force"]).status.code(), Some(0));
    assert!(read(&fs::read(&file).unwrap()).is_ok());
    let capture = directory.path().join("a.pcap");
    fs::copy(package().join(FIXTURE), &capture).unwrap();
    let own = afterfin().arg("segments").arg(&capture).arg("--force").arg("-o").arg(&capture).output().unwrap();
    assert_eq!(own.status.code(), Some(2));
    assert!(stderr(&own).contains("is an input"));
    let in_directory = afterfin().args(["segments", "--recursive", "--force", "-o"]).arg(&capture).arg(directory.path()).output().unwrap();
    assert_eq!(in_directory.status.code(), Some(2));
    assert!(stderr(&in_directory).contains("is an input"), "{}", stderr(&in_directory));
    assert_eq!(fs::read(&capture).unwrap(), fs::read(package().join(FIXTURE)).unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    for (arguments, message) in [
        (&["segments", "--first-file", "1048576", FIXTURE][..], "--first-file 1048576: inputs are numbered up to 1048575"),
        (&["segments", "no-such-file"], "no-such-file: no such file"),
        (&["segments", FIXTURE, "-o", "no-such-directory/rows"], "no-such-directory/rows: cannot be written: "),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).starts_with(&format!("afterfin: {message}")), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[cfg(not(feature = "parquet"))]
#[test]
fn program_without_parquet_says_how_to_get_it() {
    for arguments in [
        &["segments", "--parquet", "-o", "tables", FIXTURE][..],
        &["report", "--format", "parquet", FIXTURE],
        &["connections", "-o", "c.parquet", FIXTURE],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("cargo build --release --features parquet"), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[cfg(feature = "parquet")]
mod tables {
    use super::*;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use serde_json::Value;

    const NAMES: [&str; 6] = ["segments", "evidence", "frames", "interfaces", "names", "inputs"];

    /// Rows and the names of the columns.
    fn table(path: &Path) -> (usize, Vec<String>) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
        let names = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        (reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum(), names)
    }

    #[test]
    fn tables_have_the_rows_of_the_stream() {
        let directory = tempfile::tempdir().unwrap();
        for fixture in ["t01-blind-10s-client.pcap", "t04-dnat-drop-router-any.pcap", "t07-vxlan-underlay.pcap"] {
            let input = format!("fixtures/lab/{fixture}");
            let target = directory.path().join(fixture);
            let output = afterfin().args(["segments", "--parquet", &input, "-o"]).arg(&target).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let (_, account) = written(open(&[package().join(&input)]).unwrap(), Settings::default());
            let of = |name: &str| table(&target.join(format!("{name}.parquet")));
            assert_eq!(of("segments").0 as u64, account.segments);
            assert_eq!((of("frames").0, of("inputs").0), (account.frames.len(), 1));
            let quotes = account.frames.iter().filter(|((.., reason), _)| *reason == "icmp error").map(|(_, count)| count).sum::<u64>();
            assert_eq!(of("evidence").0 as u64, quotes + account.incomplete_datagrams);
            assert_eq!(fs::read_dir(&target).unwrap().count(), NAMES.len());
        }
    }

    #[test]
    fn tables_are_never_overwritten_unasked_and_appear_together() {
        let directory = tempfile::tempdir().unwrap();
        let write = |input: &str, more: &[&str]| {
            afterfin().args(["segments", "--parquet", input, "-o"]).arg(directory.path()).args(more).output().unwrap()
        };
        fs::write(directory.path().join("names.parquet"), "precious").unwrap();
        fs::write(directory.path().join("mine.parquet"), "mine").unwrap();
        let refused = write(FIXTURE, &[]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("names.parquet: exists; --force overwrites it"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing was begun");
        assert_eq!(write("Cargo.toml", &["--force"]).status.code(), Some(2));
        assert_eq!(fs::read(directory.path().join("names.parquet")).unwrap(), b"precious", "a job that cannot begin replaces nothing");
        assert_eq!(write(FIXTURE, &["--force"]).status.code(), Some(0));
        assert_eq!(fs::read(directory.path().join("mine.parquet")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), NAMES.len() + 1, "no temporary file is left");
        assert!(table(&directory.path().join("segments.parquet")).0 > 0);
        let nowhere = run(&["segments", "--parquet", FIXTURE]);
        assert!(stderr(&nowhere).contains("name a directory"), "{}", stderr(&nowhere));
    }

    /// The fields of the schema's object, those of objects in it with both names.
    fn fields(schema: &Value, object: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let resolve = |value: &Value| match value["$ref"].as_str() {
            Some(name) => schema["$defs"][name.trim_start_matches("#/$defs/")].clone(),
            None => value.clone(),
        };
        for (name, value) in schema["$defs"][object]["properties"].as_object().unwrap() {
            found.insert(name.clone());
            let mut value = resolve(value);
            if let Some(choices) = value["anyOf"].as_array() {
                value = resolve(&choices[0]);
            }
            for inner in value["properties"].as_object().into_iter().flatten() {
                found.insert(format!("{name}_{}", inner.0));
            }
        }
        found
    }

    #[test]
    fn tables_of_findings_and_connections_have_the_names_of_the_report_contract() {
        let directory = tempfile::tempdir().unwrap();
        let schema: Value = serde_json::from_str(&fs::read_to_string(package().join("docs/report.schema.json")).unwrap()).unwrap();
        for (command, file, object, list) in
            [("connections", "connections.parquet", "connection", "connections"), ("report", "findings.parquet", "finding", "findings")]
        {
            let target = directory.path().join(file);
            let output = afterfin().args([command, FIXTURE, "-o"]).arg(&target).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let (rows, names) = table(&target);
            let report: Value = serde_json::from_slice(&run(&["report", FIXTURE, "--format", "json"]).stdout).unwrap();
            assert_eq!(rows, report[list].as_array().unwrap().len());
            let known = fields(&schema, object);
            for name in &names {
                assert!(known.contains(name.trim_end_matches("_ns")), "{file}: {name} is no field of the report");
            }
            for needed in schema["$defs"][object]["required"].as_array().unwrap() {
                let needed = needed.as_str().unwrap();
                let has = names.iter().any(|name| name.trim_end_matches("_ns") == needed || name.starts_with(&format!("{needed}_")));
                assert!(has || matches!(needed, "legs" | "evidence"), "{file} has nothing of {needed}");
            }
        }
    }
}

/// Input, interface, words and number.
type Told = (i32, Option<i32>, Option<String>, Option<i64>);

fn fact_of(octets: &[u8], kind: RowKind, item: &str) -> Vec<Told> {
    let mut stream = Stream::open(octets).unwrap();
    let mut places = Places::default();
    let mut found = Vec::new();
    while let Some(batch) = stream.next_batch().unwrap() {
        for row in batch.rows(&mut places).unwrap() {
            if let Content::Fact(fact) = row.unwrap().content
                && (fact.kind, fact.item) == (kind, item)
            {
                found.push((fact.file, fact.interface, fact.text.map(str::to_owned), fact.number));
            }
        }
    }
    found
}

#[test]
fn one_of_many_has_a_row_and_a_hash_for_every_frame_and_counts_them() {
    for path in fixtures() {
        let settings = Settings { first_file: 5, one_of_many: true, ..Settings::default() };
        let (octets, account) = written(open(std::slice::from_ref(&path)).unwrap(), settings);
        let name = path.display();
        let mut stream = Stream::open(&octets[..]).unwrap();
        let mut places = Places::default();
        let (mut rows, mut frames) = (0, BTreeSet::new());
        while let Some(batch) = stream.next_batch().unwrap() {
            for row in batch.rows(&mut places).unwrap() {
                let row = row.unwrap();
                rows += i64::from(row.flow_hash != 0);
                let frame = match row.content {
                    Content::Segment(segment) => segment.frame,
                    Content::IcmpQuote(quote) => quote.frame,
                    Content::ShortHeader { frame, .. } | Content::OtherFrame { frame, .. } => frame,
                    Content::IncompleteDatagram(datagram) => datagram.frame,
                    Content::Server { frame, .. } => {
                        assert_eq!((row.flow_hash, frame.file()), (0, 5), "{name}");
                        continue;
                    }
                    Content::Fact(fact) => {
                        assert_eq!((row.flow_hash, fact.file), (0, 5), "{name}: {}", fact.item);
                        continue;
                    }
                };
                assert!(row.frame_hash.is_some_and(|hash| hash != 0), "{name}: {frame:?}");
                frames.insert(frame);
            }
        }
        assert_eq!(frames.len() as u64, account.summary.inputs[0].frames, "{name}");
        assert_eq!(fact_of(&octets, RowKind::Input, "rows"), [(5, None, None, Some(rows))], "{name}");
        let plain = written(open(std::slice::from_ref(&path)).unwrap(), Settings { first_file: 5, ..Settings::default() }).0;
        assert_eq!(read_back(&octets), read_back(&plain), "{name}");
        assert_eq!(fact_of(&plain, RowKind::Input, "rows"), []);
    }
}

#[test]
fn one_of_many_that_cannot_be_opened_is_told_in_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "no capture at all, only words\n").unwrap();
    for (path, says) in [(path, "pcap"), (folder.path().join("absent.pcap"), "")] {
        let output = run(&["segments", "--one-of-many", "--first-file", "2", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let (_, complete) = read(&output.stdout).unwrap();
        assert!(!complete);
        let problems = fact_of(&output.stdout, RowKind::Input, "problem");
        assert!(matches!(&problems[..], [(2, None, Some(text), Some(1))] if text.contains(says)), "{problems:?}");
        assert_eq!(fact_of(&output.stdout, RowKind::Input, "rows"), [(2, None, None, Some(0))]);
    }
    for (arguments, says) in [
        (vec!["--one-of-many", FIXTURE, FIXTURE], "reads one input"),
        (vec!["--one-of-many", "--separate", "interface", FIXTURE], "--separate interface"),
        (vec!["--one-of-many", "--parquet", "-o", "x", FIXTURE], "--parquet"),
    ] {
        let output = run(&[&["segments"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(says) && output.stdout.is_empty(), "{}", stderr(&output));
    }
}

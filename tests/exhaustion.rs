//! Captures made to exhaust: each is piped into the program, whose address space is limited, and must give a report within it, at a time per
//! frame that stays flat. A plain run is small; `AFTERFIN_SCALE=1000` is the full size (10 million 4-tuples, a million gaps …), for which
//! `AFTERFIN_BINARY` should name an optimised build. The figures are printed (`--nocapture`).

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share
#![allow(clippy::print_stdout, clippy::disallowed_methods)] // it measures, and prints the figures

use std::fs;
use std::io::{self, BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

#[cfg(feature = "arrow")]
mod job;

/// One after the other: each is measured.
static TURN: Mutex<()> = Mutex::new(());
/// A pcap header: Ethernet, little-endian, microseconds.
const HEADER: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
/// What the program needs before it has read anything (its code, its threads' stacks) is well below this.
const GROUND_MIB: u64 = 300;
/// Later frames may take so many times as long as earlier ones: the machine has other work, and caches fill.
const FLAT: f64 = 5.0;

fn scale() -> u64 {
    std::env::var("AFTERFIN_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn program() -> String {
    std::env::var("AFTERFIN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_afterfin").to_owned())
}

/// A child whose address space is limited to so many MiB.
fn limited(mib: u64, arguments: &str) -> Child {
    let script = format!("ulimit -v {}; exec '{}' {arguments}", mib * 1024, program());
    Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The largest resident size so far, in KiB.
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").trim().parse().ok()
}

/// Processor time of a process so far, in ticks of 10 ms (proc(5): fields 14 and 15, counted behind the name in brackets).
fn ticks(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<u64> = stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0)
}

/// What came out of one run.
struct Run {
    output: Output,
    report: Value,
}

/// As [`feed_for`], with a report for programs.
fn feed(what: &str, mib: u64, head: &[u8], units: u64, write: impl Fn(u64, &mut BufWriter<ChildStdin>) -> io::Result<()>) -> Run {
    feed_for("--format json -", what, mib, head, units, write)
}

/// Pipes `units` units (`write(number)` writes one of them) into a limited child and prints what it took.
fn feed_for(
    arguments: &str,
    what: &str,
    mib: u64,
    head: &[u8],
    units: u64,
    write: impl Fn(u64, &mut BufWriter<ChildStdin>) -> io::Result<()>,
) -> Run {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut child = limited(mib, arguments);
    let mut stdin = BufWriter::with_capacity(1 << 16, child.stdin.take().unwrap());
    let (id, peak, over) = (child.id(), AtomicU64::new(0), AtomicBool::new(false));
    let began = Instant::now();
    let (mut half, mut all, mut fed) = (0, 0, Duration::ZERO);
    let output = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(resident(id).unwrap_or(0), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(10)); // between two looks at its memory; nothing waits for it
            }
        });
        // a program that fails takes no more; what it says is looked at below
        let written = stdin.write_all(head).and_then(|()| {
            for number in 0..units {
                if number == units / 2 {
                    half = ticks(id);
                }
                write(number, &mut stdin)?;
            }
            stdin.flush()
        });
        (all, fed) = (ticks(id), began.elapsed());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        over.store(true, Ordering::Relaxed);
        if let Err(error) = written {
            println!("{what}: the program stopped reading: {error}");
        }
        output
    });
    let total = began.elapsed();
    let later = all.saturating_sub(half) as f64 / half.max(1) as f64;
    println!(
        "{what}: {units} in {:.2} s, {:.2} µs of processor each, report after {:.2} s, peak {} MiB of {mib} MiB, later half / earlier half {later:.2}",
        fed.as_secs_f64(),
        all as f64 * 1e4 / units.max(1) as f64,
        total.as_secs_f64(),
        peak.load(Ordering::Relaxed) / 1024,
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code <= 2), "{what}: {:?}: {said}", output.status);
    // where not one frame could be read there is no report, but a sentence
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert!(!output.stdout.is_empty() || said.starts_with("afterfin: "), "{what}: {said}");
    if half > 50 {
        assert!(later < FLAT, "{what}: later frames take {later:.1} times as long");
    }
    Run { output, report }
}

/// The text report says how many connections there were, thousands apart.
fn assert_counts(run: &Run, connections: u64) {
    let text = String::from_utf8_lossy(&run.output.stdout).into_owned();
    let said = format!("{} connections", afterfin::render::format::count(connections));
    assert!(text.contains(&said), "{said}: {text}");
}

fn microseconds(time: u64) -> [u8; 8] {
    let seconds = u32::try_from(1_790_000_000 + time / 1_000_000).unwrap().to_le_bytes();
    let fraction = u32::try_from(time % 1_000_000).unwrap().to_le_bytes();
    let mut octets = [0; 8];
    octets[..4].copy_from_slice(&seconds);
    octets[4..].copy_from_slice(&fraction);
    octets
}

fn record(out: &mut impl Write, time: u64, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
    out.write_all(&microseconds(time))?;
    out.write_all(&length)?;
    out.write_all(&length)?;
    out.write_all(frame)
}

/// An Ethernet frame with a TCP segment.
fn segment(source: u32, source_port: u16, from_client: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (client, server) = ((source.to_be_bytes(), source_port.to_be_bytes()), ([10, 255, 0, 1], 80_u16.to_be_bytes()));
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let total = u16::try_from(40 + payload.len()).unwrap().to_be_bytes();
    let mut frame = Vec::with_capacity(64 + payload.len());
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.0);
    frame.extend(to.0);
    frame.extend(from.1);
    frame.extend(to.1);
    frame.extend(seq.to_be_bytes());
    frame.extend(ack.to_be_bytes());
    frame.extend([0x50, flags, 0x10, 0, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

const CLIENT: (u32, u16) = (0x0a00_0001, 40_000);
const SYN: u8 = 2;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;

fn low(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).unwrap()
}

#[test]
fn syn_flood_of_many_endpoints_is_counted() {
    let units = 10_000 * scale();
    // what one connection takes (docs/limits.md), and as much again where a table grows; never more than `--max-memory` and its surroundings
    let limit = GROUND_MIB + (units * 12 / 1_000).min(3_000);
    let run = feed_for("--format text -", "SYN flood", limit, &HEADER, units, |number, out| {
        record(
            out,
            number,
            &segment(0x0a00_0000 + low(number / 50_000), u16::try_from(10_000 + number % 50_000).unwrap(), true, low(number), 0, SYN, b""),
        )
    });
    assert_counts(&run, units);
    assert_eq!(run.output.status.code(), Some(0));
}

#[test]
fn flow_keys_that_differ_in_one_octet_do_not_collide() {
    let units = 5_000 * scale();
    let limit = GROUND_MIB + units * 12 / 1_000;
    // the same ports, addresses 2¹⁶ apart: their low bits are all alike
    let run = feed_for("--format text -", "alike flow keys", limit, &HEADER, units, |number, out| {
        record(out, number, &segment(low(number << 16) | low(number >> 16), 40_000, true, 1, 0, SYN, b""))
    });
    assert_counts(&run, units);
}

#[test]
fn one_connection_with_many_segments_takes_no_memory_for_them() {
    let units = 10_000 * scale();
    let run = feed("one connection", GROUND_MIB, &HEADER, units, |number, out| {
        record(out, number * 10, &segment(CLIENT.0, CLIENT.1, true, low(number * 4), 1, PSH_ACK, b"data"))
    });
    assert_eq!(run.report["connections"][0]["client_to_server"]["segments"], units);
    assert_eq!(run.report["connections"][0]["client_to_server"]["unique_octets"], units * 4);
}

#[test]
fn one_connection_with_many_gaps_keeps_the_longest_few() {
    let units = 1_000 * scale();
    let run = feed("gaps", GROUND_MIB, &HEADER, units, |number, out| {
        let time = number * 1_500_000;
        record(out, time, &segment(CLIENT.0, CLIENT.1, true, low(number * 18), low(number * 4), PSH_ACK, b"GET / HTTP/1.0\r\n\r\n"))?;
        record(out, time + 1_000, &segment(CLIENT.0, CLIENT.1, false, low(number * 4), low(number * 18 + 18), PSH_ACK, b"done"))
    });
    assert!(run.report["connections"][0]["idle_gaps"]["count"].as_u64().unwrap() >= units - 1);
    assert!(run.report["connections"][0]["idle_gaps"]["gaps"].as_array().unwrap().len() < 20);
}

#[test]
fn one_connection_with_many_probes_counts_them() {
    let units = 1_000 * scale();
    let run = feed("probes", GROUND_MIB, &HEADER, units + 1, |number, out| {
        let time = number * 10_000_000;
        if number == 0 {
            record(out, 0, &segment(CLIENT.0, CLIENT.1, true, 100, 500, PSH_ACK, b"x"))?;
            return record(out, 1, &segment(CLIENT.0, CLIENT.1, false, 500, 101, ACK, b""));
        }
        record(out, time, &segment(CLIENT.0, CLIENT.1, true, 100, 500, ACK, b""))?;
        record(out, time + 100, &segment(CLIENT.0, CLIENT.1, false, 500, 101, ACK, b""))
    });
    assert_eq!(run.report["connections"][0]["client_to_server"]["keepalive_probes"], units);
}

#[test]
fn one_connection_with_holes_everywhere_stays_small() {
    let units = 5_000 * scale();
    // every other segment is missing, and each half of the space comes from the end backwards
    let run = feed("reordering", GROUND_MIB, &HEADER, units, |number, out| {
        let block = number / 1_000 * 1_000 + (999 - number % 1_000);
        record(out, number * 10, &segment(CLIENT.0, CLIENT.1, true, low(block * 8), 1, PSH_ACK, b"data"))
    });
    assert_eq!(run.report["connections"][0]["client_to_server"]["segments"], units);
}

#[test]
fn deep_tunnels_end_at_a_bound() {
    let units = 100 * scale();
    // 3,000 IPv4 headers in one another, and as many VLAN tags
    let mut nested = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    for depth in 0..3_000_u16 {
        let total = (20 * (3_000 - depth)).to_be_bytes();
        nested.extend([0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    }
    let tagged = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &[0x81, 0, 0, 7].repeat(15_000)].concat();
    let run = feed("deep tunnels", GROUND_MIB, &HEADER, units, |number, out| {
        record(out, number * 2, &nested)?;
        record(out, number * 2 + 1, &tagged)
    });
    assert_eq!(run.report["capture"]["frames"], units * 2);
    assert_eq!(run.report["capture"]["tcp_segments"], 0);
}

#[test]
fn fragments_that_never_end_are_given_up() {
    let units = 10_000 * scale();
    let run = feed("fragments", GROUND_MIB, &HEADER, units, |number, out| {
        let mut frame = segment(0x0a00_0000 | (low(number >> 16) & 0xff_ffff), 40_000, true, 1, 0, PSH_ACK, &[b'x'; 400]);
        frame[18..20].copy_from_slice(&u16::try_from(number & 0xffff).unwrap().to_be_bytes());
        // more fragments follow; every third is not the first
        frame[20..22].copy_from_slice(&[0x20 | u8::from(number % 3 == 0), 0]);
        record(out, number * 10, &frame)
    });
    assert_eq!(run.report["capture"]["frames"], units);
}

/// A pcapng block.
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(12 + body.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])
}

#[test]
fn pcapng_with_many_interfaces_is_read() {
    let units = 1_000 * scale();
    let run = feed("interfaces", GROUND_MIB + units * 2 / 1_000, &section(), units, |number, out| {
        out.write_all(&block(1, &[&[1, 0, 0, 0, 0, 0, 4, 0, 2, 0, 8, 0][..], format!("{number:08}").as_bytes(), &[0; 4]].concat()))?;
        let frame = segment(CLIENT.0, CLIENT.1, true, low(number * 4), 1, PSH_ACK, b"da");
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        out.write_all(&block(6, &[&low(number).to_le_bytes()[..], &[0; 8], &length, &length, &frame].concat()))
    });
    assert_eq!(run.report["capture"]["tcp_segments"], units);
}

#[test]
fn pcapng_with_many_names_keeps_a_bounded_number() {
    let units = 1_000 * scale();
    let run = feed("names", GROUND_MIB + units / 1_000, &section(), units, |number, out| {
        let name = format!("host-{number:019}\0\0\0\0");
        let record = [&[1, 0, 29, 0][..], &low(number).to_be_bytes(), &name.as_bytes()[..25], &[0; 3]].concat();
        out.write_all(&block(4, &[&record[..], &[0; 4]].concat()))
    });
    assert_eq!(run.report["complete"], true, "{}", String::from_utf8_lossy(&run.output.stderr));
}

#[test]
fn pcapng_with_names_of_a_megabyte_keeps_a_part_of_each() {
    // a block of a megabyte: sixteen addresses with a name as long as a record can be
    let units = 3 * scale();
    let long = vec![b'x'; 0xfff8];
    let run = feed("blocks of 1 MiB of names", GROUND_MIB + units / 20, &section(), units, |number, out| {
        let names = (0..16).flat_map(|at: u64| {
            let length = 0xfffc_u16.to_le_bytes();
            [&[1, 0, length[0], length[1]][..], &low(number * 16 + at).to_be_bytes(), &long].concat()
        });
        out.write_all(&block(4, &names.chain([0; 4]).collect::<Vec<u8>>()))
    });
    assert_eq!(run.report["complete"], true, "{}", String::from_utf8_lossy(&run.output.stderr));
    assert!(run.output.stdout.len() as u64 <= 20_000 + units * 16 * 300, "{} octets of report", run.output.stdout.len());
}

#[test]
fn block_of_two_gigabytes_is_stepped_over_without_keeping_it() {
    // a custom block that claims 2 GiB; of it, as much comes as the scale says
    let claims = 0x8000_0000_u32.to_le_bytes();
    let head = [section(), [&0x0bad_u32.to_le_bytes()[..], &claims].concat()].concat();
    let run = feed("block of 2 GiB", GROUND_MIB, &head, 3 * scale(), |_, out| out.write_all(&vec![0; 1 << 20]));
    // cut short, or without its length at the end: damage either way
    assert_eq!(run.output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&run.output.stderr).lines().count(), 1);
}

#[test]
fn record_of_two_gigabytes_is_damage() {
    let head = [&HEADER[..], &[0; 8], &0x7fff_ffff_u32.to_le_bytes(), &0x7fff_ffff_u32.to_le_bytes()].concat();
    let run = feed("record of 2 GiB", GROUND_MIB, &head, 3 * scale(), |_, out| out.write_all(&vec![0; 1 << 20]));
    assert_eq!(run.output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.output.stderr).contains("2147483647"), "{}", String::from_utf8_lossy(&run.output.stderr));
}

#[test]
fn decompression_bomb_ends_at_a_ratio_and_says_so() {
    let frame = segment(CLIENT.0, CLIENT.1, true, 1, 1, PSH_ACK, &[0; 1_400]);
    let mut content = Vec::new();
    while content.len() < 16 << 20 {
        record(&mut content, 0, &frame).unwrap();
    }
    let gzip = |octets: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    };
    // a block of 4 GiB that nobody needs, of which 64 MiB are stored in some 2 KiB
    let zeros = zstd::encode_all(&vec![0; 64 << 20][..], 19).unwrap();
    let member = gzip(&content);
    // the same record over and over is no bomb
    let run = feed("compressed repetition", GROUND_MIB, &gzip(&HEADER), 2 * scale(), |_, out| out.write_all(&member));
    assert_eq!(run.output.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.output.stderr));
    let head = zstd::encode_all(&section()[..], 1).unwrap();
    let run = feed(
        "bomb",
        GROUND_MIB,
        &[head, zstd::encode_all(&[&0x0bad_u32.to_le_bytes()[..], &0xffff_fffc_u32.to_le_bytes()].concat()[..], 1).unwrap()].concat(),
        64,
        |_, out| out.write_all(&zeros),
    );
    assert_eq!(run.output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&run.output.stderr).into_owned();
    assert!(said.contains("10000 times as long as what is stored"), "{said}");
}

/// The rows of a capture, in the order in which they come, and what belongs to none of them.
#[cfg(feature = "arrow")]
struct Rows {
    place: tempfile::TempDir,
    octets: Vec<u8>,
    many: u64,
}

#[cfg(feature = "arrow")]
impl Rows {
    /// Of a capture that the program reads from standard input. Its rows must be in the order of flows already.
    fn of(units: u64, write: impl Fn(u64, &mut BufWriter<ChildStdin>) -> io::Result<()> + Send) -> Self {
        use afterfin::dataset::schema;
        use arrow_ipc::{reader::StreamReader, writer::StreamWriter};

        let mut child = Command::new(program());
        child.args(["segments", "--one-of-many", "--first-file", "0", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut stdin = BufWriter::with_capacity(1 << 16, child.stdin.take().unwrap());
        let (mut rows, mut many, mut facts) = (StreamWriter::try_new(Vec::new(), &schema()).unwrap(), 0, Vec::new());
        thread::scope(|scope| {
            scope.spawn(move || {
                stdin.write_all(&HEADER).unwrap();
                (0..units).for_each(|number| write(number, &mut stdin).unwrap());
                stdin.flush().unwrap();
            });
            for batch in StreamReader::try_new(child.stdout.take().unwrap(), None).unwrap() {
                let batch = batch.unwrap();
                let of_flows = job::int64(&batch, "flow_hash").values().iter().take_while(|hash| **hash != 0).count();
                if of_flows > 0 {
                    rows.write(&batch.slice(0, of_flows)).unwrap();
                    many += of_flows;
                }
                facts.push(batch.slice(of_flows, batch.num_rows() - of_flows));
            }
        });
        assert!(child.wait().unwrap().success());
        let facts = arrow_select::concat::concat_batches(&schema(), &facts).unwrap();
        let place = tempfile::tempdir().unwrap();
        // the last of them is the end row
        fs::write(place.path().join("account"), job::whole(&facts.slice(0, facts.num_rows() - 1))).unwrap();
        rows.write(&job::end_row(many)).unwrap();
        rows.finish().unwrap();
        Self { place, octets: rows.into_inner().unwrap(), many: many as u64 }
    }

    fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    /// Makes a partial report of them in a limited child.
    fn reduce(&self, what: &str, mib: u64) {
        let octets = |number: u64| usize::try_from(self.octets.len() as u64 * number / self.many).unwrap();
        let run = feed_for(&format!("reduce --inputs '{}'", self.path("account")), what, mib, &[], self.many, |number, out| {
            out.write_all(&self.octets[octets(number)..octets(number + 1)])
        });
        assert_eq!(run.output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&run.output.stderr));
        println!("{what}: {} octets of partial report", run.output.stdout.len());
        fs::write(self.path("partial"), &run.output.stdout).unwrap();
    }

    /// Merges a partial report in a limited child.
    fn merge(&self, what: &str, mib: u64, partial: &str) -> Run {
        let arguments = format!("merge --format text --inputs '{}' '{}'", self.path("account"), self.path(partial));
        feed_for(&arguments, what, mib, &[], 0, |_, _| Ok(()))
    }
}

#[test]
#[cfg(feature = "arrow")]
fn reduce_of_one_flow_with_many_rows_takes_no_memory_for_them() {
    let units = 10_000 * scale();
    let rows =
        Rows::of(units, |number, out| record(out, number * 10, &segment(CLIENT.0, CLIENT.1, true, low(number * 4), 1, PSH_ACK, b"data")));
    assert_eq!(rows.many, units);
    rows.reduce("reduce, one flow", GROUND_MIB);
    assert_counts(&rows.merge("merge, one flow", GROUND_MIB, "partial"), 1);
}

#[test]
#[cfg(feature = "arrow")]
fn reduce_of_many_flows_takes_no_memory_for_those_that_have_passed() {
    use afterfin::dataset::flow_hash;
    use afterfin::endpoint::Endpoint;

    let units = 2_000 * scale();
    let mut flows: Vec<(i64, u32)> = (0..low(units))
        .map(|number| {
            let client = Endpoint::v4((0x0a00_0000 + number).to_be_bytes(), 40_000);
            (flow_hash(client, Endpoint::v4([10, 255, 0, 1], 80), 0).cast_signed(), 0x0a00_0000 + number)
        })
        .collect();
    flows.sort_unstable();
    let rows = Rows::of(units, |number, out| {
        let (_, client) = flows[usize::try_from(number).unwrap()];
        let frames = [
            (true, 0, 0, SYN, &b""[..]),
            (false, 0, 1, SYN | ACK, b""),
            (true, 1, 1, PSH_ACK, b"GET / HTTP/1.0\r\n\r\n"),
            (false, 1, 19, PSH_ACK, b"done"),
            (false, 5, 19, ACK | 1, b""),
        ];
        for (at, (from_client, seq, ack, flags, payload)) in (0..).zip(frames) {
            record(out, (number * 5 + at) * 10, &segment(client, 40_000, from_client, seq, ack, flags, payload))?;
        }
        Ok(())
    });
    assert_eq!(rows.many, units * 5);
    rows.reduce("reduce, many flows", GROUND_MIB);
    // every connection has a record there, as in a report
    assert_counts(&rows.merge("merge, many flows", GROUND_MIB + units * 4 / 1_000, "partial"), units);
}

#[test]
#[cfg(feature = "arrow")]
fn partial_report_that_claims_huge_lengths_makes_no_room_for_them() {
    let rows = Rows::of(1, |_, out| record(out, 0, &segment(CLIENT.0, CLIENT.1, true, 0, 0, SYN, b"")));
    rows.reduce("reduce, one row", GROUND_MIB);
    let sound = fs::read(rows.path("partial")).unwrap();
    // after the first line: kind, length in four octets, content
    let head = 19 + 5 + usize::from(sound[20]);
    let frame = |kind: u8, length: u32, content: &[u8]| [&[kind][..], &length.to_le_bytes(), content].concat();
    // 2⁶³, as postcard writes it
    let many = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    let mut claims = vec![(19, frame(1, 10, &many), "it is damaged at octet 24: a frame's content is not what its kind says")];
    for kind in 2..=5 {
        let (most, content) = match kind {
            3 => (1 << 20, "a frame of more events than one holds"),
            4 => (1 << 25, "a frame's content is not what its kind says"),
            5 => (1 << 12, "a frame's content is not what its kind says"),
            _ => (1 << 20, "a frame's content is not what its kind says"),
        };
        claims.push((head, frame(kind, u32::MAX, &[0; 64]), "a frame that is too long"));
        claims.push((head, frame(kind, most + 1, &[0; 64]), "a frame that is too long"));
        claims.push((head, frame(kind, most, &[0; 64]), "without its end: whoever wrote it did not finish"));
        claims.push((head, frame(kind, 10, &many), content));
        claims.push((head, frame(kind, 1_010, &[&many[..], &[1; 1_000]].concat()), content));
    }
    // events of seven octets that take some 200 in memory: reached, frame, part, no record, told by one side that it began anew
    let events = [&[0xff, 0xff, 7][..], &[0, 1, 0, 0, 0, 0, 2].repeat(0x1_ffff)].concat();
    claims.push((head, frame(3, u32::try_from(events.len()).unwrap(), &events), "a frame of more events than one holds"));
    for (at, claim, text) in claims {
        fs::write(rows.path("claim"), [&sound[..at], &claim].concat()).unwrap();
        let run = rows.merge("merge, a claim", GROUND_MIB, "claim");
        let said = String::from_utf8_lossy(&run.output.stderr).into_owned();
        assert!(run.output.status.code() == Some(2) && run.output.stdout.is_empty() && said.contains(text), "{claim:?}: {said}");
    }
}

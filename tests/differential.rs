//! Differential test: random TCP conversations go through tshark and through afterfin, and the facts must agree.
//!
//! Runs only with `AFTERFIN_PEERS=1` (as `.ci/run` does), because it needs tshark and Python. `AFTERFIN_CONVERSATIONS` (2,000) and
//! `AFTERFIN_SEED` (1) say how many and from where on; `AFTERFIN_BINARY` names another build. A failing seed is printed and its conversation kept
//! in `target/differential`: run it alone with `AFTERFIN_SEED=… AFTERFIN_CONVERSATIONS=1`, and once mended add it to [`KEPT_SEEDS`].
//! `tests/peers/differential.py` has the definitions and the deliberate differences.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

#[path = "peers/conversation.rs"]
mod conversation;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conversation::{Conversation, Random};
use script::{Link, Script};

/// Seeds that failed once.
const KEPT_SEEDS: [u64; 30] = [
    96, 118, 371, 1477, 3561, 24904, 25262, 25784, 28206, 35303, 39556, 41271, 48733, 53998, 57058, 92245, 105_368, 105_436, 107_446,
    113_923, 123_587, 132_340, 149_640, 156_595, 157_572, 159_558, 161_143, 173_807, 186_797, 195_893,
];

/// So many conversations share a capture: starting tshark costs more than reading.
const BATCH: u64 = 250;
/// 2023-11-14T22:13:20Z, in nanoseconds.
const START: i64 = 1_700_000_000_000_000_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// The conversations of some seeds, begun within a minute of each other.
fn batch(seeds: &[u64]) -> Vec<Conversation> {
    let conversation = |(place, seed): (usize, &u64)| {
        let begin = i64::try_from(Random::new(*seed).below(60_000_000)).unwrap() * 1000;
        Conversation::new(*seed, u16::try_from(place).unwrap(), START + begin)
    };
    seeds.iter().enumerate().map(conversation).collect()
}

fn capture(conversations: &[Conversation]) -> Vec<u8> {
    let mut packets: Vec<_> = conversations.iter().flat_map(|conversation| conversation.packets.iter().cloned()).collect();
    packets.sort_by_key(|packet| packet.time);
    Script { packets, link: Link::Ethernet }.bytes()
}

fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../differential");
    fs::create_dir_all(&directory).unwrap();
    directory.canonicalize().unwrap()
}

/// Runs both readers over the captures; one line for each deviation: capture, client endpoint, what.
fn deviations(captures: &[PathBuf]) -> Vec<(String, String, String)> {
    let binary = std::env::var("AFTERFIN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_afterfin").to_owned());
    let comparison = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/differential.py");
    let output = Command::new("python3").arg(comparison).arg(binary).args(captures).output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the comparison failed: {}{}", text, String::from_utf8_lossy(&output.stderr));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    let line = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        (parts.next().unwrap(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    };
    text.lines().map(line).collect()
}

#[test]
fn random_conversations_agree_with_tshark() {
    if std::env::var_os("AFTERFIN_PEERS").is_none() {
        eprintln!("AFTERFIN_PEERS is not set: nothing is compared");
        return;
    }
    let (first, count) = (number("AFTERFIN_SEED", 1), number("AFTERFIN_CONVERSATIONS", 2000));
    let seeds: Vec<u64> = KEPT_SEEDS.into_iter().chain(first..first + count).collect();
    let directory = directory();
    let mut seed_of: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut captures = Vec::new();
    for (index, seeds) in seeds.chunks(usize::try_from(BATCH).unwrap()).enumerate() {
        let path = directory.join(format!("batch-{index}.pcap"));
        let conversations = batch(seeds);
        fs::write(&path, capture(&conversations)).unwrap();
        for conversation in &conversations {
            seed_of.insert((path.display().to_string(), conversation.client.to_string()), conversation.seed);
        }
        captures.push(path);
    }
    let found = deviations(&captures);
    let mut failing = BTreeSet::new();
    for (path, client, what) in &found {
        match seed_of.get(&(path.clone(), client.clone())) {
            Some(seed) => {
                if failing.insert(*seed) {
                    fs::write(directory.join(format!("seed-{seed}.pcap")), capture(&batch(&[*seed]))).unwrap();
                }
                eprintln!("seed {seed}: {what}");
            }
            None => eprintln!("{path}: {client} {what}"),
        }
    }
    eprintln!("{} conversations, {} of them deviate", seeds.len(), failing.len());
    assert!(found.is_empty(), "failing seeds {failing:?}; their conversations are kept in {}", directory.display());
    for path in captures {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn same_seed_makes_the_same_conversation() {
    for seed in [1, 2, 99] {
        assert_eq!(capture(&batch(&[seed])), capture(&batch(&[seed])), "seed {seed}");
    }
    assert_ne!(capture(&batch(&[1])), capture(&batch(&[2])));
}

#[test]
fn conversations_hold_what_an_observer_meets() {
    let conversations = batch(&(1..=250).collect::<Vec<_>>());
    let flags = |wanted: u16| {
        let packets = conversations.iter().flat_map(|conversation| &conversation.packets);
        packets.filter(|packet| matches!(&packet.content, script::Content::Tcp(tcp) if tcp.flags == wanted)).count()
    };
    for (name, wanted) in [("SYN", 0x02), ("SYN-ACK", 0x12), ("FIN", 0x11), ("reply RST", 0x04), ("abort RST", 0x14)] {
        assert!(flags(wanted) > 10, "{name}: {}", flags(wanted));
    }
    let one_sided =
        |conversation: &&Conversation| conversation.packets.iter().all(|packet| packet.source == conversation.packets[0].source);
    assert!(conversations.iter().filter(one_sided).count() > 5);
}

//! The account of all inputs of a job → what one process would know that read them all.
//!
//! Every input was read by a process of its own (`--one-of-many`). What each of them says of itself is small, and together it tells in which order one
//! process would have read them, which numbers their capture interfaces would have, and every sum.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

use super::account::{MALFORMED, SEGMENT, SKIPPED};
use super::facts::{
    BEGINS, INTERRUPTED, LATER_SEEN, LONGEST_SILENCE, MEASURED_FIRST, OPTIONS, REACHED, ROWS, SINCE, STACK, STRETCH_FROM, STRETCH_TO,
    SUB_INTERFACE, VERSION,
};
use super::interfaces::{Described, Numbered, Opened, number};
use super::rows::{Content, Fact, Places};
use super::stream::Stream;
use super::twins::Dropped;
use super::{DatasetError, RowKind};
use crate::capture::{InputSummary, MAX_NAMES, Summary, notes};
use crate::decode::{FirstFragments, IP_FRAGMENT, Names};
use crate::endpoint::Endpoint;
use crate::frame::{FrameId, Order};
use crate::segment::Segment;
use crate::taken::{Frames, Incomplete, Taken};
use crate::time::{Span, Timestamp};
use crate::warning::Warning;

/// So many servers are known: those that the analysis remembers.
pub const MOST_SERVERS: usize = 65_536;

/// What one input says of itself.
#[derive(Clone, Debug, Default)]
struct One {
    /// How often it is in the account.
    times: u32,
    summary: InputSummary,
    warnings: Vec<(bool, String)>,
    segments: u64,
    skipped: BTreeMap<String, u64>,
    malformed: BTreeMap<String, u64>,
    untimed: u64,
    further: u64,
    sampled: u64,
    firsts: FirstFragments,
    incomplete: u64,
    version: Option<String>,
    options: Option<String>,
    rows: Option<u64>,
    interrupted: bool,
    begins: Option<Timestamp>,
    reached: Option<Timestamp>,
    stretches_from: Vec<Timestamp>,
    stretches_to: Vec<Timestamp>,
    interfaces: BTreeMap<i32, Described>,
    names: Vec<(IpAddr, String)>,
    stacks: Vec<String>,
    sub_interfaces: Vec<String>,
}

/// All inputs of a job.
#[derive(Debug)]
pub struct Inputs {
    /// By argument.
    accounts: Vec<One>,
    /// By argument, the place in the order of the report's inputs.
    ranks: Vec<u32>,
    numbered: Numbered,
    servers: BTreeMap<Endpoint, Order>,
    overlap_from: Option<Timestamp>,
    summary: Summary,
}

impl Inputs {
    /// Reads the account: the rows without a flow of every input, with an end row of its own.
    pub fn read(source: impl Read) -> Result<Self, DatasetError> {
        let mut stream = Stream::open(source)?;
        let mut places = Places::default();
        let mut inputs: BTreeMap<u32, One> = BTreeMap::new();
        let mut servers: BTreeMap<Endpoint, Order> = BTreeMap::new();
        while let Some(batch) = stream.next_batch()? {
            for row in batch.rows(&mut places)? {
                let row = row?;
                match row.content {
                    Content::Fact(fact) => {
                        let argument = u32::try_from(fact.file).ok().filter(|argument| *argument < FrameId::MAX_FILES);
                        let argument =
                            argument.ok_or_else(|| wrong("it has rows of no input: segments are to be written with --one-of-many"))?;
                        inputs.entry(argument).or_default().take(argument, &fact)?;
                    }
                    Content::Server { endpoint, .. } => {
                        if let Some(place) = row.place() {
                            servers.entry(endpoint).and_modify(|known| *known = place.min(*known)).or_insert(place);
                        }
                    }
                    _ => return Err(wrong("a row in it belongs to a flow")),
                }
            }
        }
        let inputs = all(inputs)?;
        if let Some(text) = unreadable(&inputs) {
            return Err(wrong(&text));
        }
        let mut places: Vec<Order> = servers.values().copied().collect();
        if let Some(argument) = places.iter().map(|place| place.frame.file()).find(|argument| *argument as usize >= inputs.len()) {
            return Err(missing(argument));
        }
        if places.len() > MOST_SERVERS {
            places.sort_unstable();
            let last = places.get(MOST_SERVERS.saturating_sub(1)).copied();
            servers.retain(|_, place| last.is_none_or(|last| *place <= last));
        }
        Ok(Self::of(inputs, servers))
    }

    fn of(inputs: Vec<One>, servers: BTreeMap<Endpoint, Order>) -> Self {
        let mut order: Vec<(bool, Timestamp, u32)> = (0_u32..)
            .zip(&inputs)
            .map(|(argument, one)| {
                let begins = one.begins.filter(|_| !one.is_unreadable()).unwrap_or(Timestamp(i64::MAX));
                (one.is_unreadable(), begins, argument)
            })
            .collect();
        order.sort_unstable();
        let mut ranks = vec![0; inputs.len()];
        let mut summary = Summary::default();
        let mut opened = Vec::new();
        let interfaces: Vec<Vec<Described>> = inputs.iter().map(|one| one.interfaces.values().cloned().collect()).collect();
        for (rank, (is_unreadable, begins, argument)) in (0_u32..).zip(order) {
            let (Some(one), Some(interfaces), Some(place)) =
                (inputs.get(argument as usize), interfaces.get(argument as usize), ranks.get_mut(argument as usize))
            else {
                continue;
            };
            *place = rank;
            summary.inputs.push(one.summary.clone());
            let warning = |(lost_input, text): &(bool, String)| Warning { file: rank, text: text.clone(), lost_input: *lost_input };
            summary.warnings.extend(one.warnings.iter().map(warning));
            if !is_unreadable {
                let reached = one.reached.unwrap_or(Timestamp(i64::MAX));
                opened.push(Opened { argument, rank, begins, reached, has_frames: one.summary.frames > 0, interfaces });
            }
        }
        let mut reached = None;
        let overlap_from = opened.iter().filter(|one| one.has_frames).find_map(|one| {
            let overlaps = reached.is_some_and(|reached| reached >= one.begins);
            reached = reached.max(Some(one.reached));
            overlaps.then_some(one.begins)
        });
        let mut numbered = number(&opened);
        summary.interfaces = std::mem::take(&mut numbered.interfaces);
        let names = numbered.closed.iter().filter_map(|argument| inputs.get(*argument as usize)).flat_map(|one| &one.names);
        summary.names = names.take(MAX_NAMES).cloned().collect();
        Self { accounts: inputs, ranks, numbered, servers, overlap_from, summary }
    }

    /// How many inputs there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The numbers of encapsulations and of the kernel's interfaces: the same for every part of the job.
    pub fn places(&self) -> Places {
        let mut places = Places::default();
        for one in &self.accounts {
            places.add(&one.stacks, &one.sub_interfaces);
        }
        places
    }

    /// Their names.
    pub fn names(&self) -> Names {
        self.places().names()
    }

    /// From where on in the order two inputs show the same time: the first beginning of one while another that began before goes on.
    pub fn overlap_from(&self) -> Option<Timestamp> {
        self.overlap_from
    }

    /// Rows that belong to a flow, in all inputs.
    pub fn flow_rows(&self) -> u64 {
        self.accounts.iter().filter_map(|one| one.rows).fold(0, u64::saturating_add)
    }

    /// The endpoints that are known to be servers, and since when.
    pub fn servers(&self) -> &BTreeMap<Endpoint, Order> {
        &self.servers
    }

    /// The frame as the report names it: rows have the place in the list of inputs, the report has inputs in the order of their first frames.
    pub fn settle_frame(&self, frame: FrameId) -> Result<FrameId, DatasetError> {
        let rank = self.ranks.get(frame.file() as usize).ok_or_else(|| missing(frame.file()))?;
        Ok(FrameId::new(*rank, frame.number()))
    }

    /// Gives a segment out of a row the numbers of its frame and its capture interface among those of all inputs. What stands in the upper 16 bits of the
    /// interface stays.
    pub fn settle(&self, segment: &mut Segment<'_>) -> Result<(), DatasetError> {
        let (argument, interface) = (segment.frame.file(), segment.vantage.interface);
        segment.frame = self.settle_frame(segment.frame)?;
        let number = self.numbered.numbers.get(&(argument, (interface & 0xffff) as usize));
        let number = number.ok_or_else(|| wrong(&format!("input {argument} has no interface {}", interface & 0xffff)))?;
        segment.vantage.interface = (interface & 0xffff_0000) | (*number).min(0xffff);
        Ok(())
    }

    /// Everything that one process would know of the inputs at the end. `dropped` is what was in two inputs, of all flows; the names are those of the
    /// vantages' numbers, the senders of incomplete datagrams those that the segments' followers found.
    pub fn taken(&self, dropped: &Dropped, names: Names, incomplete: Vec<Incomplete>) -> Taken {
        let sum =
            |of: &dyn Fn(&One) -> u64, dropped: u64| self.accounts.iter().map(of).fold(0, u64::saturating_add).saturating_sub(dropped);
        let counts = |of: &dyn Fn(&One) -> BTreeMap<String, u64>, dropped: &BTreeMap<String, u64>, back: u64| {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            for (reason, count) in self.accounts.iter().flat_map(of) {
                let sum = sums.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
            if let Some(fragments) = sums.get_mut(IP_FRAGMENT) {
                *fragments = fragments.saturating_add(back);
            } else if back > 0 {
                sums.insert(IP_FRAGMENT.to_owned(), back);
            }
            for (reason, count) in dropped {
                if let Some(sum) = sums.get_mut(reason) {
                    *sum = sum.saturating_sub(*count);
                }
            }
            sums.retain(|_, count| *count > 0);
            sums
        };
        let first = self.summary.inputs.iter().filter_map(|input| input.first).min();
        let last = self.summary.inputs.iter().filter_map(|input| input.last).max();
        let ended = self.summary.inputs.iter().filter_map(|input| input.ended).max();
        let frames = Frames {
            frames: sum(&|one| one.summary.frames, dropped.frames),
            segments: sum(&|one| one.segments.saturating_add(one.further), dropped.segments),
            further: sum(&|one| one.further, dropped.further),
            firsts: FirstFragments {
                segments: sum(&|one| one.firsts.segments, dropped.first_fragments),
                measured: sum(&|one| one.firsts.measured, dropped.measured),
                later_seen: self.accounts.iter().any(|one| one.firsts.later_seen),
            },
            // the frame of a first fragment that was dropped counts as a fragment there, and here as a segment
            skipped: counts(&|one| one.skipped.clone(), &dropped.skipped, dropped.first_fragments),
            malformed: counts(&|one| one.malformed.clone(), &dropped.malformed, 0),
            first,
            last,
            untimed: sum(&|one| one.untimed, 0),
        };
        let notes = notes(&self.summary.inputs, dropped.frames);
        Taken {
            summary: Summary { duplicate_frames: dropped.frames, notes, ..self.summary.clone() },
            frames,
            incomplete_datagrams: sum(&|one| one.incomplete, dropped.incomplete),
            sampled: sum(&|one| one.sampled, dropped.sampled),
            names,
            incomplete,
            end: last.map_or(Timestamp::default(), |last| ended.map_or(last, |ended| last.max(ended))),
            stopped: self.accounts.iter().any(|one| one.interrupted),
        }
    }
}

impl One {
    fn is_unreadable(&self) -> bool {
        self.summary.format == UNKNOWN
    }

    fn take(&mut self, argument: u32, fact: &Fact<'_>) -> Result<(), DatasetError> {
        let bad = || wrong(&format!("input {argument}: {} has no value that can be", fact.item));
        let text = || fact.text.map(str::to_owned).ok_or_else(bad);
        let count = || fact.number.and_then(|number| u64::try_from(number).ok()).ok_or_else(bad);
        let time = || fact.number.map(Timestamp).ok_or_else(bad);
        match (fact.kind, fact.item) {
            (RowKind::Frames, SEGMENT) => self.segments = count()?,
            (RowKind::Frames, SKIPPED) => drop(self.skipped.insert(text()?, count()?)),
            (RowKind::Frames, MALFORMED) => drop(self.malformed.insert(text()?, count()?)),
            (RowKind::Frames, "untimed") => self.untimed = count()?,
            (RowKind::Frames, "further segment") => self.further = count()?,
            (RowKind::Frames, "sampled segment") => self.sampled = count()?,
            (RowKind::Frames, "first fragment") => self.firsts.segments = count()?,
            (RowKind::Frames, MEASURED_FIRST) => self.firsts.measured = count()?,
            (RowKind::Frames, LATER_SEEN) => self.firsts.later_seen = count()? > 0,
            (RowKind::Frames, "incomplete datagram") => self.incomplete = count()?,
            (RowKind::Input, "name") => {
                self.times = self.times.saturating_add(1);
                self.summary.name = text()?;
            }
            (RowKind::Input, "sha256") => self.summary.sha256 = Some(text()?),
            (RowKind::Input, "format") => self.summary.format = known(&text()?, &FORMATS).ok_or_else(bad)?,
            (RowKind::Input, "compression") => self.summary.compression = Some(known(&text()?, &COMPRESSIONS).ok_or_else(bad)?),
            (RowKind::Input, "frames") => self.summary.frames = count()?,
            (RowKind::Input, "octets") => self.summary.octets = count()?,
            (RowKind::Input, "first_ns") => self.summary.first = Some(time()?),
            (RowKind::Input, "last_ns") => self.summary.last = Some(time()?),
            (RowKind::Input, "ended_ns") => self.summary.ended = Some(time()?),
            (RowKind::Input, "cut_frames") => self.summary.frames_cut_by_snap_length = count()?,
            (RowKind::Input, "complete") => self.summary.complete = count()? > 0,
            (RowKind::Input, "problem") => self.warnings.push((count()? > 0, text()?)),
            (RowKind::Input, VERSION) => self.version = Some(text()?),
            (RowKind::Input, OPTIONS) => self.options = Some(text()?),
            (RowKind::Input, ROWS) => self.rows = Some(count()?),
            (RowKind::Input, INTERRUPTED) => self.interrupted = count()? > 0,
            (RowKind::Input, BEGINS) => self.begins = Some(time()?),
            (RowKind::Input, REACHED) => self.reached = Some(time()?),
            (RowKind::Input, LONGEST_SILENCE) => self.summary.longest_silence = Span(time()?.nanos()),
            (RowKind::Input, STACK) => self.stacks.push(text()?),
            (RowKind::Input, SUB_INTERFACE) => self.sub_interfaces.push(text()?),
            (RowKind::Input, STRETCH_FROM) => self.stretches_from.push(time()?),
            (RowKind::Input, STRETCH_TO) => self.stretches_to.push(time()?),
            (RowKind::Interface, item) => {
                let described = self.interfaces.entry(fact.interface.filter(|at| *at >= 0).ok_or_else(bad)?).or_default();
                match item {
                    "link_type" => described.interface.link_type = u16::try_from(count()?).map_err(|_| bad())?,
                    "name" => described.interface.name = Some(text()?),
                    "filter" => described.interface.filter = Some(text()?),
                    "dropped" => described.interface.dropped = Some(count()?),
                    SINCE => described.since = Some(time()?),
                    _ => {}
                }
            }
            (RowKind::Name, address) => self.names.push((address.parse().map_err(|_| bad())?, text()?)),
            _ => {} // within a version items may be added
        }
        Ok(())
    }

    /// Everything is there, once, and fits together.
    fn check(&mut self, argument: u32) -> Result<(), DatasetError> {
        match self.times {
            0 => return Err(missing(argument)),
            1 => {}
            _ => return Err(wrong(&format!("input {argument} ({}) is in it more than once", self.summary.name))),
        }
        let name = &self.summary.name;
        let (Some(version), Some(_), Some(_)) = (&self.version, &self.options, self.rows) else {
            return Err(wrong(&format!("input {argument} ({name}) was not written with --one-of-many")));
        };
        if version != env!("CARGO_PKG_VERSION") {
            return Err(wrong(&format!("input {argument} ({name}) was read by version {version}, this is {}", env!("CARGO_PKG_VERSION"))));
        }
        let other = self.skipped.values().chain(self.malformed.values()).fold(0, |sum, count| u64::saturating_add(sum, *count));
        let (told, counted) = (self.summary.frames, self.segments.saturating_add(other));
        if told != counted {
            return Err(wrong(&format!("input {argument} ({name}) has {told} frames, of which it accounts for {counted}")));
        }
        if (0_i32..).zip(self.interfaces.keys()).any(|(expected, at)| expected != *at) {
            return Err(wrong(&format!("input {argument} ({name}) has an interface less than it counts")));
        }
        if self.stretches_from.len() != self.stretches_to.len() {
            return Err(wrong(&format!("input {argument} ({name}) has a stretch with one end")));
        }
        self.stretches_from.sort_unstable();
        self.stretches_to.sort_unstable();
        self.summary.stretches = self.stretches_from.iter().copied().zip(self.stretches_to.iter().copied()).collect();
        self.warnings.sort_by_key(|(lost_input, _)| *lost_input);
        Ok(())
    }
}

/// What an input is called that is no capture.
const UNKNOWN: &str = "unknown";
const FORMATS: [&str; 4] = ["pcap", "pcapng", UNKNOWN, ""];
const COMPRESSIONS: [&str; 5] = ["gzip", "zstd", "lz4", "bzip2", "xz"];

fn known(text: &str, list: &[&'static str]) -> Option<&'static str> {
    list.iter().copied().find(|known| *known == text)
}

/// All inputs, by argument; none is missing, and all were read in the same way.
fn all(inputs: BTreeMap<u32, One>) -> Result<Vec<One>, DatasetError> {
    let mut list: Vec<One> = Vec::with_capacity(inputs.len());
    for (expected, (argument, mut one)) in (0_u32..).zip(inputs) {
        if argument != expected {
            return Err(missing(expected));
        }
        one.check(argument)?;
        if let Some(first) = list.first().filter(|first| first.options != one.options) {
            let said = |one: &One| one.options.clone().filter(|options| !options.is_empty()).unwrap_or_else(|| "none".to_owned());
            return Err(wrong(&format!(
                "input {argument} ({}) was read with other options than {}: {} instead of {}",
                one.summary.name,
                first.summary.name,
                said(&one),
                said(first)
            )));
        }
        list.push(one);
    }
    if list.is_empty() { Err(wrong("there is no input in it")) } else { Ok(list) }
}

/// Where no input can be read at all: what is wrong.
fn unreadable(inputs: &[One]) -> Option<String> {
    let first = inputs.first().filter(|_| inputs.iter().all(One::is_unreadable))?;
    let text = first.warnings.first().map_or("", |(_, text)| text);
    let more = match inputs.len() {
        1 => String::new(),
        count => format!(" (and no other of the {count} inputs can be read)"),
    };
    Some(format!("{}: {text}{more}", first.summary.name))
}

fn wrong(why: &str) -> DatasetError {
    DatasetError::Account(why.to_owned())
}

fn missing(argument: u32) -> DatasetError {
    wrong(&format!("input {argument} is missing"))
}

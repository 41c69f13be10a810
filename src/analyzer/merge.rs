//! Partial reports → the report, octet for octet that of one process that had read all inputs.
//!
//! The connections get their numbers by their first frames, and what they told is taken in in the order of the capture, from runs that are each in
//! order: so neither the order of the partial reports nor the way in which the connections were divided changes anything.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use super::reduce::head;
use super::{Followed, JobInputs, conclude, note_incomplete};
use crate::dataset::Dropped;
use crate::endpoint::{FlowKey, Side};
use crate::frame::Order;
use crate::observe::Observer;
use crate::observe::path::Hops;
use crate::observe::points::Points;
use crate::observe::told::Teller;
use crate::options::AnalysisOptions;
use crate::partial::{Event, Events, Happened, Partial, PartialError, Record};
use crate::report::Report;
use crate::taken::Incomplete;
use crate::tcp::Connections;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of the partial reports.
    #[error("{path}: {error}")]
    Partial {
        /// Its file.
        path: String,
        /// What is wrong.
        error: PartialError,
    },
    /// It was made with another account.
    #[error("{0}: it was made with other --inputs than these")]
    OtherInputs(String),
    /// It was made with other thresholds.
    #[error("{0}: it was made with other thresholds than these: give reduce and merge the same options")]
    OtherThresholds(String),
    /// One was given twice.
    #[error("{0} and {1} are the same partial report")]
    Twice(String, String),
    /// Some are missing.
    #[error("the partial reports were made of {made} rows, the inputs have {told}: {why}")]
    Rows {
        /// Rows in the partial reports.
        made: u64,
        /// Rows of the inputs.
        told: u64,
        /// What that means.
        why: &'static str,
    },
    /// An event belongs to a connection that is not there.
    #[error("{0}: an event in it belongs to no connection")]
    NoConnection(String),
}

/// Reads partial reports and makes the report.
pub fn merge(inputs: &JobInputs, paths: &[PathBuf], options: &AnalysisOptions) -> Result<Report, MergeError> {
    let mut all = All::default();
    for path in paths {
        all.read(path, inputs, options)?;
    }
    let (made, told) = (all.rows, inputs.inputs.flow_rows());
    if made != told {
        let why = if made < told { "a partial report is missing" } else { "the rows of a part are in more than one" };
        return Err(MergeError::Rows { made, told, why });
    }
    all.number();
    let mut observer = Observer::new(options);
    observer.points = std::mem::take(&mut all.points);
    observer.hops = std::mem::take(&mut all.hops);
    let mut connections = Connections::default();
    let mut last_words = Vec::new();
    for mut read in std::mem::take(&mut all.records) {
        read.record.slot.set_stream(read.stream);
        let at = connections.push_slot(read.record.slot);
        if let Some(mut watch) = read.record.watch {
            watch.belongs_to(at, read.stream);
            observer.put(at, watch);
        }
        last_words.extend(read.record.last_words.into_iter().map(|told| (at, told)));
    }
    let incomplete = all.take_in(&mut observer)?;
    for (at, (client, told)) in last_words {
        if let Some(teller) = all.teller(at, client) {
            observer.take_in(&teller, &told);
        }
    }
    let names = inputs.inputs.names();
    let taken = inputs.inputs.taken(&all.dropped, names, incomplete);
    let followed = Followed { connections: &connections, observer, duplicates: all.duplicates, left_out: 0, given_up: 0 };
    Ok(conclude(followed, taken, options))
}

/// A record, and where it came from.
struct Read {
    partial: usize,
    /// Its place there.
    number: usize,
    stream: u64,
    record: Record,
}

/// All partial reports.
#[derive(Default)]
struct All {
    partials: Vec<(String, Partial)>,
    records: Vec<Read>,
    /// Of each partial, the index of each of its connections among all.
    indices: Vec<Vec<usize>>,
    /// By index: number and 4-tuple.
    connections: Vec<(u64, Option<FlowKey>)>,
    unclaimed: Vec<Order>,
    hops: Hops,
    points: Points,
    dropped: Dropped,
    duplicates: u64,
    rows: u64,
}

impl All {
    fn read(&mut self, path: &Path, inputs: &JobInputs, options: &AnalysisOptions) -> Result<(), MergeError> {
        let name = path.display().to_string();
        let (number, first) = (self.partials.len(), self.records.len());
        let records = &mut self.records;
        let opened = Partial::open(path, &mut |record| {
            let place = records.len().saturating_sub(first);
            records.push(Read { partial: number, number: place, stream: 0, record });
        });
        let mut partial = opened.map_err(|error| MergeError::Partial { path: name.clone(), error })?;
        let expected = head(inputs, options);
        if partial.head.account != expected.account {
            return Err(MergeError::OtherInputs(name));
        }
        if partial.head.thresholds != expected.thresholds {
            return Err(MergeError::OtherThresholds(name));
        }
        // Partial reports of nothing are all the same.
        if partial.rest.rows > 0
            && let Some((other, _)) = self.partials.iter().find(|(_, other)| other.sha256 == partial.sha256)
        {
            return Err(MergeError::Twice(other.clone(), name));
        }
        let rest = &mut partial.rest;
        let hops = self.hops.join(std::mem::take(&mut rest.hops));
        for read in self.records.iter_mut().skip(first) {
            if let Some(watch) = &mut read.record.watch {
                watch.path.renumber(&hops);
            }
        }
        self.points.join(std::mem::take(&mut rest.points), |place| place);
        self.dropped.add(&rest.dropped);
        self.unclaimed.append(&mut rest.unclaimed);
        self.duplicates = self.duplicates.saturating_add(rest.duplicates);
        self.rows = self.rows.saturating_add(rest.rows);
        self.partials.push((name, partial));
        Ok(())
    }

    /// The connections in the order of their first segments, with their numbers.
    fn number(&mut self) {
        self.records.sort_by_key(|read| read.record.began);
        let mut numbers: Vec<Order> = self.records.iter().map(|read| read.record.numbered).collect();
        numbers.append(&mut self.unclaimed);
        numbers.sort_unstable();
        self.indices = vec![Vec::new(); self.partials.len()];
        for (at, read) in self.records.iter_mut().enumerate() {
            read.stream = numbers.partition_point(|order| *order < read.record.numbered) as u64;
            self.connections.push((read.stream, read.record.slot.key()));
            if let Some(indices) = self.indices.get_mut(read.partial) {
                if indices.len() <= read.number {
                    indices.resize(read.number.saturating_add(1), usize::MAX);
                }
                if let Some(index) = indices.get_mut(read.number) {
                    *index = at;
                }
            }
        }
    }

    fn teller(&self, at: usize, client: Side) -> Option<Teller> {
        let (stream, key) = *self.connections.get(at)?;
        Some(Teller { at, stream, key: key?, client })
    }

    /// Takes in what happened, in the order of the capture; returns the senders of datagrams that never became whole.
    fn take_in(&self, observer: &mut Observer) -> Result<Vec<Incomplete>, MergeError> {
        let mut runs = Vec::new();
        for (number, (name, partial)) in self.partials.iter().enumerate() {
            runs.extend(partial.events().map(|events| Run { partial: number, name, events, next: None }));
        }
        let mut heads = BinaryHeap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            run.go_on()?;
            heads.extend(run.next.as_ref().map(|event| Reverse((event.order, at))));
        }
        let mut incomplete = Vec::new();
        while let Some(Reverse((_, at))) = heads.pop() {
            let Some(run) = runs.get_mut(at) else { continue };
            if let Some(event) = run.next.take() {
                self.happened(run, &event, observer, &mut incomplete)?;
            }
            run.go_on()?;
            heads.extend(run.next.as_ref().map(|event| Reverse((event.order, at))));
        }
        Ok(incomplete)
    }

    fn happened(&self, run: &Run<'_>, event: &Event, observer: &mut Observer, incomplete: &mut Vec<Incomplete>) -> Result<(), MergeError> {
        let lost = || MergeError::NoConnection(run.name.to_owned());
        let of = |record: u64| {
            let indices = self.indices.get(run.partial)?;
            indices.get(usize::try_from(record).ok()?).copied()
        };
        match &event.happened {
            Happened::Told(client, told) => {
                let at = event.record.and_then(of).ok_or_else(lost)?;
                observer.take_in(&self.teller(at, *client).ok_or_else(lost)?, told);
            }
            Happened::Incomplete { src, dst, frame } => {
                let stream = match event.record {
                    Some(record) => Some(of(record).and_then(|at| self.connections.get(at)).ok_or_else(lost)?.0),
                    None => None,
                };
                note_incomplete(incomplete, *src, *dst, stream, *frame);
            }
        }
        Ok(())
    }
}

/// A run of events of a partial report.
struct Run<'a> {
    partial: usize,
    name: &'a str,
    events: Events,
    next: Option<Event>,
}

impl Run<'_> {
    fn go_on(&mut self) -> Result<(), MergeError> {
        self.next = self.events.next_event().map_err(|error| MergeError::Partial { path: self.name.to_owned(), error })?;
        Ok(())
    }
}

//! Some connections of a capture → a partial report.
//!
//! The rows come flow after flow, each flow's in the order of the report, so one flow is followed at a time and memory does not grow with
//! their number. What a connection tells that others have to do with is written down with its place; [`super::merge`] takes it in where all of
//! them are.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::intake::Sink;
use super::{Following, JobInputs};
use crate::dataset::{Content, DatasetError, MOST_SERVERS, Row, Stream, Twins};
use crate::frame::Order;
use crate::observe::path::Hops;
use crate::observe::points::Points;
use crate::observe::{HalfClosedTimes, Observer};
use crate::options::AnalysisOptions;
use crate::partial::{Event, Happened, Head, PartialWriter, Record, Rest};
use crate::segment::{IcmpQuote, IncompleteDatagram};
use crate::tcp::role::{REMEMBERED_SERVERS, ServerPlaces};
use crate::tcp::{Expected, Tracker};

/// So many numbers that no connection got are kept: as many 4-tuples as the tracker numbers without a segment.
const KEPT_UNCLAIMED: usize = 65_536;

// Who follows some connections knows the servers that who follows all of them would remember.
const _: () = assert!(MOST_SERVERS == REMEMBERED_SERVERS);

/// Why there is no partial report.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// The rows.
    #[error("{0}")]
    Rows(#[from] DatasetError),
    /// The partial report could not be written.
    #[error("{0}")]
    Write(io::Error),
    /// The rows are in another order.
    #[error("row {0} stands before its predecessor: sort the rows by flow_hash, order_ns, file, frame, part")]
    NotSorted(u64),
    /// A row of the account.
    #[error("row {0} belongs to no flow: rows with flow_hash 0 make the account, --inputs")]
    NoFlow(u64),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// Reads the rows to their end and writes what they make. Where an error comes back, what was written has no end and is no partial report.
pub fn reduce(
    rows: impl Read,
    inputs: &JobInputs,
    options: &AnalysisOptions,
    sink: impl Write,
    interrupted: &AtomicBool,
) -> Result<(), ReduceError> {
    let mut stream = Stream::open(rows)?;
    let mut places = inputs.inputs.places();
    let mut reducer = Reducer::begin(inputs, options, sink)?;
    while let Some(batch) = stream.next_batch()? {
        if interrupted.load(Ordering::Relaxed) {
            return Err(ReduceError::Interrupted);
        }
        for row in batch.rows(&mut places)? {
            reducer.row(&row?)?;
        }
    }
    reducer.end()
}

/// Follows the flows one after the other.
struct Reducer<'a, W: Write> {
    inputs: &'a JobInputs,
    options: &'a AnalysisOptions,
    servers: Arc<ServerPlaces>,
    writer: PartialWriter<W>,
    twins: Twins,
    flow: Option<Flow>,
    first: Option<(i64, Order)>,
    last: Option<(i64, Order)>,
    rows: u64,
    duplicates: u64,
    unclaimed: BTreeSet<Order>,
    hops: Hops,
    points: Points,
}

/// The connections of one flow hash.
struct Flow {
    hash: i64,
    following: Following,
    /// Where each connection began, by index.
    began: Vec<Order>,
    /// Where each number was given.
    numbered: Vec<Order>,
}

impl<'a, W: Write> Reducer<'a, W> {
    fn begin(inputs: &'a JobInputs, options: &'a AnalysisOptions, sink: W) -> Result<Self, ReduceError> {
        let servers = inputs.inputs.servers().iter().map(|(endpoint, place)| (*endpoint, *place));
        Ok(Self {
            inputs,
            options,
            servers: Arc::new(servers.collect()),
            writer: PartialWriter::begin(sink, &head(inputs, options)).map_err(ReduceError::Write)?,
            twins: Twins::default(),
            flow: None,
            first: None,
            last: None,
            rows: 0,
            duplicates: 0,
            unclaimed: BTreeSet::new(),
            hops: Hops::default(),
            points: Points::default(),
        })
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), ReduceError> {
        self.rows = self.rows.saturating_add(1);
        let order = row.place().filter(|_| !matches!(row.content, Content::Server { .. })).ok_or(ReduceError::NoFlow(self.rows))?;
        if self.last.is_some_and(|last| (row.flow_hash, order) < last) {
            return Err(ReduceError::NotSorted(self.rows));
        }
        self.last = Some((row.flow_hash, order));
        self.first = self.first.or(self.last);
        if self.twins.is_duplicate(row) || matches!(row.content, Content::OtherFrame { .. }) {
            return Ok(());
        }
        if self.flow.as_ref().is_some_and(|flow| flow.hash != row.flow_hash) {
            self.end_flow()?;
        }
        let mut flow = match self.flow.take() {
            Some(flow) => flow,
            None => self.begin_flow(row.flow_hash, order),
        };
        let following = &mut flow.following;
        following.tracker.stand_at(order);
        if self.inputs.inputs.overlap_from().is_some_and(|from| row.order >= from) {
            following.tracker.overlap();
        }
        let settled = self.inputs.inputs.settle_frame(order.frame)?;
        match row.content {
            Content::Segment(mut segment) => {
                self.inputs.inputs.settle(&mut segment)?;
                following.segment(&segment, Expected::default());
            }
            Content::IcmpQuote(quote) => following.quote(&IcmpQuote { frame: settled, ..quote }),
            Content::ShortHeader { src, dst, tenant, .. } => following.short_header(src, dst, tenant),
            Content::IncompleteDatagram(datagram) => {
                self.incomplete(following, order, &IncompleteDatagram { frame: settled, ..datagram })?;
            }
            Content::OtherFrame { .. } | Content::Server { .. } | Content::Fact(_) => {}
        }
        self.after(&mut flow, order)?;
        self.flow = Some(flow);
        Ok(())
    }

    /// Notes what began, and what was told.
    fn after(&mut self, flow: &mut Flow, order: Order) -> Result<(), ReduceError> {
        let Flow { following, began, numbered, .. } = flow;
        while began.len() < following.tracker.connections().len() {
            began.push(order);
        }
        while (numbered.len() as u64) < following.tracker.numbers() {
            numbered.push(order);
        }
        let base = self.writer.connections();
        for heard in following.observer.across.heard() {
            let record = Some(base.saturating_add(heard.at as u64));
            let event = Event { order, record, happened: Happened::Told(heard.client, heard.told) };
            self.writer.event(event).map_err(ReduceError::Write)?;
        }
        Ok(())
    }

    fn incomplete(&mut self, following: &mut Following, order: Order, datagram: &IncompleteDatagram) -> Result<(), ReduceError> {
        let known = following.tracker.incomplete(datagram);
        if let Some((at, side)) = known {
            following.observer.incomplete(at, side, datagram);
        }
        let record = known.map(|(at, _)| self.writer.connections().saturating_add(at as u64));
        let happened = Happened::Incomplete { src: datagram.src, dst: datagram.dst, frame: datagram.frame };
        self.writer.event(Event { order, record, happened }).map_err(ReduceError::Write)
    }

    fn begin_flow(&mut self, hash: i64, order: Order) -> Flow {
        let tracker = Tracker::of_some(self.options.thresholds, Arc::clone(&self.servers), order);
        let observer = Observer::of_some(self.options, std::mem::take(&mut self.hops), std::mem::take(&mut self.points));
        Flow { hash, following: Following::new(tracker, observer), began: Vec::new(), numbered: Vec::new() }
    }

    /// Writes what is left of the connections of a flow.
    fn end_flow(&mut self) -> Result<(), ReduceError> {
        let Some(Flow { following, began, numbered, .. }) = self.flow.take() else { return Ok(()) };
        let Following { mut tracker, mut observer, .. } = following;
        self.duplicates = self.duplicates.saturating_add(tracker.duplicates);
        let mut unclaimed: BTreeSet<u64> = (0..tracker.numbers()).collect();
        let mut left = Vec::with_capacity(began.len());
        for at in 0..tracker.connections().len() {
            if let Some(connection) = tracker.connection(at) {
                observer.conclude_part(at, connection);
            }
            let last_words = observer.across.heard().map(|heard| (heard.client, heard.told)).collect();
            if tracker.is_over(at)
                && let Some(HalfClosedTimes(half_closed)) = tracker.connection(at).and_then(|connection| observer.release(at, connection))
            {
                tracker.end(at, half_closed);
            }
            left.push((observer.take(at), last_words));
        }
        (self.hops, self.points) = observer.into_places();
        for ((slot, began), (watch, last_words)) in tracker.into_connections().into_slots().zip(began).zip(left) {
            let stream = slot.stream().unwrap_or(u64::MAX);
            unclaimed.remove(&stream);
            let numbered = usize::try_from(stream).ok().and_then(|at| numbered.get(at)).copied().unwrap_or(began);
            let record = Record { began, numbered, slot, watch, last_words };
            self.writer.connection(&record).map_err(ReduceError::Write)?;
        }
        self.unclaimed.extend(unclaimed.into_iter().filter_map(|at| numbered.get(usize::try_from(at).ok()?)));
        while self.unclaimed.len() > KEPT_UNCLAIMED {
            self.unclaimed.pop_last();
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), ReduceError> {
        self.end_flow()?;
        let rest = Rest {
            points: self.points,
            hops: self.hops,
            dropped: self.twins.into_dropped(),
            unclaimed: self.unclaimed.into_iter().collect(),
            duplicates: self.duplicates,
            rows: self.rows,
            first: self.first,
        };
        self.writer.end(&rest).map_err(ReduceError::Write)?;
        Ok(())
    }
}

/// What every partial report of a job is made with.
pub(super) fn head(inputs: &JobInputs, options: &AnalysisOptions) -> Head {
    Head { version: env!("CARGO_PKG_VERSION").to_owned(), account: inputs.sha256, thresholds: options.thresholds }
}

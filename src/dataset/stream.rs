//! Arrow IPC streams: written from a capture, and read back with the demand for an end.
//!
//! A feeder that dies between two batches, and a program between that closes the stream properly all the same, leave one that looks whole. So the last
//! row tells how many came before it, and [`Stream`] gives an error if it is missing.

use std::io::{Read, Write};
use std::sync::atomic::AtomicBool;

use arrow_ipc::writer::StreamWriter;

use super::account::Account;
use super::columns::{BATCH_ROWS, Columns, View, schema};
use super::facts::{OwnedFact, facts, signed};
use super::messages::Messages;
use super::reading::{self, Settings};
use super::rows::Batch;
use super::{DatasetError, RowKind, SCHEMA, SCHEMA_KEY};
use crate::capture::Capture;

/// What the end row says of inputs that were read to their ends.
const COMPLETE: &str = "complete";
/// What it says else: the rows are sound, but there are frames that could not be read.
const INCOMPLETE: &str = "incomplete";

/// Reads a capture and writes its rows, the account and the end. `interrupted` is looked at between frames; the stream then has its end, which says
/// that the rows are not all.
pub fn write_stream(
    capture: Capture,
    settings: Settings,
    sink: &mut dyn Write,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Account, DatasetError> {
    let mut writer = StreamWriter::try_new(sink, &schema())?;
    let mut rows = 0_u64;
    let mut write = |columns: &mut Columns| {
        if columns.rows > 0 {
            rows = rows.saturating_add(columns.rows as u64);
            writer.write(&columns.take()?)?;
        }
        Ok(())
    };
    let account = reading::read(capture, settings, interrupted, progress, &mut write)?;
    let mut columns = Columns::default();
    for fact in facts(&account, settings.first_file) {
        columns.fact(&fact);
        if columns.rows >= BATCH_ROWS {
            write(&mut columns)?;
        }
    }
    for server in account.one_of_many.iter().flat_map(|one| &one.servers) {
        columns.server(server, settings.first_file);
        if columns.rows >= BATCH_ROWS {
            write(&mut columns)?;
        }
    }
    write(&mut columns)?;
    let says = if account.is_complete() { COMPLETE } else { INCOMPLETE };
    columns.fact(&OwnedFact {
        kind: RowKind::End,
        file: -1,
        interface: None,
        item: SCHEMA.to_owned(),
        text: Some(says.to_owned()),
        number: Some(signed(rows)),
    });
    writer.write(&columns.take()?)?;
    writer.finish()?;
    Ok(account)
}

/// A stream that is read.
pub struct Stream<R: Read> {
    messages: Messages<R>,
    rows: u64,
    complete: Option<bool>,
}

impl<R: Read> Stream<R> {
    /// Reads the schema.
    pub fn open(source: R) -> Result<Self, DatasetError> {
        let messages = Messages::open(source)?;
        match messages.schema().metadata().get(SCHEMA_KEY).map(ToString::to_string) {
            Some(version) if version == SCHEMA => Ok(Self { messages, rows: 0, complete: None }),
            Some(version) => Err(DatasetError::Schema(version)),
            None => Err(DatasetError::Schema("not named in the metadata".to_owned())),
        }
    }

    /// The next batch, without the end row; `None` after the end, and an error where the stream stops without one.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, DatasetError> {
        let Some(batch) = self.messages.next_batch()? else {
            return if self.complete.is_some() { Ok(None) } else { Err(DatasetError::NoEnd(self.rows)) };
        };
        if self.complete.is_some() {
            return Err(DatasetError::AfterEnd);
        }
        let view = View::of(&batch)?;
        let end = view.kind.values().iter().position(|kind| *kind == RowKind::End.number());
        let rows = end.unwrap_or(batch.num_rows());
        self.rows = self.rows.saturating_add(rows as u64);
        if let Some(end) = end {
            if end.saturating_add(1) != batch.num_rows() {
                return Err(DatasetError::AfterEnd);
            }
            let told = view.number.iter().nth(end).flatten().unwrap_or(-1);
            if told != signed(self.rows) {
                return Err(DatasetError::Count { told, read: self.rows });
            }
            self.complete = Some(view.text.iter().nth(end).flatten() == Some(COMPLETE));
        }
        Ok(Some(Batch::new(batch.slice(0, rows))))
    }

    /// Whether the inputs behind the rows were read to their ends; `None` until the end row has come.
    pub fn is_complete(&self) -> Option<bool> {
        self.complete
    }

    /// Rows so far, without the end row.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

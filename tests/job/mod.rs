//! A job in memory, without an engine: every input is read by itself, the rows of all are sorted and divided, what belongs to no flow makes the account.

#![allow(dead_code)] // each test file uses its part

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::dataset::{self, BATCH_ROWS, RowKind, SCHEMA, Settings};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

/// Rows by flow and place, and the account.
pub struct Job {
    /// Sorted as `docs/cluster.md` asks.
    pub rows: RecordBatch,
    /// Rows that belong to no flow, without end rows.
    pub facts: RecordBatch,
}

impl Job {
    /// Reads every input by itself.
    pub fn of(sources: Vec<Source>) -> Self {
        Self::of_streams(&sources.into_iter().zip(0..).map(|(source, number)| map(source, number)).collect::<Vec<_>>())
    }

    /// Of what the inputs' processes wrote.
    pub fn of_streams(streams: &[Vec<u8>]) -> Self {
        let batches: Vec<RecordBatch> = streams.iter().flat_map(|stream| batches(stream)).collect();
        let all = concat_batches(&dataset::schema(), &batches).unwrap();
        let (kinds, hashes) = (int32(&all, "kind"), int64(&all, "flow_hash"));
        let is_end = |at: &usize| kinds.value(*at) == RowKind::End.number();
        let (mut flows, facts): (Vec<usize>, Vec<usize>) =
            (0..all.num_rows()).filter(|at| !is_end(at)).partition(|at| hashes.value(*at) != 0);
        flows.sort_by_key(|at| place(&all, *at));
        Self { rows: taken(&all, &flows), facts: taken(&all, &facts) }
    }

    /// The account, with its end.
    pub fn account(&self) -> Vec<u8> {
        stream(&self.facts, Some(self.facts.num_rows()))
    }

    /// The rows of a partition, without an end.
    pub fn part(&self, number: i64, of: i64) -> RecordBatch {
        let hashes = int64(&self.rows, "flow_hash");
        let chosen: Vec<usize> = (0..self.rows.num_rows()).filter(|at| hashes.value(*at).rem_euclid(of) == number).collect();
        taken(&self.rows, &chosen)
    }

    /// The streams of all partitions.
    pub fn parts(&self, of: i64) -> Vec<Vec<u8>> {
        (0..of).map(|number| whole(&self.part(number, of))).collect()
    }
}

/// What the process of one input writes.
pub fn map(source: Source, number: u32) -> Vec<u8> {
    let never = Arc::new(AtomicBool::new(false));
    let capture = Capture::open_one_of_many(source, &CaptureOptions::default(), Arc::clone(&never)).unwrap();
    let settings = Settings { one_of_many: true, first_file: number, ..Settings::default() };
    let mut octets = Vec::new();
    dataset::write_stream(capture, settings, &mut octets, &never, &mut |_, _| {}).unwrap();
    octets
}

/// The batches of a stream.
pub fn batches(octets: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(octets, None).unwrap().map(Result::unwrap).collect()
}

/// A stream of rows, with an end row that tells so many, or without one.
pub fn stream(rows: &RecordBatch, told: Option<usize>) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut writer = StreamWriter::try_new(&mut octets, &rows.schema()).unwrap();
    for from in (0..rows.num_rows()).step_by(BATCH_ROWS) {
        writer.write(&rows.slice(from, BATCH_ROWS.min(rows.num_rows() - from))).unwrap();
    }
    if let Some(told) = told {
        writer.write(&end_row(told)).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    octets
}

/// A stream of rows with the end that it should have.
pub fn whole(rows: &RecordBatch) -> Vec<u8> {
    stream(rows, Some(rows.num_rows()))
}

/// The rows at some places.
pub fn taken(rows: &RecordBatch, places: &[usize]) -> RecordBatch {
    let places: Vec<u32> = places.iter().map(|at| u32::try_from(*at).unwrap()).collect();
    take_record_batch(rows, &UInt32Array::from(places)).unwrap()
}

/// The rows with another column of this name.
pub fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let at = rows.schema().index_of(name).unwrap();
    let mut columns = rows.columns().to_vec();
    columns[at] = column;
    RecordBatch::try_new(rows.schema(), columns).unwrap()
}

/// A column of 32 bits.
pub fn int32<'a>(rows: &'a RecordBatch, name: &str) -> &'a Int32Array {
    rows.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

/// A column of 64 bits.
pub fn int64<'a>(rows: &'a RecordBatch, name: &str) -> &'a Int64Array {
    rows.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

/// A column of words.
pub fn strings<'a>(rows: &'a RecordBatch, name: &str) -> &'a StringArray {
    rows.column_by_name(name).unwrap().as_any().downcast_ref().unwrap()
}

fn place(rows: &RecordBatch, at: usize) -> (i64, i64, i32, i64, i32) {
    let (long, short) = (|name| int64(rows, name).value(at), |name| int32(rows, name).value(at));
    (long("flow_hash"), long("order_ns"), short("file"), long("frame"), short("part"))
}

/// An end row.
pub fn end_row(told: usize) -> RecordBatch {
    let schema = dataset::schema();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "kind" => Arc::new(Int32Array::from(vec![RowKind::End.number()])),
            "file" => Arc::new(Int32Array::from(vec![-1])),
            "order_ns" => Arc::new(Int64Array::from(vec![i64::MAX])),
            "flow_hash" | "ts_ns" | "frame" => Arc::new(Int64Array::from(vec![0])),
            "part" => Arc::new(Int32Array::from(vec![0])),
            "item" => Arc::new(StringArray::from(vec![SCHEMA])),
            "text" => Arc::new(StringArray::from(vec!["complete"])),
            "number" => Arc::new(Int64Array::from(vec![i64::try_from(told).unwrap()])),
            _ => arrow_array::new_null_array(field.data_type(), 1),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

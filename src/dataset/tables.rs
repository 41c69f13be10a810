//! The same as Parquet files for people: a table each for segments, evidence, the account of the frames, inputs, interfaces and names.
//!
//! The columns are those of the stream, without the ones that say what a row is; addresses stand there as text too. A Parquet file has its end at its
//! end: one that is cut cannot be opened.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::account::{Account, SEGMENT};
use super::columns::{View, schema};
use super::facts::{input_number, signed};
use super::flow_hash::FLOW_HASH;
use super::reading::{self, Settings};
use super::{DatasetError, FLOW_HASH_KEY, RowKind, SCHEMA, SCHEMA_KEY};
use crate::capture::Capture;
use crate::time::Timestamp;

/// The tables, in the order in which they should appear: where `inputs` is, the others are whole.
pub const TABLES: [&str; 6] = ["segments", "evidence", "frames", "interfaces", "names", "inputs"];

/// Rows of a row group: what a reader can skip, and what the writer keeps in memory until it is full.
const GROUP_ROWS: usize = 256 * 1024;
/// Above this level zstd takes more time than it saves octets here (measured: `docs/performance.md`).
const ZSTD_LEVEL: i32 = 3;
/// Columns that hardly ever repeat a value: their differences take 13 % less room than a dictionary, and half the time (measured on the workload *web*).
const RISING: [&str; 7] = ["order_ns", "ts_ns", "frame", "seq", "ack", "tsval", "tsecr"];
/// Columns of the stream that a table of segments has no use for.
const NOT_OF_SEGMENTS: [&str; 5] = ["kind", "item", "text", "number", "frame_hash"];

impl From<ParquetError> for DatasetError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(source) => Self::Table(source.to_string()),
            },
            error => Self::Table(error.to_string()),
        }
    }
}

/// Reads a capture and writes the [`TABLES`]; `open` makes the file of a name.
pub fn write_tables(
    capture: Capture,
    settings: Settings,
    open: &mut dyn FnMut(&str) -> io::Result<File>,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Account, DatasetError> {
    let [segments, evidence, frames, interfaces, names, inputs] = TABLES;
    let (segment_columns, segment_schema) = segment_columns();
    let mut segments = ArrowWriter::try_new(open(segments)?, Arc::clone(&segment_schema), Some(properties(&RISING)?))?;
    let mut evidence = Table::begin(open(evidence)?, evidence_of(&RecordBatch::new_empty(schema()))?)?;
    let mut sink = |columns: &mut super::columns::Columns| {
        let mut batch = columns.take()?;
        let is_segment: BooleanArray = View::of(&batch)?.kind.iter().map(|kind| Some(kind == Some(RowKind::Segment.number()))).collect();
        if is_segment.true_count() < batch.num_rows() {
            let others: BooleanArray = is_segment.iter().map(|is| is.map(|is| !is)).collect();
            evidence.add(evidence_of(&filter_record_batch(&batch, &others)?)?)?;
            batch = filter_record_batch(&batch, &is_segment)?;
        }
        let view = View::of(&batch)?;
        let mut columns: Vec<ArrayRef> = batch.project(&segment_columns)?.columns().to_vec();
        columns.push(Arc::new(addresses(view.ip_version, view.src_hi, view.src_lo)));
        columns.push(Arc::new(addresses(view.ip_version, view.dst_hi, view.dst_lo)));
        Ok(segments.write(&RecordBatch::try_new(Arc::clone(&segment_schema), columns)?)?)
    };
    let account = reading::read(capture, settings, interrupted, progress, &mut sink)?;
    segments.close()?;
    evidence.end()?;
    Table::begin(open(frames)?, frames_of(&account, settings))?.end()?;
    Table::begin(open(interfaces)?, interfaces_of(&account, settings))?.end()?;
    Table::begin(open(names)?, names_of(&account))?.end()?;
    Table::begin(open(inputs)?, inputs_of(&account, settings))?.end()?;
    Ok(account)
}

/// How tables are written; columns of `rising` numbers as differences.
fn properties(rising: &[&str]) -> Result<WriterProperties, DatasetError> {
    let pair = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
    let mut properties = WriterProperties::builder();
    for name in rising {
        let column = ColumnPath::from(*name);
        properties =
            properties.set_column_dictionary_enabled(column.clone(), false).set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(properties
        .set_created_by(concat!("afterfin ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_key_value_metadata(Some(vec![pair(SCHEMA_KEY, SCHEMA), pair(FLOW_HASH_KEY, FLOW_HASH)]))
        .build())
}

/// Which columns of the stream a table of segments has, and its schema.
fn segment_columns() -> (Vec<usize>, SchemaRef) {
    let all = schema();
    let wanted = all.fields().iter().enumerate().filter(|(_, field)| !NOT_OF_SEGMENTS.contains(&field.name().as_str()));
    let (places, mut fields): (Vec<usize>, Vec<Arc<Field>>) = wanted.map(|(at, field)| (at, Arc::clone(field))).unzip();
    for name in ["src_ip", "dst_ip"] {
        fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
    }
    (places, Arc::new(Schema::new(fields)))
}

/// Addresses as text; neighbours are often the same, and are then not written anew.
fn addresses(version: &Int32Array, high: &Int64Array, low: &Int64Array) -> StringArray {
    let mut texts = StringBuilder::new();
    let mut last: Option<(i64, i64, i32)> = None;
    let mut text = String::new();
    for ((version, high), low) in version.iter().zip(high).zip(low) {
        let (Some(version), Some(high), Some(low)) = (version, high, low) else {
            texts.append_null();
            continue;
        };
        if last.replace((high, low, version)) != Some((high, low, version)) {
            let address = Ipv6Addr::from_bits(u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned()));
            text.clear();
            let _ = match address.to_ipv4_mapped().filter(|_| version == 4) {
                Some(address) => write!(text, "{}", IpAddr::V4(address)),
                None => write!(text, "{address}"),
            };
        }
        texts.append_value(&text);
    }
    texts.finish()
}

/// A table by its columns.
type Columns = Vec<(&'static str, ArrayRef)>;

/// A table that is being written.
struct Table {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
}

impl Table {
    /// Begins it with its first rows.
    fn begin(file: File, columns: Columns) -> Result<Self, DatasetError> {
        let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
        let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties(&[])?))?;
        let mut table = Self { writer, schema };
        table.add(columns)?;
        Ok(table)
    }

    fn add(&mut self, columns: Columns) -> Result<(), DatasetError> {
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        Ok(self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?)
    }

    fn end(self) -> Result<(), DatasetError> {
        self.writer.close()?;
        Ok(())
    }
}

fn column<A: Array + FromIterator<Option<T>> + 'static, T>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<A>())
}

fn evidence_of(batch: &RecordBatch) -> Result<Columns, DatasetError> {
    let view = View::of(batch)?;
    let kinds = view.kind.iter().map(|kind| kind.and_then(RowKind::of).map(RowKind::as_str));
    let same = |name: &'static str, column: &dyn Array| (name, column.slice(0, column.len()));
    Ok(vec![
        ("kind", column::<StringArray, _>(kinds)),
        same("flow_hash", view.flow_hash),
        same("order_ns", view.order_ns),
        same("ts_ns", view.ts_ns),
        same("file", view.file),
        same("frame", view.frame),
        ("src_ip", Arc::new(addresses(view.ip_version, view.src_hi, view.src_lo)) as ArrayRef),
        same("src_port", view.src_port),
        ("dst_ip", Arc::new(addresses(view.ip_version, view.dst_hi, view.dst_lo)) as ArrayRef),
        same("dst_port", view.dst_port),
        same("tenant", view.tenant),
        same("seq", view.seq),
        same("from_ip", view.item),
        same("says", view.text),
        same("number", view.number),
    ])
}

fn frames_of(account: &Account, settings: Settings) -> Columns {
    let rows = || account.frames.iter();
    vec![
        ("file", column::<Int32Array, _>(rows().map(|((file, ..), _)| Some(input_number(*file, settings.first_file))))),
        ("what", column::<StringArray, _>(rows().map(|((_, what, _), _)| Some(*what)))),
        ("reason", column::<StringArray, _>(rows().map(|((.., reason), _)| Some(*reason).filter(|reason| !reason.is_empty())))),
        ("frames", column::<Int64Array, _>(rows().map(|(_, count)| Some(signed(*count))))),
    ]
}

fn interfaces_of(account: &Account, settings: Settings) -> Columns {
    let rows = || account.summary.interfaces.iter();
    vec![
        ("interface", column::<Int32Array, _>((0..).zip(rows()).map(|(at, _)| Some(at)))),
        ("file", column::<Int32Array, _>(rows().map(|interface| Some(input_number(interface.file, settings.first_file))))),
        ("name", column::<StringArray, _>(rows().map(|interface| interface.name.as_deref().map(harmless)))),
        ("filter", column::<StringArray, _>(rows().map(|interface| interface.filter.as_deref().map(harmless)))),
        ("link_type", column::<Int32Array, _>(rows().map(|interface| Some(i32::from(interface.link_type))))),
        ("dropped", column::<Int64Array, _>(rows().map(|interface| interface.dropped.map(signed)))),
    ]
}

fn names_of(account: &Account) -> Columns {
    let rows = || account.summary.names.iter();
    vec![
        ("ip", column::<StringArray, _>(rows().map(|(address, _)| Some(address.to_string())))),
        ("name", column::<StringArray, _>(rows().map(|(_, name)| Some(harmless(name))))),
    ]
}

fn inputs_of(account: &Account, settings: Settings) -> Columns {
    let rows = || (0_u32..).zip(&account.summary.inputs);
    let nanos = |time: Option<Timestamp>| time.map(Timestamp::nanos);
    let segments = |file: u32| account.frames.get(&(file, SEGMENT, "")).copied().unwrap_or(0);
    let problems = |file: u32| {
        let of_it = account.summary.warnings.iter().filter(|warning| warning.file == file);
        let texts: Vec<String> = of_it.map(|warning| harmless(&warning.text)).collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    };
    vec![
        ("file", column::<Int32Array, _>(rows().map(|(file, _)| Some(input_number(file, settings.first_file))))),
        ("name", column::<StringArray, _>(rows().map(|(_, input)| Some(harmless(&input.name))))),
        ("sha256", column::<StringArray, _>(rows().map(|(_, input)| input.sha256.as_deref()))),
        ("format", column::<StringArray, _>(rows().map(|(_, input)| Some(input.format)))),
        ("compression", column::<StringArray, _>(rows().map(|(_, input)| input.compression))),
        ("frames", column::<Int64Array, _>(rows().map(|(_, input)| Some(signed(input.frames))))),
        ("segment_frames", column::<Int64Array, _>(rows().map(|(file, _)| Some(signed(segments(file)))))),
        ("octets", column::<Int64Array, _>(rows().map(|(_, input)| Some(signed(input.octets))))),
        ("first_ns", column::<Int64Array, _>(rows().map(|(_, input)| nanos(input.first)))),
        ("last_ns", column::<Int64Array, _>(rows().map(|(_, input)| nanos(input.last)))),
        ("ended_ns", column::<Int64Array, _>(rows().map(|(_, input)| nanos(input.ended)))),
        ("cut_frames", column::<Int64Array, _>(rows().map(|(_, input)| Some(signed(input.frames_cut_by_snap_length))))),
        ("complete", column::<BooleanArray, _>(rows().map(|(_, input)| Some(input.complete)))),
        ("problems", column::<StringArray, _>(rows().map(|(file, _)| problems(file)))),
    ]
}

/// A foreign text without what a terminal obeys.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

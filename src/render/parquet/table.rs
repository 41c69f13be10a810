//! The tables' columns: each a name and how its value is read off a row.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::endpoint::Role;
use crate::render::format::escape;
use crate::report::{ClosePoint, ConnectionRow, DirectionCounts, Finding, FrameRef, How, Outcome, Retry};
use crate::time::{Span, Timestamp};

/// Rows that are turned into columns at a time.
const CHUNK: usize = 65_536;
/// As for the tables of segments.
const ZSTD_LEVEL: i32 = 3;

/// A column of a table of `T`.
pub(super) type Column<T> = (&'static str, Value<T>);

/// How a value is read off a row; absent knowledge is null.
pub(super) enum Value<T> {
    Number(fn(&T) -> Option<i64>),
    Seconds(fn(&T) -> Option<Span>),
    Is(fn(&T) -> Option<bool>),
    Word(fn(&T) -> Option<&'static str>),
    Text(fn(&T) -> Option<String>),
    Texts(fn(&T) -> Vec<String>),
}

impl<T> Value<T> {
    fn field(&self, name: &str) -> Field {
        let item = || Arc::new(Field::new("item", DataType::Utf8, true));
        let data_type = match self {
            Self::Number(_) => DataType::Int64,
            Self::Seconds(_) => DataType::Float64,
            Self::Is(_) => DataType::Boolean,
            Self::Word(_) | Self::Text(_) => DataType::Utf8,
            Self::Texts(_) => DataType::List(item()),
        };
        Field::new(name, data_type, true)
    }

    fn array(&self, rows: &[T]) -> ArrayRef {
        match self {
            Self::Number(of) => Arc::new(rows.iter().map(of).collect::<Int64Array>()),
            Self::Seconds(of) => Arc::new(rows.iter().map(|row| of(row).map(Span::seconds)).collect::<Float64Array>()),
            Self::Is(of) => Arc::new(rows.iter().map(of).collect::<BooleanArray>()),
            Self::Word(of) => Arc::new(rows.iter().map(of).collect::<StringArray>()),
            Self::Text(of) => Arc::new(rows.iter().map(of).collect::<StringArray>()),
            Self::Texts(of) => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for row in rows {
                    lists.append_value(of(row).iter().map(Some));
                }
                Arc::new(lists.finish())
            }
        }
    }
}

/// Writes a table.
pub(super) fn write<T>(rows: &[T], columns: &[Column<T>], out: &mut dyn Write) -> io::Result<()> {
    let fields: Vec<Field> = columns.iter().map(|(name, value)| value.field(name)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    // The writer wants a sink that may change threads; the table is in memory as rows already, and far smaller as columns.
    let mut octets = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut octets, Arc::clone(&schema), Some(properties()?))?;
    for chunk in rows.chunks(CHUNK) {
        let arrays = columns.iter().map(|(_, value)| value.array(chunk)).collect();
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(ParquetError::from)?)?;
    }
    writer.close()?;
    out.write_all(&octets)
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let schema = KeyValue::new("afterfin.schema".to_owned(), "afterfin.report/1".to_owned());
    Ok(WriterProperties::builder()
        .set_created_by(concat!("afterfin ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_key_value_metadata(Some(vec![schema]))
        .build())
}

#[allow(clippy::unnecessary_wraps)] // as a column takes it
fn count(value: u64) -> Option<i64> {
    Some(i64::try_from(value).unwrap_or(i64::MAX))
}

fn file(at: Option<FrameRef>) -> Option<i64> {
    at.map(|at| i64::from(at.file))
}

fn frame(at: Option<FrameRef>) -> Option<i64> {
    at.and_then(|at| count(at.frame))
}

fn time(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::nanos)
}

/// Out of a capture, perhaps: harmless, as in JSON; nothing when it is empty.
fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| escape(text).into_owned())
}

fn texts(list: &[String]) -> Vec<String> {
    list.iter().map(|text| escape(text).into_owned()).collect()
}

fn id(number: usize) -> String {
    format!("F{number}")
}

fn close_by(point: Option<ClosePoint>) -> Option<&'static str> {
    point.map(|point| point.by.as_str())
}

/// The columns of the table of findings.
pub(super) const FINDING: &[Column<Finding>] = &[
    ("id", Value::Text(|row| Some(id(row.number)))),
    ("kind", Value::Word(|row| Some(row.kind.as_str()))),
    ("severity", Value::Word(|row| Some(row.severity.as_str()))),
    ("confidence", Value::Word(|row| Some(row.confidence.as_str()))),
    ("headline", Value::Text(|row| text(&row.headline))),
    ("count", Value::Number(|row| count(row.count))),
    ("stream", Value::Number(|row| row.stream.and_then(count))),
    ("client_ip", Value::Text(|row| Some(row.client.ip.to_string()))),
    ("client_port", Value::Number(|row| row.client_port_known.then_some(row.client.port.into()))),
    ("server_ip", Value::Text(|row| Some(row.server.ip.to_string()))),
    ("server_port", Value::Number(|row| Some(row.server.port.into()))),
    ("file", Value::Number(|row| file(row.frame))),
    ("frame", Value::Number(|row| frame(row.frame))),
    ("time_ns", Value::Number(|row| time(row.time))),
    ("request", Value::Text(|row| text(&row.request))),
    ("closed_by", Value::Word(|row| row.closed_by.map(Role::as_str))),
    ("close_how", Value::Word(|row| row.close.map(|close| close.how.as_str()))),
    ("close_file", Value::Number(|row| file(row.close.map(|close| close.frame)))),
    ("close_frame", Value::Number(|row| frame(row.close.map(|close| close.frame)))),
    ("close_time_ns", Value::Number(|row| time(row.close.map(|close| close.time)))),
    ("close_acknowledged_before", Value::Is(|row| row.close.map(|close| close.acknowledged_before))),
    ("idle_seconds", Value::Seconds(|row| row.idle)),
    ("wire_idle_seconds", Value::Seconds(|row| row.wire_idle)),
    ("since_close_seconds", Value::Seconds(|row| row.since_close)),
    ("cause", Value::Text(|row| row.cause.as_deref().and_then(text))),
    ("candidates", Value::Texts(|row| texts(&row.candidates))),
    ("outcome", Value::Word(|row| row.outcome.map(Outcome::as_str))),
    ("rst_file", Value::Number(|row| file(row.rst.as_ref().map(|rst| rst.frame)))),
    ("rst_frame", Value::Number(|row| frame(row.rst.as_ref().map(|rst| rst.frame)))),
    ("rst_shape", Value::Word(|row| row.rst.as_ref().map(|rst| rst.shape.as_str()))),
    ("rst_origin", Value::Word(|row| row.rst.as_ref().map(|rst| rst.origin.as_str()))),
    ("next_retried", Value::Word(|row| row.next.as_ref().map(|next| next.retried.as_str()))),
    ("next_stream", Value::Number(|row| row.next.as_ref().and_then(|next| next.stream).and_then(count))),
    ("next_file", Value::Number(|row| file(row.next.as_ref().and_then(|next| next.frame)))),
    ("next_frame", Value::Number(|row| frame(row.next.as_ref().and_then(|next| next.frame)))),
    ("next_after_seconds", Value::Seconds(|row| row.next.as_ref().and_then(|next| next.after))),
    ("next_answered", Value::Is(|row| row.next.as_ref().and_then(|next| next.answered))),
    ("retry", Value::Word(|row| row.retry.map(Retry::as_str))),
    ("retry_says", Value::Text(|row| text(&row.retry_says))),
    ("messages", Value::Texts(|row| texts(&row.messages))),
    ("reasons", Value::Texts(|row| texts(&row.reasons))),
    ("advice", Value::Texts(|row| texts(&row.advice))),
    ("consequence_of", Value::Text(|row| row.consequence_of.map(id))),
    ("wireshark_filter", Value::Text(|row| text(&row.wireshark_filter))),
];

/// The columns of one direction's counts.
macro_rules! counts {
    ($name:literal, $field:ident) => {{
        const fn of(row: &ConnectionRow) -> &DirectionCounts {
            &row.$field
        }
        [
            (concat!($name, "_segments"), Value::Number(|row| count(of(row).segments))),
            (concat!($name, "_duplicates"), Value::Number(|row| count(of(row).duplicates))),
            (concat!($name, "_payload_octets"), Value::Number(|row| count(of(row).payload_octets))),
            (concat!($name, "_unique_octets"), Value::Number(|row| count(of(row).unique_octets))),
            (concat!($name, "_syn"), Value::Number(|row| count(of(row).syn))),
            (concat!($name, "_fin"), Value::Number(|row| count(of(row).fin))),
            (concat!($name, "_rst"), Value::Number(|row| count(of(row).rst))),
            (concat!($name, "_retransmissions"), Value::Number(|row| count(of(row).retransmissions))),
            (concat!($name, "_keepalive_probes"), Value::Number(|row| count(of(row).keepalive_probes))),
            (concat!($name, "_keepalive_probes_inferred"), Value::Number(|row| count(of(row).keepalive_probes_inferred))),
            (concat!($name, "_incomplete_datagrams"), Value::Number(|row| count(of(row).incomplete_datagrams))),
        ]
    }};
}

/// The columns of the table of connections.
pub(super) fn connection() -> Vec<Column<ConnectionRow>> {
    let mut columns: Vec<Column<ConnectionRow>> = vec![
        ("stream", Value::Number(|row| count(row.stream))),
        ("client_ip", Value::Text(|row| Some(row.client.ip.to_string()))),
        ("client_port", Value::Number(|row| Some(row.client.port.into()))),
        ("server_ip", Value::Text(|row| Some(row.server.ip.to_string()))),
        ("server_port", Value::Number(|row| Some(row.server.port.into()))),
        ("role_basis", Value::Word(|row| Some(row.role_basis.as_str()))),
        ("first_ns", Value::Number(|row| Some(row.first.nanos()))),
        ("last_ns", Value::Number(|row| Some(row.last.nanos()))),
        ("file", Value::Number(|row| Some(row.first_frame.file.into()))),
        ("first_frame", Value::Number(|row| count(row.first_frame.frame))),
        ("handshake", Value::Word(|row| Some(row.handshake.as_str()))),
        ("rtt_seconds", Value::Seconds(|row| row.rtt)),
        ("one_sided", Value::Is(|row| Some(row.one_sided))),
        ("protocol", Value::Word(|row| Some(row.protocol).filter(|name| !matches!(*name, "unknown" | "")))),
        ("host", Value::Text(|row| text(&row.host))),
        ("requests", Value::Number(|row| count(row.requests))),
    ];
    columns.extend(counts!("client_to_server", client_to_server));
    columns.extend(counts!("server_to_client", server_to_client));
    columns.extend([
        ("first_fin_by", Value::Word(|row: &ConnectionRow| close_by(row.first_fin))),
        ("first_fin_file", Value::Number(|row| file(row.first_fin.map(|fin| fin.frame)))),
        ("first_fin_frame", Value::Number(|row| frame(row.first_fin.map(|fin| fin.frame)))),
        ("first_fin_time_ns", Value::Number(|row| time(row.first_fin.map(|fin| fin.time)))),
        ("first_close_by", Value::Word(|row| close_by(row.first_close))),
        ("first_close_how", Value::Word(|row| row.first_close.map(|close| How::as_str(close.how)))),
        ("first_close_file", Value::Number(|row| file(row.first_close.map(|close| close.frame)))),
        ("first_close_frame", Value::Number(|row| frame(row.first_close.map(|close| close.frame)))),
        ("first_close_time_ns", Value::Number(|row| time(row.first_close.map(|close| close.time)))),
        ("after_close_segments", Value::Number(|row| row.after_close.and_then(|after| count(after.segments)))),
        ("after_close_file", Value::Number(|row| file(row.after_close.map(|after| after.first_frame)))),
        ("after_close_first_frame", Value::Number(|row| frame(row.after_close.map(|after| after.first_frame)))),
        ("after_close_close_acknowledged", Value::Is(|row| row.after_close.map(|after| after.close_acknowledged))),
        ("wire_gaps_count", Value::Number(|row| count(row.wire_gap_count))),
        ("wire_gaps_longest_seconds", Value::Seconds(|row| row.wire_gap_longest)),
        ("state", Value::Word(|row| Some(row.state.as_str()))),
        ("incarnations", Value::Number(|row| Some(row.incarnations.into()))),
        ("vantages", Value::Texts(|row| texts(&row.vantages))),
        ("idle_gaps_count", Value::Number(|row| count(row.idle_gap_count))),
        ("idle_gaps_longest_seconds", Value::Seconds(|row| row.idle_gap_longest)),
        ("findings", Value::Texts(|row| row.findings.iter().copied().map(id).collect())),
    ]);
    columns
}

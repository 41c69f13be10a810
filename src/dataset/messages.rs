//! The messages of an Arrow IPC stream, each checked before `arrow_ipc` makes columns of it.
//!
//! The crate's own reader takes a stream for whole that lacks its end marker, and panics where a message places a buffer outside its body (60.1). Rows
//! come from other processes, over pipes and disks that fail: so every length is compared with what is there, memory follows the octets that came,
//! and only plain columns are read. Source: Apache Arrow columnar format 1.5, encapsulated message format and IPC streaming format.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::read_record_batch;
use arrow_ipc::{Message, MessageHeader, root_as_message};
use arrow_schema::{DataType, SchemaRef};

use super::DatasetError;

/// Begins a message, before the length of its metadata.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Longest metadata: those of a schema of 40 columns have 4 KiB.
const LONGEST_METADATA: u32 = 1 << 20;
/// Longest body: a batch of this program is below 16 MiB, an engine may put together larger ones.
const LONGEST_BODY: u64 = 1 << 31;
/// Buffers begin at multiples of so many octets.
const ALIGNMENT: u64 = 8;
/// Most rows of a batch: places in its columns are 32 bits.
const MOST_ROWS: i64 = 1 << 30;

/// Reads messages.
pub(super) struct Messages<R: Read> {
    source: R,
    schema: SchemaRef,
    ended: bool,
}

impl<R: Read> Messages<R> {
    /// Reads the schema.
    pub(super) fn open(mut source: R) -> Result<Self, DatasetError> {
        let Some((metadata, _)) = next_message(&mut source)? else { return Err(damaged("there is no schema")) };
        let message = parse(&metadata)?;
        let schema = message.header_as_schema().ok_or_else(|| damaged("the first message is no schema"))?;
        let schema = try_fb_to_schema(schema)?;
        if let Some(field) = schema.fields().iter().find(|field| widths(field.data_type()).is_none()) {
            return Err(DatasetError::Arrow(format!("the column {} is of type {}, which is not read", field.name(), field.data_type())));
        }
        Ok(Self { source, schema: Arc::new(schema), ended: false })
    }

    /// The schema.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch; `None` at the end marker, and an error where the stream stops without one.
    pub(super) fn next_batch(&mut self) -> Result<Option<RecordBatch>, DatasetError> {
        if self.ended {
            return Ok(None);
        }
        let Some((metadata, body)) = next_message(&mut self.source)? else {
            self.ended = true;
            return Ok(None);
        };
        let message = parse(&metadata)?;
        if message.header_type() != MessageHeader::RecordBatch {
            return Err(damaged("a message is no batch of rows"));
        }
        let batch = message.header_as_record_batch().ok_or_else(|| damaged("a message is no batch of rows"))?;
        if batch.compression().is_some() {
            return Err(damaged("a batch is compressed, which is not read"));
        }
        let (nodes, buffers) = batch.nodes().zip(batch.buffers()).ok_or_else(|| damaged("a batch describes no columns"))?;
        let rows = batch.length();
        let widths: Vec<usize> = self.schema.fields().iter().filter_map(|field| widths(field.data_type())).flatten().collect();
        if nodes.len() != self.schema.fields().len() || buffers.len() != widths.len() || !(0..=MOST_ROWS).contains(&rows) {
            return Err(damaged("a batch does not fit the schema"));
        }
        if nodes.iter().any(|node| node.length() != rows || !(0..=rows).contains(&node.null_count())) {
            return Err(damaged("the columns of a batch are not equally long"));
        }
        let fits = |(buffer, width): (&arrow_ipc::Buffer, &usize)| {
            let place = u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
            place.is_some_and(|(offset, length)| {
                offset.is_multiple_of(ALIGNMENT)
                    && offset.checked_add(length).is_some_and(|end| end <= body.len() as u64)
                    && (*width == 0 || length.is_multiple_of(*width as u64))
            })
        };
        if !buffers.iter().zip(&widths).all(fits) {
            return Err(damaged("a column has no place that can be within its batch"));
        }
        let version = message.version();
        Ok(Some(read_record_batch(&Buffer::from_vec(body), batch, Arc::clone(&self.schema), &HashMap::new(), None, &version)?))
    }
}

/// Of how many octets the items in the buffers of a column are (0: bits): validity, offsets, values. `None` for types that are not read.
fn widths(data_type: &DataType) -> Option<Vec<usize>> {
    match data_type {
        DataType::Utf8 | DataType::Binary => Some(vec![0, 4, 1]),
        DataType::LargeUtf8 | DataType::LargeBinary => Some(vec![0, 8, 1]),
        DataType::Boolean => Some(vec![0, 0]),
        data_type => data_type.primitive_width().map(|width| vec![0, width]),
    }
}

/// Metadata and body of a message.
type Octets = (Vec<u8>, Vec<u8>);

/// The next message; `None` at the end marker.
fn next_message(source: &mut impl Read) -> Result<Option<Octets>, DatasetError> {
    let mut word = [0; 4];
    source.read_exact(&mut word).map_err(cut)?;
    if word == CONTINUATION {
        source.read_exact(&mut word).map_err(cut)?;
    }
    let length = u32::from_le_bytes(word);
    if length == 0 {
        return Ok(None);
    }
    if length > LONGEST_METADATA {
        return Err(damaged("a message begins with no length that can be"));
    }
    let metadata = exactly(source, u64::from(length))?;
    let body = u64::try_from(parse(&metadata)?.bodyLength()).ok().filter(|length| *length <= LONGEST_BODY);
    let body = exactly(source, body.ok_or_else(|| damaged("a message has no length that can be"))?)?;
    Ok(Some((metadata, body)))
}

/// So many octets; memory follows those that come.
fn exactly(source: &mut impl Read, length: u64) -> Result<Vec<u8>, DatasetError> {
    let mut octets = Vec::new();
    source.take(length).read_to_end(&mut octets)?;
    if octets.len() as u64 == length { Ok(octets) } else { Err(damaged("it stops within a message")) }
}

fn parse(metadata: &[u8]) -> Result<Message<'_>, DatasetError> {
    root_as_message(metadata).map_err(|error| DatasetError::Arrow(error.to_string()))
}

fn damaged(why: &str) -> DatasetError {
    DatasetError::Arrow(why.to_owned())
}

fn cut(error: io::Error) -> DatasetError {
    if error.kind() == io::ErrorKind::UnexpectedEof { damaged("it stops without its end marker") } else { DatasetError::Io(error) }
}

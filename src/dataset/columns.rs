//! The columns of a row, in one table: the schema, what gathers a batch, and what reads one all follow from it.
//!
//! Only signed integers, plain binary and plain strings: engines refuse unsigned numbers, dictionaries, fixed-size binary and timestamps of
//! nanoseconds. `docs/cluster.md` explains every column; a column may be added, none is removed or changed without a new version.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{BinaryBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{Array, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::flow_hash::FLOW_HASH;
use super::frame_hash::FRAME_HASH;
use super::{DatasetError, SCHEMA};

/// Rows of a full batch: with both excerpts full and the longest names they are below 16 MiB.
pub const BATCH_ROWS: usize = 8192;

macro_rules! columns {
    ($($(#[doc = $doc:literal])+ $name:ident: $builder:ident, $array:ident, $of:expr, $nullable:literal;)+) => {
        /// Gathers the rows of a batch.
        #[derive(Debug, Default)]
        pub(super) struct Columns {
            /// Rows begun.
            pub(super) rows: usize,
            $($(#[doc = $doc])+ pub(super) $name: $builder,)+
        }

        impl Columns {
            /// Gives every column that has nothing in the row begun last a null there. A column that may hold none has something.
            pub(super) fn pad(&mut self) {
                use arrow_array::builder::ArrayBuilder as _;
                $(if $nullable && self.$name.len() < self.rows {
                    self.$name.append_null();
                })+
            }

            /// The batch; what follows goes into the next one.
            pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
                self.rows = 0;
                RecordBatch::try_new(schema(), vec![$(Arc::new(self.$name.finish())),+])
            }
        }

        fn fields() -> Vec<Field> {
            vec![$(Field::new(stringify!($name), $of, $nullable)),+]
        }

        /// The columns of a batch that was read.
        #[derive(Clone, Copy, Debug)]
        pub(super) struct View<'a> {
            $($(#[doc = $doc])+ pub(super) $name: &'a $array,)+
        }

        impl<'a> View<'a> {
            /// Finds every column by its name; further ones are allowed.
            pub(super) fn of(batch: &'a RecordBatch) -> Result<Self, DatasetError> {
                Ok(Self {
                    $($name: batch
                        .column_by_name(stringify!($name))
                        .and_then(|column| column.as_any().downcast_ref::<$array>())
                        .ok_or(DatasetError::Column(stringify!($name), $of))?,)+
                })
            }
        }
    };
}

columns! {
    /// What the row is: a [`super::RowKind`].
    kind: Int32Builder, Int32Array, DataType::Int32, false;
    /// The flow that the row belongs to: see [`super::flow_hash()`]; 0 where it belongs to none.
    flow_hash: Int64Builder, Int64Array, DataType::Int64, false;
    /// The latest time that the input had reached with this frame: by (order_ns, file, frame, part) rows are in the order of the report.
    order_ns: Int64Builder, Int64Array, DataType::Int64, false;
    /// When the frame was captured, in nanoseconds since 1970.
    ts_ns: Int64Builder, Int64Array, DataType::Int64, false;
    /// The input; −1 where a row is about all of them.
    file: Int32Builder, Int32Array, DataType::Int32, false;
    /// The frame's number in its input, from 1; 0 where a row is about no frame.
    frame: Int64Builder, Int64Array, DataType::Int64, false;
    /// Which of the frame's segments, from 0.
    part: Int32Builder, Int32Array, DataType::Int32, false;
    /// 4 or 6.
    ip_version: Int32Builder, Int32Array, DataType::Int32, true;
    /// The sender's address, its upper 64 bits; IPv4 is mapped.
    src_hi: Int64Builder, Int64Array, DataType::Int64, true;
    /// The lower 64 bits.
    src_lo: Int64Builder, Int64Array, DataType::Int64, true;
    /// The receiver's address, its upper 64 bits.
    dst_hi: Int64Builder, Int64Array, DataType::Int64, true;
    /// The lower 64 bits.
    dst_lo: Int64Builder, Int64Array, DataType::Int64, true;
    /// The sender's port.
    src_port: Int32Builder, Int32Array, DataType::Int32, true;
    /// The receiver's port.
    dst_port: Int32Builder, Int32Array, DataType::Int32, true;
    /// What keeps overlapping tenants apart, 32 bits; 0 without `--separate`.
    tenant: Int32Builder, Int32Array, DataType::Int32, true;
    /// Sequence number.
    seq: Int64Builder, Int64Array, DataType::Int64, true;
    /// Acknowledgement number.
    ack: Int64Builder, Int64Array, DataType::Int64, true;
    /// The nine flags of the TCP header.
    flags: Int32Builder, Int32Array, DataType::Int32, true;
    /// The window field, unscaled.
    window: Int32Builder, Int32Array, DataType::Int32, true;
    /// Payload octets on the wire.
    payload_length: Int64Builder, Int64Array, DataType::Int64, true;
    /// Timestamp value.
    tsval: Int64Builder, Int64Array, DataType::Int64, true;
    /// Timestamp echo reply.
    tsecr: Int64Builder, Int64Array, DataType::Int64, true;
    /// Maximum segment size.
    mss: Int32Builder, Int32Array, DataType::Int32, true;
    /// Window scale shift count.
    wscale: Int32Builder, Int32Array, DataType::Int32, true;
    /// Left edge of the first SACK block.
    sack_left: Int64Builder, Int64Array, DataType::Int64, true;
    /// Its right edge.
    sack_right: Int64Builder, Int64Array, DataType::Int64, true;
    /// Octets of TCP options.
    option_octets: Int32Builder, Int32Array, DataType::Int32, true;
    /// Bits: see [`super::marks`].
    marks: Int32Builder, Int32Array, DataType::Int32, true;
    /// Time to live or hop limit.
    ttl: Int32Builder, Int32Array, DataType::Int32, true;
    /// Identification of the IPv4 header.
    ip_id: Int32Builder, Int32Array, DataType::Int32, true;
    /// The capture interface: a number among those of this stream's inputs.
    interface: Int32Builder, Int32Array, DataType::Int32, true;
    /// The kernel's interface, where the capture tells it.
    sub_interface: StringBuilder, StringArray, DataType::Utf8, true;
    /// The encapsulation, from the outside in; null for the plain link type.
    stack: StringBuilder, StringArray, DataType::Utf8, true;
    /// Link address of the sender.
    link_src: Int64Builder, Int64Array, DataType::Int64, true;
    /// Link address of the receiver.
    link_dst: Int64Builder, Int64Array, DataType::Int64, true;
    /// A hash of the outermost tunnel's addresses, 32 bits; 0 without a tunnel.
    outer: Int32Builder, Int32Array, DataType::Int32, true;
    /// The first captured payload octets.
    head: BinaryBuilder, BinaryArray, DataType::Binary, true;
    /// The last ones, if they lie beyond.
    tail: BinaryBuilder, BinaryArray, DataType::Binary, true;
    /// In a row that is no segment: what it tells.
    item: StringBuilder, StringArray, DataType::Utf8, true;
    /// The words of it.
    text: StringBuilder, StringArray, DataType::Utf8, true;
    /// The number of it.
    number: Int64Builder, Int64Array, DataType::Int64, true;
    /// See [`super::frame_hash()`]; with `--one-of-many`, in rows of one frame.
    frame_hash: Int64Builder, Int64Array, DataType::Int64, true;
}

/// The schema, with its version in the metadata.
pub fn schema() -> SchemaRef {
    static ONCE: LazyLock<SchemaRef> = LazyLock::new(|| {
        let metadata = [(super::SCHEMA_KEY, SCHEMA), (super::FLOW_HASH_KEY, FLOW_HASH), (super::FRAME_HASH_KEY, FRAME_HASH)];
        let metadata: HashMap<String, String> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Arc::new(Schema::new_with_metadata(fields(), metadata))
    });
    Arc::clone(&ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_has_only_types_that_every_engine_takes() {
        for field in schema().fields() {
            assert!(
                matches!(field.data_type(), DataType::Int32 | DataType::Int64 | DataType::Utf8 | DataType::Binary),
                "{field}: unsigned, dictionary and fixed-size types are refused by engines"
            );
            assert_ne!(field.name(), "len", "clashes with a function of data frames");
        }
    }

    #[test]
    fn schema_is_the_table_of_the_contract() {
        let page = include_str!("../../docs/cluster.md");
        let table = page.split("## Columns").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        });
        let name = |data_type: &DataType| match data_type {
            DataType::Int32 => "int32",
            DataType::Int64 => "int64",
            DataType::Utf8 => "string",
            _ => "binary",
        };
        let columns = fields().into_iter().map(|field| {
            let optional = if field.is_nullable() { "?" } else { "" };
            (field.name().clone(), format!("{}{optional}", name(field.data_type())))
        });
        assert_eq!(rows.collect::<Vec<_>>(), columns.collect::<Vec<_>>());
    }
}

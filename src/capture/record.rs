//! What every container reader gives: the next record, the end, or the damage that ends it.

use crate::time::Timestamp;

/// The largest frame that is kept: 16 MiB. Wireshark stops at 256 KiB for network link types; a BIG TCP frame may have 512 KiB, and
/// records of some MB come from USB and message-bus captures. A larger claim is damage, found before any memory is taken for it.
pub(super) const MAX_FRAME_OCTETS: u32 = 16 * 1024 * 1024;

/// One frame record; its octets lie in the stream's window. A reader writes it in place: returned by value, its parts travel through
/// the stack in other widths than they were written, and the processor waits (measured: 20 ns per frame).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Where the octets begin, as [`super::stream::OctetStream::slice`] takes it.
    pub(super) at: usize,
    /// Octets kept.
    pub(super) captured: usize,
    /// Octets on the wire.
    pub(super) wire_length: u32,
    /// Time, where the format has one.
    pub(super) time: Option<Timestamp>,
    /// Index into the input's interfaces.
    pub(super) interface: u32,
    /// Link type.
    pub(super) link_type: u16,
    /// Octets of frame check sequence.
    pub(super) fcs_octets: u8,
    /// Frames that Wireshark numbers between the frame before and this one, and that are none (journal entries, custom blocks).
    pub(super) unread_before: u32,
}

/// What the next step of a reader found.
#[derive(Debug)]
pub(super) enum Step {
    /// A frame, in the record.
    Frame,
    /// The proper end.
    End,
    /// The rest cannot be read: where and why, up to «; the N frames before it …».
    Damage(String),
}

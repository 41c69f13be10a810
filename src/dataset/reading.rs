//! Capture → batches of rows, by way of `decode`; memory is that of a batch.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::account::{Account, MALFORMED, SKIPPED};
use super::columns::{BATCH_ROWS, Columns};
use super::facts::{OwnedFact, input_number, signed};
use super::flow_hash::{flow_hash, words};
use super::one_of_many::{OneOfMany, Server};
use super::twins::ICMP_ERROR;
use super::{DatasetError, RowKind, marks};
use crate::capture::Capture;
use crate::decode::{DecodeOptions, Decoded, Decoder, FirstFragments, IP_FRAGMENT, SHORT_HEADER};
use crate::endpoint::Endpoint;
use crate::frame::{Frame, FrameId};
use crate::options::Separate;
use crate::segment::{IcmpError, IcmpQuote, IncompleteDatagram, Segment, Vantage};
use crate::time::{Span, Timestamp};

/// The progress display is told every so many frames.
const PROGRESS_EVERY: u64 = 1 << 14;

/// How rows are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What becomes part of a flow's identity.
    pub separate: Separate,
    /// The number of the first input; the others follow.
    pub first_file: u32,
    /// Without the payload's excerpts; lengths stay.
    pub headers_only: bool,
    /// The input is one of many that are read apart: with what those need to know of it who put their rows together.
    pub one_of_many: bool,
}

/// Reads the whole capture. `sink` gets batches of [`BATCH_ROWS`] rows and takes them out; the last one, which may be empty, is smaller.
pub(super) fn read(
    mut capture: Capture,
    settings: Settings,
    interrupted: &AtomicBool,
    progress: &mut dyn FnMut(u64, Option<u64>),
    sink: &mut dyn FnMut(&mut Columns) -> Result<(), DatasetError>,
) -> Result<Account, DatasetError> {
    let mut decoder = Decoder::new(DecodeOptions { separate: settings.separate });
    let mut account = Account::default();
    let one_of_many = settings.one_of_many.then(|| OneOfMany::new(settings));
    let mut writer = Writer { settings, columns: Columns::default(), unnamed: Vec::new(), earlier: None, one_of_many };
    let mut frames = 0_u64;
    loop {
        if frames.is_multiple_of(PROGRESS_EVERY) {
            let (done, total) = capture.progress();
            progress(done, total);
        }
        if interrupted.load(Ordering::Relaxed) {
            account.stopped = true;
            break;
        }
        let Some((frame, interfaces)) = capture.next_frame_and_interfaces() else { break };
        frames = frames.saturating_add(1);
        let order = account.reach(&frame);
        writer.frame(&frame, interfaces, order);
        let (sampled, mut firsts) = (decoder.sampled(), decoder.first_fragments());
        while let Some(earlier) = decoder.before(&frame) {
            account.earlier_segment(earlier.frame);
            writer.segment(&earlier, order, 0);
            firsts = writer.name_earlier(&decoder, firsts);
        }
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                account.segment(frame.id);
                writer.segment(&segment, order, 0);
                let mut part = 0;
                while let Some(further) = decoder.more(&frame) {
                    account.further_segment();
                    part = i32::saturating_add(part, 1);
                    writer.segment(&further, order, part);
                }
            }
            Decoded::IcmpQuote(quote) => {
                account.other(&frame, SKIPPED, ICMP_ERROR);
                writer.quote(&quote, &frame, order);
            }
            Decoded::ShortHeader { src, dst, tenant } => {
                account.other(&frame, MALFORMED, SHORT_HEADER);
                writer.begin(RowKind::ShortHeader, frame.id, frame.time.unwrap_or(order), order);
                writer.flow(src, dst, tenant);
                writer.unique(&frame);
                writer.columns.pad();
            }
            Decoded::Waits => {
                account.waits(frame.id);
                writer.keep(frame.id);
            }
            Decoded::Skipped(reason) => {
                account.other(&frame, SKIPPED, reason);
                writer.other(&frame, order, SKIPPED, reason);
            }
            Decoded::Malformed(reason) => {
                account.other(&frame, MALFORMED, reason);
                writer.other(&frame, order, MALFORMED, reason);
            }
        }
        writer.name(&decoder, if decoder.sampled() > sampled { marks::SAMPLED } else { 0 });
        writer.given_up(&mut decoder, order);
        if writer.columns.rows >= BATCH_ROWS {
            sink(&mut writer.columns)?;
        }
    }
    decoder.end();
    let mut firsts = decoder.first_fragments();
    while let Some(earlier) = decoder.after_last() {
        account.earlier_segment(earlier.frame);
        writer.segment(&earlier, Timestamp(i64::MAX), 0);
        firsts = writer.name_earlier(&decoder, firsts);
    }
    decoder.give_up();
    writer.given_up(&mut decoder, Timestamp(i64::MAX));
    sink(&mut writer.columns)?;
    account.sampled = decoder.sampled();
    account.first_fragments = decoder.first_fragments();
    account.incomplete_datagrams = decoder.incomplete_fragments();
    account.names = decoder.names();
    account.one_of_many = writer.one_of_many;
    account.close(capture.finish());
    Ok(account)
}

/// Puts rows into the columns.
struct Writer {
    settings: Settings,
    columns: Columns,
    /// Where the segments of this frame were captured: the names are put in when the decoder is free again.
    unnamed: Vec<Unnamed>,
    /// The frame of the segment whose row was begun last.
    earlier: Option<FrameId>,
    one_of_many: Option<OneOfMany>,
}

/// What of a segment only the decoder tells.
struct Unnamed {
    stack: u16,
    interface: u32,
    marks: i32,
}

impl Writer {
    /// Begins a row.
    #[inline]
    fn begin(&mut self, kind: RowKind, frame: FrameId, time: Timestamp, order: Timestamp) {
        let columns = &mut self.columns;
        columns.rows = columns.rows.saturating_add(1);
        columns.kind.append_value(kind.number());
        columns.order_ns.append_value(order.nanos());
        columns.ts_ns.append_value(time.nanos());
        columns.file.append_value(input_number(frame.file(), self.settings.first_file));
        columns.frame.append_value(signed(frame.number()));
    }

    /// The endpoints of a row whose only segment is its frame's first.
    fn flow(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
        self.columns.part.append_value(0);
        self.endpoints(src, dst, tenant);
    }

    #[inline]
    fn endpoints(&mut self, src: Endpoint, dst: Endpoint, tenant: u32) {
        let columns = &mut self.columns;
        columns.flow_hash.append_value(flow_hash(src, dst, tenant).cast_signed());
        columns.ip_version.append_value(if matches!(src.ip(), IpAddr::V4(_)) { 4 } else { 6 });
        let (high, low) = words(src.ip());
        columns.src_hi.append_value(high.cast_signed());
        columns.src_lo.append_value(low.cast_signed());
        let (high, low) = words(dst.ip());
        columns.dst_hi.append_value(high.cast_signed());
        columns.dst_lo.append_value(low.cast_signed());
        columns.src_port.append_value(i32::from(src.port()));
        columns.dst_port.append_value(i32::from(dst.port()));
        columns.tenant.append_value(tenant.cast_signed());
    }

    /// A segment, but for the names of where it was captured.
    #[inline]
    fn segment(&mut self, segment: &Segment<'_>, order: Timestamp, part: i32) {
        // Every field is named: a new one must find its column.
        let Segment {
            frame,
            time,
            time_unknown,
            src,
            dst,
            tenant,
            seq,
            ack,
            flags,
            window,
            options,
            payload_length,
            ttl,
            ip_id,
            discarded,
            vantage: Vantage { interface, stack, link_source, link_destination, outer },
            head,
            tail,
        } = *segment;
        self.earlier = Some(frame);
        self.begin(RowKind::Segment, frame, time, order);
        self.endpoints(src, dst, tenant);
        let columns = &mut self.columns;
        columns.part.append_value(part);
        columns.seq.append_value(i64::from(seq.0));
        columns.ack.append_value(i64::from(ack.0));
        columns.flags.append_value(i32::from(flags.0));
        columns.window.append_value(i32::from(window));
        columns.payload_length.append_value(i64::from(payload_length));
        columns.tsval.append_option(options.timestamp.map(|(value, _)| i64::from(value)));
        columns.tsecr.append_option(options.timestamp.map(|(_, reply)| i64::from(reply)));
        columns.mss.append_option(options.mss.map(i32::from));
        columns.wscale.append_option(options.window_scale.map(i32::from));
        columns.sack_left.append_option(options.first_sack.map(|(left, _)| i64::from(left.0)));
        columns.sack_right.append_option(options.first_sack.map(|(_, right)| i64::from(right.0)));
        columns.option_octets.append_value(i32::from(options.octets));
        let mark = |is: bool, bit: i32| if is { bit } else { 0 };
        let marks = mark(time_unknown, marks::TIME_UNKNOWN)
            | mark(discarded, marks::DISCARDED)
            | mark(options.cut, marks::OPTIONS_CUT)
            | mark(options.sack_permitted, marks::SACK_PERMITTED)
            | mark(options.fast_open, marks::FAST_OPEN);
        columns.ttl.append_value(i32::from(ttl));
        columns.ip_id.append_option(ip_id.map(i32::from));
        columns.interface.append_value((interface & 0xffff).cast_signed());
        columns.link_src.append_option(link_source.map(|address| address.bits().cast_signed()));
        columns.link_dst.append_option(link_destination.map(|address| address.bits().cast_signed()));
        columns.outer.append_value(outer.cast_signed());
        let shown = |octets| Some(octets).filter(|octets: &&[u8]| !octets.is_empty() && !self.settings.headers_only);
        columns.head.append_option(shown(head));
        columns.tail.append_option(shown(tail));
        columns.item.append_null();
        columns.text.append_null();
        columns.number.append_null();
        self.unnamed.push(Unnamed { stack, interface, marks });
        if let Some(one) = &mut self.one_of_many {
            one.rows = one.rows.saturating_add(1);
            one.look(segment, order, part);
        }
    }

    /// What only the decoder tells of the segments of the last frame: where they were captured.
    #[inline]
    fn name(&mut self, decoder: &Decoder, more_marks: i32) {
        let hash = self.one_of_many.as_ref().map(|one| one.hash);
        self.name_with(decoder, more_marks, hash);
    }

    /// The same of a segment that was captured in an earlier frame; `firsts` are the counts before it, those after it are given back.
    fn name_earlier(&mut self, decoder: &Decoder, firsts: FirstFragments) -> FirstFragments {
        let now = decoder.first_fragments();
        let mark = |is: bool, bit: i32| if is { bit } else { 0 };
        let more_marks =
            mark(now.segments > firsts.segments, marks::FIRST_FRAGMENT) | mark(now.measured > firsts.measured, marks::MEASURED);
        let frame = self.earlier;
        let hash = self.one_of_many.as_ref().zip(frame).and_then(|(one, frame)| one.kept(frame));
        self.name_with(decoder, more_marks, hash);
        now
    }

    #[inline]
    fn name_with(&mut self, decoder: &Decoder, more_marks: i32, hash: Option<i64>) {
        for Unnamed { stack, interface, marks } in self.unnamed.drain(..) {
            self.columns.marks.append_value(marks | more_marks);
            self.columns.frame_hash.append_option(hash);
            match decoder.stacks().get(usize::from(stack)) {
                Some(name) if stack > 0 => self.columns.stack.append_value(name),
                _ => self.columns.stack.append_null(),
            }
            match decoder.sub_interface(interface) {
                "" => self.columns.sub_interface.append_null(),
                name => self.columns.sub_interface.append_value(name),
            }
        }
    }

    /// The next frame.
    #[inline]
    fn frame(&mut self, frame: &Frame<'_>, interfaces: usize, order: Timestamp) {
        if let Some(one) = &mut self.one_of_many {
            one.frame(frame, interfaces, order);
        }
    }

    /// A row may follow later for this frame.
    fn keep(&mut self, frame: FrameId) {
        if let Some(one) = &mut self.one_of_many {
            one.keep(frame);
        }
    }

    /// What tells a row of the frame at hand apart from that of the same frame in another input.
    fn unique(&mut self, frame: &Frame<'_>) {
        if let Some(one) = &mut self.one_of_many {
            one.rows = one.rows.saturating_add(1);
            self.columns.frame_hash.append_value(one.hash);
            self.columns.marks.append_value(if frame.time.is_none() { marks::TIME_UNKNOWN } else { 0 });
        }
    }

    /// A frame that is no segment has a row of its own where it may have a twin in another input.
    fn other(&mut self, frame: &Frame<'_>, order: Timestamp, what: &str, reason: &str) {
        if reason == IP_FRAGMENT {
            self.keep(frame.id);
        }
        let Some(one) = &self.one_of_many else { return };
        let hash = one.hash;
        self.begin(RowKind::OtherFrame, frame.id, frame.time.unwrap_or(order), order);
        self.columns.flow_hash.append_value(hash);
        self.columns.part.append_value(0);
        self.columns.item.append_value(what);
        self.columns.text.append_value(reason);
        self.unique(frame);
        self.columns.pad();
    }

    /// An ICMP error.
    fn quote(&mut self, quote: &IcmpQuote, frame: &Frame<'_>, order: Timestamp) {
        self.unique(frame);
        let IcmpQuote { frame: id, time, from, error, src, dst, tenant, seq } = *quote;
        self.begin(RowKind::IcmpQuote, id, time, order);
        self.flow(src, dst, tenant);
        let (says, number) = match error {
            IcmpError::Unreachable(code) => (UNREACHABLE, i64::from(code)),
            IcmpError::PacketTooBig(mtu) => (PACKET_TOO_BIG, i64::from(mtu)),
            IcmpError::TimeExceeded => (TIME_EXCEEDED, 0),
            IcmpError::Other(kind, code) => (OTHER_ERROR, i64::from(u16::from_be_bytes([kind, code]))),
        };
        self.columns.seq.append_value(i64::from(seq.0));
        self.columns.item.append_value(from.to_string());
        self.columns.text.append_value(says);
        self.columns.number.append_value(number);
        self.columns.pad();
    }

    /// The datagrams that were given up with the last frame: after the frames of that time.
    fn given_up(&mut self, decoder: &mut Decoder, order: Timestamp) {
        while let Some(datagram) = decoder.next_incomplete() {
            let IncompleteDatagram { frame, time, src, dst, tenant, seq, octets } = datagram;
            self.begin(RowKind::IncompleteDatagram, frame, time, order + Span(1));
            self.flow(src, dst, tenant);
            self.columns.seq.append_value(i64::from(seq.0));
            self.columns.number.append_value(i64::from(octets));
            if let Some(one) = &mut self.one_of_many {
                one.rows = one.rows.saturating_add(1);
                self.columns.frame_hash.append_option(one.kept(frame));
            }
            self.columns.pad();
        }
    }
}

/// What an ICMP error says.
pub(super) const UNREACHABLE: &str = "unreachable";
/// See [`UNREACHABLE`].
pub(super) const PACKET_TOO_BIG: &str = "packet-too-big";
/// See [`UNREACHABLE`].
pub(super) const TIME_EXCEEDED: &str = "time-exceeded";
/// See [`UNREACHABLE`].
pub(super) const OTHER_ERROR: &str = "other";

impl Columns {
    /// A server.
    pub(super) fn server(&mut self, server: &Server, first_file: u32) {
        let Server { endpoint, order, frame, part } = *server;
        self.rows = self.rows.saturating_add(1);
        self.kind.append_value(RowKind::Server.number());
        self.flow_hash.append_value(0);
        self.order_ns.append_value(order.nanos());
        self.ts_ns.append_value(0);
        self.file.append_value(input_number(frame.file(), first_file));
        self.frame.append_value(signed(frame.number()));
        self.part.append_value(part);
        self.ip_version.append_value(if matches!(endpoint.ip(), IpAddr::V4(_)) { 4 } else { 6 });
        let (high, low) = words(endpoint.ip());
        self.src_hi.append_value(high.cast_signed());
        self.src_lo.append_value(low.cast_signed());
        self.src_port.append_value(i32::from(endpoint.port()));
        self.pad();
    }

    /// A row that tells something.
    pub(super) fn fact(&mut self, fact: &OwnedFact) {
        self.rows = self.rows.saturating_add(1);
        self.kind.append_value(fact.kind.number());
        self.flow_hash.append_value(0);
        self.order_ns.append_value(i64::MAX);
        self.ts_ns.append_value(0);
        self.file.append_value(fact.file);
        self.frame.append_value(0);
        self.part.append_value(0);
        self.interface.append_option(fact.interface);
        self.item.append_value(&fact.item);
        self.text.append_option(fact.text.as_deref());
        self.number.append_option(fact.number);
        self.pad();
    }
}

//! The first half of the analysis: frames → what they say of TCP, and the account of every frame.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::decode::{Decoded, Decoder, FirstFragments, IP_FRAGMENT, SHORT_HEADER};
use crate::endpoint::Endpoint;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::time::{Span, Timestamp};

/// A capture without any frame for longer than this stood still, or two were joined: no timer on the way is longer (the longest known
/// default is conntrack's 5 days for established connections).
const LONGEST_PAUSE: Span = Span::from_secs(5 * 24 * 3600);
/// So many pauses are kept.
const KEPT_PAUSES: usize = 1024;

/// Takes what frames say of TCP, in their order.
pub(super) trait Sink {
    /// A segment will come soon: a chance to fetch what is known of its connection.
    fn expect(&mut self, segment: &Segment<'_>);
    /// A segment.
    fn segment(&mut self, segment: &Segment<'_>);
    /// An ICMP error that quotes a segment.
    fn quote(&mut self, quote: &IcmpQuote);
    /// A TCP header that is too short to be one.
    fn short_header(&mut self, src: Endpoint, dst: Endpoint, tenant: u32);
    /// A datagram that never became whole.
    fn incomplete(&mut self, datagram: &IncompleteDatagram);
}

/// What every frame was: the sums are printed.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Frames read.
    pub(super) frames: u64,
    /// TCP segments.
    pub(super) segments: u64,
    /// Segments that share a frame with an earlier one.
    pub(super) further: u64,
    /// Segments of which only the first fragment was captured.
    pub(super) firsts: FirstFragments,
    /// Frames that are sound and no segments, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// Frames that should have been readable, by what is wrong.
    pub(super) malformed: BTreeMap<&'static str, u64>,
    /// Earliest time.
    pub(super) first: Option<Timestamp>,
    /// Latest time.
    pub(super) last: Option<Timestamp>,
    /// Frames without a time of their own.
    pub(super) untimed: u64,
    latest: Option<Timestamp>,
    /// Where the recording stood still: the last time before and the first after each pause.
    pub(super) pauses: Vec<(Timestamp, Timestamp)>,
}

impl Account {
    /// So many frames that counted as fragments were segments.
    fn first_fragments(&mut self, firsts: FirstFragments) {
        self.firsts = firsts;
        if let Some(skipped) = self.skipped.get_mut(IP_FRAGMENT) {
            *skipped = skipped.saturating_sub(firsts.segments);
        }
        self.skipped.retain(|_, count| *count > 0);
    }

    fn time(&mut self, time: Option<Timestamp>) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        if let Some(latest) = self.latest.replace(time)
            && time.since(latest) > LONGEST_PAUSE
            && self.pauses.len() < KEPT_PAUSES
        {
            self.pauses.push((latest, time));
        }
        self.first = Some(self.first.map_or(time, |known| known.min(time)));
        self.last = Some(self.last.map_or(time, |known| known.max(time)));
    }
}

/// Reads and decodes.
pub(super) struct Intake {
    /// The inputs.
    pub(super) capture: Capture,
    /// What decoding keeps.
    pub(super) decoder: Decoder,
    /// What the frames were.
    pub(super) account: Account,
}

impl Intake {
    /// Takes one frame; false: there is none more.
    #[inline]
    pub(super) fn next(&mut self, sink: &mut impl Sink) -> bool {
        let Self { capture, decoder, account } = self;
        let Some(frame) = capture.next_frame() else { return false };
        account.frames += 1;
        account.time(frame.time);
        while let Some(earlier) = decoder.before(&frame) {
            account.segments += 1;
            sink.segment(&earlier);
        }
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                account.segments += 1;
                sink.segment(&segment);
                while let Some(further) = decoder.more(&frame) {
                    account.segments += 1;
                    account.further += 1;
                    sink.segment(&further);
                }
            }
            Decoded::IcmpQuote(quote) => {
                *account.skipped.entry("icmp error").or_default() += 1;
                sink.quote(&quote);
            }
            Decoded::ShortHeader { src, dst, tenant } => {
                sink.short_header(src, dst, tenant);
                *account.malformed.entry(SHORT_HEADER).or_default() += 1;
            }
            Decoded::Waits => {}
            Decoded::Skipped(reason) => *account.skipped.entry(reason).or_default() += 1,
            Decoded::Malformed(reason) => *account.malformed.entry(reason).or_default() += 1,
        }
        self.give_up(sink);
        true
    }

    /// No frame comes any more: what waits for later ones comes, and datagrams that wait for fragments are given up.
    pub(super) fn end(&mut self, sink: &mut impl Sink) {
        self.decoder.end();
        while let Some(earlier) = self.decoder.after_last() {
            self.account.segments += 1;
            sink.segment(&earlier);
        }
        self.decoder.give_up();
        self.give_up(sink);
        self.account.first_fragments(self.decoder.first_fragments());
    }

    #[inline]
    fn give_up(&mut self, sink: &mut impl Sink) {
        while let Some(datagram) = self.decoder.next_incomplete() {
            sink.incomplete(&datagram);
        }
    }
}

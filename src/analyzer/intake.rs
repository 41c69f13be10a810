//! The first half of the analysis: frames → what they say of TCP, and the account of every frame.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::decode::{Decoded, Decoder, FirstFragments, IP_FRAGMENT, SHORT_HEADER};
use crate::endpoint::Endpoint;
use crate::segment::{IcmpQuote, IncompleteDatagram, Segment};
use crate::taken::{Frames, Incomplete, Taken};
use crate::tcp::Expected;
use crate::time::Timestamp;

/// Takes what frames say of TCP, in their order.
pub(super) trait Sink {
    /// A segment will come soon: a chance to fetch what is known of its connection.
    fn expect(&mut self, segment: &Segment<'_>) -> Expected;
    /// A segment, and what was found when it was expected.
    fn segment(&mut self, segment: &Segment<'_>, expected: Expected);
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
        self.first = Some(self.first.map_or(time, |known| known.min(time)));
        self.last = Some(self.last.map_or(time, |known| known.max(time)));
    }
}

impl From<Account> for Frames {
    fn from(account: Account) -> Self {
        let Account { frames, segments, further, firsts, skipped, malformed, first, last, untimed } = account;
        let named = |counts: BTreeMap<&'static str, u64>| counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
        Self { frames, segments, further, firsts, skipped: named(skipped), malformed: named(malformed), first, last, untimed }
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
            sink.segment(&earlier, Expected::default());
        }
        match decoder.decode(&frame) {
            Decoded::Segment(segment) => {
                account.segments += 1;
                sink.segment(&segment, Expected::default());
                while let Some(further) = decoder.more(&frame) {
                    account.segments += 1;
                    account.further += 1;
                    sink.segment(&further, Expected::default());
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
            sink.segment(&earlier, Expected::default());
        }
        self.decoder.give_up();
        self.give_up(sink);
        self.account.first_fragments(self.decoder.first_fragments());
    }

    /// Closes the inputs: everything that was found.
    pub(super) fn taken(self, incomplete: Vec<Incomplete>, stopped: bool) -> Taken {
        let Self { capture, decoder, account } = self;
        // a capture goes on after its last frame: silence until its end is silence that was watched
        let end = account.last.map_or(Timestamp::default(), |last| capture.ended().map_or(last, |ended| last.max(ended)));
        Taken {
            summary: capture.finish(),
            frames: account.into(),
            incomplete_datagrams: decoder.incomplete_fragments(),
            sampled: decoder.sampled(),
            names: decoder.names(),
            incomplete,
            end,
            stopped,
        }
    }

    #[inline]
    fn give_up(&mut self, sink: &mut impl Sink) {
        while let Some(datagram) = self.decoder.next_incomplete() {
            sink.incomplete(&datagram);
        }
    }
}

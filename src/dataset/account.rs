//! What became of every frame, by input: nothing is left out silently.

use std::collections::BTreeMap;

use super::one_of_many::OneOfMany;
use crate::capture::Summary;
use crate::decode::{FirstFragments, IP_FRAGMENT, Names};
use crate::frame::{Frame, FrameId};
use crate::time::Timestamp;

/// A frame that is a TCP segment.
pub(super) const SEGMENT: &str = "segment";
/// A frame that is something else.
pub(super) const SKIPPED: &str = "skipped";
/// A frame that could not be decoded.
pub(super) const MALFORMED: &str = "malformed";

/// The account of a reading.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Frames by input, what they were and the reason; where there is none, it is empty.
    pub frames: BTreeMap<(u32, &'static str, &'static str), u64>,
    /// Frames without a time of their own, by input.
    pub untimed: BTreeMap<u32, u64>,
    /// Segments, of all inputs: as many as there are rows of them.
    pub segments: u64,
    /// Of these, further ones in a frame that has one already.
    pub further: u64,
    /// Of these, sFlow samples.
    pub sampled: u64,
    /// Of these, first fragments whose later ones a filter left out.
    pub first_fragments: FirstFragments,
    /// TCP datagrams in fragments that never became whole.
    pub incomplete_datagrams: u64,
    /// The names of where segments were captured.
    pub names: Names,
    /// What the reader knew at its end.
    pub summary: Summary,
    /// The user interrupted.
    pub stopped: bool,
    /// What the inputs say of themselves for those who read the others.
    pub(super) one_of_many: Option<OneOfMany>,
    /// Of each input: frames with segments, and the latest time reached.
    inputs: Vec<InputState>,
    /// Stands in for an input that cannot be.
    nowhere: InputState,
}

#[derive(Clone, Copy, Debug, Default)]
struct InputState {
    segments: u64,
    /// Segments that came later than their frames, and frames that said that theirs would.
    earlier: u64,
    waiting: u64,
    reached: Option<Timestamp>,
}

impl Account {
    /// Whether every input was read to its end.
    pub fn is_complete(&self) -> bool {
        !self.stopped && !self.summary.warnings.iter().any(|warning| warning.lost_input)
    }

    /// Takes in a frame; gives its place in the order of the report: inputs are merged by the latest time that each has reached, and one that begins
    /// without a time comes last.
    #[inline]
    pub(super) fn reach(&mut self, frame: &Frame<'_>) -> Timestamp {
        if frame.time.is_none() {
            let untimed = self.untimed.entry(frame.id.file()).or_default();
            *untimed = untimed.saturating_add(1);
        }
        let state = self.input(frame.id);
        let time = match (state.reached, frame.time) {
            (None, time) => time.unwrap_or(Timestamp(i64::MAX)),
            (Some(reached), Some(time)) => reached.max(time),
            (Some(reached), None) => reached,
        };
        state.reached = Some(time);
        time
    }

    /// The frame is a segment.
    #[inline]
    pub(super) fn segment(&mut self, frame: FrameId) {
        self.segments = self.segments.saturating_add(1);
        let state = self.input(frame);
        state.segments = state.segments.saturating_add(1);
    }

    /// A frame that was met before is a segment: one that waited, or a first fragment, which counted as skipped.
    pub(super) fn earlier_segment(&mut self, frame: FrameId) {
        self.segment(frame);
        let state = self.input(frame);
        state.earlier = state.earlier.saturating_add(1);
    }

    /// The frame's segment comes later.
    pub(super) fn waits(&mut self, frame: FrameId) {
        let state = self.input(frame);
        state.waiting = state.waiting.saturating_add(1);
    }

    /// A further segment of a frame.
    pub(super) fn further_segment(&mut self) {
        self.segments = self.segments.saturating_add(1);
        self.further = self.further.saturating_add(1);
    }

    /// The frame is something else.
    pub(super) fn other(&mut self, frame: &Frame<'_>, what: &'static str, reason: &'static str) {
        let count = self.frames.entry((frame.id.file(), what, reason)).or_default();
        *count = count.saturating_add(1);
    }

    /// The reading has ended.
    pub(super) fn close(&mut self, summary: Summary) {
        for (file, state) in (0_u32..).zip(&self.inputs) {
            if let Some(skipped) = self.frames.get_mut(&(file, SKIPPED, IP_FRAGMENT)) {
                *skipped = skipped.saturating_sub(state.earlier.saturating_sub(state.waiting));
            }
            if state.segments > 0 {
                self.frames.insert((file, SEGMENT, ""), state.segments);
            }
        }
        self.frames.retain(|_, count| *count > 0);
        self.summary = summary;
    }

    #[inline]
    fn input(&mut self, frame: FrameId) -> &mut InputState {
        let at = frame.file() as usize;
        if at >= self.inputs.len() {
            self.inputs.resize(at.saturating_add(1), InputState::default());
        }
        let (inputs, nowhere) = (&mut self.inputs, &mut self.nowhere);
        inputs.get_mut(at).unwrap_or(nowhere)
    }
}

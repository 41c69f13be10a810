//! The time of a frame that has none: the last one of its own input, whatever other inputs have reached.

use crate::frame::Frame;
use crate::time::Timestamp;

/// The last time of each input.
#[derive(Debug, Default)]
pub(crate) struct LastTimes {
    /// The input of the last frame, and its last time.
    file: u32,
    time: Timestamp,
    /// By input, those of the others: no more than inputs.
    others: Vec<Timestamp>,
}

impl LastTimes {
    /// The frame's own time, or the last one of its input.
    #[inline]
    pub fn of(&self, frame: &Frame<'_>) -> Timestamp {
        frame.time.unwrap_or_else(|| self.last(frame.id.file()))
    }

    /// The same; it is now the last one.
    #[inline]
    pub fn take(&mut self, frame: &Frame<'_>) -> Timestamp {
        let file = frame.id.file();
        if self.file != file {
            self.change(file);
        }
        self.time = frame.time.unwrap_or(self.time);
        self.time
    }

    fn last(&self, file: u32) -> Timestamp {
        if self.file == file { self.time } else { self.others.get(file as usize).copied().unwrap_or_default() }
    }

    #[cold]
    fn change(&mut self, file: u32) {
        let before = self.file as usize;
        if self.others.len() <= before {
            self.others.resize(before.saturating_add(1), Timestamp::default());
        }
        if let Some(place) = self.others.get_mut(before) {
            *place = self.time;
        }
        self.time = self.last(file);
        self.file = file;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameId, LinkType};

    fn frame(file: u32, time: Option<i64>) -> Frame<'static> {
        Frame {
            id: FrameId::new(file, 1),
            time: time.map(Timestamp),
            link_type: LinkType(1),
            interface: 0,
            fcs_octets: 0,
            wire_length: 0,
            captured: &[],
        }
    }

    #[test]
    fn frame_without_a_time_has_the_last_of_its_own_input() {
        let mut times = LastTimes::default();
        assert_eq!(times.take(&frame(0, None)), Timestamp::default());
        assert_eq!(times.take(&frame(0, Some(5))), Timestamp(5));
        assert_eq!(times.take(&frame(3, None)), Timestamp::default(), "another input has had none yet");
        assert_eq!(times.take(&frame(3, Some(9))), Timestamp(9));
        assert_eq!(
            (times.of(&frame(0, None)), times.of(&frame(3, None)), times.of(&frame(3, Some(4)))),
            (Timestamp(5), Timestamp(9), Timestamp(4))
        );
        assert_eq!(times.take(&frame(0, None)), Timestamp(5));
        assert_eq!(times.take(&frame(3, None)), Timestamp(9));
    }
}

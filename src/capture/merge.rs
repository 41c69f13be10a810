//! Several inputs read as one: in the order of their first frames, merged by time where they overlap.
//!
//! A file is opened for the time of its first frame, closed, and opened again when its time has come, so thousands of rotated files
//! need one file descriptor. Within one input frames are never put in another order: an input takes part in the merge with the
//! latest time that it has reached.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::duplicates::Duplicates;
use super::input::{Closed, Input, Purpose, Settings};
use super::notes::notes;
use super::source::OpenError;
use super::{CaptureError, CaptureOptions, InputSummary, Interface, Source, Summary};
use crate::frame::{Frame, FrameId};
use crate::time::Timestamp;
use crate::warning::Warning;

/// Inputs open at the same time. Each has a file descriptor, a buffer and, if compressed, a thread; a process has 1024 descriptors
/// by default on Linux, 256 on macOS.
const MAX_OPEN: usize = 200;
/// Names of addresses kept over all inputs.
pub const MAX_NAMES: usize = 262_144;

/// Place in the merge: time, then the order of the arguments.
type Place = (Timestamp, u32);

/// What a source is that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A warning, but an error if there is no other.
    ErrorIfAll,
    /// A warning always.
    Warning,
}

/// An input that waits for its time.
struct Planned {
    place: Place,
    file: u32,
    source: PlannedSource,
}

enum PlannedSource {
    /// To be opened again.
    Path(PathBuf),
    /// Open, its first frame at hand.
    Open(Box<Input>),
}

/// An input whose time has come.
struct Slot {
    input: Box<Input>,
    file: u32,
    argument: u32,
}

/// The merge of all inputs.
pub(super) struct Merge {
    settings: Settings,
    queue: VecDeque<Planned>,
    /// By file, those that wait for their turn; `None` before and after its time, and for the current one.
    waiting: Vec<Option<Slot>>,
    open_count: usize,
    /// No more descriptors: wait until an input is closed.
    crowded: bool,
    /// An input had to wait although its time had come.
    waited: bool,
    heads: BinaryHeap<Reverse<(Place, u32)>>,
    current: Option<Slot>,
    /// The current input goes on alone up to this place; `None` when it is the last one.
    limit: Option<Place>,
    duplicates: Duplicates,
    /// Several inputs are open, so that a frame may have a twin.
    overlapping: bool,
    /// Several inputs were open at the same time.
    overlapped: bool,
    summaries: Vec<InputSummary>,
    interfaces: Vec<Interface>,
    /// Interfaces whose file has ended: the next file of a rotation goes on with them.
    ended: Vec<u32>,
    names: Vec<(IpAddr, String)>,
    warnings: Vec<Warning>,
    duplicate_frames: u64,
    octets_of_closed: u64,
    octets_total: Option<u64>,
}

impl Merge {
    /// Opens the sources, reads each as far as its first frame and puts them in order.
    pub(super) fn open(
        sources: Vec<Source>,
        options: CaptureOptions,
        unreadable: Unreadable,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, CaptureError> {
        let settings = Settings { hash: options.hash, stop };
        let alone = sources.len() == 1;
        if sources.len() > FrameId::MAX_FILES as usize {
            return Err(CaptureError(format!("{} inputs are more than the {} that one run reads", sources.len(), FrameId::MAX_FILES)));
        }
        let mut planned = Vec::new();
        let mut failed = Vec::new();
        let mut octets_total = Some(0_u64);
        for (argument, source) in sources.into_iter().enumerate() {
            if settings.stop.load(Ordering::Relaxed) {
                break;
            }
            let argument = u32::try_from(argument).unwrap_or(u32::MAX);
            let name = match &source {
                Source::Path(path) => path.display().to_string(),
                Source::Stream(name, _) => name.clone(),
            };
            match probe(source, alone, &settings) {
                Ok(probed) => {
                    octets_total = octets_total.zip(probed.size).map(|(total, size)| total.saturating_add(size));
                    planned.push((name, Planned { place: (probed.first, argument), file: 0, source: probed.source }));
                }
                Err(error) => failed.push((name, error.text)),
            }
        }
        if unreadable == Unreadable::ErrorIfAll
            && planned.is_empty()
            && let Some((name, text)) = failed.first()
        {
            let more = match failed.len() {
                1 => String::new(),
                count => format!(" (and no other of the {count} inputs can be read)"),
            };
            return Err(CaptureError(format!("{name}: {text}{more}")));
        }
        planned.sort_by_key(|(_, planned)| planned.place);
        let mut summaries = Vec::with_capacity(planned.len().saturating_add(failed.len()));
        let mut queue = VecDeque::with_capacity(planned.len());
        for ((name, planned), file) in planned.into_iter().zip(0_u32..) {
            summaries.push(InputSummary { name, ..InputSummary::default() });
            queue.push_back(Planned { file, ..planned });
        }
        let mut warnings = Vec::new();
        for (name, text) in failed {
            warnings.push(Warning { file: u32::try_from(summaries.len()).unwrap_or(u32::MAX), text, lost_input: true });
            summaries.push(InputSummary { name, format: "unknown", ..InputSummary::default() });
        }
        Ok(Self {
            settings,
            waiting: std::iter::repeat_with(|| None).take(queue.len()).collect(),
            open_count: 0,
            crowded: false,
            waited: false,
            heads: BinaryHeap::new(),
            current: None,
            limit: None,
            duplicates: Duplicates::new(),
            overlapping: false,
            overlapped: false,
            queue,
            summaries,
            interfaces: Vec::new(),
            ended: Vec::new(),
            names: Vec::new(),
            warnings,
            duplicate_frames: 0,
            octets_of_closed: 0,
            octets_total,
        })
    }

    /// Goes on to the next frame of the merge; false: there is none.
    #[inline]
    pub(super) fn advance(&mut self) -> bool {
        loop {
            if !self.go_on() && self.choose().is_none() {
                return false;
            }
            if self.overlapping && self.is_duplicate() {
                self.duplicate_frames = self.duplicate_frames.saturating_add(1);
                continue;
            }
            return true;
        }
    }

    /// The frame that it stands at.
    #[inline]
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        let slot = self.current.as_ref()?;
        slot.input.frame(slot.file)
    }

    /// The next frame, and how many interfaces there are.
    #[inline]
    pub(super) fn next_frame_and_interfaces(&mut self) -> Option<(Frame<'_>, usize)> {
        if !self.advance() {
            return None;
        }
        let slot = self.current.as_ref()?;
        Some((slot.input.frame(slot.file)?, self.interfaces.len()))
    }

    /// Octets read as stored, and in all if that is known.
    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        let open = self.waiting.iter().flatten().chain(&self.current).map(|slot| slot.input.stored_octets());
        (open.fold(self.octets_of_closed, u64::saturating_add), self.octets_total)
    }

    /// Closes everything and tells what was read.
    pub(super) fn finish(mut self) -> Summary {
        if let Some(slot) = self.current.take() {
            self.close(slot, Input::close);
        }
        for slot in std::mem::take(&mut self.waiting).into_iter().flatten() {
            self.close(slot, Input::unread);
        }
        for planned in std::mem::take(&mut self.queue) {
            if let PlannedSource::Open(input) = planned.source {
                self.settle_account(planned.file, input.unread());
            }
        }
        self.warnings.sort_by_key(|warning| warning.file);
        let mut notes = notes(&self.summaries, self.duplicate_frames);
        if self.waited {
            notes.push(format!(
                "more files overlap than can be open together (at most {MAX_OPEN}): some waited for others to end, so frames of different files are not always in the order of time and frames in two files may be counted twice"
            ));
        }
        Summary {
            notes,
            inputs: self.summaries,
            interfaces: self.interfaces,
            names: self.names,
            warnings: self.warnings,
            duplicate_frames: self.duplicate_frames,
        }
    }

    /// See [`super::Capture::ended`].
    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.summaries.iter().filter_map(|summary| summary.ended).max()
    }

    /// See [`super::Capture::has_overlapped`].
    pub(super) const fn has_overlapped(&self) -> bool {
        self.overlapped
    }

    /// The interfaces that were described so far.
    pub(super) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Takes the next frame of the current input; false when it has none or another one's turn has come.
    #[inline]
    fn go_on(&mut self) -> bool {
        let Some(slot) = &mut self.current else { return false };
        if !slot.input.advance() {
            return self.leave();
        }
        if slot.input.interfaces.len() != slot.input.interface_indices.len() {
            register_interfaces(&mut slot.input, slot.file, &mut self.interfaces, &mut self.ended);
        }
        self.limit.is_none_or(|limit| place_of(slot) <= limit) || self.wait()
    }

    /// The current input has ended.
    #[cold]
    fn leave(&mut self) -> bool {
        if let Some(slot) = self.current.take() {
            self.close(slot, Input::close);
        }
        false
    }

    /// The current input waits for another one.
    #[cold]
    fn wait(&mut self) -> bool {
        if let Some(slot) = self.current.take() {
            self.heads.push(Reverse((place_of(&slot), slot.file)));
            self.put(slot);
        }
        false
    }

    fn put(&mut self, slot: Slot) {
        if let Some(free) = self.waiting.get_mut(slot.file as usize) {
            *free = Some(slot);
        }
    }

    /// Opens the inputs whose time has come and chooses the one with the earliest frame.
    #[cold]
    #[inline(never)]
    fn choose(&mut self) -> Option<()> {
        loop {
            let head = self.heads.peek().map(|Reverse((place, _))| *place);
            let room = self.open_count < MAX_OPEN && !self.crowded;
            let due = self.queue.front().is_some_and(|next| head.is_none_or(|head| next.place.0 <= head.0));
            if due && (room || head.is_none()) {
                self.open_next();
                continue;
            }
            self.waited |= due;
            let Reverse((_, file)) = self.heads.pop()?;
            let other = self.heads.peek().map(|Reverse((place, _))| *place);
            // Nothing more can be opened: the input that waits waits on.
            let planned = self.queue.front().filter(|_| room).map(|next| before(next.place.0));
            self.limit = other.into_iter().chain(planned).min();
            self.current = self.waiting.get_mut(file as usize).and_then(Option::take);
            self.overlapping |= self.open_count > 1;
            self.overlapped |= self.open_count > 1;
            return Some(());
        }
    }

    fn open_next(&mut self) {
        let Some(planned) = self.queue.pop_front() else { return };
        let file = planned.file;
        let input = match planned.source {
            PlannedSource::Open(input) => input,
            PlannedSource::Path(path) => match Input::open_path(&path, Purpose::Read, &self.settings) {
                Ok((mut input, _)) => {
                    if !input.advance() {
                        self.settle_account(file, input.close());
                        return;
                    }
                    Box::new(input)
                }
                Err(OpenError { too_many_open: true, .. }) if self.open_count > 0 => {
                    self.crowded = true;
                    self.queue.push_front(Planned { source: PlannedSource::Path(path), ..planned });
                    return;
                }
                Err(error) => {
                    self.warn(file, format!("{} when its turn came", error.text), true);
                    return;
                }
            },
        };
        let mut slot = Slot { input, file, argument: planned.place.1 };
        // An input that begins without a time keeps the place that it was given.
        let place = if slot.input.latest.is_none() { planned.place } else { place_of(&slot) };
        register_interfaces(&mut slot.input, file, &mut self.interfaces, &mut self.ended);
        self.open_count = self.open_count.saturating_add(1);
        self.heads.push(Reverse((place, file)));
        self.put(slot);
    }

    fn close(&mut self, slot: Slot, how: fn(Input) -> Closed) {
        self.open_count = self.open_count.saturating_sub(1);
        self.crowded = false;
        let closed = how(*slot.input);
        for (interface, &index) in closed.interfaces.iter().zip(&closed.interface_indices) {
            if let Some(known) = self.interfaces.get_mut(index as usize) {
                known.dropped = match (known.dropped, interface.dropped) {
                    (Some(before), Some(now)) => Some(before.saturating_add(now)),
                    (before, now) => before.or(now),
                };
                self.ended.push(index);
            }
        }
        self.settle_account(slot.file, closed);
    }

    fn settle_account(&mut self, file: u32, closed: Closed) {
        self.octets_of_closed = self.octets_of_closed.saturating_add(closed.stored_octets);
        let room = MAX_NAMES.saturating_sub(self.names.len());
        self.names.extend(closed.names.0.into_iter().take(room));
        if let Some(remark) = closed.remark {
            self.warn(file, remark, false);
        }
        if let Some(problem) = closed.problem {
            self.warn(file, problem, true);
        }
        if let Some(summary) = self.summaries.get_mut(file as usize) {
            *summary = closed.summary;
        }
    }

    fn warn(&mut self, file: u32, text: String, lost_input: bool) {
        self.warnings.push(Warning { file, text, lost_input });
    }

    fn is_duplicate(&mut self) -> bool {
        let Some(slot) = &self.current else { return false };
        let now = slot.input.latest.unwrap_or(Timestamp(i64::MIN));
        if self.open_count == 1 && !self.duplicates.at(now) {
            self.overlapping = false;
            return false;
        }
        slot.input.frame(slot.file).is_some_and(|frame| self.duplicates.seen(&frame, now))
    }
}

/// Gives the interfaces that an input has newly described their place among those of all inputs: the place of one with the same name,
/// filter and link type whose file has ended (a rotation), else a new one (two capture points).
#[cold]
fn register_interfaces(input: &mut Input, file: u32, interfaces: &mut Vec<Interface>, ended: &mut Vec<u32>) {
    let known = input.interface_indices.len();
    for interface in input.interfaces.iter().skip(known) {
        let same = |index: &u32| {
            interfaces
                .get(*index as usize)
                .is_some_and(|old| old.link_type == interface.link_type && old.name == interface.name && old.filter == interface.filter)
        };
        if let Some(at) = ended.iter().position(same) {
            input.interface_indices.push(ended.remove(at));
            continue;
        }
        input.interface_indices.push(u32::try_from(interfaces.len()).unwrap_or(u32::MAX));
        interfaces.push(Interface { file, dropped: None, ..interface.clone() });
    }
}

/// The last place before a time: an input is opened when another one has reached the time of its first frame, whatever the order
/// of the arguments is, so that frames at the same time can be compared.
fn before(time: Timestamp) -> Place {
    (Timestamp(time.0.saturating_sub(1)), u32::MAX)
}

#[inline]
fn place_of(slot: &Slot) -> Place {
    (slot.input.latest.unwrap_or(Timestamp(i64::MAX)), slot.argument)
}

/// What is known of a source before it is read.
struct Probed {
    first: Timestamp,
    size: Option<u64>,
    source: PlannedSource,
}

fn probe(source: Source, alone: bool, settings: &Settings) -> Result<Probed, OpenError> {
    let purpose = if alone { Purpose::Read } else { Purpose::Probe };
    let (mut input, size, path) = match source {
        Source::Path(path) => {
            let (input, size) = Input::open_path(&path, purpose, settings)?;
            (input, size, size.filter(|_| !alone).map(|_| path))
        }
        Source::Stream(name, stream) => (Input::open_stream(name, stream, settings)?, None, None),
    };
    let found = input.advance();
    if let (false, Some(problem)) = (found, input.problem()) {
        return Err(OpenError::new(problem.to_owned()));
    }
    // An input without a frame, or whose first frame has no time, comes last.
    let first = input.time().unwrap_or(Timestamp(i64::MAX));
    let source = match path {
        Some(path) => PlannedSource::Path(path),
        None => PlannedSource::Open(Box::new(input)),
    };
    Ok(Probed { first, size, source })
}

//! Which number a capture interface has among those of all inputs: the one that it would have if one process read them.
//!
//! An input is opened when the others have reached the time of its first frame, and the interfaces of one that has ended are free for the next file of a
//! rotation. Both follow from when each input begins and ends and when its interfaces were described.

use std::collections::BTreeMap;

use crate::capture::Interface;
use crate::time::Timestamp;

/// An interface of an input, and the latest time before it was described; `None`: before the first frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Described {
    pub interface: Interface,
    pub since: Option<Timestamp>,
}

/// What of an input matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened<'a> {
    pub argument: u32,
    pub rank: u32,
    /// The time of its first frame; the end of time if it has none.
    pub begins: Timestamp,
    /// The latest time; the end of time if it has no frame.
    pub reached: Timestamp,
    pub has_frames: bool,
    pub interfaces: &'a [Described],
}

/// The interfaces of all inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbered {
    pub interfaces: Vec<Interface>,
    /// By argument and place in the input.
    pub numbers: BTreeMap<(u32, usize), u32>,
    /// The arguments in the order in which their inputs end.
    pub closed: Vec<u32>,
    ended: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Described(usize),
    Ends,
}

/// Inputs are opened before any frame of that time; what else happens, happens after the input's frame of that time.
type When = (Timestamp, Option<u32>, Option<What>);

/// Reads all inputs as one, as far as their interfaces go.
pub(super) fn number(inputs: &[Opened<'_>]) -> Numbered {
    let mut events: Vec<(When, u32, usize)> = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        events.push(((input.begins, None, None), input.argument, at));
        if !input.has_frames {
            continue;
        }
        for (ordinal, described) in input.interfaces.iter().enumerate() {
            if let Some(since) = described.since {
                events.push(((since, Some(input.argument), Some(What::Described(ordinal))), input.argument, at));
            }
        }
        events.push(((input.reached, Some(input.argument), Some(What::Ends)), input.argument, at));
    }
    events.sort_unstable();
    let mut numbered = Numbered::default();
    for ((_, _, what), argument, at) in events {
        let Some(input) = inputs.get(at) else { continue };
        match what {
            None if !input.has_frames => numbered.closed.push(argument),
            None => {
                let first = input.interfaces.iter().enumerate().filter(|(_, described)| described.since.is_none());
                first.for_each(|(ordinal, _)| numbered.register(input, ordinal));
            }
            Some(What::Described(ordinal)) => numbered.register(input, ordinal),
            Some(What::Ends) => numbered.end(input),
        }
    }
    numbered
}

impl Numbered {
    /// The place of one with the same name, filter and link type whose input has ended, else a new one.
    fn register(&mut self, input: &Opened<'_>, ordinal: usize) {
        let Some(Described { interface, .. }) = input.interfaces.get(ordinal) else { return };
        let same = |number: &u32| {
            let known = usize::try_from(*number).ok().and_then(|at| self.interfaces.get(at));
            known.is_some_and(|known| {
                (known.link_type, &known.name, &known.filter) == (interface.link_type, &interface.name, &interface.filter)
            })
        };
        let number = if let Some(at) = self.ended.iter().position(same) {
            self.ended.remove(at)
        } else {
            self.interfaces.push(Interface { file: input.rank, dropped: None, ..interface.clone() });
            u32::try_from(self.interfaces.len().saturating_sub(1)).unwrap_or(u32::MAX)
        };
        self.numbers.insert((input.argument, ordinal), number);
    }

    fn end(&mut self, input: &Opened<'_>) {
        for (ordinal, Described { interface, .. }) in input.interfaces.iter().enumerate() {
            let Some(number) = self.numbers.get(&(input.argument, ordinal)) else { continue };
            if let Some(known) = usize::try_from(*number).ok().and_then(|at| self.interfaces.get_mut(at)) {
                known.dropped = match (known.dropped, interface.dropped) {
                    (Some(before), Some(now)) => Some(before.saturating_add(now)),
                    (before, now) => before.or(now),
                };
                self.ended.push(*number);
            }
        }
        self.closed.push(input.argument);
    }
}

//! RESP values across segments: where one begins and where it ends, without keeping any of it.
//!
//! Source: Redis documentation, «Redis serialization protocol specification» (RESP2 and RESP3).

use crate::app::excerpt::Excerpt;

/// Longest bulk string (proto-max-bulk-len, 512 MB by default).
const LONGEST_BULK: u32 = 512 << 20;
/// Most elements of an aggregate that are believed (client-query-buffer's own limit is 1,024 × 1,024).
const MOST_ELEMENTS: u32 = 1 << 20;
/// The type octet of a command that is written as a plain line.
const INLINE: u8 = b' ';

/// What happens while a direction is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A value begins at this offset, with this type octet.
    Begin(u8, u32),
    /// The value has ended; its type octet.
    End(u8),
}

/// The position of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resp {
    /// Elements that are still to come in the current value, nested ones included; 0: between values.
    elements: u32,
    /// Octets of a bulk string that are still to come, its line end included.
    bulk: u32,
    /// The number on the current line so far.
    number: u32,
    /// Type octet of the current line; 0: at the beginning of a line.
    kind: u8,
    /// Type octet of the current value.
    outer: u8,
    is_negative: bool,
    is_lost: bool,
}

impl Resp {
    /// The position is unknown.
    pub fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The next octet begins a value.
    pub fn is_between_values(&self) -> bool {
        !self.is_lost && self.elements == 0 && self.kind == 0 && self.bulk == 0
    }

    /// The position is not known any more.
    pub fn lose(&mut self) {
        *self = Self { is_lost: true, ..Self::default() };
    }

    /// The next octet is taken to begin a value.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The next event in the excerpt from `at` on; `None` once it is used up or the position lost. `is_command`: only arrays and plain
    /// lines begin a value.
    pub fn next(&mut self, excerpt: &Excerpt<'_>, at: &mut u32, is_command: bool) -> Option<Event> {
        while !self.is_lost && *at < excerpt.length {
            if self.bulk > 0 {
                let pass = self.bulk.min(excerpt.length.saturating_sub(*at));
                self.bulk = self.bulk.saturating_sub(pass);
                *at = at.saturating_add(pass);
                if self.bulk == 0 && self.complete_element() {
                    return Some(Event::End(self.outer));
                }
                continue;
            }
            let Some(octet) = excerpt.octet(*at) else {
                self.lose();
                return None;
            };
            let begin = *at;
            *at = at.saturating_add(1);
            let event = if self.kind == 0 { self.begin_line(octet, begin, is_command) } else { self.take(octet) };
            if event.is_some() {
                return event;
            }
        }
        None
    }

    fn begin_line(&mut self, octet: u8, at: u32, is_command: bool) -> Option<Event> {
        let is_outer = self.elements == 0;
        let kind = match octet {
            b'*' => octet,
            _ if is_command && is_outer && octet.is_ascii_alphabetic() => INLINE,
            b'$' if is_command && !is_outer => octet,
            b'+' | b'-' | b':' | b'$' | b'_' | b'#' | b',' | b'(' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|' if !is_command => octet,
            _ => {
                self.lose();
                return None;
            }
        };
        self.kind = kind;
        self.number = 0;
        self.is_negative = false;
        if is_outer {
            self.elements = 1;
            self.outer = kind;
            return Some(Event::Begin(kind, at));
        }
        None
    }

    fn take(&mut self, octet: u8) -> Option<Event> {
        let counts = matches!(self.kind, b'*' | b'$' | b'!' | b'=' | b'%' | b'~' | b'>' | b'|');
        match octet {
            b'\n' => return self.end_line(),
            _ if !counts => {}
            b'-' => self.is_negative = true,
            b'0'..=b'9' => self.number = self.number.saturating_mul(10).saturating_add(u32::from(octet & 0x0f)),
            b'\r' => {}
            _ => self.lose(),
        }
        None
    }

    fn end_line(&mut self) -> Option<Event> {
        let number = if self.is_negative { 0 } else { self.number };
        let (children, bulk) = match self.kind {
            b'*' | b'~' | b'>' => (Some(number), None),
            b'%' => (Some(number.saturating_mul(2)), None),
            // Attributes come before the value that they belong to.
            b'|' => (Some(number.saturating_mul(2).saturating_add(1)), None),
            b'$' | b'!' | b'=' if !self.is_negative => (None, Some(number)),
            _ => (None, None),
        };
        self.kind = 0;
        if children.is_some_and(|n| n > MOST_ELEMENTS) || bulk.is_some_and(|n| n > LONGEST_BULK) || self.elements > MOST_ELEMENTS {
            self.lose();
            return None;
        }
        self.elements = self.elements.saturating_add(children.unwrap_or_default());
        if let Some(octets) = bulk {
            self.bulk = octets.saturating_add(2);
            return None;
        }
        self.complete_element().then_some(Event::End(self.outer))
    }

    /// One element is through; says whether the whole value is.
    fn complete_element(&mut self) -> bool {
        self.elements = self.elements.saturating_sub(1);
        self.elements == 0
    }
}

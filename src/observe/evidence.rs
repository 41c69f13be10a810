//! What is no segment and still says something about a connection: ICMP errors, datagrams that never became whole.

use super::log::{Event, What as Logged};
use super::observer::Observer;
use crate::app::Label;
use crate::endpoint::Side;
use crate::segment::{IcmpQuote, IncompleteDatagram};
use crate::tcp::Connection;
use crate::tcp::half::Mark;

impl Observer {
    /// An ICMP error about a connection.
    pub fn icmp(&mut self, at: usize, quote: &IcmpQuote, connection: &Connection) {
        let side = if connection.key.endpoint(Side::Low) == quote.src { Side::Low } else { Side::High };
        let mark = Mark { frame: quote.frame, time: quote.time };
        self.note(at, connection, Event { mark, side, last: mark.time, what: Logged::Icmp(quote.error), label: Label::new_const() });
    }

    /// A datagram of a connection never became whole. Told late: its place in the log is where its first fragment was.
    pub fn incomplete(&mut self, at: usize, side: Side, datagram: &IncompleteDatagram) {
        let mark = Mark { frame: datagram.frame, time: datagram.time };
        let event = Event { mark, side, last: mark.time, what: Logged::Incomplete(datagram.octets), label: Label::new_const() };
        if let Some(log) = self.watches.get_mut(at).and_then(|watch| watch.log.as_deref_mut()) {
            log.insert(event);
        }
    }
}

//! AMQP 0-9-1 (RabbitMQ) and the framing of AMQP 1.0: methods, heartbeats, and Connection.Close.
//!
//! Source: AMQP 0-9-1 specification sections 2.2.4, 2.3.5 and the XML of its methods; AMQP 1.0 (ISO/IEC 19464) part 2 sections 2.3, 2.7.

use super::framing::{Framers, Measure, Record, be};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// Type, channel (2), size (4); an end octet (0xce) follows the payload.
const HEADER_091: u64 = 7;
/// frame_max is 128 KiB by default, at most what the peers agree on; 16 MiB bounds what is believed.
const LONGEST_FRAME: u64 = 16 << 20;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const CONTENT_BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// AMQP 1.0: size (4), data offset, type, channel (2); a frame without a body is a heartbeat.
const HEADER_10: u64 = 8;
/// Descriptor of the close performative.
const CLOSE_10: u8 = 0x18;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Amqp {
    framers: Framers,
    ledger: Ledger,
    is_10: bool,
}

impl Reader for Amqp {
    const PROTOCOL: Protocol = Protocol::Amqp;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let rest = input.head().strip_prefix(b"AMQP")?;
        match rest.get(..4)? {
            [0, 0, 9, 1] => Some(Self::default()),
            [0 | 2 | 3, 1, 0, 0] => Some(Self { is_10: true, ..Self::default() }),
            _ => None,
        }
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Amqp, ..Message::default() };
        let is_10 = self.is_10;
        if input.head().starts_with(b"AMQP") && self.framers.of(input.direction).is_at_boundary() {
            // The protocol header, also sent again after SASL (AMQP 1.0 section 5.3.2) or by a server that refuses the version.
            self.framers.of(input.direction).pass(HEADER_10);
            message.what = What::Setup;
            message.label = label::text("protocol header");
        }
        let ledger = &mut self.ledger;
        let walked = self.framers.walk(
            input,
            |header| if is_10 { measure_10(header) } else { measure_091(header) },
            |frame| {
                if is_10 {
                    take_10(frame, &mut message);
                } else {
                    take_091(frame, input.is_from_client(), ledger, &mut message);
                }
            },
        );
        if walked.is_lost {
            self.ledger.lose();
        }
        if message.what == What::Unknown {
            walked.conclude(input, &mut message, note);
        }
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        if self.is_10 { None } else { self.ledger.outstanding() }
    }

    fn answered(&self) -> Option<bool> {
        self.ledger.answered()
    }
}

fn take_091(frame: &Record<'_>, from_client: bool, ledger: &mut Ledger, message: &mut Message) {
    let kind = frame.header_octet(0);
    if kind == HEARTBEAT {
        if message.what == What::Unknown {
            message.what = What::Heartbeat;
            message.label = label::text("heartbeat");
        }
        return;
    }
    if kind != METHOD {
        if matches!(message.what, What::Unknown | What::Heartbeat) && message.label.is_empty() {
            message.what = What::Continuation;
        }
        return;
    }
    let (Some(class), Some(method)) = (be(frame.body, 0, 2), be(frame.body, 2, 2)) else { return };
    let (what, name) = match (class, method) {
        (10, 50) => (What::Farewell, "Connection.Close"),
        (10, 51) => (What::Farewell, "Connection.CloseOk"),
        (10, _) => (What::Setup, "Connection setup"),
        _ => {
            let (asks, name) = method_name(class, method);
            let what = match (asks, from_client) {
                (Some(true), true) => What::Request,
                (Some(false), false) => What::Response,
                _ => What::Unknown,
            };
            (what, name)
        }
    };
    match what {
        What::Request => ledger.request(),
        What::Response => {
            ledger.answer();
            ledger.complete();
        }
        What::Farewell => {
            message.announces_close = true;
            ledger.clear();
        }
        _ => {}
    }
    let outweighs = what == What::Request && message.what != What::Request;
    if message.label.is_empty() || matches!(message.what, What::Heartbeat | What::Continuation) || outweighs {
        message.what = what;
        message.label = label::text(name);
    }
}

/// The method's name, and whether it asks for an answer (`false`: it is one).
fn method_name(class: u64, method: u64) -> (Option<bool>, &'static str) {
    match (class, method) {
        (20, 10) => (Some(true), "Channel.Open"),
        (20, 11) => (Some(false), "Channel.OpenOk"),
        (20, 20) => (Some(true), "Channel.Flow"),
        (20, 40) => (Some(true), "Channel.Close"),
        (20, 41) => (Some(false), "Channel.CloseOk"),
        (40, 10) => (Some(true), "Exchange.Declare"),
        (40, 20) => (Some(true), "Exchange.Delete"),
        (40, 11 | 21 | 31 | 51) => (Some(false), "Exchange answer"),
        (40, 30 | 40) => (Some(true), "Exchange.Bind"),
        (50, 10) => (Some(true), "Queue.Declare"),
        (50, 20) => (Some(true), "Queue.Bind"),
        (50, 30) => (Some(true), "Queue.Purge"),
        (50, 40) => (Some(true), "Queue.Delete"),
        (50, 50) => (Some(true), "Queue.Unbind"),
        (50, 11 | 21 | 31 | 41 | 51) => (Some(false), "Queue answer"),
        (60, 10) => (Some(true), "Basic.Qos"),
        (60, 20) => (Some(true), "Basic.Consume"),
        (60, 30) => (Some(true), "Basic.Cancel"),
        (60, 40) => (None, "Basic.Publish"),
        (60, 50) => (None, "Basic.Return"),
        (60, 60) => (None, "Basic.Deliver"),
        (60, 70) => (Some(true), "Basic.Get"),
        (60, 71) => (Some(false), "Basic.GetOk"),
        (60, 72) => (Some(false), "Basic.GetEmpty"),
        (60, 80) => (None, "Basic.Ack"),
        (60, 90) => (None, "Basic.Reject"),
        (60, 120) => (None, "Basic.Nack"),
        (60, 110) => (Some(true), "Basic.Recover"),
        (60, 11 | 21 | 31 | 111) => (Some(false), "Basic answer"),
        (85, 10) => (Some(true), "Confirm.Select"),
        (85, 11) => (Some(false), "Confirm.SelectOk"),
        (90, 10) => (Some(true), "Tx.Select"),
        (90, 20) => (Some(true), "Tx.Commit"),
        (90, 30) => (Some(true), "Tx.Rollback"),
        (90, 11 | 21 | 31) => (Some(false), "Tx answer"),
        _ => (None, ""),
    }
}

fn take_10(frame: &Record<'_>, message: &mut Message) {
    let is_amqp = frame.header_octet(5) == 0;
    let body = frame.body.get(usize::from(frame.header_octet(4)).saturating_mul(4).saturating_sub(8)..).unwrap_or_default();
    let (what, name) = match body {
        _ if frame.octets == HEADER_10 => (What::Heartbeat, "heartbeat"),
        [0, 0x53, CLOSE_10, ..] if is_amqp => (What::Farewell, "close"),
        [0, 0x53, 0x10, ..] if is_amqp => (What::Setup, "open"),
        _ if !is_amqp => (What::Setup, "SASL"),
        [0, 0x53, 0x14, ..] => (What::Unknown, "transfer"),
        _ => (What::Unknown, ""),
    };
    message.announces_close |= what == What::Farewell;
    if matches!(message.what, What::Unknown | What::Heartbeat) && message.label.is_empty() {
        message.what = what;
        message.label = label::text(name);
    }
}

fn measure_091(header: &[u8]) -> Measure {
    let kind = header.first().copied().unwrap_or_default();
    if !header.is_empty() && !matches!(kind, METHOD | CONTENT_HEADER | CONTENT_BODY | HEARTBEAT) {
        return Measure::Invalid;
    }
    match be(header, 3, 4) {
        None => Measure::More,
        Some(size) if size <= LONGEST_FRAME && (kind != HEARTBEAT || size == 0) => {
            Measure::Octets(size.saturating_add(HEADER_091).saturating_add(1))
        }
        Some(_) => Measure::Invalid,
    }
}

fn measure_10(header: &[u8]) -> Measure {
    let Some(size) = be(header, 0, 4) else { return Measure::More };
    match (header.get(4), header.get(5)) {
        (Some(offset), Some(0 | 1)) if *offset >= 2 && (HEADER_10..=LONGEST_FRAME).contains(&size) => {
            if header.len() < 8 {
                Measure::More
            } else {
                Measure::Octets(size)
            }
        }
        (_, None) => Measure::More,
        _ => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn method(class: u16, method: u16, rest: &[u8]) -> Vec<u8> {
        let body = [&class.to_be_bytes()[..], &method.to_be_bytes(), rest].concat();
        [&[1, 0, 1][..], &u32::try_from(body.len()).unwrap().to_be_bytes(), &body, &[0xce]].concat()
    }

    const HEARTBEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0xce];

    fn opened() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.client(b"AMQP\x00\x00\x09\x01");
        assert_eq!((message.protocol, message.what), (Protocol::Amqp, What::Setup));
        assert_eq!(talk.server(&method(10, 10, &[0; 100])).what, What::Setup);
        assert_eq!(talk.client(&method(10, 11, &[0; 100])).what, What::Setup);
        talk
    }

    #[test]
    fn amqp_synchronous_method_is_outstanding_until_its_ok() {
        let mut talk = opened();
        let message = talk.client(&method(50, 10, &[0; 10]));
        assert_eq!((message.what, message.label.as_str()), (What::Request, "Queue.Declare"));
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&method(50, 11, &[0; 10])).what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn amqp_publish_and_deliver_ask_for_nothing() {
        let mut talk = opened();
        let publish = [method(60, 40, &[0; 5]), vec![2, 0, 1, 0, 0, 0, 1, 0, 0xce], vec![3, 0, 1, 0, 0, 0, 1, 0, 0xce]].concat();
        let message = talk.client(&publish);
        assert_eq!((message.what, message.label.as_str()), (What::Unknown, "Basic.Publish"));
        assert_eq!(talk.server(&method(60, 60, &[0; 5])).what, What::Unknown);
    }

    #[test]
    fn amqp_heartbeats_and_close_are_told() {
        let mut talk = opened();
        assert_eq!(talk.client(HEARTBEAT).what, What::Heartbeat);
        assert_eq!(talk.server(HEARTBEAT).what, What::Heartbeat);
        let close = talk.server(&method(10, 50, &[1, 64, 0, 0, 0, 0, 0]));
        assert_eq!((close.what, close.announces_close, close.label.as_str()), (What::Farewell, true, "Connection.Close"));
        assert_eq!(talk.client(&method(10, 51, &[])).what, What::Farewell);
    }

    #[test]
    fn amqp_10_heartbeat_and_close_are_told() {
        let mut talk = Conversation::new();
        talk.client(b"AMQP\x00\x01\x00\x00");
        talk.server(b"AMQP\x00\x01\x00\x00");
        assert_eq!(talk.client(&[0, 0, 0, 8, 2, 0, 0, 0]).what, What::Heartbeat);
        assert_eq!(talk.client(&[0, 0, 0, 12, 2, 0, 0, 0, 0, 0x53, 0x18, 0x45]).what, What::Farewell);
    }
}

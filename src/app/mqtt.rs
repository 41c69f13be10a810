//! MQTT 3.1, 3.1.1 and 5: acknowledged messages, pings, DISCONNECT.
//!
//! Topics and payloads are not shown. Source: OASIS MQTT 3.1.1 and 5.0, sections 2.2, 3.1 to 3.14.

use super::framing::{Framers, Measure, Record};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBREL: u8 = 6;
const SUBSCRIBE: u8 = 8;
const UNSUBSCRIBE: u8 = 10;
const PINGREQ: u8 = 12;
const PINGRESP: u8 = 13;
const DISCONNECT: u8 = 14;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Mqtt {
    framers: Framers,
    ledger: Ledger,
}

impl Reader for Mqtt {
    const PROTOCOL: Protocol = Protocol::Mqtt;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let Measure::Octets(_) = (1..=5).find_map(|len| match measure(octets.get(..len)?) {
            Measure::More => None,
            known => Some(known),
        })?
        else {
            return None;
        };
        let length_len = octets.get(1..5)?.iter().take_while(|octet| **octet & 0x80 != 0).count().checked_add(1)?;
        let body = octets.get(length_len.checked_add(1)?..)?;
        let named = [&b"\x00\x04MQTT\x04"[..], b"\x00\x04MQTT\x05", b"\x00\x06MQIsdp\x03"].iter().any(|name| body.starts_with(name));
        (input.is_from_client() && octets.first() == Some(&(CONNECT << 4)) && named).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Mqtt, ..Message::default() };
        let Self { framers, ledger } = self;
        let walked = framers.walk(input, measure, |packet| take(packet, input.is_from_client(), ledger, &mut message));
        if walked.is_lost {
            self.ledger.lose();
        }
        walked.conclude(input, &mut message, note);
        message
    }

    fn response_outstanding(&self) -> Option<bool> {
        self.ledger.outstanding()
    }

    fn answered(&self) -> Option<bool> {
        self.ledger.answered()
    }
}

fn take(packet: &Record<'_>, from_client: bool, ledger: &mut Ledger, message: &mut Message) {
    let first = packet.header_octet(0);
    let quality = (first >> 1) & 3;
    let (what, name) = match first >> 4 {
        CONNECT => (What::Setup, "CONNECT"),
        CONNACK => (What::Setup, "CONNACK"),
        PUBLISH if from_client && quality > 0 => (What::Request, "PUBLISH"),
        PUBLISH => (What::Unknown, "PUBLISH"),
        4 => (What::Response, "PUBACK"),
        5 => (What::Response, "PUBREC"),
        PUBREL => (What::Continuation, "PUBREL"),
        7 => (What::Response, "PUBCOMP"),
        SUBSCRIBE => (What::Request, "SUBSCRIBE"),
        9 => (What::Response, "SUBACK"),
        UNSUBSCRIBE => (What::Request, "UNSUBSCRIBE"),
        11 => (What::Response, "UNSUBACK"),
        PINGREQ => (What::Heartbeat, "PINGREQ"),
        PINGRESP => (What::Heartbeat, "PINGRESP"),
        DISCONNECT => (What::Farewell, "DISCONNECT"),
        _ => (What::Setup, "AUTH"),
    };
    match (what, from_client) {
        (What::Request | What::Setup, true) => ledger.request(),
        // The exchange of quality 2 goes on with PUBREL and ends with PUBCOMP.
        (What::Response, false) if first >> 4 == 5 => ledger.answer(),
        (What::Response | What::Setup, false) => ledger.complete(),
        (What::Farewell, _) => {
            message.announces_close = true;
            ledger.clear();
        }
        _ => {}
    }
    // A client acknowledges a message that it was sent: an answer, but not the server's.
    let what = if what == What::Response && from_client { What::Continuation } else { what };
    let outweighs = (what == What::Request && message.what != What::Request) || (what == What::Farewell && message.what == What::Heartbeat);
    if message.label.is_empty() || outweighs {
        message.what = what;
        message.label = label::text(name);
    }
}

/// Type and flags (section 2.2), then the remaining length in one to four octets of seven bits.
fn measure(header: &[u8]) -> Measure {
    let Some((first, length)) = header.split_first() else { return Measure::More };
    let flags = first & 0x0f;
    let flags_fit = match first >> 4 {
        PUBLISH => flags & 6 != 6,
        PUBREL | SUBSCRIBE | UNSUBSCRIBE => flags == 2,
        0 => false,
        _ => flags == 0,
    };
    if !flags_fit || length.len() > 4 {
        return Measure::Invalid;
    }
    let mut sum = 0_u64;
    for (octet, shift) in length.iter().zip([0, 7, 14, 21]) {
        sum |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            let is_sound = !matches!(first >> 4, PINGREQ | PINGRESP) || sum == 0;
            return if is_sound { Measure::Octets(sum.saturating_add(header.len() as u64)) } else { Measure::Invalid };
        }
    }
    if length.len() >= 4 { Measure::Invalid } else { Measure::More }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn connected() -> Conversation {
        let mut talk = Conversation::new();
        let message = talk.client(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a");
        assert_eq!((message.protocol, message.what), (Protocol::Mqtt, What::Setup));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&[0x20, 2, 0, 0]);
        assert_eq!(talk.outstanding(), Some(false));
        talk
    }

    #[test]
    fn mqtt_subscription_and_acknowledged_messages_are_owed_an_answer() {
        let mut talk = connected();
        assert_eq!(talk.client(&[0x82, 6, 0, 1, 0, 1, b'a', 0]).what, What::Request);
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&[0x90, 3, 0, 1, 0]).what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
        assert_eq!(talk.client(&[0x32, 6, 0, 1, b'a', 0, 2, b'x']).what, What::Request);
        assert_eq!(talk.client(&[0x30, 4, 0, 1, b'a', b'x']).what, What::Unknown, "quality 0 is owed nothing");
        talk.server(&[0x40, 2, 0, 2]);
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn mqtt_pings_and_disconnect_are_told() {
        let mut talk = connected();
        assert_eq!(talk.client(&[0xc0, 0]).what, What::Heartbeat);
        assert_eq!(talk.server(&[0xd0, 0]).what, What::Heartbeat);
        let message = talk.client(&[0xe0, 0]);
        assert_eq!((message.what, message.announces_close), (What::Farewell, true));
    }

    #[test]
    fn mqtt_message_of_two_octets_of_length_continues() {
        let mut talk = connected();
        talk.server(&[&[0x30, 0x80, 0x02, 0, 1, b'a'][..], &[0; 100]].concat());
        assert_eq!(talk.server(&[0; 153]).what, What::Continuation);
        assert_eq!(talk.server(&[0xd0, 0]).what, What::Heartbeat);
    }

    #[test]
    fn mqtt_needs_its_name() {
        assert_eq!(Conversation::new().client(&[0xc0, 0]).protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().client(b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01a").protocol, Protocol::Unknown);
        assert_eq!(Conversation::new().client(b"\x10\xff\xff\xff\xff\x00\x04MQTT\x04").protocol, Protocol::Unknown);
    }
}

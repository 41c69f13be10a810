//! Kafka: requests by name, answers by correlation id.
//!
//! Source: Apache Kafka protocol guide, «Protocol Primitive Types», «The Messages», «The API Keys».

use super::fingerprint::Fingerprint;
use super::framing::{Framers, Measure, Record, be};
use super::label;
use super::ledger::Ledger;
use super::reader::{Input, Note, Reader};
use super::{Message, Protocol, What};

/// socket.request.max.bytes of the broker, 100 MiB by default; a fetch answer may be as long.
const LONGEST_MESSAGE: u64 = 100 << 20;
/// API keys of Kafka 4: up to 92; versions up to 18.
const HIGHEST_API: u64 = 100;
const HIGHEST_VERSION: u64 = 25;
/// A client id is a name; what is longer is none.
const LONGEST_CLIENT_ID: usize = 255;
/// The first versions of Produce with a transactional id, and with a flexible header (protocol guide, «Produce API»).
const PRODUCE_TRANSACTIONAL: u64 = 3;
const PRODUCE_FLEXIBLE: u64 = 9;
/// More requests in flight than this is a misread correlation id (max.in.flight.requests.per.connection is 5 by default).
const MOST_IN_FLIGHT: u32 = 1000;

const PRODUCE: u64 = 0;

/// The state of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Kafka {
    framers: Framers,
    ledger: Ledger,
    /// Correlation id of the last request that is owed an answer.
    asked: u32,
}

/// The fields of a request's header, without its length.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    api: u64,
    version: u64,
    correlation: u32,
    after_client_id: &'a [u8],
}

impl Reader for Kafka {
    const PROTOCOL: Protocol = Protocol::Kafka;

    fn recognise(input: &Input<'_>) -> Option<Self> {
        let octets = input.head();
        let length = be(octets, 0, 4)?;
        let fits = length.checked_add(4)? == u64::from(input.excerpt.length) && length <= LONGEST_MESSAGE;
        let header = header(octets.get(4..)?)?;
        let has_client_id = be(octets, 12, 2).is_some_and(|length| (1..=LONGEST_CLIENT_ID as u64).contains(&length));
        // Without a client id it must be a first request of a known kind; API 0 would fit ZooKeeper's as well.
        let is_first = input.is_first && header.api != PRODUCE && api_name(header.api).is_some() && header.correlation <= 1;
        (input.is_from_client() && input.starts_turn && fits && (has_client_id || is_first)).then(Self::default)
    }

    fn read(&mut self, input: &Input<'_>, note: &mut Note) -> Message {
        let mut message = Message { protocol: Protocol::Kafka, ..Message::default() };
        let Self { framers, ledger, asked } = self;
        let walked = framers.walk(input, measure, |record| {
            if input.is_from_client() {
                take_request(record, ledger, asked, &mut message);
            } else {
                take_response(record, ledger, *asked, &mut message);
            }
        });
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

fn take_request(record: &Record<'_>, ledger: &mut Ledger, asked: &mut u32, message: &mut Message) {
    let Some(header) = header(record.body) else {
        ledger.lose();
        return;
    };
    if !(header.api == PRODUCE && acknowledgements(&header) == Some(0)) {
        ledger.request();
        *asked = header.correlation;
    }
    if message.label.is_empty() {
        message.what = What::Request;
        if let Some((name, idempotent)) = api_name(header.api) {
            message.label = label::text(name);
            message.idempotent = idempotent;
        } else {
            message.label = label::text("API ");
            label::push_number(&mut message.label, header.api);
        }
        // Without length and correlation id, which differ in a retry.
        let api = [u8::try_from(header.api).unwrap_or_default()];
        message.fingerprint = Fingerprint::of_command(header.after_client_id) ^ Fingerprint::new().field(&api).finish();
    }
}

fn take_response(record: &Record<'_>, ledger: &mut Ledger, asked: u32, message: &mut Message) {
    message.what = What::Response;
    let Some(correlation) = be(record.body, 0, 4).and_then(|id| u32::try_from(id).ok()) else {
        ledger.complete();
        return;
    };
    // The broker answers in order; clients number their requests one by one.
    let in_flight = asked.wrapping_sub(correlation);
    if in_flight == 0 {
        ledger.set_pending(0);
    } else if in_flight <= MOST_IN_FLIGHT {
        ledger.set_pending(ledger.pending().saturating_sub(1).max(1));
    } else {
        ledger.complete();
    }
    if message.label.is_empty() {
        message.label = label::text("response");
    }
}

fn header(octets: &[u8]) -> Option<Header<'_>> {
    let api = be(octets, 0, 2)?;
    let version = be(octets, 2, 2)?;
    let correlation = u32::try_from(be(octets, 4, 4)?).ok()?;
    let id_length = match be(octets, 8, 2)? {
        0xffff => 0,
        length => usize::try_from(length).ok()?,
    };
    let rest = octets.get(10..)?;
    let id = rest.get(..id_length).unwrap_or(rest);
    let fits = api <= HIGHEST_API && version <= HIGHEST_VERSION && id_length <= LONGEST_CLIENT_ID && id.iter().all(u8::is_ascii_graphic);
    fits.then(|| Header { api, version, correlation, after_client_id: rest.get(id_length..).unwrap_or_default() })
}

/// The `acks` of a Produce request: 0 means that no answer comes.
fn acknowledgements(header: &Header<'_>) -> Option<u64> {
    let mut at = 0_usize;
    if header.version >= PRODUCE_FLEXIBLE {
        // No tagged fields in the header, a null (0) or compact transactional id.
        if header.after_client_id.first() != Some(&0) {
            return None;
        }
        let length = usize::from(*header.after_client_id.get(1)?);
        at = 2_usize.checked_add(length.saturating_sub(1))?;
    } else if header.version >= PRODUCE_TRANSACTIONAL {
        let length = be(header.after_client_id, 0, 2)?;
        at = if length == 0xffff { 2 } else { usize::try_from(length).ok()?.checked_add(2)? };
    }
    be(header.after_client_id, at, 2)
}

/// Name, and whether repeating the request changes nothing at the broker.
fn api_name(api: u64) -> Option<(&'static str, Option<bool>)> {
    Some(match api {
        PRODUCE => ("Produce", None),
        1 => ("Fetch", Some(true)),
        2 => ("ListOffsets", Some(true)),
        3 => ("Metadata", Some(true)),
        8 => ("OffsetCommit", None),
        9 => ("OffsetFetch", Some(true)),
        10 => ("FindCoordinator", Some(true)),
        11 => ("JoinGroup", None),
        12 => ("Heartbeat", Some(true)),
        13 => ("LeaveGroup", None),
        14 => ("SyncGroup", None),
        15 => ("DescribeGroups", Some(true)),
        16 => ("ListGroups", Some(true)),
        17 => ("SaslHandshake", None),
        18 => ("ApiVersions", Some(true)),
        19 => ("CreateTopics", None),
        20 => ("DeleteTopics", None),
        22 => ("InitProducerId", None),
        24 => ("AddPartitionsToTxn", None),
        26 => ("EndTxn", None),
        32 => ("DescribeConfigs", Some(true)),
        36 => ("SaslAuthenticate", None),
        60 => ("DescribeCluster", Some(true)),
        68 => ("ConsumerGroupHeartbeat", None),
        _ => return None,
    })
}

fn measure(header: &[u8]) -> Measure {
    match be(header, 0, 4) {
        None => Measure::More,
        Some(length @ 4..=LONGEST_MESSAGE) => Measure::Octets(length.saturating_add(4)),
        Some(_) => Measure::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::conversation::Conversation;
    use crate::app::{Protocol, What};

    fn request(api: u8, version: u8, correlation: u8, rest: &[u8]) -> Vec<u8> {
        let body = [&[0, api, 0, version, 0, 0, 0, correlation, 0, 7][..], b"rdkafka", rest].concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    fn response(correlation: u8) -> Vec<u8> {
        vec![0, 0, 0, 6, 0, 0, 0, correlation, 0, 0]
    }

    #[test]
    fn kafka_request_is_answered_by_its_correlation_id() {
        let mut talk = Conversation::new();
        let message = talk.client(&request(18, 3, 1, &[0, 1, 1]));
        assert_eq!((message.protocol, message.what, message.label.as_str()), (Protocol::Kafka, What::Request, "ApiVersions"));
        assert_eq!(talk.outstanding(), Some(true));
        assert_eq!(talk.server(&response(1)).what, What::Response);
        assert_eq!(talk.outstanding(), Some(false));
        talk.client(&[request(3, 1, 2, &[]), request(1, 4, 3, &[0; 20])].concat());
        talk.server(&response(2));
        assert_eq!(talk.outstanding(), Some(true));
        talk.server(&response(3));
        assert_eq!(talk.outstanding(), Some(false));
    }

    #[test]
    fn kafka_produce_without_acknowledgement_is_owed_nothing() {
        let mut talk = Conversation::new();
        talk.client(&request(3, 1, 1, &[]));
        talk.server(&response(1));
        talk.client(&request(0, 3, 2, &[0xff, 0xff, 0, 0, 0, 0, 3, 232]));
        assert_eq!(talk.outstanding(), Some(false));
        talk.client(&request(0, 9, 3, &[0, 0, 0, 1, 0, 0, 3, 232]));
        assert_eq!(talk.outstanding(), Some(true));
    }

    #[test]
    fn kafka_retry_has_the_same_fingerprint() {
        let of = |octets: &[u8]| Conversation::new().client(octets).fingerprint;
        assert_eq!(of(&request(3, 1, 1, b"topics")), of(&request(3, 1, 9, b"topics")));
        assert_ne!(of(&request(3, 1, 1, b"topics")), of(&request(3, 1, 1, b"topicz")));
    }

    #[test]
    fn kafka_needs_a_client_id_and_a_length_that_fits() {
        let zookeeper = [&[0, 0, 0, 44][..], &[0; 12], &[0, 0, 0x75, 0x30], &[0; 28]].concat();
        assert_eq!(Conversation::new().client(&zookeeper).protocol, Protocol::Unknown);
        let nameless = [&[0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &[0; 4]].concat();
        assert_eq!(Conversation::new().client(&nameless).what, What::Request);
        let mut longer = request(3, 1, 1, &[]);
        longer.push(0);
        assert_eq!(Conversation::new().client(&longer).protocol, Protocol::Unknown);
        assert_eq!(Conversation::cut(40).client(&request(3, 1, 1, &[0; 90])).what, What::Request);
    }
}

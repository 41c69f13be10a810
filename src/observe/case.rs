//! A request whose fate is known as far as the capture shows it, with the facts of its connection that the detectors need: it
//! stands alone, so that the connection may go on (or start over).

use serde::{Deserialize, Serialize};

use super::request::Request;
use super::told::Fate;
use crate::endpoint::Endpoint;
use crate::tcp::Connection;
use crate::tcp::connection::Close;
use crate::tcp::half::{Fin, Mark, PathBaseline};
use crate::time::Span;

/// FIN and request cross when their first transmissions are at most this far apart, or twice the round trip (semantics, «Crossing»).
const CROSSING_AT_LEAST: Span = Span::from_millis(250);
/// Frames out of time order by more than this around the close: no error rests on the order.
const ORDER_TRUSTED: Span = Span::from_millis(5);

/// A finished request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// Index of the connection in the tracker.
    pub connection: usize,
    /// Number of the connection.
    pub stream: u64,
    /// Client.
    pub client: Endpoint,
    /// Server.
    pub server: Endpoint,
    /// The request.
    pub request: Request,
    /// The server's effective FIN.
    pub fin: Option<Fin>,
    /// The connection's first close.
    pub close: Option<Close>,
    /// Round trip at the vantage.
    pub rtt: Option<Span>,
    /// The handshake was captured whole.
    pub handshake_seen: bool,
    /// Only one direction was captured.
    pub one_sided: bool,
    /// The server sent octets that the capture missed.
    pub server_octets_missed: bool,
    /// Whether an answer is owed when the request's fate is sealed, by the protocol's framing: some requests ask for none (Kafka acks=0).
    pub answer_owed: Option<bool>,
    /// The roles are only a guess.
    pub roles_guessed: bool,
    /// The clock stepped back by more than is trusted around the close.
    pub order_untrusted: bool,
    /// TTL, IP-ID and link address of the server's earlier segments.
    pub server_path: PathBaseline,
    /// The shortest time in which the server ever answered, SYN included, where the handshake was captured.
    pub server_floor: Option<Span>,
    /// The request was the last thing the client did (nothing after it but retransmissions and acknowledgements).
    pub last_frame: Mark,
    /// A longer silence before it than any that the connection survived.
    pub longest_survived: Option<Span>,
    /// What other connections had to do with it.
    pub fate: Fate,
}

/// The shortest time from a SYN or a payload of the client to the server's acknowledgement of it.
fn answer_floor(connection: &Connection) -> Option<Span> {
    let (_, syn, _) = connection.handshake.syn.filter(|_| connection.handshake.syn_count == 1)?;
    let (_, syn_ack, _) = connection.handshake.syn_ack?;
    let handshake = syn_ack.time.since(syn.time);
    Some(connection.server_half().fastest_answer.map_or(handshake, |fastest| fastest.min(handshake)))
}

/// The server sent octets that the capture does not show.
pub fn server_octets_missed(connection: &Connection) -> bool {
    let (server, client) = (connection.server_half(), connection.client_half());
    let fin = server.effective_fin().filter(|_| connection.exists());
    // Without any payload captured: the number after its SYN.
    let after_syn = || server.base.filter(|_| server.base_is_syn).and_then(|isn| server.known_position(isn.add(1)));
    let sent = server.data_end.or_else(after_syn);
    server.coverage.has_holes()
        || matches!((fin, sent), (Some(fin), Some(end)) if fin.position > end)
        || matches!((client.acked, server.snd_nxt), (Some(acked), Some(next)) if acked > next)
}

impl Case {
    /// Takes the facts of `connection` as they stand.
    pub fn close(at: usize, request: Request, connection: &Connection, longest_survived: Option<Span>) -> Self {
        let server = connection.server_half();
        let fin = server.effective_fin().copied().filter(|_| connection.exists());
        let order_untrusted = connection.clock_back > ORDER_TRUSTED;
        Self {
            connection: at,
            stream: connection.stream,
            client: connection.client_endpoint(),
            server: connection.server_endpoint(),
            fin,
            close: connection.close,
            rtt: connection.rtt(),
            handshake_seen: connection.handshake.completed.is_some(),
            one_sided: connection.one_sided(),
            server_octets_missed: server_octets_missed(connection),
            answer_owed: connection.dialogue.response_outstanding(),
            roles_guessed: connection.role_basis == crate::report::RoleBasis::Guess,
            order_untrusted,
            server_path: server.path,
            server_floor: answer_floor(connection),
            last_frame: connection.last,
            longest_survived,
            fate: Fate::default(),
            request,
        }
    }

    /// How far apart two segments may be that crossed on the way.
    pub fn crossing_bound(&self) -> Span {
        let twice = self.rtt.map_or(Span::ZERO, |rtt| Span(rtt.nanos().saturating_mul(2)));
        twice.max(CROSSING_AT_LEAST)
    }

    /// The client's kernel had acknowledged the server's FIN when it sent the request (catalogue D1).
    pub fn client_knew(&self) -> bool {
        self.fin.is_some_and(|fin| {
            let knew = |position: Option<i64>| position.is_some_and(|position| position > fin.position);
            knew(self.request.ack) || knew(self.request.acked_before)
        })
    }

    /// The server closed within `soon` of the handshake or of its greeting, before the client had said a word: it refuses new connections
    /// (SSH `MaxStartups`, SMTP 421), and what the client says then is refused with it. A recognised request is a request all the same.
    pub fn is_refused_at_greeting(&self, soon: Span) -> bool {
        let closed_after = self.request.idle.zip(self.since_fin()).map(|(idle, since)| idle - since);
        self.request.first_words && !self.request.recognised && closed_after.is_some_and(|after| after < soon)
    }

    /// Request minus FIN; negative when the request came first.
    pub fn since_fin(&self) -> Option<Span> {
        self.fin.map(|fin| self.request.mark.time.since(fin.mark.time))
    }
}

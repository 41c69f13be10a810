//! A client host's timer as it shows on its connections to other servers: a hypothesis for those of its servers where it never closes
//! first, because the server always does. A pool has one timer for all of its upstreams unless somebody set them apart.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::chain::SideTimer;
use super::timers::Timers;
use crate::app::Protocol;
use crate::endpoint::Endpoint;
use crate::report::TimerState;
use crate::time::Span;

/// A connection kept so much longer than a timer contradicts it (semantics, «Timeouts»).
const CONTRADICTION: Span = Span::from_secs(1);
/// So many servers of one client host are compared: more would not make the hypothesis better.
const COMPARED: usize = 8;

/// A client's timer, and where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The timer.
    pub timer: SideTimer,
    /// The server on whose connections it was seen.
    pub server: Endpoint,
}

/// What pools are for: those of different protocols have nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pool {
    Web,
    Of(Protocol),
}

/// The timers of client hosts, by what they are for; the best known first, then the longest.
#[derive(Debug, Default)]
pub struct ClientTimers(BTreeMap<(IpAddr, Pool), Vec<Elsewhere>>);

impl ClientTimers {
    /// Gathers the clients' own timers.
    pub fn gather(timers: &Timers) -> Self {
        let mut found = Self::default();
        for (server, known) in &timers.servers {
            for (client, pair) in &known.clients {
                let Some(timer) = &pair.timer else { continue };
                let list = found.0.entry((*client, pool(known.protocol))).or_default();
                list.push(Elsewhere { timer: SideTimer::of(timer), server: *server });
                list.sort_by_key(|seen| (seen.timer.state != TimerState::Measured, std::cmp::Reverse(seen.timer.value), seen.server));
                list.truncate(COMPARED);
            }
        }
        found
    }

    /// The client's timer on another server than this one, unless it kept a connection here for longer than that.
    pub fn of(&self, client: IpAddr, server: Endpoint, protocol: Protocol, held: Option<Span>) -> Option<Elsewhere> {
        let stands = |seen: &&Elsewhere| seen.server != server && held.is_none_or(|held| held <= seen.timer.value + CONTRADICTION);
        self.0.get(&(client, pool(protocol)))?.iter().find(stands).copied()
    }
}

const fn pool(protocol: Protocol) -> Pool {
    match protocol {
        Protocol::Http1 | Protocol::Http2 | Protocol::Tls => Pool::Web,
        other => Pool::Of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));

    fn seen(last: u8, seconds: i64, state: TimerState) -> Elsewhere {
        let timer = SideTimer { value: Span::from_secs(seconds), spread: Span::ZERO, samples: 3, state };
        Elsewhere { timer, server: Endpoint::v4([10, 0, 1, last], 80) }
    }

    fn found(list: Vec<Elsewhere>, here: u8, held: Option<i64>) -> Option<i64> {
        let timers = ClientTimers([((CLIENT, Pool::Web), list)].into());
        let found = timers.of(CLIENT, Endpoint::v4([10, 0, 1, here], 80), Protocol::Http1, held.map(Span::from_secs));
        found.map(|seen| seen.timer.value.nanos() / crate::time::NANOS_PER_SECOND)
    }

    #[test]
    fn timer_of_another_server_stands_until_a_longer_idle_time_contradicts_it() {
        let list = || vec![seen(3, 20, TimerState::Measured)];
        assert_eq!(found(list(), 2, Some(5)), Some(20));
        assert_eq!(found(list(), 2, None), Some(20));
        assert_eq!(found(list(), 2, Some(22)), None, "it kept a connection for longer");
        assert_eq!(found(list(), 3, Some(5)), None, "the same server is not another one");
    }

    #[test]
    fn contradicted_timer_gives_way_to_the_next() {
        let list = vec![seen(3, 20, TimerState::Measured), seen(4, 60, TimerState::Suggested)];
        assert_eq!(found(list, 2, Some(40)), Some(60));
    }

    #[test]
    fn database_pools_say_nothing_of_web_pools() {
        let timers = ClientTimers([((CLIENT, pool(Protocol::Tls)), vec![seen(3, 20, TimerState::Measured)])].into());
        let server = Endpoint::v4([10, 0, 1, 2], 5432);
        assert!(timers.of(CLIENT, server, Protocol::PostgreSql, None).is_none());
        assert!(timers.of(CLIENT, server, Protocol::Http2, None).is_some());
    }
}

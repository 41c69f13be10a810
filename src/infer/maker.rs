//! Which product a client or a proxy is, as far as the capture tells, and by what it tells it.

use arrayvec::ArrayString;
use hashbrown::HashMap;

use super::products::{self, Product};
use crate::app::{Hand, Protocol};
use crate::observe::samples::{ClientSamples, ServerSamples};

/// A product, and why it is taken for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The product.
    pub product: &'static Product,
    /// `by its error page`, `by its User-Agent okhttp/4.12.0`.
    pub basis: String,
}

impl Maker {
    fn new(own: &str, basis: impl Into<String>) -> Option<Self> {
        Some(Self { product: products::named(own)?, basis: basis.into() })
    }
}

/// The product of a proxy: `pair` is what it sends to the server `behind`, `fronts` are where it takes requests. What it writes itself
/// goes before what it says: a `Server` field may be passed on.
pub fn of_proxy(pair: &ClientSamples, fronts: &[&ServerSamples], behind: &ServerSamples) -> Option<Maker> {
    // What the server behind writes as well may be passed on.
    let own = fronts.iter().find_map(|front| front.hand.product()).filter(|name| behind.hand.product() != Some(name));
    let by_page = own.and_then(|name| Maker::new(name, "by the errors that it answers itself"));
    let by_fields = || pair.hand.product().and_then(|name| Maker::new(name, "by what it sends to the server"));
    let says = || {
        let own = fronts.iter().map(|front| front.product.as_str()).find(|own| !own.is_empty() && *own != behind.product)?;
        Maker::new(own, "by its Server field")
    };
    by_page.or_else(by_fields).or_else(says).or_else(|| by_case(pair, fronts, behind))
}

/// Field names that come with capitals and leave in lower case passed through HAProxy (2.0 or later), or through one of few others.
fn by_case(pair: &ClientSamples, fronts: &[&ServerSamples], behind: &ServerSamples) -> Option<Maker> {
    let callers = fronts.iter().flat_map(|front| front.clients.values()).fold(Hand::Unknown, |hand, caller| hand.and(caller.hand));
    let requests = callers == Hand::Capitals && pair.hand == Hand::LowerCase;
    let responses = behind.hand == Hand::Capitals && fronts.iter().any(|front| front.hand == Hand::LowerCase);
    if !(requests || responses) || pair.hand == Hand::Capitals {
        return None;
    }
    Maker::new("haproxy", "probably: it turns field names into lower case, as HAProxy does from 2.0 on")
}

/// Products by what clients call themselves: looked up once for each name, because thousands of clients have the same.
#[derive(Debug, Default)]
pub struct Agents(HashMap<ArrayString<32>, Option<&'static Product>, ahash::RandomState>);

impl Agents {
    fn product(&mut self, agent: ArrayString<32>) -> Option<&'static Product> {
        *self.0.entry(agent).or_insert_with(|| products::named(&agent))
    }

    /// The product of a client that is no proxy: the only known one among its `User-Agent` fields.
    pub fn of_client(&mut self, pair: &ClientSamples) -> Option<Maker> {
        let mut known = pair.agents.iter().filter_map(|agent| self.product(*agent).map(|product| (product, agent)));
        let (product, agent) = known.next()?;
        known.all(|(other, _)| other == product).then(|| Maker { product, basis: format!("by its User-Agent {agent}") })
    }
}

/// The product that owns a protocol.
pub fn of_protocol(protocol: Protocol) -> Option<&'static Product> {
    products::titled(match protocol {
        Protocol::PostgreSql => "PostgreSQL",
        Protocol::MySql => "MySQL / MariaDB",
        Protocol::Redis => "Redis",
        Protocol::Kafka => "Kafka",
        Protocol::Amqp => "RabbitMQ",
        _ => return None,
    })
}

/// Products of the web that are likely where the capture tells none.
pub fn likely(protocol: Protocol, is_proxy: bool, is_server: bool) -> Vec<&'static Product> {
    let is_web = matches!(protocol, Protocol::Http1 | Protocol::Http2 | Protocol::Tls | Protocol::Unknown);
    let names: &[&str] = match (is_web, is_server, is_proxy) {
        (false, ..) => &[],
        (true, true, _) => &["nginx", "HAProxy", "Apache httpd", "Node.js", "Tomcat", "Envoy"],
        (true, false, true) => &["nginx", "HAProxy", "Envoy", "Apache httpd"],
        (true, false, false) => &["nginx", "HAProxy", "Go net/http", "Apache HttpClient 5", "OkHttp", "Node.js"],
    };
    names.iter().filter_map(|name| products::titled(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(hand: Hand, agents: &[&str]) -> ClientSamples {
        ClientSamples { hand, agents: agents.iter().map(|agent| ArrayString::from(agent).unwrap()).collect(), ..Default::default() }
    }

    fn endpoint(hand: Hand, product: &str, callers: Hand) -> ServerSamples {
        let clients = [(std::net::IpAddr::from([10, 0, 0, 1]), pair(callers, &[]))].into();
        ServerSamples { hand, product: product.to_string(), clients, ..Default::default() }
    }

    fn proxy(pair: &ClientSamples, front: &ServerSamples, behind: &ServerSamples) -> Option<&'static str> {
        of_proxy(pair, &[front], behind).map(|maker| maker.product.name)
    }

    #[test]
    fn proxy_that_turns_field_names_into_lower_case_is_probably_haproxy() {
        let behind = endpoint(Hand::Capitals, "nginx/1.22.1", Hand::LowerCase);
        let front = endpoint(Hand::LowerCase, "nginx/1.22.1", Hand::Capitals);
        assert_eq!(proxy(&pair(Hand::LowerCase, &[]), &front, &behind), Some("HAProxy"));
        let callers_write_so = endpoint(Hand::Unknown, "", Hand::LowerCase);
        assert_eq!(proxy(&pair(Hand::LowerCase, &[]), &callers_write_so, &behind), None);
        let passed_on = endpoint(Hand::Capitals, "nginx/1.22.1", Hand::Capitals);
        assert_eq!(proxy(&pair(Hand::Capitals, &[]), &passed_on, &behind), None);
    }

    #[test]
    fn own_words_of_a_proxy_go_before_a_server_field_that_it_passes_on() {
        let behind = endpoint(Hand::Capitals, "gunicorn", Hand::Capitals);
        let page = endpoint(Hand::Product("HAProxy"), "Apache", Hand::Capitals);
        assert_eq!(proxy(&pair(Hand::Capitals, &[]), &page, &behind), Some("HAProxy"));
        let gateway = endpoint(Hand::Product("nginx"), "nginx/1.22.1", Hand::Capitals);
        let too = endpoint(Hand::Product("nginx"), "nginx/1.22.1", Hand::Capitals);
        assert_eq!(proxy(&pair(Hand::Capitals, &[]), &gateway, &too), None, "the server behind answers so as well");
        let says = endpoint(Hand::Capitals, "nginx/1.22.1", Hand::Capitals);
        assert_eq!(proxy(&pair(Hand::Capitals, &[]), &says, &behind), Some("nginx"));
    }

    #[test]
    fn client_is_told_by_its_agent_unless_it_has_several() {
        let client = |agents: &[&str]| Agents::default().of_client(&pair(Hand::Capitals, agents)).map(|maker| maker.product.name);
        assert_eq!(client(&["okhttp/4.12.0", "backup"]), Some("OkHttp"));
        assert_eq!(client(&["okhttp/4.12.0", "okhttp/4.9.1"]), Some("OkHttp"));
        assert_eq!(client(&["okhttp/4.12.0", "Go-http-client/1.1"]), None);
        assert_eq!(client(&["backup"]), None);
    }

    #[test]
    fn every_likely_product_has_its_row() {
        for (is_server, is_proxy, many) in [(true, false, 6), (false, true, 4), (false, false, 6)] {
            assert_eq!(likely(Protocol::Http1, is_proxy, is_server).len(), many);
        }
        for protocol in [Protocol::PostgreSql, Protocol::MySql, Protocol::Redis, Protocol::Kafka, Protocol::Amqp] {
            assert!(likely(protocol, false, true).is_empty() && of_protocol(protocol).is_some(), "{protocol:?}");
        }
        assert_eq!(of_protocol(Protocol::Http1), None);
    }
}

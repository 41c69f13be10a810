//! Known default timeouts as data: `known_timeouts.tsv`, one row per setting with its source. A measured timer is compared with them as a
//! hint only, narrowed by what the capture shows of the product.

use std::sync::LazyLock;

use crate::app::Protocol;
use crate::report::{TimerKind, TimerSide};
use crate::time::{NANOS_PER_SECOND, Span};

/// At most so many hints for one timer: a list of everything that is 60 s says nothing.
const HINTS: usize = 3;
/// A default matches within this on either side …
const NEAR_AT_LEAST: Span = Span::from_millis(150);
/// … or within so many percent (timers are checked by coarse clocks).
const NEAR_PERCENT: i64 = 1;

const DATA: &str = include_str!("known_timeouts.tsv");

/// One row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownTimeout {
    /// `nginx`.
    pub product: &'static str,
    /// `server`, `client`, `proxy-upstream`, `l7-lb`, `l4-lb`, `nat`, `firewall`, `conntrack`, `os`, …
    pub role: &'static str,
    /// The setting's name.
    pub setting: &'static str,
    /// The default; `None`: there is none, or it is a count (see the note).
    pub default: Option<Span>,
    /// The default as the data has it: seconds, `inf`, or nothing.
    pub text: &'static str,
    /// What happens then.
    pub action: &'static str,
    /// What else to know.
    pub note: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// The source was read.
    pub verified: bool,
}

/// What the capture shows of a timer and of its owner.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Measured.
    pub value: Span,
    /// Its spread.
    pub spread: Span,
    /// Whose.
    pub side: TimerSide,
    /// What.
    pub what: TimerKind,
    /// The server's port.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// What its owner says it is; empty if it does not say.
    pub product: &'a str,
    /// It closes with RST.
    pub by_rst: bool,
}

impl Sight<'_> {
    /// Keepalive probes: their owner is an operating system, whatever runs on it.
    pub const fn of_probes(value: Span, spread: Span, what: TimerKind, port: u16, protocol: Protocol) -> Self {
        Self { value, spread, side: TimerSide::Path, what, port, protocol, product: "", by_rst: false }
    }
}

/// Every row, in the order of the data.
pub fn all() -> &'static [KnownTimeout] {
    static ROWS: LazyLock<Vec<KnownTimeout>> = LazyLock::new(|| DATA.lines().filter_map(parse).collect());
    &ROWS
}

fn parse(line: &'static str) -> Option<KnownTimeout> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    let (product, role, setting, text, action, note, source, verified) =
        (next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?);
    let default = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && (0.0..1e9).contains(seconds)).map(|seconds| {
        #[allow(clippy::cast_possible_truncation)] // below 10⁹ s
        Span((seconds * NANOS_PER_SECOND as f64) as i64)
    });
    Some(KnownTimeout { product, role, setting, default, text, action, note, source, verified: verified == "yes" })
}

/// The defaults that match, best first: `matches nginx keepalive_timeout default 75 s`.
pub fn matching(sight: &Sight<'_>) -> Vec<String> {
    let tolerance = NEAR_AT_LEAST.max(sight.spread).max(Span(sight.value.nanos() / 100 * NEAR_PERCENT));
    let mut found: Vec<(i32, &KnownTimeout)> = all()
        .iter()
        .filter(|row| row.default.is_some_and(|default| (default - sight.value).abs() <= tolerance))
        .filter_map(|row| fit(row, sight).map(|fit| (fit, row)))
        .collect();
    found.sort_by_key(|(fit, _)| std::cmp::Reverse(*fit));
    let best = found.first().map_or(0, |(fit, _)| *fit);
    found.iter().filter(|(fit, _)| *fit + 2 >= best).take(HINTS).map(|(_, row)| hint(row)).collect()
}

/// The defaults of devices on the way that lie in a bracket.
pub fn within(low: Option<Span>, high: Span) -> Vec<String> {
    let device = |row: &&KnownTimeout| matches!(row.role, "l4-lb" | "nat" | "firewall" | "conntrack");
    let low = low.unwrap_or(Span(high.nanos() / 4 * 3));
    all()
        .iter()
        .filter(device)
        .filter(|row| row.verified && row.default.is_some_and(|default| default > low && default <= high))
        .take(HINTS)
        .map(hint)
        .collect()
}

fn hint(row: &KnownTimeout) -> String {
    let unsure = if row.verified { "" } else { " (not checked)" };
    format!("matches {} {} default {} s{unsure}", row.product, row.setting, row.text)
}

/// How well a row fits what the capture shows; `None`: it cannot be this one.
fn fit(row: &KnownTimeout, sight: &Sight<'_>) -> Option<i32> {
    let probe = row.action.starts_with("probe");
    let wanted = match sight.what {
        TimerKind::KeepaliveIdle => probe && !row.action.contains("repeat"),
        TimerKind::KeepaliveInterval => probe && row.action.contains("repeat"),
        TimerKind::Idle => !probe && row.role != "os",
        _ => false,
    };
    let role = match sight.side {
        TimerSide::Server => matches!(row.role, "server" | "l7-lb" | "cdn" | "broker" | "l4-proxy"),
        TimerSide::Client => matches!(row.role, "client" | "proxy-upstream" | "l7-lb" | "cdn"),
        TimerSide::Path => true,
    };
    // A limit on the age, a lingering close or the wait for a response is no idle timer between requests.
    let other_timer = ["age", "AGE", "lingering", "partial", "between", "response", "read", "send", "connect"];
    let not_idle = sight.what == TimerKind::Idle
        && (row.note.contains("max age") || row.note.contains("AGE") || other_timer.iter().any(|word| row.setting.contains(word)))
        && !row.setting.contains("keepAlive");
    if !wanted || !role || not_idle {
        return None;
    }
    let mut fit = i32::from(row.verified);
    let product = sight.product.to_ascii_lowercase();
    if !product.is_empty() && sight.side == TimerSide::Server {
        if !names_same(&product, row.product) {
            return None;
        }
        fit += 4;
    }
    match of_port(sight.port) {
        Some(owners) if owners.iter().any(|owner| row.product.contains(owner)) => fit += 4,
        Some(_) => return None,
        None if is_database(row.product) => return None,
        None => {}
    }
    fit += i32::from(sight.by_rst && row.action.contains("RST"));
    Some(fit)
}

/// Whether a product's own words (`nginx/1.22.1`, `Apache-Coyote/1.1`) name the row's product.
fn names_same(own: &str, row: &str) -> bool {
    let row = row.to_ascii_lowercase();
    let name: String = own.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    let first = row.split([' ', '/']).next().unwrap_or_default();
    let alias: &[&str] = match name.as_str() {
        "openresty" | "tengine" => &["nginx"],
        "apache-coyote" => &["tomcat"],
        "apache" => &["apache httpd", "tomcat"],
        "awselb" => &["aws alb", "aws clb"],
        "envoy" | "istio-envoy" => &["envoy"],
        "microsoft-iis" => &["iis"],
        "gws" | "google" => &["gcp"],
        "kestrel" => &["asp.net"],
        _ => &[],
    };
    alias.iter().any(|alias| row.starts_with(alias)) || (alias.is_empty() && !first.is_empty() && name.contains(first))
}

/// Products that own a port.
const fn of_port(port: u16) -> Option<&'static [&'static str]> {
    Some(match port {
        1521 => &["Oracle"],
        3306 => &["MySQL", "MariaDB", "Hikari"],
        5432 | 6432 => &["PostgreSQL", "PgBouncer", "node-postgres", "Hikari"],
        5671 | 5672 => &["RabbitMQ"],
        6379 => &["Redis"],
        8123 => &["ClickHouse"],
        9092 | 9093 => &["Kafka", "librdkafka"],
        11211 => &["Memcached"],
        27017 => &["MongoDB"],
        _ => return None,
    })
}

fn is_database(product: &str) -> bool {
    [
        "Oracle DB",
        "MySQL",
        "MariaDB",
        "PostgreSQL",
        "PgBouncer",
        "node-postgres",
        "Hikari",
        "RabbitMQ",
        "Redis",
        "Kafka",
        "Memcached",
        "MongoDB",
    ]
    .iter()
    .any(|name| product.contains(name))
}

/// Rows that contain every word, in any field, whatever the case.
pub fn search(words: &[String]) -> Vec<&'static KnownTimeout> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    all()
        .iter()
        .filter(|row| {
            let text = [row.product, row.role, row.setting, row.text, row.action, row.note, row.source].join(" ").to_lowercase();
            let seconds = format!("{} s {}s", row.text, row.text);
            words.iter().all(|word| text.contains(word) || seconds.split(' ').any(|known| known == word))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::cast_possible_truncation)] // small numbers of a test
    fn sight(seconds: f64, side: TimerSide, product: &str, port: u16) -> Sight<'_> {
        Sight {
            value: Span((seconds * 1e9) as i64),
            spread: Span::ZERO,
            side,
            what: TimerKind::Idle,
            port,
            protocol: Protocol::Http1,
            product,
            by_rst: false,
        }
    }

    #[test]
    fn every_line_is_a_row_with_a_source() {
        let lines = DATA.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().len(), lines);
        for row in all() {
            assert!(!row.product.is_empty() && !row.setting.is_empty() && !row.source.is_empty(), "{row:?}");
            assert!(row.default.is_some() || row.text == "inf" || row.text.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn product_of_the_server_header_narrows_the_hints() {
        assert_eq!(matching(&sight(75.0, TimerSide::Server, "nginx/1.22.1", 80)), ["matches nginx keepalive_timeout default 75 s"]);
        assert!(matching(&sight(5.0, TimerSide::Server, "nginx/1.22.1", 80)).is_empty(), "Apache's default is no hint about nginx");
        let apache = matching(&sight(5.0, TimerSide::Server, "Apache/2.4.57", 80));
        assert_eq!(apache, ["matches Apache httpd KeepAliveTimeout default 5 s"]);
    }

    #[test]
    fn node_with_its_buffer_is_known() {
        let hints = matching(&sight(6.0, TimerSide::Server, "", 3000));
        assert!(hints.iter().any(|hint| hint.contains("Node.js")), "{hints:?}");
    }

    #[test]
    fn port_names_the_database_and_http_ports_name_none() {
        assert!(matching(&sight(600.0, TimerSide::Server, "", 9092)).iter().all(|hint| hint.contains("Kafka")));
        assert!(matching(&sight(28_800.0, TimerSide::Server, "", 80)).is_empty());
    }

    #[test]
    fn port_of_a_database_names_its_own_timeout() {
        let hints = matching(&sight(28_800.0, TimerSide::Server, "", 3306));
        assert!(!hints.is_empty() && hints.iter().all(|hint| hint.contains("MySQL") || hint.contains("MariaDB")), "{hints:?}");
        assert!(matching(&sight(75.0, TimerSide::Server, "", 3306)).is_empty(), "nginx does not listen there");
    }

    #[test]
    fn measured_value_may_differ_by_some_percent_of_a_long_default() {
        let near = |seconds: f64| matching(&sight(seconds, TimerSide::Server, "", 3306));
        assert_eq!(near(28_900.0), near(28_800.0));
        assert!(near(33_000.0).is_empty());
    }

    #[test]
    fn products_are_known_by_the_names_they_give_themselves() {
        for (own, row) in [
            ("kestrel", "ASP.NET Core Kestrel"),
            ("openresty/1.25", "nginx"),
            ("apache/2.4.57", "Apache httpd"),
            ("apache-coyote/1.1", "Tomcat"),
            ("microsoft-iis/10.0", "IIS"),
            ("istio-envoy", "Envoy/Istio"),
            ("awselb/2.0", "AWS ALB"),
        ] {
            assert!(names_same(own, row), "{own} {row}");
            assert!(!names_same(own, "HAProxy"), "{own}");
        }
    }

    #[test]
    fn first_probe_and_the_interval_have_defaults_of_their_own() {
        let probes = |seconds, what| matching(&Sight { what, ..sight(seconds, TimerSide::Path, "", 80) });
        let linux = probes(7_200.0, TimerKind::KeepaliveIdle);
        assert!(linux.iter().any(|hint| hint.contains("tcp_keepalive_time")), "{linux:?}");
        assert!(probes(75.0, TimerKind::KeepaliveInterval).iter().any(|hint| hint.contains("tcp_keepalive_intvl")));
        assert!(probes(7_200.0, TimerKind::KeepaliveInterval).iter().all(|hint| !hint.contains("tcp_keepalive_time")));
        assert_eq!(probes(7_200.0, TimerKind::KeepaliveCount), [""; 0], "a count is no time");
    }

    #[test]
    fn client_timer_matches_clients_and_proxies_only() {
        let hints = matching(&sight(90.0, TimerSide::Client, "", 80));
        assert!(hints.iter().any(|hint| hint.contains("IdleConnTimeout")), "{hints:?}");
        assert!(matching(&sight(75.0, TimerSide::Client, "", 80)).is_empty(), "75 s is a server's default");
    }

    #[test]
    fn value_between_defaults_matches_none() {
        assert!(matching(&sight(8.4, TimerSide::Server, "", 80)).is_empty());
    }

    #[test]
    fn bracket_names_devices_inside_it() {
        let hints = within(Some(Span::from_secs(300)), Span::from_secs(400));
        assert!(hints.iter().any(|hint| hint.contains("AWS NLB")), "{hints:?}");
        assert!(within(Some(Span::from_secs(20)), Span::from_secs(25)).is_empty());
    }

    #[test]
    fn search_wants_every_word() {
        assert!(search(&["nginx".into(), "75".into()]).iter().any(|row| row.setting == "keepalive_timeout"));
        assert!(search(&["nginx".into(), "kafka".into()]).is_empty());
    }
}

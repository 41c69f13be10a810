//! A report under pseudonyms: the same as those of a capture that was extracted with the same key.
//!
//! Fields that hold addresses, names and requests are replaced one by one; sentences are searched word by word for addresses, link addresses,
//! paths, and every name that the report knows. Names of files, interfaces and hosts go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Anonymizer;
use crate::report::{EndpointView, Finding, Report, Timeline};

/// A name that is shorter is not searched for in sentences: it would be found in ordinary text.
const SHORTEST_NAME: usize = 4;
/// Words after which a name stands in a label.
const BEFORE_NAME: [&str; 2] = ["CONNECT", "ClientHello"];

impl Anonymizer {
    /// Replaces everything in a report that could name somebody.
    pub fn report(&mut self, report: &mut Report) {
        let names = self.known_names(report);
        for (number, input) in report.inputs.iter_mut().enumerate() {
            input.name = format!("input {}", number.saturating_add(1));
        }
        report.names.clear();
        let mut rewriter = Rewriter { anonymizer: self, names, interfaces: BTreeMap::new() };
        rewriter.report(report);
    }

    /// Names that the report has in fields of their own, and what takes their place in sentences.
    fn known_names(&mut self, report: &Report) -> Vec<(String, String)> {
        let mut hosts: BTreeSet<&str> = report.connections.iter().map(|row| row.host.as_str()).collect();
        hosts.extend(report.timeouts.iter().filter_map(|timeout| timeout.host.as_deref()));
        let mut names: Vec<(String, String)> = hosts.into_iter().map(|name| (name.to_owned(), self.text_name(name))).collect();
        names.extend(report.names.values().map(|name| (name.clone(), "a host".to_owned())));
        for (number, input) in report.inputs.iter().enumerate() {
            let pseudonym = format!("input {}", number.saturating_add(1));
            let base = input.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
            names.push((input.name.clone(), pseudonym.clone()));
            names.push((base, pseudonym));
        }
        // an address that stands for a name is found as an address
        names.retain(|(name, _)| name.len() >= SHORTEST_NAME && !is_address(name));
        // the longer first: a name may contain another
        names.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        names.dedup();
        names
    }

    fn text_name(&mut self, name: &str) -> String {
        String::from_utf8_lossy(&self.name(name.as_bytes())).into_owned()
    }

    fn text_target(&mut self, target: &str) -> String {
        String::from_utf8_lossy(&self.target(target.as_bytes())).into_owned()
    }
}

struct Rewriter<'k> {
    anonymizer: &'k mut Anonymizer,
    names: Vec<(String, String)>,
    /// Interfaces by name, with the number that stands for each.
    interfaces: BTreeMap<String, usize>,
}

impl Rewriter<'_> {
    fn report(&mut self, report: &mut Report) {
        report.payloads.clear();
        for input in &mut report.inputs {
            input.link = None;
            self.sentences(&mut input.problems);
        }
        for trust in &mut report.capture.trust {
            self.sentence(&mut trust.detail);
        }
        for point in &mut report.capture.points {
            point.vantage = self.vantage(&point.vantage);
        }
        self.sentences(&mut report.verdict);
        for finding in &mut report.findings {
            self.finding(finding);
        }
        for group in &mut report.groups {
            self.address(&mut group.client);
            self.endpoint(&mut group.server);
            self.sentence(&mut group.summary);
            self.sentences(&mut group.advice);
            if let Some(timeline) = &mut group.timeline {
                self.timeline(timeline);
            }
        }
        for timeout in &mut report.timeouts {
            self.endpoint(&mut timeout.server);
            if let Some(client) = &mut timeout.client {
                self.address(client);
            }
            if let Some(host) = &mut timeout.host {
                *host = self.anonymizer.text_name(host);
            }
        }
        for hop in &mut report.chain {
            self.address(&mut hop.client);
            self.endpoint(&mut hop.server);
            if let Some(server) = &mut hop.client_seen_at {
                self.endpoint(server);
            }
            self.sentence(&mut hop.says);
        }
        let cost = &mut report.cost;
        for at in &mut cost.time_wait {
            self.address(&mut at.host);
        }
        for used in &mut cost.ports {
            self.address(&mut used.client);
            self.endpoint(&mut used.server);
        }
        for row in &mut report.connections {
            self.endpoint(&mut row.client);
            self.endpoint(&mut row.server);
            row.host = self.anonymizer.text_name(&row.host);
            for leg in &mut row.legs {
                self.sentence(&mut leg.basis);
            }
            for vantage in &mut row.vantages {
                *vantage = self.vantage(vantage);
            }
        }
        for timeline in report.timelines.iter_mut().chain(&mut report.finding_timelines) {
            self.timeline(timeline);
        }
    }

    fn finding(&mut self, finding: &mut Finding) {
        self.endpoint(&mut finding.client);
        self.endpoint(&mut finding.server);
        self.sentence(&mut finding.headline);
        self.sentence(&mut finding.request);
        self.sentence(&mut finding.retry_says);
        self.sentence(&mut finding.wireshark_filter);
        if let Some(cause) = &mut finding.cause {
            self.sentence(cause);
        }
        if let Some(rst) = &mut finding.rst {
            self.sentence(&mut rst.origin_basis);
        }
        self.sentences(&mut finding.messages);
        self.sentences(&mut finding.candidates);
        self.sentences(&mut finding.reasons);
        self.sentences(&mut finding.advice);
        for evidence in &mut finding.evidence {
            self.sentence(&mut evidence.says);
        }
    }

    fn timeline(&mut self, timeline: &mut Timeline) {
        self.endpoint(&mut timeline.client);
        self.endpoint(&mut timeline.server);
        for entry in &mut timeline.entries {
            self.sentence(&mut entry.text);
            self.sentence(&mut entry.note);
        }
    }

    fn address(&mut self, address: &mut IpAddr) {
        *address = self.anonymizer.address(*address);
    }

    fn endpoint(&mut self, endpoint: &mut EndpointView) {
        self.address(&mut endpoint.ip);
    }

    fn sentences(&mut self, sentences: &mut [String]) {
        for sentence in sentences {
            self.sentence(sentence);
        }
    }

    /// An interface's name, if there is one, becomes a number; the encapsulation stays.
    fn vantage(&mut self, vantage: &str) -> String {
        if vantage.starts_with("interface ") {
            return vantage.to_owned();
        }
        let (name, stack) = vantage.rsplit_once(", ").unwrap_or((vantage, ""));
        let next = self.interfaces.len().saturating_add(1);
        let number = *self.interfaces.entry(name.to_owned()).or_insert(next);
        if stack.is_empty() { format!("interface {number}") } else { format!("interface {number}, {stack}") }
    }

    fn sentence(&mut self, sentence: &mut String) {
        for (name, pseudonym) in &self.names {
            if sentence.contains(name.as_str()) {
                *sentence = replace_words(sentence, name, pseudonym);
            }
        }
        let mut out = String::with_capacity(sentence.len());
        let mut before = "";
        for part in sentence.split_inclusive([' ', '\n']) {
            let word = part.trim_end_matches([' ', '\n']);
            let space = part.get(word.len()..).unwrap_or_default();
            out.push_str(&self.one_word(word, before));
            out.push_str(space);
            before = word;
        }
        *sentence = out;
    }

    /// A word between spaces, with the punctuation around it.
    fn one_word(&mut self, word: &str, before: &str) -> String {
        let bare = word.trim_start_matches(['(', '«', '"', '\'', '`', '{']);
        let head = word.get(..word.len().saturating_sub(bare.len())).unwrap_or_default();
        let core = bare.trim_end_matches([')', '»', '"', '\'', '`', '}', ',', ';', '.', ':', '!', '?']);
        let tail = bare.get(core.len()..).unwrap_or_default();
        let replaced = if core.is_empty() {
            String::new()
        } else if BEFORE_NAME.contains(&before) {
            self.anonymizer.text_name(core)
        } else if core.starts_with('/') && core.len() > 1 {
            self.anonymizer.text_target(core)
        } else {
            self.addresses_in(core)
        };
        format!("{head}{replaced}{tail}")
    }

    /// Addresses, alone or with what stands around them: `10.0.0.5:80`, `[2001:db8::1]:80`, `10.0.0.5→10.0.1.9`, `ip.addr==10.0.0.5`.
    fn addresses_in(&mut self, word: &str) -> String {
        let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':');
        let mut out = String::with_capacity(word.len());
        let mut rest = word;
        while !rest.is_empty() {
            let length = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let (candidate, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            out.push_str(&self.address_text(candidate));
            let other = after.find(is_part).unwrap_or(after.len());
            let (other, next) = after.split_at_checked(other).unwrap_or((after, ""));
            out.push_str(other);
            rest = next;
        }
        out
    }

    fn address_text(&mut self, text: &str) -> String {
        if let Ok(address) = text.parse::<IpAddr>() {
            return self.anonymizer.address(address).to_string();
        }
        if let Some(address) = link_address(text) {
            return self.anonymizer.link_address(address).map(|octet| format!("{octet:02x}")).join(":");
        }
        if let Some((address, port)) = text.rsplit_once(':')
            && let Ok(address) = address.parse::<IpAddr>()
            && address.is_ipv4()
        {
            return format!("{}:{port}", self.anonymizer.address(address));
        }
        text.to_owned()
    }
}

/// Replaces `name` where no letter or digit touches it.
fn replace_words(sentence: &str, name: &str, pseudonym: &str) -> String {
    let mut out = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let after = found.get(name.len()..).unwrap_or_default();
        let touches = before.chars().last().is_some_and(char::is_alphanumeric) || after.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if touches { name } else { pseudonym });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a name is an address, with or without a port.
fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || name.parse::<std::net::SocketAddr>().is_ok()
}

fn link_address(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split(':');
    for octet in &mut octets {
        *octet = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::anonymize::Key;
    use crate::report::{Input, Timeout};

    fn anonymizer() -> Anonymizer {
        Anonymizer::new(&Key::of_content(b"a key for tests").unwrap())
    }

    fn sentence(text: &str) -> String {
        let mut report = Report { verdict: vec![text.to_owned()], ..Report::default() };
        anonymizer().report(&mut report);
        report.verdict.remove(0)
    }

    #[test]
    fn sentence_loses_every_address_whatever_stands_around_it() {
        let [v4, v6] = ["10.0.0.5", "2001:db8::1"].map(|address| anonymizer().address(address.parse().unwrap()).to_string());
        let mac = sentence("0a:db:01:15:3d:b5");
        assert_eq!(sentence("10.0.0.5:80 kept it."), format!("{v4}:80 kept it."));
        assert_eq!(sentence("(10.0.0.5), 10.0.0.5→10.0.0.5; «10.0.0.5»."), format!("({v4}), {v4}→{v4}; «{v4}»."));
        assert_eq!(sentence("[2001:db8::1]:80 and 2001:db8::1"), format!("[{v6}]:80 and {v6}"));
        assert_eq!(sentence("ip.addr == 10.0.0.5 && tcp.port == 80"), format!("ip.addr == {v4} && tcp.port == 80"));
        assert_ne!(mac, "0a:db:01:15:3d:b5");
        assert_eq!(mac.len(), 17);
    }

    #[test]
    fn sentence_without_names_stays_as_it_is() {
        for text in
            ["RST, sequence 2231297407, TTL 64", "after 10.5 s, 12:30:01", "in/out 5/10 ethernet/ipv4", "10.5.", "a :: b", "F1: FIN"]
        {
            assert_eq!(sentence(text), text);
        }
    }

    #[test]
    fn request_in_a_sentence_gets_the_pseudonym_of_its_path() {
        let path = String::from_utf8(anonymizer().target(b"/api/orders")).unwrap();
        assert_eq!(sentence("GET /api/orders sent 37 s late"), format!("GET {path} sent 37 s late"));
        assert_eq!(sentence("GET /api/orders, 58 octets"), format!("GET {path}, 58 octets"));
        assert!(!sentence("TLS ClientHello shop.example").contains("shop"));
        assert!(!sentence("CONNECT shop.example:443 → 200").contains("shop"));
    }

    #[test]
    fn names_of_files_and_hosts_go_wherever_they_stand() {
        let mut report = Report {
            inputs: vec![Input { name: "/data/acme-prod.pcap".into(), problems: vec!["acme-prod.pcap is cut".into()], ..Input::default() }],
            names: [("10.0.0.5".parse().unwrap(), "db.acme.internal".to_owned())].into(),
            verdict: vec!["db.acme.internal closed first; shop.acme waited, shop.acmeX not".into()],
            timeouts: vec![Timeout { host: Some("shop.acme".into()), ..timeout() }],
            ..Report::default()
        };
        anonymizer().report(&mut report);
        assert_eq!((report.inputs[0].name.as_str(), report.inputs[0].problems[0].as_str()), ("input 1", "input 1 is cut"));
        assert!(report.names.is_empty());
        let host = report.timeouts[0].host.clone().unwrap();
        assert_eq!(report.verdict[0], format!("a host closed first; {host} waited, shop.acmeX not"));
        assert!(!host.contains("shop"));
    }

    fn timeout() -> Timeout {
        use crate::report::{TimerKind, TimerSide, TimerState};
        Timeout {
            server: EndpointView { ip: "10.0.0.5".parse().unwrap(), port: 80 },
            client: None,
            host: None,
            side: TimerSide::Server,
            what: TimerKind::Idle,
            announced: None,
            state: TimerState::Measured,
            value: None,
            count: None,
            low: None,
            high: None,
            samples: 3,
            spread: None,
            known: Vec::new(),
        }
    }
}

//! The verdict: two or three plain sentences. What happened, how often, whose timer, what it cost.

use std::collections::BTreeSet;

use super::context::Context;
use super::cost::is_loss;
use super::{hops, wording};
use crate::endpoint::Endpoint;
use crate::report::{Cost, Finding, Kind, Retried, Severity, TimerState};

/// The sentences.
pub fn sentences(findings: &[Finding], cost: &Cost, context: &Context<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    if cost.requests_lost == 0 {
        sentences.push(nothing_lost(findings, context));
        match which_timer(findings, context) {
            Some((sentence, finding)) => {
                sentences.push(sentence);
                sentences.extend(finding.reasons.iter().find(|reason| reason.contains("not hurt")).map(|reason| capital(reason)));
            }
            None => sentences.extend(worst_other(findings)),
        }
        return sentences;
    }
    let root = which_timer(findings, context).map(|(sentence, _)| sentence);
    let found = root.is_some();
    sentences.extend(root.or_else(|| what_may_forget(findings, context)));
    sentences.push(what_happened(findings, cost));
    if !found {
        sentences.extend(whose_timer(findings, context));
    }
    sentences.push(what_it_cost(cost, findings));
    sentences
}

/// The one sentence: whose timer is in the wrong order and what to set it to. Where several are, the one that cost most.
fn which_timer<'f>(findings: &'f [Finding], context: &Context<'_>) -> Option<(String, &'f Finding)> {
    let lost_under = |finding: &Finding| {
        let same = |loss: &&Finding| is_loss(loss) && loss.client.ip == finding.client.ip && loss.server == finding.server;
        findings.iter().filter(same).map(|loss| loss.count).sum::<u64>()
    };
    let root =
        findings.iter().filter(|finding| matches!(finding.kind, Kind::TimeoutMismatch | Kind::KeepaliveTooSlow)).max_by_key(|finding| {
            (finding.kind == Kind::TimeoutMismatch, finding.severity, lost_under(finding), std::cmp::Reverse(finding.number))
        })?;
    let hop = context.hop(root.client.ip, Endpoint::new(root.server.ip, root.server.port))?;
    let sentence = hops::says(hop);
    let sentence = if root.kind == Kind::KeepaliveTooSlow { format!("{}. {sentence}", root.headline) } else { sentence };
    Some((sentence, root))
}

/// With a capital and a full stop.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

fn what_happened(findings: &[Finding], cost: &Cost) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::StaleReuse, Kind::CloseRace, Kind::SwallowedRequest, Kind::StateLost, Kind::SilentDrop, Kind::ClosedWithoutResponse]
    {
        let number: u64 = findings.iter().filter(|finding| finding.kind == kind && is_loss(finding)).map(|finding| finding.count).sum();
        if number == 0 {
            continue;
        }
        let times = wording::count(number, "time");
        parts.push(match kind {
            Kind::StaleReuse => format!("{times} after the server had closed the connection and the client's kernel knew it"),
            Kind::CloseRace => format!("{times} because request and close crossed on the way"),
            Kind::SwallowedRequest => format!("{times} acknowledged after the server's close and never answered"),
            Kind::StateLost => format!("{times} because the other end had forgotten the connection"),
            Kind::SilentDrop => format!("{times} because nothing came back after an idle period"),
            _ => format!("{times} because the server took it and closed without an answer"),
        });
    }
    let subject =
        if cost.requests_lost == 1 { "One request was lost".to_string() } else { format!("{} requests were lost", cost.requests_lost) };
    if let [only] = parts.as_slice() {
        let reason = only.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')).map_or(only.as_str(), |(_, rest)| rest);
        let reason = if reason.starts_with("acknowledged") { format!("it was {reason}") } else { reason.to_string() };
        return if reason.starts_with("it was") { format!("{subject}: {reason}.") } else { format!("{subject} {reason}.") };
    }
    format!("{subject}: {}.", parts.join("; "))
}

fn whose_timer(findings: &[Finding], context: &Context<'_>) -> Option<String> {
    let servers: BTreeSet<Endpoint> = findings
        .iter()
        .filter(|finding| is_loss(finding) && matches!(finding.kind, Kind::StaleReuse | Kind::CloseRace | Kind::SwallowedRequest))
        .map(|finding| Endpoint::new(finding.server.ip, finding.server.port))
        .collect();
    let (server, timer) = servers
        .iter()
        .filter_map(|server| context.timers.server_timer(*server).map(|timer| (server, timer)))
        .max_by_key(|(server, timer)| (timer.samples, std::cmp::Reverse(**server)))?;
    let n = match timer.state {
        TimerState::Measured => format!("n = {}, measured", timer.samples),
        _ => wording::count(timer.samples, "sample"),
    };
    let host = findings
        .iter()
        .filter(|finding| is_loss(finding) && finding.server == (*server).into())
        .max_by_key(|finding| (finding.idle, std::cmp::Reverse(finding.number)))?;
    let idle = host.idle.map(wording::span)?;
    Some(format!(
        "{server} closes idle connections after {} ({n}); {} still used one after {idle}.",
        wording::span(timer.value),
        host.client.ip
    ))
}

/// Where requests met silence or no state and other connections survived a shorter one, but nothing shows that the server was alive.
fn what_may_forget(findings: &[Finding], context: &Context<'_>) -> Option<String> {
    let lost = findings.iter().filter(|finding| is_loss(finding) && matches!(finding.kind, Kind::SilentDrop | Kind::StateLost));
    let hop = lost.filter_map(|loss| context.hop(loss.client.ip, Endpoint::new(loss.server.ip, loss.server.port))).find_map(hops::path)?;
    Some(format!("Unless the server was down at that time, {hop}."))
}

fn what_it_cost(cost: &Cost, findings: &[Finding]) -> String {
    let unreadable = findings
        .iter()
        .filter(|finding| is_loss(finding) && finding.next.as_ref().is_none_or(|next| next.retried == Retried::Unknown))
        .count();
    let mut parts = vec![match (cost.retried, cost.requests_lost) {
        (0, 1) => "it was not retried in this capture".to_string(),
        (0, _) => "none was retried in this capture".to_string(),
        (1, 1) => "it was retried".to_string(),
        (1, lost) => format!("1 of {lost} was retried"),
        (retried, lost) => format!("{retried} of {lost} were retried"),
    }];
    let again = || {
        findings.iter().filter(|finding| is_loss(finding)).filter_map(|finding| finding.next.as_ref()).filter(|next| next.stream.is_some())
    };
    let (answered, failed) =
        (again().filter(|next| next.answered == Some(true)).count(), again().filter(|next| next.answered == Some(false)).count());
    if cost.retried > 0 && failed > 0 {
        parts = parts
            .into_iter()
            .map(|part| {
                format!("{part}, {}", if answered == 0 { "without an answer".to_owned() } else { format!("{answered} with an answer") })
            })
            .collect();
    }
    if unreadable > 0 && cost.retried == 0 {
        let they = if cost.requests_lost == 1 { "it was" } else { "they were" };
        parts = vec![format!("whether {they} retried cannot be told")];
    }
    if cost.surfaced > 0 {
        let who = if cost.surfaced == 1 { "1 caller got" } else { "callers got" };
        let number = if cost.surfaced == 1 {
            "an error or a silent close for it".to_string()
        } else {
            format!("an error or a silent close for {} of them", cost.surfaced)
        };
        parts.push(format!("{who} {number}"));
    }
    let mut text = parts.join("; ");
    if let Some(first) = text.get(..1) {
        text = format!("{}{}", first.to_uppercase(), text.get(1..).unwrap_or_default());
    }
    format!("{text}.")
}

fn nothing_lost(findings: &[Finding], context: &Context<'_>) -> String {
    let connections = context.connections.len() as u64;
    if connections == 0 {
        return "There is no TCP connection in this capture.".to_string();
    }
    let used = context.connections.all().filter(|(_, seen)| seen.after_fin().is_some()).count();
    let noticed = context.timers.servers.values().filter_map(|known| known.server.as_ref()).map(|timer| timer.samples).sum::<u64>();
    let mut text = format!("No request was lost to a closed or forgotten connection among {}", wording::count(connections, "connection"));
    if findings.is_empty() && used == 0 && noticed > 0 {
        text.push_str("; ");
        text.push_str(&wording::count(noticed, "idle close"));
        text.push_str(" by servers were noticed in time");
    }
    text.push('.');
    text
}

fn worst_other(findings: &[Finding]) -> Option<String> {
    let warnings: Vec<&Finding> = findings.iter().filter(|finding| finding.severity >= Severity::Warning).collect();
    let first = warnings.first()?;
    Some(match warnings.len() {
        1 => format!("One thing to look at: {}.", first.headline),
        n => format!("{n} things to look at, the first: {}.", first.headline),
    })
}

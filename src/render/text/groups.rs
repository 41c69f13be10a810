//! Findings by client host and server, with the timeline of the connection that tells most.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::finding;
use super::page::{Ink, Page};
use super::timeline::{self, Repetitions};
use crate::render::format::{count, counted, text_advice};
use crate::render::wording::counts_by_severity;
use crate::report::{Finding, Group, Report};

/// Groups that are shown.
const GROUPS_SHOWN: usize = 12;
/// Findings of a group that are shown: one of each kind in full, then others in short.
const FINDINGS_SHOWN: usize = 8;

/// Writes the section.
pub fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    page.heading(&title(&report.findings))?;
    if report.findings.is_empty() {
        return page.line("  No findings.");
    }
    for (place, group) in report.groups.iter().take(GROUPS_SHOWN).enumerate() {
        if place > 0 {
            page.blank()?;
        }
        write_group(page, group, report)?;
    }
    if let Some(rest) = report.groups.get(GROUPS_SHOWN..).filter(|rest| !rest.is_empty()) {
        let findings: usize = rest.iter().map(|group| group.findings.len()).sum();
        page.blank()?;
        page.line(&format!(
            "… and {} with {}, see --format json",
            counted(rest.len() as u64, "more pair of hosts", "more pairs of hosts"),
            counted(findings as u64, "finding", "findings")
        ))?;
    }
    let grouped: BTreeSet<usize> = report.groups.iter().flat_map(|group| group.findings.iter().copied()).collect();
    let others: Vec<&Finding> =
        report.findings.iter().enumerate().filter(|(place, _)| !grouped.contains(place)).map(|(_, finding)| finding).collect();
    write_findings(page, &others, &[], None)
}

/// `Findings: 2 errors, 1 warning`.
fn title(findings: &[Finding]) -> String {
    let counts = counts_by_severity(findings);
    if counts.is_empty() { "Findings".to_owned() } else { format!("Findings: {counts}") }
}

fn write_group(page: &mut Page<'_>, group: &Group, report: &Report) -> io::Result<()> {
    let pair = format!("{} → {}", page.host(group.client), page.endpoint(group.server));
    let kinds: Vec<_> = group.kinds.iter().map(|(kind, number)| format!("{} × {}", count(*number), kind.as_str())).collect();
    page.ends("", (&pair, Ink::Bold), (&kinds.join(", "), Ink::Plain))?;
    page.wrapped("  ", "  ", &page.safe(&group.summary), Ink::Plain)?;
    for advice in &group.advice {
        page.wrapped("  → ", "    ", &page.safe(&text_advice(advice)), Ink::Cyan)?;
    }
    if let Some(shown) = &group.timeline {
        page.blank()?;
        timeline::write(page, shown, "  ", Repetitions::Counted)?;
    }
    let findings: Vec<_> = group.findings.iter().filter_map(|place| report.findings.get(*place)).collect();
    write_findings(page, &findings, &group.advice, group.timeline.as_ref().map(|timeline| timeline.stream))
}

/// Writes the findings that there is room for: of each kind one in full (that of the connection whose timeline is shown, if there is
/// one), others in short. `known` is the advice that was given already.
fn write_findings(page: &mut Page<'_>, findings: &[&Finding], known: &[String], telling: Option<u64>) -> io::Result<()> {
    let in_full = one_of_each_kind(findings, telling);
    let mut shown = in_full.clone();
    for finding in findings {
        if shown.len() >= FINDINGS_SHOWN {
            break;
        }
        shown.insert(finding.number);
    }
    let (full, short): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().copied().filter(|finding| shown.contains(&finding.number)).partition(|finding| in_full.contains(&finding.number));
    for finding in full {
        page.blank()?;
        finding::write(page, finding, known)?;
    }
    for finding in short {
        page.blank()?;
        finding::write_short(page, finding)?;
    }
    if let Some(more) = findings.len().checked_sub(shown.len()).filter(|more| *more > 0) {
        page.blank()?;
        page.line(&format!("  … and {} more, see --format json", count(more as u64)))?;
    }
    Ok(())
}

/// Numbers of findings, one of each kind: the first, or that of the connection that tells most.
fn one_of_each_kind(findings: &[&Finding], telling: Option<u64>) -> BTreeSet<usize> {
    let mut numbers = BTreeMap::new();
    for finding in findings {
        numbers.entry(finding.kind).or_insert(finding.number);
    }
    for finding in findings.iter().rev().filter(|finding| telling.is_some() && finding.stream == telling) {
        numbers.insert(finding.kind, finding.number);
    }
    numbers.into_values().collect()
}

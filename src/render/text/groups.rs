//! Findings by client host and server, with the timeline of the connection that tells most.

use std::collections::BTreeSet;
use std::io;

use super::page::{Ink, Page};
use super::{finding, timeline};
use crate::render::format::{count, counted};
use crate::report::{Finding, Group, Report, Severity};

/// Groups that are shown.
const GROUPS_SHOWN: usize = 12;
/// Findings of a group that are shown: at least one of each kind, then in their order.
const FINDINGS_SHOWN: usize = 5;

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
    write_findings(page, &others, &[])
}

/// `Findings: 2 errors, 1 warning`.
fn title(findings: &[Finding]) -> String {
    let of = |severity| findings.iter().filter(|finding| finding.severity == severity).count() as u64;
    let parts = [
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Info), "for information", "for information"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(number, ..)| *number > 0).map(|(number, one, many)| counted(*number, one, many)).collect();
    if parts.is_empty() { "Findings".to_owned() } else { format!("Findings: {}", parts.join(", ")) }
}

fn write_group(page: &mut Page<'_>, group: &Group, report: &Report) -> io::Result<()> {
    let pair = format!("{} → {}", page.host(group.client), page.endpoint(group.server));
    let kinds: Vec<_> = group.kinds.iter().map(|(kind, number)| format!("{} × {}", count(*number), kind.as_str())).collect();
    page.ends("", (&pair, Ink::Bold), (&kinds.join(", "), Ink::Plain))?;
    page.wrapped("  ", "  ", &page.safe(&group.summary), Ink::Plain)?;
    for advice in &group.advice {
        page.wrapped("  → ", "    ", &page.safe(advice), Ink::Cyan)?;
    }
    if let Some(shown) = &group.timeline {
        page.blank()?;
        timeline::write(page, shown, "  ")?;
    }
    let findings: Vec<_> = group.findings.iter().filter_map(|place| report.findings.get(*place)).collect();
    write_findings(page, &findings, &group.advice)
}

/// Writes the findings that there is room for; `known` is the advice that was given already.
fn write_findings(page: &mut Page<'_>, findings: &[&Finding], known: &[String]) -> io::Result<()> {
    let shown = pick(findings);
    for finding in findings.iter().filter(|finding| shown.contains(&finding.number)) {
        page.blank()?;
        finding::write(page, finding, known)?;
    }
    if let Some(more) = findings.len().checked_sub(shown.len()).filter(|more| *more > 0) {
        page.blank()?;
        page.line(&format!("  … and {} more, see --format json", count(more as u64)))?;
    }
    Ok(())
}

/// The numbers of the findings to show: the first of each kind, then the first of the others.
fn pick(findings: &[&Finding]) -> BTreeSet<usize> {
    let mut kinds = BTreeSet::new();
    let mut shown: BTreeSet<usize> = findings.iter().filter(|finding| kinds.insert(finding.kind)).map(|finding| finding.number).collect();
    for finding in findings {
        if shown.len() >= FINDINGS_SHOWN {
            break;
        }
        shown.insert(finding.number);
    }
    shown
}

//! Candidates and timers → findings: one file per kind, one registry.

use crate::report::Kind;

/// The page of one kind of finding: `afterfin explain KIND` and `docs/findings.md` show it. Plain text, paragraphs separated by
/// an empty line.
#[derive(Clone, Copy, Debug)]
pub struct KindPage {
    /// The kind.
    pub kind: Kind,
    /// One line.
    pub title: &'static str,
    /// What is seen in the capture.
    pub seen: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// When it is not a problem.
    pub not_a_problem: &'static str,
    /// What to change.
    pub fix: &'static str,
    /// Standards, sources, measurements.
    pub basis: &'static str,
}

/// The registry: every kind of finding, in the order of severity.
pub fn pages() -> &'static [KindPage] {
    &[]
}

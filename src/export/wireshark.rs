//! A configuration profile for Wireshark: the findings' frames in colour, a filter button for each finding.
//!
//! Source: Wireshark User's Guide, appendix B «Files and Folders», and `epan/color_filters.c`, `epan/uat.c`. A rule is
//! `@name@filter@[background][foreground]` with 16 bits a colour; a button is a line of quoted fields in which `\xNN` stands for what is
//! not plain. The filters are such that Wireshark 3 and 4 both take them.

use std::fmt::Write as _;

use crate::report::{Finding, Report, Severity};

/// Findings with a rule and a button of their own; a menu with more is not read.
const FINDINGS: usize = 100;
/// Frames in one rule: a filter is tried on every frame.
const FRAMES: usize = 64;

/// The files of the profile, by name.
pub fn profile(report: &Report) -> Vec<(&'static str, String)> {
    let findings: Vec<&Finding> = report.findings.iter().take(FINDINGS).collect();
    vec![
        ("colorfilters", colour_rules(&findings)),
        ("dfilter_buttons", buttons(&findings)),
        ("dfilters", filters(&findings)),
        ("preferences", preferences()),
    ]
}

/// What a finding is called in menus: fixed words only.
fn name(finding: &Finding) -> String {
    format!("F{} {}", finding.number, finding.kind.as_str())
}

/// Background and foreground: light enough to read, and told apart by the name as well.
const fn colours(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "[64250,49344,47288][18504,3084,2056]",
        Severity::Warning => "[65278,59881,46517][16448,11565,0]",
        Severity::Info => "[56797,60909,65278][3084,11822,24672]",
    }
}

/// The first rule that fits a frame colours it: the most severe finding goes first.
fn colour_rules(findings: &[&Finding]) -> String {
    let mut text = "# Written by afterfin; frame numbers are those of one capture.\n".to_owned();
    for finding in findings {
        let mut frames: Vec<u64> = finding.evidence.iter().map(|evidence| evidence.frame.frame).collect();
        frames.sort_unstable();
        frames.dedup();
        frames.truncate(FRAMES);
        let filter: Vec<String> = frames.iter().map(|frame| format!("frame.number == {frame}")).collect();
        let _ = writeln!(text, "@{}@{}@{}", name(finding), filter.join(" || "), colours(finding.severity));
    }
    let others = [
        ("RST", "tcp.flags.reset == 1", "[58082,58082,58082][32896,0,0]"),
        ("FIN", "tcp.flags.fin == 1", "[61680,61680,61680][0,0,32896]"),
        ("Keepalive", "tcp.analysis.keep_alive || tcp.analysis.keep_alive_ack", "[65535,65535,65535][35980,35980,35980]"),
    ];
    for (name, filter, colours) in others {
        let _ = writeln!(text, "@{name}@{filter}@{colours}");
    }
    text
}

/// `Error//F1 stale-reuse` is the entry «F1 stale-reuse» in the menu «Error».
fn buttons(findings: &[&Finding]) -> String {
    let mut text = "# Written by afterfin.\n".to_owned();
    for finding in findings.iter().filter(|finding| !finding.wireshark_filter.is_empty()) {
        let menu = match finding.severity {
            Severity::Error => "Errors",
            Severity::Warning => "Warnings",
            Severity::Info => "Info",
        };
        let label = format!("{menu}//{}", name(finding));
        let _ = writeln!(text, "\"TRUE\",{},{},{}", quoted(&label), quoted(&finding.wireshark_filter), quoted(&finding.headline));
    }
    text
}

/// The list of saved filters.
fn filters(findings: &[&Finding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().filter(|finding| is_one_line(&finding.wireshark_filter)) {
        let _ = writeln!(text, "\"{}\" {}", name(finding), finding.wireshark_filter);
    }
    text
}

fn is_one_line(filter: &str) -> bool {
    !filter.is_empty() && !filter.contains(char::is_control)
}

/// The numbers that the findings speak of are the raw ones.
fn preferences() -> String {
    "# Written by afterfin.\ntcp.relative_sequence_numbers: FALSE\ntcp.calculate_timestamps: TRUE\n".to_owned()
}

/// A field of a table as Wireshark reads it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for octet in text.bytes() {
        match octet {
            // UTF-8 as it is would be fine, but not every version reads it back.
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(quoted, "\\x{octet:02x}");
            }
            plain => quoted.push(char::from(plain)),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_field_ends_where_it_should() {
        assert_eq!(quoted("a\"b\\\n→"), "\"a\\x22b\\x5c\\x0a\\xe2\\x86\\x92\"");
    }
}

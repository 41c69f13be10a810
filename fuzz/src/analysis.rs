//! A whole capture → its report → JSON. The first octet chooses options; the report must add up and be the same in pieces.

use afterfin::options::{AnalysisOptions, Separate};
use afterfin::render::{Style, json};

use super::input;

/// Analyses twice, in different pieces, and compares.
pub fn run(data: &[u8]) {
    let Some((choice, octets)) = data.split_first() else { return };
    let separate = Separate { vlan: choice & 1 != 0, vni: choice & 2 != 0, interface: choice & 4 != 0 };
    let options = AnalysisOptions { separate, timelines: [0].into(), ..AnalysisOptions::default() };
    let Some(report) = input::report(octets, &options) else { return };
    input::check(&report);
    let text = render(&report);
    let _: serde_json::Value = serde_json::from_slice(&text).expect("the report is JSON");
    if choice & 8 != 0
        && let Ok(capture) = input::open(octets, 1 + usize::from(choice >> 4))
    {
        let again = afterfin::analyzer::analyze(capture, &options, &std::sync::atomic::AtomicBool::new(false), &mut |_, _| {});
        assert!(render(&again) == text, "the report depends on the pieces in which its input is read");
    }
}

fn render(report: &afterfin::report::Report) -> Vec<u8> {
    let mut out = Vec::new();
    (json::FORMAT.report.expect("JSON renders reports"))(report, &Style::default(), &mut out).expect("writing to memory succeeds");
    out
}

//! Facts of a connection on the crafted scripts, above all where reference tools are known to be wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use afterfin::options::{AnalysisOptions, Separate};
use afterfin::report::{ConnectionRow, EntryKind, HandshakeView, Report, RoleBasis, StateView};

use script::Script;

fn report(name: &str) -> Report {
    Script::crafted(name).report()
}

/// The only connection of a script.
fn only(name: &str) -> ConnectionRow {
    let mut report = report(name);
    assert_eq!(report.connections.len(), 1, "{name}: one connection");
    report.connections.remove(0)
}

fn probes(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.keepalive_probes, row.server_to_client.keepalive_probes)
}

fn retransmissions(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.retransmissions, row.server_to_client.retransmissions)
}

fn duplicates(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.duplicates, row.server_to_client.duplicates)
}

fn unique(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.unique_octets, row.server_to_client.unique_octets)
}

fn payload(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.payload_octets, row.server_to_client.payload_octets)
}

fn segments(row: &ConnectionRow) -> (u64, u64) {
    (row.client_to_server.segments, row.server_to_client.segments)
}

#[test]
fn keepalive_answered_with_another_window_is_answered() {
    assert_eq!(probes(&only("fact-keepalive-changed-window")), (2, 0));
}

#[test]
fn keepalive_probes_before_any_data_are_inferred_from_their_answers() {
    let row = only("fact-keepalive-from-mid-idle");
    assert_eq!(probes(&row), (0, 0), "nothing sent before is known");
    assert_eq!(row.client_to_server.keepalive_probes_inferred, 2);
    assert_eq!(unique(&row), (44, 43));
}

#[test]
fn single_octet_sent_again_is_a_retransmission() {
    let row = only("fact-single-octet-retransmission");
    assert_eq!((probes(&row), retransmissions(&row)), ((0, 0), (1, 0)));
}

#[test]
fn zero_window_probe_is_no_keepalive() {
    assert_eq!(probes(&only("fact-zero-window-probe")), (0, 0));
}

#[test]
fn stale_acknowledgement_after_a_fin_is_no_keepalive() {
    assert_eq!(probes(&only("fact-stale-ack-after-fin")), (0, 0));
}

#[test]
fn keepalive_probes_are_counted_by_side() {
    assert_eq!(probes(&only("quiet-keepalive-answered")), (3, 0));
    assert_eq!(probes(&only("keepalive-unanswered-server")), (0, 3));
}

#[test]
fn sequence_through_zero_is_nothing_special() {
    let row = only("fact-sequence-through-zero");
    assert_eq!((unique(&row), retransmissions(&row), probes(&row)), ((200, 400), (0, 0), (1, 0)));
    assert_eq!(row.state, StateView::Closed);
}

#[test]
fn reset_outside_the_window_changes_nothing() {
    let row = only("quiet-rst-out-of-window");
    assert_eq!((row.server_to_client.rst, row.state), (1, StateView::Open));
    assert!(row.first_close.is_none());
}

#[test]
fn clock_that_steps_back_makes_no_gap() {
    let row = only("fact-clock-steps-back");
    assert_eq!((row.wire_gap_count, row.state), (0, StateView::Closed));
}

#[test]
fn reset_between_syn_and_syn_ack_belongs_to_the_previous_incarnation() {
    let report = report("fact-rst-of-previous-incarnation");
    assert_eq!(report.connections.len(), 2);
    let row = &report.connections[1];
    assert_eq!((row.handshake, row.state), (HandshakeView::Complete, StateView::Open));
    assert!(row.first_close.is_none());
}

#[test]
fn challenge_acknowledgement_does_not_spoil_the_new_connection() {
    let report = report("fact-challenge-ack");
    assert_eq!(report.connections.last().map(|row| row.handshake), Some(HandshakeView::Complete));
    assert_eq!(report.connections.last().map(|row| row.state), Some(StateView::Open));
}

#[test]
fn incarnation_without_syn_is_shown_inside_its_connection() {
    let row = only("fact-incarnation-without-syn");
    assert_eq!(row.incarnations, 2);
    assert_eq!(unique(&row), (83, 86));
}

#[test]
fn syn_seen_again_is_the_same_connection() {
    let row = only("fact-syn-again");
    assert_eq!((row.client_to_server.syn, row.handshake, row.incarnations), (3, HandshakeView::Complete, 1));
}

#[test]
fn old_syn_out_of_order_begins_nothing() {
    let report = report("fact-old-syn-reordered");
    assert_eq!(report.connections.len(), 2);
    assert_eq!(report.connections[1].handshake, HandshakeView::Complete);
    assert_eq!(unique(&report.connections[1]), (44, 43));
}

#[test]
fn duplicates_of_every_origin_are_no_retransmissions() {
    for (name, copies) in [("fact-duplicates-any", 2), ("fact-duplicates-router", 1), ("fact-duplicates-vxlan", 1)] {
        let row = only(name);
        assert_eq!((duplicates(&row), retransmissions(&row)), ((8 * copies, 6 * copies), (0, 0)), "{name}");
        assert_eq!(segments(&row), (8 * (1 + copies), 6 * (1 + copies)), "{name}");
        assert_eq!((unique(&row), row.requests), ((83, 86), 2), "{name}");
        assert_eq!((row.state, row.wire_gap_count), (StateView::Closed, 1), "{name}");
    }
}

#[test]
fn legs_of_one_connection_are_linked() {
    for (name, relation) in [("fact-legs-dnat", "nat"), ("fact-legs-proxy", "proxy")] {
        let report = report(name);
        let legs: Vec<Vec<(u64, &str)>> =
            report.connections.iter().map(|row| row.legs.iter().map(|leg| (leg.stream, leg.relation)).collect()).collect();
        assert_eq!(legs, [vec![(1, relation)], vec![(0, relation)]], "{name}");
    }
}

#[test]
fn payload_is_what_the_ip_header_says() {
    assert_eq!(payload(&only("fact-ethernet-padding")), (4, 4));
    assert_eq!(payload(&only("fact-offload-length-zero")), (80, 2896));
    assert_eq!(payload(&only("fact-record-cut")), (80, 1000));
    assert_eq!(payload(&only("fact-urgent")), (6, 5));
}

#[test]
fn snap_length_that_cuts_the_options_shows_the_whole_life() {
    let row = only("fact-snap-60");
    assert_eq!((row.handshake, row.state, row.requests), (HandshakeView::Complete, StateView::Closed, 2));
    assert_eq!(payload(&row), (83, 86));
}

#[test]
fn data_in_a_syn_is_counted_once() {
    let fast_open = only("fact-fast-open");
    assert_eq!((fast_open.handshake, unique(&fast_open)), (HandshakeView::Complete, (44, 43)));
    let again = only("fact-syn-with-data");
    assert_eq!((again.handshake, unique(&again), payload(&again)), (HandshakeView::Complete, (44, 43), (88, 43)));
}

#[test]
fn sender_of_the_first_syn_is_the_client() {
    for name in ["fact-simultaneous-open", "fact-split-handshake"] {
        let row = only(name);
        assert_eq!((row.client.ip.to_string().as_str(), row.role_basis), ("10.0.0.1", RoleBasis::Syn), "{name}");
        assert_eq!(unique(&row), (80, 80), "{name}");
    }
}

#[test]
fn unrelated_options_change_nothing() {
    let row = only("fact-unrelated-options");
    assert_eq!((row.handshake, unique(&row)), (HandshakeView::Complete, (44, 43)));
}

#[test]
fn refused_and_unanswered_connections_are_told_apart() {
    assert_eq!(only("quiet-refused").handshake, HandshakeView::Refused);
    assert_eq!(only("quiet-syn-unanswered").handshake, HandshakeView::Unanswered);
}

#[test]
fn one_direction_alone_is_one_sided() {
    let row = only("quiet-one-sided");
    assert!(row.one_sided);
    assert_eq!(segments(&row), (8, 0));
    assert!(!only("silent-drop-alone").one_sided);
}

#[test]
fn first_fin_is_its_first_transmission() {
    let script = Script::crafted("quiet-fin-retransmitted");
    let report = script.report();
    let fin = report.connections[0].first_fin.expect("a FIN");
    assert_eq!((fin.frame.frame, fin.by.as_str()), (script.frame("fin"), "server"));
    assert_eq!(report.connections[0].server_to_client.fin, 2);
}

#[test]
fn payload_after_the_peers_fin_is_a_fact_of_its_own() {
    let script = Script::crafted("stale-reuse");
    let row = &script.report().connections[0];
    let after = row.after_close.expect("the late request");
    assert_eq!((after.segments, after.first_frame.frame, after.close_acknowledged), (1, script.frame("late"), true));
}

#[test]
fn waiting_for_a_slow_server_is_no_idle_gap() {
    let row = only("quiet-slow-server");
    let gap = row.idle_gaps.iter().max_by_key(|gap| gap.length).expect("the gap is listed");
    assert!(gap.waiting);
}

#[test]
fn datagram_that_never_became_whole_is_no_segment_but_seen() {
    let script = Script::crafted("fact-fragments-incomplete");
    let options = AnalysisOptions { timelines: [0].into(), ..AnalysisOptions::default() };
    let report = script::report_of(script.bytes(), &options);
    assert_eq!(report.connections.len(), 1, "a first fragment alone makes no connection");
    let row = &report.connections[0];
    assert_eq!((row.client_to_server.incomplete_datagrams, row.server_to_client.incomplete_datagrams), (3, 0));
    assert_eq!((row.client_to_server.segments, row.client_to_server.payload_octets), (6, 39 + 1200));
    let trust = report.capture.trust.iter().find(|trust| trust.what == "ip-fragments").expect("the fragments are told");
    let wanted = format!(
        "4 fragmented datagrams never became whole: 3 from 10.0.0.1:40000 to 10.0.0.2:80 (connection 0, first in frame {}); \
         1 from 10.0.0.3:40001 to 10.0.0.2:80 (no other segment of it, first in frame {})",
        script.frame("lost"),
        script.packets.len()
    );
    assert_eq!(trust.detail, wanted);
    let entries = &report.timelines[0].entries;
    let lost: Vec<_> = entries.iter().filter(|entry| entry.text.contains("never became whole")).collect();
    assert_eq!(lost.len(), 3);
    assert_eq!(lost[0].frame.map(|at| at.frame), Some(script.frame("lost")));
    assert_eq!(lost[0].note, "544 octets of its payload captured; not delivered");
    // a gap stands where it ends
    let times: Vec<_> = entries.iter().filter(|entry| entry.kind != EntryKind::Gap).map(|entry| entry.at).collect();
    assert!(times.is_sorted(), "late news stand where they belong: {times:?}");
}

/// What the report says under `what` of how far the capture can be trusted.
fn said(report: &Report, what: &str) -> Option<String> {
    report.capture.trust.iter().find(|trust| trust.what == what).map(|trust| trust.detail.clone())
}

#[test]
fn first_fragments_alone_are_segments_with_the_lengths_that_others_tell() {
    let script = Script::crafted("fact-first-fragments");
    let report = script.report();
    let row = &report.connections[0];
    let counts = |counts: &afterfin::report::DirectionCounts| {
        (counts.segments, counts.payload_octets, counts.unique_octets, counts.incomplete_datagrams)
    };
    assert_eq!(counts(&row.client_to_server), (6, 1269, 1269, 0));
    assert_eq!(counts(&row.server_to_client), (8, 2 * 1448 + 145 + 1000, 2 * 1448 + 145 + 1000, 0));
    assert_eq!(row.first_fin.as_ref().map(|fin| fin.frame.frame), Some(script.frame("fin")));
    assert_eq!(
        said(&report, "first-fragments").expect("the fragments are told"),
        "of 4 segments only the first fragment was captured; no later fragment is in the capture: probably a filter by port, which later \
         fragments do not have; the numbers that follow tell their lengths"
    );
    for what in ["ip-fragments", "missing-octets", "out-of-order", "clock-step"] {
        assert_eq!(said(&report, what), None);
    }
    assert_eq!((report.capture.frames, report.capture.tcp_segments), (14, 14));
    assert!(report.capture.skipped.is_empty(), "{:?}", report.capture.skipped);
}

#[test]
fn first_fragment_whose_rest_comes_is_one_segment_in_the_frame_of_its_rest() {
    let script = Script::crafted("fact-first-fragments-later-seen");
    let report = script.report();
    let row = &report.connections[0];
    assert_eq!((row.client_to_server.segments, row.client_to_server.payload_octets), (5, 2 * 1269));
    assert_eq!((row.client_to_server.incomplete_datagrams, row.client_to_server.unique_octets), (1, 2 * 1269));
    assert_eq!((said(&report, "first-fragments"), said(&report, "missing-octets")), (None, None));
    assert!(said(&report, "ip-fragments").is_some());
    assert_eq!(report.capture.skipped, [("ip fragment".to_owned(), 2)].into());
}

#[test]
fn tenants_with_the_same_addresses_are_one_connection_unless_separated() {
    let count = |name: &str, separate: Separate| {
        let report = script::report_of(Script::crafted(name).bytes(), &AnalysisOptions { separate, ..AnalysisOptions::default() });
        report.connections.len()
    };
    let by = |vlan, vni, interface| Separate { vlan, vni, interface };
    for (name, separate, separated) in [
        ("fact-vlan-collisions", by(true, false, false), 3),
        ("fact-vlan-collisions", by(false, true, true), 1),
        ("fact-duplicates-vxlan", by(false, true, false), 2),
        ("fact-duplicates-any", by(false, false, true), 3),
        ("fact-duplicates-router", by(false, false, true), 2),
    ] {
        assert_eq!((count(name, Separate::default()), count(name, separate)), (1, separated), "{name} {separate:?}");
    }
}

/// A classic pcap of a link type.
fn pcap(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, link_type] {
        file.extend(word.to_le_bytes());
    }
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        for word in [1_700_000_000, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend_from_slice(frame);
    }
    file
}

#[test]
fn what_is_not_put_together_or_decompressed_is_told() {
    let said = |bytes: Vec<u8>, what: &str| {
        let report = script::report_of(bytes, &AnalysisOptions::default());
        report.capture.trust.iter().find(|trust| trust.what == what).map(|trust| trust.detail.clone())
    };
    let mut fragment = vec![0x08, 0, 0, 0];
    fragment.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0x11, 0]);
    fragment.extend([7; 40]);
    let detail = said(pcap(105, &[fragment]), "802.11-fragments").expect("the fragment is told");
    assert!(detail.starts_with("1 frame beyond the first fragment"), "{detail}");
    let compressed = vec![0xff, 3, 0, 0x2d, 1, 2, 3];
    let detail = said(pcap(9, &[compressed.clone(), compressed]), "compressed-headers").expect("the compression is told");
    assert!(detail.starts_with("2 frames with a TCP header compressed"), "{detail}");
    assert_eq!(said(Script::crafted("stale-reuse").bytes(), "compressed-headers"), None);
}

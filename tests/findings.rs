//! What must be reported and what must stay silent: one row for each crafted script of `fixtures/crafted`.
//!
//! A row names the phenomenon, the script and the findings that the definitions ask for: kind, the frame by its name in the script, and
//! confidence or severity where the definition fixes them. Findings about many connections (timers, churn) are not judged here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use afterfin::report::Confidence::{Certain, Likely, Possible};
use afterfin::report::Kind::{
    self, AbandonedResponse, CloseRace, CloseWaitLeak, ClosedWithoutResponse, IdleDuringResponse, KeepaliveTooSlow, KeepaliveUnanswered,
    PathChange, SilentDrop, StaleReuse, StateLost, SwallowedRequest,
};
use afterfin::report::Severity::{Error, Info, Warning};
use afterfin::report::{Confidence, Finding, Retried, Retry, RstOrigin, Severity};
use afterfin::time::Span;

use script::Script;

/// The kinds that speak of one connection: a row lists every finding of these.
const JUDGED: [Kind; 12] = [
    StaleReuse,
    CloseRace,
    SwallowedRequest,
    StateLost,
    SilentDrop,
    ClosedWithoutResponse,
    PathChange,
    CloseWaitLeak,
    KeepaliveUnanswered,
    KeepaliveTooSlow,
    AbandonedResponse,
    IdleDuringResponse,
];

/// One finding that a row asks for.
struct Want {
    kind: Kind,
    /// Name of the frame that the finding is about; `None`: the definition leaves it open.
    frame: Option<&'static str>,
    severity: Severity,
    confidence: Option<Confidence>,
}

fn lost(kind: Kind, frame: &'static str) -> Want {
    Want { kind, frame: Some(frame), severity: Error, confidence: None }
}

fn surely_lost(kind: Kind, frame: &'static str, confidence: Confidence) -> Want {
    Want { confidence: Some(confidence), ..lost(kind, frame) }
}

fn leak(severity: Severity) -> Want {
    Want { kind: CloseWaitLeak, frame: Some("fin"), severity, confidence: None }
}

fn warned(kind: Kind, frame: &'static str) -> Want {
    Want { kind, frame: Some(frame), severity: Warning, confidence: None }
}

fn rerouted(frame: &'static str, confidence: Confidence) -> Want {
    Want { confidence: Some(confidence), ..warned(PathChange, frame) }
}

fn unanswered_probes() -> Want {
    Want { kind: KeepaliveUnanswered, frame: None, severity: Warning, confidence: None }
}

fn silent() -> Vec<Want> {
    Vec::new()
}

fn found(finding: &Finding) -> String {
    let frame = finding.frame.map_or(0, |place| place.frame);
    format!(
        "{} at frame {frame} ({}, {}): {}",
        finding.kind.as_str(),
        finding.severity.as_str(),
        finding.confidence.as_str(),
        finding.headline
    )
}

fn matches(script: &Script, want: &Want, finding: &Finding) -> bool {
    let frame = want.frame.map(|name| script.frame(name));
    finding.kind == want.kind
        && (frame.is_none() || frame == finding.frame.map(|place| place.frame))
        && finding.severity == want.severity
        && want.confidence.is_none_or(|confidence| finding.confidence == confidence)
}

fn check(name: &str, wanted: &[Want]) {
    let script = Script::crafted(name);
    let report = script.report();
    assert!(!report.connections.is_empty(), "{name}: the capture has connections, the report has none");
    let mut rest: Vec<&Finding> = report.findings.iter().filter(|finding| JUDGED.contains(&finding.kind)).collect();
    let all: Vec<String> = rest.iter().map(|finding| found(finding)).collect();
    for want in wanted {
        let at = rest.iter().position(|finding| matches(&script, want, finding));
        let frame = want.frame.map_or_else(|| "any frame".into(), |frame| format!("frame {} ({frame})", script.frame(frame)));
        let at = at.unwrap_or_else(|| {
            panic!("{name}: wanted {} at {frame}, {:?}, {:?}; found {all:?}", want.kind.as_str(), want.severity, want.confidence)
        });
        rest.remove(at);
    }
    assert!(
        rest.is_empty(),
        "{name}: reported beside what was wanted: {:?}",
        rest.iter().map(|finding| found(finding)).collect::<Vec<_>>()
    );
}

macro_rules! rows {
    ($($phenomenon:ident: $script:literal => $wanted:expr;)*) => {
        $(#[test] fn $phenomenon() { check($script, &$wanted); })*
        const ROWS: &[&str] = &[$($script),*];
    };
}

rows! {
    request_long_after_an_acknowledged_fin: "stale-reuse" => [surely_lost(StaleReuse, "late", Certain)];
    request_that_is_the_first_to_acknowledge_the_fin: "stale-reuse-own-ack-only" => [lost(StaleReuse, "late")];
    request_on_a_connection_kept_37_s_after_its_fin: "stale-reuse-long-hold" => [lost(StaleReuse, "late"), leak(Warning)];
    request_after_the_fin_retried_on_a_new_connection: "stale-reuse-retried" => [lost(StaleReuse, "late")];
    turn_of_an_unknown_protocol_after_the_fin: "stale-reuse-unknown-protocol" => [lost(StaleReuse, "late")];
    request_after_the_fin_over_ipv6_cut_by_the_snap_length: "stale-reuse-ipv6-snap" => [lost(StaleReuse, "late")];
    request_just_before_the_fin: "close-race-request-first" => [surely_lost(CloseRace, "late", Certain)];
    request_just_after_the_fin_not_knowing_it: "close-race-fin-first" => [surely_lost(CloseRace, "late", Certain)];
    two_resets_one_apart_without_a_captured_fin: "close-race-without-fin" => [lost(CloseRace, "late")];
    abort_that_does_not_acknowledge_the_request: "close-race-abort" => [lost(CloseRace, "late")];
    request_just_after_an_abort: "close-race-after-rst" => [lost(CloseRace, "late")];
    request_three_seconds_after_a_fin_that_never_arrived: "close-race-fin-never-arrived" => [surely_lost(CloseRace, "late", Likely)];
    retransmission_that_acknowledges_a_fin_the_request_crossed: "close-race-retransmission" => [lost(CloseRace, "late")];
    request_acknowledged_after_the_fin_and_never_answered: "swallowed-request" => [lost(SwallowedRequest, "late")];
    request_after_a_long_silence_answered_by_a_reset: "state-lost" => [lost(StateLost, "late")];
    capture_that_begins_with_a_request_answered_by_a_reset: "state-lost-first-segment" => [lost(StateLost, "late")];
    request_five_seconds_after_a_reset_that_was_lost: "state-lost-rst-lost" => [lost(StateLost, "late")];
    request_into_silence_while_another_connection_works: "silent-drop" => [surely_lost(SilentDrop, "late", Likely)];
    request_into_silence_and_nothing_else_to_compare: "silent-drop-alone" => [surely_lost(SilentDrop, "late", Possible)];
    request_acknowledged_and_the_server_closes: "closed-without-response" => [lost(ClosedWithoutResponse, "late")];
    request_acknowledged_and_the_server_aborts: "closed-without-response-abort" => [lost(ClosedWithoutResponse, "late")];
    client_keeps_a_closed_connection_for_65_s: "close-wait-leak" => [leak(Warning)];
    client_keeps_a_closed_connection_to_the_end: "close-wait-leak-at-end" => [leak(Warning)];
    client_closes_seven_seconds_after_the_server: "close-wait-leak-noticed" => [leak(Info)];
    server_keeps_a_connection_that_the_client_closed: "close-wait-leak-server" => [leak(Warning)];
    three_probes_without_an_answer: "keepalive-unanswered" => [unanswered_probes()];
    probes_of_the_server_without_an_answer: "keepalive-unanswered-server" => [unanswered_probes()];
    one_probe_without_an_answer_and_an_abort: "keepalive-one-probe-then-abort" => [unanswered_probes()];
    request_that_went_to_another_next_hop: "path-change" => [surely_lost(StateLost, "late", Certain), rerouted("late", Certain)];
    load_balancer_that_sees_one_direction_only: "path-change-one-way" => [rerouted("moved", Certain)];
    server_that_goes_on_after_an_rst_in_its_name: "state-lost-server-goes-on" => [surely_lost(StateLost, "late", Certain)];
    rst_from_an_address_that_the_client_does_not_know: "state-lost-stray-reset" => [lost(StateLost, "late")];
    connection_that_goes_on_from_another_port: "state-lost-other-port" => [lost(StateLost, "late")];
    device_that_answers_for_the_server: "state-lost-device" => [lost(StateLost, "late")];
    statement_in_a_postgresql_transaction_after_the_fin: "stale-reuse-postgresql-transaction" => [lost(StaleReuse, "late")];
    statement_outside_of_a_postgresql_transaction_after_the_fin: "stale-reuse-postgresql" => [lost(StaleReuse, "late")];
    statement_in_a_mysql_transaction_after_the_fin: "stale-reuse-mysql-transaction" => [lost(StaleReuse, "late")];
    statement_outside_of_a_mysql_transaction_after_the_fin: "stale-reuse-mysql" => [lost(StaleReuse, "late")];
    http2_stream_after_goaway_and_fin: "stale-reuse-http2-goaway" => [lost(StaleReuse, "late")];
    http2_stream_that_goaway_includes: "closed-without-response-http2-goaway" => [lost(ClosedWithoutResponse, "late")];
    http2_stream_that_goaway_excludes: "closed-without-response-http2-refused" => [lost(ClosedWithoutResponse, "late")];
    tls_request_after_close_notify_and_fin: "stale-reuse-tls" => [lost(StaleReuse, "late")];
    tls_request_that_crosses_close_notify_and_fin: "close-race-tls" => [lost(CloseRace, "late")];
    rst_that_the_point_nearer_to_the_server_did_not_see: "state-lost-second-point" => [lost(StateLost, "late")];
    rst_that_both_points_saw: "state-lost-both-points" => [lost(StateLost, "late")];
    rst_on_one_leg_of_a_translated_connection: "state-lost-nat-leg" => [lost(StateLost, "late")];
    client_that_waits_30_s_and_leaves: "abandoned-response" => [warned(AbandonedResponse, "leaves")];
    client_that_waits_30_s_inside_tls: "abandoned-response-tls" => [Want { confidence: Some(Possible), ..warned(AbandonedResponse, "leaves") }];
    host_that_is_down: "silent-drop-host-down" => [surely_lost(SilentDrop, "late", Possible)];
    client_that_leaves_in_the_middle_of_a_stalled_answer: "abandoned-response-part" => [warned(AbandonedResponse, "leaves")];
    stream_of_events_cut_off_by_a_timer: "idle-during-response" => [Want { confidence: Some(Likely), ..warned(IdleDuringResponse, "cut") }];

    idle_gap_that_the_connection_survives: "quiet-reuse" => silent();
    idle_close_that_the_client_follows_at_once: "quiet-idle-close" => silent();
    half_close_of_the_client_awaiting_its_answer: "quiet-half-close-client" => silent();
    half_close_of_the_server_during_an_upload: "quiet-half-close-server" => silent();
    reset_after_both_fins: "quiet-rst-after-fins" => silent();
    fin_sent_again_by_a_tail_loss_probe: "quiet-fin-retransmitted" => silent();
    close_notify_of_tls13_answered_in_kind: "quiet-farewell-tls13" => silent();
    close_notify_of_tls12_three_seconds_late: "quiet-farewell-tls12" => silent();
    quit_on_a_closed_redis_connection: "quiet-farewell-redis" => silent();
    last_word_of_an_unknown_protocol_before_its_own_fin: "quiet-farewell-by-position" => silent();
    request_timeout_response_on_an_idle_connection: "quiet-farewell-408" => silent();
    refusal_at_the_greeting: "quiet-greeting-refusal" => silent();
    one_way_messages_of_an_unknown_protocol: "quiet-one-way-messages" => silent();
    reset_outside_the_window: "quiet-rst-out-of-window" => silent();
    segment_of_the_old_incarnation: "quiet-old-incarnation-segment" => silent();
    download_aborted_by_the_client: "quiet-download-aborted" => silent();
    early_response_during_an_upload: "quiet-early-response" => silent();
    slow_server: "quiet-slow-server" => silent();
    mtu_black_hole_on_a_fresh_connection: "quiet-mtu-black-hole" => silent();
    request_lost_once_after_an_idle_gap: "quiet-loss-after-idle" => silent();
    refused_connection: "quiet-refused" => silent();
    unanswered_connection: "quiet-syn-unanswered" => silent();
    health_check_that_resets: "quiet-health-check" => silent();
    port_scan: "quiet-port-scan" => silent();
    response_that_the_capture_missed: "quiet-response-missed" => silent();
    push_after_the_client_has_closed: "quiet-push-after-client-close" => silent();
    one_sided_capture_of_retransmissions: "quiet-one-sided" => silent();
    keepalive_probes_that_are_answered: "quiet-keepalive-answered" => silent();
    capture_that_ends_behind_one_probe: "quiet-keepalive-last-frame" => silent();
    router_that_takes_over: "quiet-path-failover" => silent();
    gateway_that_changed_and_works: "quiet-path-moved" => silent();
    half_close_two_seconds_after_the_request: "quiet-half-close-late" => silent();
    answer_that_ends_with_the_close: "quiet-response-until-close" => silent();
    connects_that_failed_beside_one_that_works: "connect-failed" => silent();
    refusal_behind_a_greeting: "quiet-greeting-ssh" => silent();
    goaway_and_close_notify_in_records_of_their_own: "quiet-farewell-goaway-tls12" => silent();
    recordings_years_apart: "quiet-joined-recordings" => silent();
    slow_consumer: "quiet-zero-window" => silent();
    full_backlog: "quiet-backlog" => silent();
    handshake_that_fails_with_an_alert: "quiet-tls-alert" => silent();
    octets_nobody_asked_for: "quiet-unsolicited-bytes" => silent();
    orphan_data_from_behind_a_service_address: "quiet-conntrack-invalid" => silent();
    response_of_which_nothing_was_captured: "quiet-response-missed-whole" => silent();

    last_record_of_a_tls12_client_and_its_fin: "quiet-farewell-tls12-short" => silent();
    client_that_closes_what_may_have_been_closed_before: "quiet-leak-closed-before" => silent();
    client_whose_fin_was_not_captured: "quiet-leak-fin-missed" => silent();
    client_that_only_listens: "quiet-half-close-events" => silent();
    request_that_asks_for_no_answer: "quiet-no-answer-asked" => silent();
    tls_messages_one_way: "quiet-tls-one-way" => silent();
    answers_that_pass_the_capture_by: "quiet-answers-elsewhere" => silent();
    mtu_black_hole_after_an_idle_gap: "quiet-mtu-black-hole-after-idle" => silent();
    client_that_roams: "quiet-path-client-moved" => silent();
    segment_sent_again_by_another_way: "quiet-path-retransmission" => silent();

    keepalive_answer_with_a_changed_window: "fact-keepalive-changed-window" => silent();
    capture_that_begins_in_mid_idle: "fact-keepalive-from-mid-idle" => silent();
    single_octet_sent_again: "fact-single-octet-retransmission" => silent();
    zero_window_probes: "fact-zero-window-probe" => silent();
    stale_acknowledgement_after_a_fin: "fact-stale-ack-after-fin" => silent();
    sequence_numbers_through_zero: "fact-sequence-through-zero" => silent();
    clock_that_steps_back: "fact-clock-steps-back" => silent();
    reset_of_the_previous_incarnation: "fact-rst-of-previous-incarnation" => silent();
    challenge_acknowledgement: "fact-challenge-ack" => silent();
    incarnation_without_a_captured_syn: "fact-incarnation-without-syn" => silent();
    syn_captured_again: "fact-syn-again" => silent();
    old_syn_out_of_order: "fact-old-syn-reordered" => silent();
    duplicates_on_every_interface: "fact-duplicates-any" => silent();
    duplicates_behind_a_router: "fact-duplicates-router" => silent();
    duplicates_inside_vxlan: "fact-duplicates-vxlan" => silent();
    legs_before_and_after_address_translation: "fact-legs-dnat" => silent();
    fragments_that_never_came: "fact-fragments-incomplete" => silent();
    first_fragment_of_a_request_after_the_fin: "fact-first-fragments-stale" => [lost(StaleReuse, "late")];
    first_fragments_alone: "fact-first-fragments" => silent();
    first_fragments_and_later_ones: "fact-first-fragments-later-seen" => silent();
    tenants_with_the_same_addresses: "fact-vlan-collisions" => silent();
    legs_before_and_behind_a_proxy: "fact-legs-proxy" => silent();
    ethernet_padding: "fact-ethernet-padding" => silent();
    offloaded_segment_with_length_zero: "fact-offload-length-zero" => silent();
    records_cut_by_an_editor: "fact-record-cut" => silent();
    headers_cut_in_their_options: "fact-snap-60" => silent();
    urgent_data: "fact-urgent" => silent();
    fast_open: "fact-fast-open" => silent();
    data_in_a_syn_sent_again: "fact-syn-with-data" => silent();
    simultaneous_open: "fact-simultaneous-open" => silent();
    split_handshake: "fact-split-handshake" => silent();
    options_that_do_not_matter: "fact-unrelated-options" => silent();
}

#[test]
fn every_crafted_script_has_a_row() {
    let missing: Vec<String> = script::crafted_names().into_iter().filter(|name| !ROWS.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "without an expectation: {missing:?}");
}

#[test]
fn retry_on_a_new_connection_is_found_and_answered() {
    let script = Script::crafted("stale-reuse-retried");
    let report = script.report();
    let finding = report.findings.iter().find(|finding| finding.kind == StaleReuse).expect("the stale reuse is reported");
    let next = finding.next.as_ref().expect("what happened next is told");
    assert_eq!((next.retried, next.stream, next.answered), (Retried::Yes, Some(1), Some(true)));
    assert_eq!(next.frame.map(|place| place.frame), Some(script.frame("retry")));
}

#[test]
fn stale_reuse_names_its_close_and_times() {
    let script = Script::crafted("stale-reuse");
    let report = script.report();
    let finding = report.findings.iter().find(|finding| finding.kind == StaleReuse).expect("the stale reuse is reported");
    let close = finding.close.as_ref().expect("the close is named");
    assert_eq!(close.frame.frame, script.frame("fin"));
    assert!(close.acknowledged_before, "the client had acknowledged the FIN");
    assert_eq!(finding.since_close.map(Span::nanos), Some(2_500_000_000));
    assert_eq!(finding.idle.map(Span::nanos), Some(12_500_000_000), "application idle: from the response to the late request");
    assert_eq!(finding.wire_idle.map(Span::nanos), Some(2_460_000_000), "wire idle: from the acknowledgement of the FIN");
}

fn the_finding(name: &str, kind: Kind) -> Finding {
    let report = Script::crafted(name).report();
    report.findings.into_iter().find(|finding| finding.kind == kind).unwrap_or_else(|| panic!("{name}: no {}", kind.as_str()))
}

#[test]
fn rst_of_another_device_is_told_from_the_servers_own() {
    let cases = [
        ("state-lost-server-goes-on", StateLost, RstOrigin::Other, "lb-flow-expired-remapped"),
        ("state-lost-stray-reset", StateLost, RstOrigin::Other, "dsr-rst-unnated"),
        ("state-lost-device", StateLost, RstOrigin::Other, "lb-or-nat-flow-expired-rst"),
        ("path-change", StateLost, RstOrigin::Unknown, "lb-flow-expired-remapped"),
        ("state-lost-other-port", StateLost, RstOrigin::Unknown, "nat-mapping-changed"),
        ("state-lost-second-point", StateLost, RstOrigin::Other, "lb-or-nat-flow-expired-rst"),
        ("state-lost-both-points", StateLost, RstOrigin::Unknown, "no-state-at-peer"),
        ("state-lost-nat-leg", StateLost, RstOrigin::Other, "lb-or-nat-flow-expired-rst"),
        ("state-lost", StateLost, RstOrigin::Unknown, "no-state-at-peer"),
        ("stale-reuse", StaleReuse, RstOrigin::Peer, "stale-reuse"),
    ];
    for (name, kind, origin, cause) in cases {
        let finding = the_finding(name, kind);
        let rst = finding.rst.as_ref().expect("the RST is named");
        assert_eq!((rst.origin, finding.cause.as_deref()), (origin, Some(cause)), "{name}: {}", rst.origin_basis);
    }
}

#[test]
fn second_capture_point_is_named_as_evidence_of_who_sent_the_rst() {
    let cases = [
        ("state-lost-second-point", "the capture point nearer to the server did not see it"),
        ("state-lost-both-points", "the other capture point saw it too"),
        ("state-lost-nat-leg", "on the connection's other leg, nearer to the server (#1), there is no RST"),
    ];
    for (name, says) in cases {
        let basis = the_finding(name, StateLost).rst.expect("the RST is named").origin_basis;
        assert!(basis.contains(says), "{name}: {basis}");
    }
}

#[test]
fn retry_verdict_knows_goaway_and_transactions() {
    let cases = [
        ("stale-reuse-http2-goaway", StaleReuse, Retry::Safe, "GOAWAY"),
        ("closed-without-response-http2-refused", ClosedWithoutResponse, Retry::Safe, "GOAWAY"),
        ("closed-without-response-http2-goaway", ClosedWithoutResponse, Retry::Unsafe, "took the octets"),
        ("stale-reuse-postgresql-transaction", StaleReuse, Retry::IdempotentOnly, "transaction"),
        ("stale-reuse-postgresql", StaleReuse, Retry::Safe, "never delivered"),
        ("stale-reuse-mysql-transaction", StaleReuse, Retry::IdempotentOnly, "transaction"),
        ("stale-reuse-mysql", StaleReuse, Retry::Safe, "never delivered"),
    ];
    for (name, kind, retry, says) in cases {
        let finding = the_finding(name, kind);
        assert_eq!(finding.retry, Some(retry), "{name}: {}", finding.retry_says);
        assert!(finding.retry_says.contains(says), "{name}: {}", finding.retry_says);
    }
}

#[test]
fn new_connection_right_after_a_lost_tls_request_is_probably_its_retry() {
    let finding = the_finding("stale-reuse-tls", StaleReuse);
    let next = finding.next.expect("what happened next is told");
    assert_eq!((next.retried, next.stream), (Retried::Probably, Some(1)));
    assert_eq!(finding.idle.map(Span::nanos), Some(12_500_000_000), "a close_notify before the FIN does not end the idle time");
}

#[test]
fn silent_drop_names_the_new_connections_that_failed_as_well() {
    let reasons = the_finding("silent-drop-host-down", SilentDrop).reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("1 new connection to it got no answer either")), "{reasons:?}");
    let reasons = the_finding("silent-drop-alone", SilentDrop).reasons;
    assert!(!reasons.iter().any(|reason| reason.contains("new connection")), "{reasons:?}");
}

#[test]
fn failed_connects_are_counted_once_per_client_and_server() {
    let finding = the_finding("connect-failed", Kind::ConnectFailed);
    assert_eq!((finding.severity, finding.count, finding.stream), (Info, 3, None));
    assert_eq!(finding.headline, "3 failed connects: 1 refused, 1 not answered, 1 answered by the old incarnation");
}

#[test]
fn failed_connects_to_a_server_that_never_works_are_told_only_when_asked_for() {
    let script = Script::crafted("quiet-refused");
    let options = |kinds: &[&str]| {
        let mut options = afterfin::options::AnalysisOptions::default();
        options.selection.kinds = kinds.iter().map(ToString::to_string).collect();
        options
    };
    let found = |kinds: &[&str]| script::report_of(script.bytes(), &options(kinds)).findings.len();
    assert_eq!((found(&[]), found(&["connect-failed"])), (0, 1));
}

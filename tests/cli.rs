//! The command line as its users meet it: help, messages, exit codes, files, pipes and signals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const FIXTURE: &str = "fixtures/lab/t01-blind-10s-client.pcap";

fn afterfin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TZ"] {
        command.env_remove(variable);
    }
    command.env("AFTERFIN_CONFIG", "");
    command
}

fn run(arguments: &[&str]) -> Output {
    afterfin().args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A directory of its own with a copy of the fixture.
fn workspace() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let capture = directory.path().join("incident.pcap");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE), &capture).unwrap();
    (directory, capture)
}

#[test]
fn help_of_every_subcommand() {
    let mut text = String::new();
    for arguments in [
        &["--help"][..],
        &["report", "--help"],
        &["connections", "--help"],
        &["timeline", "--help"],
        &["extract", "--help"],
        &["segments", "--help"],
        &["explain", "--help"],
        &["demo", "--help"],
        &["wireshark", "--help"],
        &["config", "--help"],
        &["completions", "--help"],
        &["man", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        text += &["$ afterfin ", &arguments.join(" "), "\n", &stdout(&output), "\n"].concat();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn help_is_the_same_short_and_long() {
    assert_eq!(stdout(&run(&["-h"])), stdout(&run(&["--help"])));
    assert_eq!(stdout(&run(&["--version"])), format!("afterfin {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistakes_are_one_line_and_status_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["--formt", "json"], "unexpected argument '--formt' found; tip: a similar argument exists: '--format' (see --help)"),
        (
            &["--format", "jsn", FIXTURE],
            "invalid value 'jsn' for '--format <FORMAT>' [possible values: text, json, ndjson, csv, html, markdown, svg, png, parquet]; tip: a similar value exists: 'json' (see --help)",
        ),
        (&["timeline", FIXTURE], "the following required arguments were not provided: --stream <N> (see --help)"),
        (
            &["timeline", "--format", "csv", "--stream", "1", FIXTURE],
            "a timeline cannot be written as csv; it can as text, json, ndjson, markdown, svg, png",
        ),
        (
            &["connections", "-o", "table.html", FIXTURE],
            "the table of connections cannot be written as html; it can as text, json, ndjson, csv, parquet",
        ),
        (&["--idle-gap", "5", FIXTURE], "--idle-gap 5: a time needs a unit: 5s or 5ms"),
        (&["--close-wait", "soon", FIXTURE], "--close-wait soon: a time is a number and a unit: 500ms, 1s, 2m, 1h"),
        (&["--retry-window=-1s", FIXTURE], "--retry-window -1s: a time is a number and a unit: 500ms, 1s, 2m, 1h"),
        (&["--max-memory", "100", FIXTURE], "--max-memory 100: a size needs a unit: 100MiB or 100GiB"),
        (&["--max-memory", "1kB", FIXTURE], "--max-memory 1kB: the analysis needs at least 1MiB"),
        (&["--threads", "0", FIXTURE], "--threads 0: it must be a number from 1 to 1024"),
        (&["--host", "db-1", FIXTURE], "--host db-1: it must be an IPv4 or IPv6 address, such as 10.0.0.5"),
        (&["--kind", "stale", FIXTURE], "--kind stale: no such kind of finding; did you mean stale-reuse? afterfin explain lists them"),
        (
            &["--from", "yesterday", FIXTURE],
            "--from yesterday: a time is RFC 3339 (2026-11-24T07:03:48Z) or HH:MM:SS on the capture's first day",
        ),
        (&["--timezone", "CET", FIXTURE], "--timezone CET: a zone is an offset from UTC: +02:00, -05:30, or UTC"),
        (
            &["--assume", "proxy=1s", FIXTURE],
            "--assume proxy=1s: an assumption is WHO=TIME, WHO being client, server or an address: client=300s",
        ),
        (&["--names", "no-such-file", FIXTURE], "no-such-file: No such file or directory (os error 2)"),
        (
            &["-o", "report.xyz", FIXTURE],
            "the extension of --output report.xyz names no format; known are .txt, .json, .ndjson, .jsonl, .csv, .html, .htm, .md, .markdown, .svg, .png, .parquet, or say --format",
        ),
        (&["-o", "report.json", "--format", "csv", FIXTURE], "--format csv contradicts --output report.json, whose extension means json"),
        (&["-o", "no-such-directory/report.json", FIXTURE], "no-such-directory: no such directory: --output cannot be written there"),
        (
            &["-o", FIXTURE, "--format", "json", FIXTURE],
            "fixtures/lab/t01-blind-10s-client.pcap: is an input: --output would replace the capture by its report",
        ),
        (&["-", "-"], "standard input can be read only once: - is given more than once"),
        (&["no-such-file"], "no-such-file: no such file"),
        (&["--color", "always", "demo"], "demo: no such file; the subcommand demo is written before everything else: afterfin demo …"),
        (
            &["conections", FIXTURE],
            "conections: no such file; the subcommand connections is written before everything else: afterfin connections …",
        ),
        (&["reprot", FIXTURE], "reprot: no such file; the subcommand report is written before everything else: afterfin report …"),
        (&["Cargo.toml"], "Cargo.toml: is text, not a pcap or pcapng capture"),
        (&["/dev/null"], "/dev/null: is empty: not one octet to read"),
        (&["fixtures"], "fixtures: is a directory: name the captures in it, or use --recursive"),
        (&["explain", "stael-reuse"], "stael-reuse: no such kind of finding; did you mean stale-reuse? afterfin explain lists them"),
        (&["explain", "xyzzy"], "xyzzy: no such kind of finding; afterfin explain lists them"),
        (&["timeline", "--stream", "99", FIXTURE], "--stream 99: no such connection; the capture has connections 0 to 2"),
    ];
    for (arguments, message) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stderr(&output), format!("afterfin: {message}\n"), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn message_with_a_hostile_file_name_is_escaped() {
    let output = run(&["a\u{1b}[31m\u{202e}b\nc"]);
    assert_eq!(stderr(&output), "afterfin: a\\u{1b}[31m\\u{202e}b\\u{a}c: no such file\n");
}

#[test]
fn no_subcommand_means_report() {
    let report = run(&["report", FIXTURE]);
    assert_eq!(report.status.code(), Some(0));
    assert!(!report.stdout.is_empty());
    assert_eq!(run(&[FIXTURE]), report);
}

#[test]
fn demo_is_the_report_on_the_built_in_capture() {
    let output = run(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let of_file = stdout(&run(&[FIXTURE]));
    let from = "── Findings";
    assert_eq!(stdout(&output).split_once(from).unwrap().1, of_file.split_once(from).unwrap().1);
    assert!(json(&run(&["demo", "--format", "json"]))["findings"].as_array().is_some_and(|findings| findings.len() >= 2));
}

#[test]
fn standard_input_is_read_with_and_without_its_name() {
    let of_file = json(&run(&["--format", "json", FIXTURE]));
    for arguments in [&["--format", "json"][..], &["--format", "json", "-"]] {
        let capture = fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE)).unwrap();
        let output = afterfin().args(arguments).stdin(capture).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report = json(&output);
        assert_eq!(report["inputs"][0]["name"], "<stdin>");
        assert_eq!(report["findings"], of_file["findings"]);
    }
}

#[test]
fn output_file_has_the_format_of_its_extension_and_appears_whole() {
    let (directory, capture) = workspace();
    for name in ["report.json", "report.NDJSON", "report.csv", "report.txt"] {
        let file = directory.path().join(name);
        fs::write(&file, "an older report").unwrap();
        let output = afterfin().arg(&capture).arg("-o").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        let format = name.rsplit('.').next().unwrap().to_lowercase();
        let format = if format == "txt" { "text".to_owned() } else { format };
        let direct = afterfin().arg(&capture).args(["--format", &format]).output().unwrap();
        assert_eq!(fs::read(&file).unwrap(), direct.stdout, "{name}");
    }
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 5, "no temporary file is left: {names:?}");
}

#[cfg(unix)]
#[test]
fn output_file_follows_the_umask_and_may_be_a_device() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, capture) = workspace();
    let file = directory.path().join("report.json");
    let script = format!("umask 027; exec {} {} -o {}", env!("CARGO_BIN_EXE_afterfin"), capture.display(), file.display());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let output = run(&["-o", "/dev/null", "--format", "json", FIXTURE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn fail_on_gives_status_1_for_what_is_shown() {
    let cases: &[(&[&str], i32)] = &[
        (&[], 0),
        (&["--fail-on", "error"], 1),
        (&["--fail-on", "info"], 1),
        (&["--fail-on", "error", "--stream", "0"], 0),
        (&["--fail-on", "error", "--kind", "close-wait-leak"], 0),
        (&["--fail-on", "warning", "--kind", "close-wait-leak"], 1),
    ];
    for (arguments, status) in cases {
        let output = afterfin().arg(FIXTURE).args(*arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(*status), "{arguments:?}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn cut_input_is_reported_as_far_as_it_goes_with_status_2() {
    let (directory, capture) = workspace();
    let octets = fs::read(&capture).unwrap();
    let cut = directory.path().join("cut.pcap");
    fs::write(&cut, &octets[..octets.len() - 10]).unwrap();
    let output = afterfin().arg(&cut).args(["--format", "json", "--fail-on", "error"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "2 goes before 1");
    let report = json(&output);
    assert_eq!(report["complete"], false);
    assert_eq!(report["capture"]["frames"], 38);
    let message = stderr(&output);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with(&format!("afterfin: {}: ", cut.display())), "{message}");
}

#[test]
fn closed_pipe_is_no_error() {
    let mut child = afterfin().args([FIXTURE, "--format", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

/// The fixture's records over and over, so that writing them means that they are being read.
fn long_capture() -> Vec<u8> {
    let octets = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE)).unwrap();
    let (header, records) = octets.split_at(24);
    [header, &records.repeat(300)].concat()
}

#[cfg(unix)]
#[test]
fn interrupted_run_reports_what_was_read() {
    for signal in ["-INT", "-TERM"] {
        let mut child =
            afterfin().args(["--format", "json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // More than a pipe holds: when the last octet is taken, the program reads, and its signal handlers stand.
        stdin.write_all(&long_capture()).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        assert_eq!(output.status.code(), Some(2), "{signal}");
        assert_eq!(json(&output)["complete"], false);
        assert!(stderr(&output).contains("afterfin: interrupted: the report is on what was read"), "{}", stderr(&output));
    }
}

#[test]
fn colour_follows_the_option_and_the_variables() {
    let coloured = |arguments: &[&str], variable: Option<(&str, &str)>| {
        let mut command = afterfin();
        command.arg(FIXTURE).args(arguments).envs(variable);
        command.output().unwrap().stdout.contains(&0x1b)
    };
    assert!(!coloured(&[], None), "plain when piped");
    assert!(coloured(&["--color", "always"], None));
    assert!(coloured(&[], Some(("CLICOLOR_FORCE", "1"))));
    assert!(!coloured(&["--color", "never"], Some(("CLICOLOR_FORCE", "1"))));
    assert!(coloured(&["--color", "always"], Some(("NO_COLOR", "1"))), "what the user says now goes before the environment");
}

#[test]
fn selection_narrows_findings_and_connections() {
    let select = |arguments: &[&str]| {
        let report = json(&afterfin().args([FIXTURE, "--format", "json"]).args(arguments).output().unwrap());
        let texts = |list: &str, field: &str| -> Vec<String> {
            report[list].as_array().unwrap().iter().map(|row| row[field].to_string().trim_matches('"').to_owned()).collect()
        };
        (texts("findings", "id"), texts("connections", "stream"))
    };
    let all = select(&[]);
    assert_eq!(all.1, ["0", "1", "2"]);
    let one = select(&["--stream", "1"]);
    assert_eq!(one.1, ["1"]);
    assert!(!one.0.is_empty() && one.0.iter().all(|id| all.0.contains(id)));
    assert_eq!(select(&["--host", "10.9.9.9"]), (vec![], vec![]));
    assert_eq!(select(&["--port", "80"]), all);
    assert_eq!(select(&["--to", "07:52:38"]).1, ["0"]);
    assert_eq!(select(&["--from", "07:52:48.7"]).1, ["2"]);
    assert_eq!(select(&["--from", "09:52:48.7", "--timezone", "+02:00"]).1, ["2"]);
    assert_eq!(select(&["--from", "2026-11-23T07:52:48.7Z"]).1, ["2"]);
    let text = stdout(&run(&[FIXTURE, "--stream", "0"]));
    assert!(text.contains("The selection leaves out 4 findings and 2 connections"), "{text}");
}

#[test]
fn known_timeouts_are_searched_by_words() {
    let found = stdout(&run(&["explain", "timeouts", "nginx", "75"]));
    assert!(found.contains("nginx (server): keepalive_timeout = 75 s") && found.contains("source: "), "{found}");
    assert!(!found.contains("Kafka"), "{found}");
    let set = stdout(&run(&["explain", "timeouts", "okhttp"]));
    assert!(
        set.contains("ConnectionPool keepAliveDuration = 300 s") && set.contains("new ConnectionPool(5, N, TimeUnit.SECONDS)"),
        "{set}"
    );
    let no_default = stdout(&run(&["explain", "timeouts", "modify-listener-attributes"]));
    assert!(no_default.contains("AWS NLB") && no_default.contains("source: docs.aws.amazon.com"), "{no_default}");
    assert!(stdout(&run(&["explain", "timeouts"])).contains("Kafka broker"));
    assert_eq!(run(&["explain", "timeouts", "no-such-product"]).status.code(), Some(2));
    assert_eq!(run(&["explain", "stale-reuse", "nginx"]).status.code(), Some(2));
}

#[test]
fn names_stand_beside_addresses() {
    let (directory, capture) = workspace();
    let names = directory.path().join("hosts");
    fs::write(&names, "10.9.0.2 api.example # the server\n").unwrap();
    let output = afterfin().arg(&capture).arg("--names").arg(&names).output().unwrap();
    assert!(stdout(&output).contains("10.9.0.1 → 10.9.0.2:80 (api.example)"), "{}", stdout(&output));
}

#[test]
fn times_are_shown_in_the_zone_that_is_asked_for() {
    let shown = |arguments: &[&str]| {
        let text = stdout(&afterfin().arg(FIXTURE).args(arguments).env("TZ", "XYZ-03:30").output().unwrap());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(shown(&[]).contains("07:52:29.015 to 07:53:13.666 UTC"));
    assert!(shown(&["--timezone", "-05:30"]).contains("02:22:29.015 to 02:23:13.666 UTC-05:30"));
    assert!(shown(&["--local"]).contains("11:22:29.015 to 11:23:13.666 UTC+03:30"));
}

#[test]
fn timeline_of_one_connection() {
    let output = run(&["timeline", "--stream", "1", FIXTURE]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.starts_with("#1  10.9.0.1:40976 → 10.9.0.2:80"), "{text}");
    assert!(text.contains("┆ idle 10.008 s"), "{text}");
    let both = run(&["timeline", "--stream", "1,99", FIXTURE]);
    assert_eq!(both.status.code(), Some(2));
    assert_eq!(stdout(&both), text, "what there is is shown");
}

#[test]
fn connections_in_every_format() {
    let text = stdout(&run(&["connections", FIXTURE]));
    assert!(text.contains("10.9.0.1:41800"), "{text}");
    let csv = stdout(&run(&["connections", "--format", "csv", FIXTURE]));
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.starts_with("stream,client_ip,"), "{csv}");
    let ndjson = stdout(&run(&["connections", "--format", "ndjson", FIXTURE]));
    let rows: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["stream"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    let whole = json(&run(&["connections", "--format", "json", FIXTURE]));
    assert_eq!(whole["connections"].as_array().unwrap().len(), 3);
}

#[test]
fn explain_lists_and_explains_every_kind() {
    let list = stdout(&run(&["explain"]));
    for page in afterfin::detect::pages() {
        let kind = page.kind.as_str();
        assert!(list.contains(&format!("  {kind} ")), "{kind}");
        let text = stdout(&run(&["explain", kind]));
        assert!(text.starts_with(&format!("{kind}: {}\n\nWhat is seen\n", page.title)), "{text}");
        assert!(text.contains("\nWhen it is not a problem\n") && text.contains("\nHow to fix it\n"), "{text}");
        assert!(text.lines().skip(1).all(|line| line.chars().count() <= 88), "{text}");
    }
    assert_eq!(stdout(&run(&["explain", "Stale_Reuse"])), stdout(&run(&["explain", "stale-reuse"])));
}

#[test]
fn report_is_the_same_every_time() {
    for format in ["text", "json", "ndjson", "csv"] {
        let first = run(&["--format", format, FIXTURE]);
        let second = run(&["--format", format, "--threads", "2", FIXTURE]);
        assert_eq!(first.stdout, second.stdout, "{format}");
    }
}

#[test]
fn directory_is_walked_on_demand() {
    let output = run(&["--recursive", "--format", "json", "fixtures/lab"]);
    let report = json(&output);
    let captures = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab")).unwrap();
    let captures =
        captures.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "pcap" || e == "pcapng")).count();
    assert_eq!(report["inputs"].as_array().unwrap().len(), captures);
}

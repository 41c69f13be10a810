//! What makes the program at home in a shell: completions, manual pages, the configuration file. Nothing here reads the user's own files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const FIXTURE: &str = "fixtures/lab/t01-blind-10s-client.pcap";
const SUBCOMMANDS: [&str; 13] = [
    "report",
    "connections",
    "timeline",
    "extract",
    "segments",
    "reduce",
    "merge",
    "explain",
    "demo",
    "wireshark",
    "config",
    "completions",
    "man",
];

fn afterfin(arguments: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdin(Stdio::null());
    command.env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn stdout(arguments: &[&str], variables: &[(&str, &Path)]) -> String {
    let output = afterfin(arguments, variables);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Feeds a program that may be absent; `None` then.
fn filter(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    use std::io::Write;
    let mut command = Command::new(program);
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        eprintln!("{program} is not installed: nothing is compared");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Some(child.wait_with_output().unwrap())
}

#[test]
fn completions_for_every_shell_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&["completions", shell], &[]);
        for word in SUBCOMMANDS.into_iter().chain(["hyperlinks", "idle-gap", "show-payload"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(afterfin(&["completions", "tcsh"], &[]).status.code(), Some(2));
}

#[test]
fn completions_are_scripts_that_the_shells_read() {
    for (shell, arguments) in [("bash", ["-n", "/dev/stdin"]), ("zsh", ["-n", "/dev/stdin"]), ("fish", ["--no-execute", "/dev/stdin"])] {
        let Some(output) = filter(shell, &arguments, &stdout(&["completions", shell], &[])) else { continue };
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn completions_in_bash_complete() {
    let ask = |words: &str, place: usize| {
        let script = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={place}; cur=${{COMP_WORDS[$COMP_CWORD]}}; prev=${{COMP_WORDS[$COMP_CWORD-1]}}; \
             _afterfin afterfin \"$cur\" \"$prev\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            stdout(&["completions", "bash"], &[])
        );
        let output = filter("bash", &["--norc"], &script)?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some(found) = ask("afterfin extr", 1) else { return };
    assert_eq!(found, "extract\n");
    assert_eq!(ask("afterfin report --form", 2).unwrap(), "--format\n");
    assert_eq!(ask("afterfin report --format ''", 3).unwrap().split_whitespace().next(), Some("text"));
}

#[test]
fn manual_has_a_page_for_each_subcommand() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("man/man1");
    let output = afterfin(&["man", "-o", place.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("afterfin: {}: 14 manual pages written\n", place.display()));
    let mut names: Vec<String> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut expected: Vec<String> = SUBCOMMANDS.iter().map(|name| format!("afterfin-{name}.1")).chain(["afterfin.1".to_owned()]).collect();
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(fs::read_to_string(place.join("afterfin.1")).unwrap(), stdout(&["man"], &[]));
}

#[test]
fn manual_pages_render_without_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(afterfin(&["man", "-o", directory.path().to_str().unwrap()], &[]).status.code(), Some(0));
    for entry in fs::read_dir(directory.path()).unwrap() {
        let page = fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some(output) = filter("groff", &["-man", "-ww", "-Kutf8", "-Tutf8"], &page) else { return };
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        // Bold is a character, a step back and the character again.
        let mut text: Vec<char> = Vec::new();
        for c in String::from_utf8(output.stdout).unwrap().chars() {
            if c == '\u{8}' { text.truncate(text.len().saturating_sub(1)) } else { text.push(c) }
        }
        let text: String = text.into_iter().collect();
        assert!(text.contains("SYNOPSIS") && text.contains("afterfin"), "{text}");
    }
}

/// A directory with a configuration in it, and the text report under it.
fn with_config(config: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("afterfin/config.toml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, config).unwrap();
    (directory, file)
}

#[test]
fn configuration_sets_thresholds_and_the_report_says_so() {
    let (directory, file) = with_config("[thresholds]\nidle-gap = \"2500ms\"\nclose-wait = \"1m\"\n");
    let says = "Thresholds that are not the default: idle-gap 2.5 s (default 1 s), close-wait 60 s (default 5 s)";
    let home: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", directory.path())];
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (arguments, variables) in
        [(&[][..], home), (&["--config", file.to_str().unwrap()], &[]), (&[], &[("AFTERFIN_CONFIG", file.as_path())])]
    {
        for format in ["text", "markdown", "html"] {
            let report = one_line(stdout(&[&["report", "--format", format, FIXTURE], arguments].concat(), variables));
            assert!(report.replace("\\-", "-").contains(says), "{format} {arguments:?}: {report}");
        }
        let report: serde_json::Value =
            serde_json::from_str(&stdout(&[&["report", "--format", "json", FIXTURE], arguments].concat(), variables)).unwrap();
        assert_eq!(
            report["thresholds"],
            serde_json::json!({"idle_gap_seconds": 2.5, "close_wait_seconds": 60, "retry_window_seconds": 10})
        );
    }
    assert_ne!(stdout(&["connections", "--format", "json", FIXTURE], home), stdout(&["connections", "--format", "json", FIXTURE], &[]));
    let plain = stdout(&[FIXTURE], &[]);
    assert!(!plain.contains("Thresholds that are not"), "{plain}");
    for reproducible in [&["--no-config", FIXTURE][..], &["--idle-gap", "1s", "--close-wait", "5s", FIXTURE]] {
        assert_eq!(stdout(reproducible, home), plain, "the command line goes before the file");
    }
    assert_eq!(stdout(&["demo"], home), stdout(&["demo"], &[]), "an example is the same for everybody");
}

#[test]
fn configuration_in_force_is_shown_as_a_configuration() {
    let (directory, file) = with_config("[thresholds]\nidle-gap = \"2500ms\"\n");
    let home: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", directory.path())];
    let shown = stdout(&["config", "--retry-window", "1m"], home);
    assert_eq!(
        shown,
        format!(
            "# read from: {}\n[thresholds]\nidle-gap = \"2.5s\"  # default: 1s\nclose-wait = \"5s\"\nretry-window = \"60s\"  # default: 10s\n",
            file.display()
        )
    );
    fs::write(&file, &shown).unwrap();
    assert_eq!(stdout(&["config"], home), shown, "what it writes it reads");
    assert!(stdout(&["config", "--no-config"], home).starts_with("# read from: no file\n"));
    fs::remove_file(&file).unwrap();
    assert!(stdout(&["config"], home).starts_with(&format!("# read from: {} (not there)\n", file.display())));
}

#[test]
fn configuration_with_a_mistake_is_refused_with_its_place() {
    let (directory, file) = with_config("[thresholds]\nidle_gap = \"2s\"\n");
    let home: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", directory.path())];
    let says = |arguments: &[&str], variables: &[(&str, &Path)]| {
        let output = afterfin(arguments, variables);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for arguments in [&[FIXTURE][..], &["connections", FIXTURE], &["config"], &["timeline", "--stream", "0", FIXTURE]] {
        assert_eq!(
            says(arguments, home),
            format!("afterfin: {}: line 2, column 1: unknown key idle_gap; known are idle-gap, close-wait, retry-window\n", file.display())
        );
    }
    let missing = says(&["--config", "no-such-file", FIXTURE], &[]);
    assert_eq!(missing, "afterfin: no-such-file: the configuration cannot be read: No such file or directory (os error 2)\n");
    assert!(says(&["--config", "a", "--no-config", FIXTURE], &[]).contains("cannot be used with"));
    fs::write(&file, [0xff_u8, 0xfe]).unwrap();
    assert!(says(&[FIXTURE], home).ends_with("is no configuration: it is not UTF-8\n"));
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(says(&[FIXTURE], home).ends_with("it is too long for a configuration\n"));
}

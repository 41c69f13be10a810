//! What is different on a terminal: hints, colours, links, the pager. Each test has a pseudo-terminal of its own.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const FIXTURE: &str = "fixtures/lab/t01-blind-10s-client.pcap";
/// Every report fits.
const TALL: u16 = 5000;

struct Run {
    status: i32,
    screen: String,
    errors: String,
}

/// Runs with a terminal as standard output, and as standard input too if it is asked for.
fn on_terminal(rows: u16, reads_terminal: bool, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: rows, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let end = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm").env("AFTERFIN_CONFIG", "");
    command.envs(variables.iter().copied());
    command.stdin(if reads_terminal { Stdio::from(end()) } else { Stdio::null() }).stdout(end()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let screen = std::thread::spawn(move || everything(master));
    let output = child.wait_with_output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        screen: screen.join().unwrap().replace("\r\n", "\n"),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Until the last process has closed its end, which Linux tells by an error.
fn everything(master: OwnedFd) -> String {
    let mut octets = Vec::new();
    let _ = File::from(master).read_to_end(&mut octets);
    String::from_utf8(octets).unwrap()
}

fn piped(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterfin"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdin(Stdio::null());
    let output = command.env("AFTERFIN_CONFIG", "").env("FORCE_HYPERLINK", "1").env("PAGER", "false").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_arguments_it_says_what_to_do() {
    let run = on_terminal(24, true, &[], &[]);
    assert_eq!(run.status, 2);
    assert_eq!(
        run.errors,
        "afterfin: no capture given: afterfin FILE…, or tcpdump -w - … | afterfin; afterfin demo shows an example report (see --help)\n"
    );
    assert_eq!(run.screen, "");
    let run = on_terminal(24, true, &["-"], &[]);
    assert_eq!(run.errors, "afterfin: standard input is a terminal: pipe a capture into it, tcpdump -w - … | afterfin -\n");
}

#[test]
fn colours_and_links_are_for_terminals() {
    let links = [("VTE_VERSION", "7003")];
    let run = on_terminal(TALL, false, &[FIXTURE], &links);
    assert_eq!(run.status, 0, "{}", run.errors);
    assert!(run.screen.contains("\u{1b}[1m"));
    assert!(
        run.screen.contains("\u{1b}]8;;file://") && run.screen.contains(&format!("/{FIXTURE}\u{1b}\\{FIXTURE}\u{1b}]8;;\u{1b}\\: pcap"))
    );
    let plain = on_terminal(TALL, false, &["--color", "never", "--hyperlinks", "never", FIXTURE], &links);
    assert!(!plain.screen.contains('\u{1b}'), "{}", plain.screen);
    assert!(!on_terminal(TALL, false, &["--color", "never", FIXTURE], &[]).screen.contains('\u{1b}'), "not every terminal has links");
    assert!(!on_terminal(TALL, false, &[FIXTURE], &[("VTE_VERSION", "7003"), ("TERM", "dumb")]).screen.contains('\u{1b}'));
    let other = piped(&[FIXTURE]);
    assert!(!other.contains('\u{1b}'), "never when piped");
    assert_eq!(plain.screen, other, "the same words");
}

#[test]
fn link_to_a_hostile_file_name_is_inert() {
    let directory = tempfile::tempdir().unwrap();
    let name = directory.path().join("a\u{1b}]8;;http:evil\u{7}b\nc.pcap");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURE), &name).unwrap();
    let text = piped(&["--hyperlinks", "always", name.to_str().unwrap()]);
    let urls: Vec<&str> = text.split("\u{1b}]8;;").skip(1).map(|rest| rest.split("\u{1b}\\").next().unwrap()).collect();
    assert!(urls.iter().any(|url| url.contains("/a%1B%5D8%3B%3Bhttp%3Aevil%07b%0Ac.pcap")), "{urls:?}");
    assert!(urls.iter().all(|url| url.is_empty() || url.starts_with("file://")), "{urls:?}");
    assert_eq!(text.matches('\u{7}').count(), 0);
}

#[test]
fn pager_gets_what_is_longer_than_the_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let (text, variables) = (directory.path().join("text"), directory.path().join("variables"));
    let pager = format!("sh -c 'cat > {}; env > {}'", text.display(), variables.display());
    let run = on_terminal(24, false, &["--color", "never", FIXTURE], &[("PAGER", &pager)]);
    assert_eq!(run.status, 0, "{}", run.errors);
    assert_eq!(run.screen, "");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), piped(&[FIXTURE]));
    let variables = std::fs::read_to_string(variables).unwrap();
    assert!(variables.contains("LESSSECURE=1\n") && variables.contains("LESS=FRX\n"), "{variables}");
}

#[test]
fn pager_is_left_out_where_it_is_not_wanted() {
    let never = [("PAGER", "sh -c 'echo paged'")];
    assert!(on_terminal(24, false, &[FIXTURE], &never).screen.contains("paged"));
    assert!(!on_terminal(24, false, &["--no-pager", FIXTURE], &never).screen.contains("paged"));
    assert!(!on_terminal(TALL, false, &[FIXTURE], &never).screen.contains("paged"), "it fits");
    assert!(!on_terminal(24, false, &[FIXTURE], &[("PAGER", "")]).screen.contains("paged"));
    assert!(on_terminal(24, false, &["explain", "timeouts"], &never).screen.contains("paged"));
    assert!(!on_terminal(24, false, &["explain", "timeouts", "--no-pager"], &never).screen.contains("paged"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.txt");
    assert!(!on_terminal(24, false, &["-o", file.to_str().unwrap(), FIXTURE], &never).screen.contains("paged"), "a file is no terminal");
}

#[test]
fn pager_that_is_left_early_is_no_error() {
    let run = on_terminal(24, false, &["--format", "json", FIXTURE], &[("PAGER", "head -n 1")]);
    assert_eq!((run.status, run.errors.as_str(), run.screen.as_str()), (0, "", "{\n"));
}

#[test]
fn pager_that_is_not_there_is_told_and_the_report_shown() {
    let run = on_terminal(24, false, &["--color", "never", FIXTURE], &[("PAGER", "no-such-pager -x")]);
    assert_eq!(run.status, 0);
    assert_eq!(run.errors, "afterfin: the pager no-such-pager cannot be started: No such file or directory (os error 2); see --no-pager\n");
    assert_eq!(run.screen, piped(&[FIXTURE]));
}

#[test]
fn image_is_nothing_for_a_terminal() {
    let run = on_terminal(24, false, &["--format", "png", FIXTURE], &[]);
    assert_eq!((run.status, run.errors.as_str()), (2, "afterfin: an image is nothing for a terminal: name a file, -o FILE.png\n"));
}

#[test]
fn interrupts_while_the_pager_runs_are_the_pagers() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    // A pager that outlives three interrupts of the program that feeds it, as `less` does.
    let pager = format!(
        "sh -c 'cat > {0}; for n in 1 2 3; do kill -INT $PPID; sleep 0.1; done; kill -0 $PPID && echo alive >> {0}'",
        seen.display()
    );
    let run = on_terminal(24, false, &["--color", "never", FIXTURE], &[("PAGER", &pager)]);
    assert_eq!((run.status, run.errors.as_str()), (0, ""));
    let text = std::fs::read_to_string(seen).unwrap();
    assert_eq!(text, piped(&[FIXTURE]) + "alive\n");
}

#[test]
fn rows_in_binary_form_are_refused_on_a_terminal() {
    let run = on_terminal(TALL, false, &["segments", FIXTURE], &[]);
    assert_eq!((run.status, run.screen.as_str()), (2, ""));
    assert_eq!(run.errors, "afterfin: rows in binary form are nothing for a terminal: pipe them on, or name a file, -o FILE\n");
}

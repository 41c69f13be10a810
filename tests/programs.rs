//! afterfin as a process, and other programs beside it: how much memory a report on many connections takes, and whether the directives of the
//! advice are what nginx, HAProxy, Apache httpd and others accept.
//!
//! Runs only with `AFTERFIN_PEERS=1` (as `.ci/run` does). `AFTERFIN_BINARY` names another build, `AFTERFIN_MANY` (200,000) the number of
//! connections. Programs that are not installed are named and left out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)] // tests, and what they share

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use afterfin::infer::products::{self, Setting};
use afterfin::time::Span;
use serde_json::Value;

/// Measured on a release build with 200,000 connections of ten frames: 551 MB for a text report and 754 MB for JSON, 2.75 and 3.8 kB each.
const PROGRAM: u64 = 64 << 20;
/// See `PROGRAM`; half as much again, for other allocators and platforms.
const PER_CONNECTION: (u64, u64) = (4_200, 5_800);

fn peers() -> bool {
    let wanted = std::env::var_os("AFTERFIN_PEERS").is_some();
    if !wanted {
        eprintln!("AFTERFIN_PEERS is not set: nothing is compared");
    }
    wanted
}

#[test]
fn two_hundred_thousand_connections_stay_within_the_memory_that_is_promised() {
    if !peers() {
        return;
    }
    let binary = std::env::var("AFTERFIN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_afterfin").to_owned());
    let connections = std::env::var("AFTERFIN_MANY").unwrap_or_else(|_| "200000".to_owned());
    let measure = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/memory.py");
    let output = Command::new("python3").arg(measure).args([&binary, &connections]).output().expect("python3 runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    eprintln!("{found}");
    let count = connections.parse::<u64>().unwrap();
    assert_eq!(found["connections"], count);
    assert_eq!(found["wrong"], serde_json::json!({}), "timers");
    for (what, each) in [("resident_text", PER_CONNECTION.0), ("resident_json", PER_CONNECTION.1)] {
        let (resident, most) = (found[what].as_u64().unwrap(), PROGRAM + each * count);
        assert!(resident <= most, "{what}: {resident} octets, {most} at most");
    }
}

/// The code of a product's directive.
fn directive(product: &str, setting: Setting, seconds: i64) -> String {
    let text = products::titled(product).unwrap().directive(setting, Span::from_secs(seconds)).unwrap();
    text.split('`').nth(1).unwrap_or_else(|| panic!("{product}: {text}")).to_owned()
}

/// Runs a check of a configuration in a directory of its own; `None`: the program is not installed.
fn check(program: &str, arguments: &[&str], file: &str, content: &str) -> Option<Output> {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(file), content).unwrap();
    let output = Command::new(program).args(arguments).current_dir(directory.path()).env("PATH", path()).output().ok();
    if output.is_none() {
        eprintln!("{program} is not installed: its directives are not checked");
    }
    output
}

/// Daemons stand outside a user's path.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Holds that the program accepts the content with the directives, and that it refuses it with something else in their place.
fn accepted(program: &str, arguments: &[&str], file: &str, content: &str, directives: &[String]) {
    let filled = |with: &dyn Fn(&str) -> String| {
        directives.iter().enumerate().fold(content.to_owned(), |text, (n, directive)| text.replace(&format!("@{n}@"), &with(directive)))
    };
    let Some(output) = check(program, arguments, file, &filled(&str::to_owned)) else { return };
    assert!(output.status.success(), "{program} refuses {directives:?}: {}{}", text(&output.stdout), text(&output.stderr));
    let wrong = check(program, arguments, file, &filled(&|directive| format!("]not_{directive}"))).unwrap();
    assert!(!wrong.status.success(), "{program} accepts anything: the check proves nothing");
    eprintln!("{program} accepts {directives:?}");
}

#[test]
fn directives_are_accepted_by_the_programs_they_are_for() {
    if !peers() {
        return;
    }
    let of = |product, setting| directive(product, setting, 301);
    let both = |product| [of(product, Setting::Accepting), of(product, Setting::Reusing)];
    accepted(
        "nginx",
        &["-t", "-p", ".", "-c", "nginx.conf", "-g", "error_log stderr; pid nginx.pid;"],
        "nginx.conf",
        "events {}\nhttp { access_log off; @0@ upstream u { server 127.0.0.1:9; keepalive 4; @1@ } server { listen 127.0.0.1:8; } }\n",
        &both("nginx"),
    );
    accepted(
        "haproxy",
        &["-c", "-f", "haproxy.cfg"],
        "haproxy.cfg",
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\nfrontend f\n  bind 127.0.0.1:8\n  @0@\n  default_backend b\nbackend b\n  server s 127.0.0.1:9 @1@\n",
        &both("HAProxy"),
    );
    let modules = "/usr/lib/apache2/modules";
    let load = |name: &str| format!("LoadModule {name}_module {modules}/mod_{name}.so\n");
    let configuration = ["mpm_event", "proxy", "proxy_http"].map(load).concat()
        + "ErrorLog /dev/null\nListen 127.0.0.1:8\nServerName a.example\n@0@\nProxyPass /a http://127.0.0.1:9/ @1@\n";
    accepted("apache2", &["-t", "-d", ".", "-f", "apache.conf"], "apache.conf", &configuration, &both("Apache httpd"));
    accepted(
        "node",
        &["a.js"],
        "a.js",
        "const http = require('http'); const server = http.createServer();\nconst not_server = undefined;\n@0@\n(@1@);\n",
        &both("Node.js"),
    );
    accepted(
        "gofmt",
        &["-e", "a.go"],
        "a.go",
        "package a\n\nvar s = @0@\nvar t = @1@\n",
        &both("Go net/http").map(|code| code.replace("&http", "(&http") + ")"),
    );
}

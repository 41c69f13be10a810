//! What the package is made of: the oldest compiler that it promises, the sources and licences of its dependencies, no unsafe code of its own.
//! `cargo deny` (deny.toml) checks licences, bans and sources in full; these tests need nothing but cargo.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What the tests were built for, as far as it can be: the dependencies of other systems need not be at hand.
fn host() -> String {
    let output = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned())).arg("-vV").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap_or(0))
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn no_dependency_needs_a_newer_compiler_than_the_package_promises() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages.iter().find(|package| package["name"] == "afterfin").unwrap();
    let promised = version(own["rust_version"].as_str().unwrap());
    let newer: Vec<String> = packages
        .iter()
        .filter_map(|package| Some((package["name"].as_str()?, package["rust_version"].as_str()?)))
        .filter(|(_, needed)| version(needed) > promised)
        .map(|(name, needed)| format!("{name} needs {needed}"))
        .collect();
    assert!(newer.is_empty(), "promised {promised:?}: {newer:?}");
    let readme = read("README.md");
    assert!(readme.contains(&format!("{}.{}", promised.0, promised.1)), "README.md does not name Rust {promised:?}");
}

#[test]
fn every_dependency_comes_from_the_registry_and_is_locked() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let source = package["source"].as_str();
        assert!(source.map_or_else(|| package["name"] == "afterfin", |source| source.starts_with("registry+")), "{}", package["id"]);
        assert!(package["license"].is_string() || package["name"] == "afterfin", "{} has no licence", package["id"]);
    }
    let lock = read("Cargo.lock");
    let entries = lock.matches("[[package]]").count();
    assert_eq!(lock.matches("\nchecksum = ").count(), entries - 1, "every package but this one has a checksum");
}

#[test]
fn package_has_no_unsafe_code_and_no_build_script() {
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
    let metadata = metadata();
    let own = metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "afterfin").unwrap();
    for target in own["targets"].as_array().unwrap() {
        assert_ne!(target["kind"][0], "custom-build");
    }
}

//! The crafted captures are what their scripts say: `UPDATE_FIXTURES=1 cargo test --test fixtures` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod script;

use std::fs;

use script::Script;

#[test]
fn crafted_captures_are_what_their_scripts_say() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let names = script::crafted_names();
    assert!(!names.is_empty(), "fixtures/crafted has no scripts");
    let mut stale = Vec::new();
    for name in &names {
        let bytes = Script::crafted(name).bytes();
        let path = script::crafted_directory().join(name).with_extension("pcap");
        if update {
            fs::write(&path, &bytes).unwrap();
        } else if fs::read(&path).ok().as_deref() != Some(&bytes) {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "these differ from their scripts (UPDATE_FIXTURES=1 writes them): {stale:?}");
}

#[test]
fn crafted_captures_have_scripts_and_are_listed() {
    let readme = fs::read_to_string(script::crafted_directory().join("../README.md")).expect("fixtures/README.md");
    let names = script::crafted_names();
    for entry in fs::read_dir(script::crafted_directory()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(names.contains(&name), "{} has no script", path.display());
        assert!(readme.contains(&format!("`{name}`")), "fixtures/README.md does not list {name}");
    }
}

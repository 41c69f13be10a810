//! Keeps the rooms apart: who may import whom, where a third-party crate may be named, that every extension is registered, how long a
//! file may be. `docs/ARCHITECTURE.md` explains the rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The plain types at the bottom: everybody may use them, and they use only each other.
const BOTTOM: [&str; 7] = ["time", "frame", "seq", "endpoint", "segment", "options", "warning"];

/// Each room above the bottom, and the other rooms that it may name. What is absent is the rule: `detect` never sees a frame's octets,
/// `render` and `export` never a connection, `app` knows nothing of TCP.
const ROOMS: [(&str, &[&str]); 15] = [
    ("report", &[]),
    ("capture", &[]),
    ("decode", &["capture"]),
    // What a reading found beside the segments, whether it read the inputs or rows.
    ("taken", &["capture", "decode"]),
    // What other programs get of a segment is what `decode` says of it: rows know nothing of connections.
    ("dataset", &["capture", "decode", "taken"]),
    ("app", &[]),
    // The report's plain enums (handshake, reset shape, gap end) are the tracker's vocabulary too.
    ("tcp", &["app", "report"]),
    ("observe", &["app", "tcp", "report"]),
    ("infer", &["app", "tcp", "observe", "report"]),
    ("detect", &["app", "tcp", "observe", "infer", "report"]),
    // What is left of some connections, to be put together elsewhere.
    ("partial", &["dataset", "tcp", "observe"]),
    // It follows segments out of frames or out of rows, and ends with a report or a partial one.
    ("analyzer", &["capture", "decode", "taken", "dataset", "app", "tcp", "observe", "partial", "infer", "detect", "report"]),
    ("render", &["report", "detect"]),
    // A connection's frames are those that the tracker, run again, gives its number; what may stay of a payload, a protocol's reader says.
    ("export", &["capture", "decode", "app", "tcp", "report", "render"]),
    ("cli", &["analyzer", "capture", "dataset", "detect", "report", "render", "export"]),
];

/// Third-party crates that belong to one room or to a few. Any other dependency may be used wherever it serves.
const CRATES: [(&str, &[&str]); 12] = [
    ("pcap_file", &["capture", "export"]),
    ("etherparse", &["decode"]),
    ("clap", &["cli"]),
    ("comfy_table", &["render"]),
    ("postcard", &["partial"]),
    ("serde_json", &["render", "report"]),
    ("arrow_array", &["dataset", "render"]),
    ("arrow_buffer", &["dataset"]),
    ("arrow_ipc", &["dataset"]),
    ("arrow_schema", &["dataset", "render"]),
    ("arrow_select", &["dataset"]),
    // `crate::render::parquet`, the format of that name, is the command line's to ask for.
    ("parquet", &["dataset", "render", "cli"]),
];

/// Directories in which every file is one extension, registered in the `mod.rs` beside it.
const REGISTRIES: [&str; 4] = ["detect", "decode/link", "app", "render"];

/// A file is about one thing; beyond this it is split.
const LONGEST_FILE: usize = 600;

struct File {
    /// Relative to `src`, with `/`.
    path: String,
    /// First component without its extension.
    room: String,
    /// Without comments, string literals and what stands under `#[cfg(test)] mod tests {`.
    code: String,
    text: String,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn files() -> Vec<File> {
    let mut paths = Vec::new();
    walk(&source(), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let file = |path: &PathBuf| {
        let relative = path.strip_prefix(source()).unwrap().to_str().unwrap().replace('\\', "/");
        let room = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(path).unwrap();
        File { code: code(&text), path: relative, room, text }
    };
    paths.iter().map(file).collect()
}

/// The text without comments and the contents of strings, up to its test module. Good enough for well-formatted code, no more.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let mut code = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '/' if rest.peek() == Some(&'/') => {
                for skipped in rest.by_ref() {
                    if skipped == '\n' {
                        code.push('\n');
                        break;
                    }
                }
            }
            '"' => {
                code.push('"');
                while let Some(skipped) = rest.next() {
                    match skipped {
                        '\\' => drop(rest.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                code.push('"');
            }
            '\'' => {
                // A character literal, or a lifetime: only the former closes again.
                let mut ahead = rest.clone();
                let first = ahead.next();
                let closes = if first == Some('\\') { true } else { ahead.next() == Some('\'') };
                if closes {
                    if rest.next() == Some('\\') {
                        rest.next();
                    }
                    for skipped in rest.by_ref() {
                        if skipped == '\'' {
                            break;
                        }
                    }
                }
            }
            _ => code.push(c),
        }
    }
    code
}

/// Whether `name` stands in `code` as a word of its own.
fn words<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].chars().next_back().is_some_and(word) && !code[at + name.len()..].chars().next().is_some_and(word))
}

/// The modules named right after `crate::`, also inside braces.
fn imported(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in words(code, "crate") {
        let Some(rest) = code[at..].strip_prefix("crate::") else { continue };
        let first = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => drop(found.insert(first(rest))),
            Some(group) => {
                let mut depth = 0_i32;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => drop(found.insert(first(&std::mem::take(&mut item)))),
                        _ => {}
                    }
                    if depth == 0 && c != ',' {
                        item.push(c);
                    }
                }
                found.insert(first(&item));
            }
        }
    }
    found.remove("");
    found
}

fn is_entry(file: &File) -> bool {
    file.path == "lib.rs" || file.path == "main.rs"
}

#[test]
fn rooms_import_only_what_lies_above_them() {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| !is_entry(file)) {
        let room = file.room.as_str();
        let bottom = BOTTOM.contains(&room);
        if !bottom && !rooms.contains_key(room) {
            wrong.push(format!("src/{}: {room} is no known room", file.path));
            continue;
        }
        for other in imported(&file.code) {
            let known = BOTTOM.contains(&other.as_str()) || rooms.contains_key(other.as_str());
            let allowed =
                other == room || BOTTOM.contains(&other.as_str()) || rooms.get(room).is_some_and(|may| may.contains(&other.as_str()));
            if known && !allowed {
                wrong.push(format!("src/{}: {room} may not name crate::{other}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_are_listed_from_top_to_bottom() {
    for (index, (room, may)) in ROOMS.iter().enumerate() {
        for other in *may {
            let place = ROOMS.iter().position(|(name, _)| name == other).unwrap_or_else(|| panic!("{other} is no room"));
            assert!(place < index, "{room} names {other}, which comes after it");
        }
    }
}

#[test]
fn no_detector_imports_another() {
    let detectors: Vec<File> = files().into_iter().filter(|file| file.room == "detect" && file.path != "detect/mod.rs").collect();
    let name = |file: &File| file.path.trim_start_matches("detect/").split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    let kinds: BTreeSet<String> = afterfin_kinds().iter().map(|kind| kind.replace('-', "_")).collect();
    let mut wrong = Vec::new();
    for file in &detectors {
        for other in kinds.iter().filter(|other| **other != name(file)) {
            if words(&file.code, &format!("super::{other}")).next().is_some()
                || words(&file.code, &format!("detect::{other}")).next().is_some()
            {
                wrong.push(format!("src/{} imports the detector {other}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of the kinds of findings, as `report::Kind::as_str` spells them.
fn afterfin_kinds() -> Vec<String> {
    let text = fs::read_to_string(source().join("report/finding.rs")).unwrap();
    let body = text.split("impl Kind {").nth(1).expect("report::Kind has its names").split("\n}").next().unwrap().to_owned();
    let names: Vec<String> =
        body.lines().filter_map(|line| line.split_once("=> \"")).map(|(_, rest)| rest.trim_end_matches("\",").to_owned()).collect();
    assert!(names.contains(&"stale-reuse".to_owned()), "{names:?}");
    names
}

#[test]
fn third_party_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| !is_entry(file)) {
        for (name, rooms) in CRATES {
            if words(&file.code, name).next().is_some() && !rooms.contains(&file.room.as_str()) {
                wrong.push(format!("src/{}: {name} belongs to {rooms:?}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn extensions_are_registered_beside_themselves() {
    let mut wrong = Vec::new();
    for directory in REGISTRIES {
        let registry = source().join(directory).join("mod.rs");
        let Ok(text) = fs::read_to_string(&registry) else { continue };
        for entry in fs::read_dir(source().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let module = path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
            if !module || name == "mod" || name == "tests" {
                continue;
            }
            let declared = words(&code(&text), &format!("mod {name}")).next().is_some();
            if !declared {
                wrong.push(format!("src/{directory}/mod.rs does not declare {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_about_one_thing() {
    let long: Vec<String> = files()
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, path)| *lines > LONGEST_FILE && !path.ends_with("tests.rs"))
        .map(|(lines, path)| format!("src/{path}: {lines} lines, at most {LONGEST_FILE}"))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn files_begin_by_saying_what_they_are() {
    let bare = files().into_iter().filter(|file| !file.text.starts_with("//!") && !file.path.ends_with("tests.rs"));
    let bare: Vec<String> = bare.map(|file| format!("src/{}", file.path)).collect();
    assert!(bare.is_empty(), "without a //! at the top: {bare:?}");
}

#[test]
fn library_has_no_clock_and_nothing_left_to_do() {
    let mut wrong = Vec::new();
    for file in files() {
        for word in ["unsafe", "SystemTime", "todo", "unimplemented", "dbg"] {
            if words(&file.code, word).next().is_some() && !file.code.contains("unsafe_code") {
                wrong.push(format!("src/{}: {word}", file.path));
            }
        }
        for mark in ["TODO", "FIXME", "XXX", "HACK"] {
            if words(&file.text, mark).next().is_some() {
                wrong.push(format!("src/{}: {mark}", file.path));
            }
        }
        for vague in ["utils", "helpers", "manager"] {
            if file.path.split(['/', '.']).any(|part| part == vague) {
                wrong.push(format!("src/{}: a name that says nothing", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_names_a_place_on_one_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in ["src", "docs", "tests", "fixtures", "benches", "examples"] {
        walk(&root.join(directory), &mut paths);
    }
    paths.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml", ".ci/run"].map(|name| root.join(name)));
    let homes = ["root", "home", "Users"].map(|name| format!("/{name}/"));
    let mut wrong = Vec::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| homes.iter().any(|home| line.contains(home))) {
            wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dependencies_are_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let map = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let mut section = "";
    let mut missing = Vec::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once('=')
            && !name.trim().is_empty()
            && !name.starts_with('#')
            && !map.contains(&format!("| `{}` |", name.trim()))
        {
            missing.push(name.trim().to_owned());
        }
    }
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md has no row for {missing:?}");
}

#[test]
fn code_reader_sees_code_only() {
    let text = "//! crate::cli\nuse crate::{frame::Frame, tcp::{a, b}, seq};\nfn f<'a>(x: &'a str) -> char { let _ = \"crate::cli\"; '\"' }\nuse crate::app::X; // crate::cli\n#[cfg(test)]\nmod tests {\nuse crate::cli;\n}\n";
    let names: Vec<String> = imported(&code(text)).into_iter().collect();
    assert_eq!(names, ["app", "frame", "seq", "tcp"]);
    assert_eq!(words("serde_json serde", "serde").count(), 1);
}

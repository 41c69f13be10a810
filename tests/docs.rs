//! Documents that are made from the program: `docs/findings.md` from the detectors' pages, the README's report from its own command.
//! `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used)] // tests

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use afterfin::detect::pages;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text must be that of the file, or becomes it on request.
fn check(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == wanted, "{path} is not what the program says; UPDATE_DOCS=1 cargo test --test docs writes it anew");
}

#[test]
fn findings_page_is_what_the_detectors_say() {
    let mut text = String::from(
        "# Findings\n\nMade from the detectors' own pages (`afterfin explain KIND`); do not edit. `UPDATE_DOCS=1 cargo test --test docs` writes it anew.\n\n",
    );
    for page in pages() {
        let name = page.kind.as_str();
        writeln!(text, "* [`{name}`](#{name}): {}", page.title).unwrap();
    }
    for page in pages() {
        writeln!(text, "\n## {}\n\n{}.\n", page.kind.as_str(), capitalised(page.title)).unwrap();
        for (heading, body) in [
            ("What is seen", page.seen),
            ("Why it matters", page.why),
            ("When it is not a problem", page.not_a_problem),
            ("What to change", page.fix),
            ("Basis", page.basis),
        ] {
            writeln!(text, "**{heading}.** {body}\n").unwrap();
        }
    }
    check("docs/findings.md", &format!("{}\n", text.trim_end()));
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[test]
fn readme_shows_the_report_of_its_own_command() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let command = readme.lines().find_map(|line| line.strip_prefix("cargo run --release -- ")).expect("the README has the command");
    let output = Command::new(env!("CARGO_BIN_EXE_afterfin"))
        .env("AFTERFIN_CONFIG", "")
        .args(command.split_whitespace())
        .current_dir(root())
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let (before, rest) = readme.split_once("<!-- report -->\n").expect("the README has the place of the report");
    let (_, after) = rest.split_once("<!-- end of the report -->\n").expect("the README has the end of the report");
    let wanted = format!("{before}<!-- report -->\n\n```text\n{}\n```\n\n<!-- end of the report -->\n{after}", report.trim_end());
    check("README.md", &wanted);
}

/// The sources, in which the tests are.
fn sources(directory: &Path, text: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Names of tests in backquotes: words with underscores that are no macro's or option's.
fn tests_named(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).filter(|word| word.contains('_') && !word.contains(['.', '/', ' '])).collect()
}

#[test]
fn formats_and_link_types_name_a_test_that_exists_in_every_row() {
    let mut code = String::new();
    for directory in ["src", "tests"] {
        sources(&root().join(directory), &mut code);
    }
    for page in ["docs/formats.md", "docs/link-types.md"] {
        let text = std::fs::read_to_string(root().join(page)).unwrap();
        let (mut rows, mut before) = (0, "");
        for line in text.lines() {
            if line.starts_with("|---") {
                assert!(before.trim_end().ends_with("| test |"), "{page}: the table «{before}» has no column for tests");
            } else if line.starts_with("| ") && !line.trim_end().ends_with("| test |") {
                let cell = line.trim_end().trim_end_matches('|').rsplit_once('|').unwrap().1;
                let names = tests_named(cell);
                assert!(!names.is_empty(), "{page}: no test in «{line}»");
                for name in names {
                    assert!(code.contains(&format!("fn {name}(")), "{page}: no test is called {name}");
                }
                rows += 1;
            }
            before = line;
        }
        assert!(rows > 20, "{page}: {rows} rows");
    }
}

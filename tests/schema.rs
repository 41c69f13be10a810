//! Every JSON report holds to `docs/report.schema.json`, and every field that is written is described there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests, and what they share

mod support;

use afterfin::render::{Style, json};
use afterfin::report::{Kind, Report};
use serde_json::{Value, json};

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The schema with every object closed, so that a field that nobody described is seen.
fn closed(mut schema: Value) -> Value {
    fn close(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.values_mut().for_each(close);
                if map.get("properties").is_some_and(Value::is_object) && map.contains_key("required") {
                    map.entry("additionalProperties").or_insert(json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    close(&mut schema);
    schema
}

fn written(report: &Report) -> Value {
    let mut out = Vec::new();
    json::report(report, &Style::default(), &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn errors(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn schema_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
}

#[test]
fn report_with_everything_holds_to_the_schema() {
    let mut report = support::report();
    report.timelines = vec![support::timeline()];
    assert_eq!(errors(&closed(schema()), &written(&report)), Vec::<String>::new());
}

#[test]
fn report_with_nothing_holds_to_the_schema() {
    assert_eq!(errors(&closed(schema()), &written(&Report::default())), Vec::<String>::new());
}

#[test]
fn report_with_hostile_strings_holds_to_the_schema() {
    assert_eq!(errors(&closed(schema()), &written(&support::hostile_report())), Vec::<String>::new());
}

#[test]
fn schema_refuses_what_the_contract_refuses() {
    let good = written(&support::report());
    let cases: [(&str, Value); 7] = [
        ("/findings/0/kind", json!("stale_reuse")),
        ("/findings/0/time", json!("2026-11-23T12:00:01Z")),
        ("/findings/0/evidence", json!([])),
        ("/connections/0/client/port", json!("80")),
        ("/connections/0/first_frame", json!(0)),
        ("/capture/skipped", json!([])),
        ("/schema", json!("afterfin.report/2")),
    ];
    for (pointer, value) in cases {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!errors(&schema(), &bad).is_empty(), "{pointer}");
    }
    let mut missing = good.clone();
    missing["findings"][0].as_object_mut().unwrap().remove("close");
    assert!(!errors(&schema(), &missing).is_empty(), "close may be null, but not be absent");
}

#[test]
fn kinds_of_the_schema_are_those_of_the_model() {
    let schema = schema();
    let names: Vec<_> = schema["$defs"]["kind"]["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, Kind::ALL.map(Kind::as_str));
}

/// Captures below a directory.
fn captures(directory: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng") {
            found.push(path);
        }
    }
}

#[test]
fn reports_on_the_fixtures_hold_to_the_schema() {
    let mut files = Vec::new();
    captures(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut files);
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    let schema = closed(schema());
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for file in files {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_afterfin"))
            .env("AFTERFIN_CONFIG", "")
            .args(["--format", "json"])
            .arg(&file)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&run.stdout).unwrap();
        let errors: Vec<_> = validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

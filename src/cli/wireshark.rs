//! `afterfin wireshark FILE -o DIR`: a configuration profile with the findings of one capture.

use super::args::WiresharkArgs;
use super::options::{self, Input, Zone};
use super::{Failure, Status, interrupt, job, output, say};
use crate::capture::{CaptureOptions, expand};
use crate::export;
use chrono::{Offset, Utc};

/// Runs the subcommand.
pub fn run(args: &WiresharkArgs) -> Result<Status, Failure> {
    let shown = options::shown(&args.selection, &args.stream)?;
    let analysis = options::analysis(&args.analysis, &args.input.separate, &shown)?;
    let files = expand(&args.input.files, args.input.recursive).map_err(|error| Failure::new(&error.to_string()))?;
    let [file] = files.as_slice() else {
        return Err(Failure::new(
            "a profile speaks of the frames of one capture: name one file; mergecap -w one.pcapng makes one of several",
        ));
    };
    if options::is_stdin(file) {
        return Err(Failure::new("a profile belongs to a file that Wireshark can open: save the capture first"));
    }
    let profile = args.output.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or("afterfin").to_owned();
    let input = Input { files: files.clone(), recursive: false, capture: CaptureOptions { hash: args.input.hash } };
    let mut report = job::analyze(&input, &analysis, &interrupt::flag_on_signals()?)?;
    job::narrow(&mut report, &shown, Zone::Fixed(Utc.fix()));
    let directory = &args.output;
    let contents = export::profile(&report);
    for (name, _) in &contents {
        let path = directory.join(name);
        if !args.force && std::fs::symlink_metadata(&path).is_ok() {
            return Err(Failure::file(&path, "exists; --force overwrites it"));
        }
    }
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &format!("cannot be made: {error}")))?;
    for (name, text) in &contents {
        output::write(Some(&directory.join(name)), None, &mut |out| out.write_all(text.as_bytes()))?;
    }
    let findings = report.findings.len();
    say(&format!("{}: {findings} findings written; open it with: wireshark -C {profile} {}", directory.display(), file.display()));
    Ok(job::input_status(&report))
}

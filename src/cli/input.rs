//! The names on the command line → sources for the reader: standard input, files, the captures in directories.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::Failure;
use super::options::{Input, is_stdin};
use crate::capture::{self, Source};

/// What standard input is called in reports and messages.
const STDIN_NAME: &str = "<stdin>";

/// Makes the sources in the order of the arguments; a directory's captures are sorted by name.
pub fn sources(input: &Input) -> Result<Vec<Source>, Failure> {
    let files = capture::expand(&input.files, input.recursive).map_err(|error| Failure::new(&error.to_string()))?;
    let source =
        |file| if is_stdin(file) { Source::Stream(STDIN_NAME.to_owned(), Box::new(io::stdin())) } else { Source::Path(file.to_owned()) };
    Ok(files.iter().map(|file| source(file)).collect())
}

/// Standard input and pipes can be read only once; `why` says who reads twice.
pub fn readable_twice(files: &[PathBuf], why: &str) -> Result<(), Failure> {
    let once = format!("can be read only once, and {why}: save it to a file first");
    if files.is_empty() || files.iter().any(|file| is_stdin(file)) {
        return Err(Failure::new(&format!("standard input {once}, tcpdump -w incident.pcap …")));
    }
    for file in files {
        if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(Failure::file(file, &once));
        }
    }
    Ok(())
}

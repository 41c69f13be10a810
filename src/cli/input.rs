//! The names on the command line → sources for the reader: standard input, files, the captures in directories.

use std::io;

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

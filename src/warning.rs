//! Problems that do not end the job: values that travel to the report and to standard error.

use std::fmt;

/// One problem of the input, with its place and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Index of the input file.
    pub file: u32,
    /// The whole sentence, without the file's name: what was found, where, what was done.
    pub text: String,
    /// Whether a part of the input could not be read (exit status 2).
    pub lost_input: bool,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

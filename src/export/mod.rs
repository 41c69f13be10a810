//! Evidence captures: the frames behind a finding, with the diagnosis as comments, as they were or under pseudonyms.
//!
//! [`plan`] says which frames, out of the report; `write` reads the inputs a second time and writes them. Decoding and tracking are
//! deterministic: the connection that had a number in the first reading has it in the second.

pub mod anonymize;
mod comments;
mod evidence;
mod mapping;
mod output;
mod payload;
mod plan;
mod wireshark;

pub use anonymize::{Anonymizer, Key};
pub use evidence::{Extraction, Options, write};
pub use mapping::write_mapping;
pub use payload::payloads;
pub use plan::{Chosen, Plan, plan, resolve};
pub use wireshark::profile;

/// Why evidence could not be written: one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The output could not be written.
    #[error("{0}")]
    Write(#[from] std::io::Error),
    /// The job itself.
    #[error("{0}")]
    Job(String),
}

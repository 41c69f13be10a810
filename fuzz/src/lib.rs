//! What the fuzzers run: one function per target, from octets that anybody may have written to a check of what must hold.
//!
//! Each target reads its first octet as the choice of what the rest is. Nothing here needs libFuzzer: `tests/hostile.rs` runs the committed
//! corpora and every input that was ever found to break something through the same functions, as plain tests.

pub mod analysis;
pub mod containers;
pub mod decompressors;
pub mod evidence;
pub mod excerpts;
pub mod input;
pub mod links;
pub mod reports;
#[cfg(feature = "arrow")]
pub mod rows;
pub mod segments;
pub mod tunnels;

/// What a target does with its input.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("containers", containers::run),
    ("decompressors", decompressors::run),
    ("links", links::run),
    ("tunnels", tunnels::run),
    ("segments", segments::run),
    ("excerpts", excerpts::run),
    ("analysis", analysis::run),
    ("reports", reports::run),
    ("evidence", evidence::run),
    #[cfg(feature = "arrow")]
    ("rows", rows::run),
];

//! Report → octets: one file per format. `format.rs` holds the only escaping and unit functions.

//! `afterfin`: argv in, octets out, exit code.
fn main() {}

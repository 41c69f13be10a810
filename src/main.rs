//! `afterfin`: argv in, octets out, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(afterfin::cli::run(std::env::args_os()).code())
}

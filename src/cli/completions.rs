//! `afterfin completions SHELL`: a completion script, made from the same definitions as the help.

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs};
use super::{Failure, Status, output};

/// Runs the subcommand.
pub fn run(args: &CompletionsArgs) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), env!("CARGO_PKG_NAME"), &mut script);
    output::write(None, None, &mut |out| out.write_all(&script)).map(|()| Status::Done)
}

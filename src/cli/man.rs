//! `afterfin man`: the manual pages, made from the same definitions as the help.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use super::args::{Cli, ManArgs};
use super::{Failure, Status, output, say};

/// Runs the subcommand.
pub fn run(args: &ManArgs) -> Result<Status, Failure> {
    let mut program = Cli::command();
    program.build();
    let Some(directory) = &args.output else {
        output::write(None, None, &mut |out| page(&program).render(out))?;
        return Ok(Status::Done);
    };
    std::fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &format!("cannot be made: {error}")))?;
    let mut written = 0_usize;
    for command in std::iter::once(&program).chain(program.get_subcommands()) {
        let page = page(command);
        let path = directory.join(page.get_filename());
        output::write(Some(&path), None, &mut |out| page.render(out))?;
        written = written.saturating_add(1);
    }
    say(&format!("{}: {written} manual pages written", directory.display()));
    Ok(Status::Done)
}

/// The page of the program, or of a subcommand.
fn page(command: &Command) -> Man {
    let mut command = command.clone();
    // The section NAME takes one line; what stands in a further paragraph of the help belongs to the description.
    if let Some(about) = command.get_about().map(ToString::to_string)
        && let Some((first, _)) = about.split_once("\n\n")
    {
        command = command.about(first.trim_end_matches('.').to_owned()).long_about(about.clone());
    }
    Man::new(command).manual("afterfin").source(concat!("afterfin ", env!("CARGO_PKG_VERSION")))
}

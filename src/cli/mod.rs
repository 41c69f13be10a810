//! The command line: clap's arguments (raw) → options (validated); one file per subcommand. The only room that names `clap`.

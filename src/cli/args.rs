//! What clap reads, raw: strings and numbers as they were typed. `options` makes them what the library takes.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};

use crate::render::FORMATS;

const INPUT: &str = "Input";
const OUTPUT: &str = "Output";
const SELECTION: &str = "Selection (the analysis always sees everything)";
const THRESHOLDS: &str = "Thresholds (always with a unit: 500ms, 1s, 2m)";
const KNOWLEDGE: &str = "Knowledge";
const RESOURCES: &str = "Resources";

/// What stands under every help page.
const AFTER_HELP: &str = "\
Exit status:
  0  the report was written
  1  it has findings at or above --fail-on
  2  the job could not be done, or part of the input could not be read (the report on the rest is written)";

/// What stands under the help of `extract`.
const EXTRACT_HELP: &str = "\
Without --finding, --stream, --all and a selection, the frames of every finding are written.

Exit status:
  0  the evidence was written
  2  it could not be written, or part of the input could not be read (the evidence in the rest is written)";

#[cfg(feature = "arrow")]
/// What stands under the help of `segments`.
const SEGMENTS_HELP: &str = "\
Without --output the rows go to standard output as an Arrow IPC stream, whose last row says how
many there are: docs/cluster.md is the contract. docs/dataset.md has queries for the tables that
--parquet writes; those of connections and findings beside them are made with:
  afterfin connections FILE… -o DIR/connections.parquet
  afterfin report FILE… -o DIR/findings.parquet

Exit status:
  0  the rows were written
  2  they could not be written, or part of the input could not be read (the rest is written, and says so)";

/// What stands under the help of `reduce`.
const REDUCE_HELP: &str = "\
Rows come as an Arrow IPC stream on standard input, as `segments --one-of-many` writes them,
sorted by flow_hash, order_ns, file, frame, part; every row of a flow goes to the same process.
The last row says how many there were: before it nothing is written. docs/cluster.md has the
contract.

Exit status:
  0  the partial report was written
  2  it was not: the rows have no end, are not sorted, or do not belong to these inputs";

/// What stands under the help of `wireshark`.
const WIRESHARK_HELP: &str = "\
Write the profile where Wireshark looks for profiles, and open the capture with it:
  afterfin wireshark incident.pcap -o ~/.config/wireshark/profiles/incident
  wireshark -C incident incident.pcap";

/// What stands under the help of `config`.
const CONFIG_HELP: &str = "\
A configuration file is TOML:
  [thresholds]
  idle-gap = \"500ms\"
  close-wait = \"30s\"
  retry-window = \"10s\"

It is read from --config, else from AFTERFIN_CONFIG (empty: from nowhere), else from
~/.config/afterfin/config.toml (XDG_CONFIG_HOME) if it is there. What the command line says goes before it.";

/// What stands under the help of `completions`.
const COMPLETIONS_HELP: &str = "\
Where a shell looks for them:
  bash:  afterfin completions bash > ~/.local/share/bash-completion/completions/afterfin
  zsh:   afterfin completions zsh > ~/.zfunc/_afterfin      (with fpath+=~/.zfunc before compinit)
  fish:  afterfin completions fish > ~/.config/fish/completions/afterfin.fish";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "afterfin",
    version,
    about = "Reads packet captures and says which TCP connections were used after the other side had closed or forgotten them, \
                  what it cost, and which timeout to change.\n\nWithout a subcommand it writes the report.",
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    disable_help_flag = true,
    max_term_width = 110
)]
pub struct Cli {
    /// One help, the compact one, whether asked for by `-h` or by `--help`.
    #[arg(short, long, global = true, action = ArgAction::HelpShort, help = "Print this help")]
    help: Option<bool>,
    /// The subcommand; none means report.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The report's arguments, when there is no subcommand.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The main job: findings, timeouts, timelines
    #[command(after_help = AFTER_HELP)]
    Report(ReportArgs),
    /// One row per connection
    #[command(after_help = AFTER_HELP)]
    Connections(ConnectionsArgs),
    /// One connection's life, every event and gap
    #[command(after_help = AFTER_HELP)]
    Timeline(TimelineArgs),
    /// The frames behind a finding as pcapng, with the diagnosis as comments, on request under pseudonyms
    #[command(after_help = EXTRACT_HELP)]
    Extract(ExtractArgs),
    #[cfg(feature = "arrow")]
    /// Segments as rows, for jobs on many machines and for tools that query tables
    #[command(after_help = SEGMENTS_HELP)]
    Segments(SegmentsArgs),
    #[cfg(feature = "arrow")]
    /// The rows of some flows → a partial report, for jobs on many machines
    #[command(after_help = REDUCE_HELP)]
    Reduce(ReduceArgs),
    #[cfg(feature = "arrow")]
    /// Partial reports → the report, as if one process had read all inputs
    #[command(after_help = AFTER_HELP)]
    Merge(MergeArgs),
    /// What a finding means, when it is not a problem, how to fix it
    Explain(ExplainArgs),
    /// The report on a built-in capture, for a first look
    Demo(DemoArgs),
    /// A profile for Wireshark: the findings' frames in colour, a filter button for each finding
    #[command(after_help = WIRESHARK_HELP)]
    Wireshark(WiresharkArgs),
    /// The thresholds that are in force, in the form of a configuration file
    #[command(after_help = CONFIG_HELP)]
    Config(ConfigArgs),
    /// A completion script for a shell, to standard output
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// The manual page, to standard output; with --output a page for each subcommand too
    Man(ManArgs),
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Exit with status 1 if a finding is at least this severe
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "error"], help_heading = OUTPUT)]
    pub fail_on: Option<String>,
    /// Show the first octets of the payload of evidence frames; credentials and queries of HTTP/1 are covered
    #[arg(long, conflicts_with_all = ["anonymize", "anonymize_key"], help_heading = OUTPUT)]
    pub show_payload: bool,
    /// Pseudonyms.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Selection.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only these connections, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = SELECTION)]
    pub stream: Vec<u64>,
    /// Analysis.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// Arguments of `connections`.
#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Pseudonyms.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Selection.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only these connections, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = SELECTION)]
    pub stream: Vec<u64>,
    /// Analysis.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// Arguments of `timeline`.
#[derive(Debug, Args)]
pub struct TimelineArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// The connections to draw, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', required = true)]
    pub stream: Vec<u64>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Pseudonyms.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Analysis.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// Arguments of `extract`.
#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// The findings, as the report numbers them: F3, or F1,F2
    #[arg(long, value_name = "FINDING", value_delimiter = ',', help_heading = SELECTION)]
    pub finding: Vec<String>,
    /// Connections, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = SELECTION)]
    pub stream: Vec<u64>,
    /// Every connection, whether or not there is a finding about it
    #[arg(long, conflicts_with_all = ["finding", "stream"], help_heading = SELECTION)]
    pub all: bool,
    /// Of each connection only N frames before and after each evidence frame
    #[arg(long, value_name = "N", help_heading = SELECTION)]
    pub around: Option<u32>,
    /// Selection.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// The evidence, pcapng; complete or not at all
    #[arg(short, long, value_name = "FILE", required = true, value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
    /// Cut the payload off; lengths stay
    #[arg(long, help_heading = OUTPUT)]
    pub headers_only: bool,
    /// Pseudonyms.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Write what was replaced by what; whoever has this file can undo the anonymisation
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub save_mapping: Option<PathBuf>,
    /// Analysis.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

#[cfg(feature = "arrow")]
/// Arguments of `segments`.
#[derive(Debug, Args)]
pub struct SegmentsArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// Number the inputs from N, so that those of several runs have numbers of their own
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = INPUT)]
    pub first_file: u32,
    /// The file is input N (--first-file) of many that are read apart: with what is needed to put their rows together
    #[arg(long, conflicts_with = "parquet", help_heading = INPUT)]
    pub one_of_many: bool,
    /// Write to a file, or with --parquet to files in a directory; complete or not at all
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath, help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
    /// Overwrite files that exist
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
    /// Write tables as Parquet: segments, evidence, frames, inputs, interfaces and names
    #[arg(long, help_heading = OUTPUT)]
    pub parquet: bool,
    /// Leave the beginnings and ends of payloads out; lengths stay
    #[arg(long, help_heading = OUTPUT)]
    pub headers_only: bool,
}

#[cfg(feature = "arrow")]
/// Arguments of `reduce`.
#[derive(Debug, Args)]
pub struct ReduceArgs {
    /// The account of all inputs: their rows with flow_hash 0, as an Arrow IPC stream
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required = true, help_heading = INPUT)]
    pub inputs: PathBuf,
    /// Write to a file, complete or not at all
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
    /// Overwrite a file that exists
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
    /// Thresholds.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
}

#[cfg(feature = "arrow")]
/// Arguments of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Partial reports, as `reduce` writes them: every one of the job, in any order
    #[arg(value_name = "PARTIAL", value_hint = ValueHint::FilePath, required = true)]
    pub partials: Vec<PathBuf>,
    /// The account of all inputs that the partial reports were made with
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required = true, help_heading = INPUT)]
    pub inputs: PathBuf,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Exit with status 1 if a finding is at least this severe
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "error"], help_heading = OUTPUT)]
    pub fail_on: Option<String>,
    /// Pseudonyms.
    #[command(flatten)]
    pub anonymize: AnonymizeArgs,
    /// Selection.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only these connections, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = SELECTION)]
    pub stream: Vec<u64>,
    /// Thresholds.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
    /// An idle timeout that you know and the captures do not show: client=300s, server=10s, 10.0.0.5=60s
    #[arg(long, value_name = "WHO=TIME", value_delimiter = ',', help_heading = KNOWLEDGE)]
    pub assume: Vec<String>,
}

/// Pseudonyms in place of addresses and names.
#[derive(Debug, Args)]
pub struct AnonymizeArgs {
    /// Replace addresses and names by pseudonyms; in a capture the payload too
    #[arg(long, help_heading = OUTPUT)]
    pub anonymize: bool,
    /// Make the pseudonyms with the key in this file, so that they are the same every time [default: a random key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub anonymize_key: Option<PathBuf>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The kind of finding; without it, the list of kinds. `timeouts` lists known default timeouts
    #[arg(value_name = "KIND")]
    pub word: Option<String>,
    /// After `timeouts`: words that a row has to contain, such as nginx or 60s
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// Never start a pager [default: what is longer than the terminal goes through PAGER, or less]
    #[arg(long)]
    pub no_pager: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `wireshark`.
#[derive(Debug, Args)]
pub struct WiresharkArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,
    /// The directory of the profile; its last component is the profile's name
    #[arg(short, long, value_name = "DIR", required = true, value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub output: PathBuf,
    /// Replace the profile's files if they exist
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
    /// Selection.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Only these connections, by the number that Wireshark calls tcp.stream
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = SELECTION)]
    pub stream: Vec<u64>,
    /// Analysis.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Thresholds.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of the program and of every subcommand into this directory
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
}

/// What is read.
#[derive(Debug, Args)]
pub struct InputArgs {
    /// Captures: pcap or pcapng, compressed or not, recognised by content; `-` is standard input. Several are one capture
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Read the captures in directories, and in the directories in them
    #[arg(long, help_heading = INPUT)]
    pub recursive: bool,
    /// Keep apart what has the same addresses in different VLANs, network identifiers or interfaces
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = ["vlan", "vni", "interface"], help_heading = INPUT)]
    pub separate: Vec<String>,
    /// Put the SHA-256 of every input into the report
    #[arg(long, help_heading = INPUT)]
    pub hash: bool,
}

/// What is written, where and how.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Output format [default: by the extension of --output, else text]
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(FORMATS.iter().map(|format| format.name)), help_heading = OUTPUT)]
    pub format: Option<String>,
    /// Write to a file, complete or not at all
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub output: Option<PathBuf>,
    /// Colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "always", "never"], help_heading = OUTPUT)]
    pub color: String,
    /// Links from file names; auto: on a terminal that is known to have them
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = ["auto", "always", "never"], help_heading = OUTPUT)]
    pub hyperlinks: String,
    /// Never start a pager [default: what is longer than the terminal goes through PAGER, or less]
    #[arg(long, help_heading = OUTPUT)]
    pub no_pager: bool,
    /// Show times at this offset from UTC, such as +02:00 [default: UTC]
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true, help_heading = OUTPUT)]
    pub timezone: Option<String>,
    /// Show times in this machine's zone, at its offset when the capture begins
    #[arg(long, conflicts_with = "timezone", help_heading = OUTPUT)]
    pub local: bool,
    /// Show names beside addresses, from a file in the format of /etc/hosts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = OUTPUT)]
    pub names: Option<PathBuf>,
}

/// What is shown.
#[derive(Debug, Args)]
pub struct SelectionArgs {
    /// Only connections of this address
    #[arg(long, value_name = "IP", value_delimiter = ',', help_heading = SELECTION)]
    pub host: Vec<String>,
    /// Only connections of this port
    #[arg(long, value_name = "PORT", value_delimiter = ',', help_heading = SELECTION)]
    pub port: Vec<u16>,
    /// Only what was alive at or after this time: RFC 3339, or HH:MM:SS on the capture's first day
    #[arg(long, value_name = "TIME", help_heading = SELECTION)]
    pub from: Option<String>,
    /// Only what was alive at or before this time
    #[arg(long, value_name = "TIME", help_heading = SELECTION)]
    pub to: Option<String>,
    /// Only findings of this kind (see `afterfin explain`)
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = SELECTION)]
    pub kind: Vec<String>,
    /// Only findings at least this severe
    #[arg(long, value_name = "SEVERITY", value_parser = ["info", "warning", "error"], help_heading = SELECTION)]
    pub min_severity: Option<String>,
}

/// What changes the analysis.
#[derive(Debug, Args)]
pub struct AnalysisArgs {
    /// Thresholds.
    #[command(flatten)]
    pub thresholds: ThresholdArgs,
    /// An idle timeout that you know and the capture does not show: client=300s, server=10s, 10.0.0.5=60s
    #[arg(long, value_name = "WHO=TIME", value_delimiter = ',', help_heading = KNOWLEDGE)]
    pub assume: Vec<String>,
    /// Threads to use, the processor's by default; the report is the same whatever their number (more than two bring nothing)
    #[arg(long, value_name = "N", help_heading = RESOURCES)]
    pub threads: Option<String>,
    /// Upper bound of what is kept of connections: beyond it those that have ended, then those that never came about are reduced to counts; the
    /// report says so
    #[arg(long, value_name = "SIZE", default_value = "2GiB", help_heading = RESOURCES)]
    pub max_memory: String,
}

/// From when on something counts.
#[derive(Debug, Args)]
pub struct ThresholdArgs {
    /// Silence of the application that counts as an idle gap [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = THRESHOLDS)]
    pub idle_gap: Option<String>,
    /// Time that a half-closed connection may be kept before it is a leak [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = THRESHOLDS)]
    pub close_wait: Option<String>,
    /// Time within which the same request on another connection is a retry [default: 10s]
    #[arg(long, value_name = "TIME", help_heading = THRESHOLDS)]
    pub retry_window: Option<String>,
    /// Read thresholds from this file [default: see `afterfin config --help`]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "no_config", help_heading = THRESHOLDS)]
    pub config: Option<PathBuf>,
    /// Read no configuration file, so that the report is the same for everybody
    #[arg(long, help_heading = THRESHOLDS)]
    pub no_config: bool,
}

//! Writes a capture for measurements: `cargo run --release --example workload -- web 100000 web.pcap`.
//!
//! `workload web|small|many CONNECTIONS FILE`: pcapng if the name ends in `.pcapng`, `-` is standard output. Tells the totals as JSON on standard
//! error. `benches/workload` says what is in it.

#![allow(clippy::print_stderr)] // a program

#[path = "../benches/workload/mod.rs"]
mod workload;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use workload::{Container, Kind, Workload};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = match arguments.as_slice() {
        [kind, connections, path] => parse(kind, connections).map(|workload| (workload, path.as_str())),
        _ => None,
    };
    let Some((workload, path)) = wanted else {
        eprintln!("usage: workload web|small|many CONNECTIONS FILE");
        return ExitCode::from(2);
    };
    match write(&workload, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(kind: &str, connections: &str) -> Option<Workload> {
    let kind = match kind {
        "web" => Kind::Web,
        "small" => Kind::Small,
        "many" => Kind::Many,
        _ => return None,
    };
    Some(Workload::new(kind, connections.parse().ok()?))
}

fn write(workload: &Workload, path: &str) -> io::Result<()> {
    let sink: Box<dyn Write> = if path == "-" { Box::new(io::stdout().lock()) } else { Box::new(File::create(path)?) };
    let mut sink = BufWriter::with_capacity(1 << 20, sink);
    let container = if path.to_ascii_lowercase().ends_with(".pcapng") { Container::Pcapng } else { Container::Pcap };
    let totals = workload.write(container, &mut sink)?;
    sink.flush()?;
    eprintln!("{{\"connections\": {}, \"packets\": {}, \"octets\": {}}}", totals.connections, totals.packets, totals.octets);
    Ok(())
}

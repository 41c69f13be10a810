//! Captures written as text: packetdrill-like scripts become the octets of a pcap or pcapng file.
//!
//! TCP behaviour is easier to judge in six lines of text than in a hex dump. A script names its hosts and then lists frames:
//!
//! ```text
//! # a comment runs to the end of the line
//! host C 10.0.0.1:40000 ttl=63 ts=1000
//! host S 10.0.0.2:80
//! 0.000 C>S SYN mss=1460 wscale=7 sack
//! 0.010 S>C SYN,ACK
//! 0.010 C>S ACK
//! +0.01 C>S PSH,ACK "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" name=request
//! +0.00001 again @if1 ttl=62
//! ```
//!
//! **Directives.** `host NAME ADDRESS:PORT [mac=02:…] [ttl=64] [win=64240] [isn=1000] [id=N] [ts=BASE]` declares an endpoint: the
//! n-th host begins at sequence 1000 + 4000 n; `id=0` keeps its IP-ID at 0; `ts=` gives all its segments timestamps that count
//! milliseconds from BASE. `start SECONDS` sets the epoch of time 0, `snap N` the snap length, `link ethernet|sll|sll2|raw` the
//! link type.
//!
//! **Frames.** `TIME SRC>DST FLAGS [attributes] [payload]`. TIME is seconds since the start, or `+SECONDS` since the line before.
//! FLAGS are names joined by commas, or `-`. Left out, `seq` is the sender's `snd_nxt` (for an RST without ACK: the acknowledgement
//! number that the peer sent last, as Linux replies) and `ack` its `rcv_nxt`; both may be written absolutely or as `nxt-1`, `isn+1`.
//! A SYN whose sequence number is new, or a second SYN without one, begins another incarnation (its numbers 100,000 further on).
//!
//! **Attributes.** TCP: `seq ack win urg mss wscale sack sackblock=LEFT-RIGHT ts=VALUE/ECHO ts=none opt=KIND:HEX`.
//! IP and link: `ttl id smac dmac vlan vxlan=VNI pad=OCTETS iplen=0 snap=N cut frag=FROM-TO` (`cut`: the record claims no more than was kept;
//! `frag`: an IPv4 fragment with these octets of the packet's payload, FROM- for the last one).
//! Script: `name=WORD`, `uncaptured` (sent and delivered, not in the file), `undelivered` (in the file, never received), `@ifN` (the
//! capture interface).
//!
//! **Payload.** `"text"` with `\r \n \t \" \\ \xHH`, or `hex=…`, or `len=N` (a pattern that depends on the sequence number alone, so that
//! a retransmission carries the same octets); text or hex with `len=N` is filled up with the pattern.
//!
//! **Repetition.** `again [NAME]` observes the last (or the named) frame once more, the same to the octet but for the attributes given and
//! `as=SRC>DST` (translated addresses). `resend [NAME]` sends it again: new IP-ID, acknowledgement and timestamp.
//! `SRC>DST ICMP type=T code=C [mtu=N] of=NAME` quotes the named segment.

// Each test crate that includes this module uses another part of it; a script that is wrong ends its test with a panic.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod file;
mod parse;
mod play;
mod wire;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use afterfin::analyzer::analyze;
use afterfin::capture::{Capture, CaptureOptions, Source};
use afterfin::options::AnalysisOptions;
use afterfin::report::Report;

pub use parse::Link;
pub use play::{Content, Packet, Tcp};

/// A script that was played: its packets in file order and how they are stored.
pub struct Script {
    /// What is in the file, in order; the n-th is frame n + 1.
    pub packets: Vec<Packet>,
    /// The link type of the file.
    pub link: Link,
}

impl Script {
    /// Plays a script; an error names the line.
    pub fn try_new(text: &str) -> Result<Self, String> {
        let program = parse::parse(text)?;
        let link = program.link;
        Ok(Self { packets: play::play(&program)?, link })
    }

    /// Plays a script that must be right.
    pub fn new(text: &str) -> Self {
        Self::try_new(text).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads and plays `fixtures/crafted/NAME.script`.
    pub fn crafted(name: &str) -> Self {
        let path = crafted_directory().join(name).with_extension("script");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::try_new(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The octets of the capture: pcap, or pcapng when an interface was named.
    pub fn bytes(&self) -> Vec<u8> {
        file::write(&self.packets, self.link)
    }

    /// The 1-based number of the frame with this `name=`.
    pub fn frame(&self, name: &str) -> u64 {
        let index = self.packets.iter().position(|packet| packet.name.as_deref() == Some(name));
        index.map_or_else(|| panic!("no frame is named {name}"), |index| index as u64 + 1)
    }

    /// What afterfin says about the capture, with the default options.
    pub fn report(&self) -> Report {
        report_of(self.bytes(), &AnalysisOptions::default())
    }
}

/// The octets of a script.
pub fn bytes(text: &str) -> Vec<u8> {
    Script::new(text).bytes()
}

/// What afterfin says about a script, with the default options.
pub fn report(text: &str) -> Report {
    Script::new(text).report()
}

/// What afterfin says about the octets of a capture.
pub fn report_of(bytes: Vec<u8>, options: &AnalysisOptions) -> Report {
    let source = Source::Stream("script".into(), Box::new(Cursor::new(bytes)));
    let capture =
        Capture::open(vec![source], &CaptureOptions::default()).unwrap_or_else(|error| panic!("the capture does not open: {error}"));
    analyze(capture, options, &AtomicBool::new(false), &mut |_, _| {})
}

/// Where the crafted scripts and their captures are.
pub fn crafted_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crafted")
}

/// Names of the crafted scripts, sorted, without their extension.
pub fn crafted_names() -> Vec<String> {
    let entries = std::fs::read_dir(crafted_directory()).expect("fixtures/crafted is readable");
    let paths = entries.map(|entry| entry.expect("the entry is readable").path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|extension| extension == "script"));
    let mut names: Vec<String> = scripts.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

//! The names on the command line → sources for the reader: standard input, files, directories to walk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::Failure;
use super::options::{Input, is_stdin};
use crate::capture::Source;

/// What standard input is called in reports and messages.
const STDIN_NAME: &str = "<stdin>";
/// Octets of standard input per read: a pipe's capacity on Linux is 64 KiB (pipe(7)), a file's read-ahead 128 KiB or more.
const CHUNK: usize = 256 << 10;
/// Chunks read ahead.
const CHUNKS_AHEAD: usize = 4;
/// How often a quiet standard input looks whether it was interrupted.
const INTERRUPT_CHECK: Duration = Duration::from_millis(100);

/// Makes the sources in the order of the arguments; a directory's captures are sorted by name.
pub fn sources(input: &Input, interrupted: &Arc<AtomicBool>) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    for file in &input.files {
        if is_stdin(file) {
            sources.push(Source::Stream(STDIN_NAME.to_owned(), Box::new(InterruptibleStdin::start(Arc::clone(interrupted)))));
        } else if file.is_dir() {
            if !input.recursive {
                return Err(Failure::file(file, "is a directory; --recursive reads the captures in it"));
            }
            let captures = walk(file)?;
            if captures.is_empty() {
                return Err(Failure::file(file, "no captures in this directory"));
            }
            sources.extend(captures.into_iter().map(Source::Path));
        } else {
            sources.push(Source::Path(file.clone()));
        }
    }
    Ok(sources)
}

/// The captures in a directory and below, sorted; symbolic links to directories are not followed, so that no loop can trap the walk.
fn walk(top: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let mut captures = BTreeSet::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| Failure::file(&directory, &error.to_string()))?;
        for entry in entries {
            let entry = entry.map_err(|error| Failure::file(&directory, &error.to_string()))?;
            let kind = entry.file_type().map_err(|error| Failure::file(&entry.path(), &error.to_string()))?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if entry.path().is_file() && looks_like_a_capture(&entry.path()) {
                captures.insert(entry.path());
            }
        }
    }
    Ok(captures)
}

/// Whether a file found in a walk is worth opening: a capture's magic number, or a compressed file that is called a capture. What
/// the user names himself is never asked this.
fn looks_like_a_capture(path: &Path) -> bool {
    const MAGICS: [[u8; 4]; 7] = [
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x34, 0xcd, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xcd, 0x34],
        [0x0a, 0x0d, 0x0d, 0x0a],
    ];
    const COMPRESSED: [&str; 6] = ["gz", "zst", "lz4", "bz2", "xz", "zstd"];
    let mut head = [0; 4];
    if File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_err() {
        return false;
    }
    let is_called_capture = || {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| COMPRESSED.contains(&extension))
            && [".pcap", ".cap", ".dmp"].iter().any(|part| name.contains(part))
    };
    MAGICS.contains(&head) || is_called_capture()
}

/// Standard input that ends when the run is interrupted: a quiet pipe would else hold the report back until its next octet.
struct InterruptibleStdin {
    chunks: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    position: usize,
    interrupted: Arc<AtomicBool>,
}

impl InterruptibleStdin {
    fn start(interrupted: Arc<AtomicBool>) -> Self {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut chunk = vec![0; CHUNK];
                let read = stdin.read(&mut chunk).map(|octets| {
                    chunk.truncate(octets);
                    chunk
                });
                let is_last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if sender.send(read).is_err() || is_last {
                    break;
                }
            }
        });
        Self { chunks, current: Vec::new(), position: 0, interrupted }
    }
}

impl Read for InterruptibleStdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.position >= self.current.len() {
            if self.interrupted.load(Ordering::Relaxed) {
                return Ok(0);
            }
            match self.chunks.recv_timeout(INTERRUPT_CHECK) {
                Ok(chunk) => {
                    self.current = chunk?;
                    self.position = 0;
                    if self.current.is_empty() {
                        return Ok(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let octets = self.current.get(self.position..).unwrap_or_default().read(buffer)?;
        self.position = self.position.saturating_add(octets);
        Ok(octets)
    }
}

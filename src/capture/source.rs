//! Where octets come from: files by name and streams, with what is counted and hashed on the way.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// What passed through a [`Tap`]: shared between the thread that reads and the one that reports.
#[derive(Debug, Default)]
pub(super) struct Meter {
    octets: AtomicU64,
    digest: Mutex<Option<Sha256>>,
    hash: bool,
    regular: bool,
    ended: AtomicBool,
    read_on: AtomicBool,
}

impl Meter {
    /// Makes a meter, with a hash if asked for; a regular file has an end that can be reached without waiting.
    pub(super) fn new(hash: bool, regular: bool) -> Arc<Self> {
        Arc::new(Self { digest: Mutex::new(hash.then(Sha256::new)), hash, regular, ..Self::default() })
    }

    /// Says whether the rest of the file is read for its hash when its reader is dropped.
    pub(super) fn read_on_when_dropped(&self, read_on: bool) {
        self.read_on.store(read_on, Ordering::Release);
    }

    /// Octets read as stored.
    pub(super) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// The SHA-256 in lower-case hexadecimal; `None` unless asked for and the source was read to its end.
    pub(super) fn sha256(&self) -> Option<String> {
        if !self.ended.load(Ordering::Acquire) {
            return None;
        }
        let digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner).take()?.finalize();
        let mut hexadecimal = String::with_capacity(64);
        for octet in digest {
            // Writing to a String cannot fail.
            let _ = write!(hexadecimal, "{octet:02x}");
        }
        Some(hexadecimal)
    }
}

/// A reader that counts and hashes what it reads.
pub(super) struct Tap {
    inner: Box<dyn Read + Send>,
    meter: Arc<Meter>,
}

impl Tap {
    /// Puts a tap on a reader.
    pub(super) fn new(inner: Box<dyn Read + Send>, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

/// The hash is of the whole file, so the rest of a damaged one is read too.
impl Drop for Tap {
    fn drop(&mut self) {
        if !(self.meter.hash && self.meter.regular && self.meter.read_on.load(Ordering::Acquire)) {
            return;
        }
        let mut rest = vec![0; 64 * 1024];
        while !self.meter.ended.load(Ordering::Acquire) {
            match self.read(&mut rest) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

impl Read for Tap {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let octets = self.inner.read(into)?;
        self.meter.octets.fetch_add(octets as u64, Ordering::Relaxed);
        if octets == 0 && !into.is_empty() {
            self.meter.ended.store(true, Ordering::Release);
        }
        if self.meter.hash
            && let Some(digest) = self.meter.digest.lock().unwrap_or_else(PoisonError::into_inner).as_mut()
        {
            digest.update(into.get(..octets).unwrap_or_default());
        }
        Ok(octets)
    }
}

/// Whether a path names a FIFO, whose opening may wait.
pub(super) fn is_fifo(path: &Path) -> bool {
    #[cfg(unix)]
    return std::fs::metadata(path).is_ok_and(|metadata| std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()));
    #[cfg(not(unix))]
    return false;
}

/// A FIFO, opened when it is first read, in the thread that may wait: that takes until somebody opens it for writing (fifo(7)), and no signal
/// ends it.
pub(super) struct Fifo {
    path: PathBuf,
    file: Option<File>,
}

impl Fifo {
    /// Does not open it yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }
}

impl Read for Fifo {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        self.file.insert(file).read(into)
    }
}

/// An opened path.
pub(super) struct OpenedFile {
    /// The file.
    pub(super) file: File,
    /// Its size, if it is a regular file and can therefore be read again; a FIFO or a device has none.
    pub(super) size: Option<u64>,
}

/// Opens a file for reading; the error is one sentence without the name, with the way out where there is one.
pub(super) fn open_file(path: &Path) -> Result<OpenedFile, OpenError> {
    let file = File::open(path).map_err(|error| OpenError::of(&error))?;
    let metadata = file.metadata().map_err(|error| OpenError::of(&error))?;
    if metadata.is_dir() {
        return Err(OpenError::new("is a directory: name the captures in it, or use --recursive".into()));
    }
    Ok(OpenedFile { file, size: metadata.is_file().then_some(metadata.len()) })
}

/// Why a file does not open.
#[derive(Debug)]
pub(super) struct OpenError {
    /// The sentence.
    pub(super) text: String,
    /// The limit of open files is reached: try again when another one is closed.
    pub(super) too_many_open: bool,
}

impl OpenError {
    /// An error that no other try changes.
    pub(super) fn new(text: String) -> Self {
        Self { text, too_many_open: false }
    }

    fn of(error: &io::Error) -> Self {
        // ENFILE and EMFILE have these numbers on every Unix; elsewhere they are other errors that never come from opening a file.
        let too_many_open = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
        let text = match error.kind() {
            io::ErrorKind::NotFound => "no such file".into(),
            io::ErrorKind::PermissionDenied => "no permission to read it".into(),
            _ => format!("cannot be opened: {error}"),
        };
        Self { text, too_many_open }
    }
}

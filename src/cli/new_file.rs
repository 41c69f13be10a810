//! Files that must not exist yet: they appear complete or not at all, and nothing is overwritten unless the user says so.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::Failure;
use crate::export::ExportError;

/// Octets gathered before they are written.
const BUFFER: usize = 256 << 10;

/// The target is no input and, unless forced, does not exist.
pub fn check_target(target: &Path, inputs: &[PathBuf], force: bool) -> Result<(), Failure> {
    let place = target.canonicalize();
    if let Ok(place) = &place
        && let Some(file) = inputs.iter().find(|file| file.canonicalize().is_ok_and(|file| file == *place))
    {
        return Err(Failure::file(file, "is an input, and inputs are never written to"));
    }
    if fs::symlink_metadata(target).is_ok() && !force {
        return Err(Failure::file(target, "exists; --force overwrites it"));
    }
    Ok(())
}

/// Who may read a new file.
#[derive(Clone, Copy)]
pub enum Access {
    /// Whoever the user's mask lets.
    ByUmask,
    /// The user alone: the file undoes an anonymisation.
    OwnerOnly,
}

#[cfg(unix)]
impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::ByUmask => 0o666,
            Self::OwnerOnly => 0o600,
        }
    }
}

/// Writes under a temporary name in the same directory, then renames; what was written before a failure goes.
pub fn to_new_file<T>(
    path: &Path,
    force: bool,
    access: Access,
    render: impl FnOnce(&mut dyn Write) -> Result<T, ExportError>,
) -> Result<T, Failure> {
    let failed = |error: &io::Error| Failure::file(path, &format!("cannot be written: {error}"));
    let mut temporary = temporary_beside(path, access).map_err(|error| failed(&error))?;
    let mut sink = BufWriter::with_capacity(BUFFER, temporary.as_file_mut());
    let result = render(&mut sink).and_then(|value| sink.flush().map(|()| value).map_err(ExportError::Write));
    if result.is_err() {
        // What is left in the buffer must not be tried once more when it is dropped.
        let _ = sink.into_parts();
    } else {
        drop(sink);
    }
    let value = result.map_err(|error| match error {
        ExportError::Write(error) => failed(&error),
        ExportError::Job(text) => Failure::new(&text),
    })?;
    appear(temporary, path, force)?;
    Ok(value)
}

/// A file under a temporary name in the directory of `path`.
pub fn temporary_beside(path: &Path, access: Access) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".afterfin-");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(access.mode());
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(directory)
}

/// Gives a file that is whole its name.
pub fn appear(temporary: NamedTempFile, path: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: &io::Error| Failure::file(path, &format!("cannot be written: {error}"));
    temporary.as_file().sync_all().map_err(|error| failed(&error))?;
    let persisted = if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    persisted.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => Failure::file(path, "exists; --force overwrites it"),
        _ => failed(&error.error),
    })?;
    Ok(())
}

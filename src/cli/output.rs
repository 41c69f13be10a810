//! Standard output, or a file that appears complete or not at all.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::Failure;
use super::pager::Pager;

/// Octets gathered before they are written.
const BUFFER: usize = 64 << 10;

/// Writes to a file (under a temporary name in the same directory, then renamed), or to standard output, through a pager if there is one.
/// A closed pipe is no error.
pub fn write(
    file: Option<&Path>,
    pager: Option<(&Pager, &AtomicBool)>,
    render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let to_stdout = |render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| match pager {
        Some((pager, interrupted)) => pager.write(interrupted, |sink| buffered(sink, render)),
        None => buffered(io::stdout().lock(), render),
    };
    match file {
        Some(path) => to_file(path, render).map_err(|error| Failure::file(path, &format!("cannot be written: {error}"))),
        None => match to_stdout(render) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| Failure::new(&format!("standard output cannot be written: {error}"))),
        },
    }
}

fn buffered(sink: impl Write, render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut sink = BufWriter::with_capacity(BUFFER, sink);
    let result = render(&mut sink).and_then(|()| sink.flush());
    if result.is_err() {
        // What is left in the buffer must not be tried once more when it is dropped.
        let _ = sink.into_parts();
    }
    result
}

fn to_file(path: &Path, render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        // A pipe or a device: there is nothing to rename over.
        return buffered(fs::OpenOptions::new().write(true).open(path)?, render);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".afterfin-");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    let mut temporary = builder.tempfile_in(directory)?;
    buffered(temporary.as_file_mut(), render)?;
    // Only now does a disk that is full, or a server that is gone, tell.
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

//! Directories → the captures in them.

use std::fs;
use std::path::{Path, PathBuf};

use super::CaptureError;
use super::input::is_capture;
use crate::frame::FrameId;

/// Directories within directories; a path has 4096 octets on Linux, and nobody nests captures deeper.
const MAX_DEPTH: usize = 64;

/// Replaces every directory among the paths by the captures in it and below it, in the order of their names; everything else stays as
/// it is. A file in a directory is a capture if it begins as one, compressed or not, whatever its name is. Without `recursive` a
/// directory is an error. Symbolic links to directories are not followed.
pub fn expand(paths: &[PathBuf], recursive: bool) -> Result<Vec<PathBuf>, CaptureError> {
    let mut expanded = Vec::new();
    for path in paths {
        if !path.is_dir() {
            expanded.push(path.clone());
            continue;
        }
        if !recursive {
            return Err(CaptureError(format!("{}: is a directory: name the captures in it, or use --recursive", path.display())));
        }
        let before = expanded.len();
        walk(path, 0, &mut expanded)?;
        if expanded.len() == before {
            return Err(CaptureError(format!("{}: holds no capture", path.display())));
        }
    }
    Ok(expanded)
}

fn walk(directory: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<(), CaptureError> {
    let unreadable = |error: std::io::Error| CaptureError(format!("{}: cannot be listed: {error}", directory.display()));
    let mut entries = fs::read_dir(directory).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&path, depth.saturating_add(1), into)?;
        } else if !kind.is_dir() && into.len() <= FrameId::MAX_FILES as usize && is_capture(&path) {
            into.push(path);
        }
    }
    Ok(())
}

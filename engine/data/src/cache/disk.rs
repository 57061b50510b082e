use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::shelf::Key;

/// A finished sample on the disk.
#[derive(Debug)]
pub(super) struct Listed {
    pub key: Key,
    pub folder: PathBuf,
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
}

/// All finished samples, with their sizes and times of last use.
pub(super) fn list(samples: &Path) -> std::io::Result<Vec<Listed>> {
    let mut out = Vec::new();
    for (group, _) in entries(samples)? {
        for (folder, name) in entries(&group)? {
            let Ok(key) = Key::from_str_radix(&name, 16) else { continue };
            let used =
                std::fs::metadata(folder.join(USED)).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            out.push(Listed { key, bytes: size_of(&folder), used, folder });
        }
    }
    Ok(out)
}

/// The file of a sample whose time is that of its last use.
const USED: &str = "zarr.json";

/// Bytes of the files in a folder and below.
pub(super) fn size_of(folder: &Path) -> u64 {
    let sizes =
        entries(folder).unwrap_or_default().into_iter().map(|(path, _)| match std::fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => size_of(&path),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        });
    sizes.sum()
}

/// Path and name of what is in a folder.
pub(super) fn entries(folder: &Path) -> std::io::Result<Vec<(PathBuf, String)>> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        out.push((entry.path(), entry.file_name().to_string_lossy().into_owned()));
    }
    Ok(out)
}

/// Sets the time of last use; no oftener than each second.
pub(super) fn touch(folder: &Path) {
    let now = SystemTime::now();
    let Ok(file) = OpenOptions::new().append(true).open(folder.join(USED)) else { return };
    let then = file.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if now.duration_since(then).is_ok_and(|age| age > Duration::from_secs(1)) {
        file.set_modified(now).ok();
    }
}

/// Makes a new name last through a power failure, where folders can be synced.
pub(super) fn sync(folder: Option<&Path>) {
    if cfg!(unix)
        && let Some(file) = folder.and_then(|f| File::open(f).ok())
    {
        file.sync_all().ok();
    }
}

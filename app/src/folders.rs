use std::io::Write;
use std::path::{Path, PathBuf};

/// Where preprocessed volumes are kept from one run to the next: in the user's cache folder, or else beside the run `out`.
pub(crate) fn sample_cache(out: &Path) -> PathBuf {
    let dirs = directories::ProjectDirs::from("", "", "voco-workbench");
    dirs.map_or_else(|| out.to_owned(), |d| d.cache_dir().to_owned()).join("samples")
}

/// Writes a file beside its place, flushes it and renames it: it is there whole or not at all.
///
/// # Errors
/// If the folder cannot be written to.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

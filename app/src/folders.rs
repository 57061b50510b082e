use std::path::{Path, PathBuf};

/// Where preprocessed volumes are kept from one run to the next: in the user's cache folder, or else beside the run `out`.
pub(crate) fn sample_cache(out: &Path) -> PathBuf {
    let dirs = directories::ProjectDirs::from("", "", "voco-workbench");
    dirs.map_or_else(|| out.to_owned(), |d| d.cache_dir().to_owned()).join("samples")
}

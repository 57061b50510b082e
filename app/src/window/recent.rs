use std::path::{Path, PathBuf};

/// Most files remembered.
const KEPT: usize = 12;

/// Files opened lately, newest first, kept in the user's configuration folder.
pub(super) struct RecentFiles {
    paths: Vec<PathBuf>,
    file: Option<PathBuf>,
}

impl RecentFiles {
    /// From the last session; empty where there is none or it cannot be read.
    pub fn load() -> Self {
        let dirs = directories::ProjectDirs::from("", "", "voco-workbench");
        let file = dirs.map(|d| d.config_dir().join("recent.json"));
        let paths = file
            .as_ref()
            .and_then(|f| std::fs::read(f).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self { paths, file }
    }

    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// Puts a file first and saves the list. That it could not be saved costs a convenience, so nothing is said.
    pub fn add(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.paths.retain(|p| *p != path);
        self.paths.insert(0, path);
        self.paths.truncate(KEPT);
        let Some(file) = &self.file else { return };
        let save = || -> std::io::Result<()> {
            let folder = file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let temporary = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(temporary.as_file(), &self.paths)?;
            temporary.persist(file)?;
            Ok(())
        };
        save().ok();
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::i18n;

/// The list of runs on disk, and what is shown of them.
#[derive(Default)]
pub struct RunsState {
    /// The window is open.
    pub is_open: bool,
    /// Where the runs lie; none = the program's own folder.
    pub root: Option<PathBuf>,
    /// Newest first.
    pub list: Vec<RunSummary>,
    /// The list is being read.
    pub is_loading: bool,
    /// Those whose curves are drawn together.
    pub compared: BTreeSet<PathBuf>,
    /// The one whose details are shown.
    pub focus: Option<PathBuf>,
    /// Curves read so far.
    pub curves: BTreeMap<PathBuf, Arc<RunCurves>>,
    /// The curve that is drawn.
    pub series: String,
    /// A note that is being written, and of which run.
    pub draft: Option<(PathBuf, String)>,
}

/// A run on disk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSummary {
    /// Its folder.
    pub folder: PathBuf,
    /// Name of the folder.
    pub name: String,
    /// Settings by name, as its `config.json` has them.
    pub settings: Vec<(String, String)>,
    /// Last line of its log, by name.
    pub last: Vec<(String, f64)>,
    /// Last validation, by name.
    pub validation: Vec<(String, f64)>,
    /// Steps done.
    pub steps: u64,
    /// When something was last written, in seconds since 1970.
    pub changed_at: u64,
    /// What the user wrote about it.
    pub note: String,
    /// What was trained.
    pub kind: RunKind,
    /// A checkpoint is there.
    pub has_checkpoint: bool,
    /// One is known as the best.
    pub has_best: bool,
}

/// What a run trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunKind {
    /// The contrast of volumes alone.
    #[default]
    Pretrain,
    /// A whole network with labels, by a recipe of pre-training.
    Omni,
    /// A whole network for a task.
    Finetune,
}

impl RunKind {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Pretrain => i18n::text("runs-kind-pretrain"),
            Self::Omni => i18n::text("runs-kind-labelled"),
            Self::Finetune => i18n::text("runs-kind-finetune"),
        }
    }
}

/// The numbers of a run over its steps, thinned to what a plot can show.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunCurves {
    /// By name; validation curves begin with "validation".
    pub series: BTreeMap<String, Vec<[f64; 2]>>,
}

impl RunsState {
    /// The run of that folder.
    pub fn find(&self, folder: &std::path::Path) -> Option<&RunSummary> {
        self.list.iter().find(|r| r.folder == folder)
    }

    /// Names of all curves of the compared runs.
    pub fn series_names(&self) -> BTreeSet<&str> {
        self.compared
            .iter()
            .filter_map(|folder| self.curves.get(folder))
            .flat_map(|c| c.series.keys().map(String::as_str))
            .collect()
    }

    /// Takes a newly read list; what is no longer there is no longer compared.
    pub fn set_list(&mut self, list: Vec<RunSummary>) {
        let is_there = |folder: &PathBuf| list.iter().any(|r| &r.folder == folder);
        self.compared.retain(is_there);
        self.focus = self.focus.take().filter(is_there);
        // A run may have gone on since its curves were read.
        let changed = |folder: &PathBuf| {
            let then = self.list.iter().find(|r| &r.folder == folder);
            let now = list.iter().find(|r| &r.folder == folder);
            now.map(|r| r.changed_at) != then.map(|r| r.changed_at)
        };
        let stale: Vec<PathBuf> = self.curves.keys().filter(|f| changed(f)).cloned().collect();
        for folder in &stale {
            self.curves.remove(folder);
        }
        self.list = list;
        self.is_loading = false;
    }
}

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use glam::DVec3;
use voco_engine_api::{CancelFlag, Task};
use voco_labelstore::{Document, SegmentId};
use voco_render::{LabelTexture, VolumeTexture};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{Geometry, LabelTable, Recipe, Stats, Volume};

use crate::i18n;
use crate::labelling::LabelWork;
use crate::measure::MeasureDoc;

use super::{
    Examination, FinetuneState, ModelsState, Preflight, ReferenceLabels, RunsState, SegmentState, SeriesChoice, Side,
    TimeSeries, TrainingState, ViewSettings,
};

/// What is open and what is going on.
#[derive(Default)]
pub struct Session {
    /// Open volumes, oldest first.
    pub volumes: Vec<OpenVolume>,
    /// The one on show.
    pub active: Option<VolumeId>,
    /// Being opened.
    pub loading: Vec<Loading>,
    /// Files opened lately, newest first.
    pub recent: Vec<PathBuf>,
    /// Things said to the user, newest last.
    pub notices: Vec<Notice>,
    /// The frame asked for last, so that it is asked for once.
    pub position_asked: Option<(VolumeId, Recipe, u64)>,
    /// Pre-training.
    pub training: TrainingState,
    /// Segmentation tasks that can be trained or asked for.
    pub tasks: Vec<Task>,
    /// Fine-tuning.
    pub finetune: FinetuneState,
    /// What a look at the data found.
    pub preflight: Preflight,
    /// Segmentation.
    pub segment: SegmentState,
    /// Published models.
    pub models: ModelsState,
    /// Runs on disk.
    pub runs: RunsState,
    /// Measurements of each case, by the number of its volume.
    pub measurements: BTreeMap<u64, MeasureDoc>,
    /// What DICOM says of the examinations that are open, by the number of the volume.
    pub exams: BTreeMap<u64, Examination>,
    /// Files and series that hold several volumes, by the number of the one on show.
    pub times: BTreeMap<u64, TimeSeries>,
    /// The series of a folder that the user chooses from.
    pub series: Option<SeriesChoice>,
    /// The window that asks where labels are saved.
    pub save_labels: Option<super::SaveLabelsAs>,
    /// The question whether something is closed although something would be lost with it.
    pub closing: Option<super::Closing>,
    /// The task of an algorithm that looks for something to propose.
    pub proposing: Option<Proposing>,
    /// Labels are being counted.
    pub is_counting_labels: bool,
    /// A segment's part of a slice that was copied.
    pub slice_clipboard: Option<CopiedSlice>,
    /// What label ids may mean.
    pub label_presets: Vec<LabelPreset>,
    /// The graphics adapter, for the status bar.
    pub adapter_name: String,
}

/// A segment's part of a slice, as it was when it was copied; its voxels are looked up when it is pasted.
#[derive(Clone)]
pub struct CopiedSlice {
    /// The labels at that time.
    pub document: Arc<Document>,
    /// Whose part.
    pub segment: SegmentId,
    /// The axis of the grid through the slices: 0, 1, 2 for i, j, k.
    pub axis: usize,
    /// Which slice.
    pub slice: usize,
}

/// Number of an open volume; never used twice in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u64);

/// A volume on show.
pub struct OpenVolume {
    /// Its number.
    pub id: VolumeId,
    /// File name without folders, or the sample's title.
    pub name: String,
    /// Its file; none for the sample.
    pub path: Option<PathBuf>,
    /// Voxels and geometry.
    pub volume: Volume,
    /// Range and mean.
    pub stats: Stats,
    /// What the user should know about the file.
    pub warnings: Vec<String>,
    /// Window and level.
    pub window: Window,
    /// White for low values.
    pub inverted: bool,
    /// What the file says of how it is to be seen.
    pub told: Told,
    /// Its texture.
    pub texture: Arc<VolumeTexture>,
    /// Label map over it.
    pub labels: Option<LabelWork>,
    /// What a network is just finding; shown in place of the label map.
    pub incoming: Option<IncomingLabels>,
    /// What was counted in its label map.
    pub label_stats: Option<LabelStats>,
    /// What the label map is compared with.
    pub reference: Option<ReferenceLabels>,
    /// Where the base crops lie, once asked for.
    pub position: Option<PositionOverlay>,
}

/// What a file says of how a volume is to be seen; most say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Told {
    /// The window that it stores.
    pub window: Option<Window>,
    /// High values are meant to be dark.
    pub inverted: bool,
    /// The unit of its values, empty for none.
    pub unit: Option<&'static str>,
}

/// Where names come from if from nowhere.
pub fn numbers_only() -> &'static str {
    i18n::text("names-from-nowhere")
}

/// A label map that fills while a network works.
pub struct IncomingLabels {
    /// What it is called.
    pub name: String,
    /// Names and colours.
    pub table: LabelTable,
    /// Its texture.
    pub texture: Arc<LabelTexture>,
    /// The edit that puts it into the document, once all of it is there.
    pub ticket: Option<u64>,
}

/// A label map that is only looked at: a reference.
#[derive(Clone)]
pub struct OpenLabels {
    /// Name of the file.
    pub name: String,
    /// Voxels and geometry, possibly of another grid.
    pub volume: Volume,
    /// Names and colours.
    pub table: LabelTable,
    /// Where the names come from, for people.
    pub names_from: String,
    /// Its texture.
    pub texture: Arc<LabelTexture>,
}

/// The names of a data set's label ids.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelPreset {
    /// The data set.
    pub title: String,
    /// By id.
    pub names: BTreeMap<u16, String>,
}

/// The position task of one volume.
#[derive(Debug, Clone)]
pub struct PositionOverlay {
    /// The recipe that was followed.
    pub recipe: Recipe,
    /// Frame in the patient.
    pub frame: Geometry,
    /// Base crops that tile it.
    pub grid: PositionGrid,
    /// Random crops drawn in it.
    pub crops: Vec<Crop>,
    /// Seed they were drawn with.
    pub seed: u64,
}

/// Numbers of each segment of a label map.
pub struct LabelStats {
    /// The state of the document that was counted.
    pub revision: u64,
    /// In the order of the list; those without voxels are left out.
    pub rows: Vec<LabelStatsRow>,
}

/// Numbers of one segment.
pub struct LabelStatsRow {
    /// Its name.
    pub name: String,
    /// The numbers.
    pub stats: voco_label::SegmentStats,
}

/// An algorithm at work on labels.
pub struct Proposing {
    /// Number of its task.
    pub task: u64,
    /// Of which volume.
    pub volume: VolumeId,
    /// 0…1.
    pub progress: f32,
    /// To stop it.
    pub cancel: CancelFlag,
    /// What was asked.
    pub ask: crate::labelling::Ask,
}

/// A file being opened.
pub struct Loading {
    /// Number of the task.
    pub task: u64,
    /// Name of the file.
    pub name: String,
    /// 0…1.
    pub progress: f32,
    /// To stop it.
    pub cancel: CancelFlag,
}

/// Something said to the user.
#[derive(Debug, Clone)]
pub struct Notice {
    /// One sentence.
    pub text: String,
    /// A fault, or only news.
    pub is_error: bool,
}

/// Window width and level, in real values (HU).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Width; above 0.
    pub width: f64,
    /// Centre.
    pub level: f64,
}

/// A named window.
#[derive(Debug, Clone, Copy)]
pub struct WindowPreset {
    /// What readers call it.
    pub name: &'static str,
    /// Its numbers.
    pub window: Window,
}

impl WindowPreset {
    const fn new(name: &'static str, width: f64, level: f64) -> Self {
        Self { name, window: Window { width, level } }
    }

    /// The CT windows, in the order of the keys 1 to 9; the last is VoCo's clip range.
    pub const ALL: [Self; 9] = [
        Self::new("Abdomen", 400.0, 40.0),
        Self::new("Lung", 1500.0, -600.0),
        Self::new("Bone", 2000.0, 400.0),
        Self::new("Brain", 80.0, 40.0),
        Self::new("Liver", 150.0, 70.0),
        Self::new("Mediastinum", 350.0, 40.0),
        Self::new("Vessels", 600.0, 160.0),
        Self::new("Stroke", 40.0, 40.0),
        Self::new("What the network sees", 425.0, 37.5),
    ];
}

impl OpenVolume {
    /// What is drawn over it.
    pub fn label_texture(&self) -> Option<&Arc<LabelTexture>> {
        let incoming = self.incoming.as_ref().map(|i| &i.texture);
        incoming.or_else(|| self.labels.as_ref().map(LabelWork::texture))
    }

    /// What the numbers of the labels over it mean.
    pub fn label_table(&self) -> Option<&LabelTable> {
        let incoming = self.incoming.as_ref().map(|i| &i.table);
        incoming.or_else(|| self.labels.as_ref().map(LabelWork::table))
    }

    /// The unit of its values: as the file says, else as far as one can tell.
    pub fn unit(&self) -> &'static str {
        let looks_like_ct = self.stats.min <= -500.0 && self.stats.max >= 100.0;
        self.told.unit.unwrap_or(if looks_like_ct { "HU" } else { "" })
    }

    /// The window that it opens in.
    pub fn first_window(&self) -> Window {
        self.told.window.unwrap_or_else(|| Window::default_for(&self.stats))
    }
}

impl Window {
    /// A start for a volume: the abdomen window if it looks like CT (it reaches from air to tissue), else its whole range.
    pub fn default_for(stats: &Stats) -> Self {
        if stats.min <= -500.0 && stats.max >= 100.0 {
            WindowPreset::ALL[0].window
        } else {
            // Bright outliers (vessels, fat, implants) would leave the rest dark at the full range.
            let range = (stats.max - stats.min).max(1e-6);
            let top = (stats.mean + (stats.max - stats.mean) * 0.6).max(stats.min + range * 0.2);
            Self { width: top - stats.min, level: f64::midpoint(top, stats.min) }
        }
    }
}

impl Session {
    /// The volume on show.
    pub fn active(&self) -> Option<&OpenVolume> {
        self.volumes.iter().find(|v| Some(v.id) == self.active)
    }

    /// The volume on show, to change its window, labels' visibility and the like.
    pub fn active_mut(&mut self) -> Option<&mut OpenVolume> {
        self.volumes.iter_mut().find(|v| Some(v.id) == self.active)
    }

    /// An open volume.
    pub fn volume(&self, id: VolumeId) -> Option<&OpenVolume> {
        self.volumes.iter().find(|v| v.id == id)
    }

    /// An open volume, to change it.
    pub fn volume_mut(&mut self, id: VolumeId) -> Option<&mut OpenVolume> {
        self.volumes.iter_mut().find(|v| v.id == id)
    }

    /// The volume of a side.
    pub fn of_side(&self, settings: &ViewSettings, side: Side) -> Option<&OpenVolume> {
        match side {
            Side::A => self.active(),
            Side::B => settings.compare.other.and_then(|id| self.volume(id)),
        }
    }

    /// Tells the user.
    pub fn notice(&mut self, text: impl Into<String>, is_error: bool) {
        self.notices.push(Notice { text: text.into(), is_error });
        // The list is for reading, not an archive.
        let surplus = self.notices.len().saturating_sub(50);
        self.notices.drain(..surplus);
    }

    /// The middle of the volume on show.
    pub fn center_mm(&self) -> DVec3 {
        self.active().map_or(DVec3::ZERO, |v| v.volume.geometry().center_mm())
    }
}

impl OpenLabels {
    /// True if somebody said what its ids mean.
    pub fn has_names(&self) -> bool {
        self.names_from != numbers_only()
    }
}

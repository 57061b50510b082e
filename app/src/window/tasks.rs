use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use voco_engine_api::CancelFlag;
use voco_io::{Control, LabelNames, OpenError, Opened};
use voco_render::{LabelTexture, RenderContext, VolumeTexture};
use voco_ui::{
    CardOf, ComparisonReport, OpenLabels, PreflightReport, RunCurves, RunSummary, TrainingSetup, TrainingSource,
    VolumeId,
};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{Geometry, Grid, Interpolation, LabelTable, Recipe, Rescale, Stats, Volume, Voxels, preprocess};

/// Most tasks at a time; more wait for a thread to be free.
const MAX_THREADS: usize = 2;

/// Work that would hold up a frame, on threads of its own. Each task ends with exactly one result.
pub(super) struct Tasks {
    jobs: Sender<(u64, TaskWork, CancelFlag)>,
    results: Receiver<TaskResult>,
    progress: Arc<Mutex<Vec<(u64, f32)>>>,
    cancels: Vec<(u64, CancelFlag)>,
    next: u64,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub(super) enum ImageSource {
    File(PathBuf),
    /// A DICOM series, and what was opened to find it.
    Series(Box<voco_io::Series>, PathBuf),
    Sample,
}

/// What a label map is opened as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelRole {
    /// Over the image.
    Shown,
    /// To compare the one over the image with.
    Reference,
}

/// What to do.
pub(super) enum TaskWork {
    Image { source: ImageSource, render: RenderContext, labels: Option<ImageSource> },
    Labels { path: PathBuf, image: Geometry, volume_id: VolumeId, role: LabelRole, render: RenderContext },
    FindSeries(PathBuf),
    ResampleLabels { volume_id: VolumeId, labels: Box<OpenLabels>, image: Geometry, render: RenderContext },
    Compare { volume_id: VolumeId, prediction: Box<(Volume, LabelTable)>, reference: Box<(Volume, LabelTable)> },
    MatchReference(Box<super::reference::Match>),
    PositionFrame { volume_id: VolumeId, volume: Volume, recipe: Recipe, seed: u64 },
    ListTrainingFolder(Box<TrainingSetup>),
    Preflight(Box<super::preflight::Look>),
    ReadCard(PathBuf),
    KeepPrediction { volume_id: VolumeId, geometry: Geometry, texture: Arc<LabelTexture>, labels: Vec<u16> },
    ListRuns(PathBuf),
    ReadRun(PathBuf),
    SaveNote { folder: PathBuf, note: String },
    LoadMeasurements { volume_id: VolumeId, volume: Volume },
    Times(Box<super::times::ReadTimes>),
    WriteReport(Box<super::report::WriteReport>),
    WritePicture { path: PathBuf, picture: Box<image::RgbaImage> },
    WriteText { path: PathBuf, text: String, what: String },
    SaveLabels(Box<super::save::SaveLabels>),
}

/// What came of a task.
pub(super) enum TaskOutcome {
    Image {
        source: ImageSource,
        opened: Box<LoadedImage>,
    },
    Labels {
        volume_id: VolumeId,
        role: LabelRole,
        labels: Box<OpenLabels>,
        note: Option<String>,
    },
    Series(Box<super::series::FoundSeries>),
    /// What looked like a slice holds labels.
    LabelFile(PathBuf),
    /// The reference under the label map's ids and how many classes that leaves out; none if it may stay as it is.
    Matched {
        volume_id: VolumeId,
        key: String,
        matched: Option<Box<(OpenLabels, usize)>>,
    },
    Compared {
        volume_id: VolumeId,
        report: Arc<ComparisonReport>,
    },
    PositionFrame {
        volume_id: VolumeId,
        overlay: Box<voco_ui::PositionOverlay>,
    },
    TrainingFolder {
        setup: Box<TrainingSetup>,
        paths: Vec<PathBuf>,
    },
    Preflight(Box<PreflightReport>),
    Card(Box<CardOf>),
    Prediction {
        volume_id: VolumeId,
        texture: Arc<LabelTexture>,
        volume: Box<Volume>,
    },
    LabelsSaved {
        volume_id: VolumeId,
        name: String,
    },
    Runs(Vec<RunSummary>),
    RunCurves {
        folder: PathBuf,
        curves: Arc<RunCurves>,
    },
    /// Those of a case with the key of its content, or why they cannot be read.
    Measurements {
        volume_id: VolumeId,
        key: String,
        stored: Result<Vec<voco_ui::measure::Measurement>, String>,
    },
    /// Volumes of a time series were read, or why not.
    Times {
        volume_id: VolumeId,
        failed: Option<String>,
    },
    /// Done, with a word on it.
    Told(String),
    Failed(String),
    /// Nothing to show for it: stopped, or done without a word.
    Cancelled,
}

pub(super) struct TaskResult {
    pub task: u64,
    pub outcome: TaskOutcome,
}

/// An image ready to be shown.
pub(super) struct LoadedImage {
    pub opened: Opened,
    pub stats: Stats,
    pub texture: Arc<VolumeTexture>,
    pub labels: Option<OpenLabels>,
    /// What went wrong with the labels: the image is shown all the same.
    pub notes: Vec<String>,
}

impl Tasks {
    pub fn new(wake: &Arc<dyn Fn() + Send + Sync>) -> Self {
        let (jobs, job_receiver) = bounded::<(u64, TaskWork, CancelFlag)>(256);
        let (result_sender, results) = bounded(256);
        let progress = Arc::new(Mutex::new(Vec::new()));
        for n in 0..MAX_THREADS {
            let (jobs, results) = (job_receiver.clone(), result_sender.clone());
            let (wake, progress) = (Arc::clone(wake), Arc::clone(&progress));
            let body = move || {
                for (task, work, cancel) in jobs {
                    let report = |share: f32| {
                        progress.lock().push((task, share));
                        wake();
                    };
                    let done =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(task, work, &cancel, &report)));
                    let outcome = done.unwrap_or_else(|_| {
                        TaskOutcome::Failed("An error in the program stopped this task; please report it.".into())
                    });
                    if results.send(TaskResult { task, outcome }).is_err() {
                        break;
                    }
                    wake();
                }
            };
            // Without threads nothing can be opened, which the first task will say.
            std::thread::Builder::new().name(format!("task-{n}")).spawn(body).ok();
        }
        Self { jobs, results, progress, cancels: Vec::new(), next: 1 }
    }

    /// Queues a task; its number and the way to stop it.
    pub fn start(&mut self, work: TaskWork) -> Result<(u64, CancelFlag), String> {
        let (task, cancel) = (self.next, CancelFlag::default());
        self.next += 1;
        if self.jobs.try_send((task, work, cancel.clone())).is_err() {
            return Err("Too much is being opened at once; try again in a moment.".into());
        }
        self.cancels.push((task, cancel.clone()));
        Ok((task, cancel))
    }

    pub fn results(&mut self) -> Vec<TaskResult> {
        let results: Vec<TaskResult> = self.results.try_iter().collect();
        self.cancels.retain(|(task, _)| results.iter().all(|r| r.task != *task));
        results
    }

    /// Progress told since the last call.
    pub fn progress(&self) -> Vec<(u64, f32)> {
        std::mem::take(&mut *self.progress.lock())
    }

    pub fn cancel_all(&self) {
        self.cancels.iter().for_each(|(_, flag)| flag.cancel());
    }
}

fn run(task: u64, work: TaskWork, cancel: &CancelFlag, report: &dyn Fn(f32)) -> TaskOutcome {
    let is_cancelled = || cancel.is_cancelled();
    let control = Control { progress: report, is_cancelled: &is_cancelled };
    match work {
        TaskWork::Image { source, render, labels } => match image(&source, labels, &render, control) {
            Ok(loaded) if !is_cancelled() => TaskOutcome::Image { source, opened: Box::new(loaded) },
            Ok(_) | Err(None) => TaskOutcome::Cancelled,
            Err(Some(text)) => TaskOutcome::Failed(text),
        },
        TaskWork::Labels { path, image, volume_id, role, render } => {
            match voco_io::open_labels(&path, &image, control) {
                Ok(opened) => {
                    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                    let note = grid_note(&name, opened.volume.geometry(), &image);
                    match to_labels(&ImageSource::File(path), name, &opened, &render) {
                        Ok(labels) => TaskOutcome::Labels { volume_id, role, labels: Box::new(labels), note },
                        Err(text) => TaskOutcome::Failed(text),
                    }
                }
                Err(e) => said(&e).map_or(TaskOutcome::Cancelled, TaskOutcome::Failed),
            }
        }
        TaskWork::Times(work) => super::times::read(&work, task, control),
        TaskWork::WriteReport(report) => super::report::write(&report),
        TaskWork::FindSeries(path) => super::series::find(&path, control),
        TaskWork::ResampleLabels { volume_id, labels, image, render } => match resampled(*labels, &image, &render) {
            Ok(labels) => {
                TaskOutcome::Labels { volume_id, role: LabelRole::Shown, labels: Box::new(labels), note: None }
            }
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::Compare { volume_id, prediction, reference } => {
            match super::compare::compare(&prediction, &reference, &is_cancelled) {
                Ok(report) => TaskOutcome::Compared { volume_id, report: Arc::new(report) },
                Err(_) if is_cancelled() => TaskOutcome::Cancelled,
                Err(text) => TaskOutcome::Failed(text),
            }
        }
        TaskWork::MatchReference(wanted) => match super::reference::matched(&wanted) {
            Ok(matched) => {
                TaskOutcome::Matched { volume_id: wanted.volume_id, key: wanted.key, matched: matched.map(Box::new) }
            }
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::ListTrainingFolder(setup) => {
            let TrainingSource::Folder(folder) = &setup.source else { return TaskOutcome::Cancelled };
            match voco_io::list_images(folder) {
                Ok(paths) => TaskOutcome::TrainingFolder { setup, paths },
                Err(e) => TaskOutcome::Failed(format!("The folder cannot be read ({}); choose another.", e.kind())),
            }
        }
        TaskWork::Preflight(look) => match super::preflight::look(&look, &is_cancelled, report) {
            Ok(found) => TaskOutcome::Preflight(Box::new(found)),
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::ReadCard(path) => TaskOutcome::Card(Box::new(super::preflight::card(path))),
        TaskWork::KeepPrediction { volume_id, geometry, texture, labels } => {
            // Bytes where they do: half the memory.
            let bytes: Option<Vec<u8>> = labels.iter().map(|&id| u8::try_from(id).ok()).collect();
            let voxels = bytes.map_or_else(|| Voxels::U16(labels.into()), |b| Voxels::U8(b.into()));
            match Volume::new(geometry, voxels, Rescale::IDENTITY) {
                Ok(volume) => TaskOutcome::Prediction { volume_id, texture, volume: Box::new(volume) },
                Err(e) => TaskOutcome::Failed(e.to_string()),
            }
        }
        TaskWork::ListRuns(root) => TaskOutcome::Runs(super::runs::list(&root)),
        TaskWork::ReadRun(folder) => match super::runs::curves(&folder, &is_cancelled) {
            Ok(curves) => TaskOutcome::RunCurves { folder, curves: Arc::new(curves) },
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::SaveNote { folder, note } => {
            super::runs::save_note(&folder, &note).map_or_else(TaskOutcome::Failed, |()| TaskOutcome::Cancelled)
        }
        TaskWork::LoadMeasurements { volume_id, volume } => super::kept::load_measurements(volume_id, &volume),
        TaskWork::WritePicture { path, picture } => super::kept::write_picture(&path, &picture),
        TaskWork::WriteText { path, text, what } => super::kept::write_text(&path, &text, &what),
        TaskWork::SaveLabels(save) => match super::save::save(&save, control) {
            Ok(name) => TaskOutcome::LabelsSaved { volume_id: save.volume_id, name },
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::PositionFrame { volume_id, volume, recipe, seed } => {
            position_frame(volume_id, &volume, recipe, seed, cancel)
        }
    }
}

/// What to tell the user of an error; nothing if the user stopped it.
fn said(error: &OpenError) -> Option<String> {
    (!error.is_cancelled()).then(|| error.to_string())
}

fn open_source(source: &ImageSource, is_label: bool, control: Control<'_>) -> Result<Opened, OpenError> {
    match source {
        ImageSource::File(path) => voco_io::open(path, control),
        ImageSource::Series(series, _) => voco_io::open_series(series, control),
        ImageSource::Sample if is_label => voco_io::open_bytes("sample labels", crate::sample::LABELS),
        ImageSource::Sample => voco_io::open_bytes("sample", crate::sample::IMAGE),
    }
}

fn image(
    source: &ImageSource,
    labels: Option<ImageSource>,
    render: &RenderContext,
    control: Control<'_>,
) -> Result<LoadedImage, Option<String>> {
    let opened = open_source(source, false, control).map_err(|e| said(&e))?;
    let stats = Stats::of(&opened.volume);
    let texture = Arc::new(VolumeTexture::of(render, &opened.volume, &stats).map_err(|e| Some(e.to_string()))?);
    let (mut notes, mut open_labels) = (Vec::new(), None);
    if let Some(source) = labels {
        let name = match &source {
            ImageSource::Sample => "Sample labels".to_owned(),
            ImageSource::File(path) | ImageSource::Series(_, path) => {
                path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
            }
        };
        let opened_labels = match &source {
            ImageSource::File(path) => voco_io::open_labels(path, opened.volume.geometry(), control),
            other => open_source(other, true, control),
        };
        let opened_labels = opened_labels.map_err(|e| said(&e))?;
        notes.extend(grid_note(&name, opened_labels.volume.geometry(), opened.volume.geometry()));
        match to_labels(&source, name, &opened_labels, render) {
            Ok(labels) => open_labels = Some(labels),
            Err(text) => notes.push(text),
        }
    }
    Ok(LoadedImage { opened, stats, texture, labels: open_labels, notes })
}

/// Names come from a file beside the map. Without one, labels have numbers until the user says whose they are.
fn to_labels(
    source: &ImageSource,
    name: String,
    opened: &Opened,
    render: &RenderContext,
) -> Result<OpenLabels, String> {
    let volume = opened.volume.clone();
    let (names, names_from) = match source {
        ImageSource::Sample => (crate::label_presets::of_sample(), "TotalSegmentator CT"),
        ImageSource::File(path) | ImageSource::Series(_, path) => match voco_io::label_names_beside(path) {
            Some(names) => (names, "file beside it"),
            None => (LabelNames::new(), voco_ui::NUMBERS_ONLY),
        },
    };
    let mut table = voco_io::label_table(&volume, &names).map_err(|e| format!("{name}: {e}"))?;
    let names_from = if opened.name_labels(&mut table) { "the file itself" } else { names_from };
    let texture = LabelTexture::upload(render, &volume, &table).map_err(|e| format!("{name}: {e}"))?;
    Ok(OpenLabels { name, volume, table, names_from: names_from.into(), texture: Arc::new(texture) })
}

/// By how much a label map's grid differs from its image's.
fn grid_note(name: &str, labels: &Geometry, image: &Geometry) -> Option<String> {
    let what = labels.mismatch(image, 0.5)?;
    Some(format!("{name}: it lies on another grid: {what}; it is shown at its own place."))
}

/// Labels brought onto the grid of their image: each voxel takes the nearest one.
fn resampled(labels: OpenLabels, image: &Geometry, render: &RenderContext) -> Result<OpenLabels, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", labels.name);
    let grid = Grid::from_volume(&labels.volume);
    let grid = grid.onto(image, Interpolation::Nearest, 0.0).map_err(|e| failed(&e))?;
    let volume = labels.volume.like_this(&grid).map_err(|e| failed(&e))?;
    let texture = LabelTexture::upload(render, &volume, &labels.table).map_err(|e| failed(&e))?;
    let texture = Arc::new(texture);
    Ok(OpenLabels { volume, texture, ..labels })
}

fn position_frame(volume_id: VolumeId, volume: &Volume, recipe: Recipe, seed: u64, cancel: &CancelFlag) -> TaskOutcome {
    use rand::SeedableRng;
    let frame = preprocess(volume, recipe, &|| cancel.is_cancelled(), &mut |_, _| {}).and_then(|body| {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let frame = body.frame(voco_engine::draw_window(&body, &mut random))?;
        let crops = draw_crops(frame.position_grid, seed);
        let overlay =
            voco_ui::PositionOverlay { recipe, frame: *frame.geometry(), grid: frame.position_grid, crops, seed };
        let overlay = Box::new(overlay);
        Ok(TaskOutcome::PositionFrame { volume_id, overlay })
    });
    frame.unwrap_or_else(|e| TaskOutcome::Failed(format!("The grid cannot be drawn: {e}.")))
}

/// Two random crops.
pub(super) fn draw_crops(grid: PositionGrid, seed: u64) -> Vec<Crop> {
    use rand::SeedableRng;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed ^ 0x0063_726f_7073);
    (0..2).map(|_| voco_engine::draw_crop(grid, &mut random)).collect()
}

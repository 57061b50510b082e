use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use voco_engine_api::CancelFlag;
use voco_io::{Control, OpenError, Opened};
use voco_labelstore::{Document, PresetEntry, SegmentId};
use voco_render::{RenderContext, VolumeTexture};
use voco_ui::labelling::{Ask, FlatLabels, NetworkPrior, Proposal};
use voco_ui::{
    CardOf, ComparisonReport, LabelStats, OpenLabels, PreflightReport, RunCurves, RunSummary, Told, TrainingSetup,
    TrainingSource, VolumeId, i18n,
};
use voco_volume::position::{Crop, PositionGrid};
use voco_volume::{Geometry, LabelTable, Recipe, Stats, Volume, preprocess};

use super::about::About;
use super::closers::Closers;
pub(super) use super::labels::LabelRole;
use super::labels::{self, ReadLabels, ReadyLabels};

/// Most tasks at a time; more wait for a thread to be free.
const MAX_THREADS: usize = 2;

/// Work that would hold up a frame, on threads of its own. Each task ends with exactly one result.
pub(super) struct Tasks {
    jobs: Sender<(u64, TaskWork, CancelFlag)>,
    results: Receiver<TaskResult>,
    progress: Arc<Mutex<Vec<(u64, f32)>>>,
    /// All that have not ended.
    running: Vec<(u64, CancelFlag, About)>,
    next: u64,
    /// What ends beside the window; tasks that need its files wait for it.
    pub closers: Arc<Closers>,
}

/// Where an image comes from.
#[derive(Debug, Clone)]
pub(crate) enum ImageSource {
    File(PathBuf),
    /// A DICOM series, and what was opened to find it.
    Series(Box<voco_io::Series>, PathBuf),
    Sample,
}

/// What to do.
pub(super) enum TaskWork {
    Image {
        source: ImageSource,
        render: RenderContext,
        labels: Option<ImageSource>,
    },
    Labels {
        path: PathBuf,
        image: Geometry,
        volume_id: VolumeId,
        role: LabelRole,
        render: RenderContext,
    },
    FindSeries(PathBuf),
    ResampleLabels {
        volume_id: VolumeId,
        document: Arc<Document>,
        name: String,
        names_from: String,
        image: Volume,
        render: RenderContext,
    },
    /// The document of an image: its journal, and what a file holds.
    OpenDocument {
        volume_id: VolumeId,
        image: Volume,
        read: Option<Box<ReadLabels>>,
        is_new: bool,
        render: RenderContext,
    },
    Propose {
        volume_id: VolumeId,
        document: Arc<Document>,
        ask: Box<Ask>,
        prior: Option<Arc<NetworkPrior>>,
    },
    CountLabels {
        volume_id: VolumeId,
        document: Arc<Document>,
    },
    MaskImage {
        image: Volume,
        document: Arc<Document>,
        segment: SegmentId,
        inside: bool,
        name: String,
        fill: f64,
        told: Told,
        render: RenderContext,
    },
    /// The labels before the last change, to compare with.
    AsReference {
        volume_id: VolumeId,
        flat: Box<FlatLabels>,
        name: String,
        render: RenderContext,
    },
    ReadTable {
        volume_id: VolumeId,
        path: PathBuf,
    },
    Compare {
        volume_id: VolumeId,
        prediction: Box<FlatLabels>,
        reference: Box<(Volume, LabelTable)>,
    },
    MatchReference(Box<super::reference::Match>),
    PositionFrame {
        volume_id: VolumeId,
        volume: Volume,
        recipe: Recipe,
        seed: u64,
    },
    ListTrainingFolder(Box<TrainingSetup>),
    Preflight(Box<super::preflight::Look>),
    ReadCard(PathBuf),
    KeepPrediction {
        volume_id: VolumeId,
        geometry: Geometry,
        labels: Vec<u16>,
        table: LabelTable,
        name: String,
    },
    ListRuns(PathBuf),
    /// Looks in a folder of journals for labels that are in no file.
    FindUnsaved(PathBuf),
    ReadRun(PathBuf),
    SaveNote {
        folder: PathBuf,
        note: String,
    },
    LoadMeasurements {
        volume_id: VolumeId,
        volume: Volume,
    },
    Times(Box<super::times::ReadTimes>),
    WriteReport(Box<super::report::WriteReport>),
    WritePicture {
        path: PathBuf,
        picture: Box<image::RgbaImage>,
    },
    WriteText {
        path: PathBuf,
        text: String,
        what: String,
    },
    SaveLabels(VolumeId, Box<crate::label_files::SaveLabels>),
    SaveImage {
        path: PathBuf,
        volume: Volume,
    },
    View3d(Box<super::view3d::Work>),
    #[cfg(test)]
    Panic(About),
}

/// What came of a task.
pub(super) enum TaskOutcome {
    Image {
        source: ImageSource,
        opened: Box<LoadedImage>,
    },
    Labels {
        volume_id: VolumeId,
        read: Box<ReadLabels>,
        note: Option<String>,
    },
    Reference {
        volume_id: VolumeId,
        labels: Box<OpenLabels>,
        note: Option<String>,
    },
    Work {
        volume_id: VolumeId,
        ready: Box<ReadyLabels>,
    },
    /// Nobody has labelled this image yet.
    NoWork,
    Proposal {
        volume_id: VolumeId,
        found: Result<Box<Proposal>, String>,
    },
    LabelStats {
        volume_id: VolumeId,
        stats: Box<LabelStats>,
    },
    LabelTable {
        volume_id: VolumeId,
        entries: Vec<PresetEntry>,
    },
    Masked {
        name: String,
        opened: Box<LoadedImage>,
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
        read: Box<ReadLabels>,
    },
    LabelsSaved {
        volume_id: VolumeId,
        /// Where, and as what.
        file: (PathBuf, voco_ui::LabelFormat),
        change: u64,
        told: String,
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
    View3d(Box<super::view3d::Done>),
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
    pub about: About,
    pub outcome: TaskOutcome,
}

/// An image ready to be shown.
pub(super) struct LoadedImage {
    pub opened: Opened,
    pub stats: Stats,
    pub texture: Arc<VolumeTexture>,
    pub labels: Option<ReadyLabels>,
    /// What went wrong with the labels: the image is shown all the same.
    pub notes: Vec<String>,
}

impl Tasks {
    pub fn new(wake: &Arc<dyn Fn() + Send + Sync>) -> Self {
        let (jobs, job_receiver) = bounded::<(u64, TaskWork, CancelFlag)>(256);
        let (result_sender, results) = bounded(256);
        let progress = Arc::new(Mutex::new(Vec::new()));
        let closers = Arc::new(Closers::default());
        for n in 0..MAX_THREADS {
            let closers = Arc::clone(&closers);
            let (jobs, results) = (job_receiver.clone(), result_sender.clone());
            let (wake, progress) = (Arc::clone(wake), Arc::clone(&progress));
            let body = move || {
                for (task, work, cancel) in jobs {
                    let report = |share: f32| {
                        progress.lock().push((task, share));
                        wake();
                    };
                    let about = work.about();
                    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        // Its journal may still be locked by the volume that was closed a moment ago.
                        if work.opens_journal() && !closers.wait(&|| cancel.is_cancelled()) {
                            return TaskOutcome::Cancelled;
                        }
                        run(task, work, &cancel, &report)
                    }));
                    let outcome = done.unwrap_or_else(|_| about.failed(i18n::text("tell-program-error").into()));
                    if results.send(TaskResult { task, about, outcome }).is_err() {
                        break;
                    }
                    wake();
                }
            };
            // Without threads nothing can be opened, which the first task will say.
            std::thread::Builder::new().name(format!("task-{n}")).spawn(body).ok();
        }
        Self { jobs, results, progress, running: Vec::new(), next: 1, closers }
    }

    /// Queues a task; its number and the way to stop it.
    pub fn start(&mut self, work: TaskWork) -> Result<(u64, CancelFlag), String> {
        let (task, cancel) = (self.next, CancelFlag::default());
        self.next += 1;
        let about = work.about();
        if self.jobs.try_send((task, work, cancel.clone())).is_err() {
            return Err(i18n::text("tell-too-much-opened").into());
        }
        self.running.push((task, cancel.clone(), about));
        Ok((task, cancel))
    }

    pub fn results(&mut self) -> Vec<TaskResult> {
        let results: Vec<TaskResult> = self.results.try_iter().collect();
        self.running.retain(|(task, ..)| results.iter().all(|r| r.task != *task));
        results
    }

    /// Progress told since the last call.
    pub fn progress(&self) -> Vec<(u64, f32)> {
        std::mem::take(&mut *self.progress.lock())
    }

    /// True while a file of the user's is being written, or waits for that.
    pub fn is_writing(&self) -> bool {
        self.running.iter().any(|(.., about)| *about == About::Writes)
    }

    /// Stops all tasks but those that write files of the user's, and waits for these; the program ends after that.
    pub fn finish(&mut self) {
        self.running.iter().filter(|(.., about)| *about != About::Writes).for_each(|(_, flag, _)| flag.cancel());
        while self.is_writing() {
            // Without threads there is nothing to wait for.
            let Ok(result) = self.results.recv() else { break };
            self.running.retain(|(task, ..)| *task != result.task);
        }
    }
}

fn run(task: u64, work: TaskWork, cancel: &CancelFlag, report: &(dyn Fn(f32) + Sync)) -> TaskOutcome {
    let is_cancelled = || cancel.is_cancelled();
    let control = Control { progress: report, is_cancelled: &is_cancelled };
    match work {
        TaskWork::Image { source, render, labels } => match image(&source, labels, &render, control) {
            Ok(loaded) if !is_cancelled() => TaskOutcome::Image { source, opened: Box::new(loaded) },
            Ok(_) | Err(None) => TaskOutcome::Cancelled,
            Err(Some(text)) => TaskOutcome::Failed(text),
        },
        TaskWork::Labels { path, image, volume_id, role: LabelRole::Shown, .. } => {
            match labels::read(&path, &image, control) {
                Ok((read, note)) => TaskOutcome::Labels { volume_id, read: Box::new(read), note },
                Err(text) => text.map_or(TaskOutcome::Cancelled, TaskOutcome::Failed),
            }
        }
        TaskWork::Labels { path, image, volume_id, role: LabelRole::Reference, render } => {
            match voco_io::open_labels(&path, &image, control) {
                Ok(opened) => {
                    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
                    let note = labels::grid_note(&name, opened.volume.geometry(), &image);
                    match labels::reference(&ImageSource::File(path), name, &opened, &render) {
                        Ok(labels) => TaskOutcome::Reference { volume_id, labels: Box::new(labels), note },
                        Err(text) => TaskOutcome::Failed(text),
                    }
                }
                Err(e) => said(&e).map_or(TaskOutcome::Cancelled, TaskOutcome::Failed),
            }
        }
        TaskWork::Times(work) => super::times::read(&work, task, control),
        TaskWork::WriteReport(report) => super::report::write(&report),
        TaskWork::SaveImage { path, volume } => super::save_image::save(&path, &volume, control),
        TaskWork::FindSeries(path) => super::series::find(&path, control),
        TaskWork::Compare { volume_id, prediction, reference } => {
            let flat = prediction
                .volume()
                .map_err(|e| i18n::text_with("tell-labels-failed", [("problem", e.to_string().into())]));
            let compared =
                flat.and_then(|v| super::compare::compare(&(v, prediction.table.clone()), &reference, &is_cancelled));
            match compared {
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
                Err(e) => {
                    TaskOutcome::Failed(i18n::text_with("tell-folder-unread", [("why", e.kind().to_string().into())]))
                }
            }
        }
        TaskWork::Preflight(look) => match super::preflight::look(&look, &is_cancelled, report) {
            Ok(found) => TaskOutcome::Preflight(Box::new(found)),
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::ReadCard(path) => TaskOutcome::Card(Box::new(super::preflight::card(path))),
        TaskWork::FindUnsaved(folder) => super::unsaved::find(&folder, &is_cancelled),
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
        TaskWork::WriteText { path, text, what } => {
            super::kept::write_text(&path, &text, &what).map_or_else(TaskOutcome::Failed, |()| TaskOutcome::Cancelled)
        }
        TaskWork::View3d(work) => super::view3d::run(*work, cancel, control).into(),
        #[cfg(test)]
        TaskWork::Panic(_) => panic!("as a test asked"),
        TaskWork::PositionFrame { volume_id, volume, recipe, seed } => {
            position_frame(volume_id, &volume, recipe, seed, cancel)
        }
        work @ (TaskWork::OpenDocument { .. }
        | TaskWork::Propose { .. }
        | TaskWork::CountLabels { .. }
        | TaskWork::MaskImage { .. }
        | TaskWork::AsReference { .. }
        | TaskWork::ReadTable { .. }
        | TaskWork::ResampleLabels { .. }
        | TaskWork::KeepPrediction { .. }
        | TaskWork::SaveLabels(..)) => run_labels(work, cancel, report),
    }
}

/// What is done to labels.
fn run_labels(work: TaskWork, cancel: &CancelFlag, report: &(dyn Fn(f32) + Sync)) -> TaskOutcome {
    let is_cancelled = || cancel.is_cancelled();
    let control = Control { progress: report, is_cancelled: &is_cancelled };
    match work {
        TaskWork::OpenDocument { volume_id, image, read, is_new, render } => {
            labels::outcome(volume_id, labels::open(&image, read.map(|read| *read), is_new, &render))
        }
        TaskWork::Propose { volume_id, document, ask, prior } => {
            let found = labels::run_propose(&document, &ask, prior.as_deref(), cancel.flag(), report);
            TaskOutcome::Proposal { volume_id, found: found.map(Box::new) }
        }
        TaskWork::CountLabels { volume_id, document } => match labels::count(&document, cancel.flag()) {
            Ok(stats) => TaskOutcome::LabelStats { volume_id, stats: Box::new(stats) },
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::MaskImage { image, document, segment, inside, name, fill, told, render } => {
            let made = labels::masked(&image, &document, segment, inside, fill);
            match made.and_then(|volume| loaded(volume, told, &render)) {
                Ok(opened) => TaskOutcome::Masked {
                    name: i18n::text_with("volume-masked", [("name", name.into())]),
                    opened: Box::new(opened),
                },
                Err(text) => TaskOutcome::Failed(text),
            }
        }
        TaskWork::AsReference { volume_id, flat, name, render } => match labels::as_reference(&flat, name, &render) {
            Ok(labels) => TaskOutcome::Reference { volume_id, labels: Box::new(labels), note: None },
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::ReadTable { volume_id, path } => match crate::label_files::read_table(&path) {
            Ok(entries) => TaskOutcome::LabelTable { volume_id, entries },
            Err(text) => TaskOutcome::Failed(text),
        },
        TaskWork::ResampleLabels { volume_id, document, name, names_from, image, render } => {
            labels::outcome(volume_id, labels::resampled(&document, name, names_from, &image, &render))
        }
        TaskWork::KeepPrediction { volume_id, geometry, labels, table, name } => {
            match labels::network_layers(&geometry, &labels, &table) {
                Ok(layers) => {
                    let names_from = i18n::text("names-from-checkpoint").to_owned();
                    let read = ReadLabels { name, path: None, is_saved: false, names_from, geometry, layers };
                    TaskOutcome::Prediction { volume_id, read: Box::new(read) }
                }
                Err(text) => TaskOutcome::Failed(text),
            }
        }
        TaskWork::SaveLabels(volume_id, save) => match crate::label_files::save(&save, control) {
            Ok(told) => {
                TaskOutcome::LabelsSaved { volume_id, file: (save.path, save.format), change: save.change, told }
            }
            Err(_) if is_cancelled() => TaskOutcome::Cancelled,
            Err(text) => TaskOutcome::Failed(text),
        },
        _ => TaskOutcome::Cancelled,
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
    let mut image = prepared(opened, render).map_err(Some)?;
    if let Some(source) = labels {
        let name = match &source {
            ImageSource::Sample => i18n::text("sample-labels").to_owned(),
            ImageSource::File(path) | ImageSource::Series(_, path) => {
                path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
            }
        };
        let volume = &image.opened.volume;
        let layers = match &source {
            ImageSource::File(path) => voco_io::open_label_layers(path, volume.geometry(), labels::MAX_LAYERS, control),
            other => open_source(other, true, control).map(|opened| vec![opened]),
        };
        let layers = layers.map_err(|e| said(&e))?;
        let grids = layers.first().map(|l| l.volume.geometry());
        image.notes.extend(grids.and_then(|grid| labels::grid_note(&name, grid, volume.geometry())));
        let read = ReadLabels::new(&source, name, &layers);
        match read.and_then(|read| labels::open(volume, Some(read), true, render)) {
            Ok(ready) => image.labels = ready,
            Err(text) => image.notes.push(text),
        }
    }
    Ok(image)
}

fn prepared(opened: Opened, render: &RenderContext) -> Result<LoadedImage, String> {
    let stats = Stats::of(&opened.volume);
    let texture = Arc::new(VolumeTexture::of(render, &opened.volume, &stats).map_err(|e| e.to_string())?);
    Ok(LoadedImage { opened, stats, texture, labels: None, notes: Vec::new() })
}

/// A volume that was made here, of one of which this was told.
fn loaded(volume: Volume, told: Told, render: &RenderContext) -> Result<LoadedImage, String> {
    let kind = voco_io::Format::Nifti(voco_io::NiftiKind { version: 1, is_pair: false });
    let opened = Opened {
        window: told.window.map(|w| [w.width, w.level]),
        is_inverted: told.inverted,
        unit: told.unit,
        ..Opened::new(volume, kind)
    };
    prepared(opened, render)
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
    frame.unwrap_or_else(|e| {
        TaskOutcome::Failed(i18n::text_with("tell-grid-not-drawn", [("problem", e.to_string().into())]))
    })
}

/// Two random crops.
pub(super) fn draw_crops(grid: PositionGrid, seed: u64) -> Vec<Crop> {
    use rand::SeedableRng;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed ^ 0x0063_726f_7073);
    (0..2).map(|_| voco_engine::draw_crop(grid, &mut random)).collect()
}

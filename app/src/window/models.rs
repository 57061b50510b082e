//! The published models beside the window: which are there, and fetching them.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use voco_engine_api::CancelFlag;
use voco_hub::{Control, Hub, HubError, Model, Phase, Presence, Progress, Source, Store, catalogue, human_bytes};
use voco_ui::{ModelRow, ModelState, i18n};

use super::app::App;

/// Fetches on a thread of their own, one after the other: they take minutes, and files are to open meanwhile.
pub(super) struct ModelTasks {
    jobs: Sender<Job>,
    results: Receiver<Done>,
    progress: Arc<Mutex<Option<(&'static Model, Progress)>>>,
    cancels: Vec<(&'static Model, CancelFlag)>,
}

enum Job {
    List,
    Fetch { model: &'static Model, from: Option<PathBuf>, cancel: CancelFlag },
}

enum Done {
    Listed(Result<Listing, String>),
    /// No error if all went well, or the user stopped it.
    Fetched {
        model: &'static Model,
        presence: Presence,
        error: Option<String>,
    },
}

/// Where models come from, where they are kept, and which of the catalogue are there.
struct Listing {
    origin: String,
    folder: String,
    presences: Vec<Presence>,
    /// The file of each, there or not.
    paths: Vec<PathBuf>,
}

impl ModelTasks {
    pub fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (jobs, job_receiver) = bounded::<Job>(16);
        let (sender, results) = bounded(16);
        let progress = Arc::new(Mutex::new(None));
        let latest = Arc::clone(&progress);
        let body = move || {
            for job in job_receiver {
                let report = |model, progress| {
                    *latest.lock() = Some((model, progress));
                    wake();
                };
                let fetched = job.model();
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(job, &report)));
                let done = done.unwrap_or_else(|_| {
                    let text = i18n::text("tell-program-error").to_owned();
                    match fetched {
                        Some(model) => Done::Fetched { model, presence: Presence::Absent, error: Some(text) },
                        None => Done::Listed(Err(text)),
                    }
                });
                if sender.send(done).is_err() {
                    break;
                }
                wake();
            }
        };
        // Without the thread nothing is listed, which the user sees.
        std::thread::Builder::new().name("models".into()).spawn(body).ok();
        Self { jobs, results, progress, cancels: Vec::new() }
    }

    pub fn cancel_all(&self) {
        self.cancels.iter().for_each(|(_, flag)| flag.cancel());
    }
}

impl Job {
    fn model(&self) -> Option<&'static Model> {
        match self {
            Self::List => None,
            Self::Fetch { model, .. } => Some(model),
        }
    }
}

fn run(job: Job, report: &dyn Fn(&'static Model, Progress)) -> Done {
    match job {
        Job::List => Done::Listed(list().map_err(|e| e.to_string())),
        Job::Fetch { model, from, cancel } => {
            let fetch = || -> Result<(), HubError> {
                let source =
                    from.map_or_else(|| Hub::from_env().map(Source::Hub), |folder| Ok(Source::Folder(folder)))?;
                let control = Control { progress: &|p| report(model, p), is_cancelled: &|| cancel.is_cancelled() };
                Store::from_env()?.fetch(model, &source, control).map(drop)
            };
            let error = fetch().err().filter(|e| !e.is_cancelled()).map(|e| e.to_string());
            let presence = Store::from_env().map_or(Presence::Absent, |store| store.presence(model));
            Done::Fetched { model, presence, error }
        }
    }
}

fn list() -> Result<Listing, HubError> {
    let (all, store, hub) = (catalogue(), Store::from_env()?, Hub::from_env()?);
    let host = hub.endpoint().trim_start_matches("https://");
    Ok(Listing {
        origin: format!("{host}/{}", all.repository),
        folder: store.folder().display().to_string(),
        presences: all.models.iter().map(|model| store.presence(model)).collect(),
        paths: all.models.iter().map(|model| store.path(model)).collect(),
    })
}

impl App {
    pub(super) fn list_models(&self) {
        // A full queue means that sixteen jobs wait; the list that is shown is kept up by their results.
        self.models.jobs.try_send(Job::List).ok();
    }

    pub(super) fn fetch_model(&mut self, name: &str, from: Option<PathBuf>) {
        let Some(model) = catalogue().find(name) else { return };
        let Some(row) = self.session.models.row_mut(name) else { return };
        if matches!(row.state, ModelState::Running { .. } | ModelState::Present) {
            return;
        }
        let cancel = CancelFlag::default();
        match self.models.jobs.try_send(Job::Fetch { model, from, cancel: cancel.clone() }) {
            Ok(()) => {
                self.models.cancels.push((model, cancel));
                row.error = None;
                row.state = ModelState::Running {
                    text: i18n::text("fetch-waiting").to_owned(),
                    share: 0.0,
                    is_stopping: false,
                };
            }
            Err(_) => row.error = Some(i18n::text("tell-too-much-fetched").to_owned()),
        }
    }

    pub(super) fn cancel_model(&mut self, name: &str) {
        self.models.cancels.iter().filter(|(model, _)| model.name == name).for_each(|(_, flag)| flag.cancel());
        if let Some(ModelRow { state: ModelState::Running { is_stopping, .. }, .. }) = self.session.models.row_mut(name)
        {
            *is_stopping = true;
        }
    }

    pub(super) fn take_model_results(&mut self) {
        let models = &mut self.session.models;
        if let Some((model, progress)) = self.models.progress.lock().take()
            && let Some(ModelRow { state: ModelState::Running { text, share, .. }, .. }) = models.row_mut(&model.name)
        {
            *share = progress.done as f32 / progress.total.max(1) as f32;
            *text = progress_text(progress);
        }
        for done in self.models.results.try_iter() {
            match done {
                Done::Listed(Ok(Listing { origin, folder, presences, paths })) => {
                    let all = catalogue().models.iter().zip(presences).zip(paths);
                    models.set_list(all.map(|((model, there), path)| row(model, there, path)).collect());
                    (models.origin, models.folder) = (origin, folder);
                }
                Done::Listed(Err(text)) => self.session.notices.push(voco_ui::Notice { text, is_error: true }),
                Done::Fetched { model, presence, error } => {
                    self.models.cancels.retain(|(other, _)| *other != model);
                    if let Some(row) = models.row_mut(&model.name) {
                        row.state = state(presence);
                        row.error = error;
                    }
                }
            }
        }
    }
}

fn row(model: &Model, presence: Presence, path: PathBuf) -> ModelRow {
    ModelRow {
        name: model.name.clone(),
        size: human_bytes(model.bytes),
        licence: catalogue().licence.clone(),
        network: model.network.clone(),
        purpose: model.purpose.clone(),
        state: state(presence),
        path,
        error: None,
    }
}

fn state(presence: Presence) -> ModelState {
    match presence {
        Presence::Absent => ModelState::Absent,
        Presence::Partial { bytes } => ModelState::Partial(human_bytes(bytes)),
        Presence::Present { .. } => ModelState::Present,
    }
}

fn progress_text(progress: Progress) -> String {
    let Progress { phase, done, total } = progress;
    let what = match phase {
        Phase::Connecting => return i18n::text("fetch-asking").to_owned(),
        Phase::Downloading => "fetch-fetching",
        Phase::Copying => "fetch-copying",
        Phase::Checking => "fetch-checking",
    };
    i18n::text_with(
        "fetch-progress",
        [("what", i18n::text(what).into()), ("done", human_bytes(done).into()), ("total", human_bytes(total).into())],
    )
}

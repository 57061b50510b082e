use std::path::PathBuf;
use std::sync::Arc;

use voco_engine::EngineHandle;
use voco_engine_api::{CancelFlag, EngineEvent};
use voco_render::RenderContext;
use voco_ui::{Outbox, Preferences, Request, Session, Shell, ViewSettings, i18n};

use super::jobs::JobLinks;
use super::models::ModelTasks;
use super::recent::RecentFiles;
use super::stopwatch::Stopwatch;
use super::tasks::Tasks;

/// The window's state: what is shown, what runs beside it, and the way to the engine.
pub(super) struct App {
    pub session: Session,
    pub settings: ViewSettings,
    pub shell: Shell,
    pub outbox: Outbox,
    pub tasks: Tasks,
    pub models: ModelTasks,
    pub engine: EngineHandle,
    pub training_cancel: Option<CancelFlag>,
    pub jobs: JobLinks,
    pub render: RenderContext,
    /// Asks for another frame; from any thread.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Volumes whose labels are being opened to be worked on, with labels that came meanwhile.
    pub opening_labels: super::opening::OpeningLabels,
    /// Where labels of volumes were saved in this session, and as what: there again without asking.
    pub saved_here: std::collections::BTreeMap<voco_ui::VolumeId, (PathBuf, voco_ui::LabelFormat)>,
    /// The DICOM series that volumes come from: labels are saved beside them as DICOM.
    pub series: std::collections::BTreeMap<voco_ui::VolumeId, voco_io::Series>,
    /// Whether the program is about to end.
    pub leaving: super::leaving::Leaving,
    pub recent: RecentFiles,
    pub told_of_render_error: bool,
    pub told_of_lost_device: bool,
    pub dialogs: super::dialogs::Dialogs,
    pub preferences_file: Option<PathBuf>,
    pub kept_preferences: Preferences,
    /// Writes preferences and measurements.
    pub scribe: super::scribe::Scribe,
    pub picture: Option<image::RgbaImage>,
    /// The task that writes pictures of the 3D view, and how to stop it.
    pub writing_3d: Option<(u64, CancelFlag)>,
    /// A frame that was asked for, whole.
    pub screenshot: Arc<parking_lot::Mutex<Option<Arc<egui::ColorImage>>>>,
    /// The series that the user chooses from, and their folder.
    pub found_series: (PathBuf, Vec<voco_io::Series>),
    /// Where open volumes come from, by their number.
    pub sources: std::collections::BTreeMap<u64, super::tasks::ImageSource>,
    /// Volumes of time series as tasks read them.
    pub times: super::times::TimeSlot,
    /// With whether it waits for a picture.
    pub stopwatch: (Stopwatch, bool),
}

impl App {
    pub fn new(
        creation: &eframe::CreationContext<'_>,
        files: Vec<PathBuf>,
        sample: bool,
        times_start: bool,
    ) -> anyhow::Result<Self> {
        let wants_picture = sample || !files.is_empty();
        voco_ui::theme::apply(&creation.egui_ctx);
        creation.egui_ctx.add_font_provider(Arc::new(super::fonts::SystemFonts::default()));
        let Some(state) = &creation.wgpu_render_state else { anyhow::bail!("eframe made no graphics device") };
        let render = RenderContext::from_wgpu(&state.adapter, state.device.clone(), state.queue.clone());
        voco_ui::install_gpu(state, render.clone());
        voco_ui::install_widgets(&creation.egui_ctx, state, &render);
        let waker = || -> Arc<dyn Fn() + Send + Sync> {
            let ctx = creation.egui_ctx.clone();
            Arc::new(move || ctx.request_repaint())
        };
        let recent = RecentFiles::load();
        let mut session = Session { adapter_name: render.adapter_name().to_owned(), ..Session::default() };
        if render.is_software() {
            session.notice(i18n::text("tell-no-gpu"), false);
        }
        session.recent = recent.paths().to_vec();
        session.label_presets = crate::label_presets::all();
        session.tasks = voco_engine_api::built_in_tasks();
        session.finetune.setup = session.tasks.first().cloned().map(voco_ui::FinetuneSetup::new);
        let mut outbox = Outbox::default();
        // What networks can be begun with by name.
        outbox.ask(Request::ListModels);
        outbox.ask(Request::ListRuns);
        if sample {
            outbox.ask(Request::OpenSample);
        }
        if !files.is_empty() {
            outbox.ask(Request::Open(files));
        }
        let (preferences, problems, preferences_file) = super::kept::load_preferences();
        for problem in problems {
            session.notice(problem, true);
        }
        let mut settings = ViewSettings { preferences: preferences.clone(), ..ViewSettings::default() };
        match super::view3d::own_presets() {
            Ok(own) => settings.transfer_functions.extend(own),
            Err(text) => session.notice(text, true),
        }
        let mut tasks = Tasks::new(&waker());
        if let Some(folder) = super::labels::journal_folder()
            && let Err(text) = tasks.start(super::tasks::TaskWork::FindUnsaved(folder))
        {
            session.notice(text, true);
        }
        Ok(Self {
            session,
            settings,
            shell: Shell::default(),
            outbox,
            tasks,
            models: ModelTasks::new(waker()),
            engine: EngineHandle::start(waker())?,
            training_cancel: None,
            jobs: JobLinks::default(),
            render,
            wake: waker(),
            series: std::collections::BTreeMap::new(),
            saved_here: std::collections::BTreeMap::new(),
            opening_labels: super::opening::OpeningLabels::default(),
            leaving: super::leaving::Leaving::default(),
            recent,
            told_of_render_error: false,
            told_of_lost_device: false,
            dialogs: super::dialogs::Dialogs::new(waker()),
            preferences_file,
            kept_preferences: preferences,
            scribe: super::scribe::Scribe::new(super::kept::write_text, waker()),
            picture: None,
            writing_3d: None,
            screenshot: Arc::default(),
            found_series: (PathBuf::new(), Vec::new()),
            sources: std::collections::BTreeMap::new(),
            times: super::times::TimeSlot::default(),
            stopwatch: (Stopwatch::new(times_start), wants_picture),
        })
    }

    fn drain_engine(&mut self) {
        let events: Vec<EngineEvent> = self.engine.events().try_iter().collect();
        for event in &events {
            if matches!(event, EngineEvent::Preview { .. })
                && let Some(job) = &mut self.session.training.job
            {
                job.previews.extend(self.engine.preview().get());
            }
            self.session.training.apply(event);
            self.follow(event);
        }
    }
}

impl eframe::App for App {
    /// Runs also while the window is hidden, so that the engine's queue is always drained.
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let (stopwatch, wants_picture) = &mut self.stopwatch;
        stopwatch.tick(ctx, self.session.active.is_some(), *wants_picture);
        self.drain_engine();
        if self.take_patches() {
            ctx.request_repaint();
        }
        if self.render.is_lost() && !std::mem::replace(&mut self.told_of_lost_device, true) {
            tracing::error!("graphics: the device was lost");
            self.session.notice(i18n::text("tell-gpu-lost"), true);
        }
        if let Some(error) = self.render.first_error()
            && !std::mem::replace(&mut self.told_of_render_error, true)
        {
            tracing::error!("graphics: {error}");
            self.session.notice(i18n::text("tell-gpu-error"), true);
        }
        self.take_times();
        self.poll_labels();
        self.take_task_results();
        self.watch_close(ctx);
        self.take_model_results();
        self.take_dialog_answers();
        self.scribe.failures().into_iter().for_each(|text| self.session.notice(text, true));
        let dropped: Vec<PathBuf> = ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_path_buf()).collect());
        if !dropped.is_empty() {
            self.outbox.ask(Request::Open(dropped));
        }
        for request in self.outbox.take() {
            self.carry_out(request, ctx);
        }
        self.keep_preferences(ctx);
        self.take_picture(ctx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.shell.show(ui, &mut self.session, &mut self.settings, &mut self.outbox);
        // In the frame of the hand's move itself.
        if self.draw_labels() {
            ui.ctx().request_repaint();
        }
        if !self.outbox.is_empty() {
            // They are carried out in `logic`, at the start of the next frame.
            ui.ctx().request_repaint();
        }
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        voco_ui::theme::VIEW_GAP.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        self.keep_all();
        self.tasks.finish();
        self.models.cancel_all();
        // Work that was closed a moment ago is on the disk before the program ends.
        self.tasks.closers.finish();
    }
}

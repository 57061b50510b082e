use std::path::{Path, PathBuf};
use std::sync::Arc;

use voco_engine_api::{DataItem, EngineCommand};
use voco_ui::{
    FinetuneSetup, Loading, OpenVolume, Preflight, Request, Told, TrainedVolume, TrainingSource, VolumeId, Window,
    Work, i18n,
};

use super::about::About;
use super::app::App;
use super::dialogs::Asked;
use super::reference::Match;
use super::tasks::{ImageSource, LabelRole, LoadedImage, TaskOutcome, TaskWork};

impl App {
    /// Does what a panel asked for.
    #[expect(clippy::too_many_lines, reason = "a line or two for each request")]
    pub(super) fn carry_out(&mut self, request: Request, ctx: &egui::Context) {
        match request {
            Request::OpenDialog => self.dialogs.ask(Asked::Images),
            Request::OpenFolderDialog => self.dialogs.ask(Asked::ImageFolder),
            Request::OpenSeries(chosen) => self.open_series(&chosen),
            Request::CloseSeriesChoice => self.session.series = None,
            Request::ResampleLabels(id) => self.resample_labels(id),
            Request::OpenLabelsDialog => self.dialogs.ask(Asked::Labels),
            Request::OpenReferenceDialog => self.dialogs.ask(Asked::Reference),
            Request::CloseReference(id) => {
                if let Some(volume) = self.session.volumes.iter_mut().find(|v| v.id == id)
                    && let Some((_, cancel)) = volume.reference.take().and_then(|r| r.measuring)
                {
                    cancel.cancel();
                }
            }
            Request::Compare(id) => self.compare(id),
            Request::CompareWithBefore(id) => {
                let work = self.session.volume(id).and_then(|v| v.labels.as_ref());
                let last = work.and_then(|w| w.now().steps[0].as_ref());
                if let Some((flat, last)) = work.and_then(voco_ui::labelling::LabelWork::flat_before).zip(last) {
                    let change = voco_ui::labelling::change_text(&last.name);
                    let name = voco_ui::i18n::text_with("label-before", [("change", change.into())]);
                    let (flat, render) = (Box::new(flat), self.render.clone());
                    self.start_task(TaskWork::AsReference { volume_id: id, flat, name, render });
                }
            }
            Request::TrainingFolderDialog => self.dialogs.ask(Asked::TrainingFolder),
            Request::RunFolderDialog => self.dialogs.ask(Asked::RunFolder),
            Request::Open(paths) => self.open(paths),
            Request::OpenSample => self.open_image(ImageSource::Sample, Some(ImageSource::Sample)),
            Request::CancelLoading(task) => {
                self.session.loading.iter().filter(|l| l.task == task).for_each(|l| l.cancel.cancel());
            }
            Request::Close(id) => self.close_or_ask(id),
            Request::CloseAnyway(volume) => self.close_anyway(volume, ctx),
            Request::FindPositionFrame { volume, recipe, seed } => {
                let Some(open) = self.session.volumes.iter_mut().find(|v| v.id == volume) else { return };
                if let Some(known) = open.position.as_mut().filter(|p| p.recipe == recipe && is_whole_body(recipe)) {
                    // The frame is the same for every seed: only the crops are drawn anew.
                    known.crops = super::tasks::draw_crops(known.grid, seed);
                    known.seed = seed;
                    return;
                }
                let work = TaskWork::PositionFrame { volume_id: volume, volume: open.volume.clone(), recipe, seed };
                self.start_task(work);
            }
            Request::FinetuneFolderDialog => self.dialogs.ask(Asked::FinetuneFolder),
            Request::FinetuneListDialog => self.dialogs.ask(Asked::FinetuneList),
            Request::FinetuneInitDialog => self.dialogs.ask(Asked::FinetuneInit),
            Request::FinetuneRunDialog => self.dialogs.ask(Asked::FinetuneRun),
            Request::Preflight(asked) => self.start_preflight(asked),
            Request::SaveLabelsDialog(id) => self.ask_to_save_labels(id),
            Request::LabelledFolderDialog => self.dialogs.ask(Asked::LabelledFolder),
            Request::LabelledListDialog => self.dialogs.ask(Asked::LabelledList),
            Request::TrainingInitDialog => self.dialogs.ask(Asked::TrainingInit),
            Request::OpenModels => {
                self.session.models.is_open = true;
                self.list_models();
            }
            Request::StartFinetune(setup) => self.start_finetune(*setup),
            Request::PauseFinetune => self.tell_finetune(EngineCommand::Pause),
            Request::ResumeFinetune => self.tell_finetune(EngineCommand::Resume),
            Request::StopFinetune => {
                if let Some(cancel) = &self.jobs.finetune_cancel {
                    cancel.cancel();
                }
            }
            Request::CheckpointDialog => self.dialogs.ask(Asked::Checkpoint),
            Request::UseCheckpoint(path) => self.use_checkpoint(path),
            Request::Segment(volume) => self.start_segment(volume),
            Request::StopSegmenting => self.stop_segment(),
            Request::NewLabels(id) => self.new_labels(id, true),
            Request::NewSegment(id) => self.new_segment(id),
            Request::Propose(id, ask) => self.ask_algorithm(id, *ask, None),
            Request::ProposeWithNetwork(id, ask) => self.ask_with_network(id, *ask),
            Request::StopProposing => self.stop_proposing(),
            Request::LabelStatistics(id) => self.count_labels(id),
            Request::ExportStatistics(id) => self.dialogs.ask(Asked::StatisticsCsv(id)),
            Request::ExportAudit(id) => self.dialogs.ask(Asked::AuditTrail(id)),
            Request::LabelTableDialog(id) => self.dialogs.ask(Asked::LabelTable(id)),
            Request::MaskImage { volume, segment, inside, fill } => self.mask_image(volume, segment, inside, fill),
            Request::SaveLabels(save) => self.save_labels(&save),
            Request::SaveImageDialog(id) => self.ask_to_save_image(id),
            Request::BrowseSaveLabels(id) => self.browse_for_labels(id),
            Request::ListRuns => self.list_runs(),
            Request::RunsRootDialog => self.dialogs.ask(Asked::RunsRoot),
            Request::ReadRun(folder) => {
                // Asked for once: an empty set of curves stands in until they are there.
                self.session.runs.curves.insert(folder.clone(), Arc::default());
                self.start_task(TaskWork::ReadRun(folder));
            }
            Request::SaveRunNote { folder, note } => self.start_task(TaskWork::SaveNote { folder, note }),
            Request::ContinueRun(folder) => self.continue_run(folder),
            Request::StartFromRun(folder) => {
                self.session.runs.is_open = false;
                self.session.models.is_open = false;
                // The next step of the loop: what was pre-trained is fine-tuned; a pre-training can choose it in its list.
                if let Some(setup) = &mut self.session.finetune.setup {
                    (setup.init, setup.resume, setup.out) = (Some(folder), false, None);
                    self.settings.work = Work::Finetune;
                }
            }
            Request::StartTraining(setup) => self.start_training(*setup),
            Request::PauseTraining => self.tell_job(EngineCommand::Pause),
            Request::ResumeTraining => self.tell_job(EngineCommand::Resume),
            Request::SaveTraining => self.tell_job(EngineCommand::Checkpoint),
            Request::StopTraining => {
                if let Some(cancel) = &self.training_cancel {
                    cancel.cancel();
                }
            }
            Request::ShowTrainingVolume(index) => self.show_training_volume(index),
            Request::ListModels => self.list_models(),
            Request::FetchModel(name) => self.fetch_model(&name, None),
            Request::ModelFolderDialog(name) => {
                if let Some(model) = voco_hub::catalogue().find(&name) {
                    self.dialogs.ask(Asked::ModelFolder(model));
                }
            }
            Request::CancelModel(name) => self.cancel_model(&name),
            Request::LoadMeasurements(id) => self.find_measurements(id),
            Request::SaveMeasurements(id) => self.save_measurements(id),
            Request::ExportReport(id) => self.ask_for_report(id),
            Request::ReadTimes(id) => self.read_times(id),
            Request::TakePicture => self.ask_for_picture(ctx),
            Request::ExportMeasurements(id) => self.ask_for_csv(id),
            Request::View3d(request) => self.carry_out_3d(request),
            Request::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    pub(super) fn take_dialog_answers(&mut self) {
        for (asked, mut paths) in self.dialogs.answers() {
            let setup = &mut self.session.training.setup;
            match asked {
                Asked::Images | Asked::ImageFolder => self.open(paths),
                Asked::Labels => self.open_labels(&paths.swap_remove(0), LabelRole::Shown),
                Asked::Reference => self.open_labels(&paths.swap_remove(0), LabelRole::Reference),
                Asked::SaveLabels(id) => self.take_label_path(id, &paths.swap_remove(0)),
                Asked::SaveImage(id) => self.save_image(id, &paths.swap_remove(0)),
                Asked::LabelTable(_) | Asked::StatisticsCsv(_) | Asked::AuditTrail(_) => {
                    self.take_label_answer(asked, paths.swap_remove(0));
                }
                Asked::TrainingInit => setup.init = Some(paths.swap_remove(0)),
                Asked::LabelledFolder | Asked::LabelledList => {
                    if let Some(labelled) = &mut setup.labelled {
                        labelled.data = Some(paths.swap_remove(0));
                    }
                }
                Asked::TrainingFolder => setup.source = TrainingSource::Folder(paths.swap_remove(0)),
                Asked::ModelFolder(model) => self.fetch_model(&model.name, Some(paths.swap_remove(0))),
                Asked::RunFolder => self.continue_run(paths.swap_remove(0)),
                Asked::FinetuneFolder | Asked::FinetuneList => {
                    self.finetune_setup(|s, path| s.data = Some(path), paths);
                }
                Asked::FinetuneInit => self.finetune_setup(|s, path| s.init = Some(path), paths),
                Asked::FinetuneRun => self.finetune_setup(|s, path| s.out = Some(path), paths),
                Asked::Checkpoint => self.use_checkpoint(paths.swap_remove(0)),
                Asked::Picture => self.write_picture(paths.swap_remove(0)),
                Asked::Picture3d => self.write_3d(paths.swap_remove(0), false),
                Asked::Turn3d => self.write_3d(paths.swap_remove(0), true),
                Asked::MeasurementsCsv(id) => self.export_measurements(id, paths.swap_remove(0)),
                Asked::Report(id) => self.write_report(id, paths.swap_remove(0)),
                Asked::RunsRoot => {
                    self.session.runs.root = Some(paths.swap_remove(0));
                    self.list_runs();
                }
            }
        }
    }

    pub(super) fn take_task_results(&mut self) {
        for (task, share) in self.tasks.progress() {
            self.session.loading.iter_mut().filter(|l| l.task == task).for_each(|l| l.progress = share);
            self.progress_3d(task, share);
            if let Some(proposing) = self.session.proposing.as_mut().filter(|p| p.task == task) {
                proposing.progress = share;
            }
            if let Preflight::Running(_, shown, of, _) = &mut self.session.preflight
                && *of == task
            {
                *shown = share;
            }
        }
        for result in self.tasks.results() {
            self.session.loading.retain(|l| l.task != result.task);
            self.ended_3d(result.task);
            let (task, about) = (result.task, result.about);
            if about == About::Writes && matches!(result.outcome, TaskOutcome::Failed(_)) {
                self.stay_after_failure();
            }
            if matches!(&self.session.preflight, Preflight::Running(_, _, task, _) if *task == result.task)
                && !matches!(result.outcome, TaskOutcome::Preflight(_))
            {
                self.session.preflight = Preflight::None;
            }
            match result.outcome {
                TaskOutcome::Image { source, opened } => self.add_volume(result.task, &source, *opened),
                TaskOutcome::Series(found) => self.take_series(*found),
                TaskOutcome::LabelFile(path) if self.session.active.is_some() => {
                    self.open_labels(&path, LabelRole::Shown);
                }
                TaskOutcome::LabelFile(path) => self.open_image(ImageSource::File(path), None),
                TaskOutcome::PositionFrame { volume_id, overlay } => {
                    // An older answer than the last question would draw another recipe's grid.
                    let wanted = self.session.position_asked == Some((volume_id, overlay.recipe, overlay.seed));
                    if let Some(volume) = self.session.volumes.iter_mut().find(|v| wanted && v.id == volume_id) {
                        volume.position = Some(*overlay);
                    }
                }
                TaskOutcome::TrainingFolder { setup, paths } => {
                    let (data, volumes) =
                        paths.into_iter().map(|p| (DataItem::File(p.clone()), TrainedVolume::File(p))).unzip();
                    self.start_training_on(*setup, data, volumes);
                }
                TaskOutcome::Matched { volume_id, key, matched } => {
                    let volume = self.session.volumes.iter_mut().find(|v| v.id == volume_id);
                    if let Some(reference) = volume.and_then(|v| v.reference.as_mut())
                        && reference.measuring.as_ref().is_some_and(|(task, _)| *task == result.task)
                    {
                        let original = || (reference.original.clone(), 0);
                        (reference.labels, reference.left_out) = matched.map_or_else(original, |both| *both);
                        (reference.matched_with, reference.measuring) = (Some(key), None);
                        self.compare(volume_id);
                    }
                }
                TaskOutcome::Compared { volume_id, report } => {
                    let volume = self.session.volumes.iter_mut().find(|v| v.id == volume_id);
                    // An answer about another pair of maps than those on show is dropped.
                    if let Some(reference) = volume.and_then(|v| v.reference.as_mut())
                        && reference.measuring.as_ref().is_some_and(|(task, _)| *task == result.task)
                    {
                        reference.report = Some(report);
                        reference.measuring = None;
                    }
                }
                TaskOutcome::Preflight(report) => {
                    if let Preflight::Running(asked, _, task, _) = &self.session.preflight
                        && *task == result.task
                    {
                        self.session.preflight = Preflight::Done(asked.clone(), report);
                    }
                }
                TaskOutcome::Measurements { volume_id, key, stored } => self.take_measurements(volume_id, key, stored),
                TaskOutcome::View3d(done) => self.take_3d(*done),
                TaskOutcome::Card(card) => self.take_card(*card),
                TaskOutcome::Runs(list) => self.session.runs.set_list(list),
                TaskOutcome::RunCurves { folder, curves } => drop(self.session.runs.curves.insert(folder, curves)),
                TaskOutcome::Told(text) => self.session.notice(text, false),
                TaskOutcome::Times { volume_id, failed } => self.times_ended(result.task, volume_id, failed),
                TaskOutcome::Failed(text) => {
                    self.session.proposing.take_if(|p| p.task == result.task);
                    let references = self.session.volumes.iter_mut().filter_map(|v| v.reference.as_mut());
                    for reference in references {
                        reference.measuring.take_if(|(task, _)| *task == result.task);
                    }
                    self.session.notice(text, true);
                }
                outcome @ (TaskOutcome::Labels { .. }
                | TaskOutcome::Reference { .. }
                | TaskOutcome::Work { .. }
                | TaskOutcome::NoWork
                | TaskOutcome::Proposal { .. }
                | TaskOutcome::LabelStats { .. }
                | TaskOutcome::LabelTable { .. }
                | TaskOutcome::Masked { .. }
                | TaskOutcome::Prediction { .. }
                | TaskOutcome::LabelsSaved { .. }) => self.take_label_outcome(result.task, outcome),
                TaskOutcome::Cancelled => drop(self.session.proposing.take_if(|p| p.task == result.task)),
            }
            self.ended(task, about);
        }
    }

    /// What was remembered of a task is over, whatever came of it.
    fn ended(&mut self, task: u64, about: About) {
        match about {
            About::Opens(id) => {
                for waiting in self.opening_labels.end(id) {
                    self.take_label_outcome(task, waiting);
                }
                self.uncover(id);
            }
            About::Packs(id) => self.uncover(id),
            About::CountsLabels => self.session.is_counting_labels = false,
            About::Surfaces => self.settings.view3d.made.surfaces_asked = false,
            About::ListsRuns => self.session.runs.is_loading = false,
            About::Times(_) | About::Writes | About::Nothing => {}
        }
    }

    /// Images are opened; label maps (by name) go over the image of their name, or else the last one, or the volume on show.
    /// Weights are taken for segmentation.
    fn open(&mut self, paths: Vec<PathBuf>) {
        let (weights, paths): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| is_weights(p));
        if let Some(path) = weights.into_iter().next_back() {
            self.use_checkpoint(path);
        }
        let (series, paths) = super::series::series_among(paths);
        for path in series {
            self.find_series(path);
        }
        if paths.is_empty() {
            return;
        }
        let (labels, mut images): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| voco_io::is_label_name(p));
        if images.is_empty() {
            // Alone, with nothing to lie over, a label map is looked at as an image.
            match self.session.active {
                Some(_) => labels.iter().for_each(|path| self.open_labels(path, LabelRole::Shown)),
                None => labels.into_iter().for_each(|path| self.open_image(ImageSource::File(path), None)),
            }
            return;
        }
        let last = images.len() - 1;
        let mut over = vec![None; images.len()];
        for label in labels {
            let stem = voco_io::labelled_stem(&label);
            let image = images.iter().position(|i| voco_io::image_stem(i) == stem).unwrap_or(last);
            over[image] = Some(ImageSource::File(label));
        }
        for (image, labels) in images.drain(..).zip(over) {
            self.open_image(ImageSource::File(image), labels);
        }
    }

    pub(super) fn open_image(&mut self, source: ImageSource, labels: Option<ImageSource>) {
        let name = match &source {
            ImageSource::Sample => i18n::text("sample-ct").to_owned(),
            ImageSource::File(path) => file_name(path),
            ImageSource::Series(series, folder) => series_name(series, folder),
        };
        let work = TaskWork::Image { source, render: self.render.clone(), labels };
        match self.tasks.start(work) {
            Ok((task, cancel)) => self.session.loading.push(Loading { task, name, progress: 0.0, cancel }),
            Err(text) => self.session.notice(text, true),
        }
    }

    fn open_labels(&mut self, path: &Path, role: LabelRole) {
        let Some(volume) = self.session.active() else { return };
        let work = TaskWork::Labels {
            path: path.to_owned(),
            image: *volume.volume.geometry(),
            volume_id: volume.id,
            role,
            render: self.render.clone(),
        };
        match self.tasks.start(work) {
            Ok((task, cancel)) => {
                let name = file_name(path);
                self.session.loading.push(Loading { task, name, progress: 0.0, cancel });
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    pub(super) fn compare(&mut self, id: VolumeId) {
        let Some(volume) = self.session.volumes.iter_mut().find(|v| v.id == id) else { return };
        let (Some(labels), Some(reference)) = (&volume.labels, &mut volume.reference) else { return };
        reference.report = None;
        if let Some((_, cancel)) = reference.measuring.take() {
            cancel.cancel();
        }
        let key = labels.names_key();
        let work =
            if reference.matched_with.as_ref() != Some(&key) && labels.has_names() && reference.original.has_names() {
                TaskWork::MatchReference(Box::new(Match {
                    volume_id: id,
                    reference: reference.original.clone(),
                    table: labels.table().clone(),
                    key,
                    render: self.render.clone(),
                }))
            } else {
                reference.matched_with = Some(key);
                TaskWork::Compare {
                    volume_id: id,
                    prediction: Box::new(labels.flat()),
                    reference: Box::new((reference.labels.volume.clone(), reference.labels.table.clone())),
                }
            };
        match self.tasks.start(work) {
            Ok(started) => reference.measuring = Some(started),
            Err(text) => self.session.notice(text, true),
        }
    }

    /// Volumes stand in the order in which they were asked for, whichever was read first, and the last one is shown.
    fn add_volume(&mut self, task: u64, source: &ImageSource, mut loaded: LoadedImage) {
        let id = VolumeId(task);
        self.keep_source(id, source, &loaded);
        let (name, path) = match source {
            ImageSource::Sample => (i18n::text("sample-ct").to_owned(), None),
            ImageSource::File(path) => {
                self.recent.add(path);
                self.session.recent = self.recent.paths().to_vec();
                (file_name(path), Some(path.clone()))
            }
            ImageSource::Series(series, folder) => {
                self.recent.add(folder);
                self.session.recent = self.recent.paths().to_vec();
                (series_name(series, folder), Some(folder.clone()))
            }
        };
        self.say_warnings(&loaded.opened.warnings);
        for note in std::mem::take(&mut loaded.notes) {
            self.session.notice(note, true);
        }
        if let ImageSource::Series(series, _) = source {
            self.series.insert(id, (**series).clone());
        }
        self.insert_volume(id, name, path, loaded);
    }

    /// What nobody should overlook is said line by line, the rest by its first line; all of it stands in the list of volumes.
    fn say_warnings(&mut self, warnings: &[String]) {
        let (sides, rest): (Vec<_>, Vec<_>) = warnings.iter().partition(|w| voco_io::is_about_sides(w));
        for warning in sides {
            self.session.notice(warning.clone(), true);
        }
        match rest[..] {
            [] => {}
            [only] => self.session.notice(only.clone(), false),
            [first, ref more @ ..] => {
                let arguments = [("first", first.as_str().into()), ("count", more.len().into())];
                self.session.notice(i18n::text_with("tell-more-warnings", arguments), false);
            }
        }
    }

    /// A volume that was made here: it has no file.
    pub(super) fn add_made(&mut self, task: u64, name: String, loaded: LoadedImage) {
        self.insert_volume(VolumeId(task), name, None, loaded);
    }

    fn insert_volume(&mut self, id: VolumeId, name: String, path: Option<PathBuf>, loaded: LoadedImage) {
        let window = loaded.opened.window_for(&loaded.stats).map(|[width, level]| Window { width, level });
        let told = Told { window, inverted: loaded.opened.is_inverted, unit: loaded.opened.unit };
        let volume = OpenVolume {
            id,
            name,
            path,
            volume: loaded.opened.volume,
            stats: loaded.stats,
            warnings: loaded.opened.warnings,
            window: told.window.unwrap_or_else(|| Window::default_for(&loaded.stats)),
            inverted: told.inverted,
            told,
            texture: loaded.texture,
            labels: None,
            incoming: None,
            label_stats: None,
            reference: None,
            position: None,
        };
        let place = self.session.volumes.partition_point(|v| v.id.0 < id.0);
        self.session.volumes.insert(place, volume);
        if self.session.active.is_none_or(|active| active.0 < id.0) {
            self.show(id);
        }
        match loaded.labels {
            Some(ready) => self.put_work(id, ready),
            // Work that was begun on it is found again without asking.
            None => self.new_labels(id, false),
        }
    }

    pub(super) fn close(&mut self, id: VolumeId) {
        if self.jobs.segment.as_ref().is_some_and(|segmenting| segmenting.volume() == id) {
            // Nobody would see what it finds.
            self.stop_segment();
        }
        self.saved_here.remove(&id);
        // Its labels may have changes that are not on the disk yet, and the window does not wait for that.
        let closed = self.session.volumes.extract_if(.., |v| v.id == id);
        closed.for_each(|volume| self.tasks.closers.close(volume));
        self.session.measurements.remove(&id.0);
        self.forget_source(id);
        self.series.remove(&id);
        let is_asked = self.session.proposing.as_ref().is_some_and(|p| p.volume == id);
        if is_asked || self.jobs.prior.as_ref().is_some_and(|prior| prior.is_about(id)) {
            self.stop_proposing();
        }
        if self.session.active == Some(id) {
            self.session.active = None;
            self.session.volumes.last().map(|v| v.id).into_iter().for_each(|last| self.show(last));
        }
    }

    /// A task whose result says all there is to say.
    pub(super) fn start_task(&mut self, work: TaskWork) {
        let about = work.about();
        if let Err(text) = self.tasks.start(work) {
            self.session.notice(text, true);
            self.ended(0, about);
        }
    }

    fn list_runs(&mut self) {
        let Some(root) = self.session.runs.root.clone().or_else(super::runs::default_root) else { return };
        self.session.runs.is_loading = true;
        self.start_task(TaskWork::ListRuns(root));
    }

    fn finetune_setup(&mut self, set: impl FnOnce(&mut FinetuneSetup, PathBuf), mut paths: Vec<PathBuf>) {
        if let Some(setup) = &mut self.session.finetune.setup {
            set(setup, paths.swap_remove(0));
        }
    }

    pub(super) fn show(&mut self, id: VolumeId) {
        voco_ui::commands::show_volume(&mut self.session, &mut self.settings, id);
    }
}

fn series_name(series: &voco_io::Series, folder: &Path) -> String {
    if series.description.is_empty() { file_name(folder) } else { series.description.clone() }
}

fn is_weights(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ["safetensors", "pt", "pth", "bpk"].contains(&e.as_str()))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn is_whole_body(recipe: voco_volume::Recipe) -> bool {
    recipe.crop_style() == voco_volume::CropStyle::WholeBody
}

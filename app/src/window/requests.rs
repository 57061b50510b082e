use std::path::{Path, PathBuf};

use voco_engine_api::{DataItem, EngineCommand, JobSpec};
use voco_ui::{Loading, OpenVolume, Request, TrainingJob, TrainingSetup, TrainingSource, VolumeId, Window};

use super::app::App;
use super::dialogs::Asked;
use super::tasks::{ImageSource, LoadedImage, TaskOutcome, TaskWork};
use crate::sample;

/// A volume of the present run: open already, or a file.
pub(super) enum TrainingItem {
    Open(VolumeId),
    File(PathBuf),
}

impl App {
    /// Does what a panel asked for.
    pub(super) fn carry_out(&mut self, request: Request, ctx: &egui::Context) {
        match request {
            Request::OpenDialog => self.dialogs.ask(Asked::Images),
            Request::OpenLabelsDialog => self.dialogs.ask(Asked::Labels),
            Request::TrainingFolderDialog => self.dialogs.ask(Asked::TrainingFolder),
            Request::RunFolderDialog => self.dialogs.ask(Asked::RunFolder),
            Request::Open(paths) => self.open(paths),
            Request::OpenSample => self.open_image(ImageSource::Sample),
            Request::CancelLoading(task) => {
                self.session.loading.iter().filter(|l| l.task == task).for_each(|l| l.cancel.cancel());
            }
            Request::Close(id) => self.close(id),
            Request::FindPositionFrame { volume, recipe, seed } => {
                let Some(open) = self.session.volumes.iter().find(|v| v.id == volume) else { return };
                let work = TaskWork::PositionFrame { volume_id: volume, volume: open.volume.clone(), recipe, seed };
                if let Err(text) = self.tasks.start(work) {
                    self.session.notice(text, true);
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
            Request::Quit => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
        }
    }

    pub(super) fn take_dialog_answers(&mut self) {
        for (asked, mut paths) in self.dialogs.answers() {
            let setup = &mut self.session.training.setup;
            match asked {
                Asked::Images => self.open(paths),
                Asked::Labels => self.open_labels(&paths.swap_remove(0)),
                Asked::TrainingFolder => setup.source = TrainingSource::Folder(paths.swap_remove(0)),
                Asked::RunFolder => setup.out = Some(paths.swap_remove(0)),
            }
        }
    }

    pub(super) fn take_task_results(&mut self) {
        for (task, share) in self.tasks.progress() {
            self.session.loading.iter_mut().filter(|l| l.task == task).for_each(|l| l.progress = share);
        }
        for result in self.tasks.results() {
            self.session.loading.retain(|l| l.task != result.task);
            match result.outcome {
                TaskOutcome::Image { source, opened } => self.add_volume(source, *opened),
                TaskOutcome::Labels { volume_id, labels, note } => {
                    if let Some(volume) = self.session.volumes.iter_mut().find(|v| v.id == volume_id) {
                        volume.labels = Some(*labels);
                    }
                    if let Some(note) = note {
                        self.session.notice(note, false);
                    }
                }
                TaskOutcome::PositionFrame { volume_id, overlay } => {
                    if let Some(volume) = self.session.volumes.iter_mut().find(|v| v.id == volume_id) {
                        volume.position = Some(*overlay);
                    }
                }
                TaskOutcome::Failed(text) => self.session.notice(text, true),
                TaskOutcome::Cancelled => {}
            }
        }
    }

    /// Images are opened; label maps (by name) go over the volume on show, if there is one.
    fn open(&mut self, paths: Vec<PathBuf>) {
        let (labels, images): (Vec<_>, Vec<_>) = paths.into_iter().partition(|p| voco_io::is_label_name(p));
        let only_labels = images.is_empty() && self.session.active.is_some();
        for path in images {
            self.open_image(ImageSource::File(path));
        }
        for path in labels {
            if only_labels {
                self.open_labels(&path);
            } else {
                self.open_image(ImageSource::File(path));
            }
        }
    }

    fn open_image(&mut self, source: ImageSource) {
        let (name, labels) = match &source {
            ImageSource::Sample => (sample::NAME.to_owned(), Some(ImageSource::Sample)),
            ImageSource::File(path) => (file_name(path), None),
        };
        let work =
            TaskWork::Image { source, render: self.render.clone(), labels, names: sample::total_segmentator_names() };
        match self.tasks.start(work) {
            Ok((task, cancel)) => self.session.loading.push(Loading { task, name, progress: 0.0, cancel }),
            Err(text) => self.session.notice(text, true),
        }
    }

    fn open_labels(&mut self, path: &Path) {
        let Some(volume) = self.session.active() else { return };
        let work = TaskWork::Labels {
            path: path.to_owned(),
            image: *volume.volume.geometry(),
            volume_id: volume.id,
            render: self.render.clone(),
            names: sample::total_segmentator_names(),
        };
        match self.tasks.start(work) {
            Ok((task, cancel)) => {
                let name = file_name(path);
                self.session.loading.push(Loading { task, name, progress: 0.0, cancel });
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    fn add_volume(&mut self, source: ImageSource, loaded: LoadedImage) {
        let id = VolumeId(self.next_volume);
        self.next_volume += 1;
        let (name, path) = match source {
            ImageSource::Sample => (sample::NAME.to_owned(), None),
            ImageSource::File(path) => {
                self.recent.add(&path);
                self.session.recent = self.recent.paths().to_vec();
                (file_name(&path), Some(path))
            }
        };
        let volume = OpenVolume {
            id,
            name,
            path,
            volume: loaded.opened.volume,
            stats: loaded.stats,
            warnings: loaded.opened.warnings,
            window: Window::default_for(&loaded.stats),
            texture: loaded.texture,
            labels: loaded.labels,
            position: None,
        };
        self.settings.reset_for(&volume);
        self.session.volumes.push(volume);
        self.session.active = Some(id);
    }

    fn close(&mut self, id: VolumeId) {
        self.session.volumes.retain(|v| v.id != id);
        if self.session.active == Some(id) {
            self.session.active = self.session.volumes.last().map(|v| v.id);
            if let Some(volume) = self.session.active() {
                self.settings.reset_for(volume);
            }
        }
    }

    fn start_training(&mut self, setup: TrainingSetup) {
        let (data, items): (Vec<DataItem>, Vec<TrainingItem>) = match &setup.source {
            TrainingSource::OpenVolumes => self
                .session
                .volumes
                .iter()
                .map(|v| (DataItem::Open { name: v.name.clone(), volume: v.volume.clone() }, TrainingItem::Open(v.id)))
                .unzip(),
            TrainingSource::Folder(folder) => match voco_io::list_images(folder) {
                Ok(paths) => paths.into_iter().map(|p| (DataItem::File(p.clone()), TrainingItem::File(p))).unzip(),
                Err(e) => {
                    return self.session.notice(format!("The folder cannot be read ({e}); choose another."), true);
                }
            },
        };
        if data.is_empty() {
            return self.session.notice("There are no volumes in that folder (.nii, .nii.gz or .hdr).", true);
        }
        let Some(out) = setup.out.clone().or_else(new_run_folder) else {
            return self.session.notice("Choose a folder for the run first.", true);
        };
        let spec = JobSpec::Pretrain {
            config: setup.config.clone(),
            data,
            out: out.clone(),
            resume: setup.resume,
            init: None,
        };
        match self.engine.start_job(spec) {
            Ok((id, cancel)) => {
                self.training_cancel = Some(cancel);
                self.training_data = items;
                let mut job = TrainingJob::new(id, setup.config, out);
                if let Some(before) = self.session.training.job.take().filter(|b| setup.resume && b.out == job.out) {
                    // The same run goes on: its curves up to the checkpoint stay.
                    let saved_at = before.saved_at.unwrap_or(0);
                    job.steps = before.steps;
                    job.steps.retain(|s| s.step <= saved_at);
                    job.previews = before.previews;
                }
                self.session.training.job = Some(job);
                self.settings.show_grid = true;
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    fn tell_job(&mut self, command: fn(voco_engine_api::JobId) -> EngineCommand) {
        let Some(job) = self.session.training.job.as_ref().filter(|j| j.is_running()) else { return };
        if let Err(text) = self.engine.send(command(job.id)) {
            self.session.notice(text, true);
        }
    }

    fn show_training_volume(&mut self, index: usize) {
        match self.training_data.get(index) {
            Some(TrainingItem::Open(id)) => self.show(*id),
            Some(TrainingItem::File(path)) => {
                let open = self.session.volumes.iter().find(|v| v.path.as_ref() == Some(path)).map(|v| v.id);
                match open {
                    Some(id) => self.show(id),
                    None => self.open_image(ImageSource::File(path.clone())),
                }
            }
            None => {}
        }
    }

    fn show(&mut self, id: VolumeId) {
        self.session.active = Some(id);
        if let Some(volume) = self.session.active() {
            self.settings.reset_for(volume);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// A folder in the user's data folder that no run has used.
fn new_run_folder() -> Option<PathBuf> {
    let runs = directories::ProjectDirs::from("", "", "voco-workbench")?.data_dir().join("runs");
    (1..100_000).map(|n| runs.join(format!("run-{n:03}"))).find(|p| !p.exists())
}

use std::path::PathBuf;

use voco_engine_api::{DataItem, EngineCommand, JobSpec};
use voco_ui::{LabelledData, OpenVolume, TrainedVolume, TrainingJob, TrainingSetup, TrainingSource, Work, i18n};

use super::app::App;
use super::tasks::{ImageSource, TaskWork};

/// What the training panel asks for.
impl App {
    /// The folder of the next run; if one is in it already, going on with that is what one wants.
    pub(super) fn continue_run(&mut self, folder: PathBuf) {
        self.session.runs.is_open = false;
        if let Some(config) = voco_engine::finetune_config(&folder)
            && let Some(setup) = &mut self.session.finetune.setup
        {
            (setup.config, setup.resume, setup.out) = (config, true, Some(folder));
            self.settings.work = Work::Finetune;
            return;
        }
        self.settings.work = Work::Pretrain;
        let setup = &mut self.session.training.setup;
        if let Some(config) = voco_engine::run_config(&folder) {
            setup.config = config;
            setup.labelled = None;
            setup.resume = true;
        } else if let Some(config) = voco_engine::omni_config(&folder) {
            let (data, names) = setup.labelled.take().map_or((None, None), |before| (before.data, before.names));
            setup.config.seed = config.labelled.seed;
            setup.config.device = config.labelled.device;
            setup.labelled = Some(LabelledData { data, names, config });
            setup.resume = true;
        }
        setup.out = Some(folder);
    }

    /// Lists the folder on a task first, as it may lie on a slow network.
    pub(super) fn start_training(&mut self, setup: TrainingSetup) {
        match &setup.source {
            TrainingSource::OpenVolumes => {
                let open = self.session.volumes.iter();
                let item = |v: &OpenVolume| DataItem::Open { name: v.name.clone(), volume: v.volume.clone() };
                let (data, volumes) = open.map(|v| (item(v), TrainedVolume::Open(v.id))).unzip();
                self.start_training_on(setup, data, volumes);
            }
            TrainingSource::Folder(path) if setup.labelled.is_some() => {
                // Crops of a run with labels are not drawn on volumes in the window: it need not know them one by one.
                let data = vec![DataItem::Source { path: path.clone(), group: None }];
                self.start_training_on(setup, data, Vec::new());
            }
            TrainingSource::Folder(_) => {
                self.start_task(TaskWork::ListTrainingFolder(Box::new(setup)));
            }
        }
    }

    pub(super) fn start_training_on(&mut self, setup: TrainingSetup, data: Vec<DataItem>, volumes: Vec<TrainedVolume>) {
        if data.is_empty() && setup.labelled.as_ref().is_none_or(LabelledData::needs_unlabelled) {
            return self.session.notice(i18n::text("tell-no-volumes"), true);
        }
        let Some(out) = setup.out.clone().or_else(super::runs::new_run_folder) else {
            return self.session.notice(i18n::text("tell-choose-run-folder"), true);
        };
        let (config, resume) = (setup.config.clone(), setup.resume);
        let (init, cache) = (setup.init.clone(), crate::folders::sample_cache(&out));
        let spec = match &setup.labelled {
            Some(labelled) => {
                let Some(path) = labelled.data.clone() else { return };
                JobSpec::Omni {
                    config: Box::new(labelled.run_config(&config)),
                    labelled: path,
                    label_names: self.label_names(labelled.names.as_ref()),
                    unlabelled: if labelled.needs_unlabelled() { data } else { Vec::new() },
                    cache,
                    out: out.clone(),
                    resume,
                    init,
                }
            }
            None => JobSpec::Pretrain { config: Box::new(config), data, out: out.clone(), resume, init, cache },
        };
        match self.engine.start_job(spec) {
            Ok((id, cancel)) => {
                self.training_cancel = Some(cancel);
                let mut job = TrainingJob::new(id, setup.config, out, volumes);
                job.labelled = setup.labelled;
                if let Some(before) = self.session.training.job.take().filter(|b| resume && b.out == job.out) {
                    job.go_on_from(before);
                }
                if job.labelled.is_none() {
                    self.settings.show_grid = true;
                    self.settings.show_predictions = true;
                }
                self.session.training.job = Some(job);
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    pub(super) fn tell_job(&mut self, command: fn(voco_engine_api::JobId) -> EngineCommand) {
        let Some(job) = self.session.training.job.as_ref().filter(|j| j.is_running()) else { return };
        if let Err(text) = self.engine.send(command(job.id)) {
            self.session.notice(text, true);
        }
    }

    pub(super) fn show_training_volume(&mut self, index: usize) {
        let job = self.session.training.job.as_ref();
        match job.and_then(|j| j.volumes.get(index)).cloned() {
            Some(TrainedVolume::Open(id)) => self.show(id),
            Some(TrainedVolume::File(path)) => {
                let open = self.session.volumes.iter().find(|v| v.path.as_ref() == Some(&path)).map(|v| v.id);
                match open {
                    Some(id) => self.show(id),
                    None => self.open_image(ImageSource::File(path), None),
                }
            }
            None => {}
        }
    }
}

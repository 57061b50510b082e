//! Fine-tuning and segmentation as the window starts and follows them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use voco_engine_api::{
    CancelFlag, DataItem, EngineCommand, EngineEvent, JobId, JobSpec, LabelPatch, Outcome, SegmentItem, WithoutCard,
};
use voco_io::LabelNames;
use voco_labelstore::{change_name, split_change_name};
use voco_render::{LabelTexture, RenderContext};
use voco_ui::labelling::LabelWork;
use voco_ui::{
    CardOf, FinetuneJob, FinetuneSetup, IncomingLabels, Preflight, PreflightAsked, SegmentJob, VolumeId, Work, i18n,
};
use voco_volume::{Geometry, LabelTable};

use super::app::App;
use super::labels::ReadLabels;
use super::preflight::Look;
use super::tasks::TaskWork;

/// Label voxels taken over in one frame: a millisecond or so.
const VOXELS_PER_FRAME: usize = 1 << 20;

/// What the window keeps of the jobs that it follows, besides what it shows.
#[derive(Default)]
pub(super) struct JobLinks {
    pub finetune_cancel: Option<CancelFlag>,
    pub segment: Option<Segmenting>,
    pub prior: Option<super::prior::PriorJob>,
}

/// A segmentation whose label map is being filled.
pub(super) struct Segmenting {
    job: JobId,
    volume: VolumeId,
    cancel: CancelFlag,
    began: Instant,
    geometry: Geometry,
    name: String,
    table: LabelTable,
    texture: Arc<LabelTexture>,
    /// All voxels so far, i fastest.
    labels: Vec<u16>,
    /// Parts that have come, and how many slices of the first one are in the map.
    waiting: VecDeque<LabelPatch>,
    slices_taken: usize,
    /// All of its windows are done: what came is the whole result, even if its file could not be written then.
    is_whole: bool,
    has_ended: bool,
}

impl App {
    pub(super) fn start_finetune(&mut self, setup: FinetuneSetup) {
        let Some(data) = setup.data.clone() else { return };
        let Some(out) = setup.out.clone().or_else(super::runs::new_run_folder) else {
            return self.session.notice(i18n::text("tell-choose-run-folder"), true);
        };
        let spec = JobSpec::Finetune {
            config: Box::new(setup.config.clone()),
            data,
            label_names: self.label_names(setup.names.as_ref()),
            cache: crate::folders::sample_cache(&out),
            out: out.clone(),
            resume: setup.resume,
            init: setup.init.clone(),
        };
        match self.engine.start_job(spec) {
            Ok((id, cancel)) => {
                self.jobs.finetune_cancel = Some(cancel);
                let mut job = FinetuneJob::new(id, setup.config, out);
                if let Some(before) = self.session.finetune.job.take().filter(|b| setup.resume && b.out == job.out) {
                    // The same run goes on: its curves up to the checkpoint stay.
                    let saved_at = before.saved_at.unwrap_or(0);
                    job.steps = before.steps;
                    job.steps.retain(|s| s.step <= saved_at);
                    job.validations = before.validations;
                    job.validations.retain(|v| v.step <= saved_at);
                }
                self.session.finetune.job = Some(job);
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    pub(super) fn tell_finetune(&mut self, command: fn(JobId) -> EngineCommand) {
        let Some(job) = self.session.finetune.job.as_ref().filter(|j| j.is_running()) else { return };
        if let Err(text) = self.engine.send(command(job.id)) {
            self.session.notice(text, true);
        }
    }

    /// What the ids of label maps mean: the names under that title.
    pub(super) fn label_names(&self, title: Option<&String>) -> LabelNames {
        let preset = title.and_then(|title| self.session.label_presets.iter().find(|p| &p.title == title));
        preset.map(|p| p.names.clone()).unwrap_or_default()
    }

    pub(super) fn start_preflight(&mut self, asked: PreflightAsked) {
        if let Preflight::Running(_, _, _, cancel) = &self.session.preflight {
            cancel.cancel();
        }
        let names = match &asked {
            PreflightAsked::Finetune(setup) => self.label_names(setup.names.as_ref()),
            PreflightAsked::Training(setup) => {
                self.label_names(setup.labelled.as_ref().and_then(|labelled| labelled.names.as_ref()))
            }
        };
        let session = &self.session;
        let is_busy = session.training.is_running() || session.finetune.is_running() || session.segment.is_running();
        let look = Look { asked: asked.clone(), names, num_open: session.volumes.len(), is_busy };
        match self.tasks.start(TaskWork::Preflight(Box::new(look))) {
            Ok((task, cancel)) => self.session.preflight = Preflight::Running(asked, 0.0, task, cancel),
            Err(text) => self.session.notice(text, true),
        }
    }

    /// Takes weights, or a run's folder, for segmentation, and asks what they are.
    pub(super) fn use_checkpoint(&mut self, path: PathBuf) {
        self.settings.work = Work::Segment;
        (self.session.runs.is_open, self.session.models.is_open) = (false, false);
        self.session.segment.config.checkpoints = vec![path.clone()];
        self.session.segment.card = None;
        self.start_task(TaskWork::ReadCard(path));
    }

    pub(super) fn take_card(&mut self, card: CardOf) {
        // Another file may have been chosen meanwhile.
        if self.session.segment.config.checkpoints.first() == Some(&card.path) {
            self.session.segment.card = Some(card);
        }
    }

    /// Begins to segment an open volume. An empty label map that fills while windows finish is shown in place of its own, which stays as
    /// it is until all has come.
    pub(super) fn start_segment(&mut self, id: VolumeId) {
        if self.jobs.segment.is_some() {
            return self.session.notice(i18n::text("tell-segments-already"), false);
        }
        let Some(volume) = self.session.volumes.iter_mut().find(|v| v.id == id) else { return };
        let state = &mut self.session.segment;
        let classes: Vec<(u16, String)> = match state.card.as_ref().map(|c| &c.card) {
            Some(Ok(card)) => card.classes.iter().map(|c| (c.id, c.name.clone())).collect(),
            _ => match &state.config.without_card {
                Some(WithoutCard::Task(task)) => (1..).zip(task.classes.iter().map(|c| c.name.clone())).collect(),
                _ => return,
            },
        };
        let name = |id: u16| classes.iter().find(|(i, _)| *i == id).map(|(_, name)| name.clone());
        let table = LabelTable::from_ids(classes.iter().map(|(id, _)| *id), name);
        let geometry = *volume.volume.geometry();
        let texture = match LabelTexture::empty(&self.render, &geometry, &table) {
            Ok(texture) => Arc::new(texture),
            Err(e) => return self.session.notice(e.to_string(), true),
        };
        let item = SegmentItem {
            input: DataItem::Open { name: volume.name.clone(), volume: volume.volume.clone() },
            // On the disk, too: a prediction may have taken an hour.
            output: super::runs::new_prediction_file(),
        };
        let spec = JobSpec::Segment { config: Box::new(state.config.clone()), items: vec![item] };
        let (job, cancel) = match self.engine.start_job(spec) {
            Ok(started) => started,
            Err(text) => return self.session.notice(text, true),
        };
        let checkpoint = state.config.checkpoints.first().and_then(|p| p.file_stem());
        let title = checkpoint.map_or_else(
            || i18n::text("prediction").to_owned(),
            |n| i18n::text_with("prediction-of", [("checkpoint", n.to_string_lossy().into_owned().into())]),
        );
        let shown =
            IncomingLabels { name: title.clone(), table: table.clone(), texture: Arc::clone(&texture), ticket: None };
        volume.incoming = Some(shown);
        if let Some(work) = &mut volume.labels {
            work.abandon();
        }
        if let Some(reference) = &mut volume.reference {
            reference.report = None;
        }
        state.job = Some(SegmentJob::new(job, id, volume.name.clone()));
        self.jobs.segment = Some(Segmenting {
            job,
            volume: id,
            cancel,
            began: Instant::now(),
            geometry,
            name: title,
            table,
            texture,
            labels: vec![0; geometry.num_voxels()],
            waiting: VecDeque::new(),
            slices_taken: 0,
            is_whole: false,
            has_ended: false,
        });
    }

    pub(super) fn stop_segment(&self) {
        if let Some(segmenting) = &self.jobs.segment {
            segmenting.cancel.cancel();
        }
    }

    /// What an engine event means for fine-tuning and segmentation.
    pub(super) fn follow(&mut self, event: &EngineEvent) {
        self.session.finetune.apply(event);
        self.follow_prior(event);
        let Some(segmenting) = &mut self.jobs.segment else { return };
        self.session.segment.apply(event, segmenting.began.elapsed());
        match event {
            EngineEvent::LabelPatch { job, patch } if *job == segmenting.job => {
                segmenting.waiting.push_back(patch.clone());
            }
            EngineEvent::Progress { job, done, total } if *job == segmenting.job => segmenting.is_whole = done >= total,
            EngineEvent::Ended { job, outcome } if *job == segmenting.job => {
                segmenting.is_whole |= matches!(outcome, Outcome::Done);
                segmenting.has_ended = true;
            }
            _ => {}
        }
    }

    /// Puts what has come into the label map, as much as a frame has time for. True if there is more.
    pub(super) fn take_patches(&mut self) -> bool {
        let Some(segmenting) = &mut self.jobs.segment else { return false };
        if segmenting.has_ended && !segmenting.is_whole {
            self.drop_prediction();
            return false;
        }
        segmenting.put_some(&self.render);
        if !segmenting.waiting.is_empty() {
            return true;
        }
        if segmenting.has_ended
            && let Some(done) = self.jobs.segment.take()
        {
            let Segmenting { volume, geometry, labels, table, name, .. } = done;
            self.start_task(TaskWork::KeepPrediction { volume_id: volume, geometry, labels, table, name });
        }
        false
    }

    /// A segmentation that did not come to its end: a part of a result is none, and the labels of before are shown again.
    fn drop_prediction(&mut self) {
        let Some(Segmenting { volume: id, .. }) = self.jobs.segment.take() else { return };
        let Some(volume) = self.session.volume_mut(id) else { return };
        volume.incoming = None;
        let text = if volume.labels.is_some() { "tell-prediction-dropped" } else { "tell-prediction-dropped-empty" };
        self.session.notice(i18n::text(text), false);
        self.compare(id);
    }

    /// Shows the labels of a volume again in place of what a network found, unless that still comes or is on its way into them.
    pub(super) fn uncover(&mut self, id: VolumeId) {
        let is_coming = self.jobs.segment.as_ref().is_some_and(|segmenting| segmenting.volume == id);
        if !is_coming
            && !self.opening_labels.is_opening(id)
            && let Some(volume) = self.session.volume_mut(id)
        {
            volume.incoming.take_if(|incoming| incoming.ticket.is_none());
        }
    }

    /// A finished prediction becomes a change of the label map that can be taken back. Work of before is never replaced: what a network
    /// found then goes on a layer of its own.
    pub(super) fn keep_prediction(&mut self, id: VolumeId, read: ReadLabels) {
        let Some(volume) = self.session.volume_mut(id) else { return };
        if let Some(work) = &mut volume.labels
            && work.geometry().is_same_grid(&read.geometry, 1e-3)
        {
            let is_beside = !may_replace(work);
            let title = read.name.clone();
            let ticket = if is_beside {
                // The segments of before are hidden: a stroke goes to one that is seen.
                work.choose_new = true;
                let name = change_name("network-layer", &[&title]);
                work.edit(move |document| document.cover_with(&name, "network", &title, &read.layers))
            } else {
                work.names_from.clone_from(&read.names_from);
                work.name.clone_from(&title);
                // What a network found never replaces the user's file unasked.
                work.path = None;
                let name = change_name("network", &[&title]);
                work.edit(move |document| document.replace_with(&name, "network", &read.layers))
            };
            if let Some(incoming) = &mut volume.incoming {
                incoming.ticket = Some(ticket);
            }
            if is_beside {
                self.session.notice(i18n::text("tell-prediction-beside"), false);
            }
        } else {
            let (image, render) = (volume.volume.clone(), self.render.clone());
            let read = Some(Box::new(read));
            self.open_document(TaskWork::OpenDocument { volume_id: id, image, read, is_new: true, render });
        }
    }
}

/// True if a network's result may take the place of all labels: there are none, or a network made them all and nobody has touched
/// them since.
fn may_replace(work: &LabelWork) -> bool {
    let last = work.now().history.iter().rev().find(|line| line.is_done);
    let is_result = last.and_then(|line| split_change_name(&line.name)).is_some_and(|(key, _)| key == "network");
    !work.is_writing() && (is_result || work.document().is_blank())
}

impl Segmenting {
    /// Which volume.
    pub fn volume(&self) -> VolumeId {
        self.volume
    }

    fn put_some(&mut self, render: &RenderContext) {
        let dims = self.geometry.dims();
        let mut room = VOXELS_PER_FRAME;
        while let Some(patch) = self.waiting.front().filter(|_| room > 0) {
            let [width, height, depth] = patch.size;
            let slice = width * height;
            let fits = (0..3).all(|a| patch.start[a] + patch.size[a] <= dims[a]) && slice > 0;
            if !fits || self.slices_taken >= depth || patch.labels.len() != slice * depth {
                self.waiting.pop_front();
                self.slices_taken = 0;
                continue;
            }
            let count = (room / slice).clamp(1, depth - self.slices_taken);
            room = room.saturating_sub(count * slice);
            let first = patch.start[2] + self.slices_taken;
            let part = &patch.labels[self.slices_taken * slice..][..count * slice];
            self.slices_taken += count;
            for (row, values) in part.chunks(width).enumerate() {
                let (j, k) = (patch.start[1] + row % height, first + row / height);
                let at = patch.start[0] + dims[0] * (j + dims[1] * k);
                self.labels[at..at + width].copy_from_slice(values);
            }
            let start = [patch.start[0], patch.start[1], first];
            self.texture.write(render, start, [width, height, count], part);
        }
    }
}

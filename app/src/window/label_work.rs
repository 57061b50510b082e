//! Label maps as the window works on them: taken in, polled, proposed to.

use std::sync::Arc;

use voco_labelstore::{JournalNews, LabelWorker};
use voco_ui::labelling::{Ask, LabelWork, NetworkPrior, Proposal, change_text};
use voco_ui::{Proposing, ReferenceLabels, Told, VolumeId, i18n};

use super::about::About;
use super::app::App;
use super::labels::{ReadLabels, ReadyLabels, import};
use super::tasks::{TaskOutcome, TaskWork};

impl App {
    /// Takes a document into the window: its thread begins.
    pub(super) fn put_work(&mut self, id: VolumeId, ready: ReadyLabels) {
        for note in ready.notes {
            self.session.notice(note, false);
        }
        let wake = Arc::clone(&self.wake);
        let mut document = ready.document;
        // The audit trail names who works here as the system does.
        let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
        document.set_author(&user.unwrap_or_default());
        let (worker, first) = match LabelWorker::start(document, ready.journal, wake) {
            Ok(started) => started,
            Err(e) => {
                return self
                    .session
                    .notice(i18n::text_with("tell-labels-not-editable", [("why", e.kind().to_string().into())]), true);
            }
        };
        let Some(volume) = self.session.volume_mut(id) else { return };
        let mut work = LabelWork::new(ready.name, ready.names_from, worker, first, ready.texture);
        work.path = ready.path;
        work.saved_change = ready.saved_change;
        // They were counted in other labels, whose revisions count from 1 as well.
        volume.label_stats = None;
        if let Some(old) = volume.labels.replace(work) {
            self.tasks.closers.close(old);
        }
        self.compare(id);
    }

    /// Labels of a file over an image that has some already: one change that can be taken back.
    pub(super) fn put_read(&mut self, id: VolumeId, read: ReadLabels) {
        let render = self.render.clone();
        let Some(volume) = self.session.volume_mut(id) else { return };
        let is_on_grid = read.geometry.is_same_grid(volume.volume.geometry(), 1e-3);
        match &mut volume.labels {
            // The file that was just saved, or is open: history, status and locks are in no file, and stay.
            Some(work)
                if !work.is_writing()
                    && work.geometry().is_same_grid(&read.geometry, 1e-3)
                    && work.document().holds(&read.layers) =>
            {
                let text = i18n::text_with("tell-labels-same", [("name", read.name.as_str().into())]);
                work.name = read.name;
                work.path = read.path;
                self.session.notice(text, false);
            }
            Some(work) if is_on_grid && work.geometry().is_same_grid(volume.volume.geometry(), 1e-3) => {
                work.abandon();
                work.name.clone_from(&read.name);
                work.names_from.clone_from(&read.names_from);
                work.path.clone_from(&read.path);
                let ticket = work.edit(move |document| import(document, &read));
                work.is_file_at = Some(ticket);
            }
            _ => {
                let (image, read) = (volume.volume.clone(), Some(Box::new(read)));
                self.open_document(TaskWork::OpenDocument { volume_id: id, image, read, is_new: true, render });
            }
        }
    }

    /// An empty label map for a volume, or the work that was begun on it.
    pub(super) fn new_labels(&mut self, id: VolumeId, is_new: bool) {
        let Some(volume) = self.session.volume(id) else { return };
        if volume.labels.is_some() || self.opening_labels.is_opening(id) {
            return;
        }
        let image = volume.volume.clone();
        let render = self.render.clone();
        self.open_document(TaskWork::OpenDocument { volume_id: id, image, read: None, is_new, render });
    }

    /// Starts a task that opens the journal of an image. Two at a time would find it locked by one another; labels that come
    /// meanwhile wait.
    pub(super) fn open_document(&mut self, work: TaskWork) {
        if let About::Opens(id) = work.about() {
            self.opening_labels.begin(id);
        }
        self.start_task(work);
    }

    /// Another segment, which is then worked on.
    pub(super) fn new_segment(&mut self, id: VolumeId) {
        let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) else {
            return self.new_labels(id, true);
        };
        let document = work.document();
        let layer = work.current.and_then(|id| document.segment(id).ok()).map(|s| s.layer);
        let Some(layer) = layer.or_else(|| document.layers().next().map(|l| l.id)) else { return };
        let title = |n: usize| i18n::text_with("segment-numbered", [("number", n.into())]);
        let taken = |n: usize| document.segments().iter().any(|s| s.name == title(n));
        let count = document.segments().len();
        let number = (count + 1..=2 * count + 1).find(|&n| !taken(n)).unwrap_or(1);
        let name = title(number);
        work.edit(move |document| document.add_segment(layer, &name, None).map(drop));
        work.choose_new = true;
    }

    /// Takes what the writers of all label maps have done.
    pub(super) fn poll_labels(&mut self) {
        let (mut changed, mut errors, mut news) = (Vec::new(), Vec::new(), Vec::new());
        for volume in &mut self.session.volumes {
            if let Some(work) = &mut volume.labels {
                let polled = work.poll();
                errors.extend(polled.errors);
                news.extend(polled.news);
                if polled.has_changed {
                    changed.push(volume.id);
                }
                // What a network found is in the document now, or could not be put there, which is told.
                volume.incoming.take_if(|incoming| incoming.ticket.is_some_and(|t| t <= work.now().ticket));
            }
        }
        for error in errors {
            let text = error.trim_end_matches('.').to_owned() + ".";
            let mut letters = text.chars();
            let text = letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect());
            self.session.notice(text, true);
        }
        for news in news {
            let (id, problem) = match news {
                JournalNews::NotKept(problem) => ("label-not-kept", problem),
                JournalNews::NeverKept(problem) => ("label-never-kept", problem),
                JournalNews::KeptAgain => ("label-kept-again", String::new()),
            };
            let is_problem = !problem.is_empty();
            self.session.notice(i18n::text_with(id, [("problem", problem.into())]), is_problem);
        }
        for id in changed {
            self.compare(id);
        }
    }

    /// Brings the pictures of labels up to date. True if there is more to do.
    pub(super) fn draw_labels(&mut self) -> bool {
        let mut more = false;
        let mut problem = None;
        for volume in &mut self.session.volumes {
            if let Some(work) = &mut volume.labels {
                match work.draw(&self.render) {
                    Ok(rest) => more |= rest,
                    Err(e) => problem = Some(e.to_string()),
                }
            }
        }
        if let Some(text) = problem {
            self.session.notice(text, true);
        }
        more
    }

    /// Asks an algorithm; one at a time.
    pub(super) fn ask_algorithm(&mut self, id: VolumeId, ask: Ask, prior: Option<Arc<NetworkPrior>>) {
        self.stop_proposing();
        let Some(volume) = self.session.volume_mut(id) else { return };
        if volume.incoming.is_some() {
            return self.session.notice(i18n::text("label-incoming"), false);
        }
        let Some(work) = &mut volume.labels else { return };
        work.reject();
        let document = Arc::clone(work.document());
        let task = TaskWork::Propose { volume_id: id, document, ask: Box::new(ask.clone()), prior };
        match self.tasks.start(task) {
            Ok((task, cancel)) => {
                self.session.proposing = Some(Proposing { task, volume: id, progress: 0.0, cancel, ask });
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    /// Gives up what an algorithm, or the network before it, is looking for.
    pub(super) fn stop_proposing(&mut self) {
        if let Some(prior) = self.jobs.prior.take() {
            prior.cancel();
        }
        if let Some(proposing) = self.session.proposing.take() {
            proposing.cancel.cancel();
        }
    }

    /// An algorithm has ended.
    pub(super) fn take_proposal(&mut self, task: u64, id: VolumeId, found: Result<Proposal, String>) {
        if self.session.proposing.take_if(|p| p.task == task).is_none() {
            // Another question was asked meanwhile.
            return;
        }
        match found {
            Ok(proposal) if proposal.voxels == 0 => {
                let name = change_text(&proposal.name);
                self.session.notice(i18n::text_with("label-nothing-changes", [("name", name.into())]), false);
            }
            Ok(proposal) => {
                if let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) {
                    work.propose(proposal);
                }
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    /// Counts the segments of a volume's labels.
    pub(super) fn count_labels(&mut self, id: VolumeId) {
        let Some(work) = self.session.volume(id).and_then(|v| v.labels.as_ref()) else { return };
        let document = Arc::clone(work.document());
        self.session.is_counting_labels = true;
        self.start_task(TaskWork::CountLabels { volume_id: id, document });
    }

    /// A task about labels has ended.
    pub(super) fn take_label_outcome(&mut self, task: u64, outcome: TaskOutcome) {
        let Some(outcome) = self.opening_labels.hold(outcome) else { return };
        match outcome {
            TaskOutcome::Labels { volume_id, read, note } => {
                self.put_read(volume_id, *read);
                if let Some(note) = note {
                    self.session.notice(note, false);
                }
            }
            TaskOutcome::Reference { volume_id, labels, note } => {
                if let Some(volume) = self.session.volume_mut(volume_id) {
                    volume.reference = Some(ReferenceLabels::new(*labels));
                }
                if let Some(note) = note {
                    self.session.notice(note, false);
                }
                self.compare(volume_id);
            }
            TaskOutcome::Work { volume_id, ready } => {
                if self.session.volume(volume_id).is_some() {
                    self.put_work(volume_id, *ready);
                } else {
                    self.tasks.closers.close(ready);
                }
            }
            TaskOutcome::Proposal { volume_id, found } => {
                self.take_proposal(task, volume_id, found.map(|found| *found));
            }
            TaskOutcome::LabelStats { volume_id, stats } => {
                if let Some(volume) = self.session.volume_mut(volume_id) {
                    volume.label_stats = Some(*stats);
                }
            }
            TaskOutcome::LabelTable { volume_id, entries } => self.add_label_table(volume_id, entries),
            TaskOutcome::Masked { name, opened } => self.add_made(task, name, *opened),
            TaskOutcome::Prediction { volume_id, read } => self.keep_prediction(volume_id, *read),
            TaskOutcome::LabelsSaved { volume_id, file, change, told } => {
                self.labels_saved(volume_id, file, change, told);
            }
            _ => {}
        }
    }

    /// Brings the labels onto the grid of their image, on a task.
    pub(super) fn resample_labels(&mut self, id: VolumeId) {
        let Some(volume) = self.session.volume(id) else { return };
        let Some(work) = &volume.labels else { return };
        let (document, image) = (Arc::clone(work.document()), volume.volume.clone());
        let (name, names_from) = (work.name.clone(), work.names_from.clone());
        let render = self.render.clone();
        if self.opening_labels.is_opening(id) {
            return;
        }
        self.open_document(TaskWork::ResampleLabels { volume_id: id, document, name, names_from, image, render });
    }

    /// Opens a copy of the image in which everything outside (or inside) a segment has one value: its least, or `fill`.
    pub(super) fn mask_image(
        &mut self,
        id: VolumeId,
        segment: voco_labelstore::SegmentId,
        inside: bool,
        fill: Option<f64>,
    ) {
        let Some(volume) = self.session.volume(id) else { return };
        let Some(work) = &volume.labels else { return };
        let task = TaskWork::MaskImage {
            image: volume.volume.clone(),
            document: Arc::clone(work.document()),
            segment,
            inside,
            name: volume.name.clone(),
            fill: fill.unwrap_or(volume.stats.min),
            told: Told { unit: Some(volume.unit()), ..volume.told },
            render: self.render.clone(),
        };
        self.start_task(task);
    }
}

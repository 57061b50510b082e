//! What the network that is chosen for segmentation says about the region of the smart tool.

use std::sync::Arc;

use glam::{DAffine3, DVec3};
use voco_engine_api::{CancelFlag, CardClass, DataItem, EngineEvent, JobId, JobSpec, Outcome, SegmentItem};
use voco_label::{VoxelBox, read_image_box};
use voco_ui::labelling::{Ask, NetworkPrior, What, smart_box};
use voco_ui::{VolumeId, i18n};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

use super::app::App;

/// A small segmentation whose result an algorithm waits for.
pub(super) struct PriorJob {
    job: JobId,
    volume: VolumeId,
    ask: Ask,
    part: VoxelBox,
    /// The class that the segment is.
    class: u16,
    probability: Vec<f32>,
    cancel: CancelFlag,
    /// Why the region was not segmented, if it was not.
    failed: Option<String>,
}

impl PriorJob {
    /// Nobody waits for it any more.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// True if it is about labels of this volume.
    pub(super) fn is_about(&self, id: VolumeId) -> bool {
        self.volume == id
    }
}

/// How sure one is of a network that has not been asked how sure it is.
const TRUST: f32 = 0.9;

impl App {
    /// Asks the network about the region of the marks first, then the algorithm with what it said.
    pub(super) fn ask_with_network(&mut self, id: VolumeId, ask: Ask) {
        // What was asked, and what was found with fewer marks, is over.
        self.stop_proposing();
        if let Some(work) = self.session.volume_mut(id).and_then(|v| v.labels.as_mut()) {
            work.reject();
        }
        if let Err(text) = self.start_prior(id, &ask) {
            self.session.notice(text, true);
            self.ask_algorithm(id, ask, None);
        }
    }

    fn start_prior(&mut self, id: VolumeId, ask: &Ask) -> Result<(), String> {
        let What::Smart { marks, margin_mm, .. } = &ask.what else { return Err(i18n::text("tell-mark-first").into()) };
        let (Some(volume), Some(card)) = (self.session.volume(id), &self.session.segment.card) else {
            return Err(i18n::text("tell-prior-no-checkpoint").into());
        };
        let name = volume
            .labels
            .as_ref()
            .and_then(|work| work.document().segment(ask.segment).ok())
            .map_or_else(String::new, |segment| segment.name.clone());
        let Ok(card) = &card.card else {
            return Err(i18n::text("tell-prior-no-classes").into());
        };
        let class = class_of(&card.classes, self.settings.labels.smart_class, &name);
        let class = class.ok_or_else(|| i18n::text_with("tell-prior-no-class", [("name", name.as_str().into())]))?;
        let geometry = volume.volume.geometry();
        let part = smart_box(geometry, marks, *margin_mm);
        if part.is_empty() {
            return Err(i18n::text("tell-mark-inside").into());
        }
        let cropped = crop(&volume.volume, &part)?;
        let mut config = self.session.segment.config.clone();
        // One look at each place is enough for a hint.
        config.overlap = config.overlap.min(0.25);
        config.flips = [false; 3];
        config.probabilities = false;
        let input = DataItem::Open { name: volume.name.clone(), volume: cropped };
        let items = vec![SegmentItem { input, output: None }];
        let (job, cancel) = self.engine.start_job(JobSpec::Segment { config: Box::new(config), items })?;
        let probability = vec![1.0 - TRUST; part.num_voxels()];
        let ask = ask.clone();
        self.jobs.prior = Some(PriorJob { job, volume: id, ask, part, class, probability, cancel, failed: None });
        Ok(())
    }

    /// What an engine event means for the algorithm that waits.
    pub(super) fn follow_prior(&mut self, event: &EngineEvent) {
        let Some(prior) = &mut self.jobs.prior else { return };
        match event {
            EngineEvent::LabelPatch { job, patch } if *job == prior.job => {
                let size = prior.part.size();
                let [width, height, _] = patch.size;
                for (row, labels) in patch.labels.chunks(width.max(1)).enumerate() {
                    let (j, k) = (patch.start[1] + row % height.max(1), patch.start[2] + row / height.max(1));
                    let at = patch.start[0] + size[0] * (j + size[1] * k);
                    let Some(to) = prior.probability.get_mut(at..at + labels.len()) else { continue };
                    for (to, &label) in to.iter_mut().zip(labels) {
                        *to = if label == prior.class { TRUST } else { 1.0 - TRUST };
                    }
                }
            }
            EngineEvent::SegmentFailed { job, text, .. } if *job == prior.job => prior.failed = Some(text.clone()),
            EngineEvent::Ended { job, outcome } if *job == prior.job => {
                let Some(ended) = self.jobs.prior.take() else { return };
                let PriorJob { volume, ask, part, probability, failed, .. } = ended;
                let failed = match outcome {
                    Outcome::Done => failed,
                    // Whoever stopped it does not wait for an answer.
                    Outcome::Cancelled => return,
                    Outcome::Failed(failure) => Some(failure.to_string()),
                };
                let Some(problem) = failed else {
                    return self.ask_algorithm(volume, ask, Some(Arc::new(NetworkPrior { part, probability })));
                };
                // That it saw nothing would be another answer than that it did not look.
                let problem = problem.trim_end_matches('.').to_owned();
                self.session.notice(i18n::text_with("tell-prior-failed", [("problem", problem.into())]), true);
                self.ask_algorithm(volume, ask, None);
            }
            _ => {}
        }
    }
}

/// The class that a segment is: the chosen one, if the network has it, or the one of its name.
fn class_of(classes: &[CardClass], chosen: Option<u16>, name: &str) -> Option<u16> {
    let has = |id: &u16| classes.iter().any(|class| class.id == *id);
    chosen.filter(has).or_else(|| CardClass::named(classes, name).map(|class| class.id))
}

/// A box of a volume with its place in the patient.
fn crop(volume: &Volume, part: &VoxelBox) -> Result<Volume, String> {
    let values = read_image_box(volume, part)
        .map_err(|e| i18n::text_with("tell-region-failed", [("problem", e.to_string().into())]))?;
    let corner = DVec3::from_array(part.min.map(|v| v as f64));
    let affine = volume.geometry().world_from_voxel() * DAffine3::from_translation(corner);
    Geometry::new(part.size(), affine)
        .and_then(|geometry| Volume::new(geometry, Voxels::F32(values.into()), Rescale::IDENTITY))
        .map_err(|e| i18n::text_with("tell-region-failed", [("problem", e.to_string().into())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_the_chosen_one_or_that_of_the_name() {
        let classes = [(1, "spleen"), (6, "liver")].map(|(id, name)| CardClass { id, name: name.into() });
        assert_eq!(class_of(&classes, None, "Liver"), Some(6));
        assert_eq!(class_of(&classes, Some(1), "Liver"), Some(1));
        assert_eq!(class_of(&classes, Some(9), "Liver"), Some(6), "of another checkpoint");
        assert_eq!(class_of(&classes, None, "segment 1"), None, "the user is asked");
    }
}

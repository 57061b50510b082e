//! What the network that is chosen for segmentation says about the region of the smart tool.

use std::sync::Arc;

use glam::{DAffine3, DVec3};
use voco_engine_api::{DataItem, EngineEvent, JobId, JobSpec, SegmentItem};
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
    /// The class that has the segment's name.
    class: u16,
    probability: Vec<f32>,
}

/// How sure one is of a network that has not been asked how sure it is.
const TRUST: f32 = 0.9;

impl App {
    /// Asks the network about the region of the marks first, then the algorithm with what it said.
    pub(super) fn ask_with_network(&mut self, id: VolumeId, ask: Ask) {
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
        let class = card.classes.iter().find(|class| class.name.eq_ignore_ascii_case(&name)).map(|class| class.id);
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
        let (job, _) = self.engine.start_job(JobSpec::Segment { config: Box::new(config), items })?;
        let probability = vec![1.0 - TRUST; part.num_voxels()];
        self.jobs.prior = Some(PriorJob { job, volume: id, ask: ask.clone(), part, class, probability });
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
            EngineEvent::Ended { job, .. } if *job == prior.job => {
                let Some(PriorJob { volume, ask, part, probability, .. }) = self.jobs.prior.take() else { return };
                self.ask_algorithm(volume, ask, Some(Arc::new(NetworkPrior { part, probability })));
            }
            _ => {}
        }
    }
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

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use voco_engine_api::{BlendChoice, CancelFlag, EngineFailure, LabelPatch, SegmentConfig, SegmentItem, SegmentReport};
use voco_nn::infer::{Blend, Slab, SlidingWindow, Stitcher};
use voco_volume::{Geometry, Part, PreparedView, Restore, Run};

use super::member::Ensemble;
use super::output::{self, Probabilities};
use crate::training::free_memory;

/// Most bytes for the sums of overlapping windows; beyond that the volume is done in strips.
const MOST_BYTES_OF_SUMS: u64 = 3 << 29;

/// A volume on its way through the network.
pub(super) struct Case {
    index: usize,
    item: SegmentItem,
    began: Instant,
    view: PreparedView,
    restore: Restore,
    stitcher: Stitcher,
    roi: [usize; 3],
    skip_air: bool,
    skipped: u64,
    /// In the grid of the file, i fastest.
    labels: Vec<u16>,
    probabilities: Option<Probabilities>,
}

/// What a window brought.
pub(super) struct Progress {
    pub patch: Option<LabelPatch>,
    pub done: u64,
    pub total: u64,
}

impl Case {
    pub fn open(
        index: usize,
        item: SegmentItem,
        ensemble: &Ensemble,
        config: &SegmentConfig,
        cancel: &CancelFlag,
    ) -> Result<Self, EngineFailure> {
        let began = Instant::now();
        let plan = &ensemble.plan;
        let channels = super::read_channels(&item.input, plan.channels, cancel)?;
        let name = item.input.name();
        let view = PreparedView::new(&channels, &plan.preprocess, &|| cancel.is_cancelled())
            .map_err(|e| EngineFailure::BadInput(format!("{name}: {e}")))?;
        let blend = match config.blend {
            BlendChoice::Constant => Blend::Constant,
            BlendChoice::Gaussian => Blend::Gaussian,
        };
        let window = SlidingWindow { roi: plan.roi, overlap: config.overlap, blend };
        let most_bytes = (free_memory().unwrap_or(u64::MAX) / 2).min(MOST_BYTES_OF_SUMS);
        let stitcher = Stitcher::new(window, view.dims(), plan.classes.len(), most_bytes as usize);
        let restore = view.restore();
        let file = *restore.file();
        let mut labels = Vec::new();
        if labels.try_reserve_exact(file.num_voxels()).is_err() {
            return Err(EngineFailure::BadInput(format!(
                "{name}: the label map of {} million voxels does not fit in memory; crop or resample the volume",
                file.num_voxels() / 1_000_000
            )));
        }
        labels.resize(file.num_voxels(), 0);
        let probabilities = match &item.output {
            Some(path) if config.probabilities => Some(Probabilities::create(path, &file, plan.classes.len())?),
            _ => None,
        };
        let (roi, skip_air) = (plan.roi, config.skip_air);
        Ok(Self { index, item, began, view, restore, stitcher, roi, skip_air, skipped: 0, labels, probabilities })
    }

    pub fn index(&self) -> usize {
        self.index
    }

    /// One window through the network, unless there is only air in it.
    pub fn window(&mut self, ensemble: &Ensemble, device: &Device) -> Result<Progress, EngineFailure> {
        let mut patch = None;
        if let Some(start) = self.stitcher.next_window() {
            let start = start.map(|s| s as isize);
            let name = || self.item.input.name();
            let window =
                self.view.read(start, self.roi).map_err(|e| EngineFailure::BadInput(format!("{}: {e}", name())))?;
            // Air is exactly 0: below the intensity window, or masked out of the picture.
            let slab = if self.skip_air && window.iter().all(|&v| v == 0.0) {
                self.skipped += 1;
                self.stitcher.skip()
            } else {
                self.stitcher.add(&ensemble.predict(window, device)?)
            };
            if let Some(slab) = slab {
                patch = self.take(slab, ensemble.gives_probabilities())?;
            }
        }
        Ok(Progress { patch, done: self.stitcher.num_done() as u64, total: self.stitcher.num_windows() as u64 })
    }

    /// Writes the label map, and whatever else was asked for.
    pub fn finish(self, ensemble: &Ensemble, is_one_of_many: bool) -> Result<SegmentReport, EngineFailure> {
        let file = *self.restore.file();
        let classes = output::volumes(&self.labels, &file, &ensemble.plan);
        let windows = self.stitcher.num_windows() as u64;
        let probabilities = self.probabilities.map(Probabilities::finish).transpose()?;
        if let Some(path) = &self.item.output {
            output::write_labels(path, &file, &self.labels, &ensemble.plan, is_one_of_many)?;
        }
        Ok(SegmentReport {
            item: self.index,
            name: self.item.input.name(),
            output: self.item.output,
            probabilities,
            skipped: false,
            seconds: self.began.elapsed().as_secs_f64(),
            windows: windows - self.skipped,
            windows_skipped: self.skipped,
            classes,
        })
    }

    /// Takes finished planes into the grid of the file.
    fn take(&mut self, mut slab: Slab, are_probabilities: bool) -> Result<Option<LabelPatch>, EngineFailure> {
        let labels = slab.labels();
        let mut own = std::array::from_fn(|a| slab.start[a]..slab.start[a] + slab.size[a]);
        own[slab.strip_axis] = slab.own.clone();
        let part = Part { start: slab.start, strides: plane_strides(&slab), values: &labels, own };
        let runs = self.restore.nearest(&part);
        let file = *self.restore.file();
        let patch = place(&runs, &file, &mut self.labels, self.index);
        if let Some(probabilities) = &mut self.probabilities {
            if !are_probabilities {
                slab.softmax();
            }
            probabilities.take(&slab, &self.restore)?;
        }
        Ok(patch)
    }
}

/// Distances of neighbours along x, y, z in planes that follow one another.
pub(super) fn plane_strides(slab: &Slab) -> [usize; 3] {
    let rest: Vec<usize> = (0..3).filter(|&a| a != slab.axis).collect();
    let mut strides = [0; 3];
    (strides[rest[1]], strides[rest[0]]) = (1, slab.size[rest[1]]);
    strides[slab.axis] = slab.size[rest[0]] * slab.size[rest[1]];
    strides
}

/// Writes runs into the label map, and gives the box around them if there is a label in it.
fn place(runs: &[Run<u16>], file: &Geometry, labels: &mut [u16], item: usize) -> Option<LabelPatch> {
    let [nx, ny, _] = file.dims();
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    for run in runs {
        let at = run.start[0] + nx * (run.start[1] + ny * run.start[2]);
        labels[at..at + run.values.len()].copy_from_slice(&run.values);
        if run.values.iter().any(|&label| label != 0) {
            let end = [run.start[0] + run.values.len(), run.start[1] + 1, run.start[2] + 1];
            for a in 0..3 {
                (low[a], high[a]) = (low[a].min(run.start[a]), high[a].max(end[a]));
            }
        }
    }
    (low[0] != usize::MAX).then(|| {
        let size = std::array::from_fn(|a| high[a] - low[a]);
        let mut values = Vec::with_capacity(size.iter().product());
        for k in low[2]..high[2] {
            for j in low[1]..high[1] {
                let at = nx * (j + ny * k);
                values.extend_from_slice(&labels[at + low[0]..at + high[0]]);
            }
        }
        LabelPatch { item, start: low, size, labels: Arc::from(values) }
    })
}

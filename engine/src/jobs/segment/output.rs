use std::path::{Path, PathBuf};
use std::time::Instant;

use voco_engine_api::{ClassVolume, EngineFailure, SegmentConfig, SegmentItem, SegmentReport};
use voco_io::{Control, PartWriter, WriteError, image_stem};
use voco_nn::infer::Slab;
use voco_volume::{Geometry, Part, Restore};

use super::case::plane_strides;
use super::member::{Ensemble, Plan};

/// Probabilities `[K, file]` on their way into a file of `f32`.
pub(super) struct Probabilities {
    path: PathBuf,
    writer: PartWriter,
    classes: usize,
    /// The last plane of the slab before: places between two planes need both.
    before: Option<Vec<f32>>,
}

impl Probabilities {
    /// Beside the label map: `NAME_prob.nii.gz`.
    pub fn create(labels: &Path, file: &Geometry, classes: usize) -> Result<Self, EngineFailure> {
        let path = probabilities_path(labels);
        let mut writer = PartWriter::create::<f32>(&path, file, classes).map_err(cannot_write)?;
        // What no window reaches is background for certain.
        let row = vec![1.0_f32; file.dims()[0]];
        for k in 0..file.dims()[2] {
            for j in 0..file.dims()[1] {
                writer.write(0, [0, j, k], &row).map_err(cannot_write)?;
            }
        }
        Ok(Self { path, writer, classes, before: None })
    }

    /// Takes finished planes of probabilities.
    pub fn take(&mut self, slab: &Slab, restore: &Restore) -> Result<(), EngineFailure> {
        let voxels = slab.planes.first().map_or(0, Vec::len) / self.classes.max(1);
        let mut start = slab.start;
        let mut own: [std::ops::Range<usize>; 3] = std::array::from_fn(|a| slab.start[a]..slab.start[a] + slab.size[a]);
        own[slab.strip_axis] = slab.own.clone();
        let before = self.before.take().filter(|_| slab.start[slab.axis] > 0);
        start[slab.axis] -= usize::from(before.is_some());
        let strides = plane_strides(slab);
        for class in 0..self.classes {
            let planes = before.iter().chain(&slab.planes);
            let values: Vec<f32> = planes.flat_map(|plane| &plane[class * voxels..][..voxels]).copied().collect();
            let part = Part { start, strides, values: &values, own: own.clone() };
            let outside = if class == 0 { 1.0 } else { 0.0 };
            for run in restore.linear(&part, outside) {
                self.writer.write(class, run.start, &run.values).map_err(cannot_write)?;
            }
        }
        self.before = slab.planes.last().cloned();
        Ok(())
    }

    pub fn finish(self) -> Result<PathBuf, EngineFailure> {
        self.writer.finish().map_err(cannot_write)?;
        Ok(self.path)
    }
}

fn probabilities_path(labels: &Path) -> PathBuf {
    let name = labels.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let stem = image_stem(labels);
    labels.with_file_name(format!("{stem}_prob{}", name.get(stem.len()..).unwrap_or(".nii.gz")))
}

/// Writes a label map in the smallest type that holds its classes, and the names of its ids beside it: `labels.json` for a folder
/// of them, else `NAME.json`.
pub(super) fn write_labels(
    path: &Path,
    file: &Geometry,
    labels: &[u16],
    plan: &Plan,
    is_one_of_many: bool,
) -> Result<(), EngineFailure> {
    let write = || -> Result<(), WriteError> {
        if plan.classes.len() <= 256 {
            let mut writer = PartWriter::create::<u8>(path, file, 1)?;
            let small: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
            writer.write_volume(0, &small)?;
            writer.finish()
        } else {
            let mut writer = PartWriter::create::<u16>(path, file, 1)?;
            writer.write_volume(0, labels)?;
            writer.finish()
        }
    };
    let names: serde_json::Map<String, serde_json::Value> =
        plan.classes.iter().enumerate().map(|(id, name)| (id.to_string(), name.as_str().into())).collect();
    let table = if is_one_of_many { "labels".into() } else { image_stem(path) };
    let text = serde_json::to_vec_pretty(&names).map_err(|e| EngineFailure::Internal(e.to_string()))?;
    // The names first: a label map that is there counts as done.
    crate::training::write_atomically(&path.with_file_name(format!("{table}.json")), &text).map_err(|e| {
        EngineFailure::Io(format!("The names of the labels cannot be written ({}); choose another folder", e.kind()))
    })?;
    write().map_err(cannot_write)
}

/// The report on a volume whose result is there already and readable; it is left as it is.
pub(super) fn finished(
    index: usize,
    item: &SegmentItem,
    ensemble: &Ensemble,
    config: &SegmentConfig,
) -> Option<SegmentReport> {
    let began = Instant::now();
    let path = item.output.as_ref().filter(|path| path.is_file())?;
    let probabilities = config.probabilities.then(|| probabilities_path(path));
    if probabilities.as_ref().is_some_and(|path| !path.is_file()) {
        return None;
    }
    let volume = voco_io::open(path, Control::NONE).ok()?.volume;
    let mut labels = Vec::with_capacity(volume.voxels().len());
    let mut is_label_map = true;
    volume.voxels().for_each(|value| {
        is_label_map &= value >= 0.0 && value < ensemble.plan.classes.len() as f64 && value.fract() == 0.0;
        labels.push(value as u16);
    });
    is_label_map.then(|| SegmentReport {
        item: index,
        name: item.input.name(),
        output: item.output.clone(),
        probabilities,
        skipped: true,
        seconds: began.elapsed().as_secs_f64(),
        windows: 0,
        windows_skipped: 0,
        classes: volumes(&labels, volume.geometry(), &ensemble.plan),
    })
}

/// How much there is of each class.
pub(super) fn volumes(labels: &[u16], file: &Geometry, plan: &Plan) -> Vec<ClassVolume> {
    let mut counts = vec![0_u64; plan.classes.len()];
    for &label in labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    let voxel_ml = file.world_from_voxel().matrix3.determinant().abs() / 1000.0;
    let one = |(id, (name, &voxels)): (usize, (&String, &u64))| ClassVolume {
        id: id as u16,
        name: name.clone(),
        voxels,
        ml: voxels as f64 * voxel_ml,
    };
    plan.classes.iter().zip(&counts).enumerate().skip(1).map(one).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "used as map_err's function")]
fn cannot_write(error: WriteError) -> EngineFailure {
    EngineFailure::Io(error.to_string())
}

use std::collections::BTreeMap;

use glam::DVec3;
use voco_ui::{ClassAgreement, ComparisonReport};
use voco_volume::{LabelTable, SliceFrame, SlicePlane, Volume};

/// Agreement of a label map with a reference, class by class. The reference decides the grid: the label map is read at the
/// reference's voxels, so that maps of different grids can be compared as they are drawn.
///
/// # Errors
/// If it was cancelled, or a map holds values that are no labels.
pub(super) fn compare(
    (prediction, names): &(Volume, LabelTable),
    (reference, reference_names): &(Volume, LabelTable),
    is_cancelled: &dyn Fn() -> bool,
) -> Result<ComparisonReport, String> {
    let geometry = *reference.geometry();
    let truth = ids(reference)?;
    let same_grid = prediction.geometry().is_same_grid(&geometry, 0.01);
    let predicted = if same_grid { ids(prediction)? } else { ids_on_grid_of(prediction, reference)? };
    let frame = SliceFrame::new(&geometry, SlicePlane::Axial);
    let dims = geometry.dims();
    let mut classes: BTreeMap<u16, Counts> = BTreeMap::new();
    for (row, (p, r)) in predicted.chunks(dims[0]).zip(truth.chunks(dims[0])).enumerate() {
        if row % dims[1] == 0 && is_cancelled() {
            return Err("cancelled".into());
        }
        if p.iter().chain(r).all(|&id| id == 0) {
            continue;
        }
        let (j, k) = (row % dims[1], row / dims[1]);
        for (i, (&p, &r)) in p.iter().zip(r).enumerate() {
            if p == 0 && r == 0 {
                continue;
            }
            if p == r {
                let counts = classes.entry(p).or_default();
                counts.both += 1;
                continue;
            }
            let point = geometry.world_from_voxel().transform_point3(DVec3::new(i as f64, j as f64, k as f64));
            let slice = frame.slice_at(&geometry, point);
            for (id, of_prediction) in [(p, true), (r, false)] {
                if id != 0 {
                    classes.entry(id).or_default().differs(slice, point, of_prediction);
                }
            }
        }
    }
    let ml = geometry.spacing_mm().to_array().iter().product::<f64>() / 1000.0;
    let name =
        |id: u16| reference_names.get(id).or_else(|| names.get(id)).map_or(format!("Label {id}"), |e| e.name.clone());
    let row = |(id, counts): (u16, Counts)| {
        let [predicted, truth] = [counts.only_prediction, counts.only_reference].map(|n| (n + counts.both) as f64);
        ClassAgreement {
            id,
            name: name(id),
            dice: (predicted + truth > 0.0).then(|| 2.0 * counts.both as f64 / (predicted + truth)),
            hd95_mm: None,
            assd_mm: None,
            volume_ml: predicted * ml,
            reference_ml: truth * ml,
            worst_mm: counts.worst(),
        }
    };
    Ok(ComparisonReport { classes: classes.into_iter().map(row).collect() })
}

/// Voxels of one class.
#[derive(Default)]
struct Counts {
    both: u64,
    only_prediction: u64,
    only_reference: u64,
    /// Of each axial slice: how many differ, and the sum of their places.
    slices: BTreeMap<usize, (u64, DVec3)>,
}

impl Counts {
    fn differs(&mut self, slice: usize, point_mm: DVec3, of_prediction: bool) {
        *(if of_prediction { &mut self.only_prediction } else { &mut self.only_reference }) += 1;
        let (count, sum) = self.slices.entry(slice).or_default();
        *count += 1;
        *sum += point_mm;
    }

    fn worst(&self) -> Option<DVec3> {
        self.slices.values().max_by_key(|(count, _)| *count).map(|(count, sum)| *sum / *count as f64)
    }
}

fn ids(labels: &Volume) -> Result<Vec<u16>, String> {
    labels.to_f32().into_iter().map(id).collect()
}

fn ids_on_grid_of(labels: &Volume, grid: &Volume) -> Result<Vec<u16>, String> {
    let geometry = grid.geometry();
    let map = labels.geometry().voxel_from_world() * geometry.world_from_voxel();
    let (values, from) = (labels.to_f32(), labels.dims());
    let [x, y, z] = geometry.dims();
    let mut out = Vec::with_capacity(x * y * z);
    for n in 0..x * y * z {
        let at = map.transform_point3(DVec3::new((n % x) as f64, (n / x % y) as f64, (n / x / y) as f64)).round();
        let inside = (0..3).all(|a| at[a] >= 0.0 && at[a] < from[a] as f64);
        let [i, j, k] = at.to_array().map(|c| c.max(0.0) as usize);
        out.push(if inside { id(values[i + from[0] * (j + from[1] * k)])? } else { 0 });
    }
    Ok(out)
}

fn id(value: f32) -> Result<u16, String> {
    let id = value as u16;
    if f32::from(id) == value {
        Ok(id)
    } else {
        Err(format!("The map holds {value}, which is no label; choose another."))
    }
}

use std::collections::BTreeMap;

use glam::DVec3;
use voco_label::{ClassMetrics, ClassRule, LabelError, LabelMap, Protocol};
use voco_ui::{ClassAgreement, ComparisonReport, i18n};
use voco_volume::{Geometry, LabelTable, SliceFrame, SlicePlane, Volume};

/// For the share of surfaces that agree, which the panel does not show.
const TOLERANCE_MM: f64 = 2.0;

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
    let sentence = |e: LabelError| i18n::text_with("tell-compare-failed", [("problem", e.to_string().into())]);
    let truth = LabelMap::from_volume(reference).map_err(sentence)?;
    let mut predicted = LabelMap::from_volume(prediction).map_err(sentence)?;
    let geometry = *reference.geometry();
    if !prediction.geometry().is_same_grid(&geometry, 0.01) {
        predicted = predicted.resampled(&geometry).map_err(sentence)?;
    }
    let worst = worst_places(&predicted.values().to_u32(), &truth.values().to_u32(), &geometry, is_cancelled)?;
    let rules: Vec<ClassRule> =
        worst.keys().map(|&id| ClassRule { id, tolerance_mm: TOLERANCE_MM, is_trimmed: false }).collect();
    let metrics = predicted.compared(&truth, Protocol::Monai, &rules).map_err(sentence)?;
    let name = |id: u16| reference_names.get(id).or_else(|| names.get(id)).map(|e| e.name.clone());
    let row = |m: ClassMetrics| {
        let id = u16::try_from(m.id).unwrap_or(u16::MAX);
        let number = |v: f64| v.is_finite().then_some(v);
        ClassAgreement {
            id,
            name: name(id).unwrap_or_else(|| i18n::text_with("label-numbered", [("number", m.id.into())])),
            dice: number(m.dice),
            hd95_mm: number(m.hd95),
            assd_mm: number(m.assd),
            volume_ml: m.volume_ml_prediction,
            reference_ml: m.volume_ml_reference,
            worst_mm: worst.get(&m.id).copied().flatten(),
        }
    };
    Ok(ComparisonReport { classes: metrics.into_iter().map(row).collect() })
}

/// For each class that either map has: the middle of the difference in the axial slice that has most of it.
fn worst_places(
    predicted: &[u32],
    truth: &[u32],
    geometry: &Geometry,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<BTreeMap<u32, Option<DVec3>>, String> {
    let frame = SliceFrame::new(geometry, SlicePlane::Axial);
    let dims = geometry.dims();
    let mut classes: BTreeMap<u32, Differences> = BTreeMap::new();
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
                classes.entry(p).or_default();
                continue;
            }
            let point = geometry.world_from_voxel().transform_point3(DVec3::new(i as f64, j as f64, k as f64));
            let slice = frame.slice_at(geometry, point);
            for id in [p, r].into_iter().filter(|&id| id != 0) {
                let (count, sum) = classes.entry(id).or_default().entry(slice).or_default();
                *count += 1;
                *sum += point;
            }
        }
    }
    let worst = |slices: Differences| {
        slices.into_values().max_by_key(|(count, _)| *count).map(|(count, sum)| sum / count as f64)
    };
    Ok(classes.into_iter().map(|(id, slices)| (id, worst(slices))).collect())
}

/// Of each slice: how many voxels differ, and the sum of their places.
type Differences = BTreeMap<usize, (u64, DVec3)>;

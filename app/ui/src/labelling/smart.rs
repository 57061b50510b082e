//! The smart tool: from a few marks to an object, without a network, or with what one says.

use glam::DVec3;
use rayon::prelude::*;
use voco_label::tools::brush::{Tip, stroke};
use voco_label::tools::grow::{GrowthCost, Prior, grow_from_seeds};
use voco_label::tools::smooth::gaussian_image;
use voco_label::tools::{Plane, shape};
use voco_label::{BrickMask, Connectivity, Lattice, Mask, VoxelBox, read_image_box};
use voco_labelstore::Gesture;
use voco_volume::Geometry;

use super::Mark;
use super::propose::{NetworkPrior, ProposeError, Run};

impl Run<'_> {
    /// Marks become seeds of object and background, which grow over the image until they meet. What the object looks like follows from
    /// its marks: a step into tissue of other values costs it more.
    pub(super) fn smart(
        &self,
        marks: &[Mark],
        margin_mm: f64,
        radius_mm: f64,
        prior: Option<&NetworkPrior>,
    ) -> Result<Vec<Gesture>, ProposeError> {
        let geometry = self.document.geometry();
        let (dims, spacing) = (geometry.dims(), geometry.spacing_mm().to_array());
        let part = smart_box(geometry, marks, margin_mm);
        if part.is_empty() {
            return Err(ProposeError::Needs("Mark something inside of the image"));
        }
        let size = part.size();
        let mut seeds = self.marked(marks, &part, radius_mm)?;
        if !seeds.contains(&OBJECT) {
            return Err(ProposeError::Needs("Mark the object first"));
        }
        let mut values = read_image_box(self.image()?, &part)?;
        values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
        let mut smooth = values.clone();
        gaussian_image(&mut smooth, size, spacing, geometry.spacing_mm().min_element() * 0.8, self.watch)?;
        let (mut likely, middle, spread) = likeness(&values, &smooth, &seeds);
        if let Some(prior) = prior.filter(|prior| prior.part == part) {
            likely.iter_mut().zip(&prior.probability).for_each(|(p, net)| *p = 0.35 * *p + 0.65 * net);
        }
        let has_box = marks.iter().any(|mark| mark.is_box);
        for (n, seed) in seeds.iter_mut().enumerate() {
            let at = [n % size[0], n / size[0] % size[1], n / (size[0] * size[1])];
            // The rim of the region is not the object, unless the image itself ends there, or it goes on looking like it.
            let is_rim =
                (0..3).any(|a| (at[a] == 0 && part.min[a] > 0) || (at[a] + 1 == size[a] && part.max[a] < dims[a]));
            if *seed == 0 && ((is_rim && (has_box || likely[n] < 0.5)) || likely[n] < 0.02) {
                *seed = BACKGROUND;
            }
        }
        // Values far from the object's count no more than a clear edge does; noise would cost a little at every step.
        let image: Vec<f32> = smooth.iter().map(|v| 100.0 * ((v - middle) / (3.0 * spread)).tanh()).collect();
        let lattice = Lattice::new(size, spacing)?;
        let prior = Prior { probability: &likely, label: OBJECT, weight: 60.0 };
        let cost = GrowthCost { per_mm: 0.4, per_unit: 0.5, rounds: 3 };
        let grown = grow_from_seeds(&image, &lattice, &seeds, Some(prior), cost, self.watch)?;
        let found = Mask::of_label(&grown.labels, size, OBJECT)?;
        let found = BrickMask::of_mask(dims, &found, part.min)?;
        let found = shape::open_or_close(&found, spacing, geometry.spacing_mm().min_element() * 1.5, true, self.watch)?;
        let first = marks.iter().find(|mark| mark.is_object).map_or(DVec3::ZERO, Mark::middle);
        let seed = geometry.voxel_from_world().transform_point3(first).round();
        let seed: [usize; 3] = std::array::from_fn(|a| (seed[a].max(0.0) as usize).min(dims[a] - 1));
        let island = shape::island_at(&found, seed, Connectivity::Faces6, self.watch)?;
        // Opening may have cut the mark itself away.
        let found =
            if island.is_empty() { shape::keep_largest(&found, Connectivity::Faces6, self.watch)? } else { island };
        Ok(vec![self.paint(shape::filled_holes(&found, None, self.watch)?)])
    }

    /// The voxels of a region that marks say something about.
    fn marked(&self, marks: &[Mark], part: &VoxelBox, radius_mm: f64) -> Result<Vec<u16>, ProposeError> {
        let geometry = self.document.geometry();
        let dims = geometry.dims();
        let least = geometry.spacing_mm().min_element();
        let mut sides = [BrickMask::empty(dims)?, BrickMask::empty(dims)?];
        for mark in marks {
            let plane = Plane { origin: mark.points_mm[0], ..plane_of(mark.normal) };
            let side = &mut sides[usize::from(!mark.is_object)];
            if mark.is_box {
                // The middle of a box is what it was drawn around.
                let half = mark.points_mm[0].distance(mark.end()) * 0.12;
                stroke(side, geometry, Tip::Ball, half.max(least), &plane, [mark.middle(); 2])?;
                continue;
            }
            let pairs = mark.points_mm.windows(2).map(|p| [p[0], p[1]]);
            for ends in pairs.chain([[mark.points_mm[0]; 2]]) {
                stroke(side, geometry, Tip::Ball, radius_mm.max(least * 1.2), &plane, ends)?;
            }
        }
        let mut seeds = vec![0_u16; part.num_voxels()];
        sides[0].to_mask(part)?.paint(&mut seeds, OBJECT)?;
        sides[1].to_mask(part)?.paint(&mut seeds, BACKGROUND)?;
        Ok(seeds)
    }
}

/// Values that stand for all of the background.
const KINDS: usize = 16;
/// Seeds of the smart tool.
const OBJECT: u16 = 1;
const BACKGROUND: u16 = 2;

/// How much each voxel looks like what the object's seeds hold, and not like those of the background, 0 to 1; with the middle and the
/// spread of the object's.
fn likeness(values: &[f32], smooth: &[f32], seeds: &[u16]) -> (Vec<f32>, f32, f32) {
    let mut inside: Vec<f32> = smooth.iter().zip(seeds).filter(|(_, s)| **s == OBJECT).map(|(v, _)| *v).collect();
    inside.sort_by(f32::total_cmp);
    let at = |share: f64| inside[((inside.len() - 1) as f64 * share) as usize];
    let middle = at(0.5);
    let mean = smooth.iter().map(|v| f64::from(*v)).sum::<f64>() / smooth.len() as f64;
    let variance = smooth.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / smooth.len() as f64;
    // A few voxels say little about the spread: it is at least some share of the region's.
    let whole = (variance.sqrt() as f32).max(f32::MIN_POSITIVE);
    let spread = ((at(0.84) - at(0.16)) * 0.5).clamp(0.05 * whole, 0.5 * whole);
    let near = |v: f32, to: f32, width: f32| (-0.5 * ((v - to) / (width * spread)).powi(2)).exp();
    let mut outside: Vec<f32> = smooth.iter().zip(seeds).filter(|(_, s)| **s == BACKGROUND).map(|(v, _)| *v).collect();
    outside.sort_by(f32::total_cmp);
    // Some of its values stand for all: the background is many things.
    let kinds: Vec<f32> = match outside.len() {
        0 => Vec::new(),
        len => (0..KINDS).map(|n| outside[(len - 1) * n / (KINDS - 1)]).collect(),
    };
    let likely = |v: &f32| {
        let object = near(*v, middle, 2.0);
        if kinds.is_empty() {
            return object;
        }
        let other = kinds.iter().map(|kind| near(*v, *kind, 1.0)).sum::<f32>() / KINDS as f32;
        object / (object + other + 0.05)
    };
    // At a sharp edge the smooth value is neither one's nor the other's, in noise the value itself.
    let either = |(v, smooth): (&f32, &f32)| likely(v).max(likely(smooth));
    (values.par_iter().zip(smooth).with_min_len(1 << 12).map(either).collect(), middle, spread)
}

/// The box of voxels that the smart tool looks at: around all marks.
pub fn smart_box(geometry: &Geometry, marks: &[Mark], margin_mm: f64) -> VoxelBox {
    let dims = geometry.dims();
    let (mut low, mut high) = (DVec3::INFINITY, DVec3::NEG_INFINITY);
    for mark in marks {
        // A box on a turned plane reaches as far as its other two corners.
        let corners = if mark.is_box { mark.corners().to_vec() } else { mark.points_mm.clone() };
        for point in corners {
            let at = geometry.voxel_from_world().transform_point3(point);
            (low, high) = (low.min(at), high.max(at));
        }
        if mark.is_box {
            // A box on one slice reaches as far across it as along it.
            let half = mark.points_mm[0].distance(mark.end()) * 0.35;
            let middle = mark.middle();
            for end in [middle - mark.normal * half, middle + mark.normal * half] {
                let at = geometry.voxel_from_world().transform_point3(end);
                (low, high) = (low.min(at), high.max(at));
            }
        }
    }
    if !(low.is_finite() && high.is_finite()) {
        return VoxelBox::EMPTY;
    }
    // A box says itself where the object ends.
    let margin_mm = if marks.iter().any(|mark| mark.is_box) { margin_mm.min(6.0) } else { margin_mm };
    let grow = DVec3::from_array(geometry.spacing_mm().to_array().map(|s| (margin_mm / s).ceil()));
    let last = DVec3::from_array(dims.map(|d| d as f64));
    let (low, high) = ((low - grow).floor().max(DVec3::ZERO), (high + grow + 1.0).ceil().min(last));
    if low.cmpge(high).any() {
        return VoxelBox::EMPTY;
    }
    VoxelBox { min: low.to_array().map(|v| v as usize), max: high.to_array().map(|v| v as usize) }
}

fn plane_of(normal: DVec3) -> Plane {
    let (right, down) = normal.normalize_or(DVec3::Z).any_orthonormal_pair();
    Plane { origin: DVec3::ZERO, right, down }
}

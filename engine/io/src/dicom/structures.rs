use std::path::Path;

use glam::DVec3;
use voco_volume::{Geometry, Review, Terms};

use crate::dicom::data_set::DataSet;
use crate::dicom::file::Source;
use crate::dicom::segmentation::{give, layer};
use crate::dicom::tags;
use crate::{Control, Opened, Problem, Segment};

/// Points of one contour; longer ones are not real.
const MAX_POINTS: usize = 1 << 20;

/// Reads a structure set onto the grid of its image: a voxel belongs to a structure if its centre lies within an odd number of the
/// structure's contours on its slice. Structures that overlap go to layers of their own. Gives the layers to `each`.
pub(super) fn read(
    path: &Path,
    image: &Geometry,
    first: usize,
    control: Control<'_>,
    each: &mut dyn FnMut(Opened) -> bool,
) -> Result<(), Problem> {
    let bytes = std::fs::read(path)?;
    let source = Source::new(&bytes)?;
    let data = source.data_set()?;
    let names: Vec<(i64, String)> = data
        .items(tags::STRUCTURE_SET_ROI)
        .iter()
        .filter_map(|item| Some((item.integer(tags::ROI_NUMBER)?, item.text(tags::ROI_NAME)?.into_owned())))
        .collect();
    let rois = data.items(tags::ROI_CONTOURS);
    let (mut layers, mut segments, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut num_outside, mut num_other) = (0, 0);
    for (n, roi) in rois.iter().enumerate() {
        if (control.is_cancelled)() {
            return Err(Problem::Cancelled);
        }
        let number = roi.integer(tags::REFERENCED_ROI).unwrap_or(n as i64 + 1);
        let Ok(value) = u16::try_from(n + 1) else { break };
        let mut mask = Mask::new(image);
        for contour in roi.items(tags::CONTOURS) {
            match points(&contour, image) {
                Some(points) if mask.toggle(&points) => {}
                Some(_) => num_outside += 1,
                None => num_other += 1,
            }
        }
        let inside = mask.inside();
        let mut number_of_layer = 0;
        while layers.get(number_of_layer).is_some_and(|l: &Vec<u16>| inside.iter().any(|&at| l[at] != 0)) {
            number_of_layer += 1;
        }
        let target = layer(&mut layers, number_of_layer, image.num_voxels())?;
        for at in inside {
            target[at] = value;
        }
        let name = names.iter().find(|(known, _)| *known == number).map(|(_, name)| name.clone());
        let name = name.unwrap_or_else(|| format!("Structure {number}"));
        let color = roi.text(tags::ROI_COLOR).and_then(|text| {
            let parts: Vec<u8> = text.split('\\').filter_map(|p| p.trim().parse().ok()).collect();
            parts.try_into().ok()
        });
        segments.push(Segment {
            layer: number_of_layer,
            value,
            name,
            color,
            terms: Terms::default(),
            review: Review::default(),
        });
        (control.progress)((n + 1) as f32 / rois.len() as f32);
    }
    if num_outside > 0 {
        warnings.push(format!("{num_outside} contours lie outside the image or across its slices and are left out."));
    }
    if num_other > 0 {
        warnings.push(format!("{num_other} contours are points or open lines and are left out."));
    }
    if segments.is_empty() {
        return Err(Problem::Other("the structure set holds no contour".into()));
    }
    give(layers, *image, &segments, warnings, first, each)
}

/// The points of a closed contour in the image's voxels.
fn points(contour: &DataSet<'_>, image: &Geometry) -> Option<Vec<DVec3>> {
    if contour.text(tags::CONTOUR_TYPE).is_some_and(|t| !t.starts_with("CLOSED_PLANAR")) {
        return None;
    }
    let numbers = contour.decimals(tags::CONTOUR_DATA).filter(|n| n.len() >= 9 && n.len() / 3 <= MAX_POINTS)?;
    // From the patient's LPS to RAS.
    let point = |p: &[f64; 3]| image.voxel_from_world().transform_point3(DVec3::new(-p[0], -p[1], p[2]));
    Some(numbers.as_chunks().0.iter().map(point).collect())
}

/// Voxels within an odd number of contours.
struct Mask<'a> {
    image: &'a Geometry,
    /// Slices with a contour, each a byte for each voxel.
    slices: Vec<(usize, Vec<bool>)>,
}

impl<'a> Mask<'a> {
    fn new(image: &'a Geometry) -> Self {
        Self { image, slices: Vec::new() }
    }

    /// False if the contour does not lie on a slice.
    fn toggle(&mut self, points: &[DVec3]) -> bool {
        let [nx, ny, nz] = self.image.dims();
        let mean = points.iter().map(|p| p.z).sum::<f64>() / points.len() as f64;
        let slice = mean.round();
        let is_flat = points.iter().all(|p| (p.z - slice).abs() <= 0.51);
        if !is_flat || !(0.0..nz as f64).contains(&slice) {
            return false;
        }
        let slice = slice as usize;
        let at = self.slices.iter().position(|(s, _)| *s == slice).unwrap_or_else(|| {
            self.slices.push((slice, vec![false; nx * ny]));
            self.slices.len() - 1
        });
        let plane = &mut self.slices[at].1;
        let low = points.iter().map(|p| p.y).fold(f64::INFINITY, f64::min).ceil().max(0.0) as usize;
        let high = points.iter().map(|p| p.y).fold(f64::NEG_INFINITY, f64::max).floor().min(ny as f64 - 1.0);
        if high < 0.0 {
            return true;
        }
        let mut crossings = Vec::new();
        for y in low..=high as usize {
            crossings.clear();
            let level = y as f64;
            for (n, a) in points.iter().enumerate() {
                let b = points[(n + 1) % points.len()];
                // Half open, so that a corner on the line counts once.
                if (a.y <= level) != (b.y <= level) {
                    crossings.push(a.x + (b.x - a.x) * (level - a.y) / (b.y - a.y));
                }
            }
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.chunks_exact(2) {
                let from = pair[0].ceil().clamp(0.0, nx as f64) as usize;
                let to = (pair[1].floor() + 1.0).clamp(0.0, nx as f64) as usize;
                for voxel in plane[y * nx..(y + 1) * nx].iter_mut().take(to).skip(from) {
                    *voxel = !*voxel;
                }
            }
        }
        true
    }

    fn inside(&self) -> Vec<usize> {
        let [nx, ny, _] = self.image.dims();
        let of = |(slice, plane): &(usize, Vec<bool>)| {
            let start = slice * nx * ny;
            plane.iter().enumerate().filter(|(_, inside)| **inside).map(move |(n, _)| start + n).collect::<Vec<_>>()
        };
        self.slices.iter().flat_map(of).collect()
    }
}

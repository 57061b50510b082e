use glam::{DAffine3, DVec3};

use crate::dicom::image::Place;
use crate::dicom::phases;
use crate::dicom::series::Slice;

/// Slices nearer than this are at one place, unless the distance between slices is smaller still.
const SAME_PLACE_MM: f64 = 0.01;
/// Distances between slices that vary by more than this share are told.
const UNEVEN: f64 = 0.01;
/// Degrees by which slices may be shifted against their normal before it is called a tilt.
const TILT_DEGREES: f64 = 0.2;

/// The slices of a series in order: by position along their normal, never by name or number.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// For each component (point in time), its slices from the first to the last.
    components: Vec<Vec<Slice>>,
    /// Voxel to RAS millimetres.
    world_from_voxel: DAffine3,
}

impl Stack {
    pub fn new(slices: Vec<Slice>, warnings: &mut Vec<String>) -> Self {
        let first = slices[0].frame.place;
        let components = if first.position.is_some() {
            by_position(slices, first.normal(), warnings)
        } else {
            vec![by_number(slices, warnings)]
        };
        if !first.has_spacing {
            warnings.push(
                "The header does not tell the size of a pixel; 1 mm is assumed, so measures are not right.".into(),
            );
        }
        if first.position.is_some() && !first.is_oriented {
            warnings.push(
                "The header does not tell the orientation; axial is assumed, so left and right may be wrong.".into(),
            );
        }
        let places: Vec<Place> = components[0].iter().map(|s| s.frame.place).collect();
        let world_from_voxel = affine(&places, warnings);
        Self { components, world_from_voxel }
    }

    pub fn num_slices(&self) -> usize {
        self.components[0].len()
    }

    pub fn num_components(&self) -> usize {
        self.components.len()
    }

    pub fn component(&self, n: usize) -> &[Slice] {
        &self.components[n]
    }

    pub fn world_from_voxel(&self) -> DAffine3 {
        self.world_from_voxel
    }

    pub fn spacing_mm(&self) -> [f64; 3] {
        let m = self.world_from_voxel.matrix3;
        [m.x_axis.length(), m.y_axis.length(), m.z_axis.length()]
    }
}

/// Without positions the numbers of the images are all there is.
fn by_number(mut slices: Vec<Slice>, warnings: &mut Vec<String>) -> Vec<Slice> {
    sort_by_order(&mut slices);
    let what = if slices.len() > 1 {
        "The header does not tell where the slices lie; they stand in the order of their numbers, 1 slice thickness apart, and \
         left and right cannot be told."
    } else {
        "The header does not tell where the image lies in the patient; left and right cannot be told."
    };
    warnings.push(what.into());
    slices
}

fn sort_by_order(slices: &mut [Slice]) {
    slices.sort_by(|a, b| {
        let pairs = a.frame.order.iter().zip(&b.frame.order);
        pairs
            .map(|(x, y)| x.total_cmp(y))
            .find(|o| o.is_ne())
            .unwrap_or_else(|| (a.file, a.instance).cmp(&(b.file, b.instance)))
    });
}

fn by_position(slices: Vec<Slice>, normal: DVec3, warnings: &mut Vec<String>) -> Vec<Vec<Slice>> {
    let height = |s: &Slice| s.frame.place.position.map_or(0.0, |p| p.dot(normal));
    let mut slices = slices;
    slices.sort_by(|a, b| height(a).total_cmp(&height(b)));
    let mut places: Vec<Vec<Slice>> = Vec::new();
    for slice in slices {
        match places.last_mut() {
            Some(place) if (height(&place[0]) - height(&slice)).abs() < SAME_PLACE_MM => place.push(slice),
            _ => places.push(vec![slice]),
        }
    }
    for place in &mut places {
        sort_by_order(place);
    }
    phases::split(places, warnings)
}

/// The affine of ordered slices. Where they are not one regular grid, says by how much.
fn affine(places: &[Place], warnings: &mut Vec<String>) -> DAffine3 {
    let first = places[0];
    let count = places.len();
    let normal = first.normal();
    let origin = first.position.unwrap_or(DVec3::ZERO);
    let positions: Vec<DVec3> = places.iter().map_while(|p| p.position).collect();
    let nominal = first.slice_spacing_mm.unwrap_or(1.0);
    let step = if positions.len() == count && count > 1 {
        (positions[count - 1] - origin) / (count - 1) as f64
    } else {
        normal * nominal
    };
    // Positions are rounded; only a true tilt shears the grid.
    let step = if tilt_degrees(step, normal) > TILT_DEGREES { step } else { normal * step.dot(normal) };
    if positions.len() == count && count > 1 {
        check_steps(&positions, normal, step, warnings);
    }
    ras_affine(&first, step, origin)
}

/// Voxel to RAS millimetres of slices like `place`, `step` apart, the first of which begins at `origin` (both in DICOM's LPS).
pub(crate) fn ras_affine(place: &Place, step: DVec3, origin: DVec3) -> DAffine3 {
    let [x, y] = place.spacing_mm;
    crate::array::affine([place.row_direction * x, place.column_direction * y, step], origin, crate::array::LPS)
}

fn tilt_degrees(step: DVec3, normal: DVec3) -> f64 {
    step.normalize_or_zero().dot(normal).clamp(-1.0, 1.0).acos().to_degrees()
}

fn check_steps(positions: &[DVec3], normal: DVec3, step: DVec3, warnings: &mut Vec<String>) {
    let heights: Vec<f64> = positions.iter().map(|p| p.dot(normal)).collect();
    let mut gaps: Vec<f64> = heights.windows(2).map(|w| w[1] - w[0]).collect();
    let tilt = tilt_degrees(step, normal);
    if tilt > TILT_DEGREES {
        warnings.push(format!(
            "The slices are shifted against one another, as by a gantry tilt of {tilt:.1}°; the voxels are shown where they lie (a \
             sheared grid)."
        ));
    }
    let in_order = gaps.clone();
    gaps.sort_by(f64::total_cmp);
    let (least, median, most) = (gaps[0], gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    if most - least <= (UNEVEN * median).max(SAME_PLACE_MM) {
        return;
    }
    let strays = positions.iter().enumerate().map(|(n, p)| p.distance(positions[0] + step * n as f64));
    let stray = strays.fold(0.0, f64::max);
    let missing = |gap: f64| (gap / median).round() - 1.0;
    let is_hole = |gap: f64| missing(gap) >= 1.0 && (gap / median - (gap / median).round()).abs() < 0.1;
    let holes: Vec<usize> = (0..in_order.len()).filter(|&n| is_hole(in_order[n])).collect();
    let others_even = in_order.iter().filter(|&&g| !is_hole(g)).all(|g| (g - median).abs() <= 0.05 * median);
    if let (Some(&hole), true) = (holes.first(), others_even) {
        let total: f64 = holes.iter().map(|&n| missing(in_order[n])).sum();
        warnings.push(format!(
            "{total} slice{} missing (the first gap is of {:.2} mm after slice {}, others are of {median:.2} mm); slices are shown \
             up to {stray:.1} mm from where they lie.",
            if total == 1.0 { " is" } else { "s are" },
            in_order[hole],
            hole + 1
        ));
    } else {
        warnings.push(format!(
            "The distance between slices varies from {least:.3} to {most:.3} mm; a regular grid of {:.3} mm is shown, on which slices \
             lie up to {stray:.2} mm off.",
            step.length()
        ));
    }
}

use glam::{DMat3, DVec3};

/// A patient direction, as one letter on a picture's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anatomical {
    /// To the patient's right (+x).
    Right,
    /// To the patient's left (−x).
    Left,
    /// To the front (+y).
    Anterior,
    /// To the back (−y).
    Posterior,
    /// To the head (+z).
    Superior,
    /// To the feet (−z).
    Inferior,
}

impl Anatomical {
    /// The letter R, L, A, P, S or I.
    pub fn letter(self) -> char {
        match self {
            Self::Right => 'R',
            Self::Left => 'L',
            Self::Anterior => 'A',
            Self::Posterior => 'P',
            Self::Superior => 'S',
            Self::Inferior => 'I',
        }
    }

    /// The direction of a letter, in either case.
    pub fn of_letter(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_uppercase() {
            'R' => Self::Right,
            'L' => Self::Left,
            'A' => Self::Anterior,
            'P' => Self::Posterior,
            'S' => Self::Superior,
            'I' => Self::Inferior,
            _ => return None,
        })
    }

    /// World axis (0, 1, 2), and whether the direction is towards plus.
    pub fn axis(self) -> (usize, bool) {
        match self {
            Self::Right => (0, true),
            Self::Left => (0, false),
            Self::Anterior => (1, true),
            Self::Posterior => (1, false),
            Self::Superior => (2, true),
            Self::Inferior => (2, false),
        }
    }

    /// Direction of world axis `axis` (0, 1, 2), towards plus or minus.
    pub fn of_axis(axis: usize, positive: bool) -> Self {
        match (axis, positive) {
            (0, true) => Self::Right,
            (0, false) => Self::Left,
            (1, true) => Self::Anterior,
            (1, false) => Self::Posterior,
            (_, true) => Self::Superior,
            (_, false) => Self::Inferior,
        }
    }
}

/// The patient direction in which each voxel axis grows, e.g. `LPS`.
///
/// Equals nibabel's `aff2axcodes`: the rotation nearest to the affine (its polar factor) decides, and each voxel axis
/// takes the strongest world axis that no stronger voxel axis has taken.
pub fn axis_codes(directions: DMat3) -> [Anatomical; 3] {
    axis_assignment(directions).map(|(axis, positive)| Anatomical::of_axis(axis, positive))
}

/// For each voxel axis: the world axis it is assigned to, and whether it grows along it.
pub(crate) fn axis_assignment(directions: DMat3) -> [(usize, bool); 3] {
    let rotation = nearest_rotation(directions);
    let columns = [rotation.x_axis, rotation.y_axis, rotation.z_axis];
    // Strongest voxel axis first, so that ties and near-diagonal grids still give three different letters.
    let mut order = [0, 1, 2];
    let strength = |n: usize| columns[n].abs().max_element();
    order.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)));
    let mut taken = [false; 3];
    let mut result = [(0, true); 3];
    for voxel_axis in order {
        let column = columns[voxel_axis];
        let mut best = None;
        for world_axis in 0..3 {
            let weight = column[world_axis].abs();
            if !taken[world_axis] && best.is_none_or(|(_, w)| weight > w) {
                best = Some((world_axis, weight));
            }
        }
        if let Some((world_axis, _)) = best {
            taken[world_axis] = true;
            result[voxel_axis] = (world_axis, column[world_axis] >= 0.0);
        }
    }
    result
}

/// Letters for a direction in the patient, strongest first, e.g. `R`, `LA` or `PSR` (a part under 20° off-axis is left out).
pub fn direction_letters(direction: DVec3) -> String {
    let unit = direction.normalize_or_zero();
    let mut parts = [0, 1, 2].map(|axis| (axis, unit[axis]));
    parts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    parts
        .into_iter()
        .filter(|(_, weight)| weight.abs() > 0.342)
        .map(|(axis, weight)| Anatomical::of_axis(axis, weight > 0.0).letter())
        .collect()
}

/// Orthogonal polar factor by Higham's Newton iteration (quadratic; a handful of rounds for any real scanner's affine).
fn nearest_rotation(m: DMat3) -> DMat3 {
    let mut x = m;
    for _ in 0..30 {
        let inverse_transpose = x.inverse().transpose();
        if !inverse_transpose.is_finite() {
            return m;
        }
        let next = (x + inverse_transpose) * 0.5;
        let change = (next - x).to_cols_array().iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        x = next;
        if change < 1e-14 {
            break;
        }
    }
    x
}

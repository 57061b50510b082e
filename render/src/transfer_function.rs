use half::f16;

/// What becomes of the samples along a ray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderMode {
    /// Colours and opacities, front to back.
    Composite,
    /// Only the greatest value counts.
    Mip,
    /// Only the least value counts.
    MinIp,
    /// The mean of all values, as on a radiograph.
    Average,
    /// The surface where values reach a threshold.
    Isosurface,
}

impl RenderMode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Composite, Self::Mip, Self::MinIp, Self::Average, Self::Isosurface];

    /// Its name in files and texts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Composite => "composite",
            Self::Mip => "mip",
            Self::MinIp => "minip",
            Self::Average => "average",
            Self::Isosurface => "isosurface",
        }
    }

    /// True if one value stands for the whole ray.
    pub fn is_projection(self) -> bool {
        matches!(self, Self::Mip | Self::MinIp | Self::Average)
    }
}

/// How surfaces are shaded; the lamp is at the eye.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lighting {
    /// Light that comes from everywhere.
    pub ambient: f32,
    /// Light that falls off with the angle.
    pub diffuse: f32,
    /// Highlight.
    pub specular: f32,
    /// Sharpness of the highlight.
    pub shininess: f32,
    /// Gradient (value per mm) from which on shading counts in full; weaker ones are mostly noise.
    pub full_gradient: f32,
}

/// Colour and opacity of values in 3D.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFunction {
    /// What the user picks it by.
    pub name: String,
    /// Value (HU, or a fraction of the range if `is_relative`) and gamma-space r, g, b with opacity per millimetre; linear
    /// in between, constant beyond the ends.
    pub points: Vec<(f64, [f32; 4])>,
    /// See [`RenderMode`].
    pub mode: RenderMode,
    /// Lit by gradients.
    pub shaded: bool,
    /// How, if `shaded`.
    pub lighting: Lighting,
    /// The values are fractions of a volume's value range: call [`Self::fitted`] before use.
    pub is_relative: bool,
}

/// Entries of the table the shaders read.
pub(crate) const TABLE_LEN: usize = 1024;

impl TransferFunction {
    /// The same with all values moved by `by` (HU).
    #[must_use]
    pub fn shifted(&self, by: f64) -> Self {
        let mut shifted = self.clone();
        for point in &mut shifted.points {
            point.0 += by;
        }
        shifted
    }

    /// With fractions turned into values of a volume whose values run from `min` to `max`; a CT preset stays as it is.
    #[must_use]
    pub fn fitted(&self, min: f64, max: f64) -> Self {
        let mut fitted = self.clone();
        if self.is_relative {
            let range = if max > min { max - min } else { 1.0 };
            for point in &mut fitted.points {
                point.0 = min + point.0 * range;
            }
            #[expect(clippy::cast_possible_truncation, reason = "a lighting weight needs no more than f32")]
            let full_gradient = (f64::from(self.lighting.full_gradient) * range) as f32;
            fitted.lighting.full_gradient = full_gradient;
            fitted.is_relative = false;
        }
        fitted
    }

    /// A grey ramp for a projection of a volume that is read in a window: the greatest values lie above it, means and the least ones below.
    #[must_use]
    pub fn projection(&self, mode: RenderMode, window_width: f64, window_level: f64) -> Self {
        let width = window_width.abs().max(1e-9);
        let (from, to) = match mode {
            RenderMode::Mip => (window_level - 0.25 * width, window_level + 1.75 * width),
            RenderMode::MinIp => (window_level - 2.6 * width, window_level - 0.6 * width),
            _ => (window_level - 2.2 * width, window_level + 0.1 * width),
        };
        let points = vec![(from, [0.0, 0.0, 0.0, 1.0]), (to, [1.0; 4])];
        Self { points, mode, shaded: false, is_relative: false, ..self.clone() }
    }

    /// The colour of a value, gamma space, not premultiplied.
    pub fn color_at(&self, value: f64) -> [f32; 3] {
        let mut points = self.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let [r, g, b, _] = interpolate(&points, value);
        [r, g, b]
    }

    /// The opacity of a value, per millimetre.
    pub fn opacity_at(&self, value: f64) -> f32 {
        let mut points = self.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        interpolate(&points, value)[3]
    }

    /// Values between which the table lies. Never empty.
    pub(crate) fn range(&self) -> (f64, f64) {
        let values = || self.points.iter().map(|p| p.0).filter(|v| v.is_finite());
        let (lo, hi) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        if !lo.is_finite() {
            return (0.0, 1.0);
        }
        (lo, if hi > lo { hi } else { lo + 1.0 })
    }

    /// Premultiplied colour and opacity over `step_mm`, evenly over the range.
    pub(crate) fn table(&self, step_mm: f64) -> Vec<[f32; 4]> {
        let mut points: Vec<_> = self.points.iter().copied().filter(|p| p.0.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (lo, hi) = self.range();
        let at = |n: usize| {
            let value = lo + (hi - lo) * n as f64 / (TABLE_LEN - 1) as f64;
            let [r, g, b, a] = interpolate(&points, value);
            let per_mm = f64::from(a.clamp(0.0, 1.0));
            // Opacity is given per millimetre: half the step lets through its square root.
            #[expect(clippy::cast_possible_truncation, reason = "the table is f32")]
            let a = match self.mode {
                RenderMode::Composite => 1.0 - (1.0 - per_mm.min(0.9999)).powf(step_mm),
                _ => per_mm,
            } as f32;
            // As the texture will hold them, so that tests read the same numbers.
            [r * a, g * a, b * a, a].map(|c| f16::from_f32(c).to_f32())
        };
        (0..TABLE_LEN).map(at).collect()
    }
}

impl TransferFunction {
    /// Places in the table outside of which nothing shows, with a margin for what is interpolated.
    pub(crate) fn visible_places(&self) -> [f32; 2] {
        let mut points: Vec<_> = self.points.iter().copied().filter(|p| p.0.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (lo, hi) = self.range();
        let shows = |n: usize| points[n].1[3] > 0.0;
        let (Some(first), Some(last)) = ((0..points.len()).find(|&n| shows(n)), (0..points.len()).rfind(|&n| shows(n)))
        else {
            return [1.0, 0.0];
        };
        let margin = 2.0 / (PAIRS - 1) as f64;
        // A line leads from the clear point before up to the first that shows.
        let from = if first == 0 { f64::NEG_INFINITY } else { (points[first - 1].0 - lo) / (hi - lo) - margin };
        let to = points.get(last + 1).map_or(f64::INFINITY, |p| (p.0 - lo) / (hi - lo) + margin);
        [from, to].map(|v| v.clamp(-1.0, 2.0) as f32)
    }
}

/// Sides of the table of pairs.
pub(crate) const PAIRS: usize = 512;

impl TransferFunction {
    /// For each pair of values (the first along rows of the table, both evenly over the range): the mean of colour · extinction and of
    /// extinction per mm over all values between them. As the texture holds it.
    pub(crate) fn pairs(&self) -> Vec<[f16; 4]> {
        const FINE: usize = 4 * (PAIRS - 1);
        let mut points: Vec<_> = self.points.iter().copied().filter(|p| p.0.is_finite()).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (lo, hi) = self.range();
        let at = |n: usize| {
            let [r, g, b, a] = interpolate(&points, lo + (hi - lo) * n as f64 / FINE as f64).map(f64::from);
            let extinction = -(1.0 - a.clamp(0.0, 0.9999)).ln();
            [r * extinction, g * extinction, b * extinction, extinction]
        };
        let fine: Vec<[f64; 4]> = (0..=FINE).map(at).collect();
        let mut sums = vec![[0.0_f64; 4]; FINE + 1];
        for n in 0..FINE {
            sums[n + 1] = std::array::from_fn(|c| sums[n][c] + f64::midpoint(fine[n][c], fine[n + 1][c]));
        }
        let mut pairs = Vec::with_capacity(PAIRS * PAIRS);
        for row in 0..PAIRS {
            for column in 0..PAIRS {
                let (from, to) = (4 * row.min(column), 4 * row.max(column));
                let mean: [f64; 4] = if from == to {
                    fine[from]
                } else {
                    std::array::from_fn(|c| (sums[to][c] - sums[from][c]) / (to - from) as f64)
                };
                pairs.push(mean.map(f16::from_f64));
            }
        }
        pairs
    }
}

fn interpolate(points: &[(f64, [f32; 4])], value: f64) -> [f32; 4] {
    let next = points.partition_point(|p| p.0 <= value);
    match (next.checked_sub(1).map(|n| points[n]), points.get(next)) {
        (Some((x0, a)), Some(&(x1, b))) => {
            #[expect(clippy::cast_possible_truncation, reason = "a weight in 0…1")]
            let weight = ((value - x0) / (x1 - x0)) as f32;
            std::array::from_fn(|n| a[n] + (b[n] - a[n]) * weight)
        }
        (Some((_, a)), None) => a,
        (None, Some(&(_, b))) => b,
        (None, None) => [0.0; 4],
    }
}

#[cfg(test)]
mod tests {
    use super::{PAIRS, TABLE_LEN, TransferFunction};

    #[test]
    fn half_a_step_twice_is_a_whole_step() {
        let bone = &TransferFunction::presets()[0];
        for (half, whole) in bone.table(0.5).iter().zip(bone.table(1.0)) {
            let twice = 1.0 - (1.0 - half[3]) * (1.0 - half[3]);
            assert!((twice - whole[3]).abs() < 2e-3, "{half:?} {whole:?}");
        }
    }

    #[test]
    fn presets_are_known_by_name_and_fit_any_range() {
        let names: Vec<_> = TransferFunction::presets().into_iter().map(|p| p.name).collect();
        let wanted = ["CT-Bone", "CT-Soft-Tissue", "CT-Lung", "CT-Muscle", "CT-Liver-Vasculature", "CT-Chest-Vessels"];
        let more = ["CT-Pulmonary-Arteries", "CT-Cardiac", "CT-Fat", "CT-MIP", "CT-X-ray", "MR-Default", "MR-MIP"];
        for name in wanted.into_iter().chain(more) {
            assert_eq!(names.iter().filter(|n| *n == name).count(), 1, "{name}");
        }
        for preset in TransferFunction::presets() {
            let fitted = preset.fitted(0.0, 4000.0).shifted(100.0);
            assert!(!fitted.is_relative && fitted.range().1 > fitted.range().0);
            let table = fitted.table(0.7);
            assert!(table.len() == TABLE_LEN && table.iter().flatten().all(|v| (0.0..=1.0).contains(v)));
            assert_eq!(table[0][3], 0.0, "{}: air must not be seen", fitted.name);
        }
    }

    #[test]
    fn a_pair_is_the_mean_of_all_that_lies_between() {
        let bone = &TransferFunction::presets()[0];
        let pairs = bone.pairs();
        let (lo, hi) = bone.range();
        let value = |n: usize| lo + (hi - lo) * n as f64 / (PAIRS - 1) as f64;
        let extinction = |v: f64| -(1.0 - f64::from(bone.opacity_at(v)).min(0.9999)).ln();
        for (a, b) in [(100, 400), (150, 160), (300, 301), (511, 0)] {
            let mean = (0..4000)
                .map(|n| extinction(value(a) + (value(b) - value(a)) * (f64::from(n) + 0.5) / 4000.0))
                .sum::<f64>()
                / 4000.0;
            for at in [a + PAIRS * b, b + PAIRS * a] {
                let got = pairs[at][3].to_f64();
                assert!((got - mean).abs() < 0.01 * mean + 1e-3, "{a} {b}: {got}, not {mean}");
            }
        }
    }

    #[test]
    fn degenerate_functions_give_a_table_all_the_same() {
        let mut preset = TransferFunction::presets().remove(0);
        for points in [vec![], vec![(f64::NAN, [1.0; 4])], vec![(5.0, [1.0; 4]); 3]] {
            preset.points = points;
            assert_eq!(preset.table(1.0).len(), TABLE_LEN);
        }
    }
}

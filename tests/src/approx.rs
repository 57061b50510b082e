//! All numerical tolerances of the cross-crate tests.

/// Millimetres by which an affine may differ from the reference.
pub const AFFINE_MM: f64 = 1e-5;
/// Scaled intensity (0…1) by which a resampled voxel may differ: 1e-2 HU of a 425 HU window.
pub const RESAMPLED: f64 = 1e-2 / 425.0;
/// Relative error of statistics.
pub const STATISTIC: f64 = 1e-6;

/// True if both are within `tolerance`, or both NaN.
pub fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance || (a.is_nan() && b.is_nan())
}

/// The largest absolute difference of two 4×4 affines.
pub fn affine_difference(a: [[f64; 4]; 4], b: [[f64; 4]; 4]) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).fold(0.0, |m, (x, y)| m.max((x - y).abs()))
}

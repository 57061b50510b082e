use crate::{Lighting, RenderMode, TransferFunction};

const SOLID: Lighting = Lighting { ambient: 0.22, diffuse: 0.85, specular: 0.25, shininess: 24.0, full_gradient: 25.0 };
const SOFT: Lighting = Lighting { ambient: 0.3, diffuse: 0.8, specular: 0.12, shininess: 12.0, full_gradient: 20.0 };

type Points<'a> = &'a [(f64, [f32; 4])];

fn composite(name: &str, lighting: Lighting, points: Points<'_>) -> TransferFunction {
    TransferFunction {
        name: name.to_owned(),
        points: points.to_vec(),
        mode: RenderMode::Composite,
        shaded: true,
        lighting,
        is_relative: false,
    }
}

/// From black to white; what lies at or below `from` is clear.
fn ramp(name: &str, mode: RenderMode, from: f64, to: f64) -> TransferFunction {
    TransferFunction {
        name: name.to_owned(),
        points: vec![(from, [0.0; 4]), (from + (to - from) * 0.02, [0.02, 0.02, 0.02, 1.0]), (to, [1.0; 4])],
        mode,
        shaded: false,
        lighting: SOFT,
        is_relative: false,
    }
}

fn relative(preset: TransferFunction) -> TransferFunction {
    TransferFunction { is_relative: true, ..preset }
}

impl TransferFunction {
    /// The built-in presets: those for CT in HU, those for MR in fractions of the value range.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub fn presets() -> Vec<Self> {
        vec![
            // From the thin trabecular bone of vertebral bodies (and contrast-filled vessels) to cortical bone.
            composite(
                "CT-Bone",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (130.0, [0.55, 0.22, 0.15, 0.0]),
                    (190.0, [0.72, 0.42, 0.30, 0.05]),
                    (280.0, [0.86, 0.68, 0.50, 0.25]),
                    (500.0, [0.95, 0.87, 0.74, 0.65]),
                    (1000.0, [1.0, 0.97, 0.90, 0.9]),
                    (3000.0, [1.0, 1.0, 1.0, 0.97]),
                ],
            ),
            // Skin and fat as a veil, muscle and organs through it, contrast brighter, bone ivory.
            composite(
                "CT-Soft-Tissue",
                SOFT,
                &[
                    (-1000.0, [0.0; 4]),
                    (-250.0, [0.80, 0.60, 0.45, 0.0]),
                    (-150.0, [0.86, 0.68, 0.52, 0.010]),
                    (-60.0, [0.88, 0.72, 0.52, 0.003]),
                    (0.0, [0.74, 0.46, 0.36, 0.006]),
                    (40.0, [0.68, 0.36, 0.29, 0.025]),
                    (80.0, [0.74, 0.36, 0.28, 0.08]),
                    (140.0, [0.86, 0.46, 0.35, 0.25]),
                    (250.0, [0.94, 0.76, 0.60, 0.45]),
                    (600.0, [1.0, 0.95, 0.86, 0.8]),
                    (3000.0, [1.0, 1.0, 1.0, 0.95]),
                ],
            ),
            // Lung surface and parenchyma as a bluish veil, vessels and airway walls within, the body left out.
            composite(
                "CT-Lung",
                SOFT,
                &[
                    (-1000.0, [0.0; 4]),
                    (-940.0, [0.25, 0.40, 0.60, 0.0]),
                    (-860.0, [0.35, 0.52, 0.70, 0.008]),
                    (-740.0, [0.55, 0.68, 0.80, 0.035]),
                    (-620.0, [0.80, 0.74, 0.72, 0.07]),
                    (-500.0, [0.88, 0.60, 0.52, 0.05]),
                    (-400.0, [0.85, 0.45, 0.38, 0.0]),
                    (3000.0, [0.85, 0.45, 0.38, 0.0]),
                ],
            ),
            ramp("CT-MIP", RenderMode::Mip, -100.0, 1100.0),
            ramp("CT-MinIP", RenderMode::MinIp, -1010.0, -700.0),
            // A ray through a body meets air for about half of its way.
            ramp("CT-X-ray", RenderMode::Average, -950.0, 60.0),
            // Skin: closed and solid, so that it is light that shows its form.
            composite(
                "CT-Skin",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (-420.0, [0.85, 0.62, 0.50, 0.0]),
                    (-300.0, [0.90, 0.70, 0.58, 0.45]),
                    (-100.0, [0.92, 0.74, 0.62, 0.9]),
                    (3000.0, [0.95, 0.80, 0.70, 0.95]),
                ],
            ),
            // Muscle and organs without fat; bone lighter.
            composite(
                "CT-Muscle",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (-10.0, [0.50, 0.16, 0.13, 0.0]),
                    (35.0, [0.64, 0.22, 0.18, 0.16]),
                    (80.0, [0.76, 0.32, 0.26, 0.5]),
                    (150.0, [0.88, 0.60, 0.46, 0.7]),
                    (400.0, [0.96, 0.90, 0.78, 0.9]),
                    (3000.0, [1.0, 1.0, 0.96, 0.95]),
                ],
            ),
            // Fat alone, as a yellow veil.
            composite(
                "CT-Fat",
                SOFT,
                &[
                    (-1000.0, [0.0; 4]),
                    (-160.0, [0.90, 0.72, 0.32, 0.0]),
                    (-110.0, [0.96, 0.82, 0.42, 0.06]),
                    (-70.0, [0.98, 0.86, 0.50, 0.05]),
                    (-30.0, [0.98, 0.88, 0.56, 0.0]),
                    (3000.0, [1.0, 1.0, 1.0, 0.0]),
                ],
            ),
            // Contrast in the liver's vessels: above the liver, bone much thinner than it is.
            composite(
                "CT-Liver-Vasculature",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (120.0, [0.45, 0.10, 0.10, 0.0]),
                    (150.0, [0.70, 0.16, 0.14, 0.12]),
                    (190.0, [0.88, 0.28, 0.20, 0.45]),
                    (260.0, [0.95, 0.55, 0.40, 0.6]),
                    (420.0, [0.95, 0.86, 0.72, 0.35]),
                    (3000.0, [1.0, 1.0, 1.0, 0.5]),
                ],
            ),
            // Vessels of the chest with contrast, the heart's chambers, bone.
            composite(
                "CT-Chest-Vessels",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (110.0, [0.48, 0.10, 0.08, 0.0]),
                    (180.0, [0.78, 0.20, 0.15, 0.22]),
                    (280.0, [0.92, 0.42, 0.28, 0.55]),
                    (450.0, [0.96, 0.80, 0.62, 0.7]),
                    (900.0, [1.0, 0.97, 0.90, 0.9]),
                    (3000.0, [1.0, 1.0, 1.0, 0.95]),
                ],
            ),
            // Contrast in the vessels of the lungs, and their walls against the air as a veil.
            composite(
                "CT-Pulmonary-Arteries",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (-700.0, [0.30, 0.42, 0.58, 0.0]),
                    (-560.0, [0.55, 0.45, 0.50, 0.012]),
                    (-300.0, [0.75, 0.36, 0.32, 0.02]),
                    (-120.0, [0.80, 0.40, 0.34, 0.0]),
                    (110.0, [0.80, 0.24, 0.18, 0.0]),
                    (180.0, [0.90, 0.32, 0.22, 0.25]),
                    (300.0, [0.95, 0.55, 0.38, 0.55]),
                    // Denser than contrast is bone: a veil, so that it does not hide the vessels.
                    (480.0, [0.95, 0.80, 0.62, 0.10]),
                    (3000.0, [1.0, 0.95, 0.86, 0.05]),
                ],
            ),
            // Chambers and coronary arteries with contrast, the heart's muscle as a veil.
            composite(
                "CT-Cardiac",
                SOLID,
                &[
                    (-1000.0, [0.0; 4]),
                    (20.0, [0.45, 0.16, 0.12, 0.0]),
                    (90.0, [0.62, 0.22, 0.18, 0.035]),
                    (170.0, [0.80, 0.26, 0.20, 0.12]),
                    (240.0, [0.92, 0.46, 0.30, 0.5]),
                    (420.0, [0.97, 0.78, 0.56, 0.75]),
                    (3000.0, [1.0, 1.0, 0.94, 0.95]),
                ],
            ),
            relative(composite(
                "MR-Default",
                Lighting { full_gradient: 0.03, ..SOFT },
                &[
                    (0.0, [0.0; 4]),
                    (0.06, [0.30, 0.22, 0.20, 0.0]),
                    (0.18, [0.55, 0.40, 0.35, 0.06]),
                    (0.40, [0.80, 0.68, 0.60, 0.18]),
                    (0.70, [0.95, 0.90, 0.85, 0.4]),
                    (1.0, [1.0, 1.0, 1.0, 0.6]),
                ],
            )),
            // Bright vessels before what is darker.
            relative(composite(
                "MR-Angio",
                Lighting { full_gradient: 0.03, ..SOLID },
                &[
                    (0.0, [0.0; 4]),
                    (0.30, [0.45, 0.12, 0.10, 0.0]),
                    (0.45, [0.80, 0.25, 0.18, 0.12]),
                    (0.60, [0.95, 0.50, 0.34, 0.5]),
                    (1.0, [1.0, 0.92, 0.82, 0.8]),
                ],
            )),
            relative(ramp("MR-MIP", RenderMode::Mip, 0.02, 0.95)),
        ]
    }
}

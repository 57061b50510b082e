use crate::{Lighting, RenderMode, TransferFunction};

const SOLID: Lighting = Lighting { ambient: 0.22, diffuse: 0.85, specular: 0.25, shininess: 24.0, full_gradient: 25.0 };
const SOFT: Lighting = Lighting { ambient: 0.3, diffuse: 0.8, specular: 0.12, shininess: 12.0, full_gradient: 20.0 };

impl TransferFunction {
    /// The built-in presets: four for CT in HU, two for MR in fractions of the value range.
    pub fn presets() -> Vec<Self> {
        let composite = |name: &str, lighting, points: &[(f64, [f32; 4])]| Self {
            name: name.to_owned(),
            points: points.to_vec(),
            mode: RenderMode::Composite,
            shaded: true,
            lighting,
            is_relative: false,
        };
        let mip = |name: &str, from: f64, to: f64| Self {
            name: name.to_owned(),
            points: vec![(from, [0.0; 4]), (from + (to - from) * 0.02, [0.02, 0.02, 0.02, 1.0]), (to, [1.0; 4])],
            mode: RenderMode::Mip,
            shaded: false,
            lighting: SOFT,
            is_relative: false,
        };
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
            mip("CT-MIP", -100.0, 1100.0),
            Self {
                is_relative: true,
                ..composite(
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
                )
            },
            Self { is_relative: true, ..mip("MR-MIP", 0.02, 0.95) },
        ]
    }
}

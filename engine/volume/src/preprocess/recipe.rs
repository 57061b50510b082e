use super::{Intensity, PreprocessSpec};
use crate::position::PositionGrid;

/// The published pre-training recipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// TPAMI, abdomen with labels: 1.5 mm, −175…250 HU, a random 192×192×64 window of the body.
    Abdomen,
    /// TPAMI, abdomen without labels: the whole body resized to 192×192×64.
    AbdomenUnlabelled,
    /// TPAMI, chest: 1.25×1.25×5 mm, −1000…500 HU, a random window.
    Chest,
    /// TPAMI, head and neck, TotalSegmentator, colonography: the whole body resized.
    HeadNeck,
    /// CVPR 2024: no resampling, the whole body resized to 384×384×96, a 4×4 grid.
    Cvpr,
}

/// What the frame of the position task is a part of. The same cell means different anatomy in the two styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CropStyle {
    /// A random window of the body, at the recipe's spacing.
    RandomWindow,
    /// The whole body, stretched to the frame.
    WholeBody,
}

impl Recipe {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::AbdomenUnlabelled, Self::Abdomen, Self::Chest, Self::HeadNeck, Self::Cvpr];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abdomen => "abdomen",
            Self::AbdomenUnlabelled => "abdomen-unlabelled",
            Self::Chest => "chest",
            Self::HeadNeck => "head-neck",
            Self::Cvpr => "cvpr",
        }
    }

    /// The recipe of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }

    /// What it does to a volume.
    pub fn spec(self) -> PreprocessSpec {
        let (low, high) = self.window();
        let frame = self.position_grid().frame_dims();
        // The published abdomen and chest chains pad to 64³ and then to the frame, which comes to the same as once.
        let (pad_to, resize_to) = match (self, self.crop_style()) {
            (Self::Cvpr, _) => ([1; 3], Some(frame)),
            (_, CropStyle::WholeBody) => ([64; 3], Some(frame)),
            (_, CropStyle::RandomWindow) => (frame, None),
        };
        PreprocessSpec {
            spacing_mm: self.spacing_mm(),
            intensity: Intensity::Window { low, high },
            foreground_above: Some(self.foreground_threshold()),
            crop_multiple_of: None,
            pad_to,
            resize_to,
        }
    }

    /// Spacing to resample to, if it does.
    pub fn spacing_mm(self) -> Option<[f64; 3]> {
        match self {
            Self::Abdomen | Self::AbdomenUnlabelled | Self::HeadNeck => Some([1.5; 3]),
            Self::Chest => Some([1.25, 1.25, 5.0]),
            Self::Cvpr => None,
        }
    }

    /// Intensities that become 0 and 1.
    pub fn window(self) -> (f64, f64) {
        if self == Self::Chest { (-1000.0, 500.0) } else { (-175.0, 250.0) }
    }

    /// Scaled intensity above which a voxel belongs to the body.
    pub fn foreground_threshold(self) -> f32 {
        if self == Self::Cvpr { 0.3 } else { 0.0 }
    }

    /// Window or whole body.
    pub fn crop_style(self) -> CropStyle {
        match self {
            Self::Abdomen | Self::Chest => CropStyle::RandomWindow,
            Self::AbdomenUnlabelled | Self::HeadNeck | Self::Cvpr => CropStyle::WholeBody,
        }
    }

    /// Position loss of the best predictor that does not look at the picture, where it is known.
    pub fn constant_predictor_loss(self) -> Option<f64> {
        // Found by search for the 3×3 grid and the TPAMI loss; the CVPR loss has squared negatives and 16 cells.
        (self != Self::Cvpr).then_some(0.506)
    }

    /// The grid of base crops.
    pub fn position_grid(self) -> PositionGrid {
        if self == Self::Cvpr { PositionGrid::CVPR } else { PositionGrid::TPAMI }
    }
}

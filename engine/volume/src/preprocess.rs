use crate::{Geometry, Grid, Interpolation, Volume, VolumeError, position::PositionGrid};

/// Deterministic preprocessing of VoCo pre-training: a volume in its file's grid to the body in the recipe's grid.
///
/// Orient to RAS → resample → map the intensity window to 0…1 with clipping → crop to the box of voxels above the
/// threshold → pad. `keep` is called with each stage; `cancelled` is asked between stages.
///
/// # Errors
/// An empty foreground, or cancellation.
pub fn preprocess(
    volume: &Volume,
    recipe: Recipe,
    cancelled: &dyn Fn() -> bool,
    keep: &mut dyn FnMut(Stage, &Grid),
) -> Result<Preprocessed, VolumeError> {
    let mut step = |stage: Stage, grid: Result<Grid, VolumeError>| -> Result<Grid, VolumeError> {
        let grid = grid?;
        if cancelled() {
            return Err(VolumeError::Cancelled);
        }
        keep(stage, &grid);
        Ok(grid)
    };
    let (low, high) = recipe.window();
    let grid = step(Stage::Load, Ok(Grid::from_volume(volume)))?;
    // NaN (as some tools mark what lies outside) would spread in resampling and end a training run.
    let grid = grid.map(|v| if v.is_finite() { v } else { low as f32 });
    let mut grid = step(Stage::Orient, grid.to_ras())?;
    if let Some(spacing) = recipe.spacing_mm() {
        grid = step(Stage::Spacing, grid.to_spacing(spacing, Interpolation::Linear))?;
    }
    let scale = |v: f32| ((f64::from(v) - low) / (high - low)).clamp(0.0, 1.0) as f32;
    grid = step(Stage::Scale, Ok(grid.map(scale)))?;
    let Some((start, size)) = grid.foreground_box(recipe.foreground_threshold()) else {
        return Err(VolumeError::EmptyForeground(low, high));
    };
    grid = step(Stage::CropForeground, grid.cropped(start, size))?;
    if recipe != Recipe::Cvpr {
        grid = step(Stage::Pad, grid.padded([64; 3]))?;
    }
    let grid_dims = recipe.position_grid().frame_dims();
    grid = match recipe.crop_style() {
        CropStyle::RandomWindow => step(Stage::PadToFrame, grid.padded(grid_dims))?,
        CropStyle::WholeBody => step(Stage::Resize, grid.resized(grid_dims, Interpolation::Linear))?,
    };
    Ok(Preprocessed { recipe, grid })
}

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

/// A step of preprocessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// As in the file.
    Load,
    /// Axes to RAS.
    Orient,
    /// Resampled.
    Spacing,
    /// Intensities to 0…1.
    Scale,
    /// The body's box.
    CropForeground,
    /// At least 64³.
    Pad,
    /// At least the frame.
    PadToFrame,
    /// Stretched to the frame.
    Resize,
}

impl Stage {
    /// Name as in `voco preprocess`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Orient => "orient",
            Self::Spacing => "spacing",
            Self::Scale => "scale",
            Self::CropForeground => "cropfg",
            Self::Pad => "pad",
            Self::PadToFrame => "pad_frame",
            Self::Resize => "resize",
        }
    }
}

/// A preprocessed body, at least as large as the recipe's frame.
#[derive(Debug, Clone)]
pub struct Preprocessed {
    recipe: Recipe,
    grid: Grid,
}

/// Which window of the preprocessed body the frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameWindow {
    /// First voxel of the body's grid.
    pub start: [usize; 3],
}

/// The frame of the position task: the n·edge × n·edge × edge voxels that the base crops tile.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The grid of base crops that tiles it.
    pub position_grid: PositionGrid,
    /// Intensities 0…1 and their place in the patient.
    pub grid: Grid,
}

impl Preprocessed {
    /// The recipe it was made with.
    pub fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// The body.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Number of windows there are along each axis (all 1 for a whole-body recipe).
    pub fn num_windows(&self) -> [usize; 3] {
        let (dims, frame) = (self.grid.dims(), self.recipe.position_grid().frame_dims());
        std::array::from_fn(|a| dims[a] - frame[a] + 1)
    }

    /// The frame at a window; start is clamped to the windows there are.
    ///
    /// # Errors
    /// None for a body that [`preprocess`] made.
    pub fn frame(&self, window: FrameWindow) -> Result<Frame, VolumeError> {
        let position_grid = self.recipe.position_grid();
        let windows = self.num_windows();
        let start = std::array::from_fn(|a| window.start[a].min(windows[a] - 1));
        let grid =
            if windows == [1; 3] { self.grid.clone() } else { self.grid.cropped(start, position_grid.frame_dims())? };
        Ok(Frame { position_grid, grid })
    }
}

impl Frame {
    /// Where the frame's voxels lie in the patient: every preprocessing step inverted.
    pub fn geometry(&self) -> &Geometry {
        self.grid.geometry()
    }
}

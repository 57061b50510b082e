use super::{Recipe, Stage, prepare};
use crate::position::PositionGrid;
use crate::{Geometry, Grid, Volume, VolumeError};

/// Deterministic preprocessing of VoCo pre-training: a volume in its file's grid to the body in the recipe's grid, by
/// [`prepare`] with [`Recipe::spec`].
///
/// # Errors
/// As [`prepare`].
pub fn preprocess(
    volume: &Volume,
    recipe: Recipe,
    cancelled: &dyn Fn() -> bool,
    keep: &mut dyn FnMut(Stage, &Grid),
) -> Result<Preprocessed, VolumeError> {
    let prepared = prepare(volume, None, &recipe.spec(), cancelled, &mut |stage, grid, _| keep(stage, grid))?;
    Ok(Preprocessed { recipe, grid: prepared.image })
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

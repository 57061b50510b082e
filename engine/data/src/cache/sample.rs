use voco_volume::{Geometry, Grid, PreparedChannels};

use super::foreground::{VoxelDraw, find};
use crate::label::id_of;
use crate::{Crop, DataError, LabelMap};

/// A preprocessed case, of which crops are read.
#[derive(Debug, Clone)]
pub struct StoredSample {
    geometry: Geometry,
    uncropped: Geometry,
    images: Vec<Grid>,
    label: Option<Vec<u16>>,
    foreground: VoxelDraw,
    background: VoxelDraw,
    num_unknown: u64,
    fingerprint: u64,
}

impl StoredSample {
    /// A sample that is in memory only: a volume that is open in the window, or a test's. Without `labels` a label map's ids are
    /// its classes.
    pub fn from_prepared(prepared: PreparedChannels, labels: Option<&LabelMap>) -> Self {
        let geometry = prepared.images.first().map_or(prepared.uncropped, |g| *g.geometry());
        let label = prepared.label.map(|grid| match labels {
            Some(map) => map.apply(grid.data()),
            None => (grid.data().iter().map(|&v| id_of(v)).collect(), 0),
        });
        let (label, num_unknown) = label.map_or((None, 0), |(values, unknown)| (Some(values), unknown));
        let channels: Vec<&[f32]> = prepared.images.iter().map(Grid::data).collect();
        let (foreground, background) = match &label {
            Some(label) => find(&channels, label),
            None => Default::default(),
        };
        let fingerprint = fingerprint(&channels, geometry.dims());
        Self {
            geometry,
            uncropped: prepared.uncropped,
            images: prepared.images,
            label,
            foreground,
            background,
            num_unknown,
            fingerprint,
        }
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.geometry.dims()
    }

    /// Channels of the image.
    pub fn channels(&self) -> usize {
        self.images.len()
    }

    /// Where the voxels lie in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The grid before the crop to the body, for [`voco_volume::restore_label`].
    pub fn uncropped(&self) -> &Geometry {
        &self.uncropped
    }

    /// True if there are labels to read.
    pub fn has_label(&self) -> bool {
        self.label.is_some()
    }

    /// Labelled voxels by class.
    pub fn foreground(&self) -> &VoxelDraw {
        &self.foreground
    }

    /// Voxels of class 0 where a channel is above 0.
    pub fn background(&self) -> &VoxelDraw {
        &self.background
    }

    /// Voxels whose id became class 0 because no class has its name.
    pub fn num_unknown(&self) -> u64 {
        self.num_unknown
    }

    /// Tells samples apart without naming them.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Intensities of a box as a tensor [C, X, Y, Z], z fastest.
    ///
    /// # Errors
    /// A box that does not lie inside.
    pub fn read_image(&self, start: [usize; 3], size: [usize; 3]) -> Result<Vec<f32>, DataError> {
        self.check(start, size)?;
        let len: usize = size.iter().product();
        let mut out = vec![0.0; len * self.images.len()];
        out.chunks_exact_mut(len.max(1)).zip(&self.images).for_each(|(out, grid)| grid.copy_crop(start, size, out));
        Ok(out)
    }

    /// Classes of a box as a tensor [X, Y, Z], z fastest; empty if there is no label.
    ///
    /// # Errors
    /// A box that does not lie inside.
    pub fn read_label(&self, start: [usize; 3], size: [usize; 3]) -> Result<Vec<u16>, DataError> {
        self.check(start, size)?;
        let Some(label) = &self.label else { return Ok(Vec::new()) };
        let [nx, ny, _] = self.dims();
        let mut out = vec![0; size.iter().product()];
        for k in 0..size[2] {
            for j in 0..size[1] {
                let from = start[0] + nx * (start[1] + j + ny * (start[2] + k));
                for (i, &class) in label[from..from + size[0]].iter().enumerate() {
                    out[(i * size[1] + j) * size[2] + k] = class;
                }
            }
        }
        Ok(out)
    }

    /// Image and label of a box.
    ///
    /// # Errors
    /// A box that does not lie inside.
    pub fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Crop, DataError> {
        Ok(Crop { size, image: self.read_image(start, size)?, label: self.read_label(start, size)? })
    }

    fn check(&self, start: [usize; 3], size: [usize; 3]) -> Result<(), DataError> {
        let dims = self.dims();
        let is_inside = (0..3).all(|a| start[a].checked_add(size[a]).is_some_and(|end| end <= dims[a]));
        if is_inside { Ok(()) } else { Err(DataError::Outside { start, size, dims }) }
    }
}

/// FNV-1a of the size and of a thousand or so values of each channel.
fn fingerprint(channels: &[&[f32]], dims: [usize; 3]) -> u64 {
    let values = channels.iter().flat_map(|c| {
        let stride = (c.len() / 1000).max(1);
        c.iter().step_by(stride).map(|v| u64::from(v.to_bits()))
    });
    let words = dims.into_iter().map(|d| d as u64).chain(values);
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3))
}

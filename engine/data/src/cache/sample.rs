use std::sync::Arc;

use parking_lot::Mutex;
use voco_volume::{Geometry, Grid, PreparedChannels};

use super::foreground::{VoxelDraw, find};
use super::shelf::Lease;
use super::{Inner, Origin, store};
use crate::label::id_of;
use crate::{Crop, DataError, LabelMap};

/// A preprocessed case, of which crops are read. While it lives, its part of the cache stays.
#[derive(Debug)]
pub struct StoredSample {
    facts: Facts,
    body: Mutex<Body>,
    /// How to make it again, should its files turn out damaged.
    origin: Option<(Arc<Inner>, Origin)>,
}

/// What is known of a sample without reading voxels.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub geometry: Geometry,
    pub uncropped: Geometry,
    pub channels: usize,
    pub has_label: bool,
    pub num_unknown: u64,
    pub fingerprint: u64,
    pub foreground: VoxelDraw,
    pub background: VoxelDraw,
}

/// Intensities and classes, x fastest.
#[derive(Debug)]
pub(super) struct Voxels {
    pub images: Vec<Grid>,
    pub label: Option<Vec<u16>>,
}

/// Where the voxels are.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Memory(Arc<Voxels>),
    Disk(Arc<Lease>),
}

impl StoredSample {
    /// A sample that is in memory only: a volume that is open in the window, or a test's. Without `labels` a label map's ids are
    /// its classes.
    pub fn from_prepared(prepared: PreparedChannels, labels: Option<&LabelMap>) -> Self {
        let (facts, voxels) = Facts::of(prepared, labels);
        Self::new(facts, Body::Memory(Arc::new(voxels)), None)
    }

    pub(super) fn new(facts: Facts, body: Body, origin: Option<(Arc<Inner>, Origin)>) -> Self {
        Self { facts, body: Mutex::new(body), origin }
    }

    /// Voxels along x, y, z.
    pub fn dims(&self) -> [usize; 3] {
        self.facts.geometry.dims()
    }

    /// Channels of the image.
    pub fn channels(&self) -> usize {
        self.facts.channels
    }

    /// Where the voxels lie in the patient.
    pub fn geometry(&self) -> &Geometry {
        &self.facts.geometry
    }

    /// The grid before the crop to the body, for [`voco_volume::restore_label`].
    pub fn uncropped(&self) -> &Geometry {
        &self.facts.uncropped
    }

    /// True if there are labels to read.
    pub fn has_label(&self) -> bool {
        self.facts.has_label
    }

    /// Labelled voxels by class.
    pub fn foreground(&self) -> &VoxelDraw {
        &self.facts.foreground
    }

    /// Voxels of class 0 where a channel is above 0.
    pub fn background(&self) -> &VoxelDraw {
        &self.facts.background
    }

    /// Voxels whose id became class 0 because no class has its name.
    pub fn num_unknown(&self) -> u64 {
        self.facts.num_unknown
    }

    /// Tells samples apart without naming them.
    pub fn fingerprint(&self) -> u64 {
        self.facts.fingerprint
    }

    /// True if its voxels are read from the disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(&*self.body.lock(), Body::Disk(_))
    }

    /// Intensities of a box as a tensor [C, X, Y, Z], z fastest.
    ///
    /// # Errors
    /// A box that does not lie inside; a damaged file that could not be made again.
    pub fn read_image(&self, start: [usize; 3], size: [usize; 3]) -> Result<Vec<f32>, DataError> {
        self.check(start, size)?;
        self.with_body(|body| match body {
            Body::Memory(voxels) => Ok(store::cut_image(&voxels.images, start, size)),
            Body::Disk(lease) => store::read_image(lease, &self.facts, start, size),
        })
    }

    /// Classes of a box as a tensor [X, Y, Z], z fastest; empty if there is no label.
    ///
    /// # Errors
    /// A box that does not lie inside; a damaged file that could not be made again.
    pub fn read_label(&self, start: [usize; 3], size: [usize; 3]) -> Result<Vec<u16>, DataError> {
        self.check(start, size)?;
        if !self.has_label() {
            return Ok(Vec::new());
        }
        self.with_body(|body| match body {
            Body::Memory(voxels) => {
                Ok(voxels.label.as_ref().map_or_else(Vec::new, |l| cut(l, self.dims(), start, size)))
            }
            Body::Disk(lease) => store::read_label(lease, &self.facts, start, size),
        })
    }

    /// Image and label of a box.
    ///
    /// # Errors
    /// A box that does not lie inside; a damaged file that could not be made again.
    pub fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Crop, DataError> {
        Ok(Crop { size, image: self.read_image(start, size)?, label: self.read_label(start, size)? })
    }

    /// Reads; if the files are damaged, has them made again from the case and reads once more.
    fn with_body<T>(&self, read: impl Fn(&Body) -> Result<T, super::zarr::Damage>) -> Result<T, DataError> {
        let body = self.body.lock().clone();
        let damage = match read(&body) {
            Ok(values) => return Ok(values),
            Err(damage) => damage,
        };
        let Some((inner, origin)) = &self.origin else { return Err(DataError::Damaged(damage.to_string())) };
        let fresh = inner.make_again(origin, &self.facts).map_err(|reason| DataError::Damaged(reason.to_string()))?;
        *self.body.lock() = fresh.clone();
        read(&fresh).map_err(|e| DataError::Damaged(e.to_string()))
    }

    fn check(&self, start: [usize; 3], size: [usize; 3]) -> Result<(), DataError> {
        let dims = self.dims();
        let is_inside = (0..3).all(|a| start[a].checked_add(size[a]).is_some_and(|end| end <= dims[a]));
        if is_inside && !size.contains(&0) { Ok(()) } else { Err(DataError::Outside { start, size, dims }) }
    }
}

impl Facts {
    /// Facts and voxels of a case that has been preprocessed.
    pub fn of(prepared: PreparedChannels, labels: Option<&LabelMap>) -> (Self, Voxels) {
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
        let facts = Self {
            geometry,
            uncropped: prepared.uncropped,
            channels: channels.len(),
            has_label: label.is_some(),
            num_unknown,
            fingerprint: fingerprint(&channels, geometry.dims()),
            foreground,
            background,
        };
        (facts, Voxels { images: prepared.images, label })
    }
}

/// A box out of values with x fastest, as a tensor with z fastest.
pub(super) fn cut(values: &[u16], dims: [usize; 3], start: [usize; 3], size: [usize; 3]) -> Vec<u16> {
    let [nx, ny, _] = dims;
    let mut out = vec![0; size.iter().product()];
    for k in 0..size[2] {
        for j in 0..size[1] {
            let from = start[0] + nx * (start[1] + j + ny * (start[2] + k));
            for (i, &class) in values[from..from + size[0]].iter().enumerate() {
                out[(i * size[1] + j) * size[2] + k] = class;
            }
        }
    }
    out
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

//! Deterministic preprocessing: from a volume in its file's grid to what a network is trained on, image and label alike.
//!
//! The order, and every number, is that of MONAI 1.3's transforms as the published VoCo recipes chain them.

mod frame;
mod recipe;
mod spec;

pub use frame::{Frame, FrameWindow, Preprocessed, preprocess};
pub use recipe::{CropStyle, Recipe};
pub(crate) use spec::Scaling;
pub use spec::{Intensity, PreprocessSpec};

use crate::{Geometry, Grid, Interpolation, Volume, VolumeError};

/// A volume, and its label map if it has one, after all steps.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Scaled intensities.
    pub image: Grid,
    /// Label ids on the same grid.
    pub label: Option<Grid>,
    /// The grid before the crop to the body: what [`restore_label`] needs.
    pub uncropped: Geometry,
}

/// The channels of a volume, and its label map if it has one, after all steps.
#[derive(Debug, Clone)]
pub struct PreparedChannels {
    /// Scaled intensities, one grid for each channel.
    pub images: Vec<Grid>,
    /// Label ids on the same grid.
    pub label: Option<Grid>,
    /// The grid before the crop to the body: what [`restore_label`] needs.
    pub uncropped: Geometry,
}

/// Told of each stage: the channels and the label map after it.
pub type KeepChannels<'a> = dyn FnMut(Stage, &[Grid], Option<&Grid>) + 'a;

/// One channel through all steps of `spec`, and its label map by the nearest voxel where the image is interpolated.
///
/// Orient to RAS → resample → scale intensities → crop to the box of voxels above the threshold → pad → resize; steps that
/// `spec` leaves out are left out. `keep` is called with each stage; `cancelled` is asked between stages.
///
/// # Errors
/// A spec that makes no sense, a label on another grid, an empty foreground, a result too large, or cancellation.
pub fn prepare(
    volume: &Volume,
    label: Option<&Volume>,
    spec: &PreprocessSpec,
    cancelled: &dyn Fn() -> bool,
    keep: &mut dyn FnMut(Stage, &Grid, Option<&Grid>),
) -> Result<Prepared, VolumeError> {
    let mut prepared = prepare_channels(&[volume], label, spec, cancelled, &mut |stage, images, label| {
        keep(stage, &images[0], label);
    })?;
    // One volume went in, so one grid comes out.
    let image = prepared.images.remove(0);
    Ok(Prepared { image, label: prepared.label, uncropped: prepared.uncropped })
}

/// As [`prepare`], for a volume of several channels: each is scaled by itself, and the body is where any of them is.
///
/// # Errors
/// As [`prepare`]; also no channel, or channels on different grids.
pub fn prepare_channels<'a>(
    channels: &[&Volume],
    label: Option<&Volume>,
    spec: &PreprocessSpec,
    cancelled: &'a dyn Fn() -> bool,
    keep: &'a mut KeepChannels<'a>,
) -> Result<PreparedChannels, VolumeError> {
    if let Some(problem) = spec.problem() {
        return Err(VolumeError::BadSpec(problem));
    }
    let Some(first) = channels.first() else { return Err(VolumeError::NoChannel) };
    for other in channels.iter().skip(1) {
        same_grid(first, other).map_err(|()| VolumeError::ChannelGrid { first: first.dims(), other: other.dims() })?;
    }
    if let Some(label) = label {
        same_grid(first, label).map_err(|()| VolumeError::LabelGrid { image: first.dims(), label: label.dims() })?;
    }
    let outside = spec.intensity.outside();
    let mut chain = Chain {
        // NaN (as some tools mark what lies outside) would spread in resampling and end a training run.
        images: channels.iter().map(|v| on_grid(first, v).map(|v| if v.is_finite() { v } else { outside })).collect(),
        label: label.map(|v| on_grid(first, v).map(|v| if v.is_finite() { v } else { 0.0 })),
        cancelled,
        keep,
    };
    chain.done(Stage::Load)?;
    chain.each(Stage::Orient, |grid, _| grid.to_ras())?;
    if let Some(spacing) = spec.spacing_mm {
        chain.each(Stage::Spacing, |grid, interpolation| grid.to_spacing(spacing, interpolation))?;
    }
    chain.images = chain.images.into_iter().map(|grid| spec.intensity.apply(grid)).collect();
    chain.done(Stage::Scale)?;
    let uncropped = *chain.images[0].geometry();
    if let Some(threshold) = spec.foreground_above {
        let boxes = chain.images.iter().filter_map(|grid| grid.foreground_box(threshold));
        let Some((start, size)) = boxes.reduce(around) else { return Err(spec.intensity.empty_foreground(threshold)) };
        let (start, size) = to_multiple(start, size, spec.crop_multiple_of.unwrap_or([1; 3]));
        chain.each(Stage::CropForeground, |grid, _| grid.window(start, size))?;
    }
    chain.each(Stage::Pad, |grid, _| grid.padded(spec.pad_to))?;
    if let Some(dims) = spec.resize_to {
        chain.each(Stage::Resize, |grid, interpolation| grid.resized(dims, interpolation))?;
    }
    Ok(PreparedChannels { images: chain.images, label: chain.label, uncropped })
}

/// A label map on the grid that [`prepare`] made, back on the grid of the file: the nearest voxel, 0 outside the crop.
/// `uncropped` is the grid that the crop was cut from; places beyond it take its border, as in MONAI's inverse.
///
/// # Errors
/// If the result does not fit in memory.
pub fn restore_label(label: &Grid, uncropped: &Geometry, file: &Geometry) -> Result<Grid, VolumeError> {
    label.restored(uncropped, file)
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
    /// Intensities scaled.
    Scale,
    /// The body's box.
    CropForeground,
    /// At least the spec's size.
    Pad,
    /// Stretched to the spec's size.
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
            Self::Resize => "resize",
        }
    }
}

/// Image and label on their way through the stages.
struct Chain<'a> {
    images: Vec<Grid>,
    label: Option<Grid>,
    cancelled: &'a dyn Fn() -> bool,
    keep: &'a mut KeepChannels<'a>,
}

impl Chain<'_> {
    fn each(
        &mut self,
        stage: Stage,
        step: impl Fn(Grid, Interpolation) -> Result<Grid, VolumeError>,
    ) -> Result<(), VolumeError> {
        let images = std::mem::take(&mut self.images).into_iter();
        self.images = images.map(|grid| step(grid, Interpolation::Linear)).collect::<Result<_, _>>()?;
        self.label = self.label.take().map(|grid| step(grid, Interpolation::Nearest)).transpose()?;
        self.done(stage)
    }

    fn done(&mut self, stage: Stage) -> Result<(), VolumeError> {
        if (self.cancelled)() {
            return Err(VolumeError::Cancelled);
        }
        (self.keep)(stage, &self.images, self.label.as_ref());
        Ok(())
    }
}

/// Files of one case agree on where the voxels are but for rounding: headers hold 32-bit numbers, and tools that write label
/// maps round once more. Half a voxel is what would move a border.
pub(crate) fn same_grid(a: &Volume, b: &Volume) -> Result<(), ()> {
    let tolerance_mm = a.geometry().spacing_mm().min_element() / 2.0;
    if a.geometry().is_same_grid(b.geometry(), tolerance_mm) { Ok(()) } else { Err(()) }
}

/// The values of `volume` at the places of `first`, whose grid it shares.
fn on_grid(first: &Volume, volume: &Volume) -> Grid {
    Grid::from_volume(volume).placed_at(*first.geometry())
}

pub(crate) fn around(a: ([usize; 3], [usize; 3]), b: ([usize; 3], [usize; 3])) -> ([usize; 3], [usize; 3]) {
    let start: [usize; 3] = std::array::from_fn(|n| a.0[n].min(b.0[n]));
    let end: [usize; 3] = std::array::from_fn(|n| (a.0[n] + a.1[n]).max(b.0[n] + b.1[n]));
    (start, std::array::from_fn(|n| end[n] - start[n]))
}

/// The box grown on both sides to multiples of `k`, the smaller half in front (MONAI's `k_divisible`); it may reach outside.
pub(crate) fn to_multiple(start: [usize; 3], size: [usize; 3], k: [usize; 3]) -> ([isize; 3], [usize; 3]) {
    let grown: [usize; 3] = std::array::from_fn(|n| size[n].div_ceil(k[n]) * k[n]);
    (std::array::from_fn(|n| start[n] as isize - ((grown[n] - size[n]) / 2) as isize), grown)
}

use glam::{DVec2, DVec3};
use voco_volume::SliceFrame;

use crate::LabelTexture;

/// Which part of a slice a view shows. Pixels are counted from the view's upper left corner; centres lie at ½.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceView {
    /// The stack of slices.
    pub frame: SliceFrame,
    /// A point on the slice.
    pub through_mm: DVec3,
    /// What lies at the middle of the view, in picture mm (pan).
    pub center_mm_on_picture: DVec2,
    /// Zoom.
    pub mm_per_pixel: f64,
    /// Size of the view.
    pub size_px: [u32; 2],
}

impl SliceView {
    /// The whole slice through `through_mm`, as large as the view allows.
    pub fn fit(frame: SliceFrame, through_mm: DVec3, size_px: [u32; 2]) -> Self {
        let size = DVec2::new(f64::from(size_px[0].max(1)), f64::from(size_px[1].max(1)));
        let mm_per_pixel = (frame.extent_mm / size).max_element();
        Self { frame, through_mm, center_mm_on_picture: DVec2::ZERO, mm_per_pixel, size_px }
    }

    /// The patient point seen at a pixel position.
    pub fn world_from_pixel(&self, at_px: DVec2) -> DVec3 {
        let at_mm = self.center_mm_on_picture + (at_px - self.half_size()) * self.mm_per_pixel;
        self.frame.world_from_picture(at_mm, self.through_mm)
    }

    /// The pixel position at which a patient point is seen (its distance from the slice is dropped).
    pub fn pixel_from_world(&self, point_mm: DVec3) -> DVec2 {
        let at_mm = self.frame.picture_from_world(point_mm) - self.center_mm_on_picture;
        at_mm / self.mm_per_pixel + self.half_size()
    }

    fn half_size(&self) -> DVec2 {
        DVec2::new(f64::from(self.size_px[0]), f64::from(self.size_px[1])) / 2.0
    }
}

/// How a slice looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceLook {
    /// Values from black to white.
    pub window_width: f64,
    /// The value that is middle grey.
    pub window_level: f64,
    /// 0…1.
    pub label_opacity: f32,
    /// Only the edges of labels, this wide on the screen whatever the zoom.
    pub label_outline_px: Option<f32>,
    /// How labels and reference are laid over each other, if both are there.
    pub comparison: Comparison,
    /// White for low values.
    pub inverted: bool,
    /// How much of the volume in front of and behind the slice counts.
    pub slab: Slab,
}

/// A slab around a slice, and what a pixel shows of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slab {
    /// What is shown; `Thin` is the slice alone.
    pub mode: SlabMode,
    /// From face to face.
    pub thickness_mm: f64,
}

/// What a pixel shows of a slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SlabMode {
    /// One slice.
    #[default]
    Thin,
    /// The greatest value (maximum intensity projection).
    Max,
    /// The least value (minimum intensity projection).
    Min,
    /// The mean.
    Mean,
}

impl Slab {
    /// Most samples across a slab: more would make one pixel cost a whole picture.
    const MAX_SAMPLES: f64 = 256.0;

    /// How many samples, and how far apart in mm, for voxels of this least side.
    pub(crate) fn samples(&self, least_mm: f64) -> (u32, f64) {
        let thickness = self.thickness_mm.max(0.0);
        let count = (thickness / least_mm.max(1e-6)).ceil().clamp(1.0, Self::MAX_SAMPLES);
        let step_mm = if count > 1.0 { thickness / (count - 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1…MAX_SAMPLES")]
        let count = count as u32;
        (count, step_mm)
    }
}

/// The label maps over a slice. Their grids need not be the image's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SliceLabels<'a> {
    /// The map on show.
    pub labels: Option<&'a LabelTexture>,
    /// What it is compared with.
    pub reference: Option<&'a LabelTexture>,
}

impl<'a> SliceLabels<'a> {
    /// No map at all.
    pub const NONE: SliceLabels<'static> = SliceLabels { labels: None, reference: None };

    /// One map, nothing to compare it with.
    pub fn of(labels: Option<&'a LabelTexture>) -> Self {
        Self { labels, reference: None }
    }
}

/// A label map against a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Two outlines or areas.
    pub style: ComparisonStyle,
    /// Only this class; all of them if none.
    pub class: Option<u16>,
}

/// How a difference is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComparisonStyle {
    /// The reference is not drawn.
    #[default]
    Off,
    /// The outline of each; white where they coincide.
    Outlines,
    /// Areas of agreement, of one of the two alone, and of different classes.
    Differences,
}

/// The colours of a comparison, as sRGB; `slice.wgsl` has the same.
#[derive(Debug, Clone, Copy)]
pub struct ComparisonColors;

impl ComparisonColors {
    /// Both say the same.
    pub const AGREEMENT: [u8; 3] = [0, 158, 115];
    /// Only the map on show.
    pub const PREDICTION: [u8; 3] = [230, 159, 0];
    /// Only the reference.
    pub const REFERENCE: [u8; 3] = [86, 180, 233];
    /// Both, but not the same class.
    pub const OTHER_CLASS: [u8; 3] = [204, 121, 167];
}

#[cfg(test)]
mod tests {
    use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3};
    use voco_volume::{Geometry, SliceFrame, SlicePlane};

    use super::SliceView;

    #[test]
    fn pixels_and_patient_points_are_inverse_on_an_oblique_grid() {
        let turn = DMat3::from_quat(DQuat::from_rotation_x(0.3) * DQuat::from_rotation_z(-0.2));
        let matrix = turn * DMat3::from_diagonal(DVec3::new(-0.7, 0.8, 2.5));
        let geometry =
            Geometry::new([40, 50, 20], DAffine3::from_mat3_translation(matrix, DVec3::new(5.0, -9.0, 100.0))).unwrap();
        for plane in SlicePlane::ALL {
            let mut view = SliceView::fit(SliceFrame::new(&geometry, plane), geometry.center_mm(), [300, 200]);
            view.center_mm_on_picture = DVec2::new(3.0, -4.0);
            let at = DVec2::new(17.25, 140.5);
            assert!((view.pixel_from_world(view.world_from_pixel(at)) - at).length() < 1e-9);
        }
    }
}

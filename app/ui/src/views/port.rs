use egui::{Pos2, Rect};
use glam::{DVec2, DVec3};
use voco_volume::{SliceFrame, SlicePlane};

use crate::document::Side;
use crate::{OpenVolume, Session, ViewSettings};

/// Place of a slice on the screen: picture mm to points and back.
#[derive(Clone, Copy)]
pub(crate) struct SlicePort {
    pub frame: SliceFrame,
    pub rect: Rect,
    pub through_mm: DVec3,
    pub pan_mm: DVec2,
    pub mm_per_point: f64,
    /// Of the axial, coronal and sagittal stack.
    normals: [DVec3; 3],
}

impl SlicePort {
    /// Of a view of a volume. A linked other side shows its crosshair where the volume on show has its own.
    pub fn new(
        settings: &ViewSettings,
        session: &Session,
        volume: &OpenVolume,
        pane: crate::Pane,
        rect: Rect,
    ) -> Option<Self> {
        let crate::ViewKind::Slice(plane) = pane.kind else { return None };
        let geometry = volume.volume.geometry();
        let frame = settings.frame(geometry, plane);
        let index = pane.kind.index();
        let cursor = settings.cursor_of(pane.side);
        let slice = frame.slice_at(geometry, cursor);
        let through_mm = frame.point_on_slice(geometry, cursor, slice);
        let main = session.active().filter(|_| pane.side == Side::B && settings.compare.link_zoom);
        let (mm_per_point, pan_mm) = if let Some(main) = main {
            let main_frame = settings.frame(main.volume.geometry(), plane);
            let mm_per_point = settings.mm_per_point[index].unwrap_or_else(|| fit(&main_frame, rect));
            let shift = frame.picture_from_world(cursor) - main_frame.picture_from_world(settings.cursor_mm);
            (mm_per_point, settings.pan_mm[index] + shift)
        } else if pane.side == Side::B {
            let compare = &settings.compare;
            (compare.mm_per_point[index].unwrap_or_else(|| fit(&frame, rect)), compare.pan_mm[index])
        } else {
            (settings.mm_per_point[index].unwrap_or_else(|| fit(&frame, rect)), settings.pan_mm[index])
        };
        let normals = SlicePlane::ALL.map(|p| settings.frame(geometry, p).normal);
        Some(Self { frame, rect, through_mm, pan_mm, mm_per_point, normals })
    }

    pub fn screen_from_picture(&self, at_mm: DVec2) -> Pos2 {
        let offset = (at_mm - self.pan_mm) / self.mm_per_point;
        self.rect.center() + egui::vec2(offset.x as f32, offset.y as f32)
    }

    pub fn picture_from_screen(&self, at: Pos2) -> DVec2 {
        let offset = at - self.rect.center();
        self.pan_mm + DVec2::new(f64::from(offset.x), f64::from(offset.y)) * self.mm_per_point
    }

    pub fn screen_from_world(&self, point_mm: DVec3) -> Pos2 {
        self.screen_from_picture(self.frame.picture_from_world(point_mm))
    }

    pub fn world_from_screen(&self, at: Pos2) -> DVec3 {
        self.frame.world_from_picture(self.picture_from_screen(at), self.through_mm)
    }

    /// The normal of a plane of the same volume.
    pub fn normal_of(&self, plane: SlicePlane) -> DVec3 {
        match plane {
            SlicePlane::Axial => self.normals[0],
            SlicePlane::Coronal => self.normals[1],
            SlicePlane::Sagittal => self.normals[2],
        }
    }

    /// Half of the distance to the next slice: what lies nearer is on this one.
    pub fn half_slice_mm(&self) -> f64 {
        self.frame.spacing_mm / 2.0 + 1e-6
    }

    /// The zoom that shows the whole slice.
    pub fn fitted(&self) -> f64 {
        fit(&self.frame, self.rect)
    }
}

fn fit(frame: &SliceFrame, rect: Rect) -> f64 {
    let (width, height) = (f64::from(rect.width()).max(1.0), f64::from(rect.height()).max(1.0));
    // A margin for the orientation letters.
    (frame.extent_mm.x / width).max(frame.extent_mm.y / height) * 1.08
}

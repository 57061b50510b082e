//! The position task drawn on the patient: base crops, random crops, and where the network thinks they lie.

use egui::{Align2, Color32, Painter, Pos2, Shape, Stroke};
use glam::DVec3;
use voco_engine_api::{CropPrediction, PositionPreview};
use voco_render::Line;
use voco_volume::Geometry;
use voco_volume::position::{Crop, PositionGrid};

use super::port::SlicePort;
use super::{overlay, scene3d};
use crate::boxes::{box_edges, box_section};
use crate::{OpenVolume, Session, ViewSettings, i18n, theme};

/// A box to draw.
struct Marked {
    corners: [DVec3; 8],
    color: Color32,
    width: f32,
    fill: Option<Color32>,
    is_dashed: bool,
    text: Option<String>,
    text_color: Color32,
    text_place: TextPlace,
}

/// Where a box's text stands; crops that overlap have theirs at different corners.
#[derive(Clone, Copy)]
enum TextPlace {
    Center,
    TopLeft,
    BottomRight,
}

/// On a slice: where the boxes meet it.
pub(crate) fn on_slice(painter: &Painter, session: &Session, settings: &ViewSettings, port: &SlicePort) {
    for marked in marked(session, settings) {
        let Some(outline) = box_section(&marked.corners, &port.frame, port.through_mm) else { continue };
        let points: Vec<Pos2> = outline.iter().map(|&p| port.screen_from_picture(p)).collect();
        if let Some(fill) = marked.fill {
            painter.add(Shape::convex_polygon(points.clone(), fill, Stroke::NONE));
        }
        outline_shapes(painter, &points, &marked);
        if let Some(text) = &marked.text {
            let bounds = egui::Rect::from_points(&points);
            let inside = bounds.shrink(4.0);
            let (at, anchor) = match marked.text_place {
                TextPlace::Center => (bounds.center(), Align2::CENTER_CENTER),
                TextPlace::TopLeft => (inside.left_top(), Align2::LEFT_TOP),
                TextPlace::BottomRight => (inside.right_bottom(), Align2::RIGHT_BOTTOM),
            };
            overlay::text(painter, at, anchor, text, 13.0, marked.text_color);
        }
    }
}

/// In 3D: all edges, with widths in points of the screen.
pub(crate) fn lines(session: &Session, settings: &ViewSettings) -> Vec<Line> {
    const DASHES: u32 = 24;
    let mut lines = Vec::new();
    for marked in marked(session, settings) {
        for [a, b] in box_edges(&marked.corners) {
            if !marked.is_dashed {
                lines.push(scene3d::line(a, b, marked.color, marked.width));
                continue;
            }
            let place = |n: u32| a.lerp(b, f64::from(n) / f64::from(DASHES));
            let dashes = (0..DASHES).step_by(2);
            lines.extend(dashes.map(|n| scene3d::line(place(n), place(n + 1), marked.color, marked.width)));
        }
    }
    lines
}

/// Everything to draw on the volume on show: the live predictions if it is being trained on, else its own crops.
fn marked(session: &Session, settings: &ViewSettings) -> Vec<Marked> {
    let mut out = Vec::new();
    let Some(volume) = session.active() else { return out };
    if let Some(preview) = drawn_preview(session, settings, volume) {
        grid(&mut out, settings, preview.grid, &preview.frame, preview.crops.first());
        if settings.show_crops
            && let Some(crop) = preview.crops.first()
        {
            prediction(&mut out, preview, crop);
        }
    } else if let Some(overlay) = &volume.position {
        grid(&mut out, settings, overlay.grid, &overlay.frame, None);
        if settings.show_grid && settings.show_crops {
            for (n, &crop) in overlay.crops.iter().enumerate() {
                let mut marked = plain(
                    crop,
                    &overlay.frame,
                    theme::TRUTH,
                    Some(i18n::text_with("place-crop", [("number", (n + 1).into())])),
                );
                if n % 2 == 1 {
                    marked.text_place = TextPlace::BottomRight;
                }
                out.push(marked);
            }
        }
    }
    out
}

/// The predictions for this volume, if a run trains on it and they are to be drawn.
pub(crate) fn drawn_preview<'a>(
    session: &'a Session,
    settings: &ViewSettings,
    volume: &OpenVolume,
) -> Option<&'a PositionPreview> {
    let job = session.training.job.as_ref().filter(|_| settings.show_predictions)?;
    job.preview_of(volume).map(|p| &**p)
}

fn grid(
    out: &mut Vec<Marked>,
    settings: &ViewSettings,
    grid: PositionGrid,
    frame: &Geometry,
    predicted: Option<&CropPrediction>,
) {
    if !settings.show_grid {
        return;
    }
    for k in 0..grid.num_bases() {
        // The heat of a cell is what the network says of it.
        let share = predicted.and_then(|p| p.prediction.get(k)).copied();
        let fill = share.map(|s| theme::PREDICTION.gamma_multiply((s * 0.35).clamp(0.0, 0.35)));
        out.push(Marked {
            corners: grid.base(k).world_corners(frame),
            color: theme::GRID.gamma_multiply(0.8),
            width: 1.0,
            fill,
            is_dashed: false,
            text: Some(share.map_or_else(|| k.to_string(), |s| format!("{k}: {:.0} %", s * 100.0))),
            text_color: if share.is_some() { theme::PREDICTION } else { theme::GRID_TEXT },
            text_place: TextPlace::Center,
        });
    }
}

fn prediction(out: &mut Vec<Marked>, preview: &PositionPreview, crop: &CropPrediction) {
    out.push(plain(crop.crop, &preview.frame, theme::TRUTH, None));
    let Some([x, y]) = preview.grid.center_from_overlaps(&crop.prediction) else { return };
    let half = preview.grid.edge as f64 / 2.0;
    let depth = crop.crop.voxel_box();
    let mut at = depth;
    (at.min.x, at.max.x) = (x - half - 0.5, x + half - 0.5);
    (at.min.y, at.max.y) = (y - half - 0.5, y + half - 0.5);
    out.push(Marked {
        corners: at.corners().map(|c| preview.frame.world_from_voxel().transform_point3(c)),
        color: theme::PREDICTION,
        width: 2.0,
        fill: None,
        is_dashed: true,
        text: None,
        text_color: theme::PREDICTION,
        text_place: TextPlace::Center,
    });
}

fn plain(crop: Crop, frame: &Geometry, color: Color32, text: Option<String>) -> Marked {
    let corners = crop.world_corners(frame);
    let (text_color, text_place) = (color, TextPlace::TopLeft);
    Marked { corners, color, width: 2.0, fill: None, is_dashed: false, text, text_color, text_place }
}

fn outline_shapes(painter: &Painter, points: &[Pos2], marked: &Marked) {
    let stroke = Stroke::new(marked.width, marked.color);
    if marked.is_dashed {
        let mut closed = points.to_vec();
        closed.push(points[0]);
        painter.extend(Shape::dashed_line(&closed, stroke, 7.0, 4.0));
    } else {
        painter.add(Shape::closed_line(points.to_vec(), stroke));
    }
}

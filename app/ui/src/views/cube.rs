//! The orientation cube: how the patient stands, and a click to look from a side.

use egui::{Align2, Color32, FontId, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, vec2};
use glam::{DQuat, DVec3};

use crate::document::cube_faces;
use crate::{ViewSettings, i18n, theme};

const SIZE: f32 = 54.0;

/// Draws it in the lower right corner. True if a face was clicked and the camera turned.
pub(crate) fn cube(ui: &Ui, view: Rect, settings: &mut ViewSettings) -> bool {
    if view.width() < 200.0 || view.height() < 160.0 {
        return false;
    }
    let center = view.right_bottom() - vec2(SIZE * 0.95, SIZE * 1.0);
    let to_camera = settings.camera.orientation.inverse();
    let scale = SIZE / 2.0;
    let place = |p: DVec3| {
        let p = to_camera * p;
        center + vec2(p.x as f32, -p.y as f32) * (scale * 0.8)
    };
    let mut turned: Option<DQuat> = None;
    for (letter, normal, orientation) in cube_faces() {
        let facing = (to_camera * normal).z;
        if facing <= 0.02 {
            continue;
        }
        let (u, v) = (orientation * DVec3::X, orientation * DVec3::Y);
        let corners: Vec<Pos2> =
            [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(x, y)| place(normal + u * x + v * y)).to_vec();
        let middle = place(normal);
        let name = i18n::text_with("v3-cube", [("side", letter.to_string().into())]);
        let reach = (SIZE * 0.5 * facing.sqrt() as f32).max(8.0);
        let hit = Rect::from_center_size(middle, vec2(reach, reach));
        let response = ui.interact(hit, ui.scope_id().with(("cube", letter)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        let response = response.on_hover_text(name);
        let shade = 40.0 + 70.0 * facing as f32;
        let fill = if response.hovered() { theme::ACCENT } else { Color32::from_gray(shade as u8) };
        ui.painter().add(Shape::convex_polygon(
            corners,
            fill.gamma_multiply(0.85),
            Stroke::new(1.0, Color32::from_gray(150)),
        ));
        if facing > 0.25 {
            let font = FontId::proportional(9.0 + 8.0 * facing as f32);
            ui.painter().text(middle, Align2::CENTER_CENTER, letter, font, theme::ON_PICTURE);
        }
        if response.clicked() {
            turned = Some(orientation);
        }
    }
    if let Some(orientation) = turned {
        settings.camera.orientation = orientation;
    }
    turned.is_some()
}

use egui::{Align2, ComboBox, FontId, RichText, Role, Sense, Ui, WidgetInfo};
use voco_engine_api::{CropPrediction, PositionPreview};
use voco_volume::{CropStyle, Recipe};

use crate::views::drawn_preview;
use crate::{Outbox, PositionOverlay, Request, Session, ViewSettings, i18n, theme};

/// The VoCo grid of the volume on show: recipe, base crops, random crops.
pub(crate) fn position_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let Some(volume) = session.active() else {
        ui.weak(i18n::text("place-open-a-volume-to-see"));
        return;
    };
    ui.horizontal(|ui| {
        ui.checkbox(&mut settings.show_grid, i18n::text("place-base-crops"))
            .on_hover_text(i18n::text("place-draw-the-grid-of-base"));
        ui.checkbox(&mut settings.show_crops, i18n::text("place-random-crops"));
    });
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("place-recipe")).id;
        let list = ComboBox::from_id_salt("recipe").selected_text(settings.recipe.name()).show_ui(ui, |ui| {
            for recipe in Recipe::ALL {
                ui.selectable_value(&mut settings.recipe, recipe, recipe.name());
            }
        });
        list.response.labelled_by(name);
        let draw = ui.add_enabled(settings.show_grid, egui::Button::new(i18n::text("place-draw-again")));
        if draw.on_hover_text(i18n::text("place-other-random-crops")).clicked() {
            settings.crop_seed += 1;
        }
    });
    let n = settings.recipe.position_grid().n;
    let style = match settings.recipe.crop_style() {
        CropStyle::WholeBody => i18n::text("place-the-whole-body-stretched-to"),
        CropStyle::RandomWindow => i18n::text("place-a-random-window-of-the"),
    };
    ui.label(
        RichText::new(i18n::text_with(
            "place-base-crops-tile",
            [("n", n.to_string().into()), ("n-2", n.to_string().into()), ("style", style.to_string().into())],
        ))
        .small()
        .weak(),
    );
    let wanted = (volume.id, settings.recipe, settings.crop_seed);
    let is_current = volume.position.as_ref().is_some_and(|p| (p.recipe, p.seed) == (wanted.1, wanted.2));
    if settings.show_grid && !is_current && session.position_asked != Some(wanted) {
        outbox.ask(Request::FindPositionFrame { volume: wanted.0, recipe: wanted.1, seed: wanted.2 });
        session.position_asked = Some(wanted);
    }
    let Some(volume) = session.active() else { return };
    if let Some(preview) = drawn_preview(session, settings, volume) {
        ui.label(
            RichText::new(i18n::text_with("place-the-run-s-crops-are", [("step", preview.step.to_string().into())]))
                .small()
                .color(theme::legible(ui, theme::PREDICTION)),
        );
    } else if let Some(overlay) = volume.position.as_ref().filter(|_| settings.show_grid) {
        crops_ui(ui, overlay);
    }
}

/// The true overlap of each random crop with the base crops.
fn crops_ui(ui: &mut Ui, overlay: &PositionOverlay) {
    let width = ((ui.available_width() - 12.0) / 2.0).min(120.0);
    ui.horizontal(|ui| {
        for (n, &crop) in overlay.crops.iter().enumerate() {
            let target: Vec<f32> = overlay.grid.target(crop).iter().map(|&t| t as f32).collect();
            let title = i18n::text_with("place-crop-overlap-in", [("value", (n + 1).to_string().into())]);
            ui.vertical(|ui| {
                ui.label(RichText::new(&title).small().color(theme::legible(ui, theme::TRUTH)));
                map(ui, &title, overlay.grid.n, &target, theme::TRUTH, width);
            });
        }
    });
}

/// True overlap beside the predicted one, as seen on an axial slice: patient right at the left, front at the top.
pub(crate) fn prediction_ui(ui: &mut Ui, preview: &PositionPreview, crop: &CropPrediction) {
    let n = preview.grid.n;
    let width = ((ui.available_width() - 12.0) / 2.0).min(170.0);
    ui.horizontal(|ui| {
        for (title, values, color) in [
            (i18n::text("place-true-overlap"), &crop.target, theme::TRUTH),
            (i18n::text("place-predicted"), &crop.prediction, theme::PREDICTION),
        ] {
            ui.vertical(|ui| {
                ui.label(RichText::new(title).small().color(color));
                map(ui, title, n, values, color, width);
            });
        }
    });
    let verdict = if crop.is_top1_correct() {
        RichText::new(i18n::text("place-the-base-crop-of-greatest")).color(theme::legible(ui, theme::TRUTH))
    } else {
        RichText::new(i18n::text("place-the-base-crop-of-greatest-2")).color(theme::legible(ui, theme::PREDICTION))
    };
    ui.label(verdict.small());
    if let Some([x, y]) = preview.grid.center_from_overlaps(&crop.prediction) {
        let place = crop.crop.voxel_box();
        let center = f64::midpoint(place.min.z, place.max.z);
        let half = preview.grid.edge as f64 / 2.0 - 0.5;
        let true_at = glam::DVec3::new(crop.crop.start[0] as f64 + half, crop.crop.start[1] as f64 + half, center);
        let said_at = glam::DVec3::new(x - 0.5, y - 0.5, center);
        let affine = preview.frame.world_from_voxel();
        let error = affine.transform_point3(true_at).distance(affine.transform_point3(said_at));
        ui.label(
            RichText::new(i18n::text_with("place-off-by-mm-in-the", [("error", format!("{error:.0}").into())])).small(),
        );
    }
}

fn map(ui: &mut Ui, title: &str, n: usize, values: &[f32], color: egui::Color32, width: f32) {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(width, width), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, title));
    let cell = width / n as f32;
    for (k, &value) in values.iter().enumerate().take(n * n) {
        // i grows to the patient's right, which is at the left of the screen; j grows to the front, at the top.
        let (column, row) = (n - 1 - k / n, n - 1 - k % n);
        let corner = rect.left_top() + egui::vec2(column as f32 * cell, row as f32 * cell);
        let tile = egui::Rect::from_min_size(corner, egui::vec2(cell, cell)).shrink(1.0);
        ui.painter().rect_filled(tile, 3, theme::heat(color, value));
        let text = if value >= 0.005 { format!("{:.0}", value * 100.0) } else { "·".into() };
        let font = FontId::proportional((cell * 0.32).clamp(9.0, 15.0));
        let ink = if value > 0.55 { egui::Color32::BLACK } else { egui::Color32::from_gray(220) };
        ui.painter().text(tile.center(), Align2::CENTER_CENTER, text, font, ink);
    }
}

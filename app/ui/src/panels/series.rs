use egui::{Button, RichText, Ui};

use crate::document::Thumbnail;
use crate::{Outbox, Request, SeriesChoice, SeriesRow, Session, i18n, theme};

/// The side of a thumbnail's place.
const SIDE: f32 = 72.0;

/// The window that lists the series of a folder: a picture, what it is called, how large it is.
pub(crate) fn series_window(ui: &Ui, session: &mut Session, outbox: &mut Outbox, hides_names: bool) {
    let Some(choice) = &mut session.series else { return };
    let mut is_open = true;
    let folder = if hides_names { "…".to_owned() } else { choice.folder.clone() };
    egui::Window::new(i18n::text_with("series-series-in", [("folder", folder.into())]))
        .id(egui::Id::unique("series"))
        .open(&mut is_open)
        .collapsible(false)
        .default_size([560.0, 480.0])
        .default_pos(ui.ctx().content_rect().center() - egui::vec2(280.0, 250.0))
        .show(ui.ctx(), |ui| choice_ui(ui, choice, outbox));
    if !is_open {
        outbox.ask(Request::CloseSeriesChoice);
    }
}

fn choice_ui(ui: &mut Ui, choice: &mut SeriesChoice, outbox: &mut Outbox) {
    ui.weak(i18n::text("series-tick-what-to-open-or"));
    for note in &choice.notes {
        ui.label(RichText::new(note).small().color(theme::legible(ui, theme::WARNING)));
    }
    let height = (ui.available_height() - 36.0).max(SIDE);
    egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        for (n, row) in choice.rows.iter_mut().enumerate() {
            ui.separator();
            if row_ui(ui, n, row) {
                outbox.ask(Request::OpenSeries(vec![n]));
            }
        }
    });
    ui.separator();
    ui.horizontal(|ui| {
        let chosen: Vec<usize> = (0..choice.rows.len()).filter(|&n| choice.rows[n].is_chosen).collect();
        let text = match chosen.len() {
            0 | 1 => i18n::text("series-open-series").to_owned(),
            n => i18n::text_with("series-open-series-2", [("n", n.to_string().into())]),
        };
        if ui.add_enabled(!chosen.is_empty(), Button::new(text)).clicked() {
            outbox.ask(Request::OpenSeries(chosen));
        }
        if ui.button(i18n::text("series-cancel")).clicked() {
            outbox.ask(Request::CloseSeriesChoice);
        }
    });
}

/// True if it was double-clicked.
fn row_ui(ui: &mut Ui, number: usize, row: &mut SeriesRow) -> bool {
    let inside = ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(SIDE), egui::Sense::hover());
        ui.painter().rect_filled(rect, 2, egui::Color32::BLACK);
        if let Some(picture) = &mut row.thumbnail {
            thumbnail_ui(ui, number, picture, rect);
        }
        ui.vertical(|ui| {
            let name =
                if row.description.is_empty() { i18n::text("series-without-a-description") } else { &row.description };
            ui.checkbox(&mut row.is_chosen, RichText::new(format!("{}  {name}", row.modality)).strong());
            let [nx, ny, nz] = row.dims;
            let [x, y, z] = row.spacing_mm;
            let volumes = if row.num_volumes > 1 {
                i18n::text_with("series-volumes", [("num-volumes", row.num_volumes.to_string().into())])
            } else {
                String::new()
            };
            let slices = if nz == 1 {
                i18n::text("series-1-slice").to_owned()
            } else {
                i18n::text_with("series-slices", [("nz", nz.to_string().into())])
            };
            ui.label(i18n::text_with(
                "series-of-pixels",
                [
                    ("slices", slices.clone().into()),
                    ("nx", nx.to_string().into()),
                    ("ny", ny.to_string().into()),
                    ("volumes", volumes.clone().into()),
                ],
            ));
            ui.label(RichText::new(format!("{x:.2} × {y:.2} × {z:.2} mm")).weak());
            for warning in &row.warnings {
                ui.label(RichText::new(warning).small().color(theme::legible(ui, theme::WARNING)));
            }
        });
    });
    let response = ui.interact(inside.response.rect, egui::Id::unique(("series", number)), egui::Sense::click());
    if response.clicked() {
        row.is_chosen = !row.is_chosen;
    }
    response.double_clicked()
}

fn thumbnail_ui(ui: &Ui, number: usize, picture: &mut Thumbnail, rect: egui::Rect) {
    let Thumbnail { size, gray, texture } = picture;
    if gray.len() != size[0] * size[1] || gray.is_empty() {
        return;
    }
    let texture = texture.get_or_insert_with(|| {
        let image = egui::ColorImage::from_gray(*size, gray);
        ui.ctx().load_texture(format!("series {number}"), image, egui::TextureOptions::LINEAR)
    });
    let [w, h] = size.map(|n| n as f32);
    let place = egui::Rect::from_center_size(rect.center(), egui::vec2(w, h) * (SIDE / w.max(h)));
    let whole = egui::Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
    ui.painter().image(texture.id(), place, whole, egui::Color32::WHITE);
}

/// Where labels lie on another grid than their image: by how much, and the offer to bring them onto it.
pub(crate) fn resample_ui(ui: &mut Ui, session: &Session, outbox: &mut Outbox) {
    let Some(volume) = session.active() else { return };
    let Some(labels) = &volume.labels else { return };
    let Some(what) = labels.geometry().mismatch(volume.volume.geometry(), 0.5) else { return };
    ui.label(
        RichText::new(i18n::text_with("series-the-labels-lie-on-another", [("what", what.clone().into())]))
            .small()
            .color(theme::legible(ui, theme::WARNING)),
    );
    let button = ui.small_button(i18n::text("series-resample-onto-the-image"));
    if button.on_hover_text(i18n::text("series-each-voxel-of-the-image")).clicked() {
        outbox.ask(Request::ResampleLabels(volume.id));
    }
}

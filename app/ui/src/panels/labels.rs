use std::collections::BTreeMap;

use egui::{Slider, Ui};
use voco_volume::LabelColors;

use crate::{LabelPreset, NUMBERS_ONLY, OpenLabels, Session, ViewSettings, i18n, theme};

/// The label map over the volume on show: opacity, and a switch for each label. Returns true if a colour changed.
pub(crate) fn labels_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings) -> bool {
    let cursor_mm = settings.cursor_mm;
    let presets = std::mem::take(&mut session.label_presets);
    if let Some(labels) = session.active_mut().and_then(|v| v.labels.as_mut()) {
        names_ui(ui, labels, &presets);
    }
    session.label_presets = presets;
    let Some(labels) = session.active_mut().and_then(|v| v.labels.as_mut()) else {
        ui.weak(i18n::text("labels-empty"));
        return false;
    };
    ui.add(Slider::new(&mut settings.label_opacity, 0.0..=1.0).text(i18n::text("labels-slices")).max_decimals(2))
        .on_hover_text(i18n::text("labels-slices-tip"));
    ui.add(Slider::new(&mut settings.label_opacity_3d, 0.0..=1.0).text(i18n::text("view-3d")).max_decimals(2))
        .on_hover_text(i18n::text("labels-3d-tip"));
    ui.checkbox(&mut settings.label_outline, i18n::text("label-outline"));
    let shown = labels.table.entries().first().map(|e| e.color);
    let mut recolored = false;
    ui.horizontal(|ui| {
        ui.label(i18n::text("labels-colours"));
        for (set, name) in [(LabelColors::Distinct, "labels-distinct"), (LabelColors::AnyVision, "labels-any-vision")] {
            let is_on = labels.table.entries().first().map(|e| set.color(e.id)) == shown;
            let button = ui.selectable_label(is_on, i18n::text(name)).on_hover_text(i18n::text("labels-colours-tip"));
            if button.clicked() {
                labels.table.recolor(set);
                recolored = true;
            }
        }
    });
    let at_cursor = labels.at_world(cursor_mm).map(|(id, _)| id);
    let mut changed = None;
    ui.horizontal(|ui| {
        for (text, visible) in [(i18n::text("labels-show-all"), true), (i18n::text("labels-hide-all"), false)] {
            if ui.small_button(text).clicked() {
                changed = Some((None, visible));
            }
        }
    });
    let row = ui.text_style_height(&egui::TextStyle::Body).max(ui.spacing().interact_size.y);
    let entries = labels.table.entries();
    let scroll = egui::ScrollArea::vertical().id_salt("labels").max_height(180.0).auto_shrink([false, true]);
    scroll.show_rows(ui, row, entries.len(), |ui, range| {
        for entry in &entries[range] {
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(egui::vec2(12.0, 12.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 2, theme::label_color(entry.color));
                let mut visible = entry.visible;
                let mut name = egui::RichText::new(&entry.name);
                if at_cursor == Some(entry.id) {
                    name = name.strong();
                }
                if ui.checkbox(&mut visible, name).clicked() {
                    changed = Some((Some(entry.id), visible));
                }
            });
        }
    });
    let Some((id, visible)) = changed else { return recolored };
    let ids: Vec<u16> = entries.iter().map(|e| e.id).filter(|&e| id.is_none_or(|id| id == e)).collect();
    for id in ids {
        labels.table.set_visible(id, visible);
    }
    true
}

/// Which data set's names the ids have. A file with its own names keeps them until another choice is made.
fn names_ui(ui: &mut Ui, labels: &mut OpenLabels, presets: &[LabelPreset]) {
    let mut chosen = None;
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("labels-names")).id;
        let list = egui::ComboBox::from_id_salt("label names").selected_text(&labels.names_from).show_ui(ui, |ui| {
            if ui.selectable_label(false, NUMBERS_ONLY).clicked() {
                chosen = Some(LabelPreset { title: NUMBERS_ONLY.into(), names: BTreeMap::new() });
            }
            for preset in presets {
                if ui.selectable_label(labels.names_from == preset.title, &preset.title).clicked() {
                    chosen = Some(preset.clone());
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(i18n::text("labels-names-tip"));
    });
    if let Some(preset) = chosen {
        labels.table.rename(|id| preset.names.get(&id).cloned());
        labels.names_from = preset.title;
    }
}

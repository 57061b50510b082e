//! Layers of a label map in the list of its segments.

use egui::{RichText, Sense, Ui};
use voco_labelstore::{LayerId, LayerInfo, Segment, change_name};

use crate::labelling::LabelWork;
use crate::{i18n, icons};

/// A row of the list.
pub(super) enum Row<'a> {
    Layer(&'a LayerInfo),
    Segment(&'a Segment),
}

/// Segments under the headers of their layers; without headers if there is one layer only.
pub(super) fn rows<'a>(layers: &[&'a LayerInfo], segments: &'a [Segment]) -> Vec<Row<'a>> {
    if layers.len() < 2 {
        return segments.iter().map(Row::Segment).collect();
    }
    let mut rows = Vec::new();
    for &layer in layers {
        rows.push(Row::Layer(layer));
        rows.extend(segments.iter().filter(|s| s.layer == layer.id).map(Row::Segment));
    }
    rows
}

/// The header of a layer: double-click renames it, right-click has the rest.
pub(super) fn layer_ui(ui: &mut Ui, work: &mut LabelWork, layer: &LayerInfo, segments: &[Segment]) {
    let id = layer.id;
    let own: Vec<&Segment> = segments.iter().filter(|s| s.layer == id).collect();
    let named = |text: &str| i18n::text_with(text, [("name", layer.name.as_str().into())]);
    let editing = ui.scope_id().with("rename");
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let is_shown = own.iter().any(|s| s.visible);
        let (eye, name) =
            if is_shown { ("eye", named("labels-hide-layer")) } else { ("eye-off", named("labels-show-layer")) };
        if icons::button(ui, eye, &name, &name, false, !own.is_empty()).clicked() {
            show(work, layer, !is_shown);
        }
        let (is_locked, delete) = (own.iter().any(|s| s.locked), named("labels-delete-layer"));
        let tip = if is_locked { i18n::text("labels-layer-locked").to_owned() } else { delete.clone() };
        if icons::button(ui, "trash", &delete, &tip, false, !is_locked).clicked() {
            work.edit(move |document| document.remove_layer(id));
        }
        if ui.data(|d| d.get_temp::<String>(editing)).is_some() {
            if let Some(text) = rename_ui(ui, editing, &named("labels-name-of"), &layer.name) {
                work.edit(move |document| document.rename_layer(id, &text));
            }
            return;
        }
        let title = egui::Button::selectable(false, RichText::new(&layer.name).strong());
        let response = ui.add(title.truncate().sense(Sense::click())).on_hover_text(i18n::text("labels-layer-tip"));
        let begin = |ui: &Ui| ui.data_mut(|d| d.insert_temp(editing, layer.name.clone()));
        if response.double_clicked() {
            begin(ui);
        }
        response.context_menu(|ui| {
            if ui.button(i18n::text("labels-rename")).clicked() {
                begin(ui);
                ui.close();
            }
            ui.separator();
            if ui.add_enabled(!is_locked, egui::Button::new(delete.as_str())).clicked() {
                work.edit(move |document| document.remove_layer(id));
                ui.close();
            }
        });
    });
}

/// Shows or hides all segments of a layer, as one change.
fn show(work: &mut LabelWork, layer: &LayerInfo, visible: bool) {
    let name =
        if visible { change_name("show-layer", &[&layer.name]) } else { change_name("hide-layer", &[&layer.name]) };
    let layer: LayerId = layer.id;
    work.edit(move |document| {
        document.begin_group(&name, "segments");
        let own: Vec<_> = document.segments().iter().filter(|s| s.layer == layer).map(|s| s.id).collect();
        for id in own {
            document.update_segment(id, "", |segment| segment.visible = visible)?;
        }
        document.end_group();
        Ok(())
    });
}

/// A field in place of a name; `name` is what a screen reader says, `old` what it was. Gives the new one once Enter or a click elsewhere
/// ends it, unless Esc did or nothing differs.
pub(super) fn rename_ui(ui: &mut Ui, editing: egui::Id, name: &str, old: &str) -> Option<String> {
    let mut text = ui.data(|d| d.get_temp::<String>(editing))?;
    let field = ui.add(egui::TextEdit::singleline(&mut text).desired_width(f32::INFINITY));
    ui.ctx().accesskit_node_builder(field.id, |node| node.set_label(name));
    field.request_focus();
    if !field.lost_focus() && !ui.input(|i| i.key_pressed(egui::Key::Enter)) {
        ui.data_mut(|d| d.insert_temp(editing, text));
        return None;
    }
    ui.data_mut(|d| d.remove::<String>(editing));
    let text = text.trim().to_owned();
    let is_new = !text.is_empty() && text != old && !ui.input(|i| i.key_pressed(egui::Key::Escape));
    is_new.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stand_under_their_layers_once_there_are_several() {
        let geometry = voco_volume::Geometry::new([4; 3], glam::DAffine3::IDENTITY).expect("a grid");
        let mut document = voco_labelstore::Document::new(geometry, None).expect("a document");
        let first = document.layers().next().expect("a layer").id;
        document.add_segment(first, "a", None).expect("added");
        let names = |document: &voco_labelstore::Document| -> Vec<String> {
            let layers: Vec<&LayerInfo> = document.layers().collect();
            let name = |row: &Row<'_>| match row {
                Row::Layer(layer) => format!("[{}]", layer.name),
                Row::Segment(segment) => segment.name.clone(),
            };
            rows(&layers, document.segments()).iter().map(name).collect()
        };
        assert_eq!(names(&document), ["a"]);
        let second = document.add_layer("second");
        document.add_segment(second, "b", None).expect("added");
        document.add_segment(first, "c", None).expect("added");
        assert_eq!(names(&document), ["[Labels]", "a", "c", "[second]", "b"]);
    }
}

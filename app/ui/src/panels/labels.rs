use std::collections::BTreeMap;

use egui::{RichText, Sense, Slider, Ui};
use voco_labelstore::{Document, PresetEntry, Segment, SegmentId, Status, StoreError, change_name, terms_of_name};
use voco_volume::LabelColors;

use super::label_layers::{Row, layer_ui, rename_ui, rows};
use crate::labelling::LabelWork;
use crate::{
    LabelPreset, Outbox, Preferences, Request, Session, ViewSettings, VolumeId, i18n, icons, numbers_only, theme,
};

/// The label map over the volume on show: how it is drawn, and its segments.
pub(crate) fn labels_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let cursor_mm = settings.cursor_mm;
    let presets = std::mem::take(&mut session.label_presets);
    if let Some(volume) = session.active_mut() {
        let id = volume.id;
        if let Some(incoming) = &volume.incoming {
            ui.weak(i18n::text_with("labels-incoming", [("name", incoming.name.as_str().into())]));
        } else if let Some(work) = &mut volume.labels {
            head_ui(ui, work, id, settings.hides_names(), outbox);
            names_ui(ui, work, &presets);
            look_ui(ui, work, settings);
            let at_cursor = work.segment_at_world(cursor_mm);
            list_ui(ui, work, at_cursor);
        } else {
            ui.weak(i18n::text("labels-empty"));
            let button = ui.button(i18n::text("labels-new")).on_hover_text(i18n::text("labels-new-tip"));
            if button.clicked() {
                outbox.ask(Request::NewLabels(id));
            }
        }
    } else {
        ui.weak(i18n::text("labels-empty"));
    }
    session.label_presets = presets;
}

/// Name and state of the label map, and what can be done with all of it.
fn head_ui(ui: &mut Ui, work: &LabelWork, id: VolumeId, hides_names: bool, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        let name = if hides_names { i18n::text("name-hidden").to_owned() } else { work.name.clone() };
        let mark = if work.is_unsaved() { " •" } else { "" };
        ui.add(egui::Label::new(RichText::new(format!("{name}{mark}")).strong()).truncate())
            .on_hover_text(i18n::text(if work.is_unsaved() { "labels-unsaved-tip" } else { "labels-saved-tip" }));
        let now = work.now();
        // The first change begins the journal; without one after it, nothing is kept.
        let none = (now.ticket > 0 && now.journal.is_none()).then(|| i18n::text("labels-not-kept-tip").to_owned());
        if let Some(problem) = now.journal.as_ref().and_then(|j| j.problem.clone()).or(none) {
            let color = theme::legible(ui, theme::ERROR);
            ui.label(RichText::new(i18n::text("labels-journal-stuck")).color(color)).on_hover_text(problem);
        }
    });
    ui.horizontal(|ui| {
        if ui.small_button(i18n::text("labels-add")).on_hover_text(i18n::text("labels-add-tip")).clicked() {
            outbox.ask(Request::NewSegment(id));
        }
        if ui.small_button(i18n::text("labels-table")).on_hover_text(i18n::text("labels-table-tip")).clicked() {
            outbox.ask(Request::LabelTableDialog(id));
        }
        if ui.small_button(i18n::text("labels-save")).on_hover_text(i18n::text("labels-save-tip")).clicked() {
            outbox.ask(Request::SaveLabelsDialog(id));
        }
    });
}

/// How labels are drawn.
fn look_ui(ui: &mut Ui, work: &mut LabelWork, settings: &mut ViewSettings) {
    ui.add(Slider::new(&mut settings.label_opacity, 0.0..=1.0).text(i18n::text("labels-slices")).max_decimals(2))
        .on_hover_text(i18n::text("labels-slices-tip"));
    ui.add(Slider::new(&mut settings.label_opacity_3d, 0.0..=1.0).text(i18n::text("view-3d")).max_decimals(2))
        .on_hover_text(i18n::text("labels-3d-tip"));
    ui.horizontal(|ui| {
        ui.checkbox(&mut settings.label_outline, i18n::text("label-outline"));
        let width = &mut settings.preferences.outline_points;
        let slider = Slider::new(width, Preferences::OUTLINES_POINTS).step_by(0.1).suffix(i18n::text("labels-points"));
        ui.add_enabled(settings.label_outline, slider).on_hover_text(i18n::text("labels-outline-width-tip"));
    });
    let segments = work.document().segments().to_vec();
    ui.horizontal(|ui| {
        ui.label(i18n::text("labels-colours"));
        for (set, name) in [(LabelColors::Distinct, "labels-distinct"), (LabelColors::AnyVision, "labels-any-vision")] {
            let is_on = segments.first().is_some_and(|s| set.color(s.value) == s.color);
            let button = ui.selectable_label(is_on, i18n::text(name)).on_hover_text(i18n::text("labels-colours-tip"));
            if button.clicked() {
                change_all(work, "recolour-all", move |segment| segment.color = set.color(segment.value));
            }
        }
    });
    ui.horizontal(|ui| {
        for (text, visible) in [("labels-show-all", true), ("labels-hide-all", false)] {
            if ui.small_button(i18n::text(text)).clicked() {
                let name = if visible { "show-all" } else { "hide-all" };
                change_all(work, name, move |segment| segment.visible = visible);
            }
        }
        let all_locked = segments.iter().all(|s| s.locked);
        let text = i18n::text(if all_locked { "labels-unlock-all" } else { "labels-lock-all" });
        if ui.small_button(text).on_hover_text(i18n::text("labels-lock-tip")).clicked() {
            let name = if all_locked { "unlock-all" } else { "lock-all" };
            change_all(work, name, move |segment| segment.locked = !all_locked);
        }
    });
}

/// One change of the history for all segments.
fn change_all(work: &mut LabelWork, key: &'static str, change: impl Fn(&mut Segment) + Send + 'static) {
    work.edit(move |document| {
        document.begin_group(&change_name(key, &[]), "segments");
        for id in document.segments().iter().map(|s| s.id).collect::<Vec<_>>() {
            document.update_segment(id, "", &change)?;
        }
        document.end_group();
        Ok(())
    });
}

/// The segments under their layers: click to work on one, double-click to rename it, right-click for the rest.
fn list_ui(ui: &mut Ui, work: &mut LabelWork, at_cursor: Option<SegmentId>) {
    let document = work.document().clone();
    let segments = document.segments();
    let layers: Vec<_> = document.layers().collect();
    let rows = rows(&layers, segments);
    let row = ui.text_style_height(&egui::TextStyle::Body).max(ui.spacing().interact_size.y);
    let scroll = egui::ScrollArea::vertical().id_salt("labels").max_height(240.0).auto_shrink([false, true]);
    scroll.show_rows(ui, row, rows.len(), |ui, range| {
        for row in &rows[range] {
            match row {
                Row::Layer(layer) => drop(ui.push_id(("layer", layer.id.0), |ui| layer_ui(ui, work, layer, segments))),
                Row::Segment(segment) => {
                    let is_at_cursor = at_cursor == Some(segment.id);
                    ui.push_id(segment.id.0, |ui| row_ui(ui, work, segment, segments, is_at_cursor, layers.len()));
                }
            }
        }
    });
}

fn row_ui(
    ui: &mut Ui,
    work: &mut LabelWork,
    segment: &Segment,
    all: &[Segment],
    is_at_cursor: bool,
    num_layers: usize,
) {
    let id = segment.id;
    let editing = ui.scope_id().with("rename");
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let mut color = segment.color;
        if ui.color_edit_button_srgb(&mut color).on_hover_text(i18n::text("labels-colour-tip")).changed() {
            // While the picker is dragged, each step would be a line of the history.
            ui.data_mut(|d| d.insert_temp(ui.scope_id().with("color"), color));
        }
        if let Some(color) = ui.data(|d| d.get_temp::<[u8; 3]>(ui.scope_id().with("color")))
            && !ui.input(|i| i.pointer.any_down())
        {
            ui.data_mut(|d| d.remove::<[u8; 3]>(ui.scope_id().with("color")));
            work.update_segment(id, change_name("recolour", &[&segment.name]), move |s| s.color = color);
        }
        let (eye, eye_name) = if segment.visible { ("eye", "labels-hide") } else { ("eye-off", "labels-show") };
        let name = i18n::text_with(eye_name, [("name", segment.name.as_str().into())]);
        if icons::button(ui, eye, &name, &name, false, true).clicked() {
            let key = if segment.visible { "hide" } else { "show" };
            work.update_segment(id, change_name(key, &[&segment.name]), |s| s.visible = !s.visible);
        }
        let (lock, lock_name) = if segment.locked { ("lock", "labels-unlock") } else { ("unlock", "labels-lock") };
        let name = i18n::text_with(lock_name, [("name", segment.name.as_str().into())]);
        if icons::button(ui, lock, &name, &name, segment.locked, true).clicked() {
            let key = if segment.locked { "unlock" } else { "lock" };
            work.update_segment(id, change_name(key, &[&segment.name]), |s| s.locked = !s.locked);
        }
        if ui.data(|d| d.get_temp::<String>(editing)).is_some() {
            let field = i18n::text_with("labels-name-of", [("name", segment.name.as_str().into())]);
            if let Some(text) = rename_ui(ui, editing, &field, &segment.name) {
                let name = change_name("rename", &[&segment.name, &text]);
                work.update_segment(id, name, move |s| s.name = text);
            }
            return;
        }
        let mut name = RichText::new(&segment.name);
        let is_current = work.current == Some(id);
        // The chosen one has a colour of its own, on which strong text cannot be read in the light look.
        if is_at_cursor && !is_current {
            name = name.strong();
        }
        let label = egui::Button::selectable(is_current, name).truncate().sense(Sense::click());
        let response = ui.add(label).on_hover_ui(|ui| tip_ui(ui, segment));
        if response.clicked() {
            work.current = Some(id);
        }
        if response.double_clicked() {
            ui.data_mut(|d| d.insert_temp(editing, segment.name.clone()));
        }
        if let Some(mark) = status_mark(segment.status) {
            ui.weak(mark).on_hover_text(i18n::text(status_text(segment.status)));
        }
        response.context_menu(|ui| menu_ui(ui, work, segment, all, num_layers, editing));
    });
}

fn tip_ui(ui: &mut Ui, segment: &Segment) {
    ui.label(i18n::text_with("labels-value", [("value", segment.value.to_string().into())]));
    for code in segment.terms.all().into_iter().flatten() {
        ui.label(format!("{} {} “{}”", code.scheme, code.value, code.meaning));
    }
    if !segment.comment.is_empty() {
        ui.label(&segment.comment);
    }
    ui.weak(i18n::text("labels-row-tip"));
}

/// All that can be done to one segment.
fn menu_ui(
    ui: &mut Ui,
    work: &mut LabelWork,
    segment: &Segment,
    all: &[Segment],
    num_layers: usize,
    editing: egui::Id,
) {
    let id = segment.id;
    if ui.button(i18n::text("labels-rename")).clicked() {
        ui.data_mut(|d| d.insert_temp(editing, segment.name.clone()));
        ui.close();
    }
    ui.menu_button(i18n::text("labels-status"), |ui| {
        for status in [Status::NotStarted, Status::InProgress, Status::Done, Status::Flagged] {
            if ui.selectable_label(segment.status == status, i18n::text(status_text(status))).clicked() {
                work.update_segment(id, change_name("status", &[&segment.name]), move |s| s.status = status);
                ui.close();
            }
        }
    });
    if ui.button(i18n::text("labels-terms")).on_hover_text(i18n::text("labels-terms-tip")).clicked() {
        work.terms_edit = Some(super::TermsEdit::new(segment));
        ui.close();
    }
    ui.menu_button(i18n::text("labels-merge"), |ui| {
        egui::ScrollArea::vertical().max_height(300.0).show(ui, |ui| {
            for other in all.iter().filter(|s| s.id != id) {
                if ui.button(&other.name).clicked() {
                    let into = other.id;
                    work.edit(move |document| document.merge_segments(into, &[id]).map(drop));
                    ui.close();
                }
            }
        });
    });
    let index = all.iter().position(|s| s.id == id).unwrap_or(0);
    for (text, to) in [("labels-up", index.saturating_sub(1)), ("labels-down", index + 1)] {
        if ui.add_enabled(to != index && to < all.len(), egui::Button::new(i18n::text(text))).clicked() {
            work.edit(move |document| document.reorder_segment(id, to));
            ui.close();
        }
    }
    // One that is alone on its layer is on a layer of its own.
    let is_alone = !all.iter().any(|s| s.layer == segment.layer && s.id != id);
    let own_layer = egui::Button::new(i18n::text("labels-own-layer"));
    let response = ui.add_enabled(!is_alone && !segment.locked, own_layer);
    if response.on_hover_text(i18n::text("labels-own-layer-tip")).clicked() {
        let name = segment.name.clone();
        work.edit(move |document| {
            document.begin_group(&change_name("own-layer", &[&name]), "layers");
            let layer = document.add_layer(&name);
            document.move_to_layer(id, layer)?;
            document.end_group();
            Ok(())
        });
        ui.close();
    }
    if num_layers > 1 {
        ui.menu_button(i18n::text("labels-move-layer"), |ui| {
            for layer in work.document().clone().layers().filter(|l| l.id != segment.layer) {
                if ui.button(&layer.name).clicked() {
                    let layer = layer.id;
                    work.edit(move |document| document.move_to_layer(id, layer).map(drop));
                    ui.close();
                }
            }
        });
    }
    ui.separator();
    let delete = egui::Button::new(i18n::text("labels-delete"));
    if ui.add_enabled(!segment.locked, delete).clicked() {
        work.edit(move |document| document.remove_segment(id));
        ui.close();
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::NotStarted => "status-not-started",
        Status::InProgress => "status-in-progress",
        Status::Done => "status-done",
        Status::Flagged => "status-flagged",
    }
}

fn status_mark(status: Status) -> Option<&'static str> {
    match status {
        Status::NotStarted => None,
        Status::InProgress => Some("…"),
        Status::Done => Some("ok"),
        Status::Flagged => Some("!"),
    }
}

/// Which data set's names the ids have. A file with its own names keeps them until another choice is made.
fn names_ui(ui: &mut Ui, work: &mut LabelWork, presets: &[LabelPreset]) {
    let mut chosen = None;
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("labels-names")).id;
        let list = egui::ComboBox::from_id_salt("label names").selected_text(&work.names_from).show_ui(ui, |ui| {
            if ui.selectable_label(false, numbers_only()).clicked() {
                chosen = Some(LabelPreset { title: numbers_only().into(), names: BTreeMap::new() });
            }
            for preset in presets {
                if ui.selectable_label(work.names_from == preset.title, &preset.title).clicked() {
                    chosen = Some(preset.clone());
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(i18n::text("labels-names-tip"));
    });
    let Some(LabelPreset { title, names }) = chosen else { return };
    work.names_from = title;
    work.edit(move |document| take_names(document, &names));
}

/// Names by value, as one change: what is there is renamed, and what the data set has besides is added to be labelled.
fn take_names(document: &mut Document, names: &BTreeMap<u16, String>) -> Result<(), StoreError> {
    let first = i18n::text_with("segment-numbered", [("number", 1.into())]);
    let is_fresh = document.is_blank() && matches!(document.segments(), [only] if only.name == first);
    document.begin_group(&change_name("rename-all", &[]), "segments");
    for (id, value) in document.segments().iter().map(|s| (s.id, s.value)).collect::<Vec<_>>() {
        if is_fresh && !names.is_empty() && !names.contains_key(&value) {
            // The one that a new map begins with is none of the data set's.
            document.remove_segment(id)?;
            continue;
        }
        document.update_segment(id, "", |segment| {
            segment.name = names
                .get(&value)
                .cloned()
                .unwrap_or_else(|| i18n::text_with("label-numbered", [("number", value.into())]));
            segment.terms = terms_of_name(&segment.name).cloned().unwrap_or_default();
        })?;
    }
    let is_missing = |value: u16| document.segments().iter().all(|s| s.value != value);
    let missing: Vec<PresetEntry> =
        names.iter().filter(|(id, _)| is_missing(**id)).map(|(&id, name)| PresetEntry::named(id, name)).collect();
    let first = document.layers().next().map(|layer| layer.id);
    if let Some(layer) = first {
        document.add_preset(layer, &missing)?;
    }
    document.end_group();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_data_set_rename_what_is_there_and_add_the_rest() {
        let geometry = voco_volume::Geometry::new([4, 4, 4], glam::DAffine3::IDENTITY).expect("a grid");
        let names: BTreeMap<u16, String> = [(2, "liver".to_owned()), (5, "spleen".to_owned())].into();
        let all =
            |document: &Document| document.segments().iter().map(|s| (s.value, s.name.clone())).collect::<Vec<_>>();
        let mut document = Document::new(geometry, None).expect("a document");
        let layer = document.layers().next().expect("one layer").id;
        let first = i18n::text_with("segment-numbered", [("number", 1.into())]);
        let one = document.add_segment(layer, &first, None).expect("added");
        take_names(&mut document, &names).expect("named");
        assert_eq!(all(&document), [(2, "liver".to_owned()), (5, "spleen".to_owned())], "as if it were new");
        document.undo().expect("undone");
        document.update_segment(one, "", |s| s.locked = true).expect("locked");
        take_names(&mut document, &names).expect("named");
        assert_eq!(all(&document).len(), 3, "one that somebody touched stays");
        take_names(&mut document, &BTreeMap::new()).expect("numbers only");
        assert_eq!(all(&document)[2], (5, "Label 5".to_owned()));
    }
}

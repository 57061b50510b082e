use egui::{RichText, Ui};

use crate::commands::{self, Command, KeyMap};
use crate::document::{Side, Tool};
use crate::{Outbox, Request, Session, ViewSettings, i18n, icons, theme};

/// Measurements of the volume on show, and of the one it is compared with: values, notes, and a way to each.
pub(crate) fn measure_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &KeyMap,
) {
    if session.active().is_none() {
        ui.weak(i18n::text("measure-no-volume"));
        return;
    }
    let other = session.of_side(settings, Side::B).filter(|_| settings.layout.compares());
    let Some(other) = other.map(|v| (v.id, v.name.clone())) else {
        return side_ui(ui, session, settings, outbox, keys, Side::A);
    };
    let own = session.active().map(|v| (v.id, v.name.clone()));
    for (side, letter, of) in [(Side::A, "A", own), (Side::B, "B", Some(other))] {
        let Some((id, name)) = of else { continue };
        let name =
            if settings.hides_names() { i18n::text_with("volume-number", [("number", id.0.into())]) } else { name };
        let title = i18n::text_with("measure-side", [("side", letter.into()), ("name", name.into())]);
        ui.label(RichText::new(title).strong());
        ui.push_id(letter, |ui| side_ui(ui, session, settings, outbox, keys, side));
    }
}

fn side_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &KeyMap,
    side: Side,
) {
    let Some(volume) = session.of_side(settings, side) else { return };
    let (id, unit) = (volume.id, volume.unit());
    let Some(doc) = session.measurements.get_mut(&id.0).filter(|d| !d.items().is_empty()) else {
        let arguments =
            [("length", keys.shown(Command::ToolLength).into()), ("ellipse", keys.shown(Command::ToolEllipse).into())];
        ui.weak(i18n::text_with("measure-empty", arguments));
        return;
    };
    let selected = settings.selected.filter(|&(volume, _)| volume == id).map(|(_, number)| number);
    let (mut chosen, mut removed) = (None, None);
    for item in doc.items() {
        let is_selected = selected == Some(item.number);
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(15.0), egui::Sense::hover());
            icons::paint(
                ui.painter(),
                rect,
                crate::shell::icon_of(Tool::Measure(item.kind)),
                ui.visuals().text_color(),
            );
            let value = item.lines(unit).first().cloned().unwrap_or_default();
            let name = if item.note.is_empty() { item.kind.title() } else { item.note.as_str() };
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let tip = i18n::text("measure-remove");
                if icons::button(ui, "trash", tip, tip, false, true).clicked() {
                    removed = Some(item.number);
                }
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    let text = format!("{}  {name}  {value}", item.number);
                    let row = ui.add(egui::Button::selectable(is_selected, text).truncate());
                    if row.on_hover_text(item.lines(unit).join("\n")).clicked() {
                        chosen = Some(item.clone());
                    }
                });
            });
        });
    }
    if let Some(item) = selected.and_then(|n| doc.get(n)) {
        let (number, mut note) = (item.number, item.note.clone());
        let label = ui.label(RichText::new(i18n::text("measure-note")).small()).id;
        let field = egui::TextEdit::singleline(&mut note).char_limit(200).desired_width(f32::INFINITY);
        let field = ui.add(field.hint_text(i18n::text("measure-note-hint"))).labelled_by(label);
        if field.changed() {
            doc.set_note(number, note);
        }
        for line in doc.get(number).map(|m| m.lines(unit)).unwrap_or_default() {
            ui.monospace(RichText::new(line).color(theme::legible(ui, theme::MEASURE_SELECTED)));
        }
    }
    if let Some(number) = removed {
        doc.remove(Some(number));
        settings.selected = settings.selected.filter(|&chosen| chosen != (id, number));
    }
    ui.horizontal_wrapped(|ui| {
        let export = ui.button(i18n::text("tool-export")).on_hover_text(keys.tip(Command::ExportMeasurements));
        if export.clicked() {
            outbox.ask(Request::ExportMeasurements(id));
        }
        let report = ui.button(i18n::text("measure-report")).on_hover_text(keys.tip(Command::ExportReport));
        if report.clicked() {
            outbox.ask(Request::ExportReport(id));
        }
        if ui.button(i18n::text("measure-remove-all")).on_hover_text(i18n::text("measure-remove-all-tip")).clicked() {
            doc.remove(None);
            settings.selected = settings.selected.filter(|&(volume, _)| volume != id);
        }
    });
    if let Some(item) = chosen {
        commands::select(session, settings, &item, side);
    }
}

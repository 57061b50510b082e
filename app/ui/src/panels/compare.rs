use egui::{RichText, Ui};
use voco_render::{ComparisonColors, ComparisonStyle};

use crate::labelling::change_text;
use crate::{
    ClassAgreement, ComparisonReport, LabelPreset, Outbox, ReferenceLabels, Request, Session, ViewSettings, i18n, theme,
};

/// The label map on show against a reference: two outlines or colours of difference, the agreement of each class, and the
/// way to the slice where they differ most.
pub(crate) fn compare_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let presets = std::mem::take(&mut session.label_presets);
    reference_ui(ui, session, &presets, settings, outbox);
    session.label_presets = presets;
}

#[expect(clippy::too_many_lines, reason = "one panel from top to bottom")]
fn reference_ui(
    ui: &mut Ui,
    session: &mut Session,
    presets: &[LabelPreset],
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
) {
    let Some(volume) = session.active_mut() else {
        ui.weak(i18n::text("agree-open-a-volume-first"));
        return;
    };
    let Some(labels) = &volume.labels else {
        ui.weak(i18n::text("agree-open-or-predict-a-label"));
        return;
    };
    let Some(reference) = volume.reference.as_mut() else {
        ui.horizontal(|ui| {
            if ui
                .button(i18n::text("agree-reference"))
                .on_hover_text(i18n::text("agree-open-the-label-map-to"))
                .clicked()
            {
                outbox.ask(Request::OpenReferenceDialog);
            }
            match labels.now().steps[0].as_ref().filter(|_| labels.flat_before().is_some()) {
                Some(last) => {
                    let button =
                        egui::Button::new(i18n::text_with("agree-before", [("name", change_text(&last.name).into())]))
                            .truncate();
                    if ui.add(button).on_hover_text(i18n::text("agree-compare-with-the-label-map")).clicked() {
                        outbox.ask(Request::CompareWithBefore(volume.id));
                    }
                }
                None => drop(ui.weak(i18n::text("agree-none-is-open"))),
            }
        });
        return;
    };
    ui.horizontal(|ui| {
        if super::sign_button(ui, "×", i18n::text("agree-close-the-reference")).clicked() {
            outbox.ask(Request::CloseReference(volume.id));
        }
        // Under one another: two names of files do not fit beside each other.
        ui.vertical(|ui| {
            // Names of files are hidden with all others.
            let hides = settings.preferences.hide_identifiers;
            let shown = |name: &str| if hides { "…".to_owned() } else { name.to_owned() };
            ui.horizontal(|ui| key(ui, ComparisonColors::PREDICTION, &shown(&labels.name)));
            ui.horizontal(|ui| {
                key(
                    ui,
                    ComparisonColors::REFERENCE,
                    &i18n::text_with("agree-reference-2", [("name", shown(&reference.labels.name).into())]),
                );
            });
        });
    });
    ui.horizontal(|ui| {
        for (style, text, hint) in [
            (ComparisonStyle::Off, i18n::text("agree-labels"), i18n::text("agree-the-label-map-alone")),
            (
                ComparisonStyle::Outlines,
                i18n::text("agree-outlines"),
                i18n::text("agree-both-outlines-white-where-they"),
            ),
            (
                ComparisonStyle::Differences,
                i18n::text("agree-differences"),
                i18n::text("agree-areas-of-agreement-and-of"),
            ),
        ] {
            ui.selectable_value(&mut reference.look.style, style, text).on_hover_text(hint);
        }
    });
    if reference.look.style == ComparisonStyle::Differences {
        ui.horizontal_wrapped(|ui| {
            key(ui, ComparisonColors::AGREEMENT, i18n::text("agree-agree"));
            key(ui, ComparisonColors::PREDICTION, i18n::text("agree-only-this-map"));
            key(ui, ComparisonColors::REFERENCE, i18n::text("agree-only-the-reference"));
            key(ui, ComparisonColors::OTHER_CLASS, i18n::text("agree-another-class"));
        });
    }
    if labels.has_names()
        && (!reference.original.has_names() || presets.iter().any(|p| p.title == reference.original.names_from))
    {
        names_ui(ui, reference, presets);
    }
    if reference.left_out > 0 {
        let (count, what) =
            (reference.left_out, if reference.left_out == 1 { i18n::text("agree-class") } else { "classes" });
        let text = i18n::text_with(
            "agree-of-the-reference-that-this",
            [("count", count.to_string().into()), ("what", what.to_string().into())],
        );
        ui.label(RichText::new(text).small().weak());
    }
    if reference.report.is_some() && reference.matched_with.as_ref() != Some(&labels.names_key()) {
        // Ids of one of the two have got other names.
        outbox.ask(Request::Compare(volume.id));
    }
    match (reference.report.clone(), &reference.measuring) {
        (Some(report), _) => table_ui(ui, reference, &report, settings),
        (None, Some(_)) => {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.weak(i18n::text("agree-measuring-the-agreement"));
            });
        }
        (None, None) => {
            if ui.button(i18n::text("agree-measure-again")).clicked() {
                outbox.ask(Request::Compare(volume.id));
            }
        }
    }
}

/// What the ids of a reference mean whose file does not say: without names its numbers are compared with the map's.
fn names_ui(ui: &mut Ui, reference: &mut ReferenceLabels, presets: &[LabelPreset]) {
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("agree-its-names")).id;
        let shown = &reference.original.names_from;
        let mut chosen = None;
        let list = egui::ComboBox::from_id_salt("reference names").selected_text(shown).show_ui(ui, |ui| {
            for preset in presets {
                if ui.selectable_label(*shown == preset.title, &preset.title).clicked() {
                    chosen = Some(preset);
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(i18n::text("agree-classes-are-compared-by-name"));
        if let Some(preset) = chosen {
            reference.original.table.rename(|id| preset.names.get(&id).cloned());
            reference.original.names_from.clone_from(&preset.title);
            reference.matched_with = None;
        }
    });
}

fn table_ui(ui: &mut Ui, reference: &mut ReferenceLabels, report: &ComparisonReport, settings: &mut ViewSettings) {
    ui.horizontal(|ui| {
        let all = ui.selectable_label(reference.look.class.is_none(), i18n::text("agree-all-classes"));
        if all.on_hover_text(i18n::text("agree-draw-every-class")).clicked() {
            reference.look.class = None;
        }
        if let Some(mean) = report.mean_dice() {
            ui.label(i18n::text_with("agree-mean-dice", [("mean", format!("{mean:.3}").into())]));
        }
        let worst = report.classes.iter().filter(|c| c.worst_mm.is_some()).min_by(|a, b| {
            let dice = |c: &ClassAgreement| c.dice.unwrap_or(1.0);
            dice(a).total_cmp(&dice(b))
        });
        if let Some(class) = worst
            && ui
                .small_button(i18n::text("agree-worst"))
                .on_hover_text(i18n::text("agree-to-where-the-worst-class"))
                .clicked()
        {
            reference.look.class = Some(class.id);
            settings.cursor_mm = class.worst_mm.unwrap_or(settings.cursor_mm);
        }
    });
    let height = ui.text_style_height(&egui::TextStyle::Body).max(ui.spacing().interact_size.y);
    let widths = [ui.available_width() - 175.0, 42.0, 56.0];
    let left = egui::Layout::left_to_right(egui::Align::Center);
    let cell = |ui: &mut Ui, width: f32, text: RichText| {
        ui.allocate_ui_with_layout(egui::vec2(width, height), left, |ui| {
            ui.set_min_width(width);
            ui.add(egui::Label::new(text).truncate());
        });
    };
    ui.horizontal(|ui| {
        for (width, text) in widths.into_iter().zip([i18n::text("agree-class-2"), "Dice", i18n::text("agree-hd95-mm")])
        {
            cell(ui, width, RichText::new(text).small().weak());
        }
    });
    let scroll = egui::ScrollArea::vertical().id_salt("compared classes").max_height(200.0).auto_shrink([false, true]);
    scroll.show_rows(ui, height, report.classes.len(), |ui, range| {
        for class in &report.classes[range] {
            ui.horizontal(|ui| {
                let button = egui::Button::selectable(reference.look.class == Some(class.id), &class.name).truncate();
                let name = ui.allocate_ui_with_layout(egui::vec2(widths[0], height), left, |ui| {
                    ui.set_min_width(widths[0]);
                    ui.add(button)
                });
                if name.inner.on_hover_text(details(class)).clicked() {
                    reference.look.class = Some(class.id);
                }
                let number =
                    |value: Option<f64>, digits: usize| value.map_or("–".into(), |v| format!("{v:.digits$}"));
                let dice = RichText::new(number(class.dice, 3)).monospace();
                let dice = if class.dice.is_some_and(|d| d < 0.7) {
                    dice.color(theme::legible(ui, theme::WARNING))
                } else {
                    dice
                };
                cell(ui, widths[1], dice);
                cell(ui, widths[2], RichText::new(number(class.hd95_mm, 1)).monospace());
                let worst = ui.add_enabled(class.worst_mm.is_some(), egui::Button::new(i18n::text("agree-go")).small());
                if worst.on_hover_text(i18n::text("agree-to-the-slice-where-this")).clicked() {
                    reference.look.class = Some(class.id);
                    settings.cursor_mm = class.worst_mm.unwrap_or(settings.cursor_mm);
                }
            });
        }
    });
}

fn details(class: &ClassAgreement) -> String {
    let assd = class.assd_mm.map_or(String::new(), |d| {
        i18n::text_with("agree-mean-surface-distance-mm", [("d", format!("{d:.2}").into())])
    });
    i18n::text_with(
        "agree-ml-against-ml",
        [
            ("name", class.name.clone().into()),
            ("volume-ml", format!("{:.1}", class.volume_ml).into()),
            ("reference-ml", format!("{:.1}", class.reference_ml).into()),
            ("assd", assd.clone().into()),
        ],
    )
}

/// A name behind its colour.
fn key(ui: &mut Ui, color: [u8; 3], text: &str) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2, theme::label_color(color));
    ui.add(egui::Label::new(RichText::new(text).small()).truncate());
}

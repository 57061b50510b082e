use egui::{RichText, Ui};

use crate::commands::{Command, KeyMap};
use crate::{Outbox, Request, Session, ViewSettings, i18n, theme};

/// Open volumes, those being opened, and how to open more.
pub(crate) fn volumes_ui(
    ui: &mut Ui,
    session: &mut Session,
    settings: &mut ViewSettings,
    outbox: &mut Outbox,
    keys: &KeyMap,
) {
    ui.horizontal(|ui| {
        if ui.button(i18n::text("volumes-open")).on_hover_text(keys.tip(Command::Open)).clicked() {
            outbox.ask(Request::OpenDialog);
        }
        if ui.button(i18n::text("volumes-sample")).on_hover_text(keys.tip(Command::OpenSample)).clicked() {
            outbox.ask(Request::OpenSample);
        }
        let can_label = session.active.is_some();
        let labels = ui.add_enabled(can_label, egui::Button::new(i18n::text("volumes-labels")));
        if labels.on_hover_text(keys.tip(Command::OpenLabels)).clicked() {
            outbox.ask(Request::OpenLabelsDialog);
        }
    });
    let mut chosen = None;
    for volume in &session.volumes {
        let is_active = Some(volume.id) == session.active;
        ui.horizontal(|ui| {
            if super::sign_button(ui, "×", i18n::text("file-close")).clicked() {
                outbox.ask(Request::Close(volume.id));
            }
            let [x, y, z] = volume.volume.dims();
            let spacing = volume.volume.geometry().spacing_mm();
            let details = i18n::text_with(
                "volume-details",
                [
                    ("dims", format!("{x} × {y} × {z}").into()),
                    ("spacing", format!("{:.2} × {:.2} × {:.2}", spacing.x, spacing.y, spacing.z).into()),
                    ("type", volume.volume.voxels().voxel_type().name().into()),
                ],
            );
            let name = if settings.preferences.hide_identifiers {
                i18n::text_with("volume-number", [("number", volume.id.0.into())])
            } else {
                volume.name.clone()
            };
            let label = egui::Button::selectable(is_active, name).truncate();
            if ui.add(label).on_hover_text(details).clicked() {
                chosen = Some(volume.id);
            }
        });
        if is_active {
            for warning in &volume.warnings {
                ui.label(RichText::new(warning).small().color(theme::legible(ui, theme::WARNING)));
            }
        }
    }
    if let Some(id) = chosen.filter(|&id| Some(id) != session.active) {
        crate::commands::show_volume(session, settings, id);
    }
    for loading in &session.loading {
        ui.horizontal(|ui| {
            if super::sign_button(ui, "×", i18n::text("volumes-stop")).clicked() {
                outbox.ask(Request::CancelLoading(loading.task));
            }
            let name = if settings.preferences.hide_identifiers { "…" } else { loading.name.as_str() };
            ui.add(egui::ProgressBar::new(loading.progress).text(name).desired_width(ui.available_width()));
        });
    }
    if session.volumes.is_empty() && session.loading.is_empty() {
        ui.label(RichText::new(i18n::text("volumes-empty")).weak());
    }
}

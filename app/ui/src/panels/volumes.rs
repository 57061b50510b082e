use egui::{RichText, Ui};

use crate::{Outbox, Request, Session, ViewSettings, theme};

/// Open volumes, those being opened, and how to open more.
pub(crate) fn volumes_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    ui.horizontal(|ui| {
        if ui.button("Open…").on_hover_text("Open volumes (Ctrl+O)").clicked() {
            outbox.ask(Request::OpenDialog);
        }
        if ui.button("Sample").on_hover_text("Open the CT that comes with the program").clicked() {
            outbox.ask(Request::OpenSample);
        }
        let can_label = session.active.is_some();
        let labels = ui.add_enabled(can_label, egui::Button::new("Labels…"));
        if labels.on_hover_text("Open a label map over the volume on show").clicked() {
            outbox.ask(Request::OpenLabelsDialog);
        }
    });
    let mut chosen = None;
    for volume in &session.volumes {
        let is_active = Some(volume.id) == session.active;
        ui.horizontal(|ui| {
            if ui.small_button("×").on_hover_text("Close").clicked() {
                outbox.ask(Request::Close(volume.id));
            }
            let [x, y, z] = volume.volume.dims();
            let spacing = volume.volume.geometry().spacing_mm();
            let details = format!(
                "{x} × {y} × {z} voxels of {:.2} × {:.2} × {:.2} mm, {}",
                spacing.x,
                spacing.y,
                spacing.z,
                volume.volume.voxels().voxel_type().name()
            );
            let label = egui::Button::selectable(is_active, &volume.name).truncate();
            if ui.add(label).on_hover_text(details).clicked() {
                chosen = Some(volume.id);
            }
        });
        if is_active {
            for warning in &volume.warnings {
                ui.label(RichText::new(warning).small().color(theme::WARNING));
            }
        }
    }
    if let Some(id) = chosen.filter(|&id| Some(id) != session.active) {
        session.active = Some(id);
        if let Some(volume) = session.active() {
            settings.reset_for(volume);
        }
    }
    for loading in &session.loading {
        ui.horizontal(|ui| {
            if ui.small_button("×").on_hover_text("Stop opening this file").clicked() {
                outbox.ask(Request::CancelLoading(loading.task));
            }
            ui.add(egui::ProgressBar::new(loading.progress).text(&loading.name).desired_width(ui.available_width()));
        });
    }
    if session.volumes.is_empty() && session.loading.is_empty() {
        ui.label(RichText::new("Nothing is open. Drop a .nii, .nii.gz or .hdr file on the window.").weak());
    }
}

mod compare;
mod help;
mod image;
mod labels;
mod models;
mod position;
mod runs;
mod training;
mod volumes;

pub(crate) use compare::compare_ui;
pub(crate) use help::help_ui;
pub(crate) use image::{decimals, image_ui};
pub(crate) use labels::labels_ui;
pub(crate) use models::models_window;
pub(crate) use position::position_ui;
pub(crate) use runs::runs_window;
pub(crate) use training::training_ui;
pub(crate) use volumes::volumes_ui;

/// A titled part of a side panel.
pub(crate) fn section(ui: &mut egui::Ui, title: &str, add: impl FnOnce(&mut egui::Ui)) {
    egui::CollapsingHeader::new(egui::RichText::new(title).strong()).default_open(true).show_unindented(ui, add);
    ui.add_space(2.0);
}

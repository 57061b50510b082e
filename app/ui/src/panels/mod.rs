mod card;
mod closing;
mod compare;
mod curve;
mod export3d;
mod finetune;
mod image;
mod label_effects;
mod label_layers;
mod label_stats;
mod label_tools;
mod labels;
mod measure;
mod models;
mod omni;
mod overlays;
mod position;
mod preflight;
mod runs;
mod save_labels;
mod segment;
mod series;
mod start;
mod terms;
mod times;
mod training;
mod volume3d;
mod volumes;

use egui::Ui;

use crate::i18n;

pub(crate) use card::card_ui;
pub(crate) use closing::closing_window;
pub(crate) use compare::compare_ui;
pub(crate) use curve::curve_window;
pub(crate) use export3d::export_window;
pub(crate) use finetune::finetune_ui;
pub(crate) use image::{decimals, image_ui};
pub(crate) use label_stats::label_stats_ui;
pub(crate) use label_tools::label_tools_ui;
pub(crate) use labels::labels_ui;
pub(crate) use measure::measure_ui;
pub(crate) use models::models_window;
pub(crate) use overlays::overlays_ui;
pub(crate) use position::position_ui;
pub(crate) use preflight::preflight_ui;
pub(crate) use runs::runs_window;
pub(crate) use save_labels::save_labels_window;
pub(crate) use segment::segment_ui;
pub(crate) use series::{resample_ui, series_window};
pub use terms::TermsEdit;
pub(crate) use terms::terms_window;
pub(crate) use times::times_ui;
pub(crate) use training::training_ui;
pub(crate) use volume3d::{mode_title, volume3d_ui};
pub(crate) use volumes::volumes_ui;

/// Width of all lists of a set-up, so that they stand under one another.
const CHOICE_WIDTH: f32 = 190.0;

/// A drop-down list, named by the label before it.
fn choice<T: Copy + PartialEq>(ui: &mut Ui, name: egui::Id, value: &mut T, all: &[T], text: impl Fn(&T) -> String) {
    let list = egui::ComboBox::from_id_salt(name).selected_text(text(value)).width(CHOICE_WIDTH).show_ui(ui, |ui| {
        for one in all {
            ui.selectable_value(value, *one, text(one));
        }
    });
    list.response.labelled_by(name);
}

/// A small button with a sign on it; a screen reader says, and hovering shows, what it does.
pub(crate) fn sign_button(ui: &mut Ui, sign: &str, what: &str) -> egui::Response {
    let response = ui.small_button(sign).on_hover_text(what);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(what));
    response
}

/// The key of a plot stands above it: inside, it would hide the curves of a narrow panel.
fn key(ui: &mut Ui, title: &str, names: &[(&str, egui::Color32)]) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(egui::RichText::new(title).small().strong());
        for (name, color) in names {
            let color = crate::theme::legible(ui, *color);
            ui.label(egui::RichText::new(*name).small().color(color));
        }
    });
}

/// Seconds of a step, and the share of them without data if it is worth a word.
fn step_time(seconds: f64, waited_seconds: f64) -> String {
    let share = waited_seconds / seconds.max(1e-9);
    let seconds = format!("{seconds:.2}");
    if share < 0.05 {
        return format!("{seconds} s");
    }
    let share = format!("{:.0}", share * 100.0);
    i18n::text_with("work-step-waiting", [("seconds", seconds.into()), ("share", share.into())])
}

fn human_seconds(seconds: f64) -> String {
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if seconds < 5400.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

/// A titled part of a side panel.
pub(crate) fn section(ui: &mut Ui, title: &str, add: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(egui::RichText::new(title).strong()).default_open(true).show_unindented(ui, add);
    ui.add_space(2.0);
}

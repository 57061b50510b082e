use egui::{DragValue, Grid, ScrollArea, Slider, Ui};

use crate::commands::Scheme;
use crate::document::{Look, NamedWindow, Window};
use crate::{Preferences, ViewSettings, i18n};

/// The windows in which preferences are changed.
#[derive(Default)]
pub(super) struct Windows {
    /// The scale while its slider is dragged: it is used once the slider is let go, as it moves the slider itself.
    scale: Option<u16>,
}

impl Windows {
    pub fn show(&mut self, ui: &Ui, settings: &mut ViewSettings) {
        let mut open = settings.show_preferences;
        let mut show_keys = false;
        egui::Window::new(i18n::text("preferences-title"))
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .default_width(440.0)
            .pivot(egui::Align2::CENTER_CENTER)
            .default_pos(ui.ctx().content_rect().center())
            .show(ui.ctx(), |ui| {
                self.general(ui, &mut settings.preferences);
                if ui.button(i18n::text("preferences-keys")).clicked() {
                    show_keys = true;
                }
                ui.separator();
                window_presets(ui, &mut settings.preferences);
            });
        settings.show_preferences &= open;
        if show_keys {
            (settings.show_preferences, settings.show_help) = (false, true);
        }
    }

    fn general(&mut self, ui: &mut Ui, preferences: &mut Preferences) {
        Grid::new("preferences").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
            ui.label(i18n::text("preferences-look"));
            ui.horizontal(|ui| {
                ui.selectable_value(&mut preferences.look, Look::Dark, i18n::text("look-dark"));
                ui.selectable_value(&mut preferences.look, Look::Light, i18n::text("look-light"));
            });
            ui.end_row();
            let name = ui.label(i18n::text("preferences-scale")).id;
            let mut scale = self.scale.unwrap_or(preferences.scale_percent);
            let slider = Slider::new(&mut scale, Preferences::SCALES).step_by(5.0).suffix(" %");
            let response = ui.add(slider).labelled_by(name);
            self.scale = (response.dragged() || response.has_focus()).then_some(scale);
            if !response.dragged() && scale != preferences.scale_percent {
                preferences.scale_percent = scale;
                self.scale = None;
            }
            ui.end_row();
            ui.label(i18n::text("sheet-scheme"));
            ui.horizontal(|ui| {
                for scheme in Scheme::ALL {
                    ui.selectable_value(&mut preferences.scheme, scheme, scheme.title());
                }
            });
            ui.end_row();
            ui.label(i18n::text("preferences-level"));
            ui.horizontal(|ui| {
                ui.selectable_value(&mut preferences.down_raises_level, false, i18n::text("level-up"));
                ui.selectable_value(&mut preferences.down_raises_level, true, i18n::text("level-down"));
            });
            ui.end_row();
            ui.label(i18n::text("preferences-left"));
            ui.horizontal(|ui| {
                ui.selectable_value(&mut preferences.neurological, false, i18n::text("left-radiological"));
                ui.selectable_value(&mut preferences.neurological, true, i18n::text("left-neurological"));
            });
            ui.end_row();
            let name = ui.label(i18n::text("preferences-cine")).id;
            let value = DragValue::new(&mut preferences.cine_per_second).range(1.0..=120.0).max_decimals(0);
            ui.add(value.suffix(i18n::text("per-second"))).labelled_by(name);
            ui.end_row();
        });
        ui.checkbox(&mut preferences.hang, i18n::text("preferences-hang"))
            .on_hover_text(i18n::text("preferences-hang-tip"));
        ui.checkbox(&mut preferences.keep_windows, i18n::text("preferences-keep-windows"))
            .on_hover_text(i18n::text("preferences-keep-windows-tip"));
        ui.checkbox(&mut preferences.hide_identifiers, i18n::text("view-hide-identifiers"))
            .on_hover_text(i18n::text("preferences-hide-tip"));
    }
}

/// The list of windows, which can be changed, added to and put in another order.
fn window_presets(ui: &mut Ui, preferences: &mut Preferences) {
    ui.horizontal(|ui| {
        ui.strong(i18n::text("presets-title"));
        if ui.small_button(i18n::text("presets-add")).clicked() {
            let window = Window { width: 400.0, level: 40.0 };
            preferences.windows.push(NamedWindow { name: i18n::text("presets-new").to_owned(), window });
        }
        if ui.small_button(i18n::text("presets-reset")).clicked() {
            preferences.windows = Preferences::default().windows;
        }
    });
    ui.weak(i18n::text("presets-how"));
    let mut removed = None;
    let mut raised = None;
    ScrollArea::vertical().max_height(280.0).min_scrolled_height(240.0).auto_shrink([false, true]).show(ui, |ui| {
        Grid::new("presets").num_columns(5).striped(true).show(ui, |ui| {
            for (n, preset) in preferences.windows.iter_mut().enumerate() {
                let number = ui.monospace(if n < 9 { (n + 1).to_string() } else { " ".to_owned() }).id;
                let name = egui::TextEdit::singleline(&mut preset.name).desired_width(150.0).char_limit(60);
                // In a grid it would be as narrow as the column was in the frame before.
                let name = ui.add_sized([150.0, ui.spacing().interact_size.y], name).labelled_by(number).id;
                let width = &mut preset.window.width;
                let least = 1e-3;
                ui.add(DragValue::new(width).prefix("W ").range(least..=1e6).speed(1.0).max_decimals(3))
                    .labelled_by(name);
                let level = DragValue::new(&mut preset.window.level).prefix("L ").range(-1e6..=1e6).max_decimals(3);
                ui.add(level).labelled_by(name);
                ui.horizontal(|ui| {
                    let up = i18n::text("presets-up");
                    if crate::icons::button(ui, "up", up, up, false, n > 0).clicked() {
                        raised = Some(n);
                    }
                    let remove = i18n::text("presets-remove");
                    if crate::icons::button(ui, "trash", remove, remove, false, true).clicked() {
                        removed = Some(n);
                    }
                });
                ui.end_row();
            }
        });
    });
    if let Some(n) = raised {
        preferences.windows.swap(n, n - 1);
    }
    if let Some(n) = removed {
        preferences.windows.remove(n);
    }
}

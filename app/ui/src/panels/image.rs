use egui::{ComboBox, DragValue, Ui};

use crate::commands::{Command, KeyMap};
use crate::{NamedWindow, Session, ViewSettings, Window, i18n};

/// Window and level.
pub(crate) fn image_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, keys: &KeyMap) {
    let Some(volume) = session.active_mut() else {
        ui.weak(i18n::text("image-empty"));
        return;
    };
    let stats = volume.stats;
    let opened_with = settings.opened_with.get(&volume.id.0).copied();
    let (mut edit_presets, mut kept) = (false, None);
    let Window { width, level } = &mut volume.window;
    ui.horizontal(|ui| {
        let range = (stats.max - stats.min).abs().max(f64::MIN_POSITIVE);
        let digits = decimals(range);
        let name = ui.label(i18n::text("image-width")).id;
        // A window that suits the volumes before and after stays, however narrow the range of this one.
        let value = DragValue::new(width).speed(range / 500.0).range(range * 1e-4..=range * 1e4);
        ui.add(value.clamp_existing_to_range(false).max_decimals(digits)).labelled_by(name);
        let name = ui.label(i18n::text("image-level")).id;
        ui.add(DragValue::new(level).speed(range / 500.0).max_decimals(digits)).labelled_by(name);
    });
    let presets = &settings.preferences.windows;
    let current = presets.iter().find(|p| p.window == volume.window);
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("image-preset")).id;
        let text = current.map_or(i18n::text("image-choose"), |p| p.name.as_str());
        let list = ComboBox::from_id_salt("window preset").selected_text(text).show_ui(ui, |ui| {
            for (n, preset) in presets.iter().enumerate() {
                let Window { width, level } = preset.window;
                let key = if n < 9 { (n + 1).to_string() } else { " ".to_owned() };
                let text = format!("{key}  {}   W {width} L {level}", preset.name);
                if ui.selectable_label(preset.window == volume.window, text).clicked() {
                    volume.window = preset.window;
                }
            }
            ui.separator();
            if ui.selectable_label(false, i18n::text("image-edit-presets")).clicked() {
                edit_presets = true;
            }
        });
        list.response.labelled_by(name);
        if ui.button(i18n::text("image-reset")).on_hover_text(keys.tip(Command::ResetWindow)).clicked() {
            volume.window = opened_with.unwrap_or_else(|| volume.first_window());
            volume.inverted = volume.told.inverted;
        }
        if current.is_none() && super::sign_button(ui, "+", i18n::text("image-keep-preset")).clicked() {
            kept = Some(volume.window);
        }
    });
    settings.show_preferences |= edit_presets;
    if let Some(window) = kept {
        let name = format!("W {:.0} L {:.0}", window.width, window.level);
        settings.preferences.windows.push(NamedWindow { name, window });
    }
}

/// Decimals that show a ten-thousandth of `range`.
pub(crate) fn decimals(range: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0…12")]
    let digits = (3.0 - range.log10()).clamp(0.0, 12.0).ceil() as usize;
    digits
}

use egui::{ComboBox, DragValue, Slider, Ui};

use crate::{LeftDrag, Session, ViewSettings, Window, WindowPreset};

/// Window and level, 3D preset and camera.
pub(crate) fn image_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings) {
    let Some(volume) = session.active_mut() else {
        ui.weak("Open a volume to set its window.");
        return;
    };
    let stats = volume.stats;
    let Window { width, level } = &mut volume.window;
    ui.horizontal(|ui| {
        let range = (stats.max - stats.min).abs().max(f64::MIN_POSITIVE);
        let digits = decimals(range);
        let name = ui.label("Width").id;
        ui.add(DragValue::new(width).speed(range / 500.0).range(range * 1e-4..=range * 1e4).max_decimals(digits))
            .labelled_by(name);
        let name = ui.label("Level").id;
        ui.add(DragValue::new(level).speed(range / 500.0).max_decimals(digits)).labelled_by(name);
    });
    let current = WindowPreset::ALL.iter().find(|p| p.window == volume.window);
    ui.horizontal(|ui| {
        let name = ui.label("Preset").id;
        let text = current.map_or("Choose…", |p| p.name);
        let list = ComboBox::from_id_salt("window preset").selected_text(text).show_ui(ui, |ui| {
            for (n, preset) in WindowPreset::ALL.iter().enumerate() {
                let Window { width, level } = preset.window;
                let text = format!("{}  {}   W {width:.0} L {level:.0}", n + 1, preset.name);
                if ui.selectable_label(preset.window == volume.window, text).clicked() {
                    volume.window = preset.window;
                }
            }
        });
        list.response.labelled_by(name);
        if ui.button("Reset").on_hover_text("Back to the window that the volume opened with").clicked() {
            volume.window = Window::default_for(&stats);
        }
    });
    ui.horizontal(|ui| {
        ui.label("Left drag");
        ui.selectable_value(&mut settings.left_drag, LeftDrag::Crosshair, "Crosshair")
            .on_hover_text("Drag moves the crosshair; Ctrl+drag changes the window (C)");
        ui.selectable_value(&mut settings.left_drag, LeftDrag::Window, "Window")
            .on_hover_text("Drag changes window and level; Ctrl+drag moves the crosshair (W)");
    });
    ui.horizontal(|ui| {
        let label = ui.label("3D").id;
        let presets = &settings.transfer_functions;
        let name = presets.get(settings.transfer_function).map_or("", |t| t.name.as_str());
        let list = ComboBox::from_id_salt("3d preset").selected_text(name).show_ui(ui, |ui| {
            for (n, preset) in presets.iter().enumerate() {
                if ui.selectable_value(&mut settings.transfer_function, n, preset.name.as_str()).clicked() {
                    settings.transfer_shift = 0.0;
                }
            }
        });
        list.response.labelled_by(label);
        let camera = settings.camera.clone();
        for (text, tip, view) in [
            ("A", "From the front", camera.clone().anterior()),
            ("L", "From the patient's left", camera.clone().left()),
            ("S", "From above", camera.superior()),
        ] {
            if ui.small_button(text).on_hover_text(tip).clicked() {
                settings.camera = view;
            }
        }
    });
    let range = (stats.max - stats.min).abs().max(f64::MIN_POSITIVE);
    let reach = (range / 4.0).min(500.0);
    let digits = decimals(range).saturating_sub(1);
    ui.add(Slider::new(&mut settings.transfer_shift, -reach..=reach).text("3D shift").max_decimals(digits));
}

/// Decimals that show a ten-thousandth of `range`.
pub(crate) fn decimals(range: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0…12")]
    let digits = (3.0 - range.log10()).clamp(0.0, 12.0).ceil() as usize;
    digits
}

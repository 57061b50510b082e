use egui::{ComboBox, DragValue, Slider, Ui};
use voco_render::{Lighting, RenderMode};
use voco_volume::SlicePlane;

use super::image::decimals;
use crate::commands::{Command, KeyMap};
use crate::document::Cut;
use crate::{Session, ViewKind, ViewSettings, i18n};

/// How the volume is shown in 3D: preset, mode, light, cuts, slices, surfaces.
pub(crate) fn volume3d_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings, keys: &KeyMap) {
    let Some(volume) = session.active() else {
        ui.weak(i18n::text("v3-empty"));
        return;
    };
    preset_ui(ui, settings, keys);
    let stats = volume.stats;
    let range = (stats.max - stats.min).abs().max(f64::MIN_POSITIVE);
    let reach = (range / 4.0).min(500.0);
    let digits = decimals(range).saturating_sub(1);
    ui.add(
        Slider::new(&mut settings.transfer_shift, -reach..=reach).text(i18n::text("image-shift")).max_decimals(digits),
    )
    .on_hover_text(i18n::text("v3-shift-tip"));
    let transfer = settings.transfer(volume);
    let mode = transfer.as_ref().map_or(RenderMode::Composite, |t| t.mode);
    if mode == RenderMode::Isosurface {
        let slider = Slider::new(&mut settings.view3d.iso_value, stats.min..=stats.max);
        ui.add(slider.text(i18n::text("v3-iso")).max_decimals(digits)).on_hover_text(i18n::text("v3-iso-tip"));
    }
    ui.checkbox(&mut settings.view3d.show_volume, i18n::text("v3-show-volume"))
        .on_hover_text(i18n::text("v3-show-volume-tip"));
    let mut defaults =
        (Lighting { ambient: 0.3, diffuse: 0.8, specular: 0.1, shininess: 12.0, full_gradient: 25.0 }, true);
    if let Some(transfer) = &transfer {
        defaults = (transfer.lighting, transfer.shaded);
    }
    if !mode.is_projection() {
        fold(ui, "v3-light", |ui| light_ui(ui, settings, defaults));
    }
    fold(ui, "v3-cut", |ui| cut_ui(ui, settings, volume));
    fold(ui, "v3-slices", |ui| slices_ui(ui, settings));
    if volume.label_table().is_some() {
        fold(ui, "v3-labels", |ui| labels_ui(ui, settings, volume));
    }
}

fn fold(ui: &mut Ui, id: &str, add: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(i18n::text(id)).id_salt(id).show_unindented(ui, add);
}

fn preset_ui(ui: &mut Ui, settings: &mut ViewSettings, keys: &KeyMap) {
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("v3-preset")).id;
        let presets = &settings.transfer_functions;
        let name = presets.get(settings.transfer_function).map_or("", |t| t.name.as_str());
        let mut chosen = None;
        let list = ComboBox::from_id_salt("3d preset").selected_text(name).height(420.0).show_ui(ui, |ui| {
            for (n, preset) in presets.iter().enumerate() {
                if ui.selectable_label(settings.transfer_function == n, preset.name.as_str()).clicked() {
                    chosen = Some(n);
                }
            }
        });
        list.response.labelled_by(label);
        if let Some(n) = chosen {
            settings.choose_preset(n);
        }
        let command = Command::CurveEditor;
        if ui.button(i18n::text("v3-edit")).on_hover_text(keys.tip(command)).clicked() {
            settings.view3d.editor.is_open = !settings.view3d.editor.is_open;
        }
    });
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("v3-mode")).id;
        let preset = settings.transfer_functions.get(settings.transfer_function).map(|t| t.mode);
        let shown = settings.view3d.mode.or(preset).unwrap_or(RenderMode::Composite);
        let list = ComboBox::from_id_salt("3d mode").selected_text(mode_title(shown)).show_ui(ui, |ui| {
            for mode in RenderMode::ALL {
                if ui.selectable_label(shown == mode, mode_title(mode)).clicked() {
                    settings.view3d.mode = (Some(mode) != preset).then_some(mode);
                }
            }
        });
        list.response.labelled_by(label).on_hover_text(i18n::text("v3-mode-tip"));
        let camera = settings.camera.clone();
        for (text, command, view) in [
            ("A", Command::FromFront, camera.clone().anterior()),
            ("L", Command::FromLeft, camera.clone().left()),
            ("S", Command::FromAbove, camera.superior()),
        ] {
            if ui.small_button(text).on_hover_text(keys.tip(command)).clicked() {
                settings.camera = view;
            }
        }
    });
}

pub(crate) fn mode_title(mode: RenderMode) -> &'static str {
    i18n::text(match mode {
        RenderMode::Composite => "v3-mode-composite",
        RenderMode::Mip => "v3-mode-mip",
        RenderMode::MinIp => "v3-mode-minip",
        RenderMode::Average => "v3-mode-average",
        RenderMode::Isosurface => "v3-mode-isosurface",
    })
}

fn light_ui(ui: &mut Ui, settings: &mut ViewSettings, (preset, is_shaded): (Lighting, bool)) {
    let view = &mut settings.view3d;
    let mut shaded = view.shaded.unwrap_or(is_shaded);
    if ui.checkbox(&mut shaded, i18n::text("v3-shaded")).on_hover_text(i18n::text("v3-shaded-tip")).changed() {
        view.shaded = Some(shaded);
    }
    let before = view.lighting.unwrap_or(preset);
    let mut light = before;
    ui.add_enabled_ui(shaded, |ui| {
        for (id, value, most) in [
            ("v3-ambient", &mut light.ambient, 1.0),
            ("v3-diffuse", &mut light.diffuse, 1.5),
            ("v3-specular", &mut light.specular, 1.0),
            ("v3-shininess", &mut light.shininess, 100.0),
        ] {
            ui.add(Slider::new(value, 0.0..=most).text(i18n::text(id)).max_decimals(2))
                .on_hover_text(i18n::text(&format!("{id}-tip")));
        }
    });
    if light != before {
        view.lighting = Some(light);
    }
    ui.add(Slider::new(&mut view.occlusion, 0.0..=1.0).text(i18n::text("v3-occlusion")).max_decimals(2))
        .on_hover_text(i18n::text("v3-occlusion-tip"));
    if ui.small_button(i18n::text("v3-light-reset")).clicked() {
        (view.lighting, view.shaded, view.occlusion) = (None, None, 0.6);
    }
}

fn cut_ui(ui: &mut Ui, settings: &mut ViewSettings, volume: &crate::OpenVolume) {
    let geometry = volume.volume.geometry();
    let titles = [SlicePlane::Axial, SlicePlane::Coronal, SlicePlane::Sagittal].map(|p| ViewKind::Slice(p).title());
    let sides = [("I", "S"), ("P", "A"), ("L", "R")];
    for ((title, (below, above)), cut) in titles.iter().zip(sides).zip(&mut settings.view3d.cuts) {
        ui.horizontal(|ui| {
            ui.label(*title);
            for (text, side) in [("–", Cut::None), (below, Cut::Below), (above, Cut::Above)] {
                let name = match side {
                    Cut::None => i18n::text_with("v3-cut-none", [("plane", (*title).into())]),
                    _ => i18n::text_with("v3-cut-side", [("plane", (*title).into()), ("side", text.into())]),
                };
                let response = ui.selectable_value(cut, side, text).on_hover_text(name.as_str());
                response.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, true, *cut == side, &name));
            }
        });
    }
    ui.checkbox(&mut settings.view3d.cuts_corner, i18n::text("v3-corner")).on_hover_text(i18n::text("v3-corner-tip"));
    ui.checkbox(&mut settings.view3d.cuts_surfaces, i18n::text("v3-cut-labels"));
    ui.separator();
    ui.horizontal(|ui| {
        ui.checkbox(&mut settings.view3d.crops, i18n::text("v3-crop")).on_hover_text(i18n::text("v3-crop-tip"));
        if ui.small_button(i18n::text("v3-crop-reset")).clicked() {
            settings.view3d.crop = None;
        }
    });
    if !settings.view3d.crops {
        return;
    }
    // Millimetres from the first voxel's border along each axis of the volume, as wide as the volume.
    let (spacing, all) = (geometry.spacing_mm(), geometry.voxel_box());
    let mut crop = settings.view3d.crop_or_all(geometry);
    for (axis, name) in ["i", "j", "k"].into_iter().enumerate() {
        let mm = |voxel: f64| (voxel - all.min[axis]) * spacing[axis];
        let most = mm(all.max[axis]);
        let (mut low, mut high) = (mm(crop.min[axis]), mm(crop.max[axis]));
        ui.horizontal(|ui| {
            ui.label(name);
            let least = spacing[axis].min(most);
            ui.add(millimetres(&mut low, 0.0..=(high - least).max(0.0), most))
                .on_hover_text(i18n::text_with("v3-crop-from", [("axis", name.into())]));
            ui.label("…");
            let range = (low + least).min(most)..=most;
            ui.add(millimetres(&mut high, range, most))
                .on_hover_text(i18n::text_with("v3-crop-to", [("axis", name.into())]));
        });
        crop.min[axis] = low / spacing[axis] + all.min[axis];
        crop.max[axis] = high / spacing[axis] + all.min[axis];
    }
    let is_all = (crop.min - all.min).length() + (crop.max - all.max).length() < 1e-6;
    settings.view3d.crop = (!is_all).then_some(crop);
}

fn millimetres(value: &mut f64, range: std::ops::RangeInclusive<f64>, most: f64) -> DragValue<'_> {
    DragValue::new(value).range(range).speed(most / 300.0).max_decimals(1).suffix(" mm")
}

fn slices_ui(ui: &mut Ui, settings: &mut ViewSettings) {
    ui.horizontal(|ui| {
        for (plane, is_on) in
            [SlicePlane::Axial, SlicePlane::Coronal, SlicePlane::Sagittal].into_iter().zip(&mut settings.view3d.slices)
        {
            ui.checkbox(is_on, ViewKind::Slice(plane).title()).on_hover_text(i18n::text("v3-slices-tip"));
        }
    });
    ui.add(
        Slider::new(&mut settings.view3d.slice_opacity, 0.1..=1.0).text(i18n::text("overlay-opacity")).max_decimals(2),
    );
}

fn labels_ui(ui: &mut Ui, settings: &mut ViewSettings, volume: &crate::OpenVolume) {
    let Some(table) = volume.label_table() else { return };
    ui.add(Slider::new(&mut settings.label_opacity_3d, 0.0..=1.0).text(i18n::text("v3-labels-all")).max_decimals(2))
        .on_hover_text(i18n::text("labels-3d-tip"));
    let view = &mut settings.view3d;
    let entries = table.entries();
    let chosen = view.chosen_label.and_then(|id| table.get(id)).or(entries.first());
    let Some(chosen) = chosen else { return };
    ui.horizontal(|ui| {
        let label = ui.label(i18n::text("v3-label-one")).id;
        let list = ComboBox::from_id_salt("3d label").selected_text(&chosen.name).show_ui(ui, |ui| {
            for entry in entries {
                ui.selectable_value(&mut view.chosen_label, Some(entry.id), &entry.name);
            }
        });
        list.response.labelled_by(label);
    });
    let mut opacity = view.label_opacity.get(&chosen.id).copied().unwrap_or(1.0);
    let slider = Slider::new(&mut opacity, 0.0..=1.0).text(i18n::text("overlay-opacity")).max_decimals(2);
    if ui.add(slider).on_hover_text(i18n::text("v3-label-one-tip")).changed() {
        view.label_opacity.insert(chosen.id, opacity);
    }
    let count: u32 = view.made.surfaces.meshes.values().map(|(_, mesh)| mesh.num_triangles()).sum();
    if view.made.surfaces_asked {
        ui.weak(i18n::text("v3-surfaces-making"));
    } else if count > 0 {
        ui.weak(i18n::text_with("v3-surfaces", [("count", count.into())]));
    }
}

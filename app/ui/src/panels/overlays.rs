use egui::{DragValue, Slider, Ui};
use voco_render::ColorMap;

use super::choice;
use crate::commands;
use crate::document::{Mix, OverlayVolume};
use crate::{Session, ViewSettings, i18n};

/// Other volumes over the one on show, and beside it.
pub(crate) fn overlays_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings) {
    let others: Vec<_> = session.volumes.iter().filter(|v| Some(v.id) != session.active).collect();
    ui.horizontal(|ui| {
        for (mix, id) in [(Mix::Blend, "mix-blend"), (Mix::Checkerboard, "mix-checkerboard"), (Mix::Swipe, "mix-swipe")]
        {
            ui.selectable_value(&mut settings.mix, mix, i18n::text(id)).on_hover_text(i18n::text("mix-tip"));
        }
    });
    // The first one has its own part of the view then, and looks there like the volume on show.
    let in_part = settings.overlays.iter().find(|o| o.is_visible && settings.mix != Mix::Blend).map(|o| o.volume);
    for volume in &others {
        let at = settings.overlays.iter().position(|o| o.volume == volume.id);
        let mut is_on = at.is_some();
        let name = if settings.preferences.hide_identifiers {
            i18n::text_with("volume-number", [("number", volume.id.0.into())])
        } else {
            volume.name.clone()
        };
        if ui.checkbox(&mut is_on, name).on_hover_text(i18n::text("overlay-tip")).clicked() {
            match at {
                Some(at) => {
                    settings.overlays.remove(at);
                }
                None => settings.overlays.push(OverlayVolume::new(volume)),
            }
        }
        let Some(overlay) = settings.overlays.iter_mut().find(|o| o.volume == volume.id) else { continue };
        ui.indent(("overlay", volume.id.0), |ui| {
            if in_part == Some(volume.id) {
                ui.weak(i18n::text("overlay-in-part"));
            } else {
                overlay_ui(ui, overlay, volume);
            }
        });
    }
    ui.separator();
    let shown = |id: &Option<crate::VolumeId>| {
        let volume = id.and_then(|id| session.volume(id));
        volume.map_or_else(
            || "–".to_owned(),
            |v| {
                if settings.preferences.hide_identifiers { format!("{}", v.id.0) } else { v.name.clone() }
            },
        )
    };
    let ids: Vec<Option<crate::VolumeId>> = others.iter().map(|v| Some(v.id)).collect();
    let mut other = settings.compare.other;
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("compare-with")).id;
        choice(ui, name, &mut other, &ids, shown);
    });
    if other != settings.compare.other {
        settings.compare.other = other;
        commands::align_centers(session, settings);
    }
    ui.horizontal(|ui| {
        ui.label(i18n::text("link"));
        ui.checkbox(&mut settings.compare.link_scroll, i18n::text("link-scroll"))
            .on_hover_text(i18n::text("link-scroll-tip"));
        ui.checkbox(&mut settings.compare.link_zoom, i18n::text("link-zoom"));
        ui.checkbox(&mut settings.compare.link_window, i18n::text("link-window"));
    });
}

fn overlay_ui(ui: &mut Ui, overlay: &mut OverlayVolume, volume: &crate::OpenVolume) {
    let title = |map: &ColorMap| i18n::text(&format!("map-{}", map.id())).to_owned();
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("overlay-colours")).id;
        choice(ui, name, &mut overlay.color_map, &ColorMap::ALL, title);
    });
    ui.add(Slider::new(&mut overlay.opacity, 0.0..=1.0).text(i18n::text("overlay-opacity")).max_decimals(2));
    let (min, max) = (volume.stats.min, volume.stats.max);
    let range = (max - min).abs().max(f64::MIN_POSITIVE);
    let digits = super::decimals(range);
    let value = |v| DragValue::new(v).speed(range / 500.0).max_decimals(digits);
    ui.horizontal(|ui| {
        let name = ui.label(i18n::text("overlay-shown")).id;
        ui.add(value(&mut overlay.low)).labelled_by(name).on_hover_text(i18n::text("overlay-low-tip"));
        ui.label("…");
        ui.add(value(&mut overlay.high)).labelled_by(name).on_hover_text(i18n::text("overlay-high-tip"));
    });
    ui.horizontal(|ui| {
        ui.add(value(&mut overlay.window.width).prefix("W ").range(range * 1e-4..=range * 10.0));
        ui.add(value(&mut overlay.window.level).prefix("L "));
        ui.checkbox(&mut overlay.additive, i18n::text("overlay-additive"));
    });
}

use egui::Ui;
use glam::DVec3;
use voco_label::SegmentStats;

use super::label_tools::grouped;
use crate::{Outbox, Request, Session, ViewSettings, i18n};

/// Voxels, volume and values of each segment, counted in the background after each change while this is open.
pub(crate) fn label_stats_ui(ui: &mut Ui, session: &Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let Some(volume) = session.active() else { return };
    let (id, unit) = (volume.id, volume.unit());
    let Some(work) = &volume.labels else { return };
    let revision = work.document().revision();
    let is_current = volume.label_stats.as_ref().is_some_and(|stats| stats.revision == revision);
    // While a hand paints, nothing is counted; and one count at a time.
    if !is_current && !session.is_counting_labels && settings.drag.is_none() && !work.is_writing() {
        outbox.ask(Request::LabelStatistics(id));
    }
    let Some(stats) = &volume.label_stats else {
        ui.spinner();
        return;
    };
    let mut go_to = None;
    egui::ScrollArea::horizontal().id_salt("label statistics").show(ui, |ui| {
        egui::Grid::new("label statistics").striped(true).num_columns(9).show(ui, |ui| {
            for head in [
                "stats-name",
                "stats-voxels",
                "stats-ml",
                "stats-mean",
                "stats-sd",
                "stats-min",
                "stats-max",
                "stats-median",
                "stats-surface",
            ] {
                ui.strong(i18n::text(head));
            }
            ui.end_row();
            for row in &stats.rows {
                let name = ui.link(&row.name).on_hover_ui(|ui| more_ui(ui, &row.stats, unit));
                if name.clicked() {
                    go_to = Some(row.stats.centroid_mm);
                }
                ui.label(grouped(row.stats.voxels));
                ui.label(format!("{:.2}", row.stats.volume_ml));
                if let Some(values) = &row.stats.intensity {
                    for value in [values.mean, values.sd, values.min, values.max, values.percentiles[2]] {
                        ui.label(format!("{value:.1}"));
                    }
                } else {
                    for _ in 0..5 {
                        ui.label("–");
                    }
                }
                ui.label(format!("{:.1} cm²", row.stats.surface_mm2 / 100.0));
                ui.end_row();
            }
        });
    });
    ui.horizontal(|ui| {
        if ui.small_button(i18n::text("stats-export")).on_hover_text(i18n::text("stats-export-tip")).clicked() {
            outbox.ask(Request::ExportStatistics(id));
        }
        if !is_current {
            ui.weak(i18n::text("stats-counting"));
        } else if !unit.is_empty() {
            ui.weak(i18n::text_with("stats-unit", [("unit", unit.into())]));
        }
    });
    if let Some(to) = go_to {
        settings.move_cursor(crate::Side::A, to);
    }
}

/// What there is no column for.
fn more_ui(ui: &mut Ui, stats: &SegmentStats, unit: &str) {
    ui.label(i18n::text("stats-go-tip"));
    if let Some(values) = &stats.intensity {
        let value = |percentile: f64| format!("{percentile:.1} {unit}").trim_end().to_owned();
        let [low, .., high] = values.percentiles.map(value);
        ui.label(i18n::text_with("stats-more-values", [("low", low.into()), ("high", high.into())]));
    }
    ui.label(i18n::text_with("stats-more-place", [("middle", place(stats.centroid_mm).into())]));
    let [from, to] = stats.bounds_mm.map(place);
    ui.label(i18n::text_with("stats-more-bounds", [("from", from.into()), ("to", to.into())]));
}

/// Millimetres to the right, to the front and up.
fn place(at: DVec3) -> String {
    format!("{:.1}, {:.1}, {:.1}", at.x, at.y, at.z)
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_are_numbers_of_millimetres() {
        assert_eq!(super::place(glam::DVec3::new(-1.24, 30.0, 0.04)), "-1.2, 30.0, 0.0");
    }
}

use egui::{RichText, Ui};
use voco_volume::Intensity;

use crate::{CardOf, theme};

/// What a checkpoint was made for.
pub(crate) fn card_ui(ui: &mut Ui, of: &CardOf) {
    let card = match &of.card {
        Ok(card) => card,
        Err(why) => {
            ui.label(RichText::new(format!("{}: {why}", of.architecture)).small().color(theme::WARNING));
            return;
        }
    };
    let title = RichText::new(format!("{}, {} classes", card.architecture, card.classes.len())).small();
    egui::CollapsingHeader::new(title).id_salt("model card").default_open(true).show(ui, |ui| {
        egui::Grid::new("model card").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
            let mut row = |name: &str, value: String| {
                ui.label(RichText::new(name).small().weak());
                ui.add(egui::Label::new(RichText::new(&value).small()).truncate()).on_hover_text(value);
                ui.end_row();
            };
            row("Task", card.task.clone());
            row("Classes", card.classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "));
            let cases = if card.trained_cases == 1 { "case" } else { "cases" };
            row("Trained on", format!("{} {cases}, {} steps", card.trained_cases, card.steps));
            row("Validation", card.validation_dice.map_or("none".into(), |d| format!("mean Dice {d:.3}")));
            if let Some([x, y, z]) = card.preprocess.spacing_mm {
                row("Spacing", format!("{x} × {y} × {z} mm"));
            }
            row(
                "Intensity",
                match card.preprocess.intensity {
                    Intensity::Window { low, high } => format!("{low} to {high}"),
                    Intensity::ZScoreNonzero => "mean 0, deviation 1".into(),
                },
            );
            let [x, y, z] = card.roi;
            row("Window", format!("{x} × {y} × {z} voxels"));
            if let Some(parent) = &card.parent {
                row("Began with", parent.clone());
            }
            if let Some(licence) = &card.licence {
                row("Licence", licence.clone());
            }
        });
    });
}

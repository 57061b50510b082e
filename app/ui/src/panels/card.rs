use egui::{RichText, Ui};
use voco_volume::Intensity;

use crate::{CardOf, i18n, theme};

/// What a checkpoint was made for.
pub(crate) fn card_ui(ui: &mut Ui, of: &CardOf) {
    let card = match &of.card {
        Ok(card) => card,
        Err(why) => {
            ui.label(
                RichText::new(format!("{}: {why}", of.architecture)).small().color(theme::legible(ui, theme::WARNING)),
            );
            return;
        }
    };
    let title = RichText::new(i18n::text_with(
        "card-classes",
        [("architecture", card.architecture.clone().into()), ("count", card.classes.len().into())],
    ))
    .small();
    egui::CollapsingHeader::new(title).id_salt("model card").default_open(true).show(ui, |ui| {
        egui::Grid::new("model card").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
            let mut row = |name: &str, value: String| {
                ui.label(RichText::new(name).small().weak());
                ui.add(egui::Label::new(RichText::new(&value).small()).truncate()).on_hover_text(value);
                ui.end_row();
            };
            row(i18n::text("card-task"), card.task.clone());
            row(
                i18n::text("card-classes-2"),
                card.classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
            );
            let cases = if card.trained_cases == 1 { i18n::text("card-case") } else { i18n::text("card-cases") };
            row(
                i18n::text("card-trained-on"),
                i18n::text_with(
                    "card-steps",
                    [
                        ("trained-cases", card.trained_cases.to_string().into()),
                        ("cases", cases.to_string().into()),
                        ("steps", card.steps.to_string().into()),
                    ],
                ),
            );
            row(
                i18n::text("card-validation"),
                card.validation_dice.map_or(i18n::text("card-none").into(), |d| {
                    i18n::text_with("card-mean-dice", [("d", format!("{d:.3}").into())])
                }),
            );
            if let Some([x, y, z]) = card.preprocess.spacing_mm {
                row(i18n::text("card-spacing"), format!("{x} × {y} × {z} mm"));
            }
            row(
                i18n::text("card-intensity"),
                match card.preprocess.intensity {
                    Intensity::Window { low, high } => format!("{low} to {high}"),
                    Intensity::ZScoreNonzero => i18n::text("card-mean-0-deviation-1").into(),
                },
            );
            let [x, y, z] = card.roi;
            row(
                i18n::text("card-window"),
                i18n::text_with(
                    "card-voxels",
                    [("x", x.to_string().into()), ("y", y.to_string().into()), ("z", z.to_string().into())],
                ),
            );
            if let Some(parent) = &card.parent {
                row(i18n::text("card-began-with"), parent.clone());
            }
            if let Some(licence) = &card.licence {
                row(i18n::text("card-licence"), licence.clone());
            }
        });
    });
}

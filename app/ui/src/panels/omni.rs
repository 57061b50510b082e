use egui::{RichText, Ui};
use egui_plot::{HLine, Line, Plot, PlotPoints};
use voco_engine_api::OmniReport;

use super::finetune::dice_ui;
use super::key;
use crate::{TrainingJob, i18n, theme};

/// The numbers of a run that also learns from labels.
pub(super) fn numbers_ui(ui: &mut Ui, job: &TrainingJob) {
    let recent = &job.omni_steps[job.omni_steps.len().saturating_sub(20)..];
    let mean = |f: fn(&OmniReport) -> Option<f64>| {
        let values: Vec<f64> = recent.iter().filter_map(f).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    egui::Grid::new("omni numbers").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        for (name, value, hint) in [
            (
                i18n::text("omni-loss-with-labels"),
                mean(|r| Some(r.segmentation)),
                i18n::text("omni-dice-and-cross-entropy-of"),
            ),
            (i18n::text("omni-own-past"), mean(|r| r.pseudo), i18n::text("omni-the-same-with-what-a")),
            (i18n::text("omni-position-loss"), mean(|r| r.intra), i18n::text("omni-the-contrast-of-volumes")),
        ] {
            let Some(value) = value else { continue };
            ui.label(name);
            ui.label(format!("{value:.3}"))
                .on_hover_text(i18n::text_with("omni-mean-of-the-last-20", [("hint", hint.to_string().into())]));
            ui.end_row();
        }
        if let Some(last) = job.validations.last() {
            let color =
                theme::legible(ui, if last.top1_accuracy > last.chance_top1 { theme::TRUTH } else { theme::WARNING });
            ui.label(i18n::text("omni-held-out-people"));
            let text = i18n::text_with(
                "omni-mm-off",
                [
                    ("accuracy", format!("{:.0}", last.top1_accuracy * 100.0).into()),
                    ("error-mm", format!("{:.0}", last.error_mm).into()),
                ],
            );
            ui.label(RichText::new(text).color(color)).on_hover_text(i18n::text("omni-top-1-accuracy-of-the"));
            ui.end_row();
        }
        if let Some(pace) = job.pace() {
            ui.label(i18n::text("omni-step"));
            ui.label(format!("{pace:.2} s"));
            ui.end_row();
        }
        super::training::estimate_row(ui, job.estimate);
    });
}

/// Its curves: each loss by itself, the position task and the Dice of held-out people.
pub(super) fn curves_ui(ui: &mut Ui, job: &TrainingJob) {
    let plot = |id: &str| {
        Plot::new(id.to_owned())
            .height(115.0)
            .y_axis_min_width(28.0)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .include_y(0.0)
    };
    let stride = (job.omni_steps.len() / 500).max(1);
    let curve = |f: fn(&OmniReport) -> Option<f64>| -> Vec<[f64; 2]> {
        job.omni_steps.iter().step_by(stride).filter_map(|r| Some([r.step as f64, f(r)?])).collect()
    };
    let lines = [
        (i18n::text("omni-labels"), theme::LOSS, curve(|r| Some(r.segmentation))),
        (i18n::text("omni-own-past-2"), theme::TRUTH, curve(|r| r.pseudo)),
        (i18n::text("omni-position"), theme::PREDICTION, curve(|r| r.intra)),
        (i18n::text("omni-inter"), theme::GRID, curve(|r| r.inter)),
        (i18n::text("omni-reg"), theme::ERROR, curve(|r| r.reg)),
    ];
    let names: Vec<_> =
        lines.iter().filter(|line| !line.2.is_empty()).map(|(name, color, _)| (*name, *color)).collect();
    key(ui, i18n::text("omni-losses"), &names);
    plot("omni losses").show(ui, |plot| {
        for (name, color, points) in lines {
            plot.line(Line::new(name, PlotPoints::from(points)).color(color));
        }
    });
    if let Some(last) = job.validations.last() {
        let chance = last.chance_top1 * 100.0;
        let chance_text = i18n::text_with("omni-chance", [("chance", format!("{chance:.0}").into())]);
        let names =
            [(i18n::text("omni-held-out-people-2"), theme::PREDICTION), (chance_text.as_str(), theme::REFERENCE)];
        key(ui, i18n::text("omni-position-top-1-accuracy"), &names);
        plot("omni accuracy").include_y(100.0).show(ui, |plot| {
            plot.hline(HLine::new(i18n::text("omni-chance-2"), chance).color(theme::REFERENCE));
            let points = job.validations.iter().map(|v| [v.step as f64, v.top1_accuracy * 100.0]);
            let points: PlotPoints<'_> = points.collect::<Vec<[f64; 2]>>().into();
            plot.line(Line::new(i18n::text("omni-held-out"), points).color(theme::PREDICTION).width(2.0));
        });
    }
    dice_ui(ui, &job.dice);
}

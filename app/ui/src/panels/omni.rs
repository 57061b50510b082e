use egui::{RichText, Ui};
use egui_plot::{HLine, Line, Plot, PlotPoints};
use voco_engine_api::OmniReport;

use super::finetune::dice_ui;
use super::key;
use crate::{TrainingJob, theme};

/// The numbers of a run that also learns from labels.
pub(super) fn numbers_ui(ui: &mut Ui, job: &TrainingJob) {
    let recent = &job.omni_steps[job.omni_steps.len().saturating_sub(20)..];
    let mean = |f: fn(&OmniReport) -> Option<f64>| {
        let values: Vec<f64> = recent.iter().filter_map(f).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    egui::Grid::new("omni numbers").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        for (name, value, hint) in [
            ("Loss with labels", mean(|r| Some(r.segmentation)), "Dice and cross-entropy of labelled crops"),
            ("Own past", mean(|r| r.pseudo), "The same with what a frozen snapshot of the network says"),
            ("Position loss", mean(|r| r.intra), "The contrast of volumes"),
        ] {
            let Some(value) = value else { continue };
            ui.label(name);
            ui.label(format!("{value:.3}")).on_hover_text(format!("{hint}; mean of the last 20 steps"));
            ui.end_row();
        }
        if let Some(last) = job.validations.last() {
            let color = if last.top1_accuracy > last.chance_top1 { theme::TRUTH } else { theme::WARNING };
            ui.label("Held-out people");
            let text = format!("{:.0} %, {:.0} mm off", last.top1_accuracy * 100.0, last.error_mm);
            ui.label(RichText::new(text).color(color)).on_hover_text("Top-1 accuracy of the position task");
            ui.end_row();
        }
        if let Some(pace) = job.pace() {
            ui.label("Step");
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
        ("labels", theme::LOSS, curve(|r| Some(r.segmentation))),
        ("own past", theme::TRUTH, curve(|r| r.pseudo)),
        ("position", theme::PREDICTION, curve(|r| r.intra)),
        ("inter", theme::GRID, curve(|r| r.inter)),
        ("reg.", theme::ERROR, curve(|r| r.reg)),
    ];
    let names: Vec<_> =
        lines.iter().filter(|line| !line.2.is_empty()).map(|(name, color, _)| (*name, *color)).collect();
    key(ui, "Losses", &names);
    plot("omni losses").show(ui, |plot| {
        for (name, color, points) in lines {
            plot.line(Line::new(name, PlotPoints::from(points)).color(color));
        }
    });
    if let Some(last) = job.validations.last() {
        let chance = last.chance_top1 * 100.0;
        let chance_text = format!("chance {chance:.0} %");
        let names = [("held-out people", theme::PREDICTION), (chance_text.as_str(), theme::REFERENCE)];
        key(ui, "Position, top-1 accuracy, %", &names);
        plot("omni accuracy").include_y(100.0).show(ui, |plot| {
            plot.hline(HLine::new("chance", chance).color(theme::REFERENCE));
            let points = job.validations.iter().map(|v| [v.step as f64, v.top1_accuracy * 100.0]);
            let points: PlotPoints<'_> = points.collect::<Vec<[f64; 2]>>().into();
            plot.line(Line::new("held out", points).color(theme::PREDICTION).width(2.0));
        });
    }
    dice_ui(ui, &job.dice);
}

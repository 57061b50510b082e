use std::collections::BTreeMap;

use egui::{Button, Checkbox, ComboBox, DragValue, ProgressBar, RichText, Ui};
use egui_plot::{Line, Plot, PlotPoints};
use voco_engine_api::{
    DeviceChoice, FinetuneConfig, FinetuneReport, HoldoutChoice, Phase, SegmentationModel, Task, ValidationReport,
};

use super::start::{Known, Start, start_choice};
use super::{choice, human_seconds, key};
use crate::{FinetuneJob, FinetuneSetup, LabelPreset, Outbox, PreflightAsked, Request, RunKind, Session, i18n, theme};

/// Fine-tuning: set up, look at the data, follow, stop.
pub(crate) fn finetune_ui(ui: &mut Ui, session: &mut Session, outbox: &mut Outbox) {
    if session.finetune.setup.is_none() {
        session.finetune.setup = session.tasks.first().cloned().map(FinetuneSetup::new);
    }
    if session.finetune.is_running() {
        if let Some(job) = &session.finetune.job {
            running_ui(ui, job, outbox);
        }
    } else if let Some(setup) = &mut session.finetune.setup {
        let known = Known { models: &session.models, runs: &session.runs, kinds: &ALL_KINDS };
        setup_ui(ui, setup, &session.tasks, &session.label_presets, &known, outbox);
        let asked = PreflightAsked::Finetune(Box::new(setup.clone()));
        if super::preflight_ui(ui, &session.preflight, &asked) {
            outbox.ask(Request::Preflight(asked));
        }
        start_ui(ui, setup, outbox);
        if let Some((text, is_error)) = session.finetune.job.as_ref().and_then(|j| j.ended.as_ref()) {
            ui.label(
                RichText::new(text).color(theme::legible(ui, if *is_error { theme::ERROR } else { theme::TRUTH })),
            );
        }
    } else {
        ui.weak(i18n::text("tune-there-are-no-tasks"));
    }
    let Some(job) = &session.finetune.job else { return };
    for warning in &job.warnings {
        ui.label(RichText::new(warning).small().color(theme::legible(ui, theme::WARNING)));
    }
    if !job.is_running() && job.saved_at.is_some() {
        ui.horizontal(|ui| {
            let go_on =
                ui.button(i18n::text("tune-go-on")).on_hover_text(i18n::text("tune-continue-this-run-from-its"));
            if go_on.clicked()
                && let Some(setup) = &session.finetune.setup
            {
                let config = job.config.clone();
                let setup =
                    FinetuneSetup { config, out: Some(job.out.clone()), resume: true, init: None, ..setup.clone() };
                outbox.ask(Request::StartFinetune(Box::new(setup)));
            }
            if ui
                .button(i18n::text("tune-segment-with-it"))
                .on_hover_text(i18n::text("tune-choose-its-best-checkpoint-for"))
                .clicked()
            {
                outbox.ask(Request::UseCheckpoint(job.out.clone()));
            }
        });
    }
    if !job.steps.is_empty() {
        curves_ui(ui, job);
    }
}

/// Weights of any run have an encoder to begin with.
const ALL_KINDS: [RunKind; 3] = [RunKind::Pretrain, RunKind::Omni, RunKind::Finetune];

/// The rows of labelled volumes: folder or list, and what the ids of their label maps mean.
pub(super) fn labelled_rows(
    ui: &mut Ui,
    title: &str,
    data: Option<&std::path::Path>,
    names: &mut Option<String>,
    presets: &[LabelPreset],
    (folder, list): (Request, Request),
    outbox: &mut Outbox,
) {
    ui.label(title);
    let name = data.and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
    ui.horizontal(|ui| {
        if ui.button(i18n::text("tune-list")).on_hover_text(i18n::text("tune-a-json-list-as-the")).clicked() {
            outbox.ask(list);
        }
        let button = Button::new(name.unwrap_or_else(|| i18n::text("tune-folder").into())).truncate();
        if ui.add(button).on_hover_text(i18n::text("tune-a-folder-of-volumes-with")).clicked() {
            outbox.ask(folder);
        }
    });
    ui.end_row();
    let label = ui.label(i18n::text("tune-label-names")).id;
    let shown = names.clone().unwrap_or_else(|| i18n::text("tune-as-in-the-data").into());
    let list =
        ComboBox::from_id_salt(label.with("names")).selected_text(shown).width(super::CHOICE_WIDTH).show_ui(ui, |ui| {
            ui.selectable_value(names, None, i18n::text("tune-as-in-the-data"));
            for preset in presets {
                ui.selectable_value(names, Some(preset.title.clone()), &preset.title);
            }
        });
    list.response.labelled_by(label).on_hover_text(i18n::text("tune-what-the-ids-mean-where"));
    ui.end_row();
}

/// The row of the task; another one, if it was chosen.
pub(super) fn task_row(ui: &mut Ui, present: &Task, tasks: &[Task]) -> Option<Task> {
    let label = ui.label(i18n::text("tune-task")).id;
    let mut chosen = None;
    let list = ComboBox::from_id_salt(label.with("task"))
        .selected_text(&present.title)
        .truncate()
        .width(super::CHOICE_WIDTH)
        .show_ui(ui, |ui| {
            for task in tasks {
                let hover = task.classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
                let is_present = present.name == task.name;
                if ui.selectable_label(is_present, &task.title).on_hover_text(hover).clicked() && !is_present {
                    chosen = Some(task.clone());
                }
            }
        });
    list.response.labelled_by(label).on_hover_text(&present.title);
    ui.end_row();
    chosen
}

fn setup_ui(
    ui: &mut Ui,
    setup: &mut FinetuneSetup,
    tasks: &[Task],
    presets: &[LabelPreset],
    known: &Known<'_>,
    outbox: &mut Outbox,
) {
    egui::Grid::new("finetune setup").num_columns(2).spacing([8.0, 5.0]).show(ui, |ui| {
        let dialogs = (Request::FinetuneFolderDialog, Request::FinetuneListDialog);
        labelled_rows(ui, i18n::text("tune-data"), setup.data.as_deref(), &mut setup.names, presets, dialogs, outbox);
        if let Some(task) = task_row(ui, &setup.config.task, tasks) {
            let kept = setup.config.clone();
            let preset = FinetuneConfig::preset(task, kept.model);
            setup.config = FinetuneConfig {
                steps: kept.steps,
                holdout: kept.holdout,
                seed: kept.seed,
                device: kept.device,
                ..preset
            };
        }
        let config = &mut setup.config;
        let label = ui.label(i18n::text("tune-network")).id;
        let mut model = config.model;
        choice(ui, label, &mut model, &SegmentationModel::ALL, |&m| model_text(m).to_owned());
        if model != config.model {
            // Rates follow the network; what the user chose otherwise stays.
            let preset = FinetuneConfig::preset(config.task.clone(), model);
            let kept = config.clone();
            *config = FinetuneConfig {
                steps: kept.steps,
                holdout: kept.holdout,
                seed: kept.seed,
                device: kept.device,
                ..preset
            };
        }
        ui.end_row();
        let label = ui.label(i18n::text("tune-start-from")).id;
        match start_choice(ui, label, setup.init.as_deref(), Some(i18n::text("tune-random-weights")), known, outbox) {
            Some(Start::Random) => setup.init = None,
            Some(Start::Path(path)) => setup.init = Some(path),
            Some(Start::Dialog) => outbox.ask(Request::FinetuneInitDialog),
            None => {}
        }
        ui.end_row();
        numbers_ui(ui, config);
        ui.label(i18n::text("tune-run-folder"));
        let name = setup.out.as_ref().and_then(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned());
        let button = Button::new(name.unwrap_or_else(|| i18n::text("tune-new-in-the-data-folder").into())).truncate();
        if ui.add(button).on_hover_text(i18n::text("tune-where-log-and-checkpoints-are")).clicked() {
            outbox.ask(Request::FinetuneRunDialog);
        }
        ui.end_row();
    });
    if setup.init.is_some() {
        ui.checkbox(&mut setup.config.freeze_encoder, i18n::text("tune-keep-the-encoder-as-it"))
            .on_hover_text(i18n::text("tune-only-the-decoder-learns-faster"));
    }
    ui.add_enabled(setup.out.is_some(), Checkbox::new(&mut setup.resume, i18n::text("tune-go-on-from-its-last")))
        .on_disabled_hover_text(i18n::text("tune-choose-the-run-s-folder"));
}

fn numbers_ui(ui: &mut Ui, config: &mut FinetuneConfig) {
    let label = ui.label(i18n::text("tune-steps")).id;
    let mut steps = config.steps.unwrap_or(300);
    if ui.add(DragValue::new(&mut steps).range(1..=10_000_000).speed(10)).labelled_by(label).changed() {
        config.steps = Some(steps);
    }
    ui.end_row();
    let label = ui.label(i18n::text("tune-learning-rate")).id;
    let rate = DragValue::new(&mut config.learning_rate).speed(1e-5).range(1e-7..=1.0).max_decimals(7);
    ui.add(rate).labelled_by(label);
    ui.end_row();
    ui.label(i18n::text("tune-held-out"));
    ui.horizontal(|ui| {
        let mut pick = |ui: &mut Ui, value: HoldoutChoice, text: &str, hint: &str| {
            ui.selectable_value(&mut config.holdout, value, text).on_hover_text(hint);
        };
        pick(ui, HoldoutChoice::Listed, i18n::text("tune-as-listed"), i18n::text("tune-the-validation-part-of-the"));
        pick(ui, HoldoutChoice::Share(0.2), "20 %", i18n::text("tune-a-fifth-of-the-persons"));
        pick(ui, HoldoutChoice::Nobody, i18n::text("tune-nobody"), i18n::text("tune-no-validation"));
    });
    ui.end_row();
    let label = ui.label(i18n::text("tune-seed")).id;
    ui.add(DragValue::new(&mut config.seed)).labelled_by(label);
    ui.end_row();
    let label = ui.label(i18n::text("tune-device")).id;
    choice(ui, label, &mut config.device, &[DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu(0)], |d| {
        d.to_string()
    });
    ui.end_row();
}

fn start_ui(ui: &mut Ui, setup: &FinetuneSetup, outbox: &mut Outbox) {
    let problem = if setup.data.is_none() {
        Some(i18n::text("tune-choose-a-folder-of-volumes").into())
    } else {
        setup.config.problem()
    };
    let start =
        ui.add_enabled(problem.is_none(), Button::new(RichText::new(i18n::text("tune-start-fine-tuning")).strong()));
    if start.on_disabled_hover_text(problem.unwrap_or_default()).clicked() {
        outbox.ask(Request::StartFinetune(Box::new(setup.clone())));
    }
}

fn model_text(model: SegmentationModel) -> &'static str {
    match model {
        SegmentationModel::UnetTiny => i18n::text("tune-unet-tiny-for-a-cpu"),
        SegmentationModel::Unet => i18n::text("tune-unet-nnu-net-s"),
        SegmentationModel::Tiny => i18n::text("tune-tiny-swinunetr-12"),
        SegmentationModel::B => i18n::text("tune-b-swinunetr-48"),
        SegmentationModel::L => i18n::text("tune-l-swinunetr-96"),
        SegmentationModel::H => i18n::text("tune-h-swinunetr-192"),
    }
}

fn running_ui(ui: &mut Ui, job: &FinetuneJob, outbox: &mut Outbox) {
    let phase = match job.phase {
        Some(Phase::Preparing) => i18n::text("tune-preparing-volumes"),
        Some(Phase::Validating) => i18n::text("tune-validating"),
        Some(Phase::Paused) => i18n::text("tune-paused"),
        Some(Phase::Saving) => i18n::text("tune-saving"),
        _ => i18n::text("tune-training"),
    };
    ui.label(format!(
        "{}, {phase} on {}",
        job.config.model.name(),
        if job.device.is_empty() { "…" } else { &job.device }
    ));
    let step = job.steps.last().map_or(0, |s| s.step);
    let (done, total) = match (job.phase, job.progress) {
        (Some(Phase::Preparing | Phase::Validating), Some(progress)) => progress,
        _ => (step, job.config.steps.unwrap_or(step.max(1))),
    };
    let recent = &job.steps[job.steps.len().saturating_sub(20)..];
    let pace = recent.iter().map(|r| r.seconds).sum::<f64>() / recent.len().max(1) as f64;
    let left = if job.phase == Some(Phase::Training) && !recent.is_empty() {
        i18n::text_with(
            "tune-left",
            [("done", (human_seconds(pace * total.saturating_sub(done) as f64)).clone().into())],
        )
    } else {
        String::new()
    };
    ui.add(ProgressBar::new(done as f32 / total.max(1) as f32).text(format!("{done} of {total}{left}")));
    ui.horizontal(|ui| {
        if job.phase == Some(Phase::Paused) {
            if ui.button(i18n::text("tune-resume")).clicked() {
                outbox.ask(Request::ResumeFinetune);
            }
        } else if ui.button(i18n::text("tune-pause")).on_hover_text(i18n::text("tune-after-the-present-step")).clicked()
        {
            outbox.ask(Request::PauseFinetune);
        }
        if ui.button(i18n::text("tune-stop")).on_hover_text(i18n::text("tune-save-and-end-the-run")).clicked() {
            outbox.ask(Request::StopFinetune);
        }
        if let Some(step) = job.saved_at {
            ui.label(
                RichText::new(i18n::text_with("tune-saved-at", [("step", step.to_string().into())])).small().weak(),
            );
        }
    });
}

fn curves_ui(ui: &mut Ui, job: &FinetuneJob) {
    let plot = |id: &str| {
        Plot::new(id.to_owned())
            .height(115.0)
            .y_axis_min_width(28.0)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .include_y(0.0)
    };
    let stride = (job.steps.len() / 500).max(1);
    let curve = |f: fn(&FinetuneReport) -> f64| -> PlotPoints<'static> {
        job.steps.iter().step_by(stride).map(|r| [r.step as f64, f(r)]).collect::<Vec<[f64; 2]>>().into()
    };
    egui::Grid::new("finetune estimate").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        super::training::estimate_row(ui, job.estimate);
    });
    let (seconds, waited) = job.steps.last().map_or((0.0, 0.0), |r| (r.seconds, r.waited_seconds));
    key(
        ui,
        i18n::text("tune-losses"),
        &[
            (i18n::text("tune-total"), theme::LOSS),
            ("Dice", theme::PREDICTION),
            (i18n::text("tune-cross-entropy"), theme::GRID),
        ],
    );
    plot("finetune losses").show(ui, |plot| {
        plot.line(Line::new(i18n::text("tune-total"), curve(|r| r.loss)).color(theme::LOSS));
        plot.line(Line::new("Dice", curve(|r| r.dice_loss)).color(theme::PREDICTION));
        plot.line(Line::new(i18n::text("tune-cross-entropy"), curve(|r| r.cross_entropy)).color(theme::GRID));
    });
    ui.label(
        RichText::new(i18n::text_with(
            "tune-a-step-crops-a-second",
            [
                ("waited", (super::step_time(seconds, waited)).clone().into()),
                ("value", format!("{:.1}", job.config.crops as f64 / seconds.max(1e-9)).into()),
            ],
        ))
        .small()
        .weak(),
    );
    dice_ui(ui, &job.validations);
}

/// Dice of each class on held-out persons over the steps, and the last of them.
pub(super) fn dice_ui(ui: &mut Ui, validations: &[ValidationReport]) {
    let plot = |id: &str| {
        Plot::new(id.to_owned())
            .height(115.0)
            .y_axis_min_width(28.0)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .include_y(0.0)
    };
    let Some(last) = validations.last() else { return };
    let mut classes: BTreeMap<&str, Vec<[f64; 2]>> = BTreeMap::new();
    for validation in validations {
        for (name, dice) in &validation.dice {
            if let Some(dice) = dice {
                classes.entry(name).or_default().push([validation.step as f64, *dice]);
            }
        }
    }
    ui.label(RichText::new(i18n::text("tune-dice-on-held-out-persons")).small().strong());
    let strong = ui.visuals().strong_text_color();
    plot("validation dice").include_y(1.0).show(ui, |plot| {
        for (name, points) in classes {
            let place = last.dice.keys().position(|n| n == name).unwrap_or(0);
            let color = theme::SERIES[place % theme::SERIES.len()];
            plot.line(Line::new(name.to_owned(), PlotPoints::from(points)).color(color));
        }
        let mean = validations.iter().filter_map(|v| Some([v.step as f64, v.mean_dice?])).collect::<Vec<_>>();
        plot.line(Line::new(i18n::text("tune-mean"), PlotPoints::from(mean)).color(strong).width(2.0));
    });
    egui::Grid::new("dice per class").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
        for (n, (name, dice)) in last.dice.iter().enumerate() {
            ui.label(RichText::new(name).small().color(theme::legible(ui, theme::SERIES[n % theme::SERIES.len()])));
            ui.label(RichText::new(dice.map_or("–".into(), |d| format!("{d:.3}"))).small().monospace());
            ui.end_row();
        }
        ui.label(RichText::new(i18n::text("tune-mean")).small().strong());
        let best = validations.iter().filter_map(|v| v.mean_dice).max_by(f64::total_cmp);
        let best = best.map_or(String::new(), |d| i18n::text_with("tune-best", [("d", format!("{d:.3}").into())]));
        ui.label(
            RichText::new(format!("{}{best}", last.mean_dice.map_or("–".into(), |d| format!("{d:.3}"))))
                .small()
                .monospace(),
        );
        ui.end_row();
    });
}

use egui::{Button, ComboBox, DragValue, ProgressBar, RichText, Ui};
use egui_plot::{HLine, Line, Plot, PlotPoints};
use voco_engine_api::{DeviceChoice, Model, Phase, PretrainConfig, PretrainRecipe, RunEstimate, StepReport, Task};

use super::finetune::{labelled_rows, task_row};
use super::position::prediction_ui;
use super::start::{Known, Start, start_choice};
use super::{choice, human_seconds, key};
use crate::{
    LabelPreset, LabelledData, Outbox, PreflightAsked, Request, RunKind, Session, TrainingJob, TrainingSetup,
    TrainingSource, ViewSettings, i18n, recipe_names, theme,
};

/// Pre-training: set up, follow, pause, stop.
pub(crate) fn training_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let num_open = session.volumes.len();
    if session.training.is_running() {
        if let Some(job) = &session.training.job {
            running_ui(ui, job, outbox);
        }
    } else {
        let known = Known { models: &session.models, runs: &session.runs, kinds: &[RunKind::Pretrain, RunKind::Omni] };
        let setup = &mut session.training.setup;
        let (tasks, presets) = (&session.tasks, &session.label_presets);
        setup_ui(ui, setup, num_open, (tasks, presets, &known), outbox);
        let asked = PreflightAsked::Training(Box::new(setup.clone()));
        if super::preflight_ui(ui, &session.preflight, &asked) {
            outbox.ask(Request::Preflight(asked));
        }
        start_ui(ui, setup, num_open, outbox);
        if let Some(job) = &session.training.job {
            ended_ui(ui, job, &session.training.setup.source, outbox);
        }
    }
    let Some(job) = &session.training.job else { return };
    for warning in &job.warnings {
        ui.label(RichText::new(warning).small().color(theme::legible(ui, theme::WARNING)));
    }
    if !job.omni_steps.is_empty() {
        super::omni::numbers_ui(ui, job);
    } else if !job.steps.is_empty() {
        numbers_ui(ui, job);
    } else {
        estimate_ui(ui, job);
    }
    // Of the volume on show, if the run has it; else of the one it is at.
    let shown = session.active().and_then(|v| job.preview_of(v));
    if let Some(preview) = shown.or(job.previews.latest())
        && let Some(crop) = preview.crops.first()
    {
        ui.horizontal(|ui| {
            let text = i18n::text_with(
                "train-step",
                [("step", preview.step.to_string().into()), ("volume-name", preview.volume_name.clone().into())],
            );
            if shown.is_some() {
                ui.checkbox(&mut settings.show_predictions, i18n::text("train-draw-on-the-patient"))
                    .on_hover_text(i18n::text("train-the-crop-s-true-place"));
            } else if ui
                .small_button(i18n::text("train-show"))
                .on_hover_text(i18n::text("train-show-this-volume-to-see"))
                .clicked()
            {
                outbox.ask(Request::ShowTrainingVolume(preview.volume_index));
            }
            ui.add(egui::Label::new(RichText::new(text).small().weak()).truncate());
        });
        prediction_ui(ui, preview, crop);
        ui.separator();
    }
    if !job.omni_steps.is_empty() {
        super::omni::curves_ui(ui, job);
    } else if !job.steps.is_empty() {
        curves_ui(ui, job);
    }
}

/// The row of volumes without labels.
fn source_row(ui: &mut Ui, setup: &mut TrainingSetup, num_open: usize, outbox: &mut Outbox) {
    ui.label(i18n::text("train-data"));
    ui.horizontal(|ui| {
        let open = setup.source == TrainingSource::OpenVolumes;
        if ui
            .selectable_label(open, i18n::text_with("train-open", [("num-open", num_open.to_string().into())]))
            .on_hover_text(i18n::text("train-the-volumes-open-in-the"))
            .clicked()
        {
            setup.source = TrainingSource::OpenVolumes;
        }
        let name = match &setup.source {
            TrainingSource::Folder(path) => path.file_name().map_or("/".into(), |n| n.to_string_lossy().into_owned()),
            TrainingSource::OpenVolumes => i18n::text("train-folder").into(),
        };
        if ui.selectable_label(!open, name).on_hover_text(i18n::text("train-all-volumes-of-a-folder")).clicked() {
            outbox.ask(Request::TrainingFolderDialog);
        }
    });
    ui.end_row();
}

fn setup_ui(
    ui: &mut Ui,
    setup: &mut TrainingSetup,
    num_open: usize,
    (tasks, presets, known): (&[Task], &[LabelPreset], &Known<'_>),
    outbox: &mut Outbox,
) {
    egui::Grid::new("training setup").num_columns(2).spacing([8.0, 5.0]).show(ui, |ui| {
        recipe_rows(ui, setup);
        if let Some(labelled) = &mut setup.labelled {
            let dialogs = (Request::LabelledFolderDialog, Request::LabelledListDialog);
            let data = labelled.data.clone();
            labelled_rows(
                ui,
                i18n::text("train-with-labels"),
                data.as_deref(),
                &mut labelled.names,
                presets,
                dialogs,
                outbox,
            );
            if let Some(task) = task_row(ui, &labelled.config.labelled.task, tasks) {
                labelled.set_task(task);
            }
        }
        if setup.labelled.as_ref().is_none_or(LabelledData::needs_unlabelled) {
            source_row(ui, setup, num_open, outbox);
        }
        let config = &mut setup.config;
        let name = ui.label(i18n::text("train-learning-rate")).id;
        let rate = setup.labelled.as_mut().map_or(&mut config.learning_rate, |l| &mut l.config.labelled.learning_rate);
        let rate = DragValue::new(rate).speed(1e-5).range(1e-7..=1.0).max_decimals(7);
        ui.add(rate).labelled_by(name);
        ui.end_row();
        let name = ui.label(i18n::text("train-seed")).id;
        ui.add(DragValue::new(&mut config.seed)).labelled_by(name);
        ui.end_row();
        let name = ui.label(i18n::text("train-device")).id;
        let devices = [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu(0)];
        choice(ui, name, &mut config.device, &devices, ToString::to_string);
        ui.end_row();
        let name = ui.label(i18n::text("train-start-from")).id;
        match start_choice(ui, name, setup.init.as_deref(), Some(i18n::text("train-random-weights")), known, outbox) {
            Some(Start::Random) => setup.init = None,
            Some(Start::Path(path)) => setup.init = Some(path),
            Some(Start::Dialog) => outbox.ask(Request::TrainingInitDialog),
            None => {}
        }
        ui.end_row();
        ui.label(i18n::text("train-run-folder"));
        let name = setup.out.as_ref().map_or(i18n::text("train-new-in-the-data-folder").into(), |p| {
            p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
        });
        if ui
            .add(Button::new(name).truncate())
            .on_hover_text(i18n::text("train-where-log-and-checkpoints-are"))
            .clicked()
        {
            outbox.ask(Request::RunFolderDialog);
        }
        ui.end_row();
    });
    ui.add_enabled(
        setup.out.is_some(),
        egui::Checkbox::new(&mut setup.resume, i18n::text("train-go-on-from-its-last")),
    )
    .on_hover_text(i18n::text("train-load-the-run-in-the"))
    .on_disabled_hover_text(i18n::text("train-choose-the-run-s-folder"));
}

/// The rows that decide all other numbers: recipe, network, length.
fn recipe_rows(ui: &mut Ui, setup: &mut TrainingSetup) {
    let config = &mut setup.config;
    let present = setup.labelled.as_ref().map_or(&config.recipe.name, |l| &l.config.recipe.name).clone();
    let about = setup.labelled.as_ref().map_or(&config.recipe.about, |l| &l.config.recipe.about);
    let name = ui.label(i18n::text("train-recipe")).id;
    let mut recipe = present.clone();
    let list = ComboBox::from_id_salt(name).selected_text(&recipe).width(super::CHOICE_WIDTH).show_ui(ui, |ui| {
        for known in recipe_names() {
            ui.selectable_value(&mut recipe, known.to_owned(), known);
        }
    });
    list.response.labelled_by(name).on_hover_text(about);
    ui.end_row();
    let mut model = config.model;
    let name = ui.label(i18n::text("train-network")).id;
    choice(ui, name, &mut model, &Model::ALL, |&m| model_text(m).to_owned());
    ui.end_row();
    let name = ui.label(i18n::text("train-steps")).id;
    let mut steps = setup.labelled.as_ref().map_or(config.steps, |l| l.config.steps);
    ui.add(DragValue::new(&mut steps).range(1..=2_000_000).speed(10)).labelled_by(name);
    ui.end_row();
    let before = setup.labelled.as_ref().map_or(config.steps, |l| l.config.steps);
    if (model, steps) == (config.model, before) && recipe == present {
        return;
    }
    // Rates and warm-up follow recipe, model and length; what the user chose otherwise stays.
    let plain = PretrainRecipe::built_in(&recipe).unwrap_or_else(|| config.recipe.clone());
    let preset = PretrainConfig::new(plain, model, Some(steps));
    *config = PretrainConfig { seed: config.seed, device: config.device, ..preset };
    setup.labelled = match setup.labelled.take() {
        Some(labelled) if PretrainRecipe::built_in(&recipe).is_none() => Some(labelled.with(&recipe, model, steps)),
        _ => LabelledData::new(&recipe, model, steps),
    };
}

fn start_ui(ui: &mut Ui, setup: &TrainingSetup, num_open: usize, outbox: &mut Outbox) {
    let needs_volumes = setup.labelled.as_ref().is_none_or(LabelledData::needs_unlabelled);
    let problem = match &setup.labelled {
        Some(labelled) if labelled.data.is_none() => Some(i18n::text("train-choose-the-volumes-with-label").into()),
        Some(labelled) => labelled.run_config(&setup.config).problem(),
        None => setup.config.problem(),
    };
    let problem = problem.or_else(|| {
        (needs_volumes && setup.source == TrainingSource::OpenVolumes && num_open == 0)
            .then(|| i18n::text("train-open-volumes-or-choose-a").into())
    });
    let start =
        ui.add_enabled(problem.is_none(), Button::new(RichText::new(i18n::text("train-start-pre-training")).strong()));
    if start.on_disabled_hover_text(problem.unwrap_or_default()).clicked() {
        outbox.ask(Request::StartTraining(Box::new(setup.clone())));
    }
}

fn model_text(model: Model) -> &'static str {
    match model {
        Model::UnetTiny => i18n::text("train-unet-tiny-for-a-cpu"),
        Model::Tiny => i18n::text("train-tiny-swinunetr-12"),
        Model::B => i18n::text("train-b-swinunetr-48"),
        Model::L => i18n::text("train-l-swinunetr-96"),
        Model::H => i18n::text("train-h-swinunetr-192"),
    }
}

fn running_ui(ui: &mut Ui, job: &TrainingJob, outbox: &mut Outbox) {
    let name = job.config.model.name();
    let phase = match job.phase {
        Some(Phase::Preparing) => i18n::text("train-preparing-volumes"),
        Some(Phase::Paused) => i18n::text("train-paused"),
        Some(Phase::Saving) => i18n::text("train-saving"),
        Some(Phase::Validating) => i18n::text("train-validating"),
        _ => i18n::text("train-training"),
    };
    ui.label(format!("{name}, {phase} on {}", if job.device.is_empty() { "…" } else { &job.device }));
    let (done, total) = match (job.phase, job.progress) {
        (Some(Phase::Preparing | Phase::Validating), Some((done, total))) => (done, total),
        _ => (job.step(), job.total()),
    };
    let share = done as f32 / total.max(1) as f32;
    let left = job.pace().map(|pace| pace * job.total().saturating_sub(job.step()) as f64);
    let left = left
        .map(|s| i18n::text_with("train-left", [("human-seconds", human_seconds(s).clone().into())]))
        .unwrap_or_default();
    ui.add(ProgressBar::new(share).text(format!("{done} of {total}{left}")));
    ui.horizontal(|ui| {
        if job.phase == Some(Phase::Paused) {
            if ui.button(i18n::text("train-resume")).clicked() {
                outbox.ask(Request::ResumeTraining);
            }
        } else if ui
            .button(i18n::text("train-pause"))
            .on_hover_text(i18n::text("train-after-the-present-step"))
            .clicked()
        {
            outbox.ask(Request::PauseTraining);
        }
        if ui.button(i18n::text("train-stop")).on_hover_text(i18n::text("train-save-and-end-the-run")).clicked() {
            outbox.ask(Request::StopTraining);
        }
        if ui.button(i18n::text("train-save")).on_hover_text(i18n::text("train-write-a-checkpoint-now")).clicked() {
            outbox.ask(Request::SaveTraining);
        }
        if let Some(step) = job.saved_at {
            ui.label(
                RichText::new(i18n::text_with("train-saved-at", [("step", step.to_string().into())])).small().weak(),
            );
        }
    });
}

/// How the last run ended, and a way to go on with it if it was not at its end.
fn ended_ui(ui: &mut Ui, job: &TrainingJob, source: &TrainingSource, outbox: &mut Outbox) {
    let Some((text, is_error)) = &job.ended else { return };
    let color = theme::legible(ui, if *is_error { theme::ERROR } else { theme::TRUTH });
    ui.label(RichText::new(text).color(color));
    let can_go_on = job.saved_at.is_some_and(|step| step < job.total());
    if can_go_on
        && ui.button(i18n::text("train-go-on")).on_hover_text(i18n::text("train-continue-this-run-from-its")).clicked()
    {
        let (source, config, labelled) = (source.clone(), job.config.clone(), job.labelled.clone());
        let setup = TrainingSetup { source, config, labelled, out: Some(job.out.clone()), resume: true, init: None };
        outbox.ask(Request::StartTraining(Box::new(setup)));
    }
}

fn numbers_ui(ui: &mut Ui, job: &TrainingJob) {
    let recent = &job.steps[job.steps.len().saturating_sub(20)..];
    let mean = |f: fn(&StepReport) -> f64| recent.iter().map(f).sum::<f64>() / recent.len() as f64;
    let accuracy = recent.last().map_or(0.0, |r| r.top1_accuracy);
    egui::Grid::new("training numbers").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        let [right, doubtful] = [theme::TRUTH, theme::WARNING].map(|color| theme::legible(ui, color));
        let verdict = |good: bool| if good { right } else { doubtful };
        let intra = mean(|r| r.intra_clean);
        let constant = job.config.recipe.constant_predictor_loss();
        ui.label(i18n::text("train-position-loss"));
        let text = RichText::new(format!("{intra:.3}"));
        let text = constant.map_or(text.clone(), |c| text.color(verdict(intra < c)));
        let reach = constant.map_or(String::new(), |c| {
            i18n::text_with("train-a-constant-answer-reaches", [("c", c.to_string().into())])
        });
        ui.label(text).on_hover_text(i18n::text_with("train-mean-of-the-last-20", [("reach", reach.clone().into())]));
        ui.end_row();
        ui.label(i18n::text("train-top-1-accuracy"));
        let chance = job.config.recipe.position_grid().chance_top1();
        ui.label(RichText::new(format!("{:.0} %", accuracy * 100.0)).color(verdict(accuracy > chance))).on_hover_text(
            i18n::text_with("train-share-of-the-last-100", [("chance", format!("{:.0}", chance * 100.0).into())]),
        );
        ui.end_row();
        if let Some(last) = job.validations.last() {
            ui.label(i18n::text("train-held-out-people"));
            let text = i18n::text_with(
                "train-mm-off",
                [
                    ("accuracy", format!("{:.0}", last.top1_accuracy * 100.0).into()),
                    ("error-mm", format!("{:.0}", last.error_mm).into()),
                ],
            );
            ui.label(RichText::new(text).color(verdict(last.top1_accuracy > last.chance_top1))).on_hover_text(
                i18n::text_with(
                    "train-top-1-accuracy-and-mean",
                    [
                        ("crops", last.crops.to_string().into()),
                        ("volumes", last.volumes.to_string().into()),
                        ("blind-error-mm", format!("{:.0}", last.blind_error_mm).into()),
                    ],
                ),
            );
            ui.end_row();
        }
        ui.label(i18n::text("train-step-2"));
        ui.label(super::step_time(mean(|r| r.seconds), mean(|r| r.waited_seconds)));
        ui.end_row();
        estimate_row(ui, job.estimate);
    });
}

/// What the run will need, until there are numbers.
fn estimate_ui(ui: &mut Ui, job: &TrainingJob) {
    egui::Grid::new("training estimate").num_columns(2).spacing([12.0, 3.0]).show(ui, |ui| {
        estimate_row(ui, job.estimate);
    });
}

/// The memory that a run will need.
pub(super) fn estimate_row(ui: &mut Ui, estimate: Option<RunEstimate>) {
    let Some(estimate) = estimate else { return };
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let free = estimate.free_bytes.map_or(String::new(), |b| {
        i18n::text_with("train-of-free", [("gigabytes", format!("{:.1}", gigabytes(b)).into())])
    });
    ui.label(i18n::text("train-memory"));
    ui.label(i18n::text_with(
        "train-about-gb",
        [("memory-bytes", format!("{:.1}", gigabytes(estimate.memory_bytes)).into()), ("free", free.clone().into())],
    ));
    ui.end_row();
}

fn curves_ui(ui: &mut Ui, job: &TrainingJob) {
    let steps = &job.steps;
    let constant = job.config.recipe.constant_predictor_loss();
    let chance = job.config.recipe.position_grid().chance_top1() * 100.0;
    let curve = |f: fn(&StepReport) -> f64| -> PlotPoints<'static> {
        smoothed(steps, f).into_iter().collect::<Vec<[f64; 2]>>().into()
    };
    let plot = |id: &str| {
        Plot::new(id.to_owned())
            .height(115.0)
            .y_axis_min_width(28.0)
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .include_y(0.0)
    };
    let mut names = vec![
        (i18n::text("train-total"), theme::LOSS),
        (i18n::text("train-position"), theme::PREDICTION),
        (i18n::text("train-inter"), theme::GRID),
        (i18n::text("train-reg"), theme::ERROR),
    ];
    let constant_text = constant.map(|c| i18n::text_with("train-constant", [("c", c.to_string().into())]));
    names.extend(constant_text.as_deref().map(|text| (text, theme::REFERENCE)));
    key(ui, i18n::text("train-losses"), &names);
    plot("losses").show(ui, |plot| {
        if let Some(constant) = constant {
            plot.hline(HLine::new(i18n::text("train-best-constant"), constant).color(theme::REFERENCE));
        }
        plot.line(Line::new(i18n::text("train-total"), curve(|r| r.loss)).color(theme::LOSS));
        plot.line(
            Line::new(i18n::text("train-position"), curve(|r| r.intra_clean)).color(theme::PREDICTION).width(2.0),
        );
        plot.line(Line::new(i18n::text("train-inter"), curve(|r| r.inter)).color(theme::GRID));
        plot.line(Line::new(i18n::text("train-regularisation"), curve(|r| r.reg)).color(theme::ERROR));
    });
    let chance_text = i18n::text_with("train-chance", [("chance", format!("{chance:.0}").into())]);
    let mut names = vec![(i18n::text("train-of-the-run"), theme::TRUTH), (chance_text.as_str(), theme::REFERENCE)];
    if !job.validations.is_empty() {
        names.insert(1, (i18n::text("train-held-out-people-2"), theme::PREDICTION));
    }
    key(ui, i18n::text("train-top-1-accuracy-2"), &names);
    plot("accuracy").include_y(100.0).show(ui, |plot| {
        plot.hline(HLine::new(i18n::text("train-chance-2"), chance).color(theme::REFERENCE));
        plot.line(
            Line::new(i18n::text("train-accuracy"), curve(|r| r.top1_accuracy * 100.0)).color(theme::TRUTH).width(2.0),
        );
        let held_out = job.validations.iter().map(|v| [v.step as f64, v.top1_accuracy * 100.0]);
        let held_out: PlotPoints<'_> = held_out.collect::<Vec<[f64; 2]>>().into();
        plot.line(Line::new(i18n::text("train-held-out"), held_out).color(theme::PREDICTION).width(2.0));
    });
}

/// Running mean over a fiftieth of the run, at most about 500 points.
fn smoothed(steps: &[StepReport], f: fn(&StepReport) -> f64) -> Vec<[f64; 2]> {
    let radius = (steps.len() / 50).max(1);
    let stride = (steps.len() / 500).max(1);
    (0..steps.len())
        .step_by(stride)
        .map(|n| {
            // A few dozen values give the mean of a long stretch well enough, and cost the same for any length.
            let around = &steps[n.saturating_sub(radius)..=n];
            let every = around.len().div_ceil(32);
            let (sum, count) = around.iter().rev().step_by(every).fold((0.0, 0.0), |(s, c), r| (s + f(r), c + 1.0));
            [steps[n].step as f64, sum / count]
        })
        .collect()
}

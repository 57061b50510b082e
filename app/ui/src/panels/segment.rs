use egui::{Button, Checkbox, ComboBox, ProgressBar, RichText, Slider, Ui};
use voco_engine_api::{BlendChoice, DeviceChoice, SegmentConfig, SegmentReport, Task, WithoutCard};

use super::start::{Known, Start, start_choice};
use crate::{CardOf, Outbox, Request, RunKind, SegmentJob, Session, i18n, theme};

/// Segmentation of the volume on show with a checkpoint. The result appears on the volume while windows finish, as one edit of its label
/// map.
pub(crate) fn segment_ui(ui: &mut Ui, session: &mut Session, outbox: &mut Outbox) {
    let volume = session.active().map(|v| v.id);
    let tasks = std::mem::take(&mut session.tasks);
    let state = &mut session.segment;
    if state.is_running() {
        if let Some(job) = &state.job {
            running_ui(ui, job, outbox);
        }
        session.tasks = tasks;
        return;
    }
    let checkpoint = state.config.checkpoints.first().cloned();
    egui::Grid::new("segment setup").num_columns(2).spacing([8.0, 5.0]).show(ui, |ui| {
        let label = ui.label(i18n::text("segment-panel-checkpoint")).id;
        let known = Known { models: &session.models, runs: &session.runs, kinds: &[RunKind::Finetune, RunKind::Omni] };
        match start_choice(ui, label, checkpoint.as_deref(), None, &known, outbox) {
            Some(Start::Path(path)) => outbox.ask(Request::UseCheckpoint(path)),
            Some(Start::Dialog) => outbox.ask(Request::CheckpointDialog),
            Some(Start::Random) | None => {}
        }
        ui.end_row();
        let card = state.card.as_ref().filter(|c| Some(&c.path) == checkpoint.as_ref());
        if card.is_some_and(|c| c.card.is_err()) {
            // Nothing in the file says what the classes are.
            let label = ui.label(i18n::text("segment-panel-task")).id;
            let title =
                chosen_task(&state.config).map_or(i18n::text("segment-panel-choose"), |t| t.title.as_str()).to_owned();
            let list = ComboBox::from_id_salt("segment task").selected_text(title).width(super::CHOICE_WIDTH).show_ui(
                ui,
                |ui| {
                    for task in &tasks {
                        let chosen = chosen_task(&state.config) == Some(task);
                        if ui.selectable_label(chosen, &task.title).clicked() {
                            state.config.without_card = Some(WithoutCard::Task(Box::new(task.clone())));
                        }
                    }
                },
            );
            list.response.labelled_by(label);
            ui.end_row();
        }
        let label = ui.label(i18n::text("segment-panel-overlap")).id;
        let slider = Slider::new(&mut state.config.overlap, 0.0..=0.9).step_by(0.05).fixed_decimals(2);
        ui.add(slider).labelled_by(label).on_hover_text(i18n::text("segment-panel-how-much-windows-overlap-more"));
        ui.end_row();
        ui.label(i18n::text("segment-panel-blend"));
        ui.horizontal(|ui| {
            ui.selectable_value(&mut state.config.blend, BlendChoice::Constant, i18n::text("segment-panel-even"));
            ui.selectable_value(&mut state.config.blend, BlendChoice::Gaussian, i18n::text("segment-panel-gaussian"))
                .on_hover_text(i18n::text("segment-panel-the-middle-of-a-window"));
        });
        ui.end_row();
        ui.label(i18n::text("segment-panel-mirror"));
        ui.horizontal(|ui| {
            for (axis, flip) in ["x", "y", "z"].into_iter().zip(&mut state.config.flips) {
                ui.add(Checkbox::new(flip, axis)).on_hover_text(i18n::text("segment-panel-the-mean-with-the-mirrored"));
            }
        });
        ui.end_row();
        let label = ui.label(i18n::text("segment-panel-device")).id;
        let devices = [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu(0)];
        super::choice(ui, label, &mut state.config.device, &devices, ToString::to_string);
        ui.end_row();
    });
    ui.checkbox(&mut state.config.skip_air, i18n::text("segment-panel-leave-out-windows-of-air"));
    if let Some(card) = state.card.as_ref().filter(|c| Some(&c.path) == checkpoint.as_ref()) {
        super::card_ui(ui, card);
    }
    let problem = problem(volume.is_some(), state.config.problem(), state.card.as_ref(), chosen_task(&state.config));
    let start = ui.add_enabled(
        problem.is_none(),
        Button::new(RichText::new(i18n::text("segment-panel-segment-this-volume")).strong()),
    );
    if start.on_disabled_hover_text(problem.unwrap_or_default()).clicked()
        && let Some(volume) = volume
    {
        outbox.ask(Request::Segment(volume));
    }
    if let Some(job) = &state.job {
        ended_ui(ui, job);
    }
    session.tasks = tasks;
}

fn chosen_task(config: &SegmentConfig) -> Option<&Task> {
    match &config.without_card {
        Some(WithoutCard::Task(task)) => Some(task),
        _ => None,
    }
}

fn problem(has_volume: bool, config: Option<String>, card: Option<&CardOf>, task: Option<&Task>) -> Option<String> {
    if !has_volume {
        return Some(i18n::text("segment-panel-open-a-volume-first").into());
    }
    config.or_else(|| {
        let needs_task = card.is_some_and(|c| c.card.is_err()) && task.is_none();
        needs_task.then(|| i18n::text("segment-panel-the-file-does-not-say").into())
    })
}

fn running_ui(ui: &mut Ui, job: &SegmentJob, outbox: &mut Outbox) {
    ui.add(
        egui::Label::new(i18n::text_with(
            "segment-panel-volume-on",
            [("name", job.volume_name.as_str().into()), ("device", job.device.as_str().into())],
        ))
        .truncate(),
    );
    let (done, total) = job.progress.unwrap_or((0, 0));
    let left = job
        .seconds_left()
        .map(|s| i18n::text_with("segment-panel-left", [("human-seconds", (super::human_seconds(s)).clone().into())]))
        .unwrap_or_default();
    let text = if total == 0 {
        i18n::text("segment-panel-preparing-the-volume").to_owned()
    } else {
        i18n::text_with(
            "segment-panel-of-windows",
            [("done", done.to_string().into()), ("total", total.to_string().into()), ("left", left.clone().into())],
        )
    };
    ui.add(ProgressBar::new(done as f32 / total.max(1) as f32).text(text));
    if ui
        .button(i18n::text("segment-panel-stop"))
        .on_hover_text(i18n::text("segment-panel-what-was-found-so-far"))
        .clicked()
    {
        outbox.ask(Request::StopSegmenting);
    }
    warnings_ui(ui, job);
}

fn warnings_ui(ui: &mut Ui, job: &SegmentJob) {
    for warning in &job.warnings {
        ui.label(RichText::new(warning).small().color(theme::legible(ui, theme::WARNING)));
    }
}

fn ended_ui(ui: &mut Ui, job: &SegmentJob) {
    let Some((text, is_error)) = &job.ended else { return };
    ui.label(RichText::new(text).color(theme::legible(ui, if *is_error { theme::ERROR } else { theme::TRUTH })));
    warnings_ui(ui, job);
    if let Some(SegmentReport { classes, .. }) = &job.report {
        egui::Grid::new("segmented classes").num_columns(2).spacing([12.0, 2.0]).show(ui, |ui| {
            for class in classes.iter().filter(|c| c.voxels > 0) {
                ui.label(RichText::new(&class.name).small());
                ui.label(RichText::new(format!("{:.1} mL", class.ml)).small().monospace());
                ui.end_row();
            }
        });
    }
}

//! A window on volumes, drawn by whatever adapter there is.

use std::sync::Arc;

use egui::{Event, Modifiers, PointerButton, Pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use voco_render::{RenderContext, VolumeTexture};
use voco_ui::{OpenVolume, Outbox, Session, Shell, Told, ViewSettings, VolumeId, Window};
use voco_volume::{Stats, Volume};

#[derive(Default)]
pub struct App {
    pub shell: Shell,
    pub session: Session,
    pub settings: ViewSettings,
    pub outbox: Outbox,
    pub render: Option<RenderContext>,
}

/// A window of this size with these volumes, the first on show; `None` where there is no adapter.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn harness(size: [f32; 2], volumes: Vec<(&str, Volume)>) -> Option<Harness<'static, App>> {
    if let Err(error) = RenderContext::headless() {
        assert!(std::env::var_os("VOCO_REQUIRE_GPU").is_none_or(|v| v != "1"), "{error}");
        eprintln!("skipped: {error}");
        return None;
    }
    let state = create_render_state(default_wgpu_setup(), egui_wgpu::RendererOptions::default());
    let context = RenderContext::from_wgpu(&state.adapter, state.device.clone(), state.queue.clone());
    voco_ui::install_gpu(&state, context.clone());
    let mut app = App { render: Some(context.clone()), ..App::default() };
    for ((name, volume), id) in volumes.into_iter().zip(1..) {
        app.session.volumes.push(open(&context, id, name, volume));
    }
    if let Some(first) = app.session.volumes.first() {
        app.settings.reset_for(first);
        app.session.active = Some(first.id);
    }
    let mut harness = Harness::builder()
        .with_size(size)
        .with_step_dt(1.0 / 60.0)
        .renderer(WgpuTestRenderer::from_render_state(state))
        .build_ui_state(
            |ui, a| {
                a.shell.show(ui, &mut a.session, &mut a.settings, &mut a.outbox);
                let works = a.session.volumes.iter_mut().filter_map(|v| v.labels.as_mut());
                for (work, render) in works.zip(&a.render) {
                    work.poll();
                    work.draw(render).expect("room for the labels");
                }
            },
            app,
        );
    voco_ui::theme::apply(&harness.ctx);
    harness.run_steps(3);
    Some(harness)
}

fn open(context: &RenderContext, id: u64, name: &str, volume: Volume) -> OpenVolume {
    let stats = Stats::of(&volume);
    OpenVolume {
        id: VolumeId(id),
        name: name.into(),
        path: None,
        stats,
        warnings: Vec::new(),
        window: Window::default_for(&stats),
        inverted: false,
        told: Told::default(),
        texture: Arc::new(VolumeTexture::of(context, &volume, &stats).expect("room for the volume")),
        labels: None,
        incoming: None,
        label_stats: None,
        reference: None,
        position: None,
        volume,
    }
}

/// The middle of a view on the screen.
pub fn middle(harness: &Harness<'_, App>, view: &str) -> Pos2 {
    harness.get_by_label(view).rect().center()
}

pub fn drag(harness: &mut Harness<'_, App>, button: PointerButton, from: Pos2, to: Pos2, modifiers: Modifiers) {
    let press = |pos, pressed| Event::PointerButton { pos, button, pressed, modifiers };
    harness.hover_at(from);
    harness.step();
    harness.event_modifiers(press(from, true), modifiers);
    harness.step();
    for n in 1..=4 {
        harness.event_modifiers(Event::PointerMoved(from.lerp(to, n as f32 / 4.0)), modifiers);
        harness.step();
    }
    harness.event_modifiers(press(to, false), modifiers);
    harness.run_steps(2);
}

pub fn click(harness: &mut Harness<'_, App>, at: Pos2) {
    harness.hover_at(at);
    harness.step();
    for pressed in [true, false] {
        let modifiers = Modifiers::NONE;
        harness.event(Event::PointerButton { pos: at, button: PointerButton::Primary, pressed, modifiers });
        harness.step();
    }
    // A second click must not make a double one.
    harness.run_steps(40);
}

//! The whole window as pictures: what a user sees, with the embedded sample. Size, time, fonts and adapter's name are fixed, and a
//! frame follows from those before it, so that the pictures repeat.

use std::sync::Arc;

use egui::{Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use glam::DVec3;
use voco_render::RenderContext;
use voco_tests::stage::Stage;
use voco_tests::{golden, gpu};
use voco_ui::measure::{MeasureKind, MeasurePlane};
use voco_ui::{Look, SeriesChoice, SeriesRow, Thumbnail, ViewKind, Work};
use voco_volume::{SliceFrame, SlicePlane};

/// In points at 100 %.
const SIZE: Vec2 = vec2(1100.0, 700.0);

/// Frames until a picture is whole: views rest after a tenth of a second, and a 3D picture without a GPU takes ten parts.
const FRAMES: usize = 24;

/// A window with what draws it.
struct Scene {
    render: RenderContext,
    state: egui_wgpu::RenderState,
    stage: Stage,
}

impl Scene {
    /// An empty window; `None` where there is no adapter.
    fn empty() -> Option<Self> {
        gpu::context()?;
        let mut setup = default_wgpu_setup();
        if let egui_wgpu::WgpuSetup::CreateNew(setup) = &mut setup {
            setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
                required_limits: RenderContext::wanted_limits(adapter),
                ..Default::default()
            });
        }
        let state = create_render_state(setup, egui_wgpu::RendererOptions::PREDICTABLE);
        let render = RenderContext::from_wgpu(&state.adapter, state.device.clone(), state.queue.clone());
        let render = render.with_deterministic(true);
        voco_ui::install_gpu(&state, render.clone());
        let mut stage = Stage::default();
        stage.session.adapter_name = "an adapter".into();
        Some(Self { render, state, stage })
    }

    /// The sample with its labels.
    fn sample() -> Option<Self> {
        let mut scene = Self::empty()?;
        scene.stage.open(&scene.render, 1);
        Some(scene)
    }

    /// Shows the window, does what `act` says, and compares the picture.
    fn check(self, name: &str, size: Vec2, act: impl FnOnce(&mut Harness<'static, Stage>)) {
        let Self { render, state, stage } = self;
        let mut harness = Harness::builder()
            .with_size(size)
            .with_step_dt(0.1)
            .with_os(egui::os::OperatingSystem::Nix)
            .with_context_setup(voco_ui::theme::apply)
            .with_render_every_step(true)
            .renderer(WgpuTestRenderer::from_render_state(state))
            .build_ui_state(
                |ui, stage| {
                    // What the window clears its frames with.
                    ui.painter().rect_filled(ui.max_rect(), 0, voco_ui::theme::VIEW_GAP);
                    Stage::show(ui, stage);
                },
                stage,
            );
        harness.run_steps(3);
        act(&mut harness);
        harness.run_steps(FRAMES);
        let picture = harness.render().expect("a picture");
        golden::check(name, &picture, render.adapter_name());
    }
}

#[test]
fn an_empty_window() {
    let Some(scene) = Scene::empty() else { return };
    scene.check("window_empty", SIZE, |_| {});
}

#[test]
fn the_sample_in_four_views() {
    let Some(scene) = Scene::sample() else { return };
    scene.check("window_four_up", SIZE, |_| {});
}

#[test]
fn the_light_look() {
    let Some(mut scene) = Scene::sample() else { return };
    scene.stage.settings.preferences.look = Look::Light;
    scene.stage.settings.work = Work::Segment;
    scene.check("window_light", SIZE, |_| {});
}

#[test]
fn twice_as_large() {
    let Some(mut scene) = Scene::sample() else { return };
    scene.stage.settings.preferences.scale_percent = 200;
    scene.stage.settings.maximized = Some(ViewKind::Slice(SlicePlane::Coronal));
    let pixels = vec2(1300.0, 900.0);
    scene.check("window_200_percent", pixels, |harness| {
        // The harness counts in points.
        harness.set_size(pixels / 2.0);
    });
}

#[test]
fn the_palette() {
    let Some(mut scene) = Scene::sample() else { return };
    scene.stage.settings.maximized = Some(ViewKind::Slice(SlicePlane::Axial));
    scene.check("window_palette", SIZE, |harness| {
        harness.state_mut().settings.show_palette = true;
        harness.run_steps(2);
        harness.event(egui::Event::Text("slab".into()));
    });
}

#[test]
fn measuring() {
    let Some(mut scene) = Scene::sample() else { return };
    let app = &mut scene.stage;
    app.settings.maximized = Some(ViewKind::Slice(SlicePlane::Axial));
    let center = app.settings.cursor_mm;
    let geometry = app.session.volumes[0].volume.geometry();
    let plane = MeasurePlane::of(&SliceFrame::new(geometry, SlicePlane::Axial));
    let at = |x: f64, y: f64| center + DVec3::new(x, y, 0.0);
    let doc = app.session.measurements.entry(1).or_default();
    doc.add(MeasureKind::Length, plane, vec![at(-100.0, 60.0), at(-20.0, 90.0)]);
    doc.add(MeasureKind::Angle, plane, vec![at(40.0, 90.0), at(100.0, 60.0), at(40.0, 40.0)]);
    let lesion = doc.add(MeasureKind::Ellipse, plane, vec![at(-90.0, 0.0), at(-30.0, -40.0)]);
    doc.set_note(lesion, "psoas".into());
    doc.add(
        MeasureKind::Bidirectional,
        plane,
        vec![at(30.0, -60.0), at(90.0, -60.0), at(60.0, -40.0), at(60.0, -80.0)],
    );
    app.settings.selected = Some((voco_ui::VolumeId(1), lesion));
    scene.check("window_measuring", SIZE, |_| {});
}

#[test]
fn series_to_choose_from() {
    let Some(mut scene) = Scene::empty() else { return };
    let row = |description: &str, modality: &str, dims, spacing_mm, warnings: &[&str], is_chosen| SeriesRow {
        description: description.into(),
        modality: modality.into(),
        num_volumes: 1,
        dims,
        spacing_mm,
        warnings: warnings.iter().map(|&w| w.into()).collect(),
        // A slope, so that the picture shows which way up it is.
        thumbnail: Some(Thumbnail::new([96, 96], (0..96 * 96).map(|n| (n / 96 * 2) as u8).collect())),
        is_chosen,
    };
    let rows = vec![
        row("Thorax 1.0 B30f", "CT", [512, 512, 320], [0.7, 0.7, 1.0], &[], true),
        row("Thorax 5.0 B70f", "CT", [512, 512, 64], [0.7, 0.7, 5.0], &["2 slices are missing."], false),
        row("", "CT", [512, 880, 1], [0.5, 0.5, 1.0], &[], false),
    ];
    scene.stage.session.series = Some(SeriesChoice { folder: "disc".into(), rows, notes: Vec::new() });
    scene.check("window_series", SIZE, |_| {});
}

#[test]
fn two_volumes_side_by_side() {
    let Some(mut scene) = Scene::sample() else { return };
    scene.stage.open(&scene.render, 2);
    let Stage { session, settings, .. } = &mut scene.stage;
    settings.compare.other = Some(session.volumes[0].id);
    settings.compare.link_window = false;
    settings.layout = voco_ui::Layout::SideBySide;
    scene.check("window_compare", SIZE, |harness| {
        harness.state_mut().session.volumes[0].window = voco_ui::WindowPreset::ALL[2].window;
    });
}

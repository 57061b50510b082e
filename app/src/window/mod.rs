//! The native window: eframe around `voco_ui`, and everything that panels ask for.

mod about;
mod app;
mod closers;
mod compare;
mod dialogs;
mod fonts;
mod jobs;
mod kept;
mod label_work;
mod labels;
mod leaving;
mod models;
mod opening;
mod preflight;
mod prior;
mod recent;
mod reference;
mod report;
mod requests;
mod runs;
mod save;
mod save_image;
mod scribe;
mod series;
mod stopwatch;
mod tasks;
mod times;
mod training;
mod unsaved;
mod view3d;

pub(crate) use labels::{MAX_LAYERS, ReadLabels, mark_saved};
pub(crate) use tasks::ImageSource;

use std::path::PathBuf;
use std::sync::Arc;

use voco_render::RenderContext;

/// Opens the window with the files named, or the sample.
pub(crate) fn run(files: Vec<PathBuf>, sample: bool, times_start: bool) -> anyhow::Result<()> {
    voco_engine::yield_to_window();
    let mut options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("VoCo Workbench")
            .with_app_id("voco-workbench")
            .with_inner_size([1600.0, 1000.0])
            .with_min_inner_size([900.0, 600.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        // Ctrl+C, X and V come as keys, like all others; the shell hands them on where a text has the keyboard.
        clipboard_shortcuts: false,
        ..Default::default()
    };
    if let egui_wgpu::WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup {
        // 3D textures as large as the adapter has them, rather than WebGPU's common minimum.
        setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
            label: Some("voco window"),
            required_limits: RenderContext::wanted_limits(adapter),
            ..Default::default()
        });
    }
    eframe::run_native(
        "voco-workbench",
        options,
        Box::new(move |creation| Ok(Box::new(app::App::new(creation, files, sample, times_start)?))),
    )
    .map_err(|e| {
        // Its text names source files of the windowing library, which help nobody outside.
        tracing::debug!("eframe: {e}");
        anyhow::anyhow!(
            "the window cannot be opened; it needs a display (X11 or Wayland on Linux) and a Vulkan, Metal or DirectX 12 driver, \
             and 'voco --help' lists what works without"
        )
    })
}

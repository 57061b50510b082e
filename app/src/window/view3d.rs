//! What the 3D view asks tasks for: occlusion, surfaces of labels, histograms, pictures and turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use voco_engine_api::CancelFlag;
use voco_io::Control;
use voco_render::{
    LabelTexture, Line, OcclusionTexture, Quality, RenderContext, Renderer, Surface, SurfaceMesh, TransferFunction,
    ViewState, VolumeCamera, VolumeLook, VolumeTexture, VolumeView,
};
use voco_ui::{Histogram, OcclusionKey, SurfaceSet, View3dRequest, VolumeId, i18n, presets_from_json, presets_to_json};
use voco_volume::Volume;

use super::app::App;
use super::dialogs::Asked;
use super::tasks::{TaskOutcome, TaskWork};
use crate::turntable::{Film, turned, write};

/// What to do.
pub(super) enum Work {
    Occlusion { key: Box<OcclusionKey>, texture: Arc<VolumeTexture>, render: RenderContext },
    Surfaces { labels: Arc<LabelTexture>, known: BTreeMap<u16, (u64, Arc<SurfaceMesh>)>, render: RenderContext },
    Histogram { volume_id: VolumeId, volume: Box<Volume>, min: f64, max: f64 },
    Write(Box<Turn>),
}

/// What came of it.
pub(super) enum Done {
    Occlusion(Box<OcclusionKey>, Result<Arc<OcclusionTexture>, String>),
    Surfaces(Result<SurfaceSet, String>),
    Histogram(VolumeId, Arc<Histogram>),
    /// The file's name, or one sentence.
    Written(Result<String, String>),
}

/// A scene to be written as one picture or as a turn.
pub(super) struct Turn {
    path: PathBuf,
    film: Film,
    texture: Arc<VolumeTexture>,
    camera: VolumeCamera,
    transfer: TransferFunction,
    look: VolumeLook,
    occlusion: Option<Arc<OcclusionTexture>>,
    surfaces: Vec<(Arc<SurfaceMesh>, [u8; 3], f32)>,
    lines: Vec<Line>,
    render: RenderContext,
}

/// Runs on a task's thread.
pub(super) fn run(work: Work, cancel: &CancelFlag, control: Control<'_>) -> Done {
    match work {
        Work::Occlusion { key, texture, render } => {
            let made = OcclusionTexture::new(&render, &texture, &key.transfer, key.iso_value.unwrap_or(0.0));
            Done::Occlusion(key, made.map(Arc::new).map_err(|e| e.to_string()))
        }
        Work::Surfaces { labels, known, render } => {
            // Surfaces are short work; when the window closes, the process ends with them.
            let is_stopped = AtomicBool::new(cancel.is_cancelled());
            Done::Surfaces(crate::surfaces::label_surfaces(&render, &labels, &known, &is_stopped, &|_| {}))
        }
        Work::Histogram { volume_id, volume, min, max } => {
            let rescale = volume.rescale();
            let mut values = Vec::with_capacity(volume.voxels().len() / 4 + 1);
            let mut n = 0_usize;
            // Every fourth voxel tells as much, on a logarithmic scale.
            volume.voxels().for_each(|stored| {
                if n.is_multiple_of(4) {
                    values.push(rescale.apply(stored));
                }
                n += 1;
            });
            Done::Histogram(volume_id, Arc::new(Histogram::of(values.into_iter(), min, max)))
        }
        Work::Write(turn) => {
            let name = turn.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            Done::Written(turn.write(control).map(|()| name).map_err(|e| e.to_string()))
        }
    }
}

impl Turn {
    fn write(&self, control: Control<'_>) -> anyhow::Result<()> {
        let renderer = Renderer::new(&self.render, RenderContext::OFFSCREEN_FORMAT);
        let mut state = ViewState::new(&self.render, &renderer);
        let surfaces: Vec<Surface<'_>> = self
            .surfaces
            .iter()
            .map(|(mesh, color, opacity)| Surface { mesh, color: *color, opacity: *opacity })
            .collect();
        let mut picture = |n: u32| -> anyhow::Result<Vec<u8>> {
            let camera = turned(&self.camera, n, self.film.num_frames);
            let view = VolumeView {
                occlusion: self.occlusion.as_deref(),
                surfaces: &surfaces,
                lines: &self.lines,
                ..VolumeView::new(&camera, self.film.size, &self.transfer, Quality::RESTING, &self.look)
            };
            Ok(renderer.render_volume_to_rgba(&self.render, &mut state, &self.texture, &view)?)
        };
        write(&self.path, self.film, &mut picture, control)
    }
}

/// The user's presets, or why they cannot be read.
pub(super) fn own_presets() -> Result<Vec<TransferFunction>, String> {
    let Some(file) = presets_file() else { return Ok(Vec::new()) };
    match std::fs::read_to_string(&file) {
        Ok(text) => presets_from_json(&text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(i18n::text_with("tell-presets-unread", [("why", e.kind().to_string().into())])),
    }
}

fn presets_file() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "voco-workbench")?;
    Some(dirs.config_dir().join("presets3d.json"))
}

impl App {
    pub(super) fn carry_out_3d(&mut self, request: View3dRequest) {
        let render = self.render.clone();
        match request {
            View3dRequest::Occlusion(key) => {
                let Some(texture) = self.session.volume(key.volume).map(|v| v.texture.clone()) else { return };
                self.start_3d(Work::Occlusion { key, texture, render });
            }
            View3dRequest::Surfaces(id) => {
                let labels = self.session.volume(id).and_then(|v| v.label_texture()).cloned();
                let Some(labels) = labels else {
                    self.settings.view3d.made.surfaces_asked = false;
                    return;
                };
                let set = &self.settings.view3d.made.surfaces;
                let is_same = set.of.is_some_and(|(texture, _)| texture == labels.number());
                let known = if is_same { set.meshes.clone() } else { BTreeMap::new() };
                self.start_3d(Work::Surfaces { labels, known, render });
            }
            View3dRequest::Histogram(id) => {
                let Some(volume) = self.session.volume(id) else { return };
                let (min, max) = (volume.stats.min, volume.stats.max);
                let volume = Box::new(volume.volume.clone());
                self.start_3d(Work::Histogram { volume_id: id, volume, min, max });
            }
            View3dRequest::KeepPresets => {
                let built_in = self.settings.num_built_in_presets;
                let own = self.settings.transfer_functions.get(built_in..).unwrap_or_default();
                if let Some(path) = presets_file() {
                    let text = presets_to_json(own);
                    self.start_task(TaskWork::WriteText { path, text, what: i18n::text("written-presets").into() });
                }
            }
            View3dRequest::PictureDialog => self.dialogs.ask(Asked::Picture3d),
            View3dRequest::TurnDialog => self.dialogs.ask(Asked::Turn3d),
            View3dRequest::CancelWriting => {
                if let Some((_, cancel)) = &self.writing_3d {
                    cancel.cancel();
                }
            }
        }
    }

    fn start_3d(&mut self, work: Work) {
        self.start_task(TaskWork::View3d(Box::new(work)));
    }

    /// Begins to write the scene as it is now: one picture, or a turn.
    pub(super) fn write_3d(&mut self, mut path: PathBuf, is_turn: bool) {
        let Some(volume) = self.session.active() else { return };
        let settings = &self.settings;
        let Some(transfer) = settings.transfer(volume) else { return };
        let export = &settings.view3d.export;
        let (num_frames, frames_per_second) = (if is_turn { export.num_frames } else { 1 }, export.frames_per_second);
        if !is_turn {
            path = path.with_extension("png");
        }
        let film = Film { size: export.size, num_frames, frames_per_second };
        let (surfaces, lines) = voco_ui::scene_of(&self.session, settings, volume);
        let turn = Turn {
            path,
            film,
            texture: volume.texture.clone(),
            camera: settings.camera.clone(),
            transfer,
            look: settings.view3d.look(settings, volume),
            occlusion: settings.view3d.made.occlusion.as_ref().map(|(_, texture)| texture.clone()),
            surfaces,
            lines,
            render: self.render.clone(),
        };
        match self.tasks.start(TaskWork::View3d(Box::new(Work::Write(Box::new(turn))))) {
            Ok((task, cancel)) => {
                self.settings.view3d.export.running = Some((task, 0.0));
                self.writing_3d = Some((task, cancel));
            }
            Err(text) => self.session.notice(text, true),
        }
    }

    pub(super) fn progress_3d(&mut self, task: u64, share: f32) {
        if let Some((of, shown)) = &mut self.settings.view3d.export.running
            && *of == task
        {
            *shown = share;
        }
    }

    pub(super) fn take_3d(&mut self, done: Done) {
        let made = &mut self.settings.view3d.made;
        match done {
            Done::Occlusion(key, Ok(texture)) => made.occlusion = Some((*key, texture)),
            Done::Surfaces(Ok(set)) => {
                (made.surfaces, made.surfaces_asked) = (set, false);
            }
            Done::Surfaces(Err(text)) => {
                // What was asked for stands as done, so that it is not asked for in every frame.
                let labels = self.session.active().and_then(|v| v.label_texture());
                made.surfaces.of = labels.map(|l| (l.number(), l.voxel_version()));
                made.surfaces_asked = false;
                self.session.notice(text, true);
            }
            Done::Histogram(id, histogram) => self.settings.view3d.editor.histogram = Some((id, histogram)),
            Done::Written(Ok(name)) => {
                self.session.notice(i18n::text_with("tell-wrote", [("name", name.into())]), false);
            }
            Done::Occlusion(_, Err(text)) | Done::Written(Err(text)) => self.session.notice(text, true),
        }
    }

    /// A task has ended, however it did.
    pub(super) fn ended_3d(&mut self, task: u64) {
        self.writing_3d.take_if(|(of, _)| *of == task);
        self.settings.view3d.export.running.take_if(|(of, _)| *of == task);
    }
}

impl From<Done> for TaskOutcome {
    fn from(done: Done) -> Self {
        Self::View3d(Box::new(done))
    }
}

/// The name of a film is proposed without a word on whose volume it is.
pub(super) fn proposed_name(asked: Asked) -> Option<&'static Path> {
    match asked {
        Asked::Picture3d => Some(Path::new("volume.png")),
        Asked::Turn3d => Some(Path::new("turn.gif")),
        _ => None,
    }
}

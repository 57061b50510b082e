//! What stands in a 3D view besides the volume: surfaces of labels, lines of boxes, measurements and crosshair; and what tasks are
//! asked for so that it can be drawn.

use std::sync::Arc;

use egui::{Color32, Ui};
use glam::DVec3;
use voco_render::{Line, RenderMode, SurfaceMesh};
use voco_volume::SlicePlane;

use crate::boxes::box_edges;
use crate::document::{OcclusionKey, View3dRequest};
use crate::measure::{MeasureKind, Measurement};
use crate::{OpenVolume, Outbox, Request, Session, ViewSettings, theme};

use super::position;

/// A surface with its colour and opacity.
pub(crate) type DrawnSurface = (Arc<SurfaceMesh>, [u8; 3], f32);

/// Asks for occlusion and surfaces where those there are do not fit what is shown.
pub(crate) fn ask_for_scene(ui: &Ui, session: &Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    let Some(volume) = session.active() else { return };
    let is_idle = ui.input(|i| !i.pointer.any_down());
    if let Some(key) = occlusion_key(settings, volume).filter(|_| is_idle) {
        let made = &mut settings.view3d.made;
        let is_there = made.occlusion.as_ref().is_some_and(|(of, _)| *of == key);
        if !is_there && made.occlusion_asked.as_ref() != Some(&key) {
            made.occlusion_asked = Some(key.clone());
            outbox.ask(Request::View3d(View3dRequest::Occlusion(Box::new(key))));
        }
    }
    if let Some(labels) = volume.label_texture().filter(|_| settings.label_opacity_3d > 0.0) {
        let made = &mut settings.view3d.made;
        let of = (labels.number(), labels.voxel_version());
        if made.surfaces.of != Some(of) && !made.surfaces_asked {
            made.surfaces_asked = true;
            outbox.ask(Request::View3d(View3dRequest::Surfaces(volume.id)));
        }
    }
}

/// What the occlusion of a volume depends on; none if there is none to draw.
pub(crate) fn occlusion_key(settings: &ViewSettings, volume: &OpenVolume) -> Option<OcclusionKey> {
    let view = &settings.view3d;
    let transfer = settings.transfer(volume).filter(|t| !t.mode.is_projection())?;
    if view.occlusion <= 0.0 || !view.show_volume {
        return None;
    }
    let iso_value = (transfer.mode == RenderMode::Isosurface).then_some(view.iso_value);
    Some(OcclusionKey { volume: volume.id, transfer, iso_value })
}

/// The surfaces that can be drawn of a volume's labels, with their colours as they are now.
pub(crate) fn surfaces(settings: &ViewSettings, volume: &OpenVolume) -> Vec<DrawnSurface> {
    let labels = volume.label_texture().zip(volume.label_table()).filter(|_| settings.label_opacity_3d > 0.0);
    let Some((texture_now, table)) = labels else { return Vec::new() };
    let view = &settings.view3d;
    // Those of an older state of the same map stand in until the new ones are there.
    if view.made.surfaces.of.is_none_or(|(texture, _)| texture != texture_now.number()) {
        return Vec::new();
    }
    let shown = table.entries().iter().filter(|e| e.visible && e.id != 0);
    let one = |entry: &voco_volume::LabelEntry| {
        let (_, mesh) = view.made.surfaces.meshes.get(&entry.id)?;
        let own = view.label_opacity.get(&entry.id).copied().unwrap_or(1.0);
        Some((mesh.clone(), entry.color, own * settings.label_opacity_3d))
    };
    shown.filter_map(one).filter(|(.., opacity)| *opacity > 0.0).collect()
}

/// Surfaces with colour (sRGB) and opacity.
pub type Surfaces = Vec<(Arc<SurfaceMesh>, [u8; 3], f32)>;

/// What a picture of the 3D view has besides the volume: surfaces with colour and opacity, and lines.
pub fn scene_of(session: &Session, settings: &ViewSettings, volume: &OpenVolume) -> (Surfaces, Vec<Line>) {
    (surfaces(settings, volume), lines(session, settings, volume, 1.0))
}

/// Everything drawn as lines, with widths in pixels.
pub(crate) fn lines(
    session: &Session,
    settings: &ViewSettings,
    volume: &OpenVolume,
    pixels_per_point: f32,
) -> Vec<Line> {
    let mut lines = position::lines(session, settings);
    if settings.show_crosshair {
        crosshair(&mut lines, settings, volume);
    }
    if settings.view3d.crops {
        let geometry = volume.volume.geometry();
        let to_world = geometry.world_from_voxel();
        let corners = settings.view3d.crop_or_all(geometry).corners().map(|c| to_world.transform_point3(c));
        lines.extend(box_edges(&corners).map(|[a, b]| line(a, b, theme::CROP_BOX, 1.5)));
    }
    if let Some(doc) = session.measurements.get(&volume.id.0) {
        for item in doc.items() {
            let is_selected = settings.selected == Some((volume.id, item.number));
            let color = if is_selected { theme::MEASURE_SELECTED } else { theme::MEASURE };
            lines.extend(segments(item).into_iter().map(|[a, b]| line(a, b, color, 2.0)));
        }
    }
    for line in &mut lines {
        line.width_px *= pixels_per_point;
    }
    lines
}

/// A line in points of the screen.
pub(crate) fn line(a: DVec3, b: DVec3, color: Color32, width: f32) -> Line {
    Line { a, b, color: color.to_srgba_unmultiplied(), width_px: width }
}

/// Three arms along the planes' normals, each in the colour of its plane.
fn crosshair(lines: &mut Vec<Line>, settings: &ViewSettings, volume: &OpenVolume) {
    const ARM_MM: f64 = 15.0;
    for plane in SlicePlane::ALL {
        let arm = settings.frame(volume.volume.geometry(), plane).normal * ARM_MM;
        let at = settings.cursor_mm;
        lines.push(line(at - arm, at + arm, theme::plane_color(plane), 1.5));
    }
}

/// The lines of a measurement in the patient.
fn segments(item: &Measurement) -> Vec<[DVec3; 2]> {
    let p = &item.points_mm;
    let pairs = |n: &[(usize, usize)]| -> Vec<[DVec3; 2]> {
        n.iter().filter(|&&(a, b)| a.max(b) < p.len()).map(|&(a, b)| [p[a], p[b]]).collect()
    };
    let closed = |points: Vec<DVec3>| -> Vec<[DVec3; 2]> {
        (0..points.len()).map(|n| [points[n], points[(n + 1) % points.len()]]).collect()
    };
    match item.kind {
        MeasureKind::Probe => {
            let Some(&at) = p.first() else { return Vec::new() };
            [DVec3::X, DVec3::Y, DVec3::Z].map(|axis| [at - axis * 4.0, at + axis * 4.0]).to_vec()
        }
        MeasureKind::Length => pairs(&[(0, 1)]),
        MeasureKind::Angle => pairs(&[(0, 1), (1, 2)]),
        MeasureKind::Cobb | MeasureKind::Bidirectional => pairs(&[(0, 1), (2, 3)]),
        MeasureKind::Sphere => {
            let [center, surface] = p.as_slice() else { return Vec::new() };
            let radius = center.distance(*surface);
            let ring = |u: DVec3, v: DVec3| {
                let at = |n: u8| {
                    let (sin, cos) = (f64::from(n) / 48.0 * std::f64::consts::TAU).sin_cos();
                    *center + (u * cos + v * sin) * radius
                };
                closed((0..48).map(at).collect())
            };
            [ring(DVec3::X, DVec3::Y), ring(DVec3::X, DVec3::Z), ring(DVec3::Y, DVec3::Z)].concat()
        }
        MeasureKind::Ellipse | MeasureKind::Rectangle | MeasureKind::Freehand => {
            let (Some(shape), Some(&origin)) = (item.shape(), p.first()) else { return Vec::new() };
            closed(shape.outline().into_iter().map(|at| item.plane.world(origin, at)).collect())
        }
    }
}

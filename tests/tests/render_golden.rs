//! The sample CT as slices and in 3D, as pictures and as numbers in them.

use glam::{DVec2, DVec3};
use image::RgbaImage;
use voco_io::Control;
use voco_render::{
    Clip, ClipPlane, Comparison, LabelTexture, Line, OcclusionTexture, PreparedVolume, Quality, RenderContext,
    RenderMode, Renderer, SliceIn3d, SliceLabels, SliceLook, SliceView, TransferFunction, UploadLimits, ViewState,
    VolumeCamera, VolumeLook, VolumeTexture, VolumeView,
};
use voco_tests::{golden, gpu};
use voco_volume::{SliceFrame, SlicePlane, Stats, Volume};

const SIZE: [u32; 2] = [200, 180];

struct Scene {
    context: RenderContext,
    renderer: Renderer,
    volume: Volume,
    texture: VolumeTexture,
    labels: LabelTexture,
}

impl Scene {
    /// The sample that the program embeds; `None` where there is no adapter.
    fn sample() -> Option<Self> {
        let context = gpu::context()?.with_deterministic(true);
        let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples");
        let open =
            |name: &str| voco_io::open(&samples.join(name), Control::NONE).expect("the sample is readable").volume;
        let (volume, labels) = (open("ts_abdomen.nii.gz"), open("ts_abdomen_label.nii.gz"));
        let table = voco_io::label_table(&labels, &voco_io::LabelNames::new()).expect("whole numbers");
        assert_eq!(table.entries().len(), 61, "the sample has 61 structures");
        let prepared = PreparedVolume::new(&volume, &UploadLimits::of(&context));
        let texture = VolumeTexture::upload(&context, &prepared).expect("room for the sample");
        let labels = LabelTexture::upload(&context, &labels, &table).expect("room for the labels");
        let renderer = Renderer::new(&context, RenderContext::OFFSCREEN_FORMAT);
        Some(Self { context, renderer, volume, texture, labels })
    }

    fn slice(&self, plane: SlicePlane, label_opacity: f32, window: (f64, f64)) -> RgbaImage {
        let geometry = self.volume.geometry();
        let frame = SliceFrame::new(geometry, plane);
        let through_mm = frame.point_on_slice(geometry, geometry.center_mm(), frame.num_slices / 2);
        let view = SliceView::fit(frame, through_mm, SIZE);
        let look = SliceLook {
            window_width: window.0,
            window_level: window.1,
            label_opacity,
            label_outline_px: None,
            comparison: Comparison::default(),
            inverted: false,
            slab: voco_render::Slab::default(),
        };
        let labels = (label_opacity > 0.0).then_some(&self.labels);
        let mut state = ViewState::new(&self.context, &self.renderer);
        let rgba = self
            .renderer
            .render_slice_to_rgba(
                &self.context,
                &mut state,
                Some(&self.texture),
                SliceLabels::of(labels),
                &view,
                &look,
                &[],
            )
            .expect("a picture");
        picture(rgba)
    }

    fn in_3d(&self, preset: &str, label_opacity: f32, lines: &[Line]) -> RgbaImage {
        let look = VolumeLook::default();
        self.scene_in_3d(preset, label_opacity, lines, &look, |transfer| transfer)
    }

    /// As the window draws it, occlusion included.
    fn scene_in_3d(
        &self,
        preset: &str,
        label_opacity: f32,
        lines: &[Line],
        look: &VolumeLook,
        change: impl Fn(TransferFunction) -> TransferFunction,
    ) -> RgbaImage {
        let stats = Stats::of(&self.volume);
        let presets = TransferFunction::presets();
        let transfer = presets.iter().find(|t| t.name == preset).expect("a preset").fitted(stats.min, stats.max);
        let transfer = change(transfer);
        let occlusion = OcclusionTexture::new(&self.context, &self.texture, &transfer, look.iso_value).expect("room");
        let labels = (label_opacity > 0.0).then_some(&self.labels);
        let camera = VolumeCamera::fit(self.volume.geometry());
        let mut state = ViewState::new(&self.context, &self.renderer);
        let view = VolumeView {
            occlusion: Some(&occlusion),
            labels,
            label_opacity,
            lines,
            ..VolumeView::new(&camera, SIZE, &transfer, Quality::RESTING, look)
        };
        let rgba =
            self.renderer.render_volume_to_rgba(&self.context, &mut state, &self.texture, &view).expect("a picture");
        picture(rgba)
    }

    fn check(&self, name: &str, picture: &RgbaImage) {
        golden::check(name, picture, self.context.adapter_name());
    }
}

fn picture(rgba: Vec<u8>) -> RgbaImage {
    RgbaImage::from_raw(SIZE[0], SIZE[1], rgba).expect("four bytes for each pixel")
}

#[test]
fn slices_look_as_they_did() {
    let Some(scene) = Scene::sample() else { return };
    scene.check("axial_abdomen", &scene.slice(SlicePlane::Axial, 0.0, (400.0, 40.0)));
    scene.check("coronal_bone", &scene.slice(SlicePlane::Coronal, 0.0, (2000.0, 400.0)));
    scene.check("sagittal_labels", &scene.slice(SlicePlane::Sagittal, 0.5, (400.0, 40.0)));
}

#[test]
fn volumes_look_as_they_did() {
    let Some(scene) = Scene::sample() else { return };
    for preset in ["CT-Bone", "CT-Soft-Tissue", "CT-Lung", "CT-MIP"] {
        let name = format!("3d_{}", preset.to_lowercase().replace('-', "_"));
        scene.check(&name, &scene.in_3d(preset, 0.0, &[]));
    }
    let edges = voco_ui::box_edges(
        &scene
            .volume
            .geometry()
            .voxel_box()
            .corners()
            .map(|c| scene.volume.geometry().world_from_voxel().transform_point3(c)),
    );
    let lines = edges.map(|[a, b]| Line { a, b, color: [96, 165, 250, 255], width_px: 2.0 });
    scene.check("3d_labels_and_box", &scene.in_3d("CT-Bone", 0.8, &lines));
}

#[test]
fn modes_cuts_and_slices_look_as_they_did() {
    let Some(scene) = Scene::sample() else { return };
    let lit = VolumeLook { occlusion: 0.6, ..VolumeLook::default() };
    scene.check("3d_bone_occlusion", &scene.scene_in_3d("CT-Bone", 0.0, &[], &lit, |t| t));
    let skin = VolumeLook { iso_value: -300.0, ..lit.clone() };
    let iso = |t| TransferFunction { mode: RenderMode::Isosurface, ..t };
    scene.check("3d_isosurface", &scene.scene_in_3d("CT-Skin", 0.0, &[], &skin, iso));
    scene.check("3d_average", &scene.scene_in_3d("CT-X-ray", 0.0, &[], &lit, |t| t));
    let center = scene.volume.geometry().center_mm();
    let planes = [DVec3::X, DVec3::NEG_Y].map(|keeps| ClipPlane { point_mm: center, keeps }).to_vec();
    let size = scene.volume.geometry().world_bounds().size() / 2.0;
    let slice = |u: DVec3, v: DVec3| SliceIn3d {
        corners_mm: [center - u - v, center + u - v, center + u + v, center - u + v],
        opacity: 1.0,
    };
    let [x, y, z] = [DVec3::X * size.x, DVec3::Y * size.y, DVec3::Z * size.z];
    let cut = VolumeLook {
        clip: Clip { planes, corner: true, ..Clip::default() },
        slices: vec![slice(x, z), slice(y, z)],
        ..lit
    };
    scene.check("3d_corner_and_slices", &scene.scene_in_3d("CT-Skin", 0.0, &[], &cut, |t| t));
}

/// A pixel's grey is the window's ramp of the voxel under it, and a wider window needs no other voxels.
#[test]
fn greys_are_the_windows_ramp() {
    let Some(scene) = Scene::sample() else { return };
    let geometry = scene.volume.geometry();
    let frame = SliceFrame::new(geometry, SlicePlane::Axial);
    let through_mm = frame.point_on_slice(geometry, geometry.center_mm(), frame.num_slices / 2);
    for (width, level) in [(400.0, 40.0), (1500.0, -600.0), (80.0, 40.0)] {
        let picture = scene.slice(SlicePlane::Axial, 0.0, (width, level));
        let view = SliceView::fit(frame, through_mm, SIZE);
        let mut checked = 0;
        for i in (10..geometry.dims()[0] - 10).step_by(7) {
            for j in (10..geometry.dims()[1] - 10).step_by(7) {
                let voxel = [i, j, frame.num_slices / 2];
                let world = geometry.world_from_voxel().transform_point3(DVec3::from_array(voxel.map(|v| v as f64)));
                let at: DVec2 = view.pixel_from_world(world);

                let value = scene.volume.value(voxel).expect("inside");
                let neighbours =
                    [[i + 1, j, voxel[2]], [i - 1, j, voxel[2]], [i, j + 1, voxel[2]], [i, j - 1, voxel[2]]]
                        .map(|v| scene.volume.value(v).expect("inside"));
                let spread = neighbours.iter().fold(0.0_f64, |m, n| m.max((n - value).abs()));
                let ramp = |v: f64| ((v - level) / width + 0.5).clamp(0.0, 1.0) * 255.0;
                let grey = f64::from(picture.get_pixel(at.x as u32, at.y as u32).0[0]);
                // The sample lies within a voxel of the voxel's centre, so its value is within the neighbours' spread.
                let slack = 2.0 + (ramp(value + spread) - ramp(value - spread)).abs();
                assert!(
                    (grey - ramp(value)).abs() <= slack,
                    "{voxel:?}: grey {grey} for {value} HU in {width}/{level}"
                );
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked} voxels were checked");
    }
}

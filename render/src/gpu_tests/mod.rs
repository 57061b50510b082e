//! What the GPU draws against the shaders' twins in `voco_shaders::cpu`. They run on any adapter, lavapipe too; without
//! one they are skipped, unless `VOCO_REQUIRE_GPU=1`.

mod labels;
mod overlay;
mod raycast;
mod slice;
mod solids;

use glam::{DAffine3, DMat3, DQuat, DVec2, DVec3};
use voco_volume::{Geometry, Rescale, SliceFrame, SlicePlane, Volume, Voxels};

use crate::{
    Comparison, ComparisonStyle, PreparedVolume, RenderContext, Renderer, Slab, SlabMode, SliceLook, SliceView,
    UploadLimits, ViewState, VolumeTexture,
};

struct Gpu {
    ctx: RenderContext,
    renderer: Renderer,
    state: ViewState,
}

impl Gpu {
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn new() -> Option<Self> {
        match RenderContext::headless() {
            Ok(ctx) => {
                let ctx = ctx.with_deterministic(true);
                let renderer = Renderer::new(&ctx, RenderContext::OFFSCREEN_FORMAT);
                let state = ViewState::new(&ctx, &renderer);
                Some(Self { ctx, renderer, state })
            }
            Err(error) => {
                assert!(std::env::var_os("VOCO_REQUIRE_GPU").is_none_or(|v| v != "1"), "{error}");
                eprintln!("skipped: {error}");
                None
            }
        }
    }

    fn upload(&self, volume: &Volume, limits: Option<UploadLimits>) -> (PreparedVolume, VolumeTexture) {
        let prepared = PreparedVolume::new(volume, &limits.unwrap_or_else(|| UploadLimits::of(&self.ctx)));
        let texture = VolumeTexture::upload(&self.ctx, &prepared).unwrap();
        (prepared, texture)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.ctx.first_error(), None, "the device must have had nothing to object to");
        }
    }
}

/// A small repeatable source of numbers in 0…1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1_u64 << 31) as f64
    }
}

fn oblique(spacing: DVec3) -> DAffine3 {
    let turn = DQuat::from_rotation_x(0.35) * DQuat::from_rotation_y(-0.2) * DQuat::from_rotation_z(0.5);
    DAffine3::from_mat3_translation(
        DMat3::from_quat(turn) * DMat3::from_diagonal(spacing),
        DVec3::new(-40.0, 12.0, 300.0),
    )
}

fn volume_of(geometry: Geometry, value: impl FnMut([usize; 3]) -> i16) -> Volume {
    let [x, y, z] = geometry.dims();
    let at = |n: usize| [n % x, n / x % y, n / x / y];
    let values: Vec<i16> = (0..x * y * z).map(at).map(value).collect();
    Volume::new(geometry, Voxels::I16(values.into()), Rescale::IDENTITY).unwrap()
}

/// A view that shows about two thirds of the slice and some of what lies outside, off the middle.
fn view_of(geometry: &Geometry, plane: SlicePlane, size_px: [u32; 2]) -> SliceView {
    let frame = SliceFrame::new(geometry, plane);
    let through_mm = geometry.center_mm() + frame.normal * 1.37;
    let mut view = SliceView::fit(frame, through_mm, size_px);
    view.center_mm_on_picture = DVec2::new(0.31, 0.17) * frame.extent_mm;
    view
}

const LOOK: SliceLook = SliceLook {
    window_width: 2000.0,
    window_level: 0.0,
    label_opacity: 1.0,
    label_outline_px: None,
    comparison: Comparison { style: ComparisonStyle::Off, class: None },
    inverted: false,
    slab: Slab { mode: SlabMode::Thin, thickness_mm: 0.0 },
};

/// Every pixel with the middle of it.
fn pixels(size: [u32; 2]) -> impl Iterator<Item = (usize, DVec2)> {
    let at = move |n: u32| DVec2::new(f64::from(n % size[0]) + 0.5, f64::from(n / size[0]) + 0.5);
    (0..size[0] * size[1]).map(move |n| (n as usize * 4, at(n)))
}

/// True if the point is so near to a face of the box that rounding decides.
fn is_at_border(pos: DVec3, box_max: DVec3) -> bool {
    (pos + 0.5).abs().min_element() < 2e-3 || (pos - box_max).abs().min_element() < 2e-3
}

use glam::{DVec3, Vec3};
use voco_volume::Box3;

use crate::{
    LabelTexture, Line, OcclusionTexture, Quality, RenderContext, RenderError, TransferFunction, VolumeCamera,
    resources::next_id,
};

/// What a 3D view shows of a volume, and what beside it.
#[derive(Debug, Clone)]
pub struct VolumeView<'a> {
    /// From where.
    pub camera: &'a VolumeCamera,
    /// Size of the view.
    pub size_px: [u32; 2],
    /// Colours and opacities.
    pub transfer: &'a TransferFunction,
    /// How finely.
    pub quality: Quality,
    /// Clipping, occlusion, slices.
    pub look: &'a VolumeLook,
    /// Light taken away by what lies around; made for this volume and transfer function, or lately.
    pub occlusion: Option<&'a OcclusionTexture>,
    /// Labels as fog within the volume.
    pub labels: Option<&'a LabelTexture>,
    /// 0…1; 0 hides that fog.
    pub label_opacity: f32,
    /// Surfaces of labels.
    pub surfaces: &'a [Surface<'a>],
    /// Lines, hidden by what lies before them.
    pub lines: &'a [Line],
    /// In how many parts a fine picture is drawn, one for each call; the one before stays in view until it is whole.
    pub num_parts: u32,
}

impl<'a> VolumeView<'a> {
    /// A volume alone.
    pub fn new(
        camera: &'a VolumeCamera,
        size_px: [u32; 2],
        transfer: &'a TransferFunction,
        quality: Quality,
        look: &'a VolumeLook,
    ) -> Self {
        Self {
            camera,
            size_px,
            transfer,
            quality,
            look,
            occlusion: None,
            labels: None,
            label_opacity: 0.0,
            surfaces: &[],
            lines: &[],
            num_parts: 1,
        }
    }
}

/// How a volume is shown in 3D, beside its transfer function.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeLook {
    /// What is cut away.
    pub clip: Clip,
    /// Share of light that occlusion takes away, 0…1.
    pub occlusion: f32,
    /// The value (HU) of the isosurface.
    pub iso_value: f64,
    /// Whether the volume is drawn; else only surfaces, slices and lines.
    pub has_volume: bool,
    /// Slices in their place.
    pub slices: Vec<SliceIn3d>,
    /// Width and level in which slices are drawn.
    pub slice_window: [f64; 2],
}

impl Default for VolumeLook {
    fn default() -> Self {
        Self {
            clip: Clip::default(),
            occlusion: 0.0,
            iso_value: 250.0,
            has_volume: true,
            slices: Vec::new(),
            slice_window: [400.0, 40.0],
        }
    }
}

/// What of a volume is cut away.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Clip {
    /// Only what lies in this box of voxels (its borders lie between voxels) is shown.
    pub crop: Option<Box3>,
    /// Planes that cut, three at most.
    pub planes: Vec<ClipPlane>,
    /// Only the corner that lies behind all planes is cut away.
    pub corner: bool,
    /// Surfaces of labels are cut, too.
    pub cuts_surfaces: bool,
}

/// A plane that cuts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipPlane {
    /// A point on it.
    pub point_mm: DVec3,
    /// Direction of the side that stays (unit).
    pub keeps: DVec3,
}

/// A slice in its place: a rectangle whose greys are those of the volume.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceIn3d {
    /// Corners, one after another around it. It may reach beyond the volume, where nothing is drawn.
    pub corners_mm: [DVec3; 4],
    /// 0…1.
    pub opacity: f32,
}

/// A label's surface as it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Surface<'a> {
    /// Its triangles.
    pub mesh: &'a SurfaceMesh,
    /// Gamma-space colour.
    pub color: [u8; 3],
    /// 0…1.
    pub opacity: f32,
}

/// Triangles on the GPU.
#[derive(Debug)]
pub struct SurfaceMesh {
    pub(crate) id: u64,
    pub(crate) vertices: wgpu::Buffer,
    pub(crate) indices: wgpu::Buffer,
    pub(crate) num_indices: u32,
}

impl SurfaceMesh {
    /// Copies triangles to the device; from any thread. Points are world mm, with one normal each.
    ///
    /// # Errors
    /// If there are none, they do not fit together, or the device has no memory for them.
    pub fn upload(
        ctx: &RenderContext,
        points_mm: &[Vec3],
        normals: &[Vec3],
        triangles: &[[u32; 3]],
    ) -> Result<Self, RenderError> {
        const WHAT: &str = "a label's surface";
        let greatest = u32::try_from(points_mm.len()).unwrap_or(0);
        let is_whole = normals.len() == points_mm.len() && triangles.iter().flatten().all(|&n| n < greatest);
        if triangles.is_empty() || !is_whole {
            return Err(RenderError::Refused { what: WHAT, reason: "its triangles do not fit together".into() });
        }
        let both = points_mm.iter().zip(normals);
        let vertices: &[[f32; 6]] = &both.map(|(p, n)| [p.x, p.y, p.z, n.x, n.y, n.z]).collect::<Vec<_>>();
        let make = |usage, bytes: &[u8]| {
            let buffer = ctx.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(WHAT),
                size: bytes.len() as u64,
                usage: usage | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            ctx.queue.write_buffer(&buffer, 0, bytes);
            buffer
        };
        let num_bytes = size_of_val(vertices) as u64 + size_of_val(triangles) as u64;
        let (vertices, indices) = ctx.checked(WHAT, num_bytes, || {
            (
                make(wgpu::BufferUsages::VERTEX, bytemuck::cast_slice(vertices)),
                make(wgpu::BufferUsages::INDEX, bytemuck::cast_slice(triangles)),
            )
        })?;
        let num_indices = u32::try_from(triangles.len() * 3).unwrap_or(0);
        Ok(Self { id: next_id(), vertices, indices, num_indices })
    }

    /// Triangles.
    pub fn num_triangles(&self) -> u32 {
        self.num_indices / 3
    }
}

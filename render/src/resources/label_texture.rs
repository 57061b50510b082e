use std::sync::atomic::{AtomicU64, Ordering};

use glam::DVec3;
use voco_volume::{Box3, Geometry, LabelTable, Volume};

use super::{Reduction, TexelGrid, UploadLimits, next_id, prepared, texture_2d, texture_3d};
use crate::{RenderContext, RenderError, bricks::BRICK};

/// A label map on the GPU, with its colours. Its grid need not be the image's.
#[derive(Debug)]
pub struct LabelTexture {
    pub(crate) id: u64,
    pub(crate) grid: TexelGrid,
    pub(crate) view: wgpu::TextureView,
    pub(crate) colors_view: wgpu::TextureView,
    colors: wgpu::Texture,
    bricks: BrickLabels,
    /// One bit per id; atomic, as colours change while views hold the texture.
    visible: Box<[AtomicU64]>,
    color_version: AtomicU64,
}

/// Which ids occur in each brick of 8³ label voxels.
#[derive(Debug)]
struct BrickLabels {
    dims: [usize; 3],
    starts: Vec<usize>,
    ids: Vec<u16>,
}

const COLORS_SIDE: u32 = 256;

impl LabelTexture {
    /// Copies a label map to the device; from any thread.
    ///
    /// # Errors
    /// If a value cannot be a label, or the device has no memory for the map.
    pub fn upload(ctx: &RenderContext, labels: &Volume, table: &LabelTable) -> Result<Self, RenderError> {
        let limits = UploadLimits::of(ctx);
        let max_side = usize::try_from(limits.max_side).unwrap_or(usize::MAX);
        let grid = TexelGrid::within(labels.geometry(), max_side, limits.max_bytes, 1);
        let ids = ids(labels, &grid)?;
        let bricks = BrickLabels::of(&ids, grid.dims);
        let what = "the label map";
        let texture = if let Some(bytes) = as_bytes(&ids) {
            texture_3d(ctx, what, wgpu::TextureFormat::R8Uint, grid.dims, &bytes)?
        } else {
            texture_3d(ctx, what, wgpu::TextureFormat::R16Uint, grid.dims, bytemuck::cast_slice(&ids))?
        };
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let colors = texture_2d(ctx, "label colours", wgpu::TextureFormat::Rgba8Unorm, [COLORS_SIDE; 2], usage);
        let made = Self {
            id: next_id(),
            grid,
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            colors_view: colors.create_view(&wgpu::TextureViewDescriptor::default()),
            colors,
            bricks,
            visible: (0..1024).map(|_| AtomicU64::new(0)).collect(),
            color_version: AtomicU64::new(0),
        };
        made.set_colors(ctx, table);
        Ok(made)
    }

    /// Takes colours and visibility from `table`; ids it does not have are hidden.
    pub fn set_colors(&self, ctx: &RenderContext, table: &LabelTable) {
        let mut rgba = vec![[0_u8; 4]; (COLORS_SIDE * COLORS_SIDE) as usize];
        let mut visible = vec![0_u64; self.visible.len()];
        for entry in table.entries().iter().filter(|e| e.visible && e.id != 0) {
            let [r, g, b] = entry.color;
            rgba[usize::from(entry.id)] = [r, g, b, 255];
            visible[usize::from(entry.id / 64)] |= 1 << (entry.id % 64);
        }
        for (word, bits) in self.visible.iter().zip(visible) {
            word.store(bits, Ordering::Relaxed);
        }
        self.color_version.fetch_add(1, Ordering::Release);
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(COLORS_SIDE * 4), rows_per_image: None };
        ctx.queue.write_texture(self.colors.as_image_copy(), bytemuck::cast_slice(&rgba), layout, self.colors.size());
    }

    /// By how much it is shown coarser than it is, if it is.
    pub fn reduction(&self) -> Option<Reduction> {
        prepared::reduction(&self.grid)
    }

    /// Where it lies.
    pub fn geometry(&self) -> &Geometry {
        &self.grid.geometry
    }

    /// Changes with every [`Self::set_colors`].
    pub(crate) fn color_version(&self) -> u64 {
        self.color_version.load(Ordering::Acquire)
    }

    /// The bricks that hold a visible label, as boxes in label texels.
    pub(crate) fn visible_bricks(&self) -> impl Iterator<Item = Box3> {
        let is_visible = |id: u16| self.visible[usize::from(id / 64)].load(Ordering::Relaxed) >> (id % 64) & 1 == 1;
        let [bx, by, _] = self.bricks.dims;
        self.bricks.starts.windows(2).enumerate().filter_map(move |(n, range)| {
            let shows = self.bricks.ids[range[0]..range[1]].iter().any(|&id| is_visible(id));
            let min = [n % bx, n / bx % by, n / bx / by].map(|c| (c * BRICK) as f64 - 0.5);
            let min = DVec3::from_array(min);
            shows.then(|| Box3 { min, max: min + BRICK as f64 })
        })
    }
}

impl BrickLabels {
    fn of(ids: &[u16], dims: [usize; 3]) -> Self {
        let brick_dims = dims.map(|d| (d - 1) / BRICK + 1);
        let mut sets: Vec<Vec<u16>> = vec![Vec::new(); brick_dims.iter().product()];
        for (row, values) in ids.chunks_exact(dims[0]).enumerate() {
            let (y, z) = (row % dims[1], row / dims[1]);
            let sets = &mut sets[brick_dims[0] * (y / BRICK + brick_dims[1] * (z / BRICK))..];
            for (set, values) in sets.iter_mut().zip(values.chunks(BRICK)) {
                let mut last = 0;
                for &id in values.iter().filter(|&&id| id != 0) {
                    if id != last && !set.contains(&id) {
                        set.push(id);
                    }
                    last = id;
                }
            }
        }
        let mut starts = vec![0];
        starts.extend(sets.iter().scan(0, |sum, set| {
            *sum += set.len();
            Some(*sum)
        }));
        Self { dims: brick_dims, starts, ids: sets.concat() }
    }
}

/// Ids on the uploaded grid. A reduced one takes the voxel in the middle of each texel: labels have no mean.
fn ids(labels: &Volume, grid: &TexelGrid) -> Result<Vec<u16>, RenderError> {
    let rescale = labels.rescale();
    let full = labels.dims();
    let mut ids = Vec::with_capacity(labels.voxels().len());
    let mut bad = None;
    labels.voxels().for_each(|stored| {
        let value = rescale.apply(stored);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared with the value just below"
        )]
        let id = value as u16;
        if f64::from(id) != value {
            bad.get_or_insert(value);
        }
        ids.push(id);
    });
    if let Some(value) = bad {
        return Err(RenderError::NotLabels(value));
    }
    if !grid.is_reduced() {
        return Ok(ids);
    }
    let middle = |axis: usize, texel: usize| (texel * grid.factor[axis] + grid.factor[axis] / 2).min(full[axis] - 1);
    let mut reduced = Vec::with_capacity(grid.dims.iter().product());
    for z in 0..grid.dims[2] {
        for y in 0..grid.dims[1] {
            let row = full[0] * (middle(1, y) + full[1] * middle(2, z));
            reduced.extend((0..grid.dims[0]).map(|x| ids[row + middle(0, x)]));
        }
    }
    Ok(reduced)
}

/// The ids as bytes, if all fit.
fn as_bytes(ids: &[u16]) -> Option<Vec<u8>> {
    ids.iter().map(|&id| u8::try_from(id).ok()).collect()
}

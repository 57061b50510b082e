use std::sync::atomic::{AtomicU64, Ordering};

use glam::DVec3;
use parking_lot::RwLock;
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
    texture: wgpu::Texture,
    colors: wgpu::Texture,
    /// Written while views hold the texture: a prediction comes in parts.
    bricks: RwLock<BrickLabels>,
    /// One bit per id; atomic, as colours change while views hold the texture.
    visible: Box<[AtomicU64]>,
    label_version: AtomicU64,
    voxel_version: AtomicU64,
}

/// Which ids occur in each brick of 8³ label voxels.
#[derive(Debug)]
struct BrickLabels {
    dims: [usize; 3],
    sets: Vec<Vec<u16>>,
}

const COLORS_SIDE: u32 = 256;
const WHAT: &str = "the label map";

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
        let texture = if let Some(bytes) = as_bytes(&ids) {
            texture_3d(ctx, WHAT, wgpu::TextureFormat::R8Uint, grid.dims, &bytes)?
        } else {
            texture_3d(ctx, WHAT, wgpu::TextureFormat::R16Uint, grid.dims, bytemuck::cast_slice(&ids))?
        };
        Ok(Self::new(ctx, &grid, texture, bricks, table))
    }

    /// A map of background on a grid, to be written to. It holds ids up to the greatest of `table`.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn empty(ctx: &RenderContext, geometry: &Geometry, table: &LabelTable) -> Result<Self, RenderError> {
        let limits = UploadLimits::of(ctx);
        let max_side = usize::try_from(limits.max_side).unwrap_or(usize::MAX);
        let grid = TexelGrid::within(geometry, max_side, limits.max_bytes, 1);
        let wide = table.entries().iter().any(|e| e.id > 255);
        let format = if wide { wgpu::TextureFormat::R16Uint } else { wgpu::TextureFormat::R8Uint };
        // Nothing is written: wgpu hands out textures full of zeros.
        let texture = texture_3d(ctx, WHAT, format, grid.dims, &[])?;
        let bricks = BrickLabels::empty(grid.dims);
        Ok(Self::new(ctx, &grid, texture, bricks, table))
    }

    fn new(
        ctx: &RenderContext,
        grid: &TexelGrid,
        texture: wgpu::Texture,
        bricks: BrickLabels,
        table: &LabelTable,
    ) -> Self {
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let colors = texture_2d(ctx, "label colours", wgpu::TextureFormat::Rgba8Unorm, [COLORS_SIDE; 2], usage);
        let made = Self {
            id: next_id(),
            grid: *grid,
            view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
            colors_view: colors.create_view(&wgpu::TextureViewDescriptor::default()),
            texture,
            colors,
            bricks: RwLock::new(bricks),
            visible: (0..1024).map(|_| AtomicU64::new(0)).collect(),
            label_version: AtomicU64::new(0),
            voxel_version: AtomicU64::new(0),
        };
        made.set_colors(ctx, table);
        made
    }

    /// Replaces the ids of a box of label voxels (`labels` has i fastest). What lies outside the map, and ids too large for it,
    /// is left out. Pictures that are drawn later show it.
    pub fn write(&self, ctx: &RenderContext, start: [usize; 3], size: [usize; 3], labels: &[u16]) {
        let full = self.grid.geometry.dims();
        let factor = self.grid.factor;
        if labels.len() != size.iter().product::<usize>() {
            return;
        }
        // The texels whose middle voxel lies in the box.
        let middle = |axis: usize, texel: usize| (texel * factor[axis] + factor[axis] / 2).min(full[axis] - 1);
        let range = |axis: usize| {
            let inside = |&t: &usize| (start[axis]..start[axis] + size[axis]).contains(&middle(axis, t));
            let first = (start[axis] / factor[axis]).saturating_sub(1);
            let last = ((start[axis] + size[axis]) / factor[axis] + 1).min(self.grid.dims[axis]);
            let mut texels = (first..last).filter(inside);
            let from = texels.next();
            from.map(|from| from..texels.next_back().unwrap_or(from) + 1)
        };
        let (Some(xs), Some(ys), Some(zs)) = (range(0), range(1), range(2)) else { return };
        let at = |axis: usize, texel: usize| middle(axis, texel) - start[axis];
        let mut ids = Vec::with_capacity(xs.len() * ys.len() * zs.len());
        for z in zs.clone() {
            for y in ys.clone() {
                let row = size[0] * (at(1, y) + size[1] * at(2, z));
                ids.extend(xs.clone().map(|x| labels[row + at(0, x)]));
            }
        }
        let wide = self.texture.format() == wgpu::TextureFormat::R16Uint;
        let narrow: Vec<u8> =
            if wide { Vec::new() } else { ids.iter().map(|&id| u8::try_from(id).unwrap_or(0)).collect() };
        let bytes: &[u8] = if wide { bytemuck::cast_slice(&ids) } else { &narrow };
        let [x, y, z] = [xs.start, ys.start, zs.start].map(|v| v as u32);
        let [width, height, depth_or_array_layers] = [xs.len(), ys.len(), zs.len()].map(|v| v as u32);
        ctx.queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture: &self.texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x, y, z },
                aspect: wgpu::TextureAspect::All,
            },
            bytes,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(width * if wide { 2 } else { 1 }),
                rows_per_image: Some(height),
            },
            wgpu::Extent3d { width, height, depth_or_array_layers },
        );
        self.bricks.write().add(&ids, [xs, ys, zs]);
        self.voxel_version.fetch_add(1, Ordering::Release);
        self.label_version.fetch_add(1, Ordering::Release);
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
        self.label_version.fetch_add(1, Ordering::Release);
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

    /// Changes with every [`Self::write`].
    pub fn voxel_version(&self) -> u64 {
        self.voxel_version.load(Ordering::Acquire)
    }

    pub(super) fn texture(&self) -> &wgpu::Texture {
        &self.texture
    }

    /// Changes with every [`Self::set_colors`] and [`Self::write`].
    pub(crate) fn label_version(&self) -> u64 {
        self.label_version.load(Ordering::Acquire)
    }

    /// The bricks that hold a visible label, as boxes in label texels.
    pub(crate) fn visible_bricks(&self) -> Vec<Box3> {
        let is_visible = |id: u16| self.visible[usize::from(id / 64)].load(Ordering::Relaxed) >> (id % 64) & 1 == 1;
        let bricks = self.bricks.read();
        let [bx, by, _] = bricks.dims;
        let shown = bricks.sets.iter().enumerate().filter(|(_, set)| set.iter().any(|&id| is_visible(id)));
        let corner = |n: usize| DVec3::from_array([n % bx, n / bx % by, n / bx / by].map(|c| (c * BRICK) as f64 - 0.5));
        shown.map(|(n, _)| Box3 { min: corner(n), max: corner(n) + BRICK as f64 }).collect()
    }
}

impl BrickLabels {
    fn empty(dims: [usize; 3]) -> Self {
        let dims = dims.map(|d| (d - 1) / BRICK + 1);
        Self { dims, sets: vec![Vec::new(); dims.iter().product()] }
    }

    fn of(ids: &[u16], dims: [usize; 3]) -> Self {
        let mut made = Self::empty(dims);
        made.add(ids, dims.map(|d| 0..d));
        made
    }

    /// Takes up the ids of a box of texels. Those that were there before stay: too many bricks cost time, too few a picture.
    fn add(&mut self, ids: &[u16], [xs, ys, zs]: [std::ops::Range<usize>; 3]) {
        for (row, values) in ids.chunks_exact(xs.len()).enumerate() {
            let (y, z) = (ys.start + row % ys.len(), zs.start + row / ys.len());
            let first = self.dims[0] * (y / BRICK + self.dims[1] * (z / BRICK));
            let mut last = (usize::MAX, 0);
            for (x, &id) in xs.clone().zip(values).filter(|(_, id)| **id != 0) {
                let brick = first + x / BRICK;
                if last != (brick, id) && !self.sets[brick].contains(&id) {
                    self.sets[brick].push(id);
                }
                last = (brick, id);
            }
        }
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

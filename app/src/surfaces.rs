//! Surfaces of a label map for the 3D view, made from what the graphics memory holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use voco_label::mesh::{Smoothing, surface_mesh};
use voco_label::{BrickMask, Watch};
use voco_render::{LabelTexture, RenderContext, SurfaceMesh};
use voco_ui::SurfaceSet;

/// Most labels that get a surface; a map with more is no segmentation.
const MAX_LABELS: usize = 1024;

/// The surfaces of all labels. Those of `known` whose voxels are the same are taken over, so that an edit costs one label's work.
///
/// # Errors
/// One sentence if there is no memory, or the device fails; nothing in it if cancelled.
pub(crate) fn label_surfaces(
    ctx: &RenderContext,
    labels: &LabelTexture,
    known: &BTreeMap<u16, (u64, Arc<SurfaceMesh>)>,
    cancel: &AtomicBool,
    report: &(dyn Fn(f32) + Sync),
) -> Result<SurfaceSet, String> {
    // Before the voxels: what is written meanwhile asks for new surfaces.
    let of = (labels.number(), labels.voxel_version());
    let ids = labels.read(ctx).map_err(|e| e.to_string())?;
    let dims = labels.dims();
    let mut found: BTreeMap<u16, (u64, BrickMask)> = BTreeMap::new();
    for (row, values) in ids.chunks_exact(dims[0]).enumerate() {
        let (j, k) = (row % dims[1], row / dims[1]);
        let mut from = 0;
        while from < dims[0] {
            let id = values[from];
            let to = from + values[from..].iter().take_while(|v| **v == id).count();
            if id != 0 {
                if !found.contains_key(&id) {
                    if found.len() >= MAX_LABELS {
                        return Err(format!("More than {MAX_LABELS} labels are too many for surfaces in 3D."));
                    }
                    found.insert(id, (0, BrickMask::empty(dims).map_err(|e| e.to_string())?));
                }
                if let Some((hash, mask)) = found.get_mut(&id) {
                    for word in [row, from, to] {
                        *hash = (*hash ^ word as u64).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
                    }
                    mask.add_row(from, to, j, k);
                }
            }
            from = to;
        }
    }
    drop(ids);
    let mut set = SurfaceSet { of: Some(of), meshes: BTreeMap::new() };
    let world_from_texel = labels.world_from_texel();
    let num = found.len().max(1);
    for (n, (id, (hash, mask))) in found.into_iter().enumerate() {
        if let Some((_, mesh)) = known.get(&id).filter(|(known, _)| *known == hash) {
            set.meshes.insert(id, (hash, mesh.clone()));
            continue;
        }
        let watch = Watch::cancelled_by(cancel);
        let mesh = surface_mesh(&mask, &world_from_texel, Smoothing::default(), &watch).map_err(|e| e.to_string())?;
        if !mesh.triangles.is_empty() {
            let mesh = SurfaceMesh::upload(ctx, &mesh.points_mm, &mesh.normals, &mesh.triangles);
            set.meshes.insert(id, (hash, Arc::new(mesh.map_err(|e| e.to_string())?)));
        }
        report((n + 1) as f32 / num as f32);
    }
    Ok(set)
}

//! Surfaces of a label map for the 3D view, made from what the graphics memory holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use voco_label::mesh::{Smoothing, surface_mesh};
use voco_label::{BrickMask, Watch};
use voco_render::{LabelTexture, RenderContext, SurfaceMesh};
use voco_ui::{SurfaceSet, i18n};

/// Most labels that get a surface; a map with more is no segmentation.
const MAX_LABELS: usize = 1024;

/// Soft: label maps are often made on a coarser grid than they lie on, whose steps would show.
const SMOOTHING: Smoothing = Smoothing { passes: 60, reach_voxels: 1.6 };

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
                        return Err(i18n::text_with("tell-too-many-surfaces", [("most", MAX_LABELS.into())]));
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
        let mesh = surface_mesh(&mask, &world_from_texel, SMOOTHING, &watch).map_err(|e| e.to_string())?;
        if !mesh.triangles.is_empty() {
            let mesh = SurfaceMesh::upload(ctx, &mesh.points_mm, &mesh.normals, &mesh.triangles);
            set.meshes.insert(id, (hash, Arc::new(mesh.map_err(|e| e.to_string())?)));
        }
        report((n + 1) as f32 / num as f32);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use glam::DAffine3;
    use voco_render::{LabelTexture, RenderContext};
    use voco_volume::{Geometry, LabelTable, Rescale, Volume, Voxels};

    use super::label_surfaces;

    #[test]
    fn only_what_was_written_to_gets_a_new_surface() {
        let Ok(ctx) = RenderContext::headless() else {
            assert!(std::env::var("VOCO_REQUIRE_GPU").as_deref() != Ok("1"), "an adapter is required");
            return;
        };
        let geometry = Geometry::new([40, 30, 20], DAffine3::IDENTITY).unwrap();
        let id = |n: usize| {
            let [i, j, k] = [n % 40, n / 40 % 30, n / 1200];
            let is_in = |from: usize| (from..from + 8).contains(&i) && (5..20).contains(&j) && (5..15).contains(&k);
            u8::from(is_in(4)) + 2 * u8::from(is_in(20))
        };
        let voxels = Voxels::U8((0..40 * 30 * 20).map(id).collect());
        let volume = Volume::new(geometry, voxels, Rescale::IDENTITY).unwrap();
        let table = LabelTable::from_ids([1, 2, 3], |_| None);
        let labels = LabelTexture::upload(&ctx, &volume, &table).unwrap();
        let no = AtomicBool::new(false);
        let first = label_surfaces(&ctx, &labels, &BTreeMap::new(), &no, &|_| {}).unwrap();
        assert_eq!(first.meshes.keys().copied().collect::<Vec<_>>(), [1, 2]);
        // A box of 8 × 15 × 10 voxels has 700 squares on its surface.
        assert!((first.meshes[&1].1.num_triangles()).abs_diff(1400) < 80, "{}", first.meshes[&1].1.num_triangles());
        labels.write(&ctx, [30, 0, 0], [2, 2, 2], &[3; 8]);
        labels.write(&ctx, [20, 5, 5], [1, 1, 1], &[0]);
        let second = label_surfaces(&ctx, &labels, &first.meshes, &no, &|_| {}).unwrap();
        assert_ne!(first.of, second.of);
        assert_eq!(second.meshes.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(Arc::ptr_eq(&first.meshes[&1].1, &second.meshes[&1].1), "nothing of label 1 has changed");
        assert!(!Arc::ptr_eq(&first.meshes[&2].1, &second.meshes[&2].1));
    }

    /// Seconds from an edit to its surface: `VOCO_LABELS` names the label map.
    #[test]
    #[ignore = "a measurement"]
    #[expect(clippy::print_stderr, reason = "numbers for the note")]
    fn seconds_of_a_surface_after_an_edit() {
        let (Ok(path), Ok(ctx)) = (std::env::var("VOCO_LABELS"), RenderContext::headless()) else { return };
        let volume = voco_io::open(path.as_ref(), voco_io::Control::NONE).unwrap().volume;
        let table = LabelTable::from_ids(0..2000, |_| None);
        let labels = LabelTexture::upload(&ctx, &volume, &table).unwrap();
        let no = AtomicBool::new(false);
        let mut known = BTreeMap::new();
        for n in 0..4 {
            let began = std::time::Instant::now();
            let set = label_surfaces(&ctx, &labels, &known, &no, &|_| {}).unwrap();
            eprintln!("{:?}: {} surfaces in {:.3} s", labels.dims(), set.meshes.len(), began.elapsed().as_secs_f64());
            known = set.meshes;
            let largest = known.iter().max_by_key(|(_, (_, mesh))| mesh.num_triangles()).map_or(1, |(id, _)| *id);
            labels.write(&ctx, [5 + n, 5, 5], [1, 1, 1], &[largest]);
        }
    }
}

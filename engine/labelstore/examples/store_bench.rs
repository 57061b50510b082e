//! Times of staging, committing and undoing strokes on a volume of 512 × 512 × 1000 voxels, with a journal.
//!
//!     store_bench FOLDER
//!
//! Prints milliseconds as JSON: the worst of many strokes for each size of the brush.

use std::path::Path;
use std::time::Instant;

use glam::{DAffine3, DMat3, DVec3};
use voco_label::tools::Plane;
use voco_label::tools::brush::{Tip, stroke};
use voco_labelstore::{Document, ImageKey, Rules, Target};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

type Failure = Box<dyn std::error::Error>;

const DIMS: [usize; 3] = [512, 512, 1000];

fn main() -> Result<(), Failure> {
    let folder = std::env::args().nth(1).ok_or("usage: store_bench FOLDER")?;
    let spacing = DMat3::from_diagonal(DVec3::new(0.75, 0.75, 1.0));
    let geometry = Geometry::new(DIMS, DAffine3 { matrix3: spacing, translation: DVec3::ZERO })?;
    let voxels: Vec<i16> = (0..geometry.num_voxels()).map(|n| (n % 512) as i16).collect();
    let image = Volume::new(geometry, Voxels::I16(voxels.into()), Rescale::IDENTITY)?;
    let began = Instant::now();
    let key = ImageKey::of(&image);
    let mut rows = vec![serde_json::json!({"key_ms": ms(began)})];
    let path = Path::new(&folder).join(key.file_name());
    let (mut document, _) = Document::open(&path, &key, geometry, Some(image))?;
    let layer = document.layers().next().ok_or("no layer")?.id;
    let segments = [document.add_segment(layer, "a", None)?, document.add_segment(layer, "b", None)?];
    let plane = Plane { origin: geometry.center_mm(), right: DVec3::X, down: -DVec3::Y };
    for (tip, radius_mm) in [
        (Tip::Disc, 3.0),
        (Tip::Disc, 50.0),
        (Tip::Disc, 180.0),
        (Tip::Ball, 3.0),
        (Tip::Ball, 20.0),
        (Tip::Ball, 50.0),
        (Tip::Ball, 150.0),
        (Tip::Cube, 50.0),
    ] {
        for range in [None, Some([0.0, 300.0])] {
            let (mut dab, mut next, mut commit, mut undo, mut preview) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
            let mut bricks = 0;
            for n in 0..12_u32 {
                let rules = Rules { range, ..Rules::default() };
                let target = Target::Paint(segments[(n % 2) as usize]);
                let mut gesture = document.begin(target, rules, "brush", "Brush")?;
                let start = plane.origin
                    + DVec3::new(f64::from(n) * 7.0 - 40.0, f64::from(n) * 3.0 - 20.0, f64::from(n % 3) * 9.0);
                let began = Instant::now();
                stroke(&mut gesture.staged, &geometry, tip, radius_mm, &plane, [start, start])?;
                dab = dab.max(ms(began));
                let mut at = start;
                for _ in 0..10 {
                    let to = at + DVec3::new(2.0, 1.0, 0.0);
                    let began = Instant::now();
                    stroke(&mut gesture.staged, &geometry, tip, radius_mm, &plane, [at, to])?;
                    next = next.max(ms(began));
                    at = to;
                }
                if let Some(&brick) = gesture.staged.touched().first() {
                    let began = Instant::now();
                    document.preview(&gesture, brick as usize)?;
                    preview = preview.max(ms(began));
                }
                let began = Instant::now();
                bricks = document.commit(&gesture)?.bricks.max(bricks);
                commit = commit.max(ms(began));
                let began = Instant::now();
                document.undo()?;
                undo = undo.max(ms(began));
                document.redo()?;
            }
            rows.push(serde_json::json!({
                "tip": format!("{tip:?}"), "radius_mm": radius_mm, "with_range": range.is_some(), "first_dab_ms": dab,
                "next_dab_ms": next, "preview_brick_ms": preview, "commit_ms": commit, "undo_ms": undo, "bricks": bricks,
            }));
        }
    }
    let began = Instant::now();
    document.flush()?;
    rows.push(serde_json::json!({
        "flush_ms": ms(began), "memory_mb": document.num_bytes() / 1_000_000,
        "journal_mb": std::fs::metadata(&path)?.len() / 1_000_000, "changes": document.history().len(),
    }));
    drop(document);
    let began = Instant::now();
    let (document, recovery) = Document::open(&path, &key, geometry, None)?;
    rows.push(
        serde_json::json!({"reopen_ms": ms(began), "records": recovery.records, "segments": document.segments().len()}),
    );
    for row in rows {
        std::io::Write::write_all(&mut std::io::stdout(), format!("{row}\n").as_bytes())?;
    }
    Ok(())
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

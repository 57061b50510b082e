//! Times of copying and pasting a slice of a segment in a volume of 512 × 512 × 1000 voxels.
//!
//!     cargo run --release -p voco_labelstore --example slice_bench

use std::time::Instant;

use voco_label::{BrickMask, VoxelBox};
use voco_labelstore::{Document, Rules, Target};
use voco_volume::Geometry;

const DIMS: [usize; 3] = [512, 512, 1000];

#[expect(clippy::print_stdout, reason = "that is what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut document = Document::new(Geometry::new(DIMS, glam::DAffine3::IDENTITY)?, None)?;
    let layer = document.layers().next().ok_or("no layer")?.id;
    let liver = document.add_segment(layer, "liver", None)?;
    let mut gesture = document.begin(Target::Paint(liver), Rules::default(), "bench", "bench")?;
    // A ball of 360 voxels across: no brick of its rim is of one value.
    for k in 320..680_usize {
        for j in 76..436_usize {
            let rest = 180.0_f64.powi(2) - (j as f64 - 256.0).powi(2) - (k as f64 - 500.0).powi(2);
            if rest > 0.0 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 180")]
                let half = rest.sqrt() as usize;
                gesture.staged.add_row(256 - half, 256 + half, j, k);
            }
        }
    }
    document.commit(&gesture)?;
    for axis in 0..3 {
        let middle = DIMS[axis] / 2;
        let whole = Instant::now();
        let (mut min, mut max) = ([0; 3], DIMS);
        (min[axis], max[axis]) = (middle, middle + 1);
        let mut plain = document.mask(liver)?;
        plain.intersect(&BrickMask::of_box(DIMS, &VoxelBox { min, max })?)?;
        let whole = whole.elapsed();
        let begun = Instant::now();
        let mask = document.mask_of_slice(liver, axis, middle)?;
        let copied = begun.elapsed();
        if mask.count() != plain.count() {
            return Err("the slices differ".into());
        }
        let mut by = [0_isize; 3];
        by[axis] = 3;
        let begun = Instant::now();
        let shifted = mask.shifted(by);
        let moved = begun.elapsed();
        let begun = Instant::now();
        let mut gesture = document.begin(Target::Paint(liver), Rules::default(), "paste", "paste")?;
        gesture.staged = shifted;
        document.commit(&gesture)?;
        println!(
            "axis {axis}: {} voxels; whole mask cut {whole:.1?}, slice alone {copied:.1?}, moved {moved:.1?}, painted {:.1?}",
            mask.count(),
            begun.elapsed()
        );
    }
    Ok(())
}

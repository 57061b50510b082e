use crate::forest::Forest;
use crate::{Connectivity, LabelError, Mask};

/// Fills the holes of a mask: background that no path over faces leads out of the grid.
///
/// With `axis` (0, 1, 2 for i, j, k) each slice across that axis is filled by itself, so a hole need only be closed within its
/// slice.
///
/// # Errors
/// Too little memory.
pub fn fill_holes(mask: &Mask, axis: Option<usize>) -> Result<Mask, LabelError> {
    let dims = mask.dims();
    let along: [bool; 3] = std::array::from_fn(|a| Some(a) != axis);
    let mut background = mask.clone();
    background.invert();
    let forest = Forest::of_mask(&background, Connectivity::Faces6, along)?;
    let mut is_open = vec![false; forest.count];
    let is_border = |a: usize, n: usize| along[a] && (n == 0 || n + 1 == dims[a]);
    for row in 0..dims[1] * dims[2] {
        let row_is_border = is_border(1, row % dims[1]) || is_border(2, row / dims[1]);
        for run in forest.runs_of(row) {
            let (first, last) = (forest.runs[run].from as usize, forest.runs[run].to as usize - 1);
            if row_is_border || is_border(0, first) || is_border(0, last) {
                is_open[forest.of_run[run] as usize] = true;
            }
        }
    }
    let mut filled = forest.mask(|run| !is_open[forest.of_run[run] as usize])?;
    filled.unite(mask)?;
    Ok(filled)
}

use rand::Rng;

/// Augments one crop [X, Y, Z] (z fastest, `edge` a side) in place, as the published pre-training does after cutting: flips
/// with p = 0.2 on each axis, a quarter turn in the x-y plane with p = 0.2, an added constant with p = `shift_chance`.
///
/// The crop's target is left as it is: a mirrored crop still lies where it lay.
pub(crate) fn augment(crop: &mut [f32], edge: usize, shift_chance: f64, random: &mut impl Rng) {
    for axis in 0..3 {
        if random.random_bool(0.2) {
            flip(crop, edge, axis);
        }
    }
    if random.random_bool(0.2) {
        for _ in 0..random.random_range(1..=3) {
            quarter_turn(crop, edge);
        }
    }
    if random.random_bool(shift_chance) {
        let shift: f32 = random.random_range(-0.1..0.1);
        for v in crop.iter_mut() {
            *v += shift;
        }
    }
}

fn flip(crop: &mut [f32], edge: usize, axis: usize) {
    let stride = [edge * edge, edge, 1][axis];
    for n in 0..crop.len() {
        let at = n / stride % edge;
        let mirrored = edge - 1 - at;
        if at < mirrored {
            crop.swap(n, n + (mirrored - at) * stride);
        }
    }
}

/// numpy's `rot90` with k = 1 in the plane of axes (0, 1): out[i, j] = in[j, edge−1−i].
fn quarter_turn(crop: &mut [f32], edge: usize) {
    let source = crop.to_vec();
    for i in 0..edge {
        for j in 0..edge {
            let to = (i * edge + j) * edge;
            let from = (j * edge + edge - 1 - i) * edge;
            crop[to..to + edge].copy_from_slice(&source[from..from + edge]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{flip, quarter_turn};

    #[test]
    fn four_quarter_turns_and_two_flips_change_nothing() {
        let edge = 5;
        let original: Vec<f32> = (0..edge * edge * edge).map(|n| n as f32).collect();
        let mut crop = original.clone();
        quarter_turn(&mut crop, edge);
        assert_ne!(crop, original, "one turn moves voxels");
        (0..3).for_each(|_| quarter_turn(&mut crop, edge));
        assert_eq!(crop, original, "four turns are none");
        for axis in 0..3 {
            flip(&mut crop, edge, axis);
            assert_ne!(crop, original, "one flip moves voxels");
            flip(&mut crop, edge, axis);
        }
        assert_eq!(crop, original, "two flips are none");
    }
}

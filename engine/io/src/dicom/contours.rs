/// The closed outlines of a mask along the edges of its pixels, as corners (x, y) in pixels, whose centres are whole numbers. Holes have
/// outlines of their own; a pixel lies within an odd number of outlines if and only if it belongs to the mask.
pub(super) fn outlines(mask: &dyn Fn(usize, usize) -> bool, [nx, ny]: [usize; 2]) -> Vec<Vec<[f64; 2]>> {
    let inside =
        |x: isize, y: isize| x >= 0 && y >= 0 && (x as usize) < nx && (y as usize) < ny && mask(x as usize, y as usize);
    // Edges by the corner that they begin at; the mask is on their right.
    let corner = |x: usize, y: usize| x + (nx + 1) * y;
    let mut edges: Vec<[Option<usize>; 2]> = vec![[None; 2]; (nx + 1) * (ny + 1)];
    let mut add = |from: usize, to: usize| {
        let slots = &mut edges[from];
        let free = usize::from(slots[0].is_some());
        slots[free] = Some(to);
    };
    for y in 0..=ny {
        for x in 0..=nx {
            let (i, j) = (x as isize, y as isize);
            let (here, above, left) = (inside(i, j), inside(i, j - 1), inside(i - 1, j));
            if x < nx && here != above {
                let (a, b) = (corner(x, y), corner(x + 1, y));
                if here { add(a, b) } else { add(b, a) }
            }
            if y < ny && here != left {
                let (a, b) = (corner(x, y), corner(x, y + 1));
                if here { add(b, a) } else { add(a, b) }
            }
        }
    }
    let mut out = Vec::new();
    for start in 0..edges.len() {
        while let Some(first) = edges[start].iter_mut().find_map(Option::take) {
            let mut corners = vec![start];
            let mut at = first;
            while at != start {
                corners.push(at);
                // Every corner has as many edges that leave it as that reach it.
                let Some(next) = edges[at].iter_mut().find_map(Option::take) else { break };
                at = next;
            }
            let place = |c: usize| [(c % (nx + 1)) as f64 - 0.5, (c / (nx + 1)) as f64 - 0.5];
            let places: Vec<[f64; 2]> = corners.into_iter().map(place).collect();
            let count = places.len();
            let is_turn = |n: usize| {
                let (a, b, c) = (places[(n + count - 1) % count], places[n], places[(n + 1) % count]);
                (b[0] - a[0]) * (c[1] - b[1]) != (b[1] - a[1]) * (c[0] - b[0])
            };
            out.push((0..count).filter(|&n| is_turn(n)).map(|n| places[n]).collect());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_two_outlines() {
        let ring = |x: usize, y: usize| (1..=3).contains(&x) && (1..=3).contains(&y) && (x, y) != (2, 2);
        let mut found = outlines(&ring, [5, 5]);
        found.sort_by_key(Vec::len);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|o| o.len() == 4), "corners only: {found:?}");
        assert!(found.iter().any(|o| o.contains(&[0.5, 0.5]) && o.contains(&[3.5, 3.5])), "{found:?}");
        assert!(found.iter().any(|o| o.contains(&[1.5, 1.5]) && o.contains(&[2.5, 2.5])), "{found:?}");
    }
}

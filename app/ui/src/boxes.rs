use glam::{DVec2, DVec3};
use voco_volume::SliceFrame;

/// The twelve edges of a box by corner number (see `voco_volume::Box3::corners`).
const EDGES: [(usize, usize); 12] =
    [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)];

/// The ends of a box's edges.
pub fn box_edges(corners: &[DVec3; 8]) -> [[DVec3; 2]; 12] {
    EDGES.map(|(a, b)| [corners[a], corners[b]])
}

/// The convex polygon in which a box (of any orientation) meets the slice through a point, in picture mm.
pub fn box_section(corners: &[DVec3; 8], frame: &SliceFrame, through_mm: DVec3) -> Option<Vec<DVec2>> {
    let normal = frame.right.cross(frame.down).normalize_or_zero();
    let height = corners.map(|c| (c - through_mm).dot(normal));
    let mut points: Vec<DVec2> = EDGES
        .into_iter()
        .filter(|&(a, b)| (height[a] < 0.0) != (height[b] < 0.0))
        .map(|(a, b)| {
            let t = height[a] / (height[a] - height[b]);
            frame.picture_from_world(corners[a].lerp(corners[b], t))
        })
        .collect();
    if points.len() < 3 {
        return None;
    }
    let center = points.iter().sum::<DVec2>() / points.len() as f64;
    points.sort_by(|a, b| (a - center).to_angle().total_cmp(&(b - center).to_angle()));
    Some(points)
}

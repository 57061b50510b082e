//! How often the window's pixels are painted in one frame: where no GPU helps, that is most of the time that a frame takes.

use egui::epaint::Primitive;
use egui::{Pos2, Rect};
use egui_kittest::Harness;

use crate::support::{self, App};

/// The area of a polygon's part inside a rectangle.
fn area_inside(mut points: Vec<Pos2>, rect: Rect) -> f32 {
    let edges: [(usize, f32, f32); 4] =
        [(0, rect.left(), 1.0), (0, rect.right(), -1.0), (1, rect.top(), 1.0), (1, rect.bottom(), -1.0)];
    for (axis, at, sign) in edges {
        let inside = |p: &Pos2| (p[axis] - at) * sign >= 0.0;
        let mut kept = Vec::new();
        for (n, &a) in points.iter().enumerate() {
            let b = points[(n + 1) % points.len()];
            if inside(&a) {
                kept.push(a);
            }
            if inside(&a) != inside(&b) {
                kept.push(a + (b - a) * ((at - a[axis]) / (b[axis] - a[axis])));
            }
        }
        points = kept;
    }
    let cross = |n: usize| {
        let (a, b) = (points[n], points[(n + 1) % points.len()]);
        a.x * b.y - a.y * b.x
    };
    (0..points.len()).map(cross).sum::<f32>().abs() / 2.0
}

/// Pixels that egui paints in a frame, as a multiple of those of the window; views draw theirs besides.
fn painted(harness: &Harness<'static, App>) -> f32 {
    let window = harness.ctx.content_rect();
    let mut sum = 0.0;
    for part in harness.ctx.tessellate(harness.output().shapes.clone(), 1.0) {
        let Primitive::Mesh(mesh) = part.primitive else { continue };
        let clip = part.clip_rect.intersect(window);
        for triangle in mesh.indices.chunks_exact(3) {
            let corners = triangle.iter().map(|&n| mesh.vertices[n as usize].pos).collect();
            sum += area_inside(corners, clip);
        }
    }
    sum / window.area()
}

#[test]
fn hardly_a_pixel_is_painted_twice() {
    for volumes in [Vec::new(), vec![("scan.nii.gz", crate::ball(glam::DVec3::ZERO))]] {
        let name = if volumes.is_empty() { "empty" } else { "four views" };
        let Some(harness) = support::harness([1600.0, 1000.0], volumes) else { return };
        let times = painted(&harness);
        assert!(times < 1.25, "{name}: {times:.2} times the window");
    }
}

#[test]
fn the_area_of_a_triangle_is_cut_by_the_rectangle() {
    let rect = Rect::from_min_max(Pos2::ZERO, Pos2::new(10.0, 10.0));
    let triangle = vec![Pos2::new(-10.0, 0.0), Pos2::new(10.0, 0.0), Pos2::new(10.0, 20.0)];
    // The slanted side goes through the corner at the upper left of the square, all of which lies below it.
    assert!((area_inside(triangle, rect) - 100.0).abs() < 1e-3);
    let half = vec![Pos2::new(0.0, 0.0), Pos2::new(10.0, 0.0), Pos2::new(10.0, 10.0)];
    assert!((area_inside(half, rect) - 50.0).abs() < 1e-3);
    assert!(area_inside(vec![Pos2::new(20.0, 0.0), Pos2::new(30.0, 0.0), Pos2::new(30.0, 9.0)], rect).abs() < 1e-6);
}

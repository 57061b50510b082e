//! Plane geometry of measurements, in millimetres.

use glam::{DVec2, DVec3};

/// An outline in a plane.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// With axes along the plane's own.
    Ellipse {
        /// Middle.
        center: DVec2,
        /// Half of each axis.
        half: DVec2,
    },
    /// Closed; may be concave.
    Polygon(Vec<DVec2>),
}

impl Shape {
    /// Square millimetres. Of a polygon that crosses itself: by its winding, as the shoelace formula has it.
    pub fn area(&self) -> f64 {
        match self {
            Self::Ellipse { half, .. } => std::f64::consts::PI * half.x * half.y,
            Self::Polygon(points) => edges(points).map(|(a, b)| a.perp_dot(b)).sum::<f64>().abs() / 2.0,
        }
    }

    /// Millimetres around. Of an ellipse by Ramanujan's second formula (relative error below 5·10⁻⁴ for any ellipse).
    pub fn perimeter(&self) -> f64 {
        match self {
            Self::Ellipse { half, .. } => {
                let (a, b) = (half.x, half.y);
                if a + b <= 0.0 {
                    return 0.0;
                }
                let h = ((a - b) / (a + b)).powi(2);
                std::f64::consts::PI * (a + b) * (1.0 + 3.0 * h / (10.0 + (4.0 - 3.0 * h).sqrt()))
            }
            Self::Polygon(points) => edges(points).map(|(a, b)| a.distance(b)).sum(),
        }
    }

    /// True if the point lies inside (the border counts, up to rounding).
    pub fn contains(&self, at: DVec2) -> bool {
        match self {
            Self::Ellipse { center, half } => {
                let d = at - *center;
                // An ellipse without width has no inside.
                half.min_element() > 0.0 && (d / *half).length_squared() <= 1.0 + 1e-12
            }
            Self::Polygon(points) => {
                let mut inside = false;
                for (a, b) in edges(points) {
                    let crosses = (a.y > at.y) != (b.y > at.y);
                    if crosses && at.x <= a.x + (at.y - a.y) / (b.y - a.y) * (b.x - a.x) {
                        inside = !inside;
                    }
                }
                inside
            }
        }
    }

    /// Least and greatest coordinates.
    pub fn bounds(&self) -> [DVec2; 2] {
        match self {
            Self::Ellipse { center, half } => [*center - *half, *center + *half],
            Self::Polygon(points) => {
                let fold = |f: fn(DVec2, DVec2) -> DVec2| points.iter().copied().reduce(f).unwrap_or(DVec2::ZERO);
                [fold(DVec2::min), fold(DVec2::max)]
            }
        }
    }

    /// Points of the outline, for drawing.
    pub fn outline(&self) -> Vec<DVec2> {
        match self {
            Self::Ellipse { center, half } => (0..64)
                .map(|n| *center + *half * DVec2::from_angle(f64::from(n) / 64.0 * std::f64::consts::TAU))
                .collect(),
            Self::Polygon(points) => points.clone(),
        }
    }
}

fn edges(points: &[DVec2]) -> impl Iterator<Item = (DVec2, DVec2)> {
    points.iter().copied().zip(points.iter().copied().cycle().skip(1))
}

/// Angle at `b` between `a` and `c`, degrees, 0…180; 0 where an arm has no length.
pub fn angle_deg(a: DVec3, b: DVec3, c: DVec3) -> f64 {
    between((a - b).normalize_or_zero(), (c - b).normalize_or_zero())
}

/// Angle between two lines whatever their direction, degrees, 0…90.
pub fn cobb_deg(a: [DVec3; 2], b: [DVec3; 2]) -> f64 {
    let angle = between((a[1] - a[0]).normalize_or_zero(), (b[1] - b[0]).normalize_or_zero());
    angle.min(180.0 - angle)
}

/// By the tangent, which keeps its precision for small angles where the cosine does not.
fn between(a: DVec3, b: DVec3) -> f64 {
    if a == DVec3::ZERO || b == DVec3::ZERO {
        return 0.0;
    }
    a.cross(b).length().atan2(a.dot(b)).to_degrees()
}

/// Ends of a segment through `middle`, at right angles to `long` in the plane of `normal`, as long as twice `half_mm`.
pub fn perpendicular_through(long: [DVec3; 2], normal: DVec3, middle: DVec3, half_mm: f64) -> [DVec3; 2] {
    let side = normal.cross(long[1] - long[0]).normalize_or_zero() * half_mm;
    [middle - side, middle + side]
}

#[cfg(test)]
mod tests {
    use glam::{DAffine2, DQuat, DVec2, DVec3};

    use super::{Shape, angle_deg, cobb_deg, perpendicular_through};

    /// A small repeatable source of numbers in −1…1.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / (1_u64 << 30) as f64 - 1.0
        }

        fn point(&mut self) -> DVec3 {
            DVec3::new(self.next(), self.next(), self.next()) * 50.0
        }
    }

    #[test]
    fn known_shapes() {
        let square = Shape::Polygon([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)].map(DVec2::from).into());
        assert_eq!((square.area(), square.perimeter()), (4.0, 8.0));
        assert!(square.contains(DVec2::splat(1.0)) && !square.contains(DVec2::new(2.1, 1.0)));
        let circle = Shape::Ellipse { center: DVec2::ZERO, half: DVec2::splat(3.0) };
        assert!((circle.perimeter() - 6.0 * std::f64::consts::PI).abs() < 1e-9);
        // scipy: 4·3·ellipe(1 − 1/9)
        let ellipse = Shape::Ellipse { center: DVec2::ZERO, half: DVec2::new(3.0, 1.0) };
        assert!((ellipse.perimeter() - 13.364_893_2).abs() < 1e-3, "{}", ellipse.perimeter());
        // An L: the corner that is cut out is outside.
        let l = [(0.0, 0.0), (3.0, 0.0), (3.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)];
        let l = Shape::Polygon(l.map(DVec2::from).into());
        assert_eq!(l.area(), 5.0);
        assert!(!l.contains(DVec2::splat(2.0)) && l.contains(DVec2::new(0.5, 2.5)));
    }

    #[test]
    fn turning_and_moving_changes_no_area_and_no_perimeter() {
        let mut noise = Noise(1);
        for _ in 0..200 {
            let points: Vec<DVec2> = (0..7).map(|_| DVec2::new(noise.next(), noise.next()) * 30.0).collect();
            let map = DAffine2::from_angle_translation(noise.next() * 3.0, DVec2::new(noise.next(), 7.0) * 20.0);
            let (before, after) = (
                Shape::Polygon(points.clone()),
                Shape::Polygon(points.iter().map(|&p| map.transform_point2(p)).collect()),
            );
            assert!((before.area() - after.area()).abs() < 1e-9 * before.area().max(1.0));
            assert!((before.perimeter() - after.perimeter()).abs() < 1e-9 * before.perimeter());
            let probe = DVec2::new(noise.next(), noise.next()) * 30.0;
            assert_eq!(before.contains(probe), after.contains(map.transform_point2(probe)));
        }
    }

    #[test]
    fn the_share_of_points_inside_is_the_share_of_the_area() {
        let mut noise = Noise(5);
        let shapes = [
            Shape::Ellipse { center: DVec2::new(0.1, -0.2), half: DVec2::new(0.7, 0.3) },
            Shape::Polygon(vec![DVec2::new(-0.8, -0.5), DVec2::new(0.9, -0.2), DVec2::new(0.0, 0.9)]),
        ];
        for shape in shapes {
            let count = (0..40_000).filter(|_| shape.contains(DVec2::new(noise.next(), noise.next()))).count();
            let share = count as f64 / 40_000.0 * 4.0;
            assert!((share - shape.area()).abs() < 0.03, "{share} and {}", shape.area());
        }
    }

    #[test]
    fn angles_do_not_depend_on_turning_or_length() {
        let mut noise = Noise(9);
        assert!((angle_deg(DVec3::X, DVec3::ZERO, DVec3::Y) - 90.0).abs() < 1e-12);
        assert_eq!(angle_deg(DVec3::X, DVec3::X, DVec3::Y), 0.0);
        // Too small for a cosine: 1 − cos is below the precision of f64.
        assert!((angle_deg(DVec3::X, DVec3::ZERO, DVec3::new(1.0, 1e-9, 0.0)).to_radians() - 1e-9).abs() < 1e-20);
        for _ in 0..200 {
            let (a, b, c) = (noise.point(), noise.point(), noise.point());
            let turn = DQuat::from_euler(glam::EulerRot::XYZ, noise.next(), noise.next(), noise.next());
            let turned = angle_deg(turn * a, turn * b, turn * c);
            assert!((angle_deg(a, b, c) - turned).abs() < 1e-9);
            assert!((angle_deg(a, b, c) - angle_deg(b + (a - b) * 3.0, b, c)).abs() < 1e-9);
            // The angles of a triangle.
            let sum = angle_deg(a, b, c) + angle_deg(b, c, a) + angle_deg(c, a, b);
            assert!((sum - 180.0).abs() < 1e-9);
            assert!((cobb_deg([a, b], [b, c]) - cobb_deg([b, a], [b, c])).abs() < 1e-9);
            assert!((0.0..=90.0).contains(&cobb_deg([a, b], [c, a])));
        }
    }

    #[test]
    fn the_short_diameter_stays_at_right_angles() {
        let mut noise = Noise(3);
        for _ in 0..100 {
            let (a, b) = (noise.point(), noise.point());
            let normal = (b - a).cross(noise.point()).normalize();
            let [c, d] = perpendicular_through([a, b], normal, a.midpoint(b), 4.0);
            assert!((c.distance(d) - 8.0).abs() < 1e-9 && (d - c).dot(b - a).abs() < 1e-6);
            assert!((c - a).dot(normal).abs() < 1e-6, "in the plane");
        }
    }
}

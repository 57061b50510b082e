use glam::{DMat3, DQuat, DVec2, DVec3};
use voco_volume::Geometry;

/// A perspective camera that looks at a point of the patient.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeCamera {
    /// The point in the middle of the view.
    pub target_mm: DVec3,
    /// Camera to world: x is screen right, y screen up, −z the direction of view.
    pub orientation: DQuat,
    /// From the eye to the target.
    pub distance_mm: f64,
    /// Height of the field of view, radians.
    pub fov_y: f64,
}

impl Default for VolumeCamera {
    fn default() -> Self {
        Self { target_mm: DVec3::ZERO, orientation: anterior(), distance_mm: 1000.0, fov_y: 0.45 }
    }
}

impl VolumeCamera {
    /// Seen from the front, the whole volume in view.
    pub fn fit(geometry: &Geometry) -> Self {
        let bounds = geometry.world_bounds();
        let camera = Self::default();
        // The ball around the bounds would leave wide margins; the corners of a body's box are empty.
        let radius = bounds.size().length() * 0.5 * 0.78;
        let distance_mm = radius / (camera.fov_y * 0.5).sin();
        Self { target_mm: geometry.center_mm(), distance_mm, ..camera }
    }

    /// The same place seen from the front (patient right at screen left).
    #[must_use]
    pub fn anterior(self) -> Self {
        Self { orientation: anterior(), ..self }
    }

    /// The same place seen from the patient's left.
    #[must_use]
    pub fn left(self) -> Self {
        Self { orientation: looking(DVec3::X, DVec3::Z), ..self }
    }

    /// The same place seen from the head, the front of the body up.
    #[must_use]
    pub fn superior(self) -> Self {
        Self { orientation: looking(DVec3::NEG_Z, DVec3::Y), ..self }
    }

    /// Turns the patient under the pointer: `dx` radians to the right, `dy` downwards.
    pub fn turn(&mut self, dx: f64, dy: f64) {
        let turned = self.orientation * DQuat::from_rotation_y(-dx) * DQuat::from_rotation_x(-dy);
        self.orientation = turned.normalize();
    }

    /// Changes the distance by a factor; below 1 is nearer.
    pub fn zoom(&mut self, factor: f64) {
        if factor.is_finite() && factor > 0.0 {
            self.distance_mm = (self.distance_mm * factor).clamp(1.0, 1e5);
        }
    }

    /// Moves the patient with the pointer: right and down, in heights of the view.
    pub fn pan(&mut self, dx: f64, dy: f64) {
        let height = 2.0 * self.distance_mm * (self.fov_y * 0.5).tan();
        self.target_mm += self.orientation * DVec3::new(-dx * height, dy * height, 0.0);
    }

    /// Where the eye is.
    pub fn eye_mm(&self) -> DVec3 {
        self.target_mm + self.orientation * DVec3::new(0.0, 0.0, self.distance_mm)
    }

    /// Direction of view, and what reaches from it to the right and upper edges of the view at distance 1.
    pub fn frustum(&self, size_px: [u32; 2]) -> (DVec3, DVec3, DVec3) {
        let tan = (self.fov_y * 0.5).tan();
        let aspect = f64::from(size_px[0].max(1)) / f64::from(size_px[1].max(1));
        let axis = |v| self.orientation * v;
        (axis(DVec3::NEG_Z), axis(DVec3::X) * tan * aspect, axis(DVec3::Y) * tan)
    }

    /// Pixel position (from the upper left corner) and distance along the view of a patient point; none behind the eye.
    pub fn pixel_from_world(&self, point_mm: DVec3, size_px: [u32; 2]) -> Option<(DVec2, f64)> {
        let p = self.to_camera(point_mm);
        (-p.z >= NEAR_MM).then(|| (self.project(p, size_px), -p.z))
    }

    /// Both ends of a segment in pixels, the part behind the eye cut off; none if all of it is.
    pub fn segment(&self, a_mm: DVec3, b_mm: DVec3, size_px: [u32; 2]) -> Option<(DVec2, DVec2)> {
        let (mut a, mut b) = (self.to_camera(a_mm), self.to_camera(b_mm));
        let (near_a, near_b) = (-a.z - NEAR_MM, -b.z - NEAR_MM);
        if near_a < 0.0 && near_b < 0.0 {
            return None;
        }
        if near_a < 0.0 || near_b < 0.0 {
            let cut = a.lerp(b, near_a / (near_a - near_b));
            if near_a < 0.0 { a = cut } else { b = cut }
        }
        Some((self.project(a, size_px), self.project(b, size_px)))
    }

    fn to_camera(&self, point_mm: DVec3) -> DVec3 {
        self.orientation.inverse() * (point_mm - self.eye_mm())
    }

    fn project(&self, p: DVec3, size_px: [u32; 2]) -> DVec2 {
        let size = DVec2::new(f64::from(size_px[0]), f64::from(size_px[1]));
        let scale = size.y * 0.5 / ((self.fov_y * 0.5).tan() * -p.z);
        size / 2.0 + DVec2::new(p.x, -p.y) * scale
    }
}

const NEAR_MM: f64 = 0.1;

fn anterior() -> DQuat {
    looking(DVec3::NEG_Y, DVec3::Z)
}

fn looking(forward: DVec3, up: DVec3) -> DQuat {
    DQuat::from_mat3(&DMat3::from_cols(forward.cross(up), up, -forward))
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::VolumeCamera;

    const SIZE: [u32; 2] = [400, 300];

    #[test]
    fn standard_views_are_radiological() {
        let camera = VolumeCamera::default();
        let seen = |camera: &VolumeCamera, p| camera.pixel_from_world(p, SIZE).unwrap().0;
        let right = seen(&camera, DVec3::X * 50.0);
        assert!(right.x < 200.0 && (right.y - 150.0).abs() < 1e-9);
        assert!(seen(&camera, DVec3::Z * 50.0).y < 150.0);
        // From the patient's left, the nose is at screen left.
        assert!(seen(&camera.clone().left(), DVec3::Y * 50.0).x < 200.0);
        assert!(seen(&camera.clone().superior(), DVec3::Y * 50.0).y < 150.0);
        assert!((camera.clone().left().eye_mm() - DVec3::X * -1000.0).length() < 1e-6);
    }

    #[test]
    fn dragging_moves_what_faces_the_eye_along() {
        let mut camera = VolumeCamera::default();
        camera.turn(0.1, 0.2);
        let front = camera.pixel_from_world(DVec3::Y * 100.0, SIZE).unwrap().0;
        assert!(front.x > 200.0 && front.y > 150.0);
        let mut camera = VolumeCamera::default();
        camera.pan(0.1, 0.2);
        let target = camera.pixel_from_world(DVec3::ZERO, SIZE).unwrap().0;
        assert!((target - glam::DVec2::new(230.0, 210.0)).length() < 1e-6);
    }

    #[test]
    fn segments_are_cut_at_the_eye() {
        let camera = VolumeCamera::default();
        let eye = camera.eye_mm();
        assert!(camera.segment(eye + DVec3::Y, eye + DVec3::Y * 2.0, SIZE).is_none());
        let (a, b) = camera.segment(eye + DVec3::Y, DVec3::ZERO, SIZE).unwrap();
        assert!(a.is_finite() && (b - glam::DVec2::new(200.0, 150.0)).length() < 1e-6);
    }
}

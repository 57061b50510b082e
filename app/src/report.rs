//! Measurements as findings of a DICOM structured report.

use glam::DVec3;
use voco_io::{Finding, Graphic, Value};
use voco_ui::measure::{MeasureKind, Measurement, Quantity};

/// What a report says of measurements; `is_hounsfield` tells whether voxels hold HU.
pub(crate) fn findings(items: &[Measurement], is_hounsfield: bool) -> Vec<Finding> {
    items.iter().filter_map(|item| finding(item, is_hounsfield)).collect()
}

fn finding(item: &Measurement, is_hounsfield: bool) -> Option<Finding> {
    let points = &item.points_mm;
    let (graphic, points_mm) = match item.kind {
        MeasureKind::Probe => (Graphic::Point, points.clone()),
        MeasureKind::Length | MeasureKind::Angle | MeasureKind::Cobb | MeasureKind::Bidirectional => {
            (Graphic::Polyline, points.clone())
        }
        MeasureKind::Freehand => (Graphic::Polygon, points.clone()),
        MeasureKind::Rectangle => (Graphic::Polygon, corners(item)?),
        MeasureKind::Ellipse => (Graphic::Ellipse, axes(item)?),
        MeasureKind::Sphere => {
            let (center, surface) = (*points.first()?, *points.get(1)?);
            let radius = center.distance(surface);
            let ends = DVec3::AXES.iter().flat_map(|&axis| [center - axis * radius, center + axis * radius]);
            (Graphic::Ellipsoid, ends.collect())
        }
    };
    let mut values: Vec<Value> = item
        .quantities()
        .into_iter()
        .map(|quantity| match quantity {
            Quantity::Length(mm) => Value::LengthMm(mm),
            Quantity::Short(mm) => Value::ShortAxisMm(mm),
            Quantity::Angle(degrees) => Value::AngleDegrees(degrees),
            Quantity::Area(mm2) => Value::AreaMm2(mm2),
            Quantity::Perimeter(mm) => Value::PerimeterMm(mm),
            Quantity::Diameter(mm) => Value::DiameterMm(mm),
            Quantity::Volume(mm3) => Value::VolumeMm3(mm3),
        })
        .collect();
    if let Some(stats) = item.stats.filter(|s| s.count > 0) {
        values.push(if item.kind == MeasureKind::Probe {
            Value::Voxel { value: stats.mean, is_hounsfield }
        } else {
            Value::Voxels { statistics: [stats.mean, stats.sd, stats.min, stats.max], is_hounsfield }
        });
    }
    let name = format!("{} {}", item.kind.title(), item.number);
    Some(Finding { name, note: item.note.clone(), graphic, points_mm, values })
}

/// Of a rectangle between two of its corners.
fn corners(item: &Measurement) -> Option<Vec<DVec3>> {
    let [a, b] = item.points_mm[..] else { return None };
    let across = item.plane.flat(a, b);
    let right = item.plane.world(a, glam::DVec2::new(across.x, 0.0));
    let below = item.plane.world(a, glam::DVec2::new(0.0, across.y));
    Some(vec![a, right, b, below])
}

/// Ends of the longer and of the shorter axis of an ellipse between two corners.
fn axes(item: &Measurement) -> Option<Vec<DVec3>> {
    let [a, b] = item.points_mm[..] else { return None };
    let half = item.plane.flat(a, b) / 2.0;
    let at = |x: f64, y: f64| item.plane.world(a, glam::DVec2::new(x, y));
    let wide = [at(0.0, half.y), at(2.0 * half.x, half.y)];
    let high = [at(half.x, 0.0), at(half.x, 2.0 * half.y)];
    let both = if half.x.abs() >= half.y.abs() { [wide, high] } else { [high, wide] };
    Some(both.concat())
}

#[cfg(test)]
mod tests {
    use glam::DVec3;
    use voco_io::Graphic;
    use voco_ui::measure::{MeasureDoc, MeasureKind, MeasurePlane};

    use super::findings;

    #[test]
    fn an_ellipse_tells_its_longer_axis_first_and_a_rectangle_its_corners() {
        let plane = MeasurePlane { right: DVec3::NEG_X, down: DVec3::NEG_Y };
        let mut doc = MeasureDoc::default();
        let corners = vec![DVec3::ZERO, DVec3::new(-4.0, -10.0, 0.0)];
        doc.add(MeasureKind::Ellipse, plane, corners.clone());
        doc.add(MeasureKind::Rectangle, plane, corners);
        let found = findings(doc.items(), true);
        assert_eq!(found[0].graphic, Graphic::Ellipse);
        let length = |n: usize| found[0].points_mm[n].distance(found[0].points_mm[n + 1]);
        assert_eq!((length(0), length(2)), (10.0, 4.0));
        let corner = |x: f64, y: f64| DVec3::new(x, y, 0.0);
        assert_eq!(found[1].points_mm, [corner(0.0, 0.0), corner(-4.0, 0.0), corner(-4.0, -10.0), corner(0.0, -10.0)]);
    }
}

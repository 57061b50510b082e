//! Measuring in millimetres, on any plane: kinds, values, regions, the list of a case with its undo, files.

mod document;
mod file;
mod roi;
mod shape;

pub use document::MeasureDoc;
pub use file::{MeasureFileError, csv, from_json, to_json};
pub use roi::{RoiStats, RoiWork};
pub use shape::{Shape, angle_deg, cobb_deg, perpendicular_through};

use glam::{DVec2, DVec3};
use voco_volume::SliceFrame;

use crate::commands::Command;
use crate::i18n;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeasureKind {
    /// Distance of two points.
    Length,
    /// Angle at the second of three points.
    Angle,
    /// Angle between two lines (points 0–1 and 2–3), 0…90°.
    Cobb,
    /// Longest diameter (0–1) and the one at right angles to it (2–3).
    Bidirectional,
    /// Between two corners of the box around it, along the picture's axes.
    Ellipse,
    /// Between two corners, along the picture's axes.
    Rectangle,
    /// A closed outline.
    Freehand,
    /// Centre and a point of its surface.
    Sphere,
    /// The value at a point.
    Probe,
}

impl MeasureKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Length,
        Self::Angle,
        Self::Cobb,
        Self::Bidirectional,
        Self::Ellipse,
        Self::Rectangle,
        Self::Freehand,
        Self::Sphere,
        Self::Probe,
    ];

    /// Its name in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Angle => "angle",
            Self::Cobb => "cobb",
            Self::Bidirectional => "bidirectional",
            Self::Ellipse => "ellipse",
            Self::Rectangle => "rectangle",
            Self::Freehand => "freehand",
            Self::Sphere => "sphere",
            Self::Probe => "probe",
        }
    }

    /// The kind of that name.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.id() == id)
    }

    /// What it is called on the screen.
    pub fn title(self) -> &'static str {
        i18n::text(match self {
            Self::Length => "measure-length",
            Self::Angle => "measure-angle",
            Self::Cobb => "measure-cobb",
            Self::Bidirectional => "measure-bidirectional",
            Self::Ellipse => "measure-ellipse",
            Self::Rectangle => "measure-rectangle",
            Self::Freehand => "measure-freehand",
            Self::Sphere => "measure-sphere",
            Self::Probe => "measure-probe",
        })
    }

    /// The command that takes its tool in hand.
    pub fn command(self) -> Command {
        match self {
            Self::Length => Command::ToolLength,
            Self::Angle => Command::ToolAngle,
            Self::Cobb => Command::ToolCobb,
            Self::Bidirectional => Command::ToolBidirectional,
            Self::Ellipse => Command::ToolEllipse,
            Self::Rectangle => Command::ToolRectangle,
            Self::Freehand => Command::ToolFreehand,
            Self::Sphere => Command::ToolSphere,
            Self::Probe => Command::ToolProbe,
        }
    }

    /// How many points one has; none if any number from 3 on.
    pub fn num_points(self) -> Option<usize> {
        match self {
            Self::Probe => Some(1),
            Self::Length | Self::Ellipse | Self::Rectangle | Self::Sphere => Some(2),
            Self::Angle => Some(3),
            Self::Cobb | Self::Bidirectional => Some(4),
            Self::Freehand => None,
        }
    }

    /// True if voxels inside are counted.
    pub fn is_region(self) -> bool {
        matches!(self, Self::Ellipse | Self::Rectangle | Self::Freehand | Self::Sphere)
    }
}

/// The plane that a measurement was drawn on: unit vectors of screen right and screen down in the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasurePlane {
    /// Screen right.
    pub right: DVec3,
    /// Screen down.
    pub down: DVec3,
}

impl MeasurePlane {
    /// The plane of a stack of slices.
    pub fn of(frame: &SliceFrame) -> Self {
        Self { right: frame.right, down: frame.down }
    }

    /// Unit normal.
    pub fn normal(&self) -> DVec3 {
        self.right.cross(self.down).normalize_or_zero()
    }

    /// Millimetres along right and down from `origin_mm`.
    pub fn flat(&self, origin_mm: DVec3, point_mm: DVec3) -> DVec2 {
        let d = point_mm - origin_mm;
        DVec2::new(d.dot(self.right), d.dot(self.down))
    }

    /// The patient point at millimetres along right and down from `origin_mm`.
    pub fn world(&self, origin_mm: DVec3, at_mm: DVec2) -> DVec3 {
        origin_mm + self.right * at_mm.x + self.down * at_mm.y
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Its number in the case; never used twice.
    pub number: u32,
    /// What is measured.
    pub kind: MeasureKind,
    /// Where it was drawn.
    pub plane: MeasurePlane,
    /// Its points, RAS+ mm; see [`MeasureKind`] for their meaning.
    pub points_mm: Vec<DVec3>,
    /// What the reader wrote.
    pub note: String,
    /// Of the voxels inside, once they are counted; of a probe, its voxel.
    pub stats: Option<RoiStats>,
}

/// A number that follows from the points alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    /// Millimetres.
    Length(f64),
    /// Millimetres, at right angles to the length.
    Short(f64),
    /// Degrees.
    Angle(f64),
    /// Square millimetres.
    Area(f64),
    /// Millimetres around.
    Perimeter(f64),
    /// Millimetres across.
    Diameter(f64),
    /// Cubic millimetres.
    Volume(f64),
}

impl Measurement {
    /// The numbers that follow from the points. Empty while points are missing.
    pub fn quantities(&self) -> Vec<Quantity> {
        let p = &self.points_mm;
        if p.len() < self.kind.num_points().unwrap_or(3) {
            return Vec::new();
        }
        match self.kind {
            MeasureKind::Length => vec![Quantity::Length(p[0].distance(p[1]))],
            MeasureKind::Angle => vec![Quantity::Angle(angle_deg(p[0], p[1], p[2]))],
            MeasureKind::Cobb => vec![Quantity::Angle(cobb_deg([p[0], p[1]], [p[2], p[3]]))],
            MeasureKind::Bidirectional => {
                vec![Quantity::Length(p[0].distance(p[1])), Quantity::Short(p[2].distance(p[3]))]
            }
            MeasureKind::Sphere => {
                let radius = p[0].distance(p[1]);
                let volume = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
                vec![Quantity::Diameter(2.0 * radius), Quantity::Volume(volume)]
            }
            MeasureKind::Probe => Vec::new(),
            MeasureKind::Ellipse | MeasureKind::Rectangle | MeasureKind::Freehand => {
                let Some(shape) = self.shape() else { return Vec::new() };
                vec![Quantity::Area(shape.area()), Quantity::Perimeter(shape.perimeter())]
            }
        }
    }

    /// The outline in its plane, in mm from its first point; none of kinds without one.
    pub fn shape(&self) -> Option<Shape> {
        let origin = *self.points_mm.first()?;
        let flat: Vec<DVec2> = self.points_mm.iter().map(|&p| self.plane.flat(origin, p)).collect();
        match (self.kind, flat.as_slice()) {
            (MeasureKind::Ellipse, [a, b]) => {
                Some(Shape::Ellipse { center: (*a + *b) / 2.0, half: (*b - *a).abs() / 2.0 })
            }
            (MeasureKind::Rectangle, [a, b]) => {
                Some(Shape::Polygon(vec![*a, DVec2::new(b.x, a.y), *b, DVec2::new(a.x, b.y)]))
            }
            (MeasureKind::Freehand, [_, _, _, ..]) => Some(Shape::Polygon(flat)),
            _ => None,
        }
    }

    /// Counts the voxels inside, piece by piece; none of kinds that have no inside.
    pub fn roi_work(&self, volume: &voco_volume::Volume) -> Option<RoiWork> {
        let (first, second) = (*self.points_mm.first()?, self.points_mm.get(1).copied());
        match self.kind {
            MeasureKind::Sphere => Some(RoiWork::sphere(volume.geometry(), first, first.distance(second?))),
            MeasureKind::Probe => Some(RoiWork::sphere(volume.geometry(), first, 0.0)),
            _ => Some(RoiWork::flat(volume.geometry(), self.plane, first, self.shape()?)),
        }
    }

    /// True if it is to be drawn on the slice of a stack through a point: it lies there, and was drawn on that plane.
    pub fn is_on(&self, frame: &SliceFrame, through_mm: DVec3, half_slice_mm: f64) -> bool {
        let normal = frame.right.cross(frame.down).normalize_or_zero();
        let height = |p: DVec3| (p - through_mm).dot(normal).abs();
        match self.kind {
            MeasureKind::Sphere => {
                let [center, surface] = self.points_mm.as_slice() else { return false };
                height(*center) < center.distance(*surface)
            }
            MeasureKind::Probe => self.points_mm.iter().all(|&p| height(p) <= half_slice_mm),
            _ => {
                let is_parallel = normal.dot(self.plane.normal()).abs() > 0.9995;
                is_parallel && self.points_mm.iter().all(|&p| height(p) <= half_slice_mm)
            }
        }
    }

    /// The middle of its points.
    pub fn center_mm(&self) -> DVec3 {
        if self.kind == MeasureKind::Sphere {
            return self.points_mm.first().copied().unwrap_or(DVec3::ZERO);
        }
        self.points_mm.iter().sum::<DVec3>() / (self.points_mm.len().max(1) as f64)
    }

    /// Lines of text beside it: numbers with units.
    pub fn lines(&self, unit: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let quantities = self.quantities();
        if let [Quantity::Length(long), Quantity::Short(short)] = quantities[..] {
            lines.push(format!("{long:.1} × {short:.1} mm"));
        } else {
            // Around and across say little beside area and volume.
            let said = |q: &&Quantity| !matches!(q, Quantity::Perimeter(_));
            lines.extend(quantities.iter().filter(said).map(|q| q.shown()));
        }
        if let Some(stats) = self.stats.filter(|s| s.count > 0) {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            if self.kind == MeasureKind::Probe {
                lines.push(format!("{}{unit}", short_number(stats.mean)));
            } else {
                lines.push(format!("{} ± {}{unit}", short_number(stats.mean), short_number(stats.sd)));
                lines.push(format!("{} … {}{unit}", short_number(stats.min), short_number(stats.max)));
            }
        }
        lines
    }
}

impl Quantity {
    /// Number with unit.
    pub fn shown(self) -> String {
        match self {
            Self::Length(mm) | Self::Short(mm) | Self::Perimeter(mm) => format!("{mm:.1} mm"),
            Self::Diameter(mm) => format!("Ø {mm:.1} mm"),
            Self::Angle(degrees) => format!("{degrees:.1}°"),
            Self::Area(mm2) if mm2 < 100.0 => format!("{mm2:.1} mm²"),
            Self::Area(mm2) => format!("{:.2} cm²", mm2 / 100.0),
            Self::Volume(mm3) if mm3 < 1000.0 => format!("{mm3:.0} mm³"),
            Self::Volume(mm3) => format!("{:.2} mL", mm3 / 1000.0),
        }
    }
}

/// A number for people, with a true minus: a hyphen is hard to see before a digit.
pub(crate) fn with_minus(number: &str) -> String {
    number.replace('-', "−")
}

/// Four digits that count.
fn short_number(value: f64) -> String {
    let size = value.abs();
    let text = if size >= 1000.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.4}")
    };
    with_minus(&text)
}

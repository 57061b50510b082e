//! The smart tool on the sample CT: a click, a few marks, or a box, against its labels.

use std::sync::Arc;
use std::time::Instant;

use glam::DVec3;
use voco_io::Control;
use voco_label::{LabelMap, LabelVolume, Lattice, Mask, Watch, distance_mm};
use voco_labelstore::{Document, Rules, SegmentId};
use voco_ui::labelling::{Ask, Mark, What, propose};
use voco_volume::Volume;

fn sample(name: &str) -> Volume {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/samples");
    voco_io::open(&folder.join(name), Control::NONE).expect("the sample").volume
}

struct Bench {
    document: Document,
    segment: SegmentId,
    labels: LabelVolume,
    values: Vec<u32>,
}

impl Bench {
    fn new() -> Self {
        let image = sample("ts_abdomen.nii.gz");
        let values = LabelMap::from_volume(&sample("ts_abdomen_label.nii.gz")).expect("labels").values().to_u32();
        let labels = LabelVolume::from_values(&values, image.dims()).expect("labels");
        let mut document = Document::new(*image.geometry(), Some(image)).expect("a document");
        let layer = document.layers().next().expect("a layer").id;
        let segment = document.add_segment(layer, "object", None).expect("added");
        Self { document, segment, labels, values }
    }

    /// The point of an organ that lies deepest below its surface.
    fn deepest(&self, organ: u32) -> DVec3 {
        let geometry = self.document.geometry();
        let mut mask = Mask::of_label(&self.values, geometry.dims(), organ).expect("a mask");
        mask.invert();
        let depth = distance_mm(&mask, &Lattice::of(geometry).expect("a lattice")).expect("room");
        let (at, _) = depth.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("voxels");
        let [nx, ny, _] = geometry.dims();
        let voxel = DVec3::new((at % nx) as f64, (at / nx % ny) as f64, (at / nx / ny) as f64);
        geometry.world_from_voxel().transform_point3(voxel)
    }

    fn dice(&self, organ: u32, marks: Vec<Mark>) -> (f64, f64) {
        let what = What::Smart { marks, margin_mm: 60.0, radius_mm: 3.0 };
        let ask = Ask { segment: self.segment, rules: Rules::default(), what };
        let began = Instant::now();
        let proposal = propose(&self.document, &ask, None, &Watch::NONE).expect("found");
        let seconds = began.elapsed().as_secs_f64();
        let found = proposal.gestures.first().map(|gesture| gesture.staged.clone());
        let found =
            found.unwrap_or_else(|| voco_label::BrickMask::empty(self.document.geometry().dims()).expect("one"));
        let truth = self.labels.select(&[organ as u16]);
        let mut common = found.clone();
        common.intersect(&truth).expect("one grid");
        (2.0 * common.count() as f64 / (found.count() + truth.count()).max(1) as f64, seconds)
    }

    /// A box around the organ on the axial slice of its deepest voxel.
    fn boxed(&self, organ: u32) -> Mark {
        let geometry = self.document.geometry();
        let middle = geometry.voxel_from_world().transform_point3(self.deepest(organ)).round();
        let mut low = DVec3::splat(f64::INFINITY);
        let mut high = DVec3::splat(f64::NEG_INFINITY);
        let [nx, ny, _] = geometry.dims();
        for (n, _) in self.values.iter().enumerate().filter(|(_, v)| **v == organ) {
            let at = DVec3::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64);
            if (at.z - middle.z).abs() < 0.5 {
                (low, high) = (low.min(at - 1.0), high.max(at + 1.0));
            }
        }
        (low.z, high.z) = (middle.z, middle.z);
        let corners = [low, high].map(|p| geometry.world_from_voxel().transform_point3(p));
        Mark { is_object: true, points_mm: corners.to_vec(), is_box: true, normal: DVec3::Z, right: DVec3::X }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "numbers for the note")]
fn organs_of_the_sample_are_found_from_few_marks() {
    let bench = Arc::new(Bench::new());
    let point = |at: DVec3, is_object| {
        let points_mm = vec![at];
        Mark { is_object, points_mm, is_box: false, normal: DVec3::Z, right: DVec3::X }
    };
    let mut sums = [0.0; 3];
    let organs =
        [(1, "spleen"), (2, "right kidney"), (3, "left kidney"), (5, "liver"), (21, "bladder"), (6, "stomach")];
    for (organ, name) in organs {
        let middle = bench.deepest(organ);
        let one = bench.dice(organ, vec![point(middle, true)]);
        // Six marks of what lies around, where a user would see it spill over.
        let geometry = bench.document.geometry();
        let mut marks = vec![point(middle, true)];
        for axis in [DVec3::X, DVec3::NEG_X, DVec3::Y, DVec3::NEG_Y, DVec3::Z, DVec3::NEG_Z] {
            let outside = (1..60).map(|n| middle + axis * f64::from(n) * 3.0).find(|&at| {
                bench
                    .document
                    .image()
                    .and_then(|i| i.voxel_at_world(at))
                    .is_some_and(|v| bench.labels.get(v) != Some(organ as u16))
            });
            marks.extend(
                outside
                    .filter(|at| geometry.world_bounds().min.cmplt(*at).all())
                    .map(|at| point(at + axis * 6.0, false)),
            );
        }
        let seven = bench.dice(organ, marks);
        let boxed = bench.dice(organ, vec![bench.boxed(organ)]);
        for (sum, (dice, _)) in sums.iter_mut().zip([one, seven, boxed]) {
            *sum += dice / organs.len() as f64;
        }
        eprintln!(
            "{name:<13} one click {:.2} ({:.2} s), with six of the background {:.2} ({:.2} s), a box {:.2} ({:.2} s)",
            one.0, one.1, seven.0, seven.1, boxed.0, boxed.1
        );
    }
    eprintln!("mean          {sums:.2?}");
    // CT without contrast in 3 mm voxels: neighbours differ by little. The numbers guard against getting worse.
    assert!(sums[0] > 0.45 && sums[1] > 0.55 && sums[2] > 0.55, "{sums:.2?}");
}

//! DICOM segmentations and structure sets, written over a series and read back.

use std::path::{Path, PathBuf};

use voco_io::{
    Control, SaveError, Segment, SeriesLabels, is_dicom_label_file, open, open_labels, open_volume,
    save_dicom_segmentation, save_structure_set, scan_folder,
};
use voco_volume::{Code, Review, Terms, Volume};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/dicom").join(name)
}

fn segment(layer: usize, value: u16, name: &str) -> Segment {
    let color = Some([10 * value as u8 + 20, 200, 90]);
    Segment { layer, value, name: name.into(), color, terms: Terms::default(), review: Review::default() }
}

fn left_kidney() -> Terms {
    Terms {
        category: Some(Code::snomed("123037004", "Anatomical Structure")),
        kind: Some(Code::snomed("64033007", "Kidney")),
        modifier: Some(Code::snomed("7771000", "Left")),
        ..Terms::default()
    }
}

fn ids(volume: &Volume) -> Vec<u16> {
    let mut out = Vec::new();
    volume.voxels().for_each(|v| out.push(v as u16));
    out
}

/// A ring with a hole, a lone voxel, diagonal neighbours, and a second structure over the ring.
fn layers() -> (Vec<u16>, Vec<u16>) {
    let (mut first, mut second) = (vec![0; 40 * 32 * 4], vec![0; 40 * 32 * 4]);
    for z in 0..4_usize {
        for y in 0..32_usize {
            for x in 0..40_usize {
                let at = x + 40 * (y + 32 * z);
                let far = x.abs_diff(15).pow(2) + y.abs_diff(14).pow(2);
                if z > 0 && (9..100).contains(&far) {
                    first[at] = 1;
                }
                if z == 2 && (x, y) == (39, 31) || z == 3 && [(30, 3), (31, 4), (32, 3)].contains(&(x, y)) {
                    first[at] = 2;
                }
                if z < 3 && (10..20).contains(&x) && (3..9).contains(&y) {
                    second[at] = 1;
                }
            }
        }
    }
    (first, second)
}

#[test]
fn what_is_written_over_a_series_is_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    for source in ["plain", "tilted", "sagittal"] {
        let scan = scan_folder(&fixture(source), Control::NONE).expect("readable");
        let series = &scan.series[0];
        let image = open(&fixture(source), Control::NONE).expect("readable").volume;
        let (first, second) = layers();
        let mut segments = [segment(0, 1, "ring"), segment(0, 2, "Niere – links"), segment(1, 1, "box")];
        segments[1].terms = left_kidney();
        segments[2].terms = Terms {
            category: Some(Code::snomed("49755003", "Morphologically Altered Structure")),
            // Longer than the field for short codes.
            kind: Some(Code {
                scheme: "99LOCAL".into(),
                value: "a-code-of-21-letters-".into(),
                meaning: "Müll".into(),
            }),
            region: Some(Code::snomed("64033007", "Kidney")),
            region_modifier: Some(Code::snomed("24028007", "Right")),
            ..Terms::default()
        };
        let labels =
            SeriesLabels { series, geometry: image.geometry(), layers: &[&first, &second], segments: &segments };
        let path = folder.path().join(format!("{source}.seg.dcm"));
        save_dicom_segmentation(&path, labels, Control::NONE).expect("saved");
        assert!(is_dicom_label_file(&path));
        let layer_0 = open_volume(&path, 0, Control::NONE).expect("readable");
        let layer_1 = open_volume(&path, 1, Control::NONE).expect("readable");
        assert_eq!(layer_0.num_components, 2, "{source}");
        assert!(
            layer_0.volume.geometry().is_same_grid(image.geometry(), 1e-3),
            "{source}: {:?}",
            layer_0.volume.geometry()
        );
        assert_eq!(ids(&layer_0.volume), first, "{source}");
        assert_eq!(ids(&layer_1.volume), second.iter().map(|v| v * 3).collect::<Vec<_>>(), "{source}");
        let names: Vec<_> = layer_0.segments.iter().map(|s| (s.layer, s.value, s.name.as_str(), s.color)).collect();
        let wanted: Vec<_> = segments.iter().zip(1..).map(|(s, n)| (s.layer, n, s.name.as_str(), s.color)).collect();
        assert_eq!(names.len(), wanted.len());
        for (read, saved) in layer_0.segments.iter().zip(&segments) {
            assert_eq!(read.terms, saved.terms, "{source}");
        }
        for (a, b) in names.iter().zip(&wanted) {
            assert_eq!((a.0, a.1, a.2), (b.0, b.1, b.2), "{source}");
            let (a, b) = (a.3.expect("a colour"), b.3.expect("a colour"));
            assert!(a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1), "{a:?}, {b:?}");
        }

        let path = folder.path().join(format!("{source}.rt.dcm"));
        save_structure_set(&path, labels, Control::NONE).expect("saved");
        let error = open(&path, Control::NONE).expect_err("no grid").to_string();
        assert!(error.contains("open its images first"), "{error}");
        let read = open_labels(&path, image.geometry(), Control::NONE).expect("readable");
        assert_eq!(ids(&read.volume), first, "{source}: voxels by their outlines");
        assert_eq!(
            (read.num_components, read.segments[2].layer, read.segments[1].name.as_str()),
            (2, 1, "Niere – links")
        );
    }
}

#[test]
fn what_cannot_be_written_gets_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let scan = scan_folder(&fixture("plain"), Control::NONE).expect("readable");
    let image = open(&fixture("plain"), Control::NONE).expect("readable").volume;
    let empty = vec![0; 40 * 32 * 4];
    let segments = [segment(0, 1, "nothing")];
    let labels =
        SeriesLabels { series: &scan.series[0], geometry: image.geometry(), layers: &[&empty], segments: &segments };
    let path = folder.path().join("a.dcm");
    let error = save_dicom_segmentation(&path, labels, Control::NONE).expect_err("nothing to write");
    assert!(matches!(error, SaveError::Empty(_)), "{error}");
    let short = [1_u16; 7];
    let labels = SeriesLabels { layers: &[&short], ..labels };
    let error = save_structure_set(&path, labels, Control::NONE).expect_err("too few");
    assert!(matches!(error, SaveError::Count { given: 7, .. }), "{error}");
    assert!(!path.exists(), "nothing is left");
}

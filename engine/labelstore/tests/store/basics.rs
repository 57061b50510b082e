use voco_label::{BrickMask, LabelVolume, VoxelBox};
use voco_labelstore::{
    Document, PresetEntry, Rules, Status, TableFormat, Target, preset_from_json, read_table, write_itksnap,
    write_slicer,
};

use crate::geometry;

const DIMS: [usize; 3] = [64, 40, 30];

#[test]
fn a_change_that_changes_nothing_is_not_recorded() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let liver = document.add_segment(layer, "liver", None).expect("a segment");
    let mut gesture = document.begin(Target::Paint(liver), Rules::default(), "brush", "Brush").expect("a gesture");
    gesture.staged.add_box(&VoxelBox { min: [3, 4, 5], max: [50, 30, 20] });
    let first = document.commit(&gesture).expect("a commit");
    assert_eq!(first.voxels, 47 * 26 * 15, "all of the box");
    let again = document.commit(&gesture).expect("a commit");
    assert_eq!((again.change, again.voxels, document.history().len()), (None, 0, 2), "nothing differs");
    let clip = document.mask_of_slice(liver, 2, 7).expect("a slice");
    assert_eq!(clip.shifted([0, 0, 13]).bounding_box(), Some(VoxelBox { min: [3, 4, 20], max: [50, 30, 21] }), "moved");
    let nothing = document.mask_of_slice(liver, 2, 30).expect_err("no voxel there");
    assert_eq!(nothing.to_string(), "“liver” has nothing on that slice to copy");
    assert!(clip.shifted([0, 0, 25]).is_empty(), "out of the grid");
    let shifted = clip.shifted([-10, 20, 0]);
    assert_eq!(shifted.bounding_box(), Some(VoxelBox { min: [0, 24, 7], max: [40, 40, 8] }), "cut at the border");
    assert_eq!(document.audit_csv().lines().count(), 3, "a header and two events");
    assert_eq!(document.audit_json_lines().lines().count(), 2, "two events");
}

#[test]
fn layers_are_imported_with_their_names() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let values: Vec<u16> = (0..DIMS.iter().product()).map(|n| [0, 3, 700][n % 3]).collect();
    let volume = LabelVolume::from_values(&values, DIMS).expect("labels");
    let names = [PresetEntry::new(3, "spleen")];
    let (layer, added) = document.import_layer("reader 2", &volume, &names).expect("a layer");
    let name = |n: usize| document.segment(added[n]).expect("it").name.as_str();
    assert_eq!([name(0), name(1)], ["spleen", "Label 700"], "named where a name is known");
    let all = VoxelBox { min: [0; 3], max: DIMS };
    assert_eq!(document.layer(layer).expect("it").read_box(&all).expect("values"), values, "the same voxels");
    assert_eq!(document.history().len(), 1, "one entry");
    document.undo().expect("an undo");
    assert_eq!((document.layers().len(), document.segments().len()), (1, 0), "all of it taken back");
}

#[test]
fn a_result_lies_over_work_that_stays_as_it_is() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let mine = document.add_segment(layer, "liver", None).expect("a segment");
    assert!(document.is_blank(), "a name alone is no work");
    document.update_segment(mine, "Lock", |s| s.locked = true).expect("locked");
    assert!(!document.is_blank(), "locked");
    document.update_segment(mine, "Unlock", |s| s.locked = false).expect("unlocked");
    let mut gesture = document.begin(Target::Paint(mine), Rules::default(), "brush", "Brush").expect("a gesture");
    gesture.staged.add_box(&VoxelBox { min: [0; 3], max: [10, 10, 10] });
    document.commit(&gesture).expect("a commit");
    document.update_segment(mine, "Lock", |s| s.locked = true).expect("locked");
    assert!(!document.is_blank(), "painted");
    let before = document.history().len();
    let values = vec![1_u16; DIMS.iter().product()];
    let found = LabelVolume::from_values(&values, DIMS).expect("labels");
    let layers = [(found, vec![PresetEntry::new(1, "organ")])];
    document.cover_with("Network", "network", "Prediction", &layers).expect("over it");
    assert_eq!((document.history().len(), document.layers().len()), (before + 1, 2), "one change, one more layer");
    assert_eq!(document.mask(mine).expect("there").count(), 1000, "untouched");
    let seen: Vec<bool> = document.segments().iter().map(|s| s.visible).collect();
    assert_eq!(seen, [false, true], "what was found is on show");
    document.undo().expect("undone");
    assert_eq!((document.layers().len(), document.segments()[0].visible), (1, true));
}

#[test]
fn a_segment_is_imported_with_all_that_it_has() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let values: Vec<u16> = (0..DIMS.iter().product()).map(|n| (n % 2) as u16).collect();
    let volume = LabelVolume::from_values(&values, DIMS).expect("labels");
    let mut entry = PresetEntry::new(1, "left_kidney");
    (entry.locked, entry.visible, entry.status, entry.opacity) = (true, false, Status::Flagged, 90);
    entry.comment = "see slice 12".into();
    entry.color = Some([1, 2, 3]);
    let layers = [(volume.clone(), vec![entry.clone()])];
    document.replace_with("Open", "import", &layers).expect("opened");
    assert_eq!(PresetEntry::of(&document.segments()[0]), entry);
    assert!(document.holds(&layers));
    assert!(document.holds(&[(volume.clone(), vec![PresetEntry::new(1, "left kidney")])]), "as a person writes it");
    assert!(!document.holds(&[(volume, vec![PresetEntry::new(1, "spleen")])]), "another name");
}

#[test]
fn a_layer_goes_with_its_last_segment_and_comes_back_with_it() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let first = document.layers().next().expect("a layer").id;
    let (a, b) = (
        document.add_segment(first, "a", None).expect("added"),
        document.add_segment(first, "b", None).expect("added"),
    );
    let mut gesture = document.begin(Target::Paint(a), Rules::default(), "brush", "Brush").expect("a gesture");
    gesture.staged.add_box(&VoxelBox { min: [3, 4, 5], max: [50, 30, 20] });
    let painted = document.commit(&gesture).expect("a commit").voxels;
    let second = document.add_layer("second");
    document.move_to_layer(b, second).expect("moved");
    assert_eq!(document.layers().len(), 2, "the first one still has a segment");
    let changes = document.history().len();
    document.move_to_layer(a, second).expect("moved");
    assert_eq!((document.layers().len(), document.history().len()), (1, changes + 1), "one change");
    assert_eq!(document.mask(a).expect("there").count(), painted);
    document.undo().expect("undone");
    let layers: Vec<_> = document.layers().map(|layer| layer.id).collect();
    assert_eq!((layers, document.segment(a).expect("there").layer), (vec![first, second], first));
    assert_eq!(document.mask(a).expect("there").count(), painted, "with its voxels");
    document.redo().expect("redone");
    assert_eq!((document.layers().len(), document.mask(a).expect("there").count()), (1, painted));
}

#[test]
fn tables_of_labels_come_back() {
    let mut document = Document::new(geometry(DIMS), None).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let preset = preset_from_json(r#"{"1": "spleen", "2": "right kidney", "0": "background"}"#).expect("a preset");
    document.add_preset(layer, &preset).expect("labels");
    for (text, format) in [
        (write_itksnap(document.segments()), TableFormat::ItkSnap),
        (write_slicer(document.segments()), TableFormat::Slicer),
    ] {
        let (found, entries) = read_table(&text).expect("a table");
        assert_eq!(found, format, "{text}");
        let ours = document.segments().iter().map(|s| (s.value, s.name.clone(), Some(s.color), s.visible));
        let theirs = entries.iter().map(|e| (e.value, e.name.clone(), e.color, e.visible));
        assert!(ours.eq(theirs), "{text}");
    }
    let columns = "LabelValue,Name,Color_R,Color_G,Color_B,Color_A,Type_CodingSchemeDesignator,Type_CodeValue,Type_CodeMeaning\n\
                   5,\"liver, left\",221,130,101,255,SCT,10200004,Liver\n";
    let (_, entries) = read_table(columns).expect("a table");
    assert_eq!(entries[0].name, "liver, left");
    assert_eq!(entries[0].terms.kind.as_ref().map(|c| c.value.as_str()), Some("10200004"));
    for bad in ["", "x y", "1 liver 300 0 0 255", "1 2 3 \"a\"", "99999999 a 1 2 3 4"] {
        assert!(read_table(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_mask_of_bricks_equals_its_parts() {
    let part = VoxelBox { min: [5, 31, 2], max: [60, 40, 30] };
    let mut mask = BrickMask::of_box(DIMS, &part).expect("a mask");
    assert_eq!(mask.count(), part.num_voxels() as u64);
    let plain = mask.to_mask(&VoxelBox { min: [2, 30, 1], max: [64, 40, 30] }).expect("a mask");
    assert_eq!(plain.count(), part.num_voxels(), "all inside");
    assert_eq!(BrickMask::of_mask(DIMS, &plain, [2, 30, 1]).expect("a mask"), mask, "there and back");
    mask.invert();
    assert_eq!(mask.count(), (DIMS.iter().product::<usize>() - part.num_voxels()) as u64, "the rest of the grid");
}

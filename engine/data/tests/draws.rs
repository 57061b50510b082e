//! Lists, splits, crops and augmentation: layouts that data sets come in, and what MONAI draws.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use glam::DAffine3;
use safetensors::SafeTensors;
use voco_data::augment::{flip, quarter_turn};
use voco_data::crop::start_around;
use voco_data::list::Part;
use voco_data::{
    Augmentation, Case, ClassName, Crop, DataError, DataList, Holdout, PosNeg, Source, StoredSample, augment, rng,
};
use voco_volume::{Geometry, Grid, PreparedChannels, Recipe};

fn source(path: &Path, weight: f64) -> Source {
    Source { path: path.to_owned(), spec: Recipe::Abdomen.spec(), weight }
}

fn open(path: &Path) -> DataList {
    DataList::open(vec![source(path, 1.0)]).unwrap_or_else(|e| panic!("{e}"))
}

/// Empty files: a list looks at names only.
fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, []).expect("written");
    }
}

/// Names of image, label and part, relative to the folder.
fn found(list: &DataList, root: &Path) -> Vec<(Vec<String>, String, Part)> {
    let relative = |p: &PathBuf| p.strip_prefix(root).expect("below").to_str().expect("readable").replace('\\', "/");
    let row =
        |c: &Case| (c.image.iter().map(relative).collect(), c.label.as_ref().map(relative).unwrap_or_default(), c.part);
    list.cases().iter().map(row).collect()
}

#[test]
fn folders_of_all_layouts_are_read() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let one = |image: &str, label: &str| (vec![image.to_owned()], label.to_owned(), Part::Training);
    let nnunet = root.join("nnunet");
    touch(
        &nnunet,
        &[
            "imagesTr/brain_1_0000.nii.gz",
            "imagesTr/brain_1_0001.nii.gz",
            "imagesTr/brain_2_0000.nii.gz",
            "imagesTr/brain_2_0001.nii.gz",
            "imagesTr/._brain_2_0001.nii.gz",
            "labelsTr/brain_1.nii.gz",
            "labelsTr/brain_2.nii.gz",
            "imagesTs/brain_3_0000.nii.gz",
            "imagesTs/brain_3_0001.nii.gz",
        ],
    );
    let case = |n: u8, folder: &str, label: &str, part| {
        let image = |c: u8| format!("{folder}/brain_{n}_000{c}.nii.gz");
        (vec![image(0), image(1)], label.to_owned(), part)
    };
    assert_eq!(
        found(&open(&nnunet), &nnunet),
        [
            case(1, "imagesTr", "labelsTr/brain_1.nii.gz", Part::Training),
            case(2, "imagesTr", "labelsTr/brain_2.nii.gz", Part::Training),
            case(3, "imagesTs", "", Part::Test)
        ]
    );
    // Four digits that number cases are no channels.
    let msd = root.join("msd");
    touch(&msd, &["imagesTr/img_0001.nii.gz", "imagesTr/img_0002.nii.gz", "labelsTr/img_0001.nii.gz"]);
    assert_eq!(
        found(&open(&msd), &msd),
        [one("imagesTr/img_0001.nii.gz", "labelsTr/img_0001.nii.gz"), one("imagesTr/img_0002.nii.gz", "")]
    );
    let plain = root.join("plain");
    touch(
        &plain,
        &[
            "a.nii.gz",
            "a_label.nii.gz",
            "b.nii",
            "notes.txt",
            "s1/ct.nii.gz",
            "s1/segmentation.nii.gz",
            "images/c.nii.gz",
            "labels/c.nii.gz",
        ],
    );
    assert_eq!(
        found(&open(&plain), &plain),
        [
            one("a.nii.gz", "a_label.nii.gz"),
            one("b.nii", ""),
            one("images/c.nii.gz", "labels/c.nii.gz"),
            one("s1/ct.nii.gz", "s1/segmentation.nii.gz")
        ]
    );
    std::fs::create_dir(root.join("empty")).expect("made");
    let error = DataList::open(vec![source(&root.join("empty"), 1.0)]).expect_err("no image");
    assert!(matches!(&error, DataError::Empty(name) if name == "empty"), "{error}");
}

#[test]
fn json_lists_of_all_forms_are_read() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("list.json");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("written");
        DataList::open(vec![source(&path, 1.0)])
    };
    let list = read(
        r#"{"labels": {"0": "background", "1": "liver", "2": "left kidney"},
            "training": [{"image": "x/a.nii.gz", "label": "x/a_label.nii.gz", "subject": 7},
                         {"image": ["b_0000.nii.gz", "b_0001.nii.gz"], "label": "b.nii.gz", "extra": [1]},
                         "c.nii.gz"],
            "validation": [{"image": "/abs/d.nii.gz", "subject": 7}],
            "test": ["e.nii.gz"]}"#,
    )
    .expect("a list");
    let cases = list.cases();
    assert_eq!(cases.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["a", "b_0000", "c", "d", "e"]);
    assert_eq!(cases[0].image, [root.path().join("x/a.nii.gz")], "relative to the list");
    assert_eq!(cases[1].image.len(), 2, "channels");
    assert_eq!(cases[3].image, [PathBuf::from("/abs/d.nii.gz")]);
    assert_eq!(cases.iter().map(|c| c.part).collect::<Vec<_>>()[3..], [Part::Validation, Part::Test]);
    assert_eq!(cases[0].person, cases[3].person, "the list names persons");
    let classes = [ClassName::new("kidney left"), ClassName::new("liver"), ClassName::new("spleen")];
    let map = list.label_map(&cases[0], &classes).expect("labels");
    assert_eq!(([0, 1, 2, 3].map(|id| map.class(id)), map.missing()), ([0, 2, 1, 0], &[3_u16][..]));
    assert!(list.label_map(&cases[2], &classes).is_none(), "no label");
    // The person of case 0 is held out as a whole; case 0 itself is not on either side.
    let split = list.split_by_person(Holdout::Listed, 0);
    assert_eq!((split.training, split.validation), (vec![1, 2], vec![3]));
    assert_eq!(read(r#"[{"image": "a.nii"}, "b.nii"]"#).expect("a list").cases().len(), 2);
    for bad in ["", "{", "[1]", r#"{"training": [{"label": "a.nii"}]}"#, r#"{"training": [{"image": []}]}"#, "{}"] {
        let text = read(bad).expect_err(bad).to_string();
        assert!(text.starts_with("list.json") && text.lines().count() == 1 && text.len() < 300, "{text}");
    }
}

#[test]
fn splits_never_part_a_person() {
    let root = tempfile::tempdir().expect("a folder");
    let names: Vec<String> = (0..40).map(|n| format!("p{}_visit{}.nii.gz", n % 17, n / 17)).collect();
    touch(root.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let list = open(root.path());
    assert_eq!(list.cases().iter().map(|c| &c.person).collect::<BTreeSet<_>>().len(), 17);
    let persons = |cases: &[usize]| cases.iter().map(|&n| list.cases()[n].person.clone()).collect::<BTreeSet<_>>();
    let mut held_out = Vec::new();
    for holdout in (0..5).map(|k| Holdout::Fold { k, n: 5 }).chain([Holdout::Share(0.2), Holdout::Share(0.001)]) {
        let split = list.split_by_person(holdout, 3);
        let (training, validation) = (persons(&split.training), persons(&split.validation));
        assert!(training.is_disjoint(&validation) && !validation.is_empty(), "{holdout:?}");
        assert_eq!(split.training.len() + split.validation.len(), 40, "{holdout:?}");
        if matches!(holdout, Holdout::Fold { .. }) {
            held_out.extend(split.validation);
        }
    }
    held_out.sort_unstable();
    assert_eq!(held_out, (0..40).collect::<Vec<_>>(), "over all folds each case is held out once");
    let share = |seed| persons(&list.split_by_person(Holdout::Share(0.2), seed).validation);
    assert_eq!(share(1).len(), 3, "a fifth of 17");
    assert_eq!(share(1), share(1));
    assert_ne!(share(1), share(2), "the seed decides");
    assert!(list.split_by_person(Holdout::Share(0.0), 0).validation.is_empty());
    // The same files in two sources are the same persons; other files of the same name are not.
    let other = tempfile::tempdir().expect("a folder");
    touch(other.path(), &["p1_visit0.nii.gz"]);
    let json = root.path().join("list.json");
    std::fs::write(&json, r#"[{"image": "p1_visit0.nii.gz", "person": "somebody"}]"#).expect("written");
    let both =
        DataList::open(vec![source(root.path(), 1.0), source(&json, 1.0), source(other.path(), 1.0)]).expect("lists");
    let of = |source: usize| both.cases().iter().find(|c| c.source == source && c.id == "p1_visit0").expect("there");
    assert_eq!(of(0).person, of(1).person, "the same file");
    assert_ne!(of(0).person, of(2).person, "another file of that name");
}

#[test]
fn an_epoch_follows_the_weights() {
    let root = tempfile::tempdir().expect("a folder");
    touch(root.path(), &["a/1.nii", "a/2.nii", "b/3.nii", "b/4.nii", "c/5.nii"]);
    let sources = [("a", 8.0), ("b", 1.5), ("c", 0.0)].map(|(name, weight)| source(&root.path().join(name), weight));
    let list = DataList::open(sources.to_vec()).expect("lists");
    let all: Vec<usize> = (0..5).collect();
    let mut total = BTreeMap::new();
    for epoch in 0..200 {
        for n in list.epoch_order(&all, 1, epoch) {
            *total.entry(n).or_insert(0) += 1;
        }
    }
    assert_eq!((total.get(&0), total.get(&1), total.get(&4)), (Some(&1600), Some(&1600), None));
    assert!((270..330).contains(&total[&2]), "about one and a half times: {total:?}");
    assert_eq!(list.epoch_order(&all, 1, 2), list.epoch_order(&all, 1, 2));
    assert_ne!(list.epoch_order(&all, 1, 2), list.epoch_order(&all, 1, 3), "each epoch has its own order");
}

fn monai() -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/preprocess/monai.json");
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

#[test]
fn crops_begin_where_monais_do() {
    let monai = monai();
    let rows = monai["crops"].as_array().expect("a list");
    assert!(rows.len() >= 20, "{} rows", rows.len());
    for row in rows {
        let three =
            |name: &str| -> [usize; 3] { std::array::from_fn(|a| row[name][a].as_u64().expect("a size") as usize) };
        assert_eq!(start_around(three("center"), three("dims"), three("size")), three("start"), "{row}");
    }
}

#[test]
fn centres_are_drawn_at_the_ratio() {
    let dims = [30, 20, 10];
    let geometry = Geometry::new(dims, DAffine3::IDENTITY).expect("regular");
    let at = |n: usize| [n % 30, n / 30 % 20, n / 600];
    // Air below x = 10, background up to 20, class 1 beyond, class 2 in one voxel of it.
    let image: Vec<f32> = (0..6000).map(|n| if at(n)[0] < 10 { 0.0 } else { 0.5 }).collect();
    let class = |n: usize| if at(n) == [25, 10, 5] { 2.0 } else { f32::from(u8::from(at(n)[0] >= 20)) };
    let label = Grid::new(geometry, (0..6000).map(class).collect()).expect("values");
    let images = vec![Grid::new(geometry, image).expect("values")];
    let sample =
        StoredSample::from_prepared(PreparedChannels { images, label: Some(label), uncropped: geometry }, None);
    assert_eq!(sample.foreground().classes().collect::<Vec<_>>(), [(1, 1999), (2, 1)]);
    let mut random = rng(1, 1, 1);
    // A crop of one voxel is its own centre.
    let starts: Vec<[usize; 3]> = (0..4000)
        .map(|_| PosNeg { positive: 9.0, negative: 1.0 }.start(&sample, [1; 3], &mut random).expect("it fits"))
        .collect();
    assert!(starts.iter().all(|s| s[0] >= 10), "never in the air");
    let share = starts.iter().filter(|s| s[0] >= 20).count() as f64 / 4000.0;
    assert!((share - 0.9).abs() < 0.02, "{share} of the centres are labelled");
    for _ in 0..100 {
        let start = PosNeg { positive: 1.0, negative: 1.0 }.start(&sample, [30, 8, 9], &mut random).expect("it fits");
        assert!(start[0] == 0 && start[1] <= 12 && start[2] <= 1, "{start:?} lies inside");
    }
    assert!(PosNeg { positive: 1.0, negative: 1.0 }.start(&sample, [31, 1, 1], &mut random).is_none(), "too large");
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> ([usize; 3], Vec<f32>) {
    let view = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    let &[_, x, y, z] = view.shape() else { panic!("{name}: four axes") };
    ([x, y, z], view.data().as_chunks::<4>().0.iter().map(|&c| f32::from_le_bytes(c)).collect())
}

/// One channel and its label, both with the same values.
fn crop_of((size, image): ([usize; 3], Vec<f32>)) -> Crop {
    let label = image.iter().map(|v| (v.to_bits() >> 12) as u16).collect();
    Crop { size, image, label }
}

#[test]
fn augmentations_are_monais() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/preprocess/augment.safetensors");
    let Ok(bytes) = std::fs::read(path) else {
        assert!(
            std::env::var("VOCO_REQUIRE_SHARED").as_deref() != Ok("1"),
            "the fixture is required beside this checkout"
        );
        return;
    };
    let tensors = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
    let original = crop_of(floats(&tensors, "x"));
    for axis in 0..3 {
        let mut crop = original.clone();
        flip(&mut crop, axis);
        assert_eq!(crop, crop_of(floats(&tensors, &format!("flip{axis}"))), "flip {axis}");
    }
    let mut crop = original.clone();
    for turns in 1..=3 {
        quarter_turn(&mut crop);
        assert_eq!(crop, crop_of(floats(&tensors, &format!("rot90_k{turns}"))), "{turns} quarter turns");
    }
}

#[test]
fn augmentation_keeps_size_and_voxels_together() {
    let size = [6, 5, 4];
    let original = crop_of((size, (0..120).map(|n| n as f32).collect()));
    let sorted = |crop: &Crop| {
        let mut pairs: Vec<(u32, u16)> =
            crop.image.iter().map(|v| v.to_bits()).zip(crop.label.iter().copied()).collect();
        pairs.sort_unstable();
        pairs
    };
    let strong = Augmentation { flip: 0.5, quarter_turn: 0.5, ..Augmentation::NONE };
    let mut seen = BTreeSet::new();
    for n in 0..200 {
        let mut crop = original.clone();
        augment(&mut crop, strong, &mut rng(1, 0, n));
        assert_eq!(crop.size, size, "crops of a batch have one size");
        assert_eq!(sorted(&crop), sorted(&original), "each voxel keeps its label");
        seen.insert(crop.label);
    }
    // Half a turn in the plane is two flips, so there are eight ways to lie.
    assert_eq!(seen.len(), 8);
    let share = |how: Augmentation| {
        let changed = (0..400).filter(|&n| {
            let mut crop = original.clone();
            augment(&mut crop, how, &mut rng(2, 0, n));
            assert_eq!(crop.label, original.label, "intensities alone change");
            let ratio = crop.image[60] / 60.0;
            assert!((0.9..1.1).contains(&ratio), "{ratio}");
            crop != original
        });
        changed.count() as f64 / 400.0
    };
    let shift = share(Augmentation { shift: (0.5, 0.1), ..Augmentation::NONE });
    let scale = share(Augmentation { scale: (0.1, 0.1), ..Augmentation::NONE });
    assert!((shift - 0.5).abs() < 0.08 && (scale - 0.1).abs() < 0.05, "{shift} and {scale}");
    assert_eq!(share(Augmentation::NONE), 0.0);
}

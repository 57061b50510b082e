//! The cache against the pipeline that it stands for, and against what can happen to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use glam::{DAffine3, DQuat, DVec3};
use rand::Rng;
use voco_data::list::Part;
use voco_data::{Case, LabelMap, SampleCache, SkipReason, StoredSample, rng};
use voco_engine_api::CancelFlag;
use voco_io::{Control, save_grid, save_labels};
use voco_volume::{Geometry, Grid, Intensity, PreprocessSpec, prepare_channels};

fn spec() -> PreprocessSpec {
    PreprocessSpec {
        spacing_mm: Some([1.5; 3]),
        intensity: Intensity::Window { low: -175.0, high: 250.0 },
        foreground_above: Some(0.0),
        crop_multiple_of: None,
        pad_to: [48; 3],
        resize_to: None,
    }
}

fn geometry(dims: [usize; 3]) -> Geometry {
    let turn = DQuat::from_rotation_z(0.1);
    let affine =
        DAffine3::from_scale_rotation_translation(DVec3::new(1.2, 1.3, 2.0), turn, DVec3::new(-40.0, 7.0, 3.0));
    Geometry::new(dims, affine).expect("regular")
}

/// A ball of noise with a smaller ball of labels, unlike that of any other number.
fn write_case(folder: &Path, number: u64) -> Case {
    let dims = [44, 40, 30];
    let geometry = geometry(dims);
    let mut random = rng(7, 0, number);
    let (mut image, mut label) = (Vec::new(), Vec::new());
    for n in 0..geometry.num_voxels() {
        let at = [n % dims[0], n / dims[0] % dims[1], n / (dims[0] * dims[1])];
        let r2: f64 = (0..3).map(|a| ((at[a] as f64 + 0.5) / dims[a] as f64 - 0.5).powi(2)).sum();
        image.push(if r2 < 0.2 { random.random_range(-100.0..200.0_f32).round() } else { -1000.0 });
        label.push(if r2 < 0.03 { 2 } else { u16::from(r2 < 0.06) });
    }
    let image_path = folder.join(format!("case{number}.nii.gz"));
    let label_path = folder.join(format!("case{number}_label.nii.gz"));
    save_grid(&image_path, &Grid::new(geometry, image).expect("values"), Control::NONE).expect("saved");
    save_labels(&label_path, &geometry, &label, Control::NONE).expect("saved");
    case(&format!("case{number}"), image_path, Some(label_path))
}

fn case(id: &str, image: PathBuf, label: Option<PathBuf>) -> Case {
    Case { id: id.into(), image: vec![image], label, person: id.into(), source: 0, part: Part::Training }
}

fn labels() -> LabelMap {
    LabelMap::identity(2)
}

fn get(cache: &SampleCache, case: &Case) -> Arc<StoredSample> {
    cache.get_or_prepare(case, &spec(), Some(&labels()), &CancelFlag::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// What the cache stands for.
fn direct(case: &Case) -> StoredSample {
    let open = |path: &Path| voco_io::open(path, Control::NONE).unwrap_or_else(|e| panic!("{e}")).volume;
    let label = case.label.as_deref().map(open);
    let image = open(&case.image[0]);
    let prepared =
        prepare_channels(&[&image], label.as_ref(), &spec(), &|| false, &mut |_, _, _| {}).expect("prepared");
    StoredSample::from_prepared(prepared, Some(&labels()))
}

fn assert_same(a: &StoredSample, b: &StoredSample, what: &str) {
    assert_eq!(a.geometry(), b.geometry(), "{what}: grid");
    assert_eq!(a.uncropped(), b.uncropped(), "{what}: grid before the crop");
    assert_eq!((a.foreground(), a.background()), (b.foreground(), b.background()), "{what}: voxels to draw");
    assert_eq!((a.fingerprint(), a.num_unknown()), (b.fingerprint(), b.num_unknown()), "{what}");
    let mut random = rng(1, 2, 3);
    for n in 0..20 {
        let dims = a.dims();
        let size: [usize; 3] = std::array::from_fn(|a| if n == 0 { dims[a] } else { random.random_range(1..=dims[a]) });
        let start = std::array::from_fn(|a| random.random_range(0..=dims[a] - size[a]));
        let (one, other) = (a.read(start, size).expect("inside"), b.read(start, size).expect("inside"));
        assert!(one == other, "{what}: {size:?} at {start:?}");
    }
}

fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(files(&path, name));
        } else if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)) {
            out.push(path);
        }
    }
    out.sort();
    out
}

fn size_of(folder: &Path) -> u64 {
    files(folder, "").iter().map(|f| f.metadata().expect("there").len()).sum()
}

#[test]
fn crops_are_those_of_the_pipeline() {
    let root = tempfile::tempdir().expect("a folder");
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/samples");
    let real = case("abdomen", samples.join("ts_abdomen.nii.gz"), Some(samples.join("ts_abdomen_label.nii.gz")));
    for case in [write_case(root.path(), 0), real] {
        let expected = direct(&case);
        let cache = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
        let fresh = get(&cache, &case);
        assert!(fresh.is_on_disk(), "{}", case.id);
        assert_same(&fresh, &expected, &case.id);
        assert!(Arc::ptr_eq(&fresh, &get(&cache, &case)), "one sample while it lives");
        let again = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
        assert_same(&get(&again, &case), &expected, &case.id);
        assert_eq!((again.report().found, again.report().made), (1, 0), "{}: found", case.id);
    }
}

#[test]
fn a_sample_is_known_by_what_is_in_its_files_and_by_its_settings() {
    let root = tempfile::tempdir().expect("a folder");
    let case = write_case(root.path(), 0);
    let cache = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
    get(&cache, &case);
    let renamed = Case { image: vec![root.path().join("other.nii.gz")], id: "other".into(), ..case.clone() };
    std::fs::copy(&case.image[0], &renamed.image[0]).expect("copied");
    get(&cache, &renamed);
    assert_eq!(cache.report().made, 1, "the same bytes are the same sample");
    let coarse = PreprocessSpec { spacing_mm: Some([2.0; 3]), ..spec() };
    cache.get_or_prepare(&case, &coarse, Some(&labels()), &CancelFlag::default()).expect("prepared");
    assert_eq!(cache.report().made, 2, "other settings are another sample");
    cache.get_or_prepare(&case, &spec(), Some(&LabelMap::identity(1)), &CancelFlag::default()).expect("prepared");
    assert_eq!(cache.report().made, 3, "other classes are another sample");
    let unlabelled = cache.get_or_prepare(&case, &spec(), None, &CancelFlag::default()).expect("prepared");
    assert!(!unlabelled.has_label(), "the label map is left alone");
    let other = write_case(root.path(), 1);
    std::fs::copy(&other.image[0], &case.image[0]).expect("copied");
    assert_same(&get(&cache, &case), &direct(&case), "a file that changed is read anew");
}

#[test]
fn damaged_files_are_made_anew() {
    let root = tempfile::tempdir().expect("a folder");
    let case = write_case(root.path(), 0);
    let expected = direct(&case);
    let folder = root.path().join("cache");
    let cut: fn(&Path) = |p| {
        let bytes = std::fs::read(p).expect("readable");
        std::fs::write(p, &bytes[..bytes.len() / 2]).expect("writable");
    };
    let flip: fn(&Path) = |p| {
        let mut bytes = std::fs::read(p).expect("readable");
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0xff;
        std::fs::write(p, bytes).expect("writable");
    };
    let remove: fn(&Path) = |p| std::fs::remove_file(p).expect("removable");
    let empty: fn(&Path) = |p| std::fs::write(p, []).expect("writable");
    for (name, damage) in [("c.0.0.0.0", cut), ("c.0.0.0.0", flip), ("c.0.0.0", remove), ("c.0", flip), ("zarr", empty)]
    {
        let cache = SampleCache::open(&folder, 1 << 30).expect("a cache");
        // Found damaged when it is opened or read, and while it is in use.
        for while_in_use in [false, true] {
            let held = while_in_use.then(|| get(&cache, &case));
            get(&cache, &case);
            files(cache.folder(), name)
                .iter()
                .filter(|p| p.components().any(|c| c.as_os_str() == "samples"))
                .for_each(|p| damage(p));
            let sample = held.unwrap_or_else(|| get(&cache, &case));
            assert_same(&sample, &expected, name);
        }
        assert!(cache.report().repaired >= 1, "{name}: {:?}", cache.report());
        assert_same(&get(&SampleCache::open(&folder, 1 << 30).expect("a cache"), &case), &expected, name);
    }
}

#[test]
fn the_limit_holds_and_what_is_in_use_stays() {
    let root = tempfile::tempdir().expect("a folder");
    let cases: Vec<Case> = (0..8).map(|n| write_case(root.path(), n)).collect();
    let folder = root.path().join("cache");
    let cache = SampleCache::open(&folder, 1 << 30).expect("a cache");
    get(&cache, &cases[0]);
    let one = size_of(&cache.folder().join("samples"));
    drop(cache);
    std::fs::remove_dir_all(&folder).expect("removable");
    let limit = one * 7 / 2;
    let cache = SampleCache::open(&folder, limit).expect("a cache");
    let held = get(&cache, &cases[0]);
    // As if used long ago: only being in use keeps it.
    for file in files(cache.folder(), "zarr.json") {
        let file = std::fs::OpenOptions::new().append(true).open(file).expect("there");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)).expect("a time");
    }
    // Another process's cache, which knows of the first only through the disk.
    let other = SampleCache::open(&folder, limit).expect("a cache");
    for case in &cases[1..] {
        get(&other, case);
        let size = size_of(&cache.folder().join("samples"));
        assert!(size <= limit, "{size} bytes of {limit}");
    }
    assert!(size_of(&cache.folder().join("samples")) > 2 * one, "the room is used");
    assert_same(&held, &direct(&cases[0]), "held");
    assert_eq!(cache.report().repaired, 0, "it was never taken away");
    let made = other.report().made;
    get(&other, &cases[7]);
    assert_eq!(other.report().made, made, "the latest is still there");
    // With everything in use, or less room than for one, samples stay in memory.
    let small = SampleCache::open(&root.path().join("small"), one / 2).expect("a cache");
    let sample = get(&small, &cases[1]);
    assert!(!sample.is_on_disk() && small.report().unsaved == 1, "{:?}", small.report());
    assert_same(&sample, &direct(&cases[1]), "in memory");
}

/// A full disk, or a folder that was taken away, is no fault of the case.
#[test]
fn a_cache_that_cannot_be_written_keeps_samples_in_memory_and_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    let case = write_case(root.path(), 0);
    let cache = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
    let scratch = cache.folder().join("tmp");
    std::fs::remove_dir_all(&scratch).expect("removable");
    std::fs::write(&scratch, []).expect("writable");
    let sample = get(&cache, &case);
    assert!(!sample.is_on_disk(), "there is no place for it");
    assert_same(&sample, &direct(&case), "in memory");
    let report = cache.report();
    assert!(report.unsaved == 1 && report.skipped.is_empty(), "{report:?}");
    let problem = report.save_problem.expect("it says why");
    assert!(!problem.contains(root.path().to_str().expect("readable")), "{problem}");
}

#[test]
fn cases_that_cannot_be_used_are_listed_with_their_reason() {
    let root = tempfile::tempdir().expect("a folder");
    let good = write_case(root.path(), 0);
    let path = |name: &str| root.path().join(name);
    let bytes = std::fs::read(&good.image[0]).expect("readable");
    std::fs::write(path("cut.nii.gz"), &bytes[..bytes.len() / 2]).expect("written");
    std::fs::write(path("text.nii.gz"), "no image").expect("written");
    let air = |dims| Grid::new(geometry(dims), vec![-1000.0; dims.iter().product()]).expect("values");
    save_grid(&path("air.nii"), &air([9, 9, 9]), Control::NONE).expect("saved");
    save_grid(&path("thin.nii"), &air([40, 40, 2]).map(|_| 10.0), Control::NONE).expect("saved");
    save_labels(&path("small_label.nii"), &geometry([3, 3, 3]), &[1; 27], Control::NONE).expect("saved");
    let odd = Grid::new(*direct(&good).geometry(), vec![0.5; direct(&good).geometry().num_voxels()]).expect("values");
    save_grid(&path("odd_label.nii"), &odd, Control::NONE).expect("saved");
    let label = |name: &str| Case { label: Some(path(name)), id: name.into(), ..good.clone() };
    let image = |name: &str| case(name, path(name), None);
    let cache = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
    let bad = [
        image("cut.nii.gz"),
        image("text.nii.gz"),
        image("air.nii"),
        image("thin.nii"),
        image("missing.nii"),
        label("small_label.nii"),
        label("odd_label.nii"),
    ];
    for case in bad.iter().chain(&bad) {
        let skipped = cache.get_or_prepare(case, &spec(), Some(&labels()), &CancelFlag::default()).expect_err(&case.id);
        let text = skipped.to_string();
        assert!(text.starts_with(&case.id) && !text.contains(root.path().to_str().expect("readable")), "{text}");
        assert!(text.lines().count() == 1 && text.len() < 300, "{text}");
    }
    assert!(matches!(cache.report().skipped[3].reason, SkipReason::TooSmall(_)), "{:?}", cache.report().skipped);
    assert_eq!(cache.report().skipped.len(), bad.len(), "each once: {:?}", cache.report().skipped);
    let cancel = CancelFlag::default();
    cancel.cancel();
    let stopped = cache.get_or_prepare(&good, &spec(), None, &cancel).expect_err("cancelled");
    assert_eq!(stopped.reason, SkipReason::Cancelled);
    get(&cache, &good);
    assert_eq!(cache.report().skipped.len(), bad.len(), "stopping is no fault of a case");
}

/// Not a test: what the tests below run in other processes. Prepares all cases and says how many it made.
#[test]
#[ignore = "run by the tests of several processes"]
fn in_another_process() {
    let Ok(root) = std::env::var("VOCO_CACHE_TEST") else { return };
    let root = Path::new(&root);
    let cache = SampleCache::open(&root.join("cache"), 1 << 30).expect("a cache");
    for number in 0..NUM_CASES {
        let path = |end: &str| root.join(format!("case{number}{end}.nii.gz"));
        get(&cache, &case(&format!("case{number}"), path(""), Some(path("_label"))));
    }
    std::fs::write(root.join(format!("made-{}", std::process::id())), cache.report().made.to_string())
        .expect("written");
}

const NUM_CASES: u64 = 6;

fn another_process(root: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "in_another_process", "--ignored", "--nocapture", "--test-threads=1"])
        .env("VOCO_CACHE_TEST", root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn processes_share_the_work() {
    let root = tempfile::tempdir().expect("a folder");
    let cases: Vec<Case> = (0..NUM_CASES).map(|n| write_case(root.path(), n)).collect();
    let children: Vec<Child> = (0..3).map(|_| another_process(root.path())).collect();
    let made = children.into_iter().map(|mut child| {
        assert!(child.wait().expect("it ends").success(), "it prepared all cases");
        let said = std::fs::read_to_string(root.path().join(format!("made-{}", child.id()))).expect("it says so");
        said.parse::<u64>().expect("a number")
    });
    assert_eq!(made.sum::<u64>(), NUM_CASES, "each sample is made once");
    let cache = SampleCache::open(&root.path().join("cache"), 1 << 30).expect("a cache");
    for case in &cases {
        assert_same(&get(&cache, case), &direct(case), &case.id);
    }
    assert_eq!(cache.report().made, 0, "and found by all");
}

#[test]
fn a_killed_process_leaves_whole_samples_or_none() {
    let root = tempfile::tempdir().expect("a folder");
    let cases: Vec<Case> = (0..NUM_CASES).map(|n| write_case(root.path(), n)).collect();
    let folder = root.path().join("cache");
    let mut seen = BTreeSet::new();
    for round in 0..12 {
        let mut child = another_process(root.path());
        std::thread::sleep(Duration::from_millis(15 + 23 * round));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let cache = SampleCache::open(&folder, 1 << 30).expect("a cache");
        let left = std::fs::read_dir(cache.folder().join("tmp")).expect("there").count();
        assert_eq!(left, 0, "round {round}: what it was writing is gone");
        let whole = files(&cache.folder().join("samples"), "zarr.json").len();
        seen.insert(whole);
        // Every sample that lies there can be read.
        for sample in std::fs::read_dir(cache.folder().join("samples")).expect("there") {
            for sample in std::fs::read_dir(sample.expect("an entry").path()).expect("there") {
                let shards = files(&sample.expect("an entry").path(), "c.0");
                assert_eq!(shards.len(), 3, "round {round}: image, label and voxels");
            }
        }
        drop(cache);
        if round % 4 == 3 {
            std::fs::remove_dir_all(&folder).expect("removable");
        }
    }
    assert!(seen.len() > 1, "killed at different moments: {seen:?}");
    let cache = SampleCache::open(&folder, 1 << 30).expect("a cache");
    for case in &cases {
        assert_same(&get(&cache, case), &direct(case), &case.id);
    }
    assert_eq!(cache.report().repaired, 0, "nothing was half written");
}

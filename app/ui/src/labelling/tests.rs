use std::sync::Arc;

use glam::{DAffine3, DVec3};
use voco_label::{BrickMask, VoxelBox, Watch};
use voco_labelstore::{Document, LabelWorker, Rules, SegmentId, Target};
use voco_volume::{Geometry, Rescale, Volume, Voxels};

use super::*;

const SIDE: usize = 40;

/// Two balls of 100 in 0, of radius 9 and 4 voxels, at a distance; spacing 2 mm.
fn image() -> Volume {
    let geometry = Geometry::new([SIDE; 3], DAffine3::from_scale(DVec3::splat(2.0))).expect("a grid");
    let value = |n: usize| {
        let at = DVec3::new((n % SIDE) as f64, (n / SIDE % SIDE) as f64, (n / SIDE / SIDE) as f64);
        let is_in = at.distance(DVec3::splat(14.0)) <= 9.0 || at.distance(DVec3::new(32.0, 32.0, 32.0)) <= 4.0;
        if is_in { 100_i16 } else { 0 }
    };
    let voxels: Vec<i16> = (0..SIDE * SIDE * SIDE).map(value).collect();
    Volume::new(geometry, Voxels::I16(voxels.into()), Rescale::IDENTITY).expect("a volume")
}

fn document(names: &[&str]) -> (Document, Vec<SegmentId>) {
    let image = image();
    let mut document = Document::new(*image.geometry(), Some(image)).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let ids = names.iter().map(|name| document.add_segment(layer, name, None).expect("added")).collect();
    (document, ids)
}

fn bright(document: &Document) -> u64 {
    voco_label::in_range(document.image().expect("one"), [50.0, 150.0]).expect("found").count() as u64
}

fn take(document: &mut Document, proposal: &Proposal) {
    for gesture in &proposal.gestures {
        document.commit(gesture).expect("committed");
    }
}

fn ask(document: &Document, segment: SegmentId, what: What) -> Result<Proposal, ProposeError> {
    propose(document, &Ask { segment, rules: Rules::default(), what }, None, &Watch::NONE)
}

fn effect(document: &mut Document, segment: SegmentId, effect: Effect) -> u64 {
    let proposal = ask(document, segment, What::Effect { effect, axis: 2 }).expect("proposed");
    take(document, &proposal);
    document.mask(segment).expect("there").count()
}

#[test]
fn a_fill_takes_what_is_connected_and_a_threshold_takes_all() {
    let (mut document, ids) = document(&["ball"]);
    let what = What::Fill { voxel: [14; 3], tolerance: 10.0, leak_mm: 0.0, reach_mm: 1000.0 };
    let proposal = ask(&document, ids[0], what).expect("proposed");
    let big = proposal.voxels;
    take(&mut document, &proposal);
    assert_eq!(document.mask(ids[0]).expect("there").count(), big);
    let all = effect(&mut document, ids[0], Effect::Threshold { low: 50.0, high: 150.0, replace: false });
    assert_eq!(all, bright(&document));
    assert!(big > 2900 && big < all, "a ball of 9 voxels has about 3054: {big} of {all}");
    // Islands: the largest is the ball that was filled; splitting makes a second segment of the other.
    let split = What::Effect { effect: Effect::Islands(Islands::Split, 0.01), axis: 2 };
    let proposal = ask(&document, ids[0], split).expect("proposed");
    assert_eq!((proposal.apart, proposal.voxels), (Some(ids[0]), all - big));
    assert_eq!(effect(&mut document, ids[0], Effect::Islands(Islands::KeepLargest, 0.0)), big);
}

#[test]
fn margins_hollows_and_logic_change_what_they_say() {
    let (mut document, ids) = document(&["ball", "copy"]);
    let all = effect(&mut document, ids[0], Effect::Threshold { low: 50.0, high: 150.0, replace: true });
    let grown = effect(&mut document, ids[0], Effect::Margin(2.0));
    assert!(grown > all);
    let back = effect(&mut document, ids[0], Effect::Margin(-2.0));
    assert!(back >= all && back < grown, "closing by a ball loses nothing: {all} {grown} {back}");
    let wall = effect(&mut document, ids[0], Effect::Hollow(voco_label::tools::shape::Shell::Inside, 4.0));
    assert!(wall < back);
    let filled = effect(&mut document, ids[0], Effect::FillHoles { in_slices: false });
    assert_eq!(filled, back, "the wall encloses what was there");
    let copied = effect(&mut document, ids[1], Effect::Logic(voco_labelstore::Logic::Copy, Some(ids[0])));
    assert_eq!(copied, filled);
    assert!(document.mask(ids[0]).expect("there").is_empty(), "on one layer a voxel has one segment");
}

#[test]
fn slices_between_are_filled_and_seeds_meet_at_the_edge() {
    let (mut document, ids) = document(&["ball", "around"]);
    let paint = |document: &mut Document, id: SegmentId, part: VoxelBox| {
        let mut gesture = document.begin(Target::Paint(id), Rules::default(), "brush", "").expect("begun");
        gesture.staged = BrickMask::of_box([SIDE; 3], &part).expect("a box");
        document.commit(&gesture).expect("painted");
    };
    for k in [10, 18] {
        paint(&mut document, ids[0], VoxelBox { min: [12, 12, k], max: [17, 17, k + 1] });
    }
    let count = effect(&mut document, ids[0], Effect::BetweenSlices);
    assert_eq!(count, 25 * 9, "the same square on all slices between");
    paint(&mut document, ids[1], VoxelBox { min: [0, 0, 0], max: [SIDE, SIDE, 2] });
    effect(&mut document, ids[0], Effect::GrowFromSeeds { margin_mm: 100.0, smoothness: 0.5 });
    let found = document.mask(ids[0]).expect("there");
    let truth = voco_label::in_range_box(
        document.image().expect("one"),
        [50.0, 150.0],
        &VoxelBox { min: [0; 3], max: [26; 3] },
    )
    .expect("found");
    let mut common = found.clone();
    common.intersect(&BrickMask::of_mask([SIDE; 3], &truth, [0; 3]).expect("a mask")).expect("one grid");
    let dice = 2.0 * common.count() as f64 / (found.count() + truth.count() as u64) as f64;
    assert!(dice > 0.97, "{dice}");
}

#[test]
fn a_click_and_a_box_find_the_ball() {
    let (document, ids) = document(&["ball"]);
    let world = |v: f64| DVec3::splat(v * 2.0);
    let mark = |is_object, points_mm: Vec<DVec3>, is_box| {
        let (normal, right) = (DVec3::Z, DVec3::X);
        Mark { is_object, points_mm, is_box, normal, right }
    };
    let corner = |x: f64, y: f64| DVec3::new(x * 2.0, y * 2.0, 28.0);
    for marks in [
        vec![mark(true, vec![world(14.0)], false)],
        vec![mark(true, vec![corner(3.0, 3.0), corner(25.0, 25.0)], true)],
        vec![mark(true, vec![world(12.0), world(16.0)], false), mark(false, vec![corner(27.0, 14.0)], false)],
    ] {
        let what = What::Smart { marks, margin_mm: 24.0, radius_mm: 2.0 };
        let proposal = ask(&document, ids[0], what).expect("proposed");
        let found = &proposal.gestures[0].staged;
        let limits = VoxelBox { min: [0; 3], max: [26; 3] };
        let truth = voco_label::in_range_box(document.image().expect("one"), [50.0, 150.0], &limits).expect("found");
        let mut common = found.clone();
        common.intersect(&BrickMask::of_mask([SIDE; 3], &truth, [0; 3]).expect("a mask")).expect("one grid");
        let dice = 2.0 * common.count() as f64 / (found.count() + truth.count() as u64) as f64;
        // What counts as an edge is made for noise: at one without any, a rim of a voxel may stay out.
        assert!(dice > 0.7, "{dice}");
    }
}

#[test]
fn a_box_on_a_turned_plane_reaches_to_all_its_corners() {
    let (document, _) = document(&["ball"]);
    let geometry = document.geometry();
    // Long along a diagonal: its two ends as drawn are the corners at the left and at the right.
    let (right, down) = (DVec3::new(1.0, 1.0, 0.0).normalize(), DVec3::new(-1.0, 1.0, 0.0).normalize());
    let middle = DVec3::new(40.0, 40.0, 40.0);
    let points_mm = vec![middle - right * 14.0 - down * 10.0, middle + right * 14.0 + down * 10.0];
    let mark = Mark { is_object: true, points_mm, is_box: true, normal: right.cross(down), right };
    let other = [middle + right * 14.0 - down * 10.0, middle - right * 14.0 + down * 10.0];
    let corners = mark.corners();
    assert!(corners[1].distance(other[0]) < 1e-9 && corners[3].distance(other[1]) < 1e-9, "{corners:?}");
    let part = smart_box(geometry, &[mark], 0.0);
    for corner in corners {
        let at = geometry.voxel_from_world().transform_point3(corner).to_array();
        let is_in = (0..3).all(|a| at[a] >= part.min[a] as f64 && at[a] <= part.max[a] as f64);
        assert!(is_in, "{at:?} in {part:?}");
    }
}

#[test]
fn erasing_is_not_held_back_by_what_may_be_drawn_over() {
    let (document, ids) = document(&["a"]);
    let layer = document.segments()[0].layer;
    let mut labels = LabelSettings { over: Over::Empty, use_range: true, ..LabelSettings::default() };
    let over = |labels: &LabelSettings, target| labels.rules_for(target).draw_over;
    assert_eq!(over(&labels, Target::Paint(ids[0])), DrawOver::OnlyEmpty);
    assert_eq!(over(&labels, Target::Erase(ids[0])), DrawOver::Everywhere);
    assert_eq!(over(&labels, Target::EraseAll(layer)), DrawOver::Everywhere);
    assert_eq!(labels.rules_for(Target::Erase(ids[0])).range, Some(labels.range), "values count all the same");
    labels.over = Over::Visible;
    assert_eq!(over(&labels, Target::EraseAll(layer)), DrawOver::Visible, "what is hidden is not wiped away");
}

#[test]
fn scissors_cut_as_deep_as_they_are_set_and_fill() {
    let slices = |cut: &BrickMask| cut.bounding_box().map(|part| [part.min[2], part.max[2]]);
    let plane = voco_label::tools::Plane { origin: DVec3::new(0.0, 0.0, 28.0), right: DVec3::X, down: DVec3::Y };
    let corner = |x: f64, y: f64| DVec3::new(x * 2.0, y * 2.0, 28.0);
    let points_mm = vec![corner(-1.0, -1.0), corner(14.5, -1.0), corner(14.5, 60.0), corner(-1.0, 60.0)];
    let what = |outside, fills, depth_mm| What::Cut { plane, points_mm: points_mm.clone(), outside, fills, depth_mm };
    let (mut document, ids) = document(&["ball"]);
    effect(&mut document, ids[0], Effect::Threshold { low: 50.0, high: 150.0, replace: false });
    // Slices are 2 mm apart, and the plane is the one of slice 14.
    for (depth_mm, expected) in [(None, [5, 24]), (Some(0.0), [14, 15]), (Some(4.0), [12, 17])] {
        for outside in [false, true] {
            let proposal = ask(&document, ids[0], what(outside, false, depth_mm)).expect("proposed");
            // Beyond the plane's reach nothing is cut, outside of the outline either.
            let expected = if outside && depth_mm.is_none() { [6, 37] } else { expected };
            assert_eq!(slices(&proposal.gestures[0].staged), Some(expected), "{depth_mm:?} {outside}");
        }
    }
    let filled = ask(&document, ids[0], what(false, true, Some(0.0))).expect("proposed");
    assert_eq!(filled.gestures[0].staged.count(), 15 * 40);
    // In 3D, from above: the left half of the screen.
    let clip_from_world = glam::DMat4::orthographic_rh(-1.0, 79.0, -1.0, 79.0, -500.0, 500.0);
    let outline = [[-1.0, -1.0], [0.0, -1.0], [0.0, 1.0], [-1.0, 1.0]].map(glam::DVec2::from_array).to_vec();
    for (fills, expected) in [(true, Target::Paint(ids[0])), (false, Target::Erase(ids[0]))] {
        let outline = outline.clone();
        let what = What::Cut3d { clip_from_world, outline, outside: false, fills };
        let proposal = ask(&document, ids[0], what).expect("proposed");
        assert_eq!(proposal.gestures[0].target, expected);
    }
}

#[test]
fn level_tracing_takes_large_and_dark_things() {
    let (width, dims) = (500_usize, [500, 500, 3]);
    let geometry = Geometry::new(dims, DAffine3::IDENTITY).expect("a grid");
    // A bright disc almost as wide as the slice, with a dark one in it.
    let far = |n: usize, x: f64, y: f64| ((n % width) as f64 - x).hypot((n / width % width) as f64 - y);
    let value = |n: usize| {
        if far(n, 150.0, 250.0) < 60.0 {
            20_i16
        } else if far(n, 250.0, 250.0) < 240.0 {
            100
        } else {
            0
        }
    };
    let voxels: Vec<i16> = (0..dims.iter().product()).map(value).collect();
    let image = Volume::new(geometry, Voxels::I16(voxels.into()), Rescale::IDENTITY).expect("a volume");
    let mut document = Document::new(geometry, Some(image)).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let id = document.add_segment(layer, "disc", None).expect("added");
    let plane = voco_label::tools::Plane { origin: DVec3::Z, right: DVec3::X, down: DVec3::Y };
    let trace = |x: f64, side| {
        let what = What::LevelTrace { plane, point_mm: DVec3::new(x, 250.0, 1.0), erases: false, side };
        ask(&document, id, what).expect("proposed").voxels
    };
    let slice = width * width;
    let inside = |radius: f64, x: f64| (0..slice).filter(|&n| far(n, x, 250.0) < radius).count() as u64;
    // The dark disc is a hole in the bright one: filled. The other side is 475 voxels from the click.
    assert_eq!(trace(486.0, TraceSide::Auto), inside(240.0, 250.0));
    assert_eq!(trace(206.0, TraceSide::Auto), inside(60.0, 150.0), "dark at its edge");
    assert_eq!(trace(206.0, TraceSide::Dark), inside(60.0, 150.0));
    assert_eq!(trace(206.0, TraceSide::Bright), inside(240.0, 250.0), "all that is at least so bright");
}

#[test]
fn islands_beyond_the_most_are_counted() {
    let (mut document, ids) = document(&["dots"]);
    let mut gesture = document.begin(Target::Paint(ids[0]), Rules::default(), "brush", "").expect("begun");
    for n in 0..230 {
        gesture.staged.insert([2 * (n % 20), 2 * (n / 20), 0]);
    }
    document.commit(&gesture).expect("painted");
    let what = What::Effect { effect: Effect::Islands(Islands::Split, 0.0), axis: 2 };
    let proposal = ask(&document, ids[0], what).expect("proposed");
    assert_eq!((proposal.gestures.len(), proposal.left_out), (199, 30));
    // Each part has a colour that no segment has, and is drawn where it is.
    let table = DisplayIds::of(&document).table(&document);
    let numbers = parts::ids(&table, &proposal);
    let different: std::collections::BTreeSet<&u16> = numbers.iter().collect();
    assert_eq!((numbers.len(), different.len()), (199, 199));
    assert!(numbers.iter().all(|id| table.get(*id).is_none()), "{numbers:?}");
    assert_eq!(parts::table(&table, Some(&proposal)).entries().len(), 200);
    let mut brick = vec![0; BRICK_VOXELS];
    parts::draw(&document, &proposal.gestures[0], numbers[0], 0, &mut brick);
    let drawn: Vec<usize> = (0..BRICK_VOXELS).filter(|&n| brick[n] == numbers[0]).collect();
    assert!(drawn.len() == 1 && proposal.gestures[0].staged.get([drawn[0] % BRICK, drawn[0] / BRICK, 0]), "{drawn:?}");
    // A fill has none.
    let what = What::Fill { voxel: [14; 3], tolerance: 10.0, leak_mm: 0.0, reach_mm: 1000.0 };
    assert!(parts::ids(&table, &ask(&document, ids[0], what).expect("proposed")).is_empty());
}

#[test]
fn locked_segments_are_refused_and_kept() {
    let (mut document, ids) = document(&["ball", "locked"]);
    effect(&mut document, ids[1], Effect::Threshold { low: 50.0, high: 150.0, replace: false });
    document.update_segment(ids[1], "Lock", |s| s.locked = true).expect("locked");
    let what = || What::Effect { effect: Effect::Threshold { low: -10.0, high: 150.0, replace: false }, axis: 2 };
    assert!(matches!(ask(&document, ids[1], what()), Err(ProposeError::Store(_))));
    let proposal = ask(&document, ids[0], what()).expect("proposed");
    take(&mut document, &proposal);
    let counts = ids.iter().map(|id| document.mask(*id).expect("there").count());
    let total = (SIDE * SIDE * SIDE) as u64;
    assert_eq!(counts.collect::<Vec<_>>(), [total - bright(&document), bright(&document)]);
}

#[test]
fn layers_are_drawn_over_one_another_and_hidden_segments_leave_room() {
    let (mut document, ids) = document(&["below"]);
    effect(&mut document, ids[0], Effect::Threshold { low: 50.0, high: 150.0, replace: false });
    let flat = |document: &Document| {
        let ids = DisplayIds::of(document);
        let table = ids.table(document);
        FlatLabels { document: Arc::new(document.frozen()), ids, table }.volume().expect("room")
    };
    assert_eq!(flat(&document).value([14; 3]), Some(1.0));
    let layer = document.add_layer("over");
    let lesion = document.add_segment(layer, "lesion", None).expect("added");
    let mut gesture = document.begin(Target::Paint(lesion), Rules::default(), "brush", "").expect("begun");
    gesture.staged.insert([14; 3]);
    document.commit(&gesture).expect("painted");
    let shown = flat(&document);
    assert_eq!([shown.value([14; 3]), shown.value([13, 14, 14])], [Some(2.0), Some(1.0)]);
    document.update_segment(lesion, "Hide", |s| s.visible = false).expect("hidden");
    assert_eq!(flat(&document).value([14; 3]), Some(1.0));
    let ids_now = DisplayIds::of(&document);
    assert_eq!(ids_now.segment(&document, ids_now.at(&document, [14; 3])), Some(ids[0]));
}

#[test]
fn segments_keep_their_value_unless_a_lower_layer_has_it() {
    let (mut document, ids) = document(&["a", "b"]);
    let layer = document.add_layer("over");
    let apart = document.add_segment_with_value(layer, 40, "apart", None).expect("added");
    let same = document.add_segment_with_value(layer, 2, "same", None).expect("added");
    let numbers = |document: &Document| {
        let shown = DisplayIds::of(document);
        for id in [ids[0], ids[1], apart, same] {
            let number = shown.id(document, id).expect("a number");
            assert_eq!(shown.segment(document, number), Some(id), "{number}");
        }
        [ids[0], ids[1], apart, same].map(|id| shown.id(document, id))
    };
    let expected = [1, 2, 40, 3].map(Some);
    assert_eq!(numbers(&document), expected, "the least free one");
    document.reorder_segment(same, 0).expect("moved");
    document.update_segment(ids[1], "Hide", |s| s.visible = false).expect("hidden");
    assert_eq!(numbers(&document), expected, "whatever the list looks like");
    assert_eq!(DisplayIds::of(&document).num_renumbered(), 1);
    assert_eq!(DisplayIds::of(&document).table(&document).entries().len(), 4);
}

#[test]
fn what_is_composed_for_the_screen_is_what_is_committed() {
    let (mut document, ids) = document(&["a", "b"]);
    effect(&mut document, ids[0], Effect::Threshold { low: 50.0, high: 150.0, replace: false });
    let mut paint = document.begin(Target::Paint(ids[1]), Rules::default(), "brush", "").expect("begun");
    paint.staged.add_box(&VoxelBox { min: [10, 10, 10], max: [36, 20, 34] });
    let mut erase = document.begin(Target::Erase(ids[0]), Rules::default(), "eraser", "").expect("begun");
    erase.staged.add_box(&VoxelBox { min: [0, 0, 0], max: [12, 40, 40] });
    let shown = DisplayIds::of(&document);
    let bricks = document.layer(document.segments()[0].layer).expect("a layer").grid().count();
    let compose = |document: &Document, gestures: &[&Gesture]| {
        let one = |n| {
            let mut out = vec![0; voco_label::BRICK_VOXELS];
            shown.compose(document, gestures, n, &mut out);
            out
        };
        (0..bricks).map(one).collect::<Vec<_>>()
    };
    let preview = compose(&document, &[&paint, &erase]);
    document.commit(&paint).expect("committed");
    document.commit(&erase).expect("committed");
    assert!(preview == compose(&document, &[]), "what was shown is what is there");
}

#[test]
fn a_new_segment_is_worked_on_and_undo_is_known_by_its_time() {
    let Ok(render) = voco_render::RenderContext::headless() else {
        assert!(std::env::var_os("VOCO_REQUIRE_GPU").is_none_or(|v| v != "1"));
        return;
    };
    let (document, ids) = document(&["a"]);
    let table = DisplayIds::of(&document).table(&document);
    let texture = Arc::new(LabelTexture::empty(&render, document.geometry(), &table).expect("room"));
    let (worker, first) = LabelWorker::start(document, None, Arc::new(|| {})).expect("a thread");
    let mut work = LabelWork::new("Labels".into(), "your work".into(), worker, first, texture);
    let settle = |work: &mut LabelWork| {
        while work.is_writing() {
            assert!(work.poll().errors.is_empty());
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    };
    assert_eq!(work.current, Some(ids[0]));
    work.begin(Target::Paint(ids[0]), Rules::default(), "brush", "Brush: a").expect("begun");
    let part = VoxelBox { min: [3; 3], max: [9; 3] };
    work.stage(|staged| {
        staged.add_box(&part);
        Ok(part)
    })
    .expect("staged");
    assert!(work.draw(&render).expect("drawn"), "the surfaces of the next frame need it");
    assert!(!work.draw(&render).expect("drawn"), "once");
    work.finish();
    settle(&mut work);
    assert_eq!(work.document().mask(ids[0]).expect("there").count(), 216);
    let first_stamp = work.stamps()[0];
    let layer = work.document().segments()[0].layer;
    work.edit(move |document| document.add_segment(layer, "b", None).map(drop));
    work.choose_new = true;
    settle(&mut work);
    let chosen = work.current.and_then(|id| work.document().segment(id).ok()).map(|s| s.name.clone());
    assert_eq!(chosen.as_deref(), Some("b"));
    assert!(work.stamps()[0] > first_stamp && work.is_unsaved());
    work.step(false);
    work.step(false);
    settle(&mut work);
    assert!(work.document().mask(ids[0]).expect("there").is_empty());
    assert_eq!(work.stamps()[1], first_stamp, "the next to be done again is the stroke");
}

/// `cargo nextest run --release -p voco_ui brush_times --run-ignored only --no-capture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "that is what it is for")]
fn brush_times() {
    use std::time::Instant;
    use voco_label::tools::brush::{Tip, stroke};
    let Ok(render) = voco_render::RenderContext::headless() else { return };
    let dims = [512, 512, 1000];
    let geometry = Geometry::new(dims, DAffine3::from_scale(DVec3::new(0.8, 0.8, 0.8))).expect("a grid");
    let image = Volume::new(geometry, Voxels::I16(vec![0; dims.iter().product()].into()), Rescale::IDENTITY);
    let mut document = Document::new(geometry, Some(image.expect("a volume"))).expect("a document");
    let layer = document.layers().next().expect("a layer").id;
    let id = document.add_segment(layer, "a", None).expect("added");
    let table = DisplayIds::of(&document).table(&document);
    let texture = Arc::new(LabelTexture::empty(&render, &geometry, &table).expect("room"));
    let (worker, first) = LabelWorker::start(document, None, Arc::new(|| {})).expect("a thread");
    let mut work = LabelWork::new("Labels".into(), "your work".into(), worker, first, texture);
    let plane = voco_label::tools::Plane { origin: geometry.center_mm(), right: DVec3::X, down: DVec3::Y };
    for (tip, name, radius) in [
        (Tip::Disc, "disc", 5.0),
        (Tip::Disc, "disc", 50.0),
        (Tip::Ball, "ball", 5.0),
        (Tip::Ball, "ball", 20.0),
        (Tip::Ball, "ball", 50.0),
        (Tip::Ball, "ball", 75.0),
    ] {
        for ranged in [false, true] {
            let rules = Rules { range: ranged.then_some([-10.0, 10.0]), ..Rules::default() };
            work.begin(Target::Paint(id), rules, "brush", "Brush: a").expect("begun");
            let (mut worst, mut sum, count) = (0.0_f64, 0.0, 20);
            for n in 0..count {
                let at = |n: i32| geometry.center_mm() + DVec3::X * f64::from(n) * 2.0;
                let began = Instant::now();
                work.stage(|staged| stroke(staged, &geometry, tip, radius, &plane, [at(n - 1), at(n)]))
                    .expect("staged");
                work.draw(&render).expect("drawn");
                let ms = began.elapsed().as_secs_f64() * 1e3;
                (worst, sum) = (worst.max(ms), sum + ms);
            }
            work.finish();
            let began = Instant::now();
            while work.is_writing() {
                work.poll();
                std::thread::yield_now();
            }
            let commit = began.elapsed().as_secs_f64() * 1e3;
            work.step(false);
            let began = Instant::now();
            while work.is_writing() {
                work.poll();
                std::thread::yield_now();
            }
            let undo = began.elapsed().as_secs_f64() * 1e3;
            while work.draw(&render).expect("drawn") {}
            let mean = sum / f64::from(count);
            eprintln!(
                "{name} of {:3.0} mm, range {ranged:5}: stamp and picture {mean:5.1} ms (worst {worst:5.1}), commit {commit:5.1} ms, undo {undo:4.1} ms",
                2.0 * radius
            );
        }
    }
}

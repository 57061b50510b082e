//! Random work, done in turn on a document and on plain arrays.

use rand::Rng;
use rand::rngs::StdRng;
use voco_label::{BrickMask, VoxelBox};
use voco_labelstore::{Document, DrawOver, LayerId, Logic, Rules, Segment, SegmentId, Status, Target};

/// Everything that a document holds, in its plainest form.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    pub layers: Vec<(LayerId, String, Vec<u16>)>,
    pub segments: Vec<Segment>,
}

/// The plain twin of a document, with an undo stack of whole differences.
pub struct Model {
    pub dims: [usize; 3],
    pub now: Plain,
    image: Vec<f64>,
    pub undo: Vec<Difference>,
    pub redo: Vec<Difference>,
}

type Names = Vec<(LayerId, String)>;

/// Two states, as far as they differ.
pub struct Difference {
    voxels: Vec<(LayerId, usize, u16, u16)>,
    segments: (Vec<Segment>, Vec<Segment>),
    layers: (Names, Names),
}

impl Model {
    pub fn of(document: &Document) -> Self {
        let image = document.image().map(|image| {
            let rescale = image.rescale();
            let mut values = Vec::new();
            image.voxels().for_each(|v| values.push(rescale.apply(v)));
            values
        });
        let dims = document.geometry().dims();
        Self { dims, now: plain(document), image: image.unwrap_or_default(), undo: Vec::new(), redo: Vec::new() }
    }

    fn layer(&mut self, id: LayerId) -> &mut Vec<u16> {
        &mut self.now.layers.iter_mut().find(|l| l.0 == id).expect("a layer").2
    }

    fn may(&self, layer: LayerId, at: usize, rules: &Rules) -> bool {
        let value_in = |id: LayerId| self.now.layers.iter().find(|l| l.0 == id).expect("a layer").2[at];
        let value = value_in(layer);
        let here = self.now.segments.iter().find(|s| s.layer == layer && s.value == value);
        let is_in =
            |ids: &[SegmentId]| self.now.segments.iter().any(|s| ids.contains(&s.id) && value_in(s.layer) == s.value);
        let area = match &rules.draw_over {
            DrawOver::Everywhere => true,
            DrawOver::OnlyEmpty => value == 0,
            DrawOver::Inside(ids) => is_in(ids),
            DrawOver::Outside(ids) => !is_in(ids),
            DrawOver::Visible => here.is_none_or(|s| s.visible),
        };
        let range = rules.range.is_none_or(|[low, high]| (low..=high).contains(&self.image[at]));
        area && range && here.is_none_or(|s| !s.locked)
    }

    /// Writes voxels one by one; the rules see the state before.
    fn write(&mut self, layer: LayerId, rules: &Rules, voxels: impl Iterator<Item = (usize, u16)>) -> u64 {
        let wanted: Vec<_> = voxels.filter(|&(at, _)| self.may(layer, at, rules)).collect();
        let values = self.layer(layer);
        let mut changed = 0;
        for (at, value) in wanted {
            changed += u64::from(values[at] != value);
            values[at] = value;
        }
        changed
    }

    fn difference(&self, before: Plain) -> Option<Difference> {
        if before == self.now {
            return None;
        }
        let mut voxels = Vec::new();
        let zeros = vec![0; self.dims.iter().product()];
        let ids: Vec<LayerId> = before.layers.iter().chain(&self.now.layers).map(|l| l.0).collect();
        for (n, id) in ids.iter().enumerate().filter(|(n, id)| !ids[..*n].contains(id)) {
            let find = |plain: &Plain| plain.layers.iter().find(|l| l.0 == *id).map(|l| l.2.clone());
            let (a, b) = (find(&before).unwrap_or(zeros.clone()), find(&self.now).unwrap_or(zeros.clone()));
            voxels.extend((0..a.len()).filter(|&at| a[at] != b[at]).map(|at| (*id, at, a[at], b[at])));
            let _ = n;
        }
        let names = |plain: &Plain| plain.layers.iter().map(|l| (l.0, l.1.clone())).collect();
        let layers = (names(&before), names(&self.now));
        Some(Difference { voxels, segments: (before.segments, self.now.segments.clone()), layers })
    }

    fn go(&mut self, difference: &Difference, back: bool) {
        let (layers, segments) = if back {
            (&difference.layers.0, &difference.segments.0)
        } else {
            (&difference.layers.1, &difference.segments.1)
        };
        let size = self.dims.iter().product();
        let all = std::mem::take(&mut self.now.layers);
        let find = |id: LayerId| all.iter().find(|l| l.0 == id).map_or_else(|| vec![0; size], |l| l.2.clone());
        self.now.layers = layers.iter().map(|(id, name)| (*id, name.clone(), find(*id))).collect();
        self.now.segments.clone_from(segments);
        for &(id, at, before, after) in &difference.voxels {
            if let Some(layer) = self.now.layers.iter_mut().find(|l| l.0 == id) {
                layer.2[at] = if back { before } else { after };
            }
        }
    }
}

pub fn plain(document: &Document) -> Plain {
    let layer = |info: &voco_labelstore::LayerInfo| {
        let volume = document.layer(info.id).expect("a layer");
        let part = VoxelBox { min: [0; 3], max: volume.dims() };
        (info.id, info.name.clone(), volume.read_box(&part).expect("values"))
    };
    Plain { layers: document.layers().map(layer).collect(), segments: document.segments().to_vec() }
}

/// One random piece of work on both; panics if they do not report the same.
pub fn step(document: &mut Document, model: &mut Model, rng: &mut StdRng) {
    let kind = rng.random_range(0..100);
    if kind < 12 {
        let done = document.undo().expect("an undo").is_some();
        let difference = model.undo.pop();
        assert_eq!(done, difference.is_some(), "undo");
        if let Some(difference) = difference {
            model.go(&difference, true);
            model.redo.push(difference);
        }
        return;
    }
    if kind < 20 {
        let done = document.redo().expect("a redo").is_some();
        let difference = model.redo.pop();
        assert_eq!(done, difference.is_some(), "redo");
        if let Some(difference) = difference {
            model.go(&difference, false);
            model.undo.push(difference);
        }
        return;
    }
    let before = model.now.clone();
    if (92..95).contains(&kind) {
        document.begin_group("Several", "group");
        for _ in 0..3 {
            let kind = rng.random_range(20..90);
            change(document, model, rng, kind);
        }
        document.end_group();
    } else {
        change(document, model, rng, kind);
    }
    if let Some(difference) = model.difference(before) {
        model.undo.push(difference);
        model.redo.clear();
    }
}

fn change(document: &mut Document, model: &mut Model, rng: &mut StdRng, kind: u32) {
    let any_segment = |model: &Model, rng: &mut StdRng| {
        let all = &model.now.segments;
        (!all.is_empty()).then(|| all[rng.random_range(0..all.len())].clone())
    };
    let any_layer = |model: &Model, rng: &mut StdRng| model.now.layers[rng.random_range(0..model.now.layers.len())].0;
    match kind {
        20..65 => {
            if let Some(segment) = any_segment(model, rng) {
                gesture(document, model, rng, &segment);
            }
        }
        65..72 => labels(document, model, rng),
        72..80 => {
            if let (Some(a), Some(b)) = (any_segment(model, rng), any_segment(model, rng)) {
                logic(document, model, rng, &a, &b);
            }
        }
        80..85 if model.now.segments.len() < 9 => {
            let layer = any_layer(model, rng);
            let name = format!("Organ {}", rng.random_range(0..1000));
            let id = document.add_segment(layer, &name, None).expect("a segment");
            let added = document.segment(id).expect("the new one").clone();
            assert!(model.now.segments.iter().all(|s| s.id != id && (s.layer, s.value) != (layer, added.value)), "new");
            model.now.segments.push(added);
        }
        85..88 => {
            if let Some(segment) = any_segment(model, rng) {
                let (lock, show, name) = (rng.random_bool(0.3), rng.random_bool(0.7), rng.random_range(0..1000));
                let edit = |s: &mut Segment| {
                    (s.locked, s.visible, s.name) = (lock, show, format!("Part {name}"));
                    s.status = Status::InProgress;
                };
                document.update_segment(segment.id, "Edit", edit).expect("an edit");
                model.now.segments.iter_mut().filter(|s| s.id == segment.id).for_each(edit);
            }
        }
        88..90 if model.now.layers.len() < 3 => {
            let id = document.add_layer("More");
            let size = model.dims.iter().product();
            model.now.layers.push((id, "More".into(), vec![0; size]));
        }
        _ => rare(document, model, rng, kind),
    }
}

fn rare(document: &mut Document, model: &mut Model, rng: &mut StdRng, kind: u32) {
    if model.now.segments.is_empty() {
        return;
    }
    let count = model.now.segments.len();
    let segment = model.now.segments[rng.random_range(0..count)].clone();
    let other = model.now.segments[rng.random_range(0..count)].clone();
    match kind {
        95 => {
            let result = document.remove_segment(segment.id);
            assert_eq!(result.is_err(), segment.locked, "{result:?}");
            if !segment.locked {
                clear(model, &segment);
            }
        }
        96 => {
            let result = document.merge_segments(segment.id, &[other.id]);
            assert_eq!(result.is_err(), segment.locked || (other.locked && other.id != segment.id), "{result:?}");
            if result.is_ok() && other.id != segment.id {
                let moved = voxels_of(model, &other);
                model.write(segment.layer, &Rules::default(), moved.into_iter().map(|at| (at, segment.value)));
                clear(model, &other);
            }
        }
        97 => {
            let layer = model.now.layers[rng.random_range(0..model.now.layers.len())].0;
            let result = document.move_to_layer(segment.id, layer);
            assert_eq!(result.is_err(), segment.locked, "{result:?}");
            if result.is_ok() && layer != segment.layer {
                let moved = voxels_of(model, &segment);
                let after = document.segment(segment.id).expect("it").clone();
                for &at in &moved {
                    model.layer(segment.layer)[at] = 0;
                }
                let empty = |at: &usize, model: &mut Model| model.layer(layer)[*at] == 0;
                for at in moved {
                    if empty(&at, model) {
                        model.layer(layer)[at] = after.value;
                    }
                }
                *model.now.segments.iter_mut().find(|s| s.id == segment.id).expect("it") = after;
                if model.now.segments.iter().all(|s| s.layer != segment.layer) {
                    model.now.layers.retain(|l| l.0 != segment.layer);
                }
            }
        }
        98 => {
            let result = document.remove_layer(segment.layer);
            let locked = model.now.segments.iter().any(|s| s.layer == segment.layer && s.locked);
            assert_eq!(result.is_err(), locked || model.now.layers.len() == 1, "{result:?}");
            if result.is_ok() {
                model.now.segments.retain(|s| s.layer != segment.layer);
                model.now.layers.retain(|l| l.0 != segment.layer);
            }
        }
        _ => {
            let to = rng.random_range(0..count);
            document.reorder_segment(segment.id, to).expect("an order");
            let at = model.now.segments.iter().position(|s| s.id == segment.id).expect("it");
            let moved = model.now.segments.remove(at);
            model.now.segments.insert(to, moved);
        }
    }
}

fn voxels_of(model: &mut Model, segment: &Segment) -> Vec<usize> {
    let values = model.layer(segment.layer);
    (0..values.len()).filter(|&at| values[at] == segment.value).collect()
}

fn clear(model: &mut Model, segment: &Segment) {
    for at in voxels_of(model, segment) {
        model.layer(segment.layer)[at] = 0;
    }
    model.now.segments.retain(|s| s.id != segment.id);
}

fn random_rules(model: &Model, rng: &mut StdRng) -> Rules {
    let some: Vec<SegmentId> = model.now.segments.iter().filter(|_| rng.random_bool(0.4)).map(|s| s.id).collect();
    let draw_over = match rng.random_range(0..8) {
        0 => DrawOver::OnlyEmpty,
        1 => DrawOver::Inside(some),
        2 => DrawOver::Outside(some),
        3 => DrawOver::Visible,
        _ => DrawOver::Everywhere,
    };
    let low = f64::from(rng.random_range(-400..200));
    Rules { draw_over, range: rng.random_bool(0.25).then_some([low, low + 300.0]) }
}

fn random_box(dims: [usize; 3], rng: &mut StdRng, most: usize) -> VoxelBox {
    let min: [usize; 3] = std::array::from_fn(|a| rng.random_range(0..dims[a]));
    let max = std::array::from_fn(|a| (min[a] + rng.random_range(1..=most)).min(dims[a]));
    VoxelBox { min, max }
}

fn flat(dims: [usize; 3], part: &VoxelBox) -> Vec<usize> {
    let rows = (part.min[2]..part.max[2]).flat_map(|k| (part.min[1]..part.max[1]).map(move |j| (j, k)));
    rows.flat_map(|(j, k)| (part.min[0]..part.max[0]).map(move |i| i + dims[0] * (j + dims[1] * k))).collect()
}

fn gesture(document: &mut Document, model: &mut Model, rng: &mut StdRng, segment: &Segment) {
    let rules = random_rules(model, rng);
    let target = match rng.random_range(0..6) {
        0 => Target::Erase(segment.id),
        1 => Target::EraseAll(segment.layer),
        _ => Target::Paint(segment.id),
    };
    let mut gesture = document.begin(target, rules.clone(), "brush", "Brush").expect("a gesture");
    let mut voxels = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let part = random_box(model.dims, rng, 40);
        let density = if rng.random_bool(0.5) { 1.0 } else { 0.6 };
        for at in flat(model.dims, &part) {
            if rng.random_bool(density) {
                let [nx, ny, _] = model.dims;
                gesture.staged.insert([at % nx, at / nx % ny, at / nx / ny]);
                voxels.push(at);
            }
        }
    }
    let preview = document.preview_all(&gesture).map(|mask: BrickMask| mask.count());
    let result = document.commit(&gesture);
    if segment.locked && target != Target::EraseAll(segment.layer) {
        assert!(result.is_err(), "{segment:?} is locked");
        return;
    }
    voxels.sort_unstable();
    voxels.dedup();
    let changed = match target {
        Target::Paint(_) => model.write(segment.layer, &rules, voxels.into_iter().map(|at| (at, segment.value))),
        Target::Erase(_) => {
            let values = model.layer(segment.layer).clone();
            let mine = voxels.into_iter().filter(|&at| values[at] == segment.value);
            model.write(segment.layer, &rules, mine.map(|at| (at, 0)))
        }
        Target::EraseAll(_) => model.write(segment.layer, &rules, voxels.into_iter().map(|at| (at, 0))),
    };
    assert_eq!(result.expect("a commit").voxels, changed, "{target:?} {rules:?}");
    assert_eq!(preview.expect("a preview"), changed, "preview of {target:?} {rules:?}");
}

fn labels(document: &mut Document, model: &mut Model, rng: &mut StdRng) {
    let layer = model.now.layers[rng.random_range(0..model.now.layers.len())].0;
    let mut values: Vec<u16> = model.now.segments.iter().filter(|s| s.layer == layer).map(|s| s.value).collect();
    values.push(0);
    let rules = random_rules(model, rng);
    let part = random_box(model.dims, rng, 45);
    let drawn: Vec<u16> = (0..part.num_voxels()).map(|_| values[rng.random_range(0..values.len())]).collect();
    let keep = rng.random_bool(0.5).then(|| values[rng.random_range(0..values.len())]);
    let done = document.write_labels(layer, &part, &drawn, keep, &rules, "network", "Network").expect("labels");
    let locked: Vec<u16> =
        model.now.segments.iter().filter(|s| s.layer == layer && s.locked).map(|s| s.value).collect();
    let pairs: Vec<_> = flat(model.dims, &part).into_iter().zip(drawn).collect();
    let wanted = pairs.into_iter().filter(|(_, v)| Some(*v) != keep && !locked.contains(v));
    assert_eq!(model.write(layer, &rules, wanted), done.voxels, "{rules:?}");
}

fn logic(document: &mut Document, model: &mut Model, rng: &mut StdRng, a: &Segment, b: &Segment) {
    let all = [Logic::Copy, Logic::Add, Logic::Subtract, Logic::Intersect, Logic::Invert, Logic::Clear, Logic::Fill];
    let logic = all[rng.random_range(0..all.len())];
    let rules = random_rules(model, rng);
    let result = document.logic(logic, a.id, b.id, &rules);
    assert_eq!(result.is_err(), a.locked, "{result:?}");
    if a.locked {
        return;
    }
    let (mine, theirs) = (model.layer(a.layer).clone(), model.layer(b.layer).clone());
    let is_in = |at: usize| {
        let (m, t) = (mine[at] == a.value, theirs[at] == b.value);
        match logic {
            Logic::Copy => t,
            Logic::Add => m || t,
            Logic::Subtract => m && !t,
            Logic::Intersect => m && t,
            Logic::Invert => !m,
            Logic::Clear => false,
            Logic::Fill => true,
        }
    };
    let grown: Vec<usize> = (0..mine.len()).filter(|&at| is_in(at) && mine[at] != a.value).collect();
    let lost: Vec<usize> = (0..mine.len()).filter(|&at| !is_in(at) && mine[at] == a.value).collect();
    // Rules see the state before, so growth is decided first.
    let grown: Vec<usize> = grown.into_iter().filter(|&at| model.may(a.layer, at, &rules)).collect();
    for at in lost {
        model.layer(a.layer)[at] = 0;
    }
    for at in grown {
        model.layer(a.layer)[at] = a.value;
    }
}

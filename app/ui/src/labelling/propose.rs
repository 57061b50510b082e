//! What the algorithms behind the tools propose. Pure functions of a published document, run on a task.

use glam::{DMat4, DVec2, DVec3, DVec4};
use rayon::prelude::*;

use voco_label::tools::flood::{Limits, flood_fill, grow_region};
use voco_label::tools::grow::{GrowthCost, grow_from_seeds};
use voco_label::tools::smooth::{gaussian_image, gradient_length, joint_smoothed};
use voco_label::tools::{Plane, between, polygon, shape, trace, watershed::watershed};
use voco_label::{BrickMask, Connectivity, LabelError, Lattice, Mask, VoxelBox, Watch, in_range, read_image_box};
use voco_labelstore::{Document, DrawOver, Gesture, LayerId, Logic, Rules, SegmentId, StoreError, Target, change_name};
use voco_volume::Volume;

use super::{Effect, IslandUse, Islands, Mark, Proposal, Smoothing, TraceSide};

/// More parts than this do not become segments of their own.
const MOST_PARTS: usize = 200;

/// What is asked of an algorithm.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The segment that it is about.
    pub segment: SegmentId,
    /// Which voxels may change.
    pub rules: Rules,
    /// What to do.
    pub what: What,
}

/// Which algorithm, with what it needs.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of LabelSettings")]
pub enum What {
    /// A panel's algorithm; slices are those across this axis.
    Effect {
        effect: Effect,
        axis: usize,
    },
    Fill {
        voxel: [usize; 3],
        tolerance: f64,
        leak_mm: f64,
        reach_mm: f64,
    },
    Grow {
        voxel: [usize; 3],
        multiplier: f64,
        leak_mm: f64,
        reach_mm: f64,
    },
    LevelTrace {
        plane: Plane,
        point_mm: DVec3,
        erases: bool,
        side: TraceSide,
    },
    Island {
        voxel: [usize; 3],
        then: IslandUse,
    },
    /// Behind an outline: through all slices, or so far on either side of the plane (0 for the slice alone).
    Cut {
        plane: Plane,
        points_mm: Vec<DVec3>,
        outside: bool,
        fills: bool,
        depth_mm: Option<f64>,
    },
    /// Behind an outline on a 3D view, in normalised device coordinates.
    Cut3d {
        clip_from_world: DMat4,
        outline: Vec<DVec2>,
        outside: bool,
        fills: bool,
    },
    Smart {
        marks: Vec<Mark>,
        margin_mm: f64,
        radius_mm: f64,
    },
}

/// What a network says of a box of voxels: the probability of the segment, i fastest.
#[derive(Debug, Clone)]
pub struct NetworkPrior {
    /// The box.
    pub part: VoxelBox,
    /// 0 to 1 for each of its voxels.
    pub probability: Vec<f32>,
}

/// Why there is nothing to propose, as one sentence without its full stop.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The labels.
    #[error("{0}")]
    Label(#[from] LabelError),
    /// The document.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Something that the user can mend.
    #[error("{0}")]
    Needs(&'static str),
}

/// Finds what is asked for.
///
/// # Errors
/// What the algorithm needs and does not have, too little memory, or cancelled.
pub fn propose(
    document: &Document,
    ask: &Ask,
    prior: Option<&NetworkPrior>,
    watch: &Watch<'_>,
) -> Result<Proposal, ProposeError> {
    let segment = document.segment(ask.segment)?;
    if segment.locked {
        return Err(StoreError::Locked(segment.name.clone()).into());
    }
    let (tool, key) = names(&ask.what);
    let name = change_name(key, &[&segment.name]);
    let run = Run { document, ask, tool, name: &name, watch };
    let (mut gestures, left_out) = match &ask.what {
        What::Effect { effect: Effect::Islands(Islands::Split, least_ml), .. } => run.split(*least_ml)?,
        _ => (run.gestures(prior)?, 0),
    };
    gestures.retain(|gesture| !gesture.staged.is_empty());
    let mut voxels = 0;
    for gesture in &gestures {
        voxels += document.preview_all(gesture)?.count();
    }
    let effect = match &ask.what {
        What::Effect { effect, .. } => Some((effect.clone(), ask.segment)),
        _ => None,
    };
    let is_apart = matches!(
        &ask.what,
        What::Island { then: IslandUse::Separate, .. }
            | What::Effect { effect: Effect::Islands(Islands::Split, _), .. }
    );
    let apart = is_apart.then_some(ask.segment);
    Ok(Proposal { gestures, name, tool, voxels, apart, effect, left_out })
}

/// The tool, and the key of what it does.
fn names(what: &What) -> (&'static str, &'static str) {
    match what {
        What::Effect { effect, .. } => match effect {
            Effect::Threshold { .. } => ("threshold", "threshold"),
            Effect::GrowFromSeeds { .. } => ("grow-from-seeds", "grow-from-seeds"),
            Effect::Watershed { .. } => ("watershed", "watershed"),
            Effect::BetweenSlices => ("between-slices", "between-slices"),
            Effect::Islands(Islands::KeepLargest, _) => ("islands", "keep-largest"),
            Effect::Islands(Islands::RemoveSmall, _) => ("islands", "remove-small"),
            Effect::Islands(Islands::Split, _) => ("islands", "split"),
            Effect::Smooth(..) => ("smooth", "smooth"),
            Effect::Margin(mm) if *mm < 0.0 => ("margin", "shrink"),
            Effect::Margin(_) => ("margin", "margin"),
            Effect::Hollow(..) => ("hollow", "hollow"),
            Effect::FillHoles { .. } => ("fill-holes", "fill-holes"),
            Effect::Logic(..) => ("logic", "logic"),
        },
        What::Fill { .. } => ("fill", "fill"),
        What::Grow { .. } => ("grow", "grow"),
        What::LevelTrace { .. } => ("level-trace", "level-trace"),
        What::Island { .. } => ("island", "island"),
        What::Cut { .. } | What::Cut3d { .. } => ("scissors", "scissors"),
        What::Smart { .. } => ("smart", "smart"),
    }
}

pub(super) struct Run<'a> {
    pub document: &'a Document,
    ask: &'a Ask,
    tool: &'static str,
    name: &'a str,
    pub watch: &'a Watch<'a>,
}

impl Run<'_> {
    fn gestures(&self, prior: Option<&NetworkPrior>) -> Result<Vec<Gesture>, ProposeError> {
        match &self.ask.what {
            What::Effect { effect, axis } => self.effect(effect, *axis),
            What::Fill { voxel, tolerance, leak_mm, reach_mm } => {
                let image = self.image()?;
                let value = image.value(*voxel).unwrap_or(0.0);
                let range = [value - tolerance, value + tolerance];
                let limits = self.limits(*leak_mm, *reach_mm);
                Ok(vec![self.paint(flood_fill(image, *voxel, range, &limits, self.watch)?)])
            }
            What::Grow { voxel, multiplier, leak_mm, reach_mm } => {
                let limits = self.limits(*leak_mm, *reach_mm);
                Ok(vec![self.paint(grow_region(self.image()?, *voxel, 2, *multiplier, 4, &limits, self.watch)?)])
            }
            What::LevelTrace { plane, point_mm, erases, side } => {
                let found = level_trace(self.image()?, plane, *point_mm, *side)?;
                Ok(vec![if *erases { self.erase(found) } else { self.paint(found) }])
            }
            What::Island { voxel, then } => {
                let set = self.document.mask(self.ask.segment)?;
                let island = shape::island_at(&set, *voxel, Connectivity::Corners26, self.watch)?;
                if island.is_empty() {
                    return Err(ProposeError::Needs("Click on a part of the chosen segment"));
                }
                match then {
                    IslandUse::Keep => self.replace(&set, island),
                    // A new segment is made when the proposal is taken; until then its voxels have a colour of their own.
                    IslandUse::Remove | IslandUse::Separate => Ok(vec![self.erase(island)]),
                }
            }
            What::Cut { plane, points_mm, outside, fills, depth_mm } => {
                let flat =
                    |p: &DVec3| DVec2::new((*p - plane.origin).dot(plane.right), (*p - plane.origin).dot(plane.down));
                let outline: Vec<DVec2> = points_mm.iter().map(flat).collect();
                let least = polygon::half_slice_mm(self.document.geometry(), plane);
                // What lies just so far away is meant, too.
                let depth = depth_mm.map(|mm| (*plane, least.max(mm * (1.0 + 1e-5))));
                self.cut(&through(plane), &outline, depth, [*outside, *fills])
            }
            What::Cut3d { clip_from_world, outline, outside, fills } => {
                self.cut(clip_from_world, outline, None, [*outside, *fills])
            }
            What::Smart { marks, margin_mm, radius_mm } => self.smart(marks, *margin_mm, *radius_mm, prior),
        }
    }

    fn effect(&self, effect: &Effect, axis: usize) -> Result<Vec<Gesture>, ProposeError> {
        let watch = self.watch;
        let spacing = self.document.geometry().spacing_mm().to_array();
        let set = || self.document.mask(self.ask.segment);
        match effect {
            Effect::Threshold { low, high, replace } => {
                let found = in_range(self.image()?, [low.min(*high), low.max(*high)])?;
                let found = BrickMask::of_mask(self.document.geometry().dims(), &found, [0; 3])?;
                if *replace { self.replace(&set()?, found) } else { Ok(vec![self.paint(found)]) }
            }
            Effect::GrowFromSeeds { margin_mm, smoothness } => {
                self.between_seeds(*margin_mm, |image, lattice, seeds| {
                    let cost = GrowthCost { per_mm: *smoothness as f32, ..GrowthCost::default() };
                    Ok(grow_from_seeds(image, lattice, seeds, None, cost, watch)?.labels)
                })
            }
            Effect::Watershed { margin_mm, sigma_mm } => self.between_seeds(*margin_mm, |image, lattice, seeds| {
                let mut smooth = image.to_vec();
                if *sigma_mm > 0.0 {
                    gaussian_image(&mut smooth, lattice.dims(), lattice.spacing_mm(), *sigma_mm, watch)?;
                }
                let edges = gradient_length(&smooth, lattice.dims(), lattice.spacing_mm())?;
                watershed(&edges, lattice.dims(), seeds, watch)
            }),
            Effect::BetweenSlices => {
                let found = between::fill_between(&set()?, spacing, axis, watch)?;
                if found.is_empty() {
                    return Err(ProposeError::Needs(
                        "Paint the segment on two or more slices of the view that was used last, with empty ones between",
                    ));
                }
                Ok(vec![self.paint(found)])
            }
            Effect::Islands(islands, least_ml) => self.islands(*islands, *least_ml),
            Effect::Smooth(Smoothing::Joint, mm) => self.joint(*mm),
            Effect::Smooth(how, mm) => {
                let old = set()?;
                let new = match how {
                    Smoothing::Median => {
                        let reach = spacing.map(|s| ((mm / s).round() as usize).max(1));
                        shape::median(&old, reach, watch)?
                    }
                    Smoothing::Open => shape::open_or_close(&old, spacing, *mm, true, watch)?,
                    Smoothing::Close => shape::open_or_close(&old, spacing, *mm, false, watch)?,
                    Smoothing::Gaussian | Smoothing::Joint => shape::gaussian_smoothed(&old, spacing, *mm, watch)?,
                };
                self.replace(&old, new)
            }
            Effect::Margin(mm) => {
                let old = set()?;
                let new = shape::margin(&old, spacing, *mm, watch)?;
                self.replace(&old, new)
            }
            Effect::Hollow(shell, mm) => {
                let old = set()?;
                let new = shape::hollow(&old, spacing, *mm, *shell, watch)?;
                self.replace(&old, new)
            }
            Effect::FillHoles { in_slices } => {
                Ok(vec![self.paint(shape::filled_holes(&set()?, in_slices.then_some(axis), watch)?)])
            }
            Effect::Logic(logic, other) => self.logic(*logic, *other),
        }
    }

    pub(super) fn image(&self) -> Result<&Volume, ProposeError> {
        self.document.image().ok_or(StoreError::NoImage.into())
    }

    fn limits(&self, leak_mm: f64, radius_mm: f64) -> Limits {
        Limits { leak_mm, radius_mm, ..Limits::whole(self.document.geometry().dims()) }
    }

    fn gesture(&self, staged: BrickMask, target: Target, rules: Rules) -> Gesture {
        Gesture { staged, target, rules, name: self.name.into(), tool: self.tool.into() }
    }

    pub(super) fn paint(&self, found: BrickMask) -> Gesture {
        self.gesture(found, Target::Paint(self.ask.segment), self.ask.rules.clone())
    }

    fn erase(&self, found: BrickMask) -> Gesture {
        self.gesture(found, Target::Erase(self.ask.segment), erasing(&self.ask.rules))
    }

    /// The segment becomes `new`.
    fn replace(&self, old: &BrickMask, new: BrickMask) -> Result<Vec<Gesture>, ProposeError> {
        let mut lost = old.clone();
        lost.subtract(&new)?;
        Ok(vec![self.erase(lost), self.paint(new)])
    }

    fn cut(
        &self,
        clip_from_world: &DMat4,
        outline: &[DVec2],
        depth: Option<(Plane, f64)>,
        [outside, fills]: [bool; 2],
    ) -> Result<Vec<Gesture>, ProposeError> {
        let geometry = self.document.geometry();
        let mut behind = polygon::scissors(geometry, clip_from_world, outline, depth, self.watch)?;
        if outside {
            // Beyond the depth nothing is cut at all.
            behind = if let Some((plane, mm)) = depth {
                let mut slab = polygon::slab(geometry, &plane, mm, self.watch)?;
                slab.subtract(&behind)?;
                slab
            } else {
                behind.invert();
                behind
            };
        }
        if fills {
            return Ok(vec![self.paint(behind)]);
        }
        behind.intersect(&self.document.mask(self.ask.segment)?)?;
        Ok(vec![self.erase(behind)])
    }

    /// Voxels of an island that has a volume.
    fn least_voxels(&self, least_ml: f64) -> u64 {
        let voxel_ml = self.document.geometry().spacing_mm().element_product() / 1000.0;
        ((least_ml / voxel_ml).ceil() as u64).max(1)
    }

    fn islands(&self, islands: Islands, least_ml: f64) -> Result<Vec<Gesture>, ProposeError> {
        let old = self.document.mask(self.ask.segment)?;
        match islands {
            Islands::KeepLargest => {
                let new = shape::keep_largest(&old, Connectivity::Corners26, self.watch)?;
                self.replace(&old, new)
            }
            Islands::RemoveSmall => {
                let least = self.least_voxels(least_ml);
                let new = shape::remove_small(&old, least, Connectivity::Corners26, self.watch)?;
                self.replace(&old, new)
            }
            Islands::Split => Ok(self.split(least_ml)?.0),
        }
    }

    /// Each island of at least a volume by itself, but the largest; and how many there are beyond those that are found.
    fn split(&self, least_ml: f64) -> Result<(Vec<Gesture>, usize), ProposeError> {
        let old = self.document.mask(self.ask.segment)?;
        let layer = self.document.segment(self.ask.segment)?.layer;
        let least = self.least_voxels(least_ml);
        let (parts, left_out) = shape::split(&old, least, MOST_PARTS, Connectivity::Corners26, self.watch)?;
        if parts.len() < 2 {
            return Err(ProposeError::Needs("The segment has only one island of that size"));
        }
        // The largest keeps its name; the others get segments when this is taken.
        let erased = parts.into_iter().skip(1);
        let erased = erased.map(|part| self.gesture(part, Target::EraseAll(layer), erasing(&self.ask.rules)));
        Ok((erased.collect(), left_out))
    }

    /// All visible, unlocked segments of the layer compete for the voxels around what is painted.
    fn between_seeds(
        &self,
        margin_mm: f64,
        grow: impl FnOnce(&[f32], &Lattice, &[u16]) -> Result<Vec<u16>, LabelError>,
    ) -> Result<Vec<Gesture>, ProposeError> {
        let (layer, seeds) = self.seeds()?;
        let volume = self.document.layer(layer)?;
        let values: Vec<u16> = seeds.iter().map(|s| s.1).collect();
        let painted = volume.select(&values);
        let Some(part) = painted.bounding_box() else { return Err(TOO_FEW_SEEDS) };
        let spacing = self.document.geometry().spacing_mm().to_array();
        let part = part.grown(spacing.map(|s| (margin_mm / s).ceil() as usize), self.document.geometry().dims());
        let lattice = Lattice::new(part.size(), spacing)?;
        let mut markers = volume.read_box(&part)?;
        markers.iter_mut().filter(|v| !values.contains(v)).for_each(|v| *v = 0);
        let mut present = markers.clone();
        present.sort_unstable();
        present.dedup();
        if present.iter().filter(|&&v| v != 0).count() < 2 {
            return Err(TOO_FEW_SEEDS);
        }
        let image = read_image_box(self.image()?, &part)?;
        let grown = grow(&image, &lattice, &markers)?;
        let dims = self.document.geometry().dims();
        let mut all = Vec::new();
        for (id, value) in seeds {
            let mask = Mask::of_label(&grown, part.size(), value)?;
            let rules = Rules { draw_over: DrawOver::OnlyEmpty, range: self.ask.rules.range };
            all.push(self.gesture(BrickMask::of_mask(dims, &mask, part.min)?, Target::Paint(id), rules));
        }
        Ok(all)
    }

    fn seeds(&self) -> Result<(LayerId, Vec<(SegmentId, u16)>), ProposeError> {
        let layer = self.document.segment(self.ask.segment)?.layer;
        let all = self.document.segments().iter().filter(|s| s.layer == layer && s.visible && !s.locked);
        Ok((layer, all.map(|s| (s.id, s.value)).collect()))
    }

    fn joint(&self, sigma_mm: f64) -> Result<Vec<Gesture>, ProposeError> {
        let (layer, seeds) = self.seeds()?;
        let volume = self.document.layer(layer)?;
        let mut values: Vec<u16> = seeds.iter().map(|s| s.1).collect();
        let Some(part) = volume.select(&values).bounding_box() else { return Ok(Vec::new()) };
        let (dims, spacing) = (self.document.geometry().dims(), self.document.geometry().spacing_mm().to_array());
        let part = part.grown(spacing.map(|s| (2.0 * sigma_mm / s).ceil() as usize), dims);
        let old = volume.read_box(&part)?;
        let mut new = old.clone();
        values.push(0);
        joint_smoothed(&mut new, part.size(), spacing, &values, sigma_mm, self.watch)?;
        let changed: Vec<u16> =
            new.iter().zip(&old).map(|(&new, &old)| if new == old { u16::MAX } else { new }).collect();
        let mask = |value: u16| -> Result<BrickMask, LabelError> {
            BrickMask::of_mask(dims, &Mask::of_label(&changed, part.size(), value)?, part.min)
        };
        let mut all = vec![self.gesture(mask(0)?, Target::EraseAll(layer), erasing(&self.ask.rules))];
        for (id, value) in seeds {
            all.push(self.gesture(mask(value)?, Target::Paint(id), self.ask.rules.clone()));
        }
        Ok(all)
    }

    fn logic(&self, logic: Logic, other: Option<SegmentId>) -> Result<Vec<Gesture>, ProposeError> {
        let dims = self.document.geometry().dims();
        let everything = VoxelBox { min: [0; 3], max: dims };
        let mine = self.document.mask(self.ask.segment)?;
        let needs_other = matches!(logic, Logic::Copy | Logic::Add | Logic::Subtract | Logic::Intersect);
        let theirs = match other.filter(|id| *id != self.ask.segment) {
            Some(id) => self.document.mask(id)?,
            None if needs_other => return Err(ProposeError::Needs("Choose another segment to combine with")),
            None => BrickMask::empty(dims)?,
        };
        let mut new = mine.clone();
        match logic {
            Logic::Copy => new = theirs,
            Logic::Add => new.unite(&theirs)?,
            Logic::Subtract => new.subtract(&theirs)?,
            Logic::Intersect => new.intersect(&theirs)?,
            Logic::Invert => new.invert(),
            Logic::Clear => new.clear(),
            Logic::Fill => new = BrickMask::of_box(dims, &everything)?,
        }
        self.replace(&mine, new)
    }
}

const TOO_FEW_SEEDS: ProposeError =
    ProposeError::Needs("Paint seeds of at least two visible segments first, one of them for the background");

/// Locks hold when something is erased; what may be drawn over does not matter then.
fn erasing(rules: &Rules) -> Rules {
    Rules { draw_over: DrawOver::Everywhere, range: rules.range }
}

/// Orthographic along a plane's normal: its coordinates become x and y.
fn through(plane: &Plane) -> DMat4 {
    let (right, down) = (plane.right, plane.down);
    let row = |axis: DVec3| axis.extend(-axis.dot(plane.origin));
    DMat4::from_cols(row(right), row(down), DVec4::ZERO, DVec4::W).transpose()
}

/// Level tracing on a picture of the whole slice through a point, in the finest step of the grid.
fn level_trace(image: &Volume, plane: &Plane, point_mm: DVec3, side: TraceSide) -> Result<BrickMask, LabelError> {
    /// Steps that the picture goes from the click at most.
    const REACH: f64 = 2048.0;
    /// Steps around the click that say whether it is in something dark.
    const AROUND: usize = 8;
    let geometry = image.geometry();
    let step = geometry.spacing_mm().min_element();
    let (right, down) = (plane.right * step, plane.down * step);
    // On the voxels themselves where the slice is one of the grid's.
    let at_voxel = geometry.voxel_from_world().transform_point3(point_mm).round();
    let center = geometry.world_from_voxel().transform_point3(at_voxel);
    // From the click to the ends of the grid: left, up, right, down.
    let mut reach = [0_usize; 4];
    let last = geometry.dims().map(|d| (d - 1) as f64);
    for n in 0..8 {
        let voxel = DVec3::from_array(std::array::from_fn(|a| if n >> a & 1 == 1 { last[a] } else { 0.0 }));
        let to = geometry.world_from_voxel().transform_point3(voxel) - center;
        let (x, y) = (to.dot(plane.right) / step, to.dot(plane.down) / step);
        let steps = [-x, -y, x, y].map(|d| d.ceil().clamp(0.0, REACH) as usize);
        reach = std::array::from_fn(|a| reach[a].max(steps[a]));
    }
    let size = [reach[0] + reach[2] + 1, reach[1] + reach[3] + 1];
    let corner = center - right * reach[0] as f64 - down * reach[1] as f64;
    let place = |n: usize| corner + right * (n % size[0]) as f64 + down * (n / size[0]) as f64;
    let value = |n: usize| image.value_at_world(place(n)).map_or(f32::NAN, |v| v as f32);
    let slice: Vec<f32> = (0..size[0] * size[1]).into_par_iter().with_min_len(1 << 12).map(value).collect();
    let click = [reach[0], reach[1]];
    let is_dark = match side {
        TraceSide::Auto => trace::is_darker_than_around(&slice, size, click, AROUND),
        TraceSide::Bright => false,
        TraceSide::Dark => true,
    };
    let found = trace::level_trace(&slice, size, click, is_dark)?;
    let mut out = BrickMask::empty(image.dims())?;
    for n in 0..size[0] * size[1] {
        if found.get([n % size[0], n / size[0], 0])
            && let Some(voxel) = image.voxel_at_world(place(n))
        {
            out.insert(voxel);
        }
    }
    Ok(out)
}

use rayon::prelude::*;
use voco_label::{BRICK, BRICK_VOXELS, Brick, BrickMask, MaskBrick, VoxelBox, in_range_brick};

use super::Document;
use crate::{BrickChange, Committed, DrawOver, Gesture, LayerId, Op, Rules, SegmentId, StoreError, Target};

/// An operation between segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logic {
    /// The target becomes the other one.
    Copy,
    /// The target gets the other one's voxels too.
    Add,
    /// The target loses the other one's voxels.
    Subtract,
    /// The target keeps what it shares with the other one.
    Intersect,
    /// The target becomes what it was not; the other one does not matter.
    Invert,
    /// The target loses all voxels; the other one does not matter.
    Clear,
    /// The target gets all voxels; the other one does not matter.
    Fill,
}

/// [`Rules`] for one layer, looked up once.
struct Plan {
    layer: LayerId,
    /// The new value.
    value: u16,
    /// Only voxels with this value change.
    only: Option<u16>,
    /// Voxels with these values do not change.
    kept: Vec<u16>,
    area: Area,
    range: Option<[f64; 2]>,
}

enum Area {
    All,
    /// Inside (true) or outside (false) of values of layers.
    Of(bool, Vec<(LayerId, Vec<u16>)>),
}

impl Document {
    /// Begins a gesture. Nothing is changed until [`Self::commit`].
    ///
    /// # Errors
    /// A segment or layer that is not there.
    pub fn begin(&self, target: Target, rules: Rules, tool: &str, name: &str) -> Result<Gesture, StoreError> {
        match target {
            Target::Paint(id) | Target::Erase(id) => drop(self.segment(id)?),
            Target::EraseAll(layer) => drop(self.layer(layer)?),
        }
        let staged = BrickMask::empty(self.geometry.dims())?;
        Ok(Gesture { staged, target, rules, name: name.into(), tool: tool.into() })
    }

    /// The voxels of one brick that a gesture would change now. A renderer asks for the bricks it draws.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn preview(&self, gesture: &Gesture, brick: usize) -> Result<MaskBrick, StoreError> {
        let plan = self.plan(gesture.target, &gesture.rules)?;
        Ok(self.allowed(&plan, brick, gesture.staged.brick(brick)))
    }

    /// As [`Self::preview`] where earlier gestures are not committed yet: `now` is what the brick of the target's layer holds then.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn preview_over(&self, gesture: &Gesture, brick: usize, now: &Brick) -> Result<MaskBrick, StoreError> {
        let plan = self.plan(gesture.target, &gesture.rules)?;
        Ok(self.allowed_over(&plan, brick, now, gesture.staged.brick(brick)))
    }

    /// All voxels that a gesture would change now.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn preview_all(&self, gesture: &Gesture) -> Result<BrickMask, StoreError> {
        let plan = self.plan(gesture.target, &gesture.rules)?;
        let touched = gesture.staged.touched();
        let allowed = |&n: &u32| (n, self.allowed(&plan, n as usize, gesture.staged.brick(n as usize)));
        let found: Vec<_> = touched.par_iter().with_min_len(4).map(allowed).collect();
        let mut mask = BrickMask::empty(self.geometry.dims())?;
        for (n, brick) in found {
            mask.set_brick(n as usize, &brick);
        }
        Ok(mask)
    }

    /// Writes a gesture as one entry of the history.
    ///
    /// # Errors
    /// A segment or layer that is not there, or a locked target.
    pub fn commit(&mut self, gesture: &Gesture) -> Result<Committed, StoreError> {
        let plan = self.plan(gesture.target, &gesture.rules)?;
        let volume = self.layer(plan.layer)?;
        let touched = gesture.staged.touched();
        let change = |&index: &u32| {
            let before = volume.brick(index as usize);
            let bits = self.allowed(&plan, index as usize, gesture.staged.brick(index as usize));
            if bits.is_empty() {
                return None;
            }
            let after = before.written(&bits, plan.value);
            Some((bits.count(), BrickChange { index, before: before.clone(), after }))
        };
        let changes: Vec<_> = touched.par_iter().with_min_len(4).filter_map(change).collect();
        Ok(self.write(&gesture.name, &gesture.tool, vec![(plan.layer, changes)]))
    }

    /// Writes the values of a box of a layer, as algorithms and networks do that label several segments at once. Voxels whose
    /// value is `keep` stay as they are. `rules` and locks hold as for a gesture.
    ///
    /// # Errors
    /// A layer that is not there, a value that no segment of it has, or not one value per voxel of the box.
    #[expect(clippy::too_many_arguments, reason = "where, what, by which rules, and what the history says")]
    pub fn write_labels(
        &mut self,
        layer: LayerId,
        part: &VoxelBox,
        values: &[u16],
        keep: Option<u16>,
        rules: &Rules,
        tool: &str,
        name: &str,
    ) -> Result<Committed, StoreError> {
        let volume = self.layer(layer)?;
        let dims = self.geometry.dims();
        if part.is_empty() || (0..3).any(|a| part.max[a] > dims[a]) || values.len() != part.num_voxels() {
            let (needed, given) = (part.num_voxels(), values.len());
            return Err(voco_label::LabelError::Count { needed, given }.into());
        }
        let mut present: Vec<u16> = Vec::new();
        for run in values.chunk_by(|a, b| a == b) {
            if let Err(at) = present.binary_search(&run[0]) {
                present.insert(at, run[0]);
            }
        }
        present.retain(|&value| Some(value) != keep);
        if let Some(&value) = present.iter().find(|&&v| v != 0 && self.segment_at(layer, v).is_none()) {
            return Err(StoreError::NoSegmentFor(value));
        }
        let grid = volume.grid();
        let plan = self.plan_for(layer, 0, None, rules)?;
        let locked_targets: Vec<u16> =
            self.state.segments.iter().filter(|s| s.layer == layer && s.locked).map(|s| s.value).collect();
        let change = |&index: &u32| {
            let before = volume.brick(index as usize);
            let VoxelBox { min, max } = grid.voxels(index as usize);
            let from: [usize; 3] = std::array::from_fn(|a| min[a].max(part.min[a]));
            let to: [usize; 3] = std::array::from_fn(|a| max[a].min(part.max[a]));
            let mut old = vec![0_u16; BRICK_VOXELS];
            before.read(&mut old);
            let allowed = self.permitted(&plan, index as usize, MaskBrick::Full);
            let mut changed = 0;
            for k in from[2]..to[2] {
                for j in from[1]..to[1] {
                    let row = j - min[1] + BRICK * (k - min[2]);
                    let bits = allowed.row(row);
                    let at =
                        from[0] - part.min[0] + part.size()[0] * (j - part.min[1] + part.size()[1] * (k - part.min[2]));
                    for (i, &value) in (from[0]..to[0]).zip(&values[at..]) {
                        let place = &mut old[i - min[0] + BRICK * row];
                        let may = bits >> (i - min[0]) & 1 == 1 && Some(value) != keep;
                        if may && *place != value && !locked_targets.contains(&value) {
                            *place = value;
                            changed += 1;
                        }
                    }
                }
            }
            (changed > 0).then(|| {
                let after = Brick::from_values(&old);
                (changed, BrickChange { index, before: before.clone(), after })
            })
        };
        let touched = grid.touching(part);
        let changes: Vec<_> = touched.par_iter().with_min_len(2).filter_map(change).collect();
        Ok(self.write(name, tool, vec![(layer, changes)]))
    }

    /// An operation between segments, on whatever layers they lie. Where the target grows, `rules` and locks hold.
    ///
    /// # Errors
    /// A segment that is not there, or a locked target.
    pub fn logic(
        &mut self,
        logic: Logic,
        target: SegmentId,
        other: SegmentId,
        rules: &Rules,
    ) -> Result<Committed, StoreError> {
        let to = self.segment(target)?.clone();
        let from = self.segment(other)?.clone();
        let (paint, erase) =
            (self.plan(Target::Paint(target), rules)?, self.plan(Target::Erase(target), &Rules::default())?);
        let (volume, source) = (self.layer(to.layer)?, self.layer(from.layer)?);
        let grid = volume.grid();
        let change = |index: usize| {
            let before = volume.brick(index);
            let valid = grid.valid(index);
            let (mine, theirs) = (before.select(&[to.value]), source.brick(index).select(&[from.value]));
            let (grown, lost) = match logic {
                Logic::Copy => (theirs.without(&mine), mine.without(&theirs)),
                Logic::Add => (theirs.without(&mine), MaskBrick::Empty),
                Logic::Subtract => (MaskBrick::Empty, mine.and(&theirs)),
                Logic::Intersect => (MaskBrick::Empty, mine.without(&theirs)),
                Logic::Invert => (valid.without(&mine), mine),
                Logic::Clear => (MaskBrick::Empty, mine),
                Logic::Fill => (valid.without(&mine), MaskBrick::Empty),
            };
            let (grown, lost) = (self.allowed(&paint, index, &grown), self.allowed(&erase, index, &lost));
            let voxels = grown.count() + lost.count();
            (voxels > 0).then(|| {
                let after = before.written(&lost, 0).written(&grown, to.value);
                (voxels, BrickChange { index: index as u32, before: before.clone(), after })
            })
        };
        let changes: Vec<_> = (0..grid.count()).into_par_iter().with_min_len(16).filter_map(change).collect();
        let key = match logic {
            Logic::Copy => "logic-copy",
            Logic::Add => "logic-add",
            Logic::Subtract => "logic-subtract",
            Logic::Intersect => "logic-intersect",
            Logic::Invert => "logic-invert",
            Logic::Clear => "logic-clear",
            Logic::Fill => "logic-fill",
        };
        let name = crate::change_name(key, &[&to.name, &from.name]);
        Ok(self.write(&name, "logic", vec![(to.layer, changes)]))
    }

    /// The voxels of a segment.
    ///
    /// # Errors
    /// If it is not there.
    pub fn mask(&self, segment: SegmentId) -> Result<BrickMask, StoreError> {
        let segment = self.segment(segment)?;
        Ok(self.layer(segment.layer)?.select(&[segment.value]))
    }

    /// The voxels of a segment in one slice across `axis` (0, 1, 2 for i, j, k): what copy takes. [`BrickMask::shifted`] moves it
    /// to another slice.
    ///
    /// # Errors
    /// If it is not there, or has no voxel on the slice.
    pub fn mask_of_slice(&self, segment: SegmentId, axis: usize, slice: usize) -> Result<BrickMask, StoreError> {
        let segment = self.segment(segment)?;
        let volume = self.layer(segment.layer)?;
        let (mut min, mut max) = ([0; 3], self.geometry.dims());
        (min[axis], max[axis]) = (slice, slice + 1);
        let mut mask = BrickMask::of_box(self.geometry.dims(), &VoxelBox { min, max })?;
        // Only the bricks that the slice goes through.
        for index in mask.touched().into_iter().map(|n| n as usize) {
            let inside = volume.brick(index).select(&[segment.value]).and(mask.brick(index));
            mask.set_brick(index, &inside);
        }
        if mask.is_empty() {
            return Err(StoreError::NothingToCopy(segment.name.clone()));
        }
        Ok(mask)
    }

    /// Records bricks that changed, with their number of voxels.
    pub(super) fn write(
        &mut self,
        name: &str,
        tool: &str,
        changes: Vec<(LayerId, Vec<(u64, BrickChange)>)>,
    ) -> Committed {
        let (mut ops, mut done) = (Vec::new(), Committed::default());
        for (layer, changes) in changes.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            done.voxels += changes.iter().map(|c| c.0).sum::<u64>();
            done.bricks += changes.len();
            ops.push(Op::Bricks { layer, bricks: changes.into_iter().map(|c| c.1).collect() });
        }
        done.change = self.apply(name, tool, ops, done.voxels);
        done
    }

    fn plan(&self, target: Target, rules: &Rules) -> Result<Plan, StoreError> {
        match target {
            Target::Paint(id) | Target::Erase(id) => {
                let segment = self.segment(id)?;
                if segment.locked {
                    return Err(StoreError::Locked(segment.name.clone()));
                }
                let is_paint = matches!(target, Target::Paint(_));
                let value = if is_paint { segment.value } else { 0 };
                self.plan_for(segment.layer, value, (!is_paint).then_some(segment.value), rules)
            }
            Target::EraseAll(layer) => self.plan_for(layer, 0, None, rules),
        }
    }

    fn plan_for(&self, layer: LayerId, value: u16, only: Option<u16>, rules: &Rules) -> Result<Plan, StoreError> {
        self.layer(layer)?;
        if rules.range.is_some() && self.image.is_none() {
            return Err(StoreError::NoImage);
        }
        let here = || self.state.segments.iter().filter(|s| s.layer == layer);
        let mut kept: Vec<u16> = here().filter(|s| s.locked).map(|s| s.value).collect();
        let by_layer = |ids: &[SegmentId]| -> Result<Vec<(LayerId, Vec<u16>)>, StoreError> {
            let mut all: Vec<(LayerId, Vec<u16>)> = Vec::new();
            for &id in ids {
                let segment = self.segment(id)?;
                match all.iter_mut().find(|(layer, _)| *layer == segment.layer) {
                    Some((_, values)) => values.push(segment.value),
                    None => all.push((segment.layer, vec![segment.value])),
                }
            }
            Ok(all)
        };
        let area = match &rules.draw_over {
            DrawOver::Everywhere => Area::All,
            // An eraser would have nothing to do.
            DrawOver::OnlyEmpty => Area::Of(true, vec![(layer, vec![0])]),
            DrawOver::Inside(ids) => Area::Of(true, by_layer(ids)?),
            DrawOver::Outside(ids) => Area::Of(false, by_layer(ids)?),
            DrawOver::Visible => {
                kept.extend(here().filter(|s| !s.visible).map(|s| s.value));
                Area::All
            }
        };
        Ok(Plan { layer, value, only, kept, area, range: rules.range })
    }

    /// Which of `staged` in one brick differ from the new value and may change.
    fn allowed(&self, plan: &Plan, index: usize, staged: &MaskBrick) -> MaskBrick {
        let Ok(volume) = self.layer(plan.layer) else { return MaskBrick::Empty };
        self.allowed_over(plan, index, volume.brick(index), staged)
    }

    fn allowed_over(&self, plan: &Plan, index: usize, brick: &Brick, staged: &MaskBrick) -> MaskBrick {
        if staged.is_empty() {
            return MaskBrick::Empty;
        }
        let differ = match plan.only {
            Some(only) => staged.and(&brick.select(&[only])),
            None => staged.without(&brick.select(&[plan.value])),
        };
        self.permitted_over(plan, index, brick, differ)
    }

    /// Which of `bits` in one brick may change by rules and locks.
    fn permitted(&self, plan: &Plan, index: usize, bits: MaskBrick) -> MaskBrick {
        let Ok(volume) = self.layer(plan.layer) else { return MaskBrick::Empty };
        self.permitted_over(plan, index, volume.brick(index), bits)
    }

    fn permitted_over(&self, plan: &Plan, index: usize, brick: &Brick, mut bits: MaskBrick) -> MaskBrick {
        if !plan.kept.is_empty() {
            bits = bits.without(&brick.select(&plan.kept));
        }
        if let Area::Of(is_inside, values) = &plan.area {
            let mut area = MaskBrick::Empty;
            for (layer, values) in values {
                if *layer == plan.layer {
                    area.unite(&brick.select(values));
                } else if let Ok(volume) = self.layer(*layer) {
                    area.unite(&volume.brick(index).select(values));
                }
            }
            bits = if *is_inside { bits.and(&area) } else { bits.without(&area) };
        }
        if let (Some(range), Some(image), false) = (plan.range, &self.image, bits.is_empty()) {
            bits = bits.and(&in_range_brick(image, range, index));
        }
        bits
    }
}

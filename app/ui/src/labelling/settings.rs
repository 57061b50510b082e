use std::collections::BTreeMap;

use glam::DVec3;
use voco_label::tools::brush::Tip;
use voco_label::tools::shape::Shell;
use voco_labelstore::{DrawOver, Gesture, Logic, Rules, SegmentId, Target};

use crate::commands::Command;

/// What the left button does to labels on a slice. The right one erases where the left one paints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelTool {
    /// Paints with a tip.
    Paint,
    /// Erases with it.
    Erase,
    /// An outline of straight edges whose points can be moved until it is filled.
    Polygon,
    /// An outline drawn freely, filled when the button is let go, or edited before.
    Lasso,
    /// An outline that follows edges of the picture between clicks.
    LiveWire,
    /// Cuts away, or keeps, what lies behind an outline: through all slices, or so deep as it is set.
    Scissors,
    /// Takes what is connected with a click and has nearly its value.
    Fill,
    /// Grows from a click, by the mean and spread of what it found so far.
    Grow,
    /// Takes the outline that one sees around a click.
    LevelTrace,
    /// One connected part of a segment: to keep, to remove, or as a new segment.
    Island,
    /// Marks of what belongs to the object and what does not, from which it is found.
    Smart,
    /// Chooses the segment under the pointer.
    Pick,
}

/// Which voxels may change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Over {
    /// All but those of locked segments.
    #[default]
    Everything,
    /// Those that belong to no segment.
    Empty,
    /// Those of one segment.
    Inside(SegmentId),
    /// All but those of one segment.
    Outside(SegmentId),
    /// All but those of hidden segments.
    Visible,
}

/// How the tools are set. Kept while the window is open.
#[derive(Debug, Clone)]
pub struct LabelSettings {
    /// Half the width of brush and eraser.
    pub radius_mm: f64,
    /// Their shape.
    pub tip: Tip,
    /// Each dab keeps what differs from its middle by at most so much; none paints all.
    pub adapt: Option<f64>,
    /// Erases any segment rather than the chosen one.
    pub erase_any: bool,
    /// What may be drawn over.
    pub over: Over,
    /// Only voxels with values in this range change.
    pub range: [f64; 2],
    /// Whether the range counts.
    pub use_range: bool,
    /// By how much values may differ from the clicked one (fill).
    pub tolerance: f64,
    /// Narrowings up to this width stop a fill, mm; 0 stops none.
    pub leak_mm: f64,
    /// A fill reaches no further than this from the click, mm.
    pub reach_mm: f64,
    /// Standard deviations around the mean (grow).
    pub multiplier: f64,
    /// Scissors: erase what is behind the outline, or what is not.
    pub cut_outside: bool,
    /// Scissors: fill instead of erase.
    pub cut_fills: bool,
    /// Scissors on a slice: how deep they cut.
    pub cut_depth: CutDepth,
    /// How far they cut on either side of the slice, if they cut some way.
    pub cut_mm: f64,
    /// Polygon, lasso and live wire erase what they enclose. One that was begun with the right button does the opposite.
    pub outline_erases: bool,
    /// The lasso leaves its outline to be edited before it is filled.
    pub lasso_edits: bool,
    /// Level tracing: what one sees around the click.
    pub trace: TraceSide,
    /// Masking the image: blank inside of the segment rather than outside.
    pub mask_inside: bool,
    /// What is put there; none for the least value of the image.
    pub mask_fill: Option<f64>,
    /// What happens to the island that is clicked.
    pub island: IslandUse,
    /// Smart: marks are limited to their box and so much around it, mm.
    pub smart_margin_mm: f64,
    /// Smart: asks the network that is chosen for segmentation, too.
    pub smart_prior: bool,
    /// The network's class that is the segment; none for the one of its name.
    pub smart_class: Option<u16>,
    /// The algorithm whose settings are on show.
    pub effect: EffectKind,
    /// Their settings.
    pub effects: BTreeMap<EffectKind, Effect>,
}

/// How deep scissors on a slice cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CutDepth {
    /// Through all slices.
    #[default]
    All,
    /// This slice only.
    Slice,
    /// Some way on either side.
    Within,
}

/// Whether the thing that level tracing takes is brighter or darker than what is around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceSide {
    /// As it looks at the click.
    #[default]
    Auto,
    /// At least as bright as the click.
    Bright,
    /// At most as bright.
    Dark,
}

/// What to do with one connected part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IslandUse {
    /// The others go.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It becomes a segment of its own.
    Separate,
}

/// Algorithms that work on whole segments, each with a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the variants of Effect say it")]
pub enum EffectKind {
    Threshold,
    GrowFromSeeds,
    Watershed,
    BetweenSlices,
    Islands,
    Smooth,
    Margin,
    Hollow,
    FillHoles,
    Logic,
}

/// How segments are smoothed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Smoothing {
    /// The majority of a box.
    Median,
    /// Removes what a ball does not fit into.
    Open,
    /// Fills what a ball does not fit into.
    Close,
    /// A Gaussian, cut at one half.
    Gaussian,
    /// All segments of the layer together, without gaps or overlaps.
    Joint,
}

/// Which connected parts stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Islands {
    /// The largest one.
    KeepLargest,
    /// Those of at least some volume.
    RemoveSmall,
    /// Each becomes a segment of its own.
    Split,
}

/// An algorithm with its settings. Lengths in mm, values in the image's unit (HU for CT).
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Voxels in a range join the segment.
    Threshold {
        /// From.
        low: f64,
        /// To.
        high: f64,
        /// Replaces the segment rather than adding to it.
        replace: bool,
    },
    /// All visible segments grow from what is painted until they meet (`GrowCut`).
    GrowFromSeeds {
        /// How far beyond the seeds.
        margin_mm: f64,
        /// What a millimetre costs against a step in the values.
        smoothness: f64,
    },
    /// All visible segments flood the gradient image from what is painted.
    Watershed {
        /// How far beyond the seeds.
        margin_mm: f64,
        /// Smoothing of the image before.
        sigma_mm: f64,
    },
    /// Fills the slices between those that are painted.
    BetweenSlices,
    /// Connected parts.
    Islands(Islands, f64),
    /// Smooth surfaces.
    Smooth(Smoothing, f64),
    /// Grows (above 0) or shrinks.
    Margin(f64),
    /// Leaves a wall.
    Hollow(Shell, f64),
    /// Fills holes, in 3D or slice by slice.
    FillHoles {
        /// Slice by slice in the plane of the active view.
        in_slices: bool,
    },
    /// With another segment.
    Logic(Logic, Option<SegmentId>),
}

/// What an algorithm found, before it is taken.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What would be done, in order.
    pub gestures: Vec<Gesture>,
    /// What the history will call it.
    pub name: String,
    /// The tool, for the audit trail.
    pub tool: &'static str,
    /// Voxels that would change.
    pub voxels: u64,
    /// Each gesture's voxels become a new segment, taken from this one.
    pub apart: Option<SegmentId>,
    /// The effect it came from, to see whether its settings have changed since.
    pub effect: Option<(Effect, SegmentId)>,
    /// Parts that are left as they were, because there are too many.
    pub left_out: usize,
}

/// A mark of the smart tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Of the object, or of what it is not.
    pub is_object: bool,
    /// A point, a scribble, or two corners of a box around the object.
    pub points_mm: Vec<DVec3>,
    /// True for a box.
    pub is_box: bool,
    /// The normal of the plane that it was drawn in.
    pub normal: DVec3,
    /// The direction to the right in that plane.
    pub right: DVec3,
}

impl Mark {
    /// Its last point: the corner of a box.
    pub fn end(&self) -> DVec3 {
        self.points_mm.last().copied().unwrap_or(DVec3::ZERO)
    }

    /// The four corners of a box, as it was drawn: with sides along its plane's right and down.
    pub fn corners(&self) -> [DVec3; 4] {
        let (from, to) = (self.points_mm.first().copied().unwrap_or(DVec3::ZERO), self.end());
        let along = self.right * (to - from).dot(self.right);
        [from, from + along, to, to - along]
    }

    /// The middle of a box, or the first point.
    pub fn middle(&self) -> DVec3 {
        match self.points_mm[..] {
            [a, b] if self.is_box => a.midpoint(b),
            _ => self.points_mm.first().copied().unwrap_or(DVec3::ZERO),
        }
    }
}

impl Default for LabelSettings {
    fn default() -> Self {
        Self {
            radius_mm: 6.0,
            tip: Tip::Disc,
            adapt: None,
            erase_any: false,
            over: Over::Everything,
            range: [-175.0, 250.0],
            use_range: false,
            tolerance: 60.0,
            leak_mm: 0.0,
            reach_mm: 150.0,
            multiplier: 2.5,
            cut_outside: false,
            cut_fills: false,
            cut_depth: CutDepth::All,
            cut_mm: 10.0,
            outline_erases: false,
            lasso_edits: false,
            trace: TraceSide::Auto,
            mask_inside: false,
            mask_fill: None,
            island: IslandUse::Keep,
            smart_margin_mm: 60.0,
            smart_prior: false,
            smart_class: None,
            effect: EffectKind::Threshold,
            effects: EffectKind::ALL.into_iter().map(|kind| (kind, kind.default_effect())).collect(),
        }
    }
}

impl LabelSettings {
    /// The rules that the writer is given.
    pub fn rules(&self) -> Rules {
        let draw_over = match self.over {
            Over::Everything => DrawOver::Everywhere,
            Over::Empty => DrawOver::OnlyEmpty,
            Over::Inside(id) => DrawOver::Inside(vec![id]),
            Over::Outside(id) => DrawOver::Outside(vec![id]),
            Over::Visible => DrawOver::Visible,
        };
        Rules { draw_over, range: self.use_range.then_some(self.range) }
    }

    /// How far scissors cut on either side of the slice, mm; none through all slices.
    pub fn cut_depth_mm(&self) -> Option<f64> {
        match self.cut_depth {
            CutDepth::All => None,
            CutDepth::Slice => Some(0.0),
            CutDepth::Within => Some(self.cut_mm),
        }
    }

    /// The rules for what is done by hand. What is erased is not empty and belongs to one segment: most of what may be drawn over
    /// would leave nothing to erase.
    pub fn rules_for(&self, target: Target) -> Rules {
        let rules = self.rules();
        let is_free = match target {
            Target::Paint(_) => false,
            Target::Erase(_) => true,
            Target::EraseAll(_) => rules.draw_over == DrawOver::OnlyEmpty,
        };
        if is_free { Rules { draw_over: DrawOver::Everywhere, ..rules } } else { rules }
    }

    /// The effect on show with its settings.
    pub fn effect(&self) -> Effect {
        self.effects.get(&self.effect).cloned().unwrap_or_else(|| self.effect.default_effect())
    }

    /// The next larger or smaller brush, in steps of about a fifth and at least half a millimetre.
    pub fn step_radius(&mut self, larger: bool) {
        let step = (self.radius_mm * 0.2).max(0.25);
        self.radius_mm = (self.radius_mm + if larger { step } else { -step }).clamp(0.25, 100.0);
    }
}

impl LabelTool {
    /// In the order of the tool bar.
    pub const ALL: [Self; 12] = [
        Self::Paint,
        Self::Erase,
        Self::Polygon,
        Self::Lasso,
        Self::LiveWire,
        Self::Scissors,
        Self::Fill,
        Self::Grow,
        Self::LevelTrace,
        Self::Island,
        Self::Smart,
        Self::Pick,
    ];

    /// Its name in texts and for icons.
    pub fn id(self) -> &'static str {
        match self {
            Self::Paint => "paint",
            Self::Erase => "erase",
            Self::Polygon => "polygon",
            Self::Lasso => "lasso",
            Self::LiveWire => "livewire",
            Self::Scissors => "scissors",
            Self::Fill => "fill",
            Self::Grow => "grow",
            Self::LevelTrace => "level-trace",
            Self::Island => "island",
            Self::Smart => "smart",
            Self::Pick => "pick",
        }
    }

    /// The command that takes it in hand.
    pub fn command(self) -> Command {
        match self {
            Self::Paint => Command::LabelPaint,
            Self::Erase => Command::LabelErase,
            Self::Polygon => Command::LabelPolygon,
            Self::Lasso => Command::LabelLasso,
            Self::LiveWire => Command::LabelLiveWire,
            Self::Scissors => Command::LabelScissors,
            Self::Fill => Command::LabelFill,
            Self::Grow => Command::LabelGrow,
            Self::LevelTrace => Command::LabelLevelTrace,
            Self::Island => Command::LabelIsland,
            Self::Smart => Command::LabelSmart,
            Self::Pick => Command::LabelPick,
        }
    }

    /// True if it draws with a tip.
    pub fn is_brush(self) -> bool {
        matches!(self, Self::Paint | Self::Erase)
    }

    /// True if it fills, or erases, what an outline encloses.
    pub fn fills_outline(self) -> bool {
        matches!(self, Self::Polygon | Self::Lasso | Self::LiveWire)
    }

    /// True if it draws an outline point by point.
    pub fn has_outline(self) -> bool {
        matches!(self, Self::Polygon | Self::Lasso | Self::LiveWire | Self::Scissors)
    }
}

impl EffectKind {
    /// In the order of the list.
    pub const ALL: [Self; 10] = [
        Self::Threshold,
        Self::GrowFromSeeds,
        Self::Watershed,
        Self::BetweenSlices,
        Self::Islands,
        Self::Smooth,
        Self::Margin,
        Self::Hollow,
        Self::FillHoles,
        Self::Logic,
    ];

    /// Its name in texts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::GrowFromSeeds => "grow-from-seeds",
            Self::Watershed => "watershed",
            Self::BetweenSlices => "between-slices",
            Self::Islands => "islands",
            Self::Smooth => "smooth",
            Self::Margin => "margin",
            Self::Hollow => "hollow",
            Self::FillHoles => "fill-holes",
            Self::Logic => "logic",
        }
    }

    /// The command that puts its settings on show.
    pub fn command(self) -> Command {
        match self {
            Self::Threshold => Command::EffectThreshold,
            Self::GrowFromSeeds => Command::EffectGrowFromSeeds,
            Self::Watershed => Command::EffectWatershed,
            Self::BetweenSlices => Command::EffectBetweenSlices,
            Self::Islands => Command::EffectIslands,
            Self::Smooth => Command::EffectSmooth,
            Self::Margin => Command::EffectMargin,
            Self::Hollow => Command::EffectHollow,
            Self::FillHoles => Command::EffectFillHoles,
            Self::Logic => Command::EffectLogic,
        }
    }

    fn default_effect(self) -> Effect {
        match self {
            Self::Threshold => Effect::Threshold { low: 100.0, high: 3000.0, replace: false },
            Self::GrowFromSeeds => Effect::GrowFromSeeds { margin_mm: 20.0, smoothness: 0.5 },
            Self::Watershed => Effect::Watershed { margin_mm: 20.0, sigma_mm: 1.0 },
            Self::BetweenSlices => Effect::BetweenSlices,
            Self::Islands => Effect::Islands(Islands::KeepLargest, 1.0),
            Self::Smooth => Effect::Smooth(Smoothing::Gaussian, 2.0),
            Self::Margin => Effect::Margin(3.0),
            Self::Hollow => Effect::Hollow(Shell::Inside, 3.0),
            Self::FillHoles => Effect::FillHoles { in_slices: false },
            Self::Logic => Effect::Logic(Logic::Subtract, None),
        }
    }
}

impl Effect {
    /// True if it works slice by slice across an axis of the grid.
    pub fn is_by_slices(&self) -> bool {
        matches!(self, Self::BetweenSlices | Self::FillHoles { in_slices: true })
    }

    /// Which one it is.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Threshold { .. } => EffectKind::Threshold,
            Self::GrowFromSeeds { .. } => EffectKind::GrowFromSeeds,
            Self::Watershed { .. } => EffectKind::Watershed,
            Self::BetweenSlices => EffectKind::BetweenSlices,
            Self::Islands(..) => EffectKind::Islands,
            Self::Smooth(..) => EffectKind::Smooth,
            Self::Margin(_) => EffectKind::Margin,
            Self::Hollow(..) => EffectKind::Hollow,
            Self::FillHoles { .. } => EffectKind::FillHoles,
            Self::Logic(..) => EffectKind::Logic,
        }
    }
}

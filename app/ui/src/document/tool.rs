use crate::commands::Command;
use crate::labelling::LabelTool;
use crate::measure::MeasureKind;

/// What a left drag on a slice does, as long as no button or modifier says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Moves the crosshair.
    Crosshair,
    /// Changes window and level.
    Window,
    /// Zooms.
    Zoom,
    /// Moves the picture.
    Pan,
    /// Goes through the slices.
    Scroll,
    /// Measures.
    Measure(MeasureKind),
    /// Changes labels.
    Label(LabelTool),
}

impl Tool {
    /// All but those for labels, in the order of the tool bar.
    pub const ALL: [Self; 14] = [
        Self::Crosshair,
        Self::Window,
        Self::Zoom,
        Self::Pan,
        Self::Scroll,
        Self::Measure(MeasureKind::Length),
        Self::Measure(MeasureKind::Angle),
        Self::Measure(MeasureKind::Cobb),
        Self::Measure(MeasureKind::Bidirectional),
        Self::Measure(MeasureKind::Ellipse),
        Self::Measure(MeasureKind::Rectangle),
        Self::Measure(MeasureKind::Freehand),
        Self::Measure(MeasureKind::Sphere),
        Self::Measure(MeasureKind::Probe),
    ];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain(LabelTool::ALL.into_iter().map(Self::Label))
    }

    /// The command that takes it in hand.
    pub fn command(self) -> Command {
        match self {
            Self::Crosshair => Command::ToolCrosshair,
            Self::Window => Command::ToolWindow,
            Self::Zoom => Command::ToolZoom,
            Self::Pan => Command::ToolPan,
            Self::Scroll => Command::ToolScroll,
            Self::Measure(kind) => kind.command(),
            Self::Label(tool) => tool.command(),
        }
    }
}

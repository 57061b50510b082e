use crate::commands::Command;
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
}

impl Tool {
    /// All of them, in the order of the tool bar.
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

    /// The command that takes it in hand.
    pub fn command(self) -> Command {
        match self {
            Self::Crosshair => Command::ToolCrosshair,
            Self::Window => Command::ToolWindow,
            Self::Zoom => Command::ToolZoom,
            Self::Pan => Command::ToolPan,
            Self::Scroll => Command::ToolScroll,
            Self::Measure(kind) => kind.command(),
        }
    }
}

use glam::{DVec2, DVec3};
use voco_render::ColorMap;

use super::{OpenVolume, VolumeId, Window};

/// A second volume beside the one on show.
#[derive(Debug, Clone)]
pub struct CompareView {
    /// Which one; none until one is chosen.
    pub other: Option<VolumeId>,
    /// One scrolls with the other.
    pub link_scroll: bool,
    /// One zooms and moves with the other.
    pub link_zoom: bool,
    /// Both have one window.
    pub link_window: bool,
    /// From the crosshair of the volume on show to that of the other: not 0 where scans were made at other places.
    pub offset_mm: DVec3,
    /// Own zoom of the other volume's views, while not linked.
    pub mm_per_point: [Option<f64>; 3],
    /// Own pan.
    pub pan_mm: [DVec2; 3],
}

impl Default for CompareView {
    fn default() -> Self {
        Self {
            other: None,
            link_scroll: true,
            link_zoom: true,
            link_window: true,
            offset_mm: DVec3::ZERO,
            mm_per_point: [None; 3],
            pan_mm: [DVec2::ZERO; 3],
        }
    }
}

/// A volume over the one on show.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayVolume {
    /// Which one.
    pub volume: VolumeId,
    /// Drawn or not.
    pub is_visible: bool,
    /// Colours.
    pub color_map: ColorMap,
    /// Values from first to last colour.
    pub window: Window,
    /// 0…1.
    pub opacity: f32,
    /// Values below are not drawn.
    pub low: f64,
    /// Values above are not drawn.
    pub high: f64,
    /// Light is added rather than laid over.
    pub additive: bool,
}

impl OverlayVolume {
    /// A start that shows something: the upper three quarters of the range in hot colours.
    pub fn new(volume: &OpenVolume) -> Self {
        let window = volume.window;
        Self {
            volume: volume.id,
            is_visible: true,
            color_map: ColorMap::Hot,
            window,
            opacity: 0.5,
            low: window.level - window.width / 4.0,
            high: volume.stats.max,
            additive: false,
        }
    }
}

/// How the first overlay shares the view with the volume on show.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Mix {
    /// All overlays lie over it.
    #[default]
    Blend,
    /// Squares of one and the other, in grey.
    Checkerboard,
    /// One left, the other right of a line that can be dragged.
    Swipe,
}

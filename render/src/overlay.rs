use crate::VolumeTexture;

/// Another volume over a slice.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Its voxels.
    pub volume: &'a VolumeTexture,
    /// Values from the first to the last colour.
    pub window_width: f64,
    /// The value of the middle colour.
    pub window_level: f64,
    /// Colours.
    pub color_map: ColorMap,
    /// 0…1.
    pub opacity: f32,
    /// Values below are not drawn.
    pub low: f64,
    /// Values above are not drawn.
    pub high: f64,
    /// Light is added rather than laid over.
    pub additive: bool,
    /// Where it is drawn.
    pub mask: Mask,
}

/// The part of a view in which an overlay is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Mask {
    /// Everywhere.
    #[default]
    All,
    /// Every other square.
    Checkerboard {
        /// Side of a square.
        side_px: f32,
    },
    /// Right of a line.
    Swipe {
        /// Its place, 0 left … 1 right.
        at: f32,
    },
}

/// From values to colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorMap {
    /// Black to white.
    Grey,
    /// Black, red, yellow, white.
    #[default]
    Hot,
    /// Black, blue, cyan, white.
    Cool,
    /// Dark blue, teal, yellow: even steps for any colour vision.
    Even,
    /// Black to red.
    Red,
    /// Black to green.
    Green,
    /// Black to blue.
    Blue,
    /// Black to magenta; with green, equal values add up to white.
    Magenta,
    /// Blue, white, red: below, at and above the level.
    Diverging,
}

impl ColorMap {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Grey,
        Self::Hot,
        Self::Cool,
        Self::Even,
        Self::Red,
        Self::Green,
        Self::Blue,
        Self::Magenta,
        Self::Diverging,
    ];

    /// Its name in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Hot => "hot",
            Self::Cool => "cool",
            Self::Even => "even",
            Self::Red => "red",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Magenta => "magenta",
            Self::Diverging => "diverging",
        }
    }

    /// Colours at equal distances, sRGB; between them it goes straight.
    fn stops(self) -> &'static [[u8; 3]] {
        match self {
            Self::Grey => &[[0, 0, 0], [255, 255, 255]],
            Self::Hot => &[[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255]],
            Self::Cool => &[[0, 0, 0], [0, 60, 255], [0, 230, 255], [255, 255, 255]],
            // Lightness grows evenly; hue from blue over green to yellow, which colour-blind people tell apart.
            Self::Even => &[[40, 10, 90], [50, 80, 150], [30, 140, 140], [110, 200, 90], [250, 230, 40]],
            Self::Red => &[[0, 0, 0], [255, 40, 40]],
            Self::Green => &[[0, 0, 0], [0, 255, 0]],
            Self::Blue => &[[0, 0, 0], [60, 90, 255]],
            Self::Magenta => &[[0, 0, 0], [255, 0, 255]],
            Self::Diverging => &[[40, 80, 220], [245, 245, 245], [210, 40, 40]],
        }
    }

    /// The colour at a place, 0…1, as sRGB.
    pub fn color(self, place: f32) -> [u8; 3] {
        let stops = self.stops();
        let at = place.clamp(0.0, 1.0) * (stops.len() - 1) as f32;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0…number of stops")]
        let index = (at as usize).min(stops.len() - 2);
        let t = at - index as f32;
        std::array::from_fn(|c| {
            let (a, b) = (f32::from(stops[index][c]), f32::from(stops[index + 1][c]));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
            let byte = (a + (b - a) * t).round() as u8;
            byte
        })
    }

    /// 256 colours with opacity 255.
    pub(crate) fn table(self) -> Vec<u8> {
        (0..256_u16)
            .flat_map(|n| {
                let [r, g, b] = self.color(f32::from(n) / 255.0);
                [r, g, b, 255]
            })
            .collect()
    }
}

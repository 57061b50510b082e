//! Pictures against committed ones. The only place that says how much they may differ.

use std::path::Path;

use image::RgbaImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};

/// A channel that differs by more than this makes a pixel count as different.
const CHANNEL: u8 = 6;
/// Share of different pixels that passes: drivers round edges differently.
const PIXELS: f64 = 0.0004;

/// Compares with `golden/NAME.png`. `UPDATE_SNAPSHOTS=1` writes it instead; a failure writes `NAME.new.png` beside it.
///
/// # Panics
/// If they differ, or there is no such golden picture.
pub fn check(name: &str, picture: &RgbaImage, adapter: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let path = folder.join(format!("{name}.png"));
    if std::env::var("UPDATE_SNAPSHOTS").is_ok() {
        return save(&path, picture);
    }
    let save_new = || save(&folder.join(format!("{name}.new.png")), picture);
    let Ok(golden) = image::open(&path).map(|g| g.to_rgba8()) else {
        save_new();
        panic!("there is no golden picture {name}; look at {name}.new.png, then run with UPDATE_SNAPSHOTS=1");
    };
    assert_eq!(golden.dimensions(), picture.dimensions(), "{name}: size");
    let differs =
        |(a, b): (&image::Rgba<u8>, &image::Rgba<u8>)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > CHANNEL);
    let bad = golden.pixels().zip(picture.pixels()).filter(|&p| differs(p)).count();
    let allowed = (PIXELS * f64::from(golden.width() * golden.height())).max(10.0);
    if bad as f64 > allowed {
        save_new();
        panic!("{name}: {bad} pixels differ, at most {allowed:.0} may (on {adapter}); compare it with {name}.new.png");
    }
}

/// As small as PNG makes it: the pictures stay in the repository for good. They are opaque.
fn save(path: &Path, picture: &RgbaImage) {
    let file = std::io::BufWriter::new(std::fs::File::create(path).expect("the golden folder is writable"));
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    picture.write_with_encoder(encoder).expect("a picture is written");
}
